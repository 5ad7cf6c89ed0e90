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

    def panel(self, _name, **_options):
        return self, self

    def part(self, **_options):
        return self

    row = column = split = grid_flow = part


def classes(room):
    return import_module(f"{MODULE}.{room}").CLASSES


def preferences():
    """Blender's preferences with the UI scale of a window: in background it is 0."""
    system = SimpleNamespace(ui_scale=1.0, bl_rna=bpy.types.PreferencesSystem.bl_rna)
    return SimpleNamespace(system=system, addons=bpy.context.preferences.addons)


def draw_all(scene, **changes):
    """Draw the panels whose poll allows it, and give all texts."""
    context = SimpleNamespace(
        scene=scene,
        window_manager=bpy.context.window_manager,
        preferences=preferences(),
        region=SimpleNamespace(width=300),
        mode=bpy.context.mode,
        object=None,
    )
    layout = Layout()
    for panel in classes("panels"):
        if not hasattr(panel, "poll") or panel.poll(context):
            if issubclass(panel, bpy.types.AddonPreferences):
                panel.draw(SimpleNamespace(layout=layout, bl_rna=panel.bl_rna), context)
            else:
                panel.draw(SimpleNamespace(layout=layout), context)
    return layout.texts


def draw_engine(monkeypatch, locks=("cpu",), bundled=False, unpacked=False, **status):
    """Draw the engine's state in the preferences, and give all texts and whether the sidebar shows it too."""
    state = import_module(f"{MODULE}.blender_addon.engine_state")
    lock = import_module(f"{MODULE}.blender_addon.engine_lock")
    monkeypatch.setattr(state, "status", lambda: state.Status(**status))
    monkeypatch.setattr(state, "bundled", lambda: bundled)
    monkeypatch.setattr(state, "unpacked", lambda _lock: unpacked)
    monkeypatch.setattr(state, "occupies_disk", lambda: unpacked)
    wheels = (lock.Wheel("torch", "2", "torch.whl", "0", 200_000_000, 800_000_000),)
    monkeypatch.setattr(state, "locks", lambda: {each: lock.Lock("linux-x64", "cp311", each, wheels) for each in locks})
    panels = import_module(f"{MODULE}.panels.engine")
    context = SimpleNamespace(region=SimpleNamespace(width=2000), preferences=preferences())
    layout = Layout()
    panels.show_engine(context, layout)
    return layout.texts, panels.CINEMAGRAPH_PT_engine.poll(context)


def test_the_engine_panel_says_the_state_and_the_next_step(addon, monkeypatch):
    assert not bpy.app.online_access
    buttons = ["", ""]  # Set Up Engine and From Folder keep their own labels
    texts, shown = draw_engine(monkeypatch, kind="MISSING")
    download = "The engine is downloaded once: 200 MB, then 800 MB on disk"
    assert texts == [download, "Allow Online Access", *buttons] and shown
    texts, shown = draw_engine(monkeypatch, kind="MISSING", bundled=True)
    unpack = "The engine is unpacked when the first photo is opened: 800 MB on disk"
    assert texts == [unpack, *buttons] and not shown
    texts, shown = draw_engine(monkeypatch, kind="MISSING", unpacked=True)
    assert texts == ["The engine is unpacked, only its check is missing", *buttons, "", ""] and shown  # Log, Remove
    texts, shown = draw_engine(monkeypatch, kind="MISSING", locks=())
    assert len(texts) == 1 and texts[0].startswith("There are no engine packages for ") and shown
    texts, shown = draw_engine(monkeypatch, kind="PREPARING", stage="Unpacking the engine", fraction=0.4)
    assert "Unpacking the engine  40%" in texts and shown
    texts, shown = draw_engine(monkeypatch, kind="FAILED", error="The disk is full.", unpacked=True)
    assert texts == ["The disk is full.", *buttons, "", ""] and shown
    verdict = import_module(f"{MODULE}.blender_addon.engine_verdict").Verdict(
        "/bin/python", False, "3.11.7", "cpu", {"torch": "2.13.0"}
    )
    texts, shown = draw_engine(monkeypatch, kind="READY", verdict=verdict, size=870_000_000)
    assert texts[:3] == ["Ready, 870 MB on disk", "torch 2.13.0 on CPU, Python 3.11.7", "/bin/python"] and not shown
    texts, shown = draw_engine(monkeypatch, kind="CHOSEN", error="numpy is missing.")
    assert texts[:2] == ["Run by the Python named under Advanced", "numpy is missing."] and not shown


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
