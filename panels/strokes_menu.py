"""The pie menu of all kinds of strokes, for Draw Mode. It only draws."""

import bpy

from ..blender_addon import viewport
from ..blender_addon.hint_layers import DEPTH_HINTS, LAYERS
from .parts import show_draw_buttons

PLACES = ("Still", "Motion", "", "Region", "Sway", "Outlet")  # west, east, south, north, then the corners


class CINEMAGRAPH_MT_strokes(bpy.types.Menu):
    bl_label = "Strokes"
    bl_idname = "CINEMAGRAPH_MT_strokes"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return viewport.drawn_layer(context) != ""

    def draw(self, context: bpy.types.Context) -> None:
        pie = self.layout.menu_pie()
        for name in PLACES:
            if name:
                pie.operator("cinemagraph.draw", text=name, icon=LAYERS[name].icon).layer = name
                continue
            column = pie.box().column(align=True)
            column.label(text="Depth")
            show_draw_buttons(context, column, DEPTH_HINTS)
        pie.operator("cinemagraph.leave_drawing", icon="LOOP_BACK")


CLASSES = (CINEMAGRAPH_MT_strokes,)
