"""Straight lines of the photo, and how far a shift of its pixels bends them.

A straight line in space is linear in disparity along its image, so a camera move keeps it straight where depth is
right. Lines are found by the line segment detector of Grompone von Gioi et al. 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MIN_LENGTH = 1 / 40  # of the longer side; shorter lines are texture
OFFSETS = (-2.0, -1.0, 1.0, 2.0)  # px beside a line; on a depth discontinuity the line belongs to one side
SAMPLES = 48  # along a line
ENDS = 0.04  # of a line's length, left out at either end
BEND_QUANTILE = 0.95  # of the distances along a line; single pixels do not bend it
MAX_TILT = 12.0  # degrees; lines up to it are vertical
MAX_BEND = 1.0  # px; a line that leaves its straight fit by more is bent


@dataclass(frozen=True, eq=False)
class Lines:
    """The k straight lines of a photo.

    Attributes:
        place: (k, SAMPLES, 2) px, (x, y) along each line.
        normal: (k, 2) unit vectors across the lines.
        length: (k,) px.
    """

    place: np.ndarray
    normal: np.ndarray
    length: np.ndarray


def find_lines(color: np.ndarray, min_length: float = MIN_LENGTH) -> Lines:
    """The straight lines of a photo, (H, W, 3) float32 sRGB, of a least length in longer sides."""
    grey = cv2.cvtColor(np.ascontiguousarray(color, np.float32), cv2.COLOR_RGB2GRAY)
    found = cv2.createLineSegmentDetector().detect(np.rint(grey.clip(0, 1) * 255).astype(np.uint8))[0]
    ends = np.zeros((0, 4)) if found is None else found[:, 0].astype(np.float64)
    way = ends[:, 2:] - ends[:, :2]
    length = np.hypot(*way.T)
    long = length >= min_length * max(grey.shape)
    ends, way, length = ends[long], way[long], length[long]
    place = ends[:, None, :2] + np.linspace(ENDS, 1 - ENDS, SAMPLES)[:, None] * way[:, None]
    along = way / length[:, None]
    return Lines(place, np.stack([-along[:, 1], along[:, 0]], 1), length)


def are_vertical(lines: Lines) -> np.ndarray:
    """(k,) bool: lines of things that stand, as far as a photo taken upright tells."""
    return np.abs(lines.normal[:, 1]) < np.sin(np.deg2rad(MAX_TILT))


def bend_lines(lines: Lines, shift: np.ndarray) -> np.ndarray:
    """(k,) px by which lines bend where the pixels move by a shift, (H, W) px, across or down: the larger of both."""
    bend, _ = _fit_shift(lines, shift)
    return bend.min(0) * np.abs(lines.normal).max(1)  # a line that slides along itself stays straight


def lean_lines(lines: Lines, shift: np.ndarray) -> np.ndarray:
    """(k,) degrees by which lines turn where the pixels move by a shift, (H, W) px, across the lines."""
    _, slope = _fit_shift(lines, shift)
    return np.rad2deg(np.arctan(np.abs(slope).min(0) / np.maximum(lines.length, 1)))


def _fit_shift(lines: Lines, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(4, k) px by which a shift beside each line leaves a straight fit, and (4, k) px by which the fit rises."""
    steps = np.linspace(ENDS, 1 - ENDS, SAMPLES) - 0.5
    bends, slopes = [], []
    for offset in OFFSETS:
        at = np.floor(lines.place + offset * lines.normal[:, None] + 0.5).astype(int)
        column, row = (np.clip(at[..., i], 0, n - 1) for i, n in zip((0, 1), shift.shape[::-1], strict=True))
        values = shift[row, column].astype(np.float64)
        slope = values @ steps / (steps @ steps)
        rest = values - values.mean(1, keepdims=True) - slope[:, None] * steps
        bends.append(np.quantile(np.abs(rest), BEND_QUANTILE, axis=1) if len(rest) else np.zeros(0))
        slopes.append(slope)
    return np.array(bends), np.array(slopes)
