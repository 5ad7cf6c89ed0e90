"""Apply strokes about whole areas of the photo: the ground's horizon, planes, upright objects, the sky.

Input: disparity and the strokes of these kinds. Output: disparity, and the pixels of each outlined area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..image.polyline import fill_polygon
from ..shared.data import FARTHEST, Photo, Stroke
from .outlines import snap_to_edges, with_strip_to_far

PLANE_SAMPLES = 4000  # pixels, about as many as a plane is fitted to
FIT_ROUNDS = 8  # of reweighting in a robust fit
MIN_FOOTING = 0.4  # share of an object's columns that touch the ground; below it the object stands on a post (a tree)
GROUND_BINS = 40  # bins of distance below the horizon in which the ground's disparity is measured
GROUND_QUANTILE = 0.3  # of the disparities in a bin; the ground is there, because objects on it are nearer
STANDING_RISE = (0.02, 0.08)  # disparity over the ground's; from the first on objects may stand, from the second surely
SOLID_DISPARITY = (0.02, 0.05)  # above the horizon: up to the first surely sky, from the second on surely solid
MIN_PRESENT_SLOPE = 0.2  # of the new ground's slope; a flatter present ground does not show where objects stand
MAX_HORIZON_SPREAD = 0.04  # of the photo's height; median distance of horizon strokes from one line before a warning
Warn = Callable[[str], None]


def apply_areas(
    disparity: np.ndarray, strokes: Sequence[Stroke], photo: Photo, warn: Warn
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Apply the strokes "horizon", "flat", "upright" and "depth_sky", in this order.

    Args:
        disparity: (H, W) float32.
        strokes: Strokes of other kinds are ignored.
        photo: The working photo.
        warn: Called with one sentence for each problem.

    Returns:
        (H, W) float32 disparity, at least 1/FARTHEST, possibly above 1; (H, W) int32 number of the area that each
        pixel lies in, from 1 on, 0 for none; (H, W) bool, the drawn sky.
    """
    size = (photo.height, photo.width)
    line = _horizon_line([stroke for stroke in strokes if stroke.kind == "horizon"], photo, warn)
    if line is not None:
        disparity = _with_horizon(disparity, _below(line, disparity.shape))
    number = np.zeros(disparity.shape, np.int32)
    sky = np.zeros(disparity.shape, bool)
    for kind, surface in (("flat", _flat_plane), ("upright", _standing_plane), ("depth_sky", _sky_plane)):
        for stroke in (stroke for stroke in strokes if stroke.kind == kind):
            area = snap_to_edges(fill_polygon(stroke.points, size), disparity, photo.color)
            if not area.any():
                continue
            area = with_strip_to_far(area, disparity) if kind == "depth_sky" else area
            inside = np.maximum(surface(disparity, area, line), 1 / FARTHEST)
            disparity = np.where(area, inside, disparity).astype(np.float32)
            number[area] = number.max() + 1
            sky = sky | area if kind == "depth_sky" else sky & ~area
    return disparity, number, sky


def _flat_plane(disparity: np.ndarray, area: np.ndarray, line: np.ndarray | None) -> np.ndarray:
    """(H, W) disparity of the plane in space that fits the area best; it vanishes at the horizon's line, if any.

    A plane's disparity is linear in pixel coordinates.
    """
    y, x = _samples(area)
    known = disparity[y, x]
    rows, columns = (np.arange(n, dtype=np.float64) + 0.5 for n in disparity.shape)
    if line is not None:
        below = _below(line, disparity.shape)
        if (below[y, x] > 0).mean() > 0.5:
            scale = _fit(below[y, x][:, None], known)
            return scale[0] * below
    across, down, level = _fit(np.stack([x + 0.5, y + 0.5, np.ones(len(x))], 1), known)
    return across * columns[None] + down * rows[:, None] + level


