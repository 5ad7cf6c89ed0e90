"""Correct depth by the user's strokes.

Input: the photo's depth, and strokes. Output: depth that satisfies every stroke and is unchanged elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..shared.data import FARTHEST, Photo, Stroke
from ..shared.stroke_kinds import DEPTH_AREAS, DEPTH_KINDS
from .areas import apply_areas
from .solve import solve_relations

RELATIONS = ("same_depth", "nearer", "farther")
MAX_OVERSHOOT = 1.05  # disparity; below it nearer content is clamped to 1, above it the whole scene moves away
MIN_STROKE_LENGTH = 0.005  # of the photo's longer side; a shorter stroke is a dot
Warn = Callable[[str], None]


def apply_depth_strokes(
    depth: np.ndarray, strokes: Sequence[Stroke], photo: Photo, warn: Warn = lambda text: None
) -> np.ndarray:
    """Correct depth by strokes.

    The horizon and the outlines (flat, upright, sky) are applied first, in this order. Relations are then read from
    the result, and move an outlined object as a whole. The order of drawing has no effect.

    Args:
        depth: (H, W) float32, scene units, 1..FARTHEST, edges as steps.
        strokes: In px of the working photo; strokes of motion are ignored.
        photo: The working photo.
        warn: Called with one sentence for each kind of stroke left out and for contradictions.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST; `depth` itself without a usable stroke.
    """
    strokes = _usable([stroke for stroke in strokes if stroke.kind in DEPTH_KINDS], photo, warn)
    if not strokes:
        return depth
    before = (1 / depth).astype(np.float32)
    disparity, areas, sky = apply_areas(before, strokes, photo, warn)
    relations = [stroke for stroke in strokes if stroke.kind in RELATIONS]
    if relations:
        factor, contradicted = solve_relations(disparity, relations, photo, areas, sky)
        disparity = np.maximum(disparity * factor, 1 / FARTHEST)
        if contradicted:
            warn(
                f"{len(contradicted)} of {len(relations)} depth strokes contradict others and were met half-way; "
                "remove the wrong ones"
            )
    return _in_range(depth, before, disparity.astype(np.float32), warn)


def _in_range(depth: np.ndarray, before: np.ndarray, disparity: np.ndarray, warn: Warn) -> np.ndarray:
    """(H, W) float32 depth from disparity, the nearest content at 1; unchanged pixels keep their depth exactly."""
    nearest = float(disparity.max())
    if nearest > MAX_OVERSHOOT:
        warn(
            f"An object is now {nearest:.2f} times nearer than the nearest one was, "
            "so the whole scene moved away by this factor; erase the depth stroke that moved the object to avoid this"
        )
        return np.minimum(nearest / disparity, FARTHEST).astype(np.float32)
    return np.where(disparity == before, depth, 1 / disparity.clip(1 / FARTHEST, 1)).astype(np.float32)


def _usable(strokes: Sequence[Stroke], photo: Photo, warn: Warn) -> list[Stroke]:
    """The strokes that are finite, reach the photo and are more than a dot."""
    placed = [stroke for stroke in strokes if _lies_on(stroke, photo)]
    if len(placed) < len(strokes):
        warn(
            f"{len(strokes) - len(placed)} of {len(strokes)} depth strokes lie outside the photo and were left out; "
            "draw them over the photo"
        )
    usable = [stroke for stroke in placed if not _is_dot(stroke, photo)]
    if len(usable) < len(placed):
        warn(f"{len(placed) - len(usable)} depth strokes are too small and were left out; draw larger ones")
    return usable


def _lies_on(stroke: Stroke, photo: Photo) -> bool:
    if not len(stroke.points) or not np.isfinite(stroke.points).all():
        return False
    low, high = stroke.points.min(0), stroke.points.max(0)
    return bool((high > 0).all() and (low < (photo.width, photo.height)).all())


def _is_dot(stroke: Stroke, photo: Photo) -> bool:
    extent = np.ptp(stroke.points.clip(0, (photo.width, photo.height)), axis=0)
    shortest = MIN_STROKE_LENGTH * max(photo.width, photo.height)
    return bool(min(extent) < 1 if stroke.kind in DEPTH_AREAS else max(extent) < shortest)
