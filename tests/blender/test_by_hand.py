"""Things that people do to our objects by hand: every operator then works again, or says one sentence."""

import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH
from test_panels import draw_all

LINE = np.array([(60, 140), (120, 140), (180, 142)], np.float32)
RING = np.array([(5, 100), (315, 100), (315, 175), (5, 175)], np.float32)


@pytest.fixture
def drawn(addon, placed):
    """A scene with a photo and two strokes, whose job folder is not there yet."""
    placed.cinemagraph.frames = 12
    draw(addon, placed)
    return placed


def draw(addon, scene):
    stroke = addon.data.Stroke
    addon.strokes.add_hints(scene, [stroke("motion", LINE), stroke("region", RING, True)])


def delete(*names):
    """Delete as the X key does: out of the scene, while our settings keep the object alive."""
    bpy.ops.object.select_all(action="DESELECT")
    for name in names:
        item = bpy.data.objects[name]
        item.hide_select = False
        item.select_set(True)
    bpy.ops.object.delete()


def check_whole(addon, scene):
    """All our objects are in the scene, and the photo's camera sees strokes where they were drawn."""
    settings = scene.cinemagraph
    for name in ("root", "photo_camera", "camera", "hints", "marks"):
        assert addon.scene.in_scene(getattr(settings, name), scene), name
    assert scene.camera is not None and settings.collection in scene.collection.children_recursive
    before = len(addon.strokes.read_drawn_strokes(scene))
    addon.strokes.add_hints(scene, [addon.data.Stroke("motion", LINE)])
    bpy.context.view_layer.update()
    read = addon.strokes.read_drawn_strokes(scene)
    assert len(read) == before + 1
    motion = [stroke for stroke in read if stroke.kind == "motion"]
    assert np.abs(motion[-1].points - LINE).max() < 0.05
    draw_all(scene)


def remove_objects(*fields):
    def act(_addon, scene):
        for field in fields:
            bpy.data.objects.remove(getattr(scene.cinemagraph, field))

    act.__name__ = "remove_" + "_".join(fields)
    return act


def delete_objects(*fields):
    def act(_addon, scene):
        delete(*(getattr(scene.cinemagraph, field).name for field in fields))

    act.__name__ = "delete_" + "_".join(fields)
    return act


def remove_collection(_addon, scene):
    bpy.data.collections.remove(scene.cinemagraph.collection)


def remove_collection_with_objects(_addon, scene):
    for item in list(scene.cinemagraph.collection.objects):
        bpy.data.objects.remove(item)
    bpy.data.collections.remove(scene.cinemagraph.collection)


def unlink_collection(_addon, scene):
    scene.collection.children.unlink(scene.cinemagraph.collection)


def exclude_collection(_addon, scene):
    layer = bpy.context.view_layer.layer_collection.children[scene.cinemagraph.collection.name]
    layer.exclude = True


def move_and_remove_root(_addon, scene):
    scene.cinemagraph.root.location = (2, 3, 4)
    bpy.context.view_layer.update()
    bpy.data.objects.remove(scene.cinemagraph.root)


def rename_all(_addon, scene):
    for item in scene.objects:
        item.name = f"Mine {item.name}"


def hide_all(_addon, scene):
    for item in scene.objects:
        item.hide_viewport = True


def make_hints_a_mesh(addon, scene):
    """As Object > Convert does; of a drawing without strokes Blender 4.5 itself crashes."""
    draw(addon, scene)
    hints = scene.cinemagraph.hints
    bpy.context.view_layer.objects.active = hints
    hints.select_set(True)
    bpy.ops.object.convert(target="MESH")


def remove_layers(_addon, scene):
    for layer in list(scene.cinemagraph.hints.data.layers):
        scene.cinemagraph.hints.data.layers.remove(layer)


def remove_marks_modifier(_addon, scene):
    scene.cinemagraph.marks.modifiers.clear()


def remove_flow_and_depth(addon, scene):
    addon.overlays.ensure_overlay(scene, addon.flow_display.OVERLAY)
    bpy.data.objects.remove(scene.cinemagraph.flow)


