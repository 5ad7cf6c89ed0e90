"""Hints: what strokes and painted masks say, and what is told where they make no sense."""

from __future__ import annotations

import time

import numpy as np
import pytest
from pictures import landscape, write_png

from cinema_core.engine.commands import find_mask
from cinema_core.files.mask import read_mask
from cinema_core.image.polyline import fill_polygon
from cinema_core.motion.hints import read_hints
from cinema_core.shared.data import Photo, Stroke
from cinema_core.shared.errors import CinemaError

WIDTH, HEIGHT = 320, 200


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 320.0)


@pytest.fixture(scope="module")
def seen() -> Photo:
    return Photo(landscape(WIDTH, HEIGHT).astype(np.float32) / np.float32(255), 320.0)


def box(left: float, top: float, right: float, bottom: float, kind: str = "region") -> Stroke:
    return Stroke(kind, np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32), True)


def line(*points: tuple[float, float], kind: str = "motion", **fields) -> Stroke:
    return Stroke(kind, np.array(points, np.float32), **fields)


FLOW = line((20, 100), (70, 100))
ALL = box(0, 0, WIDTH, HEIGHT)


# What encloses


def test_a_region_is_the_pixels_whose_centres_it_encloses(photo):
    region = read_hints([box(10, 20, 50, 60), line((20, 30), (40, 30))], photo).region
    assert region[20:60, 10:50].all() and region.sum() == 40 * 40


def test_what_ends_just_before_the_photos_edge_reaches_it(photo):
    """Labelling tools end a pixel before it; what was left out was a bank, and nothing moved beyond the border."""
    region = read_hints([box(100, 60, WIDTH - 1, HEIGHT - 3), FLOW, line((200, 100), (240, 100))], photo).region
    assert region[60:, 100:].all() and region.sum() == (HEIGHT - 60) * (WIDTH - 100)
    region = read_hints([box(2, 3, 100, 100), FLOW], photo).region
    assert region[:100, :100].all() and region.sum() == 100 * 100
    shore = box(12, 12, 100, 100)  # that it ends so far from the edge is meant
    assert read_hints([shore, FLOW], photo).region.sum() == 88 * 88


def test_what_is_still_up_to_the_photos_edge_leaves_no_strip_of_water_there(photo):
    region = read_hints([ALL, box(250, 50, WIDTH - 2, 150, "still"), FLOW], photo).region
    assert not region[60:140, 260:].any() and region[20, WIDTH - 1]


def test_islands_and_ponds_on_them(photo):
    lake, island, pond = box(10, 10, 310, 190), box(100, 50, 200, 150, "still"), box(130, 80, 170, 120)
    for strokes in ([lake, island, pond, FLOW], [pond, FLOW, island, lake]):  # the order says nothing
        region = read_hints(strokes, photo).region
        assert region[30, 30] and not region[60, 110] and region[100, 150]


def test_an_island_on_an_islands_pond(photo):
    rings = [box(10 + 20 * n, 10 + 20 * n, 310 - 20 * n, 190 - 20 * n, ("region", "still")[n % 2]) for n in range(4)]
    region = read_hints([*rings, line((15, 40), (15, 90))], photo).region
    assert [bool(region[100, 20 + 20 * n]) for n in range(4)] == [True, False, True, False]


def test_a_region_in_a_region_adds_nothing_and_takes_nothing(photo):
    hints = read_hints([box(10, 10, 310, 190), box(100, 50, 200, 150), FLOW], photo)
    assert hints.region[20:180, 20:300].all()


def test_a_still_across_a_regions_border_cuts_it(photo):
    region = read_hints([box(10, 10, 200, 190), box(150, 50, 300, 150, "still"), FLOW], photo).region
    assert region[100, 140] and not region[100, 160] and region[30, 160]


