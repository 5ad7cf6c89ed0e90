"""The motion field: velocities everywhere in the region, from hints along strokes.

Input: hints and the region on the layers' canvas. Output: (Hc, Wc, 2) float32 px/frame.

Every connected part of the region is a sparse least-squares solve of its own, over nodes of a bilinear grid. The flow M
is sought together with a *drift* B on a coarser grid: B is as even as can be and carries what turns; M holds the
hints, neither piles up nor runs into banks, and differs from B only by what has no curl, and little of that. So a
rock in the water costs nothing but the water's way round it: it does not brake what flows far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from .banks import Banks, find_banks
from .grid import extend

MOST_NODES = 5000  # of all parts; the answer within a second sets it, the flow's detail hardly grows beyond
FEW_NODES = 500  # a small part beside a large one gets so many, if it has as many pixels
TINY = 30  # px; a part no larger moves as one
COARSE = 3  # times wider is the grid of the first solves, that tell where water comes and goes
DRIFT = 4  # nodes to one of the drift's
# Weights, of squares summed over nodes, where velocities count in px/frame.
HINT, BANK, REST, PLAIN = 100.0, 30.0, 1e-9, 0.002
DIVERGENCE, CURL = 3.5, 20.0
EVEN, STRAIGHT = 0.3, 0.015  # of the drift: its differences; its second differences, beside the part's own size
APART = 3.0  # of M from B, beside the part's own size
# A border that the flow meets squarely is open. To let it through costs LEAK where the part reaches the picture's frame
# (there the water can leave), and the more, the more the hints turn: who draws a whirl has banks in mind.
LEAK, LEAST, TURN, OPEN = 10.0, 0.2, 1000.0, 0.25
FRAME, FRAME_STRIP = 3.0, 1 / 6  # beside the picture's frame: its differences; width of the strip, of the part
OUTLET_REACH = 0.015  # of the longer side; a border so near a drawn outlet is open
DEFAULT_SPEED = 1 / 1000  # of the longer side per frame, for a part without a stroke
DEFAULT_WEIGHT = 0.1
RECEDES, FITS = 1.5, 0.9  # nearest over farthest disparity and R^2 from which a part counts as a receding plane


@dataclass(frozen=True, eq=False)
class _Part:
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
class _Grid:
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


_Rows = tuple[sparse.csr_matrix, np.ndarray]  # a block of the least-squares system and its right-hand side


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
        outlets: (H, W) bool; near it water may come and go through the region's border.
        perspective: Let nearer water of a receding plane move faster.
        incompressible: Water: it neither piles up nor runs into banks. Else only smooth.

    Returns:
        (H, W, 2) float32, px/frame, continued beyond the region so that it can be sampled at its border.

    Source: Li et al., CVPR 2023, for sparse hints on an Eulerian field; the solve is ours.
    """
    motion = np.zeros((*region.shape, 2), np.float32)
    if not region.any():
        return motion
    pixels, velocities = _finite(pixels, velocities)
    pins = _finite(np.zeros((0, 2)) if pins is None else pins)[0]
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    areas = boxes[1:, cv2.CC_STAT_AREA]
    widest = int(np.ceil(np.sqrt(areas.sum() / MOST_NODES)))
    hinted, pinned = _label_at(labels, pixels), _label_at(labels, pins)
    for label in range(1, len(boxes)):
        window, corner = _window(boxes[label], 2 * widest, region.shape)
        mask, own, held = labels[window] == label, hinted == label, pinned == label
        part = _Part(
            mask, color[window], disparity[window], pixels[own] - corner, velocities[own], pins[held] - corner,
            None if outlets is None else outlets[window], DEFAULT_SPEED * max(region.shape),
        )  # fmt: skip
        size = min(widest, max(1, int(np.sqrt(areas[label - 1] / FEW_NODES))))
        field = _as_one(part) if areas[label - 1] <= TINY else _solve_part(part, size, perspective, incompressible)
        motion[window][mask] = field[mask]
    return extend(motion, region)


def _finite(*arrays: np.ndarray) -> list[np.ndarray]:
    arrays = [np.asarray(array, np.float32).reshape(-1, 2) for array in arrays]
    good = np.logical_and.reduce([np.isfinite(array).all(1) for array in arrays])
    return [array[good] for array in arrays]


