"""The panel of the next step, above all others: its button is in sight whatever the window's height. It only draws."""

import bpy

from ..blender_addon import viewport
from .parts import (
    PRIMARY,
    SidebarPanel,
    next_step,
    running_place,
    show_animate,
    show_job,
    show_paths,
    show_render,
    show_step,
    show_wrapped,
)


class CINEMAGRAPH_PT_next(SidebarPanel, bpy.types.Panel):
    bl_label = "Next Step"
    bl_options = {"HIDE_HEADER"}  # Blender puts panels without a header above the others

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.cinemagraph.photo is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, step = self.layout, next_step(context)
        drawing, building = viewport.drawn_layer(context) != "", running_place(context) == "build"
        show_wrapped(context, layout, context.window_manager.cinemagraph.notice)
        show_step(context, layout, "build" if building else "draw" if drawing else step)
        if show_job(context, layout, "build", PRIMARY):
            return
        if drawing:
            layout.operator("cinemagraph.leave_drawing", text="Stop Drawing (Esc)", icon="LOOP_BACK")
        elif step == "camera":
            show_paths(context, layout)
        elif step == "render":
            show_render(context, layout)
        show_animate(context, layout, PRIMARY if drawing or step == "animate" else 1.0)


CLASSES = (CINEMAGRAPH_PT_next,)
