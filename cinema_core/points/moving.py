"""Moving points: the flowing surface as two families of points along its trajectories.

Input: layers, surface, motion field. Output: `MovingPoints`.

Two families of points along trajectories make the loop. A forward point starts at its pixel at phase 0, a backward
point ends at its pixel at phase 1. Both carry the colours of the key pictures at the two ends of their trajectory, and
change from one to the other in the same short window. So they agree where both are, and phase 0 and phase 1 of the loop
are the photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ..image.grid import sample
from ..layers.split import Layers
from ..motion.flow_maps import trace_flow_maps
from ..motion.trajectories import Paths, Trajectories, trace_paths
from ..shared.data import MovingPoints
from ..shared.job_files import POINT_AXES
from .hand_over import make_schedule
from .key_pictures import NEVER, STEPS, KeyPictures, lives_needed, make_key_pictures
from .moving_surface import MovingSurface
from .unproject import slope_offset

STRAIN_GROWTH = 0.5  # radius factor added per px/px of strain, where the flow pulls the lattice of points apart
MAX_RADIUS_GROWTH = 0.3  # radius factor added for strain at most
LONGEST_PATH = 1 / 20  # of the longer side; points that run farther in a loop repeat a shorter path, unseen
SHORTEST_CYCLE = 3  # frames
FEWEST_CYCLES, MOST_CYCLES = 8, 32  # with few, coarse structure would change in visible steps
TRACED_POINTS = 1 << 20  # points traced and made at a time; the intermediates take more memory than the points
KEPT_TRAJECTORIES = 1 << 22  # at most; more are computed twice, as they take half the memory of their points


@dataclass(frozen=True, eq=False)
class _Source:
    """The flowing surface, and the fields that both families of points read.

    Attributes:
        layers: The layers; their camera and pad.
        surface: The flowing surface.
        offset: (Hc, Wc, 2) float32, px, by which points stand off their pixels on slopes.
    """

    layers: Layers
    surface: MovingSurface
    offset: np.ndarray


def moving_points(
    layers: Layers, surface: MovingSurface, motion: np.ndarray, frames: int, keys: int, device: str, thin: bool = True
) -> MovingPoints:
    """Both families of points of the flowing surface.

    Every trajectory that stays in the region is bent by half a pixel at most, so that it starts and ends in the middle
    of a pixel. So the forward family alone shows the photo exactly at phase 0 and, where the flow neither diverges nor
    converges, at phase 1. A backward point is needed only for pixels where no forward point ends.

    Args:
        layers: The layers; their camera and pad.
        surface: The flowing surface.
        motion: (Hc, Wc, 2) float32, px/frame.
        frames: Length of the loop.
        keys: Segments that a trajectory is stored in.
        device: torch device.
        thin: Leave out the backward points of pixels where a forward point ends.

    Returns:
        The points.
    """
    if not surface.region.any():
        return _allocate(0, keys, 1)
    source = _Source(layers, surface, slope_offset(surface.disparity, layers.camera))

    def trace(backward: bool = False) -> Paths:
        return trace_paths(motion, surface.region, frames / cycles, keys, backward, device)

    cycles = _cycles(surface.region, motion, frames)
    known = np.zeros_like(surface.region)
    known[layers.photo] = surface.region[layers.photo]  # invented texture is not carried into the photo
    maps = trace_flow_maps(motion, surface.region, known, frames / (STEPS * cycles), STEPS * cycles, device)
    pictures = make_key_pictures(surface, make_schedule(surface.region, maps), lives_needed(surface, maps))
    del maps
    start = np.flatnonzero(surface.region)
    forward = _ChunkedTrajectories(trace(), start)
    ends = np.concatenate([_end_pixels(paths, paths.places[-1], surface.region) for _, paths in forward])
    rest = _without_end(start, ends, surface.region.size) if thin else start
    points = _allocate(len(start) + len(rest), keys, cycles)  # joining pieces would take as much memory again
    make = partial(_family_points, source, pictures)
    for rows, paths in forward:
        _store(points, rows.start, make(paths, (start[rows], ends[rows])))
    del forward
    for rows, paths in _ChunkedTrajectories(trace(backward=True), rest) if len(rest) else ():
        starts = _end_pixels(paths, paths.places[0], surface.region)
        _store(points, len(start) + rows.start, make(paths, (starts, rest[rows])))
    return points


class _ChunkedTrajectories:
    """Trajectories of pixels, computed `TRACED_POINTS` at a time.

    Iterating yields the slice of each chunk and its trajectories. Up to `KEPT_TRAJECTORIES` of them are kept for the
    next iteration.

    Args:
        paths: The paths of the region's pixels.
        start: (M,) int64, flat indices of the pixels.
    """

    def __init__(self, paths: Paths, start: np.ndarray) -> None:
        self.paths, self.start = paths, start
        self._kept: dict[int, Trajectories] = {}

    def __iter__(self) -> Iterator[tuple[slice, Trajectories]]:
        for first in range(0, len(self.start), TRACED_POINTS):
            rows = slice(first, first + TRACED_POINTS)
            trajectories = self._kept.get(first) or self.paths.of(self.start[rows])
            if len(self.start) <= KEPT_TRAJECTORIES:
                self._kept[first] = trajectories
            yield rows, trajectories


def join_points(groups: list[MovingPoints]) -> MovingPoints:
    """Join groups of points that have the same number of keys, in this order.

    The list is emptied, and each array freed once it is joined, so that memory never holds all groups and the result.
    """
    if len(groups) == 1:
        return groups.pop()
    most = max(len(group.colors) for group in groups)
    parts = [dict(vars(group)) for group in groups]
    groups.clear()
    for part in parts:
        part["colors"] = np.pad(part["colors"], ((0, most - len(part["colors"])), (0, 0), (0, 0), (0, 0)), "wrap")
    return MovingPoints(
        **{
            name: np.concatenate([part.pop(name) for part in parts], POINT_AXES[f"moving_{name}"])
            for name in MovingPoints.__dataclass_fields__
        }
    )


def _allocate(count: int, keys: int, cycles: int) -> MovingPoints:
    """Arrays for `count` points; all but the colours are uninitialised."""
    birth, death, radius_factor = np.empty((3, count), np.float32)
    position = np.empty((count, 3), np.float32)
    displacement = np.empty((keys + 1, count, 3), np.float32)
    colors = np.zeros((cycles, 2, count, 4), np.uint8)
    return MovingPoints(position, displacement, birth, death, colors, radius_factor, np.empty(count, np.int16))


def _store(points: MovingPoints, begin: int, made: MovingPoints) -> None:
    """Copy some points into their rows of all, from `begin` on."""
    rows = slice(begin, begin + len(made.position))
    points.colors[: len(made.colors), :, rows] = made.colors
    points.displacement[:, rows] = made.displacement
    for name in ("position", "birth", "death", "radius_factor", "cycles"):
        getattr(points, name)[rows] = getattr(made, name)


def _cycles(region: np.ndarray, motion: np.ndarray, frames: int) -> int:
    """Number of cycles in a loop, a power of two, from the 95 % quantile of the distances that pixels travel."""
    travelled = np.linalg.norm(motion[region], axis=-1) * frames
    paths = float(np.quantile(travelled, 0.95)) / (LONGEST_PATH * max(region.shape))
    cycles = 1
    while (cycles < FEWEST_CYCLES or cycles < paths) and 2 * cycles <= min(MOST_CYCLES, frames / SHORTEST_CYCLE):
        cycles *= 2
    return cycles


def _end_pixels(paths: Trajectories, places: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(M,) int64: flat indices of the pixels at `places`, (M, 2) px; -1 for trajectories that enter or leave."""
    column, row = np.floor(places).astype(np.int64).T
    return np.where((paths.birth <= 0) & (paths.death > 1), row * region.shape[1] + column, -1)


