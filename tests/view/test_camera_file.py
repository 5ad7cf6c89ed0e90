"""Warnings about camera poses in the axes of other programs."""

from __future__ import annotations

import numpy as np
import pytest

from cinema_core.shared.camera import PATHS, Camera, camera_path
from cinema_core.view.camera_file import find_wrong_axes

CAMERA = Camera(96, 60, 96.0)
FLIP = np.diag((1.0, -1.0, -1.0, 1.0))  # y up, looking along -z


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Points that fill the photo's view."""
    random = np.random.default_rng(0)
    pixels, depth = random.uniform((0, 0), (96, 60), (5000, 2)), random.uniform(1, 20, 5000)
    return CAMERA.unproject(pixels, depth)


def turned(degrees: float, axis: int) -> np.ndarray:
    """A pose that is turned about an axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, other = (number for number in range(3) if number != axis)
    pose = np.eye(4)
    pose[one, one], pose[one, other], pose[other, one], pose[other, other] = cos, -sin, sin, cos
    return pose


@pytest.mark.parametrize("name", ["still", *PATHS])
def test_our_own_paths_are_not_warned_about(points, name):
    assert find_wrong_axes(points, CAMERA, camera_path(name)) == []


@pytest.mark.parametrize("name", PATHS)
def test_y_up_is_named(points, name):
    (text,) = find_wrong_axes(points, CAMERA, camera_path(name) @ FLIP)
    assert "looks away" in text and "y up" in text and "y down" in text


def test_a_camera_that_looks_elsewhere(points):
    poses = np.stack([np.eye(4), turned(180, 1)])
    (text,) = find_wrong_axes(points, CAMERA, poses)
    assert text.startswith("In 1 of 2 frames the camera looks away") and "columns" not in text
    assert find_wrong_axes(points, CAMERA, turned(30, 1)[None]) == []


def test_upside_down(points):
    (text,) = find_wrong_axes(points, CAMERA, turned(180, 2)[None])
    assert "upside down" in text
    assert find_wrong_axes(points, CAMERA, turned(45, 2)[None]) == []


def test_a_scene_without_points():
    assert find_wrong_axes(np.zeros((0, 3), np.float32), CAMERA, np.eye(4)[None]) == []
