"""Equations of the motion solve: the rows of the least-squares system, and its solution.

Input: a `SolverGrid` with hints, pins or a boundary. Output: blocks of rows, and velocities at the grid's nodes. The
flow M and the base flow B are introduced in `solve`.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .boundary import Boundary
from .solver_grid import BASE_STEP, Part, SolverGrid, bilinear_weights, sparse_rows

# Weights of squared residuals, which are summed over nodes; velocities are in px/frame.
HINT_WEIGHT = 100.0  # of M against hints and pins
BOUNDARY_WEIGHT = 30.0  # of M across a closed boundary
REGULARIZATION = 1e-9  # added to the diagonal of the normal equations, so that unconstrained unknowns are zero
SMOOTHNESS_WEIGHT = 0.002  # of the differences of M
DIVERGENCE_WEIGHT = 3.5  # of M
CURL_WEIGHT = 20.0  # of M - B
BASE_GRADIENT_WEIGHT = 0.3  # of the differences of B
BASE_BENDING_WEIGHT = 0.015  # of the second differences of B, times the part's area in cells
DEVIATION_WEIGHT = 3.0  # of M - B, over the part's area in cells
FRAME_WEIGHT = 3.0  # of the differences of M across the picture's frame
TEXTURE_WEIGHT = 0.1  # of M against the texture's direction, in a part without hints
FRAME_STRIP = 1 / 6  # width of the strip of FRAME_WEIGHT, as a share of the square root of the number of nodes
_Rows = tuple[sparse.csr_matrix, np.ndarray]  # a block of the least-squares system and its right-hand side


def smoothness_rows(grid: SolverGrid, weight: float) -> _Rows:
    """Rows for a smooth M, weaker across edges of colour and depth."""
    return _difference_rows(grid, grid.link, weight * grid.conductance)


def _difference_rows(grid: SolverGrid, link: np.ndarray, weight: np.ndarray) -> _Rows:
    """Rows for equal velocities at both ends of each link, with its (L,) weight."""
    root = np.sqrt(weight)
    column = np.concatenate([2 * link, 2 * link + 1])
    value = np.tile(np.stack([root, -root], 1), (2, 1))
    return sparse_rows(column, value, 2 * grid.count), np.zeros(len(column))


def _frame_rows(grid: SolverGrid, mask: np.ndarray) -> _Rows:
    """Rows for no change of M across the picture's frame in the strip beside it: the flow continues beyond the photo.

    Without these rows a field without divergence and curl may grow towards an open border, and water wells up there.
    """
    nodes = np.argwhere(grid.index >= 0)
    strip = FRAME_STRIP * np.sqrt(grid.count)
    beside = np.zeros(len(grid.link), bool)
    for axis in (0, 1):
        place = nodes[:, axis][grid.link]
        across = place[:, 0] != place[:, 1]
        framed = np.moveaxis(mask, axis, 0)  # the part reaches its window's edge only where that is the frame
        if framed[: grid.size].any():
            beside |= across & (place.max(1) <= strip)
        if framed[-grid.size :].any():
            beside |= across & (grid.index.shape[axis] - 1 - place.min(1) <= strip)
    return _difference_rows(grid, grid.link[beside], np.full(beside.sum(), FRAME_WEIGHT))


def fluid_rows(grid: SolverGrid, mask: np.ndarray) -> list[_Rows]:
    """Rows for M and B: no divergence of M, no curl of M - B, a smooth B, a small M - B and, weakly, a smooth M.

    On a receding plane the unknowns are velocities over relative disparity. A pixel covers an area of the plane
    proportional to disparity^-3, so the divergence is that of the unknowns times disparity^-2.
    """
    total = 2 * (grid.count + grid.base_weights.shape[1])
    nodes, stiff = grid.block, np.sqrt(grid.stiffness)[:, None]
    across, down = np.array((-0.5, 0.5, -0.5, 0.5)), np.array((-0.5, -0.5, 0.5, 0.5))
    both = np.concatenate([2 * nodes, 2 * nodes + 1], 1)
    density = np.square(grid.relative_disparity[nodes].mean(1, keepdims=True) / grid.relative_disparity[nodes])
    divergence = np.sqrt(DIVERGENCE_WEIGHT) * stiff * np.concatenate([across * density, down * density], 1)
    curl = sparse_rows(both, np.sqrt(CURL_WEIGHT) * stiff * np.concatenate([-down, across]), 2 * grid.count)
    pair = sparse.identity(2)
    base = sparse.kron(grid.base_weights, pair, format="csr")
    none = sparse.csr_matrix
    gradient = np.sqrt(BASE_GRADIENT_WEIGHT * grid.conductance)[:, None] * (1.0, -1.0)
    base_differences = sparse_rows(grid.link, gradient, grid.count) @ grid.base_weights
    area = grid.inside.sum()  # in cells
    base_bending = np.sqrt(BASE_BENDING_WEIGHT * area) / BASE_STEP * grid.base_bending
    deviation = np.sqrt(DEVIATION_WEIGHT / area)
    matrices = [
        sparse_rows(both, divergence, total),
        sparse.hstack([curl, -curl @ base]),
        sparse.hstack([deviation * sparse.identity(2 * grid.count), -deviation * base]),
        *(
            sparse.hstack([none((2 * part.shape[0], 2 * grid.count)), sparse.kron(part, pair)])
            for part in (base_differences, base_bending)
        ),
    ]
    rows = [(matrix.tocsr(), np.zeros(matrix.shape[0])) for matrix in matrices]
    return [*rows, smoothness_rows(grid, SMOOTHNESS_WEIGHT), _frame_rows(grid, mask)]


def hint_rows(grid: SolverGrid, part: Part) -> list[_Rows]:
    """Rows for the hints and pins. In a part without hints the texture's direction takes their place, weakly."""
    rows = [
        _velocity_rows(grid, part.pixels, part.velocities),
        _velocity_rows(grid, part.pins, np.zeros_like(part.pins)),
    ]
    if not len(part.pixels):
        node = np.flatnonzero(grid.inside)
        value = np.full((2 * len(node), 1), np.sqrt(TEXTURE_WEIGHT))
        matrix = sparse_rows(np.concatenate([2 * node, 2 * node + 1])[:, None], value, 2 * grid.count)
        rows.append((matrix, value[:, 0] * np.repeat(texture_velocity(part), len(node))))
    return rows


