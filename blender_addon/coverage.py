"""What the scene's camera sees that the photo does not tell: asked of the engine, and shown.

The path is filmed through a scene made for the moment that holds the cameras alone: all that moves them (parents,
constraints, drivers, keys of the lens) is evaluated as for a render, no points are, and what the user has moved but
not keyed stays where it is. Holes are shown as a background image of the camera, a sequence with a picture a frame:
Blender plays it by itself, in the camera's view only, and never renders it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, FloatProperty, PointerProperty, StringProperty
from mathutils import Matrix

from ..cinema_core.shared.errors import CinemaError
from . import camera_path, engine, jobs, result
from .engine import Request
from .scene import in_scene, to_core

MOST_FRAMES = 5000
BARS = 12  # of the row that shows the path in the panel
FOLDER, KEPT = "coverage", 8  # in the job's folder; pictures of so many checks, which an undo brings back


def _show(settings: "CoverageSettings", _context: bpy.types.Context) -> None:
    for backdrop in _overlays(settings.image):
        backdrop.show_background_image = settings.show


class CoverageSettings(bpy.types.PropertyGroup):
    """What was found along the camera's path; sits at `Scene.cinemagraph.coverage`."""

    limit: FloatProperty(
        name="Tolerance",
        description="How much of a frame may be a hole, where there is nothing at all to see",
        subtype="PERCENTAGE",
        default=0.1,
        min=0.0,
        max=100.0,
        soft_max=5.0,
        precision=2,
    )
    show: BoolProperty(
        name="Show Holes",
        description="Show in the camera's view where nothing is (red) and what the photo does not "
        "tell and was invented (blue). Never rendered",
        default=True,
        update=_show,
    )
    size: FloatProperty(
        name="Path Size",
        description="How far the camera goes along its path, from the photo's view; its keys stay as they are",
        subtype="FACTOR",
        min=0.0,
        max=1.0,
        get=lambda settings: camera_path.get_size(settings.id_data),
        set=lambda settings, value: camera_path.set_size(settings.id_data, cameras(settings.id_data), value),
    )
    image: PointerProperty(type=bpy.types.Image)
    found_json: StringProperty(description="What was found, as JSON")

    @property
    def found(self) -> "Found | None":
        """What was found along the path, None before it was looked at."""
        return Found(**json.loads(self.found_json)) if self.found_json else None


@dataclass(frozen=True)
class Found:
    """What was found along the camera's path.

    Attributes:
        start: The first frame.
        uncovered: Share of each frame where there is nothing.
        invented: Share of each frame that the photo does not tell.
        limit: Up to which share of holes a frame is good.
        points: Mark of the points that were looked at.
    """

    start: int
    uncovered: list[float]
    invented: list[float]
    limit: float
    points: str

    @property
    def worst(self) -> tuple[int, float]:
        """Frame and share of the largest holes."""
        return self._most(self.uncovered)

    @property
    def most_invented(self) -> tuple[int, float]:
        """Frame and share of the most invention."""
        return self._most(self.invented)

    def _most(self, shares: list[float]) -> tuple[int, float]:
        index = int(np.argmax(shares))
        return self.start + index, shares[index]

    def bad_frames(self) -> list[tuple[int, int]]:
        """First and last frame of each run of frames that are not good."""
        bad = np.concatenate([[False], np.array(self.uncovered) > self.limit, [False]])
        turns = np.flatnonzero(np.diff(bad.astype(int)))
        return [(self.start + int(a), self.start + int(b) - 1) for a, b in turns.reshape(-1, 2)]

    def bars(self) -> list[tuple[int, float]]:
        """The path in a few parts: frame and share of the worst of each."""
        found = []
        for part in np.array_split(np.arange(len(self.uncovered)), min(BARS, len(self.uncovered))):
            index = int(part[np.argmax(np.array(self.uncovered)[part])])
            found.append((self.start + index, self.uncovered[index]))
        return found


@dataclass(frozen=True, eq=False)
class Film:
    """The path of the scene's camera, frame by frame.

    Attributes:
        start: The first frame.
        poses: (N, 4, 4) float64 camera-to-world, core axes.
        homes: (N, 4, 4) float64, the same of the photo's camera.
        lenses: (N, 6) float64, focal length across and down and principal point in px of the frame, nearest and
            farthest depth that is drawn.
    """

    start: int
    poses: np.ndarray
    homes: np.ndarray
    lenses: np.ndarray


