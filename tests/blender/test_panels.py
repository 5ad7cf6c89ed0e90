"""Every panel draws with existing properties, operators and icons; labels and tooltips follow Blender's conventions."""

import re
from importlib import import_module
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from extension import MODULE, ROOT
from layout import Layout


def classes(room):
    return import_module(f"{MODULE}.{room}").CLASSES


def preferences():
    """Blender's preferences with the UI scale of a window: in background it is 0."""
    system = SimpleNamespace(ui_scale=1.0, bl_rna=bpy.types.PreferencesSystem.bl_rna)
    return SimpleNamespace(system=system, addons=bpy.context.preferences.addons)


class Progress:
    """State of the window manager in which a job runs; its properties are the real ones."""

    bl_rna = property(lambda _self: bpy.context.window_manager.cinemagraph.bl_rna)
    stage, fraction, rendered = "open", 0.5, "/videos/lake_loop.mp4"
    live_preview = live_depth = False
    live_trouble = live_depth_trouble = notice = ""

    def __init__(self, running):
        self.running = running


def draw_all(scene, running="", panels=()):
    """Draw the panels whose poll allows it, and give the layout.

    Args:
        scene: The scene.
        running: Operator of the running job.
        panels: Only these panels.
    """
    modal = [SimpleNamespace(bl_idname=running)] if running else []
    manager = SimpleNamespace(cinemagraph=Progress(bool(running)), windows=[SimpleNamespace(modal_operators=modal)])
    context = SimpleNamespace(
        scene=scene,
        window_manager=manager,
        preferences=preferences(),
        region=SimpleNamespace(width=600),
        mode=bpy.context.mode,
        object=None,
    )
    layout = Layout()
    for panel in panels or classes("panels"):
        if issubclass(panel, bpy.types.AddonPreferences):
            panel.draw(SimpleNamespace(layout=layout, bl_rna=panel.bl_rna, show_steps=True), context)
        elif hasattr(panel, "bl_category") and (not hasattr(panel, "poll") or panel.poll(context)):
            panel.draw(SimpleNamespace(layout=layout), context)
            if hasattr(panel, "draw_header_preset"):
                panel.draw_header_preset(SimpleNamespace(layout=layout), context)
    return layout


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


@pytest.fixture
def steps():
    """The preference that shows the next step; on, as for a new user."""
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.show_steps = True
    yield preferences
    preferences.show_steps = True


def test_panels_draw_before_and_after_a_photo_and_a_build(addon, scene, photo_file, job):
    assert "Motion" in draw_all(scene).texts
    camera = addon.camera.Camera(320, 180, 300.0)
    addon.scene.place_photo(scene, addon.scene.OpenedPhoto(photo_file, photo_file, job, camera, (320, 180)))
    for source in ("BUILT_IN", "FILE", "MODEL"):
        scene.cinemagraph.depth_source = source
        assert {"Nearer", "Same Depth", "Sky"} <= set(draw_all(scene).texts)
    addon.result.import_result(scene, job)
    found = {"start": 1, "uncovered": [0.0, 0.2, 0.0], "invented": [0.0, 0.1, 0.0], "limit": 0.01, "points": "others"}
    scene.cinemagraph.coverage.found_json = addon.coverage.json.dumps(found)
    texts = draw_all(scene).texts
    assert "Good: no holes along the path" not in texts
    assert {"Moving Points", "Holes in: 2", "lake.png, 320 × 180 px"} <= set(texts)
    assert "20 frames, 0.8 s, 320 × 180 px" in texts  # at 24 frames per second


