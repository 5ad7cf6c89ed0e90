"""The flow over the photo, by button and live, and export of strokes and motion, with the real engine."""

import json
import os

import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH

RING = np.array([(5, 100), (315, 100), (315, 175), (5, 175)], np.float32)
LINE = np.array([(60, 140), (120, 140), (200, 142)], np.float32)


@pytest.fixture
def opened(addon, scene, photo_file):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    return scene


@pytest.fixture
def drawn(addon, opened):
    stroke = addon.data.Stroke
    addon.strokes.add_hints(opened, [stroke("region", RING, closed=True), stroke("motion", LINE)])
    return opened


def lines(scene):
    """Drawn lines and arrowheads: (N, 2) px each, and their material indices."""
    drawing = scene.cinemagraph.flow.data.layers[0].get_frame_at(scene.frame_current).drawing
    found = [np.array([point.position[:] for point in stroke.points]) for stroke in drawing.strokes]
    pixels = [line[:, [0, 2]] * (WIDTH, -WIDTH) + (WIDTH / 2, HEIGHT / 2) for line in found]
    return pixels, [stroke.material_index for stroke in drawing.strokes]


def datablocks():
    """Names of all datablocks."""
    kinds = [name for name in dir(bpy.data) if isinstance(getattr(bpy.data, name), bpy.types.bpy_prop_collection)]
    return {(name, block.name) for name in kinds for block in getattr(bpy.data, name)}


def streamlines(addon):
    points = np.array([(10, 10), (20, 10), (30, 10), (50, 60), (50, 70), (90, 90), (90, 90)], np.float32)
    return addon.jobs.FlowPreview(points, np.array([0, 3, 5, 7], np.int32), np.array([2.0, 0.5, 1.0], np.float32))


def test_lines_lie_where_they_belong(addon, placed):
    flow = addon.flow_display.show_flow(placed, streamlines(addon))
    assert flow.hide_render and flow.hide_select and flow.show_in_front
    pixels, shades = lines(placed)
    assert [len(line) for line in pixels] == [
        3,
        2,
        2,
        3,
        3,
    ]  # two lines have a direction and a head
    assert np.abs(np.concatenate(pixels[:3]) - streamlines(addon).points).max() < 1e-2
    assert np.abs(pixels[3][1] - (30, 10)).max() < 1e-2 and pixels[3][[0, 2], 0].max() < 30  # its barbs point back
    assert shades[0] == shades[3] == addon.flow_display.SHADES - 1 > shades[2] > shades[1] == shades[4]
    bpy.context.view_layer.update()
    camera = placed.cinemagraph.photo_camera
    tip = flow.matrix_world @ flow.data.layers[0].frames[0].drawing.strokes[0].points[2].position
    near = camera.matrix_world.inverted() @ tip  # in the photo's camera
    assert abs(near.x / -near.z * 300 + WIDTH / 2 - 30) < 0.01 and abs(-near.y / -near.z * 300 + HEIGHT / 2 - 10) < 0.01


def test_lines_are_replaced_and_removed(addon, placed):
    addon.flow_display.show_flow(placed, streamlines(addon))
    addon.flow_display.remove_flow(placed)
    before = datablocks()
    for _ in range(3):
        addon.flow_display.show_flow(placed, streamlines(addon))
    assert len(lines(placed)[0]) == 5
    empty = addon.jobs.FlowPreview(np.zeros((0, 2), np.float32), np.zeros(1, np.int32), np.zeros(0, np.float32))
    addon.flow_display.show_flow(placed, empty)
    assert lines(placed) == ([], [])
    assert bpy.ops.cinemagraph.hide_flow() == {"FINISHED"}
    assert datablocks() == before  # the overlay stays, empty, so that Live can draw on it
    assert not addon.flow_display.has_flow(placed)
    with pytest.raises(RuntimeError, match="No flow is shown"):
        bpy.ops.cinemagraph.hide_flow()
    addon.flow_display.show_flow(placed, streamlines(addon))
    bpy.data.objects.remove(placed.cinemagraph.flow)  # by the user
    addon.flow_display.show_flow(placed, streamlines(addon))
    assert len(lines(placed)[0]) == 5


def test_show_flow_follows_the_strokes(addon, drawn):
    assert bpy.ops.cinemagraph.show_flow() == {"FINISHED"}
    pixels, _ = lines(drawn)
    inside = np.concatenate([line for line in pixels if len(line) > 3])
    assert len(pixels) > 20 and inside[:, 1].min() > 95  # in the region
    ways = np.array([line[-1] - line[0] for line in pixels if len(line) > 3])
    assert (ways[:, 0] > 0).mean() > 0.9  # to the right, as drawn
    bpy.ops.cinemagraph.reverse_strokes()
    bpy.ops.cinemagraph.show_flow()
    ways = np.array([line[-1] - line[0] for line in lines(drawn)[0] if len(line) > 3])
    assert (ways[:, 0] < 0).mean() > 0.9


