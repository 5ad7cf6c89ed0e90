"""Random edits, undos and redos in a window while Live flow and Live depth are on.

Run it in a Blender with a window and an empty user folder:

    blender --python soak_live_undo.py -- --zip EXTENSION --photo PHOTO --out FOLDER [--count 200] [--seed 1]

Blender crashes on an undo where a timer or an operator without an undo step has stored a pointer to a new datablock; in
background no timer of the extension runs. The script ends Blender, and writes FOLDER/soak.json when it has come so far,
beside pictures of the screen where ImageMagick is installed. FOLDER/trace.txt has every step before it is taken.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import bpy
import numpy as np

MODULE = "bl_ext.user_default.cinemagraph_3d"
STEP = 0.1  # seconds between two looks of this script
PAUSES = (0.1, 0.2, 0.5, 1.0)  # seconds between two edits: before, while and after the engine answers
PATIENCE = 120.0  # seconds until a live preview must show the strokes
RING = np.array([(0.05, 0.6), (0.95, 0.6), (0.95, 0.95), (0.05, 0.95)], np.float32)  # shares of the photo's size
KINDS = ("motion", "motion", "motion", "still", "nearer", "farther", "depth_sky")


def part(name: str):
    return import_module(f"{MODULE}.{name}")


def window() -> bpy.types.Context:
    """The context of the 3D view, as a click there has it."""
    opened = bpy.context.window_manager.windows[0]
    area = next(area for area in opened.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=opened, area=area, region=region)


def settings() -> bpy.types.PropertyGroup:
    return bpy.context.window_manager.windows[0].scene.cinemagraph


def run(operator, **arguments) -> None:
    """Run an operator as a button does: with its undo step."""
    with window():
        if operator.poll():
            operator("EXEC_DEFAULT", True, **arguments)


class Soak:
    """The steps, as a generator of pauses in seconds, so that Blender's window and timers run between them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.out = arguments, Path(arguments.out)
        self.random = random.Random(arguments.seed)
        self.counts: Counter[str] = Counter()
        self.steps = self.all_steps()

    def tick(self) -> float:
        try:
            return next(self.steps)
        except StopIteration:
            self.end(0)
        except Exception:
            traceback.print_exc()
            self.end(1)
        return STEP

    def end(self, code: int) -> None:
        if code == 0:
            (self.out / "soak.json").write_text(json.dumps(dict(self.counts, blender=bpy.app.version_string)))
        sys.stdout.flush()
        sys.stderr.flush()
        with window():
            bpy.ops.wm.quit_blender()

    def all_steps(self) -> Iterator[float]:
        yield from self.prepare()
        self.picture("start")
        run(bpy.ops.cinemagraph.live_flow)
        run(bpy.ops.cinemagraph.live_depth)
        yield from self.settled()
        self.picture("live")
        yield from self.after_a_stroke()
        yield from self.after_a_button()
        for number in range(self.arguments.count):
            self.edit(number)
            yield self.random.choice(PAUSES)
            if number % 20 == 19:
                yield from self.settled()
                self.check()
        self.picture("end")
        bpy.ops.wm.save_as_mainfile(filepath=str(self.out / "soak.blend"))
        self.counts["draws_by_live"] = self.drawn

    def prepare(self) -> Iterator[float]:
        with window():
            bpy.ops.extensions.package_install_files(
                filepath=self.arguments.zip, repo="user_default", enable_on_install=True, overwrite=True
            )
        yield STEP
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        with window():
            bpy.ops.ed.undo_push(message="emptied")
        run(bpy.ops.cinemagraph.open_photo, filepath=self.arguments.photo)
        yield from self.show_panels()
        self.count_draws()
        self.draw("region", RING, closed=True)
        self.draw("motion", RING[:2] + (0, 0.15))
        yield 1.0

    def show_panels(self) -> Iterator[float]:
        """Show the sidebar's tab in the pictures."""
        with window():
            area = bpy.context.area
        area.spaces.active.show_region_ui = True
        yield 1.0  # the tabs exist once they have been drawn
        sidebar = next(region for region in area.regions if region.type == "UI")
        sidebar.active_panel_category = part("panels.sidebar").SidebarPanel.bl_category

    def count_draws(self) -> None:
        """Count how often a live preview has drawn, so that a soak without ticks does not pass."""
        live, self.drawn = part("blender_addon.live"), 0
        before = live.Watch._take

        def take(watch, scene):
            self.drawn += 1
            return before(watch, scene)

        live.Watch._take = take

    def after_a_stroke(self) -> Iterator[float]:
        """The cases that were reported: strokes, Live, undo; and Live, strokes, undo."""
        for move in (self.undo, self.redo):
            move()
            yield from self.settled()
        for y in (0.7, 0.8):
            self.draw("motion", RING[:2] * (0.8, 0) + (0.05, y))
            yield from self.settled()
        self.picture("two_strokes")
        for _ in range(2):
            self.undo()
            yield from self.settled()
        self.picture("undone")
        self.check()

    def after_a_button(self) -> Iterator[float]:
        """A drawing button adds a material; the steps about it leave the hints as they are."""
        for name in ("Still", "Nearer"):
            for _ in range(2):
                self.change()
            run(bpy.ops.cinemagraph.draw, layer=name)
            for move in (self.undo, self.undo, self.redo):
                yield 1.0
                move()

    def edit(self, number: int) -> None:
        shares = {
            self.add: 40, self.undo: 30, self.redo: 15, self.change: 5, self.choose_layer: 4, self.mode: 3,
            self.show: 2, self.hide: 3, self.delete: 2,
        }  # fmt: skip
        (chosen,) = self.random.choices(list(shares), list(shares.values()))
        with (self.out / "trace.txt").open("a") as trace:
            trace.write(f"{number} {chosen.__name__}\n")
        self.counts[chosen.__name__] += 1
        chosen()

    def add(self) -> None:
        kind = self.random.choice(KINDS)
        start = self.random.uniform(0.1, 0.5), self.random.uniform(0.6, 0.9)
        line = start + np.array([(0, 0), (0.1, 0.0), (0.2, 0.05), (0.3, 0.02)])
        self.draw(kind, line, closed=kind == "depth_sky")

    def draw(self, kind: str, shares: np.ndarray, closed: bool = False) -> None:
        photo = settings()
        stroke = part("cinema_core.shared.data").Stroke(
            kind, np.float32(shares * (photo.width, photo.height)), closed, 1.0, None
        )
        part("blender_addon.strokes").add_hints(photo.id_data, [stroke])
        with window():
            bpy.ops.ed.undo_push(message=kind)

    def undo(self) -> None:
        with window():
            if bpy.ops.ed.undo.poll():
                bpy.ops.ed.undo()
        if settings().photo is None:  # opening the photo was undone
            self.redo()

    def redo(self) -> None:
        with window():
            if bpy.ops.ed.redo.poll():
                bpy.ops.ed.redo()

    def change(self) -> None:
        settings().frames = self.random.randint(10, 90)
        with window():
            bpy.ops.ed.undo_push(message="Loop Length")

    def choose_layer(self) -> None:
        names = [layer.name for layer in part("blender_addon.hint_layers").LAYERS.values()]
        run(bpy.ops.cinemagraph.draw, layer=self.random.choice(names))

    def mode(self) -> None:
        hints = settings().hints
        if hints is not None and bpy.context.view_layer.objects.active == hints:
            run(bpy.ops.object.mode_set, mode=self.random.choice(("OBJECT", "EDIT", "PAINT_GREASE_PENCIL")))

    def show(self) -> None:
        run(self.random.choice((bpy.ops.cinemagraph.show_flow, bpy.ops.cinemagraph.show_depth)))

    def hide(self) -> None:
        name = self.random.choice(("flow", "depth"))
        run(getattr(bpy.ops.cinemagraph, f"hide_{name}"))  # this switches Live off
        run(getattr(bpy.ops.cinemagraph, f"live_{name}"))

    def delete(self) -> None:
        """Delete an overlay as a user may; a file of an earlier version has none either."""
        overlay = getattr(settings(), self.random.choice(("flow", "depth_map")))
        if overlay is not None:
            bpy.data.objects.remove(overlay)
            with window():
                bpy.ops.ed.undo_push(message="Delete")

    def settled(self) -> Iterator[float]:
        """Switch Live on where it is off, and wait until both previews show the strokes."""
        live, state = part("blender_addon.live"), bpy.context.window_manager.cinemagraph
        for switch, operator in (("live_preview", "live_flow"), ("live_depth", "live_depth")):
            if not getattr(state, switch):
                run(getattr(bpy.ops.cinemagraph, operator))
        until, calm = time.monotonic() + PATIENCE, 0
        while calm < 5:
            yield STEP
            done = all(watch.request is None and watch.asked and watch.asked == watch.seen for watch in live._watches)
            calm = calm + 1 if done else 0
            if time.monotonic() > until:
                raise TimeoutError("A live preview did not answer")

    def check(self) -> None:
        """Both overlays show the answer for the strokes as they are."""
        live, overlays, scene = part("blender_addon.live"), part("blender_addon.overlays"), settings().id_data
        drawn = part("blender_addon.strokes").read_drawn_strokes(scene)
        for watch in live._watches:
            names = watch.subject.settings
            assert watch.asked == live.fingerprint(scene, watch.subject.select(drawn), names)
            assert overlays.get_mark(scene, watch.subject.overlay) == watch.mark
            assert overlays.find_overlay(scene, watch.subject.overlay).users > 0
        self.counts["checks"] += 1

    def picture(self, name: str) -> None:
        """A picture of the whole screen; Blender's own screenshots from a timer are black."""
        if shutil.which("import"):
            with window():
                bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
            subprocess.run(["import", "-window", "root", str(self.out / f"{name}.png")], check=False, timeout=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zip", required=True, help="the built extension")
    parser.add_argument("--photo", required=True)
    parser.add_argument("--out", required=True, help="folder of the results")
    parser.add_argument("--count", type=int, default=200, help="number of random edits")
    parser.add_argument("--seed", type=int, default=1)
    bpy.context.preferences.view.show_splash = False
    soak = Soak(parser.parse_args(sys.argv[sys.argv.index("--") + 1 :]))
    bpy.app.timers.register(soak.tick, first_interval=2.0, persistent=True)


main()
