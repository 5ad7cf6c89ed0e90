"""Coverage requests: read, answered, and written as mask pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..device import choose_device
from ..shared import job_folder
from ..shared.camera import Camera, are_rigid
from ..shared.errors import CinemaError
from .coverage import Coverage, check_views
from .inspector import HOLE, INVENTED, SEEN, Inspector, Views

LIMIT = 0.001  # share of holes up to which a frame is good, where nothing else is asked for
COLORS = {HOLE: (255, 0, 70, 205), INVENTED: (40, 150, 255, 105), SEEN: (0, 0, 0, 0)}  # of the masks, RGBA
_VIEWS = "Give poses (16 numbers each), lenses (focal x, y, centre x, y, near, far; px) and phases, one of each a view"


@dataclass(frozen=True, eq=False)
class CoverageRequest:
    """What is asked about a job.

    Attributes:
        views: A function that gives the views once the photo's camera is known.
        limit: Share of holes up to which a frame is good.
        home: (4, 4) pose towards which the path is to be scaled; None leaves it.
        point_size: Diameter of the points in pixel footprints; None takes the build's.
        focal: px; where it is not the build's, all points stand wider or narrower, at the same pixels of the photo.
    """

    views: Callable[[Camera], Views]
    limit: float
    home: np.ndarray | None
    point_size: float | None
    focal: float | None


def measure_coverage(
    job: Path, question: CoverageRequest, progress: Callable[[float], None] = lambda fraction: None
) -> Coverage:
    """Look at a finished job.

    Raises:
        CinemaError: There is no finished job, the views are none, or not even from home all is well.
    """
    inspector = open_inspector(job, question.point_size, question.focal)
    return check_views(inspector, question.views(inspector.camera), question.limit, question.home, progress)


def open_inspector(
    job: Path, point_size: float | None = None, focal: float | None = None, device: str = "auto"
) -> Inspector:
    """An inspector of a finished job; arguments as in `Question`.

    Raises:
        CinemaError: There is no finished job.
    """
    report, points = job_folder.read_report(job), job_folder.read_points(job)
    camera = Camera(report["width"], report["height"], focal or report["focal"])
    scale = np.array((report["focal"] / camera.focal,) * 2 + (1,), np.float32)
    if (scale != 1).any():
        moved = ("still_position", "moving_position", "moving_displacement")
        points = points | {name: points[name] * scale for name in moved}
    bed = [number for number, layer in enumerate(report["layers"]) if layer["hidden"]]
    return Inspector(points, camera, point_size or report["point_size"], bed, choose_device(device))


def read_request(fields: dict) -> CoverageRequest:
    """What a request asks: see `Question` and `read_views` for its fields; "limit" is 0.001 where it is left out.

    Raises:
        CinemaError: A field is not what it should be.
    """
    try:
        limit = float(fields.get("limit", LIMIT))
        size, focal = (None if fields.get(name) is None else float(fields[name]) for name in ("point_size", "focal"))
        home = None if fields.get("home") is None else np.array(fields["home"], np.float64).reshape(4, 4)
    except (TypeError, ValueError) as error:
        raise CinemaError("The request is none about coverage", "Give its fields as numbers") from error
    if not 0 <= limit <= 1 or any(value is not None and not 0 < value < 1e6 for value in (size, focal)):
        raise CinemaError("A number of the request is out of range", "limit is a share, point_size and focal are px")
    if home is not None and not are_rigid(home[None]):
        raise CinemaError("The home pose does more than turn and move", "Leave scale and shear out of it")
    return CoverageRequest(lambda camera: read_views(fields, camera), limit, home, size, focal)


def photo_lens(camera: Camera, width: int, height: int) -> tuple[float, ...]:
    """The lens of `Views` of the photo's camera when it renders a frame of another size, as Blender fits it."""
    focal = camera.focal * max(width, height) / max(camera.width, camera.height)
    return focal, focal, width / 2, height / 2, 0.01, 1e9


def read_views(fields: dict, camera: Camera) -> Views:
    """The views of a request.

    Args:
        fields: poses ([16 numbers, ...], row by row), width and height; where they are left out, the lenses ([6
            numbers, ...]) are the photo camera's and the phases 0.
        camera: The photo's camera.

    Raises:
        CinemaError: They are no views.
    """
    try:
        width, height = (int(fields.get(name) or getattr(camera, name)) for name in ("width", "height"))
        poses = np.array(fields["poses"], np.float64).reshape(-1, 4, 4)
        lenses = np.array(fields.get("lenses") or [photo_lens(camera, width, height)] * len(poses), np.float64)
        phases = np.array(fields.get("phases") or [0.0] * len(poses), np.float64) % 1.0
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CinemaError("The request has no views", _VIEWS) from error
    fits = len(poses) and lenses.shape == (len(poses), 6) and phases.shape == (len(poses),) and min(width, height) > 0
    if not fits or not (np.isfinite(lenses).all() and np.isfinite(phases).all() and (lenses[:, :2] > 0).all()):
        raise CinemaError("The request's views are incomplete", _VIEWS)
    if not are_rigid(poses):
        raise CinemaError("A pose does more than turn and move", "Leave scale and shear out of the poses")
    return Views(width, height, poses, lenses, phases)


def write_masks(folder: Path, found: Coverage) -> list[str]:
    """Write a picture for every view, 0001.png and on: holes and what is invented in `COLORS`, all else transparent.

    A view that was not looked at gets the picture of the nearest one that was. Earlier pictures go.

    Returns:
        Their names.

    Raises:
        CinemaError: The folder cannot be written.
    """
    looked = np.array(found.looked)
    colors = np.zeros((256, 4), np.uint8)
    for kind, (red, green, blue, alpha) in COLORS.items():
        colors[kind] = blue, green, red, alpha
    pictures = {index: cv2.imencode(".png", colors[found.masks[index]])[1].tobytes() for index in found.looked}
    files = [folder / f"{index + 1:04d}.png" for index in range(len(found.uncovered))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9][0-9][0-9][0-9].png"):
            old.unlink()
        for index, file in enumerate(files):
            file.write_bytes(pictures[int(looked[np.abs(looked - index).argmin()])])
    except OSError as error:
        raise CinemaError(f"Cannot write to {folder} ({error.strerror or error})", "Choose another folder") from error
    return [str(file.absolute()) for file in files]
