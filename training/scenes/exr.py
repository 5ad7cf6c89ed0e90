"""Reads uncompressed 32-bit "OpenEXR Multilayer" files as Blender writes them, with one scan line in each block."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """(H, W) float32 arrays by channel name, such as "ViewLayer.Combined.R"."""
    data = path.read_bytes()
    attributes, start = _read_header(data)
    assert attributes["compression"] == b"\0", "The EXR file is compressed; only uncompressed files can be read."
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    names = _channel_names(attributes["channels"])
    lines = np.frombuffer(data, np.uint8, offset=start + 8 * height)  # after the table of line offsets
    lines = lines.reshape(height, 8 + 4 * width * len(names))[:, 8:]  # each line starts with its number and its size
    values = np.ascontiguousarray(lines).view("<f4").reshape(height, len(names), width)
    return {name: values[:, index].astype(np.float32) for index, name in enumerate(names)}


def _read_header(data: bytes) -> tuple[dict[str, bytes], int]:
    """Attributes by name, and the offset of the first byte after them."""
    attributes, place = {}, 8
    while data[place]:
        name_end = data.index(b"\0", place)
        type_end = data.index(b"\0", name_end + 1)
        size = struct.unpack_from("<i", data, type_end + 1)[0]
        attributes[data[place:name_end].decode()] = data[type_end + 5 : type_end + 5 + size]
        place = type_end + 5 + size
    return attributes, place + 1


def _channel_names(packed: bytes) -> list[str]:
    names, place = [], 0
    while packed[place]:
        end = packed.index(b"\0", place)
        assert struct.unpack_from("<i", packed, end + 1)[0] == 2, (
            "The EXR file holds other values than 32-bit floats; only these can be read."
        )
        names.append(packed[place:end].decode())
        place = end + 17
    return names