def _velocity_rows(grid: SolverGrid, pixels: np.ndarray, velocities: np.ndarray) -> _Rows:
    """Rows for velocities at positions. The samples in one cell together count as one, so crossing strokes average."""
    node, share = bilinear_weights(grid, pixels)
    cell = np.floor(pixels / grid.size).astype(np.int64)
    _, back, count = np.unique(cell[:, 1] * 2**32 + cell[:, 0], return_inverse=True, return_counts=True)
    root = np.sqrt(HINT_WEIGHT / count[back])[:, None]
    relative = (share * grid.relative_disparity[node]).sum(1, keepdims=True)
    matrix = sparse_rows(np.concatenate([2 * node, 2 * node + 1]), np.tile(share * root, (2, 1)), 2 * grid.count)
    return matrix, (velocities / np.maximum(relative, 1e-9) * root).T.ravel()


def boundary_rows(grid: SolverGrid, boundary: Boundary, weight: np.ndarray) -> _Rows:
    """Rows for no flow across the boundary, with the (B,) weight of each sample."""
    node, share = bilinear_weights(grid, boundary.pixels)
    value = share * np.sqrt(weight * boundary.spacing / grid.size)[:, None]
    value = np.concatenate([value * boundary.normal[:, :1], value * boundary.normal[:, 1:]], 1)
    used = weight > 0
    matrix = sparse_rows(np.concatenate([2 * node, 2 * node + 1], 1)[used], value[used], 2 * grid.count)
    return matrix, np.zeros(matrix.shape[0])


def texture_velocity(part: Part) -> np.ndarray:
    """(2,) px/frame along the part's main texture: downward, or to the right where the texture is level."""
    luma = cv2.cvtColor(np.ascontiguousarray(np.nan_to_num(part.color), np.float32), cv2.COLOR_RGB2GRAY)
    inner = cv2.erode(part.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inner = inner if inner.any() else part.mask
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0)[inner], cv2.Sobel(luma, cv2.CV_32F, 0, 1)[inner]
    mixed = np.vdot(across, down)
    _, vectors = np.linalg.eigh(np.array([[np.vdot(across, across), mixed], [mixed, np.vdot(down, down)]], np.float64))
    direction = vectors[:, 0]  # the direction in which the texture changes least
    onward = direction[1] if abs(direction[1]) > 0.3 else direction[0]
    return direction * np.copysign(part.default_speed, onward)


def solve_rows(grid: SolverGrid, blocks: list[_Rows]) -> np.ndarray:
    """(count, 2) M at the grid's nodes, the least-squares solution by the normal equations."""
    total = max(matrix.shape[1] for matrix, _ in blocks)
    normal, right = REGULARIZATION * sparse.identity(total, format="csr"), np.zeros(total)
    for matrix, side in blocks:
        if matrix.shape[1] < total:
            matrix = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), (matrix.shape[0], total))
        normal = normal + matrix.T @ matrix
        right += matrix.T @ side
    factor = splu(normal.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return factor.solve(right)[: 2 * grid.count].reshape(-1, 2)
