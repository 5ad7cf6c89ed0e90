"""The distortion of a camera move: true planes have none; bent lines, tears and shreds are found by their size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cinema_core.view.distortion import AMPLITUDES, measure_distortion

FOCAL = 720.0
UNIT = 0.09 * FOCAL  # px of parallax per disparity


@pytest.fixture
def color() -> np.ndarray:
    """A wall of bricks: straight lines and texture everywhere."""
    picture = np.full((360, 720, 3), 0.55, np.float32)
    for row in range(20, 360, 40):
        cv2.line(picture, (0, row), (719, row), (0.2, 0.2, 0.2), 2)
    for column in range(30, 720, 60):
        cv2.line(picture, (column, 0), (column, 359), (0.25, 0.2, 0.2), 2)
    noise = np.random.default_rng(0).normal(0, 0.03, picture.shape[:2])
    return np.clip(picture + noise[..., None], 0, 1).astype(np.float32)


def grid() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:360, :720].astype(np.float32)
    return rows, columns


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.0025, 0.0), (0.001, 0.0008)])
def test_a_plane_has_none(color, slope):
    rows, columns = grid()
    found = measure_distortion(0.05 + slope[0] * rows + slope[1] * columns, color, FOCAL)
    assert (found.bent, found.cuts, found.torn, found.shreds, found.rubber) == (0, 0, 0, 0, 0)
    assert found.amplitude == 1


def wave() -> np.ndarray:
    """A surface that waves across the photo."""
    _, columns = grid()
    return (0.4 + 0.06 * np.sin(columns / 9)).astype(np.float32)


def test_a_wave_bends_lines(color):
    found = measure_distortion(wave(), color, FOCAL)
    assert 0.2 < found.bent < 0.8 and found.rubber > 0.5 and found.shreds == 0  # upright lines stay straight
    assert found.amplitude < 0.5


def test_a_tear_is_measured_by_its_length_and_an_occlusion_is_not_one(color):
    disparity = np.full((360, 720), 0.2, np.float32)
    disparity[:, 200:] = 0.4
    torn = measure_distortion(disparity, color, FOCAL)
    assert torn.cuts == pytest.approx(0.5, abs=0.01) and torn.torn > 0.35
    color[:, 200:] = color[:, 200:] * 0.3
    shown = measure_distortion(disparity, color, FOCAL)
    assert shown.cuts == pytest.approx(0.5, abs=0.01) and shown.torn < 0.05


def test_small_pieces_are_counted(color):
    disparity = np.full((360, 720), 0.2, np.float32)
    for number in range(24):
        disparity[40 + 10 * number : 45 + 10 * number, 300:308] = 0.5
    found = measure_distortion(disparity, color, FOCAL)
    assert found.shreds == 24 and found.amplitude in AMPLITUDES[1:]


def test_a_smaller_camera_move_is_accepted_where_it_shows_nothing(color):
    disparity = np.full((360, 720), 0.2, np.float32)
    for number in range(24):
        disparity[40 + 10 * number : 45 + 10 * number, 300:308] += np.float32(2.4 / UNIT)
    found = measure_distortion(disparity, color, FOCAL)
    assert found.amplitude == 0.5  # 1.2 px at half the path


def test_the_figures_do_not_depend_on_the_photos_size(color):
    size = (2160, 1080)
    large = measure_distortion(
        cv2.resize(wave(), size), cv2.resize(color, size, interpolation=cv2.INTER_CUBIC), 3 * FOCAL
    )
    assert large.bent == pytest.approx(measure_distortion(wave(), color, FOCAL).bent, abs=0.1)


def test_vertical_lines_lean_on_a_slope_and_stand_on_a_card(color):
    rows, columns = grid()
    slope = measure_distortion(0.1 + 0.0025 * rows, color, FOCAL)  # 0.16 px a row: 9 degrees
    card = measure_distortion(0.3 + 0.0006 * columns, color, FOCAL)
    assert slope.lean > 0.9 and slope.bent == 0
    assert card.lean == 0
