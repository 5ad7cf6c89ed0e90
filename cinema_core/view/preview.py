"""Preview: renders a finished job along a camera path, without Blender.

Input: a job folder and a camera path. Output: mp4, gif or PNG files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import imageio.v2 as imageio
import numpy as np

from ..device import choose_device
from ..shared import job_folder
from ..shared.camera import PATHS, Camera, are_rigid, camera_path
from ..shared.errors import CinemaError
from .splatting import Splatter


def render_preview(
    job: Path,
    camera: str,
    out: Path,
    frames: int | None = None,
    fps: int = 25,
    loop: bool = False,
    device: str = "auto",
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
) -> list[Path]:
    """Render a job along a camera path.

    Args:
        job: A finished job folder.
        camera: A preset's name, "all" (the reference's four videos), or a JSON file of 4x4 camera-to-world matrices.
        out: A .mp4 or .gif file, a .png name for numbered frames, or a folder (mp4 inside; with "all" one per path).
        frames: Number of frames; None takes the path's own.
        fps: Frames per second of a video.
        loop: Closed versions of the presets.
        device: torch device or "auto".
        progress: Told (stage, fraction).

    Returns:
        The files written.

    Raises:
        CinemaError: No finished job, no such path, a malformed camera file, or a name with another ending.
    """
    report, points = job_folder.read_report(job), job_folder.read_points(job)
    lens = Camera(report["width"], report["height"], report["focal"])
    splatter = Splatter(points, lens, report["point_size"], choose_device(device))
    jobs = _targets(camera, Path(out), frames, loop)
    total, done, written = sum(len(poses) for _, poses, _ in jobs), 0, []
    for name, poses, target in jobs:
        with _writer(target, fps) as write:
            for frame, pose in enumerate(poses):
                # as the reference, the motion's loop is as long as the clip
                picture, _ = splatter.render(frame / len(poses), pose)
                write(np.rint(picture * 255).astype(np.uint8))
                done += 1
                progress(f"preview {name}", done / total)
        written += write.files
    return written


def _targets(camera: str, out: Path, frames: int | None, loop: bool) -> list[tuple[str, np.ndarray, Path]]:
    """Name, poses and file of every clip that is asked for."""
    is_folder = out.suffix == ""
    if camera == "all":
        if not is_folder:
            raise CinemaError("Four videos do not fit into one file", "Give a folder as --out")
        return [(name, camera_path(name, frames, loop), out / f"{name}.mp4") for name in PATHS]
    name, poses = find_path(camera, frames, loop)
    return [(name, poses, out / f"{name}.mp4" if is_folder else out)]


def find_path(camera: str, frames: int | None, loop: bool) -> tuple[str, np.ndarray]:
    """Name and (N, 4, 4) poses of a preset or of a JSON file.

    Raises:
        CinemaError: There is no such path, or a malformed camera file.
    """
    if camera in ("still", *PATHS):
        return camera, camera_path(camera, frames, loop)
    return Path(camera).stem, _read_poses(Path(camera), frames)


def _read_poses(path: Path, frames: int | None) -> np.ndarray:
    """(N, 4, 4) float64 of a JSON file."""
    wanted = "Give a JSON list of 4x4 camera-to-world matrices, one a frame"
    if not path.is_file():
        raise CinemaError(f'There is no camera path "{path}"', f"Choose still, {', '.join(PATHS)}, all, or a JSON file")
    try:
        poses = np.array(json.loads(path.read_text(encoding="utf-8")), np.float64)
    except (ValueError, TypeError, RecursionError) as error:
        raise CinemaError(f"{path.name} holds no camera poses", wanted) from error
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses) or not are_rigid(poses):
        raise CinemaError(f"{path.name} holds no camera poses", wanted)
    return poses[:frames] if frames else poses


class _writer:
    """Writes frames to a temporary name beside the target, and puts them in place when all are written."""

    def __init__(self, target: Path, fps: int) -> None:
        self.target, self.files = target, []
        if target.suffix.lower() not in (".mp4", ".gif", ".png"):
            raise CinemaError(f'A preview cannot be written as "{target.suffix}"', "Use .mp4, .gif, .png or a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        self.fps, self.number = fps, 0
        self.partial = target.with_name(f".{target.stem}.partial{target.suffix.lower()}")
        self.video = None

    def __enter__(self) -> _writer:
        if self.target.suffix.lower() == ".mp4":
            self.video = imageio.get_writer(self.partial, fps=self.fps, codec="libx264", quality=8, macro_block_size=2)
        elif self.target.suffix.lower() == ".gif":
            self.video = imageio.get_writer(self.partial, duration=1000 / self.fps, loop=0)
        return self

    def __call__(self, picture: np.ndarray) -> None:
        if self.video is not None:
            self.video.append_data(picture)
            return
        file = self.target.with_name(f"{self.target.stem}_{self.number:04d}.png")
        imageio.imwrite(self.partial, picture)
        self.partial.replace(file)
        self.files.append(file)
        self.number += 1

    def __exit__(self, kind, error, trace) -> None:
        if self.video is not None:
            self.video.close()
            if kind is None:
                self.partial.replace(self.target)
                self.files.append(self.target)
        self.partial.unlink(missing_ok=True)
