"""Strokes for tests."""

from __future__ import annotations

import numpy as np

from cinema_core.shared.data import Stroke


def box(left: float, top: float, right: float, bottom: float, kind: str = "region") -> Stroke:
    """A closed rectangle."""
    return Stroke(kind, np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32), True)


def line(*points: tuple[float, float], kind: str = "motion", **fields) -> Stroke:
    """An open polyline; `fields` are those of `Stroke`."""
    return Stroke(kind, np.array(points, np.float32), **fields)
