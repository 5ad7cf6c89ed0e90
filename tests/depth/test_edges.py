"""Depth edges: ramps become steps on the photo's edges; steps, slopes and thin objects stay."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from cinema_core.depth.edges import clean_depth

SKY, STONE = (0.6, 0.75, 0.95), (0.3, 0.25, 0.2)
WIDTH, HEIGHT = 320, 180
NEAR, FAR = 0.7, 0.05


def hill(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W) bool: a round hill from the lower border, and a mast of about 1 % of the width beside it."""
    y, x = np.mgrid[:height, :width] / width
    return (np.hypot(x - 0.4, y - 0.6) < 0.36) | ((np.abs(x - 0.8) < 0.006) & (y > 0.1))


def paint(near: np.ndarray, seed: int = 0) -> np.ndarray:
    """(H, W, 3) float32: stone before sky, with grain and mixed pixels on the edge."""
    grain = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 0.1, (*near.shape, 1)), (0, 0), 1.0)[..., None]
    color = np.where(near[..., None], STONE, SKY) + grain * np.where(near[..., None], 2, 0.3)
    return np.clip(cv2.GaussianBlur(color, (0, 0), 0.5), 0, 1).astype(np.float32)


def cards(near: np.ndarray) -> np.ndarray:
    """(H, W) float32 disparity, NEAR in the mask and FAR elsewhere."""
    return np.where(near, NEAR, FAR).astype(np.float32)


def wrong(found: np.ndarray, true: np.ndarray) -> float:
    """Share of the pixels within 4 px of an edge with an error above a tenth of the jump."""
    beside = cv2.dilate(true, np.ones((9, 9))) - cv2.erode(true, np.ones((9, 9))) > 0
    return float((np.abs(found - true) > 0.1 * (NEAR - FAR))[beside].mean())


@pytest.mark.parametrize("ramp", [3, 4])
@pytest.mark.parametrize("fattened", [0, 1])
def test_a_soft_edge_becomes_a_step_where_the_photo_has_its_own(ramp, fattened):
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    near = np.hypot(x - 0.4, y - 0.6) < 0.36
    true = cards(near)
    soft = cv2.GaussianBlur(cv2.dilate(true, np.ones((2 * fattened + 1,) * 2)), (0, 0), ramp / 4)
    found = clean_depth(soft, paint(near))
    assert wrong(found, true) < 0.25 * wrong(soft, true)
    assert np.diff(np.unique(np.round(found[:, ::2], 2))).max() > 0.55  # no pixel floats between the two surfaces


