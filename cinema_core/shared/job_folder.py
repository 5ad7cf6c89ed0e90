"""A job folder: what a build leaves behind. Standard library and numpy only: Blender's process imports this module.

Files of a finished job (sizes H x W are the working photo's)::

    report.json   quality report, what was built, the list of the job's files
    timing.json   seconds and memory of the stages; the only file that two builds of one input do not share
    photo.png     working photo, 8 bit RGB
    depth.npy     (H, W) float32, scene units; depth.json says where it comes from
    depth_base.npy, depth_base.json  the same before strokes corrected it, where any did
    motion.npy    (H, W, 2) float32, px/frame
    region.png    (H, W) 8 bit, 255 = moves
    layers/*.png  what was inpainted
    strokes.json  the strokes used, see `strokes`
    points/*.npy  the points, an array a file, see `POINTS`
    flow_preview.npz  the motion solved for after the build, see `pipeline.Studio.flow`
    depth_preview.npz  the depth made after the build, see `commands.depth`
    stages.json   which stage made these files of what, and layers.npz: read by `cache` alone

A kill at any moment leaves the last good state. New files are first written to ``.staging-<pid>``. Publishing starts
when the journal ``.commit.json`` appears, in one step; from then on the new state is complete, and whoever comes next
(`recover`, called by every reader and writer) finishes the moves. Before that, the old state is untouched, and a
staging folder whose writer died is removed by the next writer. One writer at a time holds ``.lock``, which the system
gives back when the process dies. ``.cinemagraph.json`` lists the files that are the job's own; files of the user in
the same folder are never touched.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .errors import CinemaError
from .job_files import POINTS, POINTS_FILES, REPORT, SCHEMA
from .transaction import JOURNAL, OWNED, recover


def read_report(job: Path) -> dict:
    """Read report.json of a finished job.

    Raises:
        CinemaError: There is no finished job, or another version of the program made it.
    """
    job = Path(job)
    recover(job)
    try:
        report = json.loads((job / REPORT).read_text(encoding="utf-8"))
    except OSError as error:
        raise CinemaError(f"{job} holds no finished build", "Build it first") from error
    except (ValueError, RecursionError) as error:
        raise CinemaError(f"{job / REPORT} is damaged", "Build it again") from error
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise CinemaError(f"{job / REPORT} was not written by this version of 3D Cinemagraph", "Build it again")
    return report


def write_points(folder: Path, points: dict[str, np.ndarray]) -> None:
    """Write arrays of `POINTS`, all or some, into a staged job.

    Args:
        folder: As `Staging.path`.
        points: Arrays by name.
    """
    (folder / "points").mkdir(exist_ok=True)
    for name, array in points.items():
        np.save(folder / POINTS_FILES[name], array, allow_pickle=False)


def read_points(job: Path) -> dict[str, np.ndarray]:
    """Map the points of a finished job: every array of `POINTS`, by name, all of one build.

    The arrays are read from disk when they are used, and changing them changes nothing on disk. They stay as they are
    when the job is built again; on Windows it cannot be while anybody holds them.

    Raises:
        CinemaError: There is no finished job, or its files are damaged.
    """
    job = Path(job)
    try:
        points = _map_points(job)
        _check_points(points)
    except FileNotFoundError as error:
        raise CinemaError(f"{job} holds no finished build", "Build it first") from error
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CinemaError(f"{job / 'points'} is damaged", "Build it again") from error
    return points


def _map_points(job: Path) -> dict[str, np.ndarray]:
    """Open all files between two publications, which takes a millisecond."""
    while True:
        recover(job)
        before = _stamp(job)
        try:
            points = {
                name: np.load(job / file, mmap_mode="c", allow_pickle=False) for name, file in POINTS_FILES.items()
            }
        except FileNotFoundError:
            if before == _stamp(job) and not (job / JOURNAL).exists():
                raise
            continue
        if before == _stamp(job) and not (job / JOURNAL).exists():
            return points


def _stamp(job: Path) -> tuple[int, int] | None:
    """What every publication changes."""
    try:
        status = (job / OWNED).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _check_points(points: dict[str, np.ndarray]) -> None:
    sizes: dict[str, int] = {}
    for name, dimensions in POINTS.items():
        array = points[name]
        kind = np.int16 if name in ("still_layer", "moving_cycles") else np.float32
        if array.dtype != kind or array.ndim != len(dimensions):
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
        for size, dimension in zip(array.shape, dimensions):
            if size != (dimension if isinstance(dimension, int) else sizes.setdefault(dimension, size)):
                raise ValueError(f"{name} has shape {array.shape}, expected {dimensions} with {sizes}")
