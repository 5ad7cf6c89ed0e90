"""The first minutes: what hid the photo, another photo, Animate, drops and menus."""

import json
from importlib import import_module

import addon_utils
import bpy
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH, picture, save_png


@pytest.fixture
def factory(addon):
    """Blender's own start-up scene: cube, light and camera."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    addon_utils.enable(MODULE, default_set=True)
    return bpy.context.scene


@pytest.fixture
def other_photo(tmp_path):
    save_png(tmp_path / "other.png", picture(200, 100))
    return tmp_path / "other.png"


@pytest.fixture
def strokes_file(tmp_path):
    points = [[5, 100], [315, 100], [315, 175], [5, 175]]
    strokes = [{"kind": "region", "points": points, "closed": True, "speed": 1.0},
               {"kind": "motion", "points": [[60, 140], [180, 142]], "closed": False, "speed": 1.0}]  # fmt: skip
    path = tmp_path / "strokes.json"
    path.write_text(json.dumps({"schema": 1, "width": WIDTH, "height": HEIGHT, "strokes": strokes}))
    return path


def drawn(addon, scene):
    return [stroke.kind for stroke in addon.strokes.read_drawn_strokes(scene)]


def test_the_default_cube_is_hidden_and_can_be_shown(factory, photo_file):
    cube, light = factory.objects["Cube"], factory.objects["Light"]
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    assert cube.hide_render and cube.hide_viewport and not light.hide_render
    assert [entry.object for entry in factory.cinemagraph.hidden] == [cube]
    bpy.ops.cinemagraph.show_hidden()
    assert not cube.hide_render and not cube.hide_viewport and not factory.cinemagraph.hidden


def test_objects_that_do_not_enclose_the_camera_stay(factory, photo_file):
    factory.objects["Cube"].location = (0, 5, 0)
    bpy.context.view_layer.update()
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    assert not factory.objects["Cube"].hide_render and not factory.cinemagraph.hidden


@pytest.mark.parametrize(("place", "kept"), [("REPLACE", []), ("KEEP_STROKES", ["motion", "region"])])
def test_another_photo_takes_the_place_of_the_points(addon, scene, photo_file, other_photo, strokes_file, place, kept):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    bpy.ops.cinemagraph.import_annotations(filepath=str(strokes_file))
    scene.cinemagraph.frames = 12
    bpy.ops.cinemagraph.build()
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file), place=place)  # the same file: nothing is lost
    assert sorted(drawn(addon, scene)) == ["motion", "region"] and addon.result.parts(scene)
    bpy.ops.cinemagraph.open_photo(filepath=str(other_photo), place=place)
    assert sorted(drawn(addon, scene)) == kept
    assert not addon.result.parts(scene) and not scene.cinemagraph.report
    assert scene.cinemagraph.photo.name == "other.png" and scene.render.resolution_x == 200


def test_two_photos_in_two_scenes(addon, scene, photo_file, other_photo, strokes_file):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    bpy.ops.cinemagraph.import_annotations(filepath=str(strokes_file))
    bpy.ops.cinemagraph.open_photo(filepath=str(other_photo), place="NEW_SCENE")
    assert scene.cinemagraph.photo_path == str(photo_file) and len(drawn(addon, scene)) == 2
    second = bpy.data.scenes["other"]
    assert second.cinemagraph.photo_path == str(other_photo) and second.camera in list(second.objects)
    assert not set(scene.objects) & set(second.objects)


def test_animate_shows_the_loop_in_the_photos_colors(addon, scene, photo_file, strokes_file):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    bpy.ops.cinemagraph.import_annotations(filepath=str(strokes_file))
    scene.cinemagraph.frames = 12
    scene.view_settings.view_transform, scene.view_settings.exposure = "AgX", 1.0
    assert (scene.frame_start, scene.frame_end) == (1, 250)
    bpy.ops.cinemagraph.animate()
    assert (scene.view_settings.view_transform, scene.view_settings.exposure) == ("Standard", 0.0)
    assert (scene.frame_start, scene.frame_end) == (1, 12) and addon.result.parts(scene, moving_only=True)
    scene.cinemagraph.frames = 18  # the range follows the loop
    bpy.ops.cinemagraph.build()
    assert scene.frame_end == 18
    scene.frame_end = 100  # but not where the user has chosen another one
    scene.cinemagraph.frames = 12
    bpy.ops.cinemagraph.build()
    assert scene.frame_end == 100


def test_a_build_alone_leaves_the_colors(addon, scene, photo_file, strokes_file):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    bpy.ops.cinemagraph.import_annotations(filepath=str(strokes_file))
    scene.cinemagraph.frames, scene.view_settings.view_transform = 12, "AgX"
    bpy.ops.cinemagraph.build()
    assert scene.view_settings.view_transform == "AgX"
    bpy.ops.cinemagraph.use_photo_colors()
    assert scene.view_settings.view_transform == "Standard"


def test_photos_are_taken_from_drops_and_menus(addon):
    handler = bpy.types.CINEMAGRAPH_FH_photo
    assert handler.bl_import_operator == "cinemagraph.open_photo" and ".heic" in handler.bl_file_extensions.split(";")
    shows = import_module(f"{MODULE}.operators.photo").show_menu
    for name in ("TOPBAR_MT_file_import", "VIEW3D_MT_image_add"):
        assert shows in getattr(bpy.types, name)._dyn_ui_initialize()
    addon_utils.disable(MODULE, default_set=True)
    try:
        assert shows not in bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize()
    finally:
        addon_utils.enable(MODULE, default_set=True)


@pytest.mark.parametrize("aspect", [2.0, 1.0, 0.5])
@pytest.mark.parametrize("size", [(1000, 600), (500, 900)])
def test_the_photo_is_fitted_beside_sidebar_and_toolbar(addon, size, aspect):
    viewport = import_module(f"{MODULE}.blender_addon.viewport")
    left, bottom, right, top = 50, 80, 200, 60
    zoom, offset = viewport._fit(size, (left, bottom, right, top), aspect)
    factor = ((zoom / 50 + 2**0.5) / 2) ** 2  # BKE_screen_view3d_zoom_to_fac
    longest = factor * max(size)
    width, height = longest * min(aspect, 1), longest * min(1 / aspect, 1)
    center = [side / 2 - 2 * shift * factor * side for side, shift in zip(size, offset)]
    assert center[0] - width / 2 >= left - 0.01 and center[0] + width / 2 <= size[0] - right + 0.01
    assert center[1] - height / 2 >= bottom - 0.01 and center[1] + height / 2 <= size[1] - top + 0.01
    free = (size[0] - left - right, size[1] - bottom - top)
    assert max(width / free[0], height / free[1]) == pytest.approx(0.96)


def test_the_time_left_is_told_once_there_is_ground_for_it(addon, monkeypatch):
    job = import_module(f"{MODULE}.operators.engine_job")
    now = [100.0]
    monkeypatch.setattr(job.time, "monotonic", lambda: now[0])
    left = job._TimeLeft()
    assert left.estimate(0.05) == ""
    now[0] = 110.0
    assert left.estimate(0.1) == "" and left.estimate(0.25) == ", about 30 s left"
    assert left.estimate(0.8) == ", about 2 s left"
    assert left.estimate(0.1) == ""  # another part of the job begins
    now[0] = 120.0
    assert left.estimate(0.25) == ", about 30 s left"


def test_the_hint_brush_draws_thin_lines(addon, scene):
    brush = import_module(f"{MODULE}.blender_addon.hint_brush")._make()
    size = getattr(brush, "unprojected_size", 0) / 2 or brush.unprojected_radius
    assert size == pytest.approx(0.004) and brush.use_locked_size == "SCENE" and brush.asset_data is not None
    assert brush.gpencil_settings.hardness == 1 and not brush.gpencil_settings.use_strength_pressure
    assert getattr(brush.gpencil_settings, "stroke_type", "STROKE") == "STROKE"


def test_an_import_leaves_out_shapes_without_meaning(addon, scene, photo_file, tmp_path):
    line = {"label": "hint", "shape_type": "linestrip", "points": [[60, 140], [180, 142]]}
    circle = {"label": "cloud", "shape_type": "points", "points": [[60, 40], [80, 42]]}
    file = tmp_path / "labels.json"
    labels = {"version": "5.0.1", "imageWidth": WIDTH, "imageHeight": HEIGHT, "shapes": [line, circle]}
    file.write_text(json.dumps(labels))
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    assert bpy.ops.cinemagraph.import_annotations(filepath=str(file)) == {"FINISHED"}
    assert drawn(addon, scene) == ["motion"]
