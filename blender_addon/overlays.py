"""Overlays: Grease Pencil objects over the photo that show a result. They cannot be selected and never render."""

from collections.abc import Callable, Iterable

import bpy
import numpy as np

from .scene import ensure_root, in_scene, match_focal, new_drawing, remove_drawing

Dress = Callable[[bpy.types.MaterialGPencilStyle, np.ndarray], None]
EVERY_FRAME = -1_000_000  # the one keyframe; it is shown from there on


def ensure_overlay(scene: bpy.types.Scene, field: str, name: str, colors: Iterable, dress: Dress) -> bpy.types.Object:
    """Give the scene's overlay, emptied and visible; it is made if it is missing.

    Args:
        scene: A scene with a photo.
        field: Of the scene's settings, which points at the object.
        name: Of a new object, with "Cinemagraph" before it, and of its one layer.
        colors: (3,) each, one material for each.
        dress: Puts a colour on a material's style.
    """
    settings = scene.cinemagraph
    ensure_root(scene)
    if not has_overlay(scene, field):
        setattr(settings, field, _new_overlay(scene, name, colors, dress))
        match_focal(settings)
    overlay = getattr(settings, field)
    overlay.hide_viewport = False
    drawing_of(overlay).remove_strokes()
    return overlay


def drawing_of(overlay: bpy.types.Object) -> bpy.types.GreasePencilDrawing:
    """Give what an overlay's strokes are in."""
    return overlay.data.layers[0].frames[0].drawing


def has_overlay(scene: bpy.types.Scene, field: str) -> bool:
    """Tell whether the scene has this overlay, and as its own."""
    return in_scene(getattr(scene.cinemagraph, field), scene)


def remove_overlay(scene: bpy.types.Scene, field: str) -> None:
    """Take an overlay away."""
    overlay = getattr(scene.cinemagraph, field)
    if overlay is not None:
        remove_drawing(overlay)
        setattr(scene.cinemagraph, field, None)


def _new_overlay(scene: bpy.types.Scene, name: str, colors: Iterable, dress: Dress) -> bpy.types.Object:
    overlay = new_drawing(scene, f"Cinemagraph {name}")
    overlay.hide_select = True
    layer = overlay.data.layers.new(name)
    layer.frames.new(EVERY_FRAME)
    layer.use_lights = False
    for color in colors:
        material = bpy.data.materials.new(overlay.name)
        bpy.data.materials.create_gpencil_data(material)
        dress(material.grease_pencil, color)
        overlay.data.materials.append(material)
    return overlay


def blend_ramp(stops: np.ndarray, count: int) -> np.ndarray:
    """Give (count, 3) colours along a ramp of (N, 3) stops that are equally far apart."""
    place = np.linspace(0, len(stops) - 1, count)
    return np.column_stack([np.interp(place, np.arange(len(stops)), stops[:, channel]) for channel in range(3)])
