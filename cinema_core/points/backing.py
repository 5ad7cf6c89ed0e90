"""The bed: coarse still points behind everything that is shown, which close what would else be cracks and holes.

Input: the layers, and what the picture shows where it does not move. Output: still points.

There are two. The coarse one lies under all. The fine one lies closer, but only where cracks open that would show another
colour or look past the coarse one: along cuts and down steep slopes, where a coarse cell is as far as the farthest thing
in and beside it, and has the colour of that, and where the texture is not that of the cell as a whole.

Both part where what they lie under does. What the presets may then look through has a floor, coarse as well, behind the
bands too: it is nowhere so steep that they part it, so that nothing is seen past it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..layers.split import Layers
from ..shared.camera import SIDE, ZOOM_IN

# Cell in px, and how far behind what is shown it lies, of the depth: beyond the reach of its spheres.
FINE, COARSE = (2, 0.008), (8, 0.04)
OTHER_COLOR = 0.1  # sRGB, of any channel; what differs by more is seen through a crack
AWAY = 8.0  # px, a coarse cell; what the presets move by so much more than it does not lie beneath it for them
CRACK = 0.3  # px; neighbours that part by less leave cracks too small to see
OTHER_SURFACE = 0.9  # of a disparity; what is farther still is another surface
ALIKE = 1.05  # of a cell's farthest disparity; what is as far has the cell's colour
SAME = 0.98  # of a disparity; what is hardly farther needs no floor of its own
PARTED = 2.0  # px; neighbours on the floor that the presets part by so much still touch
OPEN = 0.5  # px per px; from when on the coarse bed is held to part, and the floor lies beneath as far as that is seen
BEHIND_WATER = 0.04  # of the depth; behind both families, wherever their slopes put them


def backing_points(layers: Layers, water: np.ndarray, bottom: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coarse still points a hair behind everything that is shown.

    They close the cracks that open between points when the camera moves or the water streams apart. A bed point
    lies behind all that its sphere could otherwise pierce, and takes the colour of the farthest surface in its cell.

    Args:
        layers: The layers.
        water: (Hc, Wc) bool, what moves.
        bottom: (Hc, Wc, 3) float32, sRGB: the picture, but under the water its local mean, since the photo's detail
            would stand still there.

    Returns:
        Position (B, 3), colour (B, 3) and spread (B,), float32.
    """
    fine, coarse = (_backing(layers.disparity, layers.valid, water, *kind) for kind in (FINE, COARSE))
    fine_color, coarse_color = (_colors(bottom, bed) for bed in (fine, coarse))
    needed = fine.valid
    times = COARSE[0] // FINE[0]
    height, width = (times * side for side in coarse.valid.shape)  # beyond it no coarse cell fits
    disparity, color = (np.repeat(np.repeat(a, times, 0), times, 1) for a in (coarse.disparity, coarse_color))
    part = _parting(layers)
    with np.errstate(invalid="ignore"):  # of what nothing is in
        other = part * (fine.disparity[:height, :width] - disparity) > AWAY
    other |= np.abs(color - fine_color[:height, :width]).max(-1) > OTHER_COLOR
    needed[:height, :width] &= other
    needed &= _opens(layers, water, fine.cell, part)
    parts = [_points(layers, fine, fine_color, needed), _points(layers, coarse, coarse_color, coarse.valid)]
    parts.append(_floor(layers, coarse, water, bottom))
    return tuple(np.concatenate(arrays) for arrays in zip(*parts))


@dataclass(frozen=True, eq=False)
class _Backing:
    """A lattice of cells.

    Attributes:
        cell: px.
        behind: (Hc, Wc) float32, disparity of what is shown, put back as far as the bed lies behind it; else infinite.
        farthest: (h, w) float32, the least of these in each cell.
        disparity: (h, w) float32, of the bed: the least in and beside each cell; infinite where nothing is shown in it.
        source: (h, w) int64, flat index of the cell that it has its colour from.
    """

    cell: int
    behind: np.ndarray
    farthest: np.ndarray
    disparity: np.ndarray
    source: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """(h, w) bool, cells in which something is."""
        return np.isfinite(self.disparity)


