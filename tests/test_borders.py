"""What goes on beyond the photo's border: surfaces, and thin things that cross it."""

import numpy as np
import pytest

from cinema_core.borders import continue_outward, follow_thin
from cinema_core.camera import Camera
from cinema_core.layers import split_layers

WIDTH, HEIGHT, PAD = 160, 120, (20, 16)
NEAR, FAR = 0.9, 0.1
SIDES = {"top": lambda a: a, "bottom": lambda a: a[::-1], "left": lambda a: a.T, "right": lambda a: a.T[::-1]}


def branch(side: str, lean: float = 0.5, length: int = 60, wide: int = 3) -> np.ndarray:
    """(H, W) disparity: a thin thing that starts in the middle of a side and leans by so many px per px inward."""
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    turned = SIDES[side](disparity)
    for row in range(length):
        start = 50 + round(lean * row)
        turned[row, start : start + wide] = NEAR
    return disparity


def beyond(disparity: np.ndarray, side: str) -> np.ndarray:
    """The canvas' disparity with thin things, turned so that the side is at the top."""
    canvas = continue_outward(disparity, PAD)
    target, source = follow_thin(disparity, PAD)
    canvas.ravel()[target] = canvas.ravel()[source]
    return SIDES[side](canvas)


@pytest.mark.parametrize("side", SIDES)
def test_a_thin_thing_goes_on_along_its_direction_and_no_wider(side):
    canvas = beyond(branch(side), side)
    amount, beside = PAD[::-1] if side in ("top", "bottom") else PAD
    for out in (2, amount // 2, amount - 1):
        column = np.flatnonzero(canvas[amount - out] > (NEAR + FAR) / 2) - beside
        assert len(column) == 3
        assert abs(column[0] - (50 - 0.5 * out)) <= 2


def test_a_short_thing_is_made_whole_and_ends():
    canvas = beyond(branch("top", lean=0, length=7), "top")
    near = (canvas[: PAD[1]] > (NEAR + FAR) / 2).any(1)
    assert near.sum() == 7 and near[-7:].all()


def test_what_is_wide_goes_on_as_a_surface():
    disparity = branch("top", lean=0, wide=40)
    assert not len(follow_thin(disparity, PAD)[0])
    near = continue_outward(disparity, PAD)[: PAD[1]] > (NEAR + FAR) / 2
    assert (near.sum(1) == 40).all()


def test_a_thin_thing_beyond_the_border_has_its_own_colour_and_what_is_around_it_has_not():
    disparity = branch("top")
    color = np.where(disparity[..., None] > 0.5, np.float32((0.9, 0.1, 0.1)), np.float32((0.1, 0.7, 0.2)))
    layers = split_layers(color, 1 / disparity, Camera(WIDTH, HEIGHT, float(WIDTH)))
    outside = layers.shown.copy()
    outside[layers.photo] = False
    near = outside & (layers.disparity > 0.5)
    assert near.sum() > 20
    assert (layers.color[near][:, 0] > 0.8).all()
    assert np.median(layers.color[outside & ~near], 0)[1] > 0.6
