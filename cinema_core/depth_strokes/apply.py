"""Depth corrected by what the user drew over the photo.

Input: the photo's depth, and strokes. Output: depth in which every stroke is right, and which is what it was elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..shared.data import FARTHEST, Photo, Stroke
from ..shared.stroke_kinds import DEPTH_AREAS, DEPTH_KINDS
from .areas import apply_areas
from .solve import solve_relations

RELATIONS = ("same_depth", "nearer", "farther")
CLOSER = 1.05  # disparity; up to it what is too near is moved back alone, beyond it the whole scene is
SHORTEST = 0.005  # of the longer side; a shorter stroke is a dot
Warn = Callable[[str], None]


def apply_depth_strokes(
    depth: np.ndarray, strokes: Sequence[Stroke], photo: Photo, warn: Warn = lambda text: None
) -> np.ndarray:
    """Correct depth by strokes.

    Outlines (a plane, what stands upright, the sky) and the horizon come first, in this order; relations are read
    from what those leave, and move an outlined thing as a whole. The order of drawing says nothing.

    Args:
        depth: (H, W) float32, scene units, 1..FARTHEST, edges as steps.
        strokes: In px of the working photo; those of motion say nothing here.
        photo: The working photo.
        warn: Told, in one sentence each, what was left out and what contradicts itself.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST; `depth` itself where no stroke says anything.
    """
    strokes = _usable([stroke for stroke in strokes if stroke.kind in DEPTH_KINDS], photo, warn)
    if not strokes:
        return depth
    before = (1 / depth).astype(np.float32)
    disparity, areas, sky = apply_areas(before, strokes, photo, warn)
    relations = [stroke for stroke in strokes if stroke.kind in RELATIONS]
    if relations:
        factor, missed = solve_relations(disparity, relations, photo, areas, sky)
        disparity = np.maximum(disparity * factor, 1 / FARTHEST)
        if missed:
            warn(
                f"{len(missed)} of {len(relations)} depth strokes contradict others; what they run over stands in between"
            )
    return _in_range(depth, before, disparity.astype(np.float32), warn)


def _in_range(depth: np.ndarray, before: np.ndarray, disparity: np.ndarray, warn: Warn) -> np.ndarray:
    """Depth from disparity; the nearest content at 1, what did not change as it was."""
    nearest = float(disparity.max())
    if nearest > CLOSER:
        warn(
            f"Something is now {nearest:.2f} times nearer than the nearest was, so the whole scene moved away by as much"
        )
        return np.minimum(nearest / disparity, FARTHEST).astype(np.float32)
    return np.where(disparity == before, depth, 1 / disparity.clip(1 / FARTHEST, 1)).astype(np.float32)


def _usable(strokes: Sequence[Stroke], photo: Photo, warn: Warn) -> list[Stroke]:
    """The strokes that say something: finite, on the photo, and no dots."""
    placed = [stroke for stroke in strokes if _lies_on(stroke, photo)]
    if len(placed) < len(strokes):
        warn(f"{len(strokes) - len(placed)} of {len(strokes)} depth strokes lie outside the photo and were left out")
    usable = [stroke for stroke in placed if not _is_dot(stroke, photo)]
    if len(usable) < len(placed):
        warn(
            f"{len(placed) - len(usable)} depth strokes are mere dots and were left out; draw from what is right to what is not"
        )
    return usable


def _lies_on(stroke: Stroke, photo: Photo) -> bool:
    if not len(stroke.points) or not np.isfinite(stroke.points).all():
        return False
    low, high = stroke.points.min(0), stroke.points.max(0)
    return bool((high > 0).all() and (low < (photo.width, photo.height)).all())


def _is_dot(stroke: Stroke, photo: Photo) -> bool:
    extent = np.ptp(stroke.points.clip(0, (photo.width, photo.height)), axis=0)
    least = SHORTEST * max(photo.width, photo.height)
    return bool(min(extent) < 1 if stroke.kind in DEPTH_AREAS else max(extent) < least)
