"""The pinhole camera and the camera paths."""

import numpy as np
import pytest

from cinema_core.shared.camera import PATHS, PRESETS, Camera, camera_path, is_rounded, same_aspect
from cinema_core.shared.errors import CinemaError


def test_unproject_and_project_are_inverse():
    camera = Camera(320, 180, 400.0)
    rng = np.random.default_rng(0)
    pixels, depth = rng.uniform((0, 0), (320, 180), (100, 2)), rng.uniform(1, 50, 100)
    assert np.abs(camera.project(camera.unproject(pixels, depth)) - pixels).max() < 1e-3


def test_the_middle_of_the_photo_is_straight_ahead_and_y_points_down():
    camera = Camera(320, 180, 400.0)
    assert camera.unproject(np.array([160.0, 90.0]), np.array(2.0)).tolist() == [0, 0, 2]
    assert camera.unproject(np.array([160.0, 180.0]), np.array(2.0))[1] == pytest.approx(90 * 2 / 400)


@pytest.mark.parametrize("name", PATHS)
def test_paths_are_the_references(name):
    poses = camera_path(name)
    assert poses.shape == (PRESETS[name].frames, 4, 4)
    centres = poses[:, :3, 3]
    wanted = {  # camera centres are minus the reference's translations
        "up-down": ((0, -0.08, 0), (0, 0.08, 0)),
        "zoom-in": ((0, 0, 0), (0, 0, 0.24)),
        "side": ((-0.09, 0, 0), (0.09, 0, 0)),
    }
    if name in wanted:
        assert np.allclose(centres[[0, -1]], wanted[name])
        assert np.allclose(np.diff(centres, axis=0), np.diff(centres, axis=0)[0])  # straight and even
    else:
        turn = 2 * np.pi * (4 * np.arange(90) / 90 - 2) / 2
        assert np.allclose(centres, np.stack([0.04 * np.cos(turn), 0.04 * np.sin(turn), 0.09 * np.cos(turn / 2)], 1))


@pytest.mark.parametrize("name", PATHS)
def test_closed_paths_come_back_without_a_jump(name):
    centres = camera_path(name, 48, loop=True)[:, :3, 3]
    steps = np.linalg.norm(np.diff(np.concatenate([centres, centres[:1]]), axis=0), axis=1)
    assert steps[-1] <= steps.max() + 1e-9
    assert steps.max() < 0.05
    if name != "circle":
        assert np.allclose(centres[0], 0)


def test_unknown_paths_and_lengths_are_refused():
    with pytest.raises(CinemaError, match="Choose one of"):
        camera_path("spiral")
    with pytest.raises(CinemaError, match="1 or more"):
        camera_path("side", 0)


def test_sizes_of_one_aspect_up_to_rounding():
    assert same_aspect((1920, 1080), (960, 540)) and same_aspect((518, 294), (1920, 1080))
    assert not same_aspect((1920, 1080), (1080, 1920)) and not same_aspect((1.03, 1), (1, 1))


def test_sides_that_a_network_rounded():
    """504 x 364 for 640 x 480, as a Vision Transformer of patches of 14 px; a crop of the photo is none."""
    for size, photo in (((504, 364), (640, 480)), ((252, 182), (320, 240)), ((640, 464), (640, 480))):
        assert is_rounded(size, photo)
    for size, photo in (((640, 360), (640, 480)), ((480, 640), (640, 480)), ((505, 364), (640, 480))):
        assert not is_rounded(size, photo)
