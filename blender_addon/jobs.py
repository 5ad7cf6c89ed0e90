"""Jobs of the engine: requests made from a scene, and import of the answers into the scene."""

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
from . import coverage, depth_display, depth_models, engine, ensure, flow_display, overlays, reports, result, strokes
from . import scene as scene_objects
from .depth_display import DepthPreview
from .engine import EngineRequest
from .flow_display import FlowPreview
from .hint_layers import LAYERS, MOTION_HINTS
from .option_properties import SHOWN, read_option


@dataclass(frozen=True)
class PhotoToOpen:
    """A photo that the engine will open.

    Attributes:
        source: The file.
        max_side: Longest side of the working photo, px.
        job: The job folder.
    """

    source: Path
    max_side: int
    job: Path


def find_photo(scene: bpy.types.Scene, path: str) -> PhotoToOpen:
    """Find a photo, and choose its size and job folder.

    Raises:
        CinemaError: There is no such file.
    """
    source = Path(bpy.path.abspath(path))
    if not path or not source.is_file():
        raise CinemaError(f'There is no file "{source}"' if path else "No photo is chosen", "Choose a photo")
    return PhotoToOpen(source, scene.cinemagraph.max_side, _job_folder(source))


def start_open(photo: PhotoToOpen) -> EngineRequest:
    """Ask the engine for the working photo."""
    fields = {"photo": str(photo.source), "out": str(photo.job), "max_side": photo.max_side, "focal": None}
    return engine.ask("open", fields)


def finish_open(scene: bpy.types.Scene, photo: PhotoToOpen, answer: dict, keep_strokes: bool = False) -> None:
    """Set the scene up for the photo that the engine has opened.

    Points and strokes of another photo are removed; those of the same file stay.

    Args:
        scene: The scene.
        photo: The photo.
        answer: The engine's answer.
        keep_strokes: Keep the strokes of another photo too.
    """
    if scene.cinemagraph.photo_path not in ("", str(photo.source)):
        result.remove_result(scene)
        coverage.forget(scene)
        if not keep_strokes:
            scene_objects.clear_hints(scene)
    camera = Camera(answer["width"], answer["height"], answer["focal"])
    working_photo = Path(answer["photo"])
    if scene.cinemagraph.photo is not None:
        ensure.ensure_objects(scene)  # those that a deleted root, for example, has left behind
    else:
        depth_models.use_for_new_photo(scene.cinemagraph)
    scene_objects.place_photo(
        scene, scene_objects.OpenedPhoto(photo.source, working_photo, photo.job, camera, answer["file_size"])
    )
    for kind in (flow_display.OVERLAY, depth_display.OVERLAY):  # now, so that live previews need no undo step
        overlays.ensure_overlay(scene, kind)


# Building


def has_hints(scene: bpy.types.Scene) -> bool:
    """Tell whether the scene has hints of the motion: strokes, a painted mask or a motion file."""
    settings = scene.cinemagraph
    drawn = strokes.read_drawn_strokes(scene)
    return len(drawn) > len(strokes.about_depth(drawn)) or bool(settings.region_file or settings.flow_file)


def start_build(scene: bpy.types.Scene) -> EngineRequest:
    """Ask the engine for a build of the scene's photo, strokes and settings.

    Raises:
        CinemaError: The scene's photo is missing, or strokes cannot be used, or all that there are would not be read.
    """
    still = scene.cinemagraph.still
    if not still and not has_hints(scene):
        _check_unread(scene)
    return engine.ask("build", _inputs(scene) | {"still": still})


def _check_unread(scene: bpy.types.Scene) -> None:
    """Regions would be suggested although the user has drawn some strokes."""
    unread = [name for name in strokes.unread_layers(scene) if name in MOTION_HINTS or name not in LAYERS]
    for name in unread:
        if name in LAYERS:
            raise CinemaError(f'The strokes on the layer "{name}" are hidden', "Show the layer, or delete its strokes")
        raise CinemaError(
            f'The layer "{name}" has strokes, but not the name of a kind of stroke',
            f"Name it {', '.join(MOTION_HINTS[:-1])} or {MOTION_HINTS[-1]}, or delete its strokes",
        )


def finish_build(scene: bpy.types.Scene, answer: dict) -> dict:
    """Bring the finished job into the scene and give its report, with the engine's timing."""
    ensure.ensure_objects(scene)
    return result.import_result(scene, job_path(scene), answer["report"])


def draw_suggested(scene: bpy.types.Scene) -> None:
    """Draw the strokes that the engine suggested for the last build because the scene had none."""
    settings, hints = scene.cinemagraph, strokes.find_hints(scene)
    layers = hints.data.layers if hints is not None and not settings.still else ()
    shown = layers and all(scene_objects.is_shown(layer) for layer in layers if layer.name in MOTION_HINTS)
    if shown and not has_hints(scene):
        found = read_strokes(job_path(scene) / job_files.STROKES, (settings.width, settings.height))
        strokes.add_hints(scene, found, layers=MOTION_HINTS)


def finish_report(scene: bpy.types.Scene, before: str, answer: dict) -> None:
    """Add the figures that were measured after the points had come into the scene.

    Args:
        scene: The scene that the build was for.
        before: Its `report_json` when the points came in; a different one belongs to another build, and stays.
        answer: The engine's last message.
    """
    reports.complete(scene, before, json.dumps(answer["report"]))


def start_flow(scene: bpy.types.Scene) -> EngineRequest:
    """Ask the engine for the motion of the scene's strokes, without a build.

    Raises:
        CinemaError: As for `start_build`.
    """
    return engine.ask("flow", _inputs(scene))


def finish_flow(answer: dict) -> FlowPreview:
    """Read the streamlines of the solved motion."""
    with np.load(answer["file"], allow_pickle=False) as file:
        return FlowPreview(file["lines"], file["offsets"], file["speed"])


