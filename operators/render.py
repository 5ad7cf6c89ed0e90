"""Operators that set the scene up for rendering the loop, and render it."""

import bpy
from bpy.props import FloatProperty, IntProperty, StringProperty

from .. import __package__ as base_package
from ..blender_addon import render, result
from ..cinema_core.shared.errors import CinemaError
from .polls import is_own

POLL_INTERVAL = 0.25  # seconds between two looks at a running render
USUAL = render.RenderChoice()


class CINEMAGRAPH_OT_set_up_render(bpy.types.Operator):
    """Set Cycles, the Standard View Transform and MP4 output, so that renders keep the photo's colours"""

    bl_idname = "cinemagraph.set_up_render"
    bl_label = "Set Up Render"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    samples: IntProperty(
        name="Samples", description="Number of Cycles samples per pixel", default=USUAL.samples, min=1, max=4096
    )
    filter_width: FloatProperty(
        name="Filter Width",
        description="Width of the Gaussian pixel filter; a wider filter is softer and flickers less in motion",
        subtype="PIXEL",
        default=USUAL.filter_width,
        min=0.01,
        max=10.0,
    )
    fps: IntProperty(name="Frame Rate", description="Frames per second", default=USUAL.fps, min=1, max=240)
    filepath: StringProperty(
        name="Output",
        description="Path of the video; if empty, the scene's output path is kept",
        subtype="FILE_PATH",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_own(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = self.filepath or context.scene.render.filepath
        render.set_up(context.scene, render.RenderChoice(self.samples, self.filter_width, self.fps, path))
        return {"FINISHED"}


class CINEMAGRAPH_OT_render_loop(bpy.types.Operator):
    """Render one round of the loop, or the camera's path, to a new video beside the file or the photo"""

    bl_idname = "cinemagraph.render_loop"
    bl_label = "Render Loop"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not result.parts(context.scene):
            cls.poll_message_set("There are no points yet: build them in the Build panel")
            return False
        if bpy.app.is_job_running("RENDER"):
            cls.poll_message_set("A render is running; press Esc in its window to stop it")
            return False
        return is_own(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self._file = render.prepare(context.scene)
        except CinemaError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        # The step to undo is the preparation; it ends before the render, during which an undo is possible.
        bpy.ops.ed.undo_push(message=self.bl_label)
        if not render.is_whole(context.scene):
            self.report(
                {"WARNING"}, "The camera's path is no whole number of loops, so the video jumps where it repeats"
            )
        self._watch, self._timer = render.Watch(), None
        if self.options.is_invoke and context.window is not None and not bpy.app.background:
            manager = context.window_manager
            self._timer = manager.event_timer_add(POLL_INTERVAL, window=context.window)
            manager.modal_handler_add(self)
            bpy.ops.render.render("INVOKE_DEFAULT", animation=True)
            return {"RUNNING_MODAL"}
        try:
            bpy.ops.render.render(animation=True)
        except RuntimeError as error:  # Blender's sentence, as when its disk is full
            self.report({"WARNING"}, str(error).removeprefix("Error: ").strip())
        return self._tell(context)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER" or bpy.app.is_job_running("RENDER"):
            return {"PASS_THROUGH"}
        return self._tell(context)

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop looking. Blender calls this when it loads a file or quits during the render."""
        self._watch.end()
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None

    def _tell(self, context: bpy.types.Context) -> set[str]:
        """Say where the video is."""
        self.cancel(context)
        if not self._file.exists():
            self.report({"WARNING"}, "Nothing was rendered, because the render was stopped or failed")
        elif not self._watch.completed:
            self.report({"WARNING"}, f"The render was stopped; {self._file} ends early")
        else:
            self.report({"INFO"}, f"Rendered to {self._file}")
            context.window_manager.cinemagraph.rendered = str(self._file)
            context.preferences.addons[base_package].preferences.show_steps = False
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_set_up_render, CINEMAGRAPH_OT_render_loop)
