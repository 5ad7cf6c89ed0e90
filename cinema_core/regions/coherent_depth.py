"""Make depth coherent: every thing in the photo gets one rigid surface.

Input: disparity whose edges are steps, the photo, its focal length. Output: disparity that a camera move neither bends
nor tears. The photo is divided into superpixels; they are merged into regions; each region is an upright card, a piece
of ground, or a plane in space. Of the estimate's relief within a region, as much is kept as bends nothing.
"""

from __future__ import annotations

import numpy as np

from .atoms import divide_photo
from .merging import merge_regions
from .painting import paint_surfaces
from .welding import weld_surfaces


def make_coherent(disparity: np.ndarray, color: np.ndarray, focal: float) -> np.ndarray:
    """Give every thing in the photo one rigid surface.

    Args:
        disparity: (H, W) float32, > 0, the nearest about 1; the sky at 1 / FARTHEST.
        color: (H, W, 3) float32, sRGB.
        focal: Focal length, px.

    Returns:
        (H, W) float32 disparity. The sky stays as it is, except in the gaps of porous things.
    """
    atoms = divide_photo(disparity, color, focal)
    if atoms is None:
        return disparity
    region = merge_regions(atoms.samples, atoms.links)
    coefficients = weld_surfaces(atoms.samples, atoms.links, region)
    return paint_surfaces(atoms, region, coefficients, disparity, color)
