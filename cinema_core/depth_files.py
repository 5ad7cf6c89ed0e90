"""Depth maps that the user has, from any estimator or renderer.

Input: a file. Output: disparity of the working photo.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .data import Photo
from .errors import CinemaError
from .grid import nearest_index


def read_disparity(path: str | Path, photo: Photo) -> np.ndarray:
    """Read a depth map the user has.

    An image (8 or 16 bit, or floats) is relative disparity: white is near. An array (.npy) holds depth along z, or
    disparity where its lower third is larger than its upper third, as the ground is nearer than the sky.

    Args:
        path: An image or .npy file, of any size with the photo's aspect.
        photo: The working photo.

    Returns:
        (H, W) float32 disparity, the nearest content at 1.

    Raises:
        CinemaError: Missing, unreadable, of another aspect, constant, or without a finite value.
    """
    path = Path(path)
    values, is_depth = _read_values(path)
    height, width = values.shape
    if abs(width / height - photo.width / photo.height) > 0.02 * photo.width / photo.height:
        raise CinemaError(
            f"The depth map {path.name} is {width} x {height}, which is not the photo's shape",
            f"Give a depth map of the whole photo ({photo.width} x {photo.height} or a multiple)",
        )
    if is_depth:  # 0 is what scanners and renderers write where they know nothing
        values = 1 / np.where(values > 0, values, np.nan)
    disparity = _fill_not_finite(values, path)
    disparity = _resize_disparity(disparity, photo.width, photo.height)
    low, high = np.percentile(disparity, (0.1, 99.9))
    if high - low <= 1e-6 * max(abs(high), 1e-6):
        raise CinemaError(f"The depth map {path.name} is the same everywhere", "Give one that tells near from far")
    if not is_depth:  # relative: as the reference, the farthest pixel is declared to be at infinity
        disparity, high = disparity - low, high - low
    return (disparity / high).astype(np.float32)


def _read_values(path: Path) -> tuple[np.ndarray, bool]:
    """(H, W) float32 and whether it is depth (else disparity)."""
    if not path.is_file():
        raise CinemaError(f"There is no depth map {path}", "Choose an existing image or .npy file")
    if path.suffix.lower() == ".npy":
        try:
            values = np.squeeze(np.load(path, allow_pickle=False)).astype(np.float32)
        except (ValueError, OSError, EOFError) as error:
            raise CinemaError(f"{path.name} is not a readable .npy array", "Save it with numpy.save") from error
        if values.ndim != 2:
            raise CinemaError(f"{path.name} has {values.ndim} dimensions", "Give an array of height x width")
        if not values.size:
            raise CinemaError(f"{path.name} is empty", "Give an array of height x width")
        return values, not _lower_is_larger(values)
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if values is None:
        raise CinemaError(f"{path.name} is not a readable image", "Give a PNG, TIFF or .npy depth map")
    if values.ndim == 3:
        values = values[..., :3].mean(-1)
    return values.astype(np.float32), False


def _lower_is_larger(values: np.ndarray) -> bool:
    third = max(1, len(values) // 3)
    upper, lower = values[:third], values[-third:]
    upper, lower = upper[np.isfinite(upper)], lower[np.isfinite(lower)]
    return bool(upper.size and lower.size and np.median(lower) > np.median(upper))


def _fill_not_finite(disparity: np.ndarray, path: Path) -> np.ndarray:
    """Give NaN and infinite values the disparity of the nearest good one."""
    bad = ~np.isfinite(disparity)
    if bad.all():
        raise CinemaError(f"The depth map {path.name} holds no finite value", "Give one with real depths")
    if bad.any():
        nearest = nearest_index(~bad)
        disparity = disparity.ravel()[nearest]
    return disparity.astype(np.float32)


def _resize_disparity(disparity: np.ndarray, width: int, height: int) -> np.ndarray:
    if disparity.shape == (height, width):
        return disparity
    shrink = width < disparity.shape[1]
    return cv2.resize(disparity, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
