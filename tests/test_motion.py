"""Hints, the motion field and trajectories, against analytic flows."""

import numpy as np
import pytest

from cinema_core.data import Photo, Stroke
from cinema_core.errors import CinemaError
from cinema_core.grid import sample
from cinema_core.hints import read_hints
from cinema_core.motion import solve_motion
from cinema_core.trajectories import follow

WIDTH, HEIGHT = 200, 120


@pytest.fixture
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 200.0)


def box(left: float, top: float, right: float, bottom: float) -> Stroke:
    return Stroke("region", np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32), True)


def line(*points: tuple[float, float], kind: str = "motion", speed: float = 1.0) -> Stroke:
    return Stroke(kind, np.array(points, np.float32), speed=speed)


def solved(photo: Photo, *strokes: Stroke) -> tuple[np.ndarray, np.ndarray]:
    hints = read_hints(strokes, photo)
    flat = np.ones((HEIGHT, WIDTH), np.float32)
    return solve_motion(hints.region, hints.pixels, hints.velocities, photo.color, flat), hints.region


def test_a_strokes_length_over_50_is_its_speed(photo):
    hints = read_hints([box(0, 0, 199, 119), line((20, 60), (60, 60))], photo)
    assert np.allclose(hints.velocities, (40 / 50, 0), atol=1e-5)
    assert hints.pixels[:, 0].min() == pytest.approx(20) and hints.pixels[:, 0].max() == pytest.approx(60)
    faster = read_hints([box(0, 0, 199, 119), line((20, 60), (40, 60), speed=1.5)], photo, speed=0.5)
    assert np.allclose(faster.velocities, (20 / 50 * 1.5 * 0.5, 0), atol=1e-5)


def test_the_whole_curve_counts_not_only_its_start(photo):
    angle = np.linspace(0, np.pi / 2, 40)
    arc = np.stack([100 + 40 * np.sin(angle), 60 - 40 * np.cos(angle)], 1)
    hints = read_hints([box(0, 0, 199, 119), Stroke("motion", arc.astype(np.float32))], photo)
    assert hints.velocities[0] @ (1, 0) > 0.95 * np.linalg.norm(hints.velocities[0])
    assert hints.velocities[-1] @ (0, 1) > 0.95 * np.linalg.norm(hints.velocities[-1])


def test_speed_has_a_limit(photo):
    hints = read_hints([box(0, 0, 199, 119), line((0, 60), (199, 60))], photo)
    assert np.linalg.norm(hints.velocities, axis=1).max() == pytest.approx(200 / 200)


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
    rim = motion[53:67, 87:89]  # before the rock the flow turns aside
    assert np.abs(rim[4:-4, 1, 0]).mean() < 0.15 * speed
    above, below = motion[45, 82:88].mean(0), motion[75, 82:88].mean(0)
    assert above[1] < 0 < below[1]
    for row in (20, 100):
        assert np.abs(motion[row, 30:170, 1]).mean() < 0.02 * speed


def test_parts_of_a_region_do_not_hear_each_other(photo):
    motion, _ = solved(photo, box(5, 10, 90, 110), box(110, 10, 195, 110), line((20, 60), (70, 60)), line((150, 90), (150, 40)))
    assert motion[60, 45] @ (1, 0) > 0.9 and abs(motion[60, 45, 1]) < 0.02
    assert motion[60, 150] @ (0, -1) > 0.9 and abs(motion[60, 150, 0]) < 0.02


def test_a_region_without_a_stroke_moves_along_its_texture():
    rows = np.arange(WIDTH, dtype=np.float32)
    color = np.repeat(np.repeat((0.5 + 0.4 * np.sin(rows))[None, :, None], HEIGHT, 0), 3, 2).astype(np.float32)
    told = []
    hints = read_hints([box(20, 20, 180, 100)], Photo(color, 200.0), 1.0, told.append)
    assert len(told) == 1 and "No motion stroke" in told[0]
    motion = solve_motion(hints.region, hints.pixels, hints.velocities, color, np.ones((HEIGHT, WIDTH), np.float32))
    assert motion[60, 100, 1] > 0.1 and abs(motion[60, 100, 0]) < 0.02  # down along vertical streaks


