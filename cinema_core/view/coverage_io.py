"""Coverage requests: read from JSON fields, answered for a finished job, and written as mask pictures.

Input: a job folder and the fields of a request. Output: `Coverage`, and a transparent PNG for every view.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..device import choose_device
from ..shared import job_folder
from ..shared.atomic_write import partial_name
from ..shared.camera import Camera, are_rigid
from ..shared.errors import CinemaError, cannot_write
from ..shared.transaction import OWNED
from .coverage import Coverage, check_views
from .inspector import HOLE, INVENTED, SEEN, Inspector, Views
from .marks import check_own, is_own, mark_png

DEFAULT_LIMIT = 0.001  # share of holes up to which a frame is good
MASK_COLORS = {HOLE: (255, 0, 70, 205), INVENTED: (40, 150, 255, 105), SEEN: (0, 0, 0, 0)}  # RGBA
_BLENDERS_FOLDER = "coverage"  # in a job folder; a folder of pictures in it for each check
_VIEWS_HINT = (
    "Give every view a pose (16 numbers), a lens (focal length x and y, centre x and y in px, near and far distance) "
    "and a phase"
)


@dataclass(frozen=True, eq=False)
class CoverageRequest:
    """A coverage request.

    Attributes:
        views: A function that gives the views once the photo's camera is known.
        limit: Share of holes up to which a frame is good.
        photo_pose: (4, 4) pose of the photo's camera, towards which the path is to be scaled; None leaves it.
        point_size: Diameter of the points in pixel footprints; None takes the build's.
        focal: Focal length, px. If it differs from the build's, x and y are scaled so that all points keep their
            pixels. None takes the build's.
    """

    views: Callable[[Camera], Views]
    limit: float
    photo_pose: np.ndarray | None
    point_size: float | None
    focal: float | None


def measure_coverage(
    job: Path, request: CoverageRequest, progress: Callable[[float], None] = lambda fraction: None
) -> Coverage:
    """Answer a request about a finished job.

    Args:
        job: A finished job folder.
        request: The request.
        progress: Called with the fraction done, 0..1.

    Raises:
        CinemaError: There is no finished job, the request has no valid views, or the path cannot be made safe.
    """
    inspector = open_inspector(job, request.point_size, request.focal)
    return check_views(inspector, request.views(inspector.camera), request.limit, request.photo_pose, progress)


def open_inspector(
    job: Path, point_size: float | None = None, focal: float | None = None, device: str = "auto"
) -> Inspector:
    """An inspector of a finished job.

    Args:
        job: A finished job folder.
        point_size: As in `CoverageRequest`.
        focal: As in `CoverageRequest`.
        device: torch device or "auto".

    Raises:
        CinemaError: There is no finished job.
    """
    report, points = job_folder.read_report(job), job_folder.read_points(job)
    camera = Camera(report["width"], report["height"], focal or report["focal"])
    scale = np.array((report["focal"] / camera.focal,) * 2 + (1,), np.float32)
    if (scale != 1).any():
        scaled = ("still_position", "moving_position", "moving_displacement")
        points = points | {name: points[name] * scale for name in scaled}
    backing = [number for number, layer in enumerate(report["layers"]) if layer["hidden"]]
    return Inspector(points, camera, point_size or report["point_size"], backing, choose_device(device))


def read_request(fields: dict) -> CoverageRequest:
    """Read a request.

    Args:
        fields: "limit" (else `DEFAULT_LIMIT`), "point_size", "focal" and "photo_pose" as in `CoverageRequest`, and
            the fields of `read_views`.

    Raises:
        CinemaError: A field is malformed.
    """
    try:
        limit = float(fields.get("limit", DEFAULT_LIMIT))
        size, focal = (None if fields.get(name) is None else float(fields[name]) for name in ("point_size", "focal"))
        given = fields.get("photo_pose")
        photo_pose = None if given is None else np.array(given, np.float64).reshape(4, 4)
    except (TypeError, ValueError, OverflowError) as error:
        text = "The coverage request cannot be read"
        raise CinemaError(text, "Give limit, point_size and focal as numbers, and photo_pose as 16 numbers") from error
    if not 0 <= limit <= 1 or any(value is not None and not 0 < value < 1e6 for value in (size, focal)):
        text = "A number of the coverage request is out of range"
        raise CinemaError(text, "Give limit as a share from 0 to 1, and point_size and focal as positive numbers")
    if photo_pose is not None and not are_rigid(photo_pose[None]):
        raise CinemaError("The photo camera's pose does more than rotate and move", "Remove scale and shear from it")
    return CoverageRequest(lambda camera: read_views(fields, camera), limit, photo_pose, size, focal)


def photo_lens(camera: Camera, width: int, height: int) -> tuple[float, ...]:
    """The lens of the photo's camera for a frame of another size, as of `Views`; fitted as Blender fits it."""
    focal = camera.focal * max(width, height) / max(camera.width, camera.height)
    return focal, focal, width / 2, height / 2, 0.01, 1e9


