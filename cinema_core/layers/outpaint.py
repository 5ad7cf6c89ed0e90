"""The margin beyond the photo's border: how much of it the presets reveal, and its disparity.

Input: the photo's disparity and camera. Output: disparity on a larger canvas, and the part of it that the presets show.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy.ndimage import median_filter

from ..shared.camera import CIRCLE, SIDE, UP_DOWN, Camera, camera_path

REACH_MARGIN = 1.1  # factor on the presets' amplitude, so that the scene continues a little beyond the revealed region
SLOPE_DEPTH = 1 / 20  # of the photo's side; how far inward the slope at a border is measured
STEEPEST_SLOPE = 4.0  # disparity per longer side; slopes at a border are clipped to it
MAX_CHANGE = 0.25  # of the disparity at the border; limits how much the disparity beyond may differ from it
# Of the longer side; window of a median along the border. Anything narrower than half of it is a thin structure that
# crosses the border, anything wider a surface that continues beyond.
THIN_WINDOW = 1 / 24
THIN_CONTRAST = 0.04  # disparity; a thin structure differs from its surroundings by more than this
DIRECTION_DEPTH = 1 / 40  # of the longer side; how far inward a thin structure's direction is measured
MAX_LEAN = 3.0  # px along the border per px outward; thin structures that lean more are not continued
MIN_ROWS = 4  # px; thin structures that can be followed inward for less are not continued
THIN_SURROUND = 8  # px beside thin structures that are shown too: the width of the coarsest cells that close holes
FRAME_TOLERANCE = 3  # px; pixels that come this close to the frame count as visible
# Camera centres, scene units, from which the presets see farthest beyond the frame. The circle's centres that are ahead
# of the photo's camera see less and are left out.
_CIRCLE = [centre for centre in camera_path("circle")[::3, :3, 3] if centre[2] <= 0]
FARTHEST_CENTRES = np.concatenate([[(SIDE, 0, 0), (-SIDE, 0, 0), (0, UP_DOWN, 0), (0, -UP_DOWN, 0)], _CIRCLE])
Shift = Callable[[np.ndarray, np.ndarray | float], np.ndarray]


def photo_window(camera: Camera, pad: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the photo on a canvas with this pad, (x, y) px."""
    return slice(pad[1], pad[1] + camera.height), slice(pad[0], pad[0] + camera.width)


def outpaint_margin(disparity: np.ndarray, camera: Camera, reach: float = 1.0) -> tuple[int, int]:
    """Width of the margin that the presets reveal beyond the photo's border.

    Args:
        disparity: (H, W) float32, the photo's.
        camera: The photo's camera.
        reach: Factor on how far the presets move.

    Returns:
        (x, y) px.
    """
    across, down = _shifts(camera, reach)
    nearest = max(disparity[:, 0].max(), disparity[:, -1].max()), max(disparity[0].max(), disparity[-1].max())
    shift = across(nearest[0], camera.width / 2), down(nearest[1], camera.height / 2)
    x, y = (int(np.ceil(px)) + 4 for px in shift)
    return x, y


def _shifts(camera: Camera, reach: float) -> tuple[Shift, Shift]:
    """Two functions, across and down: px by which the presets move content towards the middle of the frame.

    Their arguments are the content's disparity and its distance from the middle, px.
    """

    def shift(sideways: float, circle: float) -> Shift:
        def px(disparity: np.ndarray, from_middle: np.ndarray | float) -> np.ndarray:
            back = CIRCLE[2] * disparity / (1 + CIRCLE[2] * disparity) * from_middle + circle * camera.focal * disparity
            return np.float32(reach * REACH_MARGIN) * np.maximum(sideways * camera.focal * disparity, back)

        return px

    return shift(SIDE, CIRCLE[0]), shift(UP_DOWN, 0.0)  # where the circle is farthest back, it is not above or below