def start_check(scene: bpy.types.Scene, limit: bool = False) -> Request:
    """Let the engine look along the path of the scene's camera, and with `limit` find its safe size.

    Raises:
        CinemaError: Nothing is built, or there is no camera that can be looked through.
    """
    settings = scene.cinemagraph
    if not result.parts(scene):
        raise CinemaError("Nothing is built that a camera could see", "Build first")
    shot = film(scene, whole=limit)
    played = np.arange(len(shot.poses)) + shot.start - result.get_input(scene, "Start Frame", 1.0)
    turns = played * result.get_input(scene, "Speed", 1.0) / max(result.get_input(scene, "Loop Length", 1), 1)
    width, height = _frame_size(scene)
    fields = {
        "out": str(jobs.job_path(scene)),
        "poses": shot.poses.reshape(-1, 16).tolist(),
        "lenses": shot.lenses.tolist(),
        "phases": (turns % 1).tolist(),
        "width": width,
        "height": height,
        "focal": settings.focal,
        "point_size": result.get_input(scene, "Point Size") or None,
        "limit": settings.coverage.limit / 100,
        "masks": str(_oldest(jobs.job_path(scene) / FOLDER)),
    }
    return engine.ask("coverage", fields | ({"home": shot.homes[0].ravel().tolist()} if limit else {}))


def finish_check(scene: bpy.types.Scene, start: int, answer: dict) -> Found:
    """Take in what the engine found from the frame `start` on, and show the holes in the camera's view."""
    settings = scene.cinemagraph.coverage
    limit = settings.limit / 100
    found = Found(start, answer["uncovered"], answer["invented"], limit, points_mark(scene))
    settings.found_json = json.dumps(vars(found))
    _place_overlay(scene, start, [Path(file) for file in answer["mask_files"]])
    return found


def finish_limit(scene: bpy.types.Scene, start: int, answer: dict) -> Found:
    """Scale the path to the size that the engine found safe, and show what is left of the holes."""
    camera_path.set_size(scene, cameras(scene), answer["factor"])
    return finish_check(scene, start, answer)


def forget(scene: bpy.types.Scene) -> None:
    """Take away what was found, and the picture of it."""
    settings = scene.cinemagraph.coverage
    settings.found_json = ""
    image, settings.image = settings.image, None
    for camera in bpy.data.cameras if image is not None else ():
        for backdrop in [one for one in camera.background_images if one.image == image]:
            camera.background_images.remove(backdrop)
    if image is not None:
        bpy.data.images.remove(image)


def clipping(scene: bpy.types.Scene) -> list[str]:
    """Name cameras that do not see as far as the farthest points: what they clip is a hole too."""
    farthest = max((layer["farthest"] for layer in scene.cinemagraph.report.get("layers", ())), default=0.0)
    return [camera.name for camera in cameras(scene) if camera.data.clip_end < farthest]


def points_mark(scene: bpy.types.Scene) -> str:
    """Give a mark of the points that are built."""
    report = scene.cinemagraph.report
    return f"{report.get('still_id')} {report.get('moving_id')}"


# Filming


def cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Give the cameras that film the scene's frame range: its own, and those that markers switch to."""
    found = [camera_at(scene, frame) for frame in range(scene.frame_start, scene.frame_end + 1)]
    return list(dict.fromkeys(camera for camera in found if camera is not None))


def camera_at(scene: bpy.types.Scene, frame: int) -> bpy.types.Object | None:
    """Give the camera that films a frame."""
    marks = sorted((mark for mark in scene.timeline_markers if mark.camera is not None), key=lambda mark: mark.frame)
    before = [mark for mark in marks if mark.frame <= frame] or marks[:1]
    return before[-1].camera if before else scene.camera