def test_the_region_grows_from_the_strokes_when_none_is_drawn():
    color = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    color[:, 60:140] = (0.3, 0.5, 0.9)
    color += np.random.default_rng(0).normal(0, 0.01, color.shape).astype(np.float32)
    hints = read_hints([line((100, 30), (100, 90))], Photo(color, 200.0))
    river = np.zeros((HEIGHT, WIDTH), bool)
    river[:, 60:140] = True
    assert hints.grown
    assert (hints.region & river).sum() / (hints.region | river).sum() > 0.9


@pytest.mark.parametrize(
    "strokes, text",
    [
        ([line((500, 500), (600, 600))], "No stroke lies on the photo"),
        ([line((50, 50))], "single dots"),
        ([line((np.nan, 1), (2, 2))], "No stroke lies on the photo"),
        ([box(20, 20, 60, 60), Stroke("still", box(0, 0, 199, 119).points, True)], "leave no region"),
    ],
)
def test_strokes_that_mean_nothing_get_one_clear_sentence(photo, strokes, text):
    with pytest.raises(CinemaError, match=text) as error:
        read_hints(strokes, photo)
    assert error.value.hint


def test_dots_and_far_strokes_beside_good_ones_are_left_out_with_a_word(photo):
    told = []
    hints = read_hints([box(10, 10, 190, 110), line((20, 60), (60, 60)), line((5, 5)), line((900, 0), (950, 0))], photo, 1.0, told.append)
    assert len(hints.pixels) and len(told) == 2


def test_no_strokes_no_motion(photo):
    hints = read_hints([], photo)
    assert not hints.region.any()
    assert not solve_motion(hints.region, hints.pixels, hints.velocities, photo.color, photo.color[..., 0]).any()


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    "field, analytic",
    [
        (lambda p: np.full_like(p, (0.7, -0.3)), lambda p, t: p + np.array((0.7, -0.3)) * t),
        (
            lambda p: 0.02 * np.stack([-(p[..., 1] - 100), p[..., 0] - 100], -1),
            lambda p, t: 100 + (p - 100) @ np.array([[np.cos(0.02 * t), np.sin(0.02 * t)], [-np.sin(0.02 * t), np.cos(0.02 * t)]]),
        ),
        (lambda p: 0.01 * np.stack([p[..., 1] - 100, 0 * p[..., 0]], -1), lambda p, t: p + 0.01 * t * np.stack([p[:, 1] - 100, 0 * p[:, 0]], 1)),
    ],
    ids=["constant", "rotating", "shearing"],
)
def test_paths_are_within_a_twentieth_of_a_pixel_of_the_analytic_ones(field, analytic, backward):
    grid = np.stack(np.meshgrid(np.arange(200) + 0.5, np.arange(200) + 0.5), -1)
    start = np.random.default_rng(1).uniform(70, 130, (200, 2)).astype(np.float32)
    paths = follow(field(grid).astype(np.float32), np.ones((200, 200), bool), start, 60, 12, backward)
    for key, place in enumerate(paths.places):
        time = 60 * key / 12 - (60 if backward else 0)
        assert np.abs(place - analytic(start, time)).max() < 0.05


def test_points_live_while_they_are_inside():
    region = np.zeros((50, 200), bool)
    region[:, 50:150] = True
    motion = np.full((50, 200, 2), (2.0, 0), np.float32)
    start = np.array([(100.5, 25.5), (60.5, 25.5)], np.float32)
    ahead = follow(motion, region, start, 30, 6)
    assert ahead.death[0] == pytest.approx((150 - 100.5) / 60, abs=1 / 30) and ahead.death[1] == 2
    assert ahead.edge[0, 0] == pytest.approx(149, abs=2)
    back = follow(motion, region, start, 30, 6, backward=True)
    assert back.birth[0] == pytest.approx(1 - (100.5 - 50) / 60, abs=1 / 30)
    assert back.birth[1] == pytest.approx(1 - 10.5 / 60, abs=1 / 30) and (back.death == 2).all()
    assert np.allclose(back.places[-1], start)


def test_look_up_is_exact_at_pixel_centres():
    values = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    places = np.stack(np.meshgrid(np.arange(30), np.arange(20)), -1).reshape(-1, 2) + 0.5
    for sharp in (False, True):
        assert np.abs(sample(values, places, sharp) - values.reshape(-1, 3)).max() < 1e-4
