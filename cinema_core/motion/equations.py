"""Equations of the motion solve: rows of the least-squares system, and its solution."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .boundary import Boundary
from .solver_grid import DRIFT, Part, SolverGrid, bilinear_weights, sparse_rows

# Weights, of squares summed over nodes, where velocities count in px/frame.
HINT, BANK, REST, PLAIN = 100.0, 30.0, 1e-9, 0.002
DIVERGENCE, CURL = 3.5, 20.0
EVEN, STRAIGHT = 0.3, 0.015  # of the drift: its differences; its second differences, beside the part's own size
APART = 3.0  # of M from B, beside the part's own size
FRAME, FRAME_STRIP = 3.0, 1 / 6  # beside the picture's frame: its differences; width of the strip, of the part
DEFAULT_WEIGHT = 0.1
_Rows = tuple[sparse.csr_matrix, np.ndarray]  # a block of the least-squares system and its right-hand side


def smoothness_rows(grid: SolverGrid, weight: float) -> _Rows:
    return _difference_rows(grid, grid.link, weight * grid.conductance)


def _difference_rows(grid: SolverGrid, link: np.ndarray, weight: np.ndarray) -> _Rows:
    """Both components are the same at both ends of each link, by its (L,) weight."""
    root = np.sqrt(weight)
    column = np.concatenate([2 * link, 2 * link + 1])
    value = np.tile(np.stack([root, -root], 1), (2, 1))
    return sparse_rows(column, value, 2 * grid.count), np.zeros(len(column))


def _frame_rows(grid: SolverGrid, mask: np.ndarray) -> _Rows:
    """No change across the picture's frame in the strip beside it: what flows there goes on flowing beyond.

    Else a field without divergence and curl grows towards an open border as it likes, and water wells up there.
    """
    nodes = np.argwhere(grid.index >= 0)
    strip = FRAME_STRIP * np.sqrt(grid.count)
    beside = np.zeros(len(grid.link), bool)
    for axis in (0, 1):
        place = nodes[:, axis][grid.link]
        across = place[:, 0] != place[:, 1]
        framed = np.moveaxis(mask, axis, 0)  # else the window is wider than the part
        if framed[: grid.size].any():
            beside |= across & (place.max(1) <= strip)
        if framed[-grid.size :].any():
            beside |= across & (grid.index.shape[axis] - 1 - place.min(1) <= strip)
    return _difference_rows(grid, grid.link[beside], np.full(beside.sum(), FRAME))


def fluid_rows(grid: SolverGrid, mask: np.ndarray) -> list[_Rows]:
    """Rows for M and the drift B: no divergence, no curl of M - B, B even and straight, M near B, hardly any change.

    On a receding plane they are told of M over the disparity; a pixel's share of the plane is disparity^-3.
    """
    total = 2 * (grid.count + grid.drift.shape[1])
    nodes, stiff = grid.block, np.sqrt(grid.stiffness)[:, None]
    across, down = np.array((-0.5, 0.5, -0.5, 0.5)), np.array((-0.5, -0.5, 0.5, 0.5))
    both = np.concatenate([2 * nodes, 2 * nodes + 1], 1)
    dense = np.square(grid.near[nodes].mean(1, keepdims=True) / grid.near[nodes])
    divergence = np.sqrt(DIVERGENCE) * stiff * np.concatenate([across * dense, down * dense], 1)
    curl = sparse_rows(both, np.sqrt(CURL) * stiff * np.concatenate([-down, across]), 2 * grid.count)
    pair = sparse.identity(2)
    spread = sparse.kron(grid.drift, pair, format="csr")
    none = sparse.csr_matrix
    differences = (
        sparse_rows(grid.link, np.sqrt(EVEN * grid.conductance)[:, None] * (1.0, -1.0), grid.count) @ grid.drift
    )
    area = grid.inside.sum()  # in cells
    straight = np.sqrt(STRAIGHT * area) / DRIFT * grid.rough
    apart = np.sqrt(APART / area)
    matrices = [
        sparse_rows(both, divergence, total),
        sparse.hstack([curl, -curl @ spread]),
        sparse.hstack([apart * sparse.identity(2 * grid.count), -apart * spread]),
        *(
            sparse.hstack([none((2 * part.shape[0], 2 * grid.count)), sparse.kron(part, pair)])
            for part in (differences, straight)
        ),
    ]
    rows = [(matrix.tocsr(), np.zeros(matrix.shape[0])) for matrix in matrices]
    return [*rows, smoothness_rows(grid, PLAIN), _frame_rows(grid, mask)]


def hint_rows(grid: SolverGrid, part: Part) -> list[_Rows]:
    """Rows for the hints and pins; the texture's direction, weakly, where there is no hint."""
    rows = [_hold_rows(grid, part.pixels, part.velocities), _hold_rows(grid, part.pins, np.zeros_like(part.pins))]
    if not len(part.pixels):
        node = np.flatnonzero(grid.inside)
        value = np.full((2 * len(node), 1), np.sqrt(DEFAULT_WEIGHT))
        matrix = sparse_rows(np.concatenate([2 * node, 2 * node + 1])[:, None], value, 2 * grid.count)
        rows.append((matrix, value[:, 0] * np.repeat(along_texture(part), len(node))))
    return rows


