"""Depth by objects: towers stand, branches stay whole, and what is apart stays apart. Photos are drawn here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cinema_core.regions.coherent_depth import make_coherent
from cinema_core.regions.horizon import find_horizon_row
from cinema_core.regions.painting import above_sky
from cinema_core.regions.porous import find_porous
from cinema_core.shared.data import FARTHEST
from cinema_core.view.distortion import measure_distortion

SKY = np.float32(1 / FARTHEST)
HEIGHT, WIDTH = 360, 720
FOCAL = 720.0
UNIT = 0.09 * FOCAL  # px of parallax per disparity at the end of the path "side"
HORIZON = 140


def landscape(scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Disparity and colours of a plain under a sky, with some texture; `scale` enlarges both."""
    height, width = scale * HEIGHT, scale * WIDTH
    rows = (np.arange(height) + 0.5) / scale
    ground = np.maximum((rows - HORIZON) / (HEIGHT - HORIZON), 0.02)
    disparity = np.where(rows < HORIZON, SKY, ground).astype(np.float32)[:, None].repeat(width, 1)
    color = np.empty((height, width, 3), np.float32)
    color[:], color[disparity > SKY] = (0.6, 0.75, 0.95), (0.45, 0.5, 0.25)
    noise = cv2.resize(np.random.default_rng(0).normal(0, 0.02, (HEIGHT, WIDTH, 1)), (width, height))
    return disparity, np.clip(color + noise[..., None], 0, 1).astype(np.float32)


def add_tower(
    disparity: np.ndarray, color: np.ndarray, left: int, foot: float, top: float, shade: float = 0.2
) -> np.ndarray:
    """Draw a tower from row 60 to 260 whose estimate changes from foot to top; returns its pixels."""
    tower = np.zeros(disparity.shape, bool)
    tower[60:260, left : left + 60] = True
    ramp = np.linspace(top, foot, 200, dtype=np.float32)[:, None].repeat(60, 1)
    disparity[tower], color[tower] = ramp.ravel(), (shade, shade, shade + 0.05)
    return tower


def inside(mask: np.ndarray, by: int = 4) -> np.ndarray:
    return cv2.erode(mask.astype(np.uint8), np.ones((2 * by + 1,) * 2)) > 0


def test_a_tower_stands_although_its_estimate_leans():
    disparity, color = landscape()
    tower = inside(add_tower(disparity, color, 300, 0.45, 0.23))
    made = make_coherent(disparity, color, FOCAL)
    assert np.ptp(disparity[tower]) * UNIT > 12
    assert np.ptp(made[tower]) * UNIT < 2.5
    assert 0.23 < np.median(made[tower]) < 0.45


def test_the_ground_and_the_sky_stay_as_they_are():
    disparity, color = landscape()
    made = make_coherent(disparity, color, FOCAL)
    assert np.array_equal(made[disparity == SKY], disparity[disparity == SKY])
    ground = disparity > 0.1
    assert np.abs(made - disparity)[ground].max() * UNIT < 1


@pytest.mark.parametrize("shade", [0.2, 0.7])
def test_towers_at_different_depths_stay_apart(shade):
    disparity, color = landscape()
    near = inside(add_tower(disparity, color, 200, 0.6, 0.6))
    far = inside(add_tower(disparity, color, 264, 0.25, 0.25, shade))
    made = make_coherent(disparity, color, FOCAL)
    assert np.median(made[near]) == pytest.approx(0.6, abs=0.05)
    assert np.median(made[far]) == pytest.approx(0.25, abs=0.05)


