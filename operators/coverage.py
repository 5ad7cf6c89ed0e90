"""Operators that check the camera's path for holes, and limit it to its safe range."""

import bpy
from bpy.props import FloatProperty, IntProperty

from ..blender_addon import coverage
from ..blender_addon.engine import EngineRequest
from .engine_job import EngineOperator


class CINEMAGRAPH_OT_check_camera(EngineOperator, bpy.types.Operator):
    """Check every frame of the camera's path for holes, where the camera sees no points"""

    bl_idname = "cinemagraph.check_camera"
    bl_label = "Check Camera"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _can_check(cls, context)

    def start(self, context: bpy.types.Context) -> EngineRequest:
        self._start = context.scene.frame_start
        return coverage.start_check(context.scene)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        frame, share = coverage.finish_check(scene, self._start, answer).worst
        text = f"The worst frame is {frame}, with {share:.2%} holes" if share else "No frame has a hole"
        self.report({"INFO"}, text)
        for name in coverage.clipping(scene):
            self.report({"WARNING"}, f'"{name}" clips distant points: raise its Clip End')


class CINEMAGRAPH_OT_limit_camera(EngineOperator, bpy.types.Operator):
    """Scale the camera's path towards the photo's view until no frame has too many holes; keyframes stay unchanged"""

    bl_idname = "cinemagraph.limit_camera"
    bl_label = "Limit to Safe Range"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.scene.camera is not None and context.scene.camera == context.scene.cinemagraph.photo_camera:
            cls.poll_message_set("The scene's camera is the photo's own; make another camera active")
            return False
        return _can_check(cls, context)

    def start(self, context: bpy.types.Context) -> EngineRequest:
        self._start = context.scene.frame_start
        return coverage.start_check(context.scene, limit=True)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        found = coverage.finish_limit(scene, self._start, answer)
        if answer["factor"] == 1:
            self.report({"INFO"}, "The whole path is safe")
        else:
            text = f"The path is scaled to {answer['factor']:.0%} of its size"
            self.report({"INFO"}, f"{text}; the worst frame has {found.worst[1]:.2%} holes")


class CINEMAGRAPH_OT_forget_coverage(bpy.types.Operator):
    """Remove the overlay and the figures of the check, and leave the camera unchanged"""

    bl_idname = "cinemagraph.forget_coverage"
    bl_label = "Clear Check"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        coverage.forget(context.scene)
        return {"FINISHED"}


class CINEMAGRAPH_OT_go_to_frame(bpy.types.Operator):
    """Go to this frame"""

    bl_idname = "cinemagraph.go_to_frame"
    bl_label = "Go to Frame"
    bl_options = {"INTERNAL"}

    frame: IntProperty(name="Frame")
    share: FloatProperty(options={"SKIP_SAVE"}, default=-1.0)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        holes = f", with {properties.share:.2%} holes" if properties.share >= 0 else ""
        return f"Go to frame {properties.frame}{holes}"

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


def _can_check(operator: type, context: bpy.types.Context) -> bool:
    if not len(context.scene.cinemagraph.parts):
        operator.poll_message_set("There are no points yet: press Build first")
        return False
    return operator.is_idle(context)


CLASSES = (
    CINEMAGRAPH_OT_check_camera,
    CINEMAGRAPH_OT_limit_camera,
    CINEMAGRAPH_OT_forget_coverage,
    CINEMAGRAPH_OT_go_to_frame,
)
