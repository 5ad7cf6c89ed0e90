"""Coverage: what a camera sees of which the photo tells nothing, and how far its path can be trusted.

Input: a job's points and the views of any perspective camera. Output: for each view how much of its frame is a *hole*,
where there is no point at all, and how much is *invented*, a surface that the photo's own camera does not see: what was
continued behind nearer things and beyond the photo's border.

The frame is looked at in samples, about `SAMPLES` along its longer side, and each is a hole if no point's disc covers
just that place. Discs keep their true size, so a coarse grid sees the same holes as a fine one: none too many, none too
few, only with less certainty how large they are (at 0.1 % of the frame, to a tenth of that).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..shared.errors import CinemaError
from .inspector import HOLE, INVENTED, Inspector, Views

COARSE = 64  # views looked at first; then those between them that matter
FINEST = 1 / 256  # of the path; how finely its safe size is found
TRIES = 3  # to scale a path, should smaller moves not always be safer


@dataclass(frozen=True, eq=False)
class Coverage:
    """What was found.

    Attributes:
        uncovered: (N,) float64, share of each frame that is hole; between frames looked at, on the line between them.
        invented: (N,) float64, the same of what is invented.
        looked: Which views were looked at, ascending.
        factor: What the path was scaled to, 1 = as it was.
        masks: Labels of the views looked at, (rows, columns) uint8 each.
    """

    uncovered: np.ndarray
    invented: np.ndarray
    looked: list[int]
    factor: float = 1.0
    masks: dict[int, np.ndarray] = field(default_factory=dict)


def check_views(
    inspector: Inspector,
    views: Views,
    limit: float,
    home: np.ndarray | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Coverage:
    """Look along a path, and with `home` scale it towards there until nothing is amiss.

    Args:
        inspector: Looks at the points.
        views: The path. Of a long one, `COARSE` views are looked at and then those between them where it is worst and
            where it turns bad.
        limit: Share of holes up to which a frame is good.
        home: (4, 4) pose of the photo's camera: the path is scaled towards it by the largest factor for which every
            frame is good. None leaves the path as it is.
        progress: Told the fraction done.

    Raises:
        CinemaError: Not even from `home` would every frame be good.
    """
    walk = _Walk(inspector, views, 1 if home is None else 3, progress)
    found = walk.along(limit)
    if home is None or found.uncovered.max() <= limit:
        return found
    walk.home = home
    for _ in range(TRIES):
        factor = _safe_factor(walk.share, walk.worst_first(found), limit, walk.factor)
        if factor is None:
            break
        walk.factor = factor
        found = walk.along(limit)
        if found.uncovered.max() <= limit:
            return found
    walk.factor = 0.0
    least = max(walk.share(index, 0.0) for index in found.looked)
    if least <= limit:  # smaller moves were not safer; none at all is
        return walk.along(limit)
    text = f"Even from the photo's own place this camera sees {least:.2%} of the frame where nothing is"
    raise CinemaError(text, "Give it a longer lens, or render in the photo's shape")


class _Walk:
    """Looks at views of one path, of any size."""

    def __init__(self, inspector: Inspector, views: Views, walks: int, progress: Callable[[float], None]) -> None:
        self.inspector, self.views = inspector, views
        self.home, self.factor = None, 1.0
        self._progress, self._done = progress, 0
        self._expected = walks * min(len(views), COARSE)  # how many looks; what comes on top nobody knows yet

    def along(self, limit: float) -> Coverage:
        """Look along the path at its present size."""
        masks: dict[int, np.ndarray] = {}

        def share(index: int) -> float:
            masks[index] = self._look(index, self.factor)
            return _share(masks[index], HOLE)

        shares = _look_along(len(self.views), share, limit)
        looked = sorted(shares)
        uncovered, invented = (
            np.interp(np.arange(len(self.views)), looked, values)
            for values in ([shares[index] for index in looked], [_share(masks[index], INVENTED) for index in looked])
        )
        return Coverage(uncovered, invented, looked, self.factor, masks)

    def share(self, index: int, factor: float) -> float:
        """Share of holes in a view of the path at that size."""
        return _share(self._look(index, factor), HOLE)

    @staticmethod
    def worst_first(found: Coverage) -> list[int]:
        return sorted(found.looked, key=lambda index: -found.uncovered[index])

    def _look(self, index: int, factor: float) -> np.ndarray:
        pose = self.views.poses[index]
        label = self.inspector.look(
            self.views, index, pose if factor == 1 else interpolate_pose(self.home, pose, factor)
        )
        self._done += 1
        self._progress(min(0.9 * self._done / self._expected, 1 - 0.1 * self._expected / self._done))
        return label


def _share(label: np.ndarray, kind: int) -> float:
    return float((label == kind).mean())


def _look_along(count: int, share: Callable[[int], float], limit: float) -> dict[int, float]:
    """Shares of the views that matter: spread evenly, then beside the worst one and where good ones turn bad."""
    step = -(-count // COARSE)
    shares = {index: share(index) for index in sorted({*range(0, count, step), count - 1})}
    fresh = True
    while fresh:
        known, worst = sorted(shares), max(shares, key=shares.get)
        fresh = {
            index: share(index)
            for index in (
                (a + b) // 2
                for a, b in itertools.pairwise(known)
                if b - a > 1 and (worst in (a, b) or (shares[a] > limit) != (shares[b] > limit))
            )
        }
        shares |= fresh
    return shares


def _safe_factor(share: Callable[[int, float], float], order: list[int], limit: float, factor: float) -> float | None:
    """The largest factor, of steps of `FINEST`, up to `factor` for which all views are good; None where there is none.

    Most of the work is for the first, worst view: the others mostly are good at its factor.
    """
    high = round(factor / FINEST)
    for index in order:
        if share(index, high * FINEST) <= limit:
            continue
        if share(index, 0.0) > limit:
            return None
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if share(index, middle * FINEST) <= limit else (low, middle)
        high = low
    return high * FINEST


def interpolate_pose(home: np.ndarray, pose: np.ndarray, factor: float) -> np.ndarray:
    """A pose on the straight way from `home` (factor 0) to `pose` (1), turning evenly.

    Args:
        home: (4, 4) camera-to-world.
        pose: (4, 4) camera-to-world.
        factor: 0..1.

    Returns:
        (4, 4) float64.
    """
    turn = cv2.Rodrigues(home[:3, :3].T @ pose[:3, :3])[0]
    mixed = np.eye(4)
    mixed[:3, :3] = home[:3, :3] @ cv2.Rodrigues(factor * turn)[0]
    mixed[:3, 3] = (1 - factor) * home[:3, 3] + factor * pose[:3, 3]
    return mixed