def test_a_still_round_a_whole_region_takes_it_back(photo):
    with pytest.raises(CinemaError, match="leave no region"):
        read_hints([box(50, 50, 100, 100), ALL, box(0, 0, WIDTH, HEIGHT, "still")], photo)
    region = read_hints(
        [box(150, 20, 300, 180), box(10, 10, 100, 100, "still"), box(50, 50, 80, 80), FLOW], photo
    ).region
    assert region[100, 200] and not region[60, 60]


def test_a_hand_that_draws_past_its_start_and_a_bridge_to_a_hole():
    turn = np.linspace(0, 2.3 * np.pi, 80)
    overlapping = np.stack([50 + 30 * np.cos(turn), 50 + 30 * np.sin(turn)], 1)
    twice = np.array((50, 50)) + 28.5 * np.array((np.cos(0.15 * np.pi), np.sin(0.15 * np.pi)))
    filled = fill_polygon(overlapping, (100, 100))
    assert filled[35:65, 35:65].all() and filled[int(twice[1]), int(twice[0])]
    outer, inner = [(10, 10), (90, 10), (90, 90), (10, 90)], [(40, 40), (40, 60), (60, 60), (60, 40)]
    ring = fill_polygon(np.array([*outer, outer[0], *inner, inner[0]]), (100, 100))
    assert ring[20, 20] and not ring[50, 50]


def test_an_outline_beyond_the_photo():
    assert fill_polygon(np.array([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)]), (20, 30)).all()
    assert not fill_polygon(np.array([(40, 0), (50, 0), (45, 10)]), (20, 30)).any()


# Still, outlet, sway


def test_open_still_strokes_are_pins_and_cut_nothing(photo):
    hints = read_hints([ALL, FLOW, line((100, 50), (140, 50), kind="still"), line((7, 9), kind="still")], photo)
    assert hints.region.all()
    assert {(100, 50), (140, 50), (7, 9)} <= {tuple(pin) for pin in hints.pins.tolist()}
    assert np.linalg.norm(np.diff(hints.pins[:-2], axis=0), axis=1).max() <= 1.01  # no gap to slip through


def test_a_closed_still_without_an_inside_is_a_pin(photo):
    flat = Stroke("still", np.array([(50, 50), (90, 50), (70, 50)], np.float32), True)
    hints = read_hints([ALL, FLOW, flat], photo)
    assert hints.region.all() and len(hints.pins) > 40


def test_outlets_are_a_band_round_their_strokes(photo):
    hints = read_hints([ALL, FLOW, line((100, 20), (100, 120), kind="outlet")], photo)
    across = np.flatnonzero(hints.outlets[70])
    assert 4 <= len(across) <= 9 and abs(across.mean() + 0.5 - 100) <= 1
    assert not hints.outlets[140].any()
    assert read_hints([ALL, FLOW], photo).outlets is None


def test_strokes_in_sway_swing_and_the_others_flow(photo):
    tree = box(200, 50, 300, 150, "sway")
    hints = read_hints([ALL, tree, FLOW, line((240, 90), (248, 90)), line((250, 120), (250, 20), speed=0.5)], photo)
    assert hints.sway[100, 250] and not hints.region[100, 250] and hints.region[100, 50]
    assert len(hints.pixels) and (hints.pixels[:, 0] < 71).sum() == (hints.pixels[:, 1] > 99).sum()
    short = np.abs(hints.sway_pixels[:, 1] - 90) < 0.1
    np.testing.assert_allclose(hints.sway_extents[short & (hints.sway_pixels[:, 0] != 250)], [[8, 0]] * 9, atol=1e-4)
    upward = hints.sway_pixels[:, 0] == 250
    np.testing.assert_allclose(hints.sway_extents[upward], [[0, -0.04 * 320]] * int(upward.sum()), atol=1e-4)


def test_sway_alone_is_no_error_and_no_region(photo):
    hints = read_hints([box(200, 50, 300, 150, "sway"), line((240, 90), (248, 90))], photo)
    assert not hints.region.any() and not hints.grown and len(hints.pixels) == 0 and len(hints.sway_pixels)


