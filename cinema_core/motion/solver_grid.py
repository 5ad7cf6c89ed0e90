"""The grid of the motion solve: its nodes, links and weights, and the plane of receding water.

Input: a `Part`, one connected part of the region. Output: a `SolverGrid`, on which `equations` sets up the
least-squares system, and the interpolation between its nodes and pixels. This module holds geometry only and imports
none of the other solver modules.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse

from ..image.grid import extend

BASE_STEP = 4  # grid nodes from one node of the base flow to the next
RECEDING_RATIO = 1.5  # of the plane's highest to its lowest disparity; a part with less is not a receding plane
PLANE_FIT = 0.9  # R^2 of the plane fit; a part that fits worse is not a plane
EDGE_CONTRAST = 0.02  # squared sRGB difference of neighbouring cells that lowers their conductance to 1/e
COLOR_CONDUCTANCE = 0.1  # a colour edge does not lower the conductance below this
DEPTH_STEP = 0.04  # disparity; a larger difference of neighbouring cells is a depth discontinuity
DEPTH_CONDUCTANCE = 0.05  # factor on the conductance across a depth discontinuity
DEFAULT_SPEED = 1 / 1000  # of the canvas's longer side per frame, for a part without a stroke


@dataclass(frozen=True, eq=False)
class Part:
    """One connected part of the region, in a window of the canvas. Positions are in px of the window.

    Attributes:
        mask: (h, w) bool, the pixels of the part.
        color: (h, w, 3) float32, sRGB.
        disparity: (h, w) float32.
        pixels: (N, 2) float32, px, where velocities are known.
        velocities: (N, 2) float32, px/frame.
        pins: (P, 2) float32, px, where the motion is zero.
        outlets: (h, w) bool, None for no outlets.
        default_speed: px/frame of a part without a stroke.
    """

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
    """Nodes at the centres of the part's cells, and of the ring of cells around them.

    The unknowns are interleaved: 2 i is x of node i, and 2 i + 1 is y. Those of the base flow follow.

    Attributes:
        size: px, side of a cell.
        index: (rows, columns) int64, number of each cell's node, -1 for none. (1, 1) is the window's first cell.
        count: Number of nodes.
        inside: (count,) bool, the node's cell contains pixels of the part.
        link: (L, 2) nodes of neighbouring cells.
        conductance: (L,) weight of each link, low across edges of colour and depth.
        block: (D, 4) nodes: upper left, upper right, lower left, lower right.
        stiffness: (D,) weight of each block, low at edges of colour and depth.
        relative_disparity: (count,) the plane's disparity over its mean, 1 without perspective.
        base_weights: (count, base nodes) bilinear interpolation from the base flow's nodes.
        base_bending: (.., base nodes) second differences of the base flow.
    """

    size: int
    index: np.ndarray
    count: int
    inside: np.ndarray
    link: np.ndarray
    conductance: np.ndarray
    block: np.ndarray
    stiffness: np.ndarray
    relative_disparity: np.ndarray
    base_weights: sparse.csr_matrix
    base_bending: sparse.csr_matrix


def build_grid(part: Part, size: int, plane: np.ndarray | None) -> SolverGrid:
    """The grid of a part, with cells of `size` px, and a plane of `fit_receding_plane` or None."""
    mask = part.mask.astype(np.float32)
    share = _cell_means(mask, size)
    inside = cv2.copyMakeBorder((share > 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    node = cv2.dilate(inside, np.ones((3, 3), np.uint8)) > 0
    index = np.full(node.shape, -1, np.int64)
    index[node] = np.arange(node.sum())
    color = _cell_means(np.nan_to_num(part.color) * mask[..., None], size) / np.maximum(share, 1e-6)[..., None]
    color = cv2.GaussianBlur(color, (0, 0), 2)
    disparity = _cell_means(np.nan_to_num(part.disparity) * mask, size) / np.maximum(share, 1e-6)
    link, conductance, weakest = _links(index, share, color, disparity)
    corners = [index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]]
    block = np.stack(corners, -1).reshape(-1, 4)
    block = block[(block >= 0).all(1)]
    weakest = weakest[node]
    relative = np.ones(len(weakest)) if plane is None else plane_at(plane, *cell_centres(share.shape, size, 1))[node]
    return SolverGrid(
        size, index, len(weakest), inside[node] > 0, link, conductance, block, weakest[block].mean(1), relative,
        *_base_flow(index, weakest),
    )  # fmt: skip


def _links(
    index: np.ndarray, share: np.ndarray, color: np.ndarray, disparity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Links between neighbouring nodes.

    Args:
        index: (h + 2, w + 2) int64, node numbers as in `SolverGrid`.
        share: (h, w) float32, share of the part in each cell.
        color: (h, w, 3) float32, sRGB of the cells.
        disparity: (h, w) float32.

    Returns:
        (L, 2) nodes and (L,) conductance of each link, and (h + 2, w + 2) the lowest conductance at each cell.
    """
    links, conductances, weakest = [], [], np.ones(index.shape)
    for axis in (0, 1):
        here, there = (np.take(index, range(n, index.shape[axis] - 1 + n), axis) for n in (0, 1))
        conductance = np.ones(here.shape)
        contrast = np.square(np.diff(color, axis=axis)).sum(-1)
        across_depth = np.where(np.abs(np.diff(disparity, axis=axis)) > DEPTH_STEP, DEPTH_CONDUCTANCE, 1)
        edge = np.maximum(np.exp(-contrast / EDGE_CONTRAST), COLOR_CONDUCTANCE) * across_depth
        known = (np.take(share, range(share.shape[axis] - 1), axis) > 0) & (
            np.take(share, range(1, share.shape[axis]), axis) > 0
        )
        conductance[1:-1, 1:-1] = np.where(known, edge, 1)
        both = (here >= 0) & (there >= 0)
        links.append(np.stack([here[both], there[both]], 1))
        conductances.append(conductance[both])
        for n in (0, 1):
            ends = [slice(None)] * 2
            ends[axis] = slice(n, index.shape[axis] - 1 + n)
            weakest[tuple(ends)] = np.minimum(weakest[tuple(ends)], conductance)
    return np.concatenate(links), np.concatenate(conductances), weakest


