"""Borders: how far the photo must go on beyond its border, and how near what lies there is.

Input: the photo's disparity and camera. Output: disparity on a larger canvas, and which part of that the presets show.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ..shared.camera import CIRCLE, SIDE, UP_DOWN, Camera, camera_path

MARGIN = 1.1  # reach beyond what the presets reveal
SLOPE_SIDE = 1 / 20  # of the side; how far inward the slope at the border is looked at
STEEPEST = 4.0  # disparity per longer side; what is steeper is no slope
MOST = 0.25  # of the disparity at the border, by which that beyond may differ
THIN = 1 / 24  # of the longer side; twice as wide as what counts as a thing that crosses the border, not as a surface
STANDS_OFF = 0.04  # disparity by which a thing stands off what is beside it
ALONG = 1 / 40  # of the longer side; px inward by which a thing's direction is told
STEEP = 3.0  # px along the border per px outward; what runs flatter is not followed
AROUND = 8  # px beside thin things, as wide as the coarsest cells that close holes
LEAST = 4  # px inward that a thing must be followed to go on
SLACK = 3  # px, by which what nearly comes into view is taken to do so
# Camera centres, scene units, from which the presets see farthest beyond the frame; the circle where it is not ahead.
CENTRES = np.concatenate(
    [
        [(SIDE, 0, 0), (-SIDE, 0, 0), (0, UP_DOWN, 0), (0, -UP_DOWN, 0)],
        [centre for centre in camera_path("circle")[::3, :3, 3] if centre[2] <= 0],
    ]
)


def photo_window(camera: Camera, pad: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the photo on a canvas with this pad, (x, y) px."""
    return slice(pad[1], pad[1] + camera.height), slice(pad[0], pad[0] + camera.width)


def outpaint_margin(disparity: np.ndarray, camera: Camera, reach: float = 1.0) -> tuple[int, int]:
    """px that the presets reveal beyond the photo's border, (x, y)."""
    across, down = _shifts(camera, reach)
    nearest = max(disparity[:, 0].max(), disparity[:, -1].max()), max(disparity[0].max(), disparity[-1].max())
    shift = across(nearest[0], camera.width / 2), down(nearest[1], camera.height / 2)
    return tuple(int(np.ceil(px)) + 4 for px in shift)


def _shifts(camera: Camera, reach: float):
    """Two functions of disparity and px from the middle: px by which the presets move content inward, across and down."""

    def shift(sideways: float, circle: float):
        def px(disparity, from_middle):
            back = CIRCLE[2] * disparity / (1 + CIRCLE[2] * disparity) * from_middle + circle * camera.focal * disparity
            return np.float32(reach * MARGIN) * np.maximum(sideways * camera.focal * disparity, back)

        return px

    return shift(SIDE, CIRCLE[0]), shift(UP_DOWN, 0.0)  # where the circle is farthest back, it is not above or below


