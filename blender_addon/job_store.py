"""The folder with the engine's results of all photos: its size, and its removal. All of it can be made again."""

import shutil
import time
from pathlib import Path

import bpy

from . import jobs

KEPT = 3.0  # seconds for which a measured size is shown again; panels are drawn many times a second

_measured: tuple[float, int] = (-KEPT, 0)  # time, and bytes


def size() -> int:
    """Give the size of the folder on disk, bytes."""
    global _measured
    if time.monotonic() - _measured[0] >= KEPT:
        _measured = time.monotonic(), _size(jobs.jobs_folder())
    return _measured[1]


def clear() -> int:
    """Remove the results of all photos but those of the open file, and give the freed bytes."""
    global _measured
    kept = {jobs.job_path(scene).resolve() for scene in bpy.data.scenes if scene.cinemagraph.job_folder}
    before = _size(jobs.jobs_folder())
    for job in jobs.jobs_folder().iterdir():
        if job.is_dir() and job.resolve() not in kept:
            shutil.rmtree(job, ignore_errors=True)  # another Blender may use it
    _measured = time.monotonic(), _size(jobs.jobs_folder())
    return before - _measured[1]


def _size(place: Path) -> int:
    found = 0
    for file in place.rglob("*"):
        try:
            found += file.stat().st_size if file.is_file() else 0
        except OSError:  # removed meanwhile
            continue
    return found
