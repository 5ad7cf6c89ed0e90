"""Hints: the motion that the user's strokes ask for.

Input: strokes in px of the working photo, and a painted mask. Output: `Hints`: velocities along every motion stroke,
the flowing region, the swaying area, and pins where nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import cv2
import numpy as np

from ..image.polyline import resample, tangents
from ..shared.data import Photo, Stroke
from ..shared.errors import CinemaError
from ..shared.stroke_kinds import DEPTH_KINDS
from .flowing import FlowingPart, find_flowing
from .outlines import AREA_KINDS, area_masks, encloses_area, mask_at, outlet_mask, with_painted
from .region_growing import grow_region

FRAMES_PER_STROKE = 50  # a stroke of L px means L / 50 px per frame, as in the program of Li et al. (CVPR 2023)
MAX_SPEED = 1 / 200  # of the longer side per frame: a stroke right across the photo is not meant as a speed
MAX_SWING = 0.04  # of the longer side, from one end of the swing to the other
MIN_VISIBLE_AREA = 1e-4  # share of the photo; a smaller moving area is hardly visible, and the user is told
Warn = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Hints:
    """Known motion, and where there may be motion.

    Attributes:
        pixels: (N, 2) float32, px of the working photo, samples of the motion strokes in the region.
        velocities: (N, 2) float32, px/frame.
        region: (H, W) bool, the flowing region.
        grown: True when the region was grown from the strokes, not drawn.
        pins: (P, 2) float32, px, where the motion is zero.
        outlets: (H, W) bool, the region's border is open there; None where none was drawn.
        soft: (H, W) float32 factor 0..1 on the motion, from a soft mask; None without one.
        sway: (H, W) bool, the swaying area, which does not overlap the region; None without any.
        sway_pixels: (S, 2) float32, px, samples of the motion strokes in the swaying area.
        sway_extents: (S, 2) float32, px, the swing there, from one end to the other.
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
    strokes: Sequence[Stroke],
    photo: Photo,
    speed: float = 1.0,
    warn: Warn = lambda text: None,
    painted: np.ndarray | None = None,
    find_parts: Callable[[], Sequence[FlowingPart]] | None = None,
) -> Hints:
    """Turn strokes into velocities and areas.

    The innermost outline around a pixel decides its kind: an island (Still) in a lake (Region), a pond (Region) on
    that island. Where outlines cross, Still is stronger than Sway, and Sway than Region.

    Args:
        strokes: In px of the working photo; depth strokes are ignored.
        photo: The working photo.
        speed: Factor on every velocity, and on the extent of every swing.
        warn: Called with one sentence for each kind of stroke that was left out, and each hint that is missing.
        painted: (H, W) float32 0..1, a mask of the flowing region, as from `read_mask`; outlines are drawn over it.
        find_parts: Gives the photo's flowing parts, for a region that grows from strokes; None finds them.

    Returns:
        The hints; an empty region where there are no strokes.

    Raises:
        CinemaError: There are strokes, and none of them can be used.
    """
    strokes = _usable([stroke for stroke in strokes if stroke.kind not in DEPTH_KINDS], photo, warn)
    areas = area_masks(strokes, photo)
    lines = [_sampled(stroke, photo) for stroke in strokes if stroke.kind == "motion"]
    pins = _pins(strokes, photo)
    region, grown, soft = _region(areas, painted, lines, pins, photo, find_parts or partial(find_flowing, photo))
    moving = region | areas["sway"]
    _check_region(moving, strokes, warn)
    pixels, velocities, extents = _velocities(lines, photo, speed)
    flows, sways = mask_at(region, pixels), mask_at(areas["sway"], pixels)
    _check_motion(region, flows, [bool(mask_at(moving, line.pixels).any()) for line in lines], warn)
    return Hints(
        pixels[flows],
        velocities[flows],
        region,
        grown,
        pins,
        outlet_mask(strokes, photo),
        soft,
        areas["sway"] if areas["sway"].any() else None,
        pixels[sways],
        extents[sways],
    )


def _usable(strokes: Sequence[Stroke], photo: Photo, warn: Warn) -> list[Stroke]:
    """The strokes that are finite, at least partly on the photo, and long enough."""
    finite = [stroke for stroke in strokes if len(stroke.points) and np.isfinite(stroke.points).all()]
    placed = [stroke for stroke in finite if _touches(stroke, photo)]
    if strokes and not placed:
        raise CinemaError("No stroke lies on the photo", "Draw the strokes over the photo, through its camera")
    if len(placed) < len(strokes):
        outside = len(strokes) - len(placed)
        warn(f"{outside} of {len(strokes)} strokes lie outside the photo and were left out; draw them over the photo")
    usable = [stroke for stroke in placed if not _is_dot(stroke)]
    if placed and not usable:
        raise CinemaError("The strokes are single dots", "Draw a line that shows where the water flows")
    if len(usable) < len(placed):
        short = len(placed) - len(usable)
        warn(f"{short} of {len(placed)} strokes are too short and were left out; draw a line, not a dot")
    return usable


def _touches(stroke: Stroke, photo: Photo) -> bool:
    """Whether the stroke's line, or the area that it encloses, lies at least partly on the photo."""
    points = np.clip(stroke.points, -1e5, 1e5)
    if _on_photo(resample(points, stroke.closed, 1.0)[0], photo).any():
        return True
    middle = (photo.width / 2, photo.height / 2)  # the line is off the photo, so all of the photo is inside or outside
    closed = stroke.closed or stroke.kind in ("region", "sway")
    return closed and len(points) > 2 and cv2.pointPolygonTest(points.astype(np.float32), middle, False) >= 0


