"""Inpainting models that the user has: files of LaMa's form, which take an image and a mask and return the image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..image.grid import resize
from ..shared.errors import CinemaError
from .model import SUFFIXES, PlainModel, load_plain_model

LARGEST_SIDE = 1024  # px; larger images are scaled down for the model, which was trained on smaller ones
SIDE_MULTIPLE = 8  # px; the sides that LaMa's model takes
_LONGEST_REASON = 200  # characters of torch's message that are shown


def load_inpainter(path: str | Path, device: str = "cpu") -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Load a model that fills holes: from an image (1, 3, H, W) of 0..1 and a mask (1, 1, H, W) to such an image.

    Args:
        path: A .pt or .onnx file.
        device: The torch device.

    Returns:
        A function of image ((H, W, 3) float32 sRGB) and mask ((H, W) bool, True in the holes). It returns the image
        with filled holes and unchanged pixels elsewhere. The model works at no more than LARGEST_SIDE px.

    Raises:
        CinemaError: The file is not such a model; the function may raise it, too.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise CinemaError(f"{path.name} is not an inpainting model", "Choose a .pt or .onnx file")
    model = load_plain_model(path, device)

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if not mask.any():
            return image
        height, width = mask.shape
        size = _working_size(model, height, width)
        small = np.ascontiguousarray(resize(image, size), np.float32)
        holes = (resize(mask.astype(np.float32), size) > 0).astype(np.float32)  # pixels that touch a hole belong to it
        filled = _run_padded(model, small, holes, path.name)
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        return np.where(mask[..., None], filled, image).astype(np.float32)

    return fill


def _working_size(model: PlainModel, height: int, width: int) -> tuple[int, int]:
    """(w, h) to which an image is scaled before it is padded."""
    largest = model.size or (LARGEST_SIDE, LARGEST_SIDE)
    scale = min(1.0, largest[0] / height, largest[1] / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _run_padded(model: PlainModel, image: np.ndarray, holes: np.ndarray, name: str) -> np.ndarray:
    """(h, w, 3) float32, the output for (h, w, 3) and (h, w), which are padded by mirroring to a size it takes."""
    height, width = holes.shape
    tall, wide = model.size or (-(-height // SIDE_MULTIPLE) * SIDE_MULTIPLE, -(-width // SIDE_MULTIPLE) * SIDE_MULTIPLE)
    padding = ((0, tall - height), (0, wide - width))
    inputs = (np.pad(image, (*padding, (0, 0)), mode="symmetric").transpose(2, 0, 1)[None],
              np.pad(holes, padding, mode="symmetric")[None, None])  # fmt: skip
    try:
        found = model.run(*inputs)
    except RuntimeError as error:
        raise _unsuitable(name, str(error)) from error
    if found.shape != (1, 3, tall, wide) or not np.isfinite(found).all():
        raise _unsuitable(name, f"it returns {' x '.join(map(str, found.shape))} values")
    found = found / 255 if found.max() > 2 else found  # some exports return 0..255
    return np.ascontiguousarray(found[0].transpose(1, 2, 0)[:height, :width], np.float32)


def _unsuitable(name: str, reason: str) -> CinemaError:
    reason = (reason.strip().splitlines() or ["no reason given"])[-1][:_LONGEST_REASON]
    return CinemaError(
        f"The inpainting model {name} does not take image and mask ({reason})", "Use a model of LaMa's form"
    )
