"""Merge atoms into regions that have one surface each.

Input: moments of disparity of the atoms, and the links between adjacent ones with the strength of the photo's edge on
each. Output: a region for every atom. The energy is that of piecewise models (after Mumford and Shah 1989): the misfit
of each region's surface, and the length of outlines that the photo does not show. Pairs that are each other's best
merge, all at once (after Boruvka), which comes close to the order of a greedy merge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .surfaces import CARD, Samples, Surfaces, find_residuals, fit_surfaces, misfit, trust_residuals

OUTLINE_COST = 50.0  # per px of an outline without an edge in the photo
BASE_COST = 25.0  # of every outline
MAX_ROUNDS = 60  # of merging; about 25 are needed
MAX_JOINING = 0.1  # area, relative to the region that it joins beside others
SWEEPS = 3  # in which atoms change regions
MIN_REGION = 200.0  # px²; a smaller region joins a neighbour
# Regions that differ in disparity by this ratio and this shift stay apart, unless their colours are alike.
VETO_OCTAVES, VETO_SHIFT, VETO_SIMILARITY = 0.5, 4.0, 0.5
# A large region that a common surface does not fit is no error of the estimate and stays apart.
FIRM_AREA = 600.0  # px²
FIRM_MISFIT = 3.0  # px, of the common surface in a region of FIRM_AREA; it falls with the root of the area
MIN_FIRM_MISFIT = 1.5  # px
FIRM_LIKENESS = 0.6  # of the two sides of an outline; above it the regions may be parts of one thing
ALIKE_MISFIT = 8.0  # px, for these
MAX_POROUS_OCTAVES = 0.5  # ratio of disparity up to which a porous thing is part of a standing one
MIN_SHIFT = 1e-3  # px; smaller shifts count as this one in a ratio


@dataclass(frozen=True, eq=False)
class Links:
    """The l links between adjacent atoms.

    Attributes:
        pair: (l, 2) int64, atoms.
        length: (l,) px of the common outline.
        similarity: (l,) from 0 to about 1, where the photo shows no edge that is not texture.
        likeness: (l,) 0..1, the same with texture counted as edges.
        place: (l, 3) of (1, x, y) at the middle of the outline.
    """

    pair: np.ndarray
    length: np.ndarray
    similarity: np.ndarray
    likeness: np.ndarray
    place: np.ndarray


@dataclass(frozen=True, eq=False)
class Outlines:
    """The p common outlines of r regions: (p, 2) regions, (p,) length, and means of `Links` along them."""

    pair: np.ndarray
    length: np.ndarray
    similarity: np.ndarray
    likeness: np.ndarray


def merge_regions(samples: Samples, links: Links) -> np.ndarray:
    """(n,) int64: the region of each atom, numbered from 0."""
    region = np.arange(len(samples.area))
    trust = np.ones(len(region))
    for _ in range(MAX_ROUNDS):
        outlines = _find_outlines(links, region)
        alone = fit_regions(samples, region, trust)
        trust = trust_residuals(find_residuals(samples, np.arange(len(region)), alone.coefficients[region]))
        ratio = _merge_ratios(samples, region, trust, alone, outlines)
        ratio[_are_apart(samples, region, outlines)] = np.inf
        merged = _merge_best(outlines.pair, ratio, np.bincount(region, samples.area))
        if merged is None:
            break
        region = _renumber(merged[region])
    return _join_porous(samples, links, _absorb_tiny(samples, links, _exchange(samples, links, region)))


def fit_regions(samples: Samples, region: np.ndarray, trust: np.ndarray | None = None) -> Surfaces:
    """Surfaces of the regions, each fitted alone; `trust` are weights of the atoms."""
    order = np.argsort(region, kind="stable")
    return fit_surfaces(samples, order, region[order], int(region.max()) + 1, None if trust is None else trust[order])


def _renumber(region: np.ndarray) -> np.ndarray:
    return np.unique(region, return_inverse=True)[1]


def _find_outlines(links: Links, region: np.ndarray) -> Outlines:
    pair = region[links.pair]
    apart = pair[:, 0] != pair[:, 1]
    count = int(region.max()) + 1
    keys, which = np.unique(np.sort(pair[apart], 1) @ (count, 1), return_inverse=True)
    length = links.length[apart]
    total = np.bincount(which, length, len(keys))
    similarity, likeness = (
        np.bincount(which, length * values[apart], len(keys)) / total for values in (links.similarity, links.likeness)
    )
    return Outlines(np.stack([keys // count, keys % count], 1), total, similarity, likeness)


def _merge_ratios(
    samples: Samples, region: np.ndarray, trust: np.ndarray, alone: Surfaces, outlines: Outlines
) -> np.ndarray:
    """(p,) increase of the misfit over the cost of the outline, if two regions had one surface; below 1 it pays."""
    order = np.argsort(region, kind="stable")
    size = np.bincount(region)
    start = np.cumsum(size) - size
    rows = size[outlines.pair].ravel()
    part = np.repeat(np.arange(len(rows)), rows)  # the two regions of each pair, in turn
    within = np.arange(len(part)) - np.repeat(np.cumsum(rows) - rows, rows)
    member = order[np.repeat(start[outlines.pair].ravel(), rows) + within]
    together = fit_surfaces(samples, member, part // 2, len(outlines.pair), trust[member])
    saved = OUTLINE_COST * outlines.length * outlines.similarity + BASE_COST
    ratio = (together.cost - alone.cost[outlines.pair].sum(1)) / saved
    worse = find_residuals(samples, member, together.coefficients[part // 2])
    worse -= find_residuals(samples, member, alone.coefficients[region[member]])
    area = np.bincount(part, samples.area[member], len(rows))
    limit = np.maximum(FIRM_MISFIT * np.sqrt(FIRM_AREA / area), MIN_FIRM_MISFIT)
    limit = np.where(np.repeat(outlines.likeness, 2) < FIRM_LIKENESS, limit, ALIKE_MISFIT)
    firm = (area > FIRM_AREA) & (np.bincount(part, samples.area[member] * worse, len(rows)) > limit * area)
    return np.where(firm.reshape(-1, 2).any(1), np.inf, ratio)


def _are_apart(samples: Samples, region: np.ndarray, outlines: Outlines) -> np.ndarray:
    """(p,) bool: regions at clearly different depths with an edge of the photo between them."""
    mean = np.bincount(region, samples.mixed[:, 0]) / np.bincount(region, samples.area)
    one, other = np.maximum(mean[outlines.pair], MIN_SHIFT).T
    far = (np.abs(np.log2(one / other)) > VETO_OCTAVES) & (np.abs(one - other) > VETO_SHIFT)
    return far & (outlines.similarity < VETO_SIMILARITY)


def _merge_best(pair: np.ndarray, ratio: np.ndarray, area: np.ndarray) -> np.ndarray | None:
    """(r,) new number of each region of (r,) areas, after merging; None if no pair with a ratio below 1 is left.

    Pairs that are each other's best become one. Where the best of a region is many times as large, it joins that one,
    which may take many at once: its surface hardly changes.
    """
    count = len(area)
    order = np.argsort(ratio, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    best = np.full(count, len(order))
    np.minimum.at(best, pair.T.ravel(), np.tile(rank, 2))
    chosen = (best[pair] == rank[:, None]) & (ratio < 1)[:, None]
    mutual = chosen.all(1)
    if not mutual.any():
        return None
    merged = np.arange(count)
    merged[pair[mutual, 1]] = pair[mutual, 0]
    small = area[pair] < MAX_JOINING * area[pair[:, ::-1]]
    joins = chosen & small & ~mutual[:, None]
    large = np.zeros(count, bool)
    large[pair[:, ::-1][joins]] = True
    for side in (0, 1):
        one, other = pair[joins[:, side], side], pair[joins[:, side], 1 - side]
        free = ~large[one]
        merged[one[free]] = merged[other[free]]
    return merged


def _exchange(samples: Samples, links: Links, region: np.ndarray) -> np.ndarray:
    """(n,) regions after sweeps in which atoms join the adjacent region where the energy is least."""
    number = np.arange(len(region))
    atom = np.concatenate([links.pair[:, 0], links.pair[:, 1], number])  # each may also stay
    neighbour = np.concatenate([links.pair[:, 1], links.pair[:, 0], number])
    held = np.concatenate([np.tile(OUTLINE_COST * links.length * links.similarity, 2), np.zeros(len(number))])
    for sweep in range(SWEEPS):
        found = fit_regions(samples, region)
        count = len(found.cost)
        keys, which = np.unique(atom * count + region[neighbour], return_inverse=True)
        own, other = keys // count, keys % count
        energy = samples.area[own] * misfit(find_residuals(samples, own, found.coefficients[other]))
        energy -= np.bincount(which, held, len(keys))
        ordered = np.lexsort((energy, own))
        least = ordered[np.searchsorted(own[ordered], number)]
        moving = (number + sweep) % 2 == 0  # half of them at a time, so that neighbours do not swap for ever
        region = _renumber(np.where(moving, other[least], region))
    return region


def _absorb_tiny(samples: Samples, links: Links, region: np.ndarray) -> np.ndarray:
    """(n,) regions after tiny ones have joined the larger neighbour with the weakest outline."""
    tiny, outlines = np.bincount(region, samples.area) < MIN_REGION, _find_outlines(links, region)
    one, other = _both_ways(outlines)
    return _join_neighbours(region, outlines, outlines.length * outlines.similarity, tiny[one] & ~tiny[other])


def _join_porous(samples: Samples, links: Links, region: np.ndarray) -> np.ndarray:
    """(n,) regions after porous things have joined the standing one that they touch at about their depth.

    A lattice on a tower, or twigs on a trunk, are parts of it.
    """
    found, outlines = fit_regions(samples, region), _find_outlines(links, region)
    area = np.bincount(region, samples.area)
    porous = np.bincount(region, samples.area * samples.upright) > 0.5 * area
    shift = np.maximum(np.bincount(region, samples.mixed[:, 0]) / area, MIN_SHIFT)
    one, other = _both_ways(outlines)
    near = np.abs(np.log2(shift[one] / shift[other])) < MAX_POROUS_OCTAVES
    parts = porous[one] & ~porous[other] & (found.model[other] == CARD) & near
    return _join_neighbours(region, outlines, outlines.length, parts)


def _both_ways(outlines: Outlines) -> tuple[np.ndarray, np.ndarray]:
    """(2p,) regions that have outlines, and (2p,) their neighbours: each pair stands twice."""
    one, other = outlines.pair.T
    return np.concatenate([one, other]), np.concatenate([other, one])


def _join_neighbours(region: np.ndarray, outlines: Outlines, strength: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(n,) regions after each has joined the allowed neighbour, (2p,) of `_both_ways`, of largest (p,) strength."""
    one, other = _both_ways(outlines)
    order = np.lexsort((-np.tile(strength, 2), one))
    order = order[allowed[order]]
    best = order[np.unique(one[order], return_index=True)[1]]
    joins = np.arange(region.max() + 1)
    joins[one[best]] = other[best]
    return _renumber(joins[region])
