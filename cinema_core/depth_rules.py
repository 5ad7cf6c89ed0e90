"""Depth by plain rules for landscapes: sky far, ground a plane towards the horizon, upright things at their foot.

Input: the working photo. Output: disparity.
"""

from __future__ import annotations

import cv2
import numpy as np

from .data import FARTHEST, Photo
from .grid import grab_cut
from .sky import find_horizon, find_sky, refine_mask, small_parts

GROUND_AT_TOP = 0.3  # disparity at the upper border of a photo without a horizon, where the bottom is at 1
SIDE = 320  # px; the rules look at shapes, not at texture

def rule_disparity(photo: Photo) -> np.ndarray:
    """(H, W) disparity: sky far, ground a plane towards the horizon, upright things at their foot."""
    scale = min(1.0, SIDE / max(photo.color.shape[:2]))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    small = cv2.resize(photo.color, size, interpolation=cv2.INTER_AREA)
    sky = find_sky(small)
    rows = (np.arange(photo.height, dtype=np.float32)[:, None] + 0.5) / photo.height
    if not sky.any():
        ramp = GROUND_AT_TOP + (1 - GROUND_AT_TOP) * rows
        return np.repeat(ramp, photo.width, 1)
    horizon = find_horizon(sky) / len(sky)
    disparity = np.repeat(_ground(rows, horizon), photo.width, 1)
    foot, upright = _uprights(small, sky, horizon * len(sky))
    if upright.any():
        foot = cv2.resize(foot[None] / len(sky), (photo.width, 1), interpolation=cv2.INTER_NEAREST)
        standing = refine_mask(upright, photo.color) & (rows < foot)
        disparity = np.where(standing, np.maximum(_ground(foot, horizon), disparity), disparity)
    disparity[refine_mask(sky, photo.color)] = 1 / FARTHEST
    return disparity


def _ground(rows: np.ndarray, horizon: float) -> np.ndarray:
    """Disparity of a plane that reaches the horizon; rows and horizon as shares of the photo's height."""
    return np.clip((rows - horizon) / (1 - horizon), 1.5 / FARTHEST, 1).astype(np.float32)


def _uprights(small: np.ndarray, sky: np.ndarray, horizon: float) -> tuple[np.ndarray, np.ndarray]:
    """What rises above the horizon.

    Returns:
        (w,) float32 row at which it stands in each column (the horizon where nothing does), and (h, w) bool its mask.
    """
    height, width = sky.shape
    foot = np.full(width, horizon, np.float32)
    above = small_parts(~sky & (np.arange(height)[:, None] < horizon - 0.02 * height), 0.002 * sky.size)
    if not above.any():
        return foot, above
    labels = np.where(above, cv2.GC_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[sky | (np.arange(height)[:, None] > 0.9 * height)] = cv2.GC_BGD
    upright = grab_cut(small, labels, 4) & ~sky
    upright = cv2.morphologyEx((upright | above).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, parts = cv2.connectedComponents(upright)
    upright = np.isin(parts, np.setdiff1d(np.unique(parts[above]), (0,))) & ~sky
    standing = upright.any(0)  # wherever it has flanks below the horizon too
    for column in np.flatnonzero(standing):
        start = int(np.argmax(upright[:, column]))
        run = upright[start:, column]
        foot[column] = max(horizon, start + (len(run) if run.all() else int(np.argmin(run))))
    foot = _smooth_feet(foot, standing, width / 20)
    return foot, upright & (np.arange(height)[:, None] < foot)


def _smooth_feet(foot: np.ndarray, standing: np.ndarray, sigma: float) -> np.ndarray:
    """Feet smoothed along each run of columns in which something stands: one thing stands on one line."""
    smooth = foot.copy()
    for run in np.split(np.flatnonzero(standing), np.flatnonzero(np.diff(np.flatnonzero(standing)) > 1) + 1):
        line = cv2.medianBlur(foot[run][None].repeat(3, 0), 5)[1:2] if len(run) > 2 else foot[run][None]
        smooth[run] = cv2.GaussianBlur(line, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0]
    return smooth
