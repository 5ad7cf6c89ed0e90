"""The motion field, against analytic flows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawing import box, line

from cinema_core.image.grid import sample
from cinema_core.motion.hints import Hints, read_hints
from cinema_core.motion.solve import MotionConstraints, solve_motion
from cinema_core.shared.data import Photo, Stroke

WIDTH, HEIGHT = 200, 120


@pytest.fixture
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 200.0)


def constraints(hints: Hints) -> MotionConstraints:
    return MotionConstraints(hints.pixels, hints.velocities)


def solved(photo: Photo, *strokes: Stroke) -> tuple[np.ndarray, np.ndarray]:
    hints = read_hints(strokes, photo)
    flat = np.ones((HEIGHT, WIDTH), np.float32)
    return solve_motion(hints.region, constraints(hints), photo.color, flat), hints.region


FLAT = np.ones((HEIGHT, WIDTH), np.float32)
GREY = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)


def test_a_uniform_flow_is_found(photo):
    motion, _ = solved(photo, box(0, 0, 199, 119), line((60, 60), (110, 60)))
    assert np.abs(motion[20:-20, 20:-20] - (1.0, 0)).max() < 0.03


def test_opposite_strokes_make_a_shear_between_them(photo):
    motion, _ = solved(photo, box(0, 0, 199, 119), line((60, 30), (110, 30)), line((110, 90), (60, 90)))
    across = motion[20:100, 100, 0]
    assert across[10] > 0.8 and across[-10] < -0.8 and np.all(np.diff(across[10:-10]) < 0.01)


def test_nothing_flows_through_the_border_and_water_goes_round_an_island(photo):
    rock = Stroke("still", np.array([(89, 49), (112, 49), (112, 72), (89, 72)], np.float32), True)
    motion, region = solved(photo, box(10, 20, 191, 101), line((20, 60), (70, 60)), rock)
    speed = np.linalg.norm(motion[region], axis=1).mean()
    assert not region[60, 100]
    front = motion[53:67, 87:89]  # in front of the rock the flow turns aside
    assert np.abs(front[4:-4, 1, 0]).mean() < 0.15 * speed
    above, below = motion[45, 82:88].mean(0), motion[75, 82:88].mean(0)
    assert above[1] < 0 < below[1]
    for row in (20, 100):
        assert np.abs(motion[row, 30:170, 1]).mean() < 0.02 * speed


def test_parts_of_a_region_are_independent(photo):
    motion, _ = solved(
        photo, box(5, 10, 90, 110), box(110, 10, 195, 110), line((20, 60), (70, 60)), line((150, 90), (150, 40))
    )
    assert motion[60, 45] @ (1, 0) > 0.9 and abs(motion[60, 45, 1]) < 0.02
    assert motion[60, 150] @ (0, -1) > 0.9 and abs(motion[60, 150, 0]) < 0.02


def test_a_region_without_a_stroke_moves_along_its_texture():
    rows = np.arange(WIDTH, dtype=np.float32)
    color = np.repeat(np.repeat((0.5 + 0.4 * np.sin(rows))[None, :, None], HEIGHT, 0), 3, 2).astype(np.float32)
    warnings = []
    hints = read_hints([box(20, 20, 180, 100)], Photo(color, 200.0), 1.0, warnings.append)
    assert len(warnings) == 1 and "No motion stroke" in warnings[0]
    motion = solve_motion(hints.region, constraints(hints), color, np.ones((HEIGHT, WIDTH), np.float32))
    assert motion[60, 100, 1] > 0.1 and abs(motion[60, 100, 0]) < 0.02  # down along vertical streaks


def along(start: tuple[float, float], end: tuple[float, float], speed: float = 1.0) -> MotionConstraints:
    """Samples 1 px apart on a straight stroke, with their velocities."""
    start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
    length = float(np.linalg.norm(end - start))
    pixels = start + np.linspace(0, 1, int(length) + 1, dtype=np.float32)[:, None] * (end - start)
    return MotionConstraints(pixels, np.tile((end - start) / length * speed, (len(pixels), 1)).astype(np.float32))


def joined(*lines: MotionConstraints) -> MotionConstraints:
    """The samples of several strokes."""
    return MotionConstraints(
        np.concatenate([line.pixels for line in lines]), np.concatenate([line.velocities for line in lines])
    )


def test_water_goes_round_a_cylinder_as_potential_flow_does():
    place = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), -1)
    z = (place[..., 0] - 100) + 1j * (place[..., 1] - 60)
    region = np.abs(z) > 20
    flow = 1 - 20**2 / np.where(region, z, 20) ** 2
    truth = np.stack([flow.real, -flow.imag], -1).astype(np.float32)
    pixels = np.concatenate(
        [along((10, 30), (60, 30)).pixels, along((140, 90), (190, 90)).pixels, along((20, 80), (60, 80)).pixels]
    )
    motion = solve_motion(region, MotionConstraints(pixels, sample(truth, pixels)), GREY, FLAT)
    assert np.linalg.norm((motion - truth)[region], axis=1).mean() < 0.06
    around = np.linspace(0, 2 * np.pi, 90)
    normal = np.stack([np.cos(around), np.sin(around)], 1)
    through = (sample(motion - truth, (100, 60) + 20.7 * normal) * normal).sum(1)
    assert np.abs(through).mean() < 0.02


def test_the_field_lies_where_its_hints_lie():
    """A shear is linear, so bilinear cells of any size reproduce it without a shift."""
    for rows in (HEIGHT, 5 * HEIGHT):  # cells of 3 px and of more
        place = (
            np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(rows) + 0.5), -1).reshape(-1, 2).astype(np.float32)
        )
        speeds = np.stack([place[:, 1] / rows, 0 * place[:, 0]], 1).astype(np.float32)
        grey, flat = np.full((rows, WIDTH, 3), 0.5, np.float32), np.ones((rows, WIDTH), np.float32)
        motion = solve_motion(flat > 0, MotionConstraints(place, speeds), grey, flat)
        assert np.abs(motion.reshape(-1, 2) - speeds).max() < 0.2 / rows * 5


def test_a_stroke_that_nothing_contradicts_holds_to_two_degrees_and_three_percent(photo):
    angle = np.linspace(0, 1.5, 60)
    arc = np.stack([100 + 45 * np.sin(angle), 80 - 45 * np.cos(angle)], 1).astype(np.float32)
    hints = read_hints([box(10, 10, 190, 110), Stroke("motion", arc)], photo)
    motion = solve_motion(hints.region, constraints(hints), GREY, FLAT)
    found, wanted = sample(motion, hints.pixels), hints.velocities
    size, speed = np.linalg.norm(found, axis=1), np.linalg.norm(wanted, axis=1)
    assert np.degrees(np.arccos(np.clip((found * wanted).sum(1) / size / speed, -1, 1))).mean() < 2
    assert np.abs(size / speed - 1).mean() < 0.03


def test_a_river_follows_its_bend_and_a_boundary_that_the_flow_meets_squarely_is_open():
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[20:60, :140] = region[20:, 100:140] = True  # from the left edge round a corner down to the lower one
    motion = solve_motion(region, joined(along((10, 40), (60, 40)), along((120, 85), (120, 115))), GREY, FLAT)
    assert np.abs(motion[30:110, 138, 0]).mean() < 0.05 and motion[65:80, 120, 1].min() > 0.6
    pond = np.zeros((HEIGHT, WIDTH), bool)
    pond[30:90, 40:160] = True
    motion = solve_motion(pond, along((80, 60), (120, 60)), GREY, FLAT)
    assert np.abs(motion[pond] - (1, 0)).max() < 0.1  # no whirl, although no outlet is drawn


def test_an_outlet_opens_the_boundary_beside_it():
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[40:80] = True
    strokes = joined(along((10, 60), (50, 60)), along((190, 60), (150, 60)))  # two rivers meet
    outlets = np.zeros((HEIGHT, WIDTH), bool)
    outlets[76:84, 85:115] = True
    shut = solve_motion(region, strokes, GREY, FLAT)
    opened = solve_motion(region, replace(strokes, outlets=outlets), GREY, FLAT)
    assert opened[78, 90:110, 1].mean() > 0.5 and np.abs(opened[42, 90:110, 1]).mean() < 0.1
    assert opened[78, 90:110, 1].mean() > shut[78, 90:110, 1].mean() + 0.3


def test_pins_hold_the_water():
    region = np.ones((HEIGHT, WIDTH), bool)
    strokes = along((20, 60), (70, 60))
    pins = along((150, 20), (150, 100)).pixels
    pinned = replace(strokes, pins=pins)
    motion = solve_motion(region, pinned, GREY, FLAT)
    assert np.linalg.norm(sample(motion, pins), axis=1).mean() < 0.05
    assert np.linalg.norm(sample(motion, strokes.pixels) - strokes.velocities, axis=1).mean() < 0.05
    only = solve_motion(region, pinned, GREY, FLAT, incompressible=False)
    assert np.linalg.norm(sample(only, pins), axis=1).mean() < 0.05


def test_nearer_water_of_a_receding_plane_is_faster():
    region = np.ones((HEIGHT, WIDTH), bool)
    plane = np.repeat(np.linspace(0.1, 0.9, HEIGHT, dtype=np.float32)[:, None], WIDTH, 1)
    strokes = along((60, 60), (110, 60))
    receding = solve_motion(region, strokes, GREY, plane, perspective=True)
    assert receding[60, 100, 0] == pytest.approx(1, abs=0.03)
    assert receding[110, 100, 0] / receding[20, 100, 0] == pytest.approx(plane[110, 0] / plane[20, 0], rel=0.15)
    rough = plane + np.random.default_rng(0).normal(0, 0.3, plane.shape).astype(np.float32)[::20, ::20].repeat(
        20, 0
    ).repeat(20, 1)
    for disparity, perspective in ((plane, False), (FLAT, True), (rough, True)):
        even = solve_motion(region, strokes, GREY, disparity, perspective=perspective)
        assert np.abs(even[20:110, 20:-20, 0] - 1).max() < 0.05


def test_contradicting_strokes_average():
    region = np.ones((HEIGHT, WIDTH), bool)
    motion = solve_motion(region, joined(along((60, 60), (110, 60)), along((110, 60), (60, 60), 0.5)), GREY, FLAT)
    assert np.abs(motion[60, 65:105] - (0.25, 0)).max() < 0.05


def test_five_hundred_strokes_of_one_flow_agree():
    region = np.ones((HEIGHT, WIDTH), bool)
    start = np.random.default_rng(0).uniform((0, 0), (WIDTH - 20, HEIGHT), (500, 2))
    motion = solve_motion(region, joined(*(along(at, at + (20, 0)) for at in start)), GREY, FLAT)
    assert np.abs(motion - (1, 0)).max() < 0.01


@pytest.mark.parametrize("pixels", [1, 3, 40])
def test_a_region_of_few_pixels_moves_as_its_hint_says(pixels):
    region = np.zeros((HEIGHT, WIDTH), bool)
    region[60, 100 : 100 + pixels] = True
    motion = solve_motion(region, MotionConstraints(np.array([(100.5, 60.5)]), np.array([(0.7, 0.0)])), GREY, FLAT)
    assert np.abs(motion[region] - (0.7, 0)).max() < 0.05
    assert np.isfinite(solve_motion(region, MotionConstraints(np.zeros((0, 2)), np.zeros((0, 2))), GREY, FLAT)).all()


def test_water_within_an_island_is_independent_of_the_water_around_it():
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    away = np.hypot(across - 100, down - 60)
    region = (away > 45) | (away < 30)
    motion = solve_motion(region, joined(along((10, 60), (30, 60)), along((100, 75), (100, 45))), GREY, FLAT)
    assert np.abs(motion[away < 15] - (0, -1)).max() < 0.1
    assert motion[5, 100, 0] > 0.5 and np.abs(motion[60, 53]).max() < 0.2


def test_values_that_are_not_finite_are_ignored():
    region = np.ones((HEIGHT, WIDTH), bool)
    broken = MotionConstraints(np.array([(np.nan, 5), (30, 30)]), np.array([(1, 1), (np.inf, 0)]))
    known = replace(joined(along((60, 60), (110, 60)), broken), pins=np.array([(np.nan, 3.0)]))
    disparity = FLAT.copy()
    disparity[:10] = np.nan
    motion = solve_motion(region, known, GREY, disparity, perspective=True)
    assert np.abs(motion[20:-20, 20:-20] - (1, 0)).max() < 0.05


def test_the_same_hints_give_the_same_field():
    region = np.ones((HEIGHT, WIDTH), bool)
    region[50:70, 90:110] = False
    first, second = (solve_motion(region, along((20, 50), (70, 60)), GREY, FLAT) for _ in range(2))
    assert np.array_equal(first, second)


def test_no_strokes_no_motion(photo):
    hints = read_hints([], photo)
    assert not hints.region.any()
    assert not solve_motion(hints.region, constraints(hints), photo.color, photo.color[..., 0]).any()
