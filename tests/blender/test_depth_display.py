"""Depth in Blender: colours over the photo, corrective strokes, requests to the engine, and models."""

import json

import bpy
import numpy as np
import pytest
from sample import HEIGHT, WIDTH

RING = np.array([(100, 100), (200, 100), (200, 160), (100, 160)], np.float32)
LINE = np.array([(20, 90), (100, 90), (200, 90), (300, 90)], np.float32)
KIND_OF_LAYER = {
    "Same Depth": "same_depth", "Nearer": "nearer", "Farther": "farther", "Horizon": "horizon", "Flat": "flat",
    "Upright": "upright", "Sky": "depth_sky",
}  # fmt: skip
BLOCKS = ("objects", "materials", "grease_pencils_v3" if hasattr(bpy.data, "grease_pencils_v3") else "grease_pencils")


def slope():
    """(H, W) float32 disparity: sky in the upper half, ground that approaches below, a near post."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    disparity = np.where(y < HEIGHT / 2, 0.01, 0.05 + 0.95 * (y / HEIGHT * 2 - 1))
    disparity[40:140, 150:157] = 1.0
    return disparity.astype(np.float16).astype(np.float32)


def picture_of(scene):
    """(H, W) int: the drawn shade at every pixel of the photo; -1 without a shade."""
    settings = scene.cinemagraph
    drawing = settings.depth_map.data.layers[0].get_frame_at(scene.frame_current).drawing
    found = np.full((HEIGHT, WIDTH), -1)
    for stroke in drawing.strokes:
        corners = np.array([point.position[:] for point in stroke.points])
        x, y = corners[:, 0] * WIDTH + WIDTH / 2, HEIGHT / 2 - corners[:, 2] * WIDTH
        box = [round(float(value)) for value in (y.min(), y.max(), x.min(), x.max())]
        assert (found[box[0] : box[1], box[2] : box[3]] == -1).all()  # strips do not overlap
        found[box[0] : box[1], box[2] : box[3]] = stroke.material_index
    return found


def test_colours_lie_where_the_depth_is(addon, placed):
    display = addon.depth_display
    item = display.show_depth(placed, display.DepthPreview(slope(), "by hand", "MIT"))
    assert item.hide_render and item.hide_select and item.show_in_front
    shades = picture_of(placed)
    assert (shades[:40] == display.SHADES).all()  # sky
    assert (shades[40:140, 150:157] == display.SHADES - 1).all() and shades[100, 149] < display.SHADES - 5  # the post
    ground = shades[HEIGHT // 2 :, 10]
    assert ground.min() < 9 and ground.max() == display.SHADES - 1 and (np.diff(ground) >= 0).all()
    near, far = (item.data.materials[shade].grease_pencil.fill_color for shade in (display.SHADES - 1, 0))
    assert near[0] > 3 * near[2] and far[2] > 3 * far[0]  # warm and cool
    settings = placed.cinemagraph
    assert (settings.depth_origin, settings.depth_licence) == ("by hand", "MIT")


@pytest.mark.parametrize("focal", [300.0, 900.0])
def test_colours_fill_the_photos_view_beneath_the_strokes(addon, placed, focal):
    display = addon.depth_display
    item = display.show_depth(placed, display.DepthPreview(slope()))
    placed.cinemagraph.focal = focal
    bpy.context.view_layer.update()
    camera = placed.cinemagraph.photo_camera.matrix_world.inverted()
    points = [point.position for stroke in item.data.layers[0].frames[0].drawing.strokes for point in stroke.points]
    seen = np.array([(camera @ item.matrix_world @ point)[:] for point in points])
    assert np.abs(np.abs(seen[:, 0] / seen[:, 2]).max() * focal - WIDTH / 2) < 0.01
    assert np.abs(np.abs(seen[:, 1] / seen[:, 2]).max() * focal - HEIGHT / 2) < 0.01
    assert -seen[0, 2] > (placed.cinemagraph.hints.matrix_world.translation - camera.inverted().translation).length


def test_colours_are_replaced_hidden_and_leave_nothing_behind(addon, placed):
    display = addon.depth_display
    display.show_depth(placed, display.DepthPreview(slope()))
    display.remove_depth(placed)
    before = {name: len(getattr(bpy.data, name)) for name in BLOCKS}
    with pytest.raises(RuntimeError, match="No depth is shown"):
        bpy.ops.cinemagraph.hide_depth()
    first = display.show_depth(placed, display.DepthPreview(slope()))
    placed.cinemagraph.depth_opacity = 0.3
    assert display.show_depth(placed, display.DepthPreview(slope()[:, ::-1])) == first
    assert picture_of(placed)[100, WIDTH - 154] == display.SHADES - 1 and (picture_of(placed) >= 0).all()
    assert placed.cinemagraph.depth_opacity == pytest.approx(0.3)
    assert bpy.ops.cinemagraph.hide_depth() == {"FINISHED"}
    assert {name: len(getattr(bpy.data, name)) for name in BLOCKS} == before
    display.show_depth(placed, display.DepthPreview(slope()))
    bpy.data.objects.remove(placed.cinemagraph.depth_map)  # by the user
    display.show_depth(placed, display.DepthPreview(slope()))
    assert display.has_depth(placed)


def test_another_photo_has_another_depth(addon, placed, photo_file, tmp_path):
    addon.depth_display.show_depth(placed, addon.depth_display.DepthPreview(slope()))
    before = {name: len(getattr(bpy.data, name)) for name in BLOCKS}
    camera = addon.camera.Camera(WIDTH, HEIGHT, 200.0)
    addon.scene.place_photo(placed, addon.scene.OpenedPhoto(photo_file, photo_file, tmp_path, camera, (WIDTH, HEIGHT)))
    assert not addon.depth_display.has_depth(placed)
    assert {name: len(getattr(bpy.data, name)) for name in BLOCKS} == before


def test_undo_brings_colours_and_focal_length_back(addon, placed, job):
    addon.result.import_result(placed, job)
    addon.depth_display.show_depth(placed, addon.depth_display.DepthPreview(slope()))
    bpy.ops.ed.undo_push(message="shown")
    bpy.ops.cinemagraph.hide_depth()
    bpy.context.scene.cinemagraph.focal = 900.0
    bpy.ops.ed.undo_push(message="hidden")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert addon.depth_display.has_depth(scene) and (picture_of(scene) >= 0).all()
    values = [addon.nodes.get_inputs(modifier)["Focal"] for _, modifier in addon.result.parts(scene)]
    assert values and set(values) == {scene.cinemagraph.focal} == {300.0}
    bpy.ops.ed.redo()
    scene = bpy.context.scene
    assert not addon.depth_display.has_depth(scene)
    assert {addon.nodes.get_inputs(modifier)["Focal"] for _, modifier in addon.result.parts(scene)} == {900.0}


@pytest.mark.parametrize("shape", [(2, 2), (1, 9), (700, 400), (5, 4000)])
def test_any_size_is_drawn(addon, placed, shape):
    rng = np.random.default_rng(3)
    shades = addon.depth_display._shade(rng.random(shape).astype(np.float32))
    assert max(shades.shape) <= 960 and len(addon.depth_display.find_strips(shades)) <= 20_000
    covered = np.zeros(shades.shape, int)
    for left, right, top, bottom, shade in addon.depth_display.find_strips(shades):
        covered[top:bottom, left:right] += 1
        assert (shades[top:bottom, left:right] == shade).all()
    assert (covered == 1).all()


def test_each_scene_shows_its_own(addon, placed, photo_file, tmp_path):
    display = addon.depth_display
    display.show_depth(placed, display.DepthPreview(slope()))
    other = bpy.data.scenes.new("other")
    camera = addon.camera.Camera(WIDTH, HEIGHT, 200.0)
    addon.scene.place_photo(other, addon.scene.OpenedPhoto(photo_file, photo_file, tmp_path, camera, (WIDTH, HEIGHT)))
    assert not display.has_depth(other)
    display.show_depth(other, display.DepthPreview(slope()))
    display.remove_depth(other)
    assert display.has_depth(placed) and not display.has_depth(other)


def test_colours_and_choices_are_saved(addon, placed, tmp_path):
    display, settings = addon.depth_display, placed.cinemagraph
    display.show_depth(placed, display.DepthPreview(slope()))
    settings.depth_source, settings.depth_kind, settings.reach = "FILE", "METRIC", 2.0
    addon.strokes.add_hints(placed, [addon.data.Stroke("nearer", LINE)])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    scene = bpy.context.scene
    settings = scene.cinemagraph
    assert display.has_depth(scene) and (picture_of(scene) >= 0).all()
    assert (settings.depth_source, settings.depth_kind, settings.reach) == ("FILE", "METRIC", 2.0)
    assert [stroke.kind for stroke in addon.strokes.read_drawn_strokes(scene)] == ["nearer"]


def test_strokes_of_depth_are_read_by_their_layers(addon, placed):
    layers = placed.cinemagraph.hints.data.layers
    drawn = [addon.data.Stroke(kind, LINE) for kind in KIND_OF_LAYER.values()]
    addon.strokes.add_hints(placed, [*drawn, addon.data.Stroke("motion", LINE)])
    for name, kind in KIND_OF_LAYER.items():
        assert len(layers[name].get_frame_at(1).drawing.strokes) == 1, kind
        assert layers[name].parent_group.name == "Depth"
    assert layers["Motion"].parent_group is None
    found = addon.strokes.read_drawn_strokes(placed)
    assert {stroke.kind for stroke in found} == {*KIND_OF_LAYER.values(), "motion"}
    assert {stroke.kind for stroke in found if stroke.closed} == {"flat", "upright", "depth_sky"}
    assert all(np.abs(stroke.points - LINE).max() < 1e-2 for stroke in found)
    assert len(addon.strokes.about_depth(found)) == 7


def test_hidden_layers_and_groups_do_not_count(addon, placed):
    addon.strokes.add_hints(placed, [addon.data.Stroke("nearer", LINE), addon.data.Stroke("horizon", LINE)])
    data = placed.cinemagraph.hints.data
    data.layers["Nearer"].hide = True
    assert [stroke.kind for stroke in addon.strokes.read_drawn_strokes(placed)] == ["horizon"]
    data.layer_groups["Depth"].hide = True
    assert not addon.strokes.read_drawn_strokes(placed)
    addon.scene.show_layer(data.layers["Nearer"])
    assert {stroke.kind for stroke in addon.strokes.read_drawn_strokes(placed)} == {"nearer", "horizon"}


@pytest.mark.parametrize("form", ["OURS", "LABELME"])
def test_strokes_of_depth_go_to_files_and_come_back(addon, placed, tmp_path, form):
    strokes = [
        addon.data.Stroke(kind, RING, closed=kind in ("flat", "upright", "depth_sky"))
        for kind in KIND_OF_LAYER.values()
    ]
    addon.strokes.add_hints(placed, strokes)
    file = tmp_path / "strokes.json"
    bpy.ops.cinemagraph.export_annotations(filepath=str(file), form=form)
    bpy.ops.cinemagraph.import_annotations(filepath=str(file), replace=True)
    again = addon.strokes.read_drawn_strokes(placed)
    assert sorted(stroke.kind for stroke in again) == sorted(KIND_OF_LAYER.values())
    assert all(np.abs(stroke.points - RING).max() < 1e-2 for stroke in again)


def test_strokes_of_depth_move_nothing_and_suggestions_leave_them(addon, placed):
    addon.strokes.add_hints(placed, [addon.data.Stroke("nearer", LINE)])
    assert not addon.jobs.has_hints(placed)
    entry = {"kind": "motion", "points": LINE.tolist(), "closed": False}
    answer = {"width": WIDTH, "height": HEIGHT, "strokes": [entry]}
    for _ in range(2):
        addon.jobs.finish_suggest(placed, answer, replace=True)
    assert sorted(stroke.kind for stroke in addon.strokes.read_drawn_strokes(placed)) == ["motion", "nearer"]
    assert addon.jobs.has_hints(placed)


def marks(scene, name):
    """Outlines of the marks with a material: a list of (N, 2) px."""
    item = scene.cinemagraph.marks
    geometry = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).evaluated_geometry()  # keeps its data alive
    data, found = geometry.grease_pencil, []
    for stroke in data.layers[0].frames[0].drawing.strokes if data is not None and len(data.layers) else ():
        if name in data.materials[stroke.material_index].name:
            points = np.array([point.position[:] for point in stroke.points])
            found.append(points[:, [0, 2]] * (WIDTH, -WIDTH) + (WIDTH / 2, HEIGHT / 2))
    return found


def test_marks_show_starts_of_comparisons_and_enclosed_areas(addon, placed):
    addon.strokes.add_hints(placed, [addon.data.Stroke(kind, LINE + 3) for kind in ("same_depth", "nearer", "farther")])
    addon.strokes.add_hints(placed, [addon.data.Stroke(kind, RING) for kind in ("flat", "upright", "depth_sky")])
    for name in ("Same Depth", "Nearer", "Farther"):
        (dot,) = marks(placed, f"{name} Start")
        assert np.abs(dot.mean(0) - LINE[0] - 3).max() < 0.1
        radius = np.linalg.norm(dot - dot.mean(0), axis=1)
        assert np.ptp(radius) < 0.05 and 1 < radius[0] < 4
    for name in ("Flat", "Upright", "Sky"):
        (area,) = marks(placed, f"{name} Area")
        assert np.abs(area - RING).max() < 0.5
    assert not marks(placed, "Arrowheads")


def fields(addon, scene, monkeypatch, download=False):
    """Command and fields of a request for the depth, without sending it."""
    asked = []
    monkeypatch.setattr(addon.engine, "ask", lambda command, given, *_: asked.append((command, given)))
    addon.jobs.start_depth(scene, download)
    return asked[0]


def test_requests_contain_used_options_only(addon, placed, monkeypatch, tmp_path):
    settings = placed.cinemagraph
    command, asked = fields(addon, placed, monkeypatch)
    assert command == "depth" and asked["depth"] is None and asked["annotations"] is None
    options = asked["options"]
    assert (options["edge_cleanup"], options["reach"], options["inpaint_model"], options["download"]) == (
        1,
        1,
        "",
        False,
    )
    assert not {"depth_kind", "depth_near", "depth_model"} & options.keys()
    settings.depth_file = str(tmp_path / "depth.png")
    assert settings.depth_source == "FILE"
    settings.depth_kind, settings.depth_gamma, settings.depth_near = "INVERTED", 2.0, 3.0
    _, asked = fields(addon, placed, monkeypatch)
    assert asked["depth"] == settings.depth_file and asked["options"]["depth_kind"] == "inverted"
    assert asked["options"]["depth_gamma"] == 2.0 and "depth_near" not in asked["options"]
    settings.depth_limits = True
    _, asked = fields(addon, placed, monkeypatch)
    assert asked["options"]["depth_near"] == 3.0 and asked["options"]["depth_far"] == 20.0
    settings.depth_source = "MODEL"
    _, asked = fields(addon, placed, monkeypatch, download=True)
    assert asked["depth"] is None and asked["options"]["depth_model"] == addon.models.DEFAULT_MODEL
    assert asked["options"]["download"] and asked["options"]["depth_kind"] == "inverted"
    assert not {"depth_gamma", "depth_near"} & asked["options"].keys()
    settings.depth_source, settings.depth_file = "FILE", ""
    assert settings.depth_source == "BUILT_IN"
    addon.strokes.add_hints(placed, [addon.data.Stroke("nearer", LINE)])
    _, asked = fields(addon, placed, monkeypatch)
    (stroke,) = json.loads(open(asked["annotations"]).read())["strokes"]
    assert stroke["kind"] == "nearer"


def test_every_option_that_is_asked_for_exists(addon, placed, monkeypatch):
    settings = placed.cinemagraph
    for source in ("BUILT_IN", "FILE", "MODEL"):
        settings.depth_source, settings.depth_limits = source, True
        assert fields(addon, placed, monkeypatch)[1]["options"].keys() <= addon.options.ROWS.keys()
    kinds = [item.identifier.lower() for item in settings.bl_rna.properties["depth_kind"].enum_items]
    assert tuple(kinds) == addon.options.MAP_KINDS


def test_licences_are_shown(addon, placed, tmp_path):
    settings, models = placed.cinemagraph, addon.depth_models
    assert settings.depth_licence == "MIT"
    settings.depth_model = "depth-anything-v2-small"
    assert settings.depth_licence == "Apache-2.0"
    settings.depth_model = "somebody/something"
    assert settings.depth_licence == models.NOT_STATED
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    settings.depth_model = str(folder)
    assert settings.depth_licence == models.NOT_STATED
    (folder / "README.md").write_text("---\nlicense: mit\ntags: []\n---\n# A model")
    bpy.ops.cinemagraph.choose_model(filepath=str(folder / "config.json"))
    assert (settings.depth_model, settings.depth_licence, settings.depth_source) == (str(folder), "mit", "MODEL")
    bpy.ops.cinemagraph.choose_model(filepath=str(folder / "small.onnx"))
    assert settings.depth_model == str(folder / "small.onnx")


def test_download_needs_a_name_and_online_access(addon, placed, monkeypatch, tmp_path):
    settings = placed.cinemagraph
    settings.depth_source = "MODEL"
    assert not bpy.app.online_access
    with pytest.raises(RuntimeError, match="offline"):
        bpy.ops.cinemagraph.download_model()
    preferences = bpy.context.preferences.system
    preferences.use_online_access = True
    try:
        assert bpy.app.online_access and bpy.ops.cinemagraph.download_model.poll()
        settings.depth_model = str(tmp_path)
        with pytest.raises(RuntimeError, match="owner/model"):
            bpy.ops.cinemagraph.download_model()
    finally:
        preferences.use_online_access = False
    command, asked = fields(addon, placed, monkeypatch)
    assert asked["options"]["download"] is False  # only the button asks for a download


def test_show_depth_by_the_engine_follows_strokes_and_live(addon, scene, photo_file, tmp_path):
    import time

    display = addon.depth_display
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    assert bpy.ops.cinemagraph.show_depth() == {"FINISHED"}
    before = picture_of(scene)
    assert (before >= 0).all() and scene.cinemagraph.depth_origin
    addon.strokes.add_hints(scene, [addon.data.Stroke("depth_sky", RING, closed=True)])
    bpy.ops.cinemagraph.show_depth()
    after = picture_of(scene)
    assert (
        (after[110:150, 110:190] == display.SHADES).mean() > 0.9 > (before[110:150, 110:190] == display.SHADES).mean()
    )
    watch = addon.live.Watch(addon.live.DEPTH)

    def follow():
        asked, until = False, time.monotonic() + 60
        while time.monotonic() < until:
            watch.look(scene)
            asked |= watch.request is not None
            if asked and watch.request is None:
                return
            time.sleep(0.02)
        raise TimeoutError

    addon.strokes.add_hints(scene, [], replace=True)
    follow()
    assert np.array_equal(picture_of(scene), before)
    addon.strokes.add_hints(scene, [addon.data.Stroke("motion", LINE)])
    watch.look(scene)
    watch.since = 0.0
    watch.look(scene)
    assert watch.request is None  # a Motion stroke does not change the depth
    np.save(tmp_path / "depth.npy", np.ones((50, 50), np.float32))  # of another aspect
    scene.cinemagraph.depth_file = str(tmp_path / "depth.npy")
    with pytest.raises(addon.errors.CinemaError, match=r"depth\.npy"):
        follow()
