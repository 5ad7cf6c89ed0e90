"""What the user says of one thing against another: as far as, nearer than, farther than where a stroke starts.

Input: disparity, the photo, strokes. Output: a factor on disparity, 1 far from what the strokes run over.

The photo is parted into small segments along its edges and its depth's. The logarithm of the factor is sought on them
by least squares: even within a thing, free to jump at an edge, none in what looks unlike anything under a stroke, and
such that every stroke is right. A factor keeps a thing's shape: it is the same, at another distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from ..shared.data import Photo, Stroke
from .constraints import RELIEF, Constraint, read_constraints
from .superpixels import CELL, SKY, STEP, UNLIKE, Superpixels, find_superpixels, subsample
from .upsample import SMALLEST, upsample_to_pixels

COLOR, ROUGHEST = 0.06, 0.15  # differences of colour (L, a and b over 100) at an edge: the least, and in rough things
DEPTH, FAR = 1.0, 0.05  # difference of the logarithm of disparity that counts; disparity, farther all is about as far
AWAY = 0.3  # of the longer side; so far from a stroke likeness counts for less
# Weights, of squares summed over segments.
EDGE, ALIKE, HOLD, LOOSE, DRAWN, PINNED, ANCHOR = 1e-4, 0.3, 2.0, 2e-5, 1000.0, 1000.0, 0.1
CLEAR, SURE = 0.35, 0.75  # likeness up to which a segment is held, and from which on it is loose
HOLE = 0.2  # of what is meant; an odd part in the midst of it, if smaller, is meant too
STEEPER = 1.5  # times at most that steps of disparity within a thing grow, when it comes nearer
WRONG, STEEP = 0.4, 0.1  # a thing that lacks so much has a wrong depth, not a relief, which is not so steep per segment
SHARED = 0.2  # of what is under one stroke; two that have so much in common are about one thing
ROUNDS = 4  # of finding which strokes ask for anything
MISSED = 0.4  # of what a stroke asks for, from which it counts as contradicted


def solve_relations(
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
    segments = find_superpixels(disparity, photo.color, areas)
    demands = [demand for n, stroke in enumerate(strokes) for demand in read_constraints(n, stroke, segments, photo)]
    if not demands:
        return np.ones_like(disparity), []
    held = np.unique(segments.labels[subsample(sky.astype(np.uint8), segments.labels.shape) > 0])
    change, missed = _solve(segments, demands, held)
    if not (np.abs(change) > SMALLEST).any():
        return np.ones_like(disparity), missed
    large, mean = upsample_to_pixels(change, segments, disparity, photo.color, areas)
    low, high = _bounds(change, demands)
    depth = np.log(disparity)
    large += (1 - np.minimum(1, STEEPER * np.exp(-large))) * (mean - depth)
    return np.exp(np.clip(large, np.minimum(low - depth, 0), np.maximum(high - depth, 0))), missed


def _solve(segments: Superpixels, demands: Sequence[Constraint], held: np.ndarray) -> tuple[np.ndarray, list[int]]:
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
        change = _least_squares(
            still + torn, -torn @ segments.depth, [row for row, on in zip(rows, active) if on], demands, active
        )
        lacking = [demand.need - row @ change for demand, row in zip(demands, rows)]
        now = [on or _asks(demand, lack) for on, demand, lack in zip(active, demands, lacking)]
        if now == active:
            break
        active = now
    return change, contradicted


def _held(segments: Superpixels, demands: Sequence[Constraint], each: np.ndarray) -> np.ndarray:
    """(n,) weight of staying as it is: little on what is meant, much where strokes start, but if others move that."""
    like = each.max(0)
    hold = LOOSE + HOLD * np.clip((SURE - like) / (SURE - CLEAR), 0, 1) ** 2
    hold[(segments.depth < SKY) & (like == 0)] = 1e6
    for demand in demands:
        others = [other.stroke != demand.stroke for other in demands]
        moves = each[others][:, demand.start].max(initial=0) > CLEAR
        hold[demand.start] = np.maximum(hold[demand.start], ANCHOR if moves else PINNED)
    return hold


def _asks(demand: Constraint, lacking: np.ndarray) -> bool:
    """Whether anything is missing: less than asked for is enough for "at least" and "at most" only one way."""
    return demand.sense == 0 or demand.sense * float(demand.share @ lacking) > 0.05 * STEP * demand.share.sum()


def _rows(demand: Constraint, count: int) -> sparse.csr_matrix:
    """(m, n): what each segment under the stroke moves by, beyond the start."""
    m, s = len(demand.over), len(demand.start)
    values = np.r_[np.ones(m), np.full(m * s, -1 / s)]
    where = (np.r_[np.arange(m), np.repeat(np.arange(m), s)], np.r_[demand.over, np.tile(demand.start, m)])
    return sparse.csr_matrix((values, where), (m, count))


def _least_squares(
    still: sparse.spmatrix,
    wanted: np.ndarray,
    rows: list[sparse.csr_matrix],
    demands: Sequence[Constraint],
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


def _graph(segments: Superpixels, bond: np.ndarray) -> sparse.csc_matrix:
    """(n, n), of which the square form is the sum of bond * length * difference^2 over all links."""
    count = len(segments.depth)
    weight = bond * segments.length / CELL
    one, other = segments.link.T
    links = sparse.coo_matrix((np.tile(weight, 2), (np.r_[one, other], np.r_[other, one])), (count, count))
    return (sparse.diags(np.asarray(links.sum(1)).ravel()) - links).tocsc()


def _likeness(segments: Superpixels, demands: Sequence[Constraint]) -> tuple[np.ndarray, np.ndarray]:
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


def _among(segments: Superpixels, like: np.ndarray) -> np.ndarray:
    """(n,) likeness, of odd segments as high as that of those round them on the same surface."""
    one, other = segments.link.T
    weight = segments.length * np.exp(-np.square(segments.jump) / 2)
    for _ in range(2):
        total = np.bincount(one, weight * like[other], len(like)) + np.bincount(other, weight * like[one], len(like))
        share = np.bincount(one, weight, len(like)) + np.bincount(other, weight, len(like))
        like = np.maximum(like, total / np.maximum(share, 1e-9))
    return like


def _without_holes(segments: Superpixels, like: np.ndarray, starts: np.ndarray) -> np.ndarray:
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


def _kernel(segments: Superpixels, some: np.ndarray, unlike: float) -> np.ndarray:
    color = np.square(segments.color[:, None] - segments.color[some]).sum(-1) / unlike**2
    far = np.log(np.exp(segments.depth) + FAR)
    depth = np.square((far[:, None] - far[some]) / DEPTH)
    return np.exp(-(color + depth).min(1) / 2)


def _bounds(change: np.ndarray, demands: Sequence[Constraint]) -> tuple[float, float]:
    """Lowest and highest logarithm of disparity that the strokes ask for: nothing has to move farther than that."""
    moved = [demand for demand in demands if np.abs(change[demand.over]).max() > SMALLEST]
    low = min((demand.bound[0] + change[demand.start].mean() for demand in moved), default=0.0)
    high = max((demand.bound[1] + change[demand.start].mean() for demand in moved), default=0.0)
    return low - RELIEF[0], high + RELIEF[0]


def _reconciled(demands: Sequence[Constraint], each: np.ndarray) -> tuple[list[Constraint], list[int]]:
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


def _things(demands: Sequence[Constraint], each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) numbers of what each demand starts on, and of what it is about; the same where those are one thing."""
    count = len(demands)
    same = np.zeros((2 * count, 2 * count), bool)
    for one, demand in enumerate(demands):
        for other, another in enumerate(demands):
            same[one, other] = np.isin(demand.start, another.start).any()
            same[one, count + other] = each[other, demand.start].mean() > SURE
            same[count + one, count + other] = (
                demand.share[np.isin(demand.over, another.over)].sum() > SHARED * demand.share.sum()
            )
        same[one, count + one] = False
    number = connected_components(sparse.coo_matrix(same), directed=False)[1]
    return number[:count], number[count:]
