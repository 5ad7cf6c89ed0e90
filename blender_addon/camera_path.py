"""Camera paths of the core as ordinary location keyframes: few, editable, and accurate between the keyframes."""

from dataclasses import dataclass

import bpy
import numpy as np

from ..cinema_core.shared.camera import camera_path
from . import quality_words, result
from .scene import to_blender
from .versions import fcurves_of

_FINE = 64  # samples per frame, from which tangents are computed
_CLOSED_KEYS = 12  # keyframes of a closed path; cubic pieces of 1/6 of the circle's turn stay within 0.4 % of it


@dataclass(frozen=True)
class PathChoice:
    """A camera path that the user has chosen.

    Attributes:
        name: Name of the path, as in `camera_path` of the core.
        frames: Length of the path in frames.
        loop: True for the closed path.
        amplitude: Factor on the size of the path.
    """

    name: str
    frames: int
    loop: bool
    amplitude: float = 1.0


def loop_length(scene: bpy.types.Scene) -> int:
    """Give the playing loop's length in frames; before a build, the one set for the build."""
    return int(result.get_input(scene, "Loop Length", scene.cinemagraph.frames))


def has_own_amplitude(settings: bpy.types.PropertyGroup) -> bool:
    """Whether the user has chosen the amplitude of camera paths."""
    return settings.is_property_set("path_amplitude") and settings.path_amplitude != settings.path_suggested


def next_amplitude(settings: bpy.types.PropertyGroup) -> float:
    """Amplitude of the next camera path: the user's, or as large as the build allows without bending or tearing."""
    if has_own_amplitude(settings):
        return settings.path_amplitude
    return min(1.0, quality_words.safe_amplitude(settings.report))


def add_path(scene: bpy.types.Scene, choice: PathChoice) -> None:
    """Keyframe the scene camera along a path from the first frame on, and match the frame range and the loop."""
    camera = scene.cinemagraph.camera
    set_size(scene, [camera], 1.0)  # the safe size of another path does not apply to this one
    times, places, slopes = _keys(choice)
    start = scene.frame_start
    _clear_location(camera)
    for time, place in zip(times, places):
        camera.location = place
        camera.keyframe_insert("location", frame=start + time)
    for curve in _location_curves(camera):
        _shape(curve, start + times, places[:, curve.array_index], slopes[:, curve.array_index])
        if is_closed(choice):
            curve.modifiers.new("CYCLES")
    for backdrop in camera.data.background_images:
        backdrop.show_background_image = False  # the photo does not fit the view of a moved camera
    _match_frames(scene, choice.frames)
    scene.frame_set(start)


def get_limit(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> bpy.types.CopyTransformsConstraint | None:
    """Give the constraint that limits a camera's distance from the photo's camera, None without one."""
    home = scene.cinemagraph.photo_camera
    constraints = camera.constraints if camera is not None and home is not None else ()
    return next((one for one in constraints if one.type == "COPY_TRANSFORMS" and one.target == home), None)


def get_size(scene: bpy.types.Scene) -> float:
    """Give the size of the camera's path: 0 stays at the photo's view, 1 is the whole path."""
    limit = get_limit(scene, scene.camera)
    return 1.0 if limit is None or limit.mute else 1.0 - limit.influence


def set_size(scene: bpy.types.Scene, cameras: list[bpy.types.Object], size: float) -> None:
    """Limit the path of cameras by a constraint after all their other constraints; their keyframes stay unchanged.

    Args:
        scene: A scene with a photo.
        cameras: The cameras to limit; the photo's own is left out.
        size: 0..1; 1 removes the constraint.
    """
    home = scene.cinemagraph.photo_camera
    for camera in cameras:
        limit = get_limit(scene, camera)
        if size >= 1 and limit is not None:
            camera.constraints.remove(limit)
        elif size < 1 and camera != home:
            if limit is None:
                limit = camera.constraints.new("COPY_TRANSFORMS")
                limit.name, limit.target = "Safe Range", home
            limit.mute, limit.influence = False, 1.0 - size


def is_closed(choice: PathChoice) -> bool:
    """Tell whether the path ends where it starts."""
    return choice.loop or choice.name == "circle"


def _keys(choice: PathChoice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K,) frames from the start, (K, 3) locations and (K, 3) velocities per frame, in Blender's axes."""
    frames, closed = choice.frames, is_closed(choice)
    last = frames if closed else frames - 1
    wanted = min(_CLOSED_KEYS, frames) if closed else 1
    times = np.unique(np.round(np.linspace(0, last, wanted + 1)))
    # An open path ends on its last frame; a closed one returns to its first pose one frame after it.
    count = frames * _FINE if closed else last * _FINE + 1
    fine = choice.amplitude * _locations(choice.name, max(count, 1), choice.loop)
    fine = np.concatenate([fine, fine[:1]]) if closed else fine
    at = (times * _FINE).astype(int)
    if closed:
        slopes = (fine[(at + 1) % count] - fine[(at - 1) % count]) * (_FINE / 2)
    else:
        slopes = np.gradient(fine, axis=0)[at] * _FINE if len(fine) > 1 else np.zeros((1, 3))
    return times, fine[at], slopes


def _locations(name: str, count: int, loop: bool) -> np.ndarray:
    """(count, 3) float64 camera locations in Blender's axes."""
    return np.array([to_blender(pose).translation for pose in camera_path(name, count, loop)], np.float64)


def _shape(curve: bpy.types.FCurve, frames: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> None:
    """Set the keyframes' Bezier handles a third of the way to their neighbours, for a cubic with these slopes."""
    gaps = np.diff(frames)
    for index, key in enumerate(curve.keyframe_points):
        before = gaps[index - 1] / 3 if index else 1.0
        after = gaps[index] / 3 if index < len(gaps) else 1.0
        key.interpolation = "BEZIER"
        key.handle_left_type = key.handle_right_type = "FREE"
        key.handle_left = (frames[index] - before, values[index] - before * slopes[index])
        key.handle_right = (frames[index] + after, values[index] + after * slopes[index])
        key.handle_left_type = key.handle_right_type = "ALIGNED"
    curve.update()


def _match_frames(scene: bpy.types.Scene, frames: int) -> None:
    """End the frame range with the path, and set a loop length of which a whole number fits into it."""
    scene.frame_end = scene.frame_start + frames - 1
    rounds = max(1, round(frames / loop_length(scene)))
    while frames % rounds:
        rounds -= 1
    scene.cinemagraph.frames = frames // rounds
    result.set_input(scene, "Loop Length", frames // rounds)


def _location_curves(item: bpy.types.Object) -> list[bpy.types.FCurve]:
    return [curve for curve in fcurves_of(item) if curve.data_path == "location"]


def _clear_location(item: bpy.types.Object) -> None:
    curves = fcurves_of(item)
    for curve in [curve for curve in curves if curve.data_path == "location"]:
        curves.remove(curve)