def _standing_plane(disparity: np.ndarray, area: np.ndarray, line: np.ndarray | None) -> np.ndarray:
    """(H, W) disparity of an object that stands on the ground at the area's lower boundary.

    Constant for an object on a post or with few columns, else a vertical plane.
    """
    height, width = disparity.shape
    columns = np.flatnonzero(area.any(0))
    foot = height - 1 - np.argmax(area[::-1, columns], 0)  # lowest row of each column
    tall = np.ptp(np.nonzero(area.any(1))[0]) + 1
    stands = foot >= _lower_hull(columns, foot) - max(1.5, 0.03 * tall)
    post = stands.mean() < MIN_FOOTING
    if post:  # the object overhangs its foot on both sides
        stands = np.abs(columns - columns[np.argmax(foot)]) <= 0.02 * width
        stands &= foot > foot.max() - 0.1 * tall
    columns, foot = columns[stands], foot[stands]
    gap = max(2, round(height / 200))
    ground = np.median([disparity[np.minimum(foot + step, height - 1), columns] for step in (gap, 2 * gap, 3 * gap)], 0)
    if post or len(columns) < 8:
        return np.full(disparity.shape, np.median(ground))
    across, level = _fit(np.stack([columns + 0.5, np.ones(len(columns))], 1), ground)
    low, high = np.quantile(ground, (0.02, 0.98))
    return np.repeat(np.clip(across * (np.arange(width) + 0.5) + level, low, high)[None], height, 0)


def _lower_hull(columns: np.ndarray, foot: np.ndarray) -> np.ndarray:
    """(N,) rows of the convex hull of the feet on its lower side; rows grow downward."""
    hull: list[tuple[int, int]] = []
    for place in zip(columns.tolist(), foot.tolist()):
        while len(hull) > 1 and _is_on_or_above(hull[-2], hull[-1], place):
            hull.pop()
        hull.append(place)
    return np.interp(columns, *np.array(hull, float).T)


