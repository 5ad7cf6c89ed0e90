"""Operators that build the moving points, cancel the engine's job, and remove the points."""

import bpy

from ..blender_addon import depth_models, jobs, playback, result, viewport
from ..blender_addon.engine import EngineRequest
from .engine_job import EngineOperator
from .polls import is_own


class BuildOperator(EngineOperator):
    """Mixin: builds the scene's photo and strokes."""

    complete = staticmethod(jobs.finish_report)

    def start(self, context: bpy.types.Context) -> EngineRequest:
        self._has_no_hints = not jobs.has_hints(context.scene)
        self._before = context.scene.cinemagraph.report.get("frames", 0)
        return jobs.start_build(context.scene)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        report = jobs.finish_build(scene, answer)
        if told := depth_models.use_focal(scene.cinemagraph, report.get("depth_focal")):
            self.report({"INFO"}, told)
        if self._has_no_hints:
            jobs.draw_suggested(scene)
        self.report({"INFO"}, f"Built {report['still_points'] + report['moving_points']:,} points")
        playback.fit_timeline(scene, self._before)
        if viewport.shows(context, scene):
            viewport.show_result(context)


class CINEMAGRAPH_OT_build(BuildOperator, bpy.types.Operator):
    """Build the moving 3D scene from the photo and the strokes, in place of the previous build"""

    bl_idname = "cinemagraph.build"
    bl_label = "Build"
    bl_options = {"UNDO"}


class CINEMAGRAPH_OT_animate(BuildOperator, bpy.types.Operator):
    """Build the photo and play its loop; without strokes, sky and water are found and get strokes to edit"""

    bl_idname = "cinemagraph.animate"
    bl_label = "Animate"
    bl_options = {"UNDO"}

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        super().finish(context, scene, answer)
        if not playback.has_photo_colors(scene):
            before = scene.view_settings.view_transform
            playback.use_photo_colors(scene)
            text = f"The View Transform is Standard now, since {before} changes the photo's colors"
            self.report({"INFO"}, text)
        if viewport.shows(context, scene):
            viewport.fit_photo(context.window, viewport.photo_aspect(scene))
            viewport.play(context)


class CINEMAGRAPH_OT_use_photo_colors(bpy.types.Operator):
    """Choose the Standard View Transform, which shows the photo's own colors"""

    bl_idname = "cinemagraph.use_photo_colors"
    bl_label = "Use Photo's Colors"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_own(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        playback.use_photo_colors(context.scene)
        return {"FINISHED"}


class CINEMAGRAPH_OT_cancel(bpy.types.Operator):
    """Cancel the engine's job without changing the scene"""

    bl_idname = "cinemagraph.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.window_manager.cinemagraph.running:
            cls.poll_message_set("No job is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.cinemagraph.cancel = True
        return {"FINISHED"}


class CINEMAGRAPH_OT_remove(bpy.types.Operator):
    """Remove the built points and keep photo, strokes and cameras"""

    bl_idname = "cinemagraph.remove"
    bl_label = "Remove"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not len(context.scene.cinemagraph.parts):
            cls.poll_message_set("There are no points to remove")
            return False
        return is_own(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        result.remove_result(context.scene)
        return {"FINISHED"}


CLASSES = (
    CINEMAGRAPH_OT_build,
    CINEMAGRAPH_OT_animate,
    CINEMAGRAPH_OT_use_photo_colors,
    CINEMAGRAPH_OT_cancel,
    CINEMAGRAPH_OT_remove,
)
