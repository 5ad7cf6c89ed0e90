"""Masks refined by the colours of the photo."""

from __future__ import annotations

import cv2
import numpy as np


def grab_cut(color: np.ndarray, labels: np.ndarray, rounds: int) -> np.ndarray:
    """Separate the foreground from the background by colour; the result is reproducible.

    Args:
        color: (H, W, 3) float32, sRGB 0..1.
        labels: (H, W) uint8, OpenCV's GC_ labels; foreground and background need at least one pixel each.
        rounds: Iterations.

    Returns:
        (H, W) bool, the foreground.

    Source: Rother et al., "GrabCut", 2004.
    """
    image, labels = np.ascontiguousarray(np.rint(color * 255), np.uint8), labels.copy()
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((2, 1, 65))
    cv2.grabCut(image, labels, None, background, foreground, rounds, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def refine_mask(mask: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Enlarge a mask to the photo's size and align its edge with the photo's edges.

    Args:
        mask: (h, w) bool.
        color: (H, W, 3) float32, sRGB 0..1.

    Returns:
        (H, W) bool.

    Source: He et al., "Guided Image Filtering", 2010.
    """
    height, width = color.shape[:2]
    soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    side = 2 * round(max(height, width) / 80) + 1
    guide = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side))

    guide_mean, soft_mean = mean(guide), mean(soft)
    slope = (mean(guide * soft) - guide_mean * soft_mean) / (mean(guide * guide) - guide_mean**2 + 1e-3)
    offset = soft_mean - slope * guide_mean
    return mean(slope) * guide + mean(offset) > 0.5