def read_views(fields: dict, camera: Camera) -> Views:
    """Read the views of a request.

    Args:
        fields: "poses" ([16 numbers, ...], row by row), and optionally "width" and "height" (else the photo's),
            "lenses" ([6 numbers, ...], else the photo camera's) and "phases" (else 0).
        camera: The photo's camera.

    Raises:
        CinemaError: The fields do not describe views.
    """
    try:
        width, height = (int(fields.get(name) or getattr(camera, name)) for name in ("width", "height"))
        poses = np.array(fields["poses"], np.float64).reshape(-1, 4, 4)
        lenses = np.array(fields.get("lenses") or [photo_lens(camera, width, height)] * len(poses), np.float64)
        phases = np.array(fields.get("phases") or [0.0] * len(poses), np.float64) % 1.0
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CinemaError("The request has no views", _VIEWS_HINT) from error
    fits = len(poses) and lenses.shape == (len(poses), 6) and phases.shape == (len(poses),) and min(width, height) > 0
    if not fits or not (np.isfinite(lenses).all() and np.isfinite(phases).all() and (lenses[:, :2] > 0).all()):
        raise CinemaError("The request's views are incomplete", _VIEWS_HINT)
    if not are_rigid(poses):
        raise CinemaError("A pose does more than rotate and move", "Remove scale and shear from the poses")
    return Views(width, height, poses, lenses, phases)


def check_masks(folder: Path, count: int) -> None:
    """Refuse a folder in which `write_masks` would overwrite a file that it did not write.

    Raises:
        CinemaError: There is such a file.
    """
    check_own(file for file in _mask_files(folder, count) if not _is_own_mask(file))


def _mask_files(folder: Path, count: int) -> list[Path]:
    return [folder / f"{number:04d}.png" for number in range(1, count + 1)]


def _is_own_mask(file: Path) -> bool:
    """Whether a picture has the program's mark, or lies where Blender keeps those of checks, which once had none."""
    folder = file.parent.parent
    return is_own(file) or (folder.name == _BLENDERS_FOLDER and (folder.parent / OWNED).exists())


def write_masks(folder: Path, found: Coverage) -> list[str]:
    """Write a picture for every view, from 0001.png on, in `MASK_COLORS`: all but holes and invented parts transparent.

    A view that was not inspected gets the picture of the nearest one that was. Pictures of an earlier, longer path are
    removed; other files stay.

    Args:
        folder: Folder of the pictures; created where it is missing.
        found: The coverage of a path.

    Returns:
        Absolute paths of the files.

    Raises:
        CinemaError: The folder cannot be written, or has a file of another program of such a name.
    """
    check_masks(folder, len(found.uncovered))
    inspected = np.array(found.inspected)
    colors = np.zeros((256, 4), np.uint8)
    for kind, (red, green, blue, alpha) in MASK_COLORS.items():
        colors[kind] = blue, green, red, alpha
    pictures = {
        index: mark_png(cv2.imencode(".png", colors[found.masks[index]])[1].tobytes()) for index in found.inspected
    }
    files = _mask_files(folder, len(found.uncovered))
    staged = partial_name(folder / "masks")
    try:
        staged.mkdir(parents=True)
        for index, file in enumerate(files):
            (staged / file.name).write_bytes(pictures[int(inspected[np.abs(inspected - index).argmin()])])
        for old in set(folder.glob("[0-9][0-9][0-9][0-9].png")).difference(files):
            if _is_own_mask(old):
                old.unlink()
        for file in files:
            os.replace(staged / file.name, file)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return [str(file.absolute()) for file in files]
