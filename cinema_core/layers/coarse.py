"""Coarse cells: the occluded surfaces of a large photo, found on cells of several pixels.

Input: a large canvas. Output: the canvas in cells, each with the disparity of its nearest pixel; and occluded surfaces
of these cells, brought back to their pixels. The extension of an occluded surface is a guess whose detail does not
grow with the photo's. Its colours are found for every pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.camera import Camera
from .discontinuities import MIN_DISCONTINUITY
from .occluded import MIN_SEPARATION, Canvas, Occluded

MIN_SIDE_CELLS = 2000  # cells along the longer side of a canvas, at least
# A discontinuity between cells is at least this share of the largest one between pixels beside it.
MIN_DIFFERENCE_SHARE = 0.5


class CoarseCells:
    """A canvas in square cells.

    Args:
        canvas: The canvas.

    Attributes:
        pixels: The canvas in pixels.
        size: px of a cell's side; 1 where the canvas is small.
        canvas: The canvas in cells; with cells of 1 px `pixels` itself.
    """

    def __init__(self, canvas: Canvas) -> None:
        self.pixels, self.size = canvas, max(1, max(canvas.disparity.shape) // MIN_SIDE_CELLS)
        self.canvas = canvas if self.size == 1 else self._in_cells()

    def _in_cells(self) -> Canvas:
        whole, size = self.pixels, self.size
        camera = Camera(-(-whole.camera.width // size), -(-whole.camera.height // size), whole.camera.focal / size)
        square = np.ones((size, size), np.uint8)
        disparity = cv2.dilate(whole.disparity, square, anchor=(0, 0))[::size, ::size].copy()
        valid = cv2.dilate(whole.valid.view(np.uint8), square, anchor=(0, 0))[::size, ::size] > 0
        label = cv2.erode(whole.label, square, anchor=(0, 0))[::size, ::size].copy()  # layer 0 is the nearest
        return Canvas(camera, disparity, valid, label, self._occluder_disparity(disparity))

    def _occluder_disparity(self, disparity: np.ndarray) -> np.ndarray:
        """Discontinuities between cells, only where there are some between their pixels.

        Args:
            disparity: (h, w) float32, of the cells.

        Returns:
            (h, w) float32, as `discontinuities.find_discontinuities` returns it.
        """
        edge = np.flatnonzero(self.pixels.occluder_disparity)
        row, column = np.divmod(edge, self.pixels.shape[1])
        difference = np.zeros_like(disparity)
        np.maximum.at(
            difference,
            (row // self.size, column // self.size),
            self.pixels.occluder_disparity.ravel()[edge] - self.pixels.disparity.ravel()[edge],
        )
        beside = cv2.dilate(difference, np.ones((3, 3), np.uint8))
        nearest = cv2.dilate(disparity, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
        least = np.maximum(MIN_DIFFERENCE_SHARE * beside, MIN_DISCONTINUITY)
        return np.where((beside > 0) & (nearest - disparity > least), nearest, np.float32(0))

    def behind_pixels(self, part: Occluded, source: np.ndarray, slope: np.ndarray) -> Occluded:
        """An occluded surface at full size: at those pixels of its cells that occlude it.

        Args:
            part: The occluded surface in cells.
            source: (N,) int64, flat indices of the pixels that it continues.
            slope: (2, N) float32, its change of disparity from cell to cell, right and down.
        """
        height, width = self.pixels.shape
        row, column = (at * self.size for at in np.divmod(part.index, self.canvas.shape[1]))
        pieces = []
        for down, right in np.ndindex(self.size, self.size):
            inside = np.flatnonzero((row + down < height) & (column + right < width))
            index = (row[inside] + down) * width + column[inside] + right
            # in cells, from the cell's centre
            offset = (np.array([right, down], np.float32) + np.float32(0.5)) / np.float32(self.size) - np.float32(0.5)
            disparity = np.maximum(part.disparity[inside] + offset @ slope[:, inside], self.canvas.min_disparity)
            visible = np.take(self.pixels.disparity, index)
            occluded = np.take(self.pixels.valid, index) & (disparity < visible - 2 * MIN_SEPARATION)
            rows = np.flatnonzero(occluded)
            inside = inside[rows]
            distance = part.distance[inside] * np.float32(self.size)
            pieces.append((index[rows], source[inside], disparity[rows], distance, part.ground[inside]))
        return Occluded(part.layer, *(np.concatenate(arrays) for arrays in zip(*pieces)))

    def nearest_pixel(self, cell: np.ndarray) -> np.ndarray:
        """(N,) int64 flat index of the nearest pixel, by disparity, in each of (N,) cells, flat indices."""
        height, width = self.pixels.shape
        row, column = (at * self.size for at in np.divmod(cell, self.canvas.shape[1]))
        found, nearest = row * width + column, np.full(len(cell), -np.inf, np.float32)
        for down, right in np.ndindex(self.size, self.size):
            index = np.minimum(row + down, height - 1) * width + np.minimum(column + right, width - 1)
            disparity = np.take(self.pixels.disparity, index)
            nearer = disparity > nearest
            found[nearer], nearest[nearer] = index[nearer], disparity[nearer]
        return found