@pytest.mark.parametrize("width", [320, 1280, 2560])
def test_edges_lie_in_the_same_places_at_any_size(width):
    """The ramps of a network's depth are as wide as the network's pixels on the photo."""
    near = hill(width, width * 9 // 16)
    network = cv2.resize(cards(hill(448, 252)), near.shape[::-1], interpolation=cv2.INTER_LINEAR)
    assert wrong(clean_depth(network, paint(near)), cards(near)) < 0.12
    step = np.abs(np.diff(clean_depth(network, paint(near)), axis=1)) > 0.5
    assert np.abs(step[::4].sum(1) - np.abs(np.diff(near[::4].astype(int), axis=1)).sum(1)).max() <= 2


def test_steps_that_are_exact_stay_to_the_pixel():
    """Also where the photo has grain, mixed colours on the edge, or no edge there."""
    true = cards(hill()) * (1 + np.linspace(0, 0.3, HEIGHT, dtype=np.float32)[:, None])
    for color in (paint(hill()), np.full((*true.shape, 3), 0.5, np.float32), paint(hill()[:, ::-1])):
        assert np.array_equal(clean_depth(true, color), true)


def test_exact_steps_beside_the_photos_edges_go_there():
    true = cards(hill())
    fat = cv2.dilate(true, np.ones((5, 5)))
    assert wrong(clean_depth(fat, paint(hill())), true) < 0.5 * wrong(fat, true)


@pytest.mark.parametrize("thick", [1, 2, 3])
def test_thin_things_are_neither_eaten_nor_fattened(thick):
    near = np.zeros((HEIGHT, WIDTH), bool)
    near[20:, 100 : 100 + thick] = True
    for start in range(120):
        near[20 + start, 150 + start : 150 + start + thick] = True
    found = clean_depth(cards(near), paint(near))
    assert np.array_equal(found, cards(near))


def test_a_thin_thing_in_the_photo_is_cut_out_of_a_coarse_edge():
    """Twigs in a blob of near depth, as a network estimates a tree: the sky between them becomes far."""
    near = np.zeros((HEIGHT, WIDTH), bool)
    near[100:] = True
    near[60:, 60:260:8] = near[60:, 61:260:8] = True
    blob = near.copy()
    blob[60:, 58:260] = True
    soft = cv2.GaussianBlur(cards(blob), (0, 0), 1.2)
    found = clean_depth(soft, paint(near), 2.0)
    tops = (slice(60, 63), slice(70, 250))
    assert (found[tops] > 0.5)[near[tops]].mean() > 0.8


def test_slopes_and_textures_stay():
    """A surface's texture is not copied into its depth."""
    slope = np.repeat(np.linspace(0.2, 1, HEIGHT, dtype=np.float32)[:, None], WIDTH, 1)
    assert np.array_equal(clean_depth(slope, paint(hill())), slope)
    bumpy = slope * (1 + 0.05 * np.sin(np.arange(WIDTH) / 15)).astype(np.float32)
    assert np.abs(clean_depth(bumpy, paint(hill())) - bumpy).max() < 1e-3


def test_no_rim_rings():
    true = cards(hill())
    found = clean_depth(cv2.GaussianBlur(true, (0, 0), 1.2), paint(hill()))
    assert found.max() <= NEAR + 0.01 and found.min() >= FAR - 0.01


def test_noise_goes_and_edges_stay():
    true = cards(hill())
    random = np.random.default_rng(1)
    noisy = (true * (1 + random.normal(0, 0.02, true.shape))).astype(np.float32)
    noisy[random.random(true.shape) < 0.002] = 1
    found = clean_depth(noisy, paint(hill()))
    flat = cv2.erode(true, np.ones((7, 7))) == cv2.dilate(true, np.ones((7, 7)))
    assert np.abs(found / true - 1)[flat].mean() < 0.5 * np.abs(noisy / true - 1)[flat].mean()
    assert (np.abs(found / true - 1) > 0.15)[flat].mean() < 2e-4  # spikes
    assert wrong(found, true) < 0.1


def test_strength_is_how_wide_a_ramp_is_an_edge_and_zero_changes_nothing():
    soft = cv2.GaussianBlur(cards(hill()), (0, 0), 1.5)
    assert clean_depth(soft, paint(hill()), 0) is soft or np.array_equal(clean_depth(soft, paint(hill()), 0), soft)
    wide = cv2.GaussianBlur(cards(hill()), (0, 0), 2.5)
    between = [((d > 0.2) & (d < 0.5)).mean() for d in (clean_depth(wide, paint(hill()), s) for s in (0.5, 4.0))]
    assert between[1] < 0.3 * between[0]


@pytest.mark.parametrize("shape", [(3, 5), (8, 200), (64, 64)])
def test_any_shape_and_constant_depth(shape):
    flat = np.full(shape, 0.5, np.float32)
    assert np.array_equal(clean_depth(flat, np.full((*shape, 3), 0.5, np.float32)), flat)


def test_the_same_each_time_and_quick():
    near = hill(1280, 720)
    soft, color = cv2.GaussianBlur(cards(near), (0, 0), 3), paint(near)
    start = time.process_time()
    first = clean_depth(soft, color)
    assert time.process_time() - start < 2
    assert np.array_equal(first, clean_depth(soft, color))


def test_below_the_horizon_the_sea_stays_a_slope():
    """The step from the sky and the slope below it are not one ramp; a rock's soft edge is one."""
    height, width, horizon = 360, 720, 133
    row, column = np.mgrid[:height, :width].astype(np.float32)
    sea = 0.018 + 0.002 * (row - horizon) + 0.002 * np.sin(column / 40)
    rock = np.hypot(row - 260, column - 500) < 60
    share = cv2.GaussianBlur(rock.astype(np.float32), (0, 0), 2.5)
    disparity = np.where(row < horizon, np.float32(0.01), sea + share * (0.95 - sea)).astype(np.float32)
    color = np.where((row < horizon)[..., None], np.float32((0.7, 0.6, 0.5)), np.float32((0.2, 0.4, 0.5)))
    color[rock] = (0.1, 0.08, 0.05)
    cleaned = clean_depth(disparity, color)
    assert np.abs(cleaned - np.where(rock, 0.95, sea))[240:280, 420:580].mean() < 0.03
    assert np.abs(cleaned - disparity)[horizon + 1 : 190].max() < 0.005


def test_spots_of_the_other_sides_colour_make_no_specks():
    """Pale lichen on a rock, close to its edge, makes no hole in it."""
    near = hill()
    spots = near & (cv2.erode(near.astype(np.uint8), np.ones((5, 5))) > 0)
    spots &= cv2.erode(near.astype(np.uint8), np.ones((9, 9))) == 0
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    spots &= (row // 2 % 5 == 0) & (column // 2 % 5 == 0)
    color = paint(near)
    color[spots] = SKY
    found = clean_depth(cv2.GaussianBlur(cards(near), (0, 0), 1.0), color)
    assert spots.sum() > 20 and (found[spots] > 0.5).mean() > 0.95


def test_an_edge_is_bridged_where_it_is_too_soft_for_one():
    near = np.repeat((np.arange(HEIGHT) >= 90)[:, None], WIDTH, 1)
    soft = cv2.GaussianBlur(cards(near), (0, 0), 1.2)
    soft[:, 150:158] = cv2.GaussianBlur(cards(near), (0, 0), 1.7)[:, 150:158]
    found = clean_depth(soft, paint(near))
    assert np.abs(np.diff(found, axis=0))[:, 150:158].max(0).min() > 0.5


def test_steps_against_the_sky_do_not_leave_the_edges_of_the_land_soft():
    """A network's sky ends in steps, while its other edges are soft."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    sky = row < 60 + 12 * (column // 8 % 2)
    rock = np.hypot(row - 130, column - 160) < 12
    land = cv2.GaussianBlur(cards(rock) + np.float32(0.1), (0, 0), 1.0)
    color = paint(rock)
    color[sky] = (0.9, 0.9, 0.9)
    found = clean_depth(np.where(sky, np.float32(0.01), land), color)
    assert wrong(np.where(sky, FAR, found - 0.1), cards(rock)) < 0.03
