"""Occluded surfaces and outpainted pixels: those that the presets show stay, all others go."""

import cv2
import numpy as np
import pytest
from empty_points import NONE

from cinema_core.layers import split as layering
from cinema_core.layers import visibility
from cinema_core.layers.discontinuities import find_discontinuities
from cinema_core.layers.occluded import Canvas, Occluded
from cinema_core.layers.outpaint import THIN_SURROUND
from cinema_core.layers.split import split_layers
from cinema_core.layers.visibility import find_disoccluded
from cinema_core.points.moving_surface import find_flowing_surface
from cinema_core.points.still import still_points
from cinema_core.shared.camera import SIDE, UP_DOWN, Camera, camera_path
from cinema_core.view.splatting import Splatter

WIDTH, HEIGHT, PAD = 320, 180, 40
NEAR, FAR = 0.9, 0.3
POST = slice(140, 200)  # columns of the photo
OPENS = SIDE * WIDTH * (NEAR - FAR)  # px
WINDOW = slice(PAD, PAD + HEIGHT), slice(PAD, PAD + WIDTH)
NOTHING = np.zeros(0, np.int64)


def canvas(*cards: tuple[slice, float], far: float = FAR) -> Canvas:
    """Cards that fill columns of the photo, before a wall."""
    disparity = np.full((HEIGHT + 2 * PAD, WIDTH + 2 * PAD), far, np.float32)
    for columns, near in cards:
        disparity[:, columns.start + PAD : columns.stop + PAD] = near
    valid = np.ones(disparity.shape, bool)
    return Canvas(
        Camera(WIDTH, HEIGHT, float(WIDTH)),
        disparity,
        valid,
        np.zeros(disparity.shape, np.int16),
        find_discontinuities(disparity, valid),
    )


def behind(scene: Canvas, columns: slice, disparity: float) -> Occluded:
    """A surface that continues behind columns of the photo."""
    mask = np.zeros(scene.valid.shape, bool)
    mask[:, columns.start + PAD : columns.stop + PAD] = True
    index = np.flatnonzero(mask)
    edge = np.full(len(index), WINDOW[0].start * mask.shape[1] + PAD)
    distance, ground = np.ones(len(index), np.float32), np.zeros(len(index), bool)
    return Occluded(1, index, edge, np.full(len(index), disparity, np.float32), distance, ground)


def columns_of(scene: Canvas, part: Occluded) -> np.ndarray:
    """(W,) share of the photo's rows in which each column of a surface is left."""
    mask = np.zeros(scene.valid.shape, bool)
    mask.ravel()[part.index] = True
    return mask[WINDOW].mean(0)


