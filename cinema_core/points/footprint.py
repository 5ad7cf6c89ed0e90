"""The footprint of a point: its diameter in pixels, and the share of a pixel that it covers.

A point covers the share of a pixel that the pixel filter, a Gaussian, weighs its disc with. The point of a mixed pixel
is smaller than that of a whole one and may lie off the pixel's middle, towards its surface: its disc ends where an edge
would that leaves the foreground its share. So the outline stays in place where the camera moves or comes closer.

The weight of a disc under a Gaussian is a noncentral chi-square distribution. `covered_share` and its inverse
`footprint_radius` approximate it to 0.02 by Abdel-Aty (1954): its cube root is normally distributed.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import ndtri

from ..shared.camera import FILTER_SIGMA

POINT_DIAMETER = 1.4  # px of the photo, of a point that covers its pixel; a lattice of discs closes at sqrt(2)
# Radius factor at most of the point of a mixed pixel; 1 and more are those of points that cover their pixel.
LARGEST_PARTIAL = 0.99


def footprint_radius(alpha: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Radius factors of points that cover a share of their pixel.

    Args:
        alpha: Any shape, the covered share, between 0 and 1.
        shift: The same shape, px from the pixel's middle to the point.

    Returns:
        float32 of that shape, radius in radii of a whole point; below 1.
    """
    freedom = 2 + np.square(shift / FILTER_SIGMA)
    variance = 2 * (2 - 2 / freedom) / (9 * freedom)
    root = np.maximum(1 - variance + np.sqrt(variance) * ndtri(alpha), 0)
    radius = FILTER_SIGMA * np.sqrt(freedom * root**3)
    return np.minimum(radius / (POINT_DIAMETER / 2), LARGEST_PARTIAL).astype(np.float32)


def covered_share(radius: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Shares of pixels that points cover; the inverse of `footprint_radius`.

    Args:
        radius: Any shape, px.
        shift: The same shape, px from the pixel's middle to the point.

    Returns:
        Values of the same shape, 0..1.
    """
    freedom = 2 + (shift / FILTER_SIGMA) ** 2
    variance = 2 * (2 - 2 / freedom) / (9 * freedom)
    root = ((radius / FILTER_SIGMA) ** 2 / freedom) ** (1 / 3)
    return torch.special.ndtr((root - 1 + variance) / variance.sqrt())
