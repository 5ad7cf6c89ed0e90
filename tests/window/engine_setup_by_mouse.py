"""The set-up of the engine by mouse and keyboard, as by a new user; ends Blender in the middle of the last one.

Run it in a Blender with a window and an empty user folder; the only argument is a JSON file with these fields:

* zip: the extension, with the pip that downloads
* locks, wheels: folders of a small engine (`tests/blender/small_engine.py`)
* variables: for the environment, so that pip finds the index of the test
* real: folder with wheels of the extension's own locks, "" to leave that out
* out: folder of engine_setup.json and, after a failure, failure.png
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import mouse

MODULE = "bl_ext.user_default.cinemagraph_3d"
TICK = 0.01  # seconds between two ticks of the clock that finds gaps
PATIENCE = 900.0  # seconds until a set-up must have ended
REDRAWS = 15
QUIT_AT = 0.3  # progress of the set-up in whose middle Blender ends


def state():
    return import_module(f"{MODULE}.blender_addon.engine_state")


class Clock:
    """The largest gap between two ticks of a timer, by what goes on meanwhile.

    Attributes:
        name: Name of that.
        gaps: Name -> seconds.
        shares: Name -> the different shares of the progress, in their order.
    """

    def __init__(self) -> None:
        self.name, self.gaps, self.shares = "", {}, {}
        self._last = None

    def tick(self) -> float:
        now, name = time.perf_counter(), self.name
        status = state().status() if name else None
        if status and status.kind == "PREPARING":
            name = status.stage
            shares = self.shares.setdefault(name, [])
            if not shares or shares[-1] != status.fraction:
                shares.append(status.fraction)
        if name and self._last is not None:
            self.gaps[name] = max(self.gaps.get(name, 0.0), now - self._last)
        self._last = time.perf_counter()
        return TICK


class Visit:
    """The steps, as a generator of pauses in seconds."""

    def __init__(self, given: dict) -> None:
        self.given, self.out, self.clock = given, Path(given["out"]), Clock()
        self.result: dict = {"blender": bpy.app.version_string, "sentences": []}
        self.steps = self.all_steps()

    def tick(self) -> float | None:
        try:
            return next(self.steps)
        except StopIteration:
            self.result.update(gaps=self.clock.gaps, shares=self.clock.shares)
            (self.out / "engine_setup.json").write_text(json.dumps(self.result))
        except Exception:
            traceback.print_exc()
            subprocess.run(["import", "-window", "root", str(self.out / "failure.png")], check=False, timeout=60)
        sys.stdout.flush()
        sys.stderr.flush()
        bpy.ops.wm.quit_blender()
        return None

    def all_steps(self) -> Iterator[float]:
        yield from self.prepare()
        if self.given["real"]:
            yield from self.set_up_real_packages()
        state().LOCKS = Path(self.given["locks"])
        state().locks.cache_clear()
        state().redraw()
        yield from self.draw_alone()
        yield from self.download()
        yield from self.remove()
        yield from self.choose_folder(self.given["wheels"])
        yield from self.until_failed()
        yield from self.remove()
        yield from self.choose_folder(self.given["wheels"])
        yield from self.until(lambda status: status.fraction > QUIT_AT)

    def prepare(self) -> Iterator[float]:
        os.environ.update(self.given["variables"])
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.extensions.package_install_files(
                filepath=self.given["zip"], repo="user_default", enable_on_install=True
            )
        bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
        bpy.context.preferences.system.viewport_aa = "OFF"  # by software it blocks the window for half a second
        area.spaces.active.show_region_ui = True
        yield 2.0  # the tabs exist once they have been drawn
        mouse.find_region("VIEW_3D", "UI")[2].active_panel_category = "Cinemagraph"
        yield 1.0
        bpy.app.timers.register(self.clock.tick, persistent=True)

    def draw_alone(self) -> Iterator[float]:
        """Draw the sidebar, and open and close the dialog, without a set-up: the cost of drawing on this machine."""
        self.clock.name = "drawing"
        for _ in range(REDRAWS):
            state().redraw()
            yield 0.2
        self.clock.name = ""
        yield from mouse.click("set_up_engine_from_folder")
        yield 1.5
        yield from mouse.find("file.execute", "FILE_BROWSER", "EXECUTE")
        self.clock.name = "closing a dialog"
        mouse.press("key", "Escape")
        yield 3.0
        self.clock.name = ""

    def set_up_real_packages(self) -> Iterator[float]:
        names = {file.name for file in Path(self.given["real"]).iterdir()}
        locks = state().locks().values()
        lock = next(lock for lock in locks if names.issuperset(wheel.file for wheel in lock.wheels))
        state().preferences(bpy.context).device = lock.device
        began = time.monotonic()
        yield from self.choose_folder(self.given["real"])
        yield from self.until(lambda status: status.kind != "PREPARING")
        self.result["real"] = {"kind": state().status().kind, "seconds": round(time.monotonic() - began, 1)}
        bpy.ops.cinemagraph.remove_engine()  # ready packages have no panel in the sidebar
        yield 1.0

    def download(self) -> Iterator[float]:
        """Allow online access, and download; cancel, and go on."""
        assert not bpy.app.online_access
        yield from mouse.find("set_up_engine(")
        mouse.press("mousemove_relative", "--", 0, -21)  # the switch above it, which has no command
        yield mouse.HOVER
        mouse.press("click", 1)
        yield 1.0
        assert bpy.app.online_access
        yield from mouse.click("set_up_engine(")
        yield from mouse.click("cancel_engine_setup")
        yield from self.until(lambda status: status.kind != "PREPARING")
        assert state().status().kind == "MISSING" and self.left() in ([], ["wheels"]), (state().status(), self.left())
        self.clock.shares.clear()
        yield 1.0
        yield from mouse.click("set_up_engine(")
        yield from self.until_failed()

    def until_failed(self) -> Iterator[float]:
        yield from self.until(lambda status: status.kind != "PREPARING")
        self.result["sentences"].append(state().status().error)
        yield 1.0

    def choose_folder(self, folder: str) -> Iterator[float]:
        yield from mouse.click("set_up_engine_from_folder")
        yield 1.5
        yield from mouse.enter_text("params.directory", f"{folder}/", "FILE_BROWSER", "UI")
        try:
            yield from mouse.find("file.execute", "FILE_BROWSER", "EXECUTE")
        except LookupError:  # Blender 5.2 goes on editing after the first key where the folder is another one
            mouse.press("key", "Return")
            yield 1.0
            yield from mouse.find("file.execute", "FILE_BROWSER", "EXECUTE")
        self.clock.name = "set-up"
        mouse.press("click", 1)
        yield 0.5

    def remove(self) -> Iterator[float]:
        assert state().status().kind == "FAILED" and self.left(), state().status()
        yield from mouse.click("remove_engine")
        self.clock.name = "removing"
        mouse.press("key", "Return")
        yield from self.until(lambda status: status.kind == "MISSING")
        yield 1.0
        self.clock.name = ""
        assert self.left() == [], self.left()

    def until(self, condition: Callable) -> Iterator[float]:
        deadline = time.monotonic() + PATIENCE
        self.clock.name = self.clock.name or "set-up"
        while not condition(state().status()):
            assert time.monotonic() < deadline, state().status()
            yield 0.05
        self.clock.name = ""

    def left(self) -> list[str]:
        return sorted(entry.name for entry in state().home().iterdir() if entry.is_dir())


bpy.context.preferences.view.show_splash = False
visit = Visit(json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text()))
bpy.app.timers.register(visit.tick, first_interval=2.0, persistent=True)
