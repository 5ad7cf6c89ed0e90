"""Export of strokes to files, and the checks of every export. A file is written completely or not at all."""

import os
from pathlib import Path

import bpy

from ..cinema_core.shared import stroke_files, transaction
from ..cinema_core.shared.atomic_write import check_target, is_same
from ..cinema_core.shared.errors import CinemaError, cannot_write
from ..cinema_core.shared.labelme import write_labelme
from . import strokes

_INPUTS = {
    "the photo": "photo_path",
    "the depth map": "depth_file",
    "the mask": "region_file",
    "the motion field": "flow_file",
}


def suggest_path(scene: bpy.types.Scene, suffix: str) -> str:
    """Suggest a file beside the .blend file, else beside the photo, named after the photo; not an input itself."""
    photo = Path(bpy.path.abspath(scene.cinemagraph.photo_path))
    folder = Path(bpy.data.filepath).parent if bpy.data.filepath else photo.parent
    path = folder / (photo.stem + suffix)
    is_input = any(given is not None and is_same(path, given) for given in _inputs(scene).values())
    return str(path.with_stem(photo.stem + "_export") if is_input else path)


def check_writable(scene: bpy.types.Scene, path: Path, suffixes: list[str]) -> Path:
    """Give the path back if a file can be written there.

    Args:
        scene: A scene with a photo.
        path: The file.
        suffixes: Suffixes that are allowed, in lower case.

    Raises:
        CinemaError: The suffix is not allowed, the file is an input of the scene, or it cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        raise CinemaError(f'"{path.name}" has no file extension of a known format', f"Use one of {', '.join(suffixes)}")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise CinemaError(f'"{path}" cannot be written', "Choose a folder that you can write to")
    check_target(path, _inputs(scene))
    name = transaction.file_of_job(path)
    if name is not None:
        raise CinemaError(f"{path} is a finished build's {name}, and would be overwritten", "Choose another file")
    return path


def _inputs(scene: bpy.types.Scene) -> dict[str, Path | None]:
    """Files that the scene is built from, by their names in a sentence."""
    given = {name: getattr(scene.cinemagraph, field) for name, field in _INPUTS.items()}
    return {name: Path(bpy.path.abspath(path)) if path else None for name, path in given.items()}


def export_strokes(scene: bpy.types.Scene, path: Path, labelme: bool) -> int:
    """Write the visible strokes of the current frame, and give their number.

    Args:
        scene: A scene with a photo.
        path: The .json file, replaced if it exists.
        labelme: Write labelme's format instead of our own.

    Raises:
        CinemaError: There are no strokes, or the file cannot be written.
    """
    drawn = strokes.read_drawn_strokes(scene)
    if not drawn:
        raise CinemaError("There are no strokes at this frame", "Draw a stroke first")
    settings = scene.cinemagraph
    path = check_writable(scene, path.with_suffix(".json"), [".json"])
    try:
        size = (settings.width, settings.height)
        if labelme:
            name, of_file = Path(settings.photo_path).name, tuple(settings.file_size)
            write_labelme(path, drawn, size, name, of_file if all(of_file) else None)
        else:
            stroke_files.write_strokes(path, drawn, size)
    except OSError as error:
        raise cannot_write(path, error) from error
    return len(drawn)
