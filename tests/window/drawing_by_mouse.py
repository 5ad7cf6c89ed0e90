"""Draw Mode by mouse and keyboard: a pasted photo, the pie of strokes, Esc, and the speed of selected strokes.

See `visit` for the argument; it has one field more:

* photo: a photo
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import mouse
import visit

SIDE = 720  # px, the longer side of the photo
TO_PLUS = 103  # px from the place where a long button is found to the button "+" beside it
PIE = 90  # px from the middle of a pie to a button


class Drawing(visit.Visit):
    name = "drawing"

    def all_steps(self) -> Iterator[float]:
        yield from self.install()
        visit.scene().cinemagraph.max_side = SIDE
        yield from self.paste()
        yield from self.choose_from_pie()
        yield from self.leave()
        yield from self.change_speed()

    def paste(self) -> Iterator[float]:
        """Paste nothing, and then a copied file by the keyboard."""
        window, area, region = mouse.find_region("VIEW_3D", "UI")
        kinds = [area.ui_type for area in window.screen.areas]
        bpy.context.window_manager.clipboard = "no photo"
        with bpy.context.temp_override(window=window, area=area, region=region):
            try:
                visit.part("blender_addon.clipboard").photo_file(bpy.context)
            except visit.part("cinema_core.shared.errors").CinemaError as error:
                self.facts["nothing"] = str(error)
        self.facts["areas"] = kinds == [area.ui_type for area in window.screen.areas]
        yield 1.0
        bpy.context.window_manager.clipboard = self.given["photo"]
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        mouse.move(window, region.x + 300, region.y + region.height / 2)
        yield 0.5
        mouse.press("key", "ctrl+v")  # of Blender's own objects, not ours
        yield 2.0
        self.facts["pasted_in_view"] = visit.scene().cinemagraph.photo is not None
        window, area, region = mouse.find_region("VIEW_3D", "UI")
        mouse.move(window, region.x + region.width / 2, region.y + 40)
        yield 0.5
        mouse.press("key", "ctrl+v")
        yield from self.until(lambda: visit.scene().cinemagraph.photo is not None)
        yield 8.0
        self.picture("1_pasted")
        self.facts["path"] = visit.scene().cinemagraph.photo_path
        self.facts["mode"] = bpy.context.mode

    def hover_view(self) -> tuple[float, float]:
        """Move the pointer to the middle of the photo, and give its place."""
        window, _, region = mouse.find_region("VIEW_3D", "WINDOW")
        place = region.x + region.width * 0.4, region.y + region.height * 0.55
        mouse.move(window, *place)
        return place

    def choose_from_pie(self) -> Iterator[float]:
        window, *_ = mouse.find_region("VIEW_3D", "WINDOW")
        x, y = self.hover_view()
        yield 0.5
        mouse.press("key", "v")
        yield 1.5
        self.picture("2_pie")
        mouse.move(window, x - PIE, y + PIE)  # northwest: Sway
        yield 1.5
        self.picture("3_tooltip")
        mouse.press("click", 1)
        yield 2.0
        self.facts["chosen"] = self.drawn()

    def leave(self) -> Iterator[float]:
        """Leave Draw Mode by Esc, by the pressed button, and by Esc after the animation was stopped."""
        self.hover_view()
        yield 0.5
        mouse.press("key", "Escape")
        yield 1.5
        modes = [bpy.context.mode]
        for _ in range(2):
            yield from mouse.click("Still")
            yield 4.0
            modes.append(self.drawn() or bpy.context.mode)
        yield from mouse.click("Still")
        yield 4.0
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.screen.animation_play()
        self.hover_view()
        yield 2.0
        modes.append((window.screen.is_animation_playing, self.drawn()))
        for _ in range(2):
            mouse.press("key", "Escape")
            yield 3.0
            modes.append((window.screen.is_animation_playing, self.drawn()))
        self.facts["modes"] = modes

    def change_speed(self) -> Iterator[float]:
        """Double the speed of two of three strokes in Edit Mode, and undo it."""
        strokes, data = visit.part("blender_addon.strokes"), visit.part("cinema_core.shared.data")
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        lines = [[(100, y), (200, y + 10), (300, y)] for y in (150, 200, 250)]
        with bpy.context.temp_override(window=window, area=area, region=region):
            strokes.add_hints(
                visit.scene(), [data.Stroke("motion", np.array(line, np.float32), False, 1.0) for line in lines]
            )
            bpy.context.view_layer.objects.active = visit.scene().cinemagraph.hints
            bpy.ops.object.mode_set(mode="EDIT")
            bpy.ops.grease_pencil.select_all(action="DESELECT")
            drawing = visit.scene().cinemagraph.hints.data.layers["Motion"].frames[0].drawing
            for number in (0, 2):
                drawing.strokes[number].points[0].select = True
            bpy.ops.ed.undo_push(message="selected")
        yield 2.0
        found = [self.speeds()]
        yield from mouse.find("set_stroke_speed")
        mouse.press("mousemove_relative", TO_PLUS, 0)
        yield 0.5
        mouse.press("click", 1)
        yield 2.0
        self.picture("4_speed")
        found.append(self.speeds())
        for key in ("ctrl+z", "ctrl+shift+z"):
            self.hover_view()
            yield 0.5
            mouse.press("key", key)
            yield 3.0
            found.append(self.speeds())
        yield from mouse.click("set_stroke_speed")
        yield 1.5
        self.picture("5_popup")
        mouse.press("key", "Escape")
        yield 1.0
        self.facts["speeds"] = found

    def drawn(self) -> str:
        window, area, region = mouse.find_region("VIEW_3D", "WINDOW")
        with bpy.context.temp_override(window=window, area=area, region=region):
            return visit.part("blender_addon.viewport").drawn_layer(bpy.context)

    def speeds(self) -> list[float]:
        drawn = visit.part("blender_addon.strokes").read_drawn_strokes(visit.scene())
        return [round(stroke.speed, 3) for stroke in drawn]


visit.begin(Drawing)
