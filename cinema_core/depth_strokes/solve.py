"""Solve strokes that relate two objects: as far as, nearer or farther than the surface on which the stroke starts.

Input: disparity, the photo, strokes. Output: a factor on disparity, 1 far from the objects under the strokes.

The photo is divided into superpixels along its edges and its depth's. The log of the factor is a value per superpixel,
found by least squares: equal within an object, free to differ across an edge, zero in superpixels unlike any under a
stroke, and such that every stroke is satisfied. A factor keeps an object's shape and changes its distance only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from ..regions.superpixels import CLEAR_STEP, SEED_SPACING, SKY_LOG_DISPARITY, Superpixels, find_superpixels, subsample
from ..shared.data import Photo, Stroke
from .constraints import LEAN, Constraint, read_constraints
from .likeness import MOVING_LIKENESS, find_likeness
from .upsample import MIN_CHANGE, PixelGuide, upsample_to_pixels

HELD_LIKENESS = 0.35  # likeness up to which a superpixel is held in place with full weight
MAX_STEEPENING = 1.5  # factor by which steps of disparity within an object may grow when it comes nearer
WRONG_DEPTH = 0.4  # log disparity; a target with a larger median of the needed change has wrong depth there, not relief
RELIEF_STEP = 0.1  # log disparity between adjacent superpixels; scale beyond which a difference is no relief
SAME_TARGET_SHARE = 0.2  # of the samples on a target; two strokes that share more are about one target
MAX_ROUNDS = 4  # of finding the constraints that are active
CONTRADICTION = 0.4  # of CLEAR_STEP; a constraint that is missed by more counts as contradicted
# Weights of squares summed over superpixels.
EDGE_WEIGHT = 1e-4  # of equal change across a link, at an edge
SIMILAR_WEIGHT = 0.3  # of equal change across a link within a target, at least, even at its inner edges
HOLD_WEIGHT = 2.0  # of no change, for superpixels unlike any target
LOOSE_WEIGHT = 2e-5  # of no change, for targets
STROKE_WEIGHT = 1000.0  # of satisfying a stroke
START_WEIGHT = 1000.0  # of no change, where a stroke starts
MOVED_START_WEIGHT = 0.1  # of no change, where a stroke starts on another stroke's target
FIXED_WEIGHT = 1e6  # of no change, for the sky


def solve_relations(
    disparity: np.ndarray, strokes: Sequence[Stroke], photo: Photo, areas: np.ndarray, sky: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Solve for the factor on disparity.

    Args:
        disparity: (H, W) float32.
        strokes: Of the kinds "same_depth", "nearer" and "farther".
        photo: The working photo.
        areas: (H, W) int32, numbers of drawn areas from 1 on, 0 elsewhere; each area moves as a whole.
        sky: (H, W) bool, pixels that do not move.

    Returns:
        (H, W) float32 factor, exactly 1 where nothing moves; numbers of the strokes that others contradict.

    Source: Grady, "Random walks for image segmentation", 2006, for labels that spread over a weighted graph; Barron and
        Poole, "The fast bilateral solver", 2016, for few values on few vertices in place of many pixels; Rzeszutek et
        al., 2011, for depth from scribbles by them. The relations and the weights that hold the rest are ours.
    """
    superpixels = find_superpixels(disparity, photo.color, areas)
    constraints = [
        constraint
        for number, stroke in enumerate(strokes)
        for constraint in read_constraints(number, stroke, superpixels, photo)
    ]
    if not constraints:
        return np.ones_like(disparity), []
    fixed = np.unique(superpixels.labels[subsample(sky.astype(np.uint8), superpixels.labels.shape) > 0])
    change, contradicted = _solve(superpixels, constraints, fixed)
    if not (np.abs(change) > MIN_CHANGE).any():
        return np.ones_like(disparity), contradicted
    large, mean = upsample_to_pixels(change, superpixels, PixelGuide(disparity, photo.color, areas))
    low, high = _bounds(change, constraints)
    depth = np.log(disparity)
    large += (1 - np.minimum(1, MAX_STEEPENING * np.exp(-large))) * (mean - depth)
    return np.exp(np.clip(large, np.minimum(low - depth, 0), np.maximum(high - depth, 0))), contradicted


