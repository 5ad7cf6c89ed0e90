"""Hints: what the user's strokes say about motion.

Input: strokes in px of the working photo. Output: `Hints`, velocities along every motion stroke and the region
that moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from .data import Photo, Stroke
from .errors import CinemaError
from .grid import grab_cut

FRAMES_PER_STROKE = 50  # a stroke of L px means L / 50 px per frame, as in the program of Li et al. (CVPR 2023)
FASTEST = 1 / 200  # of the longer side per frame: a stroke drawn right across the photo is not meant as a speed
GROW_SIDE = 400  # px; the region is grown on a photo of this size
GROW_REACH = 0.3  # of the longer side; the region does not grow farther than this from a stroke


@dataclass(frozen=True, eq=False)
class Hints:
    """What is known of the motion.

    Attributes:
        pixels: (N, 2) float32, px of the working photo, samples of the motion strokes in the region.
        velocities: (N, 2) float32, px/frame.
        region: (H, W) bool, where motion may live.
        grown: True when the region was grown from the strokes, not drawn.
        pins: (P, 2) float32, px, where the motion is zero.
        outlets: (H, W) bool, the region's border is open there; None where none was drawn.
        soft: (H, W) float32 factor 0..1 on the motion, from a soft mask; None without one.
        sway: (H, W) bool, what swings to and fro, apart from the region; None without any.
        sway_pixels: (S, 2) float32, px, samples of the motion strokes in what sways.
        sway_extents: (S, 2) float32, px, how far it swings there, from one end to the other.
    """

    pixels: np.ndarray
    velocities: np.ndarray
    region: np.ndarray
    grown: bool = False
    pins: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    outlets: np.ndarray | None = None
    soft: np.ndarray | None = None
    sway: np.ndarray | None = None
    sway_pixels: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    sway_extents: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))


def read_hints(
    strokes: Sequence[Stroke], photo: Photo, speed: float = 1.0, warn: Callable[[str], None] = lambda text: None
) -> Hints:
    """Turn strokes into velocities and a region.

    Args:
        strokes: In px of the working photo.
        photo: The working photo.
        speed: Factor on every velocity.
        warn: Told, in one sentence each, what was left out.

    Returns:
        The hints; an empty region where there are no strokes.

    Raises:
        CinemaError: There are strokes, and none of them can be used.
    """
    strokes = _on_photo(strokes, photo, warn)
    motion = [stroke for stroke in strokes if stroke.kind == "motion"]
    region = _drawn_region(strokes, photo)
    still = _still(strokes, photo)
    grown = not region.any() and bool(motion)
    if grown:
        region = _grown_region(motion, still, photo)
    region &= ~still
    if strokes and not region.any():
        if all(stroke.kind == "still" for stroke in strokes):
            warn("Only Still strokes were drawn, so nothing moves")
        else:
            raise CinemaError("The strokes leave no region that moves", "Draw a larger Region or a Motion stroke")
    pixels, velocities = _samples(motion, photo, speed)
    inside = region[_clip_rows(pixels, photo), _clip_columns(pixels, photo)]
    if region.any() and not inside.any():
        warn("No motion stroke lies inside the region, so it moves slowly along its texture; draw one along the flow")
    return Hints(pixels[inside], velocities[inside], region, grown)


def _clip_rows(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    return np.clip(pixels[:, 1].astype(int), 0, photo.height - 1)


def _clip_columns(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    return np.clip(pixels[:, 0].astype(int), 0, photo.width - 1)


def _on_photo(strokes: Sequence[Stroke], photo: Photo, warn: Callable[[str], None]) -> list[Stroke]:
    """The strokes that can be used: some part on the photo, finite, and long enough to mean something."""
    finite = [stroke for stroke in strokes if len(stroke.points) and np.isfinite(stroke.points).all()]
    placed = [stroke for stroke in finite if _touches(stroke, photo)]
    if strokes and not placed:
        raise CinemaError("No stroke lies on the photo", "Draw the strokes over the photo, through its camera")
    if len(placed) < len(strokes):
        warn(f"{len(strokes) - len(placed)} of {len(strokes)} strokes lie outside the photo and were left out")
    usable = [stroke for stroke in placed if not _is_dot(stroke)]
    if placed and not usable:
        raise CinemaError("The strokes are single dots", "Draw a line that shows where the water flows")
    if len(usable) < len(placed):
        warn(f"{len(placed) - len(usable)} strokes are too short to show a direction and were left out")
    return usable


def _touches(stroke: Stroke, photo: Photo) -> bool:
    """Whether any of the stroke lies on the photo, between its points and inside it too."""
    mask = np.zeros((photo.height, photo.width), np.uint8)
    points = np.rint(np.clip(stroke.points, -1e4, 1e5)).astype(np.int32)
    cv2.polylines(mask, [np.concatenate([points, points[-1:]])], stroke.closed, 1)  # a dot is drawn as a line too
    if stroke.closed and len(points) > 2:
        cv2.fillPoly(mask, [points], 1)
    return bool(mask.any())


def _is_dot(stroke: Stroke) -> bool:
    if stroke.kind == "still" and len(stroke.points) >= 1:
        return False
    needed = 3 if stroke.kind == "region" else 2
    return len(stroke.points) < needed or float(np.ptp(stroke.points, axis=0).max()) < 1.0


def _drawn_region(strokes: Sequence[Stroke], photo: Photo) -> np.ndarray:
    mask = np.zeros((photo.height, photo.width), np.uint8)
    for stroke in strokes:
        if stroke.kind == "region":
            cv2.fillPoly(mask, [np.rint(stroke.points).astype(np.int32)], 1)
    return mask.astype(bool)


def _still(strokes: Sequence[Stroke], photo: Photo) -> np.ndarray:
    """(H, W) bool: inside closed Still strokes, and along open ones."""
    mask = np.zeros((photo.height, photo.width), np.uint8)
    width = max(2, round(max(photo.height, photo.width) / 160))
    for stroke in strokes:
        if stroke.kind == "still":
            points = np.rint(stroke.points).astype(np.int32)
            cv2.polylines(mask, [points], stroke.closed, 1, width)
            if stroke.closed and len(points) > 2:
                cv2.fillPoly(mask, [points], 1)
    return mask.astype(bool)


def _grown_region(motion: Sequence[Stroke], still: np.ndarray, photo: Photo) -> np.ndarray:
    """(H, W) bool: what looks like the pixels under the strokes and hangs together with them (GrabCut)."""
    scale = min(1.0, GROW_SIDE / max(photo.height, photo.width))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    small = cv2.resize(photo.color, size, interpolation=cv2.INTER_AREA)
    seeds = np.zeros(size[::-1], np.uint8)
    for stroke in motion:
        cv2.polylines(seeds, [np.rint(stroke.points * scale).astype(np.int32)], False, 1, 3)
    distance = cv2.distanceTransform(1 - seeds, cv2.DIST_L2, cv2.DIST_MASK_5)
    labels = np.where(distance < 0.05 * max(size), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[distance > GROW_REACH * max(size)] = cv2.GC_BGD
    labels[cv2.resize(still.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0] = cv2.GC_BGD
    labels[seeds > 0] = cv2.GC_FGD
    if (labels == cv2.GC_FGD).all():
        return np.ones((photo.height, photo.width), bool)
    grown = grab_cut(cv2.GaussianBlur(small, (0, 0), 1.5), labels, 5).astype(np.uint8)
    grown = cv2.morphologyEx(grown, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) | seeds
    grown = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, parts = cv2.connectedComponents(grown)
    touched = np.setdiff1d(np.unique(parts[seeds > 0]), (0,))
    soft = np.isin(parts, touched).astype(np.float32)
    return cv2.resize(soft, (photo.width, photo.height), interpolation=cv2.INTER_LINEAR) > 0.5


def _samples(motion: Sequence[Stroke], photo: Photo, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions along the motion strokes and the velocity at each, (N, 2) float32 both."""
    step = max(1.0, max(photo.height, photo.width) / 320)
    fastest = FASTEST * max(photo.height, photo.width)
    pixels, velocities = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for stroke in motion:
        points = np.concatenate([stroke.points, stroke.points[:1]]) if stroke.closed else stroke.points
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points.astype(np.float64), axis=0), axis=1))])
        places = np.linspace(0, along[-1], max(2, int(along[-1] / step) + 1))
        line = np.stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)], 1)
        # the tangent over a few samples: a hand's tremble is not a direction
        wide = max(1, min(len(line) // 8, 4))
        chord = np.roll(line, -wide, 0) - np.roll(line, wide, 0)
        chord[:wide] = line[wide : 2 * wide] - line[:wide] if len(line) >= 2 * wide else line[-1] - line[0]
        chord[-wide:] = line[-wide:] - line[-2 * wide : -wide] if len(line) >= 2 * wide else line[-1] - line[0]
        size = np.linalg.norm(chord, axis=1, keepdims=True)
        pace = min(along[-1] / FRAMES_PER_STROKE, fastest) * stroke.speed * speed
        pixels.append(line)
        velocities.append(chord / np.maximum(size, 1e-9) * pace)
    inside = np.concatenate(pixels)
    on_photo = ((inside >= 0) & (inside <= (photo.width, photo.height))).all(1)
    return inside[on_photo].astype(np.float32), np.concatenate(velocities)[on_photo].astype(np.float32)