def _backing(disparity: np.ndarray, valid: np.ndarray, water: np.ndarray, cell: int, gap: float) -> _Backing:
    behind = disparity * np.where(water, np.float32(1 - max(gap, BEHIND_WATER)), np.float32(1 - gap))
    behind[~valid] = np.inf
    height, width = (n // cell for n in behind.shape)
    farthest = behind[: height * cell, : width * cell].reshape(height, cell, width, cell).min((1, 3))
    lowest, source = _farthest_around(farthest)
    lowest[np.isinf(farthest)] = np.inf
    return _Backing(cell, behind, farthest, lowest, source)


def _farthest_around(disparity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) minimum over 3 x 3, and (h, w) which cell's colour goes with it: a far point must not show a near thing's."""
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


def _colors(bottom: np.ndarray, bed: _Backing) -> np.ndarray:
    """(h, w, 3) float32, sRGB: the mean over what is about as far as the farthest in the cell that each is coloured by."""
    chosen = bed.valid
    source = bed.source[chosen]
    top, left = np.divmod(source, chosen.shape[1])
    limit = ALIKE * bed.farthest.ravel()[source]
    total, count = np.zeros((len(source), 3), np.float32), np.zeros(len(source), np.float32)
    for down in range(bed.cell):
        for right in range(bed.cell):
            there = (top * bed.cell + down) * bottom.shape[1] + left * bed.cell + right
            same = np.take(bed.behind, there) <= limit
            total += np.take(bottom.reshape(-1, 3), there, 0) * same[:, None]
            count += same
    color = np.zeros((*chosen.shape, 3), np.float32)
    color[chosen] = total / count[:, None]
    return color


def _points(
    layers: Layers, bed: _Backing, color: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, colour and spread of the chosen cells, (h, w) bool."""
    row, column = np.nonzero(chosen)
    pixels = (np.stack([column, row], 1) + 0.5) * bed.cell - np.array(layers.pad)
    position = layers.camera.unproject(pixels, 1 / bed.disparity[chosen])
    return position, color[chosen], np.full(len(position), 1.15 * bed.cell, np.float32)


def _parting(layers: Layers) -> float:
    """px by which the presets part things whose disparities differ by 1, at most."""
    camera = layers.camera
    return max(SIDE * camera.focal, ZOOM_IN * max(camera.width, camera.height) / 2)


def _opens(layers: Layers, water: np.ndarray, cell: int, part: float) -> np.ndarray:
    """(h, w) bool: cells in or beside which cracks open, since neighbours part or flow."""
    opens = water.copy()
    for axis in (0, 1):
        apart = np.abs(np.diff(layers.disparity, axis=axis)) > CRACK / part
        for side in (slice(1, None), slice(None, -1)):
            np.moveaxis(opens, axis, 0)[side] |= np.moveaxis(apart, axis, 0)
    height, width = (side // cell for side in opens.shape)
    cells = opens[: height * cell, : width * cell].reshape(height, cell, width, cell).any((1, 3))
    return cv2.dilate(cells.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _floor(
    layers: Layers, coarse: _Backing, water: np.ndarray, bottom: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the floor, where the presets may look past the coarse bed."""
    farthest, color = layers.disparity.copy(), bottom.copy()
    for band in layers.bands:
        last = band.disparity < farthest.ravel()[band.index]
        index = band.index[last]
        farthest.ravel()[index], color.reshape(-1, 3)[index] = band.disparity[last], band.color[last]
    bed = _backing(farthest, layers.valid, water, *COARSE)
    part = _parting(layers)
    level, source = _level(bed.disparity, PARTED / part)
    parted = _level(bed.disparity, OPEN * bed.cell / part)[0] < SAME * coarse.disparity
    chosen = coarse.valid & (cv2.dilate(parted.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    chosen &= level < SAME * coarse.disparity
    valid = _colors(color, bed)
    seen = _Backing(bed.cell, bed.behind, bed.farthest, level, source)
    return _points(layers, seen, np.take(valid.reshape(-1, 3), source, 0), chosen)


def _level(disparity: np.ndarray, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) the nearest that lies behind `disparity` and changes by at most `slope` from cell to cell, and whose it is."""
    level, source = disparity, np.arange(disparity.size).reshape(disparity.shape)
    for axis in (0, 1):
        for way in (1, -1):
            level, source = (np.moveaxis(values, axis, 0)[::way] for values in (level, source))
            rise = np.float32(slope) * np.arange(len(level), dtype=np.float32)[:, None]
            lowest = np.minimum.accumulate(level - rise)
            row = np.maximum.accumulate(np.where(level - rise <= lowest, np.arange(len(level))[:, None], 0))
            level, source = lowest + rise, np.take_along_axis(source, row, 0)
            level, source = (np.moveaxis(values[::way], 0, axis) for values in (level, source))
    return level, source
