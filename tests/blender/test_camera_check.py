"""Check of the camera's path: recorded by real Blender, checked by the real engine."""

from importlib import import_module
from math import pi
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector
from sample import FOCAL, WIDTH, make_points, write_job


@pytest.fixture
def built(addon, placed):
    """The points of a synthetic job in the scene: near on the right, far on the left, no occluded surfaces."""
    write_job(addon.jobs.ensure_job_folder(placed), make_points(moving=30))
    addon.result.import_result(placed, addon.jobs.job_path(placed))
    placed.frame_start, placed.frame_end = 1, 9
    return placed


def key(camera, x, frame):
    camera.location = (x, 0, 0)
    camera.keyframe_insert("location", frame=frame)


def own_camera(scene, name="Mine"):
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    camera.rotation_euler = (pi / 2, 0, 0)
    camera.data.lens = 36 * FOCAL / WIDTH
    camera.data.clip_start, camera.data.clip_end = 0.01, 1000
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def sideways(scene, x=0.3):
    """A user's camera that moves to the right and back."""
    camera = own_camera(scene)
    for frame, place in ((1, 0.0), (5, x), (9, 0.0)):
        key(camera, place, frame)
    return camera


@pytest.fixture
def check(addon):
    """Run Check Camera and give its result."""

    def run(scene):
        assert bpy.ops.cinemagraph.check_camera() == {"FINISHED"}
        return addon.coverage.last_result(scene)

    return run


# Recording


def test_the_recording_projects_like_the_camera(addon, built):
    camera = sideways(built)
    parent = bpy.data.objects.new("Parent", None)
    built.collection.objects.link(parent)
    parent.location, parent.rotation_euler, parent.scale = (0.1, -0.2, 0.05), (0.1, 0.2, -0.1), (2, 2, 2)
    parent.keyframe_insert("location", frame=1)
    parent.location.x = 0.4
    parent.keyframe_insert("location", frame=9)
    camera.parent = parent
    aim = camera.constraints.new("TRACK_TO")
    aim.target, aim.influence = parent, 0.05
    camera.data.lens = 20
    camera.data.keyframe_insert("lens", frame=1)
    camera.data.lens = 40
    camera.data.keyframe_insert("lens", frame=9)
    camera.data.shift_x, camera.data.shift_y, camera.data.sensor_fit = 0.1, -0.05, "VERTICAL"
    built.render.resolution_x, built.render.resolution_y, built.render.pixel_aspect_x = 500, 300, 1.5
    recording = addon.camera_recording.record_camera(built)
    core = np.random.default_rng(0).uniform((-0.5, -0.5, 2), (0.5, 0.5, 4), (20, 3))
    for index, frame in enumerate(range(1, 10)):
        built.frame_set(frame)
        local = (core - recording.poses[index][:3, 3]) @ recording.poses[index][:3, :3]
        place = local[:, :2] / local[:, 2:] * recording.lenses[index][:2] + recording.lenses[index][2:4]
        for point, pixel in zip(core, place):
            u, v, _ = world_to_camera_view(built, camera, Vector((point[0], point[2], -point[1])))
            assert (u * 500, (1 - v) * 300) == pytest.approx(tuple(pixel), abs=0.01)
        assert np.allclose(recording.photo_poses[index], np.eye(4), atol=1e-6)


def test_recording_leaves_no_trace(addon, built):
    camera = sideways(built)
    built.frame_set(3)
    camera.location = (7, 7, 7)  # moved by hand without a keyframe
    before = (len(bpy.data.scenes), len(bpy.data.objects), camera.users, bpy.context.scene)
    recording = addon.camera_recording.record_camera(built)
    assert (len(bpy.data.scenes), len(bpy.data.objects), camera.users, bpy.context.scene) == before
    assert built.frame_current == 3 and tuple(camera.location) == (7, 7, 7)
    assert recording.poses[4][0, 3] == pytest.approx(0.3, abs=1e-6) and abs(recording.poses[:, :3, 3]).max() < 1


