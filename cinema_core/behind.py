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
from .grid import nearest_index

BEHIND = CUT / 4  # disparity by which a band lies behind its occluder at least
LEAST = 0.5  # of the reach sideways that a band has in any direction
MOST_CHANGE = 0.25  # disparity; how much a slope may change it within a band
GROUND = 0.1  # disparity per longer side; what slopes by more towards the viewer lies, and meets the sky at a horizon
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
    edge, planes = edge[own], planes[own]
    most = _reach(canvas.cuts.ravel()[edge], planes[:, 0], from_middle(edge, shape), None, camera, reach)
    window = around(edge, shape, int(most.max()) + 2)
    edge_row, edge_column = np.divmod(edge, width)
    number = np.full((window[0].stop - window[0].start, window[1].stop - window[1].start), -1, np.int32)
    number[edge_row - window[0].start, edge_column - window[1].start] = np.arange(len(edge))
    distance = cv2.distanceTransform((number < 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    there = np.flatnonzero((distance <= most.max()) & (distance > 0) & canvas.shown[window])
    distance, closest = distance.ravel()[there], number.ravel()[nearest_index(number >= 0, there)]
    near_enough = distance <= INEXACT * most[closest]  # few edges reach as far as the farthest
    there, distance, closest = there[near_enough], distance[near_enough], closest[near_enough]
    row, column = np.divmod(there, number.shape[1])
    row, column = row + window[0].start, column + window[1].start
    right, down = column - edge_column[closest], row - edge_row[closest]
    disparity = continued(canvas, planes[closest], right, down)
    hidden = np.flatnonzero(disparity < canvas.disparity[row, column] - 2 * BEHIND)
    row, column, right, down, closest, distance, disparity = (
        values[hidden] for values in (row, column, right, down, closest, distance, disparity)
    )
    index, source, plane = row * width + column, edge[closest], planes[closest]
    toward = np.stack([right, down], 1) / np.maximum(distance, 1)[:, None]
    hidden = distance <= _reach(canvas.cuts.ravel()[source], plane[:, 0], from_middle(source, shape), toward, camera, reach)
    # the way from the edge leads into what hides: else this is the visible side, a little nearer by its slope
    start = np.stack([edge_row[closest], edge_column[closest]], 1)
    first = [np.rint(start + step * toward[:, ::-1]).astype(int) for step in (1.5, 2.5)]
    beyond = [canvas.disparity[np.clip(p[:, 0], 0, shape[0] - 1), np.clip(p[:, 1], 0, width - 1)] for p in first]
    hidden &= np.maximum(*beyond) > (plane[:, 0] + canvas.cuts.ravel()[source]) / 2
    return Behind(layer, index, source, disparity, distance, is_ground(plane, shape)).where(hidden)


def continued(canvas: Canvas, plane: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(N,) float32 disparity of surfaces, (N, 3) planes, so many px from their edge."""
    change = np.clip(plane[:, 1] * right + plane[:, 2] * down, -MOST_CHANGE, MOST_CHANGE)
    return np.maximum(plane[:, 0] + change, canvas.farthest).astype(np.float32)


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
    """(N, 2) px right and down of the middle."""
    row, column = np.divmod(index, shape[1])
    return np.stack([column + 0.5 - shape[1] / 2, row + 0.5 - shape[0] / 2], 1)


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
        from_middle: (N, 2) px, where the edge is.
        toward: (N, 2) unit vectors from the edge under what hides; None asks for the most in any direction.
        camera: The photo's camera.
        reach: Factor on the result.
    """
    sideways = (near - far) * camera.focal

    def opens(step: float) -> np.ndarray:
        """Of the distance from the middle, when the camera moves ahead by so much."""
        return np.maximum(0, 1 / (1 - step * near) - 1 / (1 - step * np.maximum(far, 0)))

    radius = np.linalg.norm(from_middle, axis=1)
    if toward is None:
        most = np.maximum(max(SIDE, UP_DOWN) * sideways, radius * np.maximum(opens(ZOOM_IN), CIRCLE[2] * (near - far)))
        most = np.maximum(most, CIRCLE[0] * sideways + CIRCLE[2] * (near - far) * radius)
    else:
        outward = (toward * from_middle).sum(1)
        most = np.maximum(SIDE * sideways * np.abs(toward[:, 0]), UP_DOWN * sideways * np.abs(toward[:, 1]))
        most = np.maximum(most, LEAST * SIDE * sideways)
        most = np.maximum(most, opens(ZOOM_IN) * outward)
        most = np.maximum(most, CIRCLE[0] * sideways * np.abs(toward).max(1) + CIRCLE[2] * (near - far) * np.abs(outward))
    return reach * MARGIN * most + 2
