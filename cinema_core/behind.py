"""Where surfaces go on behind what is nearer, and how near they are there: geometry alone, no colour.

Every cut says where something is hidden; the surface beside it goes on along its own slope, so that a beach behind a rock
goes on as a beach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .borders import MARGIN
from .camera import CIRCLE, SIDE, UP_DOWN, ZOOM_IN, Camera
from .cuts import CUT
from .grid import nearest_labels

BEHIND = CUT / 4  # disparity by which a band lies behind its occluder at least
LEAST = 0.5  # of the reach sideways that a band has in any direction
MOST_CHANGE = 0.25  # disparity; how much a slope may change it within a band
GROUND = 0.1  # disparity per longer side; what slopes by more towards the viewer lies, and meets the sky at a horizon
EDGE = 4  # px around the canvas, in which ways end that lead over its border
ROWS = 128  # that are looked through at a time: what is asked of each pixel stays in the processor's cache
INEXACT = 1.05  # of a distance on the canvas, by which OpenCV's may be wrong


@dataclass(frozen=True, eq=False)
class Canvas:
    """What bands are made from: disparity (Hc, Wc), shown (Hc, Wc) bool, label (Hc, Wc), cuts (Hc, Wc)."""

    camera: Camera
    disparity: np.ndarray
    shown: np.ndarray
    label: np.ndarray
    cuts: np.ndarray

    @cached_property
    def farthest(self) -> np.float32:
        """The least disparity: asked for at each step of each way."""
        return self.disparity.min()

    @property
    def across(self) -> int:
        """px of a row with a margin of `EDGE` on either side."""
        return self.disparity.shape[1] + 2 * EDGE

    @cached_property
    def bordered(self) -> np.ndarray:
        """(N,) float32, disparity with a margin in which nothing is: who walks over the border need not ask where it is."""
        return self._bordered(self.disparity)

    @cached_property
    def unknown(self) -> np.ndarray:
        """(N,) float32, with that margin: infinite where something is shown, else -infinite."""
        return self._bordered(np.where(self.shown, np.float32(np.inf), np.float32(-np.inf)))

    def _bordered(self, values: np.ndarray) -> np.ndarray:
        return cv2.copyMakeBorder(values, *(EDGE,) * 4, cv2.BORDER_CONSTANT, value=-np.inf).ravel()

    def place(self, index: np.ndarray) -> np.ndarray:
        """Flat indices with the margin, of those of the canvas."""
        return index + (index // self.disparity.shape[1]) * (2 * EDGE) + EDGE * (self.across + 1)

    def pixel(self, place: np.ndarray) -> np.ndarray:
        """Flat indices of the canvas, of those with the margin."""
        row, column = np.divmod(place, self.across)
        return (row - EDGE) * self.disparity.shape[1] + column - EDGE


@dataclass(frozen=True, eq=False)
class Behind:
    """Pixels behind which a layer could go on: index, source, disparity of the layer there, and px from its edge."""

    layer: int
    index: np.ndarray
    source: np.ndarray
    disparity: np.ndarray
    distance: np.ndarray
    ground: np.ndarray

    def where(self, rows: np.ndarray) -> Behind:
        return Behind(self.layer, *(getattr(self, name)[rows] for name in list(self.__dataclass_fields__)[1:]))


def behind_closest(canvas: Canvas, edge: np.ndarray, planes: np.ndarray, layer: int, reach: float) -> Behind:
    """Where a layer can be seen to go on behind something nearer: behind each pixel the surface whose edge is closest.

    Args:
        canvas: The canvas.
        edge: (E,) int64, flat indices of pixels at the far side of cuts.
        planes: (E, 3) how the surface goes on there, see `cuts.far_planes`.
        layer: Which one.
        reach: Factor on how far.
    """
    shape, camera = canvas.disparity.shape, canvas.camera
    width = shape[1]
    own = canvas.label.ravel()[edge] == layer
    edge, planes = edge[own], planes[own].T
    near = canvas.cuts.ravel()[edge]
    most = _reach(near, planes[0], from_middle(edge, shape), None, camera, reach)
    window = around(edge, shape, int(most.max()) + 2)
    top, left = window[0].start, window[1].start
    edge_row, edge_column = np.divmod(edge, width)
    number = np.full((window[0].stop - top, window[1].stop - left), -1, np.int32)
    number[edge_row - top, edge_column - left] = np.arange(len(edge))
    distances, labels, of_label = nearest_labels(number >= 0)
    of_label[labels[edge_row - top, edge_column - left]] = np.arange(len(edge))
    farthest = max(planes[0].min() - MOST_CHANGE, canvas.farthest) - 1e-6  # it can be nowhere, so that what is behind is hidden by nothing
    del number

    def in_rows(begin: int) -> tuple[np.ndarray, ...]:
        part = slice(begin, begin + ROWS), slice(None)
        distance, before = distances[part], canvas.disparity[window][part]
        there = np.flatnonzero((distance <= most.max()) & (distance > 0) & (before > farthest + 2 * BEHIND) & canvas.shown[window][part])
        distance, closest = distance.ravel()[there], of_label[labels[part].ravel()[there]]
        near_enough = distance <= INEXACT * most[closest]  # few edges reach as far as the farthest
        there, distance, closest = there[near_enough], distance[near_enough], closest[near_enough]
        row, column = np.divmod(there, distances.shape[1])
        row, column = row + begin + top, column + left
        right, down = column - edge_column[closest], row - edge_row[closest]
        disparity = continued(canvas, planes[:, closest], right, down)
        hidden = np.flatnonzero(disparity < canvas.disparity[row, column] - 2 * BEHIND)
        row, column, right, down, closest, distance, disparity = (
            values[hidden] for values in (row, column, right, down, closest, distance, disparity)
        )
        source, plane = edge[closest], planes[:, closest]
        toward = np.stack([right, down]) / np.maximum(distance, 1)
        hidden = distance <= _reach(near[closest], plane[0], from_middle(source, shape), toward, camera, reach)
        # the way from the edge leads into what hides: else this is the visible side, a little nearer by its slope
        start = np.stack([edge_column[closest], edge_row[closest]])
        first = [np.rint(start + step * toward).astype(int) for step in (1.5, 2.5)]
        beyond = [canvas.disparity[np.clip(p[1], 0, shape[0] - 1), np.clip(p[0], 0, width - 1)] for p in first]
        hidden &= np.maximum(*beyond) > (plane[0] + near[closest]) / 2
        found = row * width + column, source, disparity, distance, is_ground(plane.T, shape)
        return tuple(values[hidden] for values in found)

    pieces = [in_rows(begin) for begin in range(0, len(distances), ROWS)]
    return Behind(layer, *(np.concatenate(arrays) for arrays in zip(*pieces)))


def continued(canvas: Canvas, plane: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(N,) float32 disparity of surfaces, (3, N) planes, so many px from their edge."""
    change = np.clip(plane[1] * right + plane[2] * down, -MOST_CHANGE, MOST_CHANGE)
    return np.maximum(plane[0] + change, canvas.farthest).astype(np.float32)


