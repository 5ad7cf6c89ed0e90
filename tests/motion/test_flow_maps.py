"""Flow maps of simple flows, whose places, limits and stretch are known."""

import numpy as np
import pytest

from cinema_core.motion.flow_maps import FlowMaps, trace_flow_maps

HEIGHT, WIDTH, STEP, STEPS = 60, 160, 5.0, 8
REGION = np.zeros((HEIGHT, WIDTH), bool)
REGION[:, 20:140] = True
KNOWN = REGION & (np.arange(WIDTH) < 130)


def maps_of(across: np.ndarray | float, down: np.ndarray | float = 0.0) -> FlowMaps:
    motion = np.stack(np.broadcast_arrays(np.float32(across), np.float32(down), np.zeros((HEIGHT, WIDTH)))[:2], -1)
    return trace_flow_maps(motion.astype(np.float32), REGION, KNOWN, STEP, STEPS)


def test_places_follow_a_uniform_flow_back_and_onwards():
    maps = maps_of(2.0, -0.5)
    pixels = np.array([[80.5, 30.5], [61.5, 20.5], [100.5, 40.5]], np.float32)
    for offset in (-3.0, -0.4, 0.0, 1.0, 2.7):
        found = maps.places(pixels, np.full(3, offset, np.float32))
        assert np.abs(found - pixels - np.array((2, -0.5)) * STEP * offset).max() < 1e-3
    together = maps.places(pixels, np.array([-1.5, 0.0, 2.0], np.float32))
    assert np.abs(together[:, 0] - pixels[:, 0] - 2 * STEP * np.array((-1.5, 0, 2))).max() < 1e-3


def test_water_remains_until_it_reaches_the_boundary():
    """From 80.5 it is 49.5 px to the end of the known part and 60.5 px to the left: 4.95 and 6.05 steps of 10 px."""
    maps = maps_of(2.0)
    pixels = np.repeat(np.array([[80.5, 30.5]], np.float32), 6, 0)
    offset = np.array([-7, -6.5, -4.9, 3.8, 5.2, 7], np.float32)
    assert maps.remains(pixels, offset) == pytest.approx([0, 0, 1, 1, 0, 0], abs=0.06)
    soft = maps.remains(pixels, np.full(6, 4.45, np.float32))[0]
    assert 0.4 < soft < 0.6  # half a step before it leaves


def test_water_that_stays_remains_always():
    maps = maps_of(0.1)
    middle = np.repeat(np.array([[80.5, 30.5]], np.float32), 2, 0)
    assert maps.remains(middle, np.array([-STEPS, STEPS], np.float32)).tolist() == [1, 1]


def test_a_shear_stretches_by_its_larger_singular_value():
    y = np.arange(HEIGHT)[:, None] + 0.5
    maps = maps_of(0.02 * (y - HEIGHT / 2))
    shear = 0.02 * STEP * STEPS
    expected = (shear + np.sqrt(shear**2 + 4)) / 2
    height, width = maps.exits.shape[1:]
    inside = (slice(4, height - 4), slice(width // 4, 3 * width // 4))
    for step in (-STEPS, STEPS):
        assert np.abs(maps.stretch(step)[inside] - expected).max() < 0.02
    assert np.abs(maps.stretch(0) - 1).max() < 1e-6


def test_large_regions_have_wider_nodes_and_the_same_places(monkeypatch):
    fine = maps_of(2.0)
    monkeypatch.setattr("cinema_core.motion.flow_maps.MOST_NODES", 10_000)
    coarse = maps_of(2.0)
    assert coarse.spacing > fine.spacing and coarse.displacement.nbytes < 0.3 * fine.displacement.nbytes
    pixels, offset = np.array([[80.5, 30.5]], np.float32), np.array([2.5], np.float32)
    assert np.abs(coarse.places(pixels, offset) - fine.places(pixels, offset)).max() < 1e-2
