"""The loop's benchmark measures the thing that it names: arrays and scenes whose figures are known."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from loop_clips import alpha_blend, build_given
from loop_measures import autocorrelation, beat, different_frames, look, octave_powers, psnr
from loop_scenes import RIVER_SPEED, SCENES, true_picture

EVERYWHERE = np.ones((120, 160), bool)


@pytest.fixture
def noise() -> np.ndarray:
    """(120, 160, 3) float32 grey noise with features of a few px."""
    fine = cv2.GaussianBlur(np.random.default_rng(0).random((120, 160), np.float32), (0, 0), 1.5)
    return np.repeat(((fine - fine.mean()) * 2 + 0.5)[..., None], 3, 2)


def test_repeated_frames_count_once():
    cycle = np.random.default_rng(0).random((10, 50, 3), np.float32)
    assert different_frames(np.concatenate([cycle] * 6)) == 10
    assert different_frames(np.random.default_rng(0).random((60, 50, 3), np.float32)) == 60
    assert different_frames(np.repeat(cycle[:1], 60, 0)) == 1


def test_slow_change_differs_and_repeats_between_frames_do_not():
    pixels = np.arange(400.0)

    def frames(period: float) -> np.ndarray:
        way = 40 * (np.arange(60) % period) / period  # px
        return np.repeat(np.sin((pixels[None] - way[:, None]) / 20)[..., None] * 0.01, 3, 2)

    assert different_frames(frames(60)) == 60
    assert different_frames(frames(60 / 7)) == 9


def test_a_beat_is_found_at_its_period():
    cycle = np.random.default_rng(0).random((10, 50))
    assert beat(np.concatenate([cycle] * 6)) == (pytest.approx(1.0), 10)
    strength, _ = beat(np.random.default_rng(0).random((60, 2000)))
    assert strength < 0.1


def test_the_photo_looks_like_itself(noise):
    assert all(value == pytest.approx(1) for value in look(noise, noise, EVERYWHERE).values())


def test_a_double_exposure_loses_contrast_and_extremes(noise):
    mixed = (noise + np.roll(noise, (40, 40), (0, 1))) / 2
    found = look(mixed, noise, EVERYWHERE)
    assert found["contrast"] == pytest.approx(0.71, abs=0.08)
    assert found["dark"] < 0.5 and found["bright"] < 0.5
    assert found["octave 3"] == pytest.approx(0.5, abs=0.15)


def test_a_wave_has_its_power_in_its_octave():
    wave = np.repeat(np.sin(2 * np.pi * np.arange(160) / 6)[None], 120, 0).astype(np.float32)
    powers = octave_powers(wave, EVERYWHERE)
    assert powers[1] > 0.95 * powers.sum()
    assert powers[1] == pytest.approx(0.5, rel=0.1)  # the mean square of a sine


def test_a_periodic_pixel_correlates_at_its_period():
    wave = np.sin(2 * np.pi * np.arange(48) / 12)[:, None] * np.ones((1, 5))
    curve = autocorrelation([wave], 12)
    assert curve[11] == pytest.approx(1, abs=0.01) and curve[5] == pytest.approx(-1, abs=0.01)


def test_true_pictures_show_texture_that_flowed_on():
    river = SCENES[0]
    before, after = true_picture(river, 0), true_picture(river, 8)
    assert psnr(after[:130], before[:130], np.ones((130, 1280), bool)) == 99  # the bank is still
    # far from the rocks the water has the speed of the free stream
    moved, far = round(8 * RIVER_SPEED), np.s_[660:720, 1100:1260]
    came = before[far[0], 1100 - moved : 1260 - moved]
    here = np.ones((60, 160), bool)
    assert psnr(after[far], came, here) > psnr(before[far], came, here) + 8
    assert psnr(after[far], came, here) > 26


def test_the_alpha_blend_mixes_both_directions(noise):
    flow = np.zeros((120, 160, 2), np.float32)
    flow[..., 0] = 0.5
    loop = alpha_blend(noise, flow, 20)
    assert np.allclose(loop[0], noise)
    halfway = (np.roll(noise, 5, 1) + np.roll(noise, -5, 1)) / 2
    assert np.allclose(loop[10][:, 20:-20], halfway[:, 20:-20], atol=1e-3)


def test_a_window_shows_what_the_whole_picture_shows(noise, tmp_path):
    flow, region = np.zeros((120, 160, 2), np.float32), np.zeros((120, 160), bool)
    region[20:100, 20:140] = True
    flow[region] = 0.2, 0.1
    loop = build_given(tmp_path, noise, flow, region, np.linspace(0.6, 1, 120))
    window = slice(40, 88), slice(60, 108)
    part = loop.window_frames(window)
    assert part.shape == (60, 48, 48, 3)
    assert np.abs(part[25] - loop.frame(25 / 60)[window]).max() < 1e-4
    assert not loop.double(0, 0.1, (0.2, 0.8)).any()
    shares = [loop.double(phase, 0.1, (0.2, 0.8)).sum() / region.sum() for phase in (1 / 11, 3 / 11, 5 / 11)]
    assert 0.01 < max(shares) < 0.2