def test_each_offered_model_has_a_button_with_size_and_licence(addon, placed, tmp_path, monkeypatch):
    monkeypatch.setenv("CINEMAGRAPH_MODELS", str(tmp_path))
    offered, small = addon.models.OFFERED, addon.models.DEFAULT_MODEL
    assert f"Better: {offered[small].summary}" in draw_all(placed).texts
    placed.cinemagraph.depth_source = "MODEL"
    drawn = draw_all(placed)
    assert {model.summary for model in offered.values()} <= set(drawn.texts) and "Allow Online Access" in drawn.texts
    assert drawn.operators.count("cinemagraph.download_model") == len(offered)
    (tmp_path / small).mkdir()
    (tmp_path / small / "model.onnx").write_bytes(b"")
    drawn = draw_all(placed)
    assert f"{offered[small].label}, MIT" in drawn.texts and offered[small].summary not in drawn.texts
    assert (drawn.operators.count("cinemagraph.use_model"), drawn.operators.count("cinemagraph.remove_model")) == (1, 1)
    placed.cinemagraph.depth_source = "BUILT_IN"
    assert "Use MoGe-2 Small" in draw_all(placed).texts
    tooltip = import_module(f"{MODULE}.operators.depth").CINEMAGRAPH_OT_download_model.description(
        None, type("Given", (), {"model": small})
    )
    assert offered[small].merit in tooltip and tooltip.endswith("Licence MIT")


def test_each_panel_has_the_button_of_its_step_and_one_next_step(addon, scene, placed, job, steps):
    parts = import_module(f"{MODULE}.panels.parts")
    said = [text for text in draw_all(scene).texts if text in parts.STEPS.values()]
    assert said == ["Next: press Animate, or draw along the water first"]
    addon.result.import_result(scene, job)
    assert parts.STEPS["camera"] in draw_all(scene).texts
    bpy.ops.cinemagraph.add_camera_path(path="side")
    assert parts.STEPS["render"] in draw_all(scene).texts
    steps.show_steps = False
    assert not set(draw_all(scene).texts) & set(parts.STEPS.values())
    order = ["open_photo", "draw", "animate", "build", "add_camera_path", "render_loop"]
    below = [panel for panel in classes("panels") if panel is not above()]
    shown = [name.removeprefix("cinemagraph.") for name in draw_all(scene, panels=below).operators]
    assert [name for name in dict.fromkeys(shown) if name in order] == order


def test_progress_takes_the_place_of_its_button(addon, placed, job):
    addon.result.import_result(placed, job)
    own = ("open_photo", "suggest_regions", "show_flow", "show_depth", "check_camera")
    for running, replaced in [*zip(own, own), ("paste_photo", "open_photo")]:
        drawn = draw_all(placed, running=f"CINEMAGRAPH_OT_{running}")
        assert drawn.texts.count("Open  50%") == 1
        assert set(own) - {name.removeprefix("cinemagraph.") for name in drawn.operators} == {replaced}
    for running in ("build", "animate", "export_motion"):  # in the panel above the others, which is in sight
        assert draw_all(placed, f"CINEMAGRAPH_OT_{running}").texts.count("Open  50%") == 1
        assert draw_all(placed, f"CINEMAGRAPH_OT_{running}", [above()]).operators[-1] == "cinemagraph.cancel"


def above():
    return import_module(f"{MODULE}.panels.next_step").CINEMAGRAPH_PT_next


def test_the_next_button_is_above_all_panels(addon, scene, placed, job, steps):
    assert above().bl_options == {"HIDE_HEADER"}
    steps.show_steps = False
    assert draw_all(scene, panels=[above()]).operators == ["cinemagraph.animate", "cinemagraph.build"]
    addon.result.import_result(scene, job)
    again = ["cinemagraph.animate", "cinemagraph.build", "cinemagraph.remove"]
    assert draw_all(scene, panels=[above()]).operators == ["cinemagraph.add_camera_path"] * 4 + again
    bpy.ops.cinemagraph.add_camera_path(path="side")
    assert draw_all(scene, panels=[above()]).operators == [
        "cinemagraph.render_loop",
        "cinemagraph.set_up_render",
        "wm.path_open",  # the folder of the last video
        *again,
    ]


