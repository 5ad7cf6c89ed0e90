"""Where surfaces go on behind what is nearer, and how near they are there: geometry alone, no colour.

Every cut says where something is hidden; the surface beside it goes on along its own slope, so that a beach behind a rock
goes on as a beach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..image.grid import nearest_labels, with_margin
from ..shared.camera import CIRCLE, SIDE, UP_DOWN, ZOOM_IN, Camera
from .discontinuities import CUT
from .outpaint import REACH_MARGIN

BEHIND = CUT / 4  # disparity by which a band lies behind its occluder at least
LEAST = 0.5  # of the reach sideways that a band has in any direction
MOST_CHANGE = 0.25  # disparity; how much a slope may change it within a band
GROUND = 0.1  # disparity per longer side; what slopes by more towards the viewer lies, and meets the sky at a horizon
EDGE = 4  # px around the canvas, in which ways end that lead over its border
ROWS = 64  # that are looked through at a time: what is asked of each pixel stays in the processor's cache
INEXACT = 1.05  # of a distance on the canvas, by which OpenCV's may be wrong


@dataclass(frozen=True, eq=False)
class Canvas:
    """What bands are made from: disparity (Hc, Wc), shown (Hc, Wc) bool, label (Hc, Wc), cuts (Hc, Wc)."""

    camera: Camera
    disparity: np.ndarray
    valid: np.ndarray
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
        return self._bordered(np.where(self.valid, np.float32(np.inf), np.float32(-np.inf)))

    def _bordered(self, values: np.ndarray) -> np.ndarray:
        return with_margin(values, EDGE, EDGE, cv2.BORDER_CONSTANT, -np.inf).ravel()

    def place(self, index: np.ndarray) -> np.ndarray:
        """Flat indices with the margin, of those of the canvas."""
        return index + (index // self.disparity.shape[1]) * (2 * EDGE) + EDGE * (self.across + 1)

    def pixel(self, place: np.ndarray) -> np.ndarray:
        """Flat indices of the canvas, of those with the margin."""
        row, column = np.divmod(place, self.across)
        return (row - EDGE) * self.disparity.shape[1] + column - EDGE


@dataclass(frozen=True, eq=False)
class Occluded:
    """Pixels behind which a layer could go on: index, source, disparity of the layer there, and px from its edge."""

    layer: int
    index: np.ndarray
    source: np.ndarray
    disparity: np.ndarray
    distance: np.ndarray
    ground: np.ndarray

    def where(self, rows: np.ndarray) -> Occluded:
        return Occluded(self.layer, *(getattr(self, name)[rows] for name in list(self.__dataclass_fields__)[1:]))


def continue_behind_edges(canvas: Canvas, edge: np.ndarray, planes: np.ndarray, layer: int, reach: float) -> Occluded:
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
    reveals = _Reveals(near, planes[0], offset_from_centre(edge, shape), camera, reach)
    most, middle = reveals.most(), (planes[0] + near) / 2
    window = window_around(edge, shape, int(most.max()) + 2)
    top, left = window[0].start, window[1].start
    edge_row, edge_column = np.divmod(edge, width)
    known = np.zeros((window[0].stop - top, window[1].stop - left), bool)
    known[edge_row - top, edge_column - left] = True
    distances, labels, of_label = nearest_labels(known)
    of_label[labels[edge_row - top, edge_column - left]] = np.arange(len(edge))
    most_of_label = np.float32(INEXACT) * most[of_label]
    farthest = (
        max(planes[0].min() - MOST_CHANGE, canvas.farthest) - 1e-6
    )  # it can be nowhere, so that what is behind is hidden by nothing
    del known

    def in_rows(begin: int) -> tuple[np.ndarray, ...]:
        part = slice(begin, begin + ROWS), slice(None)
        distance, before = distances[part], canvas.disparity[window][part]
        there = np.flatnonzero(
            (distance <= most.max()) & (distance > 0) & (before > farthest + 2 * BEHIND) & canvas.valid[window][part]
        )
        distance, label = distance.ravel()[there], labels[part].ravel()[there]
        near_enough = np.flatnonzero(distance <= most_of_label[label])  # few edges reach as far as the farthest
        there, distance, closest = there[near_enough], distance[near_enough], of_label[label[near_enough]]
        row, column = np.divmod(there, distances.shape[1])
        row, column = row + begin + top, column + left
        right, down = column - edge_column[closest], row - edge_row[closest]
        index = row * width + column
        disparity = extrapolate_plane(canvas, planes[:, closest], right, down)
        hidden = np.flatnonzero(disparity < np.take(canvas.disparity, index) - 2 * BEHIND)
        index, right, down, closest, distance, disparity = (
            values[hidden] for values in (index, right, down, closest, distance, disparity)
        )
        toward = np.stack([right, down]).astype(np.float32) / np.maximum(distance, 1)
        # the way from the edge leads into what hides: else this is the visible side, a little nearer by its slope
        source = edge[closest]
        hidden = (distance <= reveals.toward(closest, toward)) & (_first(canvas, source, toward) > middle[closest])
        found = index, source, disparity, distance, ground[closest]
        return tuple(values[hidden] for values in found)

    ground = is_ground(planes.T, shape)
    pieces = [in_rows(begin) for begin in range(0, len(distances), ROWS)]
    return Occluded(layer, *(np.concatenate(arrays) for arrays in zip(*pieces)))


def _first(canvas: Canvas, source: np.ndarray, toward: np.ndarray) -> np.ndarray:
    """(N,) the nearest disparity within the first px of ways, (2, N) unit vectors, from (N,) flat indices."""
    height, width = canvas.disparity.shape
    row, column = np.divmod(source, width)
    found = []
    for step in (1.5, 2.5):
        right, down = np.rint(np.float32(step) * toward).astype(np.int64)
        there = np.clip(row + down, 0, height - 1) * width + np.clip(column + right, 0, width - 1)
        found.append(np.take(canvas.disparity, there))
    return np.maximum(*found)


def extrapolate_plane(canvas: Canvas, plane: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(N,) float32 disparity of surfaces, (3, N) planes, so many px from their edge."""
    change = np.clip(plane[1] * right + plane[2] * down, -MOST_CHANGE, MOST_CHANGE)
    return np.maximum(plane[0] + change, canvas.farthest).astype(np.float32, copy=False)


