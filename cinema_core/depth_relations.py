"""What the user says of one thing against another: as far as, nearer than, farther than where a stroke starts.

Input: disparity, the photo, strokes. Output: a factor on disparity, 1 far from what the strokes run over.

The photo is parted into small segments along its edges and its depth's. The logarithm of the factor is sought on them
by least squares: even within a thing, free to jump at an edge, none in what looks unlike anything under a stroke, and
such that every stroke is right. A factor keeps a thing's shape: it is the same, at another distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from .data import FARTHEST, Photo, Stroke
from .hints import resampled

SIDE = 480  # px, longer side of what is parted into segments
CELL = 8  # px of it, between the seeds of two segments
STEP, LEAST = 0.18, 0.03  # a clear step: of the logarithm of disparity, and of disparity
START = 0.05  # of a stroke's length is its start
WIDE, PASSED = 0.1, 0.65  # of the photo; an even surface so wide is not meant where a stroke has less than this of it
OTHER = 0.3  # of a stroke's samples that must look unlike its start, for those alone to be meant
WAY = 0.25  # of a stroke; so far it may still be on what it starts on, if that is a little alike
DEEPEST = 0.25  # relief, of it, that is believed in what has to move
LATER = 0.4  # of a stroke along one surface is the way there
RELIEF = (0.05, 0.15)  # of the logarithm of disparity along a thing: it is so deep; more, and it leans. For "as far", else
# Differences that count as such: colours (L, a and b over 100) at an edge and from a stroke, logarithms of disparity.
COLOR, ROUGHEST, UNLIKE, DEPTH = 0.06, 0.15, 0.07, 1.0
SKY = float(np.log(1.5 / FARTHEST))  # logarithm of disparity; what is farther is sky
FAR = 0.05  # disparity; what is farther is all about as far
JUMP, JUMP_SHARE = 0.015, 0.08  # of disparity at an edge: so much, and of the nearer side
AWAY = 0.3  # of the longer side; so far from a stroke likeness counts for less
# Weights, of squares summed over segments.
EDGE, ALIKE, HOLD, LOOSE, DRAWN, PINNED, ANCHOR = 1e-4, 0.3, 2.0, 2e-5, 1000.0, 1000.0, 0.1
CLEAR, SURE = 0.35, 0.75  # likeness up to which a segment is held, and from which on it is loose
HOLE = 0.2  # of what is meant; an odd part in the midst of it, if smaller, is meant too
STEEPER = 1.5  # times at most that steps of disparity within a thing grow, when it comes nearer
WRONG, STEEP = 0.4, 0.1  # a thing that lacks so much has a wrong depth, not a relief, which is not so steep per segment
SMALLEST = 0.012  # a smaller logarithm of the factor is none
EVEN = 0.2  # of the widest difference of the logarithm; smaller ones are smoothed
SEEN = 0.03  # differences of it from which the photo's edges are looked for
REACH = 2  # px of the small photo; an edge's exact place is looked for within it
SHARED = 0.2  # of what is under one stroke; two that have so much in common are about one thing
ROUNDS = 4  # of finding which strokes ask for anything
MISSED = 0.4  # of what a stroke asks for, from which it counts as contradicted


@dataclass(frozen=True, eq=False)
class _Segments:
    """Segments of the small photo; n of them.

    Attributes:
        labels: (h, w) int32, 0..n - 1.
        disparity: (h, w) float32.
        look: (h, w, 3), L, a and b over 100.
        color: (n, 3), mean of it.
        size: (n,), px.
        depth: (n,), mean logarithm of disparity.
        place: (n, 2), px of the small photo, its middle.
        area: (n,), number of the drawn area that it is, 0 for none.
        link: (L, 2), segments side by side.
        length: (L,), px that they touch along.
        apart: (L,), difference of colour.
        jump: (L,), difference of disparity where they touch, over what counts as a jump.
    """

    labels: np.ndarray
    disparity: np.ndarray
    look: np.ndarray
    color: np.ndarray
    size: np.ndarray
    depth: np.ndarray
    place: np.ndarray
    area: np.ndarray
    link: np.ndarray
    length: np.ndarray
    apart: np.ndarray
    jump: np.ndarray


@dataclass(frozen=True, eq=False)
class _Demand:
    """What one stroke asks of one thing.

    Attributes:
        stroke: Number of the stroke.
        start: (s,) segments where the stroke starts.
        left: (l,) segments under the stroke that are not meant.
        over: (m,) segments of the thing under the stroke.
        share: (m,) of the stroke's samples.
        need: (m,), what is missing to their logarithms of disparity, before anything moves.
        bound: Lowest and highest logarithm of disparity that it asks for.
        sense: 1 at least, -1 at most, 0 just so much.
        along: True where thing and start are one surface.
    """

    stroke: int
    start: np.ndarray
    left: np.ndarray
    over: np.ndarray
    share: np.ndarray
    need: np.ndarray
    bound: tuple[float, float]
    sense: int
    along: bool


def relate(
    disparity: np.ndarray, strokes: Sequence[Stroke], photo: Photo, areas: np.ndarray, sky: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Solve for the factor on disparity.

    Args:
        disparity: (H, W) float32.
        strokes: Of the kinds "same_depth", "nearer" and "farther".
        photo: The working photo.
        areas: (H, W) int32, from 1 on: what moves as a whole whatever it looks like; 0 elsewhere.
        sky: (H, W) bool, what does not move at all.

    Returns:
        (H, W) float32 factor, exactly 1 where nothing is asked; numbers of the strokes that others contradict.

    Source: Grady, "Random walks for image segmentation", 2006, for labels that spread over a weighted graph; Barron and
        Poole, "The fast bilateral solver", 2016, for few values on few vertices in place of many pixels; Rzeszutek et
        al., 2011, for depth from scribbles by them. The relations, and what holds the rest, are ours.
    """
    segments = _part(disparity, photo.color, areas)
    demands = [demand for n, stroke in enumerate(strokes) for demand in _demands(n, stroke, segments, photo)]
    if not demands:
        return np.ones_like(disparity), []
    held = np.unique(segments.labels[_small(sky.astype(np.uint8), segments.labels.shape) > 0])
    change, missed = _solve(segments, demands, held)
    if not (np.abs(change) > SMALLEST).any():
        return np.ones_like(disparity), missed
    large, mean = _to_pixels(change, segments, disparity, photo.color, areas)
    low, high = _bounds(change, demands)
    depth = np.log(disparity)
    large += (1 - np.minimum(1, STEEPER * np.exp(-large))) * (mean - depth)
    return np.exp(np.clip(large, np.minimum(low - depth, 0), np.maximum(high - depth, 0))), missed


