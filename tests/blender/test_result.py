"""Points of a job in the scene: their positions and colours, and the user's changes that a rebuild keeps."""

import time

import bpy
import numpy as np
import pytest
from mathutils import Vector
from sample import FOCAL, FRAMES, KEYS, PICTURES, evaluated_points, linear, make_points, only_moving, write_job

BLOCKS = ("meshes", "node_groups", "materials")


def moving(addon, scene):
    return addon.result.parts(scene, moving_only=True)


def expected(points, loop_phase, cycles):
    """Position, colour and radius of the visible points with this number of cycles, by numpy alone."""
    cycle, phase = divmod(loop_phase * cycles, 1)
    points = only_moving(points, points["moving_cycles"] == cycles)
    alive = (points["moving_birth"] <= phase) & (phase < points["moving_death"])
    key = min(int(phase * KEYS), KEYS - 1)
    part = phase * KEYS - key
    steps = points["moving_displacement"]
    position = points["moving_position"] + (1 - part) * steps[key] + part * steps[key + 1]
    start, end = points["moving_colors"][int(cycle) % min(cycles, PICTURES)] / 255
    share = np.clip((phase - start[:, 3]) / np.maximum(end[:, 3] - start[:, 3], 1 / 255), 0, 1)[:, None]
    color = linear(start[:, :3]) * (1 - share) + linear(end[:, :3]) * share
    radius = 1.4 * points["moving_radius_factor"] * position[:, 2] / (2 * FOCAL)
    return position[alive], color[alive], radius[alive]


@pytest.mark.parametrize("frame", [1, 2, 6, 11, 13, 20])
def test_moving_points_follow_their_trajectories(addon, placed, job, frame):
    addon.result.import_result(placed, job)
    placed.frame_set(frame)
    for (item, _), cycles in zip(moving(addon, placed), (1, 2), strict=True):
        found = evaluated_points(item)
        position, color, radius = expected(make_points(), (frame - 1) / FRAMES, cycles)
        assert np.abs(found["position"] - position).max() < 1e-5
        assert np.abs(found["color"][:, :3] - color).max() < 1e-4
        assert np.abs(found["radius"] - radius).max() < 1e-6


def test_many_colours_are_stored_as_bytes_and_play_the_same(addon, placed, job, monkeypatch):
    addon.result.import_result(placed, job)
    placed.frame_set(6)
    kinds, colors = [], []
    for limit in (None, 0):
        if limit is not None:
            monkeypatch.setattr(addon.result.meshes, "FLOAT_COLORS", limit)
            write_job(job, make_points(), moving_id="again")
            addon.result.import_result(placed, job)
        item, _ = moving(addon, placed)[1]
        kinds.append(item.data.attributes["start1"].data_type)
        colors.append(evaluated_points(item)["color"])
    assert kinds == ["FLOAT_COLOR", "BYTE_COLOR"] and np.abs(colors[0] - colors[1]).max() < 1e-4


def test_the_loop_closes_exactly(addon, placed, job):
    addon.result.import_result(placed, job)
    for item, _ in moving(addon, placed):
        placed.frame_set(1)
        first = evaluated_points(item)
        placed.frame_set(1 + FRAMES)
        last = evaluated_points(item)
        assert all(np.array_equal(first[name], last[name]) for name in first)


def test_the_motion_repeats_as_often_as_told_and_the_photo_stands_before_and_after(addon, placed, job):
    addon.result.import_result(placed, job)
    item, modifier = moving(addon, placed)[1]
    addon.nodes.set_inputs(modifier, {"Stop After": 2, "Start Frame": 5.0})
    for frame, phase in ((1, 0), (5, 0), (10, 0.25), (5 + FRAMES + 2, 0.1), (5 + 2 * FRAMES, 0), (100, 0)):
        placed.frame_set(frame)
        assert np.abs(evaluated_points(item)["position"] - expected(make_points(), phase, 2)[0]).max() < 1e-5


def test_with_keyframes_on_the_offset_the_motion_turns_back(addon, placed, job):
    addon.result.import_result(placed, job)
    item, modifier = moving(addon, placed)[1]
    addon.nodes.set_inputs(modifier, {"Speed": 0.0})
    owner, path = addon.nodes.input_property(modifier, "Offset")
    for frame, loops in ((1, 0.0), (11, 0.4), (21, 0.0)):
        addon.nodes.set_inputs(modifier, {"Offset": loops})
        assert owner.keyframe_insert(path, frame=frame)
    found = []
    for frame in (1, 11, 21):
        placed.frame_set(frame)
        found.append(evaluated_points(item)["position"])
    assert np.abs(found[1] - expected(make_points(), 0.4, 2)[0]).max() < 1e-5
    assert np.array_equal(found[0], found[2])