def test_markers_switch_the_camera(addon, built):
    first, second = sideways(built), own_camera(built, "Second")
    second.location = (0, 0, 3)
    for frame, camera in ((1, first), (6, second)):
        built.timeline_markers.new("cut", frame=frame).camera = camera
    recording = addon.camera_recording.record_camera(built)
    assert np.abs(recording.poses[:5, 1, 3]).max() < 1e-6 and np.allclose(recording.poses[5:, 1, 3], -3)
    assert addon.camera_recording.cameras(built) == [first, second]


def test_the_recording_follows_the_points(addon, built):
    camera = own_camera(built)
    root = built.cinemagraph.root
    moved = Matrix.Translation((5, 6, 7)) @ Matrix.Rotation(0.7, 4, "Z")
    root.matrix_world = moved @ root.matrix_world @ Matrix.Scale(2, 4)
    bpy.context.view_layer.update()
    camera.matrix_world = built.cinemagraph.photo_camera.matrix_world.normalized()
    recording = addon.camera_recording.record_camera(built)
    assert np.allclose(recording.poses[0], np.eye(4), atol=1e-5)
    assert np.allclose(recording.photo_poses, np.eye(4), atol=1e-5)
    assert recording.lenses[0][5] == pytest.approx(500)


# Checking


def test_at_the_photos_place_there_are_no_holes(addon, built, check):
    built.cinemagraph.point_size = 1.6
    found = check(built)
    assert found.worst[1] == 0 and found.bad_frames() == [] and len(found.uncovered) == 9


def test_a_camera_that_looks_away_sees_nothing(addon, built, check):
    own_camera(built).rotation_euler = (pi / 2, 0, pi)
    assert check(built).worst[1] == 1


def test_a_camera_inside_the_scene(addon, built, check):
    built.cinemagraph.point_size = 1.6
    own_camera(built).location = (0, 2, 0)  # behind the near half, in front of the far one
    share = check(built).worst[1]
    assert share == pytest.approx(0.5, abs=0.02)


def test_a_path_has_its_worst_frame_and_bad_ones(addon, built, check):
    built.cinemagraph.point_size = 1.6
    sideways(built)
    found = check(built)
    assert found.worst == (5, pytest.approx(0.3 * FOCAL / WIDTH, abs=0.02))  # beyond the border of the near half
    assert found.bad_frames() == [(2, 8)] and found.uncovered[0] == 0
    assert [frame for frame, _ in found.bars()] == list(range(1, 10))
    bpy.ops.cinemagraph.go_to_frame(frame=found.worst[0])
    assert built.frame_current == 5


def test_holes_lie_over_the_cameras_view_and_are_not_rendered(addon, built, check):
    built.cinemagraph.point_size = 1.6
    camera = sideways(built)
    check(built)
    settings = built.cinemagraph.coverage
    assert camera.data.show_background_images
    (backdrop,) = camera.data.background_images
    assert backdrop.image == settings.image and backdrop.image.source == "SEQUENCE"
    assert (backdrop.display_depth, backdrop.frame_method, backdrop.show_background_image) == ("FRONT", "STRETCH", True)
    user = backdrop.image_user
    assert (user.frame_start, user.frame_duration, user.use_auto_refresh) == (1, 9, True)
    folder = Path(bpy.path.abspath(backdrop.image.filepath)).parent
    assert folder.parent == addon.jobs.job_path(built) / addon.coverage.FOLDER
    assert sorted(file.name for file in folder.iterdir()) == [f"{n:04d}.png" for n in range(1, 10)]
    mask = bpy.data.images.load(str(folder / "0005.png"))
    alpha = np.array(mask.pixels[:]).reshape(mask.size[1], mask.size[0], 4)[..., 3]
    assert not alpha[:, 5].any() and (alpha[:, -5] > 0.5).all()
    settings.show = False
    assert not backdrop.show_background_image
    settings.show = True
    check(built)
    assert folder.is_dir() and settings.image.filepath != str(folder / "0001.png")  # so that an undo finds its pictures
    assert len(camera.data.background_images) == 1 and len([i for i in bpy.data.images if "Holes" in i.name]) == 1
    bpy.ops.cinemagraph.forget_coverage()
    assert not len(camera.data.background_images) and settings.found_json == "" and settings.image is None
    assert not [image for image in bpy.data.images if "Holes" in image.name]


