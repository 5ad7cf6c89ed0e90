"""Depth models: their place on this computer or the hub, and their licence."""

from pathlib import Path

import bpy

from ..cinema_core.shared.models import NOT_STATED, read_licence
from .known_models import KNOWN_MODELS

FILES = (".pt", ".onnx")  # suffixes of models in one file


def resolve(model: str) -> str:
    """Give the model in the engine's form: the absolute path of its folder or file, or its name on the hub."""
    return bpy.path.abspath(model.strip())


def is_local(model: str) -> bool:
    """Tell whether the model is a folder or file, rather than a name "owner/model" on the hub."""
    place = resolve(model)
    return Path(place).suffix.lower() in FILES or Path(place).is_absolute() or Path(place).exists()


def choose(path: str) -> str:
    """Give the model of a chosen file: the file itself, or else its folder."""
    chosen = Path(bpy.path.abspath(path))
    return str(chosen if chosen.is_dir() or chosen.suffix.lower() in FILES else chosen.parent)


def find_licence(model: str) -> str:
    """Find the licence of a model by its name, else in the model card in its folder.

    This reads files, so do not call it from panels, which are drawn many times a second.
    """
    known = next((licence for name, licence in KNOWN_MODELS.items() if name.lower() == model.strip().lower()), None)
    if known or not is_local(model):
        return known or NOT_STATED
    place = Path(resolve(model))
    return read_licence(place if place.is_dir() else place.parent)
