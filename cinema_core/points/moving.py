"""Moving points: the flowing surface as two families of points along its trajectories.

Input: layers, surface, motion field. Output: `MovingPoints`.

Two families make the loop (design: cross-fade along trajectories). A forward point starts at its pixel at phase 0, a
backward point ends at its pixel at phase 1; both carry the photo's colours at the two ends of their trajectory, so where
both are, they agree, and phase 0 and phase 1 are the photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from ..image.grid import masked_blur, sample
from ..layers.split import Layers
from ..motion.trajectories import Paths, Trajectories, trace_paths
from ..shared.data import MovingPoints
from .moving_surface import MovingSurface, local_mean
from .unproject import slope_offset

CLOSE, CLOSEST = 0.5, 0.3  # where the flow strains the lattice of points, they are larger, by strain and at most
# What would flow farther within a loop than LONGEST_PATH (of the longer side) runs through several shorter paths: on long
# ones the flow draws the texture into streaks, and the two ends no longer look alike. But no path is run through in less
# than SHORTEST_CYCLE (frames), or the eye sees the repetition.
LONGEST_PATH, SHORTEST_CYCLE = 1 / 30, 8
LEAST_ALIKE = -0.4  # correlation; boosting still more would show noise
ALIKE_SIDE = 1 / 160  # of the longer side; window in which the two ends of trajectories are compared
AT_ONCE = 1 << 20  # points that are made at once, as that takes more room than they do
KEPT = 1 << 22  # trajectories; more are found again rather than kept, as they are half as large as their points


def moving_points(
    layers: Layers, surface: MovingSurface, motion: np.ndarray, frames: int, keys: int, device: str, thin: bool = True
) -> MovingPoints:
    """Both families of points of the moving surface.

    Every trajectory that stays in the region is bent by half a pixel at most, so that it starts and ends in the middle
    of a pixel. So one family shows the photo exactly at phase 0 and, where the flow neither stretches nor springs, at
    phase 1: a backward point is needed only for the pixels where no forward point ends.

    Args:
        layers: The layers; their camera and pad.
        surface: What moves.
        motion: (Hc, Wc, 2) float32, px/frame.
        frames: Length of the loop.
        keys: Segments that a trajectory is stored in.
        device: torch device.
        thin: Leave out the backward points of pixels where a forward point ends.

    Returns:
        The points.
    """
    if not surface.region.any():
        return _empty(0, keys)
    look = _Look(local_mean(surface), slope_offset(surface.disparity, layers.camera))
    followed = []
    for cycles, part in _parts(surface.region, motion, frames):
        start = np.flatnonzero(part)
        ahead = _Followed(trace_paths(motion, part, frames / cycles, keys, device=device), start)
        ends = np.concatenate([_end_pixels(paths, paths.places[-1], part) for _, paths in ahead])
        hit = np.zeros(part.size, bool)
        hit[ends[ends >= 0]] = True
        followed.append((cycles, part, ahead, ends, start[~hit[start]] if thin else start))
    del ahead
    count = sum(len(ahead.start) + len(rest) for _, _, ahead, _, rest in followed)
    points, begin = _empty(count, keys), 0  # all at once: joining several would take as much again
    while followed:
        cycles, part, ahead, ends, rest = followed.pop(0)
        start = ahead.start
        make = partial(_family, layers, surface, look, _likeness(surface, look.mean, part, start, ends), cycles)
        for own, paths in ahead:
            _put(points, begin + own.start, make(paths, (start[own], ends[own])))
        begin += len(start)
        del ahead, paths
        if len(rest):
            for own, paths in _Followed(
                trace_paths(motion, part, frames / cycles, keys, backward=True, device=device), rest
            ):
                _put(points, begin + own.start, make(paths, (_end_pixels(paths, paths.places[0], part), rest[own])))
            begin += len(rest)
    return points


class _Followed:
    """Trajectories of pixels, some at a time: their slice, and they. Of few, they are kept to be gone through again.

    Args:
        ways: Where pixels go.
        start: (M,) int64, flat indices of those that are followed.
    """

    def __init__(self, ways: Paths, start: np.ndarray) -> None:
        self.ways, self.start, self._kept = ways, start, {}

    def __iter__(self) -> Iterator[tuple[slice, Trajectories]]:
        for first in range(0, len(self.start), AT_ONCE):
            own = slice(first, first + AT_ONCE)
            paths = self._kept.get(first) or self.ways.of(self.start[own])
            if len(self.start) <= KEPT:
                self._kept[first] = paths
            yield own, paths


def join_points(groups: list[MovingPoints]) -> MovingPoints:
    """All points of several groups of as many keys, in this order.

    They are many: the list is emptied, and what is joined freed, so that they and their join are never held at once.
    """
    if len(groups) == 1:
        return groups.pop()
    parts = [dict(vars(group)) for group in groups]
    groups.clear()
    return MovingPoints(
        **{
            name: np.concatenate([part.pop(name) for part in parts], int(name == "displacement"))
            for name in MovingPoints.__dataclass_fields__
        }
    )


def _empty(count: int, keys: int) -> MovingPoints:
    """Room for so many points."""
    birth, death, radius_factor = np.empty((3, count), np.float32)
    position, *colors = (np.empty((count, 3), np.float32) for _ in range(5))
    displacement = np.empty((keys + 1, count, 3), np.float32)
    return MovingPoints(position, displacement, birth, death, *colors, radius_factor, np.empty(count, np.int16))


def _put(points: MovingPoints, begin: int, made: MovingPoints) -> None:
    """Some points in their place among all."""
    place = slice(begin, begin + len(made.position))
    for name in MovingPoints.__dataclass_fields__:
        getattr(points, name)[(slice(None), place) if name == "displacement" else place] = getattr(made, name)


def _parts(region: np.ndarray, motion: np.ndarray, frames: int) -> list[tuple[int, np.ndarray]]:
    """Connected parts of the region by the number of cycles that they run through in a loop, few cycles first."""
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    seen = parts[::2, ::2] if count == 2 else parts
    travelled = np.linalg.norm(motion[::2, ::2] if count == 2 else motion, axis=-1) * frames
    cycles = np.zeros(count, int)
    for part in range(1, count):
        far = travelled[seen == part]
        paths = float(np.percentile(far, 90)) / (LONGEST_PATH * max(region.shape)) if len(far) else 1
        cycles[part] = max(1, min(round(paths), frames // SHORTEST_CYCLE))
    numbers = np.unique(cycles[1:])
    return [(int(number), region if len(numbers) == 1 else region & (cycles[parts] == number)) for number in numbers]


@dataclass(frozen=True, eq=False)
class _Look:
    """What both families take from the surface: mean (Hc, Wc, 3) float32, sRGB; lean (Hc, Wc, 2) float32, px."""

    mean: np.ndarray
    lean: np.ndarray


def _end_pixels(paths: Trajectories, places: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(M,) int64: flat indices of the pixels that these ends lie on; -1 for trajectories that are not whole."""
    column, row = np.floor(places).astype(np.int64).T
    return np.where((paths.birth <= 0) & (paths.death > 1), row * part.shape[1] + column, -1)


