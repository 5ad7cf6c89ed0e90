"""Render Loop: one button from a build to a video, which overwrites nothing and says where it is."""

import bpy
import pytest
from extension import MODULE


@pytest.fixture
def built(addon, placed, job, tmp_path):
    """A scene with points on factory settings, whose photo is in a folder of its own."""
    addon.result.import_result(placed, job)
    (tmp_path / "photos").mkdir()
    placed.cinemagraph.photo_path = str(tmp_path / "photos" / "lake.png")
    placed.render.filepath = "/tmp/"
    placed.render.resolution_percentage = 10
    preferences = bpy.context.preferences.addons[MODULE].preferences
    yield placed
    preferences.show_steps = True
    bpy.context.window_manager.cinemagraph.rendered = ""


def test_one_button_renders_the_loop_beside_the_photo(addon, built, tmp_path):
    assert (built.frame_start, built.frame_end) == (1, 250)
    assert bpy.ops.cinemagraph.render_loop() == {"FINISHED"}
    video = tmp_path / "photos" / "lake_loop.mp4"
    assert video.stat().st_size > 500
    assert (built.render.engine, built.view_settings.view_transform) == ("CYCLES", "Standard")
    assert (built.frame_start, built.frame_end) == (1, 20)
    assert bpy.context.window_manager.cinemagraph.rendered == str(video)
    assert not bpy.context.preferences.addons[MODULE].preferences.show_steps  # the user knows the steps now
    before = video.read_bytes()
    built.cycles.samples = 1  # the user's choice, which stays
    assert bpy.ops.cinemagraph.render_loop() == {"FINISHED"}
    assert video.read_bytes() == before and (tmp_path / "photos" / "lake_loop_2.mp4").stat().st_size > 500
    assert built.cycles.samples == 1


def test_names_are_free_and_beside_the_file(addon, built, tmp_path):
    prepare = addon.render.prepare
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    assert prepare(built) == tmp_path / "lake_loop.mp4" and built.render.filepath == "//lake_loop.mp4"
    for name in ("lake_loop.mp4", "lake_loop_2.mp4"):
        (tmp_path / name).touch()
    assert prepare(built) == tmp_path / "lake_loop_3.mp4" and built.render.filepath == "//lake_loop_3.mp4"
    (tmp_path / "lake_loop_3.mp4").touch()
    assert prepare(built) == tmp_path / "lake_loop_4.mp4"
    for default in ("", "//", "/tmp/", bpy.app.tempdir):
        built.render.filepath = default
        assert prepare(built) == tmp_path / "lake_loop_4.mp4", default


def test_paths_of_the_user_stay(addon, built, tmp_path):
    (tmp_path / "work").mkdir()
    prepare = addon.render.prepare
    built.render.filepath = str(tmp_path / "work" / "water.mp4")
    assert prepare(built) == tmp_path / "work" / "water.mp4"
    built.render.filepath = str(tmp_path / "new") + "/"
    assert prepare(built) == tmp_path / "new" / "lake_loop.mp4"
    built.render.filepath = str(tmp_path / "work" / "water")
    assert prepare(built) == tmp_path / "work" / "water0001-0020.mp4"  # as Blender names it
    image = built.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format = "PNG"
    built.render.filepath = str(tmp_path / "work" / "frame_")
    (tmp_path / "work" / "frame_0001.png").touch()
    assert prepare(built) == tmp_path / "work" / "frame_0001.png"  # Blender's Overwrite decides about pictures
    assert image.file_format == "PNG"


def test_a_photo_that_is_gone_leaves_the_home_folder(addon, built, tmp_path, monkeypatch):
    monkeypatch.setattr(addon.render.Path, "home", lambda: tmp_path / "home")
    (tmp_path / "home").mkdir()
    built.cinemagraph.photo_path = "/nowhere/of/another/computer/lake.png"
    assert addon.render.prepare(built) == tmp_path / "home" / "lake_loop.mp4"


def test_a_moving_camera_keeps_its_range(addon, built):
    bpy.ops.cinemagraph.add_camera_path(path="circle", frames=60)
    assert built.frame_end == 60 and addon.render.is_whole(built)
    addon.render.match_range(built)
    assert built.frame_end == 60
    built.cinemagraph.loop_length = 50
    addon.render.match_range(built)
    assert built.frame_end == 60 and not addon.render.is_whole(built)
    assert addon.render.describe(built) == "60 frames, 2.5 s, 32 × 18 px"


def test_camera_buttons_say_the_path_in_one_line(addon, built):
    cls = bpy.types.CINEMAGRAPH_OT_add_camera_path
    assert cls.description(None, type("Given", (), {"path": "zoom-in"})) == "Move the camera: forward into the photo"
    operator = bpy.ops.cinemagraph.add_camera_path
    operator(path="side", frames=0)
    assert built.frame_end == 20 and operator.get_rna_type().properties["frames"].is_skip_save


def test_without_points_or_a_folder_it_says_why(addon, built, monkeypatch):
    built.render.filepath = ""
    monkeypatch.setattr(addon.exchange.os, "access", lambda *_arguments: False)  # a folder that is read-only
    with pytest.raises(RuntimeError, match="cannot be written. Choose a folder that you can write to"):
        bpy.ops.cinemagraph.render_loop()
    assert (built.frame_end, built.render.filepath, built.cinemagraph.render_set_up) == (250, "", False)
    bpy.ops.cinemagraph.remove()
    with pytest.raises(RuntimeError, match="There are no points yet"):
        bpy.ops.cinemagraph.render_loop()


def test_a_render_without_a_result_is_said(addon, built, capfd):
    built.render.filepath = "/proc/self/nothing/loop.mp4"
    assert bpy.ops.cinemagraph.render_loop() == {"FINISHED"}
    assert "Nothing was rendered" in capfd.readouterr().out
    assert bpy.context.window_manager.cinemagraph.rendered == ""


def test_the_folder_of_results_is_measured_and_cleared(addon, placed, tmp_path):
    store = addon.job_store
    other, own = (addon.jobs.jobs_folder() / f"{name}-photo-12345678" for name in ("other", "own"))
    for place in (other, own):
        place.mkdir()
        (place / "points.npz").write_bytes(bytes(2_000_000))
    placed.cinemagraph.job_folder = str(own)
    store._measured = (-store.KEPT, 0)
    assert store.size() >= 4_000_000
    assert bpy.ops.cinemagraph.clear_jobs() == {"FINISHED"}
    assert not other.exists() and own.exists() and 2_000_000 <= store.size() < 4_000_000
    placed.cinemagraph.job_folder = ""
    bpy.ops.cinemagraph.clear_jobs()
    assert store.size() == 0
