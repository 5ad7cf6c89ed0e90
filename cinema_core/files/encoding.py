"""Colour spaces that a file states by numbers instead of a profile: AVIF, HEIF and PNG.

Sources: ITU-T H.273 (the numbers), BT.2100 (PQ and HLG), the PNG specification (gAMA and cICP).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ..shared.srgb import to_linear, to_srgb

PNG_START = b"\x89PNG\r\n\x1a\n"
HDR = "The photo is HDR: it is converted to sRGB, and values brighter than white are clipped"
_SRGB, _BT2020, _DISPLAY_P3 = 1, 9, 12  # numbers of primaries
_LINEAR, _PQ, _HLG = 8, 16, 18  # numbers of transfer functions
_GAMMAS = {4: 2.2, 5: 2.8}  # those that are powers
_PRIMARIES = {  # chromaticities x, y of red, green and blue
    _SRGB: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    _BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    _DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_WHITE = (0.3127, 0.3290)  # D65
_REFERENCE_WHITE = 203.0  # cd/m² of a white page in HDR, BT.2408
_HLG_PEAK = 1000.0  # cd/m² of the display for which HLG is defined
_USUAL_GAMMA = 2.2  # of PNG files that mean sRGB
_SAME_GAMMA = 0.1  # relative difference below which it is meant


@dataclass(frozen=True)
class Encoding:
    """A colour space.

    Attributes:
        primaries: Number of the primaries, H.273.
        transfer: Number of the transfer function, H.273; those of BT.709 and its like are shown as sRGB.
        gamma: Exponent that gives linear light, in place of the transfer function; or None.
    """

    primaries: int = _SRGB
    transfer: int = 13
    gamma: float | None = None

    @property
    def is_srgb(self) -> bool:
        """Whether values can be used as they are."""
        curved = self.transfer in (_LINEAR, _PQ, _HLG, *_GAMMAS)
        return self.gamma is None and not curved and self.primaries not in (_BT2020, _DISPLAY_P3)

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (_PQ, _HLG)


def encoding_to_srgb(color: np.ndarray, encoding: Encoding) -> np.ndarray:
    """(H, W, 3) float32 sRGB, 0..1, from values of 0..1 in another colour space."""
    light = _to_light(np.asarray(color, np.float32), encoding)
    if encoding.primaries in (_BT2020, _DISPLAY_P3):
        light = light @ (np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(encoding.primaries)).T.astype(np.float32)
    return to_srgb(light.clip(0, 1)).astype(np.float32).clip(0, 1)


def read_png_encoding(data: bytes) -> Encoding | None:
    """The encoding of a PNG file without a profile; None for sRGB and files that state none."""
    before = takewhile(lambda chunk: chunk[0] != b"IDAT", png_chunks(data))
    content = {kind: data[place + 8 : end - 4] for kind, place, end in before if kind in (b"cICP", b"sRGB", b"gAMA")}
    if len(content.get(b"cICP", b"")) == 4:
        return _unless_srgb(Encoding(*content[b"cICP"][:2]))
    if b"sRGB" in content or len(content.get(b"gAMA", b"")) != 4:
        return None
    (value,) = struct.unpack(">I", content[b"gAMA"])
    gamma = 100000 / value if value else _USUAL_GAMMA
    return None if abs(gamma / _USUAL_GAMMA - 1) < _SAME_GAMMA else Encoding(gamma=gamma)


def read_box_encoding(data: bytes) -> Encoding | None:
    """The encoding of an AVIF file: that of its first "colr" box of numbers; None for sRGB."""
    place = data.find(b"colrnclx")
    numbers = data[place + 8 : place + 12]
    return _unless_srgb(Encoding(*struct.unpack(">HH", numbers))) if place >= 0 and len(numbers) == 4 else None


def _unless_srgb(encoding: Encoding) -> Encoding | None:
    return None if encoding.is_srgb else encoding


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte and end of the complete chunks of a PNG file; a chunk is length, kind, content, checksum."""
    place = 8
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            return
        yield data[place + 4 : place + 8], place, end
        place = end


def _to_light(color: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Linear light, 1 is white."""
    gamma = encoding.gamma or _GAMMAS.get(encoding.transfer)
    if gamma:
        return color**gamma
    if encoding.transfer == _LINEAR:
        return color
    if encoding.transfer == _PQ:
        power = color ** (1 / 78.84375)
        light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        return light ** (1 / 0.1593017578125) * (10000 / _REFERENCE_WHITE)
    if encoding.transfer == _HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(color <= 0.5, color**2 / 3, (np.exp((color - c) / a) + b) / 12)
        luminance = scene @ np.array((0.2627, 0.6780, 0.0593), np.float32)
        return scene * luminance[..., None] ** 0.2 * (_HLG_PEAK / _REFERENCE_WHITE)
    return to_linear(color)


def _to_xyz(primaries: int) -> np.ndarray:
    """(3, 3) matrix from linear RGB to CIE XYZ."""
    x, y = np.array(_PRIMARIES[primaries]).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([_WHITE[0] / _WHITE[1], 1, (1 - sum(_WHITE)) / _WHITE[1]])
    return columns * np.linalg.solve(columns, white)
