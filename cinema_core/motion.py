"""The motion field: velocities everywhere in the region, from hints along strokes.

Input: hints and the region on the layers' canvas. Output: (Hc, Wc, 2) float32 px/frame. A sparse least-squares solve
over cells: smooth, weakly so across edges; the hints hold; water neither piles up nor runs into its banks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from .grid import extend, pool

MOST_CELLS = 16000
HINT, DIVERGENCE, BANK, REST = 100.0, 1.0, 4.0, 1e-5  # weights beside 1 for smoothness
DEFAULT_SPEED = 1 / 1000  # of the longer side per frame, for a region without a stroke
OPEN_ANGLE = 0.6  # cosine of flow and border normal above which the water comes or goes there, rather than slides


@dataclass(frozen=True, eq=False)
class _Cells:
    """The region in cells of size x size px; index is -1 outside."""

    size: int
    index: np.ndarray
    count: int
    link: tuple[np.ndarray, np.ndarray, np.ndarray]  # cell, its right or lower neighbour, conductance
    normal: np.ndarray  # (count, 2) outward, zero away from the border


def solve_motion(
    region: np.ndarray,
    pixels: np.ndarray,
    velocities: np.ndarray,
    color: np.ndarray,
    disparity: np.ndarray,
    pins: np.ndarray | None = None,
    outlets: np.ndarray | None = None,
    perspective: bool = False,
    incompressible: bool = True,
) -> np.ndarray:
    """Solve for the motion field of a region.

    Args:
        region: (H, W) bool.
        pixels: (N, 2) float32, px, where velocities are known.
        velocities: (N, 2) float32, px/frame.
        color: (H, W, 3) float32, sRGB, as seen in the region.
        disparity: (H, W) float32, of the region's surface.
        pins: (P, 2) float32, px, where the motion is zero.
        outlets: (H, W) bool; water may come and go through the region's border in it.
        perspective: Let nearer parts of a receding plane move faster.
        incompressible: Water: it neither piles up nor runs into banks. Else only smooth.

    Returns:
        (H, W, 2) float32, px/frame, continued beyond the region so that it can be sampled at its border.

    Source: Li et al., CVPR 2023, for sparse hints on an Eulerian field; the solve is ours (design: hints are
    constraints, borders closed, divergence small).
    """
    if not region.any():
        return np.zeros((*region.shape, 2), np.float32)
    if pins is not None and len(pins):
        pixels = np.concatenate([pixels, pins])
        velocities = np.concatenate([velocities, np.zeros_like(pins)])
    cells = _cells(region, color, disparity)
    hint = _hint_rows(cells, pixels, velocities, color, region)
    if not incompressible:
        return _to_pixels(cells, _solve(cells, [_smooth_rows(cells), hint]), region)
    system = [_smooth_rows(cells), _divergence_rows(cells), hint]
    free = _solve(cells, system)
    flow = _solve(cells, [*system, _bank_rows(cells, free, outlets)])
    return _to_pixels(cells, flow, region)


def _cells(region: np.ndarray, color: np.ndarray, disparity: np.ndarray) -> _Cells:
    size = max(1, int(np.ceil(np.sqrt(region.sum() / MOST_CELLS))))
    mask = pool(region.astype(np.float32), size) > (0.3 if size > 2 else 0)
    if not mask.any():
        mask = pool(region.astype(np.float32), size) > 0
    index = np.full(mask.shape, -1, np.int64)
    index[mask] = np.arange(mask.sum())
    weight = np.maximum(pool(region.astype(np.float32), size), 1e-6)
    look = cv2.GaussianBlur(pool(color * region[..., None], size) / weight[..., None], (0, 0), 2)
    far = pool(disparity * region, size) / weight
    links = []
    for axis in (0, 1):
        here, there = (np.take(index, range(n, index.shape[axis] - 1 + n), axis) for n in (0, 1))
        both = (here >= 0) & (there >= 0)
        contrast = np.square(np.diff(look, axis=axis)).sum(-1)[both]
        jump = np.abs(np.diff(far, axis=axis))[both]
        links.append((here[both], there[both], np.maximum(np.exp(-contrast / 0.02), 0.1) * np.where(jump > 0.04, 0.05, 1)))
    link = tuple(np.concatenate(parts) for parts in zip(*links))
    return _Cells(size, index, int(mask.sum()), link, _normals(mask)[mask])


def _normals(mask: np.ndarray) -> np.ndarray:
    """(h, w, 2) outward unit normals at cells with a neighbour outside; the canvas's border counts as inside."""
    solid = cv2.copyMakeBorder(mask.astype(np.float32), 4, 4, 4, 4, cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(solid, (0, 0), 1.5)
    down, right = np.gradient(soft)
    normal = -np.stack([right, down], -1)[4:-4, 4:-4]
    outside = cv2.erode(solid, np.ones((3, 3), np.uint8))[4:-4, 4:-4] == 0
    size = np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.where(outside[..., None] & (size > 1e-3), normal / np.maximum(size, 1e-6), 0)


def _rows(cells: _Cells, entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]], right: np.ndarray):
    """A sparse block over the 2 x count unknowns (all x components first) and its right-hand side."""
    row, column, value = (np.concatenate(parts) for parts in zip(*entries))
    return sparse.csr_matrix((value, (row, column)), (len(right), 2 * cells.count)), right


