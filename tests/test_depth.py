"""Depth: files that users have, and the rules for landscapes."""

import cv2
import numpy as np
import pytest
import torch
from pictures import landscape

from cinema_core.data import Photo
from cinema_core import depth as depth_module
from cinema_core.data import FARTHEST
from cinema_core.depth import estimate_depth, read_depth
from cinema_core.edges import snap_edges
from cinema_core.depth_network import DepthNetwork
from cinema_core.errors import CinemaError
from cinema_core.tensors import write_tensors

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 96.0)


def ramp(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(H, W) disparity, 0 at the upper border and 1 at the lower."""
    return np.repeat(np.linspace(0, 1, height)[:, None], width, 1)


def hilly(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(H, W) disparity 0.1..1, different in every row and column, near at the bottom."""
    return 0.1 + 0.8 * ramp(height, width) + 0.1 * ramp(width, height).T


@pytest.mark.parametrize(
    ("name", "kind", "white"),
    [("a.png", np.uint8, 255), ("a.png", np.uint16, 65535), ("a.tif", np.uint16, 65535), ("a.tiff", np.float32, 0.7)],
)
def test_an_image_is_disparity_white_is_near(tmp_path, photo, name, kind, white):
    assert cv2.imwrite(str(tmp_path / name), (hilly() * white).astype(kind))
    depth = read_depth(tmp_path / name, photo)
    wanted = (hilly() - 0.1) / 0.9  # the farthest pixel of relative disparity is at infinity
    assert depth.dtype == np.float32 and depth.shape == (HEIGHT, WIDTH)
    assert np.abs(1 / depth - np.clip(wanted, 1 / FARTHEST, 1)).max() < 0.03
    assert depth.min() == 1 and depth.max() == FARTHEST


def test_a_colour_image_is_read_by_its_brightness(tmp_path, photo):
    grey = (hilly() * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "colour.png"), cv2.merge([grey] * 3 + [np.full_like(grey, 255)]))
    assert np.array_equal(read_depth(tmp_path / "grey.png", photo), read_depth(tmp_path / "colour.png", photo))


def test_our_own_depth_comes_back(tmp_path, landscape_pixels):
    photo = Photo(np.float32(landscape_pixels) / 255, 320.0)
    depth = estimate_depth(photo)
    np.save(tmp_path / "depth.npy", depth)
    again = read_depth(tmp_path / "depth.npy", photo)
    far = np.abs(1 / again - 1 / depth) > 0.01
    assert far.mean() < 0.03  # a rim beside the edges, which are snapped once more


@pytest.mark.parametrize("nearest", [1.0, 30.0])
def test_an_array_of_depth_keeps_its_proportions(tmp_path, photo, nearest):
    np.save(tmp_path / "a.npy", nearest / hilly())
    depth = read_depth(tmp_path / "a.npy", photo)
    assert np.abs(1 / depth - hilly()).max() < 0.02


def test_an_array_that_is_larger_at_the_bottom_is_disparity(tmp_path, photo):
    np.save(tmp_path / "a.npy", 500 * hilly()[None, ..., None])
    depth = read_depth(tmp_path / "a.npy", photo)
    assert np.abs(1 / depth - np.clip((hilly() - 0.1) / 0.9, 1 / FARTHEST, 1)).max() < 0.02


@pytest.mark.parametrize("factor", [0.5, 3])
def test_a_map_of_another_size_fits(tmp_path, photo, factor):
    size = (int(HEIGHT * factor), int(WIDTH * factor))
    np.save(tmp_path / "a.npy", 1 / hilly(*size))
    assert np.abs(1 / read_depth(tmp_path / "a.npy", photo) - hilly()).max() < 0.03


def test_disparity_is_resized_not_depth(tmp_path, photo):
    """Between near and far a resized pixel lies half-way in disparity: 1/1 and 1/100 make about 1/2, not 1/50."""
    stripes = np.where(np.arange(4 * WIDTH)[None] // 4 % 2, 1.0, 100.0) * np.ones((4 * HEIGHT, 1))
    stripes = cv2.blur(1 / stripes, (16, 1))  # even grey: no edge for snapping
    np.save(tmp_path / "a.npy", (1 / (stripes * (1 + 0.3 * ramp(*stripes.shape)))))
    depth = read_depth(tmp_path / "a.npy", photo)
    assert np.median(depth) < 1.5


def test_what_is_not_finite_takes_its_neighbours_depth(tmp_path, photo):
    depth = 1 / hilly()
    depth[20:30, 40:50], depth[40, 5], depth[50, 5] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "a.npy", depth)
    found = read_depth(tmp_path / "a.npy", photo)
    assert np.abs(1 / found - hilly()).max() < 0.12  # ten rows of the ramp, at most half of them filled


def test_zero_depth_means_no_depth(tmp_path, photo):
    """Scanners and renderers write 0 where they know nothing; it must not become the nearest place of all."""
    depth = 1 / hilly()
    depth[20:30, 40:50] = 0
    np.save(tmp_path / "a.npy", depth)
    assert np.abs(1 / read_depth(tmp_path / "a.npy", photo) - hilly()).max() < 0.12


def test_single_wrong_pixels_are_left_out(tmp_path, photo):
    disparity = (hilly() * 200).astype(np.uint8)
    disparity[np.arange(5, 60, 6), np.arange(5, 60, 6)] = 255
    disparity[np.arange(5, 60, 6), np.arange(60, 5, -6)] = 0
    cv2.imwrite(str(tmp_path / "a.png"), disparity)
    found = 1 / read_depth(tmp_path / "a.png", photo)
    assert np.abs(np.diff(found, axis=0)).max() < 0.05


