"""Export of a job for other programs: its motion, the mask of its region, or its strokes."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..files import photo
from ..files.flow import write_flow
from ..shared import job_files, job_folder, transaction
from ..shared.errors import UNREADABLE_ARRAY, CinemaError
from ..shared.labelme import write_labelme
from ..shared.stroke_files import read_strokes

LARGEST_REGION = 16384  # px; the longest side that a working photo may have


def write_motion(job: Path, file: Path) -> None:
    """Write the motion, px/frame, as .flo, .npy or .exr."""
    write_flow(file, _read_motion(job)[0])


def write_region(job: Path, file: Path) -> None:
    """Write the flowing region as a mask: 255 flows, 0 does not."""
    photo.write_png(file, np.where(_read_motion(job)[1], 255, 0).astype(np.uint8))


def write_strokes(job: Path, file: Path) -> None:
    """Write the strokes in labelme's form."""
    report = job_folder.read_report(job)
    size = (report["width"], report["height"])
    write_labelme(file, read_strokes(job / job_files.STROKES, size), size, report["photo"], tuple(report["file_size"]))


WRITERS = {
    ".flo": write_motion,
    ".npy": write_motion,
    ".exr": write_motion,
    ".png": write_region,
    ".json": write_strokes,
}


def _read_motion(job: Path) -> tuple[np.ndarray, np.ndarray]:
    """Motion and region: those that were solved for last, in the build or after it."""
    transaction.recover(job)
    try:
        if (job / job_files.FLOW).exists():
            with np.load(job / job_files.FLOW, allow_pickle=False) as arrays:
                return arrays["motion"], arrays["region"]
        motion = np.load(job / job_files.MOTION, allow_pickle=False)
        return motion, photo.read_photo(job / job_files.REGION, LARGEST_REGION).color[..., 0] > 0.5
    except FileNotFoundError as error:
        raise CinemaError(f"{job} holds no finished build", "Build it first") from error
    except (OSError, zipfile.BadZipFile, zlib.error, *UNREADABLE_ARRAY) as error:
        raise CinemaError(f"The motion in {job} is damaged", "Build it again") from error
