"""Parallax rays: disoccluded surfaces that the closest edge alone does not find.

From every edge, rays follow the directions in which the camera presets open it. This finds pixels that their closest
edge does not disocclude: it may open less, or in another direction, or belong to another surface of the same layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..shared.camera import camera_path
from .discontinuities import MIN_DISCONTINUITY
from .occluded import MIN_SEPARATION, Canvas, Occluded, extrapolate_plane, offset_from_centre, slopes_like_ground
from .outpaint import REACH_MARGIN

# px, added to the distance of a surface where its own layer already continues from a closer edge, so that it ranks
# last.
SECONDARY_DISTANCE = 1e5
COMPACT_BELOW = 0.75  # share of the rays that are alive, below which the others are dropped from the arrays
# Camera centres at which the presets disocclude most, scene units.
EXTREME_CENTRES = np.concatenate(
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
    """Edge pixels of one layer, at the background side of discontinuities.

    Attributes:
        index: (E,) int64, flat canvas indices.
        plane: (E, 3) planes of the background.
        occluder: (E,) disparity of the occluder.
    """

    index: np.ndarray
    plane: np.ndarray
    occluder: np.ndarray


def continue_along_rays(
    canvas: Canvas, edge: np.ndarray, planes: np.ndarray, found: Occluded, reach: float
) -> Occluded:
    """Find the disoccluded part of a layer beyond the part that continues from its closest edges.

    Args:
        canvas: The canvas.
        edge: (E,) int64, flat indices of pixels at the background side of discontinuities.
        planes: (E, 3) planes of the background there, see `discontinuities.fit_background_planes`.
        found: Occluded surface of the layer that continues from the closest edges. Where it exists, only surfaces
            farther than it are returned.
        reach: Factor on how far the presets move the camera.
    """
    own = canvas.label.ravel()[edge] == found.layer
    edges = _Edges(edge[own], planes[own], canvas.occluder_disparity.ravel()[edge[own]])
    depth_buffer = canvas.empty_depth_buffer.copy()
    depth_buffer[canvas.to_bordered(found.index)] = found.disparity
    steps = [step for step in _trace(canvas, _cast_rays(canvas, edges, reach), depth_buffer) if len(step[0])]
    if not steps:
        return found.where(np.zeros(len(found.index), bool))
    index, rows, disparity, distance = (np.concatenate(arrays) for arrays in zip(*steps))
    index, rows = canvas.from_bordered(index), rows % len(edges.index)
    first = _closest_of_each(index, np.floor(disparity / MIN_DISCONTINUITY), distance)
    index, rows, disparity, distance = index[first], rows[first], disparity[first], distance[first]
    ground = slopes_like_ground(edges.plane[rows], canvas.shape)
    return Occluded(found.layer, index, edges.index[rows], disparity, distance, ground)


@dataclass(eq=False)
class _Rays:
    """R rays behind occluders, from each edge in the direction in which each extreme camera centre opens it.

    Attributes:
        number: (R,) int64; modulo the number of edges it is the number of the ray's edge.
        start: (R,) int64, flat index of the edge, see `Canvas.to_bordered`.
        direction: (2, R) float32, px right and down for each step.
        lateral: (2, R) float32, px by which the ray is shifted sideways. A slanted ray runs along both sides of its
            pixels, since a single line misses some.
        plane: (3, R) float32, plane of the background.
        midway: (R,) float32, disparity halfway between background and occluder; nearer pixels occlude.
        width_per_disparity: (R,) float32, px by which an occluder opens for each unit of disparity to the background.
        last: (R,) float32, step after which the ray ends.
        entered: (R,) bool, the ray has met an occluder.
        alive: (R,) bool, the ray has not ended.
    """

    number: np.ndarray
    start: np.ndarray
    direction: np.ndarray
    lateral: np.ndarray
    plane: np.ndarray
    midway: np.ndarray
    width_per_disparity: np.ndarray
    last: np.ndarray
    entered: np.ndarray
    alive: np.ndarray

    def compacted(self) -> _Rays:
        """Only the rays that are alive."""
        return _Rays(*(np.compress(self.alive, getattr(self, name), -1) for name in self.__dataclass_fields__))


def _cast_rays(canvas: Canvas, edges: _Edges, reach: float) -> _Rays:
    """The rays of all edges for all extreme camera centres."""
    offset, near, far = offset_from_centre(edges.index, canvas.shape), edges.occluder, edges.plane[:, 0]
    start = canvas.to_bordered(edges.index)
    groups: list[tuple[np.ndarray, ...]] = []
    for across, down, along in EXTREME_CENTRES.tolist():
        sideways = canvas.camera.focal * np.array([[across], [down]])
        moved = (offset - near * sideways) / (1 - along * near)
        # From the edge to the background point that the moved camera sees at the occluder's edge.
        ray = moved * (1 - along * far) + far * sideways - offset
        length = np.sqrt(np.square(ray).sum(0))
        direction = ray / np.maximum(length, 1e-6)
        per_disparity, last = (
            reach * REACH_MARGIN * length / np.maximum(near - far, 1e-6),
            reach * REACH_MARGIN * length + 2,
        )
        direction, per_disparity, last = (values.astype(np.float32) for values in (direction, per_disparity, last))
        rows = np.flatnonzero(length > 0.5)
        for shift in (-0.5, 0.5) if ray.all(0).any() else (0.0,):
            lateral = np.float32(shift) * np.stack([-direction[1], direction[0]])
            number = rows + len(groups) * len(near)
            fields = start, direction, lateral, edges.plane.T, (far + near) / 2, per_disparity, last
            groups.append((number, *(values[..., rows] for values in fields)))
    arrays = [np.concatenate(group, -1) for group in zip(*groups)]
    arrays += [np.zeros(len(arrays[0]), bool), np.ones(len(arrays[0]), bool)]
    return _Rays(*arrays)


def _trace(
    canvas: Canvas, rays: _Rays, depth_buffer: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Trace all rays behind the occluders at once, px by px.

    Args:
        canvas: The canvas.
        rays: The rays.
        depth_buffer: (N,) disparity of the layer's occluded surface found so far, with the border; infinite where
            there is none yet, -infinite where none may be.

    Yields:
        For each step the occluded surfaces: flat index with the border, number of the ray, disparity, and px from the
        edge.
    """
    step, count = 0, len(rays.number)
    while count:
        if count < COMPACT_BELOW * len(rays.number):
            rays = rays.compacted()
        step += 1
        moved = np.float32(step) * rays.direction
        moved += rays.lateral
        right, down = np.rint(moved, out=moved)
        index = down.astype(np.int64)
        index *= canvas.bordered_width
        index += rays.start
        index += right.astype(np.int64)
        disparity = extrapolate_plane(canvas, rays.plane, right, down)
        visible = np.take(canvas.bordered_disparity, index, mode="clip")  # rays that have ended may lead anywhere
        occludes = rays.alive & (visible > rays.midway)
        rays.entered |= occludes
        # A ray goes no farther behind an occluder than that occluder opens.
        ends = rays.width_per_disparity * np.maximum(visible - disparity, 0)
        ends += np.float32(step + 1)
        np.minimum(rays.last, ends, out=rays.last, where=rays.entered)
        new = np.flatnonzero(occludes & (disparity < visible - 2 * MIN_SEPARATION))
        known = depth_buffer[index[new]]
        farther = disparity[new] < known - MIN_DISCONTINUITY
        new, known = new[farther], known[farther]
        secondary = np.where(np.isinf(known), np.float32(0), np.float32(SECONDARY_DISTANCE))
        yield index[new], rays.number[new], disparity[new], step + secondary
        rays.alive &= (rays.last > step) & (occludes | (~rays.entered & (step < 2)))
        count = np.count_nonzero(rays.alive)


def _closest_of_each(index: np.ndarray, surface: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Rows of the smallest distance for each pair of index and surface."""
    order = np.lexsort((distance, surface, index))
    again = (np.diff(index[order]) == 0) & (np.diff(surface[order]) == 0)
    return order[np.concatenate([[True], ~again])[: len(order)]]
