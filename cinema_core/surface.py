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
        visible: (Hc, Wc) bool, the part of the region that nothing hides.
        color: (Hc, Wc, 3) float32, sRGB, continued beyond the region.
        disparity: (Hc, Wc) float32, continued beyond the region.
    """

    region: np.ndarray
    visible: np.ndarray
    color: np.ndarray
    disparity: np.ndarray


def find_surface(region: np.ndarray, layers: Layers) -> Surface:
    """Continue the region over the canvas: outward beyond the photo's border, and into the hidden bands.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface; its region is empty where the photo's is.
    """
    drawn = np.zeros(layers.shown.shape, bool)
    drawn[layers.photo] = region
    inside = np.zeros_like(drawn)
    inside[layers.photo] = True
    visible = drawn.ravel()[nearest_index(inside)] & layers.shown
    whole, color, disparity = visible.copy(), layers.color.copy(), layers.disparity.copy()
    for band in layers.bands:
        hidden = band.mask & visible.ravel()[band.source] & ~whole
        whole |= hidden
        color[hidden], disparity[hidden] = band.color[hidden], band.disparity[hidden]
    if not whole.any():
        return Surface(whole, visible, color, disparity)
    return Surface(whole, visible, extend(color, whole), extend(disparity, whole))
