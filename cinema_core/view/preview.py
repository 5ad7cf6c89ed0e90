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
from .marks import check_own
from .splatting import Splatter


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip to render.

    Attributes:
        name: Name of its camera path.
        poses: (N, 4, 4) float64 camera-to-world, core axes; one a frame.
        target: A .mp4 or .gif file, or a .png name for numbered frames.
        shown: Numbers of the frames to render, from 0.
        is_named: Whether the user gave its file's name; else the program chose it, or numbers of it.
    """

    name: str
    poses: np.ndarray
    target: Path
    shown: range
    is_named: bool

    @property
    def files(self) -> list[Path]:
        """The files that it becomes."""
        return target_files(self.target, self.shown)


def plan_clips(
    camera: str, out: Path, frames: int | None = None, loop: bool = False, part: tuple[int, int] | None = None
) -> list[Clip]:
    """The clips that a camera path stands for.

    Args:
        camera: A preset's name, "all" (the reference's four videos), or a JSON file of 4x4 camera-to-world matrices.
        out: A .mp4 or .gif file, a .png name for numbered frames, or a folder (mp4 inside; with "all" one per path).
        frames: Number of frames; None takes the path's own.
        loop: Closed versions of the presets.
        part: First and last frame to render, numbered from 0; None renders all. A frame looks the same in any part.

    Raises:
        CinemaError: There is no such path, a malformed camera file, a part beyond it, or "all" without a folder.
    """
    is_folder = out.suffix == ""

    def clip(name: str, poses: np.ndarray) -> Clip:
        target = out / f"{name}.mp4" if is_folder else out
        is_named = not is_folder and out.suffix.lower() != ".png"
        return Clip(name, poses, target, _shown_frames(len(poses), part), is_named)

    if camera == "all":
        if not is_folder:
            raise CinemaError("Four videos do not fit into one file", "Give a folder as --out")
        return [clip(name, camera_path(name, frames, loop)) for name in PATHS]
    return [clip(*find_path(camera, frames, loop))]


def plan_clip(path: str, target: Path) -> Clip:
    """The clip of a preset's closed version into a file whose name the program chose."""
    poses = camera_path(path, None, path != "still")
    return Clip(path, poses, target, range(len(poses)), False)


def check_clips(clips: list[Clip]) -> None:
    """Refuse to replace files of somebody else, where the program chose the names.

    Raises:
        CinemaError: Such a file is there.
    """
    for clip in clips:
        if not clip.is_named:
            check_own(clip.files)


def _shown_frames(count: int, part: tuple[int, int] | None) -> range:
    first, last = part or (0, count - 1)
    if not 0 <= first <= last < count:
        raise CinemaError(
            f"Frames {first} to {last} are not a part of the camera path, whose frames are 0 to {count - 1}",
            "Give the first and the last frame of a part of it, as 0-9",
        )
    return range(first, last + 1)


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
    total, done = sum(len(clip.shown) for clip in clips), 0
    written: list[Path] = []
    for clip in clips:
        for text in [*find_wrong_axes(points["still_position"], camera, clip.poses), *_warnings(clip, fps)]:
            warn(text)
        with write_frames(clip.target, fps, clip.shown.start) as write:
            for frame in clip.shown:
                # as in the reference, the motion loops once in the clip
                picture, _ = splatter.render(frame / len(clip.poses), clip.poses[frame])
                write(np.rint(picture * 255).astype(np.uint8))
                done += 1
                progress(f"preview {clip.name}", done / total)
        written += clip.files
    return written


def _warnings(clip: Clip, fps: int) -> list[str]:
    """Sentences about a clip's files."""
    warnings = []
    suffix, count = clip.target.suffix.lower(), len(clip.shown)
    left_out = count - len(gif_times(fps, count)[0])
    if suffix == ".gif" and left_out:
        warnings.append(
            f"A gif shows at most {GIF_FPS} frames per second: {left_out} of {count} frames are left out, "
            "and the clip keeps its speed"
        )
    (following,) = target_files(clip.target, range(len(clip.poses), len(clip.poses) + 1))
    if suffix == ".png" and following.exists():
        warnings.append(f"{following.name} and the pictures after it are of an earlier preview")
    return warnings
