"""Surface models of regions, fitted to disparity in batches.

A plane in space is linear in disparity over the photo, so every model is linear: disparity = a + b x + c (y - horizon).
A card stands upright (c = 0), the ground vanishes at the horizon (a = 0), and a plane is free. Disparity is in px of
parallax at the end of the preset "side", and places are in units of PLACE_UNIT px, both of a photo of MODEL_SIDE.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MODEL_SIDE = 720  # px, longer side of the photo in whose px all lengths of this room are given
PLACE_UNIT = 100.0  # px
CARD, GROUND, PLANE = 0, 1, 2
FIXED = np.array([(0, 0, 1), (1, 0, 0), (0, 0, 0)], np.float64)  # 1 for coefficients that are 0, by model
STIFFNESS = 1e7  # weight, per px² of area, that keeps a fixed coefficient at 0
RIDGE = np.array((1e-9, 2e-3, 2e-3))  # weight per px² that keeps coefficients finite where a region cannot tell them
MAX_RESIDUAL = 16.0  # px; larger residuals cost no more
RESIDUAL_SCALE = 4.0  # px; a residual of this size costs 1 per px² of area
ROBUST_SCALE = 4.0  # px; atoms with larger residuals lose their weight (Cauchy)
FIT_ROUNDS = 2
PLANE_COST = (0.06, 0.25)  # per px² of area of a free plane, below and above the horizon
STANDING_COST = 3.0  # per px² of area with vertical lines of a surface that is no card
TALL_COST = 3.0  # per px² of area of a free plane that is higher than wide: such things stand
TALL = (0.25, 0.8)  # height over width; from the first on a region is tall to a part, from the second on wholly
GROUND_COST = -0.02  # per px² of area
MIN_SHARE_BELOW = 0.85  # of the ground's area that lies below the horizon
IMPOSSIBLE = 1e12  # cost of a model that a region cannot have
PRODUCTS = np.array([(0, 1, 2), (1, 3, 4), (2, 4, 5)])  # columns of `Samples.square` as a symmetric matrix


@dataclass(frozen=True, eq=False)
class Samples:
    """Moments of disparity over each of n atoms (superpixels and porous things).

    Attributes:
        area: (n,) px².
        square: (n, 6) sums over the area of the products of (1, x, y): 11, 1x, 1y, xx, xy, yy.
        mixed: (n, 3) sums of disparity times (1, x, y).
        power: (n,) sums of squared disparity.
        weight: (n,) factor on residuals; it is larger for far things, where relative precision counts.
        below: (n,) share of the area below the horizon.
        upright: (n,) bool, atoms that can only be cards.
        standing: (n,) 0..1, evidence of the photo that the atom is part of something that stands.
    """

    area: np.ndarray
    square: np.ndarray
    mixed: np.ndarray
    power: np.ndarray
    weight: np.ndarray
    below: np.ndarray
    upright: np.ndarray
    standing: np.ndarray


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Surfaces of g groups of atoms: (g,) model, (g, 3) coefficients and (g,) cost."""

    model: np.ndarray
    coefficients: np.ndarray
    cost: np.ndarray


def fit_surfaces(
    samples: Samples, member: np.ndarray, group: np.ndarray, count: int, trust: np.ndarray | None = None
) -> Surfaces:
    """Fit the model of least cost to every group of atoms.

    Args:
        samples: Of the atoms.
        member: (m,) int, an atom of each row.
        group: (m,) int, the row's group, ascending from 0; every group has rows.
        count: Number of groups g.
        trust: (m,) weights of the rows from an earlier fit; None for equal ones.
    """
    start = np.searchsorted(group, np.arange(count))

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, start)

    area, factor = samples.area[member], np.square(samples.weight[member])
    square, mixed = samples.square[member], samples.mixed[member]
    whole = total(area)
    below = total(area * samples.below[member]) / whole
    upright = total(area * samples.upright[member]) > 0.5 * whole
    standing = STANDING_COST * total(area * samples.standing[member])
    fits, costs = [], []
    for kind in (CARD, GROUND, PLANE):
        weight = np.ones(len(member)) if trust is None else trust
        for _ in range(FIT_ROUNDS):
            scaled = (factor * weight)[:, None]
            fitted = _solve(total(square * scaled), total(mixed * scaled), kind)
            residual = find_residuals(samples, member, fitted[group])
            weight = trust_residuals(residual)
        cost = total(area * misfit(residual))
        if kind == PLANE:
            cost += whole * (PLANE_COST[0] * below + PLANE_COST[1] * (1 - below) + TALL_COST * _tallness(total(square)))
            cost += IMPOSSIBLE * upright + standing
        if kind == GROUND:
            cost += GROUND_COST * whole + IMPOSSIBLE * ((below < MIN_SHARE_BELOW) | (fitted[:, 2] <= 0) | upright)
            cost += standing
        fits.append(fitted)
        costs.append(cost)
    model = np.argmin(costs, 0)
    return Surfaces(model, np.stack(fits)[model, np.arange(count)], np.min(costs, 0))


def _tallness(square: np.ndarray) -> np.ndarray:
    """(g,) 0..1, how much higher than wide groups are, by their (g, 6) moments."""
    one, x, y, xx, _, yy = square.T
    width, height = (
        np.sqrt(np.maximum(second / one - np.square(first / one), 1e-6)) for first, second in ((x, xx), (y, yy))
    )
    return np.clip((height / width - TALL[0]) / (TALL[1] - TALL[0]), 0, 1)


def find_residuals(samples: Samples, member: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """(m,) px, root mean square over each atom of its weighted residual under (m, 3) coefficients."""
    a, b, c = coefficients.T
    one, x, y, xx, xy, yy = samples.square[member].T
    total = a * a * one + b * b * xx + c * c * yy + 2 * (a * b * x + a * c * y + b * c * xy)
    total += samples.power[member] - 2 * np.einsum("ij,ij->i", samples.mixed[member], coefficients)
    return np.sqrt(np.maximum(total / samples.area[member], 0)) * samples.weight[member]


def misfit(residual: np.ndarray) -> np.ndarray:
    """Cost per px² of area of residuals in px."""
    return np.minimum(residual, MAX_RESIDUAL) / RESIDUAL_SCALE


def trust_residuals(residual: np.ndarray) -> np.ndarray:
    """Cauchy weights of residuals in px."""
    return 1 / (1 + np.square(residual / ROBUST_SCALE))


def _solve(square: np.ndarray, mixed: np.ndarray, kind: int) -> np.ndarray:
    """(g, 3) coefficients of a model from (g, 6) and (g, 3) weighted sums."""
    matrix = square[:, PRODUCTS]
    axis = np.arange(3)
    matrix[:, axis, axis] += square[:, :1] * (STIFFNESS * FIXED[kind] + RIDGE)
    return np.linalg.solve(matrix, (mixed * (1 - FIXED[kind]))[..., None])[..., 0]
