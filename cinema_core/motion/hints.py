"""Hints: what the user's strokes say about motion.

Input: strokes in px of the working photo, and a painted mask. Output: `Hints`, velocities along every motion stroke,
the region that flows, what sways, and where nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..image.polyline import fill_polygon, pixel_corners, resample, tangents
from ..shared.data import Photo, Stroke
from ..shared.errors import CinemaError
from ..shared.stroke_kinds import DEPTH_KINDS
from .region_growing import grow_region

FRAMES_PER_STROKE = 50  # a stroke of L px means L / 50 px per frame, as in the program of Li et al. (CVPR 2023)
FASTEST = 1 / 200  # of the longer side per frame: a stroke drawn right across the photo is not meant as a speed
WIDEST_SWING = 0.04  # of the longer side, from one end to the other
OUTLET_REACH = 0.01  # of the longer side; the region's border is open within it of an outlet stroke
AT_FRAME = 0.01  # of the longer side; what is enclosed as far as this from the photo's edge reaches it
SMALLEST = 1e-4  # share of the photo; a smaller region is hardly seen
AREAS = ("region", "sway", "still")  # kinds that enclose something, the later one wins where outlines cross
Warn = Callable[[str], None]


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
    strokes: Sequence[Stroke],
    photo: Photo,
    speed: float = 1.0,
    warn: Warn = lambda text: None,
    painted: np.ndarray | None = None,
) -> Hints:
    """Turn strokes into velocities, a region, and what else they mean.

    The innermost outline round a pixel decides what it is: an island (Still) in a lake (Region), a pond (Region) on
    that island. Where outlines cross, Still is stronger than Sway, and Sway than Region.

    Args:
        strokes: In px of the working photo; those about depth say nothing here.
        photo: The working photo.
        speed: Factor on every velocity, and on how far things swing.
        warn: Told, in one sentence each, what was left out.
        painted: (H, W) float32 0..1, a mask of what flows, as from `read_mask`; outlines are drawn over it.

    Returns:
        The hints; an empty region where there are no strokes.

    Raises:
        CinemaError: There are strokes, and none of them can be used.
    """
    strokes = _usable([stroke for stroke in strokes if stroke.kind not in DEPTH_KINDS], photo, warn)
    motion = [stroke for stroke in strokes if stroke.kind == "motion"]
    areas = _areas(strokes, photo)
    region, soft = _with_painted(areas["region"], painted)
    region &= ~areas["still"] & ~areas["sway"]
    lines = [_sampled(stroke, photo) for stroke in motion]
    pins = _pins(strokes, photo)
    flowing = [line for line in lines if not _at(areas["sway"], line.pixels).all()]
    grown = not region.any() and painted is None and bool(flowing)
    if grown:
        region = grow_region([line.pixels for line in flowing], areas["still"] | areas["sway"], pins, photo)
    _check_region(region | areas["sway"], strokes, warn)
    pixels, velocities, extents = _velocities(lines, photo, speed)
    flows, sways = _at(region, pixels), _at(areas["sway"], pixels)
    _check_motion(region, flows, [_at(region | areas["sway"], line.pixels).any() for line in lines], warn)
    return Hints(
        pixels[flows],
        velocities[flows],
        region,
        grown,
        pins,
        _outlets(strokes, photo),
        soft,
        areas["sway"] if areas["sway"].any() else None,
        pixels[sways],
        extents[sways],
    )


def _usable(strokes: Sequence[Stroke], photo: Photo, warn: Warn) -> list[Stroke]:
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
    """Whether any of the stroke lies on the photo: its line, or what it encloses."""
    points = np.clip(stroke.points, -1e5, 1e5)
    if _on_photo(resample(points, stroke.closed, 1.0)[0], photo).any():
        return True
    middle = (photo.width / 2, photo.height / 2)  # no line on the photo: it is inside or outside as a whole
    closed = stroke.closed or stroke.kind in ("region", "sway")
    return closed and len(points) > 2 and cv2.pointPolygonTest(points.astype(np.float32), middle, False) >= 0


def _is_dot(stroke: Stroke) -> bool:
    if stroke.kind == "still":
        return False
    needed = 3 if stroke.kind in AREAS else 2
    return len(stroke.points) < needed or float(np.ptp(stroke.points, axis=0).max()) < 1.0


def _check_region(moving: np.ndarray, strokes: Sequence[Stroke], warn: Warn) -> None:
    if not strokes or moving.mean() >= SMALLEST:
        return
    if moving.any():
        warn(f"What moves is only {int(moving.sum())} pixels large, which is hardly seen; draw a larger Region")
    elif all(stroke.kind in ("still", "outlet") for stroke in strokes):
        warn("Only Still and Outlet strokes were drawn, so nothing moves")
    else:
        raise CinemaError("The strokes leave no region that moves", "Draw a larger Region or a Motion stroke")


def _check_motion(region: np.ndarray, flows: np.ndarray, used: Sequence[bool], warn: Warn) -> None:
    if region.any() and not flows.any():
        warn("No motion stroke lies inside the region, so it moves slowly along its texture; draw one along the flow")
    elif not all(used):
        left_out = len(used) - sum(used)
        warn(
            f"{left_out} of {len(used)} motion strokes lie outside what moves and were left out; draw a Region there too"
        )


def _areas(strokes: Sequence[Stroke], photo: Photo) -> dict[str, np.ndarray]:
    """(H, W) bool for every kind that encloses something; they do not overlap."""
    shape = photo.color.shape[:2]
    outlines = [s for s in strokes if s.kind in ("region", "sway") or (s.kind == "still" and _encloses(s))]
    areas = {kind: np.zeros(shape, bool) for kind in AREAS}
    inner = _nested([stroke.points for stroke in outlines], shape)
    nested = set().union(*inner)
    for number, (stroke, within) in enumerate(zip(outlines, inner)):
        area = _enclosed(stroke.points, shape)
        for other in within if stroke.kind != "still" or number in nested else ():
            if outlines[other].kind != stroke.kind:
                area &= ~_enclosed(outlines[other].points, shape)
        areas[stroke.kind] |= area
    areas["sway"] &= ~areas["still"]
    areas["region"] &= ~areas["still"] & ~areas["sway"]
    return areas


def _enclosed(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: what an outline goes round."""
    return _to_frame(fill_polygon(points, shape))


