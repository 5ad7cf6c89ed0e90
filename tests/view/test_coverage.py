"""Coverage: exact shares of holes and invented surfaces on cards, mask pictures, and the safe size of a path."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinema_core.points.footprint import POINT_DIAMETER
from cinema_core.shared import job_files, job_folder, transaction
from cinema_core.shared.camera import Camera, camera_path
from cinema_core.shared.errors import CinemaError
from cinema_core.view import coverage, coverage_io, inspector
from cinema_core.view.coverage import check_views, interpolate_pose
from cinema_core.view.coverage_io import read_views
from cinema_core.view.inspector import HOLE, INVENTED, SEEN, Inspector
from cinema_core.view.marks import mark_png

CAMERA = Camera(320, 180, 300.0)
SIZE = 1.6  # point size that closes the lattice with something to spare
ROOT = Path(__file__).parents[2]
EXACT = 1.5 / inspector.SAMPLES_ACROSS  # a border falls between two samples


def card(depth, left=0, right=320, top=0, bottom=180):
    """Points of a flat card, one for each pixel of the photo in columns left..right and rows top..bottom."""
    y, x = np.mgrid[top:bottom, left:right] + 0.5
    return CAMERA.unproject(np.stack([x, y], -1).reshape(-1, 2), np.full(x.size, depth))


def points(*cards, layers=None, moving=None, **changes):
    still = np.concatenate(cards)
    none = np.zeros((0, 3), np.float32) if moving is None else moving
    count = len(none)
    made = {
        "still_position": still,
        "still_color": np.zeros_like(still),
        "still_radius_factor": np.ones(len(still)),
        "still_layer": np.zeros(len(still)) if layers is None else layers,
        "moving_position": none,
        "moving_displacement": np.zeros((3, count, 3)),
        "moving_birth": np.zeros(count),
        "moving_death": np.full(count, 2.0),
        "moving_radius_factor": np.ones(count),
        "moving_cycles": np.ones(count),
        "moving_colors": np.zeros((1, 2, count, 4)),
        **changes,
    }
    return {n: a.astype(job_files.POINTS_DTYPES.get(n, "float32")) for n, a in made.items()}


def at(x=0.0, y=0.0, z=0.0, turned=0.0):
    """A pose, rotated about the vertical axis by degrees."""
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.0, np.radians(turned), 0.0]))[0]
    pose[:3, 3] = x, y, z
    return pose


def views(*poses, **fields):
    return read_views({"poses": [np.asarray(pose).ravel().tolist() for pose in poses], **fields}, CAMERA)


def shares(cloud, pose, backing=(), **fields):
    label = Inspector(cloud, CAMERA, SIZE, backing).classify(views(pose, **fields), 0)
    return [float((label == kind).mean()) for kind in (HOLE, INVENTED, SEEN)]


def test_at_the_photos_place_nothing_is_missing():
    assert shares(points(card(1.0)), at()) == [0, 0, 1]


def test_no_size_puts_samples_on_the_corners_of_the_lattice():
    tight = Inspector(points(card(1.0)), CAMERA, POINT_DIAMETER)  # a ten-thousandth is open, between four points
    for width in (160, 240, 320, 477, 640, 954, 955, 1280, 1920, 3840):
        label = tight.classify(views(at(), width=width, height=width * 9 // 16), 0)
        assert (label[2:-2, 2:-2] == HOLE).mean() < 1e-3, width


@pytest.mark.parametrize("shift", [0.03, 0.2, 0.5])
def test_a_camera_moved_sideways_sees_past_the_border(shift):
    hole, invented, _ = shares(points(card(1.0)), at(x=shift))
    assert hole == pytest.approx(shift * CAMERA.focal / 320 - 0.5 * (SIZE - 1) / 320, abs=EXACT) and invented == 0


def test_a_camera_moved_back_sees_round_the_card():
    hole, _, _ = shares(points(card(1.0)), at(z=-1.0))
    assert hole == pytest.approx(1 - 0.25, abs=2 * EXACT)


def test_continued_surfaces_are_invented_not_seen():
    cloud = points(card(1.0, 0, 160), card(4.0, 160), card(4.0, 60, 160), card(4.0, 320, 400))
    assert shares(cloud, at()) == [0, 0, 1]
    hole, invented, seen = shares(cloud, at(x=0.1))  # near things move 30 px to the left, far ones 7.5
    assert hole == 0
    assert invented == pytest.approx((22.5 + 7.5) / 320, abs=2 * EXACT) and seen == pytest.approx(1 - invented)


def test_without_continuation_there_is_a_hole():
    hole, invented, _ = shares(points(card(1.0, 0, 160), card(4.0, 160)), at(x=0.1))
    assert hole == pytest.approx((22.5 + 7.5) / 320, abs=3 * EXACT) and invented == 0


def test_backing_is_invented_only_behind_an_occluder():
    near, back = card(1.0, 0, 160), np.concatenate([card(1.04, 0, 160), card(4.2, 0, 320)])
    cloud = points(near, card(4.0, 160), back, layers=np.repeat([0, 1, 2], [len(near), 160 * 180, len(back)]))
    _, invented, _ = shares(cloud, at(x=0.1), backing=[2])
    assert invented == pytest.approx(22.5 / 320, abs=3 * EXACT)  # behind the near card, not in cracks of the far one
    thinned = cloud | {"still_radius_factor": np.where(cloud["still_layer"] == 2, 1.0, 0.4).astype(np.float32)}
    hole, invented, seen = shares(thinned, at(), backing=[2])
    assert hole < 0.01 and invented < 0.01 and seen > 0.98


@pytest.mark.parametrize("turn, share", [(180, 1.0), (90, 1.0), (0, 0.0)])
def test_a_camera_that_looks_away_sees_nothing(turn, share):
    assert shares(points(card(1.0)), at(turned=turn))[0] == share


def test_a_camera_inside_the_scene_sees_the_points_in_front_of_it():
    cloud = points(card(1.0, 0, 160), card(4.0))
    assert shares(cloud, at(z=1.5)) == [0, pytest.approx(0.5, abs=0.02), pytest.approx(0.5, abs=0.02)]
    assert shares(cloud, at(z=5.0))[0] == 1


def test_close_to_a_surface_its_points_are_large():
    hole, _, seen = shares(points(card(1.0)), at(z=0.98))
    assert hole == 0 and seen == 1


@pytest.mark.parametrize("clip, hole", [((0.01, 100.0), 0), ((0.01, 0.9), 1), ((1.1, 100.0), 1)])
def test_clipped_points_do_not_count(clip, hole):
    lens = [300.0, 300.0, 160.0, 90.0, *clip]
    assert shares(points(card(1.0)), at(), lenses=[lens])[0] == hole


def test_lens_shift_and_shape_of_the_frame_count():
    cloud = points(card(1.0))
    wide = [150.0, 150.0, 160.0, 90.0, 0.01, 100.0]
    assert shares(cloud, at(), lenses=[wide])[0] == pytest.approx(0.75, abs=2 * EXACT)
    shifted = [300.0, 300.0, 160.0 + 32, 90.0, 0.01, 100.0]
    assert shares(cloud, at(), lenses=[shifted])[0] == pytest.approx(0.1, abs=EXACT)
    squeezed = [150.0, 300.0, 160.0, 90.0, 0.01, 100.0]  # the pixels are not square
    assert shares(cloud, at(), lenses=[squeezed])[0] == pytest.approx(0.5, abs=EXACT)
    square = shares(cloud, at(), width=320, height=320)  # the photo's lens: above and below there is nothing
    assert square[0] == pytest.approx(1 - 180 / 320, abs=2 * EXACT)
    large = shares(cloud, at(x=0.2), width=1920, height=1080)
    assert large == pytest.approx(shares(cloud, at(x=0.2)), abs=EXACT)


def test_moving_points_cover_while_they_live():
    water = card(1.0, 0, 320, 90, 180)
    cloud = points(card(1.0, 0, 320, 0, 90), moving=water, moving_death=np.full(len(water), 0.5))
    assert shares(cloud, at(), phases=[0.25])[0] == 0
    assert shares(cloud, at(), phases=[0.75])[0] == pytest.approx(0.5, abs=2 * EXACT)


def test_points_too_small_leave_holes_of_their_true_size():
    label = Inspector(points(card(1.0)), CAMERA, 0.5).classify(views(at()), 0)
    assert (label == HOLE).mean() == pytest.approx(1 - np.pi / 16, abs=0.01)


# paths


def path(amplitude, count=9):
    return [at(x=amplitude * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, count)]


def test_a_path_is_scaled_to_the_largest_safe_size():
    inspector = Inspector(points(card(1.0), card(1.0, -30), card(1.0, 320, 350)), CAMERA, SIZE)  # safe up to 0.1
    wide = views(*path(0.4))
    open_path = check_views(inspector, wide, 0.001)
    assert open_path.factor == 1 and open_path.uncovered.max() == pytest.approx(0.3 * 300 / 320, abs=0.01)
    safe = check_views(inspector, wide, 0.001, photo_pose=np.eye(4))
    assert safe.factor == pytest.approx(0.25, abs=0.01) and safe.uncovered.max() <= 0.001
    again = [interpolate_pose(np.eye(4), pose, safe.factor + 2 * coverage.FACTOR_STEP) for pose in wide.poses]
    assert check_views(inspector, views(*again), 0.001).uncovered.max() > 0.001


def test_a_safe_path_stays_as_it_is():
    inspector = Inspector(points(card(1.0, -50, 370)), CAMERA, SIZE)
    assert check_views(inspector, views(*path(0.1)), 0.001, photo_pose=np.eye(4)).factor == 1


def test_too_wide_a_lens_is_an_error():
    inspector = Inspector(points(card(1.0)), CAMERA, SIZE)
    lens = [200.0, 200.0, 160.0, 90.0, 0.01, 100.0]
    with pytest.raises(CinemaError, match="Even at the photo's viewpoint"):
        check_views(inspector, views(*path(0.1), lenses=[lens] * 9), 0.001, photo_pose=np.eye(4))


def test_of_a_long_path_the_views_that_matter_are_inspected():
    inspector = Inspector(points(card(1.0, -12, 332)), CAMERA, SIZE)
    poses = [at(x=0.5 * np.exp(-(((frame - 301.3) / 4) ** 2))) for frame in range(640)]
    classified = []
    classify = inspector.classify
    inspector.classify = lambda *given: (classified.append(given[1]), classify(*given))[1]
    told = []
    found = check_views(inspector, views(*poses), 0.001, progress=told.append)
    assert int(found.uncovered.argmax()) == 301 and 301 in found.inspected
    assert len(classified) == len(found.inspected) < 100 and told == sorted(told) and told[-1] <= 1
    bad = np.flatnonzero(found.uncovered > 0.001)
    exact = [i for i, pose in enumerate(poses) if pose[0, 3] * 300 > 12.3 + 0.5]
    assert abs(bad.min() - exact[0]) <= 1 and abs(bad.max() - exact[-1]) <= 1


def test_interpolated_poses_move_straight_and_turn_evenly():
    photo, pose = at(x=1.0, turned=20), at(y=2.0, turned=80)
    assert np.allclose(interpolate_pose(photo, pose, 0), photo) and np.allclose(interpolate_pose(photo, pose, 1), pose)
    assert np.allclose(interpolate_pose(photo, pose, 0.25), at(x=0.75, y=0.5, turned=35))


# jobs and requests


def write_job(folder, cloud):
    report = {
        "schema": job_files.SCHEMA, "width": 320, "height": 180, "focal": 300.0, "point_size": SIZE,
        "layers": [{"name": "Layer 1", "hidden": False}], "files": [],
    }  # fmt: skip
    with transaction.stage(folder) as staging:
        (staging.path / job_files.REPORT).write_text(json.dumps(report))
        job_folder.write_points(staging.path, cloud)
    return folder


def ask(job, poses, **fields):
    request = coverage_io.read_request({"poses": [pose.ravel().tolist() for pose in poses], **fields})
    return coverage_io.measure_coverage(job, request)


def test_a_longer_focal_length_narrows_the_scene(tmp_path):
    job = write_job(tmp_path / "job", points(card(1.0)))
    lens = [[300.0, 300.0, 160.0, 90.0, 0.01, 100.0]]
    assert ask(job, [at()], lenses=lens).uncovered[0] == 0
    assert ask(job, [at()], lenses=lens, focal=600.0).uncovered[0] == pytest.approx(0.75, abs=2 * EXACT)
    assert ask(job, [at()], focal=600.0).uncovered[0] == 0


def test_masks_show_holes_and_inventions(tmp_path):
    cloud = points(card(1.0, 0, 160), card(4.0, 160), card(4.0, 60, 160))
    found = ask(write_job(tmp_path / "job", cloud), [at(), at(x=0.1)])
    folder = tmp_path / "masks"
    folder.mkdir()
    (folder / "0077.png").write_bytes(mark_png(cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes()))
    (folder / "0078.png").write_bytes(b"the user's")
    files = coverage_io.write_masks(folder, found)
    assert sorted(file.name for file in folder.iterdir()) == ["0001.png", "0002.png", "0078.png"]
    clear, mask = (cv2.imread(file, cv2.IMREAD_UNCHANGED) for file in files)
    assert not clear.any()
    middle = mask[mask.shape[0] // 2]
    assert tuple(middle[-3]) == (*coverage_io.MASK_COLORS[HOLE][2::-1], coverage_io.MASK_COLORS[HOLE][3])
    column = int((160 - 20) / 320 * mask.shape[1])  # behind the near card's right border
    assert tuple(middle[column]) == (*coverage_io.MASK_COLORS[INVENTED][2::-1], coverage_io.MASK_COLORS[INVENTED][3])
    assert not middle[10].any()


def test_the_command_line_tells_and_draws(tmp_path):
    job = write_job(tmp_path / "job", points(card(1.0)))
    words = [sys.executable, "-m", "cinema_core", "coverage", str(job), "--camera", "side", "--frames", "3", "--json"]
    given = {"capture_output": True, "text": True, "cwd": ROOT}
    said = subprocess.run([*words, "--masks", str(tmp_path / "m")], check=True, **given)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert [line["type"] for line in lines[-2:]] == ["progress", "done"] and lines[-2]["stage"] == "coverage"
    assert lines[-1]["uncovered"] == pytest.approx([0.09 * 300 / 320, 0, 0.09 * 300 / 320], abs=EXACT)
    assert [Path(file).is_file() for file in lines[-1]["mask_files"]] == [True] * 3
    lost = subprocess.run([*words[:4], str(tmp_path), *words[5:]], check=False, **given)
    assert lost.returncode == 2 and "no finished build" in lost.stdout


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"poses": []}, "incomplete"),
        ({"poses": [[1, 2, 3]]}, "no views"),
        ({}, "no views"),
        ({"poses": [np.diag((2, 2, 2, 1)).ravel().tolist()]}, "more than rotate"),
        ({"poses": [[float("nan")] * 16]}, "more than rotate"),
        ({"poses": [np.eye(4).ravel().tolist()], "lenses": [[0, 1, 2, 3, 4, 5]]}, "incomplete"),
        ({"poses": [np.eye(4).ravel().tolist()], "phases": [0, 0]}, "incomplete"),
        ({"poses": [np.eye(4).ravel().tolist()], "limit": 2}, "out of range"),
        ({"poses": [np.eye(4).ravel().tolist()], "focal": 10**400}, "cannot be read"),
        ({"poses": [np.eye(4).ravel().tolist()], "photo_pose": [10**400] * 16}, "cannot be read"),
        ({"poses": [np.eye(4).ravel().tolist()], "photo_pose": [1]}, "cannot be read"),
        (
            {"poses": [np.eye(4).ravel().tolist()], "photo_pose": (2 * np.eye(4)).ravel().tolist()},
            "photo camera's pose",
        ),
        ({"poses": [np.eye(4).ravel().tolist()], "point_size": 0}, "out of range"),
    ],
)
def test_malformed_requests(tmp_path, fields, text):
    with pytest.raises(CinemaError, match=text):
        request = coverage_io.read_request(fields)
        request.views(CAMERA)


def test_the_presets_at_their_own_size_are_safe_where_the_border_goes_on():
    inspector = Inspector(points(card(1.0, -40, 360, -30, 210)), CAMERA, SIZE)
    for name in ("up-down", "zoom-in", "side"):
        assert check_views(inspector, views(*camera_path(name, 9)), 0.001).uncovered.max() == 0
