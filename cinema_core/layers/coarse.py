"""Cells: where surfaces of a large photo go on, found on cells of several pixels.

Input: a large canvas. Output: the same in cells, each as near as the nearest of its pixels, and of what goes on behind
cells what of it goes on behind each of their pixels. How a surface goes on unseen is a guess whose detail does not grow
with the photo's; its colours are found for every pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..shared.camera import Camera
from .discontinuities import CUT
from .occluded import BEHIND, Canvas, Occluded

FEWEST = 2000  # along the longer side of a canvas in cells
SAME_JUMP = 0.5  # of the jump of a cut beside it that one between cells has at least


class CoarseCells:
    """A canvas in square cells.

    Args:
        canvas: The canvas.

    Attributes:
        size: px of a cell; 1 where the canvas is small, then it is its own cells.
        canvas: The canvas in cells, as far as they show anything.
    """

    def __init__(self, canvas: Canvas) -> None:
        self.pixels, self.size = canvas, max(1, max(canvas.disparity.shape) // FEWEST)
        self.canvas = canvas if self.size == 1 else self._in_cells()

    def _in_cells(self) -> Canvas:
        whole, size = self.pixels, self.size
        camera = Camera(-(-whole.camera.width // size), -(-whole.camera.height // size), whole.camera.focal / size)
        square = np.ones((size, size), np.uint8)
        disparity = cv2.dilate(whole.disparity, square, anchor=(0, 0))[::size, ::size].copy()
        valid = cv2.dilate(whole.valid.view(np.uint8), square, anchor=(0, 0))[::size, ::size] > 0
        label = cv2.erode(whole.label, square, anchor=(0, 0))[::size, ::size].copy()  # 0 is the nearest
        return Canvas(camera, disparity, valid, label, self._cuts(disparity))

    def _cuts(self, disparity: np.ndarray) -> np.ndarray:
        """(h, w) float32, as of `cuts.find_cuts`: where cells, that have (h, w) disparity, part as their pixels do."""
        cut = np.flatnonzero(self.pixels.cuts)
        row, column = np.divmod(cut, self.pixels.cuts.shape[1])
        jump = np.zeros_like(disparity)
        np.maximum.at(
            jump,
            (row // self.size, column // self.size),
            self.pixels.cuts.ravel()[cut] - self.pixels.disparity.ravel()[cut],
        )
        beside = cv2.dilate(jump, np.ones((3, 3), np.uint8))
        nearest = cv2.dilate(disparity, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
        least = np.maximum(SAME_JUMP * beside, CUT)
        return np.where((beside > 0) & (nearest - disparity > least), nearest, np.float32(0))

    def behind_pixels(self, part: Occluded, source: np.ndarray, slope: np.ndarray) -> Occluded:
        """What goes on behind cells, behind those of their pixels that hide it.

        Args:
            part: What goes on behind the canvas in cells.
            source: (N,) int64, flat indices of the pixels that it continues.
            slope: (2, N) float32, its change of disparity from cell to cell, right and down.
        """
        height, width = self.pixels.disparity.shape
        across = self.canvas.disparity.shape[1]
        row, column = (at * self.size for at in np.divmod(part.index, across))
        pieces = []
        for down, right in np.ndindex(self.size, self.size):
            inside = np.flatnonzero((row + down < height) & (column + right < width))
            index = (row[inside] + down) * width + column[inside] + right
            from_middle = (np.float32([right, down]) + np.float32(0.5)) / np.float32(self.size) - np.float32(0.5)
            disparity = np.maximum(part.disparity[inside] + from_middle @ slope[:, inside], self.canvas.farthest)
            hidden = np.take(self.pixels.valid, index) & (
                disparity < np.take(self.pixels.disparity, index) - 2 * BEHIND
            )
            hidden = np.flatnonzero(hidden)
            inside = inside[hidden]
            distance = part.distance[inside] * np.float32(self.size)
            pieces.append((index[hidden], source[inside], disparity[hidden], distance, part.ground[inside]))
        return Occluded(part.layer, *(np.concatenate(arrays) for arrays in zip(*pieces)))

    def nearest_pixel(self, cell: np.ndarray) -> np.ndarray:
        """(N,) int64 flat indices of the pixels that cells, (N,) flat indices, are as near as."""
        height, width = self.pixels.disparity.shape
        row, column = (at * self.size for at in np.divmod(cell, self.canvas.disparity.shape[1]))
        found, nearest = row * width + column, np.full(len(cell), -np.inf, np.float32)
        for down, right in np.ndindex(self.size, self.size):
            there = np.minimum(row + down, height - 1) * width + np.minimum(column + right, width - 1)
            disparity = np.take(self.pixels.disparity, there)
            nearer = disparity > nearest
            found[nearer], nearest[nearer] = there[nearer], disparity[nearer]
        return found
