"""The road of a new user by mouse and keyboard, from factory settings to a camera path; takes a picture at each step.

Run it in a Blender with a window and an empty user folder; the only argument is a JSON file with these fields:

* zip: the extension
* folder: folder that holds the photo and nothing else
* out: folder of road.json and of the pictures
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

import bpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

sys.path.insert(0, str(Path(__file__).parent))
import mouse

MODULE = "bl_ext.user_default.cinemagraph_3d"
PATIENCE = 600.0  # seconds for a step; software OpenGL on a busy machine
TICK = 0.02  # seconds between two ticks of the clock that finds gaps
MAX_SIDE = 720  # px, so that software OpenGL can play the loop
STROKE = ((0.3, 0.55), (0.4, 0.56), (0.5, 0.58))  # shares of the photo, from its upper left corner


class Road:
    """The steps, as a generator of pauses in seconds."""

    def __init__(self, given: dict) -> None:
        self.given, self.out = given, Path(given["out"])
        self.result: dict = {"blender": bpy.app.version_string, "clicks": 0, "shares": [], "frames": [], "gap": 0.0}
        self.clock: float | None = None
        self.steps = self.all_steps()

    def tick(self) -> float | None:
        try:
            return next(self.steps)
        except StopIteration:
            (self.out / "road.json").write_text(json.dumps(self.result))
        except Exception:
            traceback.print_exc()
            self.picture("failure")
        sys.stdout.flush()
        sys.stderr.flush()
        bpy.ops.wm.quit_blender()
        return None

    def all_steps(self) -> Iterator[float]:
        yield from self.prepare()
        yield from self.open_photo()
        yield from self.draw_stroke()
        yield from self.animate()
        yield from self.watch()
        yield from self.choose_path()

    def prepare(self) -> Iterator[float]:
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.extensions.package_install_files(
                filepath=self.given["zip"], repo="user_default", enable_on_install=True
            )
        bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
        bpy.context.scene.cinemagraph.max_side = MAX_SIDE
        yield 4.0
        self.picture("0_factory")

    def open_photo(self) -> Iterator[float]:
        """Press the button in the sidebar, and double-click on the photo."""
        window, area, _ = mouse.find_region("VIEW_3D", "WINDOW")
        area.spaces.active.show_region_ui = True
        yield 2.0  # the tabs exist once they have been drawn
        mouse.find_region("VIEW_3D", "UI")[2].active_panel_category = "Cinemagraph"
        yield 1.0
        self.picture("1_sidebar")
        yield from mouse.click("cinemagraph.open_photo")
        self.result["clicks"] += 1
        yield from self.until(lambda: any(area.type == "FILE_BROWSER" for area in window.screen.areas))
        yield 1.5
        yield from mouse.enter_text("params.directory", f"{self.given['folder']}/", "FILE_BROWSER", "UI")
        self.picture("2_dialog")
        window, _, region = mouse.find_region("FILE_BROWSER", "WINDOW")
        mouse.move(window, region.x + 90, region.y + region.height - 70)
        yield 0.5
        mouse.press("click", "--repeat", 2, "--delay", 80, 1)
        self.result["clicks"] += 1
        yield from self.until(lambda: self.settings().photo is not None)
        yield 6.0  # the view's matrices are those of the last drawing, which takes seconds by software
        yield from self.until(self.fits)
        yield 2.0
        self.picture("3_opened")
        self.result["photo"] = self.corners()
        scene = bpy.context.window_manager.windows[0].scene
        self.result["hidden"] = [entry.object.name for entry in scene.cinemagraph.hidden]
        self.result["mode"] = bpy.context.mode
        sidebar = mouse.find_region("VIEW_3D", "UI")[2]
        self.result["sidebar"] = [sidebar.x, sidebar.width, sidebar.active_panel_category]

    def draw_stroke(self) -> Iterator[float]:
        window, *_ = mouse.find_region("VIEW_3D", "WINDOW")
        left, top, right, bottom = self.corners()
        places = [(left + x * (right - left), top + y * (bottom - top)) for x, y in STROKE]
        mouse.press("mousemove", *map(round, places[0]))
        yield 0.5
        mouse.press("mousedown", 1)
        yield 0.3
        for start, end in zip(places, places[1:]):
            for step in range(1, 6):
                at = [round(a + (b - a) * step / 5) for a, b in zip(start, end)]
                mouse.press("mousemove", *at)
                yield 0.1
        mouse.press("mouseup", 1)
        yield 2.0
        self.picture("4_stroke")
        strokes = import_module(f"{MODULE}.blender_addon.strokes").read_drawn_strokes(window.scene)
        self.result["strokes"] = [[stroke.kind, stroke.points[[0, -1]].tolist()] for stroke in strokes]

    def animate(self) -> Iterator[float]:
        yield from mouse.click("cinemagraph.animate")
        self.result["clicks"] += 1
        state = bpy.context.window_manager.cinemagraph
        yield from self.until(lambda: state.running)
        self.clock = time.perf_counter()
        while state.running:
            self.result["shares"].append(round(state.fraction, 3))
            if len(self.result["shares"]) == 25:
                self.picture("5_building")
                self.clock = time.perf_counter()  # the picture itself blocks
            yield TICK
            now = time.perf_counter()
            if state.running and state.stage not in ("report", "save"):  # bringing the points in is another figure
                self.result["gap"] = max(self.result["gap"], now - self.clock)
            self.clock = now

    def watch(self) -> Iterator[float]:
        window = bpy.context.window_manager.windows[0]
        yield from self.until(lambda: window.screen.is_animation_playing)
        began = time.monotonic()
        while len(set(self.result["frames"])) < 4 and time.monotonic() - began < PATIENCE:
            self.result["frames"].append(window.scene.frame_current)
            yield 0.5
        self.picture("6_playing")
        view, scene = window.scene.view_settings, window.scene
        self.result.update(colors=view.view_transform, range=[scene.frame_start, scene.frame_end])
        area = mouse.find_region("VIEW_3D", "WINDOW")[1]
        self.result["shading"] = area.spaces.active.shading.type
        bpy.ops.screen.animation_cancel(restore_frame=False)
        scene.frame_set(1)
        yield 20.0  # software OpenGL draws a still picture sample by sample
        self.picture("7_still")
        self.result["still"] = self.corners()

    def choose_path(self) -> Iterator[float]:
        """Choose a path and find the button that renders, in a window of 800 px and without scrolling."""
        yield from mouse.click("path='circle'")
        yield 4.0
        scene = bpy.context.window_manager.windows[0].scene
        self.result["path"] = scene.cinemagraph.path_name
        self.picture("8_path")
        yield from mouse.find("render_loop")

    # What the steps need

    def settings(self) -> bpy.types.PropertyGroup:
        return bpy.context.window_manager.windows[0].scene.cinemagraph

    def until(self, condition: Callable[[], bool]) -> Iterator[float]:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "a step did not end"
            yield 0.1

    def fits(self) -> bool:
        """Whether the sidebar has slid in and the view has been drawn with the photo beside it."""
        sidebar = mouse.find_region("VIEW_3D", "UI")[2]
        if sidebar.width <= 1 or sidebar.active_panel_category != "Cinemagraph":
            return False
        left, _, right, _ = self.corners()
        return 0 < left and right <= sidebar.x

    def corners(self) -> list[float]:
        """(left, top, right, bottom) of the photo on the screen, px from the upper left corner."""
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        camera = area.spaces.active.camera if area.spaces.active.use_local_camera else window.scene.camera
        frame = [camera.matrix_world @ Vector(corner) for corner in camera.data.view_frame(scene=window.scene)]
        places = [location_3d_to_region_2d(region, area.spaces.active.region_3d, corner) for corner in frame]
        across, up = [region.x + place.x for place in places], [region.y + place.y for place in places]
        return [min(across), window.height - max(up), max(across), window.height - min(up)]

    def picture(self, name: str) -> None:
        subprocess.run(["import", "-window", "root", str(self.out / f"{name}.png")], check=False, timeout=120)


bpy.context.preferences.view.show_splash = False
road = Road(json.loads(Path(sys.argv[sys.argv.index("--") + 1]).read_text()))
bpy.app.timers.register(road.tick, first_interval=2.0, persistent=True)
