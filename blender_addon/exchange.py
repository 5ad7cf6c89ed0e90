"""Strokes to files for other programs, and the checks that any export needs. A file is whole or not there."""

import os
from pathlib import Path

import bpy

from ..cinema_core.shared import stroke_files
from ..cinema_core.shared.errors import CinemaError
from ..cinema_core.shared.labelme import write_labelme
from . import strokes


def suggest_path(scene: bpy.types.Scene, suffix: str) -> str:
    """Give a file beside the .blend, else beside the photo, named after the photo."""
    photo = Path(bpy.path.abspath(scene.cinemagraph.photo_path))
    folder = Path(bpy.data.filepath).parent if bpy.data.filepath else photo.parent
    return str(folder / (photo.stem + suffix))


def writable(path: Path, suffixes: list[str]) -> Path:
    """Give the path back if a file of that kind can be written there.

    Raises:
        CinemaError: It cannot.
    """
    if path.suffix.lower() not in suffixes:
        raise CinemaError(
            f'"{path.name}" has no ending that says what to write', f"Choose one of {', '.join(suffixes)}"
        )
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CinemaError(f'"{path}" cannot be written', "Choose a file in a folder of yours")
    return path


def export_strokes(scene: bpy.types.Scene, path: Path, labelme: bool) -> int:
    """Write the strokes that count, and give their number.

    Args:
        scene: A scene with a photo.
        path: The .json file, replaced if it is there.
        labelme: Write labelme's form instead of our own.

    Raises:
        CinemaError: There are no strokes, or the file cannot be written.
    """
    drawn = strokes.read_hints(scene)
    if not drawn:
        raise CinemaError("There are no strokes at this frame", "Draw some first")
    settings = scene.cinemagraph
    path = writable(path.with_suffix(".json"), [".json"])
    try:
        size = (settings.width, settings.height)
        if labelme:
            name, of_file = Path(settings.photo_path).name, tuple(settings.file_size)
            write_labelme(path, drawn, size, name, of_file if all(of_file) else None)
        else:
            stroke_files.write_strokes(path, drawn, size)
    except OSError as error:
        raise CinemaError(
            f'"{path}" cannot be written ({error.strerror})', "Choose a file in a folder of yours"
        ) from error
    return len(drawn)
