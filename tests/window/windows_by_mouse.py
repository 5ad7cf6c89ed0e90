"""A second window, a window that is closed while the engine works, and another scene chosen meanwhile.

See `visit` for the argument; it has one field more:

* photo: a photo
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import visit

SIDE = 480  # px, the longer side of the photo


def manager() -> bpy.types.WindowManager:
    return bpy.context.window_manager


def inside(window: bpy.types.Window) -> AbstractContextManager:
    """Be in the 3D view of a window."""
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window, area=area, region=region)


class Windows(visit.Visit):
    name = "windows"

    def all_steps(self) -> Iterator[float]:
        yield from self.install()
        settings = visit.scene().cinemagraph
        settings.max_side, settings.frames = SIDE, 12
        with inside(manager().windows[0]):
            bpy.ops.cinemagraph.open_photo(filepath=self.given["photo"])
        yield 3.0
        yield from self.close_while_building()
        yield from self.build_in_second()
        yield from self.choose_another_scene()

    def second(self) -> Iterator[float]:
        with inside(manager().windows[0]):
            bpy.ops.wm.window_new()
        yield from self.until(lambda: len(manager().windows) == 2)
        yield 2.0

    def start_build(self, number: int) -> Iterator[float]:
        with inside(manager().windows[number]):
            bpy.ops.cinemagraph.build("INVOKE_DEFAULT")
        yield from self.until(lambda: manager().cinemagraph.running)

    def end_build(self) -> Iterator[float]:
        yield from self.until(lambda: not manager().cinemagraph.running)
        yield 4.0

    def parts(self) -> int:
        return len(visit.part("blender_addon.result").parts(visit.scene()))

    def close_while_building(self) -> Iterator[float]:
        yield from self.second()
        yield from self.start_build(1)
        yield from self.until(lambda: manager().cinemagraph.fraction > 0.1)
        with bpy.context.temp_override(window=manager().windows[1]):
            bpy.ops.wm.window_close()
        yield 5.0
        state = manager().cinemagraph
        self.facts["closed"] = [len(manager().windows), state.running, state.notice, self.parts()]
        self.picture("1_closed")

    def build_in_second(self) -> Iterator[float]:
        """Build in the second window; the first one keeps its view."""
        yield from self.second()
        shading = [self.shading(number) for number in (0, 1)]
        yield from self.start_build(1)
        yield from self.end_build()
        self.facts["second"] = [manager().cinemagraph.notice, self.parts() > 0]
        self.facts["shading"] = [shading, [self.shading(number) for number in (0, 1)]]
        self.picture("2_second")

    def shading(self, number: int) -> str:
        with inside(manager().windows[number]):
            return bpy.context.space_data.shading.type

    def choose_another_scene(self) -> Iterator[float]:
        """Choose another scene in both windows while a build runs."""
        first, other = visit.scene(), bpy.data.scenes.new("Other")
        first.cinemagraph.report_json = ""
        yield from self.start_build(1)
        for window in manager().windows:
            window.scene = other
        yield from self.end_build()
        built = bool(first.cinemagraph.report_json)
        self.facts["scenes"] = [built, other.cinemagraph.photo is None, other.objects[:] == []]
        self.picture("3_other_scene")


visit.begin(Windows)
