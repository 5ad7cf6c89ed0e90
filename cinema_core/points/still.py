"""Still points: everything that does not move.

Input: layers, and the surfaces that move. Output: `StillPoints`, layer by layer, with the bed behind them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..layers.bands import OccludedBand
from ..layers.matting import MixedPixels
from ..layers.split import Layers
from ..shared.camera import SIDE, ZOOM_IN
from ..shared.data import StillPoints
from .backing import backing_points
from .footprint import footprint_radius
from .merge import MERGED_RADIUS, border_squares, find_squares, lift_squares
from .moving_surface import MovingSurface, local_mean
from .unproject import slope_offset, unproject

# px: from when on neighbours on one surface that part at the presets' ends are given points in between, how close those
# stand then, and how many there are at most between two.
PARTED, TOGETHER, MOST_BETWEEN = 0.5, 1.2, 6
BENEATH = 0.02  # of the depth; how far the last of them lies behind the farther neighbour, which it must not cover


def still_points(layers: Layers, *surfaces: MovingSurface) -> tuple[StillPoints, list[str]]:
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
        bottom[surface.visible] = local_mean(surface)[surface.visible]
    rim = layers.mixed_pixels.chosen(~visible.ravel()[layers.mixed_pixels.owner])
    whole = layers.valid & ~visible
    whole.ravel()[rim.index[rim.front]] = False
    beside = cv2.dilate((layers.valid & ~visible & ~whole).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    slopes = _between(layers, layers.valid & ~visible, beside)
    squares = border_squares(layers, whole)
    whole.ravel()[squares] = False
    for layer in range(int(layers.label.max()) + 1):
        mask = whole & (layers.label == layer)
        parts = [unproject(layers.camera, layers.pad, mask, layers.color, layers.disparity, beside)]
        wide = [_lift_border(layers, squares[:, layers.label.ravel()[squares[0]] == layer])]
        for band in layers.bands:
            if band.layer == layer:
                moves = np.logical_or.reduce([_flows(surface, band) for surface in surfaces])
                single, merged = _lift_band(layers, band.where(~moves))
                parts.append(single)
                wide.append(merged)
        steep = layers.label.ravel()[slopes.index] == layer
        parts.append((slopes.position[steep], slopes.color[steep]))
        radius_factor = np.repeat(
            np.float32([1, MERGED_RADIUS]), [sum(len(part[0]) for part in group) for group in (parts, wide)]
        )
        own = rim.chosen(layers.label.ravel()[rim.owner] == layer)
        rims = _rim_places(layers, own), own.color
        position, color = (np.concatenate(arrays) for arrays in zip(*parts, *wide, rims))
        if len(position):
            pieces.append((position, color, np.concatenate([radius_factor, footprint_radius(own.alpha)])))
            names.append(f"Layer {len(names) + 1}")
    pieces.append(backing_points(layers, visible, bottom))
    names.append("Bed")
    label = np.concatenate([np.full(len(piece[0]), number, np.int16) for number, piece in enumerate(pieces)])
    position, color, radius_factor = (np.concatenate(arrays) for arrays in zip(*pieces))
    return StillPoints(position, color, radius_factor, label), names


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
    cut = layers.occluder_disparity.ravel()
    pixels = np.arange(still.size).reshape(still.shape)
    lean = np.where(upright[..., None], 0, slope_offset(layers.disparity, camera)).reshape(-1, 2)
    least = PARTED / (SIDE * camera.focal)
    indices, disparities, colors = [], [], []
    for axis in (0, 1):
        step = np.abs(np.diff(layers.disparity, axis=axis)) > least
        ends = [part[step] for part in (np.delete(pixels, -1, axis), np.delete(pixels, 0, axis))]
        nearer = disparity[ends[0]] > disparity[ends[1]]
        near, far = np.where(nearer, *ends), np.where(nearer, *ends[::-1])
        one = still.ravel()[near] & layers.valid.ravel()[far] & ~(cut[far] >= disparity[near] * (1 - 1e-6))
        near, far = near[one], far[one]
        aside = np.abs(np.stack(np.unravel_index(near, still.shape))[axis] - size[axis] / 2)
        zoom = ZOOM_IN * aside / (1 - ZOOM_IN * disparity[near])
        parted = np.maximum(SIDE * camera.focal, zoom) * (disparity[near] - disparity[far])
        count = np.clip(np.ceil(parted / TOGETHER).astype(int), 1, MOST_BETWEEN)
        # the last one as far as the farther one, which from there is one pixel on, however far they part
        share = np.arange(1, MOST_BETWEEN + 1, dtype=np.float32) / np.float32(count)[:, None]
        row, number = np.nonzero(share < 1.001)
        share = share[row, number]
        near, far = near[row], far[row]
        indices.append(near)
        disparities.append((disparity[near] + share * (disparity[far] - disparity[near])) * (1 - BENEATH * share))
        colors.append(color[near] + share[:, None] * (color[far] - color[near]))
    index = np.concatenate(indices)
    places = np.stack([index % still.shape[1], index // still.shape[1]], 1) + 0.5 - np.array(layers.pad) + lean[index]
    return _Between(index, camera.unproject(places, 1 / np.concatenate(disparities)), np.concatenate(colors))


def _rim_places(layers: Layers, rim: MixedPixels) -> np.ndarray:
    """(R, 3) positions of the near surface's part of mixed pixels."""
    row, column = np.divmod(rim.index, layers.valid.shape[1])
    pixels = np.stack([column, row], 1) + 0.5 + rim.inward - np.array(layers.pad)
    return layers.camera.unproject(pixels, 1 / layers.disparity.ravel()[rim.owner])


def _flows(surface: MovingSurface, band: OccludedBand) -> np.ndarray:
    """(B,) bool: the surface moves here behind what hides it, so that this does not lie still."""
    return surface.hidden.ravel()[band.index] & surface.visible.ravel()[band.source]


def _lift_band(
    layers: Layers, band: OccludedBand
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Positions and colours of a band, of single pixels and of squares."""
    squares = find_squares(layers, band.index, band.disparity, band.color)
    single = np.ones(len(band.index), bool)
    single[squares] = False
    row, column = np.divmod(band.index[single], layers.valid.shape[1])
    pixels = np.stack([column, row], 1) + 0.5 - np.array(layers.pad)
    singles = layers.camera.unproject(pixels, 1 / band.disparity[single]), band.color[single]
    return singles, lift_squares(layers, band.index, band.disparity, band.color, squares)


def _lift_border(layers: Layers, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and colours of squares beyond the border, (4, S) flat canvas indices."""
    index, rows = squares.ravel(), np.arange(squares.size).reshape(squares.shape)
    return lift_squares(layers, index, layers.disparity.ravel()[index], layers.color.reshape(-1, 3)[index], rows)
