"""Depth estimation by a model that the user has.

Models are either those of the `transformers` library, from a folder or from the user's Hugging Face cache, or single
TorchScript or ONNX files that take an image (NCHW, normalised as for ImageNet) and return disparity.

No code that comes with a model's weights is run. transformers is an optional dependency.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..files.model import PlainModel, load_plain_model, not_installed
from ..shared.errors import CinemaError, first_line
from ..shared.licence import NOT_STATED, read_licence
from .model_location import find_model, stay_offline

DEFAULT_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
LICENCES = {DEFAULT_MODEL: "apache-2.0"}  # of models whose card may be missing from the cache
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of R, G, B
LARGEST_AREA = 2.5  # times the square that a model was trained on: limits the memory that panoramas take
PLAIN_SIZES = (
    (518, 14),
    (384, 32),
    (512, 32),
)  # (shorter side, multiple), px: tried in turn when a file states no size
PLAIN_SQUARES = (518, 384, 512, 256)  # px: tried next, since traced files may take one size alone
DEFAULT_SIDE, DEFAULT_MULTIPLE = 512, 32  # px, of transformers models that state neither
_METRIC_TYPES = ("zoedepth", "glpn", "prompt_depth_anything")  # transformers' model types that return distances


@dataclass(frozen=True, eq=False)
class Estimate:
    """A model's estimate of a photo's depth.

    Attributes:
        values: (h, w) float32, usually smaller than the photo.
        kind: "disparity" or "metric".
        name: The model's name.
        licence: The model's licence, or NOT_STATED.
    """

    values: np.ndarray
    kind: str
    name: str
    licence: str


@dataclass(frozen=True)
class _Preparation:
    """The input that a transformers model was trained with.

    Attributes:
        sizes: (w, h) px that the model may take, in order of preference.
        mean: Of R, G, B in 0..1, subtracted from the photo.
        deviation: Of R, G, B, by which the difference is divided.
    """

    sizes: list[tuple[int, int]]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def infer_depth(color: np.ndarray, model: str, download: bool = False, device: str = "cpu") -> Estimate:
    """Estimate a photo's depth.

    Args:
        color: (H, W, 3) float32 sRGB.
        model: See `model_location.find_model`.
        download: Whether the model may be fetched.
        device: The torch device.

    Raises:
        CinemaError: The model is missing or cannot be used, or a library that it needs is not installed.
    """
    place = find_model(model, download)
    if place.is_dir():
        values, kind = _run_transformers(place, model, color, device)
    else:
        values, kind = _run_file(load_plain_model(place, device), place.name, color), "disparity"
    if not np.isfinite(values).any():
        raise CinemaError(f"The model {model} returns no finite depth", "Use another model")
    name = model if place.is_dir() and not Path(model).exists() else place.name
    stated = read_licence(place if place.is_dir() else place.parent)
    return Estimate(values, kind, name, LICENCES.get(model, stated) if stated == NOT_STATED else stated)


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


def _multiple_of(length: float, multiple: int) -> int:
    return max(multiple, multiple * round(length / multiple))


def _run_transformers(folder: Path, name: str, color: np.ndarray, device: str) -> tuple[np.ndarray, str]:
    """(h, w) float32 values and their kind."""
    stay_offline()
    try:
        import torch
        import transformers
    except ImportError as error:
        if error.name == "torch":
            raise
        raise not_installed("transformers", error) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, notes = transformers.AutoModelForDepthEstimation.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # of many types: a wrong file, a model of another kind, a model of a newer version
        text = f"{name} cannot be loaded as a depth model ({first_line(error)})"
        raise CinemaError(text, "Use the whole folder of a depth-estimation model with .safetensors weights") from error
    if notes["missing_keys"]:
        raise CinemaError(f"{name} lacks weights of its depth head", "Use a model made for depth estimation")
    preparation = _read_preparation(folder, model.config, (color.shape[0], color.shape[1]))
    model.to(device).eval()

    def run(size: tuple[int, int]) -> np.ndarray:
        with torch.inference_mode():
            normalised = _normalise(color, size, preparation.mean, preparation.deviation)
            pixels = torch.from_numpy(normalised).to(device)
            return _as_map(model(pixel_values=pixels).predicted_depth.float().cpu().numpy(), name)

    return _run_at_first_size(run, preparation.sizes, name), _kind_of_output(model.config)


def _kind_of_output(config: Any) -> str:
    """Whether a model returns distances. Depth Pro's raw output is inverse depth, as MiDaS's and Depth Anything's."""
    metric = config.model_type in _METRIC_TYPES or getattr(config, "depth_estimation_type", "") == "metric"
    return "metric" if metric else "disparity"


