"""Tiers: of the surfaces that go on behind a pixel, which is seen first, and which past that.

Where several surfaces could stand behind the same pixel, the one whose edge is closest does; one that lies farther goes on
behind that, since the camera may look past both.
"""

from __future__ import annotations

import numpy as np

from ..threads import map_threads
from .coarse import CoarseCells
from .discontinuities import CUT, fit_background_planes
from .occluded import Canvas, Occluded, continue_behind_edges
from .parallax_rays import continue_along_rays

SKY = 0.02  # disparity; what is farther has no slope and goes on behind all
TIERS = 3  # surfaces behind one another
AT_ONCE = 1 << 18  # px of the canvas that are looked at together: what is asked of them stays in the processor's cache


def order_occluded(canvas: Canvas, reach: float = 1.0) -> list[list[Occluded]]:
    """Where every surface goes on behind what hides it, and how near it is there; of this no colour is needed.

    Args:
        canvas: The canvas.
        reach: Factor on how far.

    Returns:
        What is seen first behind the occluders, and what lies behind that in turn; a pixel is in one part of each.
    """
    cells = CoarseCells(canvas)
    whole, canvas = canvas, cells.canvas
    edge = np.flatnonzero(canvas.cuts)
    if not len(edge):
        return []
    planes = fit_background_planes(canvas.disparity, edge)

    def goes_on(layer: int) -> tuple[Occluded, Occluded]:
        closest = continue_behind_edges(canvas, edge, planes, layer, reach)
        return closest, continue_along_rays(canvas, edge, planes, closest, reach)

    closest, others = zip(*map_threads(goes_on, [int(layer) for layer in np.unique(canvas.label.ravel()[edge])]))
    tiers = _in_tiers([part for part in closest + others if len(part.index)])
    if canvas is whole:
        return tiers
    row, pixel = np.empty(canvas.disparity.size, np.int32), cells.nearest_pixel(edge)
    row[edge] = np.arange(len(edge))

    def of_pixels(part: Occluded) -> Occluded:
        own = row[part.source]
        return cells.behind_pixels(part, pixel[own], planes[own, 1:].T)

    parts = iter(map_threads(of_pixels, [part for tier in tiers for part in tier]))
    return [[next(parts) for _ in tier] for tier in tiers]


def _in_tiers(parts: list[Occluded]) -> list[list[Occluded]]:
    """What is seen first behind the occluder, and what lies behind that in turn; of parts whose indices ascend."""
    if not parts:
        return []
    ends = np.arange(0, max(part.index[-1] for part in parts) + AT_ONCE, AT_ONCE)
    rows = [np.searchsorted(part.index, ends) for part in parts]

    def tiers_of(strip: int) -> list[np.ndarray]:
        pieces = [part.where(slice(*own[strip : strip + 2])) for part, own in zip(parts, rows)]
        return np.split(_tier_of_each(pieces, ends[strip]), np.cumsum([len(piece.index) for piece in pieces])[:-1])

    of_parts = [np.concatenate(strips) for strips in zip(*map_threads(tiers_of, range(len(ends) - 1)))]
    tiers = [[(part, own == tier) for part, own in zip(parts, of_parts)] for tier in range(TIERS)]
    tiers = [[part.where(own) for part, own in tier if own.any()] for tier in tiers]
    return [tier for tier in tiers if tier]


def _tier_of_each(parts: list[Occluded], first: int) -> np.ndarray:
    """(P,) int8, the tier of each pixel of all parts, that all lie within `AT_ONCE` px from the first; -1 where it has none.

    First comes the surface whose edge is closest, but where ground and sky meet, their horizon goes on.
    """
    index, disparity, distance, ground = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "disparity", "distance", "ground")
    )
    index -= first
    sky = disparity <= SKY
    lying, open_sky = np.zeros((2, AT_ONCE), bool)
    lying[index[ground & ~sky]] = True
    open_sky[index[sky & ~ground]] = True
    rank = _ordered(distance)
    rank[sky & lying[index]] += 1 << 33  # ground that is nearer than the sky hides it, whichever edge is nearer
    rank[sky & ground & open_sky[index]] += 1 << 34  # and beyond the horizon there is no ground
    tiers, left = np.full(len(index), -1, np.int8), np.ones(len(index), bool)
    order = np.argsort((index << 36) + rank, kind="stable")  # by index, then by rank, then by part
    top = np.full(AT_ONCE, np.inf, np.float32)
    for tier in range(TIERS):
        left &= disparity < top[index] - CUT  # what is hardly farther is no other surface
        rows = order[left[order]]
        if not len(rows):
            break
        rows = rows[np.concatenate([[True], index[rows][1:] != index[rows][:-1]])]
        top[index[rows]] = disparity[rows]
        tiers[rows] = tier
        if tier == 0:  # behind those the nearest surface first, so that none is passed over
            order = order[(left & (disparity < top[index] - CUT))[order]]
            order = order[np.argsort((index[order] << 36) + _ordered(-disparity[order]), kind="stable")]
    return tiers


def _ordered(values: np.ndarray) -> np.ndarray:
    """(N,) int64 below 2^32 that are ordered as (N,) float32 are: to sort whole numbers, several in one, is quicker."""
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.int64)