def _label_at(labels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) the part that each place lies in, 0 for none."""
    height, width = labels.shape
    column, row = np.floor(np.clip(pixels, -1, 1e6)).astype(np.int64).T
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(within, labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], 0)


def _window(box: np.ndarray, margin: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], np.ndarray]:
    left, top, width, height = box[:4]
    rows = slice(max(0, top - margin), min(shape[0], top + height + margin))
    columns = slice(max(0, left - margin), min(shape[1], left + width + margin))
    return (rows, columns), np.array([columns.start, rows.start], np.float32)


def _as_one(part: _Part) -> np.ndarray:
    known = np.concatenate([part.velocities, np.zeros_like(part.pins)])
    velocity = known.mean(0) if len(known) else _along_texture(part)
    return np.broadcast_to(velocity.astype(np.float32), (*part.mask.shape, 2))


def _solve_part(part: _Part, size: int, perspective: bool, incompressible: bool) -> np.ndarray:
    """(h, w, 2) float32 px/frame over the part's window."""
    plane = _receding_plane(part, size) if perspective else None
    grid = _grid(part, size, plane)
    if incompressible:
        flow = _solve(grid, [*_water(grid, part.mask), *_known(grid, part), _bank_rows(grid, *_closed_banks(part, size, plane))])
    else:
        flow = _solve(grid, [_smooth_rows(grid, 1.0), *_known(grid, part)])
    field = _to_pixels(grid, flow, part.mask.shape)
    return field if plane is None else field * _plane_at(plane, *_centres(part.mask.shape, 1))[..., None]


# ------------------------------------------------------------------------------------------------ grid and plane


def _grid(part: _Part, size: int, plane: np.ndarray | None) -> _Grid:
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
    near = np.ones(len(step)) if plane is None else _plane_at(plane, *_centres(share.shape, size, 1))[node]
    return _Grid(
        size, index, len(step), inside[node] > 0, np.concatenate(link), np.concatenate(conductance), block,
        step[block].mean(1), near, drift, rough,
    )  # fmt: skip


