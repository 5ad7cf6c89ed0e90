"""Points: the layers and the moving surface as points in the scene.

Input: layers, surface, motion field. Output: `StillPoints` and `MovingPoints`.

Two families of points make the loop (design: cross-fade along trajectories). A forward point starts at its pixel at
phase 0, a backward point ends at its pixel at phase 1; both carry the photo's colours at the two ends of their
trajectory, so where both are, they agree, and phase 0 and phase 1 are the photo.
"""

from __future__ import annotations

import numpy as np

from .camera import Camera
from .data import MovingPoints, StillPoints
from .grid import extend, masked_blur, sample
from .layers import Layers
from .surface import Surface
from .trajectories import Trajectories, follow

BED_CELL = 2  # px; the bed has one point per cell
BED_BEHIND = 0.004  # of the depth; beyond the reach of its spheres, well below what parallax shows
FAMILY_BEHIND = 0.002  # of the depth; the family whose photo the phase is near lies in front of the other
MEAN_SIDE = 1 / 100  # of the longer side; blur of the local mean
ALIKE_SIDE = 1 / 160  # of the longer side; window in which the two ends of trajectories are compared


def still_points(layers: Layers, surface: Surface) -> tuple[StillPoints, list[str]]:
    """Everything that does not move, and the bed behind it all.

    Args:
        layers: The layers.
        surface: What moves; its visible part is left out.

    Returns:
        The points, and the names of their layers, near to far.
    """
    pieces, names = [], []
    for layer in range(int(layers.label.max()) + 1):
        mask = layers.shown & (layers.label == layer) & ~surface.visible
        parts = [_lift(layers.camera, layers.pad, mask, layers.color, layers.disparity)]
        for band in layers.bands:
            if band.layer == layer:
                hidden = band.mask & ~(surface.region & surface.visible.ravel()[band.source])
                parts.append(_lift(layers.camera, layers.pad, hidden, band.color, band.disparity))
        position, color = (np.concatenate(arrays) for arrays in zip(*parts))
        if len(position):
            pieces.append((position, color, np.ones(len(position), np.float32)))
            names.append(f"Layer {len(names) + 1}")
    pieces.append(_bed(layers))
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
    start = np.argwhere(surface.region)[:, ::-1].astype(np.float32) + 0.5
    ahead = follow(motion, surface.region, start, frames, keys, device=device)
    back = follow(motion, surface.region, start, frames, keys, backward=True, device=device)
    mean = masked_blur(surface.color, surface.region, MEAN_SIDE * max(surface.region.shape))
    mean = extend(mean, surface.region) if surface.region.any() else mean
    alike = _likeness(surface, mean, start, ahead)
    families = [
        _family(layers, surface, mean, alike, ahead, backward=False),
        _family(layers, surface, mean, alike, back, backward=True),
    ]
    return MovingPoints(**{name: np.concatenate([f[name] for f in families], int(name == "displacement")) for name in families[0]})


def _lift(
    camera: Camera, pad: tuple[int, int], mask: np.ndarray, color: np.ndarray, disparity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(P, 3) positions and (P, 3) colours of the pixels of a mask."""
    pixels = np.argwhere(mask)[:, ::-1] + 0.5 - np.array(pad)
    return camera.unproject(pixels, 1 / disparity[mask]), color[mask]


def _bed(layers: Layers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, colour and spread of coarse still points a hair behind everything that is shown.

    They close the cracks that open between points when the camera moves or the water streams apart. A bed point
    lies behind all that its sphere could otherwise pierce, and takes the colour of the farthest surface in its cell.
    """
    height, width = (n // BED_CELL for n in layers.shown.shape)

    def cells(values: np.ndarray) -> np.ndarray:
        cut = values[: height * BED_CELL, : width * BED_CELL]
        parts = cut.reshape(height, BED_CELL, width, BED_CELL, *values.shape[2:])
        return np.moveaxis(parts, 2, 1).reshape(height, width, BED_CELL**2, *values.shape[2:])

    seen, disparity, color = cells(layers.shown), cells(layers.disparity), cells(layers.color)
    shown = seen.any(-1)
    farthest = np.where(seen, disparity, np.inf).min(-1)
    same = seen & (disparity <= farthest[..., None] * 1.05)
    mean = (color * same[..., None]).sum(2) / np.maximum(same.sum(-1), 1)[..., None]
    behind = _window_min(np.where(shown, farthest, np.inf)) * (1 - BED_BEHIND)
    row, column = np.nonzero(shown)
    pixels = (np.stack([column, row], 1) + 0.5) * BED_CELL - np.array(layers.pad)
    position = layers.camera.unproject(pixels, 1 / behind[shown])
    return position, mean[shown].astype(np.float32), np.full(len(position), BED_CELL, np.float32)


def _window_min(values: np.ndarray) -> np.ndarray:
    """(h, w) minimum over 3 x 3."""
    padded = np.pad(values, 1, constant_values=np.inf)
    height, width = values.shape
    return np.minimum.reduce([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)])


def _likeness(surface: Surface, mean: np.ndarray, start: np.ndarray, ahead: Trajectories) -> np.ndarray:
    """(Hc, Wc) float32: correlation 0..1 of the texture at the two ends of the trajectories that start here.

    Where it is 1 (slow water), a plain mix keeps the contrast, and boosting it would make it breathe.
    """
    residual = surface.color - mean
    ended = np.zeros_like(residual)
    ended[surface.region] = sample(residual, ahead.places[-1])
    sigma = max(1.0, ALIKE_SIDE * max(surface.region.shape))

    def window(values: np.ndarray) -> np.ndarray:
        return masked_blur(values.sum(-1), surface.region, sigma)

    both = window(residual * ended)
    alone = np.sqrt(np.maximum(window(residual * residual) * window(ended * ended), 1e-12))
    return np.clip(both / alone, 0, 1).astype(np.float32)


def _family(
    layers: Layers, surface: Surface, mean: np.ndarray, alike: np.ndarray, paths: Trajectories, backward: bool
) -> dict[str, np.ndarray]:
    """Fields of `MovingPoints` for one family."""
    keys = len(paths.places) - 1
    positions = np.stack([
        _on_surface(layers, surface, place, 1 + FAMILY_BEHIND * ((1 - j / keys) if backward else j / keys))
        for j, place in enumerate(paths.places)
    ])
    base = positions[-1 if backward else 0]
    whole = (paths.birth <= 0) & (paths.death > 1)
    own = paths.places[-1 if backward else 0]
    first = np.where(whole[:, None], paths.places[0], own)
    last = np.where(whole[:, None], paths.places[-1], own)
    color0, color1 = sample(surface.color, first), sample(surface.color, last)
    # a point with one colour only must not have its contrast raised: its mean is itself
    plain = np.where(whole, sample(alike, first), 1)[:, None]
    mean0, mean1 = sample(mean, first), sample(mean, last)
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


def _on_surface(layers: Layers, surface: Surface, places: np.ndarray, farther: float) -> np.ndarray:
    """(M, 3): canvas places lifted onto the moving surface, `farther` times as far along their rays."""
    depth = farther / sample(surface.disparity, places)
    return layers.camera.unproject(places - np.array(layers.pad, np.float32), depth)
