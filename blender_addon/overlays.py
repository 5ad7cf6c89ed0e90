"""Overlays: Grease Pencil objects over the photo that show a result. They cannot be selected and are never rendered."""

from collections.abc import Callable, Iterable

import bpy
import numpy as np

from .scene import ensure_root, in_scene, match_focal, new_drawing, remove_drawing

SetColor = Callable[[bpy.types.MaterialGPencilStyle, np.ndarray], None]
FIRST_FRAME = -1_000_000  # frame of the only keyframe, so that the drawing shows at every frame


def ensure_overlay(
    scene: bpy.types.Scene, field: str, name: str, colors: Iterable, set_color: SetColor
) -> bpy.types.Object:
    """Give the scene's overlay, empty and visible; it is made if it is missing.

    Args:
        scene: A scene with a photo.
        field: Property of the scene's settings that points to the object.
        name: Name of the layer, and with "Cinemagraph" before it of a new object.
        colors: (3,) each; every colour gets a material.
        set_color: Applies a colour to the style of a material.
    """
    settings = scene.cinemagraph
    ensure_root(scene)
    if not has_overlay(scene, field):
        setattr(settings, field, _new_overlay(scene, name, colors, set_color))
        match_focal(settings)
    overlay = getattr(settings, field)
    overlay.hide_viewport = False
    drawing_of(overlay).remove_strokes()
    return overlay


def drawing_of(overlay: bpy.types.Object) -> bpy.types.GreasePencilDrawing:
    """Give the drawing with an overlay's strokes."""
    return overlay.data.layers[0].frames[0].drawing


def has_overlay(scene: bpy.types.Scene, field: str) -> bool:
    """Tell whether this overlay exists in the scene."""
    return in_scene(getattr(scene.cinemagraph, field), scene)


def remove_overlay(scene: bpy.types.Scene, field: str) -> None:
    """Remove an overlay."""
    overlay = getattr(scene.cinemagraph, field)
    if overlay is not None:
        remove_drawing(overlay)
        setattr(scene.cinemagraph, field, None)


def _new_overlay(scene: bpy.types.Scene, name: str, colors: Iterable, set_color: SetColor) -> bpy.types.Object:
    overlay = new_drawing(scene, f"Cinemagraph {name}")
    overlay.hide_select = True
    layer = overlay.data.layers.new(name)
    layer.frames.new(FIRST_FRAME)
    layer.use_lights = False
    for color in colors:
        material = bpy.data.materials.new(overlay.name)
        bpy.data.materials.create_gpencil_data(material)
        set_color(material.grease_pencil, color)
        overlay.data.materials.append(material)
    return overlay


def blend_ramp(stops: np.ndarray, count: int) -> np.ndarray:
    """Interpolate (count, 3) colours along a ramp of (N, 3) equally spaced stops."""
    place = np.linspace(0, len(stops) - 1, count)
    return np.column_stack([np.interp(place, np.arange(len(stops)), stops[:, channel]) for channel in range(3)])
