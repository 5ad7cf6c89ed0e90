"""Operators that show and hide the motion without a build."""

import bpy

from ..blender_addon import ensure, flow_display, jobs, live, viewport
from ..blender_addon.engine import EngineRequest
from .engine_job import EngineOperator
from .polls import has_photo


class CINEMAGRAPH_OT_show_flow(EngineOperator, bpy.types.Operator):
    """Solve the motion of the strokes and draw its streamlines over the photo, with fast flow in red"""

    bl_idname = "cinemagraph.show_flow"
    bl_label = "Show Flow"
    bl_options = {"UNDO"}

    def start(self, context: bpy.types.Context) -> EngineRequest:
        return jobs.start_flow(context.scene)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        lines = jobs.finish_flow(answer)
        ensure.ensure_objects(scene)
        flow_display.show_flow(scene, lines)
        if viewport.shows(context, scene):
            viewport.show_photo(context)
        if len(lines.offsets) < 2:
            self.report({"WARNING"}, "Nothing moves; draw a Motion stroke along the flow")


class CINEMAGRAPH_OT_live_flow(bpy.types.Operator):
    """Update the flow whenever a stroke is drawn or changed"""

    bl_idname = "cinemagraph.live_flow"
    bl_label = "Live"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.window_manager.cinemagraph.live_preview or has_photo(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        live.switch(context, live.FLOW)
        return {"FINISHED"}


class CINEMAGRAPH_OT_hide_flow(bpy.types.Operator):
    """Remove the streamlines and switch off Live"""

    bl_idname = "cinemagraph.hide_flow"
    bl_label = "Hide Flow"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not (flow_display.has_flow(context.scene) or context.window_manager.cinemagraph.live_preview):
            cls.poll_message_set("No flow is shown")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.cinemagraph.live_preview = False
        flow_display.remove_flow(context.scene)
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_show_flow, CINEMAGRAPH_OT_live_flow, CINEMAGRAPH_OT_hide_flow)
