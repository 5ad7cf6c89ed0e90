"""Merging: of what the photo does not show, four pixels of one colour make one point that is twice as large.

Input: pixels of a surface that lies hidden or beyond the border. Output: the squares of them that one point stands for.
Where a sky or a shade was continued a point for each pixel says nothing more; texture, edges and steep slopes keep theirs.
"""

from __future__ import annotations

import numpy as np

from ..layers.bands import OccludedBand
from ..layers.split import Layers
from ..shared.camera import SIDE

ALIKE = 0.012  # sRGB, of any channel, between the lightest and the darkest of four
FLAT = 0.5  # px, by which the presets part four at most
MERGED_RADIUS = 2.0  # radius of their point, in radii of that of a pixel


def find_squares(layers: Layers, index: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Squares of 2 x 2 pixels that are flat and of one colour.

    Args:
        layers: The layers; what the photo shows through mixed pixels is never merged.
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
    squares = squares[:, np.ptp(disparity[squares], axis=0) < FLAT / (SIDE * layers.camera.focal)]
    squares = squares[:, (np.ptp(color[squares], axis=0) < ALIKE).all(-1)]
    return squares[:, ~np.isin(index[squares], layers.mixed_pixels.index[layers.mixed_pixels.front]).any(0)]


def lift_squares(
    layers: Layers, index: np.ndarray, disparity: np.ndarray, color: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(S, 3) float32 positions and colours of squares; arguments as of `find_squares`, and its result."""
    row, column = np.divmod(index[squares[0]], layers.valid.shape[1])
    pixels = np.stack([column, row], 1) + 1.0 - np.array(layers.pad)
    return layers.camera.unproject(pixels, 1 / disparity[squares].mean(0)), color[squares].mean(0)


def border_squares(layers: Layers, chosen: np.ndarray) -> np.ndarray:
    """(4, S) int64, flat canvas indices of the squares beyond the border, of what is chosen, (Hc, Wc) bool."""
    beyond = chosen.copy()
    beyond[layers.photo] = False
    index = np.flatnonzero(beyond)
    return index[find_squares(layers, index, layers.disparity.ravel()[index], layers.color.reshape(-1, 3)[index])]


def count_points(layers: Layers) -> tuple[int, int]:
    """How many points show what lies hidden, and what lies beyond the border, if nothing of it moves."""

    def of_band(band: OccludedBand) -> int:
        return len(band.index) - 3 * find_squares(layers, band.index, band.disparity, band.color).shape[1]

    beyond = int(layers.valid.sum()) - layers.camera.width * layers.camera.height
    return sum(map(of_band, layers.bands)), beyond - 3 * border_squares(layers, layers.valid).shape[1]
