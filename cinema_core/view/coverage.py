"""Coverage: the shares of a camera's frames that are holes or invented, and the largest safe size of its path.

Input: an inspector of a job's points, and the views of a camera path. Output: two shares of each view's frame. *Holes*
have no point at all. *Invented* surfaces are those that the photo's own camera does not see. Given the pose of the
photo's camera, the path is scaled towards it by the largest factor for which no view has too many holes. See
`inspector` for how a view is classified.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..shared.errors import CinemaError
from .inspector import HOLE, INVENTED, Inspector, Views

FIRST_VIEWS = 64  # views of a path that are inspected first, evenly spread
FACTOR_STEP = 1 / 256  # of the path; resolution of its safe factor
MAX_TRIES = 3  # at scaling a path; more than one is needed where a smaller move is not a safer one


@dataclass(frozen=True, eq=False)
class Coverage:
    """The coverage of a path.

    Attributes:
        uncovered: (N,) float64, share of holes in each frame; interpolated between the views that were inspected.
        invented: (N,) float64, the same for invented surfaces.
        inspected: Indices of the views that were inspected, ascending.
        factor: Factor by which the path was scaled, 1 = unchanged.
        masks: Labels of the inspected views, (rows, columns) uint8 each.
    """

    uncovered: np.ndarray
    invented: np.ndarray
    inspected: list[int]
    factor: float = 1.0
    masks: dict[int, np.ndarray] = field(default_factory=dict)


def check_views(
    inspector: Inspector,
    views: Views,
    limit: float,
    photo_pose: np.ndarray | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Coverage:
    """Inspect a path, and with `photo_pose` scale it towards that pose until every frame is good.

    Args:
        inspector: Classifies samples of the views.
        views: The path. Of a long one, `FIRST_VIEWS` views are inspected, then those next to the worst one and those
            where the path turns bad.
        limit: Share of holes up to which a frame is good.
        photo_pose: (4, 4) pose of the photo's camera: the path is scaled towards it by the largest factor for which
            every frame is good. None leaves the path as it is.
        progress: Called with the fraction done, 0..1.

    Returns:
        The coverage of the path, as scaled.

    Raises:
        CinemaError: Even at `photo_pose` some frame would have too many holes.
    """
    inspection = _PathInspection(inspector, views, 1 if photo_pose is None else 3, progress)
    found = inspection.inspect_path(limit)
    if photo_pose is None or found.uncovered.max() <= limit:
        return found
    inspection.photo_pose = photo_pose
    for _ in range(MAX_TRIES):
        factor = _safe_factor(inspection.share, inspection.worst_first(found), limit, inspection.factor)
        if factor is None:
            break
        inspection.factor = factor
        found = inspection.inspect_path(limit)
        if found.uncovered.max() <= limit:
            return found
    inspection.factor = 0.0
    least = max(inspection.share(index, 0.0) for index in found.inspected)
    if least <= limit:  # no smaller path was safe, but standing still is
        return inspection.inspect_path(limit)
    text = f"Even at the photo's viewpoint, {least:.2%} of the frame is empty"
    raise CinemaError(text, "Give the camera a longer lens, or render at the photo's aspect ratio")


class _PathInspection:
    """Inspects views of one path, scaled by any factor towards `photo_pose`.

    Args:
        inspector: Classifies samples of the views.
        views: The path.
        expected_passes: Expected number of inspections of the whole path, for the progress.
        progress: Called with the fraction done, 0..1.
    """

    def __init__(
        self, inspector: Inspector, views: Views, expected_passes: int, progress: Callable[[float], None]
    ) -> None:
        self.inspector, self.views = inspector, views
        self.photo_pose: np.ndarray | None = None
        self.factor = 1.0
        self._progress, self._done = progress, 0
        # views; the number of further ones is not known yet
        self._expected = expected_passes * min(len(views), FIRST_VIEWS)

    def inspect_path(self, limit: float) -> Coverage:
        """Inspect the path, scaled by `factor`."""
        masks: dict[int, np.ndarray] = {}

        def share(index: int) -> float:
            masks[index] = self._inspect(index, self.factor)
            return _share(masks[index], HOLE)

        shares = _inspect_where_needed(len(self.views), share, limit)
        inspected = sorted(shares)
        uncovered, invented = (
            np.interp(np.arange(len(self.views)), inspected, values)
            for values in (
                [shares[index] for index in inspected],
                [_share(masks[index], INVENTED) for index in inspected],
            )
        )
        return Coverage(uncovered, invented, inspected, self.factor, masks)

    def share(self, index: int, factor: float) -> float:
        """Share of holes in a view of the path, scaled by `factor`."""
        return _share(self._inspect(index, factor), HOLE)

    @staticmethod
    def worst_first(found: Coverage) -> list[int]:
        """Indices of the inspected views, by descending share of holes."""
        return sorted(found.inspected, key=lambda index: -found.uncovered[index])

    def _inspect(self, index: int, factor: float) -> np.ndarray:
        pose = self.views.poses[index]
        if factor != 1:
            assert self.photo_pose is not None  # paths are scaled only towards the photo's pose
            pose = interpolate_pose(self.photo_pose, pose, factor)
        label = self.inspector.classify(self.views, index, pose)
        self._done += 1
        self._progress(min(0.9 * self._done / self._expected, 1 - 0.1 * self._expected / self._done))
        return label


def _share(label: np.ndarray, kind: int) -> float:
    return float((label == kind).mean())


def _inspect_where_needed(count: int, share: Callable[[int], float], limit: float) -> dict[int, float]:
    """Shares of holes of some of `count` views: evenly spread, then next to the worst and where good ones turn bad."""
    step = -(-count // FIRST_VIEWS)
    shares = {index: share(index) for index in sorted({*range(0, count, step), count - 1})}
    while True:
        known, worst = sorted(shares), max(shares, key=shares.__getitem__)
        fresh = {
            index: share(index)
            for index in (
                (a + b) // 2
                for a, b in itertools.pairwise(known)
                if b - a > 1 and (worst in (a, b) or (shares[a] > limit) != (shares[b] > limit))
            )
        }
        if not fresh:
            return shares
        shares |= fresh


def _safe_factor(share: Callable[[int, float], float], order: list[int], limit: float, factor: float) -> float | None:
    """The largest factor for which all views are good.

    Args:
        share: Share of holes in a view at a factor.
        order: Indices of the views, the worst first. Most others are good at its factor and need only one test.
        limit: Share of holes up to which a view is good.
        factor: Upper bound of the result.

    Returns:
        A multiple of `FACTOR_STEP`; None where a view is bad even at 0.
    """
    high = round(factor / FACTOR_STEP)
    for index in order:
        if share(index, high * FACTOR_STEP) <= limit:
            continue
        if share(index, 0.0) > limit:
            return None
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if share(index, middle * FACTOR_STEP) <= limit else (low, middle)
        high = low
    return high * FACTOR_STEP


def interpolate_pose(photo_pose: np.ndarray, pose: np.ndarray, factor: float) -> np.ndarray:
    """A pose on the straight line from `photo_pose` (factor 0) to `pose` (1), rotating at a constant rate.

    Args:
        photo_pose: (4, 4) camera-to-world, of the photo's camera.
        pose: (4, 4) camera-to-world.
        factor: 0..1.

    Returns:
        (4, 4) float64.
    """
    turn = cv2.Rodrigues(photo_pose[:3, :3].T @ pose[:3, :3])[0]
    mixed = np.eye(4)
    mixed[:3, :3] = photo_pose[:3, :3] @ cv2.Rodrigues(factor * turn)[0]
    mixed[:3, 3] = (1 - factor) * photo_pose[:3, 3] + factor * pose[:3, 3]
    return mixed
