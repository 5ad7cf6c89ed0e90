"""What the operators ask of the engine: which folder, which files, which command, and what becomes of the answer."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from .. import __package__ as base_package
from ..cinema_core.shared import job_files, transaction
from ..cinema_core.shared.camera import Camera
from ..cinema_core.shared.errors import CinemaError
from ..cinema_core.shared.stroke_files import read_strokes, write_strokes
from . import depth_models, engine, result, strokes
from . import scene as stage
from .depth_display import DepthMap
from .engine import Request


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


@dataclass(frozen=True, eq=False)
class Streamlines:
    """The solved motion as lines to be drawn over the photo.

    Attributes:
        points: (P, 2) float32, px of the photo, line after line, each drawn downstream.
        offsets: (L + 1,) int32, where each line starts in `points`.
        speed: (L,) float32, px/frame.
    """

    points: np.ndarray
    offsets: np.ndarray
    speed: np.ndarray


# Opening a photo


def request_open(scene: bpy.types.Scene, path: str) -> OpenRequest:
    """Gather what opening a photo needs.

    Raises:
        CinemaError: There is no such file.
    """
    source = Path(bpy.path.abspath(path))
    if not path or not source.is_file():
        raise CinemaError(f'There is no file "{source}"' if path else "No photo is chosen", "Choose a photo")
    return OpenRequest(source, scene.cinemagraph.max_side, _job_folder(source))


def start_open(request: OpenRequest) -> Request:
    """Let the engine make the working photo."""
    fields = {"photo": str(request.source), "out": str(request.job), "max_side": request.max_side, "focal": None}
    return engine.ask("open", fields, engine.OPEN_NEEDS)


def finish_open(scene: bpy.types.Scene, request: OpenRequest, answer: dict) -> None:
    """Set the stage for the photo that the engine opened."""
    camera = Camera(answer["width"], answer["height"], answer["focal"])
    stage.place_photo(
        scene, stage.OpenedPhoto(request.source, Path(answer["photo"]), request.job, camera, answer["file_size"])
    )


# Building


def has_hints(scene: bpy.types.Scene) -> bool:
    """Tell whether the scene says what moves: by strokes, by a painted mask or by a motion file."""
    settings = scene.cinemagraph
    drawn = strokes.read_hints(scene)
    return len(drawn) > len(strokes.about_depth(drawn)) or bool(settings.region_file or settings.flow_file)


def start_build(scene: bpy.types.Scene) -> Request:
    """Let the engine build what the scene asks for: its photo, its strokes, its settings.

    Raises:
        CinemaError: The scene's photo is gone, or strokes cannot be used.
    """
    return engine.ask("build", _inputs(scene))


def finish_build(scene: bpy.types.Scene, answer: dict) -> dict:
    """Bring the finished job into the scene and give its report, with the timing that the engine told."""
    return result.import_result(scene, job_path(scene), answer["report"])


def draw_suggested(scene: bpy.types.Scene) -> None:
    """Draw the strokes that the engine put in place of missing ones in the last build, to be edited as any others."""
    settings = scene.cinemagraph
    layers = settings.hints.data.layers if stage.in_scene(settings.hints, scene) else ()
    shown = layers and all(stage.is_shown(layer) for layer in layers if layer.name in stage.HINT_LAYERS)
    if shown and not has_hints(scene):
        found = read_strokes(job_path(scene) / job_files.STROKES, (settings.width, settings.height))
        strokes.add_hints(scene, found, layers=stage.HINT_LAYERS)


def finish_report(scene: bpy.types.Scene, before: str, answer: dict) -> None:
    """Fill in what was measured after the points had come into the scene.

    Args:
        scene: The scene that the build was for.
        before: Its `report_json` at that time; another one is of another build, and stays.
        answer: What the engine said at last.
    """
    settings = scene.cinemagraph
    if settings.report_json == before:
        settings.report_json = json.dumps(answer["report"])


def start_flow(scene: bpy.types.Scene) -> Request:
    """Let the engine solve the motion of what the scene asks for, without a build.

    Raises:
        CinemaError: As for `start_build`.
    """
    return engine.ask("flow", _inputs(scene))


def finish_flow(answer: dict) -> Streamlines:
    """Read the lines that the engine drew through the solved motion."""
    with np.load(answer["file"], allow_pickle=False) as file:
        return Streamlines(file["lines"], file["offsets"], file["speed"])


def start_depth(scene: bpy.types.Scene, download: bool = False) -> Request:
    """Let the engine make the depth of what the scene asks for, without a build.

    Args:
        scene: A scene with a photo.
        download: A model that the user lacks may be fetched.

    Raises:
        CinemaError: As for `start_build`.
    """
    fields = _inputs(scene)
    fields["options"]["download"] = download
    return engine.ask("depth", fields)


def finish_depth(answer: dict) -> DepthMap:
    """Read the depth that the engine made."""
    with np.load(answer["file"], allow_pickle=False) as file:
        disparity = file["disparity"].astype(np.float32)
    return DepthMap(disparity, str(answer.get("source") or ""), str(answer.get("model") or ""))


def start_suggest(scene: bpy.types.Scene) -> Request:
    """Let the engine look for what might move in the scene's photo.

    Raises:
        CinemaError: The scene's photo is gone.
    """
    return engine.ask("suggest", _photo(scene))


def finish_suggest(scene: bpy.types.Scene, answer: dict, replace: bool = False) -> int:
    """Draw the strokes that the engine suggests, to be edited as any others, and give their number."""
    settings, path = scene.cinemagraph, _temporary()
    path.write_text(json.dumps({name: answer[name] for name in ("width", "height", "strokes")}), encoding="utf-8")
    found = read_strokes(path, (settings.width, settings.height))
    strokes.add_hints(scene, found, replace, stage.HINT_LAYERS)  # what is said of the depth stays
    return len(found)


def start_export(scene: bpy.types.Scene, file: Path) -> Request:
    """Let the engine write what it made of the scene: by suffix the motion, the mask of the region, or the strokes.

    Args:
        scene: A scene with a photo.
        file: .flo, .npy, .exr, .png or .json.
    """
    return engine.ask("export", {"out": str(job_path(scene)), "file": str(file)})


def _inputs(scene: bpy.types.Scene) -> dict:
    """Fields of a request for points or motion."""
    settings = scene.cinemagraph
    depth = settings.depth_file if settings.depth_source == "FILE" else ""
    files = {"depth": depth, "region": settings.region_file, "flow": settings.flow_file}
    given = {name: bpy.path.abspath(path) if path else None for name, path in files.items()}
    return _photo(scene) | given | {"annotations": _annotations(scene)}


def _photo(scene: bpy.types.Scene) -> dict:
    """Fields of a request that say which photo it is about, where its job is, and what the user chose."""
    settings = scene.cinemagraph
    job = ensure_job_folder(scene)
    options = {
        "frames": settings.frames,
        "speed": settings.speed,
        "focal": settings.focal,
        "max_side": max(settings.width, settings.height),  # it has been scaled when it was opened
        "feather": settings.feather / 100,
        "perspective": settings.perspective,
        "swings": settings.swings,
        "thin": settings.thin,
        **_depth_options(settings),
    }
    return {"photo": str(job / job_files.PHOTO), "out": str(job), "options": options}


def _depth_options(settings: bpy.types.PropertyGroup) -> dict:
    """Options about depth; those that do not count are left out, so that changing them makes nothing anew."""
    options = {
        "edge_cleanup": settings.edge_cleanup,
        "reach": settings.reach,
        "inpaint_model": bpy.path.abspath(settings.inpaint_model),
    }
    if settings.depth_source != "BUILT_IN":
        options["depth_kind"] = settings.depth_kind.lower()
    if settings.depth_source == "MODEL":
        options["depth_model"] = depth_models.resolve(settings.depth_model)
    if settings.depth_source == "FILE":
        options["depth_gamma"] = settings.depth_gamma
    if settings.depth_source == "FILE" and settings.depth_limits:
        options |= {"depth_near": settings.depth_near, "depth_far": settings.depth_far}
    return options


def _annotations(scene: bpy.types.Scene) -> str | None:
    """Write the scene's strokes to a file of its own: a request that waits must not read a later one's."""
    drawn = strokes.read_hints(scene)
    if not drawn:
        return None
    path = _temporary()
    write_strokes(path, drawn, (scene.cinemagraph.width, scene.cinemagraph.height))
    return str(path)


def _temporary() -> Path:
    """A new file that goes when Blender ends."""
    handle, path = tempfile.mkstemp(".json", "cinemagraph_", bpy.app.tempdir)
    os.close(handle)
    return Path(path)


# The job folder


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
    transaction.recover(job)
    photo = job / job_files.PHOTO
    if not photo.is_file() or photo.read_bytes() != packed:
        with transaction.stage(job, keep=True) as staging:
            (staging.path / job_files.PHOTO).write_bytes(packed)
    return job


def _writable(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def _job_folder(source: Path) -> Path:
    """A folder of the user's for this photo in this .blend: two files never share one."""
    mark = hashlib.sha1(f"{source}\n{bpy.data.filepath}".encode()).hexdigest()[:8]
    jobs = bpy.utils.extension_path_user(base_package, path="jobs", create=True)
    return Path(jobs) / f"{source.stem}-{mark}"
