"""Render of the loop: settings that keep the photo's colours, frame range and file; changed on the user's request."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..cinema_core.shared.camera import FILTER_WIDTH
from . import camera_path, ensure, exchange, playback
from .versions import write_video

SUFFIX = "_loop.mp4"  # added to the photo's name


@dataclass(frozen=True)
class RenderChoice:
    """Render settings that the user has chosen.

    Attributes:
        samples: Cycles samples per pixel.
        filter_width: Width of the Gaussian pixel filter, px.
        fps: Frames per second.
        path: Output file (MP4).
    """

    samples: int = 16
    filter_width: float = FILTER_WIDTH
    fps: int = 25
    path: str = ""


def set_up(scene: bpy.types.Scene, choice: RenderChoice) -> None:
    """Set Cycles, colour management and an MP4 output, and remember that this was done."""
    scene.cinemagraph.render_set_up = True
    _set_engine(scene, choice)
    playback.use_photo_colors(scene)
    scene.render.dither_intensity = 0.0
    _set_output(scene.render, choice)


def is_set_up(scene: bpy.types.Scene) -> bool:
    """Tell whether the scene was set up before, so that all that differs from it now is the user's own choice."""
    as_before = scene.render.engine == "CYCLES" and scene.view_settings.view_transform == playback.PHOTO_COLORS
    return scene.cinemagraph.render_set_up or (as_before and scene.render.is_movie_format)


def prepare(scene: bpy.types.Scene) -> Path:
    """Prepare the render of the loop, and give its file: settings, camera, frame range and a free file name.

    Args:
        scene: A scene with points.

    Returns:
        The video; of a sequence of pictures, the first one. Only pictures may exist already: whether they are
        overwritten is Blender's own setting.

    Raises:
        CinemaError: The folder cannot be written to.
    """
    path = _choose_path(scene)
    ensure.ensure_objects(scene)
    if not is_set_up(scene):
        set_up(scene, RenderChoice(path=path))
    scene.render.filepath = path
    match_range(scene)
    file = output_file(scene)
    if scene.render.is_movie_format and file.exists():
        scene.render.filepath = _as_before(path, _free(file))
    return output_file(scene)


def output_file(scene: bpy.types.Scene) -> Path:
    """Give the file that a render of the animation writes; of a sequence of pictures, the first one."""
    return Path(bpy.path.abspath(scene.render.frame_path(frame=scene.frame_start)))


def match_range(scene: bpy.types.Scene) -> None:
    """End the frame range with the loop. A camera that moves has its own range, which stays."""
    if not _moves(scene, scene.camera):
        playback.end_with_loop(scene)


def is_whole(scene: bpy.types.Scene) -> bool:
    """Tell whether the frame range is a whole number of loops, so that the video repeats without a jump."""
    return (scene.frame_end - scene.frame_start + 1) % camera_path.loop_length(scene) == 0


def describe(scene: bpy.types.Scene) -> str:
    """Length and size of the rendered loop, as a text."""
    moves = _moves(scene, scene.camera)
    frames = scene.frame_end - scene.frame_start + 1 if moves else camera_path.loop_length(scene)
    seconds = frames * scene.render.fps_base / scene.render.fps
    share = scene.render.resolution_percentage / 100
    size = f"{int(scene.render.resolution_x * share)} × {int(scene.render.resolution_y * share)} px"
    return f"{frames} frames, {seconds:.1f} s, {size}"


def _moves(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> bool:
    """Tell whether a camera has a motion of its own: keyframes, drivers, constraints or a parent of the user's."""
    if camera is None:
        return False
    own_parent = camera.parent not in (None, scene.cinemagraph.root)
    return camera.animation_data is not None or len(camera.constraints) > 0 or own_parent


def _choose_path(scene: bpy.types.Scene) -> str:
    """The user's output path; beside the .blend file or the photo while that is still Blender's folder for renders."""
    path = scene.render.filepath
    folder = Path(bpy.path.abspath(path))
    is_folder = path.endswith(("/", "\\"))
    if path and not is_folder:
        return path
    named = Path(exchange.suggest_path(scene, SUFFIX))
    if path and path != "//" and not _is_temporary(folder):
        named = folder / named.name  # a folder of the user's
        named.parent.mkdir(parents=True, exist_ok=True)
    if not named.parent.is_dir():
        named = Path.home() / named.name  # the photo's folder is on another computer
    exchange.check_writable(scene, named, [named.suffix])
    return _as_before("//" if bpy.data.filepath else "", named)


def _is_temporary(folder: Path) -> bool:
    temporary = (Path(tempfile.gettempdir()), Path("/tmp"), Path(bpy.app.tempdir))
    return folder.absolute() in [place.absolute() for place in temporary]


def _free(file: Path) -> Path:
    """The next free name after an existing file: loop.mp4, loop_2.mp4, loop_3.mp4 ..."""
    stem, number = re.sub(r"_\d+$", "", file.stem), 2
    while (free := file.with_name(f"{stem}_{number}{file.suffix}")).exists():
        number += 1
    return free


def _as_before(path: str, file: Path) -> str:
    """A file as a path relative to the .blend file, if the given path is."""
    is_relative = path.startswith("//") and Path(bpy.data.filepath).drive == file.drive
    return bpy.path.relpath(str(file)) if is_relative else str(file)


class Watch:
    """Knows whether a render has come to its end. Blender calls it in the thread of the render."""

    def __init__(self) -> None:
        self.completed = False
        bpy.app.handlers.render_complete.append(self._complete)

    def _complete(self, *_arguments: object) -> None:
        self.completed = True

    def end(self) -> None:
        """Stop watching."""
        if self._complete in bpy.app.handlers.render_complete:  # opening a file removes it
            bpy.app.handlers.render_complete.remove(self._complete)


def _set_engine(scene: bpy.types.Scene, choice: RenderChoice) -> None:
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.samples, cycles.use_adaptive_sampling, cycles.use_denoising = choice.samples, False, False
    cycles.pixel_filter_type, cycles.filter_width = "GAUSSIAN", choice.filter_width
    cycles.max_bounces = 0  # the points emit their colour
    cycles.use_animated_seed = False  # noise that changes with each frame would make still parts flicker
    scene.render.use_persistent_data = True  # still points are not rebuilt for every frame
    scene.render.use_motion_blur = False


def _set_output(render: bpy.types.RenderSettings, choice: RenderChoice) -> None:
    write_video(render.image_settings)
    video = render.ffmpeg
    video.format, video.codec = "MPEG4", "H264"
    video.constant_rate_factor, video.ffmpeg_preset = "HIGH", "GOOD"
    render.fps, render.fps_base = choice.fps, 1.0
    render.use_file_extension = True
    render.filepath = choice.path
