"""Gaps between neighbouring points of one surface, and the radius that closes them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cinema_core.layers.discontinuities import find_discontinuities
from cinema_core.points.footprint import POINT_DIAMETER
from cinema_core.points.gaps import LARGEST_CLOSING, VIEWPOINTS, along_outlines, closing_radius
from cinema_core.points.unproject import slope_offset
from cinema_core.shared.camera import Camera

HEIGHT, WIDTH, FOCAL = 60, 80, 720.0
FLAT = np.full((HEIGHT, WIDTH), 0.5, np.float32)


def layers_of(disparity: np.ndarray) -> SimpleNamespace:
    """The attributes of `Layers` that gaps depend on."""
    valid = np.ones(disparity.shape, bool)
    return SimpleNamespace(
        camera=Camera(WIDTH, HEIGHT, FOCAL), pad=(0, 0), disparity=disparity, valid=valid,
        occluder_disparity=find_discontinuities(disparity, valid),
    )  # fmt: skip


def closing(disparity: np.ndarray) -> np.ndarray:
    layers = layers_of(disparity)
    return closing_radius(layers, layers.valid, slope_offset(disparity, layers.camera))


def open_share(disparity: np.ndarray, factor: np.ndarray) -> float:
    """Share of places between the surface's points that no disc covers, seen from all viewpoints."""
    offset = slope_offset(disparity, Camera(WIDTH, HEIGHT, FOCAL))
    row, column = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32) + 0.5
    missed, count = 0, 0
    for x, y, z in VIEWPOINTS:
        near = 1 - z * disparity
        across = (column + offset[..., 0] - WIDTH / 2 - FOCAL * x * disparity) / near
        down = (row + offset[..., 1] - HEIGHT / 2 - FOCAL * y * disparity) / near
        radius = factor * (POINT_DIAMETER / 2) / near * 1.0102  # as a lattice that closes
        places = [values[20:40, 20:60].ravel() for values in (across, down)]
        middle = [(a.reshape(20, 40)[1:, 1:] + a.reshape(20, 40)[:-1, :-1]).ravel() / 2 for a in places]
        away = np.hypot(middle[0][:, None] - across.ravel(), middle[1][:, None] - down.ravel())
        missed, count = missed + int((away > radius.ravel()).all(1).sum()), count + len(middle[0])
    return missed / count


def crease() -> np.ndarray:
    """A valley: both sides come nearer, and the slope offsets point away from its bottom."""
    return (0.5 + 0.002 * np.abs(np.arange(WIDTH) - 40)[None] * np.ones((HEIGHT, 1))).astype(np.float32)


def test_a_facing_surface_keeps_its_radius():
    assert (closing(FLAT) == 1).all()


def test_points_beside_a_crease_are_larger_and_close_it():
    factor = closing(crease())
    assert 1.05 < factor[20:40, 38:43].max() <= LARGEST_CLOSING
    assert open_share(crease(), np.ones_like(factor)) > 0.01
    assert open_share(crease(), factor) == 0


def test_a_slope_that_the_presets_stretch_is_closed():
    slope = (0.4 + 0.0055 * np.arange(HEIGHT)[:, None] * np.ones((1, WIDTH))).astype(np.float32)
    factor = closing(slope)
    assert factor[20:40].min() > 1.05
    assert open_share(slope, np.ones_like(factor)) > 0.1 and open_share(slope, factor) == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_no_point_reaches_across_a_discontinuity(axis):
    step = FLAT.copy()
    np.moveaxis(step, axis, 0)[30:] = 0.1
    assert (closing(step)[5:-5, 5:-5] == 1).all()


def test_outlines_are_the_near_side_of_a_step():
    step = FLAT.copy()
    step[:, 30:] = 0.1
    found = along_outlines(layers_of(step))
    assert found[:, 25:30].all() and not found[:, :25].any() and not found[:, 30:].any()
