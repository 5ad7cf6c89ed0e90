"""The photo parted into small segments along its edges and its depth's.

Input: disparity, the photo. Output: `Segments`, and who lies beside whom.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..shared.data import FARTHEST

SIDE = 480  # px, longer side of what is parted into segments
CELL = 8  # px of it, between the seeds of two segments
JUMP, JUMP_SHARE = 0.015, 0.08  # of disparity at an edge: so much, and of the nearer side
# Differences that count as such, for whoever compares segments.
STEP = 0.18  # of the logarithm of disparity: a clear step
UNLIKE = 0.07  # of colour (L, a and b over 100) from what is under a stroke
SKY = float(np.log(1.5 / FARTHEST))  # logarithm of disparity; what is farther is sky


@dataclass(frozen=True, eq=False)
class Superpixels:
    """Segments of the small photo; n of them.

    Attributes:
        labels: (h, w) int32, 0..n - 1.
        disparity: (h, w) float32.
        look: (h, w, 3), L, a and b over 100.
        color: (n, 3), mean of it.
        size: (n,), px.
        depth: (n,), mean logarithm of disparity.
        place: (n, 2), px of the small photo, its middle.
        area: (n,), number of the drawn area that it is, 0 for none.
        link: (L, 2), segments side by side.
        length: (L,), px that they touch along.
        apart: (L,), difference of colour.
        jump: (L,), difference of disparity where they touch, over what counts as a jump.
    """

    labels: np.ndarray
    disparity: np.ndarray
    look: np.ndarray
    color: np.ndarray
    size: np.ndarray
    depth: np.ndarray
    place: np.ndarray
    area: np.ndarray
    link: np.ndarray
    length: np.ndarray
    apart: np.ndarray
    jump: np.ndarray


def find_superpixels(disparity: np.ndarray, color: np.ndarray, areas: np.ndarray) -> Superpixels:
    """Part the photo.

    Args:
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.
        areas: (H, W) int32, from 1 on: each becomes one segment; 0 elsewhere.

    Returns:
        Its segments, of a smaller photo.
    """
    scale = min(1.0, SIDE / max(disparity.shape))
    height, width = (max(4, round(side * scale)) for side in disparity.shape)
    image = cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA)
    small = subsample(disparity, (height, width))
    drawn = subsample(areas, (height, width))
    labels = _joined(_split(_flood(image), np.log(small)), drawn)
    count = int(labels.max()) + 1
    size = np.bincount(labels.ravel(), minlength=count)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), values.ravel(), count) / size

    look = lab(image)
    colors = np.stack([mean(look[..., channel]) for channel in range(3)], 1)
    rows, columns = np.mgrid[:height, :width] + 0.5
    link, length, jump = _links(labels, small, count)
    apart = np.linalg.norm(colors[link[:, 0]] - colors[link[:, 1]], axis=1)
    place = np.stack([mean(columns), mean(rows)], 1)
    area = np.zeros(count, np.int32)
    area[labels.ravel()] = drawn.ravel()
    return Superpixels(labels, small, look, colors, size, mean(np.log(small)), place, area, link, length, apart, jump)


def subsample(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) of (H, W), each taken from one pixel."""
    return cv2.resize(values, shape[::-1], interpolation=cv2.INTER_NEAREST)  # depth's edges are steps, and stay so


def _flood(image: np.ndarray) -> np.ndarray:
    """(h, w) int32 from 0 on: the segment of every pixel, grown from seeds where the photo is even, up to its edges."""
    height, width = image.shape[:2]
    eight = np.ascontiguousarray(np.rint(image.clip(0, 1) * 255), np.uint8)
    eight = cv2.copyMakeBorder(cv2.GaussianBlur(eight, (0, 0), 0.7), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    markers = np.zeros(eight.shape[:2], np.int32)
    rows, columns = (np.arange(min(CELL, side) // 2, side, CELL) + 1 for side in (height, width))
    markers[np.ix_(rows, columns)] = np.arange(1, len(rows) * len(columns) + 1).reshape(len(rows), -1)
    labels = cv2.watershed(eight, markers)[1:-1, 1:-1]
    return _without_ridges(labels, eight[1:-1, 1:-1].astype(np.int16))


def _without_ridges(labels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Give the pixels between two segments to the one beside them that looks most alike."""
    labels = labels.copy()
    while (labels < 1).any():
        y, x = np.nonzero(labels < 1)
        best, found = np.full(len(y), 1 << 20), np.zeros(len(y), labels.dtype)
        for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            row, column = (y + down).clip(0, labels.shape[0] - 1), (x + across).clip(0, labels.shape[1] - 1)
            cost = np.abs(image[y, x] - image[row, column]).sum(1) + (labels[row, column] < 1) * (1 << 21)
            found = np.where(cost < best, labels[row, column], found)
            best = np.minimum(best, cost)
        labels[y, x] = found
    return labels - 1


def _split(labels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Part the segments that lie across a jump of depth, half-way up."""
    count = int(labels.max()) + 1
    high, low = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(high, labels.ravel(), depth.ravel())
    np.minimum.at(low, labels.ravel(), depth.ravel())
    near = (depth > ((high + low) / 2)[labels]) & ((high - low > JUMP_SHARE)[labels])
    return labels + near * count


def _joined(labels: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """One segment for each drawn area, and numbers without gaps."""
    labels = np.where(areas > 0, labels.max() + 1 + areas, labels)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def _links(labels: np.ndarray, disparity: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(L, 2) segments side by side, (L,) px that they touch along, (L,) jumps of disparity there."""
    keys, jumps = [], []
    for axis in (0, 1):
        (one, other), (near, far) = ((np.delete(v, -1, axis), np.delete(v, 0, axis)) for v in (labels, disparity))
        across = one != other
        one, other, near, far = (values[across] for values in (one, other, near, far))
        keys.append(np.minimum(one, other).astype(np.int64) * count + np.maximum(one, other))
        jumps.append(np.abs(near - far) / (JUMP + JUMP_SHARE * np.maximum(near, far)))
    keys, which, length = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    jump = np.bincount(which, np.concatenate(jumps), len(keys)) / length
    return np.stack([keys // count, keys % count], 1), length, jump


def lab(color: np.ndarray) -> np.ndarray:
    """(..., 3) L, a and b over 100."""
    return cv2.cvtColor(np.ascontiguousarray(color.reshape(-1, 1, 3)), cv2.COLOR_RGB2Lab).reshape(color.shape) / 100
