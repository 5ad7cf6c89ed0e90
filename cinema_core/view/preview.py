"""Previews: renders of a finished job along a camera path, without Blender.

Input: a job folder and a camera path. Output: mp4, gif or PNG files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..device import choose_device
from ..shared import job_folder
from ..shared.camera import PATHS, Camera, camera_path
from ..shared.errors import CinemaError
from .camera_file import find_path, find_wrong_axes
from .frame_writer import GIF_FPS, gif_times, target_files, write_frames
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

    @property
    def files(self) -> list[Path]:
        """The files that it becomes."""
        return target_files(self.target, len(self.poses))


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
    warn: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Render clips of a job.

    Args:
        job: A finished job folder.
        clips: The clips, of `plan_clips`.
        fps: Frames per second of a video.
        device: torch device or "auto".
        progress: Called with the stage and the fraction done, 0..1.
        warn: Called with each sentence that the user should read.

    Returns:
        The files written.

    Raises:
        CinemaError: There is no finished job, or a clip's file has another suffix or cannot be written.
    """
    report, points = job_folder.read_report(job), job_folder.read_points(job)
    camera = Camera(report["width"], report["height"], report["focal"])
    splatter = Splatter(points, camera, report["point_size"], choose_device(device))
    total, done = sum(len(clip.poses) for clip in clips), 0
    written: list[Path] = []
    for clip in clips:
        for text in [*find_wrong_axes(points["still_position"], camera, clip.poses), *_warnings(clip, fps)]:
            warn(text)
        with write_frames(clip.target, fps) as write:
            for frame, pose in enumerate(clip.poses):
                # as in the reference, the motion loops once in the clip
                picture, _ = splatter.render(frame / len(clip.poses), pose)
                write(np.rint(picture * 255).astype(np.uint8))
                done += 1
                progress(f"preview {clip.name}", done / total)
        written += clip.files
    return written


def _warnings(clip: Clip, fps: int) -> list[str]:
    """Sentences about a clip's files."""
    warnings = []
    suffix, count = clip.target.suffix.lower(), len(clip.poses)
    left_out = count - len(gif_times(fps, count)[0])
    if suffix == ".gif" and left_out:
        warnings.append(
            f"A gif shows at most {GIF_FPS} frames per second: {left_out} of {count} frames are left out, "
            "and the clip keeps its speed"
        )
    following = target_files(clip.target, count + 1)[-1]
    if suffix == ".png" and following.exists():
        warnings.append(f"{following.name} and the pictures after it are of an earlier preview")
    return warnings
