"""Moving points of swaying regions, such as grass, branches and flags.

Input: layers, the swaying surface and its field of amplitudes. Output: `MovingPoints`. Each point swings on a sine
about its place on the photo, so one family of points loops by itself: none is born or dies, and colours never change.
"""

from __future__ import annotations

import numpy as np

from ..layers.split import Layers
from ..motion.sway import phase_lag, stretch
from ..shared.data import MovingPoints
from .key_pictures import NEVER
from .moving_surface import MovingSurface
from .unproject import unproject


def sway_points(
    layers: Layers, surface: MovingSurface, amplitude: np.ndarray, keys: int, swings: int = 1
) -> MovingPoints:
    """Points that swing to and fro and keep their colour.

    Args:
        layers: The layers; their camera and pad.
        surface: The swaying surface; its visible pixels get a point each.
        amplitude: (Hc, Wc, 2) float32, px.
        keys: Segments that a swing is stored in.
        swings: Swings within a loop.

    Returns:
        The points, in row-major order of the canvas; phase 0 is the photo.
    """
    mask = surface.visible
    position, color = unproject(layers.camera, layers.pad, mask, layers.color, layers.disparity)
    wave = np.sin(2 * np.pi * np.arange(keys + 1)[:, None, None] / keys + phase_lag(amplitude)[mask][None, :, None])
    wave = (wave - wave[:1]).astype(np.float32)
    wave[-1] = 0  # exactly as at phase 0
    # scene units: px of the photo at the point's own depth
    reach = amplitude[mask] * (position[:, 2:] / layers.camera.focal)
    displacement = np.zeros((keys + 1, len(position), 3), np.float32)
    displacement[..., :2] = wave * reach
    birth = np.zeros(len(position), np.float32)
    return MovingPoints(
        position=position,
        displacement=displacement,
        birth=birth,
        death=birth + 2,
        colors=_constant(color),
        radius_factor=1 + 0.5 * stretch(amplitude)[mask],  # half the stretch: discs of neighbours overlap anyway
        cycles=np.full(len(position), swings, np.int16),
    )


def _constant(color: np.ndarray) -> np.ndarray:
    """(1, 2, M, 4) uint8, as `MovingPoints.colors`, of points that keep their colour, (M, 3) sRGB."""
    colors = np.empty((1, 2, len(color), 4), np.uint8)
    colors[..., :3] = np.rint(np.clip(color, 0, 1) * 255)
    colors[..., 3] = np.array(NEVER, np.uint8)[:, None]
    return colors
