"""Camera paths by name or in files, and warnings about poses in another program's axes.

Input: a preset's name or a JSON file. Output: (N, 4, 4) float64 camera-to-world poses, core axes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..shared.camera import PATHS, Camera, are_rigid, camera_path
from ..shared.errors import CinemaError, cannot_read

SAMPLES = 20000  # points that stand for all of them in the check of poses
LEAST_SEEN = 0.001  # share of the points; a frame that shows fewer is taken for empty
_FLIP = np.diag((1.0, -1.0, -1.0, 1.0))  # turns camera axes with y up, looking along -z, into the core's
_AXES = "A camera file's axes are x right, y down, z into the scene"


def find_path(camera: str, frames: int | None, loop: bool) -> tuple[str, np.ndarray]:
    """Name and (N, 4, 4) poses of a preset or of a JSON file.

    Args:
        camera: As in `preview.plan_clips`, but not "all".
        frames: Number of frames; None takes the path's own.
        loop: Closed versions of the presets.

    Raises:
        CinemaError: There is no such path, or a malformed camera file.
    """
    if camera in ("still", *PATHS):
        return camera, camera_path(camera, frames, loop)
    return Path(camera).stem, _read_poses(Path(camera), frames)


def find_file(camera: str) -> Path | None:
    """The file of a camera path; None for a preset."""
    return None if camera in ("still", "all", *PATHS) else Path(camera)


def _read_poses(path: Path, frames: int | None) -> np.ndarray:
    """(N, 4, 4) float64 poses of a JSON file, the first `frames` of them."""
    wanted = "Give a JSON list of 4x4 camera-to-world matrices, one for each frame"
    if not path.is_file():
        raise CinemaError(f'There is no camera path "{path}"', f"Choose still, {', '.join(PATHS)}, all, or a JSON file")
    try:
        poses = np.array(json.loads(path.read_bytes()), np.float64)
    except OSError as error:
        raise cannot_read(path, error) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise CinemaError(f"{path.name} does not contain camera poses", wanted) from error
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not len(poses) or not are_rigid(poses):
        raise CinemaError(f"{path.name} does not contain camera poses", wanted)
    return poses[:frames] if frames else poses


def find_wrong_axes(points: np.ndarray, camera: Camera, poses: np.ndarray) -> list[str]:
    """Warnings about poses that look as if they had other axes than the core's.

    Args:
        points: (P, 3) float32 positions of points, core axes, scene units.
        camera: The photo's camera.
        poses: (N, 4, 4) float64 camera-to-world.

    Returns:
        Sentences: one where frames show nothing of the scene, one where frames are upside down.
    """
    sample = np.asarray(points[:: max(len(points) // SAMPLES, 1)], np.float64)
    if not len(sample):
        return []
    empty = [pose for pose in poses if _share_in_view(sample, camera, pose) < LEAST_SEEN]
    upside_down = sum(
        pose[1, 1] < -0.5 for pose in poses
    )  # the camera's y points more than 120 degrees from the core's
    warnings = []
    if empty:
        text = f"In {len(empty)} of {len(poses)} frames the camera looks away from the scene. {_AXES}"
        if max(_share_in_view(sample, camera, pose @ _FLIP) for pose in empty) >= LEAST_SEEN:
            text += "; these poses seem to have y up and look along -z, as NeRF, OpenGL and Blender write them: "
            text += "change the signs of the second and third column of every matrix"
        warnings.append(text)
    elif upside_down:
        text = f"In {upside_down} of {len(poses)} frames the camera is upside down. {_AXES}"
        warnings.append(f"{text}; where these poses have y up, change the signs of the columns that point otherwise")
    return warnings


def _share_in_view(points: np.ndarray, camera: Camera, pose: np.ndarray) -> float:
    """Share of (P, 3) points in front of a camera and within its frame."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    local = local[local[:, 2] > 0]
    pixels = camera.project(local)
    inside = ((pixels >= 0) & (pixels <= (camera.width, camera.height))).all(-1)
    return float(inside.sum()) / len(points)
