"""Borders: how far the photo must go on beyond its border, and how near what lies there is.

Input: the photo's disparity and camera. Output: disparity on a larger canvas, and which part of that the presets show.
"""

from __future__ import annotations

import cv2
import numpy as np

from .camera import CIRCLE, SIDE, UP_DOWN, Camera

MARGIN = 1.1  # reach beyond what the presets reveal
SLOPE_SIDE = 1 / 20  # of the side; how far inward the slope at the border is looked at
STEEPEST = 4.0  # disparity per longer side; what is steeper is no slope
MOST = 0.25  # of the disparity at the border, by which that beyond may differ


def photo_window(camera: Camera, pad: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the photo on a canvas with this pad, (x, y) px."""
    return slice(pad[1], pad[1] + camera.height), slice(pad[0], pad[0] + camera.width)


def border_reach(disparity: np.ndarray, camera: Camera, reach: float = 1.0) -> tuple[int, int]:
    """px that the presets reveal beyond the photo's border, (x, y)."""
    across, down = _shifts(camera, reach)
    nearest = max(disparity[:, 0].max(), disparity[:, -1].max()), max(disparity[0].max(), disparity[-1].max())
    shift = across(nearest[0], camera.width / 2), down(nearest[1], camera.height / 2)
    return tuple(int(np.ceil(px)) + 4 for px in shift)


def _shifts(camera: Camera, reach: float):
    """Two functions of disparity and px from the middle: px by which the presets move content inward, across and down."""

    def shift(sideways: float, circle: float):
        def px(disparity, from_middle):
            back = CIRCLE[2] * disparity / (1 + CIRCLE[2] * disparity) * from_middle + circle * camera.focal * disparity
            return np.float32(reach * MARGIN) * np.maximum(sideways * camera.focal * disparity, back)

        return px

    return shift(SIDE, CIRCLE[0]), shift(UP_DOWN, 0.0)  # where the circle is farthest back, it is not above or below


def continue_outward(disparity: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """Continue disparity beyond the border along its slope there, by at most a quarter, and no nearer than the nearest.

    Args:
        disparity: (H, W) float32.
        pad: (x, y) px.

    Returns:
        (H + 2 y, W + 2 x) float32.
    """
    nearest, limit = disparity.max(), STEEPEST / max(disparity.shape)

    def extend(values: np.ndarray, amount: int) -> np.ndarray:
        """One side: beyond the last row."""
        depth = max(2, round(len(values) * SLOPE_SIDE))
        inner = values[-depth:]
        steps = np.diff(inner, axis=0)
        slope = np.median(steps, axis=0)  # which a step somewhere does not change
        slope = cv2.blur(np.clip(slope, -limit, limit)[None], (2 * depth + 1, 1))[0]
        ramp = slope * np.arange(1, amount + 1, dtype=np.float32)[:, None]
        return np.minimum(values[-1] + np.clip(ramp, -MOST * values[-1], MOST * values[-1]), nearest)

    for axis, amount in ((0, pad[1]), (1, pad[0])):
        turned = np.ascontiguousarray(np.moveaxis(disparity, axis, 0))
        before, after = extend(turned[::-1], amount)[::-1], extend(turned, amount)
        disparity = np.moveaxis(np.concatenate([before, turned, after]), 0, axis)
    return np.ascontiguousarray(disparity, np.float32)


def find_shown(disparity: np.ndarray, camera: Camera, pad: tuple[int, int], reach: float = 1.0) -> np.ndarray:
    """(Hc, Wc) bool: the photo, and what of the canvas the presets can move into view, given the disparity there."""
    height, width = disparity.shape
    row, column = (np.arange(n, dtype=np.float32) for n in (height, width))
    beyond_x = np.maximum(np.maximum(pad[0] - column, column - (width - 1 - pad[0])), 0)[None]
    beyond_y = np.maximum(np.maximum(pad[1] - row, row - (height - 1 - pad[1])), 0)[:, None]
    across, down = _shifts(camera, reach)
    shown = beyond_x <= across(disparity, np.abs(column + 0.5 - width / 2)[None]) + 3
    shown &= beyond_y <= down(disparity, np.abs(row + 0.5 - height / 2)[:, None]) + 3
    # no path moves fully sideways and fully down at once
    shown &= (beyond_x / pad[0]) ** 2 + (beyond_y / pad[1]) ** 2 <= 1.2
    shown[photo_window(camera, pad)] = True
    return shown
