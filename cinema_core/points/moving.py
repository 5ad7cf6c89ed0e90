"""Moving points: the flowing surface as two families of points along its trajectories.

Input: layers, surface, motion field. Output: `MovingPoints`.

Two families, cross-faded along trajectories, make the loop. A forward point starts at its pixel at phase 0, a backward
point ends at its pixel at phase 1. Both carry the photo's colours at the two ends of their trajectory. So they agree
where both are, and phase 0 and phase 1 are the photo.
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

STRAIN_GROWTH = 0.5  # radius factor added per px/px of strain, where the flow pulls the lattice of points apart
MAX_RADIUS_GROWTH = 0.3  # radius factor added for strain at most
# Of the longer side; a flow that runs farther within a loop is split into several shorter cycles. On long trajectories
# the flow draws the texture into streaks, and the two ends no longer look alike.
LONGEST_PATH = 1 / 30
SHORTEST_CYCLE = 8  # frames; in shorter cycles the eye sees the repetition
MIN_CORRELATION = -0.4  # of the texture at both ends of a trajectory; boosting contrast for less would show noise
CORRELATION_SIGMA = 1 / 160  # of the longer side; standard deviation of the window of that correlation
TRACED_POINTS = 1 << 20  # points traced and made at a time; the intermediates take more memory than the points
KEPT_TRAJECTORIES = 1 << 22  # at most; more are computed twice, as they take half the memory of their points


@dataclass(frozen=True, eq=False)
class _Source:
    """The flowing surface, and the fields that both families of points read.

    Attributes:
        layers: The layers; their camera and pad.
        surface: The flowing surface.
        mean: (Hc, Wc, 3) float32, sRGB, the surface's local mean.
        offset: (Hc, Wc, 2) float32, px, by which points stand off their pixels on slopes.
    """

    layers: Layers
    surface: MovingSurface
    mean: np.ndarray
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
        return _allocate(0, keys)
    source = _Source(layers, surface, local_mean(surface), slope_offset(surface.disparity, layers.camera))

    def trace(cycles: int, region: np.ndarray, backward: bool = False) -> Paths:
        return trace_paths(motion, region, frames / cycles, keys, backward, device)

    parts = []
    for cycles, region in _split_by_cycles(surface.region, motion, frames):
        start = np.flatnonzero(region)
        forward = _ChunkedTrajectories(trace(cycles, region), start)
        ends = np.concatenate([_end_pixels(paths, paths.places[-1], region) for _, paths in forward])
        parts.append((cycles, region, forward, ends, _without_end(start, ends, region.size) if thin else start))
    del forward
    count = sum(len(forward.start) + len(rest) for _, _, forward, _, rest in parts)
    points, begin = _allocate(count, keys), 0  # in one piece: joining pieces would take as much memory again
    while parts:
        cycles, region, forward, ends, rest = parts.pop(0)
        make = partial(_family_points, source, _plain_share(source, region, forward.start, ends), cycles)
        for rows, paths in forward:
            _store(points, begin + rows.start, make(paths, (forward.start[rows], ends[rows])))
        begin += len(ends)
        del forward, paths
        if len(rest):
            for rows, paths in _ChunkedTrajectories(trace(cycles, region, backward=True), rest):
                starts = _end_pixels(paths, paths.places[0], region)
                _store(points, begin + rows.start, make(paths, (starts, rest[rows])))
            begin += len(rest)
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
    parts = [dict(vars(group)) for group in groups]
    groups.clear()
    return MovingPoints(
        **{
            name: np.concatenate([part.pop(name) for part in parts], int(name == "displacement"))
            for name in MovingPoints.__dataclass_fields__
        }
    )


def _allocate(count: int, keys: int) -> MovingPoints:
    """Uninitialised arrays for `count` points."""
    birth, death, radius_factor = np.empty((3, count), np.float32)
    position, color0, color1, mean0, mean1 = (np.empty((count, 3), np.float32) for _ in range(5))
    displacement = np.empty((keys + 1, count, 3), np.float32)
    cycles = np.empty(count, np.int16)
    return MovingPoints(position, displacement, birth, death, color0, color1, mean0, mean1, radius_factor, cycles)


def _store(points: MovingPoints, begin: int, made: MovingPoints) -> None:
    """Copy some points into their rows of all, from `begin` on."""
    rows = slice(begin, begin + len(made.position))
    for name in MovingPoints.__dataclass_fields__:
        getattr(points, name)[(slice(None), rows) if name == "displacement" else rows] = getattr(made, name)


def _split_by_cycles(region: np.ndarray, motion: np.ndarray, frames: int) -> list[tuple[int, np.ndarray]]:
    """Numbers of cycles in a loop, ascending, each with the part of the region that has this number, (Hc, Wc) bool.

    Each connected component has one number. It follows from the 90 % quantile of the distances that its pixels travel.
    """
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    seen = parts[::2, ::2] if count == 2 else parts  # of a single part, every other row and column suffices
    travelled = np.linalg.norm(motion[::2, ::2] if count == 2 else motion, axis=-1) * frames
    cycles = np.zeros(count, int)
    for part in range(1, count):
        far = travelled[seen == part]
        paths = float(np.percentile(far, 90)) / (LONGEST_PATH * max(region.shape)) if len(far) else 1
        cycles[part] = max(1, min(round(paths), frames // SHORTEST_CYCLE))
    numbers = np.unique(cycles[1:])
    return [(int(number), region if len(numbers) == 1 else region & (cycles[parts] == number)) for number in numbers]


def _end_pixels(paths: Trajectories, places: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(M,) int64: flat indices of the pixels at `places`, (M, 2) px; -1 for trajectories that enter or leave."""
    column, row = np.floor(places).astype(np.int64).T
    return np.where((paths.birth <= 0) & (paths.death > 1), row * region.shape[1] + column, -1)