ACTS = (
    remove_collection, remove_collection_with_objects, unlink_collection, exclude_collection, move_and_remove_root,
    remove_objects("root"), remove_objects("hints"), remove_objects("marks"), remove_objects("camera"),
    remove_objects("photo_camera"), remove_objects("camera", "photo_camera", "root", "hints", "marks"),
    delete_objects("root"), delete_objects("hints"), delete_objects("camera", "photo_camera"),
    delete_objects("root", "hints", "marks", "camera", "photo_camera"),
    rename_all, hide_all, make_hints_a_mesh, remove_layers, remove_marks_modifier, remove_flow_and_depth,
)  # fmt: skip


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_drawing_begins_again(addon, drawn, act):
    act(addon, drawn)
    draw_all(drawn)
    addon.strokes.read_drawn_strokes(drawn)  # as Live does, which may make nothing
    addon.ensure.ensure_objects(drawn)
    check_whole(addon, drawn)
    assert not addon.ensure.ensure_objects(drawn)  # nothing was left to do


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_points_come_in_again(addon, placed, job, act):
    addon.result.import_result(placed, job)
    addon.ensure.ensure_objects(placed)
    act(addon, placed)
    draw_all(placed)
    placed.cinemagraph.job_folder = str(job)
    addon.jobs.finish_build(placed, {"report": {}})
    bpy.context.view_layer.update()
    parts = addon.result.parts(placed)
    assert len(parts) == 4 and all(item.parent == placed.cinemagraph.root for item, _ in parts)
    assert placed.cinemagraph.loop_length == 20
    check_whole(addon, placed)
    bpy.ops.cinemagraph.add_camera_path(path="side")
    assert addon.camera_path._location_curves(placed.cinemagraph.camera)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_live_goes_on(addon, drawn, act):
    """The timer makes nothing, raises nothing but sentences, and asks for the strokes that it finds."""
    addon.overlays.ensure_overlay(drawn, addon.flow_display.OVERLAY)
    watch, asked = addon.live.Watch(), []
    act(addon, drawn)
    before = [item.name for item in bpy.data.objects]
    if addon.overlays.find_overlay(drawn, addon.flow_display.OVERLAY) is not None:
        for _ in range(3):
            watch.since = 0.0
            watch.subject = addon.live.FLOW
            try:
                asked.append(watch.look(drawn, busy=True))
            except addon.errors.CinemaError as error:
                asked.append(str(error))
    assert [item.name for item in bpy.data.objects] == before


def test_a_bug_switches_live_off_and_leaves_the_timer(addon, drawn, monkeypatch, capsys):
    manager = bpy.context.window_manager
    watch = addon.live.Watch()
    monkeypatch.setattr(watch, "look", lambda *_arguments: 1 / 0)
    manager.cinemagraph.live_preview = True
    addon.live._check(manager, watch, drawn, False)
    assert not manager.cinemagraph.live_preview and manager.cinemagraph.live_trouble == addon.live.BROKEN
    assert "ZeroDivisionError" in capsys.readouterr().err
    manager.cinemagraph.live_trouble = ""


def test_a_new_root_takes_place_and_children_of_the_old_one(addon, placed, job):
    addon.result.import_result(placed, job)
    placed.cinemagraph.root.location = (2, 3, 4)
    bpy.context.view_layer.update()
    before = {item.name: item.matrix_world.copy() for item in placed.objects if item != placed.cinemagraph.root}
    delete(placed.cinemagraph.root.name)
    addon.ensure.ensure_objects(placed)
    for name, matrix in before.items():
        assert np.abs(np.array(bpy.data.objects[name].matrix_world) - np.array(matrix)).max() < 1e-5, name


def test_strokes_before_the_first_keyframe_count(addon, drawn):
    for frame in (0, -50):
        drawn.frame_set(frame)
        assert len(addon.strokes.read_drawn_strokes(drawn)) == 2
        assert addon.selection.get_speed(drawn) == 1.0 and addon.selection.choose(drawn).strokes == [0]
    draw(addon, drawn)  # on the same keyframe, which now begins here
    assert len(addon.strokes.read_drawn_strokes(drawn)) == 4
    drawn.frame_set(1)
    assert len(addon.strokes.read_drawn_strokes(drawn)) == 4


