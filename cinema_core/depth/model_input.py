"""The photo as the input of a model: scaled, normalised, its axes in the order of torch and ONNX."""

from __future__ import annotations

import numpy as np

from ..image.grid import resize

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of R, G, B
LARGEST_AREA = 2.5  # times the square that a model was trained on: limits the memory that panoramas take


def fit_size(shape: tuple[int, int], side: int, multiple: int) -> tuple[int, int]:
    """The size at which a model sees a photo.

    Args:
        shape: (H, W) of the photo.
        side: px that the shorter side gets, about.
        multiple: px that both sides are multiples of.

    Returns:
        (w, h) px with the photo's aspect, of at most LARGEST_AREA times side * side.
    """
    height, width = shape
    scale = side / min(height, width)
    scale *= min(1.0, (LARGEST_AREA * side**2 / (height * width * scale**2)) ** 0.5)
    return _multiple_of(width * scale, multiple), _multiple_of(height * scale, multiple)


def normalise(
    color: np.ndarray, size: tuple[int, int], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> np.ndarray:
    """Scale and normalise a photo.

    Args:
        color: (H, W, 3) float32 sRGB.
        size: (w, h) px.
        mean: Of R, G, B in 0..1, subtracted.
        deviation: Of R, G, B, by which the difference is divided.

    Returns:
        (1, 3, h, w) float32.
    """
    small = (resize(color, size) - np.asarray(mean, np.float32)) / np.asarray(deviation, np.float32)
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)


def _multiple_of(length: float, multiple: int) -> int:
    return max(multiple, multiple * round(length / multiple))
