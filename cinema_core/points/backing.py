"""Backing points: coarse still points behind every visible surface, which close cracks and holes between its points.

Input: the layers, and the photo's colours without moving detail. Output: still points.

There are three sets:

* The coarse grid lies behind the whole picture.
* The fine grid lies closer to the surface, only in cells where cracks open and the coarse cell would show another
  colour or lies too far behind. A coarse cell takes depth and colour of the farthest surface in and beside it, so this
  happens along depth discontinuities, down steep slopes, and where the texture differs from the coarse cell's mean.
* The floor lies behind the coarse grid and the occluded bands. Both grids tear where the surface in front of them
  does. The floor is nowhere steep enough for the presets to tear it, so no view sees past it. It exists only where the
  presets may look past the coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..layers.split import Layers
from ..shared.camera import SIDE, ZOOM_IN

BACKING_LAYER = "Backing"  # name of the layer of backing points

# Cell in px, and gap between surface and grid as a share of the depth: out of reach of the grid's spheres.
FINE_GRID, COARSE_GRID = (2, 0.008), (8, 0.04)
CRACK_COLOR = 0.1  # sRGB, any channel; larger differences of colour are visible through a crack
# px (one coarse cell); above this parallax between a fine and its coarse cell, the coarse cell no longer covers the
# fine one.
UNCOVERING_PARALLAX = 8.0
CRACK_PARALLAX = 0.3  # px; neighbours that the presets separate by less leave cracks too small to see
OTHER_SURFACE = 0.9  # ratio of disparities; a neighbouring cell below it shows a farther surface and gives the colour
SAME_SURFACE = 1.05  # ratio to a cell's least disparity; pixels up to it are its farthest surface and give the colour
FLOOR_GAP = 0.98  # ratio of disparities; above it the coarse grid needs no floor behind it
FLOOR_PARALLAX = 2.0  # px; parallax between neighbouring floor cells up to which their points still touch
TEARING_SLOPE = 0.5  # px of parallax per px; a coarse grid steeper than this tears, and gets a floor where it opens
MOVING_GAP = 0.04  # share of the depth; least gap behind moving points, whose slopes shift both families in depth


def backing_points(
    layers: Layers, moving: np.ndarray, backdrop: np.ndarray, gaps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coarse still points just behind every visible surface.

    They close the cracks that open between points when the camera moves or the water streams apart. A backing point
    lies behind all points that its sphere could otherwise pierce, and takes the colour of the farthest surface in its
    cell.

    Args:
        layers: The layers.
        moving: (Hc, Wc) bool, visible pixels of moving surfaces.
        backdrop: (Hc, Wc, 3) float32, sRGB: the picture, but its local mean where it moves, since the photo's detail
            would stand still there.
        gaps: (Hc, Wc) bool, pixels whose points do not reach all of their neighbours.

    Returns:
        Position (B, 3), colour (B, 3) and radius factor (B,), float32.
    """
    fine, coarse = (_build_grid(layers.disparity, layers.valid, moving, *kind) for kind in (FINE_GRID, COARSE_GRID))
    fine_color, coarse_color = (_cell_colors(backdrop, grid) for grid in (fine, coarse))
    needed = fine.valid
    times = COARSE_GRID[0] // FINE_GRID[0]
    height, width = (times * side for side in coarse.valid.shape)  # beyond it no coarse cell fits
    disparity, color = (np.repeat(np.repeat(a, times, 0), times, 1) for a in (coarse.disparity, coarse_color))
    parallax = _parallax_per_disparity(layers)
    with np.errstate(invalid="ignore"):  # infinite minus infinite, in empty cells
        differs = parallax * (fine.disparity[:height, :width] - disparity) > UNCOVERING_PARALLAX
    differs |= np.abs(color - fine_color[:height, :width]).max(-1) > CRACK_COLOR
    needed[:height, :width] &= differs
    needed &= _cracked_cells(layers, moving | gaps, fine.cell, parallax)
    parts = [_grid_points(layers, fine, fine_color, needed), _grid_points(layers, coarse, coarse_color, coarse.valid)]
    parts.append(_floor_points(layers, coarse, moving, backdrop))
    position, color, radius_factor = (np.concatenate(arrays) for arrays in zip(*parts))
    return position, color, radius_factor


@dataclass(frozen=True, eq=False)
class _Grid:
    """A grid of backing cells.

    Attributes:
        cell: Width of a cell, px.
        behind: (Hc, Wc) float32, disparity of the surface, reduced by the gap; infinite where there is none.
        farthest: (h, w) float32, the least of these in each cell.
        disparity: (h, w) float32, of the backing: the least in and beside each cell; infinite in empty cells.
        source: (h, w) int64, flat index of the cell that gives the colour.
    """

    cell: int
    behind: np.ndarray
    farthest: np.ndarray
    disparity: np.ndarray
    source: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """(h, w) bool, cells that are not empty."""
        return np.isfinite(self.disparity)


