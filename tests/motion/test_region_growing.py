"""Regions grown from strokes."""

from __future__ import annotations

import numpy as np
import pytest
from drawing import box, line
from pictures import landscape

from cinema_core.motion.hints import read_hints
from cinema_core.shared.data import Photo


@pytest.fixture(scope="module")
def seen() -> Photo:
    return Photo(landscape(320, 200).astype(np.float32) / np.float32(255), 320.0)


def test_a_stroke_on_water_moves_the_water_and_not_the_rock_nor_the_sky(seen):
    hints = read_hints([line((40, 150), (90, 150))], seen)
    assert hints.grown
    assert hints.region[110:, :100].mean() > 0.9
    assert hints.region[95:155, 185:212].mean() < 0.05 and hints.region[:70].mean() < 0.02


def test_a_stroke_on_a_rock_moves_the_rock(seen):
    region = read_hints([line((192, 100), (200, 150))], seen).region
    assert region[100:150, 190:205].all() and region[:, :150].mean() < 0.02


def test_the_region_does_not_grow_into_still_areas(seen):
    kept = box(0, 120, 120, 200, "still")
    region = read_hints([line((130, 110), (140, 190)), kept], seen).region
    assert not region[121:, :119].any() and region[150, 135]


def test_a_still_area_across_water_divides_the_region_and_pins_do_not(seen):
    stroke, across = line((40, 150), (90, 150)), [(130, 70), (130, 200)]
    parted = read_hints([stroke, box(125, 60, 135, 200, "still")], seen).region
    assert parted[150, 50] and not parted[:, 136:].any()
    pinned = read_hints([stroke, line(*across, kind="still")], seen)
    assert pinned.region[150, 50] and pinned.region[150, 130] and pinned.region[180, 250] and len(pinned.pins) > 100


def test_the_region_grows_from_the_strokes_when_none_is_drawn():
    color = np.full((120, 200, 3), 0.2, np.float32)
    color[:, 60:140] = (0.3, 0.5, 0.9)
    color += np.random.default_rng(0).normal(0, 0.01, color.shape).astype(np.float32)
    hints = read_hints([line((100, 30), (100, 90))], Photo(color, 200.0))
    river = np.zeros((120, 200), bool)
    river[:, 60:140] = True
    assert hints.grown
    assert (hints.region & river).sum() / (hints.region | river).sum() > 0.9
