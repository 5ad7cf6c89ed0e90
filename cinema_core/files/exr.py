"""Single channels of OpenEXR files, of any name: OpenCV reads only R, G, B and Y, and files of one part.

Blender's multilayer files name depth "ViewLayer.Depth.Z" or the like, and since 5.0 they have several parts. Scanlines
are read that are not compressed, or by RLE, ZIP, ZIPS or PXR24.

Source: "OpenEXR File Layout", openexr.com.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

MAGIC = b"\x76\x2f\x31\x01"
MOST_PIXELS = 2**28  # a header that says more is damaged
_TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
_NONE, _RLE, _ZIPS, _ZIP, _PIZ, _PXR24 = range(6)
_LINES = {_NONE: 1, _RLE: 1, _ZIPS: 1, _ZIP: 16, _PXR24: 16}  # of a chunk
_NAMES = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
_TILED, _DEEP, _PARTS = 0x200, 0x800, 0x1000  # bits of the version


class UnsupportedError(ValueError):
    """A file that is whole, but of a form that is not read here."""


@dataclass(frozen=True)
class _Channel:
    name: str
    kind: np.dtype
    subsampled: bool


@dataclass(frozen=True)
class _Part:
    """A picture of the file: (W, H) px, its channels in the order of their samples, and where its chunks start."""

    size: tuple[int, int]
    top: int
    channels: list[_Channel]
    compression: int
    chunks: np.ndarray


def read_channels(data: bytes) -> dict[str, _Part]:
    """The channels of a file by name; those of further parts of the same name are left out.

    Raises:
        ValueError: It is no OpenEXR file, or damaged.
        UnsupportedError: It holds tiles or deep pixels.
    """
    try:
        parts = _read_parts(data)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ValueError("the header is damaged") from error
    found = {}
    for part in parts:
        for channel in part.channels:
            found.setdefault(channel.name, part)
    return found


def read_channel(data: bytes, part: _Part, name: str) -> np.ndarray:
    """(H, W) float32: one channel of a part.

    Raises:
        ValueError: The file is damaged.
        UnsupportedError: The channel is subsampled, or compressed in another way.
    """
    names = [channel.name for channel in part.channels]
    channel = part.channels[names.index(name)]
    if any(other.subsampled for other in part.channels):
        raise UnsupportedError("it has channels of several sizes")
    if part.compression not in _LINES:
        raise UnsupportedError(f"it is compressed by {_NAMES[part.compression]}")
    width, height = part.size
    before = width * sum(other.kind.itemsize for other in part.channels[: names.index(name)])
    row = width * sum(other.kind.itemsize for other in part.channels)
    picture = np.zeros((height, width), np.float32)
    try:
        for chunk in map(int, part.chunks):
            first, size = struct.unpack_from("<ii", data, chunk)
            lines = min(_LINES[part.compression], height - (first - part.top))
            content = data[chunk + 8 : chunk + 8 + size]
            if lines < 1 or first < part.top or len(content) < size:
                raise ValueError("it is cut short")
            raw = content if size == lines * row else _unpack(content, part, lines)
            rows = np.frombuffer(raw, np.uint8).reshape(lines, row)[:, before : before + width * channel.kind.itemsize]
            picture[first - part.top :][:lines] = np.ascontiguousarray(rows).view(channel.kind)
    except (struct.error, zlib.error, IndexError) as error:
        raise ValueError("it is damaged") from error
    return picture


def _read_parts(data: bytes) -> list[_Part]:
    if data[:4] != MAGIC:
        raise ValueError("it does not start as OpenEXR files do")
    version = struct.unpack_from("<i", data, 4)[0]
    if version & (_TILED | _DEEP):
        raise UnsupportedError("it is tiled or deep")
    headers, at = [], 8
    while True:
        header, at = _read_header(data, at)
        headers.append(header)
        if not version & _PARTS:
            break
        if data[at] == 0:
            at += 1
            break
    parts = []
    for header in headers:
        if header.get("type", b"scanlineimage\0").rstrip(b"\0") != b"scanlineimage":
            raise UnsupportedError("it is tiled or deep")
        left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
        width, height, compression = right - left + 1, bottom - top + 1, header["compression"][0]
        if width < 1 or height < 1 or width * height > MOST_PIXELS or compression >= len(_NAMES):
            raise ValueError("the header makes no sense")
        count = -(-height // _LINES.get(compression, height))
        if version & _PARTS:
            count = struct.unpack("<i", header["chunkCount"])[0]
        if not 0 <= count <= (len(data) - at) // 8:
            raise ValueError("it is cut short")
        chunks = np.frombuffer(data, "<u8", count, at) + np.uint64(
            4 if version & _PARTS else 0
        )  # past the part's number
        at += 8 * count
        parts.append(_Part((width, height), top, _read_list(header["channels"]), compression, chunks))
    return parts


def _read_header(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """Attributes by name, and where the header ends."""
    attributes = {}
    while data[at]:
        name, at = _read_text(data, at)
        _, at = _read_text(data, at)
        size = struct.unpack_from("<i", data, at)[0]
        if size < 0:
            raise ValueError("the header makes no sense")
        attributes[name], at = data[at + 4 : at + 4 + size], at + 4 + size
    return attributes, at + 1


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at, at + 256)
    if end < 0:
        raise ValueError("the header makes no sense")
    return data[at:end].decode(), end + 1


def _read_list(content: bytes) -> list[_Channel]:
    channels, at = [], 0
    while content[at]:
        name, at = _read_text(content, at)
        kind, _, across, down = struct.unpack_from("<iIii", content, at)
        channels.append(_Channel(name, _TYPES[kind], (across, down) != (1, 1)))
        at += 16
    return channels


def _unpack(content: bytes, part: _Part, lines: int) -> bytes:
    """The chunk as if it were not compressed."""
    if part.compression == _PXR24:
        return _unpack_pxr24(zlib.decompress(content), part, lines)
    packed = _unpack_runs(content) if part.compression == _RLE else zlib.decompress(content)
    steps = np.frombuffer(packed, np.uint8).copy()
    steps[1:] += 128  # each byte is its difference to the one before, plus 128
    values = np.cumsum(steps, dtype=np.uint8)
    half = -(-len(values) // 2)  # then all even bytes come first
    together = np.empty_like(values)
    together[0::2], together[1::2] = values[:half], values[half:]
    return together.tobytes()


def _unpack_runs(content: bytes) -> bytes:
    parts, at = [], 0
    while at < len(content):
        count = content[at] - 256 if content[at] > 127 else content[at]
        if count < 0:
            parts.append(content[at + 1 : at + 1 - count])
            at += 1 - count
        else:
            parts.append(content[at + 1 : at + 2] * (count + 1))
            at += 2
    return b"".join(parts)


def _unpack_pxr24(content: bytes, part: _Part, lines: int) -> bytes:
    """Each channel's row: its differences from pixel to pixel, highest bytes of all first; floats lack the lowest."""
    width, at, rows = part.size[0], 0, []
    for _ in range(lines):
        for channel in part.channels:
            count = {"f2": 2, "f4": 3, "u4": 4}[channel.kind.str[1:]]
            planes = np.frombuffer(content, np.uint8, count * width, at).reshape(count, width).astype(np.uint32)
            at += count * width
            places = np.arange(channel.kind.itemsize - 1, channel.kind.itemsize - 1 - count, -1, dtype=np.uint32)
            steps = (planes << (8 * places)[:, None]).sum(0, dtype=np.uint32)
            rows.append(np.cumsum(steps, dtype=np.uint32).astype(f"<u{channel.kind.itemsize}").tobytes())
    return b"".join(rows)