def follow(addon, watch, scene, trouble="", seconds=60):
    """Let the watch look until it has sent a request and drawn its answer."""
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        trouble = watch.look(scene, False, trouble)
        if watch.request is None and watch.asked:
            return trouble
        time.sleep(0.02)
    raise TimeoutError


def test_live_flow_notices_changes(addon, drawn):
    watch = addon.live.Watch()
    watch.look(drawn)
    assert watch.request is None  # the strokes have to rest first
    follow(addon, watch, drawn)
    first = np.concatenate(lines(drawn)[0])
    for _ in range(3):
        watch.look(drawn)
    assert watch.request is None  # no change, no request
    drawn.cinemagraph.stroke_speed = 3.0
    watch.look(drawn, busy=True)
    watch.since = 0.0
    watch.look(drawn, busy=True)
    assert watch.request is None  # no request while a stroke is being drawn
    watch.look(drawn)
    asked = watch.request
    assert asked is not None
    drawn.cinemagraph.stroke_speed = 4.0
    watch.look(drawn)
    assert watch.request in (asked, None)  # one request at a time
    watch.asked = watch.asked if watch.request else ""
    follow(addon, watch, drawn)
    assert len(np.concatenate(lines(drawn)[0])) != len(first) or not np.allclose(np.concatenate(lines(drawn)[0]), first)
    addon.strokes.add_hints(drawn, [], replace=True)
    watch.look(drawn)
    watch.since = 0.0
    assert watch.look(drawn) == "" and watch.request is None and not addon.flow_display.has_flow(drawn)


def test_live_previews_make_and_remove_no_datablock(addon, drawn):
    """They draw outside of undo steps, where a pointer to a new datablock makes the next undo crash in a window."""
    before = datablocks()
    watches = [addon.live.Watch(subject) for subject in (addon.live.FLOW, addon.live.DEPTH)]
    for strokes in ([], [addon.data.Stroke("motion", LINE)]):
        addon.strokes.add_hints(drawn, strokes, replace=True)
        new = datablocks()
        for watch in watches:
            watch.seen = ""
            watch.look(drawn)
            if watch.subject.exists(drawn, strokes) and watch.asked != watch.seen:
                follow(addon, watch, drawn)
        assert datablocks() == new
    assert {name for name, _ in datablocks() - before} <= {"materials"}  # of the strokes' layer
    assert addon.flow_display.has_flow(drawn) and addon.depth_display.has_depth(drawn)


def test_undo_brings_back_an_earlier_drawing_and_live_draws_again(addon, drawn):
    watch = addon.live.Watch()
    bpy.ops.ed.undo_push(message="strokes")  # holds the empty overlay
    follow(addon, watch, drawn)
    shown = lines(drawn)[0]
    drawn.cinemagraph.frames = 33
    bpy.ops.ed.undo_push(message="Loop Length")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert not addon.flow_display.has_flow(scene) and len(shown) > 20
    watch.look(scene)
    assert watch.request is None  # the strokes are those of the last answer
    again = lines(scene)[0]
    assert len(again) == len(shown) and all(np.array_equal(a, b) for a, b in zip(again, shown))


def test_live_needs_no_undo_step_of_its_own_after_open_photo(addon, opened):
    state = bpy.context.window_manager.cinemagraph
    before = datablocks()
    bpy.ops.cinemagraph.live_flow()
    bpy.ops.cinemagraph.live_depth()
    assert state.live_preview and state.live_depth and datablocks() == before
    bpy.ops.cinemagraph.live_flow()
    bpy.ops.cinemagraph.hide_depth()
    assert not state.live_preview and not state.live_depth and datablocks() == before


def test_live_adds_a_missing_overlay_as_an_undo_step(addon, placed):
    """As in a file of an earlier version."""
    bpy.ops.ed.undo_push(message="placed")
    bpy.ops.cinemagraph.live_flow()
    state, find = bpy.context.window_manager.cinemagraph, addon.overlays.find_overlay
    assert state.live_preview and find(placed, addon.flow_display.OVERLAY) is not None
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert scene.cinemagraph.photo is not None and find(scene, addon.flow_display.OVERLAY) is None
    addon.live._give_up(bpy.context.window_manager, addon.live.FLOW)
    assert not state.live_preview and "Switch it on again" in state.live_trouble
    bpy.ops.cinemagraph.live_flow()
    assert state.live_preview and not state.live_trouble
    bpy.ops.cinemagraph.live_flow()


def test_live_flow_reports_problems(addon, drawn):
    drawn.cinemagraph.flow_file = "/nowhere/motion.flo"
    watch = addon.live.Watch()
    with pytest.raises(addon.errors.CinemaError, match="motion.flo"):
        follow(addon, watch, drawn)