@pytest.mark.parametrize("cells", [400, 200], ids=["px", "cells of 2 px"])
def test_a_surface_stays_near_the_edges_of_a_post_and_goes_deep_behind_it(cells, monkeypatch):
    monkeypatch.setattr(visibility, "SIDE_CELLS", cells)
    scene = canvas((POST, NEAR))
    _, ((part,),) = find_disoccluded(scene, [[behind(scene, POST, FAR)]], NOTHING, WINDOW)
    left, size = columns_of(scene, part), -(-(WIDTH + 2 * PAD) // cells)
    deep = int(OPENS + 2 + 3 * size)
    assert (left[POST][: int(OPENS)] == 1).all() and (left[POST][-int(OPENS) :] == 1).all()
    assert not left[POST][deep:-deep].any() and deep < 30


def test_occluded_surfaces_occlude_too():
    """The sky lies right behind the occluded wall, and no camera position disoccludes it."""
    scene = canvas((POST, NEAR))
    wall, sky = behind(scene, POST, FAR), behind(scene, POST, 0.1)
    _, ranks = find_disoccluded(scene, [[wall], [sky]], NOTHING, WINDOW)
    assert [part.disparity[0] for rank in ranks for part in rank] == [np.float32(FAR)]
    _, ranks = find_disoccluded(scene, [[sky]], NOTHING, WINDOW)
    assert len(ranks) == 1


def test_a_surface_that_is_visible_only_in_the_middle_of_a_path_stays():
    """A gap between two posts moves over the surface behind them; the ends of the path show only its two ends."""
    scene = canvas((slice(60, 107), NEAR), (slice(118, 200), NEAR), far=0.1)
    _, ((left,),) = find_disoccluded(scene, [[behind(scene, slice(118, 200), 0.1)]], NOTHING, WINDOW)
    assert (columns_of(scene, left)[118:140] == 1).all() and not columns_of(scene, left)[146:160].any()


def test_mixed_pixels_occlude_nothing():
    scene = canvas((POST, NEAR))
    part, middle = behind(scene, POST, FAR), slice(165, 175)
    left = [
        columns_of(scene, find_disoccluded(scene, [[part]], mixed, WINDOW)[1][0][0])
        for mixed in (NOTHING, behind(scene, middle, FAR).index)
    ]
    assert not left[0][middle].any() and (left[1][middle] == 1).all()


@pytest.mark.parametrize("disparity", [0.3, 1.0])
def test_outpainted_pixels_that_come_into_the_frame_stay(disparity):
    scene = canvas(far=disparity)
    valid, _ = find_disoccluded(scene, [], NOTHING, WINDOW)
    assert valid[WINDOW].all()
    for line, amount in ((valid[PAD + HEIGHT // 2], SIDE), (valid[:, PAD + WIDTH // 2], UP_DOWN)):
        for side in (line[:PAD], line[::-1][:PAD]):
            assert amount * WIDTH * disparity <= side.sum() <= amount * WIDTH * disparity + 4
            assert side[-side.sum() :].all()


def test_outpainted_pixels_that_stay_behind_a_nearer_surface_go():
    """The photo is near at its left border. The wall beyond moves less, and stays occluded."""
    scene = canvas((slice(-30, 60), 1.0))
    assert find_disoccluded(canvas(), [], NOTHING, WINDOW)[0][PAD + HEIGHT // 2, PAD - 6]
    scene.disparity[:, : PAD - 4] = FAR  # beyond 4 outpainted px that are as near
    valid, _ = find_disoccluded(scene, [], NOTHING, WINDOW)
    row = valid[PAD + HEIGHT // 2]
    assert row[PAD - 4 : PAD].all()
    assert row[PAD - 8 : PAD - 4].all()  # the gap opens by more than the wall moves
    assert not row[: PAD - int(SIDE * WIDTH * FAR) - 8].any()


def test_pixels_around_a_near_object_stay():
    """A post continues above the frame, as far as it is visible there. The wall beside it would not be visible."""
    valid, _ = find_disoccluded(canvas((POST, NEAR)), [], NOTHING, WINDOW)
    top = int(np.flatnonzero(valid[:, POST.start + PAD + 30])[0])
    beside = valid[top + 1, POST.start + PAD - 30 : POST.start + PAD]
    assert top < PAD - UP_DOWN * WIDTH * NEAR and beside[-THIN_SURROUND:].all() and not beside[:-THIN_SURROUND].any()


def test_reach_scales_how_far_the_cameras_move():
    scene = canvas((POST, NEAR))
    counts = [
        len(find_disoccluded(scene, [[behind(scene, POST, FAR)]], NOTHING, WINDOW, reach)[1][0][0].index)
        for reach in (0.5, 1.0, 1.5)
    ]
    assert counts[0] < 0.7 * counts[1] and counts[1] < 0.8 * counts[2]


@pytest.fixture(scope="module")
def leaves() -> tuple:
    """Layers of leaves at three distances: with all occluded surfaces, and with the disoccluded ones only."""
    rng = np.random.default_rng(0)
    disparity = np.full((144, 256), 0.1, np.float32)
    for near in (0.4, 0.7, 0.95):
        for _ in range(60):
            centre, axes = rng.integers((0, 0), (256, 144)), rng.integers(3, 14, 2)
            cv2.ellipse(disparity, centre.tolist(), axes.tolist(), float(rng.uniform(0, 180)), 0, 360, near, -1)
    color = np.clip(disparity[..., None] * (0.5, 1, 0.3) + 0.2 * rng.random((144, 256, 3)), 0, 1).astype(np.float32)
    arguments = color, 1 / disparity, Camera(256, 144, 256.0)
    # the same colour at each pixel, whichever others are filled
    fill = {"fill": lambda image, hole: np.where(hole[..., None], 1 - image, image)}
    needed = split_layers(*arguments, **fill)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layering, "find_disoccluded", lambda canvas, ranks, *_: (canvas.valid, ranks))
        return split_layers(*arguments, **fill), needed


def test_the_presets_show_the_same_without_the_dropped_surfaces(leaves):
    counts = [sum(len(band.index) for band in layers.bands) for layers in leaves]
    assert counts[1] < 0.8 * counts[0] and leaves[1].valid.sum() < leaves[0].valid.sum()
    splatters = []
    for layers in leaves:
        points, _ = still_points(layers, find_flowing_surface(np.zeros((144, 256), bool), layers))
        still = {f"still_{name}": getattr(points, name) for name in ("position", "color", "radius_factor")}
        splatters.append(Splatter(still | NONE, layers.camera, 1.4))
    poses = [
        camera_path(name)[frame]
        for name, frame in (("side", 0), ("side", 22), ("up-down", 59), ("zoom-in", 59), ("circle", 10), ("circle", 45))
    ]
    for pose in poses:
        (all_of_it, covered), (needed, still_covered) = (splatter.render(0.0, pose) for splatter in splatters)
        assert covered.all() and still_covered.all() and splatters[1].uncovered(0.0, pose) == 0
        other = np.abs(all_of_it - needed).max(-1) > 0.05
        assert other.mean() < 0.004, pose[:3, 3]
