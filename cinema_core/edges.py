"""Edges of a depth map, as steps where the photo has its own.

Input: disparity and the photo. Output: disparity whose jumps lie on the photo's edges and take one pixel.
"""

from __future__ import annotations

import cv2
import numpy as np


def snap_edges(disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Turn soft depth edges into steps, and give the mixed pixels of an edge to the nearer side.

    A soft edge is a ramp of a few pixels between two surfaces; unprojected, its points fly between them. Where the
    local range is large, every pixel takes the value of the side whose colour (mean over the side within the window)
    is closer to its own. A rim of the farther side then joins the nearer one: its pixels mix both colours, and a
    rim that moves with the foreground is what a photo shows.

    Args:
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) float32.
    """
    longest = max(disparity.shape)
    for radius, only_soft in ((round(longest / 90), True), (round(longest / 90), True), (round(longest / 240), False)):
        disparity = _snap(disparity, color, max(2, radius), only_soft)
    high, _, span = _span(disparity, 1)
    step = (span > 0.06 * high) & (span > 0.02) & (span > 0.6 * _span(disparity, 3)[2])
    window = np.ones((2 * max(1, round(longest / 500)) + 1,) * 2, np.uint8)
    beside = cv2.dilate(step.astype(np.uint8), window).astype(bool)
    return np.where(beside, cv2.dilate(disparity, window), disparity).astype(np.float32)


def _span(disparity: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Highest and lowest disparity within a square window, and their difference, (H, W) each."""
    window = np.ones((2 * radius + 1,) * 2, np.uint8)
    high, low = cv2.dilate(disparity, window), cv2.erode(disparity, window)
    return high, low, high - low


def _snap(disparity: np.ndarray, color: np.ndarray, radius: int, only_soft: bool) -> np.ndarray:
    """One pass of `snap_edges` with a window of this radius; `only_soft` leaves edges that are steps already.

    An edge is where disparity changes by much within the window and by little beyond it; a slope goes on.
    """
    high, low, span = _span(disparity, radius)
    edge = (span > 0.06 * high) & (span > 0.02) & (span > 0.6 * _span(disparity, 3 * radius)[2])
    if only_soft:
        edge &= cv2.dilate(_span(disparity, 1)[2], np.ones((2 * radius + 1,) * 2, np.uint8)) < 0.6 * span
    if not edge.any():
        return disparity
    middle = (high + low) / 2
    near, far = (disparity > middle) & edge, (disparity <= middle) & edge
    return np.where(edge, np.where(_closer_to_near(color, near, far, 2 * radius + 1), high, low), disparity)


def _closer_to_near(color: np.ndarray, near: np.ndarray, far: np.ndarray, side: int) -> np.ndarray:
    """(H, W) bool: the pixel's colour is closer to the local mean of the near side than to the far side's."""

    def distance(mask: np.ndarray) -> np.ndarray:
        weight = cv2.blur(mask.astype(np.float32), (side, side))
        mean = cv2.blur(color * mask[..., None], (side, side)) / np.maximum(weight, 1e-6)[..., None]
        return np.where(weight > 1e-6, np.square(color - mean).sum(-1), 3.0)  # 3: the largest distance of two colours

    to_near, to_far = distance(near), distance(far)
    clear = np.abs(to_near - to_far) > 0.01  # colours that do not tell leave the pixel on its own side
    return np.where(clear, to_near < to_far, near)
