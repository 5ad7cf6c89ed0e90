"""Learned models that the user has: depth estimators, and inpainters of LaMa's form.

Depth: `transformers` models from a folder or from the user's hub cache, or one TorchScript or ONNX file that takes an
image (NCHW, ImageNet-normalised) and gives disparity. Inpainting: a file that takes image and mask.

Nothing is ever fetched from the network except by `find_model` with `download`, and no code that comes with a model's
weights is run. transformers is an optional dependency, imported here alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..files.model import NOT_STATED, SUFFIXES, PlainModel, find_licence, load_plain_model
from ..shared.errors import CinemaError

DEFAULT_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"
LICENCES = {DEFAULT_MODEL: "apache-2.0"}  # of models that we name; the others' are on their cards
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation
LARGEST = 2.5  # times the area that a model was made for: panoramas are shrunk to it, for memory's sake
PLAIN_SIZES = ((518, 14), (384, 32), (512, 32))  # shorter side, multiple: tried in turn where a file does not say
PLAIN_SQUARES = (518, 384, 512, 256)  # then these, as traced files may take one size alone
INPAINT_SIDE, INPAINT_MULTIPLE = 1024, 8  # px
_HUB_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json", "README.md")
_GIVES_DISTANCES = ("zoedepth", "glpn", "prompt_depth_anything")  # types of model; see `_kind`


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a model says of a photo.

    Attributes:
        values: (h, w) float32, smaller than the photo as a rule.
        kind: "disparity" or "metric".
        name: The model's.
        licence: As far as it is known.
    """

    values: np.ndarray
    kind: str
    name: str
    licence: str


def infer_depth(color: np.ndarray, model: str, download: bool = False, device: str = "cpu") -> Estimate:
    """Estimate a photo's depth.

    Args:
        color: (H, W, 3) float32 sRGB.
        model: See `find_model`.
        download: It may be fetched.
        device: Where torch works.

    Raises:
        CinemaError: The model is missing, cannot be used, or what it needs is not installed.
    """
    place = find_model(model, download)
    if place.is_dir():
        values, kind = _by_transformers(place, model, color, device)
    else:
        values, kind = _by_file(load_plain_model(place, device), place.name, color), "disparity"
    if not np.isfinite(values).any():
        raise CinemaError(f"The model {model} gives no finite depth", "Use another model")
    name = model if place.is_dir() and not Path(model).exists() else place.name
    stated = find_licence(place if place.is_dir() else place.parent)
    return Estimate(values, kind, name, LICENCES.get(model, stated) if stated == NOT_STATED else stated)


def find_model(model: str, download: bool = False) -> Path:
    """Where a model lies on this computer.

    Args:
        model: A folder of a transformers model, a .pt or .onnx file, or the name of a model in the hub cache.
        download: Fetch it into the hub cache where it is not there.

    Returns:
        The file, or the folder with config.json.

    Raises:
        CinemaError: It is not there.
    """
    place = Path(model).expanduser()
    if place.is_file() or place.suffix.lower() in SUFFIXES:
        if place.suffix.lower() not in SUFFIXES:
            raise CinemaError(f"{place.name} is not a model", "Choose a model's folder, or a .pt or .onnx file")
        if not place.is_file():
            raise CinemaError(f"There is no model {place}", "Choose an existing .pt or .onnx file")
        return place
    if place.is_dir():
        if not (place / "config.json").is_file():
            raise CinemaError(f"{place} holds no transformers model", "Choose the folder that has its config.json")
        return place
    if place.is_absolute() or model.count("/") != 1 or model.startswith("."):
        raise CinemaError(f"There is no model {model}", "Give a folder, a .pt or .onnx file, or a name as owner/model")
    return _in_cache(model) or _fetch(model, download)


def model_key(model: str) -> list:
    """What tells one state of a model from another, without reading its weights."""
    try:
        place = find_model(model)
    except CinemaError:
        return [model]
    files = sorted(place.glob("*")) if place.is_dir() else [place]
    return [str(place), [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]]


