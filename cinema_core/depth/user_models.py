"""Depth estimation by a model that the user has, or has downloaded.

Models are those of the `transformers` library, from a folder or from the user's Hugging Face cache; TorchScript or ONNX
files that take an image (NCHW, normalised as for ImageNet) and return disparity, as Depth Anything V2 does; and those
of `camera_models`, which estimate the camera too. Depth Anything V2 sees the shorter side at 518 px, both multiples of
14 (preprocessor_config.json of depth-anything/Depth-Anything-V2-Small-hf), and returns disparity of unknown scale and
zero.

No code that comes with a model's weights is run. transformers is an optional dependency.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files.model import PlainModel, load_plain_model, not_installed
from ..shared.errors import CinemaError, first_line
from ..shared.models import NOT_STATED, OFFERED, read_licence
from .camera_models import estimate_with_camera
from .model_input import IMAGENET, fit_size, normalise
from .model_location import find_model, stay_offline

LICENCES = {  # of models whose card may be missing from the cache
    "depth-anything/Depth-Anything-V2-Small-hf": "apache-2.0"
}
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
        focal: Focal length, px of the photo; None of models that do not estimate it.
    """

    values: np.ndarray
    kind: str
    name: str
    licence: str
    focal: float | None = None


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


def infer_depth(color: np.ndarray, model: str, device: str = "cpu") -> Estimate:
    """Estimate a photo's depth.

    Args:
        color: (H, W, 3) float32 sRGB.
        model: See `model_location.find_model`.
        device: The torch device.

    Raises:
        CinemaError: The model is missing or cannot be used, or a library that it needs is not installed.
    """
    place = find_model(model)
    offered = OFFERED.get(model)
    if offered is not None:
        name, licence = offered.label, offered.licence
    else:
        name = model if place.is_dir() and not Path(model).exists() else place.name
        licence = read_licence(place if place.is_dir() else place.parent)
        licence = LICENCES.get(model, licence) if licence == NOT_STATED else licence
    focal = None
    if place.is_dir():
        values, kind = _run_transformers(place, model, color, device)
    else:
        values, kind, focal = _run_file(load_plain_model(place, device), name, color)
    if not np.isfinite(values).any():
        raise CinemaError(f"The model {model} returns no finite depth", "Use another model")
    return Estimate(values, kind, name, licence, focal)


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
            normalised = normalise(color, size, preparation.mean, preparation.deviation)
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


def _as_map(values: np.ndarray, name: str) -> np.ndarray:
    """(h, w) float32 from an array that may have further axes of length 1."""
    shape = [side for side in values.shape if side != 1]
    if len(shape) != 2:
        raise CinemaError(
            f"{name} returns {' x '.join(map(str, values.shape))} values, not one depth per pixel", "Use a depth model"
        )
    return values.reshape(shape).astype(np.float32)


def _run_file(model: PlainModel, name: str, color: np.ndarray) -> tuple[np.ndarray, str, float | None]:
    """(h, w) float32 values, their kind, and the focal length, px of the photo, where the model estimates it."""
    found = estimate_with_camera(model, name, color)
    if found is not None:
        return found.depth, "metric", found.focal
    shape = (color.shape[0], color.shape[1])
    squares = [(side, side) for side in PLAIN_SQUARES]
    own = model.size and (model.size[1], model.size[0])
    sizes = [own] if own else [*(fit_size(shape, *size) for size in PLAIN_SIZES), *squares]

    def run(size: tuple[int, int]) -> np.ndarray:
        return _as_map(model.run(normalise(color, size, *IMAGENET)), name)

    return _run_at_first_size(run, sizes, name), "disparity", None


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
