"""Trajectories, against analytic flows."""

from __future__ import annotations

import numpy as np
import pytest

from cinema_core.image.grid import sample
from cinema_core.motion.trajectories import advect


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    "field, analytic",
    [
        (lambda p: np.full_like(p, (0.7, -0.3)), lambda p, t: p + np.array((0.7, -0.3)) * t),
        (
            lambda p: 0.02 * np.stack([-(p[..., 1] - 100), p[..., 0] - 100], -1),
            lambda p, t: (
                100
                + (p - 100) @ np.array([[np.cos(0.02 * t), np.sin(0.02 * t)], [-np.sin(0.02 * t), np.cos(0.02 * t)]])
            ),
        ),
        (
            lambda p: 0.01 * np.stack([p[..., 1] - 100, 0 * p[..., 0]], -1),
            lambda p, t: p + 0.01 * t * np.stack([p[:, 1] - 100, 0 * p[:, 0]], 1),
        ),
    ],
    ids=["constant", "rotating", "shearing"],
)
def test_paths_are_within_a_twentieth_of_a_pixel_of_the_analytic_ones(field, analytic, backward):
    grid = np.stack(np.meshgrid(np.arange(200) + 0.5, np.arange(200) + 0.5), -1)
    start = np.random.default_rng(1).uniform(70, 130, (200, 2)).astype(np.float32)
    paths = advect(field(grid).astype(np.float32), np.ones((200, 200), bool), start, 60, 12, backward)
    for key, place in enumerate(paths.places):
        time = 60 * key / 12 - (60 if backward else 0)
        assert np.abs(place - analytic(start, time)).max() < 0.05


def test_points_live_while_they_are_inside():
    region = np.zeros((50, 200), bool)
    region[:, 50:150] = True
    motion = np.full((50, 200, 2), (2.0, 0), np.float32)
    start = np.array([(100.5, 25.5), (60.5, 25.5)], np.float32)
    ahead = advect(motion, region, start, 30, 6)
    assert ahead.death[0] == pytest.approx((150 - 100.5) / 60, abs=1 / 30) and ahead.death[1] == 2
    assert ahead.edge[0, 0] == pytest.approx(149, abs=2)
    back = advect(motion, region, start, 30, 6, backward=True)
    assert back.birth[0] == pytest.approx(1 - (100.5 - 50) / 60, abs=1 / 30)
    assert back.birth[1] == pytest.approx(1 - 10.5 / 60, abs=1 / 30) and (back.death == 2).all()
    assert np.allclose(back.places[-1], start)


def test_look_up_is_exact_at_pixel_centres():
    values = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    places = np.stack(np.meshgrid(np.arange(30), np.arange(20)), -1).reshape(-1, 2) + 0.5
    for sharp in (False, True):
        assert np.abs(sample(values, places, sharp) - values.reshape(-1, 3)).max() < 1e-4
