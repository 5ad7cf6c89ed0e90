"""How an operator runs the engine: modal with Esc in a window, blocking in background and in scripts."""

from collections.abc import Callable

import bpy

from ..blender_addon.engine import Request
from ..cinema_core.shared.errors import CinemaError

TICK = 0.03  # seconds between two looks at the engine; an edited stroke is to show within a second
PATIENT_TICK = 0.5  # the same, for figures that nobody waits for


class EngineOperator:
    """Mixin; a subclass says what to `start` and what to do with the answer in `finish`.

    The scene is changed in `finish` only, so that a failed or cancelled request leaves it as it was.
    """

    # What to do with the rest of an answer that could be finished before it was complete: a function, not a method,
    # of the scene, its `report_json` as `finish` left it, and the message. By then the operator itself may be gone.
    complete: Callable[[bpy.types.Scene, str, dict], None] | None = None

    def start(self, context: bpy.types.Context) -> Request:
        """Gather from the context and ask the engine."""
        raise NotImplementedError

    def proceed(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> Request | None:
        """Ask for what comes next, where one request leads to another; None once there is all that is needed."""
        return None

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        """Bring the engine's last answer into the scene that it was asked for."""
        raise NotImplementedError

    @classmethod
    def is_idle(cls, context: bpy.types.Context) -> bool:
        """For `poll`: one request at a time."""
        if context.window_manager.cinemagraph.running:
            cls.poll_message_set("The engine is busy; wait for it, or press Esc to cancel")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        self._timer = None
        self._warnings: list[str] = []
        self._scene = context.scene.session_uid  # a reference would not outlive an undo while the engine works
        try:
            self._request = self.start(context)
            if self.options.is_invoke and context.window is not None and not bpy.app.background:
                return self._go_modal(context)
            return self._block(context)
        except CinemaError as error:
            return self._failed(error)

    def _block(self, context: bpy.types.Context) -> set[str]:
        narrator = _Narrator()
        self._request.wait(narrator)
        while self._goes_on(context):
            self._request.wait(narrator)
        report = self._done(context)
        if self.complete is not None:
            try:
                answer = self._request.wait(narrator, done=True)
                self.complete(_find_scene(self._scene), report, answer)
            except CinemaError as error:  # what is in the scene stays; its figures are all that is lost
                self.report({"WARNING"}, str(error))
        return {"FINISHED"}

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
            answered = self._request.poll()
            self._show_progress(context)
            if not answered or self._goes_on(context):
                return {"PASS_THROUGH"}
            self._leave(context)
            report = self._done(context)
            if self.complete is not None:
                _follow(self._request, self._scene, report, self.complete)
            return {"FINISHED"}
        except CinemaError as error:
            self._leave(context)
            return self._failed(error)

    def cancel(self, context: bpy.types.Context) -> None:
        """Drop the request. Blender calls this too, when it loads a file or quits while the engine works."""
        self._request.cancel()
        self._leave(context)

    def _show_progress(self, context: bpy.types.Context) -> None:
        state = context.window_manager.cinemagraph
        if (state.stage, round(state.fraction, 3)) != (self._request.stage, round(self._request.fraction, 3)):
            state.stage, state.fraction = self._request.stage, self._request.fraction
            _redraw(context)

    def _leave(self, context: bpy.types.Context) -> None:
        manager = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
            self._timer = None
        manager.cinemagraph.running = manager.cinemagraph.cancel = False
        if context.workspace is not None:
            context.workspace.status_text_set(None)
        _redraw(context)

    def _goes_on(self, context: bpy.types.Context) -> bool:
        """Ask for what comes next, if anything does."""
        following = self.proceed(context, _find_scene(self._scene), self._request.answer)
        if following is None:
            return False
        self._warnings += self._request.warnings
        self._request = following
        return True

    def _done(self, context: bpy.types.Context) -> str:
        """Finish, and give the report that the scene has then."""
        scene = _find_scene(self._scene)
        self.finish(context, scene, self._request.answer)
        for warning in [*self._warnings, *self._request.warnings]:
            self.report({"WARNING"}, warning)
        return scene.cinemagraph.report_json

    def _failed(self, error: CinemaError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}


class _Narrator:
    """Says on the terminal what a blocking job does, once per stage."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, request: Request) -> None:
        if request.stage != self._stage:
            self._stage = request.stage
            print(f"3D Cinemagraph: {request.stage} ({request.fraction:.0%})", flush=True)


def _find_scene(number: int) -> bpy.types.Scene:
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == number), None)
    if scene is None:
        raise CinemaError("The scene is gone that this was for", "Open the photo in another scene")
    return scene


def _follow(request: Request, scene: int, report: str, complete: Callable[[bpy.types.Scene, str, dict], None]) -> None:
    """Wait for the rest of an answer without holding anybody up. Loading a file ends it, as timers do."""

    def look() -> float | None:
        try:
            if not request.poll(done=True):
                return PATIENT_TICK
            complete(_find_scene(scene), report, request.answer)
            _redraw(bpy.context)
        except CinemaError as error:
            print(f"3D Cinemagraph: {error}", flush=True)
        return None

    bpy.app.timers.register(look, first_interval=PATIENT_TICK)


def _redraw(context: bpy.types.Context) -> None:
    """Show the panels anew; not the views beside them, where a million points may be drawn."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions if area.type == "VIEW_3D" else ():
                if region.type == "UI":
                    region.tag_redraw()