def test_inputs_act_at_once(addon, placed, job):
    addon.result.import_result(placed, job)
    settings = placed.cinemagraph
    settings.loop_length, settings.start_frame, settings.play_speed, settings.point_size = 40, 3.0, -2.0, 2.8
    placed.frame_set(8)
    item, modifier = moving(addon, placed)[1]
    assert addon.nodes.get_inputs(modifier)["Loop Length"] == 40
    position, color, radius = expected(make_points(), 0.75, 2)  # 5 frames * -2 / 40 = -0.25
    found = evaluated_points(item)
    assert np.abs(found["position"] - position).max() < 1e-5
    assert np.abs(found["radius"] - 2 * radius).max() < 1e-6


def test_still_points_are_the_photo(addon, placed, job):
    addon.result.import_result(placed, job)
    points = make_points()
    still = [
        item for item, modifier in addon.result.parts(placed) if modifier.node_group == placed.cinemagraph.still_nodes
    ]
    assert len(still) == 2
    for layer, item in enumerate(still):
        chosen = points["still_layer"] == layer
        found = evaluated_points(item)
        assert np.abs(found["position"] - points["still_position"][chosen]).max() < 1e-6
        whole = np.round(points["still_color"][chosen] * 255) / 255
        assert np.abs(found["color"][:, :3] - linear(whole)).max() < 1e-4
        z = points["still_position"][chosen][:, 2]
        assert np.abs(found["radius"] - 1.4 * z / (2 * FOCAL)).max() < 1e-6


def test_axes_are_turned_once(addon, placed, job):
    addon.result.import_result(placed, job)
    item, _ = moving(addon, placed)[0]
    bpy.context.view_layer.update()
    assert np.abs(np.array(item.matrix_world @ Vector((1, 2, 3))) - (1, 3, -2)).max() < 1e-6


def test_a_rebuild_replaces_points_and_keeps_the_users_changes(addon, placed, job):
    addon.result.import_result(placed, job)
    item, modifier = moving(addon, placed)[0]
    addon.nodes.set_inputs(modifier, {"Speed": 3.0})
    placed.cinemagraph.point_size = 2.0
    placed.cinemagraph.camera.location = (0.1, 0.2, 0.3)
    mine = bpy.data.objects.new("mine", None)
    placed.cinemagraph.collection.objects.link(mine)
    counts = [len(getattr(bpy.data, blocks)) for blocks in BLOCKS]
    write_job(job, make_points(moving=300, keys=6, seed=2), frames=30, point_size=1.5)
    addon.result.import_result(placed, job)
    again, modifier = moving(addon, placed)[0]
    values = addon.nodes.get_inputs(modifier)
    assert again == item and len(item.data.vertices) == 200
    assert values["Speed"] == 3.0 and abs(values["Point Size"] - 2.0) < 1e-6
    assert values["Loop Length"] == 30 and values["Keys"] == 6
    assert counts == [len(getattr(bpy.data, blocks)) for blocks in BLOCKS]
    assert tuple(placed.cinemagraph.camera.location) == pytest.approx((0.1, 0.2, 0.3))
    assert mine.name in placed.cinemagraph.collection.objects


def test_points_that_are_the_same_stay(addon, placed, job):
    write_job(job, make_points(), still_id="a", moving_id="a")
    addon.result.import_result(placed, job)
    first = {item: item.data.session_uid for item, _ in addon.result.parts(placed)}
    write_job(job, make_points(seed=2), still_id="a", moving_id="b")
    addon.result.import_result(placed, job)
    second = {item: item.data.session_uid for item, _ in addon.result.parts(placed)}
    moved = {item for item, _ in moving(addon, placed)}
    assert first.keys() == second.keys() and len(moved) == 2
    assert {item for item in first if first[item] != second[item]} == moved
    position, _, _ = expected(make_points(seed=2), 0.0, 1)
    assert np.abs(evaluated_points(moving(addon, placed)[0][0])["position"] - position).max() < 1e-5


def test_kinds_of_motion_have_objects_of_their_own(addon, placed, job):
    points = make_points()
    points["moving_cycles"][:] = 1  # both kinds run once in a loop
    parts = [{"name": "Motion", "points": 400}, {"name": "Sway", "points": 200}]
    write_job(job, points, moving_parts=parts)
    addon.result.import_result(placed, job)
    sizes = {item.name: len(item.data.vertices) for item, _ in moving(addon, placed)}
    assert sizes == {"Cinemagraph Motion": 400, "Cinemagraph Sway": 200}
    sway = placed.objects["Cinemagraph Sway"]
    write_job(job, only_moving(points, slice(400, None)), moving_parts=parts[1:])
    addon.result.import_result(placed, job)
    assert [item for item, _ in moving(addon, placed)] == [sway]  # not the object that showed the Motion points


