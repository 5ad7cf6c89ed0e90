"""What a build leaves in its job folder: the files, of which those of unchanged stages stay, and the report.

Input: finished stages. Output: a staged job, see `storage`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import __version__
from ..files.photo import write_png
from ..layers.split import Layers
from ..points.backing import BACKING_LAYER
from ..points.footprint import POINT_DIAMETER
from ..points.merge import count_points
from ..shared import job_files, job_folder, transaction
from ..shared.data import BuildOptions, MovingPoints, Photo, StillPoints
from . import cache
from .cache import DiskCache, mark_file, write_stages


class Outputs:
    """Files being staged.

    Args:
        staging: Where they go.
        shelf: What the job folder holds from before.
    """

    def __init__(self, staging: transaction.Staging, shelf: DiskCache) -> None:
        self._staging, self._shelf = staging, shelf
        self._keys: dict[str, str] = {}
        self._marks: dict[str, list] = {}

    def add(self, stage: str, key: str, files: list[str], write: Callable[[Path], None]) -> None:
        """Stage a stage's files, or leave those in the job folder where they are the same."""
        self._keys[stage] = key
        if self._shelf.holds(stage, key, *files):
            self._staging.keep(*files)
            self._marks |= {name: self._shelf.mark(name) for name in files}
        else:
            write(self._staging.path)
            self._marks |= {name: mark_file(self._staging.path, name) for name in files}

    def close(self, build_key: str, report: dict, timing: dict) -> None:
        """Stage the report and the keys of it all."""
        write_stages(self._staging.path, self._keys | {"build": build_key}, self._marks)
        write_report(self._staging.path, report, timing)


def write_report(folder: Path, report: dict, timing: dict) -> None:
    """Write report.json and timing.json."""
    (folder / job_files.REPORT).write_text(json.dumps(report, indent=1), encoding="utf-8")
    (folder / job_files.TIMING).write_text(json.dumps(timing, indent=1), encoding="utf-8")


def layer_files(layers: Layers) -> list[str]:
    """Names of what `write_layers` writes."""
    behind = (f"layers/behind_{number}_{band.layer + 1}.png" for number, band in enumerate(layers.bands, 1))
    return [job_files.LAYERS, "layers/canvas.png", *behind]


def write_layers(folder: Path, layers: Layers) -> None:
    """Write the layers for the next build, and pictures of what was inpainted."""
    cache.write_layers(folder, layers)
    (folder / "layers").mkdir()
    canvas, *behind = layer_files(layers)[1:]
    write_png(folder / canvas, _with_alpha(layers.color, layers.valid))
    for name, band in zip(behind, layers.bands):
        mask, color = np.zeros(layers.valid.shape, bool), np.zeros_like(layers.color)
        mask.ravel()[band.index], color.reshape(-1, 3)[band.index] = True, band.color
        write_png(folder / name, _with_alpha(color, mask))


def _with_alpha(color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    color = np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)
    return np.concatenate([color, np.where(mask, 255, 0).astype(np.uint8)[..., None]], -1)


def point_files(family: str) -> list[str]:
    """Names of the files of "still" or "moving" points."""
    return [file for name, file in job_files.POINTS_FILES.items() if name.startswith(family)]


def write_points(folder: Path, family: str, points: StillPoints | MovingPoints) -> None:
    """Write the "still" or the "moving" points."""
    job_folder.write_points(folder, {f"{family}_{name}": getattr(points, name) for name in points.__dataclass_fields__})


def describe_layers(still: StillPoints, names: list[str]) -> list[dict]:
    """The report's list of layers."""
    described = []
    for number, name in enumerate(names):
        depth = still.position[still.layer == number, 2]
        described.append(
            {
                "name": name,
                "points": len(depth),
                "nearest": round(float(depth.min()), 4),
                "farthest": round(float(depth.max()), 4),
                "hidden": name == BACKING_LAYER,
            }
        )
    return described


def describe(photo: Photo, name: str, options: BuildOptions, layers: Layers, described: dict) -> dict:
    """The report.

    Args:
        photo: The working photo.
        name: Its file's.
        options: What the user chose.
        layers: The layers.
        described: What else is known of the build.
    """
    hidden, border = count_points(layers)
    return {
        "schema": job_files.SCHEMA,
        "version": __version__,
        "photo": name,
        "file_size": list(photo.file_size),
        "width": photo.width,
        "height": photo.height,
        "focal": photo.focal,
        "frames": options.frames,
        "keys": options.keys,
        "point_size": POINT_DIAMETER,
        "options": asdict(options),
        "hidden_points": hidden,
        "border_points": border,
        **described,
    }
