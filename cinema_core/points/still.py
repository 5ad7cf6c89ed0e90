"""Still points: everything that does not move.

Input: layers, and the moving surfaces. Output: `StillPoints`, layer by layer, with the backing points last.
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
from .backing import BACKING_LAYER, backing_points
from .footprint import footprint_radius
from .gaps import SAME_SLOPE, along_outlines, closing_radius
from .merge import MERGED_RADIUS, border_squares, find_squares, lift_squares
from .moving_surface import MovingSurface, local_mean
from .unproject import slope_offset, unproject

GAP_PARALLAX = 0.5  # px; neighbours on a slope that the presets separate by more get points in between
FILL_SPACING = 1.2  # px; distance of those points when the neighbours are farthest apart
MAX_FILL_POINTS = 6  # between two neighbours
# Share of the depth; the last fill point lies this far behind the farther neighbour and does not cover it.
FILL_OFFSET = 0.02

_Points = tuple[np.ndarray, np.ndarray, np.ndarray]  # (P, 3) position, (P, 3) colour, (P,) radius factor, float32


def still_points(layers: Layers, *surfaces: MovingSurface) -> tuple[StillPoints, list[str]]:
    """Points of everything that does not move, and the backing points behind it all.

    Args:
        layers: The layers.
        *surfaces: The moving surfaces; their visible and occluded parts are left out. No two share a visible pixel.

    Returns:
        The points, and the names of their layers, near to far.
    """
    pieces: list[_Points] = []
    names: list[str] = []
    visible = np.logical_or.reduce([surface.visible for surface in surfaces])
    mixed = layers.mixed_pixels.chosen(~visible.ravel()[layers.mixed_pixels.owner])
    whole = layers.valid & ~visible
    whole.ravel()[mixed.index[mixed.front]] = False
    partial = (layers.valid & ~visible & ~whole).astype(np.uint8)
    without_offset = cv2.dilate(partial, np.ones((3, 3), np.uint8)).astype(bool)
    offset = slope_offset(layers.disparity, layers.camera)
    offset[without_offset] = 0  # beside mixed pixels it would make points cover these
    slopes = _fill_slopes(layers, layers.valid & ~visible, offset)
    closing = closing_radius(layers, whole, offset)
    radius = np.where(along_outlines(layers), closing, np.float32(1))
    squares = border_squares(layers, whole)
    whole.ravel()[squares] = False
    for layer in range(int(layers.label.max()) + 1):
        mask = whole & (layers.label == layer)
        pixels = unproject(layers.camera, layers.pad, mask, layers.color, layers.disparity, offset)
        single = [(*pixels, radius[mask])]
        merged = [_sized(_border_points(layers, squares[:, layers.label.ravel()[squares[0]] == layer]), MERGED_RADIUS)]
        for band in layers.bands:
            if band.layer == layer:
                moves = np.logical_or.reduce([_moves_in_band(surface, band) for surface in surfaces])
                pixels, groups = _band_points(layers, band.where(~moves))
                single.append(_sized(pixels, 1))
                merged.append(_sized(groups, MERGED_RADIUS))
        steep = layers.label.ravel()[slopes.index] == layer
        single.append(_sized((slopes.position[steep], slopes.color[steep]), 1))
        own = mixed.chosen(layers.label.ravel()[mixed.owner] == layer)
        size = footprint_radius(own.alpha, np.linalg.norm(own.inward, axis=1))
        piece = _joined([*single, *merged, (_foreground_positions(layers, own), own.color, size)])
        if len(piece[0]):
            pieces.append(piece)
            names.append(f"Layer {len(names) + 1}")
    pieces.append(backing_points(layers, visible, _without_moving_detail(layers, surfaces), closing > 1))
    names.append(BACKING_LAYER)
    label = np.concatenate([np.full(len(piece[0]), number, np.int16) for number, piece in enumerate(pieces)])
    return StillPoints(*_joined(pieces), label), names


def _sized(points: tuple[np.ndarray, np.ndarray], radius_factor: float) -> _Points:
    """Positions and colours with one radius factor for all."""
    return (*points, np.full(len(points[0]), radius_factor, np.float32))


def _joined(pieces: list[_Points]) -> _Points:
    position, color, radius_factor = (np.concatenate(arrays) for arrays in zip(*pieces))
    return position, color, radius_factor


def _without_moving_detail(layers: Layers, surfaces: tuple[MovingSurface, ...]) -> np.ndarray:
    """(Hc, Wc, 3) float32, sRGB: the picture, but its local mean on visible pixels of moving surfaces."""
    color = layers.color.copy()
    for surface in surfaces:
        color[surface.visible] = local_mean(surface)[surface.visible]
    return color


@dataclass(frozen=True, eq=False)
class _SlopePoints:
    """Points between neighbouring pixels.

    Attributes:
        index: (B,) int64, flat canvas index of the nearer pixel.
        position: (B, 3) float32.
        color: (B, 3) float32, sRGB.
    """

    index: np.ndarray
    position: np.ndarray
    color: np.ndarray


def _fill_slopes(layers: Layers, still: np.ndarray, offset: np.ndarray) -> _SlopePoints:
    """Points that close steep slopes, where a camera separates neighbours without a depth discontinuity between them.

    They stand on the ray of the nearer pixel, behind its point, down to the depth of the farther one. So the photo's
    camera does not see them.

    Args:
        layers: The layers.
        still: (Hc, Wc) bool, pixels that have points.
        offset: (Hc, Wc, 2) float32, px from the pixels' middles to their points.
    """
    pieces = [_fill_along_axis(layers, still, axis) for axis in (0, 1)]
    index, disparity, color = (np.concatenate(arrays) for arrays in zip(*pieces))
    pixels = np.stack([index % still.shape[1], index // still.shape[1]], 1) + 0.5 - np.array(layers.pad)
    pixels += offset.reshape(-1, 2)[index]
    return _SlopePoints(index, layers.camera.unproject(pixels, 1 / disparity), color)


def _fill_along_axis(layers: Layers, still: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearer pixel (B,), disparity (B,) and colour (B, 3) of the points between neighbours along one axis."""
    camera, size = layers.camera, np.array(still.shape)
    disparity, color = layers.disparity.ravel(), layers.color.reshape(-1, 3)
    occluder = layers.occluder_disparity.ravel()
    pixels = np.arange(still.size).reshape(still.shape)
    steep = np.abs(np.diff(layers.disparity, axis=axis)) > GAP_PARALLAX / (SIDE * camera.focal)
    ends = [part[steep] for part in (np.delete(pixels, -1, axis), np.delete(pixels, 0, axis))]
    nearer = disparity[ends[0]] > disparity[ends[1]]
    near, far = np.where(nearer, *ends), np.where(nearer, *ends[::-1])
    connected = still.ravel()[near] & layers.valid.ravel()[far] & ~(occluder[far] >= disparity[near] * (1 - SAME_SLOPE))
    near, far = near[connected], far[connected]
    aside = np.abs(np.stack(np.unravel_index(near, still.shape))[axis] - size[axis] / 2)
    zoom = ZOOM_IN * aside / (1 - ZOOM_IN * disparity[near])
    parallax = np.maximum(SIDE * camera.focal, zoom) * (disparity[near] - disparity[far])
    count = np.clip(np.ceil(parallax / FILL_SPACING).astype(int), 1, MAX_FILL_POINTS)
    # the last point has the farther neighbour's depth: they stay one pixel apart, however large the parallax
    share = np.arange(1, MAX_FILL_POINTS + 1, dtype=np.float32) / count.astype(np.float32)[:, None]
    row, number = np.nonzero(share < 1.001)
    share = share[row, number]
    near, far = near[row], far[row]
    behind = (disparity[near] + share * (disparity[far] - disparity[near])) * (1 - FILL_OFFSET * share)
    return near, behind, color[near] + share[:, None] * (color[far] - color[near])