def load_inpainter(path: str | Path, device: str = "cpu") -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Load a model that fills holes: it takes an image (1, 3, H, W) of 0..1 and a mask (1, 1, H, W), and gives the image.

    Args:
        path: A .pt or .onnx file.
        device: Where torch works.

    Returns:
        A function of image ((H, W, 3) float32 sRGB) and mask ((H, W) bool, True is to be filled) that gives the image
        with its holes filled, and is the same elsewhere. It works at no more than `INPAINT_SIDE` px.

    Raises:
        CinemaError: The file is no such model; the function too.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise CinemaError(f"{path.name} is not an inpainting model", "Choose a .pt or .onnx file")
    model = load_plain_model(path, device)

    def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if not mask.any():
            return image
        height, width = mask.shape
        size = _inpaint_size(model, height, width)
        small = np.ascontiguousarray(_resize(image, size), np.float32)
        holes = (_resize(mask.astype(np.float32), size) > 0).astype(np.float32)  # whatever touches a hole is one
        filled = _padded_run(model, small, holes, path.name)
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        return np.where(mask[..., None], filled, image).astype(np.float32)

    return fill


def _inpaint_size(model: PlainModel, height: int, width: int) -> tuple[int, int]:
    """(w, h) that an image is brought to, before it is padded."""
    most = model.size or (INPAINT_SIDE, INPAINT_SIDE)
    scale = min(1.0, most[0] / height, most[1] / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _padded_run(model: PlainModel, image: np.ndarray, holes: np.ndarray, name: str) -> np.ndarray:
    """(h, w, 3) float32, what the model makes of (h, w, 3) and (h, w); it is given mirrored borders of its own size."""
    height, width = holes.shape
    tall, wide = model.size or (-(-side // INPAINT_MULTIPLE) * INPAINT_MULTIPLE for side in (height, width))
    padding = ((0, tall - height), (0, wide - width))
    inputs = (np.pad(image, (*padding, (0, 0)), mode="symmetric").transpose(2, 0, 1)[None],
              np.pad(holes, padding, mode="symmetric")[None, None])  # fmt: skip
    try:
        found = model.run(*inputs)
    except RuntimeError as error:
        raise _no_inpainter(name, str(error)) from error
    if found.shape != (1, 3, tall, wide) or not np.isfinite(found).all():
        raise _no_inpainter(name, f"it gives {' x '.join(map(str, found.shape))} values")
    found = found / 255 if found.max() > 2 else found  # some exports give 0..255
    return np.ascontiguousarray(found[0].transpose(1, 2, 0)[:height, :width], np.float32)


def _no_inpainter(name: str, reason: str) -> CinemaError:
    reason = (reason.strip().splitlines() or ["no reason given"])[-1][:200]
    return CinemaError(f"The inpainting model {name} does not take image and mask ({reason})", "Use one of LaMa's form")


def _by_transformers(folder: Path, name: str, color: np.ndarray, device: str) -> tuple[np.ndarray, str]:
    """(h, w) float32 values and their kind."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the hub's library is imported; see `_fetch`
    try:
        import torch
        import transformers
    except ImportError as error:
        raise _not_installed(error) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, notes = transformers.AutoModelForDepthEstimation.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # of many kinds: a wrong file, another model, a newer one
        text = f"{name} cannot be loaded as a depth model ({_first_line(error)})"
        raise CinemaError(text, "Use the whole folder of a depth-estimation model with .safetensors weights") from error
    if notes["missing_keys"]:
        raise CinemaError(f"{name} lacks weights of its depth head", "Use a model made for depth estimation")
    sizes, mean, deviation = _preparation(folder, model.config, color.shape[:2])
    model.to(device).eval()

    def run(size: tuple[int, int]) -> np.ndarray:
        with torch.inference_mode():
            pixels = torch.from_numpy(_normalised(color, size, mean, deviation)).to(device)
            return _as_map(model(pixel_values=pixels).predicted_depth.float().cpu().numpy(), name)

    return _at_first_size(run, sizes, name), _kind(model.config)


def _not_installed(error: ImportError) -> CinemaError:
    if getattr(error, "name", None) == "torch":
        raise error
    reason = "is not installed in" if isinstance(error, ModuleNotFoundError) else f"does not start ({error}) in"
    return CinemaError(
        f"transformers {reason} {sys.executable}", f'Install it: "{sys.executable}" -m pip install transformers'
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _kind(config: object) -> str:
    """Whether a model gives distances. Depth Pro's raw output is inverse depth, as MiDaS's and Depth Anything's is."""
    metric = config.model_type in _GIVES_DISTANCES or getattr(config, "depth_estimation_type", "") == "metric"
    return "metric" if metric else "disparity"


def _preparation(folder: Path, config: object, shape: tuple[int, int]) -> tuple[list[tuple[int, int]], tuple, tuple]:
    """(w, h) that the model may see, the best first, and the mean and deviation it was trained with."""
    try:
        stated = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        stated = stated if isinstance(stated, dict) else {}
    except (OSError, ValueError):
        stated = {}
    mean, deviation = stated.get("image_mean") or IMAGENET[0], stated.get("image_std") or IMAGENET[1]
    size = stated.get("size") if isinstance(stated.get("size"), dict) else {}
    wanted = [size.get("height"), size.get("width")]
    backbone = getattr(config, "backbone_config", None) or config
    if not all(isinstance(side, int) and side > 0 for side in wanted):
        own = size.get("shortest_edge") or getattr(backbone, "image_size", None)
        wanted = [own if isinstance(own, int) and own > 0 else 512] * 2
    own = (wanted[1], wanted[0])
    if config.model_type == "depth_pro":  # made for it alone
        return [own], mean, deviation
    patch = getattr(backbone, "patch_size", None)
    multiple = max(int(stated.get("ensure_multiple_of") or 1), patch if isinstance(patch, int) else 1)
    fitting = fit_size(shape, min(wanted), multiple if multiple > 1 else 32)
    return [fitting, own], mean, deviation  # MiDaS's transformers take squares alone


def fit_size(shape: tuple[int, int], side: int, multiple: int) -> tuple[int, int]:
    """(w, h): the photo's aspect, its shorter side about `side`, multiples of `multiple`, no more than LARGEST squares."""
    height, width = shape
    scale = side / min(height, width)
    scale *= min(1.0, (LARGEST * side**2 / (height * width * scale**2)) ** 0.5)
    return tuple(max(multiple, multiple * round(length * scale / multiple)) for length in (width, height))


def _normalised(color: np.ndarray, size: tuple[int, int], mean: tuple, deviation: tuple) -> np.ndarray:
    """(1, 3, h, w) float32."""
    small = (_resize(color, size) - np.float32(mean)) / np.float32(deviation)
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1::-1] == tuple(size):
        return image
    shrink = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)


def _as_map(values: np.ndarray, name: str) -> np.ndarray:
    """(h, w) float32."""
    shape = [side for side in values.shape if side != 1]
    if len(shape) != 2:
        raise CinemaError(
            f"{name} gives {' x '.join(map(str, values.shape))} values, not one depth a pixel", "Use a depth model"
        )
    return values.reshape(shape).astype(np.float32)


def _by_file(model: PlainModel, name: str, color: np.ndarray) -> np.ndarray:
    """(h, w) float32 disparity, at the first size that the model takes."""
    squares = [(side, side) for side in PLAIN_SQUARES]
    sizes = (
        [model.size[::-1]] if model.size else [*(fit_size(color.shape[:2], *size) for size in PLAIN_SIZES), *squares]
    )
    return _at_first_size(lambda size: _as_map(model.run(_normalised(color, size, *IMAGENET)), name), sizes, name)


def _at_first_size(run: Callable[[tuple[int, int]], np.ndarray], sizes: list[tuple[int, int]], name: str) -> np.ndarray:
    """What the model gives at the first size that it takes."""
    for size in sizes:
        try:
            return run(size)
        except (RuntimeError, ValueError) as error:
            trouble = error
    raise CinemaError(f"{name} cannot be run on a photo ({_first_line(trouble)})", "Use another model") from trouble


def _in_cache(name: str) -> Path | None:
    """The folder of a model's latest state in the user's hub cache."""
    folder = _cache() / ("models--" + name.replace("/", "--"))
    try:
        current = folder / "snapshots" / (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        current = folder
    known = sorted(folder.glob("snapshots/*"), key=lambda place: place.stat().st_mtime, reverse=True)
    whole = (
        place for place in (current, *known) if (place / "config.json").is_file() and any(place.glob("*.safetensors"))
    )
    return next(whole, None)


def _cache() -> Path:
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(named).expanduser() if named else Path(home).expanduser() / "hub"


def _fetch(name: str, download: bool) -> Path:
    if not download:
        raise CinemaError(
            f"The model {name} is not on this computer",
            "Fetch it (Download in the panel, --download on the command line), or give a model's folder",
        )
    try:
        import huggingface_hub
    except ImportError as error:
        raise _not_installed(error) from error
    huggingface_hub.constants.HF_HUB_OFFLINE = False  # the user asked for it; elsewhere it stays off
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(_HUB_FILES), cache_dir=_cache()))
    except Exception as error:  # of the network, the hub, the disk
        text = f"The model {name} could not be fetched ({_first_line(error)})"
        raise CinemaError(text, "Check its name and the connection, or give a model's folder") from error
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = True
