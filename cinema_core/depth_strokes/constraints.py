"""Read strokes about depth as constraints: a target's depth relative to the surface on which the stroke starts.

Input: a stroke, `Superpixels`. Output: one `Constraint` for each target that the stroke runs over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..image.polyline import resample
from ..regions.superpixels import (
    CLEAR_STEP,
    MIN_SUPERPIXEL_DISCONTINUITY,
    MIN_SUPERPIXEL_DISCONTINUITY_SHARE,
    SKY_LOG_DISPARITY,
    UNLIKE_COLOR,
    Superpixels,
)
from ..shared.data import Photo, Stroke

MIN_STEP = 0.03  # disparity; a clear step is no smaller
START_SHARE = 0.05  # of a stroke's length; its start
LEAVING_SHARE = 0.25  # of a stroke's length; samples within it of a similar colour still belong to the start's surface
MIN_UNLIKE_SHARE = 0.3  # of a stroke's samples; with fewer unlike the start, start and target are one surface
WIDE_SURFACE = 0.1  # of the photo; a larger even surface may be one that the stroke only crosses
MAX_CROSSED_SHARE = 0.65  # of the samples beyond the start; a surface with more of them is a target, not crossed
ONE_SURFACE_TARGET = 0.4  # of a stroke's length; the target begins there where start and target are one surface
MAX_RELIEF = 0.25  # log disparity; relief of a target is limited to this before it moves
# Log disparity by which a target's depth may lean along it; larger leans are levelled. Of "same_depth"; of the others.
LEAN = (0.05, 0.15)


@dataclass(frozen=True, eq=False)
class Constraint:
    """The depth that one stroke asks of one target.

    Attributes:
        stroke: Number of the stroke.
        start: (s,) superpixels where the stroke starts.
        crossed_superpixels: (l,) superpixels under the stroke outside the target.
        target: (m,) superpixels of the target under the stroke.
        share: (m,) share of the stroke's samples in each.
        needed_change: (m,) change of their log disparity that the stroke asks for, before anything moves.
        bound: Lowest and highest log disparity that the stroke asks for.
        direction: 1 at least as near, -1 at most as near, 0 equal.
        one_surface: True where target and start are one surface.
    """

    stroke: int
    start: np.ndarray
    crossed_superpixels: np.ndarray
    target: np.ndarray
    share: np.ndarray
    needed_change: np.ndarray
    bound: tuple[float, float]
    direction: int
    one_surface: bool


def read_constraints(number: int, stroke: Stroke, superpixels: Superpixels, photo: Photo) -> list[Constraint]:
    """Read the constraints of a stroke.

    Args:
        number: The stroke's number.
        stroke: Of kind "same_depth", "nearer" or "farther".
        superpixels: Of the photo.
        photo: The working photo.

    Returns:
        One constraint for each target that the stroke runs over; none where the stroke is too short.
    """
    height, width = superpixels.labels.shape
    scale = np.array((width / photo.width, height / photo.height))
    pixels, _, _ = resample(np.clip(stroke.points, -1e5, 1e5) * scale, False, 1.0)
    pixels = pixels[((pixels >= 0) & (pixels < (width, height))).all(1)].astype(int)
    if len(pixels) < 4:
        return []
    along = superpixels.labels[pixels[:, 1], pixels[:, 0]]
    depth = np.log(superpixels.disparity[pixels[:, 1], pixels[:, 0]])
    first = max(2, round(START_SHARE * len(pixels)))
    start, level = np.unique(along[:first]), float(np.median(depth[:first]))
    on_target = ~_on_start_surface(superpixels, start, along, depth)
    on_target[:first] = False
    on_target &= ~_crossed(superpixels, along, depth, on_target)
    one_surface = bool(on_target.mean() < MIN_UNLIKE_SHARE)
    if one_surface:  # or start and target look alike
        begin = first if stroke.kind == "same_depth" else ONE_SURFACE_TARGET * len(along)
        on_target = np.arange(len(along)) >= begin
    direction = {"same_depth": 0, "nearer": 1, "farther": -1}[stroke.kind]
    constraints = []
    for run in _split_at_discontinuities(np.flatnonzero(on_target), depth):
        needed_change = _needed_change(direction, stroke.speed, level, depth[run], pixels[run])
        target, which, count = np.unique(along[run], return_inverse=True, return_counts=True)
        low, high = np.quantile(depth[run] + needed_change, (0.05, 0.95)).tolist()
        needed_change = np.bincount(which, needed_change) / count
        crossed = np.setdiff1d(along[~on_target], target)
        share = count / on_target.sum()
        constraints.append(
            Constraint(number, start, crossed, target, share, needed_change, (low, high), direction, one_surface)
        )
    return constraints


def _on_start_surface(superpixels: Superpixels, start: np.ndarray, along: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(N,) bool: samples on the surface where the stroke starts.

    The surface is connected to the start in colour and depth. It also includes the samples up to the first depth
    discontinuity, unless these are more than half of the stroke.

    Args:
        superpixels: Of the photo.
        start: (s,) superpixels where the stroke starts.
        along: (N,) superpixel of each sample.
        depth: (N,) log disparity of each sample.
    """
    color = np.square(superpixels.color[:, None] - superpixels.color[start]).sum(-1).min(1) / UNLIKE_COLOR**2
    surfaces = _surfaces(superpixels, (color < 1)[superpixels.link].all(1))
    on_start = np.isin(surfaces, surfaces[start])[along]
    discontinuities = np.flatnonzero(_is_discontinuity(depth))
    before_discontinuity = int(discontinuities[0]) + 1 if len(discontinuities) else len(along)
    if before_discontinuity <= 0.5 * len(along):
        on_start[:before_discontinuity] = True
    leaving = int(LEAVING_SHARE * len(along))
    on_start[:leaving] |= (color < 4)[along[:leaving]]
    return on_start