def test_an_island_in_sway(photo):
    hints = read_hints([box(100, 50, 300, 150, "sway"), box(150, 80, 200, 120, "still")], photo)
    assert hints.sway[60, 120] and not hints.sway[100, 175] and not hints.region.any()


# Along strokes


def test_a_profile_scales_the_pace_along_the_stroke(photo):
    stroke = line((20, 100), (40, 100), (120, 100), speed=2, profile=np.array([0, 1, 0.5], np.float32))
    hints = read_hints([ALL, stroke], photo)
    pace = np.interp(hints.pixels[:, 0], [20, 40, 120], [0, 1, 0.5]) * 2 * min(100 / 50, 320 / 200)
    np.testing.assert_allclose(hints.velocities, np.stack([pace, 0 * pace], 1), atol=1e-4)


def test_a_profile_scales_a_swing_too(photo):
    stroke = line((240, 90), (248, 90), profile=np.array([1, 0.5], np.float32))
    hints = read_hints([box(200, 50, 300, 150, "sway"), stroke], photo)
    np.testing.assert_allclose(hints.sway_extents[[0, -1], 0], [8, 4], atol=1e-4)


def test_tangents_of_a_curve_hold_at_its_ends_too(photo):
    angle = np.linspace(0, np.pi, 200)
    arc = np.stack([160 - 60 * np.cos(angle), 150 - 60 * np.sin(angle)], 1)
    hints = read_hints([ALL, Stroke("motion", arc.astype(np.float32))], photo)
    radius = hints.pixels - (160, 150)
    tangent = np.stack([-radius[:, 1], radius[:, 0]], 1) / np.linalg.norm(radius, axis=1, keepdims=True)
    cosine = (tangent * hints.velocities).sum(1) / np.linalg.norm(hints.velocities, axis=1)
    assert np.degrees(np.arccos(cosine.min())) < 1.0


def test_a_tremble_is_no_direction(photo):
    x = np.arange(20, 200, 2.0)
    trembling = np.stack([x, 100 + np.random.default_rng(0).normal(0, 0.4, len(x))], 1)
    velocity = read_hints([ALL, Stroke("motion", trembling.astype(np.float32))], photo).velocities
    assert np.degrees(np.arctan2(np.abs(velocity[4:-4, 1]), velocity[4:-4, 0])).max() < 5


def test_a_closed_motion_stroke_is_an_eddy(photo):
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    ring = np.stack([160 + 40 * np.cos(angle), 100 + 40 * np.sin(angle)], 1)
    hints = read_hints([ALL, Stroke("motion", ring.astype(np.float32), True)], photo)
    radius = hints.pixels - (160, 100)
    across = np.abs((radius * hints.velocities).sum(1)) / np.linalg.norm(hints.velocities, axis=1) / 40
    assert across.max() < 0.02  # at the seam too


# Grown regions


def test_a_stroke_on_water_moves_the_water_and_not_the_rock_nor_the_sky(seen):
    hints = read_hints([line((40, 150), (90, 150))], seen)
    assert hints.grown
    assert hints.region[110:, :100].mean() > 0.9
    assert hints.region[95:155, 185:212].mean() < 0.05 and hints.region[:70].mean() < 0.02


def test_a_stroke_on_a_rock_moves_the_rock(seen):
    region = read_hints([line((192, 100), (200, 150))], seen).region
    assert region[100:150, 190:205].all() and region[:, :150].mean() < 0.02


def test_what_is_kept_still_does_not_grow(seen):
    kept = box(0, 120, 120, 200, "still")
    region = read_hints([line((130, 110), (140, 190)), kept], seen).region
    assert not region[121:, :119].any() and region[150, 135]


def test_a_keep_out_across_water_parts_what_grows_and_pins_do_not(seen):
    stroke, across = line((40, 150), (90, 150)), [(130, 70), (130, 200)]
    parted = read_hints([stroke, box(125, 60, 135, 200, "still")], seen).region
    assert parted[150, 50] and not parted[:, 136:].any()
    pinned = read_hints([stroke, line(*across, kind="still")], seen)
    assert pinned.region[150, 50] and pinned.region[150, 130] and pinned.region[180, 250] and len(pinned.pins) > 100