def _is_dot(stroke: Stroke) -> bool:
    """Whether a stroke is too small for its kind. Only a Still stroke may be a dot."""
    if stroke.kind == "still":
        return False
    needed = 3 if stroke.kind in AREA_KINDS else 2
    return len(stroke.points) < needed or float(np.ptp(stroke.points, axis=0).max()) < 1.0


@dataclass(frozen=True, eq=False)
class _Line:
    """A stroke at even steps: (N, 2) px, (N, 2) unit tangents, (N,) factor on the speed, and the length in px."""

    pixels: np.ndarray
    tangents: np.ndarray
    factor: np.ndarray
    length: float


def _sampled(stroke: Stroke, photo: Photo) -> _Line:
    step = max(1.0, max(photo.height, photo.width) / 320)
    pixels, places, length = resample(stroke.points, stroke.closed, step)
    factor = np.full(len(pixels), stroke.speed)
    if stroke.profile is not None:
        profile = np.append(stroke.profile, stroke.profile[:1]) if stroke.closed else stroke.profile
        factor = factor * np.interp(places, np.arange(len(profile)), profile)
    return _Line(pixels, tangents(pixels, stroke.closed), factor, length)


def _region(
    areas: dict[str, np.ndarray],
    painted: np.ndarray | None,
    lines: Sequence[_Line],
    pins: np.ndarray,
    photo: Photo,
    find_parts: Callable[[], Sequence[FlowingPart]],
) -> tuple[np.ndarray, bool, np.ndarray | None]:
    """The region as drawn and painted. If there is none, it is grown from the motion strokes outside swaying areas.

    Returns:
        (H, W) bool, the region; whether it was grown; and (H, W) float32, the factor of a soft mask, or None.
    """
    region, soft = with_painted(areas["region"], painted)
    region &= ~areas["still"] & ~areas["sway"]
    flowing = [line for line in lines if not mask_at(areas["sway"], line.pixels).all()]
    grown = not region.any() and painted is None and bool(flowing)
    if grown:
        excluded = areas["still"] | areas["sway"]
        region = grow_region([line.pixels for line in flowing], excluded, pins, photo, find_parts())
    return region, grown, soft


def _check_region(moving: np.ndarray, strokes: Sequence[Stroke], warn: Warn) -> None:
    """Tell the user if the moving area, (H, W) bool, is tiny or empty."""
    if not strokes or moving.mean() >= MIN_VISIBLE_AREA:
        return
    if moving.any():
        warn(f"The moving area is only {int(moving.sum())} pixels large and hardly visible; draw a larger Region")
    elif all(stroke.kind in ("still", "outlet") for stroke in strokes):
        warn("Only Still and Outlet strokes were drawn, so nothing moves; draw a Motion stroke along the flow")
    else:
        raise CinemaError("The strokes leave no region that moves", "Draw a larger Region or a Motion stroke")


def _check_motion(region: np.ndarray, flows: np.ndarray, used: Sequence[bool], warn: Warn) -> None:
    """Tell the user if motion strokes are missing or misplaced.

    Args:
        region: (H, W) bool.
        flows: (N,) bool, samples of the motion strokes that lie in the region.
        used: For every motion stroke whether it touches a moving area.
        warn: As of `read_hints`.
    """
    if region.any() and not flows.any():
        warn("No motion stroke lies inside the region, so it moves slowly along its texture; draw one along the flow")
    elif not all(used):
        unused = len(used) - sum(used)
        warn(
            f"{unused} of {len(used)} motion strokes lie outside every moving area and were left out; "
            "draw a Region around them too"
        )


def _velocities(lines: Sequence[_Line], photo: Photo, speed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of all strokes on the photo: (N, 2) px, (N, 2) px/frame, (N, 2) px of swing; float32."""
    longest = max(photo.height, photo.width)
    pixels, velocities, extents = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros((0, 2))]
    for line in lines:
        pace = min(line.length / FRAMES_PER_STROKE, MAX_SPEED * longest) * line.factor * speed
        swing = np.minimum(line.length * line.factor * speed, MAX_SWING * longest)
        pixels.append(line.pixels)
        velocities.append(line.tangents * pace[:, None])
        extents.append(line.tangents * swing[:, None])
    inside = _on_photo(np.concatenate(pixels), photo)
    located, moved, swung = (
        np.concatenate(parts)[inside].astype(np.float32) for parts in (pixels, velocities, extents)
    )
    return located, moved, swung


def _pins(strokes: Sequence[Stroke], photo: Photo) -> np.ndarray:
    """(P, 2) float32 px: along the Still strokes that enclose no area, and on their dots."""
    lines = [np.zeros((0, 2))]
    for stroke in strokes:
        if stroke.kind == "still" and not encloses_area(stroke):
            lines.append(resample(stroke.points, stroke.closed, 1.0)[0])
    pins = np.concatenate(lines)
    return pins[_on_photo(pins, photo)].astype(np.float32)


def _on_photo(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    """(N,) bool, for (N, 2) px."""
    return ((pixels >= 0) & (pixels <= (photo.width, photo.height))).all(1)
