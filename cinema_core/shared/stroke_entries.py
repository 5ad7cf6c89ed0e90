"""Checks of values in stroke files. numpy only: Blender's process imports this module."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np

_LARGEST_NUMBER = 1e9  # coordinates, speeds and factors of a real stroke are far below


def read_points(value: object) -> np.ndarray:
    """(N, 2) float64 from a JSON list of pairs, N >= 1.

    Raises:
        ValueError: It is no such list, or not finite.
    """
    if not isinstance(value, list) or not value:
        raise ValueError("has no points")
    if not all(isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in value):
        raise ValueError("has a point that is not a pair of numbers")
    return np.array(value, np.float64)


def read_profile(value: object, count: int) -> np.ndarray | None:
    """(N,) float32 from a JSON list of N = `count` factors; None stays None.

    Raises:
        ValueError: It is no such list, or a factor is negative or not finite.
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count or not all(is_number(f) and f >= 0 for f in value):
        raise ValueError("has a profile that is not one number of 0 or more for every point")
    return np.array(value, np.float32)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a JSON value is a finite number of a size that occurs in strokes; JSON may hold NaN, too."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST_NUMBER < value < _LARGEST_NUMBER
    )
