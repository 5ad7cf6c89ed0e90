"""How an operator runs the engine: modal with Esc in a window, blocking in background and in scripts."""

import bpy

from ..blender_addon.engine import Job
from ..cinema_core.errors import CinemaError

TICK = 0.1  # seconds between two looks at the engine


class EngineOperator:
    """Mixin; a subclass says how to `start` the job and what to do with its answer in `finish`.

    The scene is changed in `finish` only, so that a failed or cancelled job leaves it as it was.
    """

    def start(self, context: bpy.types.Context) -> Job:
        """Gather from the context and start the engine."""
        raise NotImplementedError

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        """Bring the engine's answer into the scene that the job was started for."""
        raise NotImplementedError

    @classmethod
    def is_idle(cls, context: bpy.types.Context) -> bool:
        """For `poll`: one job at a time."""
        if context.window_manager.cinemagraph.running:
            cls.poll_message_set("The engine is busy; wait for it, or press Esc to cancel")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        self._timer = None
        self._scene = context.scene.session_uid  # a reference would not outlive an undo while the engine works
        try:
            self._job = self.start(context)
            if self.options.is_invoke and context.window is not None and not bpy.app.background:
                return self._go_modal(context)
            self._job.wait(on_progress=_Narrator())
            return self._done(context)
        except CinemaError as error:
            return self._failed(error)

    def _go_modal(self, context: bpy.types.Context) -> set[str]:
        manager = context.window_manager
        self._timer = manager.event_timer_add(TICK, window=context.window)
        state = manager.cinemagraph
        state.running, state.cancel, state.stage, state.fraction = True, False, "start", 0.0
        context.workspace.status_text_set(f"{self.bl_label}: the engine works.  Esc: Cancel")
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        state = context.window_manager.cinemagraph
        if state.cancel or (event.type == "ESC" and event.value == "PRESS"):
            self.cancel(context)
            self.report({"INFO"}, "Cancelled; the scene is as it was")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            finished = self._job.poll()
            state.stage, state.fraction = self._job.stage, self._job.fraction
            _redraw(context)
            if not finished:
                return {"PASS_THROUGH"}
            self._leave(context)
            return self._done(context)
        except CinemaError as error:
            self._leave(context)
            return self._failed(error)

    def cancel(self, context: bpy.types.Context) -> None:
        """Kill the engine. Blender calls this too, when it loads a file or quits while the job runs."""
        self._job.cancel()
        self._leave(context)

    def _leave(self, context: bpy.types.Context) -> None:
        manager = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
            self._timer = None
        manager.cinemagraph.running = manager.cinemagraph.cancel = False
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        _redraw(context)

    def _done(self, context: bpy.types.Context) -> set[str]:
        scene = next((scene for scene in bpy.data.scenes if scene.session_uid == self._scene), None)
        if scene is None:
            raise CinemaError("The scene is gone that this was for", "Open the photo in another scene")
        self.finish(context, scene, self._job.result)
        for warning in self._job.warnings:
            self.report({"WARNING"}, warning)
        return {"FINISHED"}

    def _failed(self, error: CinemaError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}


class _Narrator:
    """Says on the terminal what a blocking job does, once per stage."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, job: Job) -> None:
        if job.stage != self._stage:
            self._stage = job.stage
            print(f"3D Cinemagraph: {job.stage} ({job.fraction:.0%})", flush=True)


def _redraw(context: bpy.types.Context) -> None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()
