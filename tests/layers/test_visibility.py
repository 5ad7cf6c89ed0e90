"""What of the hidden and of the border the presets show: that stays, and nothing else."""

import cv2
import numpy as np
import pytest

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
    """Cards over columns of the photo before a wall."""
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
    """What goes on behind columns of the photo."""
    mask = np.zeros(scene.valid.shape, bool)
    mask[:, columns.start + PAD : columns.stop + PAD] = True
    index = np.flatnonzero(mask)
    edge = np.full(len(index), WINDOW[0].start * mask.shape[1] + PAD)
    distance, ground = np.ones(len(index), np.float32), np.zeros(len(index), bool)
    return Occluded(1, index, edge, np.full(len(index), disparity, np.float32), distance, ground)


def columns_of(scene: Canvas, part: Occluded) -> np.ndarray:
    """(W,) share of the photo's rows in which each column is left."""
    mask = np.zeros(scene.valid.shape, bool)
    mask.ravel()[part.index] = True
    return mask[WINDOW].mean(0)


@pytest.mark.parametrize("cells", [400, 200], ids=["px", "cells of 2 px"])
def test_what_the_camera_looks_at_beside_a_post_stays_what_is_deep_behind_it_goes(cells, monkeypatch):
    monkeypatch.setattr(visibility, "CELLS", cells)
    scene = canvas((POST, NEAR))
    _, ((part,),) = find_disoccluded(scene, [[behind(scene, POST, FAR)]], NOTHING, WINDOW)
    left, size = columns_of(scene, part), -(-(WIDTH + 2 * PAD) // cells)
    deep = int(OPENS + 2 + 3 * size)
    assert (left[POST][: int(OPENS)] == 1).all() and (left[POST][-int(OPENS) :] == 1).all()
    assert not left[POST][deep:-deep].any() and deep < 30


def test_nothing_is_seen_behind_what_hides_it_unseen_itself():
    """A surface that lies right behind the wall's own continuation, which nothing parts from the wall."""
    scene = canvas((POST, NEAR))
    wall, sky = behind(scene, POST, FAR), behind(scene, POST, 0.1)
    _, tiers = find_disoccluded(scene, [[wall], [sky]], NOTHING, WINDOW)
    assert [part.disparity[0] for tier in tiers for part in tier] == [np.float32(FAR)]
    _, tiers = find_disoccluded(scene, [[sky]], NOTHING, WINDOW)
    assert len(tiers) == 1


def test_what_is_seen_through_a_gap_on_the_way_alone_stays():
    """A gap between two posts runs over what is behind them; from the path's ends its first and last place are seen."""
    scene = canvas((slice(60, 107), NEAR), (slice(118, 200), NEAR), far=0.1)
    _, ((left,),) = find_disoccluded(scene, [[behind(scene, slice(118, 200), 0.1)]], NOTHING, WINDOW)
    assert (columns_of(scene, left)[118:140] == 1).all() and not columns_of(scene, left)[146:160].any()


def test_mixed_pixels_hide_nothing():
    scene = canvas((POST, NEAR))
    part, middle = behind(scene, POST, FAR), slice(165, 175)
    left = [
        columns_of(scene, find_disoccluded(scene, [[part]], mixed, WINDOW)[1][0][0])
        for mixed in (NOTHING, behind(scene, middle, FAR).index)
    ]
    assert not left[0][middle].any() and (left[1][middle] == 1).all()


@pytest.mark.parametrize("disparity", [0.3, 1.0])
def test_of_the_border_what_comes_into_the_frame_stays(disparity):
    scene = canvas(far=disparity)
    valid, _ = find_disoccluded(scene, [], NOTHING, WINDOW)
    assert valid[WINDOW].all()
    for line, amount in ((valid[PAD + HEIGHT // 2], SIDE), (valid[:, PAD + WIDTH // 2], UP_DOWN)):
        for side in (line[:PAD], line[::-1][:PAD]):
            assert amount * WIDTH * disparity <= side.sum() <= amount * WIDTH * disparity + 4
            assert side[-side.sum() :].all()


def test_of_the_border_what_is_passed_by_nearer_things_goes():
    """The photo's left edge is near; the wall beyond it moves less than it, and never comes out behind it."""
    scene = canvas((slice(-30, 60), 1.0))
    assert find_disoccluded(canvas(), [], NOTHING, WINDOW)[0][PAD + HEIGHT // 2, PAD - 6]
    scene.disparity[:, : PAD - 4] = FAR  # beyond 4 px that are as near
    valid, _ = find_disoccluded(scene, [], NOTHING, WINDOW)
    row = valid[PAD + HEIGHT // 2]
    assert row[PAD - 4 : PAD].all()
    assert row[PAD - 8 : PAD - 4].all()  # the gap opens by more than the wall's own move
    assert not row[: PAD - int(SIDE * WIDTH * FAR) - 8].any()


def test_what_lies_around_a_near_thing_tells_where_it_ends():
    """A post that goes on above the frame, as far as it is seen there; the wall beside it would not be."""
    valid, _ = find_disoccluded(canvas((POST, NEAR)), [], NOTHING, WINDOW)
    top = int(np.flatnonzero(valid[:, POST.start + PAD + 30])[0])
    beside = valid[top + 1, POST.start + PAD - 30 : POST.start + PAD]
    assert top < PAD - UP_DOWN * WIDTH * NEAR and beside[-THIN_SURROUND:].all() and not beside[:-THIN_SURROUND].any()


def test_it_is_the_reach_that_tells_how_far_cameras_move():
    scene = canvas((POST, NEAR))
    counts = [
        len(find_disoccluded(scene, [[behind(scene, POST, FAR)]], NOTHING, WINDOW, reach)[1][0][0].index)
        for reach in (0.5, 1.0, 1.5)
    ]
    assert counts[0] < 0.7 * counts[1] and counts[1] < 0.8 * counts[2]


@pytest.fixture(scope="module")
def leaves() -> tuple:
    """Leaves of three distances before one another; layers of it with all that could be seen, and without the needless."""
    rng = np.random.default_rng(0)
    disparity = np.full((144, 256), 0.1, np.float32)
    for near in (0.4, 0.7, 0.95):
        for _ in range(60):
            centre, axes = rng.integers((0, 0), (256, 144)), rng.integers(3, 14, 2)
            cv2.ellipse(disparity, centre.tolist(), axes.tolist(), float(rng.uniform(0, 180)), 0, 360, near, -1)
    color = np.clip(disparity[..., None] * (0.5, 1, 0.3) + 0.2 * rng.random((144, 256, 3)), 0, 1).astype(np.float32)
    arguments = color, 1 / disparity, Camera(256, 144, 256.0)
    fill = {
        "fill": lambda image, hole: np.where(hole[..., None], 1 - image, image)
    }  # of each place the same, whatever else is filled
    needed = split_layers(*arguments, **fill)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layering, "find_revealed", lambda canvas, tiers, *_: (canvas.valid, tiers))
        return split_layers(*arguments, **fill), needed


def test_the_presets_show_the_same_without_what_they_do_not_show(leaves):
    counts = [sum(len(band.index) for band in layers.bands) for layers in leaves]
    assert counts[1] < 0.8 * counts[0] and leaves[1].valid.sum() < leaves[0].valid.sum()
    splatters = []
    for layers in leaves:
        points, _ = still_points(layers, find_flowing_surface(np.zeros((144, 256), bool), layers))
        still = {f"still_{name}": getattr(points, name) for name in ("position", "color", "radius_factor")}
        three, one = np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
        moving = {"position": three, "displacement": np.zeros((2, 0, 3), np.float32), "cycles": np.zeros(0, np.int16)}
        moving |= dict.fromkeys(("birth", "death", "radius_factor"), one) | dict.fromkeys(
            ("color0", "color1", "mean0", "mean1"), three
        )
        splatters.append(
            Splatter(still | {f"moving_{name}": values for name, values in moving.items()}, layers.camera, 1.4)
        )
    poses = [
        camera_path(name)[frame]
        for name, frame in (("side", 0), ("side", 22), ("up-down", 59), ("zoom-in", 59), ("circle", 10), ("circle", 45))
    ]
    for pose in poses:
        (all_of_it, covered), (needed, still_covered) = (splatter.render(0.0, pose) for splatter in splatters)
        assert covered.all() and still_covered.all() and splatters[1].uncovered(0.0, pose) == 0
        other = np.abs(all_of_it - needed).max(-1) > 0.05
        assert other.mean() < 0.004, pose[:3, 3]
