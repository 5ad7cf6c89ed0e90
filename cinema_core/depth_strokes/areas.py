"""What the user says about whole areas of the photo: the ground's horizon, planes, what stands upright, the sky.

Input: disparity and the strokes of these kinds. Output: disparity, and the areas that outlines mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..image.polyline import fill_polygon
from ..shared.data import FARTHEST, Photo, Stroke

SNAP = 0.015  # of the longer side; an outline's edge is looked for so near to where it was drawn
FIT_SAMPLES = 4000  # pixels that a plane is fitted to
ROUNDS = 8  # of a robust fit
FOOTED = 0.4  # share of its columns that touch the ground, below which a thing stands on a post, as a tree does
BINS = 40  # distances below the horizon at which the ground's disparity is looked at
GROUND = 0.3  # quantile of disparity at a distance below the horizon that is the ground's: what stands there is nearer
STANDS = (0.02, 0.08)  # disparity beyond the ground's in which something may stand on it, and surely stands
SOLID = (0.02, 0.05)  # disparity above the horizon that may be no sky, and surely is none
LEAST_SLOPE = 0.2  # of the wanted ground's; a flatter present one says nothing of where things stand
CROOKED = 0.04  # of the photo's height; horizons that lie farther from one line than this say different things
Warn = Callable[[str], None]


def apply_areas(
    disparity: np.ndarray, strokes: Sequence[Stroke], photo: Photo, warn: Warn
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Apply horizon, flat, upright and sky.

    Args:
        disparity: (H, W) float32.
        strokes: Of the kinds "horizon", "flat", "upright" and "depth_sky"; others are left alone.
        photo: The working photo.
        warn: Told, in one sentence each, what could not be done.

    Returns:
        (H, W) float32 disparity, at least 1/FARTHEST, perhaps over 1; (H, W) int32, number of the area that each
        pixel lies in from 1 on, 0 for none; (H, W) bool, the drawn sky.
    """
    line = _horizon_line([stroke for stroke in strokes if stroke.kind == "horizon"], photo, warn)
    if line is not None:
        disparity = _with_horizon(disparity, _below(line, disparity.shape))
    number = np.zeros(disparity.shape, np.int32)
    sky = np.zeros(disparity.shape, bool)
    for kind, shape in (("flat", _flat), ("upright", _upright), ("depth_sky", _sky)):
        for stroke in (stroke for stroke in strokes if stroke.kind == kind):
            area = snap_to_edges(fill_polygon(stroke.points, disparity.shape), disparity, photo.color)
            if not area.any():
                continue
            area = _to_the_sky(area, disparity) if kind == "depth_sky" else area
            disparity = np.where(area, np.maximum(shape(disparity, area, line), 1 / FARTHEST), disparity).astype(
                np.float32
            )
            number[area] = number.max() + 1
            sky = sky | area if kind == "depth_sky" else sky & ~area
    return disparity, number, sky


def snap_to_edges(mask: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Move an outline to the edges of the photo and of its depth near by, and to the photo's border.

    Args:
        mask: (H, W) bool, as drawn.
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) bool. Where there is no edge near by, the outline about as drawn.

    Source: Meyer's flooding (1992) from what is surely inside and surely outside; the bands of doubt, first a wide one
        for what is seen from afar, then a narrow one, are ours.
    """
    if not mask.any() or mask.all():
        return mask
    reach = max(2, round(SNAP * max(mask.shape)))
    rows, columns = (slice(max(0, at.min() - 3 * reach), at.max() + 3 * reach + 1) for at in np.nonzero(mask))
    part = mask[rows, columns]
    for wide in (reach, max(2, reach // 4)):
        part = _flooded(part, disparity[rows, columns], color[rows, columns], wide)
    found = mask.copy()
    found[rows, columns] = part
    return found


def _flooded(mask: np.ndarray, disparity: np.ndarray, color: np.ndarray, reach: int) -> np.ndarray:
    """(h, w) bool: the mask with its edge moved by up to about `reach` px."""
    markers = np.zeros(mask.shape, np.int32)
    for number, part in ((1, mask), (2, ~mask)):
        deep = _from_edge(part, reach)
        thick = cv2.dilate(deep, np.ones((2 * reach + 1,) * 2, np.uint8))  # thin parts are sure in their middle
        markers[deep > np.minimum(reach, 0.5 * thick)] = number
    if not (markers == 1).any() or not (markers == 2).any():
        return mask
    flooded = cv2.watershed(_edges(disparity, color, max(0.7, reach / 6)), markers.copy())
    flooded = cv2.medianBlur((flooded == 1).astype(np.uint8) * 255, min(2 * (reach // 3) + 3, 31))
    flooded = cv2.GaussianBlur(flooded, (0, 0), reach / 3) > 127  # texture is no outline
    return np.where(markers > 0, markers == 1, flooded)


def _from_edge(mask: np.ndarray, reach: int) -> np.ndarray:
    """(h, w) px from where the mask ends; it goes on beyond the picture's border."""
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), reach + 2, reach + 2, reach + 2, reach + 2, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(wide, cv2.DIST_L2, cv2.DIST_MASK_5)[reach + 2 : -reach - 2, reach + 2 : -reach - 2]


