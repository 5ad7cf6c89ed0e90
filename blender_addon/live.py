"""Live flow and live depth: a timer notices that the hints have changed and lets the engine solve them again.

Nothing waits for it: it looks at the strokes some times a second, asks once they have rested, and draws the answer
when it is there. One request at a time, none while a stroke is being drawn or an operator works. It runs in windows
only and ends with the extension.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import bpy

from ..cinema_core.shared.data import Stroke
from ..cinema_core.shared.errors import CinemaError
from . import depth_display, engine, flow_display, jobs, strokes

TICK = 0.08  # seconds between two looks at the hints
ANSWER_TICK = 0.03  # the same, at the engine that is solving
IDLE_TICK = 0.5  # the same while it is switched off
REST = 0.1  # seconds that the hints stay as they are before they are solved
_OF_DEPTH = (  # settings that the depth depends on
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
_OF_FLOW = (*_OF_DEPTH, "focal", "speed", "region_file", "flow_file", "feather", "perspective")


@dataclass(frozen=True)
class Subject:
    """What is shown live.

    Attributes:
        switch: Its switch in the window's state.
        trouble: Where the window's state says what is wrong with it.
        settings: The scene's settings that it depends on.
        counts: Picks the strokes that it depends on.
        exists: Tells whether there is anything to show.
        ask: Asks the engine for it.
        show: Draws the engine's answer.
        remove: Takes away what was drawn.
    """

    switch: str
    trouble: str
    settings: tuple[str, ...]
    counts: Callable[[list[Stroke]], list[Stroke]]
    exists: Callable[[bpy.types.Scene, list[Stroke]], bool]
    ask: Callable[[bpy.types.Scene], engine.Request]
    show: Callable[[bpy.types.Scene, dict], object]
    remove: Callable[[bpy.types.Scene], None]


def _moves(scene: bpy.types.Scene, drawn: list[Stroke]) -> bool:
    settings = scene.cinemagraph
    moving = len(drawn) - len(strokes.about_depth(drawn)) - sum(stroke.kind == "still" for stroke in drawn)
    return bool(settings.region_file or settings.flow_file or moving)


FLOW = Subject(
    "live_preview",
    "live_trouble",
    _OF_FLOW,
    list,
    _moves,
    jobs.start_flow,
    lambda scene, answer: flow_display.show_flow(scene, jobs.finish_flow(answer)),
    flow_display.remove_flow,
)
DEPTH = Subject(
    "live_depth",
    "live_depth_trouble",
    _OF_DEPTH,
    strokes.about_depth,
    lambda _scene, _drawn: True,
    jobs.start_depth,
    lambda scene, answer: depth_display.show_depth(scene, jobs.finish_depth(answer)),
    depth_display.remove_depth,
)


class Watch:
    """What is known of the hints of the scene that is looked at."""

    def __init__(self, subject: Subject = FLOW) -> None:
        self.subject = subject
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
        drawn = self.subject.counts(strokes.read_hints(scene))
        mark = fingerprint(scene, drawn, self.subject.settings)
        if mark != self.seen:
            self.seen, self.since = mark, time.monotonic()
        rested = time.monotonic() - self.since >= REST
        if mark == self.asked or not rested or busy:
            return trouble
        self.asked = mark
        if not self.subject.exists(scene, drawn):
            self.subject.remove(scene)
            return ""
        self.request = self.subject.ask(scene)
        return ""

    def _take(self, scene: bpy.types.Scene) -> str:
        request, self.request = self.request, None
        self.subject.show(scene, request.answer)
        return request.warnings[-1] if request.warnings else ""


_watches = (Watch(DEPTH), Watch(FLOW))  # in this order: a flow is solved on the depth


def fingerprint(scene: bpy.types.Scene, drawn: list[Stroke], names: tuple[str, ...]) -> str:
    """Give a mark that changes with these strokes and the settings of these names."""
    settings = scene.cinemagraph
    mark = hashlib.sha1(repr([getattr(settings, name) for name in names]).encode())
    for stroke in drawn:
        mark.update(f"{stroke.kind} {stroke.closed} {stroke.speed} {len(stroke.points)}".encode())
        mark.update(stroke.points.tobytes())
        if stroke.profile is not None:
            mark.update(stroke.profile.tobytes())
    return mark.hexdigest()


def restart(context: bpy.types.Context, subject: Subject) -> None:
    """Start afresh when it is switched on; let go of all when it is switched off."""
    _drop(subject)
    setattr(context.window_manager.cinemagraph, subject.trouble, "")


def _tick() -> float:
    manager = bpy.context.window_manager
    state = manager.cinemagraph
    wanted = [watch for watch in _watches if getattr(state, watch.subject.switch)]
    scene = manager.windows[0].scene if wanted and len(manager.windows) else None
    if scene is None or scene.cinemagraph.photo is None:
        return IDLE_TICK
    # A stroke being drawn, points being moved, a build: whatever is modal comes first.
    busy = state.running or any(len(window.modal_operators) for window in manager.windows)
    for watch in wanted:
        others = any(other.request is not None for other in wanted if other is not watch)
        _look(manager, watch, scene, busy or others)
    return ANSWER_TICK if any(watch.request is not None for watch in wanted) else TICK


def _look(manager: bpy.types.WindowManager, watch: Watch, scene: bpy.types.Scene, busy: bool) -> None:
    """Let one watch look, and tell its trouble."""
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
    """Let go of what is asked for; of all without any subject."""
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
