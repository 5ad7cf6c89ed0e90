"""Scales photos of up to 100 megapixels and more down to the working size, without a float copy of the whole photo."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

_BAND_ROWS = 256  # rows that are converted to float at a time
_VISIBLE_ALPHA = 1e-6  # at lower coverage, colours are averaged without alpha


def scale_down(pixels: np.ndarray, max_side: int) -> np.ndarray:
    """Scale a photo so that its longer side is at most `max_side` px; colours are averaged weighted by alpha.

    Args:
        pixels: (H, W, C) uint8 or uint16 with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA.
        max_side: px.

    Returns:
        (h, w, C) float32, 0..1, filtered by area.
    """
    height, width, channels = pixels.shape
    scale = max_side / max(height, width)
    if scale >= 1.0:
        return _as_float(pixels)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if channels in (1, 3):
        return _area_filter(pixels, size, _as_float)
    covered = _area_filter(pixels, size, _times_alpha)
    color, alpha = covered[..., :-1], covered[..., -1:]
    unweighted = _area_filter(pixels[..., :-1], size, _as_float)
    color = np.where(alpha > _VISIBLE_ALPHA, color / np.maximum(alpha, _VISIBLE_ALPHA), unweighted)
    return np.concatenate([color, alpha], -1).clip(0.0, 1.0)


def _area_filter(pixels: np.ndarray, size: tuple[int, int], convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Scale `convert(pixels)` to `size`, (w, h): each band of rows in width, then all rows in height."""
    narrow = []
    for top in range(0, len(pixels), _BAND_ROWS):
        rows = convert(pixels[top : top + _BAND_ROWS])
        narrow.append(_with_channels(cv2.resize(rows, (size[0], len(rows)), interpolation=cv2.INTER_AREA)))
    return _with_channels(cv2.resize(np.concatenate(narrow), size, interpolation=cv2.INTER_AREA))


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image[..., None] if image.ndim == 2 else image  # OpenCV drops a single channel


def _as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _times_alpha(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) float32: colour times alpha, and alpha."""
    values = _as_float(pixels)
    values[..., :-1] *= values[..., -1:]
    return values