def test_a_hidden_layer_is_named_and_nothing_is_suggested(addon, drawn):
    layers = drawn.cinemagraph.hints.data.layers
    layers["Motion"].hide = layers["Region"].hide = True
    with pytest.raises(RuntimeError, match=r'layer "(Motion|Region)" are hidden\. Show the layer'):
        bpy.ops.cinemagraph.build()
    assert 'Not used: the layer "Motion" is hidden' in draw_all(drawn).texts
    layers["Region"].hide = False
    assert addon.jobs.has_hints(drawn)


def test_a_renamed_layer_is_named(addon, drawn):
    layers = drawn.cinemagraph.hints.data.layers
    layers["Motion"].name, layers["Region"].name = "Water", "Lake"
    with pytest.raises(RuntimeError, match=r'layer "(Water|Lake)" has strokes, but not the name .*Name it Motion, '):
        bpy.ops.cinemagraph.build()
    texts = " ".join(draw_all(drawn).texts)
    assert 'Not used: the layer "Water" has no name of a kind of stroke' in texts


def test_still_photo_asks_for_no_suggestions(addon, drawn, monkeypatch):
    asked = {}
    monkeypatch.setattr(addon.jobs.engine, "ask", lambda _name, fields: asked.update(fields))
    addon.jobs.start_build(drawn)
    assert asked["still"] is False and asked["annotations"]
    drawn.cinemagraph.hints.data.layers["Motion"].hide = drawn.cinemagraph.hints.data.layers["Region"].hide = True
    drawn.cinemagraph.still = True
    addon.jobs.start_build(drawn)
    assert asked["still"] is True and asked["annotations"] is None


@pytest.mark.parametrize("how", ["rename", "duplicate", "linked", "delete", "modifier", "mesh", "nodes", "hide"])
def test_results_changed_by_hand_are_built_again(addon, placed, job, how):
    addon.result.import_result(placed, job)
    item, modifier = addon.result.parts(placed)[0]
    bpy.context.view_layer.objects.active = item
    item.select_set(True)
    if how == "rename":
        item.name, item.data.name = "Mine", "Mine"
    elif how == "hide":
        item.hide_set(True)
    elif how in ("duplicate", "linked"):
        bpy.ops.object.duplicate(linked=how == "linked")
    elif how == "delete":
        bpy.ops.object.delete()
    elif how == "modifier":
        item.modifiers.clear()
    elif how == "mesh":
        item.data.clear_geometry()
    else:
        bpy.data.node_groups.remove(placed.cinemagraph.moving_nodes)
    draw_all(placed)
    copies = {"duplicate": 1, "linked": 1}.get(how, 0)
    addon.result.import_result(placed, job)
    bpy.context.view_layer.update()
    assert len(addon.result.parts(placed)) == len(placed.cinemagraph.parts) == 4
    assert len([item for item in placed.objects if item.type == "MESH"]) == 4 + copies
    counts = [len(part.data.vertices) for part, _ in addon.result.parts(placed)]
    assert sum(counts) == WIDTH * HEIGHT + 600
    bpy.ops.cinemagraph.remove()
    assert not addon.result.parts(placed) and draw_all(placed).texts


def test_a_deleted_photo_is_said(addon, drawn):
    bpy.data.images.remove(drawn.cinemagraph.photo)
    for name in ("build", "suggest_regions", "show_flow", "show_depth", "add_camera_path"):
        with pytest.raises(RuntimeError, match="Open a photo first"):
            getattr(bpy.ops.cinemagraph, name)()
    draw_all(drawn)
    with pytest.raises(addon.errors.CinemaError, match="Open a photo first"):
        addon.ensure.ensure_objects(drawn)


def test_the_check_says_that_its_camera_is_gone(addon, placed, job):
    addon.result.import_result(placed, job)
    bpy.data.objects.remove(placed.cinemagraph.photo_camera)
    with pytest.raises(RuntimeError, match="was deleted. Press Build, which adds it again"):
        bpy.ops.cinemagraph.check_camera()
    placed.cinemagraph.coverage.size = 0.5  # without a camera to limit to
    assert MODULE in bpy.context.preferences.addons