def test_holes_are_where_a_render_shows_nothing(addon, built, check, tmp_path):
    camera = sideways(built, 0.2)
    camera.rotation_euler.z, camera.data.shift_y, camera.data.lens = 0.1, 0.08, 30
    built.render.resolution_x, built.render.resolution_y = 240, 200
    found = check(built)
    built.frame_set(5)
    render = built.render
    render.engine, render.film_transparent, render.filepath = "CYCLES", True, str(tmp_path / "render.png")
    built.cycles.samples, built.cycles.use_denoising, built.cycles.filter_width = 4, False, 0.01
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(render.filepath)
    alpha = np.array(image.pixels[:]).reshape(200, 240, 4)[..., 3]
    assert 1 - alpha.mean() == pytest.approx(found.uncovered[4], abs=0.004) and found.uncovered[4] > 0.1
    mask = bpy.data.images.load(str(Path(built.cinemagraph.coverage.image.filepath).parent / "0005.png"))
    mask.scale(240, 200)
    drawn = np.array(mask.pixels[:]).reshape(200, 240, 4)
    holes = (drawn[..., 0] > 0.5) & (drawn[..., 3] > 0.5)
    assert (holes != (alpha < 0.5)).mean() < 0.02  # different only along their borders


def test_point_size_and_focal_length_of_the_scene_count(addon, built, check):
    built.cinemagraph.point_size = 0.5
    assert check(built).worst[1] == pytest.approx(1 - pi / 16, abs=0.02)
    built.cinemagraph.point_size = 1.6
    lens = built.camera.data.lens
    built.camera.data.lens /= 2
    assert check(built).worst[1] == pytest.approx(0.75, abs=0.02)
    built.cinemagraph.focal *= 2  # the points move closer together, as the same photo through a longer lens
    assert built.camera.data.lens == pytest.approx(2 * lens) and check(built).worst[1] == 0
    own_camera(built)
    assert check(built).worst[1] == pytest.approx(0.75, abs=0.02)


def test_a_cancelled_check_leaves_all_as_it_was(addon, built, check):
    sideways(built)
    before = check(built)
    built.frame_end = 400
    request = addon.coverage.start_check(built)
    request.poll(0.3)
    request.cancel()
    with pytest.raises(addon.errors.CinemaError, match="Cancelled"):
        request.wait()
    assert addon.coverage.last_result(built) == before
    built.frame_end = 9
    assert check(built).uncovered == before.uncovered


# Limiting


def test_a_path_is_limited_by_a_constraint_and_freed_again(addon, built, check):
    built.cinemagraph.point_size = 1.6
    camera = sideways(built)
    settings = built.cinemagraph.coverage
    settings.limit = 2
    assert bpy.ops.cinemagraph.limit_camera() == {"FINISHED"}
    size = settings.size
    assert 0.05 < size < 0.12 and addon.coverage.last_result(built).worst[1] <= 0.02
    assert addon.camera_path.get_limit(built, camera).influence == pytest.approx(1 - size)
    built.frame_set(5)
    assert camera.matrix_world.translation.x == pytest.approx(0.3 * size, abs=1e-5)
    assert check(built).worst[1] <= 0.02  # of the limited path
    assert bpy.ops.cinemagraph.limit_camera() == {"FINISHED"}
    assert settings.size == pytest.approx(size) and len(camera.constraints) == 1  # computed from the whole path
    settings.size = 1
    assert not len(camera.constraints)
    built.frame_set(5)
    assert camera.matrix_world.translation.x == pytest.approx(0.3)


