"""Live flow and live depth: a timer notices changed hints and asks the engine to solve them again.

The timer never blocks. It checks the strokes several times a second, sends a request once they have rested, and draws
the answer when it arrives. There is one request at a time, and none while a stroke is being drawn or an operator runs.
The timer runs in windows only and ends with the extension.

The timer draws outside of undo steps, on overlays that operators have made (see `overlays`). An undo may bring an
earlier drawing back beside unchanged strokes, so the last answer is kept here and drawn again.
"""

import hashlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy

from ..cinema_core.shared.data import Stroke
from ..cinema_core.shared.errors import CinemaError
from . import depth_display, engine, ensure, flow_display, jobs, overlays, strokes

TICK = 0.08  # seconds between two checks of the hints
ANSWER_TICK = 0.03  # seconds between two checks for the engine's answer
IDLE_TICK = 0.5  # seconds between two checks while live previews are off
REST = 0.1  # seconds without a change of the hints before a request is sent
GIVEN_UP = "Live was switched off, because its overlay was deleted or undone. Switch it on again"
BROKEN = "Live was switched off by a bug, which the system console shows. Switch it on again"
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
    "coherence",
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
        overlay: The overlay that it draws on.
        ask: Sends the request to the engine.
        read: Reads the engine's answer.
        draw: Draws the answer as it was read, with a mark.
        keep: Repeats the texts about the answer, which an undo may have changed.
    """

    switch: str
    trouble: str
    settings: tuple[str, ...]
    select: Callable[[list[Stroke]], list[Stroke]]
    exists: Callable[[bpy.types.Scene, list[Stroke]], bool]
    overlay: overlays.Overlay
    ask: Callable[[bpy.types.Scene], engine.EngineRequest]
    read: Callable[[dict], Any]
    draw: Callable[[bpy.types.Scene, Any, str], None]
    keep: Callable[[bpy.types.Scene, Any], None] = lambda _scene, _answer: None


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
    flow_display.OVERLAY,
    jobs.start_flow,
    jobs.finish_flow,
    flow_display.redraw_flow,
)
DEPTH = Subject(
    "live_depth",
    "live_depth_trouble",
    _DEPTH_SETTINGS,
    strokes.about_depth,
    lambda _scene, _drawn: True,
    depth_display.OVERLAY,
    jobs.start_depth,
    jobs.finish_depth,
    depth_display.redraw_depth,
    depth_display.name_origin,
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
        self.answer: Any = None  # the last one, as it was read; None while there is nothing to show
        self.mark: str | None = None  # its mark on the overlay

    def look(self, scene: bpy.types.Scene, busy: bool = False, trouble: str = "") -> str:
        """Check the hints once, and send a request or draw its answer if that is due.

        Args:
            scene: The scene in the window, with this overlay.
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
        if current == self.asked and not busy:
            self._restore(scene)
        if current == self.asked or not rested or busy:
            return trouble
        self.asked = current
        if not self.subject.exists(scene, drawn):
            self.answer = self.mark = None
            overlays.clear_overlay(scene, self.subject.overlay)
            return ""
        self.request = self.subject.ask(scene)
        return ""

    def _take(self, scene: bpy.types.Scene) -> str:
        request, self.request = self.request, None
        self.answer, self.mark = self.subject.read(request.answer), self.asked
        self.subject.draw(scene, self.answer, self.mark)
        return request.warnings[-1] if request.warnings else ""

    def _restore(self, scene: bpy.types.Scene) -> None:
        """Draw the last answer again if an undo or redo has replaced it by an earlier one."""
        shown = overlays.get_mark(scene, self.subject.overlay)
        if self.answer is not None:
            if shown != self.mark:
                self.subject.draw(scene, self.answer, self.mark)
            self.subject.keep(scene, self.answer)
        elif shown:  # an operator's drawing has the mark "" and stays
            overlays.clear_overlay(scene, self.subject.overlay)


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


def switch(context: bpy.types.Context, subject: Subject) -> None:
    """Switch a live preview on or off; objects that are missing are made in an undo step of their own."""
    state = context.window_manager.cinemagraph
    on = not getattr(state, subject.switch)
    if on and ensure.ensure_objects(context.scene) | overlays.ensure_overlay(context.scene, subject.overlay):
        bpy.ops.ed.undo_push(message=f"Live {subject.overlay.name}")
    setattr(state, subject.switch, on)


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
        if overlays.find_overlay(scene, watch.subject.overlay) is None:
            _give_up(manager, watch.subject)
            continue
        others = any(other.request is not None for other in wanted if other is not watch)
        _check(manager, watch, scene, busy or others)
    return ANSWER_TICK if any(watch.request is not None for watch in wanted) else TICK


def _give_up(manager: bpy.types.WindowManager, subject: Subject) -> None:
    """Switch a live preview off whose overlay was removed; one that a timer makes would be part of no undo step."""
    setattr(manager.cinemagraph, subject.switch, False)
    setattr(manager.cinemagraph, subject.trouble, GIVEN_UP)
    _redraw_panels(manager)


def _check(manager: bpy.types.WindowManager, watch: Watch, scene: bpy.types.Scene, busy: bool) -> None:
    """Let one watch look, and show its problem in the panels."""
    state, name = manager.cinemagraph, watch.subject.trouble
    before = trouble = getattr(state, name)
    try:
        trouble = watch.look(scene, busy, before)
    except CinemaError as error:
        watch.request, trouble = None, str(error)
    except Exception:  # the timer must go on: an exception would end it for the rest of the session
        traceback.print_exc()
        setattr(state, watch.subject.switch, False)
        trouble = BROKEN
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
