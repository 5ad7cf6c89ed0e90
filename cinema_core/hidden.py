"""Hidden bands: how the farther surfaces go on behind the nearer ones, as far as the presets can reveal.

Input: colour, disparity and layers of the canvas. Output: `Band`s, of every layer that is hidden somewhere.

Every cut says where something is hidden; the surface beside it goes on along its own slope, so that a beach behind a rock
goes on as a beach. Where several surfaces could stand behind the same pixel, the one whose edge is nearest does; one that
lies farther goes on behind that, since the camera may look past both. Colours come from what is as near or farther.

Source: Shade et al., "Layered Depth Images", 1998; Shih et al., "3D Photography using Context-aware Layered Depth
Inpainting", 2020 (local context of each edge). Ours differs: depth is extrapolated, not learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .borders import MARGIN
from .camera import CIRCLE, SIDE, UP_DOWN, ZOOM_IN, Camera, camera_path
from .cuts import CUT, far_planes
from .grid import nearest_index
from .inpaint import inpaint

BEHIND = CUT / 4  # disparity by which a band lies behind its occluder at least
LEAST = 0.5  # of the reach sideways that a band has in any direction
MOST_CHANGE = 0.25  # disparity; how much a slope may change it within a band
SKY = 0.02  # disparity; what is farther has no slope and goes on behind all
GROUND = 0.1  # disparity per longer side; what slopes by more towards the viewer lies, and meets the sky at a horizon
LATER = 1e5  # px; of edges whose own layer goes on there from a closer one
TIERS = 3  # surfaces behind one another
RIM = 1 / 640  # of the longer side; px beside a cut whose colours mix both sides
CONTEXT = 1 / 10  # of the longer side; how far around the bands texture is looked for
# Where the presets reach farthest, camera centres in scene units.
ENDS = np.concatenate([
    camera_path(name)[frames, :3, 3]
    for name, frames in (("side", [0, -1]), ("up-down", [0, -1]), ("zoom-in", [-1]), ("circle", list(range(0, 90, 15))))
])

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Band:
    """A farther surface continued behind nearer ones.

    Attributes:
        layer: The layer that is continued.
        index: (B,) int64, flat canvas indices of its pixels, ascending.
        source: (B,) int64, flat canvas index of the visible pixel that each one continues.
        color: (B, 3) float32, sRGB.
        disparity: (B,) float32, farther than what hides it.
    """

    layer: int
    index: np.ndarray
    source: np.ndarray
    color: np.ndarray
    disparity: np.ndarray


@dataclass(frozen=True, eq=False)
class Canvas:
    """What bands are made from: color (Hc, Wc, 3) sRGB, disparity (Hc, Wc), shown (Hc, Wc) bool, label (Hc, Wc), cuts (Hc, Wc)."""

    camera: Camera
    color: np.ndarray
    disparity: np.ndarray
    shown: np.ndarray
    label: np.ndarray
    cuts: np.ndarray


@dataclass(frozen=True, eq=False)
class _Behind:
    """Pixels behind which a layer could go on: index, source, disparity of the layer there, and px from its edge."""

    layer: int
    index: np.ndarray
    source: np.ndarray
    disparity: np.ndarray
    distance: np.ndarray
    ground: np.ndarray

    def where(self, rows: np.ndarray) -> _Behind:
        return _Behind(self.layer, *(getattr(self, name)[rows] for name in list(self.__dataclass_fields__)[1:]))


def find_bands(canvas: Canvas, seed: int = 0, reach: float = 1.0, fill: Fill | None = None) -> list[Band]:
    """Continue every surface behind what hides it.

    Args:
        canvas: The canvas.
        seed: Seed of the inpainting.
        reach: Factor on how far.
        fill: (image, mask) -> image, fills in place of the exemplars.

    Returns:
        The bands, near to far; of a layer whose surfaces lie behind one another several, so that none has a pixel twice.
    """
    near = canvas.cuts
    edge = np.flatnonzero(near)
    if not len(edge):
        return []
    planes = far_planes(canvas.disparity, edge)
    closest = [_behind(canvas, near, edge, planes, int(layer), reach) for layer in np.unique(canvas.label.ravel()[edge])]
    others = [_along_ways(canvas, near, edge, planes, part, reach) for part in closest]
    tiers = _in_tiers([part for part in closest + others if len(part.index)])
    pieces: dict[tuple[int, int], list[tuple]] = {}
    mixed = cv2.dilate((near > 0).astype(np.uint8), np.ones((2 * max(1, round(RIM * max(near.shape))) + 1,) * 2, np.uint8)) > 0
    for number, tier in enumerate(tiers):
        color = _colors(canvas, tier, mixed, seed, fill)
        for part in tier:
            pieces.setdefault((part.layer, number), []).append((part.index, part.source, color[part.index], part.disparity))
    bands = []
    for key in sorted(pieces):
        arrays = [np.concatenate(group) for group in zip(*pieces[key])]
        order = np.argsort(arrays[0], kind="stable")
        bands.append(Band(key[0], *(array[order] for array in arrays)))
    return bands


def _behind(canvas: Canvas, near: np.ndarray, edge: np.ndarray, planes: np.ndarray, layer: int, reach: float) -> _Behind:
    """Where a layer can be seen to go on behind something nearer."""
    shape, camera = canvas.disparity.shape, canvas.camera
    width = shape[1]
    own = canvas.label.ravel()[edge] == layer
    edges = np.zeros(shape, bool)
    edges.ravel()[edge[own]] = True
    most = _reach(near.ravel()[edge[own]], planes[own, 0], _from_middle(edge[own], shape), None, camera, reach).max()
    window = _around(edge[own], shape, int(most) + 2)
    local = edges[window]
    distance = cv2.distanceTransform((~local).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    row, column = np.nonzero((distance <= most) & (distance > 0) & canvas.shown[window])
    distance, nearest = distance[row, column], nearest_index(local)[row, column]
    row, column = row + window[0].start, column + window[1].start
    far_row, far_column = np.divmod(nearest, local.shape[1])
    far_row, far_column = far_row + window[0].start, far_column + window[1].start
    index, source = row * width + column, far_row * width + far_column
    plane = planes[np.searchsorted(edge, source)]
    right, down = column - far_column, row - far_row
    disparity = _continued(plane, right, down, canvas)
    toward = np.stack([right, down], 1) / np.maximum(distance, 1)[:, None]
    needed = _reach(near.ravel()[source], plane[:, 0], _from_middle(source, shape), toward, camera, reach)
    hidden = (distance <= needed) & (disparity < canvas.disparity.ravel()[index] - 2 * BEHIND)
    # the way from the edge leads into what hides: else this is the visible side, a little nearer by its slope
    first = [np.rint(np.stack([far_row, far_column], 1) + step * toward[:, ::-1]).astype(int) for step in (1.5, 2.5)]
    beyond = [canvas.disparity[np.clip(p[:, 0], 0, shape[0] - 1), np.clip(p[:, 1], 0, width - 1)] for p in first]
    hidden &= np.maximum(*beyond) > (plane[:, 0] + near.ravel()[source]) / 2
    return _Behind(layer, index, source, disparity, distance, _is_ground(plane, shape)).where(hidden)


def _continued(plane: np.ndarray, right: np.ndarray, down: np.ndarray, canvas: Canvas) -> np.ndarray:
    """(N,) float32 disparity of surfaces, (N, 3) planes, so many px from their edge."""
    change = np.clip(plane[:, 1] * right + plane[:, 2] * down, -MOST_CHANGE, MOST_CHANGE)
    return np.maximum(plane[:, 0] + change, canvas.disparity.min()).astype(np.float32)


def _is_ground(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return plane[:, 2] * max(shape) > np.maximum(GROUND, np.abs(plane[:, 1]) * max(shape))


def _along_ways(canvas: Canvas, near: np.ndarray, edge: np.ndarray, planes: np.ndarray, found: _Behind, reach: float) -> _Behind:
    """What else the presets' ends reveal of a layer: each of its edges followed the way that the camera parts it.

    Of the edges around a pixel the closest need not be the one that reveals it: it may part less, or another way, or be
    that of another surface in the same layer.

    Args:
        canvas: The canvas.
        near: (Hc, Wc) the cuts.
        edge: (E,) flat indices of all edges.
        planes: (E, 3) how the surface goes on there.
        found: What of the layer goes on from the closest edges. Only what lies farther than that is returned.
        reach: Factor on how far.
    """
    own = canvas.label.ravel()[edge] == found.layer
    edge, planes = edge[own], planes[own]
    height, width = shape = canvas.disparity.shape
    visible, shown, high = canvas.disparity.ravel(), canvas.shown.ravel(), near.ravel()[edge]
    known = np.full(visible.shape, np.inf, np.float32)
    known[found.index] = found.disparity
    parts: list[tuple] = []
    for way in _ways(high, planes[:, 0], _from_middle(edge, shape), canvas.camera):
        length = np.sqrt(np.square(way).sum(1))
        toward = way / np.maximum(length, 1e-6)[:, None]
        opens = reach * MARGIN * length / np.maximum(high - planes[:, 0], 1e-6)  # px, of a jump
        straight = not toward.all(1).any()
        for aside in (0,) if straight else (-0.5, 0.5):  # both borders of the pixel, since slanted lines miss pixels
            rows, step = np.flatnonzero(length > 0.5), 0
            entered, last = np.zeros(len(edge), bool), reach * MARGIN * length + 2
            while len(rows):
                step += 1
                right = np.rint(step * toward[rows, 0] - aside * toward[rows, 1]).astype(np.int64)
                down = np.rint(step * toward[rows, 1] + aside * toward[rows, 0]).astype(np.int64)
                row, column = edge[rows] // width + down, edge[rows] % width + right
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                rows, right, down, row, column = (a[inside] for a in (rows, right, down, row, column))
                index = row * width + column
                disparity, there = _continued(planes[rows], right, down, canvas), visible[index]
                before = there > (planes[rows, 0] + high[rows]) / 2
                entered[rows] |= before
                # what hides here moves on by so much
                ends = step + 1 + opens[rows] * np.maximum(there - disparity, 0)
                last[rows] = np.where(entered[rows], np.minimum(last[rows], ends), last[rows])
                new = before & shown[index] & (disparity < there - 2 * BEHIND) & (disparity < known[index] - CUT)
                distance = step + np.where(np.isinf(known[index[new]]), np.float32(0), np.float32(LATER))
                parts.append((index[new], rows[new], disparity[new], distance))
                rows = rows[(last[rows] > step) & (before | (~entered[rows] & (step < 2)))]  # as far as what hides goes
    if not parts:
        return found.where(np.zeros(len(found.index), bool))
    index, rows, disparity, distance = (np.concatenate(arrays) for arrays in zip(*parts))
    surface = np.floor(disparity / CUT)  # of each the closest edge
    order = np.lexsort((distance, surface, index))
    again = (np.diff(index[order]) == 0) & (np.diff(surface[order]) == 0)
    first = order[np.concatenate([[True], ~again])[: len(order)]]
    index, rows, disparity, distance = index[first], rows[first], disparity[first], distance[first]
    return _Behind(found.layer, index, edge[rows], disparity, distance, _is_ground(planes[rows], shape))


def _ways(near: np.ndarray, far: np.ndarray, from_middle: np.ndarray, camera: Camera) -> Iterator[np.ndarray]:
    """(E, 2) px for each of the presets' ends: from an edge to what of the far surface comes to lie under it."""
    for across, down, along in ENDS:
        sideways = camera.focal * np.array([across, down])
        moved = (from_middle - near[:, None] * sideways) / (1 - along * near)[:, None]
        yield moved * (1 - along * far)[:, None] + far[:, None] * sideways - from_middle