def _foreground_positions(layers: Layers, mixed: MixedPixels) -> np.ndarray:
    """(R, 3) positions of the foreground's share of mixed pixels."""
    row, column = np.divmod(mixed.index, layers.valid.shape[1])
    pixels = np.stack([column, row], 1) + 0.5 + mixed.inward - np.array(layers.pad)
    return layers.camera.unproject(pixels, 1 / layers.disparity.ravel()[mixed.owner])


def _moves_in_band(surface: MovingSurface, band: OccludedBand) -> np.ndarray:
    """(B,) bool: pixels where the surface itself moves behind its occluder, so that the band has no still point."""
    return surface.occluded.ravel()[band.index] & surface.visible.ravel()[band.source]


def _band_points(
    layers: Layers, band: OccludedBand
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Positions and colours of a band's single pixels, and those of its merged squares."""
    squares = find_squares(layers, band.index, band.disparity, band.color)
    single = np.ones(len(band.index), bool)
    single[squares] = False
    row, column = np.divmod(band.index[single], layers.valid.shape[1])
    pixels = np.stack([column, row], 1) + 0.5 - np.array(layers.pad)
    singles = layers.camera.unproject(pixels, 1 / band.disparity[single]), band.color[single]
    return singles, lift_squares(layers, band.index, band.disparity, band.color, squares)


def _border_points(layers: Layers, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and colours of merged squares beyond the border, (4, S) flat canvas indices."""
    index, rows = squares.ravel(), np.arange(squares.size).reshape(squares.shape)
    return lift_squares(layers, index, layers.disparity.ravel()[index], layers.color.reshape(-1, 3)[index], rows)
