"""How much fine texture an inpainted surface keeps."""

from __future__ import annotations

import numpy as np

from cinema_core.layers.soften import NARROW_SHARE, soften

SHAPE = (200, 320)


def fill(width: int, shape: tuple[int, int] = SHAPE, grain: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices of a vertical strip, and its colours: noise on a ramp of grey, in squares of `grain` px."""
    rows, columns = np.arange(40 * grain, 160 * grain), np.arange(100 * grain, 100 * grain + width)
    index = (rows[:, None] * shape[1] + columns).ravel()
    level = np.linspace(0.3, 0.6, len(rows), dtype=np.float32)[:, None]
    spots = np.random.default_rng(0).normal(0, 0.05, (-(-len(rows) // grain), -(-width // grain)))
    noise = np.kron(spots, np.ones((grain, grain)))[: len(rows), :width]
    return index, np.repeat((level + noise).astype(np.float32).reshape(-1, 1), 3, 1)


def roughness(color: np.ndarray, width: int, grain: int = 1) -> float:
    """Standard deviation of the differences between horizontal neighbours of one size of grain, away from the ends."""
    values = color[:, 0].reshape(-1, width)[20 * grain : -20 * grain : grain]
    return float(np.diff(values[:, grain // 2 :: grain], axis=1).std())


def test_a_sliver_loses_most_of_its_texture_and_keeps_its_tone():
    index, color = fill(5)
    soft = soften(SHAPE, index, color)
    assert roughness(soft, 5) < (NARROW_SHARE + 0.1) * roughness(color, 5)
    means = [values.reshape(120, 5, 3)[10:-10].mean((1, 2)) for values in (soft, color)]
    assert np.abs(np.subtract(*means)).max() < 0.05
    assert (
        np.abs(means[0] - np.linspace(0.3, 0.6, 120)[10:-10]).mean()
        < np.abs(means[1] - np.linspace(0.3, 0.6, 120)[10:-10]).mean()
    )


def test_a_wide_fill_keeps_its_texture_inside():
    index, color = fill(120)
    soft = soften(SHAPE, index, color)
    inside = np.s_[30:-30, 30:-30]
    assert np.abs((soft - color).reshape(120, 120, 3)[inside]).max() < 1e-3


def test_leaves_in_the_shade_keep_their_texture():
    """Their mean colour would be a veil."""
    index, color = fill(5)
    leaves = np.where(np.random.default_rng(2).random(len(index)) < 0.2, np.float32(0.5), np.float32(0.02))
    leaves = np.repeat(leaves[:, None], 3, 1)
    assert np.abs(soften(SHAPE, index, leaves) - leaves).mean() < 0.02


def test_a_larger_canvas_is_softened_too():
    small, large = fill(5), fill(20, (800, 1280), grain=4)
    kept = [
        roughness(soften(shape, *part), width, grain) / roughness(part[1], width, grain)
        for shape, part, width, grain in ((SHAPE, small, 5, 1), ((800, 1280), large, 20, 4))
    ]
    assert 0.2 < kept[1] < 1.0


def test_an_empty_fill_stays_empty():
    assert soften(SHAPE, np.zeros(0, np.int64), np.zeros((0, 3), np.float32)).shape == (0, 3)
