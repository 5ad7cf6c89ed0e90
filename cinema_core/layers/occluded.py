"""Occluded surfaces: where the background continues behind an occluder, and its disparity there. No colour yet.

At every depth discontinuity the background continues behind the occluder along its own slope, so that a beach behind a
rock continues as a beach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..image.grid import nearest_labels, with_margin
from ..shared.camera import CIRCLE, SIDE, UP_DOWN, ZOOM_IN, Camera
from .discontinuities import MIN_DISCONTINUITY
from .outpaint import REACH_MARGIN

MIN_SEPARATION = MIN_DISCONTINUITY / 4  # disparity; an occluded surface is farther than its occluder by more than this
MIN_SIDEWAYS_SHARE = 0.5  # of the width at sideways camera motion; an occluded surface has it in every direction
MAX_PLANE_CHANGE = 0.25  # disparity; limits the extrapolation of a slope behind an occluder
GROUND_SLOPE = 0.1  # disparity per longer side; a surface with a steeper slope towards the viewer is ground
BORDER = 4  # px of empty border around the canvas, in which rays that leave the canvas end
CONTINUED_ROWS = (
    64  # rows in which surfaces are continued at a time: their intermediate arrays stay in the processor's cache
)
DISTANCE_ERROR = 1.05  # factor by which OpenCV's distances may be wrong


@dataclass(frozen=True, eq=False)
class Canvas:
    """The visible surfaces, behind which the occluded ones are found.

    Some arrays are also needed with an empty border, so that rays need not test for the end of the canvas. These are
    flat; `to_bordered` and `from_bordered` convert the indices.

    Attributes:
        camera: The photo's camera.
        disparity: (Hc, Wc) float32.
        valid: (Hc, Wc) bool, pixels that show anything.
        label: (Hc, Wc) int16, layer of the pixel, 0 nearest.
        occluder_disparity: (Hc, Wc) float32, see `discontinuities.find_discontinuities`.
    """

    camera: Camera
    disparity: np.ndarray
    valid: np.ndarray
    label: np.ndarray
    occluder_disparity: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.disparity.shape
        return height, width

    @cached_property
    def min_disparity(self) -> np.float32:
        """Disparity of the farthest pixel. Cached: every step along every ray needs it."""
        return self.disparity.min()

    @property
    def bordered_width(self) -> int:
        """px of a row with the empty border on either side."""
        return self.disparity.shape[1] + 2 * BORDER

    @cached_property
    def bordered_disparity(self) -> np.ndarray:
        """(N,) float32, disparity with the empty border, where it is -infinite."""
        return self._with_border(self.disparity)

    @cached_property
    def empty_depth_buffer(self) -> np.ndarray:
        """(N,) float32 with the empty border: infinite at valid pixels, -infinite elsewhere."""
        return self._with_border(np.where(self.valid, np.float32(np.inf), np.float32(-np.inf)))

    def _with_border(self, values: np.ndarray) -> np.ndarray:
        return with_margin(values, BORDER, BORDER, cv2.BORDER_CONSTANT, -np.inf).ravel()

    def to_bordered(self, index: np.ndarray) -> np.ndarray:
        """Flat indices with the border, from flat indices of the canvas."""
        return index + (index // self.disparity.shape[1]) * (2 * BORDER) + BORDER * (self.bordered_width + 1)

    def from_bordered(self, index: np.ndarray) -> np.ndarray:
        """Flat indices of the canvas, from flat indices with the border."""
        row, column = np.divmod(index, self.bordered_width)
        return (row - BORDER) * self.disparity.shape[1] + column - BORDER


@dataclass(frozen=True, eq=False)
class Occluded:
    """Pixels behind which a layer continues.

    Attributes:
        layer: The layer that continues.
        index: (P,) int64, flat canvas indices of the occluding pixels.
        source: (P,) int64, flat canvas index of the visible edge pixel whose surface continues there.
        disparity: (P,) float32, of the occluded surface.
        distance: (P,) float32, px from the edge pixel; see also `parallax_rays.SECONDARY_DISTANCE`.
        ground: (P,) bool, the occluded surface slopes like ground.
    """

    layer: int
    index: np.ndarray
    source: np.ndarray
    disparity: np.ndarray
    distance: np.ndarray
    ground: np.ndarray

    def where(self, rows: np.ndarray | slice) -> Occluded:
        """Only these rows: (P,) bool, or a slice."""
        return Occluded(self.layer, *(getattr(self, name)[rows] for name in list(self.__dataclass_fields__)[1:]))


def continue_behind_edges(canvas: Canvas, edge: np.ndarray, planes: np.ndarray, layer: int, reach: float) -> Occluded:
    """Find the disoccluded part of a layer: behind each occluding pixel the surface of the closest edge continues.

    Args:
        canvas: The canvas.
        edge: (E,) int64, flat indices of pixels at the background side of discontinuities.
        planes: (E, 3) planes of the background there, see `discontinuities.fit_background_planes`.
        layer: The layer.
        reach: Factor on how far the presets move the camera.
    """
    own = canvas.label.ravel()[edge] == layer
    closest = _ClosestEdges(canvas, edge[own], planes[own].T, reach)
    pieces = [closest.occluded_in_rows(begin) for begin in range(0, len(closest.distances), CONTINUED_ROWS)]
    return Occluded(layer, *(np.concatenate(arrays) for arrays in zip(*pieces)))


class _ClosestEdges:
    """The closest edge of a layer for each pixel of a window around its edges.

    Args:
        canvas: The canvas.
        edge: (E,) int64, flat indices of the layer's edge pixels.
        planes: (3, E) their planes.
        reach: Factor on how far the presets move the camera.

    Attributes:
        distances: (h, w) float32, px from the closest edge, in the window.
    """

    def __init__(self, canvas: Canvas, edge: np.ndarray, planes: np.ndarray, reach: float) -> None:
        self._canvas, self._edge, self._planes = canvas, edge, planes
        occluder = canvas.occluder_disparity.ravel()[edge]
        self._disocclusion = _Disocclusion(
            occluder, planes[0], offset_from_centre(edge, canvas.shape), canvas.camera, reach
        )
        max_width = self._disocclusion.max_width()
        self._widest, self._midway = max_width.max(), (planes[0] + occluder) / 2
        self._window = window_around(edge, canvas.shape, int(self._widest) + 2)
        self._top, self._left = self._window[0].start, self._window[1].start
        self._row, self._column = np.divmod(edge, canvas.shape[1])
        self._ground = slopes_like_ground(planes.T, canvas.shape)
        mask = np.zeros([side.stop - side.start for side in self._window], bool)
        mask[self._row - self._top, self._column - self._left] = True
        self.distances, self._labels, self._edge_of_label = nearest_labels(mask)
        self._edge_of_label[self._labels[self._row - self._top, self._column - self._left]] = np.arange(len(edge))
        self._width_of_label = np.float32(DISTANCE_ERROR) * max_width[self._edge_of_label]
        # Lower bound of the layer's disparity: a pixel that is hardly nearer than this occludes nothing of the layer.
        self._min_disparity = max(planes[0].min() - MAX_PLANE_CHANGE, canvas.min_disparity) - 1e-6

    def occluded_in_rows(self, begin: int) -> tuple[np.ndarray, ...]:
        """Fields of `Occluded` but the layer, for a chunk of the window's rows."""
        index, right, down, closest, distance = self._candidates(begin)
        disparity = extrapolate_plane(self._canvas, self._planes[:, closest], right, down)
        occluded = np.flatnonzero(disparity < np.take(self._canvas.disparity, index) - 2 * MIN_SEPARATION)
        index, right, down, closest, distance, disparity = (
            values[occluded] for values in (index, right, down, closest, distance, disparity)
        )
        direction = np.stack([right, down]).astype(np.float32) / np.maximum(distance, 1)
        # The ray from the edge must lead into the occluder. Else the pixel is of the visible surface itself, which is a
        # little nearer there by its slope.
        source = self._edge[closest]
        occluded = (distance <= self._disocclusion.width_towards(closest, direction)) & (
            _nearest_beside(self._canvas, source, direction) > self._midway[closest]
        )
        found = index, source, disparity, distance, self._ground[closest]
        return tuple(values[occluded] for values in found)

    def _candidates(self, begin: int) -> tuple[np.ndarray, ...]:
        """Pixels close enough to their closest edge, in a chunk of the window's rows.

        Returns:
            Flat canvas indices; px right and down of the closest edge; its number; and px from it.
        """
        part = slice(begin, begin + CONTINUED_ROWS), slice(None)
        distance, visible = self.distances[part], self._canvas.disparity[self._window][part]
        place = np.flatnonzero(
            (distance <= self._widest)
            & (distance > 0)
            & (visible > self._min_disparity + 2 * MIN_SEPARATION)
            & self._canvas.valid[self._window][part]
        )
        distance, label = distance.ravel()[place], self._labels[part].ravel()[place]
        near_enough = np.flatnonzero(distance <= self._width_of_label[label])  # few edges open as wide as the widest
        place, distance, closest = place[near_enough], distance[near_enough], self._edge_of_label[label[near_enough]]
        row, column = np.divmod(place, self.distances.shape[1])
        row, column = row + begin + self._top, column + self._left
        index = row * self._canvas.shape[1] + column
        return index, column - self._column[closest], row - self._row[closest], closest, distance


