"""The photo's camera, and camera paths as keyframes."""

import json

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from sample import FOCAL, HEIGHT, WIDTH

AMPLITUDE = {"up-down": 0.08, "zoom-in": 0.24, "side": 0.09, "circle": 0.09}


def test_the_camera_sees_the_photo(addon, placed):
    rng = np.random.default_rng(0)
    pixels, depth = rng.uniform((0, 0), (WIDTH, HEIGHT), (50, 2)), rng.uniform(1, 100, 50)
    core = addon.scene.photo_camera(placed.cinemagraph).unproject(pixels, depth)
    for camera in (placed.camera, placed.cinemagraph.photo_camera):
        for pixel, point in zip(pixels, core):
            u, v, _ = world_to_camera_view(placed, camera, Vector((point[0], point[2], -point[1])))
            assert (u * WIDTH, (1 - v) * HEIGHT) == pytest.approx(tuple(pixel), abs=1e-3)
    assert placed.camera.data.lens == pytest.approx(36 * FOCAL / WIDTH)
    assert (placed.render.resolution_x, placed.render.resolution_y) == (WIDTH, HEIGHT)
    assert placed.camera.data.background_images[0].image == placed.cinemagraph.photo
    assert placed.cinemagraph.photo.packed_file is not None


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("frames", [60, 37, 90])
@pytest.mark.parametrize("path", ["up-down", "zoom-in", "side", "circle"])
def test_keys_follow_the_core_path(addon, placed, path, frames, loop):
    placed.frame_start = 5
    assert bpy.ops.cinemagraph.add_camera_path(path=path, frames=frames, loop=loop, amplitude=1.5) == {"FINISHED"}
    poses = addon.camera.camera_path(path, frames, loop)
    poses[:, :3, 3] *= 1.5
    for index in range(frames):
        placed.frame_set(5 + index)
        want = np.array(addon.scene.to_blender(poses[index]))
        assert np.abs(np.array(placed.camera.matrix_world) - want).max() < 0.01 * 1.5 * AMPLITUDE[path], index
    assert (placed.frame_start, placed.frame_end) == (5, 4 + frames)
    curves = addon.camera_path._location_curves(placed.camera)
    assert len(curves) == 3 and all(len(curve.keyframe_points) <= 13 for curve in curves)


@pytest.mark.parametrize("path", ["up-down", "zoom-in", "side", "circle"])
def test_closed_paths_go_on_for_ever(addon, placed, path):
    bpy.ops.cinemagraph.add_camera_path(path=path, loop=True, frames=48)
    for frame in (1, 9, 30):
        placed.frame_set(frame)
        first = np.array(placed.camera.matrix_world)
        placed.frame_set(frame + 48 * 3)
        assert np.abs(np.array(placed.camera.matrix_world) - first).max() < 1e-5


def test_a_second_path_replaces_the_first_and_keeps_other_keys(addon, placed):
    placed.camera.data.lens = 50
    placed.camera.data.keyframe_insert("lens", frame=1)
    placed.camera.keyframe_insert("rotation_euler", frame=1)
    bpy.ops.cinemagraph.add_camera_path(path="circle", frames=60)
    bpy.ops.cinemagraph.add_camera_path(path="side", frames=60, loop=False)
    curves = addon.versions.fcurves_of(placed.camera)
    assert sorted(curve.data_path for curve in curves) == ["location"] * 3 + ["rotation_euler"] * 3
    assert all(len(curve.keyframe_points) == 2 for curve in curves if curve.data_path == "location")


@pytest.mark.parametrize("frames, length", [(20, 20), (60, 20), (50, 25), (37, 37), (0, 20)])
def test_whole_loops_fit_the_path(addon, placed, job, frames, length):
    addon.result.import_result(placed, job)  # its loop has 20 frames
    bpy.ops.cinemagraph.add_camera_path(path="circle", frames=frames)
    assert addon.camera_path.loop_length(placed) == placed.cinemagraph.frames == length
    assert placed.frame_end == (frames or 20)


def test_no_camera_no_path(addon, scene):
    with pytest.raises(RuntimeError, match="Open a photo first"):
        bpy.ops.cinemagraph.add_camera_path(path="side")


def test_a_camera_preset_moves_the_camera(addon, placed):
    panel, folder, settings = "CINEMAGRAPH_PT_camera_presets", "cinemagraph/camera", placed.cinemagraph
    find = bpy.utils.preset_find
    run = bpy.ops.script.execute_preset
    assert settings.path_name == "" and settings.camera.animation_data is None
    for name, path, amplitude, loop in [
        ("calm_circle", "circle", 0.5, True),
        ("slow_push_in", "zoom-in", 0.8, False),
        ("wide_side", "side", 1.5, True),
    ]:
        assert run(filepath=find(name, folder), menu_idname=panel) == {"FINISHED"}
        assert (settings.path_name, settings.path_loop) == (path, loop)
        assert settings.path_amplitude == pytest.approx(amplitude)
        wanted = amplitude * addon.camera.camera_path(path, settings.frames, loop)[:, :3, 3]
        placed.frame_set(placed.frame_start + settings.frames // 3)
        place = settings.camera.location
        assert (place.x, -place.z, place.y) == pytest.approx(tuple(wanted[settings.frames // 3]), abs=2e-3)
    settings.path_amplitude = 0.7
    bpy.ops.cinemagraph.add_camera_path(path="up-down", amplitude=settings.path_amplitude)
    assert bpy.ops.cinemagraph.camera_preset_add(name="Mine") == {"FINISHED"}
    run(filepath=find("wide_side", folder), menu_idname=panel)
    run(filepath=find("Mine", folder), menu_idname=panel)
    assert (settings.path_name, round(settings.path_amplitude, 5)) == ("up-down", 0.7)
    bpy.ops.cinemagraph.camera_preset_add(name="Mine", remove_name=True)


def test_the_first_amplitude_is_what_the_build_allows(addon, placed):
    settings, path = placed.cinemagraph, addon.camera_path

    def build(amplitude: float, source: str = "network") -> None:
        settings.report_json = json.dumps({"quality": {"amplitude": amplitude}, "depth_source": source})

    assert path.next_amplitude(settings) == 1
    build(0.5)
    assert path.next_amplitude(settings) == 0.5 and not path.has_own_amplitude(settings)
    bpy.ops.cinemagraph.add_camera_path(path="side", amplitude=path.next_amplitude(settings))
    assert settings.path_amplitude == 0.5
    build(0.75)  # a suggestion may change
    assert path.next_amplitude(settings) == 0.75
    build(0.5, "file")
    assert path.next_amplitude(settings) == 1  # the user's depth may be true
    build(0.5)
    settings.path_amplitude = 1.0  # the user's choice stays
    assert path.next_amplitude(settings) == 1 and path.has_own_amplitude(settings)
    bpy.ops.cinemagraph.add_camera_path(path="side", amplitude=path.next_amplitude(settings))
    assert path.next_amplitude(settings) == 1


def test_a_camera_preset_waits_for_a_photo(addon, scene):
    folder, panel = "cinemagraph/camera", "CINEMAGRAPH_PT_camera_presets"
    bpy.ops.script.execute_preset(filepath=bpy.utils.preset_find("wide_side", folder), menu_idname=panel)
    assert scene.cinemagraph.path_name == "side" and scene.camera is None
