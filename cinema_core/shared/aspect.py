"""Comparing the shapes of pictures. Standard library only: Blender's process imports this module."""

from __future__ import annotations

# Largest relative difference of two aspect ratios that count as the same. Depth estimators round sizes to multiples
# of 14 or 32 px, and the working photo drops an odd last row or column.
ASPECT_TOLERANCE = 0.02


def same_aspect(size: tuple[float, float], wanted: tuple[float, float]) -> bool:
    """Whether two (W, H) have the same ratio of width to height, up to ASPECT_TOLERANCE; all sides must be > 0."""
    return abs(size[0] / size[1] / (wanted[0] / wanted[1]) - 1) <= ASPECT_TOLERANCE