def _is_on_or_above(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies on or above the line from a to c; points are (column, row)."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0


def _sky_plane(disparity: np.ndarray, area: np.ndarray, line: np.ndarray | None) -> np.ndarray:
    """(H, W) disparity of the sky; `area` and `line` have no effect."""
    return np.full(disparity.shape, 1 / FARTHEST)


def _samples(area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of evenly chosen pixels of the area, away from its boundary where the area is wide enough."""
    core = cv2.erode(area.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=(1,)) > 0
    y, x = np.nonzero(core if core.any() else area)
    step = max(1, len(y) // PLANE_SAMPLES)
    return y[::step], x[::step]


def _fit(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(K,) factors of the terms, (N, K), that fit most values, (N,): reweighted least squares (Geman-McClure)."""
    weight = np.ones(len(values))
    for _ in range(FIT_ROUNDS):
        root = np.sqrt(weight)
        found = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        residual = np.abs(values - terms @ found)
        scale = max(1.5 * float(np.median(residual)), 1e-4)
        weight = 1 / (1 + np.square(residual / scale)) ** 2
    return found


def _horizon_line(strokes: Sequence[Stroke], photo: Photo, warn: Warn) -> np.ndarray | None:
    """(2,) slope and row at column 0 of one straight line through all horizon strokes.

    None without a stroke that runs across the photo.
    """
    points = [_even_samples(stroke.points) for stroke in strokes]
    across = [p for p in points if np.ptp(p[:, 0]) > max(2.0, np.ptp(p[:, 1]))]
    if len(across) < len(points):
        warn("A horizon stroke runs downward and was left out; draw it across the photo")
    if not across:
        return None
    x, y = np.concatenate(across).T
    slope = 0.0
    if np.ptp(x) > 0.1 * photo.width:  # shorter strokes show the row, but hardly the tilt
        slope, _ = _fit(np.stack([x, np.ones(len(x))], 1), y)
    level = float(np.median(y - slope * x))
    if np.median(np.abs(y - slope * x - level)) > MAX_HORIZON_SPREAD * photo.height:
        warn(
            "The horizon strokes do not lie on one straight line, so the line between them was used; "
            "draw them along one line"
        )
    return np.array((slope, level))


def _even_samples(points: np.ndarray) -> np.ndarray:
    """(100, 2) px at even steps along a stroke, so that densely drawn parts do not weigh more."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points.astype(np.float64), axis=0), axis=1))])
    places = np.linspace(0, along[-1], 100)
    return np.stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)], 1)


def _below(line: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) px that pixels lie below the line, negative above it."""
    rows, columns = (np.arange(n) + 0.5 for n in shape)
    return rows[:, None] - line[0] * columns[None] - line[1]


def _with_horizon(disparity: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(H, W) float32 disparity with a ground that vanishes at the horizon; the nearest ground keeps its disparity.

    The plane that fits the present ground is mapped to the plane through the horizon by a factor, an offset and a tilt
    of disparity. These map planes to planes. So objects that stand on the ground move with their foot, and no surface
    is torn.

    Args:
        disparity: (H, W) float32.
        below: (H, W) px below the horizon.
    """
    if below.max() < 2:  # the whole photo lies above the horizon and shows no ground
        return np.full_like(disparity, 1 / FARTHEST)
    columns = np.arange(disparity.shape[1]) + 0.5 - disparity.shape[1] / 2
    across, down, level = _present_ground(disparity, below)
    lowest = float(below.max())
    slope = max(down + level / lowest, 0.1 / lowest)  # keeps the disparity at the photo's lower border
    present = np.maximum(across * columns + down * below + level, 1 / FARTHEST)
    steady = max(down, MIN_PRESENT_SLOPE * slope)
    factor = slope / steady
    moved = factor * (disparity - across * columns - (slope - steady) * lowest)
    rises = disparity - present
    stands = _smoothstep(rises, *STANDING_RISE)
    ground = (1 - stands) * (np.maximum(slope * below, 1 / FARTHEST) + factor * rises) + stands * moved
    solid = _smoothstep(disparity, *SOLID_DISPARITY)
    above = (1 - solid) * np.minimum(disparity, 1 / FARTHEST) + solid * moved
    return np.maximum(np.where(below > 0, ground, above), 1 / FARTHEST).astype(np.float32)


def _smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, cubic in between."""
    part = np.clip((values - low) / (high - low), 0, 1)
    return part * part * (3 - 2 * part)


def _present_ground(disparity: np.ndarray, below: np.ndarray) -> tuple[float, float, float]:
    """Fit a plane to the disparity of the present ground.

    It is fitted to a low quantile of the disparities at each distance below the horizon, in three parts of the photo's
    width. Objects on the ground are nearer and lie above the quantile.

    Args:
        disparity: (H, W) float32.
        below: (H, W) px below the horizon.

    Returns:
        Disparity per px to the right of the middle, per px below the horizon, and at the horizon's middle.
    """
    step = max(1, round(np.sqrt(below.size / 2e5)))
    thin, values = below[::step, ::step], disparity[::step, ::step]
    ends = np.linspace(0, float(below.max()), GROUND_BINS + 1)
    third = (np.arange(values.shape[1]) * 3 // values.shape[1])[None]
    number = np.where(thin > 0, (np.digitize(thin, ends) - 1).clip(0, GROUND_BINS - 1) * 3 + third, 3 * GROUND_BINS)
    order = np.argsort(number, axis=None, kind="stable")
    starts = np.searchsorted(number.ravel()[order], np.arange(1, 3 * GROUND_BINS + 1))
    bins = np.split(values.ravel()[order], starts)[:-1]
    ground = np.array([np.quantile(own, GROUND_QUANTILE) if len(own) > 4 else 0 for own in bins])
    middle = (np.arange(3 * GROUND_BINS) % 3 - 1) * disparity.shape[1] / 3
    terms = np.stack([middle, (ends[:-1] + ends[1:]).repeat(3) / 2, np.ones(3 * GROUND_BINS)], 1)
    seen = ground > 2 / FARTHEST
    if seen.sum() < 6:
        return 0.0, 0.0, float(values.mean())
    across, down, level = _fit(terms[seen], ground[seen]).tolist()
    return across, down, level
