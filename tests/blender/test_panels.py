"""Every panel draws with existing properties, operators and icons; labels and tooltips follow Blender's conventions."""

import re
from importlib import import_module
from types import SimpleNamespace

import bpy
import pytest
from extension import MODULE

ICONS = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items


class Layout:
    """A layout that checks its arguments and collects the shown texts."""

    def __init__(self):
        self.texts = []

    def _show(self, text="", icon="NONE", **_options):
        assert icon in ICONS
        self.texts.append(text)

    def prop(self, owner, name, **options):
        assert name in owner.bl_rna.properties
        self._show(**options)

    def operator(self, name, **options):
        category, function = name.split(".")
        assert function in dir(getattr(bpy.ops, category))
        self._show(**options)
        return SimpleNamespace()

    def label(self, **options):
        self._show(**options)

    def progress(self, **options):
        self._show(**options)

    def part(self, **_options):
        return self

    row = column = split = grid_flow = part


def classes(room):
    return import_module(f"{MODULE}.{room}").CLASSES


def draw_all(scene, **changes):
    """Draw the panels whose poll allows it, and give all texts."""
    context = SimpleNamespace(
        scene=scene,
        window_manager=bpy.context.window_manager,
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
        region=SimpleNamespace(width=300),
        mode=bpy.context.mode,
        object=None,
    )
    layout = Layout()
    for panel in classes("panels"):
        if not hasattr(panel, "poll") or panel.poll(context):
            panel.draw(SimpleNamespace(layout=layout), context)
    return layout.texts


def test_panels_draw_before_and_after_a_photo_and_a_build(addon, scene, photo_file, job):
    assert "Motion" in draw_all(scene)
    camera = addon.camera.Camera(320, 180, 300.0)
    addon.scene.place_photo(scene, addon.scene.OpenedPhoto(photo_file, photo_file, job, camera, (320, 180)))
    for source in ("BUILT_IN", "FILE", "MODEL"):
        scene.cinemagraph.depth_source = source
        assert {"Nearer", "Same Depth", "Sky"} <= set(draw_all(scene))
    addon.result.import_result(scene, job)
    found = {"start": 1, "uncovered": [0.0, 0.2, 0.0], "invented": [0.0, 0.1, 0.0], "limit": 0.01, "points": "others"}
    scene.cinemagraph.coverage.found_json = addon.coverage.json.dumps(found)
    texts = draw_all(scene)
    assert "Points" in texts and "Holes in: 2" in texts


def described(kind):
    """Names and tooltips of the extension's operators or panels' properties."""
    if kind == "operators":
        for operator in classes("operators"):
            yield operator.bl_label, operator.__doc__
            for item in operator.bl_rna.properties:
                if item.identifier in operator.__annotations__:
                    yield item.name, item.description
    else:
        groups = [bpy.context.scene.cinemagraph, bpy.context.scene.cinemagraph.coverage,
                  bpy.context.window_manager.cinemagraph]  # fmt: skip
        for group in groups:
            for item in group.bl_rna.properties:
                if item.identifier not in ("rna_type", "name"):
                    yield item.name, item.description


@pytest.mark.parametrize("kind", ["operators", "settings"])
def test_tooltips_are_one_sentence_without_a_period(addon, placed, kind):
    for name, tooltip in described(kind):
        assert not tooltip.endswith(".") and not re.search(r"[.!?] [A-Z]|[Ww]hat\b", tooltip), (name, tooltip)


def test_two_properties_of_a_panel_have_two_names(addon, placed):
    properties = placed.cinemagraph.bl_rna.properties
    names = {properties[name].name for name in ("frames", "loop_length", "speed", "play_speed", "stroke_speed")}
    assert len(names) == 5
