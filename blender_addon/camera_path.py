"""Camera paths of the core -> ordinary location keys: few, editable, and true to the path between them."""

from dataclasses import dataclass

import bpy
import numpy as np

from ..cinema_core.shared.camera import camera_path
from . import result
from .scene import to_blender

_FINE = 64  # samples per frame from which tangents are taken
_CLOSED_KEYS = 12  # of a closed path: cubic pieces of 1/6 of the circle's turn stay within 0.4 % of it


@dataclass(frozen=True)
class PathChoice:
    """What the user chose.

    Attributes:
        name: One of `PATHS`.
        frames: Number of frames the path takes.
        loop: True for the closed path.
        amplitude: Factor on the reference's amplitude.
    """

    name: str
    frames: int
    loop: bool
    amplitude: float = 1.0


def loop_length(scene: bpy.types.Scene) -> int:
    """Give the loop length that plays now, in frames; before a build the one that is set for it."""
    return int(result.get_input(scene, "Loop Length", scene.cinemagraph.frames))


def add_path(scene: bpy.types.Scene, choice: PathChoice) -> None:
    """Key the scene camera along a path from the first frame on, and match the frame range and the loop."""
    camera = scene.cinemagraph.camera
    set_size(scene, [camera], 1.0)  # what was safe for another path says nothing of this one
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
        backdrop.show_background_image = False  # the photo would not fit what a moved camera sees
    _match_frames(scene, choice.frames)
    scene.frame_set(start)


def get_limit(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> bpy.types.CopyTransformsConstraint | None:
    """Give the constraint that draws a camera towards the photo's, None while it goes its whole way."""
    home = scene.cinemagraph.photo_camera
    drawn = camera.constraints if camera is not None and home is not None else ()
    return next((one for one in drawn if one.type == "COPY_TRANSFORMS" and one.target == home), None)


def get_size(scene: bpy.types.Scene) -> float:
    """Give how far the scene's camera goes along its path, 0 = it stays at the photo's place, 1 = its whole way."""
    limit = get_limit(scene, scene.camera)
    return 1.0 if limit is None or limit.mute else 1.0 - limit.influence


def set_size(scene: bpy.types.Scene, cameras: list[bpy.types.Object], size: float) -> None:
    """Draw cameras towards the photo's by a constraint after all that moves them; their keys stay as they are.

    Args:
        scene: A scene with a photo.
        cameras: Those to be drawn; the photo's own stays.
        size: 0..1; 1 takes the constraint away.
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
    """(K,) frames from the start, (K, 3) locations and (K, 3) change per frame, in Blender's axes."""
    frames, closed = choice.frames, is_closed(choice)
    last = frames if closed else frames - 1
    wanted = min(_CLOSED_KEYS, frames) if closed else 1
    times = np.unique(np.round(np.linspace(0, last, wanted + 1)))
    # An open path has a pose on its last frame, a closed one is back at its first a frame later.
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
    """Give the keys Bezier handles a third of the way to their neighbours: the cubic with these slopes."""
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
    """End the frame range with the path, and let a whole number of loops fit into it."""
    scene.frame_end = scene.frame_start + frames - 1
    rounds = max(1, round(frames / loop_length(scene)))
    while frames % rounds:
        rounds -= 1
    scene.cinemagraph.frames = frames // rounds
    result.set_input(scene, "Loop Length", frames // rounds)


def _location_curves(item: bpy.types.Object) -> list[bpy.types.FCurve]:
    return [curve for curve in _curves(item) if curve.data_path == "location"]


def _clear_location(item: bpy.types.Object) -> None:
    curves = _curves(item)
    for curve in [curve for curve in curves if curve.data_path == "location"]:
        curves.remove(curve)


def _curves(item: bpy.types.Object) -> "bpy.types.bpy_prop_collection | list":
    """The F-curves of an object; since Blender 4.4 they sit in the object's slot of an action it may share."""
    data = item.animation_data
    if data is None or data.action is None:
        return []
    if not hasattr(data, "action_slot"):
        return data.action.fcurves
    bags = [strip.channelbag(data.action_slot) for layer in data.action.layers for strip in layer.strips]
    return next((bag.fcurves for bag in bags if bag is not None), [])
