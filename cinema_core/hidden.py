"""Hidden bands: how the farther surfaces go on behind the nearer ones, as far as the presets can reveal.

Input: colour, disparity and layers of the canvas. Output: one `Band` for every layer that is hidden somewhere.

Every cut says where something is hidden; the surface beside it goes on along its own slope, so that a beach behind a rock
goes on as a beach. Where several surfaces could stand behind the same pixel, the one whose edge is nearest does; one that
lies farther goes on behind that, since the camera may look past both. Colours come from what is as near or farther.

Source: Shade et al., "Layered Depth Images", 1998; Shih et al., "3D Photography using Context-aware Layered Depth
Inpainting", 2020 (local context of each edge). Ours differs: depth is extrapolated, not learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .borders import MARGIN
from .camera import CIRCLE, SIDE, UP_DOWN, ZOOM_IN, Camera
from .cuts import CUT, far_planes
from .grid import nearest_index
from .inpaint import inpaint_hole
from .parallel import side_by_side

BEHIND = CUT / 4  # disparity by which a band lies behind its occluder at least
LEAST = 0.5  # of the reach sideways that a band has in any direction
MOST_CHANGE = 0.25  # disparity; how much a slope may change it within a band
SKY = 0.02  # disparity; what is farther has no slope and goes on behind all
GROUND = 0.1  # disparity per longer side; what slopes by more towards the viewer lies, and meets the sky at a horizon
RIM = 1 / 640  # of the longer side; px beside a cut whose colours mix both sides
INEXACT = 1.05  # of a distance on the canvas, by which OpenCV's may be wrong
CONTEXT = 1 / 10  # of the longer side; how far around the bands texture is looked for

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
    """What bands are made from: disparity (Hc, Wc), shown (Hc, Wc) bool, label (Hc, Wc), cuts (Hc, Wc)."""

    camera: Camera
    disparity: np.ndarray
    shown: np.ndarray
    label: np.ndarray
    cuts: np.ndarray


@dataclass(frozen=True, eq=False)
class Behind:
    """Pixels behind which a layer could go on: index, source, disparity of the layer there, and px from its edge."""

    layer: int
    index: np.ndarray
    source: np.ndarray
    disparity: np.ndarray
    distance: np.ndarray
    ground: np.ndarray

    def where(self, rows: np.ndarray) -> Behind:
        return Behind(self.layer, *(getattr(self, name)[rows] for name in list(self.__dataclass_fields__)[1:]))


def find_tiers(canvas: Canvas, reach: float = 1.0) -> list[list[Behind]]:
    """Where every surface goes on behind what hides it, and how near it is there; of this no colour is needed.

    Args:
        canvas: The canvas.
        reach: Factor on how far.

    Returns:
        What is seen first behind the occluders, and what lies behind that in turn; a pixel is in one part of each.
    """
    near = canvas.cuts
    edge = np.flatnonzero(near)
    if not len(edge):
        return []
    planes = far_planes(canvas.disparity, edge)
    layers = np.unique(canvas.label.ravel()[edge])
    found = [_behind(canvas, near, edge, planes, int(layer), reach) for layer in layers]
    return _in_tiers([part for part in found if len(part.index)])


def find_bands(
    canvas: Canvas, color: np.ndarray, tiers: list[list[Behind]], seed: int = 0, fill: Fill | None = None
) -> list[Band]:
    """Give what goes on behind something its colours.

    Args:
        canvas: The canvas.
        color: (Hc, Wc, 3) float32, sRGB.
        tiers: Of `find_tiers`.
        seed: Seed of the inpainting.
        fill: (image, mask) -> image, fills in place of the exemplars.

    Returns:
        The bands, near to far, one per layer that has any.
    """
    wide = 2 * max(1, round(RIM * max(color.shape))) + 1
    mixed = cv2.dilate((canvas.cuts > 0).astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
    # two of a model at once may be more than the memory holds
    colors = (map if fill else side_by_side)(lambda tier: _colors(canvas, color, tier, mixed, seed, fill), tiers)
    pieces: dict[int, list[tuple]] = {}
    for tier, own in zip(tiers, colors):
        for part, seen in zip(tier, own):
            pieces.setdefault(part.layer, []).append((part.index, part.source, seen, part.disparity))
    bands = []
    for layer in sorted(pieces):
        arrays = [np.concatenate(group) for group in zip(*pieces[layer])]
        order = np.argsort(arrays[0], kind="stable")
        bands.append(Band(layer, *(array[order] for array in arrays)))
    return bands


def _behind(canvas: Canvas, near: np.ndarray, edge: np.ndarray, planes: np.ndarray, layer: int, reach: float) -> Behind:
    """Where a layer can be seen to go on behind something nearer."""
    shape, camera = canvas.disparity.shape, canvas.camera
    width = shape[1]
    own = canvas.label.ravel()[edge] == layer
    edge, planes = edge[own], planes[own]
    most = _reach(near.ravel()[edge], planes[:, 0], _from_middle(edge, shape), None, camera, reach)
    window = _around(edge, shape, int(most.max()) + 2)
    edge_row, edge_column = np.divmod(edge, width)
    number = np.full((window[0].stop - window[0].start, window[1].stop - window[1].start), -1, np.int32)
    number[edge_row - window[0].start, edge_column - window[1].start] = np.arange(len(edge))
    distance = cv2.distanceTransform((number < 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    there = np.flatnonzero((distance <= most.max()) & (distance > 0) & canvas.shown[window])
    distance, closest = distance.ravel()[there], number.ravel()[nearest_index(number >= 0, there)]
    near_enough = distance <= INEXACT * most[closest]  # few edges reach as far as the farthest
    there, distance, closest = there[near_enough], distance[near_enough], closest[near_enough]
    row, column = np.divmod(there, number.shape[1])
    row, column = row + window[0].start, column + window[1].start
    right, down = column - edge_column[closest], row - edge_row[closest]
    change = np.clip(planes[closest, 1] * right + planes[closest, 2] * down, -MOST_CHANGE, MOST_CHANGE)
    disparity = np.maximum(planes[closest, 0] + change, canvas.disparity.min())
    hidden = np.flatnonzero(disparity < canvas.disparity[row, column] - 2 * BEHIND)
    row, column, right, down, closest, distance, disparity = (
        values[hidden] for values in (row, column, right, down, closest, distance, disparity)
    )
    index, source, plane = row * width + column, edge[closest], planes[closest]
    toward = np.stack([right, down], 1) / np.maximum(distance, 1)[:, None]
    hidden = distance <= _reach(near.ravel()[source], plane[:, 0], _from_middle(source, shape), toward, camera, reach)
    # the way from the edge leads into what hides: else this is the visible side, a little nearer by its slope
    start = np.stack([edge_row[closest], edge_column[closest]], 1)
    first = [np.rint(start + step * toward[:, ::-1]).astype(int) for step in (1.5, 2.5)]
    beyond = [canvas.disparity[np.clip(p[:, 0], 0, shape[0] - 1), np.clip(p[:, 1], 0, width - 1)] for p in first]
    hidden &= np.maximum(*beyond) > (plane[:, 0] + near.ravel()[source]) / 2
    ground = plane[:, 2] * max(shape) > np.maximum(GROUND, np.abs(plane[:, 1]) * max(shape))
    found = Behind(layer, index, source, disparity.astype(np.float32), distance, ground)
    return found.where(hidden)


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


def _in_tiers(parts: list[Behind]) -> list[list[Behind]]:
    """What is seen first behind the occluder, and what lies behind that in turn; more than two are not looked past.

    First comes the surface whose edge is nearest, but where ground and sky meet, their horizon goes on.
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
    order = np.lexsort((number, rank, index))
    first = np.ones(len(order), bool)
    first[1:] = index[order][1:] != index[order][:-1]
    group = np.cumsum(first) - 1
    top = disparity[order][first][group]
    later = ~first & (disparity[order] < top - BEHIND)
    second = np.zeros(len(order), bool)
    rows = np.flatnonzero(later)
    second[rows[np.concatenate([[True], group[rows][1:] != group[rows][:-1]])] if len(rows) else rows] = True
    tiers = []
    for chosen in (first, second):
        kept = np.zeros(len(order), bool)
        kept[order[chosen]] = True
        ends = np.cumsum([0, *(len(part.index) for part in parts)])
        tier = [part.where(kept[a:b]) for part, a, b in zip(parts, ends, ends[1:]) if kept[a:b].any()]
        if tier:
            tiers.append(tier)
    return tiers


def _colors(
    canvas: Canvas, color: np.ndarray, tier: list[Behind], mixed: np.ndarray, seed: int, fill: Fill | None
) -> list[np.ndarray]:
    """Colours of one tier, (B, 3) for each of its parts: what is behind each pixel, from what is as near or farther."""
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
    color = color[window]
    if fill is not None:
        nearest = hidden.max() + CUT
        color = fill(color, hole | (canvas.disparity[window] > nearest))[hole]
    else:
        # the root tells far surfaces apart: the sky from a lake before it
        color = inpaint_hole(color, hole, source, np.sqrt(guide), seed, ordered=True)
    found = np.sort(index)  # a pixel is in one part of a tier alone
    return [color[np.searchsorted(found, part.index)] for part in tier]
