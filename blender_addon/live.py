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

TICK = 0.08  # seconds between two looks
IDLE_TICK = 0.5  # the same while no scene wants it
REST = 0.2  # seconds that the hints stay as they are before they are solved
# Settings that the flow depends on.
_SETTINGS = (
    "speed", "focal", "width", "height", "depth_file", "region_file", "flow_file", "feather", "perspective", "photo_path",
)


class _Watch:
    """What is known of the hints of the scene that is looked at."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.scene: int | None = None
        self.seen = self.asked = ""  # marks of the hints, as last seen and as last asked for
        self.since = 0.0
        self.request: engine.Request | None = None

    def look(self, scene: bpy.types.Scene, busy: bool) -> str:
        """Look once, and ask or draw where that is due; gives what there is to complain of."""
        if self.scene != scene.session_uid:
            self.forget()
            self.scene = scene.session_uid
        if self.request is not None:
            return self._take(scene, busy)
        drawn = strokes.read_hints(scene)
        mark = fingerprint(scene, drawn)
        if mark != self.seen:
            self.seen, self.since = mark, time.monotonic()
        rested = time.monotonic() - self.since >= REST
        if mark == self.asked or not rested or busy:
            return bpy.context.window_manager.cinemagraph.live_trouble
        self.asked = mark
        if not _moves(scene, drawn):
            flow_display.remove_flow(scene)
            return ""
        self.request = jobs.start_flow(scene)
        return ""

    def _take(self, scene: bpy.types.Scene, busy: bool) -> str:
        if busy or not self.request.poll(done=True):
            return ""
        request, self.request = self.request, None
        flow_display.show_flow(scene, jobs.finish_flow(request.answer))
        return request.warnings[-1] if request.warnings else ""


_watch = _Watch()


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


def switch(scene: bpy.types.Scene) -> None:
    """Start afresh when the user switches it on or off."""
    _drop()
    bpy.context.window_manager.cinemagraph.live_trouble = ""
    if scene.cinemagraph.live_preview and not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, persistent=True)


def _moves(scene: bpy.types.Scene, drawn: list[Stroke]) -> bool:
    settings = scene.cinemagraph
    return bool(settings.region_file or settings.flow_file or any(stroke.kind != "still" for stroke in drawn))


def _tick() -> float:
    manager = bpy.context.window_manager
    scene = next((window.scene for window in manager.windows if window.scene.cinemagraph.live_preview), None)
    if scene is None or scene.cinemagraph.photo is None:
        _drop()
        return IDLE_TICK
    state = manager.cinemagraph
    # A stroke being drawn, points being moved, a build: whatever is modal comes first.
    busy = state.running or any(len(window.modal_operators) for window in manager.windows)
    try:
        trouble = _watch.look(scene, busy)
    except CinemaError as error:
        _watch.request, trouble = None, str(error)
    if trouble != state.live_trouble:
        state.live_trouble = trouble
        _redraw_panels(manager)
    return TICK


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
