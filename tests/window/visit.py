"""A visit to a Blender with a window: steps as a generator of pauses in seconds, between which Blender works.

A script makes a subclass and calls `begin` with it; the only argument of the script is a JSON file with these fields:

* zip: the extension
* out: folder of the facts, NAME.json, and of the pictures
* others that the subclass needs
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import bpy
import mouse

MODULE = "bl_ext.user_default.cinemagraph_3d"
PATIENCE = 600.0  # seconds for a step; software OpenGL on a busy machine


class Visit:
    """Mixin of the steps.

    Attributes:
        name: Name of the file with the facts.
        given: The fields of the JSON file.
        facts: What the test asks about.
    """

    name = ""

    def __init__(self, given: dict) -> None:
        self.given, self.out = given, Path(given["out"])
        self.facts: dict = {"blender": bpy.app.version_string}
        self._all = self.all_steps()

    def all_steps(self) -> Iterator[float]:
        raise NotImplementedError

    def tick(self) -> float | None:
        try:
            return next(self._all)
        except StopIteration:
            (self.out / f"{self.name}.json").write_text(json.dumps(self.facts))
        except Exception:
            traceback.print_exc()
            self.picture("failure")
        sys.stdout.flush()
        sys.stderr.flush()
        bpy.ops.wm.quit_blender()
        return None

    def install(self) -> Iterator[float]:
        """Install the extension, and open the sidebar on its tab."""
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.extensions.package_install_files(
                filepath=self.given["zip"], repo="user_default", enable_on_install=True
            )
        area.spaces.active.show_region_ui = True
        yield 3.0  # the tabs exist once they have been drawn
        mouse.find_region("VIEW_3D", "UI")[2].active_panel_category = "Cinemagraph"
        yield 1.0

    def until(self, condition: Callable[[], bool]) -> Iterator[float]:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "a step did not end"
            yield 0.1

    def picture(self, name: str) -> None:
        subprocess.run(["import", "-window", "root", str(self.out / f"{name}.png")], check=False, timeout=120)


def part(name: str) -> ModuleType:
    """Give a module of the installed extension."""
    return import_module(f"{MODULE}.{name}")


def scene() -> bpy.types.Scene:
    """Give the scene of the first window."""
    return bpy.context.window_manager.windows[0].scene


def begin(kind: type[Visit]) -> None:
    """Begin the steps."""
    bpy.context.preferences.view.show_splash = False
    visit = kind(json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text()))
    bpy.app.timers.register(visit.tick, first_interval=2.0, persistent=True)
