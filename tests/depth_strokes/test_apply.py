"""Depth strokes: each stroke is satisfied, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

from cinema_core.depth_strokes.apply import apply_depth_strokes
from cinema_core.depth_strokes.outlines import snap_to_edges
from cinema_core.layers.discontinuities import find_discontinuities
from cinema_core.shared.data import FARTHEST, Photo, Stroke
from cinema_core.shared.stroke_kinds import DEPTH_AREAS, DEPTH_KINDS

WIDTH, HEIGHT, HORIZON = 320, 200, 60
BOX = (slice(70, 140), slice(120, 200))  # rows and columns
POST = (slice(75, 130), slice(250, 280))
STEP = 0.18  # log disparity, a clear step in depth


def stroke(kind: str, *points: tuple[float, float], **fields) -> Stroke:
    return Stroke(kind, np.array(points, np.float32), kind in DEPTH_AREAS, **fields)


def ground(horizon: float = HORIZON) -> np.ndarray:
    """(H, W) disparity of a ground plane and the sky above it."""
    rows = np.arange(HEIGHT)[:, None] + 0.5
    return np.repeat(np.clip((rows - horizon) / (HEIGHT - horizon), 1 / FARTHEST, 1), WIDTH, 1)


@pytest.fixture(scope="module")
def photo() -> Photo:
    """A brown box and a red post on a green ground under a blue sky, all with grain."""
    color = np.empty((HEIGHT, WIDTH, 3))
    color[:] = (0.35, 0.5, 0.3)
    color[:HORIZON] = (0.6, 0.7, 0.9)
    color[BOX], color[POST] = (0.55, 0.4, 0.3), (0.7, 0.2, 0.2)
    return Photo((color + np.random.default_rng(0).normal(0, 0.02, color.shape)).clip(0, 1).astype(np.float32), WIDTH)


@pytest.fixture
def depth() -> np.ndarray:
    """Depth with the box at disparity 0.4, with some relief, and the post at 0.3."""
    disparity = ground()
    disparity[BOX] = 0.4 + 0.02 * np.sin(np.arange(120, 200) / 8)[None]
    disparity[POST] = 0.3
    return (1 / disparity).astype(np.float32)


@pytest.fixture
def merged() -> np.ndarray:
    """Depth without the box and the post."""
    return (1 / ground()).astype(np.float32)


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(H, W) log of the factor by which pixels came nearer."""
    return np.log(before / after)


def but(*parts: tuple[slice, slice], margin: int = 0) -> np.ndarray:
    """(H, W) bool, True outside the parts and a margin in px."""
    mask = np.ones((HEIGHT, WIDTH), bool)
    for rows, columns in parts:
        mask[rows.start - margin : rows.stop + margin, columns.start - margin : columns.stop + margin] = False
    return mask


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return (one & other).sum() / (one | other).sum()


TO_BOX = ((60, 150), (105, 145), (150, 120), (180, 90), (140, 95), (180, 125))
TO_POST = ((150, 110), (180, 100), (262, 90), (268, 120), (262, 105))


def test_no_strokes_about_depth_leave_depth_as_it_is(photo, depth):
    assert apply_depth_strokes(depth, [], photo) is depth
    motion = [stroke("motion", (5, 150), (90, 150)), stroke("still", (5, 5), (9, 9))]
    assert apply_depth_strokes(depth, motion, photo) is depth


@pytest.mark.parametrize(("kind", "sense"), [("nearer", 1), ("farther", -1)])
def test_a_thing_moves_as_a_whole_and_alone(photo, depth, kind, sense):
    start = (60, 150) if sense > 0 else (60, 90)
    after = apply_depth_strokes(depth, [stroke(kind, start, *TO_BOX[2:])], photo)
    change = moved(depth, after)
    at_start = np.log(depth[start[1], start[0]])
    assert sense * (at_start - np.log(np.median(after[BOX]))) == pytest.approx(STEP, abs=0.06)
    assert np.ptp(change[BOX][2:-2, 2:-2]) < 0.03  # the relief moves along
    assert overlap(np.abs(change) > 0.02, ~but(BOX)) > 0.97  # the change ends at the outline
    assert (after == depth)[but(BOX, margin=2)].mean() > 0.995 and np.abs(change[but(BOX, margin=2)]).max() < 0.02


def test_as_far_as(photo, depth):
    after = apply_depth_strokes(depth, [stroke("same_depth", *TO_POST)], photo)
    assert np.median(after[POST]) == pytest.approx(float(np.median(depth[BOX])), rel=0.03)
    assert np.abs(moved(depth, after)[but(POST, margin=2)]).max() < 0.02


