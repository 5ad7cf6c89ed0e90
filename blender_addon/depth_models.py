"""Depth models: those that are offered, their folder, the one for new photos, and licences."""

import shutil
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..cinema_core.shared.models import (
    NOT_STATED,
    OFFERED,
    OfferedModel,
    downloaded_model,
    models_folder,
    read_licence,
)

FILES = (".pt", ".onnx")  # suffixes of models in one file


def folder() -> Path:
    """Give the folder of downloaded models: in the extension's user folder, which is removed with it."""
    return models_folder(Path(bpy.utils.extension_path_user(base_package, path="models")))


def is_downloaded(name: str) -> bool:
    """Tell whether an offered model is on this computer."""
    return downloaded_model(name, folder()) is not None


def remove(name: str) -> None:
    """Remove an offered model, or the part of it that is here, from this computer."""
    shutil.rmtree(folder() / name, ignore_errors=True)  # another Blender may use it


def resolve(model: str) -> str:
    """Give the model in the engine's form: a name, or the absolute path of its folder or file."""
    return model.strip() if find_offered(model) else bpy.path.abspath(model.strip())


def find_offered(model: str) -> OfferedModel | None:
    """Find an offered model by its name."""
    return OFFERED.get(model.strip())


def is_local(model: str) -> bool:
    """Tell whether the model is a folder or file, rather than a name."""
    if find_offered(model):
        return False
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
    offered = find_offered(model)
    if offered is not None:
        return offered.licence
    if not is_local(model):
        return NOT_STATED
    place = Path(resolve(model))
    return read_licence(place if place.is_dir() else place.parent)


def use(settings: bpy.types.PropertyGroup, name: str) -> None:
    """Let a scene use a model, and remember it for new photos."""
    settings.depth_model, settings.depth_source = name, "MODEL"
    addon = bpy.context.preferences.addons.get(base_package)
    if find_offered(name) and addon is not None:
        addon.preferences.depth_model = name


def use_for_new_photo(settings: bpy.types.PropertyGroup) -> None:
    """Let a scene that gets its first photo use the model that was chosen last, if the user wants that."""
    addon = bpy.context.preferences.addons.get(base_package)
    if addon is None:  # registered by a script, without being enabled
        return
    preferences = addon.preferences
    name = preferences.depth_model
    wanted = preferences.model_for_new_photos and settings.depth_source == "BUILT_IN"
    if wanted and find_offered(name) and is_downloaded(name):
        settings.depth_model, settings.depth_source = name, "MODEL"


def use_focal(settings: bpy.types.PropertyGroup, focal: float | None) -> str:
    """Take a model's estimate of the focal length where neither the photo's file nor the user has told it.

    Args:
        settings: The scene's settings.
        focal: The estimate, px of the working photo; None where there is none.

    Returns:
        A sentence for the user; "" where nothing has changed.
    """
    untold = settings.focal == max(settings.width, settings.height)  # the engine's value for photos that tell none
    if not focal or not untold:
        return ""
    settings.focal = focal
    return f"The focal length is {settings.lens:.0f} mm now, by the model's estimate"
