"""The order of the stages: a photo and strokes become a job folder. The only module that knows it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from . import __version__, storage
from .camera import Camera
from .data import BuildOptions, MovingPoints, Photo, StillPoints, Stroke
from .depth import estimate_depth, read_depth
from .device import choose_device
from .hints import read_hints
from .layers import Layers, split_layers
from .motion import feather, solve_motion
from .photo import read_photo, write_png
from .points import moving_points, still_points
from .report import measure
from .splatting import Splatter
from .strokes import read_strokes, write_strokes
from .surface import find_surface

CONTRADICTING = 25.0  # degrees between strokes and motion on average, from which the user is told
POINT_SIZE = 1.4  # diameter of a point in its pixel's footprint; sqrt(2) is where a lattice of discs closes
STAGES = {"photo": 1, "depth": 2, "layers": 12, "motion": 4, "points": 4, "report": 8, "save": 2}  # rough seconds

Progress = Callable[[str, float], None]


def build(
    photo_path: Path,
    out: Path,
    options: BuildOptions = BuildOptions(),
    annotations: Path | None = None,
    depth: Path | None = None,
    progress: Progress = lambda stage, fraction: None,
    warn: Callable[[str], None] = lambda text: None,
) -> dict:
    """Build a job from a photo.

    Args:
        photo_path: An image.
        out: The job folder; see `storage` for what it will hold.
        options: What the user chose.
        annotations: Strokes, ours or labelme's; None makes a still 3D photo.
        depth: A depth map; None estimates depth by rules.
        progress: Told (stage, fraction of the whole build).
        warn: Told, in one sentence each, what the user should know.

    Returns:
        The report, as in report.json, and the timing, as in timing.json.

    Raises:
        CinemaError: Something given cannot be used; the job folder stays as it was.
    """
    clock = _Clock(progress)
    warnings: list[str] = []

    def tell(text: str) -> None:
        warnings.append(text)
        warn(text)

    with storage.stage(out) as staging:
        folder = staging.path
        device = choose_device(options.device)
        with clock.stage("photo"):
            photo = read_photo(photo_path, options.max_side, options.focal)
            strokes = read_strokes(annotations, (photo.width, photo.height)) if annotations else []
        if photo.alpha is not None and (photo.alpha < 0.5).any():
            tell("The transparent parts of the photo are built as if they were opaque")
        hints = read_hints(strokes, photo, options.speed, tell)
        if not strokes:
            tell("There are no strokes, so this is a still 3D photo")
        with clock.stage("depth"):
            distance = read_depth(depth, photo) if depth else estimate_depth(photo)
        with clock.stage("layers"):
            layers = split_layers(photo.color, distance, Camera(photo.width, photo.height, photo.focal), options.seed)
        with clock.stage("motion"):
            surface = find_surface(hints.region, layers)
            motion = solve_motion(surface.region, hints.pixels + layers.pad, hints.velocities, surface.color, surface.disparity)
            motion = feather(motion, surface.region, options.feather * max(surface.region.shape))
        with clock.stage("points"):
            still, names = still_points(layers, surface)
            moving = moving_points(layers, surface, motion, options.frames, options.keys, device)
            seen = np.where(hints.region[..., None], motion[layers.photo], 0).astype(np.float32)
        with clock.stage("report"):
            points = {f"still_{k}": v for k, v in _arrays(still).items()} | {f"moving_{k}": v for k, v in _arrays(moving).items()}
            splatter = Splatter(points, layers.camera, POINT_SIZE, device)
            quality = measure(photo.color, hints.region, hints, seen, splatter, options.frames)
            if (quality["hint_angle_deg"] or 0) > CONTRADICTING:
                tell("Some motion strokes contradict each other; the water stalls between them")
        report = _report(photo, options, layers, names, still, moving, quality, warnings, bool(depth))
        with clock.stage("save"):
            _save(folder, photo, distance, seen, hints.region, layers, strokes, points, report)
        timing = clock.timing()
        (folder / "timing.json").write_text(json.dumps(timing, indent=1), encoding="utf-8")
    progress("save", 1.0)
    return report | timing


class _Clock:
    """Times the stages and tells how far the build is."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.start = progress, time.perf_counter()
        self.stages: list[dict] = []

    @contextmanager
    def stage(self, name: str):
        before = sum(weight for weight, _ in zip(STAGES.values(), self.stages))
        self.progress(name, before / sum(STAGES.values()))
        began = time.perf_counter()
        yield
        self.stages.append({"name": name, "seconds": round(time.perf_counter() - began, 3)})

    def timing(self) -> dict:
        return {
            "stages": self.stages,
            "seconds": round(time.perf_counter() - self.start, 3),
            "peak_memory_gb": _peak_memory(),
        }


def _peak_memory() -> float | None:
    """GB that the process has had resident at most; None where the system does not say."""
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e9 if sys.platform == "darwin" else 1e6), 3)


def _arrays(points: StillPoints | MovingPoints) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(getattr(points, name)) for name in points.__dataclass_fields__}


def _report(
    photo: Photo,
    options: BuildOptions,
    layers: Layers,
    names: list[str],
    still: StillPoints,
    moving: MovingPoints,
    quality: dict,
    warnings: list[str],
    depth_given: bool,
) -> dict:
    described = []
    for number, name in enumerate(names):
        depth = still.position[still.layer == number, 2]
        described.append({
            "name": name,
            "points": len(depth),
            "nearest": round(float(depth.min()), 4),
            "farthest": round(float(depth.max()), 4),
            "hidden": name == "Bed",
        })
    return {
        "schema": storage.SCHEMA,
        "version": __version__,
        "photo": photo.name,
        "width": photo.width,
        "height": photo.height,
        "focal": photo.focal,
        "frames": options.frames,
        "keys": options.keys,
        "point_size": POINT_SIZE,
        "options": asdict(options),
        "depth_source": "file" if depth_given else "rules",
        "layers": described,
        "still_points": len(still.position),
        "moving_points": len(moving.position),
        "hidden_points": int(sum(band.mask.sum() for band in layers.bands)),
        "quality": quality,
        "warnings": warnings,
    }


def _save(
    folder: Path,
    photo: Photo,
    depth: np.ndarray,
    motion: np.ndarray,
    region: np.ndarray,
    layers: Layers,
    strokes: list[Stroke],
    points: dict[str, np.ndarray],
    report: dict,
) -> None:
    write_png(folder / "photo.png", photo.color)
    np.save(folder / "depth.npy", depth)
    np.save(folder / "motion.npy", motion)
    write_png(folder / "region.png", np.where(region, 255, 0).astype(np.uint8))
    (folder / "layers").mkdir()
    write_png(folder / "layers" / "canvas.png", _with_alpha(layers.color, layers.shown))
    for band in layers.bands:
        write_png(folder / "layers" / f"behind_{band.layer + 1}.png", _with_alpha(band.color, band.mask))
    write_strokes(folder / "strokes.json", strokes, (photo.width, photo.height))
    np.savez(folder / "points.npz", **points)
    (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


def _bytes(color: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)


def _with_alpha(color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.concatenate([_bytes(color), np.where(mask, 255, 0).astype(np.uint8)[..., None]], -1)
