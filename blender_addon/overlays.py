"""Overlays: Grease Pencil objects over the photo that show a result. They cannot be selected and are never rendered.

A timer replaces their strokes between two undo steps. Blender's undo leaves a datablock alone that is the same in both
steps, with all that was changed since; a pointer from it to a newer datablock then points to freed memory. Therefore
`ensure_overlay` alone makes an overlay with its materials, and only operators call it, as a part of their undo step.
The other functions change the strokes and a custom property, which point to nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import bpy
import numpy as np

from .scene import SHOWN, clear_drawing, ensure_root, in_scene, match_focal, new_drawing

SetColor = Callable[[bpy.types.MaterialGPencilStyle, np.ndarray], None]
FIRST_FRAME = -1_000_000  # frame of the only keyframe, so that the drawing shows at every frame


@dataclass(frozen=True, eq=False)
class Overlay:
    """One kind of overlay.

    Attributes:
        field: Property of the scene's settings that points to the object.
        name: Name of the layer, and with "Cinemagraph" before it of a new object.
        colors: (3,) each; every colour gets a material.
        set_color: Applies a colour to the style of a material.
        opacity: Opacity of the layer of a new object, 0..1.
    """

    field: str
    name: str
    colors: Iterable[np.ndarray]
    set_color: SetColor
    opacity: float = 1.0


def ensure_overlay(scene: bpy.types.Scene, kind: Overlay) -> bool:
    """Make the scene's overlay if it is missing, and make it visible; only within an undo step.

    Args:
        scene: A scene with a photo.
        kind: The overlay.

    Returns:
        Whether anything has changed.
    """
    settings, found = scene.cinemagraph, find_overlay(scene, kind)
    ensure_root(scene)
    if found is None:
        setattr(settings, kind.field, _new_overlay(scene, kind))
        match_focal(settings)
    elif found.hide_viewport:
        found.hide_viewport = False
    else:
        return False
    return True


def find_overlay(scene: bpy.types.Scene, kind: Overlay) -> bpy.types.Object | None:
    """Give the scene's overlay, None without one: an undo or the user may have removed it, or its layer."""
    overlay = getattr(scene.cinemagraph, kind.field)
    whole = in_scene(overlay, scene) and len(overlay.data.layers) and len(overlay.data.layers[0].frames)
    return overlay if whole else None


def empty_overlay(overlay: bpy.types.Object, mark: str = "") -> bpy.types.GreasePencilDrawing:
    """Remove an overlay's strokes, and give the drawing for those of a new result.

    Args:
        overlay: The object.
        mark: Identifies the new result.
    """
    overlay.data[SHOWN] = mark
    drawing = _drawing(overlay)
    drawing.remove_strokes()
    return drawing


def get_mark(scene: bpy.types.Scene, kind: Overlay) -> str | None:
    """Give the mark of the shown result, None if none is shown."""
    overlay = find_overlay(scene, kind)
    return None if overlay is None else overlay.data.get(SHOWN)


def is_shown(scene: bpy.types.Scene, kind: Overlay) -> bool:
    """Tell whether the overlay shows a result."""
    overlay = find_overlay(scene, kind)
    # Files of version 0.1.0 have overlays without a mark, and only where a result is shown.
    return overlay is not None and (SHOWN in overlay.data or len(_drawing(overlay).strokes) > 0)


def clear_overlay(scene: bpy.types.Scene, kind: Overlay) -> None:
    """Remove the shown result; the overlay stays, so that a timer can draw on it."""
    overlay = find_overlay(scene, kind)
    if overlay is not None:
        clear_drawing(overlay)


def _drawing(overlay: bpy.types.Object) -> bpy.types.GreasePencilDrawing:
    return overlay.data.layers[0].frames[0].drawing


def _new_overlay(scene: bpy.types.Scene, kind: Overlay) -> bpy.types.Object:
    overlay = new_drawing(scene, f"Cinemagraph {kind.name}")
    overlay.hide_select = True
    layer = overlay.data.layers.new(kind.name)
    layer.frames.new(FIRST_FRAME)
    layer.use_lights, layer.opacity = False, kind.opacity
    for color in kind.colors:
        material = bpy.data.materials.new(f".{overlay.name}")  # the dot keeps it out of Blender's lists of materials
        bpy.data.materials.create_gpencil_data(material)
        kind.set_color(material.grease_pencil, color)
        overlay.data.materials.append(material)
    return overlay


def blend_ramp(stops: np.ndarray, count: int) -> np.ndarray:
    """Interpolate (count, 3) colours along a ramp of (N, 3) equally spaced stops."""
    place = np.linspace(0, len(stops) - 1, count)
    return np.column_stack([np.interp(place, np.arange(len(stops)), stops[:, channel]) for channel in range(3)])