def test_depth_that_knows_nothing_of_a_thing_gets_its_edges_from_the_photo(photo, merged):
    after = apply_depth_strokes(merged, [stroke("nearer", *TO_BOX)], photo)
    change = moved(merged, after)
    assert overlap(change > 0.05, ~but(BOX)) > 0.95
    assert np.abs(change[but(BOX, margin=3)]).max() < 0.02
    row = change[100]  # the step at the box's sides is sharp
    assert row[117] < 0.01 and row[122] > 0.9 * row[150] and row[197] > 0.9 * row[150] and row[202] < 0.01


def test_a_satisfied_stroke_changes_nothing(photo, depth):
    for kind, start in (("nearer", (60, 90)), ("farther", (60, 180))):
        np.testing.assert_array_equal(apply_depth_strokes(depth, [stroke(kind, start, *TO_BOX[2:])], photo), depth)


def test_speed_is_a_factor_on_the_step(photo, depth):
    far, farther = (
        np.median(apply_depth_strokes(depth, [stroke("nearer", *TO_BOX, speed=speed)], photo)[BOX])
        for speed in (1.0, 2.0)
    )
    assert np.log(far / farther) == pytest.approx(STEP, abs=0.03)


def test_strokes_compose_in_any_order(photo, depth):
    """The post gets the box's depth, and the box itself moves."""
    both = [stroke("nearer", *TO_BOX), stroke("same_depth", *TO_POST)]
    after = apply_depth_strokes(depth, both, photo)
    assert np.median(after[BOX]) < 0.8 * np.median(depth[BOX])
    assert np.median(after[POST]) == pytest.approx(float(np.median(after[BOX])), rel=0.05)
    np.testing.assert_allclose(apply_depth_strokes(depth, both[::-1], photo), after, rtol=1e-3)
    np.testing.assert_array_equal(apply_depth_strokes(depth, both, photo), after)


def test_strokes_that_contradict_meet_in_between(photo, depth):
    told = []
    to_box = ((265, 85), (264, 110), (180, 120), (140, 90), (180, 85), (140, 125))
    strokes = [stroke("nearer", *TO_POST, speed=3.0), stroke("nearer", *to_box, speed=3.0)]
    after = apply_depth_strokes(depth, strokes, photo, told.append)
    assert len(told) == 1 and "2 of 2 depth strokes contradict" in told[0]
    assert abs(np.log(np.median(after[BOX]) / np.median(after[POST]))) < STEP


def test_nearer_than_the_nearest_moves_the_scene_away(photo, depth):
    told = []
    after = apply_depth_strokes(depth, [stroke("nearer", (60, 190), *TO_BOX[1:], speed=2.0)], photo, told.append)
    assert len(told) == 1 and "whole scene moved away" in told[0]
    assert after.min() == pytest.approx(1) and np.unravel_index(after.argmin(), after.shape)[0] < 140
    sides = but(BOX, margin=3) & (depth < 50)
    assert np.ptp((after / depth)[sides]) < 0.02


def test_no_speckle(photo, depth, merged):
    for before in (depth, merged):
        after = apply_depth_strokes(before, [stroke("nearer", *TO_BOX)], photo)
        discontinuities = find_discontinuities((1 / after).astype(np.float32), np.ones(after.shape, bool)) > 0
        assert not discontinuities[but(BOX, POST, margin=3) & (np.arange(HEIGHT)[:, None] > HORIZON + 2)].any()
        assert not discontinuities[BOX][8:-8, 8:-8].any()


def test_larger_photos_give_the_same_with_sharp_edges(photo, merged):
    """The photo is larger than the one that is divided into superpixels."""
    large = Photo(photo.color.repeat(4, 0).repeat(4, 1), 4 * WIDTH)
    before = merged.repeat(4, 0).repeat(4, 1)
    change = moved(before, apply_depth_strokes(before, [Stroke("nearer", 4 * stroke("nearer", *TO_BOX).points)], large))
    small = moved(merged, apply_depth_strokes(merged, [stroke("nearer", *TO_BOX)], photo))
    assert np.median(change[280:560, 480:800]) == pytest.approx(float(np.median(small[BOX])), rel=0.1)
    for row in (340, 400, 460):
        rise = np.abs(np.diff(change[row])) / change[row, 640]
        assert rise[474:486].max() > 0.6 and rise[794:806].max() > 0.6  # within one pixel
        assert change[row, [476, 803]].max() < 0.05 and change[row, [483, 796]].min() > 0.75 * change[row, 640]