def _hold_rows(grid: SolverGrid, pixels: np.ndarray, velocities: np.ndarray) -> _Rows:
    """Velocities at places; many in one cell count as one there, so that crossing strokes average."""
    node, share = bilinear_weights(grid, pixels)
    cell = np.floor(pixels / grid.size).astype(np.int64)
    _, back, count = np.unique(cell[:, 1] * 2**32 + cell[:, 0], return_inverse=True, return_counts=True)
    root = np.sqrt(HINT / count[back])[:, None]
    near = (share * grid.near[node]).sum(1, keepdims=True)
    matrix = sparse_rows(np.concatenate([2 * node, 2 * node + 1]), np.tile(share * root, (2, 1)), 2 * grid.count)
    return matrix, (velocities / np.maximum(near, 1e-9) * root).T.ravel()


def boundary_rows(grid: SolverGrid, banks: Boundary, weight: np.ndarray) -> _Rows:
    node, share = bilinear_weights(grid, banks.pixels)
    value = share * np.sqrt(weight * banks.spacing / grid.size)[:, None]
    value = np.concatenate([value * banks.normal[:, :1], value * banks.normal[:, 1:]], 1)
    used = weight > 0
    matrix = sparse_rows(np.concatenate([2 * node, 2 * node + 1], 1)[used], value[used], 2 * grid.count)
    return matrix, np.zeros(matrix.shape[0])


def along_texture(part: Part) -> np.ndarray:
    """(2,) px/frame along the part's main texture: down, or to the right if it is level."""
    luma = cv2.cvtColor(np.ascontiguousarray(np.nan_to_num(part.color), np.float32), cv2.COLOR_RGB2GRAY)
    inner = cv2.erode(part.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inner = inner if inner.any() else part.mask
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0)[inner], cv2.Sobel(luma, cv2.CV_32F, 0, 1)[inner]
    mixed = np.vdot(across, down)
    _, vectors = np.linalg.eigh(np.array([[np.vdot(across, across), mixed], [mixed, np.vdot(down, down)]], np.float64))
    direction = vectors[:, 0]  # texture changes least along it
    onward = direction[1] if abs(direction[1]) > 0.3 else direction[0]
    return direction * np.copysign(part.default_speed, onward)


def solve_rows(grid: SolverGrid, blocks: list[_Rows]) -> np.ndarray:
    """(count, 2) least-squares solution by the normal equations."""
    total = max(matrix.shape[1] for matrix, _ in blocks)
    normal, right = REST * sparse.identity(total, format="csr"), np.zeros(total)
    for matrix, side in blocks:
        if matrix.shape[1] < total:
            matrix = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), (matrix.shape[0], total))
        normal = normal + matrix.T @ matrix
        right += matrix.T @ side
    factor = splu(normal.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return factor.solve(right)[: 2 * grid.count].reshape(-1, 2)
