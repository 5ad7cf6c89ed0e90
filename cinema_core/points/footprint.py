"""The footprint of a point: its diameter in pixels and the share of a pixel that it covers."""

from __future__ import annotations

import numpy as np

# A point of a mixed pixel is smaller the less its surface covers, and stands nearer to its surface, so that they touch.
POINT, SMALLEST = 1.4, 0.12  # px; diameter of a whole point, and radius added to half the share


def footprint_radius(alpha: np.ndarray) -> np.ndarray:
    """Radius, in radii of a whole point, of a point that covers this share of its pixel; below 1."""
    return ((0.5 * alpha + SMALLEST) / (POINT / 2)).astype(np.float32)


def covered_share(radius_factor):
    """The share that a point of this spread below 1 stands for; the inverse of `point_spread`."""
    return (radius_factor * (POINT / 2) - SMALLEST) / 0.5
