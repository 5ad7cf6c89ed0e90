"""Lifting: pixels of the canvas onto their depth in the scene, where each shows on its own pixel.

Input: pixels and disparity. Output: places of points, which every kind of point stands on.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.camera import Camera

AT_ONCE = 1 << 20  # pixels that are lifted at once: on the way they take several times the room of what they become
OVERLAP = 0.2  # px; how far a point of diameter 1.4 reaches beyond its own pixel


def unproject(
    camera: Camera,
    pad: tuple[int, int],
    mask: np.ndarray,
    color: np.ndarray,
    disparity: np.ndarray,
    upright: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Lift pixels into the scene, each onto its own depth.

    Args:
        camera: The photo's camera.
        pad: (x, y) px that the canvas adds.
        mask: (Hc, Wc) bool with P pixels.
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32.
        upright: (Hc, Wc) bool, pixels whose points do not lean: beside mixed ones they would cover them.

    Returns:
        (P, 3) float32 positions and (P, 3) float32 colours.
    """
    lean = slope_offset(disparity, camera)
    if upright is not None:
        lean[upright] = 0
    index = np.flatnonzero(mask)
    position = np.empty((len(index), 3), np.float32)
    for begin in range(0, len(index), AT_ONCE):
        row, column = np.divmod(part := index[begin : begin + AT_ONCE], mask.shape[1])
        pixels = np.stack([column, row], 1) + 0.5 - np.array(pad) + lean.reshape(-1, 2)[part]
        position[begin : begin + AT_ONCE] = camera.unproject(pixels, 1 / disparity.ravel()[part])
    return position, color[mask]


def slope_offset(disparity: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W, 2) float32 px by which points stand towards the nearer side of a slope.

    On a slope a point's nearer neighbour covers it as far as it reaches over, so that every point shows on its far
    side only and the picture would be displaced. Leaning puts what shows of a point onto its own pixel.
    """
    toward = np.stack([cv2.Sobel(disparity, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1))], -1)
    change = np.sqrt(
        np.square(toward).sum(-1)
    )  # of cv2.magnitude the last bit depends on where its input lies in memory
    # what is flatter than the points are round overlaps evenly
    return toward * (OVERLAP / np.maximum(change + (0.3 / camera.focal) * disparity, 1e-12))[..., None]
