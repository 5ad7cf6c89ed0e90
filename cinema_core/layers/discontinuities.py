"""Cuts: where disparity jumps, which is where something hides something else.

Input: disparity. Output: the cuts, and how the farther surface beside each goes on. A slope is no cut however steep it
is, nor is a speck of noise; what counts is the scene, not how many pixels it was sampled with.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import one_of_each_cell
from ..threads import map_threads

CUT = 0.02  # disparity; opens by 2 px at 1280 px at the presets' amplitude, what is less the points' size covers
BESIDE = 1 / 320  # of the longer side; a jump is judged by the slopes so far on both its sides
STEEPER = 1.5  # a jump is so many times what the slopes beside it make of one pixel
NO_SLOPE = 40.0  # disparity per longer side; a wall hardly beside the camera has less
STEPS = 4.0  # jumps of its size that a flight of thin things before one another makes, within three times BESIDE
SHORTEST = 1 / 100  # of the longer side; px of a cut's length, shorter ones are specks
FEWEST = 12  # px of a cut at any size
AROUND = 1 / 40  # of the longer side; how far around a cut the farther surface is looked at
SAMPLES = 48
CELL = 1 / 1400  # of the longer side; edges so close together have one plane
AT_ONCE = 1 << 12  # pixels that planes are fitted at together
ROWS = 64  # that are looked through at a time: what is asked of each pixel stays in the processor's cache
STEEPEST = 4.0  # disparity per longer side that a surface may slope by


def remove_specks(disparity: np.ndarray) -> np.ndarray:
    """Give single pixels that stand off all around them the median there; thin lines stay.

    Args:
        disparity: (H, W) float32.

    Returns:
        (H, W) float32.
    """
    median = cv2.medianBlur(disparity, 3, np.empty_like(disparity))
    height, width = disparity.shape
    row, column = np.divmod(np.flatnonzero(cv2.absdiff(disparity, median, np.empty_like(disparity)) > CUT), width)
    own, alike = disparity[row, column], np.zeros(len(row), int)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            other = disparity[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
            alike += np.abs(other - own) < CUT / 2
    alone = alike <= 2  # itself, and one by chance
    cleaned = disparity.copy()
    cleaned[row[alone], column[alone]] = median[row[alone], column[alone]]
    return cleaned


def find_discontinuities(disparity: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Where disparity jumps.

    Args:
        disparity: (Hc, Wc) float32.
        valid: (Hc, Wc) bool.

    Returns:
        (Hc, Wc) float32: at the far side of a cut the disparity of the near side, else 0.
    """
    along = map_threads(lambda axis: _jumps(disparity, valid, axis), (0, 1))
    return _without_specks(np.maximum(*along, out=along[0]))


def _jumps(disparity: np.ndarray, valid: np.ndarray, axis: int) -> np.ndarray:
    """`find_cuts` between neighbours along one axis."""
    near = np.zeros_like(disparity)
    reach = max(1, round(BESIDE * max(disparity.shape)))
    values, view = (np.moveaxis(array, axis, 0) for array in (disparity, near))
    found = [_steps(disparity, valid, axis, top) for top in range(0, len(near), ROWS)]
    before, across = (np.concatenate(places) for places in zip(*found))
    after, last = before + 1, len(values) - 1
    low, high = values[before, across], values[after, across]
    jump, way = np.abs(high - low), np.sign(high - low)
    # slopes that go the same way, px by px; of the nearest pixel or as far as the eye would compare
    slope = np.zeros_like(jump)
    for step in {1, reach}:
        back, ahead = np.maximum(before - step, 0), np.minimum(after + step, last)
        rise = way * (low - values[back, across]) / step, way * (values[ahead, across] - high) / step
        slope = np.maximum(slope, np.maximum(*rise))  # at the foot of a steep slope it is steep on one side only
    cut = jump > STEEPER * slope
    back, ahead = np.maximum(before - 3 * reach, 0), np.minimum(after + 3 * reach, last)
    rise = way * (values[ahead, across] - values[back, across])
    cut |= (jump > NO_SLOPE / max(disparity.shape)) & (rise < STEPS * jump)
    before, after, across, low, high = (a[cut] for a in (before, after, across, low, high))
    up = high > low
    view[before[up], across[up]] = np.maximum(view[before[up], across[up]], high[up])
    view[after[~up], across[~up]] = np.maximum(view[after[~up], across[~up]], low[~up])
    return near