def twigs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Disparity, colours and pixels of a branch before the sky whose estimate is different in every leaf."""
    disparity, color = landscape()
    random = np.random.default_rng(1)
    leaves = np.zeros(disparity.shape, np.uint8)
    cv2.line(leaves, (0, 20), (300, 60), 1, 5)
    for x, y in random.integers((5, 8), (300, 105), (420, 2)).tolist():
        leaf = np.zeros_like(leaves)
        cv2.circle(leaf, (x, y), 4, 1, -1)
        leaves |= leaf
        disparity[leaf > 0] = random.choice((0.55, 0.75, 1.0))
    branch = leaves > 0
    disparity[branch & (disparity == SKY)] = 0.8
    color[branch] = (0.1, 0.2, 0.05)
    return disparity, color, branch


def test_a_branch_before_the_sky_is_one_thing():
    disparity, color, branch = twigs()
    made = make_coherent(disparity, color, FOCAL)
    assert np.ptp(disparity[branch]) > 0.4
    leaves = made[inside(branch, 1)]
    assert np.percentile(np.abs(leaves - np.median(leaves)), 95) * UNIT < 2
    before, after = (measure_distortion(d, color, FOCAL) for d in (disparity, made))
    assert before.shreds > 40 and after.shreds < 8


def test_gaps_of_foliage_are_part_of_it_and_the_open_sky_is_not():
    disparity, color, branch = twigs()
    lab = cv2.cvtColor(color, cv2.COLOR_RGB2Lab)
    porous = find_porous(lab, disparity == SKY) > 0
    assert porous[branch].mean() > 0.9
    assert not porous[:100, 350:].any() and not porous[HORIZON + 5 :].any()


def test_a_small_step_where_the_photo_has_no_edge_is_closed():
    disparity, color = landscape()
    disparity[HORIZON + 60 :, 360:] += np.float32(2.5 / UNIT)
    made = make_coherent(disparity, color, FOCAL)
    step = np.abs(np.diff(made[HORIZON + 80 : HORIZON + 180, 340:380], axis=1))
    assert step.max() * UNIT < 1.5


@pytest.mark.parametrize("scale", [2, 3])
def test_a_larger_photo_gets_the_same_depth(scale):
    small, large = (landscape(factor) for factor in (1, scale))
    for disparity, color in (small, large):
        factor = disparity.shape[0] // HEIGHT
        tower = slice(60 * factor, 260 * factor), slice(300 * factor, 360 * factor)
        disparity[tower] = np.linspace(0.23, 0.45, 200 * factor, dtype=np.float32)[:, None]
        color[tower] = 0.2
    made = make_coherent(*small, FOCAL), make_coherent(*large, scale * FOCAL)
    apart = np.abs(made[0] - made[1][scale // 2 :: scale, scale // 2 :: scale])
    assert np.median(apart) * UNIT < 0.3 and np.percentile(apart, 97) * UNIT < 2


@pytest.mark.parametrize("shape", [(8, 8), (16, 300), (300, 16), (97, 61)])
def test_any_shape_and_any_content(shape):
    color = np.random.default_rng(2).random((*shape, 3), np.float32)
    noise = np.random.default_rng(3).uniform(SKY, 1, shape).astype(np.float32)
    for disparity in (np.full(shape, SKY, np.float32), np.ones(shape, np.float32), noise):
        for picture in (color, np.zeros_like(color), np.ones_like(color)):
            made = make_coherent(disparity, picture, float(max(shape)))
            assert made.shape == shape and made.dtype == np.float32
            assert np.isfinite(made).all() and made.min() >= SKY and made.max() < 1.2


def test_the_same_photo_gets_the_same_depth_to_the_bit():
    disparity, color, _ = twigs()
    again = make_coherent(disparity.copy(), color.copy(), FOCAL)
    assert np.array_equal(make_coherent(disparity, color, FOCAL), again)


def test_land_is_never_as_far_as_the_sky_and_keeps_its_order():
    disparity = np.linspace(-0.01, 1, 2000, dtype=np.float32)
    land = above_sky(disparity)
    assert land.min() > 1.5 / FARTHEST and (np.diff(land[disparity[:] > 0.001]) > 0).all()
    assert np.abs(land - disparity)[disparity > 0.1].max() < 0.002


def test_the_horizon_is_where_the_ground_vanishes():
    disparity, _ = landscape()
    sky = disparity == SKY
    assert find_horizon_row(np.where(sky, 0, disparity), sky) == pytest.approx(HORIZON, abs=3)
    hidden = disparity.copy()
    hidden[: HORIZON + 60] = 0.3  # a wall hides it
    assert find_horizon_row(hidden, np.zeros_like(sky)) == pytest.approx(HORIZON, abs=8)