def test_sky_that_is_only_crossed_stays(photo, depth):
    disparity = 1 / depth
    disparity[30:90, 20:60] = 0.2
    color = photo.color.copy()
    color[30:90, 20:60] = (0.3, 0.1, 0.4)
    before = (1 / disparity).astype(np.float32)
    line = stroke("same_depth", (150, 100), (150, 50), (70, 45), (40, 60), (30, 80), (50, 40), (40, 85), (25, 50))
    after = apply_depth_strokes(before, [line], Photo(color, WIDTH))
    assert np.median(after[32:88, 22:58]) == pytest.approx(float(np.median(depth[BOX])), rel=0.05)
    assert np.abs(moved(before, after)[:HORIZON, 64:]).max() < 0.05


def around(part: tuple[slice, slice], off: float = 0) -> tuple[tuple[float, float], ...]:
    """Corners of the rectangle `off` px outside a part."""
    (top, bottom), (left, right) = ((side.start - off, side.stop + off) for side in part)
    return ((left, top), (right, top), (right, bottom), (left, bottom))


@pytest.mark.parametrize("off", [-3, 3])
def test_an_outline_drawn_by_a_loose_hand_snaps_to_the_thing(photo, merged, off):
    mask = ~but(tuple(slice(side.start - off, side.stop + off) for side in BOX))
    assert overlap(mask, ~but(BOX)) < 0.9
    assert overlap(snap_to_edges(mask, (1 / merged).astype(np.float32), photo.color), ~but(BOX)) > 0.97


def test_an_outline_over_nothing_stays_about_as_drawn(photo, merged):
    mask = ~but((slice(150, 190), slice(30, 90)))
    assert overlap(snap_to_edges(mask, (1 / merged).astype(np.float32), photo.color), mask) > 0.85


def test_flat_is_a_plane_through_most_of_the_enclosed_pixels(photo, depth):
    bumpy = 1 / depth
    bumpy[90:] *= 1 + 0.1 * np.sin(np.arange(WIDTH) / 4)[None]
    bumpy = (1 / bumpy.clip(1 / FARTHEST, 1)).astype(np.float32)
    field = (slice(150, 190), slice(20, 300))
    after = apply_depth_strokes(bumpy, [stroke("flat", *around(field))], photo)
    np.testing.assert_allclose((1 / after)[155:185, 25:295], ground()[155:185, 25:295], atol=0.03)
    assert np.abs(np.diff(1 / after[155:185, 25:295], 2, axis=1)).max() < 1e-3
    np.testing.assert_array_equal(after[:140], bumpy[:140])


def test_flat_vanishes_at_the_horizon(photo, depth):
    level = (1 / (0.5 + 0 * depth)).astype(np.float32)  # depth without a ground
    strokes = [
        stroke("horizon", (0, HORIZON), (WIDTH, HORIZON)),
        stroke("flat", (0, 100), (WIDTH, 100), (WIDTH, 200), (0, 200)),
    ]
    disparity = 1 / apply_depth_strokes(level, strokes, photo)
    rows = np.arange(HEIGHT)[120:] + 0.5 - HORIZON
    np.testing.assert_allclose(disparity[120:, 50] / rows, disparity[150, 50] / (150.5 - HORIZON), rtol=0.02)


def test_upright_stands_on_its_foot(photo, merged):
    disparity = 1 / apply_depth_strokes(merged, [stroke("upright", *around(BOX, 2))], photo)
    assert np.ptp(disparity[BOX][3:-3, 3:-3]) < 0.01
    assert np.median(disparity[BOX]) == pytest.approx(ground()[141, 0], abs=0.03)
    assert np.abs(disparity - ground())[but(BOX, margin=3)].max() < 1e-6


def test_upright_may_be_a_wall_that_goes_away(photo, merged):
    points = ((50, 70), (290, 70), (290, 110), (50, 190))
    disparity = 1 / apply_depth_strokes(merged, [stroke("upright", *points)], photo)
    for column, foot in ((90, 176), (170, 150), (250, 123)):
        assert disparity[90, column] == pytest.approx(ground()[foot, 0], abs=0.05)
    assert np.ptp(disparity[80:110, 170]) == 0


def test_a_tree_stands_on_its_trunk(photo, merged):
    tree = ((60, 75), (140, 75), (140, 105), (105, 105), (105, 160), (95, 160), (95, 105), (60, 105))
    disparity = 1 / apply_depth_strokes(merged, [stroke("upright", *tree)], photo)
    assert disparity[90, 70] > 0.6 and disparity[90, 130] == pytest.approx(disparity[90, 70], abs=0.02)


def test_sky_is_as_far_as_can_be_with_no_strip_left(photo, depth):
    hazy = 1 / depth
    hazy[40:HORIZON] = 0.05
    hazy = (1 / hazy).astype(np.float32)
    after = apply_depth_strokes(hazy, [stroke("depth_sky", (-5, 43), (325, 43), (325, HORIZON), (-5, HORIZON))], photo)
    assert (after[: HORIZON - 1] == np.float32(FARTHEST)).all()
    np.testing.assert_array_equal(after[HORIZON + 6 :], hazy[HORIZON + 6 :])


