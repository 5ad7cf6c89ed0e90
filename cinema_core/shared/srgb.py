"""Conversion between sRGB and linear light. numpy only: Blender's process imports this module.

Source: IEC 61966-2-1.
"""

from __future__ import annotations

import numpy as np


def to_linear(color: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in 0..1, any shape."""
    return np.where(color <= 0.04045, color / 12.92, ((np.maximum(color, 0) + 0.055) / 1.055) ** 2.4)


def to_srgb(color: np.ndarray) -> np.ndarray:
    """sRGB values of linear light in 0..1, any shape."""
    return np.where(color <= 0.0031308, color * 12.92, 1.055 * np.maximum(color, 1e-8) ** (1 / 2.4) - 0.055)
