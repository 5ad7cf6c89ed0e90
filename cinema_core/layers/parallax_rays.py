"""Ways: what else the camera presets reveal, each edge followed the way that they part it.

Of the edges around a pixel the closest need not be the one that reveals it: it may part less, or another way, or be that
of another surface in the same layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..shared.camera import camera_path
from .discontinuities import CUT
from .occluded import BEHIND, Canvas, Occluded, extrapolate_plane, is_ground, offset_from_centre
from .outpaint import REACH_MARGIN

LATER = 1e5  # px; of edges whose own layer goes on there from a closer one
STALE = 0.75  # share of the ways followed that goes on, below which the others are left out
# Where the presets reach farthest, camera centres in scene units.
ENDS = np.concatenate(
    [
        camera_path(name)[frames, :3, 3]
        for name, frames in (
            ("side", [0, -1]),
            ("up-down", [0, -1]),
            ("zoom-in", [-1]),
            ("circle", list(range(0, 90, 15))),
        )
    ]
)


@dataclass(frozen=True, eq=False)
class _Edges:
    """Edges of one layer: index (E,) flat, plane (E, 3) how the surface goes on, near (E,) disparity of what hides it."""

    index: np.ndarray
    plane: np.ndarray
    near: np.ndarray


def continue_along_rays(
    canvas: Canvas, edge: np.ndarray, planes: np.ndarray, found: Occluded, reach: float
) -> Occluded:
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
    known = canvas.unknown.copy()
    known[canvas.place(found.index)] = found.disparity
    parts = [part for part in _follow(canvas, _find_ways(canvas, edges, reach), known) if len(part[0])]
    if not parts:
        return found.where(np.zeros(len(found.index), bool))
    index, rows, disparity, distance = (np.concatenate(arrays) for arrays in zip(*parts))
    index, rows = canvas.pixel(index), rows % len(edges.index)
    first = _closest_of_each(index, np.floor(disparity / CUT), distance)
    index, rows, disparity, distance = index[first], rows[first], disparity[first], distance[first]
    ground = is_ground(edges.plane[rows], canvas.disparity.shape)
    return Occluded(found.layer, index, edges.index[rows], disparity, distance, ground)


@dataclass(eq=False)
class _Ways:
    """Ways under what hides, one from each edge towards each of the presets' ends; W of them.

    Attributes:
        number: (W,) int64; of the edge its remainder by how many there are.
        place: (W,) int64, where each begins, see `Canvas.place`.
        toward: (2, W) float32, px right and down for each step.
        aside: (2, W) float32, px from where the steps lead: both borders of the pixel where ways are slanted, since lines
            miss pixels.
        plane: (3, W) float32 how the surface goes on.
        middle: (W,) float32 disparity; what is nearer hides it.
        opens: (W,) float32 px, of a jump of disparity.
        last: (W,) float32, the step that it ends after.
        entered: (W,) bool, something hides it already.
        alive: (W,) bool, it goes on.
    """

    number: np.ndarray
    place: np.ndarray
    toward: np.ndarray
    aside: np.ndarray
    plane: np.ndarray
    middle: np.ndarray
    opens: np.ndarray
    last: np.ndarray
    entered: np.ndarray
    alive: np.ndarray

    def living(self) -> _Ways:
        """Those that go on."""
        return _Ways(*(np.compress(self.alive, getattr(self, name), -1) for name in self.__dataclass_fields__))


def _find_ways(canvas: Canvas, edges: _Edges, reach: float) -> _Ways:
    """The ways from all edges towards all of the presets' ends, as far as what hides goes."""
    place, near, far = offset_from_centre(edges.index, canvas.disparity.shape), edges.near, edges.plane[:, 0]
    starts, parts = canvas.place(edges.index), []
    for across, down, along in ENDS:
        sideways = canvas.camera.focal * np.array([[across], [down]])
        moved = (place - near * sideways) / (1 - along * near)
        way = (
            moved * (1 - along * far) + far * sideways - place
        )  # to what of the far surface comes to lie under the edge
        length = np.sqrt(np.square(way).sum(0))
        toward = way / np.maximum(length, 1e-6)
        opens, last = reach * REACH_MARGIN * length / np.maximum(near - far, 1e-6), reach * REACH_MARGIN * length + 2
        toward, opens, last = (values.astype(np.float32) for values in (toward, opens, last))
        rows = np.flatnonzero(length > 0.5)
        for aside in (-0.5, 0.5) if way.all(0).any() else (0.0,):
            beside = np.float32(aside) * np.stack([-toward[1], toward[0]])
            number = rows + len(parts) * len(near)
            kept = (
                values[..., rows] for values in (starts, toward, beside, edges.plane.T, (far + near) / 2, opens, last)
            )
            parts.append((number, *kept))
    arrays = [np.concatenate(group, -1) for group in zip(*parts)]
    return _Ways(*arrays, np.zeros(len(arrays[0]), bool), np.ones(len(arrays[0]), bool))


def _follow(
    canvas: Canvas, ways: _Ways, known: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Pixels along the ways, step by step, as far as what hides goes.

    Args:
        canvas: The canvas.
        ways: The ways; all are followed at once, and those that have ended are left out once they are many.
        known: (N,) disparity of what is known to go on at each place, infinite where nothing is, and -infinite where
            nothing is shown.

    Yields:
        Of each step: place, number of the way, disparity, and px from the edge.
    """
    step, count = 0, len(ways.number)
    while count:
        if count < STALE * len(ways.number):
            ways = ways.living()
        step += 1
        moved = np.float32(step) * ways.toward
        moved += ways.aside
        right, down = np.rint(moved, out=moved)
        place = down.astype(np.int64)
        place *= canvas.across
        place += ways.place
        place += right.astype(np.int64)
        disparity = extrapolate_plane(canvas, ways.plane, right, down)
        there = np.take(canvas.bordered, place, mode="clip")  # ways that have ended lead anywhere
        before = ways.alive & (there > ways.middle)
        ways.entered |= before
        # what hides here moves on by so much
        ends = ways.opens * np.maximum(there - disparity, 0)
        ends += np.float32(step + 1)
        np.minimum(ways.last, ends, out=ways.last, where=ways.entered)
        new = np.flatnonzero(before & (disparity < there - 2 * BEHIND))
        held = known[place[new]]
        farther = disparity[new] < held - CUT
        new, held = new[farther], held[farther]
        yield (
            place[new],
            ways.number[new],
            disparity[new],
            step + np.where(np.isinf(held), np.float32(0), np.float32(LATER)),
        )
        ways.alive &= (ways.last > step) & (before | (~ways.entered & (step < 2)))
        count = np.count_nonzero(ways.alive)


def _closest_of_each(index: np.ndarray, surface: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Rows of the least distance for each surface at each index."""
    order = np.lexsort((distance, surface, index))
    again = (np.diff(index[order]) == 0) & (np.diff(surface[order]) == 0)
    return order[np.concatenate([[True], ~again])[: len(order)]]
