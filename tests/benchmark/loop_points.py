"""Builds for the benchmark of the loop, and the only code of it that knows how points store their colours.

All other figures come from pictures: `Loop.frame` renders the loop with the preview's renderer at the photo's camera.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from cinema_core.pipeline.build import plan
from cinema_core.pipeline.cache import DiskCache, MemoryCache
from cinema_core.pipeline.request import Request
from cinema_core.pipeline.stage import Runner
from cinema_core.pipeline.stages import crop_to_photo
from cinema_core.shared.camera import Camera
from cinema_core.shared.job_files import POINT_AXES
from cinema_core.shared.options import BuildOptions
from cinema_core.view.splatting import Splatter, fade_share

POINT_SIZE = 1.4  # diameter of a point in its own pixel footprints
PHOTO_POSE = np.eye(4)
MOVES = 0.05  # px/frame; slower pixels of the region are not counted as moving
HALF = 0.735  # sRGB of half the light: the render of a flag is above it where most of the pixel has the flag


# The representation of colours


def double_points(
    points: dict[str, np.ndarray], phase: float, differ: float, between: tuple[float, float]
) -> np.ndarray:
    """Moving points that mix two different colours at a phase.

    Args:
        points: Arrays by name, see `job_files.POINTS`.
        phase: 0..1 of the loop.
        differ: sRGB; least difference of the two colours in any channel.
        between: Least and greatest weight of either colour in a mix.

    Returns:
        (M,) bool.
    """
    weight, difference = np.zeros((2, len(points["moving_cycles"])), np.float32)
    for number in np.unique(points["moving_cycles"]):
        rows = points["moving_cycles"] == number
        cycle, own = divmod(phase * number, 1.0)
        start, end = points["moving_colors"][int(cycle) % len(points["moving_colors"])][:, rows].astype(np.int64)
        weight[rows] = fade_share(own, torch.from_numpy(start[:, 3]), torch.from_numpy(end[:, 3]))
        difference[rows] = np.abs(end - start)[:, :3].max(-1) / 255
    return (difference > differ) & (weight > between[0]) & (weight < between[1])


def flagged_points(points: dict[str, np.ndarray], flag: np.ndarray) -> dict[str, np.ndarray]:
    """The points, white where (M,) bool `flag` is set for a moving point, and black elsewhere."""
    colors = np.zeros_like(points["moving_colors"])
    colors[..., :3] = np.where(flag, 255, 0)[:, None]
    return points | {"moving_colors": colors, "still_color": np.zeros_like(points["still_color"])}


def repeats(points: dict[str, np.ndarray]) -> list[int]:
    """Numbers of repeats within the loop that points have, ascending; for the reader alone."""
    return np.unique(points["moving_cycles"]).tolist()


# The representation of places


def points_in(points: dict[str, np.ndarray], camera: Camera, window: tuple[slice, slice]) -> dict[str, np.ndarray]:
    """The points that are ever seen in a window of the picture, moved so that it is in the middle of the view.

    A shear by depth moves all that is seen by the same number of pixels, so a small camera shows the same window.

    Args:
        points: Arrays by name.
        camera: The photo's camera.
        window: Rows and columns, px.
    """
    rows, columns = window
    low, high = np.array((columns.start, rows.start)) - 4, np.array((columns.stop, rows.stop)) + 4
    shear = np.eye(3, dtype=np.float32)
    shear[2, :2] = (np.array((camera.width, camera.height)) - (low + high)) / 2 / camera.focal

    def seen(position: np.ndarray) -> np.ndarray:
        place = camera.project(position)
        return ((place > low) & (place < high)).all(-1)

    place = points["moving_position"]
    keep = {"moving": np.logical_or.reduce([seen(place + step) for step in points["moving_displacement"]])}
    keep["still"] = seen(points["still_position"]) & (points["still_radius_factor"] <= 2)  # larger: backing points
    kept = {}
    for name, array in points.items():
        chosen = keep[name.partition("_")[0]]
        kept[name] = np.take(array, np.flatnonzero(chosen), POINT_AXES[name])
    for name in ("still_position", "moving_position", "moving_displacement"):
        kept[name] = kept[name] @ shear
    return kept


class Loop:
    """The loop of one build.

    Attributes:
        photo: (H, W, 3) float32 sRGB, the working photo.
        region: (H, W) bool, the region that flows or sways.
        moving: (H, W) bool, its pixels that move by more than `MOVES`.
        speed: px/frame, median of these pixels.
        cycles: Numbers of repeats within the loop; see `repeats`.
        camera: The photo's camera.
        points: Arrays by name.
    """

    def __init__(self, request: Request, memory: MemoryCache) -> None:
        disk = DiskCache(request.out)
        stages = plan(request, Runner(memory, disk, request.options, lambda _: nullcontext()))
        self.photo, self.camera = stages.photo.value.color, stages.layers.value.camera
        still, moving = stages.still.value.points, stages.moving.value.points
        hints, field = stages.motion_input.value.hints, stages.field.value.motion
        speed = np.linalg.norm(field, axis=-1)
        self.region, self.moving = hints.region.copy(), speed > MOVES
        if hints.sway is not None:
            swing = np.linalg.norm(crop_to_photo(stages.motion.value.swing, hints.region), axis=-1)
            self.region |= hints.sway
            self.moving |= hints.sway & (4 * swing / request.options.frames > MOVES)  # px/frame on average
        self.speed = float(np.median(speed[self.moving])) if self.moving.any() else 0.0
        self.frames = request.options.frames
        self.points = {f"still_{name}": array for name, array in vars(still).items()}
        self.points |= {f"moving_{name}": array for name, array in vars(moving).items()}
        self.cycles = repeats(self.points)
        self._whole = Splatter(self.points, self.camera, POINT_SIZE)
        self._near = self._whole.around(self.region)

    def frame(self, phase: float, whole: bool = False) -> np.ndarray:
        """(H, W, 3) float32 sRGB at a phase; without `whole` the photo is shown outside the region."""
        if whole:
            return self._whole.render(phase, PHOTO_POSE)[0]
        return np.where(self.region[..., None], self._near.render(phase, PHOTO_POSE)[0], self.photo)

    def double(self, phase: float, differ: float, between: tuple[float, float]) -> np.ndarray:
        """(H, W) bool: moving pixels that show a mix of two different colours; see `double_points`."""
        flagged = flagged_points(self.points, double_points(self.points, phase, differ, between))
        picture, _ = Splatter(flagged, self.camera, POINT_SIZE).around(self.region).render(phase, PHOTO_POSE)
        return (picture[..., 0] > HALF) & self.moving

    def window_frames(self, window: tuple[slice, slice]) -> np.ndarray:
        """(N, h, w, 3) float32 sRGB: all frames of the loop in a window, from the points seen there."""
        height, width = (side.stop - side.start for side in window)
        small = Camera(width, height, self.camera.focal)
        part = Splatter(points_in(self.points, self.camera, window), small, POINT_SIZE)
        return np.stack([part.render(n / self.frames, PHOTO_POSE)[0] for n in range(self.frames)])


class Builder:
    """Builds one photo with several options; stages that do not depend on them run once.

    Args:
        folder: A folder for the job.
        photo: The photo.
        files: Other files of the request, by name.
    """

    def __init__(self, folder: Path, photo: Path, **files: Path | None) -> None:
        self._folder, self._photo, self._files, self._memory = folder, photo, files, MemoryCache()

    def build(self, **options) -> Loop:
        """The loop with these options of a build."""
        return Loop(Request(self._photo, self._folder, BuildOptions(**options), **self._files), self._memory)