def is_ground(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N,) bool: whether surfaces slope as ground does."""
    return plane[:, 2] * max(shape) > np.maximum(GROUND, np.abs(plane[:, 1]) * max(shape))


def around(index: np.ndarray, shape: tuple[int, int], grow: int) -> tuple[slice, slice]:
    """The smallest window with these pixels and so much around them."""
    row, column = np.divmod(index, shape[1])
    return (
        slice(max(0, row.min() - grow), min(shape[0], row.max() + grow + 1)),
        slice(max(0, column.min() - grow), min(shape[1], column.max() + grow + 1)),
    )


def from_middle(index: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(2, N) px right and down of the middle."""
    row, column = np.divmod(index, shape[1])
    return np.stack([column + 0.5 - shape[1] / 2, row + 0.5 - shape[0] / 2])


def _reach(
    near: np.ndarray,
    far: np.ndarray,
    from_middle: np.ndarray,
    toward: np.ndarray | None,
    camera: Camera,
    reach: float,
) -> np.ndarray:
    """px of the far surface that the presets can reveal behind an edge.

    Args:
        near, far: (N,) disparity on either side of the edge.
        from_middle: (2, N) px, where the edge is.
        toward: (2, N) unit vectors from the edge under what hides; None asks for the most in any direction.
        camera: The photo's camera.
        reach: Factor on the result.
    """
    sideways = (near - far) * camera.focal

    def opens(step: float) -> np.ndarray:
        """Of the distance from the middle, when the camera moves ahead by so much."""
        return np.maximum(0, 1 / (1 - step * near) - 1 / (1 - step * np.maximum(far, 0)))

    radius = np.sqrt(np.square(from_middle).sum(0))
    if toward is None:
        most = np.maximum(max(SIDE, UP_DOWN) * sideways, radius * np.maximum(opens(ZOOM_IN), CIRCLE[2] * (near - far)))
        most = np.maximum(most, CIRCLE[0] * sideways + CIRCLE[2] * (near - far) * radius)
    else:
        outward = (toward * from_middle).sum(0)
        most = np.maximum(SIDE * sideways * np.abs(toward[0]), UP_DOWN * sideways * np.abs(toward[1]))
        most = np.maximum(most, LEAST * SIDE * sideways)
        most = np.maximum(most, opens(ZOOM_IN) * outward)
        most = np.maximum(most, CIRCLE[0] * sideways * np.abs(toward).max(0) + CIRCLE[2] * (near - far) * np.abs(outward))
    return reach * MARGIN * most + 2
