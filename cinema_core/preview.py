"""Preview: splats the points with torch, without Blender, into a video or frames.

Input: a job folder and a camera path. Output: mp4, gif or PNG files. The picture is close to Blender's: opaque discs
in depth order, colours mixed in linear light.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import torch

from . import storage
from .camera import PATHS, REFERENCE_FRAMES, Camera, camera_path
from .device import choose_device
from .errors import CinemaError

NEAREST = 0.02  # scene units; what is nearer to the camera is not drawn
SOFT = 0.002  # of the depth; discs within it of the nearest one share the pixel
SPLAT = 1.35  # radius in units of the point's own radius: discs of neighbours blend instead of forming steps


class Splatter:
    """Renders the points of a job.

    Args:
        points: Arrays as in points.npz.
        camera: The photo's camera, whose size and focal length the picture takes.
        point_size: Diameter of a point in its own pixel footprints.
        device: torch device.
    """

    def __init__(self, points: dict[str, np.ndarray], camera: Camera, point_size: float, device: str = "cpu") -> None:
        self.camera, self.device = camera, device
        self.points = {name: torch.from_numpy(np.ascontiguousarray(a)).to(device) for name, a in points.items()}
        self.still = _linear(self.points["still_color"])
        self.ends = [_linear(self.points[f"moving_{name}"]) for name in ("color0", "color1", "mean0", "mean1")]
        self.radius = SPLAT * point_size / (2 * camera.focal)

    def render(self, phase: float, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One frame.

        Args:
            phase: 0..1 of the loop.
            pose: (4, 4) camera-to-world, core axes.

        Returns:
            (H, W, 3) float32 sRGB, and (H, W) bool: some point covers the pixel.
        """
        moved, color, spread = self._moving(phase)
        position = torch.cat([self.points["still_position"], moved])
        radius = torch.cat([self.points["still_spread"], spread]) * position[:, 2] * self.radius
        picture, covered = self._splat(position, torch.cat([self.still, color]), radius, pose)
        return _srgb(picture).cpu().numpy(), covered.cpu().numpy()

    def uncovered(self, phase: float, pose: np.ndarray) -> float:
        """Share of the picture's pixels that no point covers."""
        return float(1 - self.render(phase, pose)[1].mean())

    def _moving(self, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Position, linear colour and spread of the moving points alive at a phase."""
        keys = len(self.points["moving_displacement"]) - 1
        alive = (self.points["moving_birth"] <= phase) & (self.points["moving_death"] > phase)
        key = min(int(phase * keys), keys - 1)
        part = phase * keys - key
        steps = self.points["moving_displacement"]
        position = self.points["moving_position"] + steps[key] * (1 - part) + steps[key + 1] * part
        color0, color1, mean0, mean1 = self.ends
        weight = ((1 - phase) ** 2 + phase**2) ** 0.5
        detail = ((1 - phase) * (color0 - mean0) + phase * (color1 - mean1)) / weight
        color = ((1 - phase) * mean0 + phase * mean1 + detail).clamp(min=0)
        return position[alive], color[alive], self.points["moving_spread"][alive]

    def _splat(
        self, position: torch.Tensor, color: torch.Tensor, radius: torch.Tensor, pose: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        height, width, focal = self.camera.height, self.camera.width, self.camera.focal
        rotation = torch.tensor(pose[:3, :3], dtype=torch.float32, device=self.device)
        centre = torch.tensor(pose[:3, 3], dtype=torch.float32, device=self.device)
        local = (position - centre) @ rotation
        depth = local[:, 2].clamp(min=NEAREST)
        place = local[:, :2] / depth[:, None] * focal + torch.tensor([width / 2, height / 2], device=self.device)
        size = radius * focal / depth
        margin = size[:, None]
        limit = torch.tensor([width, height], device=self.device)
        seen = (local[:, 2] > NEAREST) & (place > -margin).all(1) & (place < limit + margin).all(1)
        discs = [
            (rows := torch.nonzero(seen & (size > low) & (size <= high)).flatten(), reach)
            for reach, (low, high) in enumerate(((0, 1), (1, 2), (2, 4), (4, float("inf"))), 1)
        ]
        nearest = torch.full((height * width,), float("inf"), device=self.device)
        total = torch.zeros(height * width, 3, device=self.device)
        weights = torch.zeros(height * width, device=self.device)
        groups = [(place[r], depth[r], size[r].clamp(max=8), color[r], (1, 2, 4, 8)[reach - 1]) for r, reach in discs if len(r)]
        for pixel, hit, front, _, _ in self._fragments(groups):
            nearest.scatter_reduce_(0, pixel[hit], front[hit], "amin")
        for pixel, hit, front, share, shade in self._fragments(groups):
            hit = hit & (front <= nearest[pixel] * (1 + SOFT))
            weights.index_add_(0, pixel[hit], share[hit])
            total.index_add_(0, pixel[hit], shade[hit] * share[hit][:, None])
        covered = weights > 0
        picture = total / weights.clamp(min=1e-12)[:, None]
        return picture.view(height, width, 3), covered.view(height, width)

    def _fragments(self, groups: list):
        """For every offset within reach: pixel, whether the disc covers its centre, depth, weight, colour."""
        height, width = self.camera.height, self.camera.width
        for place, depth, size, color, reach in groups:
            corner = torch.floor(place - 0.5).long() - (reach - 1)
            for down in range(2 * reach):
                for right in range(2 * reach):
                    column, row = corner[:, 0] + right, corner[:, 1] + down
                    away = (column + 0.5 - place[:, 0]) ** 2 + (row + 0.5 - place[:, 1]) ** 2
                    share = 1 - away / size**2
                    hit = (share > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
                    pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
                    yield pixel, hit, depth, share.clamp(min=1e-4) ** 2, color


def _linear(color: torch.Tensor) -> torch.Tensor:
    return torch.where(color <= 0.04045, color / 12.92, ((color.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def _srgb(color: torch.Tensor) -> torch.Tensor:
    color = color.clamp(0, 1)
    return torch.where(color <= 0.0031308, color * 12.92, 1.055 * color.clamp(min=1e-8) ** (1 / 2.4) - 0.055)


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
    report, points = storage.read_report(job), storage.read_points(job)
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
    if camera in ("still", *PATHS):
        name, poses = camera, camera_path(camera, frames, loop)
    else:
        name, poses = Path(camera).stem, _read_poses(Path(camera), frames)
    return [(name, poses, out / f"{name}.mp4" if is_folder else out)]


def _read_poses(path: Path, frames: int | None) -> np.ndarray:
    """(N, 4, 4) float64 of a JSON file."""
    wanted = "Give a JSON list of 4x4 camera-to-world matrices, one a frame"
    if not path.is_file():
        raise CinemaError(f'There is no camera path "{path}"', f"Choose still, {', '.join(PATHS)}, all, or a JSON file")
    try:
        poses = np.array(json.loads(path.read_text(encoding="utf-8")), np.float64)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise CinemaError(f"{path.name} holds no camera poses", wanted) from error
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses) or not np.isfinite(poses).all():
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

    def __enter__(self) -> "_writer":
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
