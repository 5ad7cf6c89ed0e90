"""Depth discontinuities: the edges at which an occluder hides the surface behind it.

Input: disparity. Output: the discontinuities, and a plane that extends the background beside each of them. A slope is
no discontinuity however steep it is, nor is a speck of noise. The result depends on the scene, not on its resolution.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import cell_representatives
from ..threads import map_threads

# Disparity; the smallest difference between neighbours that is a depth discontinuity. At the presets' amplitude it
# opens a gap of 2 px at a width of 1280 px; the size of the points covers smaller gaps.
MIN_DISCONTINUITY = 0.02
SLOPE_WINDOW = 1 / 320  # of the longer side; how far on both sides the slope beside a discontinuity is measured
MIN_SLOPE_RATIO = 1.5  # a discontinuity is at least so many times the change per px of the slopes beside it
MAX_SURFACE_SLOPE = 40.0  # disparity per longer side; even a wall right beside the camera slopes by less
# Rise of disparity over three windows on either side, in units of the discontinuity; above it the pixel lies on a
# slope.
MAX_RISE_RATIO = 4.0
MIN_DISCONTINUITY_LENGTH = 1 / 100  # share of the longer side; shorter discontinuities are specks
MIN_DISCONTINUITY_PIXELS = 12  # px; smaller discontinuities are specks at any resolution
FIT_RADIUS = 1 / 40  # of the longer side; planes are fitted to samples within it
PLANE_SAMPLES = 48  # samples per plane
PLANE_CELL = 1 / 1400  # of the longer side; background pixels of one cell share a plane
CHUNK_PLANES = 1 << 12  # planes fitted at a time: bounds the memory
SCANNED_ROWS = 64  # rows scanned at a time: their intermediate arrays stay in the processor's cache
MAX_SLOPE = 4.0  # disparity per longer side; steepest plane


def remove_specks(disparity: np.ndarray) -> np.ndarray:
    """Replace isolated outlier pixels by the median of their neighbourhood; thin lines stay.

    Args:
        disparity: (H, W) float32.

    Returns:
        (H, W) float32.
    """
    median = cv2.medianBlur(disparity, 3, np.empty_like(disparity))
    height, width = disparity.shape
    outlier = cv2.absdiff(disparity, median, np.empty_like(disparity)) > MIN_DISCONTINUITY
    row, column = np.divmod(np.flatnonzero(outlier), width)
    own, similar = disparity[row, column], np.zeros(len(row), int)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            other = disparity[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
            similar += np.abs(other - own) < MIN_DISCONTINUITY / 2
    isolated = similar <= 2  # the pixel itself, and one by chance
    cleaned = disparity.copy()
    cleaned[row[isolated], column[isolated]] = median[row[isolated], column[isolated]]
    return cleaned


def find_discontinuities(disparity: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Find the depth discontinuities between neighbouring pixels.

    Args:
        disparity: (Hc, Wc) float32.
        valid: (Hc, Wc) bool.

    Returns:
        (Hc, Wc) float32: at the background side of a discontinuity the disparity of the occluder, else 0.
    """
    vertical, horizontal = map_threads(lambda axis: _discontinuities_along(disparity, valid, axis), (0, 1))
    return _without_specks(np.maximum(vertical, horizontal, out=vertical))


def _discontinuities_along(disparity: np.ndarray, valid: np.ndarray, axis: int) -> np.ndarray:
    """`find_discontinuities` between neighbours along one axis, specks included."""
    occluder = np.zeros_like(disparity)
    window = max(1, round(SLOPE_WINDOW * max(disparity.shape)))
    values, view = (np.moveaxis(array, axis, 0) for array in (disparity, occluder))
    found = [_large_differences(disparity, valid, axis, top) for top in range(0, len(occluder), SCANNED_ROWS)]
    before, across = (np.concatenate(places) for places in zip(*found))
    after, last = before + 1, len(values) - 1
    low, high = values[before, across], values[after, across]
    difference, sign = np.abs(high - low), np.sign(high - low)
    # Slope in the same direction on either side, per px, of the adjacent pixel and over the window.
    slope = np.zeros_like(difference)
    for step in {1, window}:
        back, ahead = np.maximum(before - step, 0), np.minimum(after + step, last)
        rises = sign * (low - values[back, across]) / step, sign * (values[ahead, across] - high) / step
        slope = np.maximum(slope, np.maximum(*rises))  # the foot of a steep slope is steep on one side only
    kept = difference > MIN_SLOPE_RATIO * slope
    back, ahead = np.maximum(before - 3 * window, 0), np.minimum(after + 3 * window, last)
    rise = sign * (values[ahead, across] - values[back, across])
    kept |= (difference > MAX_SURFACE_SLOPE / max(disparity.shape)) & (rise < MAX_RISE_RATIO * difference)
    before, after, across, low, high = (a[kept] for a in (before, after, across, low, high))
    up = high > low
    view[before[up], across[up]] = np.maximum(view[before[up], across[up]], high[up])
    view[after[~up], across[~up]] = np.maximum(view[after[~up], across[~up]], low[~up])
    return occluder


