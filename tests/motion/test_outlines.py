"""Areas from outlines and painted masks, and the errors for masks that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from drawing import box, line
from pictures import write_png

from cinema_core.engine.commands import find_mask
from cinema_core.files.mask import read_mask
from cinema_core.image.polyline import fill_polygon
from cinema_core.motion.hints import read_hints
from cinema_core.shared.data import Photo
from cinema_core.shared.errors import CinemaError

WIDTH, HEIGHT = 320, 200
FLOW = line((20, 100), (70, 100))
ALL = box(0, 0, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 320.0)


def test_a_region_is_the_pixels_whose_centres_it_encloses(photo):
    region = read_hints([box(10, 20, 50, 60), line((20, 30), (40, 30))], photo).region
    assert region[20:60, 10:50].all() and region.sum() == 40 * 40


def test_an_area_that_ends_just_before_the_photos_edge_reaches_it(photo):
    """Labelling tools end a pixel before the edge. With a strip left there, nothing would move beyond the photo."""
    region = read_hints([box(100, 60, WIDTH - 1, HEIGHT - 3), FLOW, line((200, 100), (240, 100))], photo).region
    assert region[60:, 100:].all() and region.sum() == (HEIGHT - 60) * (WIDTH - 100)
    region = read_hints([box(2, 3, 100, 100), FLOW], photo).region
    assert region[:100, :100].all() and region.sum() == 100 * 100
    shore = box(12, 12, 100, 100)  # ends too far from the edge to be extended
    assert read_hints([shore, FLOW], photo).region.sum() == 88 * 88


def test_a_still_area_up_to_the_photos_edge_leaves_no_strip_of_water_there(photo):
    region = read_hints([ALL, box(250, 50, WIDTH - 2, 150, "still"), FLOW], photo).region
    assert not region[60:140, 260:].any() and region[20, WIDTH - 1]


def test_islands_and_ponds_on_them(photo):
    lake, island, pond = box(10, 10, 310, 190), box(100, 50, 200, 150, "still"), box(130, 80, 170, 120)
    for strokes in ([lake, island, pond, FLOW], [pond, FLOW, island, lake]):  # the order does not matter
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


def test_an_outline_round_the_whole_photo_lies_on_it(photo):
    assert read_hints([box(-900, -900, 900, 900), FLOW], photo).region.all()


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


def test_a_mask_alone_is_enough_with_a_warning(photo):
    warnings = []
    painted = np.ones((HEIGHT, WIDTH), np.float32)
    assert read_hints([], photo, warn=warnings.append, painted=painted).region.all()
    assert len(warnings) == 1 and "No motion stroke" in warnings[0]


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
    (tmp_path / "image_json").mkdir()  # the place in the program of Li et al.
    inner = mask_file(tmp_path / "image_json", np.full((HEIGHT, WIDTH), 255))
    assert find_mask(tmp_path, None) == inner
    outer = mask_file(tmp_path, np.full((HEIGHT, WIDTH), 255))
    assert find_mask(tmp_path, None) == outer
    assert find_mask(tmp_path, tmp_path / "image.json") is None and find_mask(outer, None) is None
