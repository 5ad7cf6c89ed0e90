"""Models that estimate depth: those we know by name, and what is said of a model's licence."""

from pathlib import Path

import bpy

from ..cinema_core.shared.licence import NOT_STATED, read_licence

DEFAULT = "depth-anything/Depth-Anything-V2-Small-hf"
# Name at the hub -> licence of its weights, as its page says.
KNOWN = {
    DEFAULT: "Apache-2.0",
    "depth-anything/Depth-Anything-V2-Base-hf": "CC-BY-NC-4.0, not for commercial use",
    "depth-anything/Depth-Anything-V2-Large-hf": "CC-BY-NC-4.0, not for commercial use",
    "Intel/dpt-large": "Apache-2.0",
}
FILES = (".pt", ".onnx")


def resolve(model: str) -> str:
    """Give the model as the engine wants it: a folder's or file's whole path, or its name at the hub."""
    return bpy.path.abspath(model.strip())


def is_local(model: str) -> bool:
    """Tell a folder or file from a name at the hub, which is "owner/model"."""
    place = resolve(model)
    return Path(place).suffix.lower() in FILES or Path(place).is_absolute() or Path(place).exists()


def choose(path: str) -> str:
    """What is meant by a file that was chosen: the file itself, or the model's folder that it lies in."""
    chosen = Path(bpy.path.abspath(path))
    return str(chosen if chosen.is_dir() or chosen.suffix.lower() in FILES else chosen.parent)


def find_licence(model: str) -> str:
    """Say under which licence a model is: by its name, else by the model card in its folder.

    It looks into files; not for panels, which draw many times a second.
    """
    known = next((licence for name, licence in KNOWN.items() if name.lower() == model.strip().lower()), None)
    if known or not is_local(model):
        return known or NOT_STATED
    place = Path(resolve(model))
    return read_licence(place if place.is_dir() else place.parent)
