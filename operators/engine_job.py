"""Base of operators that run the engine: modal with Esc in a window, blocking in background and in scripts."""

import time
from collections.abc import Callable

import bpy

from ..blender_addon import engine_state
from ..blender_addon.engine import EngineRequest
from ..cinema_core.shared.errors import CinemaError
from .engine_setup import StagePrinter
from .polls import has_photo, is_own

POLL_INTERVAL = 0.03  # seconds between two checks for the engine's answer; an edited stroke must show within a second
SOUND_AFTER = (2.0, 0.15)  # seconds and progress after which an estimate of the time left is shown
REPORT_TICK = 0.5  # seconds between two checks for figures of the quality report
Complete = Callable[[bpy.types.Scene, str, dict], None]


class EngineOperator:
    """Mixin; a subclass sends the request in `start` and uses the answer in `finish`.

    Only `finish` changes the scene, so that a failed or cancelled request leaves it unchanged. An engine that the
    extension brings along is set up before the first request.
    """

    # Called when an answer that was "ready" is complete, with the scene, its `report_json` after `finish`, and the
    # message. It is a function and not a method, because the operator may no longer exist by then.
    complete: Complete | None = None

    def start(self, context: bpy.types.Context) -> EngineRequest:
        """Send the request to the engine."""
        raise NotImplementedError

    def proceed(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> EngineRequest | None:
        """Send a following request that needs the answer of the last one; None if there is none."""
        return None

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        """Bring the engine's last answer into the scene of the request."""
        raise NotImplementedError

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_photo(cls, context) and cls.is_idle(context)

    @classmethod
    def is_idle(cls, context: bpy.types.Context) -> bool:
        """Tell `poll` whether no other request is running, and the scene can be changed."""
        if not is_own(cls, context):
            return False
        if context.window_manager.cinemagraph.running:
            cls.poll_message_set("The engine is busy; wait until it is done, or press Esc to cancel")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        self._timer = None
        self._warnings: list[str] = []
        self._scene = context.scene.session_uid  # a reference would not survive an undo while the engine works
        self._request: EngineRequest | None = None
        try:
            self._setup = engine_state.begin()
            if self._setup is None:
                self._request = self.start(context)
            if self.options.is_invoke and context.window is not None and not bpy.app.background:
                return self._go_modal(context)
            return self._block(context)
        except CinemaError as error:
            return self._failed(error)

    def _block(self, context: bpy.types.Context) -> set[str]:
        if self._setup is not None:
            self._setup.wait(StagePrinter())
            self._request = self.start(context)
        on_progress = _StagePrinter()
        self._request.wait(on_progress)
        while self._continues(context):
            self._request.wait(on_progress)
        report = self._done(context)
        if self.complete is not None:
            try:
                answer = self._request.wait(on_progress, done=True)
                self.complete(_find_scene(self._scene), report, answer)
            except CinemaError as error:  # the points stay in the scene, only their figures are missing
                self.report({"WARNING"}, str(error))
        return {"FINISHED"}

    def _go_modal(self, context: bpy.types.Context) -> set[str]:
        manager = context.window_manager
        self._timer = manager.event_timer_add(POLL_INTERVAL, window=context.window)
        state = manager.cinemagraph
        state.running, state.cancel, state.stage, state.fraction = True, False, "start", 0.0
        state.notice, self._workspace = "", context.workspace.name
        self._left = _TimeLeft()
        context.workspace.status_text_set(f"{self.bl_label}: the engine starts.  Esc: Cancel")
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        state = context.window_manager.cinemagraph
        if state.cancel or (event.type == "ESC" and event.value == "PRESS"):
            self._stop(context)
            self.report({"INFO"}, "Cancelled without changes to the scene")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            if self._request is None and self._setup.ended:
                self._setup.wait()  # raises its error
                self._request = self.start(context)
            answered = self._request is not None and self._request.poll()
            self._show_progress(context)
            if not answered or self._continues(context):
                return {"PASS_THROUGH"}
            self._leave(context)
            report = self._done(context)
            if self.complete is not None:
                _wait_for_rest(self._request, self._scene, report, self.complete)
            return {"FINISHED"}
        except CinemaError as error:
            self._leave(context)
            return self._failed(error)

    def cancel(self, context: bpy.types.Context) -> None:
        """Cancel the request; Blender calls this when it closes the window, loads a file or quits during the job."""
        self._stop(context)
        text = f"{self.bl_label} was cancelled, because its window or file was closed"
        context.window_manager.cinemagraph.notice = text  # nobody sees the reports of an operator that has ended so

    def _stop(self, context: bpy.types.Context) -> None:
        (self._request or self._setup).cancel()
        self._leave(context)

    def _show_progress(self, context: bpy.types.Context) -> None:
        state = context.window_manager.cinemagraph
        running = self._request or self._setup
        stage = running.stage if self._request else running.label
        if (state.stage, round(state.fraction, 3)) != (stage, round(running.fraction, 3)):
            state.stage, state.fraction = stage, running.fraction
            left = self._left.estimate(running.fraction)
            text = f"{self.bl_label}: {stage}, {running.fraction:.0%}{left}.  Esc: Cancel"
            context.workspace.status_text_set(text)
            _redraw(context)

    def _leave(self, context: bpy.types.Context) -> None:
        manager = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
            self._timer = None
        manager.cinemagraph.running = manager.cinemagraph.cancel = False
        workspace = bpy.data.workspaces.get(self._workspace)  # the context has none while its window is closed
        if workspace is not None:
            workspace.status_text_set(None)
        _redraw(context)

    def _continues(self, context: bpy.types.Context) -> bool:
        """Send the following request, if there is one."""
        following = self.proceed(context, _find_scene(self._scene), self._request.answer)
        if following is None:
            return False
        self._warnings += self._request.warnings
        self._request = following
        return True

    def _done(self, context: bpy.types.Context) -> str:
        """Finish, and give the scene's report."""
        scene = _find_scene(self._scene)
        self.finish(context, scene, self._request.answer)
        for warning in [*self._warnings, *self._request.warnings]:
            self.report({"WARNING"}, warning)
        return scene.cinemagraph.report_json

    def _failed(self, error: CinemaError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}


class _TimeLeft:
    """Estimates the time that a job still takes from the time that it has taken."""

    def __init__(self) -> None:
        self._start, self._last = time.monotonic(), 0.0

    def estimate(self, fraction: float) -> str:
        """Give a text such as ", about 20 s left"; "" where there is no ground for an estimate yet."""
        if fraction < self._last:  # the download of a model has ended, and the estimate of depth begins
            self._start = time.monotonic()
        self._last = fraction
        taken = time.monotonic() - self._start
        if taken < SOUND_AFTER[0] or fraction < SOUND_AFTER[1]:
            return ""
        left = taken * (1.0 - fraction) / fraction
        step = 1 if left < 10 else 5 if left < 60 else 30
        return f", about {max(step, round(left / step) * step)} s left"


class _StagePrinter:
    """Prints the stages of a blocking job to the terminal."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, request: EngineRequest) -> None:
        if request.stage != self._stage:
            self._stage = request.stage
            print(f"3D Cinemagraph: {request.stage} ({request.fraction:.0%})", flush=True)


def _find_scene(number: int) -> bpy.types.Scene:
    scene = next((scene for scene in bpy.data.scenes if scene.session_uid == number), None)
    if scene is None:
        raise CinemaError("The scene of this job was deleted", "Open the photo in another scene")
    return scene


def _wait_for_rest(
    request: EngineRequest, scene: int, report: str, complete: Callable[[bpy.types.Scene, str, dict], None]
) -> None:
    """Wait for the rest of an answer in a timer, which ends when a file is loaded."""

    def check() -> float | None:
        try:
            if not request.poll(done=True):
                return REPORT_TICK
            complete(_find_scene(scene), report, request.answer)
            _redraw(bpy.context)
        except CinemaError as error:
            print(f"3D Cinemagraph: {error}", flush=True)
        return None

    bpy.app.timers.register(check, first_interval=REPORT_TICK)


def _redraw(context: bpy.types.Context) -> None:
    """Redraw the panels, but not the views beside them, which may show a million points."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions if area.type == "VIEW_3D" else ():
                if region.type == "UI":
                    region.tag_redraw()
