"""Continuation beyond the photo's border: surfaces, and thin structures that cross it."""

import cv2
import numpy as np
import pytest

from cinema_core.layers.outpaint import REACH_MARGIN, continue_outward, extend_thin, find_visible, outpaint_margin
from cinema_core.layers.split import split_layers
from cinema_core.shared.camera import PATHS, UP_DOWN, Camera, camera_path

WIDTH, HEIGHT, PAD = 160, 120, (20, 16)
NEAR, FAR = 0.9, 0.1
SIDES = {"top": lambda a: a, "bottom": lambda a: a[::-1], "left": lambda a: a.T, "right": lambda a: a.T[::-1]}


def branch(side: str, lean: float = 0.5, length: int = 60, wide: int = 3) -> np.ndarray:
    """(H, W) disparity: a thin structure that starts in the middle of a side and leans by `lean` px per px inward."""
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    turned = SIDES[side](disparity)
    for row in range(length):
        start = 50 + round(lean * row)
        turned[row, start : start + wide] = NEAR
    return disparity


def beyond(disparity: np.ndarray, side: str) -> np.ndarray:
    """The canvas' disparity with thin structures, turned so that the side is at the top."""
    canvas = continue_outward(disparity, PAD)
    target, source = extend_thin(disparity, PAD)
    canvas.ravel()[target] = canvas.ravel()[source]
    return SIDES[side](canvas)


@pytest.mark.parametrize("side", SIDES)
def test_a_thin_structure_continues_along_its_direction_and_no_wider(side):
    canvas = beyond(branch(side), side)
    amount, beside = PAD[::-1] if side in ("top", "bottom") else PAD
    for out in (2, amount // 2, amount - 1):
        column = np.flatnonzero(canvas[amount - out] > (NEAR + FAR) / 2) - beside
        assert len(column) == 3
        assert abs(column[0] - (50 - 0.5 * out)) <= 2


def test_a_short_structure_is_completed_and_ends():
    canvas = beyond(branch("top", lean=0, length=7), "top")
    near = (canvas[: PAD[1]] > (NEAR + FAR) / 2).any(1)
    assert near.sum() == 7 and near[-7:].all()


def test_a_wide_structure_continues_as_a_surface():
    disparity = branch("top", lean=0, wide=40)
    assert not len(extend_thin(disparity, PAD)[0])
    near = continue_outward(disparity, PAD)[: PAD[1]] > (NEAR + FAR) / 2
    assert (near.sum(1) == 40).all()


def test_a_thin_structure_beyond_the_border_has_its_own_colour_and_its_surroundings_do_not():
    disparity = branch("top")
    color = np.where(disparity[..., None] > 0.5, np.float32((0.9, 0.1, 0.1)), np.float32((0.1, 0.7, 0.2)))
    layers = split_layers(color, 1 / disparity, Camera(WIDTH, HEIGHT, float(WIDTH)))
    outside = layers.valid.copy()
    outside[layers.photo] = False
    near = outside & (layers.disparity > 0.5)
    assert near.sum() > 20
    assert (layers.color[near][:, 0] > 0.8).all()
    assert np.median(layers.color[outside & ~near], 0)[1] > 0.6


def in_frame(camera: Camera, disparity: np.ndarray, pad: tuple[int, int], more: float = 1.0) -> np.ndarray:
    """(Hc, Wc) bool: canvas pixels whose centre some pose of the presets shows, moved `more` times as far."""
    row, column = np.indices(disparity.shape)
    places = camera.unproject(np.stack([column, row], -1) + 0.5 - np.array(pad), 1 / disparity)
    seen = np.zeros(disparity.shape, bool)
    for path in PATHS:
        for pose in camera_path(path):
            place = camera.project(places - more * pose[:3, 3])
            seen |= ((place >= 0) & (place < (camera.width, camera.height))).all(-1)
    return seen


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_the_canvas_corners_are_valid_where_a_preset_shows_them_and_only_there(level):
    camera = Camera(WIDTH * 2, HEIGHT * 2, WIDTH * 2.0)
    pad = outpaint_margin(np.full((HEIGHT, WIDTH), np.float32(level)), camera)
    disparity = np.full((camera.height + 2 * pad[1], camera.width + 2 * pad[0]), np.float32(level))
    valid = find_visible(disparity, camera, pad)
    assert valid[in_frame(camera, disparity, pad)].all()
    corner = np.ones_like(valid)
    corner[pad[1] : -pad[1]] = corner[:, pad[0] : -pad[0]] = False
    near = cv2.dilate(in_frame(camera, disparity, pad, REACH_MARGIN).astype(np.uint8), np.ones((11, 11), np.uint8)) > 0
    assert not (valid & corner & ~near).any()


def test_behind_an_occluder_beyond_the_border_only_surfaces_that_move_into_view_continue():
    """The post moves into view from far beyond the frame; the wall behind it only from close to it."""
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    disparity[:, 60:100] = NEAR
    camera = Camera(WIDTH, HEIGHT, float(WIDTH))
    layers = split_layers(np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32), 1 / disparity, camera)
    row = np.concatenate([np.divmod(band.index, layers.valid.shape[1])[0] for band in layers.bands])
    beyond = np.maximum(layers.pad[1] - row, row - (layers.pad[1] + HEIGHT - 1))
    assert np.count_nonzero(beyond == 1) and beyond.max() <= REACH_MARGIN * UP_DOWN * WIDTH * FAR + 4
    assert layers.valid[layers.pad[1] - 10, layers.pad[0] + 80]
