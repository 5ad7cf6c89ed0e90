"""Softening: reduces the fine texture of an inpainted surface where it is narrow.

Input: a fill and its pixels. Output: the same fill, softer where it is narrow. A wide fill needs texture, or it looks
blurred next to a sharp photo. In a sliver no texture can be recognised: copied detail appears as specks between two
edges, and the mean of the surrounding fill is the better guess.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import sample

SOFTEN_SIDE = 640  # px, longer side; a fill on a larger canvas is measured in cells
TEXTURE_SIGMA = 2.0  # cells; standard deviation of the blur that removes texture
WIDTH_SIGMA = 4.0  # cells; standard deviation of the window; a fill is wide where it covers nearly all of it
NARROW_SHARE = 0.4  # share of its texture that a narrow fill keeps
# Standard deviation of the brightness over its mean. From the first value on a narrow fill keeps more of its texture,
# from the second on all: the mean of leaves in the shade would be a veil.
MILD_CONTRAST, HARSH_CONTRAST = 0.25, 0.6


def soften(shape: tuple[int, ...], index: np.ndarray, color: np.ndarray) -> np.ndarray:
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
    factor = -(-max(shape) // SOFTEN_SIDE)
    row, column = np.divmod(index, shape[1])
    margin = int(4 * WIDTH_SIGMA)
    top, left = (int(at.min()) // factor - margin for at in (row, column))
    size = (int(row.max() // factor - top + margin + 1), int(column.max() // factor - left + margin + 1))
    cell = (row // factor - top) * size[1] + column // factor - left
    sums = np.stack([np.bincount(cell, values, size[0] * size[1]) for values in (*color.T, np.ones(len(cell)))], 1)
    means = (sums / factor**2).astype(np.float32).reshape(*size, 4)
    blurred = cv2.GaussianBlur(means, (0, 0), TEXTURE_SIGMA)
    smooth = blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-6)
    covered = cv2.GaussianBlur(means[..., 3], (0, 0), WIDTH_SIGMA)
    # at the straight border of a wide fill the window is half covered
    kept = NARROW_SHARE + (1 - NARROW_SHARE) * np.clip(2 * covered - 1, 0, 1)
    kept = np.maximum(kept, np.clip((_contrast(means) - MILD_CONTRAST) / (HARSH_CONTRAST - MILD_CONTRAST), 0, 1))
    changed = cv2.dilate((kept < 1).astype(np.uint8), np.ones((3, 3), np.uint8)).ravel() > 0  # elsewhere all is kept
    rows = np.flatnonzero(changed[cell])
    row, column, own = row[rows], column[rows], color[rows]
    right, down = (((np.arange(side) + 0.5) / factor).astype(np.float32) for side in shape[::-1])
    places = np.stack([right[column] - left, down[row] - top], 1)
    found = sample(np.dstack([smooth, kept]).astype(np.float32, copy=False), places)
    base, kept = found[:, :3], found[:, 3:]
    softened = color.copy()
    softened[rows] = base + kept * (own - base)
    return softened


def _contrast(means: np.ndarray) -> np.ndarray:
    """(h, w) float32: standard deviation of the brightness around each cell over its mean.

    Args:
        means: (h, w, 4) float32, per cell the sum of the fill's colours and its number of pixels, over the cell's area.
    """
    own = means[..., :3].mean(-1) / np.maximum(means[..., 3], 1e-6)
    mean, square, count = cv2.split(
        cv2.GaussianBlur(np.dstack([own, own**2, np.ones_like(own)]) * means[..., 3:], (0, 0), 2 * TEXTURE_SIGMA)
    )
    mean, square = mean / np.maximum(count, 1e-6), square / np.maximum(count, 1e-6)
    return np.sqrt(np.maximum(square - mean**2, 0)) / np.maximum(mean, 1e-3)
