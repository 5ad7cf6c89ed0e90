"""Suggested strokes: flowing areas are found in plain pictures, others are left alone, and no picture is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import landscape

from cinema_core.motion.hints import read_hints
from cinema_core.motion.suggest import MAX_CORNERS, suggest_strokes
from cinema_core.shared.data import Photo


def photo(pixels: np.ndarray) -> Photo:
    return Photo(pixels.astype(np.float32) / np.float32(255), float(max(pixels.shape)))


@pytest.fixture(scope="module")
def seen() -> Photo:
    return photo(landscape())


@pytest.fixture(scope="module")
def strokes(seen):
    return suggest_strokes(seen)


def test_sky_and_water_are_found_and_the_shore_and_the_rock_are_not(seen, strokes):
    region = read_hints(strokes, seen).region
    assert region[:70].mean() > 0.97  # sky
    assert region[100:, :100].mean() > 0.9  # water, left of the rock
    assert region[80:190, 180:215].mean() < 0.3  # the rock
    assert region[71:79, 20:300].mean() < 0.3  # the shore


def test_every_region_has_a_motion_stroke_inside_of_it(seen, strokes):
    warnings = []
    hints = read_hints(strokes, seen, warn=warnings.append)
    assert warnings == [] and len(hints.pixels) > 0
    kinds = [stroke.kind for stroke in strokes]
    assert kinds[0] == "region" and kinds.count("motion") >= kinds.count("region") >= 2
    assert set(kinds) <= {"region", "still", "motion"}
    for stroke in strokes:
        assert stroke.closed == (stroke.kind != "motion")
        assert len(stroke.points) <= MAX_CORNERS and stroke.points.dtype == np.float32
        assert (stroke.points >= 0).all() and (stroke.points <= (seen.width, seen.height)).all()


def test_the_sky_drifts_sideways_and_slowly(seen, strokes):
    lines = [stroke.points for stroke in strokes if stroke.kind == "motion" and stroke.points[:, 1].max() < 75]
    assert lines
    for start, end in lines:
        assert end[1] == pytest.approx(start[1]) and 0 < end[0] - start[0] <= 0.04 * seen.width


def test_hills_in_the_haze_stay():
    """They are smooth and bluish like water, but far darker than the sky behind them."""
    rows, columns = np.mgrid[:200, :320]
    grain = np.random.default_rng(0).normal(0, 1.5, (200, 320, 1))
    hill = rows > 60 + 25 * np.sin(columns / 40)
    pixels = np.where(hill[..., None], np.array((95, 102, 112)), np.array((232, 235, 238))) + grain
    pixels = np.where((rows > 130)[..., None], np.array((104, 96, 70)) + 6 * grain, pixels).clip(0, 255)
    region = read_hints(suggest_strokes(photo(pixels)), photo(pixels)).region
    assert region[:30].mean() > 0.9 and region[90:128].mean() < 0.1


def test_a_fall_falls():
    rows, columns = np.mgrid[:200, :320]
    pixels = np.array((62, 54, 44)) + np.random.default_rng(0).normal(0, 9, (200, 320, 1))
    fall = (columns > 120) & (columns < 200)
    white = 205 + 45 * np.sin(columns / 2.0 + np.sin(rows / 40))
    pixels = np.where(fall[..., None], white[..., None], pixels).clip(0, 255)
    found = suggest_strokes(photo(pixels))
    assert read_hints(found, photo(pixels)).region[:, 125:195].mean() > 0.9
    assert read_hints(found, photo(pixels)).region[:, :110].mean() < 0.1
    (start, end), *_ = [stroke.points for stroke in found if stroke.kind == "motion"]
    assert end[1] - start[1] > 4 * abs(end[0] - start[0])


def test_a_fall_falls_and_its_pool_runs_along_its_ripples():
    rows, columns = np.mgrid[:200, :320]
    pixels = np.array((62, 54, 44)) + np.random.default_rng(0).normal(0, 9, (200, 320, 1))
    falling, pool = (columns > 120) & (columns < 200) & (rows <= 110), rows > 110
    white = np.where(pool, 205 + 40 * np.sin(rows / 2.0), 205 + 45 * np.sin(columns / 2.0))
    pixels = np.where((falling | pool)[..., None], white[..., None], pixels).clip(0, 255)
    moves = [np.subtract(*stroke.points[::-1]) for stroke in suggest_strokes(photo(pixels)) if stroke.kind == "motion"]
    assert len(moves) == 2
    down, along = moves
    assert down[1] > 4 * abs(down[0]) and along[0] > 4 * abs(along[1])


def test_larger_photos_get_the_same_regions(seen, strokes):
    large = photo(landscape(960, 600))
    shares = [read_hints(s, p).region.mean() for s, p in ((strokes, seen), (suggest_strokes(large), large))]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_the_same_photo_gets_the_same_strokes(seen, strokes):
    again = suggest_strokes(seen)
    assert len(again) == len(strokes)
    assert all(np.array_equal(a.points, b.points) for a, b in zip(again, strokes))


NOISE = np.random.default_rng(1)
ODD = {
    "grey": np.full((90, 160, 3), 128),
    "black": np.zeros((90, 160, 3)),
    "white": np.full((90, 160, 3), 255),
    "noise": NOISE.integers(0, 256, (90, 160, 3)),
    "tiny": NOISE.integers(0, 256, (16, 16, 3)),
    "tiny grey": np.full((16, 16, 3), 128),
    "panorama": landscape(1200, 40),
    "sliver": landscape(16, 1200),
    "portrait": landscape(120, 300),
    "upside down": landscape()[::-1],
    "halves": np.repeat(np.repeat(np.array([[[255] * 3], [[0] * 3]]), 50, 0), 160, 1),
    "blue": np.full((90, 160, 3), 0) + (40, 90, 200),
    "white with a dot": np.where(np.indices((90, 160)).sum(0)[..., None] == 80, 0, 255) * np.ones(3),
    "ramp": np.repeat(np.linspace(0, 255, 160)[None, :, None], 90, 0) * np.ones(3),
}


@pytest.mark.parametrize("name", ODD)
def test_no_picture_is_refused(name):
    picture = photo(ODD[name])
    found = suggest_strokes(picture)
    if found:
        assert read_hints(found, picture).region.any()
    if name in ("grey", "black", "white", "blue", "tiny grey"):
        assert found == []
