"""Recording of the path of the scene's camera, frame by frame.

The path is recorded in a temporary scene that holds only the cameras. Parents, constraints, drivers and lens keyframes
are evaluated as for a render, but no points are, and objects that the user has moved without a keyframe stay in place.
"""

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ..cinema_core.shared.errors import CinemaError
from . import camera_path
from .scene import in_scene, to_core

MAX_FRAMES = 5000  # frames of one recording


@dataclass(frozen=True, eq=False)
class CameraRecording:
    """The path of the scene's camera, frame by frame.

    Attributes:
        start: The first frame.
        poses: (N, 4, 4) float64 camera-to-world, core axes.
        photo_poses: (N, 4, 4) float64, the same for the photo's camera.
        lenses: (N, 6) float64: horizontal and vertical focal length and principal point in px of the frame, near and
            far clipping depth.
    """

    start: int
    poses: np.ndarray
    photo_poses: np.ndarray
    lenses: np.ndarray


def cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Give the cameras of the scene's frame range: its own, and those that markers bind."""
    found = [camera_at(scene, frame) for frame in range(scene.frame_start, scene.frame_end + 1)]
    return list(dict.fromkeys(camera for camera in found if camera is not None))


def camera_at(scene: bpy.types.Scene, frame: int) -> bpy.types.Object | None:
    """Give the camera of a frame, bound by a marker or else the scene's."""
    bound = [marker for marker in scene.timeline_markers if marker.camera is not None]
    markers = sorted(bound, key=lambda marker: marker.frame)
    before = [marker for marker in markers if marker.frame <= frame] or markers[:1]
    return before[-1].camera if before else scene.camera


def record_camera(scene: bpy.types.Scene, whole: bool = False) -> CameraRecording:
    """Record the scene's camera through the frame range, as it is rendered.

    Args:
        scene: A scene with a photo.
        whole: Record the path at its full size, without its limit.

    Raises:
        CinemaError: A frame has no camera or none with perspective, or there are too many frames.
    """
    frames = range(scene.frame_start, scene.frame_end + 1)
    if len(frames) > MAX_FRAMES:
        raise CinemaError(f"The scene has {len(frames)} frames", f"Check at most {MAX_FRAMES} frames at a time")
    filmed = [camera_at(scene, frame) for frame in frames]
    for camera in filmed:
        if camera is None or camera.type != "CAMERA" or camera.data.type != "PERSP":
            text = "The scene has no camera" if camera is None else f'"{camera.name}" is not a perspective camera'
            raise CinemaError(text, "Choose a perspective camera as the scene's camera")
    settings = scene.cinemagraph
    limits = [camera_path.get_limit(scene, camera) for camera in dict.fromkeys(filmed)] if whole else []
    limits = [limit for limit in limits if limit is not None and not limit.mute]
    for limit in limits:
        limit.mute = True
    temporary = bpy.data.scenes.new("Cinemagraph Check")
    try:
        for name in ("frame_map_old", "frame_map_new"):
            setattr(temporary.render, name, getattr(scene.render, name))
        for item in {*filmed, settings.photo_camera, settings.root} - {None}:
            temporary.collection.objects.link(item)
        recorded = [_record_frame(temporary, frame, camera, settings, scene) for frame, camera in zip(frames, filmed)]
    finally:
        bpy.data.scenes.remove(temporary)
        for limit in limits:
            limit.mute = False
    poses, photo_poses, lenses = (np.array(values, np.float64) for values in zip(*recorded))
    return CameraRecording(frames[0], poses, photo_poses, lenses)


def _record_frame(
    temporary: bpy.types.Scene,
    frame: int,
    camera: bpy.types.Object,
    settings: bpy.types.PropertyGroup,
    scene: bpy.types.Scene,
) -> tuple[Matrix, Matrix, list[float]]:
    """Pose, pose of the photo's camera, and lens at a frame; clipping depths are in the root's scale."""
    temporary.frame_set(frame)
    graph = temporary.view_layers[0].depsgraph
    root = settings.root.evaluated_get(graph).matrix_world if in_scene(settings.root, scene) else Matrix()
    seen = camera.evaluated_get(graph)
    photo_pose = settings.photo_camera.evaluated_get(graph).matrix_world
    scale = root.median_scale
    lens = _lens(seen, graph, scene)
    return to_core(seen.matrix_world, root), to_core(photo_pose, root), [*lens[:4], lens[4] / scale, lens[5] / scale]


def _lens(camera: bpy.types.Object, graph: bpy.types.Depsgraph, scene: bpy.types.Scene) -> list[float]:
    """Horizontal and vertical focal length and principal point, px of the frame; near and far clipping."""
    width, height = frame_size(scene)
    render = scene.render
    view = camera.calc_matrix_camera(
        graph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    focal = (width / 2 * view[0][0], height / 2 * view[1][1])
    middle = (width / 2 * (1 - view[0][2]), height / 2 * (1 + view[1][2]))
    return [*focal, *middle, camera.data.clip_start, camera.data.clip_end]


def frame_size(scene: bpy.types.Scene) -> tuple[int, int]:
    """Give width and height of a rendered frame, px."""
    render = scene.render
    share = render.resolution_percentage / 100
    return max(1, int(render.resolution_x * share)), max(1, int(render.resolution_y * share))
