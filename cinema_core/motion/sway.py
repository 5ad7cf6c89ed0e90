"""Sway: the second kind of motion, to and fro, for grass, branches, flags and boats.

Input: the swaying area, and hints along strokes in it. Output: a field of amplitudes, and the phase of the swing at
every pixel. A swing loops by itself.
"""

from __future__ import annotations

import cv2
import numpy as np

from .solve import MotionConstraints, solve_motion

DEFAULT_EXTENT = 1 / 150  # of the longer side, end to end; sideways swing of an area without a hint
FADE_WIDTH = 3.0  # extents; width of the strip over which the swing fades to zero at the area's border
MAX_STRETCH = 0.5  # px of displacement per px; beyond it points stand too far apart, and near 1 the picture folds
WAVELENGTH = 1.0  # of the longer side, of the wave that runs through a wide area


def solve_sway(
    region: np.ndarray,
    pixels: np.ndarray,
    extents: np.ndarray,
    color: np.ndarray,
    disparity: np.ndarray,
    pins: np.ndarray | None = None,
) -> np.ndarray:
    """Solve for the amplitude of every pixel's swing.

    Args:
        region: (H, W) bool, the swaying area; where it continues beyond the photo, up to the edge of the canvas.
        pixels: (S, 2) float32, px, where the swing is known.
        extents: (S, 2) float32, px, from one end of the swing to the other.
        color: (H, W, 3) float32, sRGB.
        disparity: (H, W) float32.
        pins: (P, 2) float32, px, where nothing swings; None for no pins.

    Returns:
        (H, W, 2) float32, px to either side, half the extent; zero at the region's border and outside it.
    """
    amplitude = np.zeros((*region.shape, 2), np.float32)
    if not region.any():
        return amplitude
    longer = max(region.shape)
    pins = np.zeros((0, 2), np.float32) if pins is None or not len(pins) else pins[_inside(pins, region)]
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    hinted = parts[tuple(pixels.astype(int).T[::-1])] if len(pixels) else np.zeros(0, int)
    for part in range(1, count):
        mask, own = parts == part, hinted == part
        at, extent = pixels[own], extents[own]
        if not own.any():
            at = _central_pixels(mask)
            extent = np.tile(np.array([DEFAULT_EXTENT * longer, 0], np.float32), (len(at), 1))
        fixed = pins[parts[tuple(pins.astype(int).T[::-1])] == part]
        at, known = np.concatenate([at, fixed]), np.concatenate([extent, np.zeros_like(fixed)]) / 2
        constraints = MotionConstraints(at.astype(np.float32), known.astype(np.float32))
        swing = solve_motion(mask, constraints, color, disparity, incompressible=False)
        widest = float(np.linalg.norm(extent, axis=1).max())
        amplitude += _limit_stretch(swing * _border_fade(mask, max(FADE_WIDTH * widest, longer / 100))[..., None])
    return amplitude


def _inside(pixels: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(P,) bool, whether (P, 2) px lie in the region."""
    on = ((pixels >= 0) & (pixels < region.shape[::-1])).all(1)
    on[on] = region[tuple(pixels[on].astype(int).T[::-1])]
    return on


def _central_pixels(mask: np.ndarray) -> np.ndarray:
    """(S, 2) float32 px: a sample of the pixels farthest from the border."""
    distance = cv2.distanceTransform(
        cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5
    )
    rows, columns = np.nonzero(distance[1:-1, 1:-1] >= 0.9 * distance.max())
    return np.stack([columns, rows], 1)[:: max(1, len(rows) // 50)].astype(np.float32) + 0.5


def _border_fade(mask: np.ndarray, width: float) -> np.ndarray:
    """(H, W) float32 0..1: 0 at the border, 1 at `width` px from it, or nearer in a narrow area."""
    distance = (
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) if not mask.all() else np.full(mask.shape, np.inf)
    )
    near = np.clip((distance - 1) / max(1.0, min(width, 0.8 * float(distance[mask].max()))), 0, 1)
    return (near * near * (3 - 2 * near) * mask).astype(np.float32)


def _limit_stretch(amplitude: np.ndarray) -> np.ndarray:
    """The amplitudes, scaled down together until none exceeds MAX_STRETCH."""
    return amplitude * np.float32(min(1.0, MAX_STRETCH / max(float(stretch(amplitude).max()), 1e-6)))


def stretch(amplitude: np.ndarray) -> np.ndarray:
    """(H, W) float32, px per px: bound on the difference of neighbours' displacements at any time of the swing."""
    down, right = np.gradient(amplitude, axis=(0, 1))
    lag = np.stack(np.gradient(phase_lag(amplitude)), -1)
    gradient = np.sqrt(np.square(down).sum(-1) + np.square(right).sum(-1))
    return (gradient + np.linalg.norm(amplitude, axis=-1) * np.linalg.norm(lag, axis=-1)).astype(np.float32)


def phase_lag(amplitude: np.ndarray) -> np.ndarray:
    """(H, W) float32 radians to add to the phase: a wave that runs along the main direction of the swing."""
    height, width = amplitude.shape[:2]
    size = np.linalg.norm(amplitude, axis=-1)
    main = amplitude[size > 0.5 * size.max()].sum(0) if size.max() > 0 else np.zeros(2)
    across, down = main / max(float(np.linalg.norm(main)), 1e-6)
    turn = 2 * np.pi / (WAVELENGTH * max(height, width))
    column, row = np.arange(width) - width / 2, np.arange(height) - height / 2
    return (-turn * (across * column[None] + down * row[:, None])).astype(np.float32)
