"""Occluded surfaces found on coarse cells: the same as on pixels."""

import numpy as np
import pytest

from cinema_core.layers import coarse
from cinema_core.layers.depth_order import order_occluded
from cinema_core.layers.discontinuities import find_discontinuities
from cinema_core.layers.occluded import Canvas
from cinema_core.shared.camera import Camera

HEIGHT, WIDTH = 181, 301  # divisible by no cell size
FAR, NEAR = 0.1, 1.0
POST, WIRE = slice(101, 148), slice(222, 223)  # columns


def scene() -> Canvas:
    """A post and a wire of one px before ground and sky."""
    disparity = np.full((HEIGHT, WIDTH), FAR, np.float32)
    disparity[90:] = np.linspace(FAR, 0.5, HEIGHT - 90)[:, None]
    disparity[:, POST] = disparity[:, WIRE] = NEAR
    valid = np.ones(disparity.shape, bool)
    valid[:, :3] = False
    label = np.where(disparity > 0.7, 0, 1).astype(np.int16)
    return Canvas(
        Camera(WIDTH - 20, HEIGHT - 20, 300.0), disparity, valid, label, find_discontinuities(disparity, valid)
    )


def first_behind(canvas: Canvas) -> np.ndarray:
    """(H, W) float32: disparity of the first occluded surface behind each pixel, 0 where there is none."""
    found = np.zeros(canvas.disparity.shape, np.float32)
    for part in order_occluded(canvas)[0]:
        found.ravel()[part.index] = part.disparity
    return found


@pytest.mark.parametrize("size", [2, 3])
def test_the_same_surfaces_continue_behind_cells_and_behind_their_pixels(size, monkeypatch):
    canvas = scene()
    exact = first_behind(canvas)
    monkeypatch.setattr(coarse, "MIN_SIDE_CELLS", WIDTH // size)
    assert coarse.CoarseCells(canvas).size == size
    found = first_behind(canvas)
    occluding = np.zeros(found.shape, bool)
    occluding[:, POST] = occluding[:, WIRE] = True
    assert not found[~occluding].any()  # no surface continues behind itself
    both = (found > 0) & (exact > 0)
    assert both.sum() > 0.93 * ((found > 0) | (exact > 0)).sum()
    assert (found[:, [POST.start, POST.stop - 1, WIRE.start]] > 0).all()  # up to the edges, wherever cells end
    off = np.abs(found - exact)[both]
    assert np.quantile(off, 0.95) < 0.006 and off.max() < 0.02  # the ground is a slope without steps
    steps = np.abs(np.diff(found[100:, POST.start + 2]))
    assert steps.max() < 2 * np.abs(np.diff(exact[100:, POST.start + 2])).max()


def test_sources_are_visible_pixels_of_the_surface(monkeypatch):
    canvas = scene()
    monkeypatch.setattr(coarse, "MIN_SIDE_CELLS", WIDTH // 2)
    for part in order_occluded(canvas)[0]:
        assert (canvas.label.ravel()[part.source] == part.layer).all()
        assert (canvas.disparity.ravel()[part.source] < 0.7).all()
        assert canvas.valid.ravel()[part.index].all() and len(np.unique(part.index)) == len(part.index)
        assert part.distance.max() > 10  # px, not cells


def test_a_slope_without_discontinuities_has_none_between_cells(monkeypatch):
    """From cell to cell its disparity changes several times as much as from pixel to pixel."""
    disparity = np.tile(np.interp(np.arange(WIDTH), (100, 140), (FAR, NEAR)).astype(np.float32), (HEIGHT, 1))
    valid = np.ones(disparity.shape, bool)
    canvas = Canvas(
        Camera(WIDTH, HEIGHT, 300.0),
        disparity,
        valid,
        np.zeros(disparity.shape, np.int16),
        find_discontinuities(disparity, valid),
    )
    assert not canvas.occluder_disparity.any()
    monkeypatch.setattr(coarse, "MIN_SIDE_CELLS", WIDTH // 3)
    assert coarse.CoarseCells(canvas).size == 3 and order_occluded(canvas) == []
