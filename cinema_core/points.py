"""Points: the layers and the moving surface as points in the scene.

Input: layers, surface, motion field. Output: `StillPoints` and `MovingPoints`.

Two families of points make the loop (design: cross-fade along trajectories). A forward point starts at its pixel at
phase 0, a backward point ends at its pixel at phase 1; both carry the photo's colours at the two ends of their
trajectory, so where both are, they agree, and phase 0 and phase 1 are the photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from .camera import SIDE, ZOOM_IN, Camera
from .data import MovingPoints, StillPoints
from .grid import extend, masked_blur, pool, sample
from .layers import Band, Layers
from .matting import Rim, point_spread
from .surface import Surface
from .trajectories import Trajectories, follow_pixels

OVERLAP = 0.2  # px; how far a point of diameter 1.4 reaches beyond its own pixel
# Cell of a bed in px -> how far behind it lies, of the depth: beyond the reach of its spheres. The fine one closes
# cracks unseen, the coarse one what would else be a hole.
BEDS = {2: 0.008, 8: 0.04}
OTHER_SURFACE = 0.9  # of a disparity; what is farther still is another surface
BED_BEHIND_WATER = 0.04  # of the depth; behind both families, wherever their slopes put them
# px: from when on neighbours on one surface that part at the presets' ends are given points in between, how close those
# stand then, and how many there are at most between two.
PARTED, TOGETHER, MOST_BETWEEN = 0.5, 1.2, 6
CLOSE, CLOSEST = 0.5, 0.3  # where the flow strains the lattice of points, they are larger, by strain and at most
MEAN_SIDE = 1 / 100  # of the longer side; blur of the local mean
# What would flow farther within a loop than LONGEST_PATH (of the longer side) runs through several shorter paths: on long
# ones the flow draws the texture into streaks, and the two ends no longer look alike. But no path is run through in less
# than SHORTEST_CYCLE (frames), or the eye sees the repetition.
LONGEST_PATH, SHORTEST_CYCLE = 1 / 30, 8
LEAST_ALIKE = -0.4  # correlation; boosting still more would show noise
AT_ONCE = 1 << 20  # points that are made at once
ALIKE_SIDE = 1 / 160  # of the longer side; window in which the two ends of trajectories are compared


def still_points(layers: Layers, *surfaces: Surface) -> tuple[StillPoints, list[str]]:
    """Everything that does not move, and the bed behind it all.

    Args:
        layers: The layers.
        *surfaces: What moves, each with what it hides; that is left out. No two share a visible pixel.

    Returns:
        The points, and the names of their layers, near to far.
    """
    pieces, names = [], []
    visible = np.logical_or.reduce([surface.visible for surface in surfaces])
    bottom = layers.color.copy()
    for surface in surfaces:
        bottom[surface.visible] = _local_mean(surface)[surface.visible]
    rim = layers.rim.chosen(~visible.ravel()[layers.rim.owner])
    whole = layers.shown & ~visible
    whole.ravel()[rim.index[rim.front]] = False
    beside = cv2.dilate((layers.shown & ~visible & ~whole).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    slopes = _between(layers, layers.shown & ~visible, beside)
    for layer in range(int(layers.label.max()) + 1):
        mask = whole & (layers.label == layer)
        parts = [lift(layers.camera, layers.pad, mask, layers.color, layers.disparity, beside)]
        for band in layers.bands:
            if band.layer == layer:
                moves = np.logical_or.reduce([_flows(surface, band) for surface in surfaces])
                parts.append(_lift_band(layers, band, ~moves))
        steep = layers.label.ravel()[slopes.index] == layer
        parts.append((slopes.position[steep], slopes.color[steep]))
        spread = np.ones(sum(len(part[0]) for part in parts), np.float32)
        own = rim.chosen(layers.label.ravel()[rim.owner] == layer)
        parts.append((_rim_places(layers, own), own.color))
        position, color = (np.concatenate(arrays) for arrays in zip(*parts))
        if len(position):
            pieces.append((position, color, np.concatenate([spread, point_spread(own.alpha)])))
            names.append(f"Layer {len(names) + 1}")
    beds = [_bed(layers, visible, bottom, cell, behind) for cell, behind in BEDS.items()]
    pieces.append(tuple(np.concatenate(arrays) for arrays in zip(*beds)))
    names.append("Bed")
    label = np.concatenate([np.full(len(piece[0]), number, np.int16) for number, piece in enumerate(pieces)])
    position, color, spread = (np.concatenate(arrays) for arrays in zip(*pieces))
    return StillPoints(position, color, spread, label), names


@dataclass(frozen=True, eq=False)
class _Between:
    """Points between neighbours: index (B,) flat canvas pixel of the nearer one, position (B, 3), color (B, 3) sRGB."""

    index: np.ndarray
    position: np.ndarray
    color: np.ndarray


def _between(layers: Layers, still: np.ndarray, upright: np.ndarray) -> _Between:
    """Points that close a steep slope where the camera parts its neighbours, and no cut lies between them.

    They stand behind the nearer one, as the photo sees it, down to the farther one: the photo does not show them.

    Args:
        layers: The layers.
        still: (Hc, Wc) bool, pixels that have points.
        upright: (Hc, Wc) bool, those whose points do not lean.
    """
    camera, size = layers.camera, np.array(still.shape)
    disparity, color = layers.disparity.ravel(), layers.color.reshape(-1, 3)
    cut = layers.cuts.ravel()
    pixels = np.arange(still.size).reshape(still.shape)
    lean = np.where(upright[..., None], 0, _lean(layers.disparity, camera)).reshape(-1, 2)
    least = PARTED / (SIDE * camera.focal)
    indices, disparities, colors = [], [], []
    for axis in (0, 1):
        step = np.abs(np.diff(layers.disparity, axis=axis)) > least
        ends = [part[step] for part in (np.delete(pixels, -1, axis), np.delete(pixels, 0, axis))]
        nearer = disparity[ends[0]] > disparity[ends[1]]
        near, far = np.where(nearer, *ends), np.where(nearer, *ends[::-1])
        one = still.ravel()[near] & layers.shown.ravel()[far] & ~(cut[far] >= disparity[near] * (1 - 1e-6))
        near, far = near[one], far[one]
        aside = np.abs(np.stack(np.unravel_index(near, still.shape))[axis] - size[axis] / 2)
        zoom = ZOOM_IN * aside / (1 - ZOOM_IN * disparity[near])
        parted = 1 + np.maximum(SIDE * camera.focal, zoom) * (disparity[near] - disparity[far])
        count = np.clip(np.ceil(parted / TOGETHER).astype(int) - 1, 1, MOST_BETWEEN)
        share = np.arange(1, MOST_BETWEEN + 1, dtype=np.float32) / np.float32(count + 1)[:, None]
        row, number = np.nonzero(share < 0.999)
        share = share[row, number]
        near, far = near[row], far[row]
        indices.append(near)
        disparities.append(disparity[near] + share * (disparity[far] - disparity[near]))
        colors.append(color[near] + share[:, None] * (color[far] - color[near]))
    index = np.concatenate(indices)
    places = np.stack([index % still.shape[1], index // still.shape[1]], 1) + 0.5 - np.array(layers.pad) + lean[index]
    return _Between(index, camera.unproject(places, 1 / np.concatenate(disparities)), np.concatenate(colors))


def _rim_places(layers: Layers, rim: Rim) -> np.ndarray:
    """(R, 3) positions of the near surface's part of mixed pixels."""
    row, column = np.divmod(rim.index, layers.shown.shape[1])
    pixels = np.stack([column, row], 1) + 0.5 + rim.inward - np.array(layers.pad)
    return layers.camera.unproject(pixels, 1 / layers.disparity.ravel()[rim.owner])