def _likeness(
    surface: MovingSurface, mean: np.ndarray, part: np.ndarray, start: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """(Hc * Wc,) float32: which share of the texture is mixed plainly on the trajectories that start here.

    That depends on the correlation r of the texture at their two ends. At 1 (slow water) a plain mix keeps the contrast,
    and boosting it would make it breathe; at 0 the boost by sqrt(2) at mid-loop is right; in between, and below 0, a
    share g of plain mixing and 1 - g of boosted gives (g + (1 - g) sqrt(2)) sqrt((1 + r) / 2) of the contrast, which is
    solved for 1. Every other row and column tells enough.
    """
    height, width = part.shape
    row, column = start // width, start % width
    chosen = np.flatnonzero((ends >= 0) & (row % 2 == 0) & (column % 2 == 0))
    color, local = surface.color.reshape(-1, 3), mean.reshape(-1, 3)
    first, last = (color[pixel] - local[pixel] for pixel in (start[chosen], ends[chosen]))
    products = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.float32)
    place = row[chosen] // 2, column[chosen] // 2
    products[place] = np.stack([(a * b).sum(-1) for a, b in ((first, last), (first, first), (last, last))], -1)
    known = np.zeros(products.shape[:2], bool)
    known[place] = True
    both, one, other = np.moveaxis(masked_blur(products, known, max(1.0, ALIKE_SIDE * max(part.shape) / 2)), -1, 0)
    alike = np.clip(both / np.sqrt(np.maximum(one * other, 1e-12)), LEAST_ALIKE, 1)
    alike = ((2**0.5 - np.sqrt(2 / (1 + alike))) / (2**0.5 - 1)).astype(np.float32)
    return cv2.resize(alike, (2 * alike.shape[1], 2 * alike.shape[0]))[:height, :width].ravel()


