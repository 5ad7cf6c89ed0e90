"""What strokes about depth ask for: of every thing that they run over, against what they start on.

Input: a stroke, `Segments`. Output: one `Demand` for each thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..image.polyline import resample
from ..shared.data import Photo, Stroke
from .superpixels import JUMP, JUMP_SHARE, SKY, STEP, UNLIKE, Superpixels

LEAST = 0.03  # of disparity; a clear step is no smaller
START = 0.05  # of a stroke's length is its start
WIDE, PASSED = 0.1, 0.65  # of the photo; an even surface so wide is not meant where a stroke has less than this of it
OTHER = 0.3  # of a stroke's samples that must look unlike its start, for those alone to be meant
WAY = 0.25  # of a stroke; so far it may still be on what it starts on, if that is a little alike
DEEPEST = 0.25  # relief, of it, that is believed in what has to move
LATER = 0.4  # of a stroke along one surface is the way there
RELIEF = (
    0.05,
    0.15,
)  # of the logarithm of disparity along a thing: it is so deep; more, and it leans. For "as far", else


@dataclass(frozen=True, eq=False)
class Constraint:
    """What one stroke asks of one thing.

    Attributes:
        stroke: Number of the stroke.
        start: (s,) segments where the stroke starts.
        left: (l,) segments under the stroke that are not meant.
        over: (m,) segments of the thing under the stroke.
        share: (m,) of the stroke's samples.
        need: (m,), what is missing to their logarithms of disparity, before anything moves.
        bound: Lowest and highest logarithm of disparity that it asks for.
        sense: 1 at least, -1 at most, 0 just so much.
        along: True where thing and start are one surface.
    """

    stroke: int
    start: np.ndarray
    left: np.ndarray
    over: np.ndarray
    share: np.ndarray
    need: np.ndarray
    bound: tuple[float, float]
    sense: int
    along: bool


def read_constraints(number: int, stroke: Stroke, segments: Superpixels, photo: Photo) -> list[Constraint]:
    """What a stroke asks for.

    Args:
        number: The stroke's.
        stroke: Of kind "same_depth", "nearer" or "farther".
        segments: The photo's.
        photo: The working photo.

    Returns:
        One demand for each thing that it runs over; none where it is too short to tell.
    """
    height, width = segments.labels.shape
    scale = np.array((width / photo.width, height / photo.height))
    pixels, _, _ = resample(np.clip(stroke.points, -1e5, 1e5) * scale, False, 1.0)
    pixels = pixels[((pixels >= 0) & (pixels < (width, height))).all(1)].astype(int)
    if len(pixels) < 4:
        return []
    along = segments.labels[pixels[:, 1], pixels[:, 0]]
    depth = np.log(segments.disparity[pixels[:, 1], pixels[:, 0]])
    first = max(2, round(START * len(pixels)))
    start, level = np.unique(along[:first]), float(np.median(depth[:first]))
    other = ~_left_behind(segments, start, along, depth)
    other[:first] = False
    other &= ~_crossed(segments, along, depth, other)
    one = other.mean() < OTHER
    if one:  # start and end are one surface, or look so
        other = np.arange(len(along)) >= (first if stroke.kind == "same_depth" else LATER * len(along))
    sense = {"same_depth": 0, "nearer": 1, "farther": -1}[stroke.kind]
    demands = []
    for run in _runs(np.flatnonzero(other), depth):
        need = _need(sense, stroke.speed, level, depth[run], pixels[run])
        over, which, count = np.unique(along[run], return_inverse=True, return_counts=True)
        bound = tuple(np.quantile(depth[run] + need, (0.05, 0.95)).tolist())
        need = np.bincount(which, need) / count
        left = np.setdiff1d(along[~other], over)
        demands.append(Constraint(number, start, left, over, count / other.sum(), need, bound, sense, one))
    return demands


def _left_behind(segments: Superpixels, start: np.ndarray, along: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(N,) bool: samples on the surface that the stroke starts on: it is what things are compared with, not a thing.

    That is what hangs together with the start by colour and depth, and the way to the first jump of depth, if short.
    """
    color = np.square(segments.color[:, None] - segments.color[start]).sum(-1).min(1) / UNLIKE**2
    parts = _surfaces(segments, (color < 1)[segments.link].all(1))
    behind = np.isin(parts, parts[start])[along]
    near = np.exp(np.maximum(depth[1:], depth[:-1]))
    jumps = np.flatnonzero(np.abs(np.diff(np.exp(depth))) > 2 * (JUMP + JUMP_SHARE * near))
    way = int(jumps[0]) + 1 if len(jumps) else len(along)
    if way <= 0.5 * len(along):
        behind[:way] = True
    behind[: int(WAY * len(along))] |= (color < 4)[along[: int(WAY * len(along))]]
    return behind


def _crossed(segments: Superpixels, along: np.ndarray, depth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) bool: samples on the sky and on wide even ground or water, on the way to the thing that is meant."""
    usual = np.clip(2 * np.median(segments.apart), UNLIKE / 2, UNLIKE)
    parts = _surfaces(segments, segments.apart < usual)
    wide = np.bincount(parts, segments.size)[parts] > WIDE * segments.size.sum()
    crossed = np.zeros(len(along), bool)
    for part in (wide[along] & (parts[along] != parts[along[-1]]), depth < SKY):
        if (other & part).sum() < PASSED * other.sum():
            crossed |= part
    return crossed


def _surfaces(segments: Superpixels, joined: np.ndarray) -> np.ndarray:
    """(n,) numbers of the surfaces that segments make up over those links that are joined, no jump, and in no outline."""
    one, other = segments.link[joined & (segments.jump < 1) & (segments.area[segments.link] == 0).all(1)].T
    graph = sparse.coo_matrix((np.ones(len(one)), (one, other)), (len(segments.size),) * 2)
    return connected_components(graph, directed=False)[1]


def _runs(samples: np.ndarray, depth: np.ndarray) -> list[np.ndarray]:
    """Samples of each thing: those between jumps of depth."""
    if not len(samples):
        return []
    near = np.exp(np.maximum(depth[samples[1:]], depth[samples[:-1]]))
    jump = np.abs(np.diff(np.exp(depth[samples]))) > 2 * (JUMP + JUMP_SHARE * near)
    return np.split(samples, np.flatnonzero(jump) + 1)


def _need(sense: int, speed: float, level: float, depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) what a thing's logarithms of disparity lack: even where it has relief, more where it leans away."""
    trend = np.full(len(depth), np.median(depth))
    spread = np.ptp(pixels, axis=0).max()
    if len(depth) > 20 and spread > 5:
        terms = np.column_stack([np.ones(len(depth)), (pixels - pixels.mean(0)) / spread])
        squares = terms.T @ terms + np.diag([0, 1, 1]) * 0.01 * len(depth)
        lean = terms @ np.linalg.solve(squares, terms.T @ depth) - trend
        trend += np.sign(lean) * np.maximum(np.abs(lean) - RELIEF[abs(sense)], 0)
    step = speed * max(STEP, float(np.log1p(LEAST / np.exp(level)))) if sense else 0.0
    need = level + sense * step - trend
    off = depth + need - (level + sense * step)  # what sticks out by more is no relief
    need += np.clip(off, -DEEPEST, DEEPEST) - off
    return sense * np.maximum(sense * need, 0) if sense else need
