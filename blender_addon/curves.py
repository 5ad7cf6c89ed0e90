"""Evaluation of Grease Pencil curves: from control points to the points of the visible line.

Blender stores four types of curves by their control points. Position, radius and any further columns are evaluated
alike. numpy only.
"""

from dataclasses import dataclass

import numpy as np

CATMULL_ROM, POLY, BEZIER, NURBS = range(4)  # as in Blender's attribute "curve_type"
RESOLUTION = 12  # points per segment of a curve without a resolution; Blender's own default
_UNIFORM, _CLAMPED = 0, (1, 3)  # values of "knots_mode": Normal; Endpoint, and Endpoint with Bezier


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve.

    Attributes:
        points: (N, D) float, control points; the first three columns are the position.
        kind: CATMULL_ROM, POLY, BEZIER or NURBS.
        cyclic: Whether the last point is joined to the first.
        resolution: Points per segment.
        handles: (2, N, 3) float, left and right handles of a Bezier curve.
        order: Order of a NURBS curve; its degree is one less.
        knots: Blender's "knots_mode" of a NURBS curve; custom knots are treated as evenly spaced.
        weights: (N,) float, weights of a NURBS curve's control points; None for all 1.
    """

    points: np.ndarray
    kind: int = POLY
    cyclic: bool = False
    resolution: int = RESOLUTION
    handles: np.ndarray | None = None
    order: int = 4
    knots: int = _UNIFORM
    weights: np.ndarray | None = None


def evaluate(curve: Curve) -> np.ndarray:
    """Evaluate the points of a curve's line.

    Returns:
        (M, D) float. A cyclic curve does not repeat its first point at the end.
    """
    if len(curve.points) < 2 or curve.kind == POLY:
        return curve.points
    return {CATMULL_ROM: _catmull_rom, BEZIER: _bezier, NURBS: _nurbs}[curve.kind](curve)


def _segments(curve: Curve, pieces: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Mix four (S, D) arrays, one row per segment, by (R, 4) weights; an open curve ends with its last point."""
    mixed = np.einsum("rk,ksd->srd", weights, np.stack(pieces)).reshape(-1, curve.points.shape[1])
    return mixed if curve.cyclic else np.concatenate([mixed, curve.points[-1:]])


def _parameters(curve: Curve) -> np.ndarray:
    return np.arange(max(1, curve.resolution)) / max(1, curve.resolution)


def _catmull_rom(curve: Curve) -> np.ndarray:
    points = curve.points
    ends = (points[-1:], points[:2]) if curve.cyclic else (points[:1], points[-1:])
    padded = np.concatenate([ends[0], points, ends[1]])
    count = len(padded) - 3
    t = _parameters(curve)[:, None]
    weights = 0.5 * np.hstack(
        [
            -t + 2 * t**2 - t**3,
            2 - 5 * t**2 + 3 * t**3,
            t + 4 * t**2 - 3 * t**3,
            t**3 - t**2,
        ]
    )
    return _segments(curve, [padded[i : i + count] for i in range(4)], weights)


def _bezier(curve: Curve) -> np.ndarray:
    start, end = curve.points, np.roll(curve.points, -1, 0)
    out, into = (
        start + (end - start) / 3,
        start + (end - start) * 2 / 3,
    )  # other columns: linear
    out[:, :3], into[:, :3] = curve.handles[1], np.roll(curve.handles[0], -1, 0)
    count = len(start) if curve.cyclic else len(start) - 1
    t = _parameters(curve)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return _segments(curve, [part[:count] for part in (start, out, into, end)], weights)


def _nurbs(curve: Curve) -> np.ndarray:
    degree = min(curve.order, len(curve.points)) - 1
    points, weights = curve.points, np.ones(len(curve.points)) if curve.weights is None else curve.weights
    if curve.cyclic:
        points, weights = np.concatenate([points, points[:degree]]), np.concatenate([weights, weights[:degree]])
    count = len(points)
    knots = np.arange(count + degree + 1, dtype=float)
    if curve.knots in _CLAMPED and not curve.cyclic:
        knots = np.clip(knots, degree, count)
    steps = max(1, curve.resolution) * count
    places = np.linspace(degree, count, steps + 1)[: -1 if curve.cyclic else None]
    basis = _basis(knots, degree, places)[:, :count] * weights
    return basis @ points / basis.sum(1, keepdims=True)


def _basis(knots: np.ndarray, degree: int, places: np.ndarray) -> np.ndarray:
    """(P, len(knots) - 1 - degree) values of all B-splines at these parameters.

    Source: Cox and de Boor's recursion, de Boor, "On calculating with B-splines", 1972.
    """
    last = knots[-degree - 1] if degree else knots[-1]
    inside = np.where(places < last, places, np.nextafter(last, -np.inf))[:, None]  # half-open spans
    basis = ((knots[:-1] <= inside) & (inside < knots[1:])).astype(float)
    for d in range(1, degree + 1):
        width = knots[d:] - knots[:-d]
        share = np.divide(inside - knots[:-d], width, out=np.zeros((len(places), len(width))), where=width > 0)
        basis = share[:, :-1] * basis[:, :-1] + (1 - share[:, 1:]) * basis[:, 1:] * (width[1:] > 0)
    return basis