def _cell_means(values: np.ndarray, size: int) -> np.ndarray:
    """Mean over cells of size x size px; missing pixels at the lower and right end count as zero."""
    height, width = (-(-n // size) for n in values.shape[:2])
    padding = (0, height * size - values.shape[0], 0, width * size - values.shape[1])
    padded = cv2.copyMakeBorder(np.ascontiguousarray(values, np.float32), *padding, cv2.BORDER_CONSTANT)
    return cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)


def cell_centres(shape: tuple[int, ...], size: int, margin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the cells' centres, px, as a row and a column; with a margin of so many cells on each side."""
    down, across = (np.arange(-margin, n + margin, dtype=np.float32) * size + size / 2 for n in shape[:2])
    return across[None], down[:, None]


def _base_flow(index: np.ndarray, weakest: np.ndarray) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """`base_weights` and `base_bending` of the grid.

    Args:
        index: (rows, columns) int64, node numbers as in `SolverGrid`.
        weakest: (count,) lowest conductance of each node's links; it weights the second differences.
    """
    columns = -(-index.shape[1] // BASE_STEP) + 1
    row, column = np.nonzero(index >= 0)
    top, left = row // BASE_STEP, column // BASE_STEP
    y, x = row / BASE_STEP - top, column / BASE_STEP - left
    corner = np.stack([(top + down) * columns + left + across for down in (0, 1) for across in (0, 1)], 1)
    share = np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x], 1)
    used, corner = np.unique(corner, return_inverse=True)
    weights = sparse_rows(corner.reshape(-1, 4), share, len(used))
    stiffness = (weights.T @ weakest) / np.maximum(weights.T @ np.ones(len(weakest)), 1e-9)
    coarse = np.full((-(-index.shape[0] // BASE_STEP) + 1, columns), -1, np.int64)
    coarse.ravel()[used] = np.arange(len(used))
    bending = []
    for corners, value in (
        ((coarse[:, :-2], coarse[:, 1:-1], coarse[:, 2:]), np.array((1.0, -2.0, 1.0))),
        ((coarse[:-2], coarse[1:-1], coarse[2:]), np.array((1.0, -2.0, 1.0))),
        ((coarse[:-1, :-1], coarse[:-1, 1:], coarse[1:, :-1], coarse[1:, 1:]), np.sqrt(2) * np.array((1, -1, -1, 1))),
    ):
        nodes = np.stack([part.ravel() for part in corners], 1)
        nodes = nodes[(nodes >= 0).all(1)]
        bending.append(sparse_rows(nodes, np.sqrt(stiffness[nodes].min(1))[:, None] * value, len(used)))
    return weights, sparse.vstack(bending, format="csr")


def fit_receding_plane(part: Part, size: int) -> np.ndarray | None:
    """Fit a plane to the part's disparity by least squares.

    Returns:
        (a, b, c, lowest, highest): disparity over its mean is a x + b y + c, within these limits. None if the part is
        not a plane, or does not recede.
    """
    share = _cell_means(part.mask.astype(np.float32), size)
    known = share > 0
    disparity = _cell_means(np.nan_to_num(part.disparity) * part.mask, size) / np.maximum(share, 1e-6)
    disparity = disparity[known].astype(np.float64)
    x, y = (
        np.broadcast_to(centre, known.shape)[known].astype(np.float64) for centre in cell_centres(known.shape, size)
    )
    weight = np.sqrt(share[known])
    columns = np.stack([x, y, np.ones_like(x)], 1)
    plane = np.linalg.lstsq(columns * weight[:, None], disparity * weight, rcond=None)[0]
    fit, mean = columns @ plane, np.average(disparity, weights=share[known])
    variance = np.average(np.square(disparity - mean), weights=share[known])
    residual = np.average(np.square(disparity - fit), weights=share[known])
    low, high = max(fit.min(), disparity.min(), 1e-6), fit.max()
    if mean <= 0 or high < RECEDING_RATIO * low or residual > (1 - PLANE_FIT) * variance:
        return None
    return np.concatenate([plane, (low, high)]) / mean


def plane_at(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float32, relative disparity of a plane of `fit_receding_plane` at px."""
    right, down, middle, low, high = plane.tolist()
    return np.clip(right * x + down * y + middle, low, high).astype(np.float32)


def sparse_rows(column: np.ndarray, value: np.ndarray, width: int) -> sparse.csr_matrix:
    """(R, width) sparse matrix from the columns and values of its rows, both (R, C)."""
    count, entries = column.shape
    return sparse.csr_matrix((value.ravel(), column.ravel(), np.arange(count + 1) * entries), (count, width))


def bilinear_weights(grid: SolverGrid, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) nodes around each position, and their (N, 4) bilinear weights; the weight of a missing node is 0."""
    at = np.asarray(pixels, np.float64) / grid.size + 0.5
    base = np.clip(np.floor(at).astype(np.int64), 0, np.array(grid.index.shape[::-1]) - 2)
    (left, top), (x, y) = base.T, (at - base).T
    node = np.stack([grid.index[top + down, left + across] for down in (0, 1) for across in (0, 1)], 1)
    share = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], 1)
    return np.maximum(node, 0), np.where(node < 0, 0, share)


def to_pixels(grid: SolverGrid, flow: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w, 2) float32, interpolated between nodes; cv2.resize takes values at cell centres, where the nodes are."""
    nodes = np.zeros((*grid.index.shape, 2), np.float32)
    nodes[grid.index >= 0] = flow
    nodes, size = extend(nodes, grid.index >= 0), grid.size
    full = cv2.resize(nodes, (nodes.shape[1] * size, nodes.shape[0] * size), interpolation=cv2.INTER_LINEAR)
    return full[size : size + shape[0], size : size + shape[1]]