def _smooth_rows(cells: _Cells):
    here, there, conductance = cells.link
    count, root = len(here), np.sqrt(conductance)
    row = np.arange(count)
    entries = []
    for part in (0, 1):
        entries.append((row + part * count, here + part * cells.count, root))
        entries.append((row + part * count, there + part * cells.count, -root))
    return _rows(cells, entries, np.zeros(2 * count))


def _divergence_rows(cells: _Cells):
    """Central differences where both neighbours on both axes are in the region."""
    inner = cells.index[1:-1, 1:-1]
    left, right = cells.index[1:-1, :-2], cells.index[1:-1, 2:]
    above, below = cells.index[:-2, 1:-1], cells.index[2:, 1:-1]
    full = (inner >= 0) & (left >= 0) & (right >= 0) & (above >= 0) & (below >= 0)
    count = int(full.sum())
    row, half = np.arange(count), np.full(count, np.sqrt(DIVERGENCE) / 2)
    entries = [
        (row, right[full], half),
        (row, left[full], -half),
        (row, below[full] + cells.count, half),
        (row, above[full] + cells.count, -half),
    ]
    return _rows(cells, entries, np.zeros(count))


def _hint_rows(cells: _Cells, pixels: np.ndarray, velocities: np.ndarray, color: np.ndarray, region: np.ndarray):
    """One row per component and sample; parts of the region without any sample follow their texture."""
    column = np.clip((pixels[:, 0] / cells.size).astype(int), 0, cells.index.shape[1] - 1)
    row = np.clip((pixels[:, 1] / cells.size).astype(int), 0, cells.index.shape[0] - 1)
    cell = cells.index[row, column]
    known = cell >= 0
    cell, velocity = cell[known], velocities[known].astype(np.float64)
    weight = np.full(len(cell), np.sqrt(HINT))
    extra, default = _default_hints(cells, cell, color, region)
    cell, velocity = np.concatenate([cell, extra]), np.concatenate([velocity, default])
    weight = np.concatenate([weight, np.full(len(extra), 0.3)])
    count = len(cell)
    order = np.arange(count)
    entries = [(order + part * count, cell + part * cells.count, weight) for part in (0, 1)]
    return _rows(cells, entries, np.concatenate([velocity[:, 0] * weight, velocity[:, 1] * weight]))


