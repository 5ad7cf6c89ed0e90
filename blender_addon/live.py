"""Live flow: a timer notices that the hints have changed and lets the engine solve the motion again.

Nothing waits for it: it looks at the strokes some times a second, asks once they have rested, and draws the answer
when it is there. One request at a time, none while a stroke is being drawn or an operator works. It runs in windows
only and ends with the extension.
"""

import hashlib
import time

import bpy

from ..cinema_core.data import Stroke
from ..cinema_core.errors import CinemaError
from . import engine, flow_display, jobs, strokes

TICK = 0.08  # seconds between two looks at the hints
ANSWER_TICK = 0.03  # the same, at the engine that is solving
IDLE_TICK = 0.5  # the same while it is switched off
REST = 0.1  # seconds that the hints stay as they are before they are solved
# Settings that the flow depends on.
_SETTINGS = (
    "speed", "focal", "width", "height", "depth_file", "region_file", "flow_file", "feather", "perspective", "photo_path",
)


class Watch:
    """What is known of the hints of the scene that is looked at."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.scene: int | None = None
        self.seen = self.asked = ""  # marks of the hints, as last seen and as last asked for
        self.since = 0.0
        self.request: engine.Request | None = None

    def look(self, scene: bpy.types.Scene, busy: bool = False, trouble: str = "") -> str:
        """Look once, and ask or draw where that is due.

        Args:
            scene: The scene that is worked on.
            busy: Only look, something else goes on.
            trouble: What there was to complain of.

        Returns:
            What there is to complain of now, "" when all is well.

        Raises:
            CinemaError: The hints cannot be solved.
        """
        if self.scene != scene.session_uid:
            self.forget()
            self.scene = scene.session_uid
        if self.request is not None:
            return self._take(scene) if not busy and self.request.poll(done=True) else trouble
        drawn = strokes.read_hints(scene)
        mark = fingerprint(scene, drawn)
        if mark != self.seen:
            self.seen, self.since = mark, time.monotonic()
        rested = time.monotonic() - self.since >= REST
        if mark == self.asked or not rested or busy:
            return trouble
        self.asked = mark
        if not _moves(scene, drawn):
            flow_display.remove_flow(scene)
            return ""
        self.request = jobs.start_flow(scene)
        return ""

    def _take(self, scene: bpy.types.Scene) -> str:
        request, self.request = self.request, None
        flow_display.show_flow(scene, jobs.finish_flow(request.answer))
        return request.warnings[-1] if request.warnings else ""


_watch = Watch()


def fingerprint(scene: bpy.types.Scene, drawn: list[Stroke]) -> str:
    """Give a mark that changes with everything that the flow depends on."""
    settings = scene.cinemagraph
    mark = hashlib.sha1(repr([getattr(settings, name) for name in _SETTINGS]).encode())
    for stroke in drawn:
        mark.update(f"{stroke.kind} {stroke.closed} {stroke.speed} {len(stroke.points)}".encode())
        mark.update(stroke.points.tobytes())
        if stroke.profile is not None:
            mark.update(stroke.profile.tobytes())
    return mark.hexdigest()


def restart(context: bpy.types.Context) -> None:
    """Start afresh when it is switched on; let go of all when it is switched off."""
    _drop()
    context.window_manager.cinemagraph.live_trouble = ""


def _moves(scene: bpy.types.Scene, drawn: list[Stroke]) -> bool:
    settings = scene.cinemagraph
    return bool(settings.region_file or settings.flow_file or any(stroke.kind != "still" for stroke in drawn))


def _tick() -> float:
    manager = bpy.context.window_manager
    state = manager.cinemagraph
    scene = manager.windows[0].scene if state.live_preview and len(manager.windows) else None
    if scene is None or scene.cinemagraph.photo is None:
        return IDLE_TICK
    # A stroke being drawn, points being moved, a build: whatever is modal comes first.
    busy = state.running or any(len(window.modal_operators) for window in manager.windows)
    try:
        trouble = _watch.look(scene, busy, state.live_trouble)
    except CinemaError as error:
        _watch.request, trouble = None, str(error)
    if trouble != state.live_trouble:
        state.live_trouble = trouble
        _redraw_panels(manager)
    return ANSWER_TICK if _watch.request is not None else TICK


def _drop() -> None:
    if _watch.request is not None:
        _watch.request.cancel()
    _watch.forget()


def _redraw_panels(manager: bpy.types.WindowManager) -> None:
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def register() -> None:
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=IDLE_TICK, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _drop()
