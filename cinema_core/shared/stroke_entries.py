"""Values in stroke files: checks of numbers; masks as outlines. numpy only: Blender's process imports this module."""

from __future__ import annotations

import struct
import zlib
from typing import TypeGuard

import numpy as np

_LARGEST_NUMBER = 1e9  # coordinates, speeds and factors of a real stroke are far below
_MOST_PIXELS = 2**28  # of a mask; a header that states more is damaged
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # per pixel, by PNG's colour type
_EAST, _SOUTH, _WEST, _NORTH = range(4)


def read_points(value: object) -> np.ndarray:
    """(N, 2) float64 from a JSON list of pairs, N >= 1.

    Raises:
        ValueError: It is no such list, or not finite.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("has no points")
    if not all(isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in value):
        raise ValueError("has a point that is not a pair of numbers")
    return np.array(value, np.float64)


def read_profile(value: object, count: int) -> np.ndarray | None:
    """(N,) float32 from a JSON list of N = `count` factors; None stays None.

    Raises:
        ValueError: It is no such list, or a factor is negative or not finite.
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count or not all(is_number(f) and f >= 0 for f in value):
        raise ValueError("has a profile that is not one number of 0 or more for every point")
    return np.array(value, np.float32)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a JSON value is a finite number of a size that occurs in strokes; JSON may hold NaN, too."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST_NUMBER < value < _LARGEST_NUMBER
    )