def _crossed(superpixels: Superpixels, along: np.ndarray, depth: np.ndarray, on_target: np.ndarray) -> np.ndarray:
    """(N,) bool: samples on the sky and on wide even ground or water that the stroke crosses on its way to the target.

    Args:
        superpixels: Of the photo.
        along: (N,) superpixel of each sample.
        depth: (N,) log disparity of each sample.
        on_target: (N,) bool, samples beyond the start's surface.
    """
    usual = np.clip(2 * np.median(superpixels.apart), UNLIKE_COLOR / 2, UNLIKE_COLOR)
    surfaces = _surfaces(superpixels, superpixels.apart < usual)
    wide = np.bincount(surfaces, superpixels.size)[surfaces] > WIDE_SURFACE * superpixels.size.sum()
    crossed = np.zeros(len(along), bool)
    for part in (wide[along] & (surfaces[along] != surfaces[along[-1]]), depth < SKY_LOG_DISPARITY):
        if (on_target & part).sum() < MAX_CROSSED_SHARE * on_target.sum():
            crossed |= part
    return crossed


def _surfaces(superpixels: Superpixels, joined: np.ndarray) -> np.ndarray:
    """(n,) number of each superpixel's surface.

    Surfaces are connected over the links of `joined`, (L,) bool, that are neither a depth discontinuity nor in a drawn
    area.
    """
    outside = (superpixels.area[superpixels.link] == 0).all(1)
    one, other = superpixels.link[joined & (superpixels.discontinuity < 1) & outside].T
    graph = sparse.coo_matrix((np.ones(len(one)), (one, other)), (len(superpixels.size),) * 2)
    return connected_components(graph, directed=False)[1]


def _is_discontinuity(depth: np.ndarray) -> np.ndarray:
    """(N - 1,) bool: there is a depth discontinuity between a sample and the next one; depth is log disparity, (N,)."""
    near = np.exp(np.maximum(depth[1:], depth[:-1]))
    least = MIN_SUPERPIXEL_DISCONTINUITY + MIN_SUPERPIXEL_DISCONTINUITY_SHARE * near
    return np.abs(np.diff(np.exp(depth))) > 2 * least


def _split_at_discontinuities(samples: np.ndarray, depth: np.ndarray) -> list[np.ndarray]:
    """Indices of samples, one array for each target: split at depth discontinuities."""
    if not len(samples):
        return []
    return np.split(samples, np.flatnonzero(_is_discontinuity(depth[samples])) + 1)


def _needed_change(direction: int, speed: float, level: float, depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) change of log disparity that samples of a target need.

    A target with relief moves evenly. A target that leans by more than LEAN is levelled as well.

    Args:
        direction: 1 nearer, -1 farther, 0 as far as the start.
        speed: Factor on the step in depth.
        level: Log disparity at the stroke's start.
        depth: (N,) log disparity of the samples.
        pixels: (N, 2) their places, px.
    """
    trend = np.full(len(depth), np.median(depth))
    spread = np.ptp(pixels, axis=0).max()
    if len(depth) > 20 and spread > 5:
        terms = np.column_stack([np.ones(len(depth)), (pixels - pixels.mean(0)) / spread])
        squares = terms.T @ terms + np.diag([0, 1, 1]) * 0.01 * len(depth)  # of a plane, with a small slope preferred
        lean = terms @ np.linalg.solve(squares, terms.T @ depth) - trend
        trend += np.sign(lean) * np.maximum(np.abs(lean) - LEAN[abs(direction)], 0)
    step = speed * max(CLEAR_STEP, float(np.log1p(MIN_STEP / np.exp(level)))) if direction else 0.0
    needed_change = level + direction * step - trend
    relief = depth + needed_change - (level + direction * step)
    needed_change += np.clip(relief, -MAX_RELIEF, MAX_RELIEF) - relief
    return direction * np.maximum(direction * needed_change, 0) if direction else needed_change
