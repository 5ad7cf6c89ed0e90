"""Depth order of the occluded surfaces behind each pixel.

Where several surfaces could continue behind one pixel, the one whose edge is closest is disoccluded first. Surfaces
farther than it rank after it, since the camera may see past both occluders.
"""

from __future__ import annotations

import numpy as np

from ..threads import map_threads
from .coarse import CoarseCells
from .discontinuities import MIN_DISCONTINUITY, fit_background_planes
from .occluded import Canvas, Occluded, continue_behind_edges
from .parallax_rays import continue_along_rays

SKY_DISPARITY = 0.02  # up to it a surface is sky
MAX_RANKS = 3  # occluded surfaces behind one pixel
RANKED_PIXELS = 1 << 18  # px of the canvas ranked at a time: their intermediate arrays stay in the processor's cache


def order_occluded(canvas: Canvas, reach: float = 1.0) -> list[list[Occluded]]:
    """Find all disoccluded surfaces, their disparity, and their depth order behind each pixel.

    Args:
        canvas: The canvas.
        reach: Factor on how far the presets move the camera.

    Returns:
        The occluded surfaces by rank: rank 0 lies directly behind the visible surface, rank 1 behind rank 0, and so
        on. A pixel is in at most one surface of each rank.
    """
    cells = CoarseCells(canvas)
    whole, canvas = canvas, cells.canvas
    edge = np.flatnonzero(canvas.occluder_disparity)
    if not len(edge):
        return []
    planes = fit_background_planes(canvas.disparity, edge)

    def continue_layer(layer: int) -> tuple[Occluded, Occluded]:
        closest = continue_behind_edges(canvas, edge, planes, layer, reach)
        return closest, continue_along_rays(canvas, edge, planes, closest, reach)

    layers = [int(layer) for layer in np.unique(canvas.label.ravel()[edge])]
    closest, others = zip(*map_threads(continue_layer, layers))
    ranks = _by_rank([part for part in closest + others if len(part.index)])
    if canvas is whole:
        return ranks
    edge_row, pixel = np.empty(canvas.disparity.size, np.int32), cells.nearest_pixel(edge)
    edge_row[edge] = np.arange(len(edge))

    def at_full_size(part: Occluded) -> Occluded:
        own = edge_row[part.source]
        return cells.behind_pixels(part, pixel[own], planes[own, 1:].T)

    parts = iter(map_threads(at_full_size, [part for rank in ranks for part in rank]))
    return [[next(parts) for _ in rank] for rank in ranks]


def _by_rank(parts: list[Occluded]) -> list[list[Occluded]]:
    """The occluded surfaces by rank, as `order_occluded` returns them; the indices of each part ascend."""
    if not parts:
        return []
    ends = np.arange(0, max(part.index[-1] for part in parts) + RANKED_PIXELS, RANKED_PIXELS)
    rows = [np.searchsorted(part.index, ends) for part in parts]

    def rank_chunk(chunk: int) -> list[np.ndarray]:
        pieces = [part.where(slice(*own[chunk : chunk + 2])) for part, own in zip(parts, rows)]
        return np.split(_rank_pixels(pieces, ends[chunk]), np.cumsum([len(piece.index) for piece in pieces])[:-1])

    rank_of = [np.concatenate(chunks) for chunks in zip(*map_threads(rank_chunk, range(len(ends) - 1)))]
    ranks = []
    for rank in range(MAX_RANKS):
        chosen = [(part, own == rank) for part, own in zip(parts, rank_of)]
        ranks.append([part.where(own) for part, own in chosen if own.any()])
    return [rank for rank in ranks if rank]


def _rank_pixels(parts: list[Occluded], first: int) -> np.ndarray:
    """Rank the surfaces behind each pixel of one chunk of the canvas.

    The surface whose edge is closest comes first, except where ground and sky meet: there the horizon is continued.

    Args:
        parts: Occluded surfaces, all within `RANKED_PIXELS` px from `first`.
        first: Flat index of the chunk's first pixel.

    Returns:
        (P,) int8, rank of each pixel of all parts; -1 where it is dropped.
    """
    index, disparity, distance, ground = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("index", "disparity", "distance", "ground")
    )
    index -= first
    sky = disparity <= SKY_DISPARITY
    has_ground, has_sky = np.zeros((2, RANKED_PIXELS), bool)
    has_ground[index[ground & ~sky]] = True
    has_sky[index[sky & ~ground]] = True
    key = _sortable(distance)
    key[sky & has_ground[index]] += 1 << 33  # ground that is nearer than the sky occludes it, whichever edge is closer
    key[sky & ground & has_sky[index]] += 1 << 34  # there is no ground beyond the horizon
    ranks, left = np.full(len(index), -1, np.int8), np.ones(len(index), bool)
    order = np.argsort((index << 36) + key, kind="stable")  # by index, then by key, then by part
    nearest = np.full(RANKED_PIXELS, np.inf, np.float32)  # disparity of the surface ranked last so far
    for rank in range(MAX_RANKS):
        left &= disparity < nearest[index] - MIN_DISCONTINUITY  # without a discontinuity it is the same surface
        rows = order[left[order]]
        if not len(rows):
            break
        rows = rows[np.concatenate([[True], index[rows][1:] != index[rows][:-1]])]
        nearest[index[rows]] = disparity[rows]
        ranks[rows] = rank
        if rank == 0:  # behind the first surface they are ordered by disparity, so that none is passed over
            order = order[(left & (disparity < nearest[index] - MIN_DISCONTINUITY))[order]]
            order = order[np.argsort((index[order] << 36) + _sortable(-disparity[order]), kind="stable")]
    return ranks


def _sortable(values: np.ndarray) -> np.ndarray:
    """(N,) int64 below 2^32 in the order of (N,) float32: sorting integers that combine several keys is faster."""
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.int64)