# Masks


def mask_file(folder, pixels: np.ndarray):
    return write_png(folder / "mask.png", np.repeat(pixels[..., None].astype(np.uint8), 3, 2))


def test_a_painted_mask_is_a_region(photo, tmp_path):
    pixels = np.zeros((HEIGHT, WIDTH))
    pixels[50:150, 40:280] = 255
    painted = read_mask(mask_file(tmp_path, pixels), (WIDTH, HEIGHT))
    hints = read_hints([FLOW], photo, painted=painted)
    np.testing.assert_array_equal(hints.region, pixels > 0)
    assert hints.soft is None and not hints.grown
    more = read_hints([FLOW, box(10, 10, 60, 60), box(100, 70, 150, 120, "still")], photo, painted=painted).region
    assert more[20, 20] and more[100, 200] and not more[100, 120]


def test_a_painted_mask_reaches_the_photos_edge_too(photo):
    painted = np.zeros((HEIGHT, WIDTH), np.float32)
    painted[50:150, 200:-1] = 1
    assert read_hints([], photo, painted=painted).region[50:150, 200:].all()


def test_a_mask_alone_is_enough_and_told_of(photo):
    told = []
    painted = np.ones((HEIGHT, WIDTH), np.float32)
    assert read_hints([], photo, warn=told.append, painted=painted).region.all()
    assert len(told) == 1 and "No motion stroke" in told[0]


def test_a_soft_mask_slows_the_motion(photo):
    painted = np.repeat(np.linspace(0, 1, WIDTH, dtype=np.float32)[None], HEIGHT, 0)
    hints = read_hints([line((250, 100), (300, 100)), box(0, 0, 30, 30)], photo, painted=painted)
    assert hints.region[100, 60] and not hints.region[100, 5] and hints.region[10, 10]
    assert hints.soft[100, 160] == pytest.approx(0.5, abs=0.01) and hints.soft[10, 10] == 1


