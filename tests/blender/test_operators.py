"""The whole workflow through the operators, with the real engine in its own process."""

import json
import shutil
import sys

import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH, evaluated_points, picture, save_png

STROKES = {
    "schema": 1,
    "width": WIDTH,
    "height": HEIGHT,
    "strokes": [
        {"kind": "region", "points": [[5, 100], [315, 100], [315, 175], [5, 175]], "closed": True, "speed": 1.0},
        {"kind": "motion", "points": [[60, 140], [120, 140], [180, 142]], "closed": False, "speed": 1.0},
    ],
}


def snapshot():
    """Data that a failed operator must not change."""
    settings = bpy.context.scene.cinemagraph
    blocks = ("objects", "meshes", "images", "materials", "node_groups", "cameras", "collections", "actions")
    return (
        {name: sorted(block.name for block in getattr(bpy.data, name)) for name in blocks},
        (settings.photo_path, settings.width, settings.focal, settings.report_json, len(settings.parts)),
        (bpy.context.scene.render.resolution_x, bpy.context.scene.camera),
    )


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / "strokes.json"
    path.write_text(json.dumps(STROKES))
    return path


@pytest.fixture
def opened(addon, scene, photo_file):
    assert bpy.ops.cinemagraph.open_photo(filepath=str(photo_file)) == {"FINISHED"}
    return scene


