"""Hints: velocities along strokes, pins, outlets and swings, and the messages about strokes that cannot be used."""

from __future__ import annotations

import time

import numpy as np
import pytest
from drawing import box, line

from cinema_core.motion.hints import read_hints
from cinema_core.shared.data import Photo, Stroke
from cinema_core.shared.errors import CinemaError

WIDTH, HEIGHT = 320, 200
FLOW = line((20, 100), (70, 100))
ALL = box(0, 0, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 320.0)


@pytest.fixture
def small() -> Photo:
    return Photo(np.full((120, 200, 3), 0.5, np.float32), 200.0)


def test_open_still_strokes_are_pins_and_cut_nothing(photo):
    hints = read_hints([ALL, FLOW, line((100, 50), (140, 50), kind="still"), line((7, 9), kind="still")], photo)
    assert hints.region.all()
    assert {(100, 50), (140, 50), (7, 9)} <= {tuple(pin) for pin in hints.pins.tolist()}
    assert np.linalg.norm(np.diff(hints.pins[:-2], axis=0), axis=1).max() <= 1.01  # no gap for the flow to pass through


def test_a_closed_still_without_an_inside_is_a_pin(photo):
    flat = Stroke("still", np.array([(50, 50), (90, 50), (70, 50)], np.float32), True)
    hints = read_hints([ALL, FLOW, flat], photo)
    assert hints.region.all() and len(hints.pins) > 40


def test_outlets_are_a_band_round_their_strokes(photo):
    hints = read_hints([ALL, FLOW, line((100, 20), (100, 120), kind="outlet")], photo)
    across = np.flatnonzero(hints.outlets[70])
    assert 4 <= len(across) <= 9 and abs(across.mean() + 0.5 - 100) <= 1
    assert not hints.outlets[140].any()
    assert read_hints([ALL, FLOW], photo).outlets is None


def test_strokes_in_sway_swing_and_the_others_flow(photo):
    tree = box(200, 50, 300, 150, "sway")
    hints = read_hints([ALL, tree, FLOW, line((240, 90), (248, 90)), line((250, 120), (250, 20), speed=0.5)], photo)
    assert hints.sway[100, 250] and not hints.region[100, 250] and hints.region[100, 50]
    assert len(hints.pixels) and (hints.pixels[:, 0] < 71).sum() == (hints.pixels[:, 1] > 99).sum()
    short = np.abs(hints.sway_pixels[:, 1] - 90) < 0.1
    np.testing.assert_allclose(hints.sway_extents[short & (hints.sway_pixels[:, 0] != 250)], [[8, 0]] * 9, atol=1e-4)
    upward = hints.sway_pixels[:, 0] == 250
    np.testing.assert_allclose(hints.sway_extents[upward], [[0, -0.04 * 320]] * int(upward.sum()), atol=1e-4)


def test_sway_alone_is_no_error_and_no_region(photo):
    hints = read_hints([box(200, 50, 300, 150, "sway"), line((240, 90), (248, 90))], photo)
    assert not hints.region.any() and not hints.grown and len(hints.pixels) == 0 and len(hints.sway_pixels)


def test_an_island_in_sway(photo):
    hints = read_hints([box(100, 50, 300, 150, "sway"), box(150, 80, 200, 120, "still")], photo)
    assert hints.sway[60, 120] and not hints.sway[100, 175] and not hints.region.any()


def test_a_profile_scales_the_pace_along_the_stroke(photo):
    stroke = line((20, 100), (40, 100), (120, 100), speed=2, profile=np.array([0, 1, 0.5], np.float32))
    hints = read_hints([ALL, stroke], photo)
    pace = np.interp(hints.pixels[:, 0], [20, 40, 120], [0, 1, 0.5]) * 2 * min(100 / 50, 320 / 200)
    np.testing.assert_allclose(hints.velocities, np.stack([pace, 0 * pace], 1), atol=1e-4)