def film(scene: bpy.types.Scene, whole: bool = False) -> Film:
    """Follow the scene's camera through its frame range, as it is rendered.

    Args:
        scene: A scene with a photo.
        whole: Follow the path at its full size, whatever it is limited to.

    Raises:
        CinemaError: There is no camera, one is of a kind that cannot be looked through, or there are too many frames.
    """
    frames = range(scene.frame_start, scene.frame_end + 1)
    if len(frames) > MOST_FRAMES:
        raise CinemaError(f"The scene has {len(frames)} frames", f"Check at most {MOST_FRAMES} at a time")
    shot = [camera_at(scene, frame) for frame in frames]
    for camera in shot:
        if camera is None or camera.type != "CAMERA" or camera.data.type != "PERSP":
            text = "The scene has no camera" if camera is None else f'"{camera.name}" is no perspective camera'
            raise CinemaError(text, "Choose one as the scene's camera")
    settings = scene.cinemagraph
    limits = [camera_path.get_limit(scene, camera) for camera in dict.fromkeys(shot)] if whole else []
    limits = [limit for limit in limits if limit is not None and not limit.mute]
    for limit in limits:
        limit.mute = True
    set_apart = bpy.data.scenes.new("Cinemagraph Check")
    try:
        for name in ("frame_map_old", "frame_map_new"):
            setattr(set_apart.render, name, getattr(scene.render, name))
        for item in {*shot, settings.photo_camera, settings.root} - {None}:
            set_apart.collection.objects.link(item)
        taken = [_take(set_apart, frame, camera, settings, scene) for frame, camera in zip(frames, shot)]
    finally:
        bpy.data.scenes.remove(set_apart)
        for limit in limits:
            limit.mute = False
    poses, homes, lenses = (np.array(values, np.float64) for values in zip(*taken))
    return Film(frames[0], poses, homes, lenses)


def _take(
    set_apart: bpy.types.Scene,
    frame: int,
    camera: bpy.types.Object,
    settings: bpy.types.PropertyGroup,
    scene: bpy.types.Scene,
) -> tuple[Matrix, Matrix, list[float]]:
    """Pose, pose of the photo's camera, and lens at a frame."""
    set_apart.frame_set(frame)
    graph = set_apart.view_layers[0].depsgraph
    root = settings.root.evaluated_get(graph).matrix_world if in_scene(settings.root, scene) else Matrix()
    seen = camera.evaluated_get(graph)
    home = settings.photo_camera.evaluated_get(graph).matrix_world
    scale = root.median_scale
    lens = _lens(seen, graph, scene)
    return to_core(seen.matrix_world, root), to_core(home, root), [*lens[:4], lens[4] / scale, lens[5] / scale]


def _lens(camera: bpy.types.Object, graph: bpy.types.Depsgraph, scene: bpy.types.Scene) -> list[float]:
    """Focal length across and down and principal point, px of the frame, and what is clipped."""
    width, height = _frame_size(scene)
    render = scene.render
    view = camera.calc_matrix_camera(
        graph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    focal = (width / 2 * view[0][0], height / 2 * view[1][1])
    middle = (width / 2 * (1 - view[0][2]), height / 2 * (1 + view[1][2]))
    return [*focal, *middle, camera.data.clip_start, camera.data.clip_end]


def _frame_size(scene: bpy.types.Scene) -> tuple[int, int]:
    render = scene.render
    share = render.resolution_percentage / 100
    return max(1, int(render.resolution_x * share)), max(1, int(render.resolution_y * share))


# Showing


def _place_overlay(scene: bpy.types.Scene, start: int, files: list[Path]) -> None:
    """Show the pictures in the views of the scene's cameras, in place of those shown before."""
    settings, found = scene.cinemagraph.coverage, scene.cinemagraph.coverage.found_json
    forget(scene)
    settings.found_json = found
    image = settings.image = bpy.data.images.load(str(files[0]))
    image.name, image.source = "Cinemagraph Holes", "SEQUENCE"
    for camera in cameras(scene):
        camera.data.show_background_images = True
        backdrop = camera.data.background_images.new()
        backdrop.image, backdrop.alpha, backdrop.show_background_image = image, 1.0, settings.show
        backdrop.display_depth, backdrop.frame_method, backdrop.show_expanded = "FRONT", "STRETCH", False
        user = backdrop.image_user
        user.frame_start, user.frame_duration, user.frame_offset = start, len(files), 0
        user.use_auto_refresh, user.use_cyclic = True, False


def _oldest(folder: Path) -> Path:
    """The folder in `folder` whose pictures are the first to go."""

    def age(place: Path) -> float:
        return place.stat().st_mtime if place.exists() else 0.0

    return min((folder / str(number) for number in range(1, KEPT + 1)), key=age)


def _overlays(image: bpy.types.Image | None) -> list[bpy.types.CameraBackgroundImage]:
    if image is None:
        return []
    return [backdrop for camera in bpy.data.cameras for backdrop in camera.background_images if backdrop.image == image]
