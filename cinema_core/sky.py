"""The sky of a photo, from what the depth network makes of it, and the horizon."""

from __future__ import annotations

import cv2
import numpy as np

FIRM = 0.88  # probability above which something is surely sky, and below 1 - FIRM surely none


def settle_sky(chance: np.ndarray, color: np.ndarray) -> np.ndarray:
    """The sky by the network's word, without flecks, its edge on the photo's.

    A part that the network is nowhere sure of belongs to what surrounds it: a bright cloud, a bank of fog.

    Args:
        chance: (H, W) float32, probability of sky.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) bool.
    """
    sky = _parts_with(~_parts_with(chance < 0.5, chance < 1 - FIRM), chance > FIRM)
    if not sky.any() or sky.all():
        return sky
    return refine_mask(np.where(sky == (chance > 0.5), chance, 1 - chance), color)


def _parts_with(mask: np.ndarray, core: np.ndarray) -> np.ndarray:
    """The connected parts of a mask that hold some of `core`."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    keep = np.bincount(parts[core & mask], minlength=count) > 0
    return keep[parts]


def find_horizon(sky: np.ndarray) -> float:
    """Row of the horizon of a photo with sky: where the sky reaches lowest, but for the lowest few columns."""
    height = len(sky)
    bottom = height - np.argmax(sky[::-1], 0)
    return min(float(np.percentile(bottom[sky.any(0)], 85)), 0.9 * height)


def refine_mask(mask: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(H, W) bool: a small mask at the photo's size, its edge on the photo's (guided filter, He et al. 2010)."""
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
