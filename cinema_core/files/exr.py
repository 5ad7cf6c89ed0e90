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
# A display window larger than both is damaged: px, and px for each one that is stored.
_MOST_EMPTY, _LARGEST_SHARE = 2**24, 100
_DEEP = (OpenEXR.deepscanline, OpenEXR.deeptile)


class UnsupportedError(ValueError):
    """The file is intact, but in a form that cannot be read here."""


@dataclass(frozen=True)
class Channel:
    """A channel of a file.

    Attributes:
        name: As "R" or "ViewLayer.Depth.Z".
        size: (W, H) px of the data window of its part, the pixels that are stored.
        display: (W, H) px of the display window of its part, the whole picture.
        corner: (x, y) px of the data window's upper left pixel in the display window; negative where it lies outside.
        part: Index of its part.
        subsampled: True when the file stores fewer samples than pixels, as for chroma.
    """

    name: str
    size: tuple[int, int]
    display: tuple[int, int]
    corner: tuple[int, int]
    part: int
    subsampled: bool

    @property
    def is_whole(self) -> bool:
        """Whether the stored pixels are the whole picture, no less and no more."""
        return self.corner == (0, 0) and self.size == self.display


def list_channels(data: bytes) -> dict[str, Channel]:
    """The channels of a file by name, from its header; where parts share a name, the first part's.

    Raises:
        ValueError: The file is not an OpenEXR file, or its header is damaged.
        UnsupportedError: It holds deep pixels, or more than MOST_SAMPLES.
    """
    found: dict[str, Channel] = {}
    samples = 0
    for part in _open(data, header_only=True).parts:
        size, display = (_window_size(part.header, window) for window in ("dataWindow", "displayWindow"))
        left, top = part.header["dataWindow"][0].astype(np.int64) - part.header["displayWindow"][0].astype(np.int64)
        if part.header.get("type") in _DEEP:
            raise UnsupportedError("it holds deep pixels")
        for channel in part.header["channels"]:
            subsampled = (channel.xSampling, channel.ySampling) != (1, 1)
            found.setdefault(
                channel.name, Channel(channel.name, size, display, (int(left), int(top)), part.part_index, subsampled)
            )
            samples += size[0] * size[1]
    if samples > MOST_SAMPLES:
        raise UnsupportedError("all its channels together are too large")
    return found


def read_channels(data: bytes, channels: list[Channel]) -> list[np.ndarray]:
    """The stored pixels of some channels, with any compression, in scanlines or tiles.

    Args:
        data: The file's content.
        channels: Some of `list_channels`.

    Returns:
        (H, W) float32 of each channel's `size`; `place_in_display` makes the whole picture of them.

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


def place_in_display(values: np.ndarray, channel: Channel, outside: float) -> np.ndarray:
    """The whole picture from its stored pixels, which may be a part of it, or reach beyond it.

    Source: the format's description, "The Display Window and the Data Window".

    Args:
        values: (H, W) float32, as from `read_channels`.
        channel: Their channel.
        outside: The value where the file stores no pixels.

    Returns:
        (H, W) float32 of the channel's `display`.

    Raises:
        ValueError: No pixel of the picture is stored, or so few that its windows are damaged.
    """
    if channel.is_whole:
        return values
    (width, height), (left, top) = channel.display, channel.corner
    if width * height > max(_MOST_EMPTY, values.size * _LARGEST_SHARE):
        raise ValueError("nearly all of its picture is missing")
    inside = values[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    if not inside.size:
        raise ValueError("its pixels lie outside its picture")
    placed = np.full((height, width), outside, np.float32)
    placed[max(0, top) :, max(0, left) :][: inside.shape[0], : inside.shape[1]] = inside
    return placed


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


def _window_size(header: dict, window: str) -> tuple[int, int]:
    (left, top), (right, bottom) = (corner.astype(np.int64) for corner in header[window])
    width, height = int(right - left + 1), int(bottom - top + 1)
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise ValueError(f"its header states a size of {width} x {height} pixels")
    return width, height
