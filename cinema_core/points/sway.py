"""Moving points of swaying regions."""

from __future__ import annotations

import numpy as np

from ..layers.split import Layers
from ..motion.sway import phase_lag, stretch
from ..shared.data import MovingPoints
from .moving_surface import MovingSurface
from .unproject import unproject


def sway_points(
    layers: Layers, surface: MovingSurface, amplitude: np.ndarray, keys: int, swings: int = 1
) -> MovingPoints:
    """Points that swing to and fro and keep their colour.

    Args:
        layers: The layers; their camera and pad.
        surface: What sways.
        amplitude: (Hc, Wc, 2) float32, px.
        keys: Segments that a swing is stored in.
        swings: Swings within a loop.

    Returns:
        The points, in rows of the canvas.
    """
    mask = surface.visible
    base, color = unproject(layers.camera, layers.pad, mask, layers.color, layers.disparity)
    wave = np.sin(2 * np.pi * np.arange(keys + 1)[:, None, None] / keys + phase_lag(amplitude)[mask][None, :, None])
    wave = (wave - wave[:1]).astype(np.float32)
    wave[-1] = 0
    # px on the photo at the point's own depth
    sideways = amplitude[mask] * (base[:, 2:] / layers.camera.focal)
    displacement = np.zeros((keys + 1, len(base), 3), np.float32)
    displacement[..., :2] = wave * sideways
    still = np.zeros(len(base), np.float32)
    radius_factor = 1 + 0.5 * stretch(amplitude)[mask]  # beyond what discs of neighbours overlap by anyway
    return MovingPoints(
        base,
        displacement,
        still,
        still + 2,
        color,
        color,
        color,
        color,
        radius_factor,
        np.full(len(base), swings, np.int16),
    )
