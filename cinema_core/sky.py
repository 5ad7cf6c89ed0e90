"""The sky of a photo: from the photo alone, or from what the depth network makes of it; and the horizon."""

from __future__ import annotations

import cv2
import numpy as np

from .grid import grab_cut

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


def find_sky(small: np.ndarray) -> np.ndarray:
    """(h, w) bool sky of a small photo; all False where nothing at the top looks like sky."""
    height, width = small.shape[:2]
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    labels[: height // 6] = cv2.GC_PR_FGD
    labels[-height // 3 :] = cv2.GC_BGD
    sky = grab_cut(small, labels, 4).astype(np.uint8)
    sky = cv2.morphologyEx(sky, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, parts = cv2.connectedComponents(sky)
    sky = np.isin(parts, np.setdiff1d(np.unique(parts[:2]), (0,)))
    sky = ~small_parts(~sky, 0.002 * sky.size) if sky.any() else sky
    return _with_clouds(small, sky) if _looks_like_sky(small, sky) else np.zeros_like(sky)


def find_horizon(sky: np.ndarray) -> float:
    """Row of the horizon of a photo with sky: where the sky reaches lowest, but for the lowest few columns."""
    height = len(sky)
    bottom = height - np.argmax(sky[::-1], 0)
    return min(float(np.percentile(bottom[sky.any(0)], 85)), 0.9 * height)


def _with_clouds(small: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """`sky` and the bright parts above the horizon: clouds, where what stands on the ground is darker than the sky."""
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    above = ~sky & (np.arange(len(sky))[:, None] < find_horizon(sky))
    _, parts = cv2.connectedComponents(above.astype(np.uint8))
    bright = [p for p in range(1, parts.max() + 1) if np.median(luma[parts == p]) > 0.7 * np.median(luma[sky])]
    return sky | np.isin(parts, bright)


def small_parts(mask: np.ndarray, area: float) -> np.ndarray:
    """`mask` without its connected parts below `area` px."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    keep = stats[:, cv2.CC_STAT_AREA] >= area
    keep[0] = False
    return keep[parts]


def _looks_like_sky(small: np.ndarray, sky: np.ndarray) -> bool:
    """Sky covers a fair part of the top, and is brighter and smoother than the rest."""
    if sky.mean() < 0.03 or sky[:2].mean() < 0.25 or sky.mean() > 0.97:
        return False
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(luma, cv2.CV_32F))
    return bool(np.median(luma[sky]) > np.median(luma[~sky]) and np.median(detail[sky]) < np.median(detail[~sky]))


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