def _without_end(start: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """(B,) int64: those of the pixels `start`, out of `size`, on which no trajectory ends."""
    hit = np.zeros(size, bool)
    hit[ends[ends >= 0]] = True
    return start[~hit[start]]


def _plain_share(source: _Source, region: np.ndarray, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Share of the texture that is mixed plainly on the trajectories that start at each pixel; the rest is boosted.

    It depends on the correlation r of the texture at the two ends of a trajectory. At r = 1 (slow water) a plain mix
    keeps the contrast, and boosting it would make it pulsate. At r = 0 the boost by sqrt(2) at mid-loop is right. In
    between, and below 0, a share g of plain mixing and 1 - g of boosted mixing gives (g + (1 - g) sqrt(2)) sqrt((1 + r)
    / 2) of the contrast, which is solved for 1. Every other row and column suffices as a
    sample.

    Args:
        source: The flowing surface.
        region: (Hc, Wc) bool.
        start: (M,) int64, flat indices of the pixels where trajectories start.
        ends: (M,) int64, flat indices of the pixels where they end; -1 for those that leave.

    Returns:
        (Hc * Wc,) float32.
    """
    height, width = region.shape
    row, column = start // width, start % width
    chosen = np.flatnonzero((ends >= 0) & (row % 2 == 0) & (column % 2 == 0))
    color, mean = source.surface.color.reshape(-1, 3), source.mean.reshape(-1, 3)
    first, last = (color[pixel] - mean[pixel] for pixel in (start[chosen], ends[chosen]))
    products = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.float32)
    place = row[chosen] // 2, column[chosen] // 2
    products[place] = np.stack([(a * b).sum(-1) for a, b in ((first, last), (first, first), (last, last))], -1)
    known = np.zeros(products.shape[:2], bool)
    known[place] = True
    sigma = max(1.0, CORRELATION_SIGMA * max(region.shape) / 2)
    both, one, other = np.moveaxis(masked_blur(products, known, sigma), -1, 0)
    correlation = np.clip(both / np.sqrt(np.maximum(one * other, 1e-12)), MIN_CORRELATION, 1)
    plain = ((2**0.5 - np.sqrt(2 / (1 + correlation))) / (2**0.5 - 1)).astype(np.float32)
    return cv2.resize(plain, (2 * plain.shape[1], 2 * plain.shape[0]))[:height, :width].ravel()


def _family_points(
    source: _Source, plain_share: np.ndarray, cycles: int, paths: Trajectories, pixels: tuple[np.ndarray, np.ndarray]
) -> MovingPoints:
    """Points along trajectories.

    Args:
        source: The flowing surface.
        plain_share: (Hc * Wc,) float32, of `_plain_share`.
        cycles: Cycles that the points run through in a loop.
        paths: M trajectories.
        pixels: (M,) int64 twice, flat indices of the pixels where they start and end; -1 where they enter or leave.

    Returns:
        M points.
    """
    color, mean = source.surface.color.reshape(-1, 3), source.mean.reshape(-1, 3)
    width = source.surface.region.shape[1]
    edge = np.floor(paths.edge).astype(np.int64) @ (1, width)
    colors, means, bends = [], [], []
    for pixel, places in zip(pixels, (paths.places[0], paths.places[-1])):
        inside = pixel >= 0
        seen = np.where(inside, pixel, edge)
        means.append(np.take(mean, seen, 0))
        # a point that enters or leaves over the boundary has the mean colour there: continuous with its neighbours
        colors.append(np.where(inside[:, None], np.take(color, seen, 0), means[-1]))
        centre = np.stack([seen % width, seen // width], 1).astype(np.float32) + 0.5
        bends.append(np.where(inside[:, None], centre - places, 0))
    whole = (pixels[0] >= 0) & (pixels[1] >= 0)
    plain = np.where(whole, np.take(plain_share, np.maximum(pixels[0], 0)), 0)[:, None]
    position, displacement = _on_surface(source, paths.places, bends)
    mean0, mean1 = (m + plain * (c - m) for m, c in zip(means, colors))
    return MovingPoints(
        position=position,
        displacement=displacement,
        birth=paths.birth,
        death=paths.death,
        color0=colors[0],
        color1=colors[1],
        mean0=mean0,
        mean1=mean1,
        radius_factor=1 + np.minimum(STRAIN_GROWTH * paths.strain, MAX_RADIUS_GROWTH),
        cycles=np.full(len(position), cycles, np.int16),
    )


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
