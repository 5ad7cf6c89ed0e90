"""Fit the surfaces of all regions together, so that those which touch in space meet without a step.

Input: moments of disparity of the atoms, their links and regions. Output: coefficients of the regions' surfaces. A
small step between two regions is an error of the estimate, most of all where the photo shows no edge; a large one is
real.
"""

from __future__ import annotations

import numpy as np

from .merging import Links, fit_regions
from .surfaces import FIXED, PRODUCTS, RIDGE, Samples, find_residuals

ROUNDS = 6  # of reweighting
STEP_COST = 1.6  # per px of outline and px of step, where both sides are alike
EDGE_COST = 0.06  # the same on an edge of the photo, for a small step
STEP_SCALE = 3.0  # px; larger steps on an edge of the photo cost less and less
MIN_STEP = 0.5  # px; limits the weight of small steps and residuals
MISFIT_COST = 0.25  # per px² of area and px of residual, as in `surfaces.misfit`
STIFFNESS = 1e4  # weight, per px² of area, that keeps a fixed coefficient at 0


def weld_surfaces(samples: Samples, links: Links, region: np.ndarray) -> np.ndarray:
    """(r, 3) coefficients of all regions' surfaces: the least sum of absolute misfits and steps.

    The sum is made least by iteratively reweighted least squares (Holland and Welsch 1977).
    """
    found = fit_regions(samples, region)
    count, coefficients, fixed = len(found.cost), found.coefficients, FIXED[found.model]
    pair = region[links.pair]
    apart = pair[:, 0] != pair[:, 1]
    (one, two), place, length = pair[apart].T, links.place[apart], links.length[apart]
    alike, products = links.likeness[apart], place[:, :, None] * place[:, None]
    own, axis = np.arange(count), np.arange(3)
    for _ in range(ROUNDS):
        residual = find_residuals(samples, np.arange(len(region)), coefficients[region])
        factor = MISFIT_COST * np.square(samples.weight) / np.maximum(residual, MIN_STEP)
        square = _total(samples.square * factor[:, None], region, count)
        matrix = np.zeros((count, count, 3, 3))
        matrix[own, own] = square[:, PRODUCTS]
        matrix[own[:, None], own[:, None], axis, axis] += square[:, :1] * (STIFFNESS * fixed + RIDGE)
        step = np.abs(np.einsum("ij,ij->i", place, coefficients[one] - coefficients[two]))
        cost = STEP_COST * alike + EDGE_COST / (1 + np.square(step / STEP_SCALE))
        pull = (length * cost / np.maximum(step, MIN_STEP))[:, None, None] * products
        for a, b, sign in ((one, one, 1), (two, two, 1), (one, two, -1), (two, one, -1)):
            np.add.at(matrix, (a, b), sign * pull)
        right = _total(samples.mixed * factor[:, None], region, count) * (1 - fixed)
        matrix = matrix.transpose(0, 2, 1, 3).reshape(3 * count, 3 * count)
        coefficients = np.linalg.solve(matrix, right.ravel()).reshape(count, 3)
    return coefficients


def _total(values: np.ndarray, region: np.ndarray, count: int) -> np.ndarray:
    """(r, k) sums over the regions of values of their atoms, (n, k)."""
    return np.stack([np.bincount(region, column, count) for column in values.T], 1)
