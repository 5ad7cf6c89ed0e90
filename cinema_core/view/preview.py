"""Previews: renders of a finished job along a camera path, without Blender.

Input: a job folder and a camera path. Output: mp4, gif or PNG files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import imageio.v2 as imageio
import numpy as np

from ..device import choose_device
from ..shared import job_folder
from ..shared.camera import PATHS, Camera, are_rigid, camera_path
from ..shared.errors import CinemaError
from .splatting import Splatter


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip to render.

    Attributes:
        name: Name of its camera path.
        poses: (N, 4, 4) float64 camera-to-world, core axes; one a frame.
        target: A .mp4 or .gif file, or a .png name for numbered frames.
    """

    name: str
    poses: np.ndarray
    target: Path


def plan_clips(camera: str, out: Path, frames: int | None = None, loop: bool = False) -> list[Clip]:
    """The clips that a camera path stands for.

    Args:
        camera: A preset's name, "all" (the reference's four videos), or a JSON file of 4x4 camera-to-world matrices.
        out: A .mp4 or .gif file, a .png name for numbered frames, or a folder (mp4 inside; with "all" one per path).
        frames: Number of frames; None takes the path's own.
        loop: Closed versions of the presets.

    Raises:
        CinemaError: There is no such path, a malformed camera file, or "all" without a folder.
    """
    is_folder = out.suffix == ""
    if camera == "all":
        if not is_folder:
            raise CinemaError("Four videos do not fit into one file", "Give a folder as --out")
        return [Clip(name, camera_path(name, frames, loop), out / f"{name}.mp4") for name in PATHS]
    name, poses = find_path(camera, frames, loop)
    return [Clip(name, poses, out / f"{name}.mp4" if is_folder else out)]


def render_preview(
    job: Path,
    clips: list[Clip],
    fps: int = 25,
    device: str = "auto",
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
) -> list[Path]:
    """Render clips of a job.

    Args:
        job: A finished job folder.
        clips: The clips, of `plan_clips`.
        fps: Frames per second of a video.
        device: torch device or "auto".
        progress: Called with the stage and the fraction done, 0..1.

    Returns:
        The files written.

    Raises:
        CinemaError: There is no finished job, or a clip's file name has another ending.
    """
    report, points = job_folder.read_report(job), job_folder.read_points(job)
    camera = Camera(report["width"], report["height"], report["focal"])
    splatter = Splatter(points, camera, report["point_size"], choose_device(device))
    total, done = sum(len(clip.poses) for clip in clips), 0
    written: list[Path] = []
    for clip in clips:
        with _FrameWriter(clip.target, fps) as writer:
            for frame, pose in enumerate(clip.poses):
                # as in the reference, the motion loops once in the clip
                picture, _ = splatter.render(frame / len(clip.poses), pose)
                writer.write(np.rint(picture * 255).astype(np.uint8))
                done += 1
                progress(f"preview {clip.name}", done / total)
        written += writer.files
    return written


def find_path(camera: str, frames: int | None, loop: bool) -> tuple[str, np.ndarray]:
    """Name and (N, 4, 4) poses of a preset or of a JSON file.

    Args:
        camera: As in `plan_clips`, but not "all".
        frames: As in `plan_clips`.
        loop: As in `plan_clips`.

    Raises:
        CinemaError: There is no such path, or a malformed camera file.
    """
    if camera in ("still", *PATHS):
        return camera, camera_path(camera, frames, loop)
    return Path(camera).stem, _read_poses(Path(camera), frames)


def _read_poses(path: Path, frames: int | None) -> np.ndarray:
    """(N, 4, 4) float64 poses of a JSON file, the first `frames` of them."""
    wanted = "Give a JSON list of 4x4 camera-to-world matrices, one for each frame"
    if not path.is_file():
        raise CinemaError(f'There is no camera path "{path}"', f"Choose still, {', '.join(PATHS)}, all, or a JSON file")
    try:
        poses = np.array(json.loads(path.read_text(encoding="utf-8")), np.float64)
    except (ValueError, TypeError, RecursionError) as error:
        raise CinemaError(f"{path.name} does not contain camera poses", wanted) from error
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses) or not are_rigid(poses):
        raise CinemaError(f"{path.name} does not contain camera poses", wanted)
    return poses[:frames] if frames else poses


class _FrameWriter:
    """Writes frames to a temporary file beside the target, and moves it into place once it is complete.

    Args:
        target: As of `Clip`.
        fps: Frames per second of a video.

    Raises:
        CinemaError: The target has another ending.
    """

    def __init__(self, target: Path, fps: int) -> None:
        self.target, self.fps = target, fps
        self.files: list[Path] = []
        self._video: Any = None  # imageio's writer
        if target.suffix.lower() not in (".mp4", ".gif", ".png"):
            raise CinemaError(f'A preview cannot be written as "{target.suffix}"', "Use .mp4, .gif, .png or a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        self._partial = target.with_name(f".{target.stem}.partial{target.suffix.lower()}")

    def __enter__(self) -> _FrameWriter:
        if self.target.suffix.lower() == ".mp4":
            self._video = imageio.get_writer(
                self._partial, fps=self.fps, codec="libx264", quality=8, macro_block_size=2
            )
        elif self.target.suffix.lower() == ".gif":
            self._video = imageio.get_writer(self._partial, duration=1000 / self.fps, loop=0)
        return self

    def write(self, picture: np.ndarray) -> None:
        """Append a frame, (H, W, 3) uint8."""
        if self._video is not None:
            self._video.append_data(picture)
            return
        file = self.target.with_name(f"{self.target.stem}_{len(self.files):04d}.png")
        imageio.imwrite(self._partial, picture)
        self._partial.replace(file)
        self.files.append(file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._video is not None:
            self._video.close()
            if kind is None:
                self._partial.replace(self.target)
                self.files.append(self.target)
        self._partial.unlink(missing_ok=True)
