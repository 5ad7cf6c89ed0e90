"""A photo on the clipboard: a picture, or the name of a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import bpy

from .. import __package__ as base_package
from ..cinema_core.shared.data import PHOTO_SUFFIXES
from ..cinema_core.shared.errors import CinemaError

NAME = "Pasted Photo"  # of the files that hold pasted pictures


def photo_file(context: bpy.types.Context) -> Path:
    """Give the file of the photo on the clipboard; a picture is saved to a new file first.

    A copied file comes first, because some systems put a picture of its icon beside its name.

    Raises:
        CinemaError: There is no photo on the clipboard, or its picture cannot be saved.
    """
    named = find_named(context.window_manager.clipboard)
    return save(_paste(context)) if named is None else named


def find_named(text: str) -> Path | None:
    """Find the first photo that a text names, by its path or its URL, one a line; None without one."""
    for line in text.splitlines():
        line = line.strip().strip("\"'")
        path = Path(url2pathname(urlsplit(line).path) if line.startswith("file:") else line)
        try:
            if path.suffix.lower() in PHOTO_SUFFIXES and path.is_absolute() and path.is_file():
                return path
        except (OSError, ValueError):  # too long for a name, or with a character that no name has
            continue
    return None


def save(image: bpy.types.Image) -> Path:
    """Move a picture into a new PNG beside the .blend file, or in the user's folder, and give the file.

    Args:
        image: The picture; it is removed.

    Raises:
        CinemaError: The file cannot be written.
    """
    file = _free_file(_folder())
    try:
        image.filepath_raw, image.file_format = str(file), "PNG"
        image.save()
    except RuntimeError as error:
        raise CinemaError(f'The pasted photo could not be saved to "{file}"', "Free some space on the disk") from error
    finally:
        bpy.data.images.remove(image)
    return file


def _folder() -> Path:
    beside = Path(bpy.data.filepath).parent
    if bpy.data.filepath and os.access(beside, os.W_OK):
        return beside
    return Path(bpy.utils.extension_path_user(base_package, path="photos", create=True))


def _free_file(folder: Path) -> Path:
    file, number = folder / f"{NAME}.png", 1
    while file.exists():
        number += 1
        file = folder / f"{NAME} {number}.png"
    return file


def _paste(context: bpy.types.Context) -> bpy.types.Image:
    """Make an image of the picture on the clipboard, by Blender's own operator."""
    before = set(bpy.data.images)
    if context.window is not None:
        with _image_editor(context):
            if bpy.ops.image.clipboard_paste.poll():
                bpy.ops.image.clipboard_paste()
    found = [image for image in bpy.data.images if image not in before]
    if not found:
        raise CinemaError(
            "There is no photo on the clipboard",
            "Copy a picture or an image file; on Linux with X11 Blender takes image files only",
        )
    return found[0]


@contextmanager
def _image_editor(context: bpy.types.Context) -> Iterator[None]:
    """Turn an area of the window into an Image Editor for a moment, since Blender's operator crashes without one.

    The area with the pressed button is the last choice.
    """
    areas = sorted(context.screen.areas, key=lambda area: (area == context.area, area.type != "IMAGE_EDITOR"))
    area = areas[0]
    kept, shown = area.ui_type, area.spaces.active.image if area.type == "IMAGE_EDITOR" else None
    area.ui_type = "IMAGE_EDITOR"
    try:
        region = next(region for region in area.regions if region.type == "WINDOW")
        with context.temp_override(area=area, region=region):
            yield
    finally:
        area.spaces.active.image = shown
        area.ui_type = kept
