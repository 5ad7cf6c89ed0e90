"""Streamlines: short lines along a motion field, evenly spread, to be drawn over the photo.

Input: a motion field and where it moves. Output: `Streamlines`, each as long as the water travels in some frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..image.grid import sample

MOST = 1500  # lines
USUAL = 900  # lines, of a region that is neither small nor large
SPACING = (1 / 160, 1 / 64)  # of the longer side, between neighbouring lines; wider where there would be too many
SLOW, FAST = 30, 15  # frames that a line stands for, where the water is slow and where it is fast
MIDDLING = 1 / 40  # of the longer side; a line of this length stands for a number of frames in between
LONGEST = 1 / 8  # of the longer side
PARTS = 16  # segments of a line that runs its whole length
STALLED = 0.03  # of the fastest; what is slower gets no line
SHORTEST = 0.4  # of its whole length; a line that would be cut shorter by its neighbours is left out


@dataclass(frozen=True, eq=False)
class Streamlines:
    """Lines to draw.

    Attributes:
        lines: (P, 2) float32, px, line after line, each downstream.
        offsets: (L + 1,) int32, where each line starts in `lines`.
        speed: (L,) float32, px/frame.
    """

    lines: np.ndarray
    offsets: np.ndarray
    speed: np.ndarray


def trace_streamlines(motion: np.ndarray, region: np.ndarray) -> Streamlines:
    """Trace lines along a motion field, no two of them close together.

    Args:
        motion: (H, W, 2) float32, px/frame.
        region: (H, W) bool, where lines may be.

    Returns:
        At most `MOST` lines.

    Source: Jobard and Lefer, "Creating Evenly-Spaced Streamlines of Arbitrary Density", 1997; ours takes the seeds
    from a grid, and tells neighbours by the cells of another.
    """
    spacing = _spacing(region)
    seeds = _seeds(region, spacing / 2)
    speed = np.linalg.norm(sample(motion, seeds), axis=1)
    moves = speed > max(1e-3, STALLED * float(speed.max(initial=0)))
    seeds, speed = seeds[moves], speed[moves]
    if not len(seeds):
        return _join([], np.zeros(0))
    longer = max(region.shape)
    frames = np.clip(MIDDLING * longer / speed, FAST, SLOW)
    frames = np.minimum(frames, LONGEST * longer / speed)
    paths = _trace(motion, seeds, frames)
    inside = _inside_length(region, paths)
    kept = _thin(paths, inside, spacing, region.shape)
    lines = [paths[index, :length] for index, length in kept]
    travelled = [np.linalg.norm(np.diff(line, axis=0), axis=1).sum() / (len(line) - 1) for line in lines]
    each = frames[[index for index, _ in kept]] / PARTS
    return _join(lines, np.array(travelled) / each)


def join_streamlines(*groups: Streamlines) -> Streamlines:
    """All lines of several groups."""
    counts = np.concatenate([np.diff(group.offsets) for group in groups])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return Streamlines(
        np.concatenate([group.lines for group in groups]), offsets, np.concatenate([group.speed for group in groups])
    )


def trace_swings(swing: np.ndarray, region: np.ndarray, frames: float) -> Streamlines:
    """Lines from one end of a swing to the other.

    Args:
        swing: (H, W, 2) float32, px to either side.
        region: (H, W) bool, where lines may be.
        frames: Of a swing to and fro.
    """
    seeds = _seeds(region, _spacing(region))
    half = sample(swing, seeds)
    far = np.linalg.norm(half, axis=1)
    seeds, half, far = seeds[far > 0.25], half[far > 0.25], far[far > 0.25]
    return _join(list(np.stack([seeds - half, seeds + half], 1)), 4 * far / frames)


def _join(lines: list[np.ndarray], speed: np.ndarray) -> Streamlines:
    points = np.concatenate([np.zeros((0, 2)), *lines]).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int32)
    return Streamlines(points, offsets, np.asarray(speed, np.float32))


def _spacing(region: np.ndarray) -> float:
    """px between neighbouring lines: a brook gets more of them than a lake of the same width."""
    low, high = (share * max(region.shape) for share in SPACING)
    area = float(region.sum())
    return max(np.sqrt(area / MOST), np.clip(np.sqrt(area / USUAL), low, high), 2.0)


def _seeds(region: np.ndarray, step: float) -> np.ndarray:
    """(S, 2) float32 px inside the region, on a grid whose rows are shifted, the first of them spread all over."""
    height, width = region.shape
    rows, columns = np.arange(step / 2, height, step), np.arange(0, width, step)
    shift = np.arange(len(rows)) * 0.618034 % 1 * step
    seeds = np.stack([(columns[None] + shift[:, None]).ravel(), np.repeat(rows, len(columns))], 1)
    seeds = seeds[seeds[:, 0] < width]
    order = np.argsort(np.arange(len(seeds)) * 0.618034 % 1, kind="stable")
    seeds = seeds[order].astype(np.float32)
    return seeds[region[seeds[:, 1].astype(int), seeds[:, 0].astype(int)]]


def _trace(motion: np.ndarray, seeds: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(S, PARTS + 1, 2) float32: midpoint rule, each line over frames of its own."""
    step = (frames / PARTS)[:, None].astype(np.float32)
    places = [seeds]
    for _ in range(PARTS):
        here = places[-1]
        places.append(here + step * sample(motion, here + 0.5 * step * sample(motion, here)))
    return np.stack(places, 1)


def _inside_length(region: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """(S,) number of points before a path leaves the region."""
    height, width = region.shape
    column, row = paths[..., 0].astype(int), paths[..., 1].astype(int)
    on = (paths >= 0).all(-1) & (column < width) & (row < height)
    on &= region[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.where(on.all(1), paths.shape[1], np.argmin(on, 1))


def _thin(paths: np.ndarray, lengths: np.ndarray, spacing: float, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Path and number of its points, of those that find room; a path ends where it meets an earlier one."""
    cell = spacing / 1.5
    across = int(shape[1] / cell) + 1
    cells = (paths[..., 1] / cell).astype(int) * across + (paths[..., 0] / cell).astype(int)
    taken = np.zeros((int(shape[0] / cell) + 1) * across, bool)
    kept = []
    for index, length in enumerate(lengths):
        own = cells[index, :length]
        met = taken[own]
        free = int(np.argmax(met)) if met.any() else int(length)
        if free < 2 or free < SHORTEST * (PARTS + 1):
            continue
        taken[own[:free]] = True
        kept.append((index, free))
        if len(kept) == MOST:
            break
    return kept