def test_draw_mode_says_how_it_ends(addon, scene, placed, steps, monkeypatch):
    viewport = import_module(f"{MODULE}.blender_addon.viewport")
    assert "cinemagraph.leave_drawing" not in draw_all(scene).operators
    monkeypatch.setattr(viewport, "drawn_layer", lambda _context: "Sway")
    drawn = draw_all(scene, panels=[above()])
    assert "Stop Drawing (Esc)" in drawn.texts
    assert drawn.operators[1:] == ["cinemagraph.leave_drawing", "cinemagraph.animate", "cinemagraph.build"]
    assert "Draw the flow (V: other strokes), then press Animate" in drawn.texts


def test_the_pie_menu_has_all_strokes(addon, scene, placed):
    layout = Layout()
    menu = import_module(f"{MODULE}.panels.strokes_menu").CINEMAGRAPH_MT_strokes
    context = SimpleNamespace(scene=scene, mode="OBJECT", object=None)
    menu.draw(SimpleNamespace(layout=layout), context)
    assert set(layout.texts) == {*addon.hint_layers.LAYERS, "Depth", ""}
    assert layout.operators.count("cinemagraph.draw") == len(addon.hint_layers.LAYERS)


def test_pictures_of_the_camera_paths_differ(addon):
    thumbnails = import_module(f"{MODULE}.panels.thumbnails")
    pictures = {path: thumbnails.draw(path) for path in addon.camera.PATHS}
    orange = {path: (picture[..., 0] > 0.9) & (picture[..., 3] > 0.9) for path, picture in pictures.items()}
    extent = {path: np.ptp(np.argwhere(pixels), axis=0) for path, pixels in orange.items()}  # rows, columns
    assert extent["up-down"][0] > 3 * extent["up-down"][1] and extent["side"][1] > 3 * extent["side"][0]
    assert min(extent["zoom-in"]) > 10 and min(extent["circle"]) > 20
    assert all(0 < pixels.sum() < 900 for pixels in orange.values())
    edges = [picture[[0, -1]].max() + picture[:, [0, -1]].max() for picture in pictures.values()]
    assert edges == [0] * len(pictures)  # nothing is cut off


def test_rows_that_appear_when_they_are_needed(addon, placed, job):
    placed.view_settings.view_transform = "AgX"
    assert draw_all(placed).operators.count("cinemagraph.use_photo_colors") == 1
    addon.result.import_result(placed, job)
    assert draw_all(placed).operators.count("cinemagraph.use_photo_colors") == 2
    placed.view_settings.view_transform = "Standard"
    drawn = draw_all(placed)
    assert not {"cinemagraph.use_photo_colors", "cinemagraph.show_hidden"} & set(drawn.operators)
    again = "Open the photo again for this Max Side"
    placed.cinemagraph.max_side = 320  # the file has 640 px, the photo was opened with 320
    assert again not in draw_all(placed).texts
    placed.cinemagraph.max_side = 640
    assert again in draw_all(placed).texts


@pytest.mark.parametrize(
    ("names", "text"),
    [((), None), (("Cube",), '"Cube" hid the photo, and is hidden now'),
     (("Cube", "Wall"), "2 objects hid the photo, and are hidden now")],
)  # fmt: skip
def test_hidden_objects_are_named_beside_their_button(addon, names, text):
    items = [SimpleNamespace(object=SimpleNamespace(name=name)) for name in names]
    items.append(SimpleNamespace(object=None))  # deleted meanwhile
    context = SimpleNamespace(
        scene=SimpleNamespace(cinemagraph=SimpleNamespace(hidden=items)),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
        region=SimpleNamespace(width=600),
    )
    layout = Layout()
    import_module(f"{MODULE}.panels.sidebar")._show_hidden(context, layout)
    assert layout.texts == ([] if text is None else [text, ""])
    assert layout.operators == ([] if text is None else ["cinemagraph.show_hidden"])


def test_focal_length_in_millimetres(addon, placed):
    settings = placed.cinemagraph
    assert settings.lens == pytest.approx(36 * 300 / 320)
    settings.lens = 50
    assert settings.focal == pytest.approx(50 * 320 / 36) and placed.camera.data.lens == pytest.approx(50)


