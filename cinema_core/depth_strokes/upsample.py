"""Spreading what is known of segments back to the photo's pixels, with steps exactly on its edges.

Input: values of segments, disparity, the photo. Output: values of pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from .superpixels import CELL, STEP, UNLIKE, Superpixels, lab, subsample

SMALLEST = 0.012  # a smaller logarithm of the factor is none
EVEN = 0.2  # of the widest difference of the logarithm; smaller ones are smoothed
SEEN = 0.03  # differences of it from which the photo's edges are looked for
REACH = 2  # px of the small photo; an edge's exact place is looked for within it


def upsample_to_pixels(
    change: np.ndarray, segments: Superpixels, disparity: np.ndarray, color: np.ndarray, areas: np.ndarray
) -> np.ndarray:
    """Spread the change over the photo, and the mean logarithm of disparity.

    Args:
        change: (n,) logarithm of the factor on disparity.
        segments: The photo's.
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.
        areas: (H, W) int32, from 1 on: what moves as a whole; 0 elsewhere.

    Returns:
        (2, H, W) float32: the change, and the mean logarithm of disparity round every pixel.

    Both are smooth within a thing, and step on the edges of the photo and of the present depth.

    Source: Kopf et al., "Joint bilateral upsampling", 2007; at an edge ours takes the side that weighs more.
    """
    small = change[segments.labels].astype(np.float32)
    wide = max(SEEN, EVEN * float(np.ptp(small)))
    small, mean = (
        cv2.bilateralFilter(values, -1, wide, CELL / 2)
        for values in (small, segments.depth[segments.labels].astype(np.float32))
    )
    height, width = disparity.shape
    large = np.stack([cv2.resize(v, (width, height), interpolation=cv2.INTER_LINEAR) for v in (small, mean)])
    high, low = _range(small, REACH)
    beyond, below = _range(small, 3 * REACH)
    step = (high - low > SEEN) & (high - low > 0.5 * (beyond - below))  # a slope goes on
    edge = cv2.resize(step.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    if edge.any():
        values = np.stack([small, mean])
        large[:, edge] = _at_edges(np.nonzero(edge), values, (high + low) / 2, segments, disparity, color, areas)
    for number in np.flatnonzero(np.bincount(segments.area))[1:]:  # as wholes
        large[0, areas == number] = change[segments.area == number][0]
    large[0] *= np.clip((np.abs(large[0]) - SMALLEST) / SMALLEST, 0, 1)
    return large


def _range(values: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) highest and lowest value within a square window."""
    window = np.ones((2 * radius + 1,) * 2, np.uint8)
    return cv2.dilate(values, window), cv2.erode(values, window)


def _at_edges(
    pixels: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    middle: np.ndarray,
    segments: Superpixels,
    disparity: np.ndarray,
    color: np.ndarray,
    areas: np.ndarray,
) -> np.ndarray:
    """(2, N) what pixels near an edge take of `values`, (2, h, w): the mean of the side that they are like.

    The sides are where the first of the values is above and below `middle`.
    """
    height, width = values.shape[1:]
    y, x = (
        ((at + 0.5) * (n / whole)).astype(np.float32) for at, n, whole in zip(pixels, (height, width), disparity.shape)
    )
    own_row, own_column = y.astype(int), x.astype(int)
    middle = middle[own_row, own_column]
    table = _features(segments.look, segments.disparity).reshape(height * width, 4)
    own, area = _features(lab(color[pixels]), disparity[pixels]), areas[pixels]
    numbers, flat = subsample(areas, (height, width)).ravel(), values.reshape(2, -1)
    weights, sums = np.full((2, 1, len(y)), 1e-12, np.float32), np.zeros((2, 2, len(y)), np.float32)
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            row, column = (own_row + down).clip(0, height - 1), (own_column + across).clip(0, width - 1)
            place = row * width + column
            off = own - table[place]
            cost = np.einsum("nc,nc->n", off, off) + 20 * (area != numbers[place])
            cost += (np.square(row + np.float32(0.5) - y) + np.square(column + np.float32(0.5) - x)) / (
                REACH * 0.7
            ) ** 2
            weight = np.exp(-np.minimum(cost, 40) / 2)
            value = flat[:, place]
            near = weight * (value[0] > middle)
            for side, part in enumerate((near, weight - near)):
                weights[side] += part
                sums[side] += part * value
    high, low = sums / weights
    return np.where(weights[0] > weights[1], high, low)


def _features(look: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """(..., 4) float32, of which the distance tells two sides of an edge apart."""
    return np.concatenate([look / UNLIKE, np.log(disparity)[..., None] * (2 / STEP)], -1).astype(np.float32)
