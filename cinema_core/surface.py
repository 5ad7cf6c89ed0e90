"""The surface that moves: the region, with what continues it beyond the border and behind nearer things.

Input: the region of the photo and the layers. Output: `Surface` on the layers' canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import extend, nearest_index
from .layers import Layers


@dataclass(frozen=True, eq=False)
class Surface:
    """What moves, seen through the photo's camera as if nothing stood before it.

    Attributes:
        region: (Hc, Wc) bool.
        visible: (Hc, Wc) bool, the part of the region that nothing hides and that the presets can show.
        hidden: (Hc, Wc) bool, the part of the region that lies behind something nearer.
        color: (Hc, Wc, 3) float32, sRGB, continued beyond the region.
        disparity: (Hc, Wc) float32, continued beyond the region.
    """

    region: np.ndarray
    visible: np.ndarray
    hidden: np.ndarray
    color: np.ndarray
    disparity: np.ndarray


def find_surface(region: np.ndarray, layers: Layers) -> Surface:
    """Continue what flows over the canvas: outward beyond the photo's border, and into the hidden bands.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface; its region is empty where the photo's is.
    """
    visible = _outward(region, layers) & layers.shown
    hidden, color, disparity = np.zeros_like(visible), layers.color.copy(), layers.disparity.copy()
    for band in layers.bands:
        behind = band.mask & visible.ravel()[band.source] & ~visible & ~hidden
        hidden |= behind
        color[behind], disparity[behind] = band.color[behind], band.disparity[behind]
    whole = visible | hidden
    if not whole.any():
        return Surface(whole, visible, hidden, color, disparity)
    return Surface(whole, visible, hidden, extend(color, whole), extend(disparity, whole))


def find_swaying(region: np.ndarray, layers: Layers) -> Surface:
    """Continue what sways beyond the photo's border, to the end of the canvas; what it hides stays as it is.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface.
    """
    whole = _outward(region, layers)
    return Surface(whole, whole & layers.shown, np.zeros_like(whole), layers.color, layers.disparity)


def _outward(region: np.ndarray, layers: Layers) -> np.ndarray:
    """(Hc, Wc) bool: the photo's region, continued from the nearest pixels of the border."""
    drawn, inside = np.zeros((2, *layers.shown.shape), bool)
    drawn[layers.photo] = region
    inside[layers.photo] = True
    return drawn.ravel()[nearest_index(inside)]
