"""The bed: coarse still points behind everything that is shown, which close what would else be cracks and holes.

Input: the layers, and what the picture shows where it does not move. Output: still points.
"""

from __future__ import annotations

import numpy as np

from .layers import Layers

# Cell of a bed in px -> how far behind it lies, of the depth: beyond the reach of its spheres. The fine one closes
# cracks unseen, the coarse one what would else be a hole.
BEDS = {2: 0.008, 8: 0.04}
OTHER_SURFACE = 0.9  # of a disparity; what is farther still is another surface
BEHIND_WATER = 0.04  # of the depth; behind both families, wherever their slopes put them


def bed_points(layers: Layers, water: np.ndarray, bottom: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    beds = [_bed(layers, water, bottom, cell, behind) for cell, behind in BEDS.items()]
    return tuple(np.concatenate(arrays) for arrays in zip(*beds))


def _bed(
    layers: Layers, water: np.ndarray, bottom: np.ndarray, cell: int, behind: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position, colour and spread of the bed of one cell size."""
    gap = np.where(water, np.maximum(behind, BEHIND_WATER), behind).astype(np.float32)
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
