"""The footprint of a point: its diameter in pixels, and the share of a pixel that it covers.

The point of a mixed pixel shrinks with the share of the pixel that its surface covers. Its radius factor, which is
below 1, is therefore all that a renderer needs to know of the share: `footprint_radius` encodes it, `covered_share`
decodes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

POINT_DIAMETER = 1.4  # px of the photo, of a point that covers its pixel; a lattice of discs closes at sqrt(2)
ZERO_SHARE_RADIUS = 0.12  # px, radius of a point that covers nothing; half the covered share is added to it

_Values = TypeVar("_Values", np.ndarray, "torch.Tensor")


def footprint_radius(alpha: np.ndarray) -> np.ndarray:
    """Radius factors of points that cover a share of their pixel.

    Args:
        alpha: Any shape, 0..1, the covered share.

    Returns:
        float32 of that shape, radius in radii of a whole point; below 1.
    """
    return ((0.5 * alpha + ZERO_SHARE_RADIUS) / (POINT_DIAMETER / 2)).astype(np.float32)


def covered_share(radius_factor: _Values) -> _Values:
    """Shares of their pixel that points cover; the inverse of `footprint_radius`.

    Args:
        radius_factor: Any shape, array or tensor, below 1.

    Returns:
        Values of the same kind and shape.
    """
    return (radius_factor * (POINT_DIAMETER / 2) - ZERO_SHARE_RADIUS) / 0.5
