"""Mask files: painted pictures of the moving region."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..shared.camera import same_aspect
from ..shared.errors import CinemaError


def read_mask(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """Read a painted mask: white moves, black stands still, grey moves more slowly.

    Args:
        path: An image of 8 or 16 bit, grey or colour; transparent pixels count as black.
        size: (W, H) px of the working photo, to which the mask is scaled; its aspect must be the same.

    Returns:
        (H, W) float32, 0..1.

    Raises:
        CinemaError: The file is missing, not an image, of another aspect, or has no white pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise CinemaError(f"There is no mask {path}", "Choose an existing image, white in the moving region")
    data = np.fromfile(path, np.uint8)  # not cv2.imread: it cannot open every file name on Windows
    try:
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except cv2.error:
        values = None
    if values is None:
        raise CinemaError(f"The mask {path.name} is not a readable image", "Save it as PNG")
    height, width = values.shape[:2]
    if not same_aspect((width, height), size):
        raise CinemaError(
            f"The mask {path.name} is {width} x {height}, which is not the photo's shape",
            f"Paint it over the whole photo ({size[0]} x {size[1]} or a multiple)",
        )
    values = _mask_values(values)
    shrink = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    values = cv2.resize(values, size, interpolation=shrink) if (width, height) != size else values
    if not (values > 0.5).any():
        raise CinemaError(f"The mask {path.name} is black", "Paint the moving region white")
    return values


def _mask_values(values: np.ndarray) -> np.ndarray:
    """(H, W) float32 0..1 from an image that OpenCV decoded."""
    full = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    values = np.nan_to_num(values.astype(np.float32) / full).clip(0, 1)
    if values.ndim == 2:
        return values
    covered = values[..., 3] if values.shape[2] == 4 else np.float32(1)
    return np.ascontiguousarray(values[..., :3].mean(-1) * covered)