def _default_hints(cells: _Cells, hinted: np.ndarray, color: np.ndarray, region: np.ndarray):
    """Cells of parts without a hint, and a velocity along the part's main texture: down, or to the right if level."""
    count, parts = cv2.connectedComponents((cells.index >= 0).astype(np.uint8), connectivity=4)
    part_of = parts[cells.index >= 0]
    alone = np.setdiff1d(np.arange(1, count), part_of[hinted])
    if not len(alone):
        return np.zeros(0, np.int64), np.zeros((0, 2))
    luma = cv2.cvtColor(np.ascontiguousarray(color, np.float32), cv2.COLOR_RGB2GRAY)
    across, down = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    tensor = pool(np.stack([across * across, across * down, down * down], -1) * region[..., None], cells.size)
    tensor = tensor[cells.index >= 0]
    cell, velocity = [], []
    for part in alone:
        members = np.flatnonzero(part_of == part)
        xx, xy, yy = tensor[members].sum(0)
        _, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
        direction = vectors[:, 0]  # texture changes least along it
        downward = direction[1] if abs(direction[1]) > 0.3 else direction[0]
        pace = DEFAULT_SPEED * max(region.shape) * (1 if downward >= 0 else -1)
        cell.append(members)
        velocity.append(np.tile(direction * pace, (len(members), 1)))
    return np.concatenate(cell), np.concatenate(velocity)


def _bank_rows(cells: _Cells, free: np.ndarray, outlets: np.ndarray | None):
    """No flow through closed borders.

    The solve without banks tells where water comes and goes: there the flow meets the border squarely. An island is
    always closed: water goes round it.
    """
    border = np.linalg.norm(cells.normal, axis=1) > 0
    speed = np.linalg.norm(free, axis=1)
    through = np.abs((free * cells.normal).sum(1)) / np.maximum(speed, 1e-9)
    closed = border & ((through < OPEN_ANGLE) | _beside_island(cells))
    if outlets is not None:
        closed &= (pool(outlets.astype(np.float32), cells.size) == 0)[cells.index >= 0]
    cell = np.flatnonzero(closed)
    row, normal = np.arange(len(cell)), cells.normal[cell] * np.sqrt(BANK)
    entries = [(row, cell, normal[:, 0]), (row, cell + cells.count, normal[:, 1])]
    return _rows(cells, entries, np.zeros(len(cell)))


def _beside_island(cells: _Cells) -> np.ndarray:
    """(count,) bool: the cell touches a part of the outside that the region encloses."""
    outside = cv2.copyMakeBorder((cells.index < 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, parts = cv2.connectedComponents(outside, connectivity=8)
    island = ((parts > 0) & (parts != parts[0, 0])).astype(np.uint8)
    return cv2.dilate(island, np.ones((3, 3), np.uint8))[1:-1, 1:-1][cells.index >= 0] > 0


def _solve(cells: _Cells, blocks: list) -> np.ndarray:
    """(count, 2) least-squares solution by the normal equations."""
    matrix = sparse.vstack([block for block, _ in blocks]).tocsr()
    right = np.concatenate([side for _, side in blocks])
    normal = (matrix.T @ matrix + REST * sparse.identity(2 * cells.count)).tocsc()
    factor = splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    solution = factor.solve(matrix.T @ right)
    return np.stack([solution[: cells.count], solution[cells.count :]], 1)


def _to_pixels(cells: _Cells, flow: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(H, W, 2) float32: bilinear between cells, continued beyond the region."""
    inside = cells.index >= 0
    grid = np.zeros((*inside.shape, 2), np.float32)
    grid[inside] = flow
    grid = extend(grid, inside)
    height, width = region.shape
    full = cv2.resize(grid, (grid.shape[1] * cells.size, grid.shape[0] * cells.size), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[:height, :width])


def feather(motion: np.ndarray, region: np.ndarray, width: float, soft: np.ndarray | None = None) -> np.ndarray:
    """Let motion fade to none at the region's border.

    With a field that is zero at the border nothing enters or leaves: the flow map carries the region onto itself, so
    that no front of new texture runs through the picture and no edge is seen to shear. Where water springs, its
    texture is stretched over the strip. Only beyond the photo and behind nearer things, where the region goes on
    unseen, does it flow out freely.

    Args:
        motion: (H, W, 2) float32, px/frame.
        region: (H, W) bool.
        width: Of the strip, px.
        soft: (H, W) float32 factor 0..1 on the motion besides, from a soft mask.

    Returns:
        (H, W, 2) float32, px/frame.
    """
    if not region.all():
        distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        near = np.clip((distance - 1) / max(2.0, width), 0, 1)
        motion = motion * (near * near * (3 - 2 * near))[..., None]
    return motion if soft is None else motion * soft[..., None]