@pytest.fixture(scope="module")
def built_file(installed, photo_file, tmp_path_factory):
    """A .blend file with a build, made once through the operators, because a build takes long."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "strokes.json").write_text(json.dumps(STROKES))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    bpy.ops.cinemagraph.import_annotations(filepath=str(folder / "strokes.json"))
    settings = bpy.context.scene.cinemagraph
    settings.frames, settings.job_folder = 12, str(folder / "job")
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "built.blend"))
    return folder / "built.blend"


@pytest.fixture
def built(addon, built_file, tmp_path):
    """That scene, with a copy of its job folder."""
    bpy.ops.wm.open_mainfile(filepath=str(built_file))
    shutil.copytree(built_file.parent / "job", tmp_path / "job")
    bpy.context.scene.cinemagraph.job_folder = str(tmp_path / "job")
    return bpy.context.scene


def test_open_photo_sets_the_scene_up(addon, opened, photo_file):
    settings = opened.cinemagraph
    assert (settings.width, settings.height, settings.focal) == (WIDTH, HEIGHT, WIDTH)
    assert opened.camera == settings.camera and opened.camera.data.lens == pytest.approx(36)
    assert [layer.name for layer in settings.hints.data.layers][::-1] == list(addon.hint_layers.LAYERS)
    assert settings.photo.packed_file is not None and settings.photo_path == str(photo_file)
    assert (addon.jobs.job_path(opened) / "photo.png").exists()


def test_opening_another_photo_changes_the_photo_only(addon, opened, tmp_path):
    other = tmp_path / "other.png"
    save_png(other, picture(200, 100))
    objects = set(opened.objects)
    bpy.ops.cinemagraph.open_photo(filepath=str(other))
    assert set(opened.objects) == objects and len(bpy.data.images) == 1
    assert (opened.render.resolution_x, opened.render.resolution_y) == (200, 100)
    assert opened.camera.data.background_images[0].image == opened.cinemagraph.photo
    assert len(opened.camera.data.background_images) == 1


def test_build_brings_moving_points(addon, built):
    parts = addon.result.parts(built, moving_only=True)
    item, modifier = parts[0]
    values = addon.nodes.get_inputs(modifier)
    assert values["Loop Length"] == 12 and values["Focal"] == WIDTH
    built.frame_set(1)
    first = evaluated_points(item)
    built.frame_set(6)
    later = evaluated_points(item)
    built.frame_set(13)
    last = evaluated_points(item)
    assert np.array_equal(first["position"], last["position"]) and np.array_equal(first["color"], last["color"])
    assert len(first["position"]) > 1000
    assert (
        len(first["position"]) != len(later["position"]) or np.abs(first["position"] - later["position"]).max() > 1e-3
    )
    report = built.cinemagraph.report
    assert report["moving_points"] == sum(len(part.data.vertices) for part, _ in parts) and report["seconds"] > 0
    assert report["quality"]["hint_angle_deg"] < 20 and report["quality"]["fidelity_db"] > 20


def test_build_works_from_the_blend_alone(addon, built, tmp_path, photo_file):
    folder = addon.jobs.job_path(built)
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    built.cinemagraph.photo_path = str(tmp_path / "gone.png")
    built.cinemagraph.job_folder = str(tmp_path / "new")
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    assert (tmp_path / "new" / "report.json").exists()


def test_without_hints_moving_regions_are_suggested(addon, opened):
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    drawn = addon.strokes.read_drawn_strokes(opened)
    assert drawn and {"region", "motion"} == {stroke.kind for stroke in drawn}
    assert addon.result.parts(opened, moving_only=True)
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}  # they are ordinary strokes now and not suggested again
    assert len(addon.strokes.read_drawn_strokes(opened)) == len(drawn)


def test_without_hints_and_suggestions_the_scene_is_still_with_a_warning(addon, scene, tmp_path):
    save_png(tmp_path / "wall.png", np.full((120, 160, 3), 0.4, np.float32))
    bpy.ops.cinemagraph.open_photo(filepath=str(tmp_path / "wall.png"))
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    assert not addon.result.parts(scene, moving_only=True) and addon.result.parts(scene)
    assert any("still" in warning for warning in scene.cinemagraph.report["warnings"])


def bad_photos(folder):
    (folder / "text.png").write_text("not an image")
    whole = folder / "whole.png"
    save_png(whole, picture(64, 64))
    (folder / "cut.png").write_bytes(whole.read_bytes()[:200])
    save_png(folder / "dot.png", picture(1, 1))
    return [folder / name for name in ("missing.png", "text.png", "cut.png", "dot.png")]


def test_bad_photos_are_refused_and_change_nothing(addon, built, tmp_path):
    before = snapshot()
    for path in [*bad_photos(tmp_path), ""]:
        with pytest.raises(RuntimeError, match=r"Error: .+\. .+\."):
            bpy.ops.cinemagraph.open_photo(filepath=str(path))
        assert snapshot() == before, path


def test_bad_annotations_are_refused_and_change_nothing(addon, built, tmp_path):
    drawn = len(addon.strokes.read_drawn_strokes(built))
    cases = {
        "malformed.json": "{",
        "size.json": json.dumps({**STROKES, "width": 100, "height": 100}),
        "empty.json": "[]",
    }
    before = snapshot()
    for name, text in cases.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(RuntimeError, match="Error: "):
            bpy.ops.cinemagraph.import_annotations(filepath=str(tmp_path / name))
    with pytest.raises(RuntimeError, match="Error: "):
        bpy.ops.cinemagraph.import_annotations(filepath=str(tmp_path / "missing.json"))
    assert snapshot() == before and len(addon.strokes.read_drawn_strokes(built)) == drawn


def test_bad_strokes_and_depth_are_refused_and_change_nothing(addon, built, tmp_path):
    before = snapshot()
    job = addon.jobs.job_path(built)
    report = (job / "report.json").read_bytes()
    np.save(tmp_path / "nan.npy", np.full((HEIGHT, WIDTH), np.nan, np.float32))
    np.save(tmp_path / "aspect.npy", np.ones((50, 50), np.float32))
    for depth in ("nan.npy", "aspect.npy", "missing.npy"):
        built.cinemagraph.depth_file = str(tmp_path / depth)
        with pytest.raises(RuntimeError, match="Error: "):
            bpy.ops.cinemagraph.build()
    built.cinemagraph.depth_file = ""
    stroke = addon.data.Stroke
    outside = np.array([(-500, -500), (-400, -500)], np.float32)
    addon.strokes.add_hints(built, [stroke("motion", outside)], replace=True)
    with pytest.raises(RuntimeError, match="Error: "):
        bpy.ops.cinemagraph.build()
    assert snapshot() == before and (job / "report.json").read_bytes() == report


def test_buttons_say_why_they_are_grey(addon, scene):
    with pytest.raises(RuntimeError, match="Open a photo first"):
        bpy.ops.cinemagraph.build()
    with pytest.raises(RuntimeError, match="Open a photo first"):
        bpy.ops.cinemagraph.import_annotations(filepath="x.json")


@pytest.fixture
def engine_preference():
    preferences = bpy.context.preferences.addons[MODULE].preferences
    yield preferences
    preferences.python_path = ""


def test_an_engine_without_torch_names_the_remedy(addon, opened, engine_preference, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # a Python without packages
    bare.chmod(0o755)
    engine_preference.python_path = str(bare)
    with pytest.raises(RuntimeError, match=r"has no .*torch.*Preferences"):
        bpy.ops.cinemagraph.build()
    engine_preference.python_path = str(tmp_path / "nothing")
    with pytest.raises(RuntimeError, match=r"does not start.*Preferences"):
        bpy.ops.cinemagraph.build()


def test_set_up_render(addon, opened, tmp_path):
    before = opened.view_settings.view_transform
    assert before != "Standard"  # opening a photo does not change it
    bpy.ops.cinemagraph.set_up_render(samples=2, filepath=str(tmp_path / "loop.mp4"))
    assert (opened.render.engine, opened.cycles.samples, opened.cycles.pixel_filter_type) == ("CYCLES", 2, "GAUSSIAN")
    assert opened.view_settings.view_transform == "Standard" and opened.render.dither_intensity == 0
    assert opened.render.image_settings.file_format == "FFMPEG"


def test_the_rendered_loop(addon, built, tmp_path, photo_file):
    """One frame of Cycles against the photo, and a short video by Blender's own output."""
    bpy.ops.cinemagraph.set_up_render(samples=8, filepath=str(tmp_path / "loop.mp4"))
    built.frame_start, built.frame_end = 1, 2
    built.render.resolution_percentage = 50
    bpy.ops.render.render(animation=True)
    assert (tmp_path / "loop.mp4").stat().st_size > 1000
    built.render.resolution_percentage = 100
    image = built.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, built.render.filepath = "PNG", str(tmp_path / "frame.png")
    built.frame_set(1)
    bpy.ops.render.render(write_still=True)
    loaded = bpy.data.images.load(str(tmp_path / "frame.png"))
    pixels = np.empty(WIDTH * HEIGHT * 4, np.float32)
    loaded.pixels.foreach_get(pixels)
    rendered = pixels.reshape(HEIGHT, WIDTH, 4)[::-1, :, :3]
    error = np.square(rendered - picture(WIDTH, HEIGHT)).mean()
    assert 10 * np.log10(1 / error) > 30  # white noise in the ripples is the worst case for a pixel filter