def _flows(surface: Surface, band: Band) -> np.ndarray:
    """(B,) bool: the surface moves here behind what hides it, so that this does not lie still."""
    return surface.hidden.ravel()[band.index] & surface.visible.ravel()[band.source]


def _lift_band(layers: Layers, band: Band, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position and colour of some pixels of a band."""
    row, column = np.divmod(band.index[chosen], layers.shown.shape[1])
    pixels = np.stack([column, row], 1) + 0.5 - np.array(layers.pad)
    return layers.camera.unproject(pixels, 1 / band.disparity[chosen]), band.color[chosen]


def moving_points(
    layers: Layers, surface: Surface, motion: np.ndarray, frames: int, keys: int, device: str, thin: bool = True
) -> MovingPoints:
    """Both families of points of the moving surface.

    Every trajectory that stays in the region is bent by half a pixel at most, so that it starts and ends in the middle
    of a pixel. So one family shows the photo exactly at phase 0 and, where the flow neither stretches nor springs, at
    phase 1: a backward point is needed only for the pixels where no forward point ends.

    Args:
        layers: The layers; their camera and pad.
        surface: What moves.
        motion: (Hc, Wc, 2) float32, px/frame.
        frames: Length of the loop.
        keys: Segments that a trajectory is stored in.
        device: torch device.
        thin: Leave out the backward points of pixels where a forward point ends.

    Returns:
        The points.
    """
    if not surface.region.any():
        return _empty(0, keys)
    look = _Look(_local_mean(surface), _lean(surface.disparity, layers.camera))
    followed = []
    for cycles, part in _parts(surface.region, motion, frames):
        start = np.flatnonzero(part)
        ahead = follow_pixels(motion, part, start, frames / cycles, keys, device=device)
        ends = _end_pixels(ahead, ahead.places[-1], part)
        hit = np.zeros(part.size, bool)
        hit[ends[ends >= 0]] = True
        followed.append((cycles, part, ahead, start, ends, start[~hit[start]] if thin else start))
    del ahead  # half as large as its points
    count = sum(len(start) + len(rest) for *_, start, _, rest in followed)
    points, begin = _empty(count, keys), 0  # all at once: joining several would take as much again
    while followed:
        cycles, part, ahead, start, ends, rest = followed.pop(0)
        make = partial(_family, layers, surface, look, _likeness(surface, look.mean, part, start, ends), cycles)
        _fill(points, begin, make, ahead, (start, ends))
        del ahead
        begin += len(start)
        if len(rest):
            back = follow_pixels(motion, part, rest, frames / cycles, keys, backward=True, device=device)
            _fill(points, begin, make, back, (_end_pixels(back, back.places[0], part), rest))
            del back
            begin += len(rest)
    return points


def join_points(groups: list[MovingPoints]) -> MovingPoints:
    """All points of several groups of as many keys, in this order.

    They are many: the list is emptied, and what is joined freed, so that they and their join are never held at once.
    """
    if len(groups) == 1:
        return groups.pop()
    parts = [dict(vars(group)) for group in groups]
    groups.clear()
    return MovingPoints(**{
        name: np.concatenate([part.pop(name) for part in parts], int(name == "displacement"))
        for name in MovingPoints.__dataclass_fields__
    })


def _empty(count: int, keys: int) -> MovingPoints:
    """Room for so many points."""
    birth, death, spread = np.empty((3, count), np.float32)
    position, *colors = (np.empty((count, 3), np.float32) for _ in range(5))
    displacement = np.empty((keys + 1, count, 3), np.float32)
    return MovingPoints(position, displacement, birth, death, *colors, spread, np.empty(count, np.int16))


def _fill(
    points: MovingPoints,
    begin: int,
    make: Callable[[Trajectories, tuple[np.ndarray, np.ndarray]], MovingPoints],
    paths: Trajectories,
    pixels: tuple[np.ndarray, np.ndarray],
) -> None:
    """Make points of these paths and pixels, from `begin` on; a few at a time, as it takes more room than they do."""
    for first in range(0, len(paths.birth), AT_ONCE):
        own = slice(first, first + AT_ONCE)
        made = make(paths.chosen(own), tuple(part[own] for part in pixels))
        place = slice(begin + first, begin + first + len(made.position))
        for name in MovingPoints.__dataclass_fields__:
            at = (slice(None), place) if name == "displacement" else place
            getattr(points, name)[at] = getattr(made, name)


def _parts(region: np.ndarray, motion: np.ndarray, frames: int) -> list[tuple[int, np.ndarray]]:
    """Connected parts of the region by the number of cycles that they run through in a loop, few cycles first."""
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    seen = parts[::2, ::2] if count == 2 else parts
    travelled = np.linalg.norm(motion[::2, ::2] if count == 2 else motion, axis=-1) * frames
    cycles = np.zeros(count, int)
    for part in range(1, count):
        far = travelled[seen == part]
        paths = float(np.percentile(far, 90)) / (LONGEST_PATH * max(region.shape)) if len(far) else 1
        cycles[part] = max(1, min(round(paths), frames // SHORTEST_CYCLE))
    numbers = np.unique(cycles[1:])
    return [(int(number), region if len(numbers) == 1 else region & (cycles[parts] == number)) for number in numbers]


def lift(
    camera: Camera, pad: tuple[int, int], mask: np.ndarray, color: np.ndarray, disparity: np.ndarray, upright: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Lift pixels into the scene, each onto its own depth.

    Args:
        camera: The photo's camera.
        pad: (x, y) px that the canvas adds.
        mask: (Hc, Wc) bool with P pixels.
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32.
        upright: (Hc, Wc) bool, pixels whose points do not lean: beside mixed ones they would cover them.

    Returns:
        (P, 3) float32 positions and (P, 3) float32 colours.
    """
    lean = _lean(disparity, camera)
    if upright is not None:
        lean[upright] = 0
    pixels = np.argwhere(mask)[:, ::-1] + 0.5 - np.array(pad) + lean[mask]
    return camera.unproject(pixels, 1 / disparity[mask]), color[mask]


def _lean(disparity: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W, 2) float32 px by which points stand towards the nearer side of a slope.

    On a slope a point's nearer neighbour covers it as far as it reaches over, so that every point shows on its far
    side only and the picture would be displaced. Leaning puts what shows of a point onto its own pixel.
    """
    toward = np.stack([cv2.Sobel(disparity, cv2.CV_32F, *axis, ksize=1, scale=0.5) for axis in ((1, 0), (0, 1))], -1)
    change = np.sqrt(np.square(toward).sum(-1))  # of cv2.magnitude the last bit depends on where its input lies in memory
    # what is flatter than the points are round overlaps evenly
    return toward * (OVERLAP / np.maximum(change + (0.3 / camera.focal) * disparity, 1e-12))[..., None]


def _local_mean(surface: Surface) -> np.ndarray:
    """(Hc, Wc, 3) float32, valid in the region: blurred over cells, which is as smooth and far quicker."""
    height, width = surface.region.shape
    sigma = MEAN_SIDE * max(height, width)
    size = max(1, int(sigma / 3))
    weight = pool(surface.region.astype(np.float32), size)
    total = cv2.GaussianBlur(pool(surface.color * surface.region[..., None], size), (0, 0), sigma / size)
    mean = total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma / size), 1e-6)[..., None]
    mean = extend(mean, weight > 0)
    full = cv2.resize(mean, (weight.shape[1] * size, weight.shape[0] * size), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[:height, :width], np.float32)


def _bed(
    layers: Layers, water: np.ndarray, bottom: np.ndarray, cell: int, behind: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, colour and spread of coarse still points a hair behind everything that is shown.

    They close the cracks that open between points when the camera moves or the water streams apart. A bed point
    lies behind all that its sphere could otherwise pierce, and takes the colour of the farthest surface in its cell;
    `bottom` is the picture, but under moving `water` its local mean, since the photo's detail would stand still there.
    """
    gap = np.where(water, np.maximum(behind, BED_BEHIND_WATER), behind).astype(np.float32)
    height, width = (n // cell for n in layers.shown.shape)

    def cells(values: np.ndarray) -> np.ndarray:
        parts = values[: height * cell, : width * cell].reshape(height, cell, width, cell, *values.shape[2:])
        return np.moveaxis(parts, 2, 1).reshape(height, width, cell**2, *values.shape[2:])

    seen, disparity, color = cells(layers.shown), cells(layers.disparity * (1 - gap)), cells(bottom)
    shown = seen.any(-1)
    farthest = np.where(seen, disparity, np.inf).min(-1)
    same = seen & (disparity <= farthest[..., None] * 1.05)
    mean = (color * same[..., None]).sum(2) / np.maximum(same.sum(-1), 1)[..., None]
    lowest, mean = _farthest_around(np.where(shown, farthest, np.inf), mean)
    row, column = np.nonzero(shown)
    pixels = (np.stack([column, row], 1) + 0.5) * cell - np.array(layers.pad)
    position = layers.camera.unproject(pixels, 1 / lowest[shown])
    return position, mean[shown].astype(np.float32), np.full(len(position), 1.15 * cell, np.float32)


def _farthest_around(disparity: np.ndarray, color: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) minimum over 3 x 3, and (h, w, 3) the colour there: a far point must not show a near thing's colour."""
    height, width = disparity.shape
    padded = np.pad(disparity, 1, constant_values=np.inf)
    lowest, taken = disparity.copy(), color.copy()
    around = np.pad(color, ((1, 1), (1, 1), (0, 0)))
    for down in range(3):
        for right in range(3):
            other = padded[down : down + height, right : right + width]
            farther = other < OTHER_SURFACE * lowest
            taken[farther] = around[down : down + height, right : right + width][farther]
            lowest = np.minimum(lowest, other)
    return lowest, taken


@dataclass(frozen=True, eq=False)
class _Look:
    """What both families take from the surface: mean (Hc, Wc, 3) float32, sRGB; lean (Hc, Wc, 2) float32, px."""

    mean: np.ndarray
    lean: np.ndarray


def _end_pixels(paths: Trajectories, places: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(M,) int64: flat indices of the pixels that these ends lie on; -1 for trajectories that are not whole."""
    column, row = np.floor(places).astype(np.int64).T
    return np.where((paths.birth <= 0) & (paths.death > 1), row * part.shape[1] + column, -1)


def _likeness(surface: Surface, mean: np.ndarray, part: np.ndarray, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(Hc * Wc,) float32: which share of the texture is mixed plainly on the trajectories that start here.

    That depends on the correlation r of the texture at their two ends. At 1 (slow water) a plain mix keeps the contrast,
    and boosting it would make it breathe; at 0 the boost by sqrt(2) at mid-loop is right; in between, and below 0, a
    share g of plain mixing and 1 - g of boosted gives (g + (1 - g) sqrt(2)) sqrt((1 + r) / 2) of the contrast, which is
    solved for 1. Every other row and column tells enough.
    """
    height, width = part.shape
    row, column = start // width, start % width
    chosen = np.flatnonzero((ends >= 0) & (row % 2 == 0) & (column % 2 == 0))
    color, local = surface.color.reshape(-1, 3), mean.reshape(-1, 3)
    first, last = (color[pixel] - local[pixel] for pixel in (start[chosen], ends[chosen]))
    products = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.float32)
    place = row[chosen] // 2, column[chosen] // 2
    products[place] = np.stack([(a * b).sum(-1) for a, b in ((first, last), (first, first), (last, last))], -1)
    known = np.zeros(products.shape[:2], bool)
    known[place] = True
    both, one, other = np.moveaxis(masked_blur(products, known, max(1.0, ALIKE_SIDE * max(part.shape) / 2)), -1, 0)
    alike = np.clip(both / np.sqrt(np.maximum(one * other, 1e-12)), LEAST_ALIKE, 1)
    alike = ((2**0.5 - np.sqrt(2 / (1 + alike))) / (2**0.5 - 1)).astype(np.float32)
    return cv2.resize(alike, (2 * alike.shape[1], 2 * alike.shape[0]))[:height, :width].ravel()


def _family(
    layers: Layers,
    surface: Surface,
    look: _Look,
    alike: np.ndarray,
    cycles: int,
    paths: Trajectories,
    pixels: tuple[np.ndarray, np.ndarray],
) -> MovingPoints:
    """Points on these paths; `pixels` are flat indices of those they start and end on, -1 where they come or go."""
    color, local = surface.color.reshape(-1, 3), look.mean.reshape(-1, 3)
    width = surface.region.shape[1]
    edge = np.floor(paths.edge).astype(np.int64) @ (1, width)
    colors, means, bends = [], [], []
    for pixel, places in zip(pixels, (paths.places[0], paths.places[-1])):
        there = pixel >= 0
        seen = np.where(there, pixel, edge)
        means.append(np.take(local, seen, 0))
        # what comes in or goes out over the border takes the mean colour there: continuous with its neighbours
        colors.append(np.where(there[:, None], np.take(color, seen, 0), means[-1]))
        centre = np.stack([seen % width, seen // width], 1).astype(np.float32) + 0.5
        bends.append(np.where(there[:, None], centre - places, 0))
    whole = (pixels[0] >= 0) & (pixels[1] >= 0)
    plain = np.where(whole, np.take(alike, np.maximum(pixels[0], 0)), 0)[:, None]
    position, displacement = _on_surface(layers, surface, look.lean, paths.places, bends)
    return MovingPoints(
        position,
        displacement,
        paths.birth,
        paths.death,
        *colors,
        *(m + plain * (c - m) for m, c in zip(means, colors)),
        1 + np.minimum(CLOSE * paths.strain, CLOSEST),
        np.full(len(position), cycles, np.int16),
    )


def _on_surface(
    layers: Layers, surface: Surface, lean: np.ndarray, places: np.ndarray, bends: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(M, 3) positions at phase 0 and (K + 1, M, 3) displacements from there, on the moving surface.

    Args:
        layers: The layers.
        surface: What moves.
        lean: (Hc, Wc, 2) float32, px, by which points stand off their places.
        places: (K + 1, M, 2) float32, px of the canvas.
        bends: What the first and the last places are moved by, (M, 2) float32 px each.
    """
    camera, keys = layers.camera, len(places) - 1
    leans = [sample(lean, place + bend) for place, bend in zip((places[0], places[-1]), bends)]
    middle = np.float32((camera.width / 2 + layers.pad[0], camera.height / 2 + layers.pad[1]))
    displacement = np.empty((*places.shape[:2], 3), np.float32)
    for key, place in enumerate(places):
        share = np.float32(key / keys)
        place = place + (1 - share) * bends[0] + share * bends[1]
        depth = 1 / sample(surface.disparity, place)
        sideways = place + (1 - share) * leans[0] + share * leans[1] - middle
        displacement[key, :, :2] = sideways * (depth / np.float32(camera.focal))[:, None]
        displacement[key, :, 2] = depth
    position = displacement[0].copy()
    displacement -= position
    return position, displacement