def read_png_mask(data: bytes) -> np.ndarray:
    """(H, W) bool: the pixels of a PNG picture that are neither black nor transparent; of a palette, not of index 0.

    Source: "Portable Network Graphics (PNG) Specification", W3C. Only whole rows are read, no interlaced pictures.

    Raises:
        ValueError: It is no such picture, or damaged.
    """
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 33:
        raise ValueError("has a mask that is not a PNG picture")
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    samples = _SAMPLES.get(kind, 0)
    if not (samples and depth in (1, 2, 4, 8, 16) and 0 < width * height <= _MOST_PIXELS) or interlaced:
        raise ValueError("has a mask of a kind of PNG picture that cannot be read")
    row, step = (width * samples * depth + 7) // 8, max(1, samples * depth // 8)
    try:
        packed = zlib.decompressobj().decompress(b"".join(_png_chunks(data, b"IDAT")), height * (row + 1))
    except zlib.error as error:
        raise ValueError("has a damaged mask") from error
    if len(packed) < height * (row + 1):
        raise ValueError("has a damaged mask")
    lines = _unfilter(np.frombuffer(packed, np.uint8).reshape(height, row + 1), step)
    if depth < 8:
        bits = np.unpackbits(lines, axis=1)[:, : width * depth]
        return bits.reshape(height, width, depth).any(-1)
    pixels = lines.reshape(height, width, samples, depth // 8).any(-1)
    if kind in (4, 6):
        return pixels[..., :-1].any(-1) & pixels[..., -1]
    return pixels.any(-1)


def _png_chunks(data: bytes, wanted: bytes) -> list[bytes]:
    found, place = [], 8
    while place + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        if name == wanted:
            found.append(data[place + 8 : place + 8 + length])
        place += length + 12
    return found


def _unfilter(packed: np.ndarray, step: int) -> np.ndarray:
    """(H, R) uint8 rows of bytes from (H, 1 + R) filtered ones; `step` bytes lie between a byte and its left one."""
    above = np.zeros(packed.shape[1] - 1, np.uint8)
    lines = np.empty((len(packed), above.size), np.uint8)
    for number, line in enumerate(packed):
        kind, values = line[0], line[1:]
        if kind == 0:
            above = values
        elif kind == 1:
            above = values.copy()
            for first in range(step):
                above[first::step] = np.cumsum(values[first::step], dtype=np.uint8)
        elif kind == 2:
            above = values + above
        elif kind in (3, 4):
            above = np.array(_unfilter_by_neighbours(values.tolist(), above.tolist(), step, kind == 4), np.uint8)
        else:
            raise ValueError("has a damaged mask")
        lines[number] = above
    return lines


def _unfilter_by_neighbours(values: list[int], above: list[int], step: int, paeth: bool) -> list[int]:
    """A row whose bytes were predicted from the mean, or by Paeth's predictor, of the bytes to the left and above."""
    row: list[int] = []
    for place, value in enumerate(values):
        left, corner = (row[place - step], above[place - step]) if place >= step else (0, 0)
        up = above[place]
        if paeth:
            far = (abs(up - corner), abs(left - corner), abs(left + up - 2 * corner))
            guess = left if far[0] <= far[1] and far[0] <= far[2] else (up if far[1] <= far[2] else corner)
        else:
            guess = (left + up) // 2
        row.append((value + guess) & 255)
    return row


def trace_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outlines of the parts of a mask along the borders of its pixels.

    Args:
        mask: (H, W) bool. Pixels that touch at a corner alone are of different parts.

    Returns:
        One (N, 2) float64 closed outline for each part, (x, y) px, the upper left pixel's corner at (0, 0). The outline
        of a part with holes runs to each hole, round it, and back on the same line, so that the hole is not enclosed.
    """
    loops = [np.array(loop, np.float64) for loop in _trace_loops(mask)]
    areas = [_signed_area(loop) for loop in loops]
    parts = sorted((number for number, area in enumerate(areas) if area > 0), key=lambda number: areas[number])
    outlines = {number: [loops[number]] for number in parts}
    for hole, area in zip(loops, areas):
        if area > 0:
            continue
        along = np.sign(hole[1] - hole[0])
        beside = hole[0] + along / 2 + np.array((-along[1], along[0])) / 2  # a pixel of the part that has the hole
        around = next(number for number in parts if _encloses(loops[number], beside))  # the smallest that does
        outlines[around] += [loops[around][:1], hole, hole[:1]]
    return [np.concatenate(outlines[number]) for number in sorted(parts)]


def _trace_loops(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """Corners of all borders of a mask, each with the mask on its right: clockwise round a part, else round a hole."""
    height, width = mask.shape
    padded = np.pad(mask.astype(bool), 1)
    stride = width + 1  # corners of pixels in a row
    edges: set[tuple[int, int]] = set()  # corner where an edge begins, direction
    for direction, (dy, dx), (y, x) in (
        (_EAST, (-1, 0), (0, 0)), (_SOUTH, (0, 1), (0, 1)), (_WEST, (1, 0), (1, 1)), (_NORTH, (0, -1), (1, 0)),
    ):  # fmt: skip
        beyond = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        rows, columns = np.nonzero(mask & ~beyond)
        edges.update((corner, direction) for corner in ((rows + y) * stride + columns + x).tolist())
    steps = (1, stride, -1, -stride)
    loops = []
    for start in sorted(edges):
        if start not in edges:
            continue
        (corner, direction), turned, loop = start, True, []
        while (corner, direction) in edges:
            edges.remove((corner, direction))
            if turned:
                loop.append((corner % stride, corner // stride))
            corner += steps[direction]
            ahead = [(direction + turn) % 4 for turn in (1, 0, 3)]  # right first: it stays at the same pixel
            following = next((way for way in ahead if (corner, way) in edges), direction)
            turned, direction = following != direction, following
        loops.append(loop)
    return loops


def _signed_area(loop: np.ndarray) -> float:
    """Area in px, negative for a loop that runs counterclockwise on screen."""
    following = np.roll(loop, -1, 0)
    return float((loop[:, 0] * following[:, 1] - loop[:, 1] * following[:, 0]).sum() / 2)


def _encloses(loop: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point that is not on the loop is inside of it."""
    following = np.roll(loop, -1, 0)
    upright = (loop[:, 1] > point[1]) != (following[:, 1] > point[1])  # all edges are level or upright
    return bool((loop[upright, 0] > point[0]).sum() % 2)
