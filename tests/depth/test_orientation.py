"""Depth maps that are easily read wrongly: marks for unknown pixels, walls like sky, turned and rounded maps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from cinema_core.depth.find import find_depth
from cinema_core.depth.network import Prediction
from cinema_core.files.exr import encode_channels
from cinema_core.shared.data import FARTHEST, Depth, Photo
from cinema_core.shared.options import BuildOptions

WIDTH, HEIGHT = 96, 64
HORIZON = 20  # row; the sky is above
RAW = BuildOptions(edge_cleanup=0)


def distance() -> np.ndarray:
    """(H, W) m: ground from 60 m to 4 m, different in every column; infinite in the sky."""
    row, column = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    ground = 1 / (1 / 60 + (1 / 4 - 1 / 60) * (row - HORIZON) / (HEIGHT - 1 - HORIZON)) * (1 + column / 1000)
    return np.where(row < HORIZON, np.float32(np.inf), ground)


@pytest.fixture
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 96.0)


def seen(sky: bool = True) -> Prediction:
    """The network's estimate of the scene, rough as it is."""
    true = distance()
    rough = cv2.blur(np.log2(1 / np.minimum(true, 80)), (9, 9))
    return Prediction(rough, ~np.isfinite(true) & sky)


def find(photo: Photo, path, options: BuildOptions = RAW, prediction: Prediction | None = None) -> Depth:
    return find_depth(photo, path, options, lambda: prediction or seen())


def right(depth: Depth, rows: slice = np.s_[HORIZON + 2 :]) -> bool:
    true = distance()[rows] / distance().min()
    return bool(np.abs(depth.values[rows] / true - 1).max() < 0.05)


@pytest.mark.parametrize(("unit", "nearest"), [(1000, 1), (256, 1), (1000, 0.2)])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_zeros_in_the_sky_of_distances_are_no_disparity(tmp_path, photo, unit, nearest, name):
    true = distance()
    true[-6:] *= nearest  # a range of more than 50 times
    values = np.where(np.isfinite(true), true * unit, 0)
    if name == "a.npy":
        np.save(tmp_path / name, values.astype(np.float32))
    else:
        cv2.imwrite(str(tmp_path / name), values.astype(np.uint16))
    found = find(photo, tmp_path / name)
    assert "distances" in found.detail and (found.values[: HORIZON - 3] == FARTHEST).all()
    assert right(found) or nearest < 1 and found.values[-1, 5] < found.values[HORIZON + 8, 5] / 10
    assert len(found.warnings) == 1 and "zeros" in found.warnings[0]
    chosen = find(photo, tmp_path / name, BuildOptions(edge_cleanup=0, depth_kind="metric"))
    assert np.array_equal(chosen.values, found.values) and not chosen.warnings


def test_negative_numbers_mark_unknown_pixels_too(tmp_path, photo):
    np.save(tmp_path / "a.npy", np.where(np.isfinite(distance()), distance(), -1).astype(np.float32))
    assert right(find(photo, tmp_path / "a.npy"))


def test_zeros_in_the_sky_of_disparity_are_infinitely_far(tmp_path, photo):
    disparity = 1 / distance()
    cv2.imwrite(str(tmp_path / "a.png"), (disparity / disparity.max() * 65535).astype(np.uint16))
    found = find(photo, tmp_path / "a.png")
    assert right(found) and not found.warnings and (found.values[: HORIZON - 3] == FARTHEST).all()


@pytest.mark.parametrize("sky", [True, False])
@pytest.mark.parametrize("unit", [100, 1000])
def test_white_is_no_distance_where_it_stands_apart(tmp_path, photo, unit, sky):
    true = distance()
    values = np.where(np.isfinite(true), np.minimum(true * unit, 61000), 65535).astype(np.uint16)
    values[40:44, 50:56] = 65535  # a hole
    cv2.imwrite(str(tmp_path / "a.png"), values)
    found = find(photo, tmp_path / "a.png", prediction=seen(sky))
    hole = found.values[38:46, 48:58]
    assert "distances" in found.detail and (found.values[: HORIZON - 3] == FARTHEST).all() and hole.max() < 6
    assert right(found, np.s_[HORIZON + 2 : 38])
    assert bool(found.warnings) == (unit == 100)


def test_a_normalised_map_that_is_white_in_the_sky_stays_one(tmp_path, photo):
    near = distance()
    values = np.where(np.isfinite(near), (near - 4) / 80, 1).clip(0, 1)
    cv2.imwrite(str(tmp_path / "a.png"), (values * 65535).astype(np.uint16))
    found = find(photo, tmp_path / "a.png")
    assert "near is black, the farthest is 30 times" in found.detail and not found.warnings


def test_a_map_that_the_photo_contradicts_is_told(tmp_path, photo):
    values = np.where(np.isfinite(distance()), distance(), 80).astype(np.float32)
    (tmp_path / "a.exr").write_bytes(encode_channels({"disparity": values}))
    (told,) = find(photo, tmp_path / "a.exr").warnings
    assert "opposite" in told
    (tmp_path / "b.exr").write_bytes(encode_channels({"Z": values}))
    assert not find(photo, tmp_path / "b.exr").warnings
    assert not find(photo, tmp_path / "a.exr", BuildOptions(depth_kind="metric")).warnings


def test_a_level_back_wall_is_no_sky(tmp_path, photo):
    disparity = np.maximum(np.linspace(-0.6, 1, HEIGHT, dtype=np.float32), 0)[:, None] * np.ones(WIDTH, np.float32)
    cv2.imwrite(str(tmp_path / "a.png"), np.uint16(65535 * disparity))
    wall = find(photo, tmp_path / "a.png", prediction=seen(sky=False))
    assert wall.values.max() == pytest.approx(10, rel=0.02) and "wall" in wall.warnings[0]
    sky = find(photo, tmp_path / "a.png")
    assert sky.values.max() == FARTHEST and not sky.warnings
    assert not find(photo, tmp_path / "a.png", BuildOptions(depth_far=20), seen(sky=False)).warnings


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_map_is_turned_by_its_own_tag(tmp_path, photo, name, orientation):
    grey = Image.fromarray(np.uint8(255 * distance().min() / distance()))
    turned = grey.rotate({3: 180, 6: 90, 8: 270}[orientation], expand=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(tmp_path / name, exif=exif, **({} if name == "a.tif" else {"quality": 100}))
    found = find(photo, tmp_path / name)
    assert found.values.shape == (HEIGHT, WIDTH) and "near is white" in found.detail and not found.warnings
    assert np.abs(1 / found.values - distance().min() / distance()).max() < 0.05


def test_a_tag_that_contradicts_the_shape_is_left_out(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.uint8(255 * distance().min() / distance())).save(tmp_path / "a.png", exif=exif)
    found = find(photo, tmp_path / "a.png")
    assert len(found.warnings) == 1 and "orientation tag" in found.warnings[0] and found.values[-1, 0] < 1.1


def test_sides_that_a_network_rounded(tmp_path):
    photo = Photo(np.full((240, 320, 3), 0.5, np.float32), 320.0)
    for size in ((252, 182), (504, 364), (259, 189)):
        np.save(tmp_path / "a.npy", cv2.resize(np.minimum(distance(), 90), size))
        (told,) = find(photo, tmp_path / "a.npy").warnings
        assert f"{size[0]} x {size[1]}" in told and "rounded" in told
