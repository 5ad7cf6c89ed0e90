"""Finds a depth model on this computer: a file, a folder, or a model in the user's Hugging Face cache.

Only `find_model` with `download` uses the network. huggingface_hub, which transformers brings, is an optional
dependency.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..files.model import SUFFIXES, not_installed
from ..shared.errors import CinemaError, first_line

# Files of a transformers model that are looked for and fetched; no code among them.
_HUB_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json", "README.md")


def find_model(model: str, download: bool = False) -> Path:
    """Find a model on this computer.

    Args:
        model: A folder of a transformers model, a .pt or .onnx file, or the name of a model in the Hugging Face cache.
        download: Fetch it into that cache when it is not there.

    Returns:
        The file, or the folder with config.json.

    Raises:
        CinemaError: The model is not on this computer.
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
    cached = _find_in_cache(model)
    if cached is None and not download:
        raise CinemaError(
            f"The model {model} is not on this computer",
            "Fetch it (Download in the panel, --download on the command line), or give a model's folder",
        )
    return cached or _download(model)


def model_key(model: str) -> list:
    """A key that changes when the model's files change; their sizes and times are compared, not their content."""
    try:
        place = find_model(model)
    except CinemaError:
        return [model]
    files = sorted(place.glob("*")) if place.is_dir() else [place]
    return [str(place), [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]]


def stay_offline() -> None:
    """Keep huggingface_hub and transformers from using the network, except in `_download`."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # huggingface_hub reads it when it is imported


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


def _download(name: str) -> Path:
    stay_offline()
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError as error:
        raise not_installed("transformers", error) from error
    constants.HF_HUB_OFFLINE = False  # the user asked for this download alone
    try:
        return Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
    except Exception as error:  # of the network, the hub or the disk
        text = f"The model {name} could not be fetched ({first_line(error)})"
        raise CinemaError(text, "Check its name and the connection, or give a model's folder") from error
    finally:
        constants.HF_HUB_OFFLINE = True
