"""Check of the camera's path for holes and invented surfaces: request to the engine, result and overlay.

Holes are shown as a background image of the camera, an image sequence with one picture per frame: Blender plays it by
itself, only in the camera's view, and never renders it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..cinema_core.shared.errors import CinemaError
from . import camera_path, engine, jobs, result
from .camera_recording import cameras, frame_size, record_camera
from .engine import EngineRequest
from .scene import in_scene

BARS = 12  # parts of the path in the panel's overview
FOLDER = "coverage"  # in the job folder, for the overlay's pictures
KEPT_CHECKS = 8  # checks whose pictures are kept, because an undo may show them again


@dataclass(frozen=True)
class CoverageResult:
    """Result of a check along the camera's path.

    Attributes:
        start: The first frame.
        uncovered: Share of holes in each frame.
        invented: Share of surfaces in each frame that the photo does not show.
        limit: Greatest share of holes in a good frame.
        points_id: Id of the points that were checked.
    """

    start: int
    uncovered: list[float]
    invented: list[float]
    limit: float
    points_id: str

    @property
    def worst(self) -> tuple[int, float]:
        """Frame with the greatest share of holes, and that share."""
        return self._most(self.uncovered)

    @property
    def most_invented(self) -> tuple[int, float]:
        """Frame with the greatest share of invented surfaces, and that share."""
        return self._most(self.invented)

    def _most(self, shares: list[float]) -> tuple[int, float]:
        index = int(np.argmax(shares))
        return self.start + index, shares[index]

    def bad_frames(self) -> list[tuple[int, int]]:
        """First and last frame of each run of frames with too many holes."""
        bad = np.concatenate([[False], np.array(self.uncovered) > self.limit, [False]])
        turns = np.flatnonzero(np.diff(bad.astype(int)))
        return [(self.start + int(a), self.start + int(b) - 1) for a, b in turns.reshape(-1, 2)]

    def bars(self) -> list[tuple[int, float]]:
        """Worst frame and its share of holes for each of a few equal parts of the path."""
        found = []
        for part in np.array_split(np.arange(len(self.uncovered)), min(BARS, len(self.uncovered))):
            index = int(part[np.argmax(np.array(self.uncovered)[part])])
            found.append((self.start + index, self.uncovered[index]))
        return found


def start_check(scene: bpy.types.Scene, limit: bool = False) -> EngineRequest:
    """Ask the engine to check the path of the scene's camera, and with `limit` to find its safe size.

    Raises:
        CinemaError: Nothing is built, or the scene has no perspective camera.
    """
    settings = scene.cinemagraph
    if not result.parts(scene):
        raise CinemaError("There are no points yet", "Press Build first")
    if not (in_scene(settings.photo_camera, scene) and in_scene(settings.root, scene)):
        raise CinemaError("The photo's camera or the root was deleted", "Press Build, which adds it again")
    recording = record_camera(scene, whole=limit)
    played = np.arange(len(recording.poses)) + recording.start - result.get_input(scene, "Start Frame", 1.0)
    turns = played * result.get_input(scene, "Speed", 1.0) / max(result.get_input(scene, "Loop Length", 1), 1)
    width, height = frame_size(scene)
    fields = {
        "out": str(jobs.job_path(scene)),
        "poses": recording.poses.reshape(-1, 16).tolist(),
        "lenses": recording.lenses.tolist(),
        "phases": (turns % 1).tolist(),
        "width": width,
        "height": height,
        "focal": settings.focal,
        "point_size": result.get_input(scene, "Point Size") or None,
        "limit": settings.coverage.limit / 100,
        "masks": str(_oldest(jobs.job_path(scene) / FOLDER)),
    }
    return engine.ask("coverage", fields | ({"photo_pose": recording.photo_poses[0].ravel().tolist()} if limit else {}))


def last_result(scene: bpy.types.Scene) -> CoverageResult | None:
    """Give the result of the last check, None without one."""
    stored = scene.cinemagraph.coverage.found_json
    return _read_result(stored) if stored else None


def _read_result(stored: str) -> CoverageResult:
    fields = json.loads(stored)
    return CoverageResult(points_id=fields.pop("points"), **fields)  # .blend files hold the id as "points"


def finish_check(scene: bpy.types.Scene, start: int, answer: dict) -> CoverageResult:
    """Store the engine's result and show the holes in the camera's view.

    Args:
        scene: The checked scene.
        start: The first checked frame.
        answer: The engine's answer.
    """
    settings = scene.cinemagraph.coverage
    limit = settings.limit / 100
    fields = {"start": start, "uncovered": answer["uncovered"], "invented": answer["invented"], "limit": limit}
    settings.found_json = json.dumps(fields | {"points": points_id(scene)})
    _place_overlay(scene, start, [Path(file) for file in answer["mask_files"]])
    return CoverageResult(**fields, points_id=points_id(scene))


def finish_limit(scene: bpy.types.Scene, start: int, answer: dict) -> CoverageResult:
    """Scale the path to the safe size that the engine found, and show the remaining holes; as `finish_check`."""
    camera_path.set_size(scene, cameras(scene), answer["factor"])
    return finish_check(scene, start, answer)


def show_overlay(settings: bpy.types.PropertyGroup) -> None:
    """Show or hide the overlay as the coverage settings say."""
    for backdrop in _overlays(settings.image):
        backdrop.show_background_image = settings.show


def forget(scene: bpy.types.Scene) -> None:
    """Remove the result of the check and its overlay."""
    settings = scene.cinemagraph.coverage
    settings.found_json = ""
    image, settings.image = settings.image, None
    for camera in bpy.data.cameras if image is not None else ():
        for backdrop in [one for one in camera.background_images if one.image == image]:
            camera.background_images.remove(backdrop)
    if image is not None:
        bpy.data.images.remove(image)


def clipping(scene: bpy.types.Scene) -> list[str]:
    """Name the cameras whose clip end is before the farthest points; clipped points are holes too."""
    farthest = max((layer["farthest"] for layer in scene.cinemagraph.report.get("layers", ())), default=0.0)
    return [camera.name for camera in cameras(scene) if camera.data.clip_end < farthest]


def points_id(scene: bpy.types.Scene) -> str:
    """Give the id of the built points."""
    report = scene.cinemagraph.report
    return f"{report.get('still_id')} {report.get('moving_id')}"


# Overlay


def _place_overlay(scene: bpy.types.Scene, start: int, files: list[Path]) -> None:
    """Show pictures in the views of the scene's cameras, in place of the previous ones."""
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
    """The folder in `folder` with the oldest pictures, which the next check replaces."""

    def age(place: Path) -> float:
        return place.stat().st_mtime if place.exists() else 0.0

    return min((folder / str(number) for number in range(1, KEPT_CHECKS + 1)), key=age)


def _overlays(image: bpy.types.Image | None) -> list[bpy.types.CameraBackgroundImage]:
    if image is None:
        return []
    return [backdrop for camera in bpy.data.cameras for backdrop in camera.background_images if backdrop.image == image]