def start_depth(scene: bpy.types.Scene, download: bool = False, model: str = "") -> EngineRequest:
    """Ask the engine for the depth of the scene's photo, without a build.

    Args:
        scene: A scene with a photo.
        download: Whether a missing model may be downloaded.
        model: The model to use, in place of the scene's source of depth.

    Raises:
        CinemaError: As for `start_build`.
    """
    fields = _inputs(scene, model)
    fields["options"]["download"] = download
    return engine.ask("depth", fields)


def finish_depth(answer: dict) -> DepthPreview:
    """Read the depth that the engine made."""
    with np.load(answer["file"], allow_pickle=False) as file:
        disparity = file["disparity"].astype(np.float32)
    return DepthPreview(disparity, str(answer.get("detail") or ""), str(answer.get("licence") or ""))


def start_suggest(scene: bpy.types.Scene) -> EngineRequest:
    """Ask the engine for regions of the scene's photo that might move.

    Raises:
        CinemaError: The scene's photo is missing.
    """
    return engine.ask("suggest", _photo(scene))


def finish_suggest(scene: bpy.types.Scene, answer: dict, replace: bool = False) -> int:
    """Draw the strokes that the engine suggests, and give their number; strokes about depth stay."""
    ensure.ensure_objects(scene)
    settings, path = scene.cinemagraph, _temporary()
    path.write_text(json.dumps({name: answer[name] for name in ("width", "height", "strokes")}), encoding="utf-8")
    found = read_strokes(path, (settings.width, settings.height))
    strokes.add_hints(scene, found, replace, MOTION_HINTS)
    return len(found)


def start_export(scene: bpy.types.Scene, file: Path) -> EngineRequest:
    """Ask the engine to write a result of the last job.

    Args:
        scene: A scene with a photo.
        file: Its suffix chooses the result: .flo, .npy or .exr for the motion, .png for the region, .json for strokes.
    """
    return engine.ask("export", {"out": str(job_path(scene)), "file": str(file)})


def _inputs(scene: bpy.types.Scene, model: str = "") -> dict:
    """Fields of a request for points, motion or depth; a model takes the place of the scene's source of depth."""
    settings = scene.cinemagraph
    depth = settings.depth_file if settings.depth_source == "FILE" and not model else ""
    files = {"depth": depth, "region": settings.region_file, "flow": settings.flow_file}
    given = {name: bpy.path.abspath(path) if path else None for name, path in files.items()}
    return _photo(scene, model) | given | {"annotations": _annotations(scene)}


def _photo(scene: bpy.types.Scene, model: str = "") -> dict:
    """Fields of a request with the photo, the job folder and the options."""
    settings = scene.cinemagraph
    job = ensure_job_folder(scene)
    unused = _unused_options(settings, "MODEL" if model else settings.depth_source)
    options = {name: read_option(settings, name) for name in SHOWN if name not in unused}
    options["max_side"] = max(settings.width, settings.height)  # the photo was scaled when it was opened
    if "depth_model" in options:
        options["depth_model"] = depth_models.resolve(model or settings.depth_model)
    return {"photo": str(job / job_files.PHOTO), "out": str(job), "options": options}


def _unused_options(settings: bpy.types.PropertyGroup, source: str) -> set[str]:
    """Options that the depth's source does not use; left out, so that changing them invalidates no cached result."""
    unused = set() if source == "MODEL" else {"depth_model"}
    if source == "BUILT_IN":
        unused.add("depth_kind")
    if source != "FILE":
        unused.add("depth_gamma")
    if source != "FILE" or not settings.depth_limits:
        unused |= {"depth_near", "depth_far"}
    return unused


def _annotations(scene: bpy.types.Scene) -> str | None:
    """Write the scene's strokes to a new file, so that a waiting request does not read those of a later one."""
    drawn = strokes.read_drawn_strokes(scene)
    if not drawn:
        return None
    path = _temporary()
    write_strokes(path, drawn, (scene.cinemagraph.width, scene.cinemagraph.height))
    return str(path)


def _temporary() -> Path:
    """A new file that is deleted when Blender ends."""
    handle, path = tempfile.mkstemp(".json", "cinemagraph_", bpy.app.tempdir)
    os.close(handle)
    return Path(path)


# The job folder


def job_path(scene: bpy.types.Scene) -> Path:
    """Give the scene's job folder."""
    return Path(bpy.path.abspath(scene.cinemagraph.job_folder))


def ensure_job_folder(scene: bpy.types.Scene) -> Path:
    """Write the packed photo into the job folder if it is missing there, and give the folder.

    A .blend file from another computer, or with a deleted job folder, therefore builds as before.

    Raises:
        CinemaError: The scene's photo is missing.
    """
    settings = scene.cinemagraph
    if settings.photo is None or settings.photo.packed_file is None:
        raise CinemaError("The scene's photo is missing", "Open the photo again")
    packed = settings.photo.packed_file.data
    if not settings.job_folder:
        settings.job_folder = str(_job_folder(Path(settings.photo_path)))
    job = job_path(scene)
    if not _writable(job):
        job = _job_folder(Path(settings.photo_path))  # it is the folder of another computer or user
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


def jobs_folder() -> Path:
    """Give the folder of all jobs of the user; it exists."""
    return Path(bpy.utils.extension_path_user(base_package, path="jobs", create=True))


def _job_folder(source: Path) -> Path:
    """The user's job folder for this photo in this .blend file; two files never share one."""
    mark = hashlib.sha1(os.fsencode(f"{source}\n{bpy.data.filepath}")).hexdigest()[:8]
    return jobs_folder() / f"{source.stem}-{mark}"
