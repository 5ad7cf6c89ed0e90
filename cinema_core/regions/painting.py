"""Bring the surfaces of regions to the photo's pixels.

Input: atoms, their regions and the regions' surfaces; the disparity and the photo that they were made of. Output:
disparity.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.data import FARTHEST
from .assignment import assign_pixels
from .atoms import Atoms
from .superpixels import SKY_DISPARITY, subsample
from .surfaces import MODEL_SIDE, PLACE_UNIT

EXTREMES = (0.01, 0.99)  # quantiles of a region's own disparity, to which its surface is limited
MAX_RELIEF = np.float32(0.6)  # px of parallax; limit on the estimate's deviation from a region's surface
CLOSED_JUMP = 2.0  # px of parallax; standard deviation of the range in which small steps are smoothed
CLOSING_SIGMA = 4.0  # px of the small photo
SKY_SHIFT = -1e3  # px; keeps the sky out of the smoothing
FARTHEST_LAND = 1.6 / FARTHEST  # disparity of the farthest land
PAINTED_ROWS = 256  # rows painted at a time: bounds the memory


def paint_surfaces(
    atoms: Atoms, region: np.ndarray, coefficients: np.ndarray, disparity: np.ndarray, color: np.ndarray
) -> np.ndarray:
    """Disparity of the regions' surfaces, with outlines on the photo's edges and a little of the estimate's relief.

    Args:
        atoms: Of the photo.
        region: (n,) int, the region of each atom.
        coefficients: (r, 3) of the regions' surfaces.
        disparity: (H, W) float32, the estimate.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) float32; the sky stays as it is.
    """
    coefficients = coefficients.astype(np.float32)
    limits = _limits(atoms, region, disparity)
    of = np.where(atoms.label >= 0, region[atoms.label], 0)
    source = assign_pixels(atoms, region, disparity, color)
    closing = _close_steps(atoms, _evaluate(atoms, coefficients, limits, of, atoms.label.shape)).ravel()
    painted = disparity.copy()
    for start in range(0, len(disparity), PAINTED_ROWS):
        rows = slice(start, start + PAINTED_ROWS)
        place, estimate = source[rows], disparity[rows]
        surface = _evaluate(atoms, coefficients, limits, of.ravel()[place], disparity.shape, start) + closing[place]
        land = atoms.label.ravel()[place] >= 0
        off = np.where(estimate < SKY_DISPARITY, 0, estimate * np.float32(atoms.unit) - surface)  # 0: gaps show sky
        surface += off / (1 + np.abs(off) / MAX_RELIEF)  # monotonic: two points of a region keep their order
        painted[rows][land] = above_sky(surface[land] / np.float32(atoms.unit))
    return painted


def above_sky(disparity: np.ndarray) -> np.ndarray:
    """Disparity of land, bent smoothly above the sky's: the farthest ridges keep their order and are no sky."""
    near = np.maximum(disparity, 0)
    return np.sqrt(near * near + FARTHEST_LAND**2).astype(np.float32)


def _evaluate(
    atoms: Atoms,
    coefficients: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
    of: np.ndarray,
    shape: tuple[int, ...],
    first: int = 0,
) -> np.ndarray:
    """(rows, columns) float32 shift of surfaces in some rows of a photo.

    Args:
        atoms: Of the photo.
        coefficients: (r, 3) float32.
        limits: (r,) lowest and highest shift of each region.
        of: (rows, columns) region of each pixel.
        shape: (height, width) of the whole photo.
        first: Number of the first row.
    """
    unit = MODEL_SIDE / max(shape) / PLACE_UNIT
    horizon = atoms.horizon / atoms.label.shape[0] * shape[0]
    across = ((np.arange(of.shape[1]) + 0.5 - shape[1] / 2) * unit).astype(np.float32)
    down = ((np.arange(first, first + of.shape[0]) + 0.5 - horizon) * unit).astype(np.float32)[:, None]
    a, b, c = (column[of] for column in coefficients.T)
    return np.clip(a + b * across + c * down, limits[0][of], limits[1][of])


def _limits(atoms: Atoms, region: np.ndarray, disparity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(r,) float32 lowest and highest shift of the estimate in every region."""
    small = subsample(disparity, atoms.label.shape)
    known = (atoms.label >= 0) & (small >= SKY_DISPARITY)
    of, shift = region[atoms.label[known]], small[known] * atoms.unit
    order = np.lexsort((shift, of))
    start = np.searchsorted(of[order], np.arange(region.max() + 2))
    size = np.diff(start)
    low, high = (shift[order][start[:-1] + np.minimum((q * size).astype(int), size - 1)] for q in EXTREMES)
    return low.astype(np.float32), high.astype(np.float32)


def _close_steps(atoms: Atoms, shift: np.ndarray) -> np.ndarray:
    """(h, w) float32 change of a shift, (h, w) px, that turns small steps between regions into slopes."""
    shift = np.where(atoms.label >= 0, shift, np.float32(SKY_SHIFT))
    smooth = cv2.bilateralFilter(shift, -1, CLOSED_JUMP, CLOSING_SIGMA)
    return np.where(atoms.label >= 0, smooth - shift, 0).astype(np.float32)