def test_a_profile_scales_a_swing_too(photo):
    stroke = line((240, 90), (248, 90), profile=np.array([1, 0.5], np.float32))
    hints = read_hints([box(200, 50, 300, 150, "sway"), stroke], photo)
    np.testing.assert_allclose(hints.sway_extents[[0, -1], 0], [8, 4], atol=1e-4)


def test_tangents_of_a_curve_hold_at_its_ends_too(photo):
    angle = np.linspace(0, np.pi, 200)
    arc = np.stack([160 - 60 * np.cos(angle), 150 - 60 * np.sin(angle)], 1)
    hints = read_hints([ALL, Stroke("motion", arc.astype(np.float32))], photo)
    radius = hints.pixels - (160, 150)
    tangent = np.stack([-radius[:, 1], radius[:, 0]], 1) / np.linalg.norm(radius, axis=1, keepdims=True)
    cosine = (tangent * hints.velocities).sum(1) / np.linalg.norm(hints.velocities, axis=1)
    assert np.degrees(np.arccos(cosine.min())) < 1.0


def test_a_trembling_hand_does_not_change_the_direction(photo):
    x = np.arange(20, 200, 2.0)
    trembling = np.stack([x, 100 + np.random.default_rng(0).normal(0, 0.4, len(x))], 1)
    velocity = read_hints([ALL, Stroke("motion", trembling.astype(np.float32))], photo).velocities
    assert np.degrees(np.arctan2(np.abs(velocity[4:-4, 1]), velocity[4:-4, 0])).max() < 5


def test_a_closed_motion_stroke_is_an_eddy(photo):
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    ring = np.stack([160 + 40 * np.cos(angle), 100 + 40 * np.sin(angle)], 1)
    hints = read_hints([ALL, Stroke("motion", ring.astype(np.float32), True)], photo)
    radius = hints.pixels - (160, 100)
    across = np.abs((radius * hints.velocities).sum(1)) / np.linalg.norm(hints.velocities, axis=1) / 40
    assert across.max() < 0.02  # at the seam too


def test_a_strokes_length_over_50_is_its_speed(small):
    hints = read_hints([box(0, 0, 199, 119), line((20, 60), (60, 60))], small)
    assert np.allclose(hints.velocities, (40 / 50, 0), atol=1e-5)
    assert hints.pixels[:, 0].min() == pytest.approx(20) and hints.pixels[:, 0].max() == pytest.approx(60)
    faster = read_hints([box(0, 0, 199, 119), line((20, 60), (40, 60), speed=1.5)], small, speed=0.5)
    assert np.allclose(faster.velocities, (20 / 50 * 1.5 * 0.5, 0), atol=1e-5)


def test_the_whole_curve_counts_not_only_its_start(small):
    angle = np.linspace(0, np.pi / 2, 40)
    arc = np.stack([100 + 40 * np.sin(angle), 60 - 40 * np.cos(angle)], 1)
    hints = read_hints([box(0, 0, 199, 119), Stroke("motion", arc.astype(np.float32))], small)
    assert hints.velocities[0] @ (1, 0) > 0.95 * np.linalg.norm(hints.velocities[0])
    assert hints.velocities[-1] @ (0, 1) > 0.95 * np.linalg.norm(hints.velocities[-1])


def test_speed_has_a_limit(small):
    hints = read_hints([box(0, 0, 199, 119), line((0, 60), (199, 60))], small)
    assert np.linalg.norm(hints.velocities, axis=1).max() == pytest.approx(200 / 200)


def test_dots_and_far_strokes_beside_good_ones_are_left_out_with_a_warning(small):
    warnings = []
    hints = read_hints(
        [box(10, 10, 190, 110), line((20, 60), (60, 60)), line((5, 5)), line((900, 0), (950, 0))],
        small,
        1.0,
        warnings.append,
    )
    assert len(hints.pixels) and len(warnings) == 2


def warnings(strokes, photo) -> list[str]:
    texts = []
    read_hints(strokes, photo, warn=texts.append)
    return texts