def continue_outward(disparity: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """Continue disparity beyond the border along its slope there, by at most a quarter.

    It gets no nearer than the photo's nearest pixel. Thin structures at the border are not continued (see
    `extend_thin`), nor are the gaps in a tree's crown.

    Args:
        disparity: (H, W) float32.
        pad: (x, y) px.

    Returns:
        (H + 2 y, W + 2 x) float32.
    """
    nearest, limit = disparity.max(), STEEPEST_SLOPE / max(disparity.shape)
    window = _odd(THIN_WINDOW * max(disparity.shape))

    def extend(values: np.ndarray, amount: int) -> np.ndarray:
        """(amount, W): one side, the rows after the last."""
        depth = max(2, round(len(values) * SLOPE_DEPTH))
        inner = values[-depth:]
        steps = np.diff(inner, axis=0)
        slope = np.median(steps, axis=0)  # a single discontinuity does not change the median
        last = _without_thin(values[-1], window)
        slope = cv2.blur(np.clip(slope, -limit, limit)[None], (2 * depth + 1, 1))[0]
        ramp = slope * np.arange(1, amount + 1, dtype=np.float32)[:, None]
        return np.minimum(last + np.clip(ramp, -MAX_CHANGE * last, MAX_CHANGE * last), nearest)

    inside = tuple(slice(amount, amount + side) for amount, side in zip(pad[::-1], disparity.shape))
    canvas = np.empty([side + 2 * amount for amount, side in zip(pad[::-1], disparity.shape)], np.float32)
    canvas[inside] = disparity
    # top and bottom of the photo first, then left and right over the canvas' whole height
    for whole, inner, amount in ((canvas[:, inside[1]], disparity, pad[1]), (canvas.T, canvas[:, inside[1]].T, pad[0])):
        whole[:amount], whole[len(whole) - amount :] = extend(inner[::-1], amount)[::-1], extend(inner, amount)
    return canvas


def _odd(size: float) -> int:
    """The odd whole number close to `size`, at least 3."""
    return max(3, 2 * round(size / 2) + 1)


def _without_thin(line: np.ndarray, window: int) -> np.ndarray:
    """(N,) disparity along a border without structures narrower than half the window, px."""
    middle = median_filter(line, window, mode="nearest")
    return np.where(np.abs(line - middle) > THIN_CONTRAST, middle, line)


def extend_thin(disparity: np.ndarray, pad: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Continue thin near structures that cross the border along their direction there.

    Each is followed inward as long as it is one structure, and mirrored outward over the same length. So a branch
    crosses the whole margin, and a leaf is completed.

    Args:
        disparity: (H, W) float32, the photo's.
        pad: (x, y) px of the canvas.

    Returns:
        (T,) int64 each: flat canvas indices of pixels beyond the border, far to near, and of the pixels that they copy.
    """
    height, width = disparity.shape
    across, down = width + 2 * pad[0], height + 2 * pad[1]
    window = _odd(THIN_WINDOW * max(disparity.shape))
    inward = max(3 * MIN_ROWS, round(DIRECTION_DEPTH * max(disparity.shape)))
    found = [np.zeros((2, 0), np.int64)]
    # Each border is turned to be the first row; `row` and `column` are the canvas index's steps there.
    for axis, amount, beside, row, column in ((0, pad[1], pad[0], across, 1), (1, pad[0], pad[1], 1, across)):
        for direction in (1, -1):
            values = np.moveaxis(disparity, axis, 0)[::direction]
            along, outward = _mirror_thin(values, amount, beside, (across, down)[axis], window, inward)
            if direction < 0:
                outward = (down, across)[axis] - 1 - outward
            found.append(along * column + outward * row)
    target, source = np.concatenate(found, 1)
    inside = disparity.ravel()[_photo_index(source, across, pad, width)]
    order = np.argsort(inside, kind="stable")
    return target[order], source[order]


def _photo_index(index: np.ndarray, across: int, pad: tuple[int, int], width: int) -> np.ndarray:
    """Flat indices in the photo, `width` px wide, of flat indices in the canvas, `across` px wide."""
    row, column = np.divmod(index, across)
    return (row - pad[1]) * width + column - pad[0]


def _mirror_thin(values: np.ndarray, amount: int, beside: int, across: int, window: int, inward: int) -> np.ndarray:
    """Mirror thin structures that cross the first row of `values` outward.

    Args:
        values: (N, M) disparity, the border of interest first.
        amount: Rows of the canvas before the first.
        beside: Columns of the canvas before the first.
        across: Columns of the canvas.
        window: px, see `THIN_WINDOW`.
        inward: Rows over which a direction is measured at most.

    Returns:
        (2, 2, T) int64: column and row on the canvas, of target and source.
    """
    line = values[0]
    rows = min(len(values), amount)
    thin = line > median_filter(line, window, mode="nearest") + THIN_CONTRAST
    breaks = np.abs(np.diff(line)) > THIN_CONTRAST
    start = np.flatnonzero(np.concatenate([[True], breaks]))
    end = np.append(start[1:], len(line))
    kept = thin[(start + end - 1) // 2] & (end - start <= window // 2)
    first, last = start[kept], end[kept]
    if not len(first) or rows <= MIN_ROWS:
        return np.zeros((2, 2, 0), np.int64)
    starts, length = _follow(values[: max(rows, inward)], first, last)
    measured = np.minimum(length, inward)
    middle = (starts + (last - first)[None] / 2).astype(np.float64)
    lean = (middle[measured - 1, np.arange(len(first))] - middle[0]) / np.maximum(measured - 1, 1)
    followed = (length >= MIN_ROWS) & (np.abs(lean) <= MAX_LEAN)
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
    """Follow R runs of the first row (first <= column < last) down the rows.

    Returns:
        (rows, R) int64, where a run of the same width starts in each row, and (R,) int64, the number of its rows.
    """
    size, depth = last - first, values[0, (first + last - 1) // 2]
    starts, length = np.repeat(first[None], len(values), 0), np.ones(len(first), np.int64)
    begin, end, step = first, last, np.zeros(len(first))
    alive = np.ones(len(first), bool)
    for row in range(1, len(values)):
        line = values[row]
        run = np.concatenate([[0], np.cumsum(np.abs(np.diff(line)) > THIN_CONTRAST)])
        edges = np.append(np.flatnonzero(np.concatenate([[True], np.diff(run) > 0])), len(line))
        chosen, found = begin, np.zeros(len(first), bool)
        middle = (begin + end - 1) / 2
        for guess in (middle + step, middle, begin - 1, end):  # a strongly leaning run continues beside its last place
            column = np.clip(np.rint(guess).astype(int), 0, len(line) - 1)
            fits = ~found & (np.abs(line[column] - depth) < np.maximum(THIN_CONTRAST, 0.1 * depth))
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
    """Find the pixels of the canvas that the presets can move into view.

    Args:
        disparity: (Hc, Wc) float32.
        camera: The photo's camera.
        pad: (x, y) px of the canvas.
        reach: Factor on how far the presets move.
        thin: (T,) int64, flat canvas indices of thin structures; their surroundings are visible too where they are.

    Returns:
        (Hc, Wc) bool; True in all of the photo.
    """
    thin = np.zeros(0, np.int64) if thin is None else thin
    height, width = disparity.shape
    row, column = (np.arange(n, dtype=np.float32) for n in (height, width))
    beyond_x = np.maximum(np.maximum(pad[0] - column, column - (width - 1 - pad[0])), 0)[None]
    beyond_y = np.maximum(np.maximum(pad[1] - row, row - (height - 1 - pad[1])), 0)[:, None]
    across, down = _shifts(camera, reach)
    valid, inside = np.ones((height, width), bool), photo_window(camera, pad)
    strips = [(rows, slice(None)) for rows in (slice(0, pad[1]), slice(height - pad[1], height))]
    strips += [(inside[0], columns) for columns in (slice(0, pad[0]), slice(width - pad[0], width))]
    for rows, columns in strips:
        near, right, below = disparity[rows, columns], beyond_x[:, columns], beyond_y[rows]
        seen = right <= across(near, np.abs(column[columns] + 0.5 - width / 2)[None]) + FRAME_TOLERANCE
        shift = down(near, np.abs(row[rows] + 0.5 - height / 2)[:, None])
        valid[rows, columns] = seen & (below <= shift + FRAME_TOLERANCE)
    # no path moves fully sideways and fully down at once, so fewer pixels of the corners come into view
    corner = np.flatnonzero(valid & (beyond_x > 0) & (beyond_y > 0))
    valid.ravel()[corner] = enters_view(corner, disparity.ravel()[corner], (height, width), camera, reach)
    # The surroundings of a thin near structure move less than it. Without them nothing would show where it ends.
    beside = np.zeros(valid.shape, np.uint8)
    beside.ravel()[thin] = valid.ravel()[thin]
    return valid | (cv2.dilate(beside, np.ones((2 * THIN_SURROUND + 1,) * 2, np.uint8)) > 0)


def enters_view(
    index: np.ndarray, disparity: np.ndarray, shape: tuple[int, int], camera: Camera, reach: float = 1.0
) -> np.ndarray:
    """(P,) bool: the presets can move these pixels of the canvas into the frame, occluded there or not.

    Args:
        index: (P,) int64, flat canvas indices.
        disparity: (P,) float32, of the visible surface or of one behind it.
        shape: Of the canvas.
        camera: The photo's camera.
        reach: Factor on how far the presets move.
    """
    row, column = np.divmod(index, shape[1])
    right, down = ((place + 0.5 - side / 2).astype(np.float32) for place, side in ((column, shape[1]), (row, shape[0])))
    # inside the frame's extent every pixel enters: one of the two sideways moves shifts it inward
    seen = (np.abs(right) <= camera.width / 2) & (np.abs(down) <= camera.height / 2)
    beyond = np.flatnonzero(~seen)
    right, down, disparity = right[beyond], down[beyond], disparity[beyond]
    for across, along, ahead in (reach * REACH_MARGIN * FARTHEST_CENTRES).astype(np.float32):
        size = 1 - ahead * disparity
        inside = np.abs(right - across * camera.focal * disparity) <= (camera.width / 2 + FRAME_TOLERANCE) * size
        inside &= np.abs(down - along * camera.focal * disparity) <= (camera.height / 2 + FRAME_TOLERANCE) * size
        seen[beyond] |= inside
    return seen