def test_fewer_layers_leave_no_objects_behind(addon, placed, job):
    addon.result.import_result(placed, job)
    points = make_points()
    points["still_layer"][:] = 0
    write_job(job, only_moving(points, slice(0)))
    addon.result.import_result(placed, job)
    assert len(addon.result.parts(placed)) == len(placed.cinemagraph.parts) == 1
    assert len(bpy.data.meshes) == 1


def test_a_deleted_part_comes_back_with_the_next_build(addon, placed, job):
    addon.result.import_result(placed, job)
    bpy.data.objects.remove(addon.result.parts(placed)[0][0])
    addon.result.import_result(placed, job)
    assert len(addon.result.parts(placed)) == 4


def test_remove_takes_only_ours(addon, placed, job):
    before, groups = set(placed.objects), set(bpy.data.node_groups)
    mine = bpy.data.objects.new("mine", bpy.data.meshes.new("mine"))
    addon.result.import_result(placed, job)
    placed.cinemagraph.collection.objects.link(mine)
    assert bpy.ops.cinemagraph.remove() == {"FINISHED"}
    assert set(placed.objects) == before | {mine}
    assert [mesh.name for mesh in bpy.data.meshes] == ["mine"]
    assert groups == set(bpy.data.node_groups)  # only those of the marks remain
    with pytest.raises(RuntimeError, match="There are no points to remove"):
        bpy.ops.cinemagraph.remove()


def test_no_finished_job_changes_nothing(addon, placed, tmp_path):
    before = set(bpy.data.objects), set(bpy.data.meshes), set(bpy.data.node_groups)
    with pytest.raises(addon.errors.CinemaError):
        addon.result.import_result(placed, tmp_path / "nothing")
    assert before == (set(bpy.data.objects), set(bpy.data.meshes), set(bpy.data.node_groups))


def pixels_and_sizes(position, radius, focal):
    """Places of points on the photo, px, and their sizes, twice the radius, px."""
    return position[:, :2] / position[:, 2:] * focal, 2 * radius * focal / position[:, 2]


@pytest.mark.parametrize("focal", [FOCAL / 2, 3.3 * FOCAL])
def test_points_keep_their_pixels_at_any_focal_length(addon, placed, job, focal):
    addon.result.import_result(placed, job)
    placed.frame_set(6)
    before = {item: evaluated_points(item) for item, _ in addon.result.parts(placed)}
    placed.cinemagraph.focal = focal
    placed.frame_set(6)
    for item, first in before.items():
        found = evaluated_points(item)
        pixel, size = pixels_and_sizes(found["position"], found["radius"], focal)
        wanted, sizes = pixels_and_sizes(first["position"], first["radius"], FOCAL)
        assert np.abs(pixel - wanted).max() < 1e-3 and np.abs(size / sizes - 1).max() < 1e-5
        assert np.array_equal(found["position"][:, 2], first["position"][:, 2])
        assert np.abs(found["position"][:, 0] * focal - first["position"][:, 0] * FOCAL).max() < 1e-2
        assert np.array_equal(found["color"], first["color"])
    bpy.context.view_layer.update()
    seen = placed.cinemagraph.camera.data.view_frame(scene=placed)  # at depth 1: half the photo's width over focal
    assert max(corner.x / -corner.z for corner in seen) == pytest.approx(160 / focal, rel=1e-4)
    placed.cinemagraph.focal = FOCAL
    placed.frame_set(6)
    for item, first in before.items():
        assert all(np.array_equal(values, first[name]) for name, values in evaluated_points(item).items())


def test_a_build_for_another_focal_length_than_the_one_chosen_meanwhile(addon, placed, job):
    addon.result.import_result(placed, job)
    placed.cinemagraph.focal = 450.0
    write_job(job, make_points(), focal=FOCAL)  # requested before the change
    addon.result.import_result(placed, job)
    _, modifier = moving(addon, placed)[0]
    values = addon.nodes.get_inputs(modifier)
    assert (values["Focal"], values["Built Focal"]) == (450.0, FOCAL)
    write_job(job, make_points(), focal=450.0)
    addon.result.import_result(placed, job)
    assert addon.nodes.get_inputs(modifier)["Built Focal"] == 450.0


def test_many_points_come_in_within_a_second(addon, placed, tmp_path):
    """1.5 million points, half of them moving; the time of this thread, so that other work does not count."""
    points = make_points(750_000, keys=12)
    points = {name: np.repeat(a, 13, 0) if name.startswith("still") else a for name, a in points.items()}
    count = len(points["still_position"]) + 750_000
    assert count > 1_490_000
    write_job(tmp_path / "many", points)
    began = time.thread_time()
    addon.result.import_result(placed, tmp_path / "many")
    assert time.thread_time() - began < 1.0
    assert sum(len(item.data.vertices) for item, _ in addon.result.parts(placed)) == count