def _large_differences(disparity: np.ndarray, valid: np.ndarray, axis: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Find valid neighbours that differ by more than `MIN_DISCONTINUITY`, along an axis, in a chunk of rows from `top`.

    Returns:
        Position of the first pixel of each pair along the axis, and across it.
    """
    rows = slice(top, top + SCANNED_ROWS + (axis == 0))
    values, shown = disparity[rows], valid[rows]
    large = np.abs(np.diff(values, axis=axis)) > MIN_DISCONTINUITY
    large = large & np.delete(shown, 0, axis) & np.delete(shown, -1, axis)
    row, column = np.nonzero(large)
    return (row + top, column) if axis == 0 else (column, row + top)


def _without_specks(occluder: np.ndarray) -> np.ndarray:
    """Remove connected components that are too small. Changes its argument."""
    parts = np.empty(occluder.shape, np.int32)
    _, _, stats, _ = cv2.connectedComponentsWithStats((occluder > 0).view(np.uint8), parts, connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < max(MIN_DISCONTINUITY_PIXELS, MIN_DISCONTINUITY_LENGTH * max(occluder.shape))
    index = np.flatnonzero(occluder)
    occluder.ravel()[index[small[parts.ravel()[index]]]] = 0
    return occluder


def fit_background_planes(disparity: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Fit a plane to the background beside each discontinuity; a plane in the scene is linear in disparity.

    Each plane is fitted to the samples around its pixel that agree with it; nearer samples belong to another surface.
    Where few samples agree, the plane has constant disparity. In a large picture neighbouring pixels share a plane.

    Args:
        disparity: (Hc, Wc) float32.
        edge: (E,) int64, flat indices of pixels at the background side of discontinuities.

    Returns:
        (E, 3) float32: disparity at the pixel, and its change per px to the right and down.
    """
    height, width = disparity.shape
    longest = max(height, width)
    turn = np.arange(PLANE_SAMPLES) * (np.pi * (3 - 5**0.5))  # golden angle: samples on a sunflower spiral
    radius = np.sqrt((np.arange(PLANE_SAMPLES) + 0.5) / PLANE_SAMPLES) * max(4.0, FIT_RADIUS * longest)
    right, down = np.rint(radius * np.cos(turn)).astype(int), np.rint(radius * np.sin(turn)).astype(int)
    design = np.stack([np.ones(PLANE_SAMPLES), right / radius[-1], down / radius[-1]], 1).astype(np.float32)  # (S, 3)
    steepest = float(MAX_SLOPE * radius[-1] / longest)

    cell = max(1, round(PLANE_CELL * longest))
    rows, plane_of = cell_representatives(
        edge, (height, width), cell, (disparity.ravel()[edge],), MIN_DISCONTINUITY / 4
    )
    centre = edge[rows]

    def fit(part: slice) -> np.ndarray:
        plane = _fit_robust_planes(disparity, centre[part], right, down, design, steepest)
        plane[:, 1:] = np.clip(plane[:, 1:], -steepest, steepest) / radius[-1]
        return plane.astype(np.float32)

    chunks = [slice(begin, begin + CHUNK_PLANES) for begin in range(0, max(1, len(rows)), CHUNK_PLANES)]
    plane, position = np.concatenate(map_threads(fit, chunks))[plane_of], np.divmod(edge, width)
    down, right = (own - fitted for own, fitted in zip(position, np.divmod(centre[plane_of], width)))
    plane[:, 0] += (plane[:, 1] * right + plane[:, 2] * down).astype(np.float32)
    return plane


def _fit_robust_planes(
    disparity: np.ndarray, edge: np.ndarray, right: np.ndarray, down: np.ndarray, design: np.ndarray, steepest: float
) -> np.ndarray:
    """(E, 3) planes by iteratively reweighted least squares over the samples around each pixel.

    Args:
        disparity: (Hc, Wc) float32.
        edge: (E,) int64, flat indices of the pixels.
        right, down: (S,) int, offsets of the samples, px.
        design: (S, 3) float32, rows of the system: 1, and the offsets in fit radii.
        steepest: Largest slope, disparity per fit radius.
    """
    height, width = disparity.shape
    row, column = (edge // width)[:, None] + down, (edge % width)[:, None] + right
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    other = disparity.ravel()[np.where(inside, row * width + column, edge[:, None])]
    own = disparity.ravel()[edge]
    plane = np.stack([own, np.zeros_like(own), np.zeros_like(own)], 1)
    tolerance = MIN_DISCONTINUITY / 2 + steepest * np.hypot(design[:, 1], design[:, 2])
    weight = inside * (np.abs(other - own[:, None]) < tolerance) * np.float32(1)
    for scale in (2.0, 1.0, 0.5):
        plane = _solve_planes(design, weight, other, own)
        residual = other - plane @ design.T
        penalty = np.where(residual > 0, 4, 1)  # samples nearer than the plane belong to an occluder
        weight = inside / (1 + np.square(residual / (scale * MIN_DISCONTINUITY)) * penalty) ** 2
    return plane


def _solve_planes(design: np.ndarray, weight: np.ndarray, values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(E, 3) weighted least squares, regularised towards constant disparity and towards that of the pixel itself."""
    products = np.einsum("si,sj->sij", design, design).reshape(len(design), 9)
    left = (weight @ products).reshape(-1, 3, 3)
    right = (weight * values) @ design
    left += np.diag((0.3, 0.02, 0.02)) * len(design)
    right[:, 0] += 0.3 * len(design) * own
    return np.linalg.solve(left, right[..., None])[..., 0]
