"""Operator that removes the engine's results of other photos."""

import bpy

from ..blender_addon import job_store


class CINEMAGRAPH_OT_clear_jobs(bpy.types.Operator):
    """Remove the engine's results of all photos but those of the open file, which it makes again when needed"""

    bl_idname = "cinemagraph.clear_jobs"
    bl_label = "Clear"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.window_manager.cinemagraph.running:
            cls.poll_message_set("The engine is busy; wait until it is done")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        self.report({"INFO"}, f"Freed {job_store.clear() / 1e6:,.0f} MB")
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_clear_jobs,)