def _solve(
    superpixels: Superpixels, constraints: Sequence[Constraint], fixed: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Least squares over the superpixels.

    Args:
        superpixels: Of the photo; n of them.
        constraints: At least one.
        fixed: Numbers of superpixels that do not move.

    Returns:
        (n,) log of the factor; numbers of the strokes that others contradict.
    """
    count = len(superpixels.depth)
    each, texture = find_likeness(superpixels, constraints)
    constraints, contradicted = _reconcile(constraints, each)
    hold = _hold_weights(superpixels, constraints, each)
    hold[fixed] = FIXED_WEIGHT
    smoothness, correction = _link_weights(superpixels, constraints, each, texture)
    smooth = sparse.diags(hold) + _laplacian(superpixels, smoothness)
    correct = _laplacian(superpixels, correction)
    rows = [_rows(constraint, count) for constraint in constraints]
    active = [_is_active(constraint, constraint.needed_change) for constraint in constraints]
    change = np.zeros(count)
    for _ in range(MAX_ROUNDS):
        change = _least_squares(
            smooth + correct, -correct @ superpixels.depth, [row for row, on in zip(rows, active) if on],
            [constraint for constraint, on in zip(constraints, active) if on],
        )  # fmt: skip
        missing = [constraint.needed_change - row @ change for constraint, row in zip(constraints, rows)]
        now = [on or _is_active(constraint, rest) for on, constraint, rest in zip(active, constraints, missing)]
        if now == active:
            break
        active = now
    return change, contradicted


def _link_weights(
    superpixels: Superpixels, constraints: Sequence[Constraint], each: np.ndarray, texture: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the links between adjacent superpixels.

    Args:
        superpixels: Of the photo; n of them, with L links.
        constraints: k of them.
        each: (k, n) likeness to each constraint's target.
        texture: (n,) difference of colour that is no edge there.

    Returns:
        (L,) weight of an even change on both sides; (L,) weight of equal depth on both sides, for depth discontinuities
        within a target whose depth is wrong.
    """
    like = each.max(0)
    one, other = superpixels.link.T
    even = np.exp(-np.square(superpixels.discontinuity) / 2)
    bond = np.exp(-np.square(superpixels.apart / (texture[one] + texture[other])) * 2)
    bond = np.maximum(bond, SIMILAR_WEIGHT * (like[one] * like[other]) ** 2)
    needs = [np.median(np.abs(constraint.needed_change)) for constraint in constraints]
    wrong = [constraint.direction == 0 or need > WRONG_DEPTH for constraint, need in zip(constraints, needs)]
    same = each[wrong].max(0, initial=0)
    steep = np.exp(-np.square((superpixels.depth[one] - superpixels.depth[other]) / RELIEF_STEP) / 2)
    false_discontinuity = (same[one] * same[other]) ** 2 * (1 - even * steep)
    return EDGE_WEIGHT + (1 - EDGE_WEIGHT) * bond * even * (1 - false_discontinuity), bond * false_discontinuity


def _hold_weights(superpixels: Superpixels, constraints: Sequence[Constraint], each: np.ndarray) -> np.ndarray:
    """(n,) weight of no change: low on targets, high at the strokes' starts unless another stroke moves these."""
    like = each.max(0)
    share = np.clip((MOVING_LIKENESS - like) / (MOVING_LIKENESS - HELD_LIKENESS), 0, 1)
    hold = LOOSE_WEIGHT + HOLD_WEIGHT * share**2
    hold[(superpixels.depth < SKY_LOG_DISPARITY) & (like == 0)] = FIXED_WEIGHT
    for constraint in constraints:
        others = [other.stroke != constraint.stroke for other in constraints]
        moves = each[others][:, constraint.start].max(initial=0) > HELD_LIKENESS
        weight = MOVED_START_WEIGHT if moves else START_WEIGHT
        hold[constraint.start] = np.maximum(hold[constraint.start], weight)
    return hold


def _is_active(constraint: Constraint, missing: np.ndarray) -> bool:
    """Whether a constraint needs a change.

    "At least" and "at most" are satisfied by more than they ask for.

    Args:
        constraint: The constraint.
        missing: (m,) change of log disparity that its superpixels still lack.
    """
    lack = constraint.direction * float(constraint.share @ missing)
    return constraint.direction == 0 or lack > 0.05 * CLEAR_STEP * constraint.share.sum()


def _rows(constraint: Constraint, count: int) -> sparse.csr_matrix:
    """(m, n): change of each superpixel of the target, minus the mean change of the start."""
    m, s = len(constraint.target), len(constraint.start)
    values = np.r_[np.ones(m), np.full(m * s, -1 / s)]
    row, column = np.repeat(np.arange(m), s), np.tile(constraint.start, m)
    where = (np.r_[np.arange(m), row], np.r_[constraint.target, column])
    return sparse.csr_matrix((values, where), (m, count))


def _least_squares(
    smooth: sparse.spmatrix, wanted: np.ndarray, rows: list[sparse.csr_matrix], active: Sequence[Constraint]
) -> np.ndarray:
    """(n,) change that minimises the squares of the superpixels and of the active constraints.

    Args:
        smooth: (n, n) normal matrix of the superpixels' squares.
        wanted: (n,) right side of their normal equations.
        rows: For each active constraint, as `_rows` gives them.
        active: The active constraints.
    """
    if not rows:
        return np.zeros(smooth.shape[0])
    drawn = sparse.vstack(rows)
    weight = STROKE_WEIGHT * np.concatenate([constraint.share for constraint in active])
    needed_change = np.concatenate([constraint.needed_change for constraint in active])
    matrix = (smooth + drawn.T @ drawn.multiply(weight[:, None])).tocsc()
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(
        wanted + drawn.T @ (weight * needed_change)
    )


def _laplacian(superpixels: Superpixels, bond: np.ndarray) -> sparse.csc_matrix:
    """(n, n) graph Laplacian: its quadratic form is the sum of bond * length * difference^2 over all links."""
    count = len(superpixels.depth)
    weight = bond * superpixels.length / SEED_SPACING
    one, other = superpixels.link.T
    links = sparse.coo_matrix((np.tile(weight, 2), (np.r_[one, other], np.r_[other, one])), (count, count))
    return (sparse.diags(np.asarray(links.sum(1)).ravel()) - links).tocsc()


def _bounds(change: np.ndarray, constraints: Sequence[Constraint]) -> tuple[float, float]:
    """Lowest and highest log disparity that the strokes ask for; no pixel has to move beyond."""
    moved = [constraint for constraint in constraints if np.abs(change[constraint.target]).max() > MIN_CHANGE]
    low = min((constraint.bound[0] + change[constraint.start].mean() for constraint in moved), default=0.0)
    high = max((constraint.bound[1] + change[constraint.start].mean() for constraint in moved), default=0.0)
    return float(low - LEAN[0]), float(high + LEAN[0])


def _reconcile(constraints: Sequence[Constraint], each: np.ndarray) -> tuple[list[Constraint], list[int]]:
    """Change contradictory constraints so that all can be satisfied.

    Objects are taken as rigid. Each constraint is a difference between two of them, and the differences need not add
    up.

    Args:
        constraints: k of them.
        each: (k, n) likeness to each constraint's target.

    Returns:
        The constraints, with other changes where they contradict; numbers of the strokes of the changed ones.
    """
    start, target = _number_objects(constraints, each)
    own = np.flatnonzero([s != t and not c.one_surface for s, t, c in zip(start, target, constraints)])
    needed_change = np.array([float(np.median(constraint.needed_change)) for constraint in constraints])
    direction = np.array([constraint.direction for constraint in constraints])
    rows = np.zeros((len(own), 2 * len(constraints)))
    rows[np.arange(len(own)), target[own]] += 1
    rows[np.arange(len(own)), start[own]] -= 1
    lack = needed_change[own]
    for _ in range(MAX_ROUNDS):
        active = (direction[own] == 0) | (direction[own] * lack > 1e-6)
        chosen = rows[active]
        shift = np.linalg.solve(chosen.T @ chosen + 1e-4 * np.eye(rows.shape[1]), chosen.T @ needed_change[own][active])
        lack = needed_change[own] - rows @ shift
    missed = np.where(direction[own] == 0, np.abs(lack), direction[own] * lack)
    wrong = missed > CONTRADICTION * CLEAR_STEP
    reconciled = list(constraints)
    for number, much in zip(own[wrong], lack[wrong]):
        reconciled[number] = replace(reconciled[number], needed_change=reconciled[number].needed_change - much)
    return reconciled, sorted({constraints[number].stroke for number in own[wrong]})


def _number_objects(constraints: Sequence[Constraint], each: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) number of the object on which each constraint starts, and (k,) number of its target.

    Starts and targets of different constraints have one number where they are one object.
    """
    count = len(constraints)
    same = np.zeros((2 * count, 2 * count), bool)
    for one, constraint in enumerate(constraints):
        for other, another in enumerate(constraints):
            same[one, other] = np.isin(constraint.start, another.start).any()
            same[one, count + other] = each[other, constraint.start].mean() > MOVING_LIKENESS
            shared = constraint.share[np.isin(constraint.target, another.target)].sum()
            same[count + one, count + other] = shared > SAME_TARGET_SHARE * constraint.share.sum()
        same[one, count + one] = False
    number = connected_components(sparse.coo_matrix(same), directed=False)[1]
    return number[:count], number[count:]