def continue_outward(disparity: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """Continue disparity beyond the border along its slope there, by at most a quarter, and no nearer than the nearest.

    What is thin at the border does not go on, see `follow_thin`; nor do the gaps of a crown.

    Args:
        disparity: (H, W) float32.
        pad: (x, y) px.

    Returns:
        (H + 2 y, W + 2 x) float32.
    """
    nearest, limit = disparity.max(), STEEPEST / max(disparity.shape)
    wide = _odd(THIN * max(disparity.shape))

    def extend(values: np.ndarray, amount: int) -> np.ndarray:
        """One side: beyond the last row."""
        depth = max(2, round(len(values) * SLOPE_SIDE))
        inner = values[-depth:]
        steps = np.diff(inner, axis=0)
        slope = np.median(steps, axis=0)  # which a step somewhere does not change
        last = _without_thin(values[-1], wide)
        slope = cv2.blur(np.clip(slope, -limit, limit)[None], (2 * depth + 1, 1))[0]
        ramp = slope * np.arange(1, amount + 1, dtype=np.float32)[:, None]
        return np.minimum(last + np.clip(ramp, -MOST * last, MOST * last), nearest)

    inside = tuple(slice(amount, amount + side) for amount, side in zip(pad[::-1], disparity.shape))
    canvas = np.empty([side + 2 * amount for amount, side in zip(pad[::-1], disparity.shape)], np.float32)
    canvas[inside] = disparity
    for whole, inner, amount in ((canvas[:, inside[1]], disparity, pad[1]), (canvas.T, canvas[:, inside[1]].T, pad[0])):
        whole[:amount], whole[len(whole) - amount :] = extend(inner[::-1], amount)[::-1], extend(inner, amount)
    return canvas


def _odd(size: float) -> int:
    return max(3, 2 * round(size / 2) + 1)


def _without_thin(line: np.ndarray, wide: int) -> np.ndarray:
    """(N,) disparity along a border without what is narrower than half of so many px."""
    middle = median_filter(line, wide, mode="nearest")
    return np.where(np.abs(line - middle) > STANDS_OFF, middle, line)


def extend_thin(disparity: np.ndarray, pad: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Thin near things that cross the border, continued along their direction there.

    Each is followed inward as far as it stays one thing, and goes on as far outward as its own mirror image: a branch
    crosses what lies beyond, a leaf is made whole.

    Args:
        disparity: (H, W) float32, the photo's.
        pad: (x, y) px of the canvas.

    Returns:
        (T,) int64 each: flat canvas indices of pixels beyond the border, from far to near, and what they are a copy of.
    """
    height, width = disparity.shape
    across, down = width + 2 * pad[0], height + 2 * pad[1]
    wide, inward = _odd(THIN * max(disparity.shape)), max(3 * LEAST, round(ALONG * max(disparity.shape)))
    found = [np.zeros((2, 0), np.int64)]
    for axis, amount, beside, row, column in ((0, pad[1], pad[0], across, 1), (1, pad[0], pad[1], 1, across)):
        for way in (1, -1):
            values = np.moveaxis(disparity, axis, 0)[::way]
            along, outward = _mirrored(values, amount, beside, (across, down)[axis], wide, inward)
            if way < 0:
                outward = (down, across)[axis] - 1 - outward
            found.append(along * column + outward * row)
    target, source = np.concatenate(found, 1)
    inside = disparity.ravel()[_inside(source, across, pad, width)]
    order = np.argsort(inside, kind="stable")
    return target[order], source[order]


def _inside(index: np.ndarray, across: int, pad: tuple[int, int], width: int) -> np.ndarray:
    """Flat indices of the photo from those of the canvas."""
    row, column = np.divmod(index, across)
    return (row - pad[1]) * width + column - pad[0]


def _mirrored(values: np.ndarray, amount: int, beside: int, across: int, wide: int, inward: int) -> np.ndarray:
    """(2, 2, T) column and row, of target and source, of what crosses the first row of `values`.

    On a canvas that is `across` wide, with `amount` more rows before that and `beside` more columns.
    """
    line = values[0]
    rows = min(len(values), amount)
    thin = line > median_filter(line, wide, mode="nearest") + STANDS_OFF
    breaks = np.abs(np.diff(line)) > STANDS_OFF
    start = np.flatnonzero(np.concatenate([[True], breaks]))
    end = np.append(start[1:], len(line))
    kept = thin[(start + end - 1) // 2] & (end - start <= wide // 2)
    first, last = start[kept], end[kept]
    if not len(first) or rows <= LEAST:
        return np.zeros((2, 2, 0), np.int64)
    starts, length = _follow(values[: max(rows, inward)], first, last)
    told = np.minimum(length, inward)
    middle = (starts + (last - first)[None] / 2).astype(np.float64)
    lean = (middle[told - 1, np.arange(len(first))] - middle[0]) / np.maximum(told - 1, 1)
    followed = (length >= LEAST) & (np.abs(lean) <= STEEP)
    pairs = [np.zeros((2, 2, 0), np.int64)]
    for out in range(1, rows + 1):
        some = np.flatnonzero(followed & (length >= out))
        if not len(some):
            break
        sizes = (last - first)[some]
        offset = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        to = np.repeat(np.rint(first[some] - lean[some] * out).astype(int), sizes) + offset + beside
        from_ = np.clip(np.repeat(starts[out - 1, some], sizes) + offset, 0, len(line) - 1) + beside
        fits = (to >= 0) & (to < across)
        columns = np.stack([to[fits], from_[fits]])
        pairs.append(np.stack([columns, np.broadcast_to([[amount - out], [amount + out - 1]], columns.shape)]))
    return np.concatenate(pairs, 2)


def _follow(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow runs of the first row (first <= column < last) down the rows.

    Returns:
        (rows, R) int64, where a run of the same width starts in each row, and (R,) int64, rows in which it is there.
    """
    size, depth = last - first, values[0, (first + last - 1) // 2]
    starts, length = np.repeat(first[None], len(values), 0), np.ones(len(first), np.int64)
    begin, end, step = first, last, np.zeros(len(first))
    alive = np.ones(len(first), bool)
    for row in range(1, len(values)):
        line = values[row]
        run = np.concatenate([[0], np.cumsum(np.abs(np.diff(line)) > STANDS_OFF)])
        edges = np.append(np.flatnonzero(np.concatenate([[True], np.diff(run) > 0])), len(line))
        chosen, found = begin, np.zeros(len(first), bool)
        middle = (begin + end - 1) / 2
        for guess in (middle + step, middle, begin - 1, end):  # a flat one goes on beside where it was
            column = np.clip(np.rint(guess).astype(int), 0, len(line) - 1)
            fits = ~found & (np.abs(line[column] - depth) < np.maximum(STANDS_OFF, 0.1 * depth))
            number = run[column]
            fits &= edges[number + 1] - edges[number] <= 2 * size + 2
            chosen, found = np.where(fits, column, chosen), found | fits
        alive &= found
        if not alive.any():
            break
        number = run[chosen]
        now = edges[number], edges[number + 1]
        step = np.where(alive, 0.7 * step + 0.3 * ((now[0] + now[1] - 1) / 2 - middle), step)
        begin, end = np.where(alive, now[0], begin), np.where(alive, now[1], end)
        depth = np.where(alive, line[chosen], depth)
        starts[row] = np.where(alive, np.rint((begin + end - size) / 2), starts[row - 1])
        length += alive
    return starts, length


def find_visible(
    disparity: np.ndarray, camera: Camera, pad: tuple[int, int], reach: float = 1.0, thin: np.ndarray | None = None
) -> np.ndarray:
    """(Hc, Wc) bool: the photo, and what of the canvas the presets can move into view, given the disparity there.

    Of `thin` things, flat indices of the canvas, with what lies around them.
    """
    thin = np.zeros(0, np.int64) if thin is None else thin
    height, width = disparity.shape
    row, column = (np.arange(n, dtype=np.float32) for n in (height, width))
    beyond_x = np.maximum(np.maximum(pad[0] - column, column - (width - 1 - pad[0])), 0)[None]
    beyond_y = np.maximum(np.maximum(pad[1] - row, row - (height - 1 - pad[1])), 0)[:, None]
    across, down = _shifts(camera, reach)
    valid, inside = np.ones((height, width), bool), photo_window(camera, pad)
    whole = slice(None)
    for rows, columns in ((slice(0, pad[1]), whole), (slice(height - pad[1], height), whole),
                          (inside[0], slice(0, pad[0])), (inside[0], slice(width - pad[0], width))):  # fmt: skip
        near, right, below = disparity[rows, columns], beyond_x[:, columns], beyond_y[rows]
        seen = right <= across(near, np.abs(column[columns] + 0.5 - width / 2)[None]) + SLACK
        valid[rows, columns] = seen & (below <= down(near, np.abs(row[rows] + 0.5 - height / 2)[:, None]) + SLACK)
    corner = np.flatnonzero(
        valid & (beyond_x > 0) & (beyond_y > 0)
    )  # no path moves fully sideways and fully down at once
    valid.ravel()[corner] = enters_view(corner, disparity.ravel()[corner], valid.shape, camera, reach)
    # what lies around a thin near thing moves less: it is shown too, or nothing would tell where the thing ends
    beside = np.zeros(valid.shape, np.uint8)
    beside.ravel()[thin] = valid.ravel()[thin]
    return valid | (cv2.dilate(beside, np.ones((2 * AROUND + 1,) * 2, np.uint8)) > 0)


def enters_view(
    index: np.ndarray, disparity: np.ndarray, shape: tuple[int, int], camera: Camera, reach: float = 1.0
) -> np.ndarray:
    """(P,) bool: the presets can move these pixels of the canvas into the frame, whatever may stand before them there.

    Args:
        index: (P,) int64, flat canvas indices.
        disparity: (P,) float32, of what is seen there or lies behind that.
        shape: Of the canvas.
        camera: The photo's camera.
        reach: Factor on how far the presets move.
    """
    row, column = np.divmod(index, shape[1])
    right, down = (np.float32(place + 0.5 - side / 2) for place, side in ((column, shape[1]), (row, shape[0])))
    seen = (np.abs(right) <= camera.width / 2) & (
        np.abs(down) <= camera.height / 2
    )  # one of the moves sideways leads inward
    beyond = np.flatnonzero(~seen)
    right, down, disparity = right[beyond], down[beyond], disparity[beyond]
    for across, along, ahead in (reach * MARGIN * CENTRES).astype(np.float32):
        size = 1 - ahead * disparity
        inside = np.abs(right - across * camera.focal * disparity) <= (camera.width / 2 + SLACK) * size
        seen[beyond] |= inside & (np.abs(down - along * camera.focal * disparity) <= (camera.height / 2 + SLACK) * size)
    return seen