def test_clean_strokes_get_no_warning(photo):
    assert warnings([ALL, FLOW, line((7, 9), kind="still"), line((0, 5), (0, 90), kind="outlet")], photo) == []


@pytest.mark.parametrize(
    ("strokes", "text"),
    [
        ([ALL], "No motion stroke lies inside the region"),
        ([box(10, 10, 12, 11.6), line((10, 10), (40, 10))], "only 4 pixels large"),
        ([line((10, 10), (50, 50), kind="still")], "Only Still and Outlet strokes"),
        ([line((10, 10), (50, 50), kind="outlet")], "Only Still and Outlet strokes"),
        (
            [box(0, 0, 100, 200), FLOW, line((200, 20), (250, 20))],
            "1 of 2 motion strokes lie outside every moving area",
        ),
        ([ALL, FLOW, line((500, 500), (600, 600))], "1 of 3 strokes lie outside the photo"),
        ([ALL, FLOW, line((np.nan, 5), (6, 7))], "1 of 3 strokes lie outside the photo"),
        ([ALL, FLOW, line((5, 5))], "1 of 3 strokes are too short"),
    ],
)
def test_one_warning_for_each_problem(photo, strokes, text):
    (only,) = warnings(strokes, photo)
    assert text in only


@pytest.mark.parametrize(
    ("strokes", "text"),
    [
        ([line((500, 500), (600, 600))], "No stroke lies on the photo"),
        ([line((50, 50))], "single dots"),
        ([line((50, 50), (50.2, 50))], "single dots"),
        ([line((np.nan, 1), (2, 2))], "No stroke lies on the photo"),
        ([line((np.inf, 1), (2, 2))], "No stroke lies on the photo"),
        ([box(20, 20, 60, 60), box(0, 0, WIDTH, HEIGHT, "still")], "leave no region"),
    ],
)
def test_strokes_that_cannot_be_used_raise_an_error(photo, strokes, text):
    with pytest.raises(CinemaError, match=text) as caught:
        read_hints(strokes, photo)
    assert caught.value.hint


def test_no_strokes_are_no_hints(photo):
    hints = read_hints([], photo)
    assert not hints.region.any() and len(hints.pixels) == 0 and not hints.grown


def test_depth_strokes_do_not_affect_motion(photo):
    depth = [
        line((0, 5), (90, 50), kind="nearer"),
        box(0, 0, 100, 200, "flat"),
        line((900, 5), (950, 5), kind="horizon"),
    ]
    assert warnings([ALL, FLOW, *depth], photo) == []
    np.testing.assert_array_equal(read_hints([ALL, FLOW, *depth], photo).region, read_hints([ALL, FLOW], photo).region)
    assert not read_hints(depth, photo).region.any()


def test_500_strokes(photo):
    random = np.random.default_rng(0)
    strokes = []
    for number in range(500):
        centre, radius = random.uniform((0, 0), (WIDTH, HEIGHT)), random.uniform(2, 30)
        turn = np.linspace(0, 6, 60)[:, None]
        points = centre + radius * np.concatenate([np.cos(turn), np.sin(turn)], 1)
        kind = ("motion", "region", "still", "sway", "outlet")[number % 5]
        strokes.append(Stroke(kind, points.astype(np.float32), kind != "motion"))
    start = time.perf_counter()
    hints = read_hints(strokes, photo)
    assert time.perf_counter() - start < 5
    assert hints.region.any() and hints.sway.any() and not (hints.region & hints.sway).any()


def test_a_stroke_that_reaches_far_beyond_the_photo_needs_no_memory():
    import tracemalloc

    photo = Photo(np.zeros((60, 96, 3), np.float32), 96.0)
    stroke = line((10, 30), (1e9, 30), (-1e9, 31), (50, 31))
    tracemalloc.start()
    read_hints([stroke], photo, find_parts=list)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # a sample a px would be 64 GB
