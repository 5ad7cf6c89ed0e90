"""Move drawn outlines to nearby edges of the photo and of its depth.

Input: the pixels inside an outline, disparity and the photo. Output: the pixels inside the moved outline.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.data import FARTHEST

SNAP_REACH = 0.015  # of the longer side; an outline moves to edges within this distance


def snap_to_edges(mask: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Move an outline to nearby edges of the photo and of its depth, and to the photo's border.

    Args:
        mask: (H, W) bool, as drawn.
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) bool. Without a nearby edge the outline stays about as drawn.

    Source: Meyer's flooding (1992) from pixels surely inside and surely outside. The undecided band is ours: first a
        wide one at coarse scale, then a narrow one.
    """
    if not mask.any() or mask.all():
        return mask
    reach = max(2, round(SNAP_REACH * max(mask.shape)))
    rows, columns = (slice(max(0, at.min() - 3 * reach), at.max() + 3 * reach + 1) for at in np.nonzero(mask))
    part = mask[rows, columns]
    for wide in (reach, max(2, reach // 4)):
        part = _flooded(part, disparity[rows, columns], color[rows, columns], wide)
    found = mask.copy()
    found[rows, columns] = part
    return found


def _flooded(mask: np.ndarray, disparity: np.ndarray, color: np.ndarray, reach: int) -> np.ndarray:
    """(h, w) bool: the mask with its boundary moved by up to about `reach` px."""
    markers = np.zeros(mask.shape, np.int32)
    for number, part in ((1, mask), (2, ~mask)):
        deep = _distance_inside(part, reach)
        thick = cv2.dilate(deep, np.ones((2 * reach + 1,) * 2, np.uint8))  # so that thin parts have sure pixels too
        markers[deep > np.minimum(reach, 0.5 * thick)] = number
    if not (markers == 1).any() or not (markers == 2).any():
        return mask
    flooded = cv2.watershed(_edge_picture(disparity, color, max(0.7, reach / 6)), markers.copy())
    flooded = cv2.medianBlur((flooded == 1).astype(np.uint8) * 255, min(2 * (reach // 3) + 3, 31))
    flooded = cv2.GaussianBlur(flooded, (0, 0), reach / 3) > 127  # smooth, as an outline does not follow texture
    return np.where(markers > 0, markers == 1, flooded)


def _distance_inside(mask: np.ndarray, reach: int) -> np.ndarray:
    """(h, w) float32 px from the mask's boundary, 0 outside; the mask continues beyond the picture's border."""
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), reach + 2, reach + 2, reach + 2, reach + 2, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)[reach + 2 : -reach - 2, reach + 2 : -reach - 2]


def _edge_picture(disparity: np.ndarray, color: np.ndarray, sigma: float) -> np.ndarray:
    """(h, w, 3) uint8 picture with the edges of photo and depth: brightness, red minus blue, log disparity."""
    soft = cv2.GaussianBlur(color, (0, 0), sigma)
    depth = 1 + np.log(disparity.clip(1 / FARTHEST, 1)) / float(np.log(FARTHEST))
    channels = (soft.mean(-1), (soft[..., 0] - soft[..., 2]) / 2 + 0.5, depth)
    return np.ascontiguousarray(np.rint(np.stack(channels, -1).clip(0, 1) * 255), np.uint8)


def with_strip_to_far(area: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """Close the narrow strip that an outline of the sky left between it and infinitely far pixels.

    Args:
        area: (H, W) bool, the drawn sky.
        disparity: (H, W) float32.

    Returns:
        (H, W) bool.
    """
    reach = max(2, round(SNAP_REACH * max(area.shape)))
    far = area | (disparity < 1.5 / FARTHEST)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    closed = cv2.morphologyEx(far.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    return area | (closed & ~far & (cv2.dilate(area.astype(np.uint8), kernel) > 0))