def _read_preparation(folder: Path, config: Any, shape: tuple[int, int]) -> _Preparation:
    """The preparation stated by preprocessor_config.json and config.json, for a photo of shape (H, W)."""
    try:
        stated = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        stated = stated if isinstance(stated, dict) else {}
    except (OSError, ValueError):
        stated = {}
    mean, deviation = stated.get("image_mean") or IMAGENET[0], stated.get("image_std") or IMAGENET[1]
    backbone = getattr(config, "backbone_config", None) or config
    width, height = own = _trained_size(stated.get("size"), backbone)
    if config.model_type == "depth_pro":  # takes no other size
        return _Preparation([own], mean, deviation)
    patch = getattr(backbone, "patch_size", None)
    multiple = max(int(stated.get("ensure_multiple_of") or 1), patch if isinstance(patch, int) else 1)
    fitting = fit_size(shape, min(width, height), multiple if multiple > 1 else DEFAULT_MULTIPLE)
    return _Preparation([fitting, own], mean, deviation)  # MiDaS's transformers take the square alone


def _trained_size(stated: object, backbone: Any) -> tuple[int, int]:
    """(w, h) px of the pictures that a model was trained with."""
    size = stated if isinstance(stated, dict) else {}
    width, height = size.get("width"), size.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    side = size.get("shortest_edge") or getattr(backbone, "image_size", None)
    side = side if isinstance(side, int) and side > 0 else DEFAULT_SIDE
    return side, side


def _normalise(
    color: np.ndarray, size: tuple[int, int], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> np.ndarray:
    """(1, 3, h, w) float32."""
    small = (_resize(color, size) - np.asarray(mean, np.float32)) / np.asarray(deviation, np.float32)
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1::-1] == size:
        return image
    shrink = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)


def _as_map(values: np.ndarray, name: str) -> np.ndarray:
    """(h, w) float32 from an array that may have further axes of length 1."""
    shape = [side for side in values.shape if side != 1]
    if len(shape) != 2:
        raise CinemaError(
            f"{name} returns {' x '.join(map(str, values.shape))} values, not one depth per pixel", "Use a depth model"
        )
    return values.reshape(shape).astype(np.float32)


def _run_file(model: PlainModel, name: str, color: np.ndarray) -> np.ndarray:
    """(h, w) float32 disparity, at the first size that the model takes."""
    shape = (color.shape[0], color.shape[1])
    squares = [(side, side) for side in PLAIN_SQUARES]
    own = model.size and (model.size[1], model.size[0])
    sizes = [own] if own else [*(fit_size(shape, *size) for size in PLAIN_SIZES), *squares]
    return _run_at_first_size(lambda size: _as_map(model.run(_normalise(color, size, *IMAGENET)), name), sizes, name)


def _run_at_first_size(
    run: Callable[[tuple[int, int]], np.ndarray], sizes: list[tuple[int, int]], name: str
) -> np.ndarray:
    """The model's output at the first size that it takes."""
    failure: Exception | None = None
    for size in sizes:
        try:
            return run(size)
        except (RuntimeError, ValueError) as error:
            failure = error
    assert failure is not None
    raise CinemaError(f"{name} cannot be run on a photo ({first_line(failure)})", "Use another model") from failure
