"""The files that a build leaves in its job folder, of which those of unchanged stages stay, and the report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import __version__
from ..layers.split import Layers
from ..points.footprint import POINT_DIAMETER
from ..points.merge import count_points
from ..shared import job_files, transaction
from ..shared.data import Photo
from .cache import DiskCache, Mark, mark_file, write_stages
from .request import Request
from .stage import Stored


class Outputs:
    """Files being staged.

    Args:
        staging: Where they go.
        disk: The values that the job folder holds from before.
    """

    def __init__(self, staging: transaction.Staging, disk: DiskCache) -> None:
        self.staging, self._disk = staging, disk
        self._keys: dict[str, str] = {}
        self._marks: dict[str, Mark | None] = {}

    def add(self, stored: Stored[Any] | None, key: str, value: object) -> None:
        """Stage the files of a stage's value, or leave those in the job folder where they are the same."""
        assert stored is not None
        files = stored.files(value)
        self._keys[stored.entry] = key
        if self._disk.holds(stored.entry, key, *files):
            self.staging.keep(*files)
            self._marks |= {name: self._disk.mark(name) for name in files}
        else:
            stored.write(self.staging.path, value)
            self._marks |= {name: mark_file(self.staging.path, name) for name in files}

    def close(self, build_key: str, report: dict[str, Any], timing: dict[str, Any]) -> None:
        """Stage the report and the keys of all values."""
        write_stages(self.staging.path, self._keys | {"build": build_key}, self._marks)
        write_report(self.staging.path, report, timing)


def write_report(folder: Path, report: dict[str, Any], timing: dict[str, Any]) -> None:
    """Write report.json and timing.json."""
    (folder / job_files.REPORT).write_text(json.dumps(report, indent=1), encoding="utf-8")
    (folder / job_files.TIMING).write_text(json.dumps(timing, indent=1), encoding="utf-8")


def describe(photo: Photo, request: Request, layers: Layers, described: dict[str, Any]) -> dict[str, Any]:
    """The report.

    Args:
        photo: The working photo.
        request: The request of the build.
        layers: The layers.
        described: Entries that are known already.
    """
    hidden, border = count_points(layers)
    return {
        "schema": job_files.SCHEMA,
        "version": __version__,
        "photo": request.photo.name,
        "file_size": list(photo.file_size) if photo.file_size else None,
        "width": photo.width,
        "height": photo.height,
        "focal": photo.focal,
        "frames": request.options.frames,
        "keys": request.options.keys,
        "point_size": POINT_DIAMETER,
        "options": asdict(request.options),
        "hidden_points": hidden,
        "border_points": border,
        **described,
    }
