"""Softening: how much of its fine texture an invented surface keeps.

Input: a fill and where it lies. Output: the same, softer where it is narrow. A wide fill needs texture, or it is a blur
where the photo is sharp. In a sliver nobody reads a texture: what was copied there stands between two edges as specks,
and the mean of what lies around it is the better guess.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import sample

WORK_SIDE = 640  # px; a larger canvas is looked at in cells
FINE = 2.0  # cells; what is finer is texture
WIDE = 4.0  # cells; deviation of the window in which a fill that leaves hardly anything out is wide
NARROW_SHARE = 0.4  # of its texture that a fill keeps where it is narrow
MILD, HARSH = (
    0.25,
    0.6,
)  # deviation over mean from which and above which a fill keeps its texture: the mean of leaves in


def soften(shape: tuple[int, int], index: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Take fine texture out of a fill where it is narrow.

    Args:
        shape: (Hc, Wc) of the canvas.
        index: (B,) int64, flat indices of the fill.
        color: (B, 3) float32, sRGB.

    Returns:
        (B, 3) float32.
    """
    if not len(index):
        return color
    factor = -(-max(shape) // WORK_SIDE)
    row, column = np.divmod(index, shape[1])
    margin = int(4 * WIDE)
    top, left = row.min() // factor - margin, column.min() // factor - margin
    size = (int(row.max() // factor - top + margin + 1), int(column.max() // factor - left + margin + 1))
    cell = (row // factor - top) * size[1] + column // factor - left
    sums = np.stack([np.bincount(cell, values, size[0] * size[1]) for values in (*color.T, np.ones(len(cell)))], 1)
    sums = (sums / factor**2).astype(np.float32).reshape(*size, 4)
    blurred = cv2.GaussianBlur(sums, (0, 0), FINE)
    smooth = blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-6)
    wide = cv2.GaussianBlur(sums[..., 3], (0, 0), WIDE)
    kept = NARROW_SHARE + (1 - NARROW_SHARE) * np.clip(2 * wide - 1, 0, 1)  # a straight border leaves out a half
    kept = np.maximum(kept, np.clip((_contrast(sums) - MILD) / (HARSH - MILD), 0, 1))
    finer = cv2.dilate((kept < 1).astype(np.uint8), np.ones((3, 3), np.uint8)).ravel() > 0  # elsewhere all is kept
    rows = np.flatnonzero(finer[cell])
    row, column, own = row[rows], column[rows], color[rows]
    right, down = (((np.arange(side) + 0.5) / factor).astype(np.float32) for side in shape[::-1])
    places = np.stack([right[column] - left, down[row] - top], 1)
    found = sample(np.dstack([smooth, kept]).astype(np.float32, copy=False), places)
    base, kept = found[:, :3], found[:, 3:]
    softened = color.copy()
    softened[rows] = base + kept * (own - base)
    return softened


def _contrast(sums: np.ndarray) -> np.ndarray:
    """(h, w) float32: deviation of the brightness around each cell over its mean; sums (h, w, 4) of colour and count."""
    own = sums[..., :3].mean(-1) / np.maximum(sums[..., 3], 1e-6)
    mean, square, count = cv2.split(
        cv2.GaussianBlur(np.dstack([own, own**2, np.ones_like(own)]) * sums[..., 3:], (0, 0), 2 * FINE)
    )
    mean, square = mean / np.maximum(count, 1e-6), square / np.maximum(count, 1e-6)
    return np.sqrt(np.maximum(square - mean**2, 0)) / np.maximum(mean, 1e-3)
