"""What the user says about whole areas of the photo: the ground's horizon, planes, what stands upright, the sky.

Input: disparity and the strokes of these kinds. Output: disparity, and the areas that outlines mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from .data import FARTHEST, Photo, Stroke
from .hints import fill

SNAP = 0.012  # of the longer side; an outline's edge is looked for so near to where it was drawn
FIT_SAMPLES = 4000  # pixels that a plane is fitted to
ROUNDS = 8  # of a robust fit
BINS = 64  # distances below the horizon at which the ground's disparity is looked at
GROUND = 0.3  # quantile of disparity at a distance below the horizon that is the ground's: what stands there is nearer
STANDS = (1.1, 1.6)  # times nearer than the ground behind it: from which on something stands, and surely stands
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
            area = snapped(fill(stroke.points, disparity.shape), disparity, photo.color)
            if not area.any():
                continue
            disparity = np.where(area, np.maximum(shape(disparity, area, line), 1 / FARTHEST), disparity).astype(np.float32)
            number[area] = number.max() + 1
            sky = sky | area if kind == "depth_sky" else sky & ~area
    return disparity, number, sky


# Outlines


def snapped(mask: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Move an outline to the edges of the photo and of its depth near by, and to the photo's border.

    Args:
        mask: (H, W) bool, as drawn.
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) bool. Where there is no edge near by, the outline as drawn.

    Source: Meyer's flooding (1992) from what is surely inside and surely outside; the band of doubt is ours.
    """
    if not mask.any() or mask.all():
        return mask
    reach = max(2, round(SNAP * max(mask.shape)))
    rows, columns = (slice(max(0, at.min() - 3 * reach), at.max() + 3 * reach + 1) for at in np.nonzero(mask))
    inside, outside = (_from_edge(part[rows, columns], reach) for part in (mask, ~mask))
    markers = np.where(inside > min(reach, 0.4 * inside.max()), 1, 0).astype(np.int32)
    markers[outside > min(reach, 0.4 * outside.max())] = 2
    if not (markers == 2).any():
        return mask
    flooded = cv2.watershed(_edges(disparity[rows, columns], color[rows, columns]), markers)
    flooded = cv2.medianBlur((flooded == 1).astype(np.uint8) * 255, 2 * (reach // 4) + 3) > 0
    found = mask.copy()
    found[rows, columns] = np.where(markers > 0, markers == 1, flooded) if (markers == 0).any() else flooded
    return found


def _from_edge(mask: np.ndarray, reach: int) -> np.ndarray:
    """(h, w) px from where the mask ends; it goes on beyond the picture's border."""
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), reach + 2, reach + 2, reach + 2, reach + 2, cv2.BORDER_REPLICATE)
    return cv2.distanceTransform(wide, cv2.DIST_L2, cv2.DIST_MASK_5)[reach + 2 : -reach - 2, reach + 2 : -reach - 2]


def _edges(disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8, a picture with the edges of both: lightness, one axis of colour, logarithm of disparity."""
    soft = cv2.GaussianBlur(color, (0, 0), 1.0)
    depth = 1 + np.log(disparity.clip(1 / FARTHEST, 1)) / np.log(FARTHEST)
    channels = (soft.mean(-1), (soft[..., 0] - soft[..., 2]) / 2 + 0.5, depth)
    return np.ascontiguousarray(np.rint(np.stack(channels, -1).clip(0, 1) * 255), np.uint8)


# What stands in outlines


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
    columns, foot = columns[stands], foot[stands]
    gap = max(2, round(height / 200))
    ground = np.median([disparity[np.minimum(foot + step, height - 1), columns] for step in (gap, 2 * gap, 3 * gap)], 0)
    if np.ptp(columns) < 0.4 * (np.ptp(np.nonzero(area.any(0))[0]) + 1) or len(columns) < 8:
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


# The horizon


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

    The ground at each distance below the line takes the disparity that a plane has there. What stands on it goes
    with its foot: the ground that was as near as it is. What is no nearer than the ground was at the line gets far.
    """
    lowest = float(below.max())
    if lowest < 2:  # no ground in the photo: all of it lies above the horizon
        return np.full_like(disparity, 1 / FARTHEST)
    distance, present = _present_ground(disparity, below)
    slope = float(_fit(distance[:, None], present)[0])
    slope = slope if slope > 0 else float(np.median(present / distance))
    ground = np.interp(below, distance, present)
    plane = np.maximum(slope * below, 1 / FARTHEST)
    relief = disparity / ground
    rising, place = present * (1 + 1e-6 * np.arange(len(present))), slope * distance  # interp needs them to rise
    stood = np.interp(disparity, [0, *rising], [0, *place])
    stood = np.where(disparity > rising[-1], disparity * place[-1] / rising[-1], stood)
    part = np.clip((relief - STANDS[0]) / (STANDS[1] - STANDS[0]), 0, 1)
    part = part * part * (3 - 2 * part)
    part = np.where(below > 0, part, 1)  # nothing above it is ground
    mixed = (1 - part) * plane * relief.clip(0.5, STANDS[1]) + part * stood
    far = np.clip(disparity, 1 / FARTHEST, 2 / FARTHEST)
    above = (below <= 0) & (disparity <= present[0] * STANDS[0])
    return np.where(above, np.minimum(far, disparity), np.maximum(mixed, 1 / FARTHEST)).astype(np.float32)


def _present_ground(disparity: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) px below the line and (N,) disparity that the ground has there now, which does not fall."""
    step = max(1, round(np.sqrt(below.size / 2e5)))
    thin, values = below[::step, ::step], disparity[::step, ::step]
    ends = np.linspace(0, 1, BINS + 1) ** 1.5 * float(below.max())
    number = np.digitize(thin, ends) - 1
    order = np.argsort(number, axis=None, kind="stable")
    starts = np.searchsorted(number.ravel()[order], np.arange(BINS + 1))
    distance, ground = [], []
    for n in range(BINS):
        own = values.ravel()[order[starts[n] : starts[n + 1]]]
        if len(own) > 4:
            distance.append((ends[n] + ends[n + 1]) / 2)
            ground.append(np.quantile(own, GROUND))
    if not distance:
        return np.array([float(below.max())]), np.array([float(values[thin > 0].mean()) if (thin > 0).any() else 1.0])
    return np.array(distance), np.maximum.accumulate(ground)
