"""The brush for hints: thin lines in the layer's colour, whatever the photo's size and whichever brush was used last.

Blender's own pencil draws lines of 6 % of the photo's width, and some distributions bring no brushes at all.
"""

from contextlib import suppress

import bpy

from . import versions

NAME = "Cinemagraph Hint"
RADIUS = 0.004  # units of the photo's longer side
_MARK = "cinemagraph_hint"  # custom property of the brush


def choose(context: bpy.types.Context) -> None:
    """Choose the brush in Draw Mode, unless this file has it and the user draws with another one."""
    paint = context.scene.tool_settings.gpencil_paint
    brush = next((brush for brush in bpy.data.brushes if _MARK in brush), None)
    if brush is not None and paint.brush is not None:
        return
    if brush is None:
        brush = _make()
    with suppress(RuntimeError):  # without a window, or in a mode without brushes
        bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier=f"Brush/{brush.name}")


def _make() -> bpy.types.Brush:
    brush = bpy.data.brushes.new(NAME, mode="PAINT_GREASE_PENCIL")
    brush[_MARK] = True
    brush.asset_mark()  # Blender activates nothing else
    brush.use_locked_size = "SCENE"
    versions.set_unprojected_radius(brush, RADIUS)
    versions.draw_lines(brush)
    drawing = brush.gpencil_settings
    drawing.hardness, drawing.aspect = 1.0, (1.0, 1.0)
    drawing.use_strength_pressure = False  # a faint line means the same as a strong one
    drawing.active_smooth_factor = 0.35
    drawing.use_settings_postprocess = True
    drawing.pen_smooth_factor, drawing.pen_smooth_steps = 0.3, 2
    return brush