def is_ground(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N,) bool: whether surfaces slope as ground does."""
    return plane[:, 2] * max(shape) > np.maximum(GROUND, np.abs(plane[:, 1]) * max(shape))


def window_around(index: np.ndarray, shape: tuple[int, int], grow: int) -> tuple[slice, slice]:
    """The smallest window with these pixels and so much around them."""
    row, column = np.divmod(index, shape[1])
    return (
        slice(max(0, row.min() - grow), min(shape[0], row.max() + grow + 1)),
        slice(max(0, column.min() - grow), min(shape[1], column.max() + grow + 1)),
    )


def offset_from_centre(index: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(2, N) px right and down of the middle."""
    row, column = np.divmod(index, shape[1])
    return np.stack([column + 0.5 - shape[1] / 2, row + 0.5 - shape[0] / 2])


class _Reveals:
    """How much of the far surface the presets can reveal behind edges, px.

    Args:
        near, far: (N,) disparity on either side of each edge.
        from_middle: (2, N) px, where it is.
        camera: The photo's camera.
        reach: Factor on the result.
    """

    def __init__(
        self, near: np.ndarray, far: np.ndarray, from_middle: np.ndarray, camera: Camera, reach: float
    ) -> None:
        def opened(step: float) -> np.ndarray:
            """Of the distance from the middle, when the camera moves ahead by so much."""
            return np.maximum(0, 1 / (1 - step * near) - 1 / (1 - step * np.maximum(far, 0)))

        jump, self.factor = near - far, np.float32(reach * REACH_MARGIN)
        self.sideways, self.opens, self.back = (
            v.astype(np.float32) for v in (jump * camera.focal, opened(ZOOM_IN), CIRCLE[2] * jump)
        )
        self.from_middle = from_middle.astype(np.float32)

    def most(self) -> np.ndarray:
        """(N,) float32 in any direction."""
        radius = np.sqrt(np.square(self.from_middle).sum(0))
        most = np.maximum(max(SIDE, UP_DOWN) * self.sideways, radius * np.maximum(self.opens, self.back))
        return self.factor * np.maximum(most, CIRCLE[0] * self.sideways + self.back * radius) + 2

    def toward(self, rows: np.ndarray, toward: np.ndarray) -> np.ndarray:
        """(R,) float32 of some edges, (R,) int64, in the direction of (2, R) float32 unit vectors, under what hides."""
        sideways, right, down = self.sideways[rows], *np.abs(toward)
        outward = toward[0] * self.from_middle[0][rows] + toward[1] * self.from_middle[1][rows]
        most = np.maximum(np.maximum(SIDE * right, UP_DOWN * down), LEAST * SIDE) * sideways
        most = np.maximum(most, self.opens[rows] * outward)
        most = np.maximum(most, CIRCLE[0] * sideways * np.maximum(right, down) + self.back[rows] * np.abs(outward))
        return self.factor * most + 2