def _cells(values: np.ndarray, size: int) -> np.ndarray:
    """Mean over cells of size x size px; what is missing at the lower and right end counts as zero."""
    height, width = (-(-n // size) for n in values.shape[:2])
    padding = (0, height * size - values.shape[0], 0, width * size - values.shape[1])
    padded = cv2.copyMakeBorder(np.ascontiguousarray(values, np.float32), *padding, cv2.BORDER_CONSTANT)
    return cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)


def _centres(shape: tuple[int, ...], size: int, margin: int = 0) -> tuple[np.ndarray, np.ndarray]:
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
    matrix = _table(corner.reshape(-1, 4), share, len(used))
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
        bends.append(_table(nodes, np.sqrt(firm[nodes].min(1))[:, None] * np.asarray(value, float), len(used)))
    return matrix, sparse.vstack(bends, format="csr")


def _receding_plane(part: _Part, size: int) -> np.ndarray | None:
    """The part's disparity as (a, b, c, least, most) of a x + b y + c over its mean, if it is a receding plane."""
    share = _cells(part.mask.astype(np.float32), size)
    known = share > 0
    far = (_cells(np.nan_to_num(part.disparity) * part.mask, size) / np.maximum(share, 1e-6))[known].astype(np.float64)
    x, y = (np.broadcast_to(centre, known.shape)[known].astype(np.float64) for centre in _centres(known.shape, size))
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


def _plane_at(plane: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.clip(plane[0] * x + plane[1] * y + plane[2], plane[3], plane[4]).astype(np.float32)


# ------------------------------------------------------------------------------------------- rows of the system


def _table(column: np.ndarray, value: np.ndarray, width: int) -> sparse.csr_matrix:
    """A sparse matrix from the columns and values of its rows, (R, C) both."""
    count, entries = column.shape
    return sparse.csr_matrix((value.ravel(), column.ravel(), np.arange(count + 1) * entries), (count, width))


def _bilinear(grid: _Grid, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 4) nodes round each place and their shares."""
    at = np.asarray(pixels, np.float64) / grid.size + 0.5
    base = np.clip(np.floor(at).astype(np.int64), 0, np.array(grid.index.shape[::-1]) - 2)
    (left, top), (x, y) = base.T, (at - base).T
    node = np.stack([grid.index[top + down, left + across] for down in (0, 1) for across in (0, 1)], 1)
    share = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], 1)
    return np.maximum(node, 0), np.where(node < 0, 0, share)


def _smooth_rows(grid: _Grid, weight: float) -> _Rows:
    root = np.sqrt(weight * grid.conductance)
    column = np.concatenate([2 * grid.link, 2 * grid.link + 1])
    value = np.tile(np.stack([root, -root], 1), (2, 1))
    return _table(column, value, 2 * grid.count), np.zeros(len(column))


def _frame_rows(grid: _Grid, mask: np.ndarray) -> _Rows:
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
    link = grid.link[beside]
    value = np.tile((np.sqrt(FRAME), -np.sqrt(FRAME)), (2 * len(link), 1))
    return _table(np.concatenate([2 * link, 2 * link + 1]), value, 2 * grid.count), np.zeros(2 * len(link))


def _water(grid: _Grid, mask: np.ndarray) -> list[_Rows]:
    """Rows for M and the drift B: no divergence, no curl of M - B, B even and straight, M near B, hardly any change.

    On a receding plane they are told of M over the disparity; a pixel's share of the plane is disparity^-3.
    """
    total = 2 * (grid.count + grid.drift.shape[1])
    nodes, stiff = grid.block, np.sqrt(grid.stiffness)[:, None]
    across, down = np.array((-0.5, 0.5, -0.5, 0.5)), np.array((-0.5, -0.5, 0.5, 0.5))
    both = np.concatenate([2 * nodes, 2 * nodes + 1], 1)
    dense = np.square(grid.near[nodes].mean(1, keepdims=True) / grid.near[nodes])
    divergence = np.sqrt(DIVERGENCE) * stiff * np.concatenate([across * dense, down * dense], 1)
    curl = _table(both, np.sqrt(CURL) * stiff * np.concatenate([-down, across]), 2 * grid.count)
    pair = sparse.identity(2)
    spread = sparse.kron(grid.drift, pair, format="csr")
    none = sparse.csr_matrix
    differences = _table(grid.link, np.sqrt(EVEN * grid.conductance)[:, None] * (1.0, -1.0), grid.count) @ grid.drift
    area = grid.inside.sum()  # in cells
    straight = np.sqrt(STRAIGHT * area) / DRIFT * grid.rough
    apart = np.sqrt(APART / area)
    matrices = [
        _table(both, divergence, total),
        sparse.hstack([curl, -curl @ spread]),
        sparse.hstack([apart * sparse.identity(2 * grid.count), -apart * spread]),
        *(
            sparse.hstack([none((2 * part.shape[0], 2 * grid.count)), sparse.kron(part, pair)])
            for part in (differences, straight)
        ),
    ]
    rows = [(matrix.tocsr(), np.zeros(matrix.shape[0])) for matrix in matrices]
    return [*rows, _smooth_rows(grid, PLAIN), _frame_rows(grid, mask)]


def _known(grid: _Grid, part: _Part) -> list[_Rows]:
    """Rows for the hints and pins; the texture's direction, weakly, where there is no hint."""
    rows = [_hold_rows(grid, part.pixels, part.velocities), _hold_rows(grid, part.pins, np.zeros_like(part.pins))]
    if not len(part.pixels):
        node = np.flatnonzero(grid.inside)
        value = np.full((2 * len(node), 1), np.sqrt(DEFAULT_WEIGHT))
        matrix = _table(np.concatenate([2 * node, 2 * node + 1])[:, None], value, 2 * grid.count)
        rows.append((matrix, value[:, 0] * np.repeat(_along_texture(part), len(node))))
    return rows


def _hold_rows(grid: _Grid, pixels: np.ndarray, velocities: np.ndarray) -> _Rows:
    """Velocities at places; many in one cell count as one there, so that crossing strokes average."""
    node, share = _bilinear(grid, pixels)
    cell = np.floor(pixels / grid.size).astype(np.int64)
    _, back, count = np.unique(cell[:, 1] * 2**32 + cell[:, 0], return_inverse=True, return_counts=True)
    root = np.sqrt(HINT / count[back])[:, None]
    near = (share * grid.near[node]).sum(1, keepdims=True)
    matrix = _table(np.concatenate([2 * node, 2 * node + 1]), np.tile(share * root, (2, 1)), 2 * grid.count)
    return matrix, (velocities / np.maximum(near, 1e-9) * root).T.ravel()


def _bank_rows(grid: _Grid, banks: Banks, weight: np.ndarray) -> _Rows:
    node, share = _bilinear(grid, banks.pixels)
    value = share * np.sqrt(weight * banks.spacing / grid.size)[:, None]
    value = np.concatenate([value * banks.normal[:, :1], value * banks.normal[:, 1:]], 1)
    used = weight > 0
    matrix = _table(np.concatenate([2 * node, 2 * node + 1], 1)[used], value[used], 2 * grid.count)
    return matrix, np.zeros(matrix.shape[0])


def _along_texture(part: _Part) -> np.ndarray:
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


# --------------------------------------------------------------------------------------------- where it is closed


def _closed_banks(part: _Part, size: int, plane: np.ndarray | None) -> tuple[Banks, np.ndarray]:
    """The part's banks and the weight of each: islands are closed, outlets open, for the rest the flow decides.

    A solve on a coarser grid, in which banks let water through at a cost, tells where the flow meets them squarely:
    there they are open. Islands are left out of it: a rock does not decide where a river goes.
    """
    sigma = max(2.0, 2.0 * size)
    banks = find_banks(part.mask, max(1, size // 2), sigma)
    free = _near_outlets(part, banks) | _along_frame(part, banks, size)
    islands = banks.island & ~free
    undecided = ~banks.island & ~free
    if not undecided.any():
        return banks, BANK * islands
    grid = _grid(part, COARSE * size, plane)
    price = _price_of_leaks(part, free.any()) * grid.size / np.sqrt(part.mask.sum())
    leaking = _bank_rows(grid, banks, price * undecided)
    flow = _solve(grid, [*_water(grid, part.mask), *_known(grid, part), leaking])
    node, share = _bilinear(grid, banks.pixels)
    there = (flow[node] * share[..., None]).sum(1)
    speed = np.linalg.norm(there, axis=1)
    through = np.abs((there * banks.normal).sum(1)) / (speed + 0.2 * speed.mean() + 1e-9)
    opened = undecided & (through >= OPEN)
    if opened.any():  # not closed at once beside what is open: there normals turn the corner
        distance, _ = cKDTree(banks.pixels[opened]).query(banks.pixels)
        undecided = undecided * np.clip(distance / (1.5 * sigma) - 1, 0, 1)
    return banks, BANK * np.maximum(undecided, islands)


def _near_outlets(part: _Part, banks: Banks) -> np.ndarray:
    if part.outlets is None or not part.outlets.any():
        return np.zeros(len(banks.pixels), bool)
    distance = cv2.distanceTransform((~part.outlets).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    at = np.clip(banks.pixels.astype(int), 0, np.array(part.mask.shape[::-1]) - 1)
    return distance[at[:, 1], at[:, 0]] <= max(2.0, OUTLET_REACH * part.default_speed / DEFAULT_SPEED)


def _along_frame(part: _Part, banks: Banks, size: int) -> np.ndarray:
    """Border drawn a hair beside the picture's frame is meant to be the frame; elsewhere windows are wider."""
    frame = np.array(part.mask.shape[::-1]) - 1.0
    outward = np.where(banks.pixels < size, -1, 0) + np.where(banks.pixels > frame - size, 1, 0)
    return (outward * banks.normal > 0.7).any(1)


def _price_of_leaks(part: _Part, outlets: bool) -> float:
    mask = part.mask
    framed = outlets or mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    path = np.linalg.norm(part.velocities, axis=1).sum()
    turning = 1 - np.linalg.norm(part.velocities.sum(0)) / path if path > 0 else 0.0
    return (LEAK if framed else LEAST) + TURN * max(0.0, turning) ** 1.5


# ------------------------------------------------------------------------------------------------ solve and pixels


def _solve(grid: _Grid, blocks: list[_Rows]) -> np.ndarray:
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


def _to_pixels(grid: _Grid, flow: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w, 2) float32, bilinear between nodes; cv2.resize puts them at the centres of their cells, as they are."""
    nodes = np.zeros((*grid.index.shape, 2), np.float32)
    nodes[grid.index >= 0] = flow
    nodes, size = extend(nodes, grid.index >= 0), grid.size
    full = cv2.resize(nodes, (nodes.shape[1] * size, nodes.shape[0] * size), interpolation=cv2.INTER_LINEAR)
    return full[size : size + shape[0], size : size + shape[1]]


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