def test_live_flow_is_off_in_background_and_gone_with_the_extension(addon):
    import addon_utils

    state = bpy.context.window_manager.cinemagraph
    assert not state.live_preview and not bpy.app.timers.is_registered(addon.live._tick)
    addon.live.unregister()
    bpy.app.timers.register(addon.live._tick, persistent=True)
    addon_utils.disable(MODULE, default_set=True)
    assert not bpy.app.timers.is_registered(addon.live._tick)
    addon_utils.enable(MODULE, default_set=True)


@pytest.mark.parametrize("form", ["OURS", "LABELME"])
def test_exported_strokes_come_back(addon, drawn, tmp_path, form):
    drawn.cinemagraph.stroke_speed = 2.0
    addon.strokes.add_hints(drawn, [addon.data.Stroke(kind, LINE - 5) for kind in ("still", "outlet")])
    before = addon.strokes.read_drawn_strokes(drawn)
    path = tmp_path / "strokes.json"
    path.write_text("old")
    assert bpy.ops.cinemagraph.export_annotations(filepath=str(path), form=form) == {"FINISHED"}
    assert os.listdir(tmp_path) == ["strokes.json"]
    content, settings = json.loads(path.read_text()), drawn.cinemagraph
    assert settings.file_size[0] and content.get("imageWidth", settings.file_size[0]) == settings.file_size[0]
    bpy.ops.cinemagraph.import_annotations(filepath=str(path))
    after = addon.strokes.read_drawn_strokes(drawn)
    assert len(after) == len(before) == 4
    for old, new in zip(before, after):
        assert (old.kind, old.closed) == (new.kind, new.closed)
        assert np.abs(old.points - new.points).max() < 0.01
        assert form == "LABELME" or old.speed == new.speed


def test_impossible_exports_are_refused(addon, opened, tmp_path):
    with pytest.raises(RuntimeError, match="no strokes"):
        bpy.ops.cinemagraph.export_annotations(filepath=str(tmp_path / "x.json"))
    addon.strokes.add_hints(opened, [addon.data.Stroke("motion", LINE)])
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.cinemagraph.export_annotations(filepath=str(tmp_path / "missing" / "x.json"))
    with pytest.raises(RuntimeError, match="no file extension"):
        bpy.ops.cinemagraph.export_motion(filepath=str(tmp_path / "motion.txt"))
    assert not os.listdir(tmp_path)


def test_an_export_never_overwrites_an_input(addon, drawn, tmp_path):
    """The photo, say, which the suggested name of a mask may be."""
    settings = drawn.cinemagraph
    for field, name in (("photo_path", "photo.png"), ("region_file", "mask.png"), ("flow_file", "motion.npy")):
        (tmp_path / name).write_bytes(b"input")
        (tmp_path / f"linked_{name}").symlink_to(tmp_path / name)
        before, path = getattr(settings, field), tmp_path / f"linked_{name}"
        settings[field] = str(tmp_path / name)
        try:
            with pytest.raises(RuntimeError, match="would be overwritten"):
                bpy.ops.cinemagraph.export_motion(filepath=str(path))
        finally:
            settings[field] = before
        assert path.read_bytes() == b"input"


def test_exported_motion_is_the_flow_that_is_shown(addon, drawn, tmp_path):
    for name in ("motion.npy", "motion.flo", "region.png"):
        assert bpy.ops.cinemagraph.export_motion(filepath=str(tmp_path / name)) == {"FINISHED"}
    motion = np.load(tmp_path / "motion.npy")
    assert motion.shape == (HEIGHT, WIDTH, 2) and motion[140, 120, 0] > 1 and not motion[:90].any()
    drawn.cinemagraph.flow_file = str(tmp_path / "motion.flo")
    addon.strokes.add_hints(drawn, [addon.data.Stroke("region", RING, closed=True)], replace=True)
    assert bpy.ops.cinemagraph.show_flow() == {"FINISHED"}
    drawn.cinemagraph.flow_file, drawn.cinemagraph.region_file = "", str(tmp_path / "region.png")
    addon.strokes.add_hints(drawn, [addon.data.Stroke("motion", LINE)], replace=True)
    assert bpy.ops.cinemagraph.show_flow() == {"FINISHED"}
    assert np.concatenate([line for line in lines(drawn)[0] if len(line) > 3])[:, 1].min() > 95


def test_suggested_regions_are_strokes_to_edit(addon, opened):
    bpy.ops.cinemagraph.suggest_regions()
    found = addon.strokes.read_drawn_strokes(opened)
    assert {stroke.kind for stroke in found} <= {"region", "sway", "motion", "still"}
    count = len(found)
    bpy.ops.cinemagraph.suggest_regions(replace=True)
    assert len(addon.strokes.read_drawn_strokes(opened)) == count
