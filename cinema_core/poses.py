"""Camera files: a JSON list of poses, one a frame. Standard library and numpy only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .errors import CinemaError

_HINT = "Give a JSON list of 4x4 camera-to-world matrices, one a frame, x right, y down, z into the scene"
_TOLERANCE = 1e-3  # poses written with four digits are still rotations


def read_poses(path: Path) -> np.ndarray:
    """Read a camera file.

    Args:
        path: JSON, a list of N matrices, each four rows of four numbers.

    Returns:
        (N, 4, 4) float64 camera-to-world in the axes and units of the Convention in `camera`, N >= 1.

    Raises:
        CinemaError: The file cannot be read, or does not hold rigid camera-to-world matrices.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CinemaError(f"{path} does not exist", "Check the name of the camera file, or use a preset") from error
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror or error})", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise CinemaError(f"{path.name} is not valid JSON", _HINT) from error
    try:
        poses = np.array(content, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise CinemaError(f"{path.name} does not hold a list of 4x4 matrices", _HINT) from error
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) == 0:
        raise CinemaError(f"{path.name} does not hold a list of 4x4 matrices", _HINT)
    bad = np.flatnonzero(~_is_rigid(poses))
    if len(bad):
        raise CinemaError(f"{path.name}: matrix {bad[0] + 1} is not a rotation and a position", _HINT)
    return poses


def _is_rigid(poses: np.ndarray) -> np.ndarray:
    """(N,) bool."""
    finite = np.isfinite(poses).all((1, 2))
    poses = np.where(finite[:, None, None], poses, 0.0)
    rotation = poses[:, :3, :3]
    orthonormal = np.abs(rotation @ rotation.swapaxes(1, 2) - np.eye(3)).max((1, 2)) < _TOLERANCE
    last_row = np.abs(poses[:, 3] - (0, 0, 0, 1)).max(1) < _TOLERANCE
    return finite & orthonormal & last_row & (np.linalg.det(rotation) > 0)