@pytest.mark.parametrize("wrong", [30, 90])
def test_horizon(photo, wrong):
    """The ground vanishes at the line, near ground stays, and the box moves with its foot."""
    before = ground(wrong)
    before[100:140, 120:200] = before[139, 0]
    depth = (1 / before).astype(np.float32)
    disparity = 1 / apply_depth_strokes(
        depth, [stroke("horizon", (10, HORIZON), (200, HORIZON + 1), (310, HORIZON))], photo
    )
    np.testing.assert_allclose(disparity[HORIZON + 3 :, 30], ground()[HORIZON + 3 :, 30], atol=0.02)
    assert np.median(disparity[100:140, 120:200]) == pytest.approx(ground()[139, 0], abs=0.03)
    assert (disparity[: HORIZON - 3] < 0.03).all()
    if wrong > HORIZON:
        assert np.ptp(disparity[102:138, 122:198]) < 0.01


def test_a_horizon_may_be_tilted(photo, merged):
    disparity = 1 / apply_depth_strokes(merged, [stroke("horizon", (0, 50), (WIDTH, 82))], photo)
    assert disparity[60, 5] > 0.05 and disparity[80, 310] < 0.02
    assert disparity[150, 10] / disparity[150, 310] == pytest.approx((150.5 - 51) / (150.5 - 81), rel=0.1)


def test_a_relation_moves_a_whole_outlined_area(photo, merged):
    area = stroke("upright", *around((slice(80, 130), slice(20, 100))))
    line = stroke("nearer", (60, 180), (60, 120))
    one, both = (1 / apply_depth_strokes(merged, strokes, photo) for strokes in ([area], [area, line]))
    change = np.log(both / one)[92:122, 30:90]
    assert change.min() > 0.2 and np.ptp(change) < 1e-3


EVERYWHERE = ((-900, -900), (900, -900), (900, 900), (-900, 900))


@pytest.mark.parametrize("kind", DEPTH_KINDS)
@pytest.mark.parametrize(
    "points",
    [
        ((50, 50),), ((50, 50), (50.2, 50)), ((50, 150), (90, 150)), ((50, 20), (50, 190)), EVERYWHERE,
        ((-50, 100), (500, 100)), ((20, 20), (300, 180), (300, 20), (20, 180)), ((0, 0), (0, 200)),
        ((319, 0), (319, 200), (320, 200)), ((10, 199), (310, 199)), ((10, 0), (310, 0.5)), ((0, 30), (320, 30)),
        ((0, 198), (320, 160)),
    ],
)  # fmt: skip
def test_any_stroke_gives_a_depth(photo, depth, kind, points):
    told = []
    after = apply_depth_strokes(depth, [stroke(kind, *points)], photo, told.append)
    assert after.shape == depth.shape and after.dtype == np.float32 and np.isfinite(after).all()
    assert after.min() >= 1 and after.max() <= FARTHEST and len(told) <= 1


@pytest.mark.parametrize(
    ("strokes", "text"),
    [
        ([stroke("nearer", (500, 500), (600, 600))], "1 of 1 depth strokes lie outside the photo"),
        ([stroke("flat", (500, 10), (600, 10), (600, 90))], "1 of 1 depth strokes lie outside the photo"),
        ([stroke("nearer", (np.nan, 5), (60, 60))], "1 of 1 depth strokes lie outside the photo"),
        ([stroke("nearer", (50, 50))], "1 depth strokes are too small"),
        ([stroke("upright", (50, 50), (90, 50))], "1 depth strokes are too small"),
        ([stroke("horizon", (50, 20), (52, 190))], "runs downward"),
        (
            [stroke("horizon", (0, 40), (320, 40)), stroke("horizon", (0, 90), (320, 90))],
            "do not lie on one straight line",
        ),
    ],
)
def test_one_sentence_each(photo, depth, strokes, text):
    told = []
    apply_depth_strokes(depth, strokes, photo, told.append)
    assert len(told) == 1 and text in told[0]


@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (400, 16)])
@pytest.mark.parametrize("kind", DEPTH_KINDS)
def test_small_and_long_photos(shape, kind):
    height, width = shape
    photo = Photo(np.random.default_rng(0).random((height, width, 3)).astype(np.float32), 100.0)
    line = stroke(kind, (1, height * 0.3), (width * 0.5, height * 0.8), (width - 1, height * 0.4))
    for depth in (np.full(shape, 1, np.float32), np.full(shape, FARTHEST, np.float32)):
        after = apply_depth_strokes(depth, [line], photo)
        assert np.isfinite(after).all() and after.min() >= 1 and after.max() <= FARTHEST