def _without_end(start: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """(B,) int64: those of the pixels `start`, out of `size`, on which no trajectory ends."""
    hit = np.zeros(size, bool)
    hit[ends[ends >= 0]] = True
    return start[~hit[start]]


def _family_points(
    source: _Source, pictures: KeyPictures, paths: Trajectories, pixels: tuple[np.ndarray, np.ndarray]
) -> MovingPoints:
    """Points along trajectories.

    Args:
        source: The flowing surface.
        pictures: The key pictures of the surface.
        paths: M trajectories.
        pixels: (M,) int64 twice, flat indices of the pixels where they start and end; -1 where they enter or leave.

    Returns:
        M points.
    """
    width = source.surface.region.shape[1]
    edge = np.floor(paths.edge).astype(np.int64) @ np.array((1, width))
    bends = []
    for pixel, places in zip(pixels, (paths.places[0], paths.places[-1])):
        inside = pixel >= 0
        seen = np.where(inside, pixel, edge)
        centre = np.stack([seen % width, seen // width], 1).astype(np.float32) + 0.5
        bends.append(np.where(inside[:, None], centre - places, 0))
    position, displacement = _on_surface(source, paths.places, bends)
    colors = _cycle_colors(pictures, *pixels)
    return MovingPoints(
        position=position,
        displacement=displacement,
        birth=paths.birth,
        death=paths.death,
        colors=colors,
        radius_factor=1 + np.minimum(STRAIN_GROWTH * paths.strain, MAX_RADIUS_GROWTH),
        cycles=np.full(len(position), len(colors), np.int16),
    )


def _cycle_colors(pictures: KeyPictures, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(J, 2, M, 4) uint8, as `MovingPoints.colors`, of trajectories from pixels (M,) to (M,).

    A point that enters or leaves over the boundary, -1, keeps the colour that it has at its other end.
    """
    rows = [pictures.row[np.where(one >= 0, one, other)] for one, other in ((start, end), (end, start))]
    whole = (start >= 0) & (end >= 0)
    cycles = len(pictures.fade)
    colors = np.empty((cycles, 2, len(start), 4), np.uint8)
    for cycle in range(cycles):
        fade = np.where(whole[:, None], pictures.fade[cycle, rows[0]], np.array(NEVER, np.uint8))
        for side in range(2):
            # whose start is missing has the colour of its end, in the picture of its end
            number = np.where((start if side == 0 else end) >= 0, side, 1 - side)
            picture = pictures.color[cycle : cycle + 2].reshape(-1, 3)
            colors[cycle, side, :, :3] = picture[number * pictures.color.shape[1] + rows[side]]
            colors[cycle, side, :, 3] = fade[:, side]
    return colors


def _on_surface(source: _Source, places: np.ndarray, bends: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Positions on the flowing surface.

    Args:
        source: The flowing surface.
        places: (K + 1, M, 2) float32, px of the canvas.
        bends: Displacements of the first and of the last places, (M, 2) float32 px; interpolated in between.

    Returns:
        (M, 3) float32 positions at phase 0, and (K + 1, M, 3) float32 displacements from there.
    """
    camera, pad, keys = source.layers.camera, source.layers.pad, len(places) - 1
    offsets = [sample(source.offset, place + bend) for place, bend in zip((places[0], places[-1]), bends)]
    middle = np.array((camera.width / 2 + pad[0], camera.height / 2 + pad[1]), np.float32)
    displacement = np.empty((*places.shape[:2], 3), np.float32)
    for key, place in enumerate(places):
        share = np.float32(key / keys)
        place = place + (1 - share) * bends[0] + share * bends[1]
        depth = 1 / sample(source.surface.disparity, place)
        sideways = place + (1 - share) * offsets[0] + share * offsets[1] - middle
        displacement[key, :, :2] = sideways * (depth / np.float32(camera.focal))[:, None]
        displacement[key, :, 2] = depth
    position = displacement[0].copy()
    displacement -= position
    return position, displacement