def _nearest_beside(canvas: Canvas, source: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(N,) nearest disparity within the first px of rays, from (N,) flat indices along (2, N) unit vectors."""
    height, width = canvas.disparity.shape
    row, column = np.divmod(source, width)
    found = []
    for step in (1.5, 2.5):
        right, down = np.rint(np.float32(step) * direction).astype(np.int64)
        index = np.clip(row + down, 0, height - 1) * width + np.clip(column + right, 0, width - 1)
        found.append(np.take(canvas.disparity, index))
    return np.maximum(*found)


def extrapolate_plane(canvas: Canvas, plane: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(N,) float32 disparity of (3, N) planes, (N,) px right and down of their edge pixel."""
    change = np.clip(plane[1] * right + plane[2] * down, -MAX_PLANE_CHANGE, MAX_PLANE_CHANGE)
    return np.maximum(plane[0] + change, canvas.min_disparity).astype(np.float32, copy=False)


def slopes_like_ground(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N,) bool: the planes, (N, 3), slope towards the viewer as ground does, and meet the sky at a horizon."""
    return plane[:, 2] * max(shape) > np.maximum(GROUND_SLOPE, np.abs(plane[:, 1]) * max(shape))


def window_around(index: np.ndarray, shape: tuple[int, int], grow: int) -> tuple[slice, slice]:
    """The smallest window that contains these pixels and `grow` px around them."""
    row, column = np.divmod(index, shape[1])
    return (
        slice(max(0, row.min() - grow), min(shape[0], row.max() + grow + 1)),
        slice(max(0, column.min() - grow), min(shape[1], column.max() + grow + 1)),
    )


def offset_from_centre(index: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(2, N) px right and down of the canvas's centre."""
    row, column = np.divmod(index, shape[1])
    return np.stack([column + 0.5 - shape[1] / 2, row + 0.5 - shape[0] / 2])


class _Disocclusion:
    """Width, in px, of the background that the presets disocclude at edges.

    Args:
        occluder, background: (N,) disparity on either side of each edge.
        offset: (2, N) px, position of the edge from the canvas's centre.
        camera: The photo's camera.
        reach: Factor on the width.
    """

    def __init__(
        self, occluder: np.ndarray, background: np.ndarray, offset: np.ndarray, camera: Camera, reach: float
    ) -> None:
        def opened(step: float) -> np.ndarray:
            """Share of the distance from the centre by which an edge opens when the camera moves ahead by `step`."""
            return np.maximum(0, 1 / (1 - step * occluder) - 1 / (1 - step * np.maximum(background, 0)))

        difference, self._factor = occluder - background, np.float32(reach * REACH_MARGIN)
        self._sideways, self._ahead, self._back = (
            v.astype(np.float32) for v in (difference * camera.focal, opened(ZOOM_IN), CIRCLE[2] * difference)
        )
        self._offset = offset.astype(np.float32)

    def max_width(self) -> np.ndarray:
        """(N,) float32, the largest width in any direction."""
        radius = np.sqrt(np.square(self._offset).sum(0))
        width = np.maximum(max(SIDE, UP_DOWN) * self._sideways, radius * np.maximum(self._ahead, self._back))
        return self._factor * np.maximum(width, CIRCLE[0] * self._sideways + self._back * radius) + 2

    def width_towards(self, rows: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """(R,) float32 width at some edges, (R,) int64, along (2, R) float32 unit vectors into the occluder."""
        sideways = self._sideways[rows]
        right, down = np.abs(direction)
        outward = direction[0] * self._offset[0][rows] + direction[1] * self._offset[1][rows]
        width = np.maximum(np.maximum(SIDE * right, UP_DOWN * down), MIN_SIDEWAYS_SHARE * SIDE) * sideways
        width = np.maximum(width, self._ahead[rows] * outward)
        circle = CIRCLE[0] * sideways * np.maximum(right, down) + self._back[rows] * np.abs(outward)
        width = np.maximum(width, circle)
        return self._factor * width + 2
