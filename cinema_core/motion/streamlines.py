"""Streamlines: short lines along a motion field, evenly spaced, to be drawn over the photo.

Input: a motion field and its region. Output: `Streamlines`, each at most as long as the water
travels in `FAST_FRAMES` to `SLOW_FRAMES` frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..image.grid import sample

MAX_LINES = 1500
TARGET_LINES = 900  # number of lines that sets the spacing, within LINE_SPACING
LINE_SPACING = (1 / 160, 1 / 64)  # of the longer side, between neighbouring lines; wider to stay below MAX_LINES
SLOW_FRAMES, FAST_FRAMES = 30, 15  # frames that a line stands for, where the water is slow and where it is fast
TYPICAL_LENGTH = 1 / 40  # of the longer side; lines have this length at speeds in between
MAX_LENGTH = 1 / 8  # of the longer side
SEGMENTS = 16  # of a line of full length
MIN_RELATIVE_SPEED = 0.03  # of the highest speed; slower water gets no line
MIN_SWING = 0.25  # px to either side; a smaller swing gets no line
MIN_KEPT_LENGTH = 0.4  # of the full length; a line that its neighbours would shorten further is left out
GOLDEN_STEP = 0.618034  # its multiples modulo 1 spread evenly over 0..1 (golden ratio)


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
        At most `MAX_LINES` lines.

    Source: Jobard and Lefer, "Creating Evenly-Spaced Streamlines of Arbitrary Density", 1997; ours takes the seeds
    from a grid, and finds neighbours by the cells of another grid.
    """
    spacing = _spacing(region)
    seeds = _seeds(region, spacing / 2)
    speed = np.linalg.norm(sample(motion, seeds), axis=1)
    moves = speed > max(1e-3, MIN_RELATIVE_SPEED * float(speed.max(initial=0)))
    seeds, speed = seeds[moves], speed[moves]
    if not len(seeds):
        return _join([], np.zeros(0))
    longer = max(region.shape)
    frames = np.clip(TYPICAL_LENGTH * longer / speed, FAST_FRAMES, SLOW_FRAMES)
    frames = np.minimum(frames, MAX_LENGTH * longer / speed)
    paths = _trace(motion, seeds, frames)
    inside = _inside_length(region, paths)
    kept = _thin_out(paths, inside, spacing, region.shape)
    lines = [paths[index, :length] for index, length in kept]
    travelled = [np.linalg.norm(np.diff(line, axis=0), axis=1).sum() / (len(line) - 1) for line in lines]
    segment_frames = frames[[index for index, _ in kept]] / SEGMENTS
    return _join(lines, np.array(travelled) / segment_frames)


def join_streamlines(*groups: Streamlines) -> Streamlines:
    """Join the lines of several groups, in their order."""
    counts = np.concatenate([np.diff(group.offsets) for group in groups])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return Streamlines(
        np.concatenate([group.lines for group in groups]), offsets, np.concatenate([group.speed for group in groups])
    )


def trace_swings(swing: np.ndarray, region: np.ndarray, frames: float) -> Streamlines:
    """Draw lines from one end of a swing to the other.

    Args:
        swing: (H, W, 2) float32, px to either side.
        region: (H, W) bool, where lines may be.
        frames: Length of a swing to and fro.

    Returns:
        Lines of two points each.
    """
    seeds = _seeds(region, _spacing(region))
    half = sample(swing, seeds)
    far = np.linalg.norm(half, axis=1)
    seeds, half, far = seeds[far > MIN_SWING], half[far > MIN_SWING], far[far > MIN_SWING]
    return _join(list(np.stack([seeds - half, seeds + half], 1)), 4 * far / frames)


def _join(lines: list[np.ndarray], speed: np.ndarray) -> Streamlines:
    """Streamlines from (N, 2) px and the speed of each."""
    points = np.concatenate([np.zeros((0, 2)), *lines]).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])]).astype(np.int32)
    return Streamlines(points, offsets, np.asarray(speed, np.float32))


def _spacing(region: np.ndarray) -> float:
    """px between neighbouring lines: narrower in small regions, so that a brook has enough lines."""
    low, high = (share * max(region.shape) for share in LINE_SPACING)
    area = float(region.sum())
    return float(max(np.sqrt(area / MAX_LINES), np.clip(np.sqrt(area / TARGET_LINES), low, high), 2.0))


def _seeds(region: np.ndarray, step: float) -> np.ndarray:
    """(S, 2) float32 px inside the region, on a grid with shifted rows, in an order that covers all of it early."""
    height, width = region.shape
    rows, columns = np.arange(step / 2, height, step), np.arange(0, width, step)
    shift = np.arange(len(rows)) * GOLDEN_STEP % 1 * step
    seeds = np.stack([(columns[None] + shift[:, None]).ravel(), np.repeat(rows, len(columns))], 1)
    seeds = seeds[seeds[:, 0] < width]
    order = np.argsort(np.arange(len(seeds)) * GOLDEN_STEP % 1, kind="stable")
    seeds = seeds[order].astype(np.float32)
    return seeds[region[seeds[:, 1].astype(int), seeds[:, 0].astype(int)]]


def _trace(motion: np.ndarray, seeds: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(S, SEGMENTS + 1, 2) float32 px: paths by the midpoint rule, each over its own number of frames."""
    step = (frames / SEGMENTS)[:, None].astype(np.float32)
    places = [seeds]
    for _ in range(SEGMENTS):
        here = places[-1]
        places.append(here + step * sample(motion, here + 0.5 * step * sample(motion, here)))
    return np.stack(places, 1)


def _inside_length(region: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """(S,) number of points of each path before it leaves the region."""
    height, width = region.shape
    column, row = paths[..., 0].astype(int), paths[..., 1].astype(int)
    on = (paths >= 0).all(-1) & (column < width) & (row < height)
    on &= region[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.where(on.all(1), paths.shape[1], np.argmin(on, 1))


def _thin_out(paths: np.ndarray, lengths: np.ndarray, spacing: float, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Select paths that keep apart; a path ends where it meets an earlier one.

    Args:
        paths: (S, SEGMENTS + 1, 2) float32, px.
        lengths: (S,) number of points of each path inside the region.
        spacing: px between neighbouring lines.
        shape: (H, W).

    Returns:
        Row and number of points of each selected path.
    """
    cell = spacing / 1.5
    across = int(shape[1] / cell) + 1
    cells = (paths[..., 1] / cell).astype(int) * across + (paths[..., 0] / cell).astype(int)
    taken = np.zeros((int(shape[0] / cell) + 1) * across, bool)
    kept = []
    for index, length in enumerate(lengths):
        own = cells[index, :length]
        met = taken[own]
        free = int(np.argmax(met)) if met.any() else int(length)
        if free < 2 or free < MIN_KEPT_LENGTH * (SEGMENTS + 1):
            continue
        taken[own[:free]] = True
        kept.append((index, free))
        if len(kept) == MAX_LINES:
            break
    return kept