def _family(
    layers: Layers,
    surface: MovingSurface,
    look: _Look,
    alike: np.ndarray,
    cycles: int,
    paths: Trajectories,
    pixels: tuple[np.ndarray, np.ndarray],
) -> MovingPoints:
    """Points on these paths; `pixels` are flat indices of those they start and end on, -1 where they come or go."""
    color, local = surface.color.reshape(-1, 3), look.mean.reshape(-1, 3)
    width = surface.region.shape[1]
    edge = np.floor(paths.edge).astype(np.int64) @ (1, width)
    colors, means, bends = [], [], []
    for pixel, places in zip(pixels, (paths.places[0], paths.places[-1])):
        there = pixel >= 0
        seen = np.where(there, pixel, edge)
        means.append(np.take(local, seen, 0))
        # what comes in or goes out over the border takes the mean colour there: continuous with its neighbours
        colors.append(np.where(there[:, None], np.take(color, seen, 0), means[-1]))
        centre = np.stack([seen % width, seen // width], 1).astype(np.float32) + 0.5
        bends.append(np.where(there[:, None], centre - places, 0))
    whole = (pixels[0] >= 0) & (pixels[1] >= 0)
    plain = np.where(whole, np.take(alike, np.maximum(pixels[0], 0)), 0)[:, None]
    position, displacement = _on_surface(layers, surface, look.lean, paths.places, bends)
    return MovingPoints(
        position,
        displacement,
        paths.birth,
        paths.death,
        *colors,
        *(m + plain * (c - m) for m, c in zip(means, colors)),
        1 + np.minimum(CLOSE * paths.strain, CLOSEST),
        np.full(len(position), cycles, np.int16),
    )


def _on_surface(
    layers: Layers, surface: MovingSurface, lean: np.ndarray, places: np.ndarray, bends: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(M, 3) positions at phase 0 and (K + 1, M, 3) displacements from there, on the moving surface.

    Args:
        layers: The layers.
        surface: What moves.
        lean: (Hc, Wc, 2) float32, px, by which points stand off their places.
        places: (K + 1, M, 2) float32, px of the canvas.
        bends: What the first and the last places are moved by, (M, 2) float32 px each.
    """
    camera, keys = layers.camera, len(places) - 1
    leans = [sample(lean, place + bend) for place, bend in zip((places[0], places[-1]), bends)]
    middle = np.float32((camera.width / 2 + layers.pad[0], camera.height / 2 + layers.pad[1]))
    displacement = np.empty((*places.shape[:2], 3), np.float32)
    for key, place in enumerate(places):
        share = np.float32(key / keys)
        place = place + (1 - share) * bends[0] + share * bends[1]
        depth = 1 / sample(surface.disparity, place)
        sideways = place + (1 - share) * leans[0] + share * leans[1] - middle
        displacement[key, :, :2] = sideways * (depth / np.float32(camera.focal))[:, None]
        displacement[key, :, 2] = depth
    position = displacement[0].copy()
    displacement -= position
    return position, displacement
