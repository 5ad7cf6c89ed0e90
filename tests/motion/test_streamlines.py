"""Streamlines: lines that follow the field, evenly spaced, and not too many to draw."""

from __future__ import annotations

import numpy as np
import pytest

from cinema_core.motion.streamlines import (
    FAST_FRAMES,
    MAX_LINES,
    SLOW_FRAMES,
    join_streamlines,
    trace_streamlines,
    trace_swings,
)

HEIGHT, WIDTH = 200, 320


def field(across: float, down: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 2), (across, down), np.float32)


def everywhere() -> np.ndarray:
    return np.ones((HEIGHT, WIDTH), bool)


def each(lines) -> list[np.ndarray]:
    return np.split(lines.lines, lines.offsets[1:-1])


def test_lines_are_as_long_as_the_water_travels():
    lines = trace_streamlines(field(0.3, 0.1), everywhere())
    speed = np.hypot(0.3, 0.1)
    np.testing.assert_allclose(lines.speed, speed, rtol=1e-3)
    frames = [np.linalg.norm(line[-1] - line[0]) / speed for line in each(lines)]
    assert max(frames) == pytest.approx(max(FAST_FRAMES, min(SLOW_FRAMES, WIDTH / 40 / speed)), rel=0.01)
    directions = np.array([line[-1] - line[0] for line in each(lines)])
    np.testing.assert_allclose(directions[:, 1] / directions[:, 0], 1 / 3, rtol=1e-2)


def test_lines_follow_a_vortex():
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + 0.5
    motion = np.stack([-(y - 100), x - 160], -1) * 0.02
    region = np.hypot(x - 160, y - 100) < 90
    for line in each(trace_streamlines(motion, region)):
        radius = np.hypot(*(line - (160, 100)).T)
        assert np.ptp(radius) < 0.05 + 0.01 * radius.mean()


def test_lines_stay_in_the_region():
    region = everywhere()
    region[60:120, 100:200] = False
    lines = trace_streamlines(field(2, 1), region)
    column, row = lines.lines.astype(int).T
    assert region[row, column].all() and len(lines.speed) > 50


def test_lines_keep_apart_and_leave_no_gap():
    region = everywhere()
    places = trace_streamlines(field(1.5, 0), region)
    middles = np.array([line[len(line) // 2] for line in each(places)])
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=-1) + 1e9 * np.eye(len(middles))
    assert apart.min() > 2
    column, row = np.meshgrid(np.arange(20, WIDTH - 20, 8), np.arange(5, HEIGHT - 5, 8))
    nearest = np.linalg.norm(np.stack([column.ravel(), row.ravel()], 1)[:, None] - places.lines[None], axis=-1).min(1)
    assert nearest.max() < 16


def test_the_number_of_lines_is_limited():
    big = trace_streamlines(np.full((900, 1600, 2), 0.5, np.float32), np.ones((900, 1600), bool))
    assert 500 < len(big.speed) <= MAX_LINES


def test_no_lines_where_nothing_moves():
    for motion, region in ((field(0, 0), everywhere()), (field(1, 0), ~everywhere())):
        lines = trace_streamlines(motion, region)
        assert lines.lines.shape == (0, 2) and lines.offsets.tolist() == [0] and lines.speed.shape == (0,)


def test_a_region_of_three_pixels():
    region = ~everywhere()
    region[100, 100:103] = True
    lines = trace_streamlines(field(0.1, 0), region)
    assert len(lines.offsets) == len(lines.speed) + 1


def test_the_same_lines_each_time():
    first, second = (trace_streamlines(field(1, 2), everywhere()) for _ in range(2))
    for name in ("lines", "offsets", "speed"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_swings_are_drawn_from_end_to_end_and_joined():
    swings = trace_swings(field(3, 0), everywhere(), 60)
    assert {len(line) for line in each(swings)} == {2}
    np.testing.assert_allclose(
        [line[1] - line[0] for line in each(swings)], np.tile((6, 0), (len(swings.speed), 1)), atol=1e-4
    )
    np.testing.assert_allclose(swings.speed, 12 / 60, rtol=1e-5)
    flowing = trace_streamlines(field(1, 0), everywhere())
    both = join_streamlines(flowing, swings)
    assert len(both.speed) == len(flowing.speed) + len(swings.speed) and both.offsets[-1] == len(both.lines)
    np.testing.assert_array_equal(each(both)[len(flowing.speed)], each(swings)[0])
