"""Compare superpixels with the targets of strokes: which others belong to the same object.

Input: `Superpixels`, `Constraint`s. Output: likeness of each superpixel to each target, and the texture of targets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..regions.superpixels import SKY_LOG_DISPARITY, UNLIKE_COLOR, Superpixels
from .constraints import Constraint

MIN_EDGE_COLOR = 0.06  # in L, a, b over 100; lower limit on the difference of colour that marks an edge
MAX_EDGE_COLOR = 0.15  # in L, a, b over 100; upper limit on the same, for rough textures
DEPTH_SCALE = 1.0  # difference of log disparity at which likeness falls to exp(-1/2)
FAR_DISPARITY = 0.05  # added to disparity before its log; makes all depths farther than this about equal
LIKENESS_RADIUS = 0.3  # of the longer side; sigma by which likeness falls with the distance from a stroke
MOVING_LIKENESS = 0.75  # likeness from which a superpixel belongs to a target
MAX_HOLE_SHARE = 0.2  # of the target's pixels; a smaller unlike part in the midst of it belongs to it


def find_likeness(superpixels: Superpixels, constraints: Sequence[Constraint]) -> tuple[np.ndarray, np.ndarray]:
    """Find how much superpixels look like the constraints' targets and unlike the other surfaces under the strokes.

    Args:
        superpixels: Of the photo; n of them.
        constraints: k of them.

    Returns:
        (k, n) likeness 0..1; (n,) difference of colour that is no edge there. The more texture a target has under the
        stroke, the more it may have everywhere.
    """
    like = np.zeros((len(constraints), len(superpixels.depth)))
    texture = np.full(len(superpixels.depth), MIN_EDGE_COLOR)
    longest = max(superpixels.labels.shape)
    for number, constraint in enumerate(constraints):
        own = superpixels.apart[np.isin(superpixels.link, constraint.target).all(1)]
        usual = float(np.clip(np.median(own), MIN_EDGE_COLOR, MAX_EDGE_COLOR)) if len(own) > 3 else MIN_EDGE_COLOR
        likeness = _similarity(superpixels, constraint.target, UNLIKE_COLOR * usual / MIN_EDGE_COLOR)
        offset = superpixels.place[:, None] - superpixels.place[constraint.target]
        far = np.sqrt(np.square(offset).sum(-1).min(1)) / longest
        likeness *= np.exp(-np.square(far / LIKENESS_RADIUS) / 2)
        if not constraint.one_surface:
            other = _similarity(superpixels, np.union1d(constraint.start, constraint.crossed_superpixels), UNLIKE_COLOR)
            likeness *= np.minimum(likeness / np.maximum(other, 1e-9), 1) ** 2
        sky = superpixels.depth < SKY_LOG_DISPARITY
        if not sky[constraint.target].any():
            likeness[sky] = 0
        likeness[constraint.target] = 1
        likeness = np.where(likeness > 0, _with_neighbours(superpixels, likeness), 0)
        like[number] = _without_holes(superpixels, likeness, constraint.start)
        texture = np.maximum(texture, usual * likeness)
    return like, texture


def _with_neighbours(superpixels: Superpixels, like: np.ndarray) -> np.ndarray:
    """(n,) likeness, raised to the mean of the adjacent superpixels on the same surface."""
    one, other = superpixels.link.T
    weight = superpixels.length * np.exp(-np.square(superpixels.discontinuity) / 2)
    for _ in range(2):
        total = np.bincount(one, weight * like[other], len(like)) + np.bincount(other, weight * like[one], len(like))
        share = np.bincount(one, weight, len(like)) + np.bincount(other, weight, len(like))
        like = np.maximum(like, total / np.maximum(share, 1e-9))
    return like


def _without_holes(superpixels: Superpixels, like: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(n,) likeness, raised in small unlike parts that adjoin the target without a depth discontinuity."""
    one, other = superpixels.link.T
    moving, smooth = like > MOVING_LIKENESS, superpixels.discontinuity < 1
    inner = smooth & ~moving[one] & ~moving[other]
    graph = sparse.coo_matrix((np.ones(inner.sum()), (one[inner], other[inner])), (len(like),) * 2)
    count, part = connected_components(graph, directed=False)
    boundary = smooth & (moving[one] != moving[other])
    touched = np.zeros(count, bool)
    touched[part[np.where(moving[one], other, one)[boundary]]] = True
    size = np.bincount(part, superpixels.size, count)
    hole = touched & (size < MAX_HOLE_SHARE * superpixels.size[moving].sum())
    hole[part[start]] = False
    return np.where(hole[part] & ~moving, MOVING_LIKENESS, like)


def _similarity(superpixels: Superpixels, some: np.ndarray, unlike: float) -> np.ndarray:
    """(n,) similarity 0..1 in colour and depth to the most similar of `some` superpixels.

    Args:
        superpixels: Of the photo.
        some: (m,) numbers of superpixels.
        unlike: Distance in L, a, b over 100 at which similarity falls to exp(-1/2).
    """
    color = np.square(superpixels.color[:, None] - superpixels.color[some]).sum(-1) / unlike**2
    level = np.log(np.exp(superpixels.depth) + FAR_DISPARITY)
    depth = np.square((level[:, None] - level[some]) / DEPTH_SCALE)
    return np.exp(-(color + depth).min(1) / 2)
