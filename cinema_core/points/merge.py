"""Merging: outside the visible photo, four pixels of one colour become one point of twice the size.

Input: pixels of an occluded surface, or of the canvas beyond the photo's border. Output: squares of 2 x 2 pixels that
one point replaces. Where a sky or a shade was continued, a point for each pixel adds nothing. Texture, edges and steep
slopes keep one point for each pixel.
"""

from __future__ import annotations

import numpy as np

from ..layers.bands import OccludedBand
from ..layers.split import Layers
from ..shared.camera import SIDE

SIMILAR_COLOR = 0.012  # sRGB, any channel; range of the four colours of a square below which they are merged
FLAT_PARALLAX = 0.5  # px; range of the four pixels' parallax in the presets below which they are merged
MERGED_RADIUS = 2.0  # radius factor of a merged point, in radii of a pixel's point


def find_squares(layers: Layers, index: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Squares of 2 x 2 pixels that are flat and of one colour.

    Args:
        layers: The layers; background seen through mixed pixels is never merged.
        index: (P,) int64, flat canvas indices, ascending.
        disparity: (P,) float32.
        color: (P, 3) float32, sRGB.

    Returns:
        (4, S) int64, rows of each square's pixels, the upper left one first.
    """
    across, last = layers.valid.shape[1], len(index) - 1
    row, column = np.divmod(index, across)
    first = np.flatnonzero((row % 2 == 0) & (column % 2 == 0) & (column < across - 1))
    first = first[index[np.minimum(first + 1, last)] == index[first] + 1]
    below = np.searchsorted(index, index[first] + across)
    first, below = first[below < last], below[below < last]
    complete = (index[below] == index[first] + across) & (index[below + 1] == index[below] + 1)
    squares = np.stack([first, first + 1, below, below + 1])[:, complete]
    squares = squares[:, np.ptp(disparity[squares], axis=0) < FLAT_PARALLAX / (SIDE * layers.camera.focal)]
    squares = squares[:, (np.ptp(color[squares], axis=0) < SIMILAR_COLOR).all(-1)]
    return squares[:, ~np.isin(index[squares], layers.mixed_pixels.index[layers.mixed_pixels.front]).any(0)]


def lift_squares(
    layers: Layers, index: np.ndarray, disparity: np.ndarray, color: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points of squares.

    Args:
        layers: As in `find_squares`.
        index: As in `find_squares`.
        disparity: As in `find_squares`.
        color: As in `find_squares`.
        squares: (4, S) int64, the result of `find_squares`.

    Returns:
        (S, 3) float32 positions and (S, 3) float32 colours.
    """
    row, column = np.divmod(index[squares[0]], layers.valid.shape[1])
    pixels = np.stack([column, row], 1) + 1.0 - np.array(layers.pad)
    return layers.camera.unproject(pixels, 1 / disparity[squares].mean(0)), color[squares].mean(0)


def border_squares(layers: Layers, chosen: np.ndarray) -> np.ndarray:
    """Squares beyond the photo's border.

    Args:
        layers: The layers.
        chosen: (Hc, Wc) bool, pixels that may be merged; those of the photo are left out.

    Returns:
        (4, S) int64, flat canvas indices.
    """
    beyond = chosen.copy()
    beyond[layers.photo] = False
    index = np.flatnonzero(beyond)
    return index[find_squares(layers, index, layers.disparity.ravel()[index], layers.color.reshape(-1, 3)[index])]


def count_points(layers: Layers) -> tuple[int, int]:
    """Numbers of points of the occluded bands and of the canvas beyond the border, if none of them moves."""

    def of_band(band: OccludedBand) -> int:
        return len(band.index) - 3 * find_squares(layers, band.index, band.disparity, band.color).shape[1]

    beyond = int(layers.valid.sum()) - layers.camera.width * layers.camera.height
    return sum(map(of_band, layers.bands)), beyond - 3 * border_squares(layers, layers.valid).shape[1]