def test_a_mask_of_another_size_is_scaled(tmp_path):
    pixels = np.zeros((HEIGHT, WIDTH))
    pixels[:, 160:] = 255
    for size in ((640, 400), (160, 100)):
        mask = read_mask(mask_file(tmp_path, pixels), size)
        assert mask.shape == size[::-1] and mask.dtype == np.float32
        assert (mask[:, : size[0] // 2 - 2] == 0).all() and (mask[:, size[0] // 2 + 2 :] == 1).all()


def test_masks_that_cannot_be_used(tmp_path):
    (tmp_path / "words.png").write_bytes(b"words")
    (tmp_path / "empty.png").write_bytes(b"")
    black = mask_file(tmp_path, np.zeros((HEIGHT, WIDTH)))
    for path, size, text in (
        (tmp_path / "none.png", (WIDTH, HEIGHT), "There is no mask"),
        (tmp_path, (WIDTH, HEIGHT), "There is no mask"),
        (tmp_path / "words.png", (WIDTH, HEIGHT), "not a readable image"),
        (tmp_path / "empty.png", (WIDTH, HEIGHT), "not a readable image"),
        (black, (HEIGHT, WIDTH), "320 x 200, which is not the photo's shape"),
        (black, (WIDTH, HEIGHT), "is black"),
    ):
        with pytest.raises(CinemaError, match=text) as caught:
            read_mask(path, size)
        assert caught.value.hint


def test_a_folders_mask_serves_where_there_are_no_annotations(tmp_path):
    assert find_mask(tmp_path, None) is None
    (tmp_path / "image_json").mkdir()  # where the program of Li et al. has it
    inner = mask_file(tmp_path / "image_json", np.full((HEIGHT, WIDTH), 255))
    assert find_mask(tmp_path, None) == inner
    outer = mask_file(tmp_path, np.full((HEIGHT, WIDTH), 255))
    assert find_mask(tmp_path, None) == outer
    assert find_mask(tmp_path, tmp_path / "image.json") is None and find_mask(outer, None) is None


# Odd input


def told(strokes, photo) -> list[str]:
    texts = []
    read_hints(strokes, photo, warn=texts.append)
    return texts


def test_clean_strokes_are_told_nothing(photo):
    assert told([ALL, FLOW, line((7, 9), kind="still"), line((0, 5), (0, 90), kind="outlet")], photo) == []


@pytest.mark.parametrize(
    ("strokes", "text"),
    [
        ([ALL], "No motion stroke lies inside the region"),
        ([box(10, 10, 12, 11.6), line((10, 10), (40, 10))], "only 4 pixels large"),
        ([line((10, 10), (50, 50), kind="still")], "Only Still and Outlet strokes"),
        ([line((10, 10), (50, 50), kind="outlet")], "Only Still and Outlet strokes"),
        ([box(0, 0, 100, 200), FLOW, line((200, 20), (250, 20))], "1 of 2 motion strokes lie outside what moves"),
        ([ALL, FLOW, line((500, 500), (600, 600))], "1 of 3 strokes lie outside the photo"),
        ([ALL, FLOW, line((np.nan, 5), (6, 7))], "1 of 3 strokes lie outside the photo"),
        ([ALL, FLOW, line((5, 5))], "1 strokes are too short"),
    ],
)
def test_one_sentence_each(photo, strokes, text):
    (only,) = told(strokes, photo)
    assert text in only


@pytest.mark.parametrize(
    ("strokes", "text"),
    [
        ([line((500, 500), (600, 600))], "No stroke lies on the photo"),
        ([line((50, 50))], "single dots"),
        ([line((50, 50), (50.2, 50))], "single dots"),
        ([line((np.nan, 1), (2, 2))], "No stroke lies on the photo"),
        ([line((np.inf, 1), (2, 2))], "No stroke lies on the photo"),
        ([box(20, 20, 60, 60), box(0, 0, WIDTH, HEIGHT, "still")], "leave no region"),
    ],
)
def test_strokes_that_mean_nothing(photo, strokes, text):
    with pytest.raises(CinemaError, match=text) as caught:
        read_hints(strokes, photo)
    assert caught.value.hint


def test_no_strokes_are_no_hints(photo):
    hints = read_hints([], photo)
    assert not hints.region.any() and len(hints.pixels) == 0 and not hints.grown


def test_strokes_about_depth_say_nothing_about_motion(photo):
    depth = [
        line((0, 5), (90, 50), kind="nearer"),
        box(0, 0, 100, 200, "flat"),
        line((900, 5), (950, 5), kind="horizon"),
    ]
    assert told([ALL, FLOW, *depth], photo) == []
    np.testing.assert_array_equal(read_hints([ALL, FLOW, *depth], photo).region, read_hints([ALL, FLOW], photo).region)
    assert not read_hints(depth, photo).region.any()


def test_an_outline_round_the_whole_photo_lies_on_it(photo):
    assert read_hints([box(-900, -900, 900, 900), FLOW], photo).region.all()


def test_500_strokes(photo):
    random = np.random.default_rng(0)
    strokes = []
    for number in range(500):
        centre, radius = random.uniform((0, 0), (WIDTH, HEIGHT)), random.uniform(2, 30)
        turn = np.linspace(0, 6, 60)[:, None]
        points = centre + radius * np.concatenate([np.cos(turn), np.sin(turn)], 1)
        kind = ("motion", "region", "still", "sway", "outlet")[number % 5]
        strokes.append(Stroke(kind, points.astype(np.float32), kind != "motion"))
    start = time.perf_counter()
    hints = read_hints(strokes, photo)
    assert time.perf_counter() - start < 5
    assert hints.region.any() and hints.sway.any() and not (hints.region & hints.sway).any()
