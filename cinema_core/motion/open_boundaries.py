"""Open boundaries: where water may enter or leave a region."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from .boundary import Boundary, trace_boundary
from .equations import BANK, boundary_rows, fluid_rows, hint_rows, solve_rows
from .solver_grid import Part, bilinear_weights, build_grid

COARSE = 3  # times wider is the grid of the first solves, that tell where water comes and goes
# A border that the flow meets squarely is open. To let it through costs LEAK where the part reaches the picture's frame
# (there the water can leave), and the more, the more the hints turn: who draws a whirl has banks in mind.
LEAK, LEAST, TURN, OPEN = 10.0, 0.2, 1000.0, 0.25
OUTLET_REACH = 0.015  # of the longer side; a border so near a drawn outlet is open
DEFAULT_SPEED = 1 / 1000  # of the longer side per frame, for a part without a stroke


def closed_boundary(part: Part, size: int, plane: np.ndarray | None) -> tuple[Boundary, np.ndarray]:
    """The part's banks and the weight of each: islands are closed, outlets open, for the rest the flow decides.

    A solve on a coarser grid, in which banks let water through at a cost, tells where the flow meets them squarely:
    there they are open. Islands are left out of it: a rock does not decide where a river goes.
    """
    sigma = max(2.0, 2.0 * size)
    banks = trace_boundary(part.mask, max(1, size // 2), sigma)
    free = _near_outlets(part, banks) | _along_frame(part, banks, size)
    islands = banks.island & ~free
    undecided = ~banks.island & ~free
    if not undecided.any():
        return banks, BANK * islands
    grid = build_grid(part, COARSE * size, plane)
    price = _price_of_leaks(part, free.any()) * grid.size / np.sqrt(part.mask.sum())
    leaking = boundary_rows(grid, banks, price * undecided)
    flow = solve_rows(grid, [*fluid_rows(grid, part.mask), *hint_rows(grid, part), leaking])
    node, share = bilinear_weights(grid, banks.pixels)
    there = (flow[node] * share[..., None]).sum(1)
    speed = np.linalg.norm(there, axis=1)
    through = np.abs((there * banks.normal).sum(1)) / (speed + 0.2 * speed.mean() + 1e-9)
    opened = undecided & (through >= OPEN)
    if opened.any():  # not closed at once beside what is open: there normals turn the corner
        distance, _ = cKDTree(banks.pixels[opened]).query(banks.pixels)
        undecided = undecided * np.clip(distance / (1.5 * sigma) - 1, 0, 1)
    return banks, BANK * np.maximum(undecided, islands)


def _near_outlets(part: Part, banks: Boundary) -> np.ndarray:
    if part.outlets is None or not part.outlets.any():
        return np.zeros(len(banks.pixels), bool)
    distance = cv2.distanceTransform((~part.outlets).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    at = np.clip(banks.pixels.astype(int), 0, np.array(part.mask.shape[::-1]) - 1)
    return distance[at[:, 1], at[:, 0]] <= max(2.0, OUTLET_REACH * part.default_speed / DEFAULT_SPEED)


def _along_frame(part: Part, banks: Boundary, size: int) -> np.ndarray:
    """Border drawn a hair beside the picture's frame is meant to be the frame; elsewhere windows are wider."""
    frame = np.array(part.mask.shape[::-1]) - 1.0
    outward = np.where(banks.pixels < size, -1, 0) + np.where(banks.pixels > frame - size, 1, 0)
    return (outward * banks.normal > 0.7).any(1)


def _price_of_leaks(part: Part, outlets: bool) -> float:
    mask = part.mask
    framed = outlets or mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    path = np.linalg.norm(part.velocities, axis=1).sum()
    turning = 1 - np.linalg.norm(part.velocities.sum(0)) / path if path > 0 else 0.0
    return (LEAK if framed else LEAST) + TURN * max(0.0, turning) ** 1.5
