"""Operator that sets the scene up for rendering the loop."""

import bpy
from bpy.props import FloatProperty, IntProperty, StringProperty

from ..blender_addon import render


class CINEMAGRAPH_OT_set_up_render(bpy.types.Operator):
    """Set Cycles, the Standard View Transform and MP4 output, so that renders keep the photo's colours"""

    bl_idname = "cinemagraph.set_up_render"
    bl_label = "Set Up Render"
    bl_options = {"REGISTER", "UNDO"}

    samples: IntProperty(name="Samples", description="Number of Cycles samples per pixel", default=16, min=1, max=4096)
    filter_width: FloatProperty(
        name="Filter Width",
        description="Width of the Gaussian pixel filter; a wider filter is softer and flickers less in motion",
        subtype="PIXEL",
        default=1.0,
        min=0.01,
        max=10.0,
    )
    fps: IntProperty(name="Frame Rate", description="Frames per second", default=25, min=1, max=240)
    filepath: StringProperty(
        name="Output",
        description="Path of the video; if empty, the scene's output path is kept",
        subtype="FILE_PATH",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = self.filepath or context.scene.render.filepath
        render.set_up(context.scene, render.RenderChoice(self.samples, self.filter_width, self.fps, path))
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_set_up_render,)
