"""Points: the layers and the moving surface as points in the scene.

Input: layers, surface, motion field. Output: `StillPoints` and `MovingPoints`.

Two families of points make the loop (design: cross-fade along trajectories). A forward point starts at its pixel at
phase 0, a backward point ends at its pixel at phase 1; both carry the photo's colours at the two ends of their
trajectory, so where both are, they agree, and phase 0 and phase 1 are the photo.
"""

from __future__ import annotations

import cv2
import numpy as np

from .camera import Camera
from .data import MovingPoints, StillPoints
from .grid import extend, masked_blur, sample
from .layers import Layers
from .surface import Surface
from .trajectories import Trajectories, follow

OVERLAP = 0.2  # px; how far a point of diameter 1.4 reaches beyond its own pixel
# Cell of a bed in px -> how far behind it lies, of the depth: beyond the reach of its spheres. The fine one closes
# cracks unseen, the coarse one what would else be a hole.
BEDS = {2: 0.008, 8: 0.04}
BED_BEHIND_WATER = 0.04  # of the depth; behind both families, wherever their slopes put them
FAMILY_BEHIND = 0.002  # of the depth, and one pixel's slope; the family whose photo the phase is near lies in front
STEEPEST = 0.05  # of the depth per pixel; steeper slopes are not followed by what lies behind
MEAN_SIDE = 1 / 100  # of the longer side; blur of the local mean
LONGEST_PATH = 1 / 20  # of the longer side; what would flow farther within a loop runs through several shorter paths
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
    for layer in range(int(layers.label.max()) + 1):
        mask = layers.shown & (layers.label == layer) & ~visible
        parts = [lift(layers.camera, layers.pad, mask, layers.color, layers.disparity)]
        for band in layers.bands:
            if band.layer == layer:
                hidden = band.mask & ~np.logical_or.reduce([s.hidden & s.visible.ravel()[band.source] for s in surfaces])
                parts.append(lift(layers.camera, layers.pad, hidden, band.color, band.disparity))
        position, color = (np.concatenate(arrays) for arrays in zip(*parts))
        if len(position):
            pieces.append((position, color, np.ones(len(position), np.float32)))
            names.append(f"Layer {len(names) + 1}")
    beds = [_bed(layers, visible, bottom, cell, behind) for cell, behind in BEDS.items()]
    pieces.append(tuple(np.concatenate(arrays) for arrays in zip(*beds)))
    names.append("Bed")
    label = np.concatenate([np.full(len(piece[0]), number, np.int16) for number, piece in enumerate(pieces)])
    position, color, spread = (np.concatenate(arrays) for arrays in zip(*pieces))
    return StillPoints(position, color, spread, label), names


def moving_points(layers: Layers, surface: Surface, motion: np.ndarray, frames: int, keys: int, device: str) -> MovingPoints:
    """Both families of points of the moving surface.

    Args:
        layers: The layers; their camera and pad.
        surface: What moves.
        motion: (Hc, Wc, 2) float32, px/frame.
        frames: Length of the loop.
        keys: Segments that a trajectory is stored in.
        device: torch device.

    Returns:
        The points, the forward family first.
    """
    if not surface.region.any():
        return _no_points(keys)
    mean = extend(_local_mean(surface), surface.region)
    pieces = []
    for cycles, part in _parts(surface.region, motion, frames):
        start = np.argwhere(part)[:, ::-1].astype(np.float32) + 0.5
        ahead = follow(motion, part, start, frames / cycles, keys, device=device)
        back = follow(motion, part, start, frames / cycles, keys, backward=True, device=device)
        alike = _likeness(surface, mean, part, ahead)
        for paths, backward in ((ahead, False), (back, True)):
            family = _family(layers, surface, mean, alike, paths, backward)
            pieces.append(family | {"cycles": np.full(len(start), cycles, np.int16)})
    return MovingPoints(**{name: np.concatenate([p[name] for p in pieces], int(name == "displacement")) for name in pieces[0]})


def join_points(*groups: MovingPoints) -> MovingPoints:
    """All points of several groups of as many keys, in this order."""
    return MovingPoints(**{
        name: np.concatenate([getattr(group, name) for group in groups], int(name == "displacement"))
        for name in MovingPoints.__dataclass_fields__
    })


def _no_points(keys: int) -> MovingPoints:
    places, numbers = np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
    return MovingPoints(
        places, np.zeros((keys + 1, 0, 3), np.float32), numbers, numbers, places, places, places, places, numbers, np.zeros(0, np.int16)
    )


def _parts(region: np.ndarray, motion: np.ndarray, frames: int) -> list[tuple[int, np.ndarray]]:
    """Connected parts of the region by the number of cycles that they run through in a loop, few cycles first."""
    count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    travelled = np.linalg.norm(motion, axis=-1) * frames
    cycles = np.zeros(count, int)
    for part in range(1, count):
        far = np.percentile(travelled[parts == part], 90)
        cycles[part] = max(1, round(far / (LONGEST_PATH * max(region.shape))))
    return [(number, np.isin(parts, np.flatnonzero(cycles == number))) for number in np.unique(cycles[1:])]


