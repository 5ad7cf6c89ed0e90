"""A job folder: the files of a finished build. Standard library and numpy only: Blender's process imports this module.

Its files (H x W is the size of the working photo)::

    report.json   quality report, entries about the build, the list of the job's files
    timing.json   seconds and memory of the stages; the only file that differs between two builds of one input
    photo.png     working photo, 8 bit RGB
    depth.npy     (H, W) float32, scene units; depth.json names its source
    depth_base.npy, depth_base.json  the same before depth strokes, where there are any
    motion.npy    (H, W, 2) float32, px/frame
    region.png    (H, W) 8 bit, 255 = moves
    layers/*.png  inpainted pictures of the layers
    strokes.json  the strokes used, see `stroke_files`
    points/*.npy  the points, one array per file, see `POINTS`
    flow_preview.npz  motion that was solved after the build
    depth_preview.npz  depth that was estimated after the build
    stages.json, layers.npz  intermediate results and their keys, for the next build: `pipeline.cache`

A process that is killed at any moment leaves a complete state. New files are first written to ``.staging-<pid>``.
Publishing starts when the journal ``.commit.json`` appears, in one step. From then on the new state counts, and the
next reader or writer finishes the moves (`recover`). Before that the old state is untouched, and the next writer
removes a staging folder whose writer died. One writer at a time holds ``.lock``, which the system releases when the
process dies. ``.cinemagraph.json`` lists the job's own files; the user's files in the same folder are not touched.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .atomic_write import save_array
from .errors import UNREADABLE_ARRAY, CinemaError
from .job_files import POINTS, POINTS_DTYPES, POINTS_FILES, REPORT, SCHEMA
from .transaction import JOURNAL, OWNED, recover

# Limits of a good build; the panel's verdict, `blender_addon/quality_words.py`, has the same.
FEW_HOLES, MANY_HOLES = 0.001, 0.02  # shares of a view at the end of a camera path; many spoil that path
GOOD = (  # figure of the quality, range in which it is good, the fault outside of it
    ("fidelity_db", (30.0, 100.0), "frame 1 differs from the photo, dB"),
    ("seam", (0.0, 1.3), "the loop jumps where it restarts, times the usual change"),
    ("contrast", (0.8, 100.0), "moving parts blur, share of their contrast"),
    ("contrast_max", (0.0, 1.2), "moving parts sharpen, share of their contrast"),
    ("bent", (0.0, 0.06), "a camera move bends straight lines, share of their length"),
    ("torn", (0.0, 2.0), "a camera move tears surfaces, longer sides of the photo"),
    ("shreds", (0, 20), "a camera move tears off pieces, number"),
    ("hint_angle_deg", (0.0, 20.0), "the flow leaves the strokes' direction, degrees"),
    ("hint_speed", (0.0, 0.5), "the flow leaves the strokes' speed, relative error"),
)
OF_ESTIMATES = ("bent", "torn", "shreds")  # figures that judge an estimate; true depth of foliage has cuts too


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


def describe_quality(report: dict) -> str:
    """The quality of a build in words: "Good: no holes, the loop closes", or the figures that an artist should look at.

    Args:
        report: As from `read_report`; its "quality" has the figures of `view.quality`.
    """
    quality = report["quality"]
    if not quality.get("measured"):
        return "Not measured"
    faults, is_poor = [], False
    holes = quality.get("holes") or {}
    path = max(holes, key=lambda name: holes[name], default="")
    if path and holes[path] > FEW_HOLES:
        faults.append(f"{holes[path]:.1%} holes on the path {path}")
        is_poor = holes[path] > MANY_HOLES
    for name, (low, high), text in GOOD:
        value = None if name in OF_ESTIMATES and report.get("depth_source") == "file" else quality.get(name)
        if value is not None and not low <= value <= high:
            faults.append(f"{text} ({value:.3g})")
    if faults:
        return f"{'Poor' if is_poor or len(faults) > 2 else 'Fair'}: {', '.join(faults)}"
    return f"Good: no holes, {'the loop closes' if quality.get('seam') is not None else 'a still photo'}"


def write_points(folder: Path, points: dict[str, np.ndarray]) -> None:
    """Write arrays of `POINTS`, all or some, into a staged job.

    Args:
        folder: The staging folder, `Staging.path`.
        points: Arrays by name.

    Raises:
        ValueError: An array has another dtype or shape than `POINTS` says, so that `read_points` would not take it.
    """
    _check_points(points)
    (folder / "points").mkdir(exist_ok=True)
    for name, array in points.items():
        save_array(folder / POINTS_FILES[name], array)


def read_points(job: Path) -> dict[str, np.ndarray]:
    """Memory-map the points of a finished job: every array of `POINTS` by name, all from one build.

    The arrays are read from disk on access, and changes to them are not written to disk. They keep their values when
    the job is built again; on Windows that build fails while a process holds them.

    Raises:
        CinemaError: There is no finished job, or its files are damaged.
    """
    job = Path(job)
    try:
        points = _map_points(job)
        _check_points(points)
    except FileNotFoundError as error:
        raise CinemaError(f"{job} holds no finished build", "Build it first") from error
    except (OSError, *UNREADABLE_ARRAY) as error:
        raise CinemaError(f"{job / 'points'} is damaged", "Build it again") from error
    return points


def _map_points(job: Path) -> dict[str, np.ndarray]:
    """Open all files, again if another process has published in the meantime."""
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
    """Inode and modification time of a file that every publication replaces; None without a build."""
    try:
        status = (job / OWNED).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _check_points(points: dict[str, np.ndarray]) -> None:
    """Check dtypes and shapes of all arrays, or of some."""
    sizes: dict[str, int] = {}
    for name, array in points.items():
        dimensions = POINTS[name]
        if array.dtype != POINTS_DTYPES.get(name, "float32") or array.ndim != len(dimensions):
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
        for size, dimension in zip(array.shape, dimensions):
            if size != (dimension if isinstance(dimension, int) else sizes.setdefault(dimension, size)):
                raise ValueError(f"{name} has shape {array.shape}, expected {dimensions} with {sizes}")
