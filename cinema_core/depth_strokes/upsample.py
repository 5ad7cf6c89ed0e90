"""Bring values of superpixels to the photo's pixels, with steps exactly on the photo's edges.

Input: values of superpixels, disparity, the photo. Output: values of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..regions.superpixels import CLEAR_STEP, SEED_SPACING, UNLIKE_COLOR, Superpixels, subsample, to_lab

MIN_CHANGE = 0.012  # log of the factor on disparity; a smaller change counts as none
SMOOTHED_SHARE = 0.2  # of the range of the change; smaller differences are smoothed
MIN_EDGE = 0.03  # difference of the change from which its exact edge is looked for in the photo
EDGE_RADIUS = 2  # px of the small photo, radius of the window in which the exact edge is looked for


@dataclass(frozen=True, eq=False)
class PixelGuide:
    """The images that guide upsampling, at full size.

    Attributes:
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.
        areas: (H, W) int32, numbers of drawn areas from 1 on, 0 elsewhere; each area moves as a whole.
    """

    disparity: np.ndarray
    color: np.ndarray
    areas: np.ndarray


def upsample_to_pixels(change: np.ndarray, superpixels: Superpixels, guide: PixelGuide) -> np.ndarray:
    """Bring the change, and the mean log disparity, from superpixels to pixels.

    Both are smooth within an object, with steps on the edges of the photo and of the present depth.

    Args:
        change: (n,) log of the factor on disparity.
        superpixels: Of the photo.
        guide: The photo, its disparity and its drawn areas.

    Returns:
        (2, H, W) float32: the change, and the mean log disparity around every pixel.

    Source: Kopf et al., "Joint bilateral upsampling", 2007; at an edge, only the side with the larger weight counts.
    """
    small = change[superpixels.labels].astype(np.float32)
    wide = max(MIN_EDGE, SMOOTHED_SHARE * float(np.ptp(small)))
    small, mean = (
        cv2.bilateralFilter(values, -1, wide, SEED_SPACING / 2)
        for values in (small, superpixels.depth[superpixels.labels].astype(np.float32))
    )
    height, width = guide.disparity.shape
    large = np.stack([cv2.resize(v, (width, height), interpolation=cv2.INTER_LINEAR) for v in (small, mean)])
    high, low = _window_range(small, EDGE_RADIUS)
    wide_high, wide_low = _window_range(small, 3 * EDGE_RADIUS)
    # A slope has a much larger range in the wider window; an edge has not.
    step = (high - low > MIN_EDGE) & (high - low > 0.5 * (wide_high - wide_low))
    edge = cv2.resize(step.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    if edge.any():
        large[:, edge] = _values_at_edges(edge, np.stack([small, mean]), (high + low) / 2, superpixels, guide)
    for number in np.flatnonzero(np.bincount(superpixels.area))[1:]:  # drawn areas move as wholes
        large[0, guide.areas == number] = change[superpixels.area == number][0]
    large[0] *= np.clip((np.abs(large[0]) - MIN_CHANGE) / MIN_CHANGE, 0, 1)
    return large


def _window_range(values: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) highest and (h, w) lowest value within a square window."""
    window = np.ones((2 * radius + 1,) * 2, np.uint8)
    return cv2.dilate(values, window), cv2.erode(values, window)


def _values_at_edges(
    edge: np.ndarray, values: np.ndarray, middle: np.ndarray, superpixels: Superpixels, guide: PixelGuide
) -> np.ndarray:
    """Values of pixels near an edge: the mean of the side that they resemble.

    Args:
        edge: (H, W) bool with N True pixels.
        values: (2, h, w) float32; the sides of the edge are the pixels whose first value is above or below `middle`.
        middle: (h, w) float32.
        superpixels: Of the photo.
        guide: The photo, its disparity and its drawn areas.

    Returns:
        (2, N) float32.
    """
    pixels = np.nonzero(edge)
    height, width = values.shape[1:]
    y, x = (
        ((at + 0.5) * (n / whole)).astype(np.float32)
        for at, n, whole in zip(pixels, (height, width), guide.disparity.shape)
    )
    own_row, own_column = y.astype(int), x.astype(int)
    middle = middle[own_row, own_column]
    table = _features(superpixels.lab, superpixels.disparity).reshape(height * width, 4)
    own, area = _features(to_lab(guide.color[pixels]), guide.disparity[pixels]), guide.areas[pixels]
    numbers, flat = subsample(guide.areas, (height, width)).ravel(), values.reshape(2, -1)
    weights, sums = np.full((2, 1, len(y)), 1e-12, np.float32), np.zeros((2, 2, len(y)), np.float32)
    for down in range(-EDGE_RADIUS, EDGE_RADIUS + 1):
        for across in range(-EDGE_RADIUS, EDGE_RADIUS + 1):
            row, column = (own_row + down).clip(0, height - 1), (own_column + across).clip(0, width - 1)
            place = row * width + column
            off = own - table[place]
            cost = np.einsum("nc,nc->n", off, off) + 20 * (area != numbers[place])
            distance = np.square(row + np.float32(0.5) - y) + np.square(column + np.float32(0.5) - x)
            cost += distance / (EDGE_RADIUS * 0.7) ** 2
            weight = np.exp(-np.minimum(cost, 40) / 2)
            value = flat[:, place]
            near = weight * (value[0] > middle)
            for side, part in enumerate((near, weight - near)):
                weights[side] += part
                sums[side] += part * value
    high, low = sums / weights
    return np.where(weights[0] > weights[1], high, low)


def _features(lab: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """(..., 4) float32 of L, a, b over 100 and disparity, whose distances tell the sides of an edge apart."""
    return np.concatenate([lab / UNLIKE_COLOR, np.log(disparity)[..., None] * (2 / CLEAR_STEP)], -1).astype(np.float32)
