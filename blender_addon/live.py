"""Live flow and live depth: a timer notices changed hints and asks the engine to solve them again.

The timer never blocks. It checks the strokes several times a second, sends a request once they have rested, and draws
the answer when it arrives. There is one request at a time, and none while a stroke is being drawn or an operator runs.
The timer runs in windows only and ends with the extension.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import bpy

from ..cinema_core.shared.data import Stroke
from ..cinema_core.shared.errors import CinemaError
from . import depth_display, engine, flow_display, jobs, strokes

TICK = 0.08  # seconds between two checks of the hints
ANSWER_TICK = 0.03  # seconds between two checks for the engine's answer
IDLE_TICK = 0.5  # seconds between two checks while live previews are off
REST = 0.1  # seconds without a change of the hints before a request is sent
_DEPTH_SETTINGS = (  # properties of the scene's settings that the depth depends on
    "width",
    "height",
    "photo_path",
    "depth_source",
    "depth_file",
    "depth_kind",
    "depth_limits",
    "depth_near",
    "depth_far",
    "depth_gamma",
    "depth_model",
    "edge_cleanup",
)
_FLOW_SETTINGS = (*_DEPTH_SETTINGS, "focal", "speed", "region_file", "flow_file", "feather", "perspective")


@dataclass(frozen=True)
class Subject:
    """A live preview.

    Attributes:
        switch: Property of the window manager's state that switches it on.
        trouble: Property of the same state for the text of a problem.
        settings: Properties of the scene's settings that it depends on.
        select: Selects the strokes that it depends on.
        exists: Tells whether there is anything to show.
        ask: Sends the request to the engine.
        show: Draws the engine's answer.
        remove: Removes the drawing.
    """

    switch: str
    trouble: str
    settings: tuple[str, ...]
    select: Callable[[list[Stroke]], list[Stroke]]
    exists: Callable[[bpy.types.Scene, list[Stroke]], bool]
    ask: Callable[[bpy.types.Scene], engine.EngineRequest]
    show: Callable[[bpy.types.Scene, dict], object]
    remove: Callable[[bpy.types.Scene], None]


def _moves(scene: bpy.types.Scene, drawn: list[Stroke]) -> bool:
    settings = scene.cinemagraph
    moving = len(drawn) - len(strokes.about_depth(drawn)) - sum(stroke.kind == "still" for stroke in drawn)
    return bool(settings.region_file or settings.flow_file or moving)


FLOW = Subject(
    "live_preview",
    "live_trouble",
    _FLOW_SETTINGS,
    list,
    _moves,
    jobs.start_flow,
    lambda scene, answer: flow_display.show_flow(scene, jobs.finish_flow(answer)),
    flow_display.remove_flow,
)
DEPTH = Subject(
    "live_depth",
    "live_depth_trouble",
    _DEPTH_SETTINGS,
    strokes.about_depth,
    lambda _scene, _drawn: True,
    jobs.start_depth,
    lambda scene, answer: depth_display.show_depth(scene, jobs.finish_depth(answer)),
    depth_display.remove_depth,
)


class Watch:
    """State of one live preview in the watched scene."""

    def __init__(self, subject: Subject = FLOW) -> None:
        self.subject = subject
        self.forget()

    def forget(self) -> None:
        self.scene: int | None = None
        self.seen = self.asked = ""  # fingerprints of the hints at the last check and at the last request
        self.since = 0.0  # time at which `seen` changed
        self.request: engine.EngineRequest | None = None

    def look(self, scene: bpy.types.Scene, busy: bool = False, trouble: str = "") -> str:
        """Check the hints once, and send a request or draw its answer if that is due.

        Args:
            scene: The scene in the window.
            busy: Only check, because another operator or request is running.
            trouble: Text of the last problem.

        Returns:
            Text of the current problem, "" without one.

        Raises:
            CinemaError: The hints cannot be solved.
        """
        if self.scene != scene.session_uid:
            self.forget()
            self.scene = scene.session_uid
        if self.request is not None:
            return self._take(scene) if not busy and self.request.poll(done=True) else trouble
        drawn = self.subject.select(strokes.read_drawn_strokes(scene))
        current = fingerprint(scene, drawn, self.subject.settings)
        if current != self.seen:
            self.seen, self.since = current, time.monotonic()
        rested = time.monotonic() - self.since >= REST
        if current == self.asked or not rested or busy:
            return trouble
        self.asked = current
        if not self.subject.exists(scene, drawn):
            self.subject.remove(scene)
            return ""
        self.request = self.subject.ask(scene)
        return ""

    def _take(self, scene: bpy.types.Scene) -> str:
        request, self.request = self.request, None
        self.subject.show(scene, request.answer)
        return request.warnings[-1] if request.warnings else ""


_watches = (Watch(DEPTH), Watch(FLOW))  # in this order, because the flow is solved on the depth


def fingerprint(scene: bpy.types.Scene, drawn: list[Stroke], names: tuple[str, ...]) -> str:
    """Give a text that changes whenever these strokes or the settings of these names change."""
    settings = scene.cinemagraph
    digest = hashlib.sha1(repr([getattr(settings, name) for name in names]).encode())
    for stroke in drawn:
        digest.update(f"{stroke.kind} {stroke.closed} {stroke.speed} {len(stroke.points)}".encode())
        digest.update(stroke.points.tobytes())
        if stroke.profile is not None:
            digest.update(stroke.profile.tobytes())
    return digest.hexdigest()


def restart(context: bpy.types.Context, subject: Subject) -> None:
    """Forget the state and cancel the request of a live preview that is switched on or off."""
    _drop(subject)
    setattr(context.window_manager.cinemagraph, subject.trouble, "")


def _tick() -> float:
    manager = bpy.context.window_manager
    state = manager.cinemagraph
    wanted = [watch for watch in _watches if getattr(state, watch.subject.switch)]
    scene = manager.windows[0].scene if wanted and len(manager.windows) else None
    if scene is None or scene.cinemagraph.photo is None:
        return IDLE_TICK
    # Any modal operator comes first: drawing a stroke, moving points, a build.
    busy = state.running or any(len(window.modal_operators) for window in manager.windows)
    for watch in wanted:
        others = any(other.request is not None for other in wanted if other is not watch)
        _check(manager, watch, scene, busy or others)
    return ANSWER_TICK if any(watch.request is not None for watch in wanted) else TICK


def _check(manager: bpy.types.WindowManager, watch: Watch, scene: bpy.types.Scene, busy: bool) -> None:
    """Let one watch look, and show its problem in the panels."""
    state, name = manager.cinemagraph, watch.subject.trouble
    before = trouble = getattr(state, name)
    try:
        trouble = watch.look(scene, busy, before)
    except CinemaError as error:
        watch.request, trouble = None, str(error)
    if trouble != before:
        setattr(state, name, trouble)
        _redraw_panels(manager)


def _drop(*subjects: Subject) -> None:
    """Cancel the requests of these subjects, without arguments of all."""
    for watch in _watches:
        if not subjects or watch.subject in subjects:
            if watch.request is not None:
                watch.request.cancel()
            watch.forget()


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
