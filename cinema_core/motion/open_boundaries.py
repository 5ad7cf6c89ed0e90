"""Open boundaries: where water may enter or leave a part of the region.

Input: a `Part`. Output: its `Boundary` with the weight by which each sample is closed, 0 where the boundary is open.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from .boundary import Boundary, trace_boundary
from .equations import BOUNDARY_WEIGHT, boundary_rows, fluid_rows, hint_rows, solve_rows
from .solver_grid import DEFAULT_SPEED, Part, bilinear_weights, build_grid

TRIAL_CELL = 3  # cells of the final grid to the side of a cell in the trial solve
# Weights of the flow across the boundary in the trial solve, of squared px/frame.
FRAMED_LEAK = 10.0  # in a part that reaches the picture's frame or an outlet: there the water can leave
ENCLOSED_LEAK = 0.2  # in another part
TURNING_LEAK = 1000.0  # added, times turning^1.5; hints that turn, as in a whirl, suggest a closed boundary
OPEN_SHARE = 0.25  # of the speed; a boundary that more of the flow crosses is open
OUTLET_OPENING_REACH = 0.015  # share of the longer side; a boundary so close to a drawn outlet is open


def weighted_boundary(part: Part, size: int, plane: np.ndarray | None) -> tuple[Boundary, np.ndarray]:
    """Decide where a part's boundary is closed.

    Islands are closed and outlets are open. For the rest a trial solve on a coarser grid decides, in which the flow
    may cross the boundary at a cost: where the flow meets the boundary at a steep angle, it is open. Islands have no
    weight in the trial, because a rock does not decide where a river goes.

    Args:
        part: The part.
        size: px, side of a cell of the final grid.
        plane: The part's plane of `fit_receding_plane`, None without.

    Returns:
        The boundary and the (B,) weight of each sample.
    """
    sigma = max(2.0, 2.0 * size)
    boundary = trace_boundary(part.mask, max(1, size // 2), sigma)
    free = _near_outlets(part, boundary) | _along_frame(part, boundary, size)
    islands = boundary.island & ~free
    undecided = ~boundary.island & ~free
    if not undecided.any():
        return boundary, BOUNDARY_WEIGHT * islands
    grid = build_grid(part, TRIAL_CELL * size, plane)
    leak = _leak_weight(part, free.any()) * grid.size / np.sqrt(part.mask.sum())
    leaking = boundary_rows(grid, boundary, leak * undecided)
    flow = solve_rows(grid, [*fluid_rows(grid, part.mask), *hint_rows(grid, part), leaking])
    node, share = bilinear_weights(grid, boundary.pixels)
    velocity = (flow[node] * share[..., None]).sum(1)
    speed = np.linalg.norm(velocity, axis=1)
    crossing = np.abs((velocity * boundary.normal).sum(1)) / (speed + 0.2 * speed.mean() + 1e-9)
    opened = undecided & (crossing >= OPEN_SHARE)
    if opened.any():  # the weight grows with the distance from openings, since normals turn the corner beside them
        distance, _ = cKDTree(boundary.pixels[opened]).query(boundary.pixels)
        undecided = undecided * np.clip(distance / (1.5 * sigma) - 1, 0, 1)
    return boundary, BOUNDARY_WEIGHT * np.maximum(undecided, islands)


def _near_outlets(part: Part, boundary: Boundary) -> np.ndarray:
    """(B,) bool, within OUTLET_OPENING_REACH of a drawn outlet."""
    if part.outlets is None or not part.outlets.any():
        return np.zeros(len(boundary.pixels), bool)
    distance = cv2.distanceTransform((~part.outlets).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    at = np.clip(boundary.pixels.astype(int), 0, np.array(part.mask.shape[::-1]) - 1)
    # default_speed / DEFAULT_SPEED is the canvas's longer side, px
    return distance[at[:, 1], at[:, 0]] <= max(2.0, OUTLET_OPENING_REACH * part.default_speed / DEFAULT_SPEED)


def _along_frame(part: Part, boundary: Boundary, size: int) -> np.ndarray:
    """(B,) bool, within a cell of the window's edge and parallel to it.

    A boundary drawn just beside the picture's frame is meant to be the frame. Elsewhere the window has a margin.
    """
    frame = np.array(part.mask.shape[::-1]) - 1.0
    outward = np.where(boundary.pixels < size, -1, 0) + np.where(boundary.pixels > frame - size, 1, 0)
    return (outward * boundary.normal > 0.7).any(1)


def _leak_weight(part: Part, outlets: bool) -> float:
    """Weight of the flow across the boundary; `outlets` says whether some of the boundary is open anyway."""
    mask = part.mask
    framed = outlets or mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    path = np.linalg.norm(part.velocities, axis=1).sum()
    turning = 1 - np.linalg.norm(part.velocities.sum(0)) / path if path > 0 else 0.0
    return (FRAMED_LEAK if framed else ENCLOSED_LEAK) + TURNING_LEAK * max(0.0, turning) ** 1.5
