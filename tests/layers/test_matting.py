"""Mixed pixels along depth discontinuities: both colours and the share, and how the picture shows them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from empty_points import NONE
from scipy.stats import ncx2

from cinema_core.layers import matting
from cinema_core.layers.discontinuities import find_discontinuities
from cinema_core.layers.matting import INWARD_SHIFT, MIXED_ALPHA, MixedPixels, unmix
from cinema_core.layers.split import Layers, split_layers
from cinema_core.points.footprint import POINT_DIAMETER, covered_share, footprint_radius
from cinema_core.points.moving_surface import find_flowing_surface
from cinema_core.points.still import still_points
from cinema_core.shared.camera import FILTER_SIGMA, SIDE, Camera
from cinema_core.view.splatting import Splatter

WIDTH, HEIGHT = 320, 180
SKY, BARK = np.float32((0.7, 0.8, 0.95)), np.float32((0.15, 0.1, 0.08))
NEAR, FAR = 0.8, 0.05


def linear(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def srgb(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.0031308, color * 12.92, 1.055 * np.maximum(color, 1e-8) ** (1 / 2.4) - 0.055)


def tree() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour, disparity and coverage of a trunk, a slanting branch and a twig before the sky, mixed as by a camera."""
    large = np.zeros((HEIGHT * 8, WIDTH * 8), np.uint8)
    cv2.line(large, (800, 0), (760, HEIGHT * 8), 1, 160)
    cv2.line(large, (800, 900), (2300, 300), 1, 30)
    cv2.line(large, (1500, 100), (1900, 1400), 1, 13)  # 1.6 px
    alpha = cv2.resize(large.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    color = srgb(alpha[..., None] * linear(BARK) + (1 - alpha[..., None]) * linear(SKY)).astype(np.float32)
    return color, np.where(alpha > 0.5, NEAR, FAR).astype(np.float32), alpha


@pytest.fixture(scope="module")
def mixed_pixels() -> MixedPixels:
    color, disparity, _ = tree()
    return unmix(color, disparity, find_discontinuities(disparity, np.ones(disparity.shape, bool)))


@pytest.fixture(scope="module")
def layers() -> Layers:
    color, disparity, _ = tree()
    return split_layers(color, 1 / disparity, Camera(WIDTH, HEIGHT, float(WIDTH)))


def splatter(layers: Layers) -> Splatter:
    """Draws the layers' still points."""
    still, _ = still_points(layers, find_flowing_surface(np.zeros((HEIGHT, WIDTH), bool), layers))
    arrays = {f"still_{name}": getattr(still, name) for name in ("position", "color", "radius_factor")}
    return Splatter(arrays | NONE, layers.camera, 1.4)


def test_the_shares_and_both_colours_are_found(mixed_pixels):
    _, _, alpha = tree()
    true = alpha.ravel()[mixed_pixels.index]
    mixed = ((alpha > 0.15) & (alpha < 0.85)).sum()
    assert len(mixed_pixels) > 0.6 * mixed and np.all(np.diff(mixed_pixels.index) > 0)
    assert np.abs(mixed_pixels.alpha - true).mean() < 0.06
    assert np.abs(mixed_pixels.far_color - SKY).max(1).mean() < 0.03
    clear = mixed_pixels.alpha > 0.4
    assert np.abs(mixed_pixels.color - BARK).max(1)[clear].mean() < 0.05


def test_mixed_again_the_colours_are_the_photo(mixed_pixels):
    color, _, _ = tree()
    share = mixed_pixels.alpha[:, None]
    again = srgb(share * linear(mixed_pixels.color) + (1 - share) * linear(mixed_pixels.far_color))
    assert np.abs(again - color.reshape(-1, 3)[mixed_pixels.index]).max() < 0.01


def test_the_owner_is_foreground_and_close(mixed_pixels):
    _, disparity, _ = tree()
    assert (disparity.ravel()[mixed_pixels.owner] == np.float32(NEAR)).all()
    assert np.hypot(*(np.array(np.divmod(mixed_pixels.owner, WIDTH)) - np.divmod(mixed_pixels.index, WIDTH))).max() <= 5
    assert (mixed_pixels.owner[mixed_pixels.front] == mixed_pixels.index[mixed_pixels.front]).all()


def test_in_a_large_picture_one_pixel_of_each_cell_is_sampled_for_its_neighbours(monkeypatch):
    large = np.zeros((800, 16000), np.uint8)
    branches = [((300, 0), (900, 800), 200), ((2000, 900), (9000, -100), 60), ((9000, 0), (10000, 800), 24)]
    branches += [((12802, 0), (12822, 800), 36), ((13402, 0), (13404, 800), 40), ((14002, 0), (14700, 800), 36)]
    for begin, end, wide in branches:
        cv2.line(large, begin, end, 1, wide)  # 50 to 6 px wide; the thinner ones have no clear pixel
    alpha = cv2.resize(large.astype(np.float32), (4000, 200), interpolation=cv2.INTER_AREA)
    color = srgb(alpha[..., None] * linear(BARK) + (1 - alpha[..., None]) * linear(SKY)).astype(np.float32)
    disparity = np.where(alpha > 0.5, NEAR, FAR).astype(np.float32)
    near = find_discontinuities(disparity, np.ones(disparity.shape, bool))
    sampled, sides = [], matting._sides
    monkeypatch.setattr(
        matting, "_sides", lambda around, place, *rest: sampled.append(len(place)) or sides(around, place, *rest)
    )
    found = unmix(color, disparity, near)
    mixed = ((alpha > 0.15) & (alpha < 0.85)).sum()
    assert len(found) > 0.6 * mixed
    assert sum(sampled) < 7 * (near > 0).sum()  # 5 px to either side may be mixed
    assert np.abs(found.alpha - alpha.ravel()[found.index]).mean() < 0.06
    assert np.abs(found.far_color - SKY).max(1).mean() < 0.03
    assert (disparity.ravel()[found.owner] == np.float32(NEAR)).all()
    found.remove_foreground(color)
    left = np.abs(color - SKY).max(-1)[(disparity == FAR) & (alpha > 0.15)]
    # else a dotted line would show beside each branch when the camera moves
    assert len(left) > 1000 and (left > 0.1).mean() < 0.005


def test_texture_on_its_own_side_is_not_mixed():
    """Neither noise on both sides of a sharp edge, nor a foreground and background of similar colours."""
    random = np.random.default_rng(0)
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    disparity[:, 100:200] = NEAR
    near = find_discontinuities(disparity, np.ones(disparity.shape, bool))
    color = np.where(disparity[..., None] == NEAR, BARK, SKY) + random.normal(0, 0.03, (HEIGHT, WIDTH, 3))
    assert len(unmix(np.clip(color, 0, 1).astype(np.float32), disparity, near)) < 0.1 * (near > 0).sum()
    similar = np.clip(0.5 + random.normal(0, 0.1, (HEIGHT, WIDTH, 3)), 0, 1).astype(np.float32)
    assert len(unmix(similar, disparity, near)) < 0.1 * (near > 0).sum()


def test_through_gaps_too_small_for_a_clear_pixel_the_background_is_sampled_farther_around():
    """A lattice with gaps four px wide: no pixel of the background inside them is clear."""
    large = np.zeros((HEIGHT * 8, WIDTH * 8), np.uint8)
    large[400:690, 800:1800] = 1
    for row in range(434, 650, 64):
        for column in range(834, 1760, 64):
            large[row : row + 28, column : column + 28] = 0
    alpha = cv2.resize(large.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    color = srgb(alpha[..., None] * linear(BARK) + (1 - alpha[..., None]) * linear(SKY)).astype(np.float32)
    disparity = np.where(alpha > 0.5, NEAR, FAR).astype(np.float32)
    mixed_pixels = unmix(color, disparity, find_discontinuities(disparity, np.ones(disparity.shape, bool)))
    inside = np.s_[56:80, 112:210]
    kept = color.copy()
    mixed_pixels.remove_foreground(kept)
    kept, color, gaps = kept[inside], color[inside], disparity[inside] == FAR
    assert gaps.sum() > 300 and np.abs(color[gaps] - SKY).max(1).mean() > 0.05
    assert np.abs(kept[gaps] - SKY).max(1).mean() < 0.02


def test_a_mixed_pixel_colours_the_occluded_surface_that_it_shows_and_no_other(mixed_pixels):
    front = np.flatnonzero(mixed_pixels.front)
    index, gray = mixed_pixels.index[front], np.full((len(front), 3), 0.5, np.float32)
    assert len(front) and np.array_equal(
        mixed_pixels.show_background(index, np.full(len(front), FAR), gray), mixed_pixels.far_color[front]
    )
    assert np.array_equal(mixed_pixels.show_background(index, np.full(len(front), 0.4), gray), gray)


def test_without_discontinuities_there_are_no_mixed_pixels():
    flat = np.full((20, 30), 0.5, np.float32)
    found = unmix(np.zeros((20, 30, 3), np.float32), flat, np.zeros_like(flat))
    assert len(found) == 0 and len(found.show_background(np.arange(5), np.zeros(5), np.ones((5, 3)))) == 5


def test_the_size_of_a_point_gives_its_share():
    alpha = np.linspace(*MIXED_ALPHA, 50, dtype=np.float32)
    for shift in (0.0, 0.2, INWARD_SHIFT):
        shifts = np.full_like(alpha, shift)
        radius_factor = footprint_radius(alpha, shifts)
        share = covered_share(*map(torch.from_numpy, (radius_factor * (POINT_DIAMETER / 2), shifts))).numpy()
        assert radius_factor.max() < 1 and np.all(np.diff(radius_factor) > 0)
        assert np.abs(share - alpha).max() < 1e-5
        exact = ncx2.cdf(
            np.square(radius_factor * POINT_DIAMETER / 2 / FILTER_SIGMA), 2, max((shift / FILTER_SIGMA) ** 2, 1e-9)
        )
        assert np.abs(exact - alpha).max() < 0.025


def test_the_first_frame_is_the_photo(layers):
    color, _, alpha = tree()
    picture, covered = splatter(layers).render(0.0, np.eye(4))
    error = np.square(picture - color).mean(-1)
    assert covered.all() and -10 * np.log10(error.mean()) > 45
    assert -10 * np.log10(error[(alpha > 0) & (alpha < 1)].mean()) > 35


def test_no_seam_of_bark_stays_in_the_sky_and_none_of_sky_on_the_bark(layers):
    pose = np.eye(4)
    pose[0, 3] = SIDE
    picture, _ = splatter(layers).render(0.0, pose)
    _, _, alpha = tree()
    shift = SIDE * WIDTH * NEAR
    moved = cv2.warpAffine(alpha, np.float32([[1, 0, -shift], [0, 1, 0]]), (WIDTH, HEIGHT))
    sky = cv2.dilate(moved, np.ones((5, 5))) == 0
    bark = cv2.erode(moved, np.ones((5, 5))) == 1
    inner = np.s_[4:-4, 40:-40]
    assert (np.abs(picture - SKY).max(-1) > 0.12)[inner][sky[inner]].mean() < 2e-3
    assert np.abs(picture - BARK).max(-1)[inner][bark[inner]].max() < 0.1