def _to_frame(area: np.ndarray) -> np.ndarray:
    """An area (H, W) bool that goes on to the photo's edge where it ends just before it: changes it.

    Nobody draws along the very edge, and labelling tools end a pixel before it; the strip that is left out would be a
    bank that the water slides along, and nothing would move beyond the border.
    """
    reach = max(1, round(AT_FRAME * max(area.shape)))
    for inward in (area, area[::-1], area.T, area.T[::-1]):
        strip = inward[: reach + 1]
        strip[:] = np.logical_or.accumulate(strip[::-1], 0)[::-1]
    return area


def _encloses(stroke: Stroke) -> bool:
    return stroke.closed and len(stroke.points) > 2 and float(np.ptp(stroke.points, axis=0).min()) >= 1.0


def _nested(outlines: Sequence[np.ndarray], shape: tuple[int, int]) -> list[list[int]]:
    """For every outline the numbers of those that lie inside it (all but a twentieth of their line does)."""
    if not outlines:
        return []
    lines = [np.clip(resample(points, True, 2.0)[0], 0, np.array(shape[::-1]) - 1e-3) for points in outlines]
    sizes = np.array([abs(cv2.contourArea(line.astype(np.float32))) for line in lines])
    counts = np.array([len(line) for line in lines])
    every = np.concatenate(lines)
    inner = []
    for points, size in zip(outlines, sizes):
        inside = np.add.reduceat(_at(fill_polygon(points, shape), every).astype(int), np.cumsum(counts) - counts)
        inner.append(np.flatnonzero((inside > 0.95 * counts) & (sizes < size)).tolist())
    return inner


def _with_painted(region: np.ndarray, painted: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The region with what was painted, and the factor on its motion where the paint is soft."""
    if painted is None:
        return region, None
    partly = ((painted > 0.05) & (painted < 0.95)).astype(np.uint8)
    if not cv2.erode(partly, np.ones((3, 3), np.uint8)).any():  # no more than a smooth outline
        return _to_frame(region | (painted > 0.5)), None
    return region | (painted > 0.05), np.where(region, 1, painted).astype(np.float32)


def _outlets(strokes: Sequence[Stroke], photo: Photo) -> np.ndarray | None:
    outlets = [stroke for stroke in strokes if stroke.kind == "outlet"]
    if not outlets:
        return None
    mask = np.zeros(photo.color.shape[:2], np.uint8)
    width = max(3, round(2 * OUTLET_REACH * max(mask.shape)))
    for stroke in outlets:
        cv2.polylines(mask, [pixel_corners(stroke.points)], stroke.closed, 1, width)
    return mask.astype(bool)


@dataclass(frozen=True, eq=False)
class _Line:
    """A stroke at even steps: (N, 2) px, (N, 2) unit tangents, (N,) factor on its pace, and its length in px."""

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


def _velocities(lines: Sequence[_Line], photo: Photo, speed: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples of all strokes on the photo: (N, 2) px, (N, 2) px/frame, (N, 2) px of swing; float32."""
    longest = max(photo.height, photo.width)
    pixels, velocities, extents = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros((0, 2))]
    for line in lines:
        pace = min(line.length / FRAMES_PER_STROKE, FASTEST * longest) * line.factor * speed
        swing = np.minimum(line.length * line.factor * speed, WIDEST_SWING * longest)
        pixels.append(line.pixels)
        velocities.append(line.tangents * pace[:, None])
        extents.append(line.tangents * swing[:, None])
    inside = _on_photo(np.concatenate(pixels), photo)
    return tuple(np.concatenate(parts)[inside].astype(np.float32) for parts in (pixels, velocities, extents))


def _pins(strokes: Sequence[Stroke], photo: Photo) -> np.ndarray:
    """(P, 2) float32 px: along open Still strokes, and where dots of them are."""
    lines = [np.zeros((0, 2))]
    for stroke in strokes:
        if stroke.kind == "still" and not _encloses(stroke):
            lines.append(resample(stroke.points, stroke.closed, 1.0)[0])
    pins = np.concatenate(lines)
    return pins[_on_photo(pins, photo)].astype(np.float32)


def _on_photo(pixels: np.ndarray, photo: Photo) -> np.ndarray:
    return ((pixels >= 0) & (pixels <= (photo.width, photo.height))).all(1)


def _at(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) bool: the mask where points lie; beyond the photo its border's."""
    column, row = (np.clip(pixels[:, axis].astype(int), 0, mask.shape[1 - axis] - 1) for axis in (0, 1))
    return mask[row, column]