def _build_grid(disparity: np.ndarray, valid: np.ndarray, moving: np.ndarray, cell: int, gap: float) -> _Grid:
    """The grid behind (Hc, Wc) `disparity`, with cells in px and the gap as a share of the depth."""
    behind = disparity * np.where(moving, np.float32(1 - max(gap, MOVING_GAP)), np.float32(1 - gap))
    behind[~valid] = np.inf
    height, width = (n // cell for n in behind.shape)
    farthest = behind[: height * cell, : width * cell].reshape(height, cell, width, cell).min((1, 3))
    lowest, source = _farthest_around(farthest)
    lowest[np.isinf(farthest)] = np.inf
    return _Grid(cell, behind, farthest, lowest, source)


def _farthest_around(disparity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) minimum over 3 x 3 cells, and (h, w) flat index of the cell that gives the colour.

    The colour is another cell's only where that cell shows a farther surface: a far point must not have a near colour.
    """
    height, width = disparity.shape
    padded = np.pad(disparity, 1, constant_values=np.inf)
    lowest, own = disparity.copy(), np.arange(disparity.size).reshape(disparity.shape)
    source = own.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            other = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]
            farther = other < OTHER_SURFACE * lowest
            source[farther] = own[farther] + down * width + right
            lowest = np.minimum(lowest, other)
    return lowest, source


def _cell_colors(backdrop: np.ndarray, grid: _Grid) -> np.ndarray:
    """(h, w, 3) float32, sRGB: for each cell, the mean colour of the farthest surface in its source cell."""
    chosen = grid.valid
    source = grid.source[chosen]
    top, left = np.divmod(source, chosen.shape[1])
    limit = SAME_SURFACE * grid.farthest.ravel()[source]
    total, count = np.zeros((len(source), 3), np.float32), np.zeros(len(source), np.float32)
    for down in range(grid.cell):
        for right in range(grid.cell):
            pixel = (top * grid.cell + down) * backdrop.shape[1] + left * grid.cell + right
            same = np.take(grid.behind, pixel) <= limit
            total += np.take(backdrop.reshape(-1, 3), pixel, 0) * same[:, None]
            count += same
    color = np.zeros((*chosen.shape, 3), np.float32)
    color[chosen] = total / count[:, None]
    return color


def _grid_points(
    layers: Layers, grid: _Grid, color: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, colour and radius factor of the chosen cells, (h, w) bool."""
    row, column = np.nonzero(chosen)
    pixels = (np.stack([column, row], 1) + 0.5) * grid.cell - np.array(layers.pad)
    position = layers.camera.unproject(pixels, 1 / grid.disparity[chosen])
    return position, color[chosen], np.full(len(position), 1.15 * grid.cell, np.float32)


def _parallax_per_disparity(layers: Layers) -> float:
    """px by which the presets separate, at most, surfaces whose disparities differ by 1."""
    camera = layers.camera
    return max(SIDE * camera.focal, ZOOM_IN * max(camera.width, camera.height) / 2)


def _cracked_cells(layers: Layers, known: np.ndarray, cell: int, parallax: float) -> np.ndarray:
    """(h, w) bool: cells in or beside which cracks open, `known` ones or because neighbouring points separate."""
    cracked = known.copy()
    for axis in (0, 1):
        apart = np.abs(np.diff(layers.disparity, axis=axis)) > CRACK_PARALLAX / parallax
        for side in (slice(1, None), slice(None, -1)):
            np.moveaxis(cracked, axis, 0)[side] |= np.moveaxis(apart, axis, 0)
    height, width = (side // cell for side in cracked.shape)
    cells = cracked[: height * cell, : width * cell].reshape(height, cell, width, cell).any((1, 3))
    return cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _floor_points(
    layers: Layers, coarse: _Grid, moving: np.ndarray, backdrop: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, colour and radius factor of the floor, where the presets may look past the coarse grid."""
    farthest, color = layers.disparity.copy(), backdrop.copy()
    for band in layers.bands:
        last = band.disparity < farthest.ravel()[band.index]
        index = band.index[last]
        farthest.ravel()[index], color.reshape(-1, 3)[index] = band.disparity[last], band.color[last]
    grid = _build_grid(farthest, layers.valid, moving, *COARSE_GRID)
    parallax = _parallax_per_disparity(layers)
    level, source = _limit_slope(grid.disparity, FLOOR_PARALLAX / parallax)
    torn = _limit_slope(grid.disparity, TEARING_SLOPE * grid.cell / parallax)[0] < FLOOR_GAP * coarse.disparity
    chosen = coarse.valid & (cv2.dilate(torn.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    chosen &= level < FLOOR_GAP * coarse.disparity
    cell_color = _cell_colors(color, grid)
    floor = _Grid(grid.cell, grid.behind, grid.farthest, level, source)
    return _grid_points(layers, floor, np.take(cell_color.reshape(-1, 3), source, 0), chosen)


def _limit_slope(disparity: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """The nearest surface nowhere nearer than `disparity` that changes by at most `slope` from cell to cell.

    Args:
        disparity: (h, w) float32.
        slope: Disparity per cell.

    Returns:
        (h, w) disparity of the surface, and (h, w) flat index of the cell that each value comes from.
    """
    level, source = disparity, np.arange(disparity.size).reshape(disparity.shape)
    for axis in (0, 1):
        for direction in (1, -1):
            level, source = (np.moveaxis(values, axis, 0)[::direction] for values in (level, source))
            rise = np.float32(slope) * np.arange(len(level), dtype=np.float32)[:, None]
            lowest = np.minimum.accumulate(level - rise)
            row = np.maximum.accumulate(np.where(level - rise <= lowest, np.arange(len(level))[:, None], 0))
            level, source = lowest + rise, np.take_along_axis(source, row, 0)
            level, source = (np.moveaxis(values[::direction], 0, axis) for values in (level, source))
    return level, source