def lift(
    camera: Camera, pad: tuple[int, int], mask: np.ndarray, color: np.ndarray, disparity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lift pixels into the scene, each onto its own depth.

    Args:
        camera: The photo's camera.
        pad: (x, y) px that the canvas adds.
        mask: (Hc, Wc) bool with P pixels.
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32.

    Returns:
        (P, 3) float32 positions and (P, 3) float32 colours.
    """
    pixels = np.argwhere(mask)[:, ::-1] + 0.5 - np.array(pad) + _lean(disparity, camera)[mask]
    return camera.unproject(pixels, 1 / disparity[mask]), color[mask]


def _lean(disparity: np.ndarray, camera: Camera) -> np.ndarray:
    """(H, W, 2) float32 px by which points stand towards the nearer side of a slope.

    On a slope a point's nearer neighbour covers it as far as it reaches over, so that every point shows on its far
    side only and the picture would be displaced. Leaning puts what shows of a point onto its own pixel.
    """
    toward = np.stack(np.gradient(disparity)[::-1], -1)
    change = np.linalg.norm(toward, axis=-1, keepdims=True)
    relative = change / disparity[..., None]
    steep = relative / (relative + 0.3 / camera.focal)  # what is flatter than the points are round overlaps evenly
    return (OVERLAP * steep * toward / np.maximum(change, 1e-12)).astype(np.float32)


def _local_mean(surface: Surface) -> np.ndarray:
    """(Hc, Wc, 3) float32, valid in the region."""
    return masked_blur(surface.color, surface.region, MEAN_SIDE * max(surface.region.shape))


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
    lowest = _window_min(np.where(shown, farthest, np.inf))
    row, column = np.nonzero(shown)
    pixels = (np.stack([column, row], 1) + 0.5) * cell - np.array(layers.pad)
    position = layers.camera.unproject(pixels, 1 / lowest[shown])
    return position, mean[shown].astype(np.float32), np.full(len(position), cell, np.float32)


def _window_min(values: np.ndarray) -> np.ndarray:
    """(h, w) minimum over 3 x 3."""
    padded = np.pad(values, 1, constant_values=np.inf)
    height, width = values.shape
    return np.minimum.reduce([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)])


def _likeness(surface: Surface, mean: np.ndarray, part: np.ndarray, ahead: Trajectories) -> np.ndarray:
    """(Hc, Wc) float32: correlation 0..1 of the texture at the two ends of the trajectories that start here.

    Where it is 1 (slow water), a plain mix keeps the contrast, and boosting it would make it breathe.
    """
    residual = surface.color - mean
    ended = np.zeros_like(residual)
    ended[part] = sample(residual, ahead.places[-1])
    sigma = max(1.0, ALIKE_SIDE * max(surface.region.shape))

    def window(values: np.ndarray) -> np.ndarray:
        return masked_blur(values.sum(-1), part, sigma)

    both = window(residual * ended)
    alone = np.sqrt(np.maximum(window(residual * residual) * window(ended * ended), 1e-12))
    return np.clip(both / alone, 0, 1).astype(np.float32)


def _family(
    layers: Layers, surface: Surface, mean: np.ndarray, alike: np.ndarray, paths: Trajectories, backward: bool
) -> dict[str, np.ndarray]:
    """Fields of `MovingPoints` for one family."""
    keys = len(paths.places) - 1
    behind, lean = FAMILY_BEHIND + _slope(surface.disparity), _lean(surface.disparity, layers.camera)
    positions = np.stack([
        _on_surface(layers, surface, place, lean, 1 + sample(behind, place) * ((1 - j / keys) if backward else j / keys))
        for j, place in enumerate(paths.places)
    ])
    base = positions[-1 if backward else 0]
    whole = (paths.birth <= 0) & (paths.death > 1)
    first, last = paths.places[0].copy(), paths.places[-1].copy()
    (first if backward else last)[~whole] = paths.edge[~whole]
    color0, color1 = (np.clip(sample(surface.color, ends, sharp=True), 0, 1) for ends in (first, last))
    mean0, mean1 = sample(mean, first), sample(mean, last)
    # what comes in or goes out over the border takes the mean colour there: continuous with its neighbours
    beyond = ~whole[:, None]
    color0, color1 = (np.where(beyond, mean0, color0), color1) if backward else (color0, np.where(beyond, mean1, color1))
    plain = np.where(whole, sample(alike, first), 0)[:, None]
    return {
        "position": base,
        "displacement": positions - base,
        "birth": paths.birth,
        "death": paths.death,
        "color0": color0,
        "color1": color1,
        "mean0": (mean0 + plain * (color0 - mean0)).astype(np.float32),
        "mean1": (mean1 + plain * (color1 - mean1)).astype(np.float32),
        "spread": np.ones(len(base), np.float32),
    }


def _slope(disparity: np.ndarray) -> np.ndarray:
    """(Hc, Wc) float32: relative change of depth over one pixel, the steepest within 3 x 3."""
    down, right = np.gradient(disparity)
    change = np.minimum(np.hypot(down, right) / disparity, STEEPEST).astype(np.float32)
    return cv2.dilate(change, np.ones((3, 3), np.uint8))


def _on_surface(layers: Layers, surface: Surface, places: np.ndarray, lean: np.ndarray, farther: np.ndarray) -> np.ndarray:
    """(M, 3): canvas places lifted onto the moving surface, `farther` times as far along their rays."""
    depth = farther / sample(surface.disparity, places)
    return layers.camera.unproject(places - np.array(layers.pad, np.float32) + sample(lean, places), depth)