def _steps(disparity: np.ndarray, valid: np.ndarray, axis: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Of some rows from `top` where pixels and the next along an axis differ enough: places along that axis and across."""
    rows = slice(top, top + ROWS + (axis == 0))
    values, seen = disparity[rows], valid[rows]
    steps = (np.abs(np.diff(values, axis=axis)) > CUT) & np.delete(seen, 0, axis) & np.delete(seen, -1, axis)
    row, column = np.nonzero(steps)
    return (row + top, column) if axis == 0 else (column, row + top)


def _without_specks(near: np.ndarray) -> np.ndarray:
    """The cuts without specks: changes them."""
    parts = np.empty(near.shape, np.int32)
    _, _, stats, _ = cv2.connectedComponentsWithStats((near > 0).view(np.uint8), parts, connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < max(FEWEST, SHORTEST * max(near.shape))
    cut = np.flatnonzero(near)
    near.ravel()[cut[small[parts.ravel()[cut]]]] = 0
    return near


def fit_background_planes(disparity: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """How the surface at the far side of a cut goes on: a plane in the scene is linear in disparity.

    Fitted to what lies around each pixel and agrees with it; what is nearer is another surface. Where little agrees, the
    surface goes on at its own distance. In a large picture neighbours have one plane.

    Args:
        disparity: (Hc, Wc) float32.
        edge: (E,) int64, flat indices of pixels at the far side of cuts.

    Returns:
        (E, 3) float32: disparity at the pixel, and its change per px to the right and down.
    """
    longest = max(disparity.shape)
    turn = np.arange(SAMPLES) * (np.pi * (3 - 5**0.5))  # a sunflower's seeds
    radius = np.sqrt((np.arange(SAMPLES) + 0.5) / SAMPLES) * max(4.0, AROUND * longest)
    right, down = np.rint(radius * np.cos(turn)).astype(int), np.rint(radius * np.sin(turn)).astype(int)
    design = np.stack([np.ones(SAMPLES), right / radius[-1], down / radius[-1]], 1).astype(np.float32)  # (S, 3)
    most = STEEPEST * radius[-1] / longest

    rows, of = one_of_each_cell(
        edge, disparity.shape, max(1, round(CELL * longest)), (disparity.ravel()[edge],), CUT / 4
    )
    fitted_at = edge[rows]

    def fitted(part: slice) -> np.ndarray:
        plane = _agreed(disparity, fitted_at[part], right, down, design, most)
        plane[:, 1:] = np.clip(plane[:, 1:], -most, most) / radius[-1]
        return plane.astype(np.float32)

    parts = map_threads(fitted, [slice(begin, begin + AT_ONCE) for begin in range(0, max(1, len(rows)), AT_ONCE)])
    plane, from_it = np.concatenate(parts)[of], np.divmod(edge, disparity.shape[1])
    down, right = (own - fitted for own, fitted in zip(from_it, np.divmod(fitted_at[of], disparity.shape[1])))
    plane[:, 0] += (plane[:, 1] * right + plane[:, 2] * down).astype(np.float32)
    return plane


def _agreed(
    disparity: np.ndarray, edge: np.ndarray, right: np.ndarray, down: np.ndarray, design: np.ndarray, most: float
) -> np.ndarray:
    """(E, 3) planes through what lies around each pixel, by what agrees with them."""
    height, width = disparity.shape
    row, column = (edge // width)[:, None] + down, (edge % width)[:, None] + right
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    other = disparity.ravel()[np.where(inside, row * width + column, edge[:, None])]
    own = disparity.ravel()[edge]
    plane = np.stack([own, np.zeros_like(own), np.zeros_like(own)], 1)
    tolerance = CUT / 2 + most * np.hypot(design[:, 1], design[:, 2])
    weight = inside * (np.abs(other - own[:, None]) < tolerance) * np.float32(1)
    for scale in (2.0, 1.0, 0.5):
        plane = _fit(design, weight, other, own)
        miss = other - plane @ design.T
        weight = inside / (1 + np.square(miss / (scale * CUT)) * np.where(miss > 0, 4, 1)) ** 2
    return plane


def _fit(design: np.ndarray, weight: np.ndarray, values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(E, 3) weighted least squares; the pixel itself counts as a few, and a level surface needs no proof."""
    products = np.einsum("si,sj->sij", design, design).reshape(len(design), 9)
    left = (weight @ products).reshape(-1, 3, 3)
    right = (weight * values) @ design
    left += np.diag((0.3, 0.02, 0.02)) * len(design)
    right[:, 0] += 0.3 * len(design) * own
    return np.linalg.solve(left, right[..., None])[..., 0]