# Segments


def _part(disparity: np.ndarray, color: np.ndarray, areas: np.ndarray) -> _Segments:
    scale = min(1.0, SIDE / max(disparity.shape))
    height, width = (max(4, round(side * scale)) for side in disparity.shape)
    image = cv2.resize(color, (width, height), interpolation=cv2.INTER_AREA)
    small = _small(disparity, (height, width))
    drawn = _small(areas, (height, width))
    labels = _joined(_split(_flood(image), np.log(small)), drawn)
    count = int(labels.max()) + 1
    size = np.bincount(labels.ravel(), minlength=count)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), values.ravel(), count) / size

    look = _lab(image)
    colors = np.stack([mean(look[..., channel]) for channel in range(3)], 1)
    rows, columns = np.mgrid[:height, :width] + 0.5
    link, length, jump = _links(labels, small, count)
    apart = np.linalg.norm(colors[link[:, 0]] - colors[link[:, 1]], axis=1)
    place = np.stack([mean(columns), mean(rows)], 1)
    area = np.zeros(count, np.int32)
    area[labels.ravel()] = drawn.ravel()
    return _Segments(labels, small, look, colors, size, mean(np.log(small)), place, area, link, length, apart, jump)


def _small(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.resize(values, shape[::-1], interpolation=cv2.INTER_NEAREST)  # depth's edges are steps, and stay so


def _flood(image: np.ndarray) -> np.ndarray:
    """(h, w) int32 from 0 on: the segment of every pixel, grown from seeds where the photo is even, up to its edges."""
    height, width = image.shape[:2]
    eight = np.ascontiguousarray(np.rint(image.clip(0, 1) * 255), np.uint8)
    eight = cv2.copyMakeBorder(cv2.GaussianBlur(eight, (0, 0), 0.7), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    markers = np.zeros(eight.shape[:2], np.int32)
    rows, columns = (np.arange(min(CELL, side) // 2, side, CELL) + 1 for side in (height, width))
    markers[np.ix_(rows, columns)] = np.arange(1, len(rows) * len(columns) + 1).reshape(len(rows), -1)
    labels = cv2.watershed(eight, markers)[1:-1, 1:-1]
    return _without_ridges(labels, eight[1:-1, 1:-1].astype(np.int16))


def _without_ridges(labels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Give the pixels between two segments to the one beside them that looks most alike."""
    labels = labels.copy()
    while (labels < 1).any():
        y, x = np.nonzero(labels < 1)
        best, found = np.full(len(y), 1 << 20), np.zeros(len(y), labels.dtype)
        for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            row, column = (y + down).clip(0, labels.shape[0] - 1), (x + across).clip(0, labels.shape[1] - 1)
            cost = np.abs(image[y, x] - image[row, column]).sum(1) + (labels[row, column] < 1) * (1 << 21)
            found = np.where(cost < best, labels[row, column], found)
            best = np.minimum(best, cost)
        labels[y, x] = found
    return labels - 1


def _split(labels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Part the segments that lie across a jump of depth, half-way up."""
    count = int(labels.max()) + 1
    high, low = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(high, labels.ravel(), depth.ravel())
    np.minimum.at(low, labels.ravel(), depth.ravel())
    near = (depth > ((high + low) / 2)[labels]) & ((high - low > JUMP_SHARE)[labels])
    return labels + near * count


def _joined(labels: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """One segment for each drawn area, and numbers without gaps."""
    labels = np.where(areas > 0, labels.max() + 1 + areas, labels)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def _links(labels: np.ndarray, disparity: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(L, 2) segments side by side, (L,) px that they touch along, (L,) jumps of disparity there."""
    keys, jumps = [], []
    for axis in (0, 1):
        (one, other), (near, far) = ((np.delete(v, -1, axis), np.delete(v, 0, axis)) for v in (labels, disparity))
        across = one != other
        one, other, near, far = (values[across] for values in (one, other, near, far))
        keys.append(np.minimum(one, other).astype(np.int64) * count + np.maximum(one, other))
        jumps.append(np.abs(near - far) / (JUMP + JUMP_SHARE * np.maximum(near, far)))
    keys, which, length = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    jump = np.bincount(which, np.concatenate(jumps), len(keys)) / length
    return np.stack([keys // count, keys % count], 1), length, jump


# Demands


def _demands(number: int, stroke: Stroke, segments: _Segments, photo: Photo) -> list[_Demand]:
    """What a stroke asks for, one demand for each thing that it runs over."""
    height, width = segments.labels.shape
    scale = np.array((width / photo.width, height / photo.height))
    pixels, _, _ = resampled(np.clip(stroke.points, -1e5, 1e5) * scale, False, 1.0)
    pixels = pixels[((pixels >= 0) & (pixels < (width, height))).all(1)].astype(int)
    if len(pixels) < 4:
        return []
    along = segments.labels[pixels[:, 1], pixels[:, 0]]
    depth = np.log(segments.disparity[pixels[:, 1], pixels[:, 0]])
    first = max(2, round(START * len(pixels)))
    start, level = np.unique(along[:first]), float(np.median(depth[:first]))
    other = ~_left_behind(segments, start, along, depth)
    other[:first] = False
    other &= ~_crossed(segments, along, depth, other)
    one = other.mean() < OTHER
    if one:  # start and end are one surface, or look so
        other = np.arange(len(along)) >= (first if stroke.kind == "same_depth" else LATER * len(along))
    sense = {"same_depth": 0, "nearer": 1, "farther": -1}[stroke.kind]
    demands = []
    for run in _runs(np.flatnonzero(other), depth):
        need = _need(sense, stroke.speed, level, depth[run], pixels[run])
        over, which, count = np.unique(along[run], return_inverse=True, return_counts=True)
        bound = tuple(np.quantile(depth[run] + need, (0.05, 0.95)).tolist())
        need = np.bincount(which, need) / count
        left = np.setdiff1d(along[~other], over)
        demands.append(_Demand(number, start, left, over, count / other.sum(), need, bound, sense, one))
    return demands


def _left_behind(segments: _Segments, start: np.ndarray, along: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(N,) bool: samples on the surface that the stroke starts on: it is what things are compared with, not a thing.

    That is what hangs together with the start by colour and depth, and the way to the first jump of depth, if short.
    """
    color = np.square(segments.color[:, None] - segments.color[start]).sum(-1).min(1) / UNLIKE**2
    parts = _surfaces(segments, (color < 1)[segments.link].all(1))
    behind = np.isin(parts, parts[start])[along]
    near = np.exp(np.maximum(depth[1:], depth[:-1]))
    jumps = np.flatnonzero(np.abs(np.diff(np.exp(depth))) > 2 * (JUMP + JUMP_SHARE * near))
    way = int(jumps[0]) + 1 if len(jumps) else len(along)
    if way <= 0.5 * len(along):
        behind[:way] = True
    behind[: int(WAY * len(along))] |= (color < 4)[along[: int(WAY * len(along))]]
    return behind


def _crossed(segments: _Segments, along: np.ndarray, depth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) bool: samples on the sky and on wide even ground or water, on the way to the thing that is meant."""
    usual = np.clip(2 * np.median(segments.apart), UNLIKE / 2, UNLIKE)
    parts = _surfaces(segments, segments.apart < usual)
    wide = np.bincount(parts, segments.size)[parts] > WIDE * segments.size.sum()
    crossed = np.zeros(len(along), bool)
    for part in (wide[along] & (parts[along] != parts[along[-1]]), depth < SKY):
        if (other & part).sum() < PASSED * other.sum():
            crossed |= part
    return crossed


def _surfaces(segments: _Segments, joined: np.ndarray) -> np.ndarray:
    """(n,) numbers of the surfaces that segments make up over those links that are joined, no jump, and in no outline."""
    one, other = segments.link[joined & (segments.jump < 1) & (segments.area[segments.link] == 0).all(1)].T
    graph = sparse.coo_matrix((np.ones(len(one)), (one, other)), (len(segments.size),) * 2)
    return connected_components(graph, directed=False)[1]


def _runs(samples: np.ndarray, depth: np.ndarray) -> list[np.ndarray]:
    """Samples of each thing: those between jumps of depth."""
    if not len(samples):
        return []
    near = np.exp(np.maximum(depth[samples[1:]], depth[samples[:-1]]))
    jump = np.abs(np.diff(np.exp(depth[samples]))) > 2 * (JUMP + JUMP_SHARE * near)
    return np.split(samples, np.flatnonzero(jump) + 1)


def _need(sense: int, speed: float, level: float, depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) what a thing's logarithms of disparity lack: even where it has relief, more where it leans away."""
    trend = np.full(len(depth), np.median(depth))
    spread = np.ptp(pixels, axis=0).max()
    if len(depth) > 20 and spread > 5:
        terms = np.column_stack([np.ones(len(depth)), (pixels - pixels.mean(0)) / spread])
        squares = terms.T @ terms + np.diag([0, 1, 1]) * 0.01 * len(depth)
        lean = terms @ np.linalg.solve(squares, terms.T @ depth) - trend
        trend += np.sign(lean) * np.maximum(np.abs(lean) - RELIEF[abs(sense)], 0)
    step = speed * max(STEP, float(np.log1p(LEAST / np.exp(level)))) if sense else 0.0
    need = level + sense * step - trend
    off = depth + need - (level + sense * step)  # what sticks out by more is no relief
    need += np.clip(off, -DEEPEST, DEEPEST) - off
    return sense * np.maximum(sense * need, 0) if sense else need


# The solve


def _solve(segments: _Segments, demands: Sequence[_Demand], held: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """(n,) logarithm of the factor, and the strokes that others contradict."""
    count = len(segments.depth)
    each, texture = _likeness(segments, demands)
    like = each.max(0)
    demands, contradicted = _reconciled(demands, each)
    hold = _held(segments, demands, each)
    hold[held] = 1e6
    one, other = segments.link.T
    even = np.exp(-np.square(segments.jump) / 2)
    bond = np.exp(-np.square(segments.apart / (texture[one] + texture[other])) * 2)
    bond = np.maximum(bond, ALIKE * (like[one] * like[other]) ** 2)
    wrong = [demand.sense == 0 or np.median(np.abs(demand.need)) > WRONG for demand in demands]
    same = each[wrong].max(0, initial=0)
    steep = np.exp(-np.square((segments.depth[one] - segments.depth[other]) / STEEP) / 2)
    torn = (same[one] * same[other]) ** 2 * (1 - even * steep)  # differences of depth that should not be
    still = sparse.diags(hold) + _graph(segments, EDGE + (1 - EDGE) * bond * even * (1 - torn))
    torn = _graph(segments, bond * torn)
    rows = [_rows(demand, count) for demand in demands]
    active = [_asks(demand, demand.need) for demand in demands]
    change = np.zeros(count)
    for _ in range(ROUNDS):
        change = _least_squares(still + torn, -torn @ segments.depth, [row for row, on in zip(rows, active) if on], demands, active)
        lacking = [demand.need - row @ change for demand, row in zip(demands, rows)]
        now = [on or _asks(demand, lack) for on, demand, lack in zip(active, demands, lacking)]
        if now == active:
            break
        active = now
    return change, contradicted


def _held(segments: _Segments, demands: Sequence[_Demand], each: np.ndarray) -> np.ndarray:
    """(n,) weight of staying as it is: little on what is meant, much where strokes start, but if others move that."""
    like = each.max(0)
    hold = LOOSE + HOLD * np.clip((SURE - like) / (SURE - CLEAR), 0, 1) ** 2
    hold[(segments.depth < SKY) & (like == 0)] = 1e6
    for demand in demands:
        others = [other.stroke != demand.stroke for other in demands]
        moves = each[others][:, demand.start].max(initial=0) > CLEAR
        hold[demand.start] = np.maximum(hold[demand.start], ANCHOR if moves else PINNED)
    return hold


def _asks(demand: _Demand, lacking: np.ndarray) -> bool:
    """Whether anything is missing: less than asked for is enough for "at least" and "at most" only one way."""
    return demand.sense == 0 or demand.sense * float(demand.share @ lacking) > 0.05 * STEP * demand.share.sum()


def _rows(demand: _Demand, count: int) -> sparse.csr_matrix:
    """(m, n): what each segment under the stroke moves by, beyond the start."""
    m, s = len(demand.over), len(demand.start)
    values = np.r_[np.ones(m), np.full(m * s, -1 / s)]
    where = (np.r_[np.arange(m), np.repeat(np.arange(m), s)], np.r_[demand.over, np.tile(demand.start, m)])
    return sparse.csr_matrix((values, where), (m, count))


def _least_squares(
    still: sparse.spmatrix,
    wanted: np.ndarray,
    rows: list[sparse.csr_matrix],
    demands: Sequence[_Demand],
    active: Sequence[bool],
) -> np.ndarray:
    """(n,) the change that suits the segments by themselves and the demands that are active."""
    if not rows:
        return np.zeros(still.shape[0])
    drawn = sparse.vstack(rows)
    weight = DRAWN * np.concatenate([demand.share for demand, on in zip(demands, active) if on])
    need = np.concatenate([demand.need for demand, on in zip(demands, active) if on])
    matrix = (still + drawn.T @ drawn.multiply(weight[:, None])).tocsc()
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(
        wanted + drawn.T @ (weight * need)
    )


def _graph(segments: _Segments, bond: np.ndarray) -> sparse.csc_matrix:
    """(n, n), of which the square form is the sum of bond * length * difference^2 over all links."""
    count = len(segments.depth)
    weight = bond * segments.length / CELL
    one, other = segments.link.T
    links = sparse.coo_matrix((np.tile(weight, 2), (np.r_[one, other], np.r_[other, one])), (count, count))
    return (sparse.diags(np.asarray(links.sum(1)).ravel()) - links).tocsc()


def _likeness(segments: _Segments, demands: Sequence[_Demand]) -> tuple[np.ndarray, np.ndarray]:
    """(k, n) 0..1: how much every segment looks like what each demand is about, and unlike what it is not.

    And (n,) difference of colour that is no edge there: the more a thing has of it under the stroke, the more it may
    have anywhere.
    """
    like, texture = np.zeros((len(demands), len(segments.depth))), np.full(len(segments.depth), COLOR)
    longest = max(segments.labels.shape)
    for number, demand in enumerate(demands):
        own = segments.apart[np.isin(segments.link, demand.over).all(1)]
        usual = float(np.clip(np.median(own), COLOR, ROUGHEST)) if len(own) > 3 else COLOR
        meant = _kernel(segments, demand.over, UNLIKE * usual / COLOR)
        far = np.sqrt(np.square(segments.place[:, None] - segments.place[demand.over]).sum(-1).min(1)) / longest
        meant *= np.exp(-np.square(far / AWAY) / 2)
        if not demand.along:
            other = _kernel(segments, np.union1d(demand.start, demand.left), UNLIKE)
            meant *= np.minimum(meant / np.maximum(other, 1e-9), 1) ** 2
        sky = segments.depth < SKY
        if not sky[demand.over].any():
            meant[sky] = 0
        meant[demand.over] = 1
        meant = np.where(meant > 0, _among(segments, meant), 0)
        like[number] = _without_holes(segments, meant, demand.start)
        texture = np.maximum(texture, usual * meant)
    return like, texture


def _among(segments: _Segments, like: np.ndarray) -> np.ndarray:
    """(n,) likeness, of odd segments as high as that of those round them on the same surface."""
    one, other = segments.link.T
    weight = segments.length * np.exp(-np.square(segments.jump) / 2)
    for _ in range(2):
        total = np.bincount(one, weight * like[other], len(like)) + np.bincount(other, weight * like[one], len(like))
        share = np.bincount(one, weight, len(like)) + np.bincount(other, weight, len(like))
        like = np.maximum(like, total / np.maximum(share, 1e-9))
    return like


def _without_holes(segments: _Segments, like: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(n,) likeness, where small parts that hang together with nothing but what is like belong to it."""
    one, other = segments.link.T
    meant, smooth = like > SURE, segments.jump < 1
    inner = smooth & ~meant[one] & ~meant[other]
    graph = sparse.coo_matrix((np.ones(inner.sum()), (one[inner], other[inner])), (len(like),) * 2)
    count, part = connected_components(graph, directed=False)
    rim = smooth & (meant[one] != meant[other])
    touched = np.zeros(count, bool)
    touched[part[np.where(meant[one], other, one)[rim]]] = True
    size = np.bincount(part, segments.size, count)
    hole = touched & (size < HOLE * segments.size[meant].sum())
    hole[part[starts]] = False
    return np.where(hole[part] & ~meant, SURE, like)


def _kernel(segments: _Segments, some: np.ndarray, unlike: float) -> np.ndarray:
    color = np.square(segments.color[:, None] - segments.color[some]).sum(-1) / unlike**2
    far = np.log(np.exp(segments.depth) + FAR)
    depth = np.square((far[:, None] - far[some]) / DEPTH)
    return np.exp(-(color + depth).min(1) / 2)


def _bounds(change: np.ndarray, demands: Sequence[_Demand]) -> tuple[float, float]:
    """Lowest and highest logarithm of disparity that the strokes ask for: nothing has to move farther than that."""
    moved = [demand for demand in demands if np.abs(change[demand.over]).max() > SMALLEST]
    low = min((demand.bound[0] + change[demand.start].mean() for demand in moved), default=0.0)
    high = max((demand.bound[1] + change[demand.start].mean() for demand in moved), default=0.0)
    return low - RELIEF[0], high + RELIEF[0]


def _reconciled(demands: Sequence[_Demand], each: np.ndarray) -> tuple[list[_Demand], list[int]]:
    """Demands that can all be met, and numbers of the strokes that asked for something else.

    Things are taken as rigid: each demand is a difference of two of them, and the differences need not add up.
    """
    start, thing = _things(demands, each)
    own = np.flatnonzero([s != t and not d.along for s, t, d in zip(start, thing, demands)])
    need = np.array([float(np.median(demand.need)) for demand in demands])
    sense = np.array([demand.sense for demand in demands])
    rows = np.zeros((len(own), 2 * len(demands)))
    rows[np.arange(len(own)), thing[own]] += 1
    rows[np.arange(len(own)), start[own]] -= 1
    lack = need[own]
    for _ in range(ROUNDS):
        asked = (sense[own] == 0) | (sense[own] * lack > 1e-6)
        chosen = rows[asked]
        shift = np.linalg.solve(chosen.T @ chosen + 1e-4 * np.eye(rows.shape[1]), chosen.T @ need[own][asked])
        lack = need[own] - rows @ shift
    off = np.where(sense[own] == 0, np.abs(lack), sense[own] * lack)
    wrong = off > MISSED * STEP
    met = list(demands)
    for number, much in zip(own[wrong], lack[wrong]):
        met[number] = replace(met[number], need=met[number].need - much)
    return met, sorted({demands[number].stroke for number in own[wrong]})


def _things(demands: Sequence[_Demand], each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) numbers of what each demand starts on, and of what it is about; the same where those are one thing."""
    count = len(demands)
    same = np.zeros((2 * count, 2 * count), bool)
    for one, demand in enumerate(demands):
        for other, another in enumerate(demands):
            same[one, other] = np.isin(demand.start, another.start).any()
            same[one, count + other] = each[other, demand.start].mean() > SURE
            same[count + one, count + other] = demand.share[np.isin(demand.over, another.over)].sum() > SHARED * demand.share.sum()
        same[one, count + one] = False
    number = connected_components(sparse.coo_matrix(same), directed=False)[1]
    return number[:count], number[count:]


# Back to pixels


def _to_pixels(
    change: np.ndarray, segments: _Segments, disparity: np.ndarray, color: np.ndarray, areas: np.ndarray
) -> np.ndarray:
    """(2, H, W) float32: the change, and the mean logarithm of disparity round every pixel.

    Both are smooth within a thing, and step on the edges of the photo and of the present depth.

    Source: Kopf et al., "Joint bilateral upsampling", 2007; at an edge ours takes the side that weighs more.
    """
    small = change[segments.labels].astype(np.float32)
    wide = max(SEEN, EVEN * float(np.ptp(small)))
    small, mean = (
        cv2.bilateralFilter(values, -1, wide, CELL / 2) for values in (small, segments.depth[segments.labels].astype(np.float32))
    )
    height, width = disparity.shape
    large = np.stack([cv2.resize(v, (width, height), interpolation=cv2.INTER_LINEAR) for v in (small, mean)])
    high, low = _range(small, REACH)
    beyond, below = _range(small, 3 * REACH)
    step = (high - low > SEEN) & (high - low > 0.5 * (beyond - below))  # a slope goes on
    edge = cv2.resize(step.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    if edge.any():
        values = np.stack([small, mean])
        large[:, edge] = _at_edges(np.nonzero(edge), values, (high + low) / 2, segments, disparity, color, areas)
    for number in np.flatnonzero(np.bincount(segments.area))[1:]:  # as wholes
        large[0, areas == number] = change[segments.area == number][0]
    large[0] *= np.clip((np.abs(large[0]) - SMALLEST) / SMALLEST, 0, 1)
    return large


def _range(values: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) highest and lowest value within a square window."""
    window = np.ones((2 * radius + 1,) * 2, np.uint8)
    return cv2.dilate(values, window), cv2.erode(values, window)


def _at_edges(
    pixels: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    middle: np.ndarray,
    segments: _Segments,
    disparity: np.ndarray,
    color: np.ndarray,
    areas: np.ndarray,
) -> np.ndarray:
    """(2, N) what pixels near an edge take of `values`, (2, h, w): the mean of the side that they are like.

    The sides are where the first of the values is above and below `middle`.
    """
    height, width = values.shape[1:]
    y, x = (((at + 0.5) * (n / whole)).astype(np.float32) for at, n, whole in zip(pixels, (height, width), disparity.shape))
    own_row, own_column = y.astype(int), x.astype(int)
    middle = middle[own_row, own_column]
    table = _features(segments.look, segments.disparity).reshape(height * width, 4)
    own, area = _features(_lab(color[pixels]), disparity[pixels]), areas[pixels]
    numbers, flat = _small(areas, (height, width)).ravel(), values.reshape(2, -1)
    weights, sums = np.full((2, 1, len(y)), 1e-12, np.float32), np.zeros((2, 2, len(y)), np.float32)
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            row, column = (own_row + down).clip(0, height - 1), (own_column + across).clip(0, width - 1)
            place = row * width + column
            off = own - table[place]
            cost = np.einsum("nc,nc->n", off, off) + 20 * (area != numbers[place])
            cost += (np.square(row + np.float32(0.5) - y) + np.square(column + np.float32(0.5) - x)) / (REACH * 0.7) ** 2
            weight = np.exp(-np.minimum(cost, 40) / 2)
            value = flat[:, place]
            near = weight * (value[0] > middle)
            for side, part in enumerate((near, weight - near)):
                weights[side] += part
                sums[side] += part * value
    high, low = sums / weights
    return np.where(weights[0] > weights[1], high, low)


def _features(look: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """(..., 4) float32, of which the distance tells two sides of an edge apart."""
    return np.concatenate([look / UNLIKE, np.log(disparity)[..., None] * (2 / STEP)], -1).astype(np.float32)


def _lab(color: np.ndarray) -> np.ndarray:
    """(..., 3) L, a and b over 100."""
    return cv2.cvtColor(np.ascontiguousarray(color.reshape(-1, 1, 3)), cv2.COLOR_RGB2Lab).reshape(color.shape) / 100
