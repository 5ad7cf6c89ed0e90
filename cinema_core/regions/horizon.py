"""Find the horizon's row from the sky's lower boundary, or from how the ground's disparity falls towards it."""

from __future__ import annotations

import cv2
import numpy as np

LEVEL = 0.02  # of the height; columns whose sky ends within it of the median show a level horizon
MIN_LEVEL_SHARE = 0.6  # of the columns, from which the sky's boundary is the horizon
MAX_BELOW_SKY = 0.08  # of the height; the horizon lies at most this far below the sky's median boundary
SMOOTHING = 1 / 60  # of the longer side, of disparity before its slope is taken
MIN_SLOPE = 0.02  # disparity per height; flatter pixels are no ground


def find_horizon_row(disparity: np.ndarray, sky: np.ndarray) -> float:
    """Row of the horizon in px; outside the photo where the camera looks up or down far enough.

    Args:
        disparity: (h, w) float32, 0 at infinity.
        sky: (h, w) bool.
    """
    height = len(disparity)
    columns = sky[0]
    border = np.where(sky.any(0), height - np.argmax(sky[::-1], 0), 0)[columns]
    if len(border) > 0.3 * disparity.shape[1]:
        middle = float(np.median(border))
        if (np.abs(border - middle) < LEVEL * height).mean() > MIN_LEVEL_SHARE:
            return middle
    smooth = cv2.GaussianBlur(disparity, (0, 0), max(1.0, SMOOTHING * max(disparity.shape)))
    slope = np.gradient(smooth, axis=0)
    rows = np.broadcast_to(np.arange(height)[:, None] + 0.5, disparity.shape)
    use = ~sky & (slope > MIN_SLOPE / height)
    if use.mean() < 0.02:
        return 0.4 * height
    crossing, weight = (rows - smooth / np.maximum(slope, 1e-9))[use], slope[use]
    order = np.argsort(crossing)
    total = np.cumsum(weight[order])
    row = float(crossing[order][np.searchsorted(total, total[-1] / 2)])
    if len(border):
        row = min(row, float(np.median(border)) + MAX_BELOW_SKY * height)
    return row
