"""What the operators ask of the engine: which folder, which files, which command."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..cinema_core import storage
from ..cinema_core.camera import Camera
from ..cinema_core.errors import CinemaError
from ..cinema_core.strokes import write_strokes
from . import result, scene as stage, strokes
from .engine import BUILD_NEEDS, OPEN_NEEDS, Job


@dataclass(frozen=True)
class OpenRequest:
    """A photo to open.

    Attributes:
        source: The file.
        max_side: Longest side of the working photo, px.
        job: The job folder.
    """

    source: Path
    max_side: int
    job: Path


def request_open(scene: bpy.types.Scene, path: str) -> OpenRequest:
    """Gather what opening a photo needs.

    Raises:
        CinemaError: There is no such file.
    """
    source = Path(bpy.path.abspath(path))
    if not path or not source.is_file():
        raise CinemaError(f'There is no file "{source}"' if path else "No photo is chosen", "Choose a photo")
    return OpenRequest(source, scene.cinemagraph.max_side, _job_folder(source))


def start_open(request: OpenRequest) -> Job:
    """Let the engine make the working photo."""
    arguments = ["open", str(request.source), "--out", str(request.job), "--max-side", str(request.max_side)]
    return Job(arguments, _log(), OPEN_NEEDS)


def finish_open(scene: bpy.types.Scene, request: OpenRequest, answer: dict) -> None:
    """Set the stage for the photo that the engine opened."""
    camera = Camera(answer["width"], answer["height"], answer["focal"])
    stage.place_photo(scene, stage.OpenedPhoto(request.source, Path(answer["photo"]), request.job, camera))


def start_build(scene: bpy.types.Scene) -> Job:
    """Let the engine build what the scene asks for: its photo, its strokes, its settings.

    Raises:
        CinemaError: The scene's photo is gone, or strokes or depth cannot be used.
    """
    settings = scene.cinemagraph
    job = ensure_job_folder(scene)
    drawn = strokes.read_hints(scene)
    arguments = ["build", str(job / storage.PHOTO), "--out", str(job), "--focal", repr(settings.focal)]
    arguments += ["--frames", str(settings.frames), "--speed", repr(settings.speed)]
    arguments += ["--max-side", str(max(settings.width, settings.height))]  # it has been scaled when it was opened
    if drawn:
        hints = Path(bpy.app.tempdir) / "cinemagraph_strokes.json"
        write_strokes(hints, drawn, (settings.width, settings.height))
        arguments += ["--annotations", str(hints)]
    if settings.depth_file:
        arguments += ["--depth", bpy.path.abspath(settings.depth_file)]
    return Job(arguments, _log(), BUILD_NEEDS)


def finish_build(scene: bpy.types.Scene, answer: dict) -> dict:
    """Bring the finished job into the scene and give its report, with the timing that the engine told."""
    told = answer["report"]
    timing = {name: told[name] for name in ("seconds", "stages", "peak_memory_gb")}
    return result.import_result(scene, job_path(scene), timing)


def job_path(scene: bpy.types.Scene) -> Path:
    """Give the scene's job folder."""
    return Path(bpy.path.abspath(scene.cinemagraph.job_folder))


def ensure_job_folder(scene: bpy.types.Scene) -> Path:
    """Write the packed photo into the job folder where it is missing, and give the folder.

    A .blend that travelled, or whose job folder was cleaned away, builds as before.
    """
    settings = scene.cinemagraph
    if settings.photo is None or settings.photo.packed_file is None:
        raise CinemaError("The scene's photo is gone", "Open the photo again")
    packed = settings.photo.packed_file.data
    if not settings.job_folder:
        settings.job_folder = str(_job_folder(Path(settings.photo_path)))
    job = job_path(scene)
    if not _writable(job):
        job = _job_folder(Path(settings.photo_path))  # the folder of another computer or user
        settings.job_folder = str(job)
    storage.recover(job)
    photo = job / storage.PHOTO
    if not photo.is_file() or photo.read_bytes() != packed:
        with storage.stage(job, keep=True) as staging:
            (staging.path / storage.PHOTO).write_bytes(packed)
    return job


def _writable(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def _job_folder(source: Path) -> Path:
    """A folder of the user's for this photo in this .blend: two files never share one."""
    mark = hashlib.sha1(f"{source}\n{bpy.data.filepath}".encode()).hexdigest()[:8]
    jobs = bpy.utils.extension_path_user(base_package, path="jobs", create=True)
    return Path(jobs) / f"{source.stem}-{mark}"


def _log() -> Path:
    return Path(bpy.app.tempdir) / "cinemagraph_engine.log"