def _edges(disparity: np.ndarray, color: np.ndarray, sigma: float) -> np.ndarray:
    """(h, w, 3) uint8, a picture with the edges of both: lightness, one axis of colour, logarithm of disparity."""
    soft = cv2.GaussianBlur(color, (0, 0), sigma)
    depth = 1 + np.log(disparity.clip(1 / FARTHEST, 1)) / np.log(FARTHEST)
    channels = (soft.mean(-1), (soft[..., 0] - soft[..., 2]) / 2 + 0.5, depth)
    return np.ascontiguousarray(np.rint(np.stack(channels, -1).clip(0, 1) * 255), np.uint8)


def _to_the_sky(area: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """A drawn sky with the strip, if narrow, that a hand left between it and what is as far."""
    reach = max(2, round(SNAP * max(area.shape)))
    far = area | (disparity < 1.5 / FARTHEST)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    closed = cv2.morphologyEx(far.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    return area | (closed & ~far & (cv2.dilate(area.astype(np.uint8), kernel) > 0))


def _flat(disparity: np.ndarray, area: np.ndarray, line: np.ndarray | None) -> np.ndarray:
    """(H, W) disparity of the plane in the world that fits the area best; it vanishes at the horizon's line, if any.

    A plane's disparity is linear in px.
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


def _upright(disparity: np.ndarray, area: np.ndarray, line: np.ndarray | None) -> np.ndarray:
    """(H, W) disparity of what stands on the ground at the area's lower edge: even, or a vertical plane."""
    height, width = disparity.shape
    columns = np.flatnonzero(area.any(0))
    foot = height - 1 - np.argmax(area[::-1, columns], 0)  # lowest row of each column
    tall = np.ptp(np.nonzero(area.any(1))[0]) + 1
    stands = foot >= _lower_hull(columns, foot) - max(1.5, 0.03 * tall)
    post = stands.mean() < FOOTED
    if post:  # it overhangs on both sides
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
    """(N,) rows of the tightest line round the feet from below; rows grow downward."""
    hull = []
    for place in zip(columns.tolist(), foot.tolist()):
        while len(hull) > 1 and _turns_up(hull[-2], hull[-1], place):
            hull.pop()
        hull.append(place)
    return np.interp(columns, *np.array(hull, float).T)


def _turns_up(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) >= 0


def _sky(disparity: np.ndarray, area: np.ndarray, line: np.ndarray | None) -> np.ndarray:
    return np.full(disparity.shape, 1 / FARTHEST)


def _samples(area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of some pixels of the area, evenly taken, away from its edge where it is wide enough."""
    core = cv2.erode(area.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1) > 0
    y, x = np.nonzero(core if core.any() else area)
    step = max(1, len(y) // FIT_SAMPLES)
    return y[::step], x[::step]


def _fit(terms: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(K,) factors of the terms, (N, K), that fit most values, (N,) (iterated least squares, Geman-McClure)."""
    weight = np.ones(len(values))
    for _ in range(ROUNDS):
        root = np.sqrt(weight)
        found = np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0]
        off = np.abs(values - terms @ found)
        scale = max(1.5 * float(np.median(off)), 1e-4)
        weight = 1 / (1 + np.square(off / scale)) ** 2
    return found


def _horizon_line(strokes: Sequence[Stroke], photo: Photo, warn: Warn) -> np.ndarray | None:
    """(2,) slope and row at column 0 of one straight line through all horizons; None without any that runs across."""
    points = [_dense(stroke.points) for stroke in strokes]
    across = [p for p in points if np.ptp(p[:, 0]) > max(2.0, np.ptp(p[:, 1]))]
    if len(across) < len(points):
        warn("A horizon was drawn that runs downward and was left out; draw it across the photo")
    if not across:
        return None
    x, y = np.concatenate(across).T
    slope = 0.0
    if np.ptp(x) > 0.1 * photo.width:  # a shorter one says where, but hardly how it is tilted
        slope, _ = _fit(np.stack([x, np.ones(len(x))], 1), y)
    level = float(np.median(y - slope * x))
    if np.median(np.abs(y - slope * x - level)) > CROOKED * photo.height:
        warn("The horizons do not lie on one straight line; the line between them was taken")
    return np.array((slope, level))


def _dense(points: np.ndarray) -> np.ndarray:
    """(N, 2) px at even steps, so that a slow hand does not count for more."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points.astype(np.float64), axis=0), axis=1))])
    places = np.linspace(0, along[-1], 100)
    return np.stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)], 1)


def _below(line: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) px below the line, negative above it."""
    rows, columns = (np.arange(n) + 0.5 for n in shape)
    return rows[:, None] - line[0] * columns[None] - line[1]


def _with_horizon(disparity: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Disparity with a ground that vanishes at the horizon; near ground stays as it is.

    The plane that fits the present ground is taken to the one through the line by a factor, an offset and a tilt of
    disparity, which keep all planes planes. So what stands on the ground goes with its foot, and nothing is torn.
    """
    if below.max() < 2:  # no ground in the photo: all of it lies above the horizon
        return np.full_like(disparity, 1 / FARTHEST)
    columns = np.arange(disparity.shape[1]) + 0.5 - disparity.shape[1] / 2
    across, down, level = _present_ground(disparity, below)
    lowest = float(below.max())
    slope = max(down + level / lowest, 0.1 / lowest)  # the same disparity at the lower border
    present = np.maximum(across * columns + down * below + level, 1 / FARTHEST)
    steady = max(down, LEAST_SLOPE * slope)
    factor = slope / steady
    moved = factor * (disparity - across * columns - (slope - steady) * lowest)
    rises = disparity - present
    stands = _rise(rises, *STANDS)
    ground = (1 - stands) * (np.maximum(slope * below, 1 / FARTHEST) + factor * rises) + stands * moved
    solid = _rise(disparity, *SOLID)
    above = (1 - solid) * np.minimum(disparity, 1 / FARTHEST) + solid * moved
    return np.maximum(np.where(below > 0, ground, above), 1 / FARTHEST).astype(np.float32)


def _rise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on, smooth in between."""
    part = np.clip((values - low) / (high - low), 0, 1)
    return part * part * (3 - 2 * part)


def _present_ground(disparity: np.ndarray, below: np.ndarray) -> tuple[float, float, float]:
    """The plane that fits the ground below the line: per px from the middle across, per px below the line, and there.

    Looked for in what is farther at each distance below the line, in three parts of the photo's width: what is nearer
    stands on the ground.
    """
    step = max(1, round(np.sqrt(below.size / 2e5)))
    thin, values = below[::step, ::step], disparity[::step, ::step]
    ends = np.linspace(0, float(below.max()), BINS + 1)
    third = (np.arange(values.shape[1]) * 3 // values.shape[1])[None]
    number = np.where(thin > 0, (np.digitize(thin, ends) - 1).clip(0, BINS - 1) * 3 + third, 3 * BINS)
    order = np.argsort(number, axis=None, kind="stable")
    bins = np.split(values.ravel()[order], np.searchsorted(number.ravel()[order], np.arange(1, 3 * BINS + 1)))[:-1]
    ground = np.array([np.quantile(own, GROUND) if len(own) > 4 else 0 for own in bins])
    middle = (np.arange(3 * BINS) % 3 - 1) * disparity.shape[1] / 3
    terms = np.stack([middle, (ends[:-1] + ends[1:]).repeat(3) / 2, np.ones(3 * BINS)], 1)
    seen = ground > 2 / FARTHEST
    if seen.sum() < 6:
        return 0.0, 0.0, float(values.mean())
    return tuple(_fit(terms[seen], ground[seen]).tolist())