GOOD = {"measured": True, "fidelity_db": 40.0, "seam": 1.02, "contrast": 0.95, "contrast_max": 1.02,
        "hint_angle_deg": 0.1, "hint_speed": 0.003, "holes": {"up-down": 0.0, "side": 0.0005}}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "text", "remedy"),
    [
        ({}, "Good: no holes, the loop closes", ""),
        ({"seam": None, "contrast": None, "contrast_max": None}, "Good: no holes, a still photo", ""),
        ({"holes": {"up-down": 0.02, "side": 0.0}}, "Holes on the path Up-Down, up to 2.0%", "raise Point Size"),
        ({"seam": 1.5}, "The loop jumps where it restarts", "raise Loop Length"),
        ({"contrast": 0.5}, "Moving parts blur to 50% of their contrast", "lower Overall Speed"),
        ({"contrast_max": 1.5}, "Moving parts sharpen to 150% of their contrast", "lower Overall Speed"),
        ({"fidelity_db": 25.0}, "Frame 1 differs from the photo", "lower Point Size"),
        ({"hint_angle_deg": 40.0}, "The flow leaves the strokes' direction", "press Show Flow"),
        ({"bent": 0.3, "amplitude": 0.5}, "Camera moves bend 30% of the straight lines", "lower Amplitude to 0.5"),
        ({"torn": 3.5, "amplitude": 0.75}, "Camera moves tear surfaces", "lower Amplitude to 0.75"),
        ({"hint_speed": 0.8}, "The flow leaves the strokes' speed", "press Show Flow"),
    ],
)
def test_the_report_in_words(addon, changes, text, remedy):
    words = import_module(f"{MODULE}.blender_addon.quality_words")
    (finding,) = words.judge({"quality": GOOD | changes})
    assert finding.text == text and finding.remedy.startswith(remedy) and finding.is_good == (not remedy)


def test_the_report_names_all_faults_and_no_arguments(addon):
    words = import_module(f"{MODULE}.blender_addon.quality_words")
    unmeasured = {"quality": GOOD | {"measured": False, "fidelity_db": None, "seam": None}}
    assert words.judge(unmeasured) == [] and not words.is_measured(unmeasured)
    assert len(words.judge({"quality": GOOD | {"seam": 2.0, "contrast": 0.1, "holes": {"side": 0.5}}})) == 3
    stages = (ROOT / "cinema_core" / "pipeline" / "stages.py").read_text()
    for argument, button in words.ARGUMENTS.items():
        assert argument in stages and words.in_blender(f"Edit, or {argument}") == f"Edit, or {button}"


@pytest.mark.parametrize("kind", ["motion", "render"])
def test_presets_set_values_and_are_saved(addon, placed, kind):
    panel, folder = f"CINEMAGRAPH_PT_{kind}_presets", f"cinemagraph/{kind}"
    find, save = bpy.utils.preset_find, getattr(bpy.ops.cinemagraph, f"{kind}_preset_add")
    shipped = {"motion": ["calm", "natural", "lively"], "render": ["draft", "standard", "fine"]}[kind]
    for name in shipped:
        assert bpy.ops.script.execute_preset(filepath=find(name, folder), menu_idname=panel) == {"FINISHED"}
    if kind == "motion":
        assert (placed.cinemagraph.speed, placed.cinemagraph.frames) == (2.0, 40)
        placed.cinemagraph.swings = 3
    else:
        assert placed.cycles.samples == 64 and placed.cinemagraph.render_set_up
        placed.cycles.samples = 7
    assert save(name="Mine") == {"FINISHED"}
    placed.cinemagraph.swings = placed.cycles.samples = 1
    bpy.ops.script.execute_preset(filepath=find("Mine", folder), menu_idname=panel)
    assert (placed.cinemagraph.swings, placed.cycles.samples) == ((3, 1) if kind == "motion" else (1, 7))
    save(name="Mine", remove_name=True)
    assert find("Mine", folder) is None


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
    names = [properties[name].name for name in ("frames", "loop_length", "speed", "play_speed", "stroke_speed")]
    assert names == ["Loop Length", "Playback Length", "Overall Speed", "Repeats", "Stroke Speed"]