def _around(index: np.ndarray, shape: tuple[int, int], grow: int) -> tuple[slice, slice]:
    """The smallest window with these pixels and so much around them."""
    row, column = np.divmod(index, shape[1])
    return (
        slice(max(0, row.min() - grow), min(shape[0], row.max() + grow + 1)),
        slice(max(0, column.min() - grow), min(shape[1], column.max() + grow + 1)),
    )


def _from_middle(index: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N, 2) px right and down of the middle."""
    row, column = np.divmod(index, shape[1])
    return np.stack([column + 0.5 - shape[1] / 2, row + 0.5 - shape[0] / 2], 1)


def _reach(
    near: np.ndarray,
    far: np.ndarray,
    from_middle: np.ndarray,
    toward: np.ndarray | None,
    camera: Camera,
    reach: float,
) -> np.ndarray:
    """px of the far surface that the presets can reveal behind an edge.

    Args:
        near, far: (N,) disparity on either side of the edge.
        from_middle: (N, 2) px, where the edge is.
        toward: (N, 2) unit vectors from the edge under what hides; None asks for the most in any direction.
        camera: The photo's camera.
        reach: Factor on the result.
    """
    sideways = (near - far) * camera.focal

    def opens(step: float) -> np.ndarray:
        """Of the distance from the middle, when the camera moves ahead by so much."""
        return np.maximum(0, 1 / (1 - step * near) - 1 / (1 - step * np.maximum(far, 0)))

    radius = np.linalg.norm(from_middle, axis=1)
    if toward is None:
        most = np.maximum(max(SIDE, UP_DOWN) * sideways, radius * np.maximum(opens(ZOOM_IN), CIRCLE[2] * (near - far)))
        most = np.maximum(most, CIRCLE[0] * sideways + CIRCLE[2] * (near - far) * radius)
    else:
        outward = (toward * from_middle).sum(1)
        most = np.maximum(SIDE * sideways * np.abs(toward[:, 0]), UP_DOWN * sideways * np.abs(toward[:, 1]))
        most = np.maximum(most, LEAST * SIDE * sideways)
        most = np.maximum(most, opens(ZOOM_IN) * outward)
        most = np.maximum(most, CIRCLE[0] * sideways * np.abs(toward).max(1) + CIRCLE[2] * (near - far) * np.abs(outward))
    return reach * MARGIN * most + 2


def _in_tiers(parts: list[_Behind]) -> list[list[_Behind]]:
    """What is seen first behind the occluder, and what lies behind that in turn.

    First comes the surface whose edge is closest, but where ground and sky meet, their horizon goes on.
    """
    if not parts:
        return []
    number = np.concatenate([np.full(len(part.index), n) for n, part in enumerate(parts)])
    index, disparity, distance, ground = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "disparity", "distance", "ground")
    )
    sky = disparity <= SKY
    lying = np.full(int(index.max()) + 1, False)
    lying[index[ground & ~sky]] = True
    open_sky = np.full(len(lying), False)
    open_sky[index[sky & ~ground]] = True
    rank = distance.astype(np.float64)
    rank[sky & lying[index]] += 1e6  # ground that is nearer than the sky hides it, whichever edge is nearer
    rank[sky & ground & open_sky[index]] += 2e6  # and beyond the horizon there is no ground
    ends, tiers = np.cumsum([0, *(len(part.index) for part in parts)]), []
    order, left = np.lexsort((number, rank, index)), np.ones(len(index), bool)
    top = np.full(int(index.max()) + 1, np.inf, np.float32)
    for tier in range(TIERS):
        left &= disparity < top[index] - CUT  # what is hardly farther is no other surface
        rows = order[left[order]]
        if not len(rows):
            break
        rows = rows[np.concatenate([[True], index[rows][1:] != index[rows][:-1]])]
        top[index[rows]] = disparity[rows]
        kept = np.zeros(len(index), bool)
        kept[rows] = True
        tiers.append([part.where(kept[a:b]) for part, a, b in zip(parts, ends, ends[1:]) if kept[a:b].any()])
        if tier == 0:  # behind those the nearest surface first, so that none is passed over
            order = np.lexsort((number, rank, -disparity, index))
    return tiers


class _Sparse:
    """Colours of some pixels of the canvas, by flat index."""

    def __init__(self, window: tuple[slice, slice], width: int, color: np.ndarray) -> None:
        self.window, self.width, self.color = window, width, color

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        row, column = np.divmod(index, self.width)
        return self.color[row - self.window[0].start, column - self.window[1].start]


def _colors(canvas: Canvas, tier: list[_Behind], mixed: np.ndarray, seed: int, fill: Fill | None) -> _Sparse:
    """Colours of one tier: what is behind each pixel, from what is as near or farther."""
    shape = canvas.disparity.shape
    index, hidden = (np.concatenate([getattr(part, name) for part in tier]) for name in ("index", "disparity"))
    window = _around(index, shape, int(CONTEXT * max(shape)))
    hole = np.zeros(shape, bool)
    hole.ravel()[index] = True
    guide = canvas.disparity[window].copy()
    row, column = np.divmod(index, shape[1])
    guide[row - window[0].start, column - window[1].start] = hidden
    hole = hole[window]
    source = canvas.shown[window] & ~hole & ~mixed[window]
    if not source.any():
        source = canvas.shown[window] & ~hole
    color = canvas.color[window]
    if fill is not None:
        nearest = hidden.max() + CUT
        color = fill(color, hole | (canvas.disparity[window] > nearest))
    else:
        # the root tells far surfaces apart: the sky from a lake before it
        color = inpaint(color, hole, source, np.sqrt(guide), seed, ordered=True)
    return _Sparse(window, shape[1], color)
