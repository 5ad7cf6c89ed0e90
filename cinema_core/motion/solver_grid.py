"""The grid of the motion solve: nodes, links, and the plane of receding water."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse

from ..image.grid import extend

DRIFT = 4  # nodes to one of the drift's
RECEDES, FITS = 1.5, 0.9  # nearest over farthest disparity and R^2 from which a part counts as a receding plane


@dataclass(frozen=True, eq=False)
class Part:
    """One connected part of the region, in a window of the canvas; places in px of the window."""

    mask: np.ndarray
    color: np.ndarray
    disparity: np.ndarray
    pixels: np.ndarray
    velocities: np.ndarray
    pins: np.ndarray
    outlets: np.ndarray | None
    default_speed: float


@dataclass(frozen=True, eq=False)
class SolverGrid:
    """Nodes at the centres of cells of size x size px and of those round them; index is -1 where there is none.

    Index (1, 1) is the first cell of the window. Unknowns are interleaved: 2 i is x of node i, 2 i + 1 is y; those of
    the drift follow.
    """

    size: int
    index: np.ndarray
    count: int
    inside: np.ndarray  # (count,) bool, the cell has some of the part
    link: np.ndarray  # (L, 2) nodes side by side
    conductance: np.ndarray  # (L,) low across edges
    block: np.ndarray  # (D, 4) nodes: upper left, upper right, lower left, lower right
    stiffness: np.ndarray  # (D,)
    near: np.ndarray  # (count,) the plane's disparity over its mean, 1 without perspective
    drift: sparse.csr_matrix  # (count, drift nodes) bilinear
    rough: sparse.csr_matrix  # (.., drift nodes) second differences


def build_grid(part: Part, size: int, plane: np.ndarray | None) -> SolverGrid:
    mask = part.mask.astype(np.float32)
    share = _cells(mask, size)
    inside = cv2.copyMakeBorder((share > 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    node = cv2.dilate(inside, np.ones((3, 3), np.uint8)) > 0
    index = np.full(node.shape, -1, np.int64)
    index[node] = np.arange(node.sum())
    look = _cells(np.nan_to_num(part.color) * mask[..., None], size) / np.maximum(share, 1e-6)[..., None]
    look = cv2.GaussianBlur(look, (0, 0), 2)
    far = _cells(np.nan_to_num(part.disparity) * mask, size) / np.maximum(share, 1e-6)
    link, conductance, step = [], [], np.ones(index.shape)
    for axis in (0, 1):
        here, there = (np.take(index, range(n, index.shape[axis] - 1 + n), axis) for n in (0, 1))
        weak = np.ones(here.shape)
        contrast = np.square(np.diff(look, axis=axis)).sum(-1)
        edge = np.maximum(np.exp(-contrast / 0.02), 0.1) * np.where(np.abs(np.diff(far, axis=axis)) > 0.04, 0.05, 1)
        known = (np.take(share, range(share.shape[axis] - 1), axis) > 0) & (
            np.take(share, range(1, share.shape[axis]), axis) > 0
        )
        weak[1:-1, 1:-1] = np.where(known, edge, 1)
        both = (here >= 0) & (there >= 0)
        link.append(np.stack([here[both], there[both]], 1))
        conductance.append(weak[both])
        for n in (0, 1):
            ends = [slice(None)] * 2
            ends[axis] = slice(n, index.shape[axis] - 1 + n)
            step[tuple(ends)] = np.minimum(step[tuple(ends)], weak)
    corners = [index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]]
    block = np.stack(corners, -1).reshape(-1, 4)
    block = block[(block >= 0).all(1)]
    step = step[node]
    drift, rough = _drift(index, step)
    near = np.ones(len(step)) if plane is None else plane_at(plane, *cell_centres(share.shape, size, 1))[node]
    return SolverGrid(
        size, index, len(step), inside[node] > 0, np.concatenate(link), np.concatenate(conductance), block,
        step[block].mean(1), near, drift, rough,
    )  # fmt: skip


def _cells(values: np.ndarray, size: int) -> np.ndarray:
    """Mean over cells of size x size px; what is missing at the lower and right end counts as zero."""
    height, width = (-(-n // size) for n in values.shape[:2])
    padding = (0, height * size - values.shape[0], 0, width * size - values.shape[1])
    padded = cv2.copyMakeBorder(np.ascontiguousarray(values, np.float32), *padding, cv2.BORDER_CONSTANT)
    return cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)


def cell_centres(shape: tuple[int, ...], size: int, margin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x and y of cells' centres, px, as a row and a column."""
    down, across = (np.arange(-margin, n + margin, dtype=np.float32) * size + size / 2 for n in shape[:2])
    return across[None], down[:, None]


