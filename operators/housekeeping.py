"""Operators about the extension itself: the engine's results on disk, and the line about the next step."""

import bpy

from .. import __package__ as base_package
from ..blender_addon import job_store
from .polls import is_engine_free


class CINEMAGRAPH_OT_clear_jobs(bpy.types.Operator):
    """Remove the engine's results of all photos but those of the open file, which it makes again when needed"""

    bl_idname = "cinemagraph.clear_jobs"
    bl_label = "Clear"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_engine_free(cls, context)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        self.report({"INFO"}, f"Freed {job_store.clear() / 1e6:,.0f} MB")
        return {"FINISHED"}


class CINEMAGRAPH_OT_hide_steps(bpy.types.Operator):
    """Stop naming the next step of the work; Preferences > Add-ons > 3D Cinemagraph starts it again"""

    bl_idname = "cinemagraph.hide_steps"
    bl_label = "Hide Next Step"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.preferences.addons[base_package].preferences.show_steps = False
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_clear_jobs, CINEMAGRAPH_OT_hide_steps)
