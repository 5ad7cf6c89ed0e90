"""Channels of OpenEXR files by name, read and written with the OpenEXR library.

All parts of a file are searched: Blender's multilayer files name depth "ViewLayer.Depth.Z" or the like, and since
Blender 5.0 each layer is a part.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import OpenEXR

from ..shared.errors import first_line

MAGIC = b"\x76\x2f\x31\x01"
MOST_PIXELS = 2**28  # of a part; a header that states more is damaged
MOST_SAMPLES = 2**31  # of all channels together, up to 8 GB: the library decodes whole files
_DEEP = (OpenEXR.deepscanline, OpenEXR.deeptile)


class UnsupportedError(ValueError):
    """The file is intact, but in a form that cannot be read here."""


@dataclass(frozen=True)
class Channel:
    """A channel of a file.

    Attributes:
        name: As "R" or "ViewLayer.Depth.Z".
        size: (W, H) px of the data window of its part.
        part: Index of its part.
        subsampled: True when the file stores fewer samples than pixels, as for chroma.
    """

    name: str
    size: tuple[int, int]
    part: int
    subsampled: bool


def list_channels(data: bytes) -> dict[str, Channel]:
    """The channels of a file by name, from its header; where parts share a name, the first part's.

    Raises:
        ValueError: The file is not an OpenEXR file, or its header is damaged.
        UnsupportedError: It holds deep pixels, or more than MOST_SAMPLES.
    """
    found: dict[str, Channel] = {}
    samples = 0
    for part in _open(data, header_only=True).parts:
        size = _data_size(part.header)
        if part.header.get("type") in _DEEP:
            raise UnsupportedError("it holds deep pixels")
        for channel in part.header["channels"]:
            subsampled = (channel.xSampling, channel.ySampling) != (1, 1)
            found.setdefault(channel.name, Channel(channel.name, size, part.part_index, subsampled))
            samples += size[0] * size[1]
    if samples > MOST_SAMPLES:
        raise UnsupportedError("all its channels together are too large")
    return found


def read_channels(data: bytes, channels: list[Channel]) -> list[np.ndarray]:
    """(H, W) float32 of each of some channels of `list_channels`, with any compression, in scanlines or tiles.

    Raises:
        ValueError: The file is damaged.
        UnsupportedError: A channel is subsampled.
    """
    if any(channel.subsampled for channel in channels):
        raise UnsupportedError("it has channels of several sizes")
    # The library leaves out parts whose pixels it cannot decode.
    parts = {part.part_index: part.channels for part in _open(data, header_only=False).parts}
    found = []
    for channel in channels:
        decoded = parts.get(channel.part, {}).get(channel.name)
        if decoded is None or decoded.pixels is None or decoded.pixels.shape != channel.size[::-1]:
            raise ValueError("its pixels are damaged or incomplete")
        found.append(np.ascontiguousarray(decoded.pixels, np.float32))
    return found


def encode_channels(channels: dict[str, np.ndarray]) -> bytes:
    """A file of float32 channels of one size, (H, W) each, in scanlines with lossless ZIP compression."""
    pixels = {name: np.ascontiguousarray(values, np.float32) for name, values in channels.items()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    file = io.BytesIO()
    OpenEXR.File(header, pixels).write(file)
    return file.getvalue()


def _open(data: bytes, header_only: bool) -> OpenEXR.File:
    if data[:4] != MAGIC:
        raise ValueError("it does not begin like an OpenEXR file")
    try:
        return OpenEXR.File(io.BytesIO(data), separate_channels=True, header_only=header_only)
    except (RuntimeError, TypeError, ValueError, OSError, KeyError, IndexError) as error:
        raise ValueError(first_line(error)) from error


def _data_size(header: dict) -> tuple[int, int]:
    (left, top), (right, bottom) = (corner.astype(np.int64) for corner in header["dataWindow"])
    width, height = int(right - left + 1), int(bottom - top + 1)
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise ValueError(f"its header states a size of {width} x {height} pixels")
    return width, height