def _drift(index: np.ndarray, step: np.ndarray) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Nodes from the drift's coarser ones, bilinear, and second differences of these, weak where nodes' links are."""
    wide = -(-index.shape[1] // DRIFT) + 1
    row, column = np.nonzero(index >= 0)
    top, left = row // DRIFT, column // DRIFT
    y, x = row / DRIFT - top, column / DRIFT - left
    corner = np.stack([(top + down) * wide + left + across for down in (0, 1) for across in (0, 1)], 1)
    share = np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], 1)
    used, corner = np.unique(corner, return_inverse=True)
    matrix = sparse_rows(corner.reshape(-1, 4), share, len(used))
    firm = (matrix.T @ step) / np.maximum(matrix.T @ np.ones(len(step)), 1e-9)
    coarse = np.full((-(-index.shape[0] // DRIFT) + 1, wide), -1, np.int64)
    coarse.ravel()[used] = np.arange(len(used))
    bends = []
    for nodes, value in (
        ((coarse[:, :-2], coarse[:, 1:-1], coarse[:, 2:]), (1, -2, 1)),
        ((coarse[:-2], coarse[1:-1], coarse[2:]), (1, -2, 1)),
        ((coarse[:-1, :-1], coarse[:-1, 1:], coarse[1:, :-1], coarse[1:, 1:]), np.sqrt(2) * np.array((1, -1, -1, 1))),
    ):
        nodes = np.stack([part.ravel() for part in nodes], 1)
        nodes = nodes[(nodes >= 0).all(1)]
        bends.append(sparse_rows(nodes, np.sqrt(firm[nodes].min(1))[:, None] * np.asarray(value, float), len(used)))
    return matrix, sparse.vstack(bends, format="csr")


def fit_receding_plane(part: Part, size: int) -> np.ndarray | None:
    """The part's disparity as (a, b, c, least, most) of a x + b y + c over its mean, if it is a receding plane."""
    share = _cells(part.mask.astype(np.float32), size)
    known = share > 0
    far = (_cells(np.nan_to_num(part.disparity) * part.mask, size) / np.maximum(share, 1e-6))[known].astype(np.float64)
    x, y = (
        np.broadcast_to(centre, known.shape)[known].astype(np.float64) for centre in cell_centres(known.shape, size)
    )
    weight = np.sqrt(share[known])
    columns = np.stack([x, y, np.ones_like(x)], 1)
    plane = np.linalg.lstsq(columns * weight[:, None], far * weight, rcond=None)[0]
    fit, mean = columns @ plane, np.average(far, weights=share[known])
    spread = np.average(np.square(far - mean), weights=share[known])
    left = np.average(np.square(far - fit), weights=share[known])
    low, high = max(fit.min(), far.min(), 1e-6), fit.max()
    if mean <= 0 or high < RECEDES * low or left > (1 - FITS) * spread:
        return None
    return np.concatenate([plane, (low, high)]) / mean


def plane_at(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.clip(plane[0] * x + plane[1] * y + plane[2], plane[3], plane[4]).astype(np.float32)


def sparse_rows(column: np.ndarray, value: np.ndarray, width: int) -> sparse.csr_matrix:
    """A sparse matrix from the columns and values of its rows, (R, C) both."""
    count, entries = column.shape
    return sparse.csr_matrix((value.ravel(), column.ravel(), np.arange(count + 1) * entries), (count, width))


def bilinear_weights(grid: SolverGrid, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) nodes round each place and their shares."""
    at = np.asarray(pixels, np.float64) / grid.size + 0.5
    base = np.clip(np.floor(at).astype(np.int64), 0, np.array(grid.index.shape[::-1]) - 2)
    (left, top), (x, y) = base.T, (at - base).T
    node = np.stack([grid.index[top + down, left + across] for down in (0, 1) for across in (0, 1)], 1)
    share = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], 1)
    return np.maximum(node, 0), np.where(node < 0, 0, share)


def to_pixels(grid: SolverGrid, flow: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w, 2) float32, bilinear between nodes; cv2.resize puts them at the centres of their cells, as they are."""
    nodes = np.zeros((*grid.index.shape, 2), np.float32)
    nodes[grid.index >= 0] = flow
    nodes, size = extend(nodes, grid.index >= 0), grid.size
    full = cv2.resize(nodes, (nodes.shape[1] * size, nodes.shape[0] * size), interpolation=cv2.INTER_LINEAR)
    return full[size : size + shape[0], size : size + shape[1]]
