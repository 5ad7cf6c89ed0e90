"""Fringes of compression in the sky beside depth discontinuities, and details that must not be taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from cinema_core.layers.defringe import remove_fringes
from cinema_core.layers.discontinuities import find_discontinuities

SKY, HILL = np.float32((0.75, 0.8, 0.9)), np.float32((0.2, 0.25, 0.2))


def scene(width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour of a hill before a slowly changing sky, its disparity, and each pixel's height above the hill, px."""
    height = width * 9 // 16
    row, column = np.mgrid[:height, :width]
    top = np.rint(height * (0.6 + 0.1 * np.sin(column / width * 6))).astype(int)
    above = top - row
    sky = SKY + 0.03 * (row / height - 0.5)[..., None].astype(np.float32)
    color = np.where((above > 0)[..., None], sky, HILL).astype(np.float32)
    return color, np.where(above > 0, 0.01, 0.7).astype(np.float32), above


def cleaned(color: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    color = color.copy()
    remove_fringes(color, disparity, find_discontinuities(disparity, np.ones(disparity.shape, bool)))
    return color


@pytest.mark.parametrize("width", [320, 1500])
def test_a_faint_fringe_is_removed(width):
    color, disparity, above = scene(width)
    fringe = (above > 0) & (above <= max(2, width // 200))
    ringing = color.copy()
    ringing[fringe] += np.float32(0.04) * np.random.default_rng(0).choice([-1, 1], fringe.sum())[:, None]
    result = cleaned(ringing, disparity)
    assert np.abs(result - color)[fringe].mean() < 0.005
    assert np.array_equal(result[~fringe & (above < 0)], color[~fringe & (above < 0)])
    assert np.abs(result - color).max() < 0.05


def test_twigs_and_clouds_stay():
    color, disparity, above = scene(640)
    twigs = (above > 0) & (above < 4) & (np.arange(640) % 40 == 5)
    with_twigs = color.copy()
    with_twigs[twigs] = (0.4, 0.4, 0.4)
    assert np.array_equal(cleaned(with_twigs, disparity)[twigs], with_twigs[twigs])
    clouds = color + np.random.default_rng(1).normal(0, 0.04, color.shape).astype(np.float32)
    assert np.abs(cleaned(clouds, disparity) - clouds).max() < 1e-6


def test_without_a_sky_or_a_discontinuity_nothing_changes():
    color, disparity, _ = scene(320)
    kept = color.copy()
    remove_fringes(kept, np.full_like(disparity, 0.01), np.zeros_like(disparity))
    assert np.array_equal(kept, color)
    assert np.array_equal(cleaned(color, disparity + 0.1), color)


def test_fog_that_grows_darker_towards_the_hill_shows_no_outline():
    """The corrected strip beside the hill joins the sky beyond it without a step."""
    color, disparity, above = scene(720)
    fog = np.clip(1 - above / 40, 0, 1)[..., None].astype(np.float32) * np.float32(0.1)
    color = np.where((above > 0)[..., None], color - fog, color)
    result = cleaned(color, disparity)
    down = np.diff(result - color, axis=0)
    assert np.abs(down)[(above > 1)[1:]].max() < 0.012


def test_a_faint_fringe_is_removed_where_clouds_change_slowly():
    color, disparity, above = scene(720)
    clouds = 0.1 * np.sin(np.arange(720) / 36).astype(np.float32)[None, :, None]
    color = np.where((above > 0)[..., None], color + clouds, color)
    fringe = (above > 0) & (above <= 3)
    ringing = color.copy()
    ringing[fringe] += np.float32(0.04) * np.random.default_rng(0).choice([-1, 1], fringe.sum())[:, None]
    assert np.abs(cleaned(ringing, disparity) - color)[fringe].mean() < 0.01
