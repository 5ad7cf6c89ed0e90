"""Unprojection: pixels of the canvas become points at their depth, placed so that each shows on its own pixel.

Input: pixels and disparity. Output: positions of points.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.camera import Camera

UNPROJECTED_PIXELS = 1 << 20  # unprojected at a time; the intermediates take several times the positions' memory
OVERLAP = 0.2  # px; how far a point of POINT_DIAMETER reaches beyond its own pixel
FLAT_SLOPE = 0.3  # depth per sideways distance; on flatter slopes discs overlap evenly, so the offset fades


def unproject(
    camera: Camera,
    pad: tuple[int, int],
    mask: np.ndarray,
    color: np.ndarray,
    disparity: np.ndarray,
    offset: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Unproject pixels into the scene, each to its own depth.

    Args:
        camera: The photo's camera.
        pad: (x, y), px that the canvas adds on each side.
        mask: (Hc, Wc) bool with P pixels.
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32.
        offset: (Hc, Wc, 2) float32, px from the pixels' middles to their points; None for the slope offset.

    Returns:
        (P, 3) float32 positions and (P, 3) float32 colours.
    """
    offset = slope_offset(disparity, camera) if offset is None else offset
    index = np.flatnonzero(mask)
    position = np.empty((len(index), 3), np.float32)
    for begin in range(0, len(index), UNPROJECTED_PIXELS):
        row, column = np.divmod(part := index[begin : begin + UNPROJECTED_PIXELS], mask.shape[1])
        pixels = np.stack([column, row], 1) + 0.5 - np.array(pad) + offset.reshape(-1, 2)[part]
        position[begin : begin + UNPROJECTED_PIXELS] = camera.unproject(pixels, 1 / disparity.ravel()[part])
    return position, color[mask]


def slope_offset(disparity: np.ndarray, camera: Camera) -> np.ndarray:
    """Offsets of points towards the nearer side of a slope.

    On a slope the nearer neighbour of a point overlaps it. Only the far side of every point would show, and the picture
    would be displaced. The offset puts the visible part of a point onto its own pixel.

    Args:
        disparity: (H, W) float32.
        camera: The photo's camera.

    Returns:
        (H, W, 2) float32, px.
    """
    toward = np.stack([cv2.Sobel(disparity, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1))], -1)
    # not cv2.magnitude: its last bit depends on the alignment of its input in memory
    change = np.sqrt(np.square(toward).sum(-1))
    return toward * (OVERLAP / np.maximum(change + (FLAT_SLOPE / camera.focal) * disparity, 1e-12))[..., None]
