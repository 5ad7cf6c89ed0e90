"""Gradient noise on arrays. Ground, rocks and waves are sums of it."""

from __future__ import annotations

import numpy as np

LATTICE_PERIOD = 1024  # cells after which the noise repeats; a power of two


class Noise:
    """Perlin noise of one seed. The methods take and return arrays of the same shape, except `solid`."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._order = np.tile(rng.permutation(LATTICE_PERIOD), 3)
        angle = rng.uniform(0, 2 * np.pi, LATTICE_PERIOD)
        self._gradient = 1.5 * np.stack([np.cos(angle), np.sin(angle)], 1)

    def plain(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """One octave, about -1..1, with one feature per unit."""
        column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        dx, dy = x - column, y - row
        across, along = _fade(dx), _fade(dy)
        low = _mix(self._corner(column, row, dx, dy), self._corner(column + 1, row, dx - 1, dy), across)
        high = _mix(
            self._corner(column, row + 1, dx, dy - 1), self._corner(column + 1, row + 1, dx - 1, dy - 1), across
        )
        return _mix(low, high, along)

    def _corner(self, column: np.ndarray, row: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
        gradient = self._gradient[
            self._order[self._order[column & (LATTICE_PERIOD - 1)] + (row & (LATTICE_PERIOD - 1))]
        ]
        return gradient[..., 0] * dx + gradient[..., 1] * dy

    def fractal(self, x: np.ndarray, y: np.ndarray, octaves: int = 6, gain: float = 0.5) -> np.ndarray:
        """Sum of octaves. Each has twice the frequency and `gain` times the amplitude of the one before."""
        total, height = 0.0, 1.0
        for octave in range(octaves):
            total = total + height * self.plain(x + 17.3 * octave, y + 9.1 * octave)
            x, y, height = 2.03 * x, 2.03 * y, gain * height
        return total

    def ridged(self, x: np.ndarray, y: np.ndarray, octaves: int = 7, gain: float = 0.5) -> np.ndarray:
        """Like `fractal`, but with sharp crests, for mountains."""
        total, height, weight = 0.0, 1.0, 1.0
        for octave in range(octaves):
            crest = np.square(1 - np.abs(self.plain(x + 17.3 * octave, y + 9.1 * octave))) * weight
            total, weight = total + height * crest, np.clip(1.6 * crest, 0, 1)
            x, y, height = 2.03 * x, 2.03 * y, gain * height
        return total

    def solid(self, points: np.ndarray, scale: float) -> np.ndarray:
        """(N,) fractal noise at (N, 3) points in space, the mean of 2D noise on two slanted planes."""
        x, y, z = points.T * scale
        first = self.fractal(x + 0.6 * z, y - 0.8 * z, 5)
        return 0.5 * (first + self.fractal(z + 5, 0.7 * x + 0.7 * y, 5))


def _fade(t: np.ndarray) -> np.ndarray:
    return t * t * t * (t * (6 * t - 15) + 10)


def _mix(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    return a + (b - a) * share


def step(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`; descending if `high` is below `low`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
