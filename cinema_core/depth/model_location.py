"""Finds a depth model on this computer: one that is offered for download, a file, a folder, or a model in the user's
Hugging Face cache.

Only `fetch_model` uses the network. huggingface_hub, which transformers brings, is an optional dependency.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from glob import escape
from pathlib import Path

from ..files.model import SUFFIXES, not_installed
from ..shared.errors import CinemaError, first_line
from ..shared.models import OFFERED, downloaded_model
from .model_download import download_model

# Files of a transformers model that are looked for and fetched; no code among them.
_HUB_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json", "README.md")
_FETCH = "Fetch it (Download in the panel, --download on the command line)"


def find_model(model: str) -> Path:
    """Find a model on this computer.

    Args:
        model: The name of an offered model, a folder of a transformers model, a .pt or .onnx file, or the name of a
            model in the Hugging Face cache.

    Returns:
        The file, or the folder with config.json.

    Raises:
        CinemaError: The model is not on this computer.
    """
    place = Path(model).expanduser()
    if model in OFFERED:
        found = downloaded_model(model)
        if found is None:
            raise CinemaError(f"{OFFERED[model].label} is not on this computer", f"{_FETCH}: {OFFERED[model].summary}")
        return found
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
    if not _is_hub_name(model):
        names = ", ".join(OFFERED)
        hint = f"Give a folder, a .pt or .onnx file, a name as owner/model, or one of {names}"
        raise CinemaError(f"There is no model {model}", hint)
    cached = _find_in_cache(model)
    if cached is None:
        raise CinemaError(f"The model {model} is not on this computer", f"{_FETCH}, or give a model's folder")
    return cached


def fetch_model(model: str, progress: Callable[[float], None] = lambda fraction: None) -> None:
    """Download a model that is not on this computer; a file or folder is left as it is.

    Args:
        model: See `find_model`.
        progress: Called with the share that is here, 0..1; of models in the Hugging Face cache none is known.

    Raises:
        CinemaError: It cannot be fetched.
    """
    if model in OFFERED:
        download_model(model, progress)
    elif not Path(model).expanduser().exists() and _is_hub_name(model) and _find_in_cache(model) is None:
        _download_to_cache(model)


def model_key(model: str) -> list:
    """A key that changes when the model's files change; their sizes and times are compared, not their content."""
    try:
        place = find_model(model)
    except CinemaError:
        return [model]
    # Beside an ONNX file may lie its weights: model.onnx, model.onnx_data.
    files = sorted(place.glob("*") if place.is_dir() else place.parent.glob(f"{escape(place.name)}*"))
    return [str(place), [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]]


def stay_offline() -> None:
    """Keep huggingface_hub and transformers from using the network, except in `fetch_model`."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # huggingface_hub reads it when it is imported


def _is_hub_name(model: str) -> bool:
    return not Path(model).is_absolute() and model.count("/") == 1 and not model.startswith((".", "~"))


def _find_in_cache(name: str) -> Path | None:
    """The folder of a model's latest state in the user's Hugging Face cache, if its weights are there."""
    stay_offline()
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise not_installed("transformers", error) from error
    try:
        folder = Path(snapshot_download(name, allow_patterns=list(_HUB_FILES), local_files_only=True))
    except (OSError, ValueError):  # not in the cache, or incomplete; or not a valid name
        return None
    complete = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    return folder if complete else None


def _download_to_cache(name: str) -> None:
    stay_offline()
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError as error:
        raise not_installed("transformers", error) from error
    constants.HF_HUB_OFFLINE = False  # the user asked for this download alone
    try:
        snapshot_download(name, allow_patterns=list(_HUB_FILES))
    except Exception as error:  # of the network, the hub or the disk
        text = f"The model {name} could not be fetched ({first_line(error)})"
        raise CinemaError(text, "Check its name and the connection, or give a model's folder") from error
    finally:
        constants.HF_HUB_OFFLINE = True
