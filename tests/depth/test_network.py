"""The depth network: its weights file, its input sizes, its depth and its sky."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from pictures import landscape
from safetensors.numpy import load_file

from cinema_core.depth import network
from cinema_core.depth.network import STRIDE, WEIGHTS, DepthNetwork, load_network, predict, sharpen_steps
from cinema_core.depth.sky import segment_sky


@pytest.fixture(scope="module")
def untrained() -> DepthNetwork:
    torch.manual_seed(0)
    return DepthNetwork().eval()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).random((height, width, 3), np.float32)


@pytest.mark.parametrize(
    ("height", "width"), [(720, 1280), (1280, 720), (33, 47), (1, 1), (100, 4000), (4000, 100), (8, 8)]
)
def test_any_size_and_shape(untrained, height, width):
    inverse, sky = predict(noise(height, width), untrained)
    for values in (inverse, sky):
        assert values.shape == (height, width) and values.dtype == np.float32 and np.isfinite(values).all()
    assert sky.min() >= 0 and sky.max() <= 1


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (1000, 1000), (5000, 500), (3, 2)])
def test_the_network_is_given_its_own_size(width, height):
    wide, high = network._input_size(width, height, network.LAYOUT_AREA)
    assert wide % STRIDE == 0 and high % STRIDE == 0 and min(wide, high) >= STRIDE
    assert max(wide, high) <= network.MAX_INPUT_SIDE
    if 0.5 <= width / height <= 2:
        assert 0.8 < wide * high / network.LAYOUT_AREA < 1.25


def test_the_mirrored_photo_gives_the_mirrored_depth(untrained):
    color = noise(96, 160)
    for here, there in zip(
        predict(color, untrained), predict(np.ascontiguousarray(color[:, ::-1]), untrained), strict=True
    ):
        assert np.abs(here - there[:, ::-1]).max() < 1e-4


def answer(near: float, far: float, width: float) -> np.ndarray:
    """(5, 9, 61) float32 output with a ramp of this width in px from one surface to the other, and their choice."""
    choice = np.repeat(np.linspace(-30, 30, 61)[None] * 4 / width, 9, 0)
    channels = far + (near - far) / (1 + np.exp(-choice)), 0 * choice, 0 * choice + near, 0 * choice + far, choice
    return np.stack(channels).astype(np.float32)


def test_a_ramp_between_two_surfaces_becomes_steeper_and_keeps_its_place_and_ends():
    ramp = answer(2.0, 0.0, 12)
    steep = sharpen_steps(ramp)[4]
    assert np.diff(steep).max() > 1.7 * np.diff(ramp[0, 4]).max() and np.diff(steep).min() >= 0
    assert steep[[0, 30, -1]] == pytest.approx([0, 1, 2], abs=0.01)


def test_a_slope_stays_a_slope():
    slope = answer(0.25, 0.0, 12)
    assert np.allclose(sharpen_steps(slope), slope[0], atol=1e-6)


def test_sharpened_depth_stays_within_its_surroundings():
    torn = answer(2.0, 0.0, 12)
    torn[0] = np.where(np.arange(61) >= 33, 2.0, 0.0)  # the depth's step lies beside that of the surfaces
    settled = sharpen_steps(torn)
    assert settled.min() >= 0 and settled.max() <= 2


def test_the_same_photo_gives_the_same_depth(untrained):
    color = noise(96, 160)
    for here, there in zip(predict(color, untrained), predict(color, untrained), strict=True):
        assert np.array_equal(here, there)


def test_the_weights_fit_the_package():
    assert WEIGHTS.stat().st_size <= 12e6
    assert all(values.dtype == np.float16 for values in load_file(WEIGHTS).values())


@pytest.mark.parametrize("size", [(640, 360), (360, 480)])
def test_sky_is_far_and_ground_comes_nearer(size):
    color = cv2.GaussianBlur(landscape(*size).astype(np.float32) / 255, (0, 0), 1)
    inverse, sky = predict(color, load_network(WEIGHTS))
    assert (sky[: int(0.2 * size[1])] > 0.5).mean() > 0.9
    assert (sky[int(0.6 * size[1]) :] > 0.5).mean() < 0.02
    ground = np.median(inverse[int(0.5 * size[1]) :: size[1] // 8], 1)
    assert np.all(np.diff(ground) > 0)


def hill_and_sky() -> tuple[np.ndarray, np.ndarray]:
    """(360, 640, 3) blue sky over a dark hill from row 160 on; (360, 640) probability of sky, boundary 4 px too low."""
    color = np.full((360, 640, 3), (0.4, 0.6, 0.9), np.float32)
    color[160:] = (0.2, 0.25, 0.1)
    chance = np.clip((164 - np.arange(360)[:, None]) / 16 + 0.5, 0.02, 0.98)
    return color, np.repeat(chance, 640, 1).astype(np.float32)


def test_the_skys_edge_lies_on_the_photos():
    color, chance = hill_and_sky()
    assert (np.abs((chance > 0.5).sum(0) - 160) > 3).all()
    assert (np.abs(segment_sky(chance, color).sum(0) - 160) <= 1).all()


@pytest.mark.parametrize(
    ("place", "doubt", "is_sky"),
    [
        (np.s_[20:60, 160:280], 0.3, True),  # a bright cloud
        (np.s_[:40, :120], 0.3, True),  # at the border
        (np.s_[20:60, 160:280], 0.02, False),  # surely a balloon
        (np.s_[280:320, 160:280], 0.7, False),  # a bank of fog
    ],
)
def test_unsure_components_join_their_surroundings(place, doubt, is_sky):
    color, chance = hill_and_sky()
    chance[place], color[place] = doubt, (0.9, 0.9, 0.9)
    assert segment_sky(chance, color)[place].mean() == pytest.approx(float(is_sky), abs=0.05)


@pytest.mark.parametrize(
    ("place", "told", "like", "is_sky"),
    [
        (np.s_[120:160, 300:302], 0.85, (0.2, 0.25, 0.1), False),  # a pole that the network blurs into the sky
        (np.s_[164:180, 300:340], 0.35, (0.4, 0.6, 0.9), True),  # the sky through an arch
        (np.s_[164:170, 300:306], 0.35, (0.4, 0.6, 0.9), False),  # a fleck of foam as bright as the sky
        (np.s_[20:60, 160:280], 0.02, (0.41, 0.59, 0.9), True),  # a false object in the middle of the sky
    ],
)
def test_colours_around_correct_the_network(place, told, like, is_sky):
    color, chance = hill_and_sky()
    chance[place], color[place] = told, like
    assert segment_sky(chance, color)[place].mean() == pytest.approx(float(is_sky), abs=0.05)


@pytest.mark.parametrize("chance", [0.01, 0.5, 0.99])
def test_all_sky_and_none(chance):
    sky = segment_sky(np.full((20, 30), chance, np.float32), np.zeros((20, 30, 3), np.float32))
    assert sky.all() if chance > 0.9 else not sky.any()
