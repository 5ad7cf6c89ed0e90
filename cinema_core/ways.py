"""Ways: what else the camera presets reveal, each edge followed the way that they part it.

Of the edges around a pixel the closest need not be the one that reveals it: it may part less, or another way, or be that
of another surface in the same layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .behind import BEHIND, Behind, Canvas, continued, from_middle, is_ground
from .borders import MARGIN
from .camera import Camera, camera_path
from .cuts import CUT

LATER = 1e5  # px; of edges whose own layer goes on there from a closer one
# Where the presets reach farthest, camera centres in scene units.
ENDS = np.concatenate([
    camera_path(name)[frames, :3, 3]
    for name, frames in (("side", [0, -1]), ("up-down", [0, -1]), ("zoom-in", [-1]), ("circle", list(range(0, 90, 15))))
])


@dataclass(frozen=True, eq=False)
class _Edges:
    """Edges of one layer: index (E,) flat, plane (E, 3) how the surface goes on, near (E,) disparity of what hides it."""

    index: np.ndarray
    plane: np.ndarray
    near: np.ndarray


def behind_along_ways(canvas: Canvas, edge: np.ndarray, planes: np.ndarray, found: Behind, reach: float) -> Behind:
    """Where a layer can be seen to go on, beyond what its closest edges tell.

    Args:
        canvas: The canvas.
        edge: (E,) int64, flat indices of pixels at the far side of cuts.
        planes: (E, 3) how the surface goes on there, see `cuts.far_planes`.
        found: What of the layer goes on from the closest edges. Only what lies farther than that is returned.
        reach: Factor on how far.
    """
    own = canvas.label.ravel()[edge] == found.layer
    edges = _Edges(edge[own], planes[own], canvas.cuts.ravel()[edge[own]])
    known = np.full(canvas.disparity.size, np.inf, np.float32)
    known[found.index] = found.disparity
    parts = [part for way in _ways(edges, canvas.disparity.shape, canvas.camera)
             for aside in _asides(way) for part in _follow(canvas, edges, way, aside, known, reach)]
    if not parts:
        return found.where(np.zeros(len(found.index), bool))
    index, rows, disparity, distance = (np.concatenate(arrays) for arrays in zip(*parts))
    first = _closest_of_each(index, np.floor(disparity / CUT), distance)
    index, rows, disparity, distance = index[first], rows[first], disparity[first], distance[first]
    ground = is_ground(edges.plane[rows], canvas.disparity.shape)
    return Behind(found.layer, index, edges.index[rows], disparity, distance, ground)


def _ways(edges: _Edges, shape: tuple[int, int], camera: Camera) -> Iterator[np.ndarray]:
    """(E, 2) px for each of the presets' ends: from an edge to what of the far surface comes to lie under it."""
    place, near, far = from_middle(edges.index, shape), edges.near[:, None], edges.plane[:, :1]
    for across, down, along in ENDS:
        sideways = camera.focal * np.array([across, down])
        moved = (place - near * sideways) / (1 - along * near)
        yield moved * (1 - along * far) + far * sideways - place


def _asides(way: np.ndarray) -> tuple[float, ...]:
    """Both borders of the pixel where ways are slanted, since lines miss pixels; px."""
    return (-0.5, 0.5) if way.all(1).any() else (0.0,)


def _follow(
    canvas: Canvas, edges: _Edges, way: np.ndarray, aside: float, known: np.ndarray, reach: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Pixels along the ways, step by step, as far as what hides goes.

    Args:
        canvas: The canvas.
        edges: The edges.
        way: (E, 2) px, from each.
        aside: px, to the right of the way.
        known: (H * W,) disparity of what is known to go on behind each pixel, else infinite.
        reach: Factor on how far.

    Yields:
        Of each step: flat index, row in `edges`, disparity, and px from the edge.
    """
    height, width = canvas.disparity.shape
    length = np.sqrt(np.square(way).sum(1))
    toward = way / np.maximum(length, 1e-6)[:, None]
    far = edges.plane[:, 0]
    opens = reach * MARGIN * length / np.maximum(edges.near - far, 1e-6)  # px, of a jump
    entered, last = np.zeros(len(way), bool), reach * MARGIN * length + 2
    edge_row, edge_column = np.divmod(edges.index, width)
    rows, step = np.flatnonzero(length > 0.5), 0
    while len(rows):
        step += 1
        right = np.rint(step * toward[rows, 0] - aside * toward[rows, 1]).astype(np.int64)
        down = np.rint(step * toward[rows, 1] + aside * toward[rows, 0]).astype(np.int64)
        row, column = edge_row[rows] + down, edge_column[rows] + right
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        rows, right, down = rows[inside], right[inside], down[inside]
        index = row[inside] * width + column[inside]
        disparity, there = continued(canvas, edges.plane[rows], right, down), canvas.disparity.ravel()[index]
        before = there > (far[rows] + edges.near[rows]) / 2
        entered[rows] |= before
        # what hides here moves on by so much
        ends = step + 1 + opens[rows] * np.maximum(there - disparity, 0)
        last[rows] = np.where(entered[rows], np.minimum(last[rows], ends), last[rows])
        new = before & canvas.shown.ravel()[index] & (disparity < there - 2 * BEHIND) & (disparity < known[index] - CUT)
        distance = step + np.where(np.isinf(known[index[new]]), np.float32(0), np.float32(LATER))
        yield index[new], rows[new], disparity[new], distance
        rows = rows[(last[rows] > step) & (before | (~entered[rows] & (step < 2)))]


def _closest_of_each(index: np.ndarray, surface: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Rows of the least distance for each surface at each index."""
    order = np.lexsort((distance, surface, index))
    again = (np.diff(index[order]) == 0) & (np.diff(surface[order]) == 0)
    return order[np.concatenate([[True], ~again])[: len(order)]]
