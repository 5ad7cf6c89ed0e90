"""Gaps between neighbouring points of one surface: the radius that closes them, from the distance of the neighbours.

Input: layers and the points' offsets from their pixels. Output: a radius factor for every pixel's point.

A facing surface is closed by discs of the size of a pixel. Gaps open where neighbours move apart at the ends of the
presets, on surfaces seen at a grazing angle, and where slope offsets point away from each other, along creases. Most
are closed by fine backing points, which cost no sharpness. At an outline these are the farther surface's, and a gap
would be a pinhole, bright on a dark rock. There alone the points are larger, since a larger disc covers its neighbours.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..layers.split import Layers
from ..shared.camera import SIDE, UP_DOWN, ZOOM_IN
from .backing import OTHER_SURFACE

# Camera centres, scene units, from which the surfaces have to look closed: the photo's, and the ends of the presets.
VIEWPOINTS = ((0, 0, 0), (0, 0, ZOOM_IN), (SIDE, 0, 0), (-SIDE, 0, 0), (0, UP_DOWN, 0), (0, -UP_DOWN, 0))
SAME_SLOPE = 1e-6  # share of the disparity; rounding by which a pixel may reach its occluder's disparity
CLOSED = 1.05  # radius factor below which a gap is too small for the pixel filter; keeps facing surfaces at exactly 1
OUTLINE = 5  # px; at this distance from a farther surface, fine backing points take its depth and colour
LARGEST_CLOSING = 1.4  # radius factor; wider gaps get points in between, and a larger disc would hide texture


def closing_radius(layers: Layers, whole: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Radius factors with which points close the gaps to their neighbours on the same surface.

    Four neighbouring points are closed if their discs cover the quadrilateral between them. The radius that this takes
    is that of the circle through the ends of the longer diagonal and the nearer end of the shorter one.

    Args:
        layers: The layers.
        whole: (Hc, Wc) bool, pixels with a point that covers its pixel.
        offset: (Hc, Wc, 2) float32, px from the pixels' middles to the points.

    Returns:
        (Hc, Wc) float32, 1 or more.
    """
    joined = _joined_squares(layers, whole)
    rows, columns = np.nonzero(joined)
    needed = np.zeros(len(rows), np.float32)
    corners = [(rows + down, columns + right) for down, right in ((0, 0), (1, 1), (0, 1), (1, 0))]
    disparity = [layers.disparity[at] for at in corners]
    middle = np.array(layers.pad, np.float32) + np.array((layers.camera.width, layers.camera.height), np.float32) / 2
    places = [np.stack(at[::-1], 1) + np.float32(0.5) - middle + offset[at] for at in corners]
    for x, y, z in np.array(VIEWPOINTS, np.float32):
        aside = layers.camera.focal * np.array((x, y), np.float32)
        nearness = [1 - z * value for value in disparity]
        seen = [
            (place - value[:, None] * aside) / near[:, None] for place, value, near in zip(places, disparity, nearness)
        ]
        diagonals = np.stack([np.hypot(*(seen[a] - seen[a + 1]).T) for a in (0, 2)]) / 2
        longer, shorter = diagonals.max(0), diagonals.min(0)
        radius = (longer**2 + shorter**2) / (2 * longer)
        np.maximum(needed, radius * np.maximum.reduce(nearness), out=needed)
    factor = needed / np.float32(0.5**0.5)  # that of a lattice of one pixel
    found = np.ones(whole.shape, np.float32)
    factor = np.where(factor < CLOSED, 1, np.minimum(factor, LARGEST_CLOSING)).astype(np.float32)
    for at in corners:
        np.maximum.at(found, at, factor)
    return found


def _joined_squares(layers: Layers, whole: np.ndarray) -> np.ndarray:
    """(Hc - 1, Wc - 1) bool: upper left pixels of squares of 2 x 2 points without a discontinuity between them."""
    disparity, occluder = layers.disparity, layers.occluder_disparity
    joined = [whole.copy(), whole.copy()]
    for axis, pairs in enumerate(joined):
        first, second = (np.moveaxis(pairs, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        near = [np.moveaxis(disparity, axis, 0)[part] for part in (slice(None, -1), slice(1, None))]
        edge = [np.moveaxis(occluder, axis, 0)[part] for part in (slice(None, -1), slice(1, None))]
        torn = (edge[0] >= near[1] * (1 - SAME_SLOPE)) | (edge[1] >= near[0] * (1 - SAME_SLOPE))
        first &= second & ~torn
    down, right = joined
    return down[:-1, :-1] & down[:-1, 1:] & right[:-1, :-1] & right[1:, :-1]


def along_outlines(layers: Layers) -> np.ndarray:
    """(Hc, Wc) bool: pixels close to those of a farther surface."""
    disparity = np.where(layers.valid, layers.disparity, np.float32(np.inf))
    farthest = cv2.erode(disparity, np.ones((2 * OUTLINE + 1, 2 * OUTLINE + 1), np.uint8), borderValue=(np.inf,))
    return farthest < OTHER_SURFACE * layers.disparity