def write(path, content) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content, allow_pickle=True)
    else:
        cv2.imwrite(str(path), content)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.npy", hilly(64, 64), "64 x 64, which is not the photo's shape"),
        ("a.png", np.full((WIDTH, HEIGHT), 9, np.uint8), "not the photo's shape"),
        ("a.npy", np.full((HEIGHT, WIDTH), np.nan), "no finite value"),
        ("a.npy", np.full((HEIGHT, WIDTH), 3.0), "same everywhere"),
        ("a.npy", np.zeros((HEIGHT, WIDTH)), "no finite value"),
        ("a.png", np.full((HEIGHT, WIDTH), 128, np.uint8), "same everywhere"),
        ("a.npy", np.ones((2, HEIGHT, WIDTH)), "3 dimensions"),
        ("a.npy", np.zeros((0, 0)), "is empty"),
        ("a.npy", np.array([{}] * 4), "not a readable"),
        ("a.npy", np.array([["near", "far"]]), "a.npy"),
        ("a.npy", b"", "not a readable"),
        ("a.npy", b"\x93NUMPY\x01\x00", "not a readable"),
        ("a.png", b"", "not a readable"),
        ("a.png", b"\x89PNG garbage", "not a readable"),
        ("a.exr", b"garbage", "not a readable"),
    ],
)
def test_maps_that_cannot_be_used_say_why(tmp_path, photo, name, content, text):
    write(tmp_path / name, content)
    with pytest.raises(CinemaError, match=text) as error:
        read_depth(tmp_path / name, photo)
    assert error.value.hint


def test_a_missing_map_says_so(tmp_path, photo):
    with pytest.raises(CinemaError, match="There is no depth map"):
        read_depth(tmp_path / "none.png", photo)


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_soft_edge_becomes_a_step_where_the_colours_meet(shift):
    color = np.zeros((60, 80, 3), np.float32)
    color[:, :40], color[:, 40:] = (0.8, 0.2, 0.1), (0.1, 0.3, 0.8)
    across = np.clip((41 + shift - np.arange(80)) / 3, 0, 1)  # two mixed pixels, at the colour edge and beside it
    soft = np.repeat((0.2 + 0.7 * across)[None], 60, 0).astype(np.float32)
    snapped = snap_edges(soft, color)
    assert np.minimum(np.abs(snapped - 0.2), np.abs(snapped - 0.9)).max() < 1e-6
    near = (snapped > 0.5).sum(1)
    assert (near >= 40).all() and (near <= 41).all()  # the mixed pixel beside the edge may join the near side


def test_a_slope_is_not_an_edge():
    slope = hilly().astype(np.float32)
    snapped = snap_edges(slope, np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32))
    assert np.array_equal(snapped[4:-4], slope[4:-4])


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(depth_module, "WEIGHTS", tmp_path / "none")


def test_with_weights_the_network_estimates(tmp_path, monkeypatch):
    """Untrained ones here: what the network sees is another matter (test_depth_network)."""
    torch.manual_seed(1)
    weights = {name: value.numpy() for name, value in DepthNetwork().state_dict().items()}
    write_tensors(tmp_path / "weights", weights)
    monkeypatch.setattr(depth_module, "WEIGHTS", tmp_path / "weights")
    assert depth_module.estimator() == "network"
    color = np.random.default_rng(0).random((90, 120, 3)).astype(np.float32)
    depth = estimate_depth(Photo(color, 120.0))
    assert depth.shape == (90, 120) and depth.dtype == np.float32
    assert depth.min() == 1 and depth.max() <= FARTHEST


def test_without_weights_rules_estimate(no_weights):
    assert depth_module.estimator() == "rules"


@pytest.mark.parametrize("size", [(320, 200), (160, 160)])
@pytest.mark.usefixtures("no_weights")
def test_rules_put_the_sky_far_and_the_ground_nearer_downwards(size):
    width, height = size
    depth = estimate_depth(Photo(landscape(width, height).astype(np.float32) / 255, float(max(size))))
    assert depth.dtype == np.float32 and depth.shape == (height, width)
    sky = depth[: int(0.33 * height)]
    assert (sky > 0.95 * FARTHEST).mean() > 0.98
    ground = np.median(depth[int(0.45 * height) :, : width // 4], 1)
    assert np.all(np.diff(ground) <= 1e-4) and ground[0] > 5 * ground[-1]
    assert depth.min() == 1 and depth[-2:].max() < 1.1


@pytest.mark.usefixtures("no_weights")
def test_rules_without_a_sky_make_a_gentle_ramp():
    grass = np.random.default_rng(0).random((120, 160, 3)).astype(np.float32)
    depth = estimate_depth(Photo(grass, 160.0))
    assert depth.min() == 1 and depth.max() < 4
    assert np.all(np.diff(depth[:, 80]) <= 1e-6) and np.ptp(depth, 1).max() < 1e-5


@pytest.mark.parametrize("color", [0.0, 0.5, 1.0])
@pytest.mark.usefixtures("no_weights")
def test_rules_take_a_photo_of_one_colour(color):
    depth = estimate_depth(Photo(np.full((48, 64, 3), color, np.float32), 64.0))
    assert np.isfinite(depth).all() and depth.min() == 1
