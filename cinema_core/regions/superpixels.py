"""Divide the photo into superpixels along its edges and along the edges of its depth.

Input: disparity, the photo. Output: `Superpixels`, with the links between adjacent ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..shared.data import FARTHEST

SUPERPIXEL_SIDE = 480  # px, longer side of the photo that is divided
SEED_SPACING = 8  # px of the small photo between the seeds of adjacent superpixels
MIN_SUPERPIXEL_DISCONTINUITY = 0.015  # disparity; a depth discontinuity exceeds this plus the share below
MIN_SUPERPIXEL_DISCONTINUITY_SHARE = 0.08  # of the near side's disparity; see above
# Scales for comparing superpixels.
CLEAR_STEP = 0.18  # difference of log disparity that is a clear step in depth
UNLIKE_COLOR = 0.07  # distance in L, a, b over 100; colours farther apart than this are unlike
SKY_DISPARITY = 1.5 / FARTHEST  # disparity below which a pixel or a superpixel is sky
SKY_LOG_DISPARITY = float(np.log(SKY_DISPARITY))


@dataclass(frozen=True, eq=False)
class Superpixels:
    """The n superpixels of the small photo.

    Attributes:
        labels: (h, w) int32, 0..n - 1.
        disparity: (h, w) float32.
        lab: (h, w, 3) float32, L, a and b over 100.
        color: (n, 3), mean of `lab`.
        size: (n,), px.
        depth: (n,), mean log disparity.
        place: (n, 2), centroid (x, y), px of the small photo.
        area: (n,) int32, number of the drawn area that the superpixel is, 0 for none.
        link: (L, 2) int64, pairs of adjacent superpixels.
        length: (L,), px of their common boundary.
        apart: (L,), distance of their colours.
        discontinuity: (L,), mean difference of disparity along their boundary, in units of a depth discontinuity.
    """

    labels: np.ndarray
    disparity: np.ndarray
    lab: np.ndarray
    color: np.ndarray
    size: np.ndarray
    depth: np.ndarray
    place: np.ndarray
    area: np.ndarray
    link: np.ndarray
    length: np.ndarray
    apart: np.ndarray
    discontinuity: np.ndarray


def find_superpixels(disparity: np.ndarray, color: np.ndarray, areas: np.ndarray) -> Superpixels:
    """Divide the photo into superpixels.

    Args:
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.
        areas: (H, W) int32, numbers of drawn areas from 1 on, 0 elsewhere. Each area becomes one superpixel.

    Returns:
        The superpixels of the photo reduced to SUPERPIXEL_SIDE.
    """
    scale = min(1.0, SUPERPIXEL_SIDE / max(disparity.shape))
    height, width = (max(4, round(side * scale)) for side in disparity.shape)
    image = cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA)
    small = subsample(disparity, (height, width))
    drawn = subsample(areas, (height, width))
    labels = _merge_areas(_split_at_depth(_flood(image), np.log(small)), drawn)
    count = int(labels.max()) + 1
    size = np.bincount(labels.ravel(), minlength=count)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), values.ravel(), count) / size

    lab = to_lab(image)
    colors = np.stack([mean(lab[..., channel]) for channel in range(3)], 1)
    rows, columns = np.mgrid[:height, :width] + 0.5
    link, length, discontinuity = _links(labels, small, count)
    apart = np.linalg.norm(colors[link[:, 0]] - colors[link[:, 1]], axis=1)
    place = np.stack([mean(columns), mean(rows)], 1)
    area = np.zeros(count, np.int32)
    area[labels.ravel()] = drawn.ravel()
    depth = mean(np.log(small))
    return Superpixels(labels, small, lab, colors, size, depth, place, area, link, length, apart, discontinuity)


def subsample(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) of (H, W), each pixel copied from one: an average would soften the steps of depth."""
    return cv2.resize(values, shape[::-1], interpolation=cv2.INTER_NEAREST)


def _flood(image: np.ndarray) -> np.ndarray:
    """(h, w) int32 labels from 0 on: a watershed from a grid of seeds, up to the photo's edges."""
    height, width = image.shape[:2]
    pixels: np.ndarray = np.ascontiguousarray(np.rint(image.clip(0, 1) * 255), np.uint8)
    pixels = cv2.copyMakeBorder(cv2.GaussianBlur(pixels, (0, 0), 0.7), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    markers = np.zeros(pixels.shape[:2], np.int32)
    rows, columns = (np.arange(min(SEED_SPACING, side) // 2, side, SEED_SPACING) + 1 for side in (height, width))
    markers[np.ix_(rows, columns)] = np.arange(1, len(rows) * len(columns) + 1).reshape(len(rows), -1)
    labels = cv2.watershed(pixels, markers)[1:-1, 1:-1]
    return _without_ridges(labels, pixels[1:-1, 1:-1].astype(np.int16))


def _without_ridges(labels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """(h, w) labels from 0 on: the watershed's ridge pixels join the adjacent segment of most similar colour."""
    labels = labels.copy()
    while (labels < 1).any():
        y, x = np.nonzero(labels < 1)
        lowest, found = np.full(len(y), 1 << 20), np.zeros(len(y), labels.dtype)
        for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            row, column = (y + down).clip(0, labels.shape[0] - 1), (x + across).clip(0, labels.shape[1] - 1)
            cost = np.abs(image[y, x] - image[row, column]).sum(1) + (labels[row, column] < 1) * (1 << 21)
            found = np.where(cost < lowest, labels[row, column], found)
            lowest = np.minimum(lowest, cost)
        labels[y, x] = found
    return labels - 1


def _split_at_depth(labels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(h, w) labels: segments across a depth discontinuity are split half-way between their log disparities."""
    count = int(labels.max()) + 1
    high, low = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(high, labels.ravel(), depth.ravel())
    np.minimum.at(low, labels.ravel(), depth.ravel())
    near = (depth > ((high + low) / 2)[labels]) & ((high - low > MIN_SUPERPIXEL_DISCONTINUITY_SHARE)[labels])
    return labels + near * count


def _merge_areas(labels: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(h, w) int32 labels without gaps: each drawn area becomes one segment."""
    labels = np.where(areas > 0, labels.max() + 1 + areas, labels)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def _links(labels: np.ndarray, disparity: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`link`, `length` and `discontinuity` of `Superpixels`."""
    keys, discontinuities = [], []
    for axis in (0, 1):
        (one, other), (near, far) = ((np.delete(v, -1, axis), np.delete(v, 0, axis)) for v in (labels, disparity))
        across = one != other
        one, other, near, far = (values[across] for values in (one, other, near, far))
        keys.append(np.minimum(one, other).astype(np.int64) * count + np.maximum(one, other))
        least = MIN_SUPERPIXEL_DISCONTINUITY + MIN_SUPERPIXEL_DISCONTINUITY_SHARE * np.maximum(near, far)
        discontinuities.append(np.abs(near - far) / least)
    pairs, which, length = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    discontinuity = np.bincount(which, np.concatenate(discontinuities), len(pairs)) / length
    return np.stack([pairs // count, pairs % count], 1), length, discontinuity


def to_lab(color: np.ndarray) -> np.ndarray:
    """(..., 3) float32 L, a and b over 100, of (..., 3) float32 sRGB."""
    return cv2.cvtColor(np.ascontiguousarray(color.reshape(-1, 1, 3)), cv2.COLOR_RGB2Lab).reshape(color.shape) / 100