def test_the_limit_of_a_turning_parented_camera_matches_the_check(addon, built):
    camera = sideways(built)
    camera.rotation_euler.z = 0.5
    camera.keyframe_insert("rotation_euler", frame=5)
    camera.rotation_euler.z = 0
    camera.keyframe_insert("rotation_euler", frame=1)
    parent = bpy.data.objects.new("Parent", None)
    built.collection.objects.link(parent)
    parent.scale, parent.rotation_euler = (1.5, 1.5, 1.5), (0.2, 0.1, 0)
    camera.parent = parent
    interpolate_pose = import_module("cinema_core.view.coverage").interpolate_pose if import_core() else None
    whole = addon.camera_recording.record_camera(built)
    addon.camera_path.set_size(built, [camera], 0.3)
    part = addon.camera_recording.record_camera(built)
    assert np.abs(part.poses - whole.poses).max() > 0.05
    for index in range(9):
        assert np.allclose(part.poses[index][:3, 3], 0.3 * whole.poses[index][:3, 3], atol=1e-5)
        if interpolate_pose is not None:
            assert np.allclose(
                part.poses[index], interpolate_pose(whole.photo_poses[index], whole.poses[index], 0.3), atol=1e-4
            )
    assert np.allclose(addon.camera_recording.record_camera(built, whole=True).poses, whole.poses, atol=1e-6)
    assert not addon.camera_path.get_limit(built, camera).mute


def import_core():
    """Tell whether the core's heavy modules can be imported here."""
    try:
        import_module("torch")
    except ImportError:
        return False
    return True


def test_presets_are_limited_too_and_a_new_one_is_free(addon, built):
    built.cinemagraph.point_size = 1.6
    bpy.ops.cinemagraph.add_camera_path(path="side", frames=12, loop=True)
    assert bpy.ops.cinemagraph.limit_camera() == {"FINISHED"}
    assert built.cinemagraph.coverage.size < 0.2
    built.frame_set(4)
    assert 0 < abs(built.camera.matrix_world.translation.x) < 0.2 * 0.09
    bpy.ops.cinemagraph.add_camera_path(path="side", frames=12, loop=True)
    assert built.cinemagraph.coverage.size == 1 and built.cinemagraph.coverage.found_json == ""


def test_a_safe_path_gets_no_constraint(addon, built):
    built.cinemagraph.point_size = 1.6
    camera = own_camera(built)
    assert bpy.ops.cinemagraph.limit_camera() == {"FINISHED"}
    assert not len(camera.constraints)


def test_messages_when_a_check_is_impossible(addon, built):
    camera = own_camera(built)
    camera.data.lens /= 2
    with pytest.raises(RuntimeError, match="Even at the photo's viewpoint"):
        bpy.ops.cinemagraph.limit_camera()
    assert not len(camera.constraints)
    camera.data.type = "ORTHO"
    with pytest.raises(RuntimeError, match="not a perspective camera"):
        bpy.ops.cinemagraph.check_camera()
    built.camera = None
    with pytest.raises(RuntimeError, match="has no camera"):
        bpy.ops.cinemagraph.check_camera()
    built.camera = built.cinemagraph.photo_camera
    with pytest.raises(RuntimeError, match="camera is the photo's own"):
        bpy.ops.cinemagraph.limit_camera()
    bpy.ops.cinemagraph.remove()
    with pytest.raises(RuntimeError, match="There are no points yet"):
        bpy.ops.cinemagraph.check_camera()


def test_a_camera_that_clips_the_distance_is_named(addon, built, check):
    camera = own_camera(built)
    camera.data.clip_end = 2
    assert addon.coverage.clipping(built) == [camera.name]
    assert check(built).worst[1] == pytest.approx(0.5, abs=0.02)
