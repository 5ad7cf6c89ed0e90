"""The ground: heights and colours of a fan of vertices in front of the camera, from 0.6 m to 15 km.

Lengths are in metres. The camera is above the origin and looks along +y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .noise import Noise, step

RINGS, RAYS = 250, 230  # vertices of the fan: distances, and directions at each distance
DISTANCE = np.geomspace(0.6, 15000, RINGS)[:, None]
BEARING = np.deg2rad(np.linspace(-78, 78, RAYS))[None]
X, Y = DISTANCE * np.sin(BEARING), DISTANCE * np.cos(BEARING)

Height = Callable[[np.ndarray, np.ndarray], np.ndarray]  # height of arrays of x and y

LAND_SHARES = {  # probability of each kind of land, before it is scaled to a sum of 1
    "hills": 0.15,
    "mountain": 0.18,
    "valley": 0.12,
    "canyon": 0.08,
    "coast": 0.15,
    "dunes": 0.06,
    "flat": 0.08,
    "mesa": 0.05,
    "stacks": 0.04,
    "brow": 0.09,
}

PALETTES = {  # sRGB
    "grass": [(0.35, 0.42, 0.18), (0.45, 0.48, 0.22), (0.30, 0.36, 0.16), (0.5, 0.47, 0.3)],
    "dry": [(0.6, 0.52, 0.34), (0.52, 0.45, 0.3), (0.68, 0.6, 0.42), (0.4, 0.36, 0.24)],
    "sand": [(0.78, 0.66, 0.48), (0.72, 0.58, 0.4), (0.82, 0.74, 0.6), (0.62, 0.5, 0.38)],
    "red": [(0.62, 0.36, 0.24), (0.7, 0.45, 0.3), (0.5, 0.3, 0.22), (0.74, 0.56, 0.42)],
    "grey": [(0.45, 0.44, 0.43), (0.36, 0.36, 0.37), (0.55, 0.54, 0.52), (0.28, 0.27, 0.26)],
    "snow": [(0.9, 0.92, 0.95), (0.85, 0.88, 0.93), (0.95, 0.95, 0.96), (0.5, 0.5, 0.52)],
    "lava": [(0.16, 0.15, 0.15), (0.22, 0.2, 0.2), (0.1, 0.1, 0.1), (0.35, 0.28, 0.22)],
    "forest": [(0.2, 0.27, 0.13), (0.15, 0.21, 0.12), (0.26, 0.32, 0.17), (0.34, 0.34, 0.24)],
    "tundra": [(0.45, 0.38, 0.25), (0.38, 0.36, 0.25), (0.5, 0.45, 0.35), (0.33, 0.3, 0.24)],
    "pebble": [(0.5, 0.48, 0.46), (0.58, 0.55, 0.5), (0.42, 0.4, 0.4), (0.3, 0.3, 0.3)],
    "street": [(0.4, 0.4, 0.4), (0.5, 0.5, 0.5), (0.32, 0.33, 0.34), (0.45, 0.43, 0.4)],
}


@dataclass
class Land:
    """The ground of one scene.

    Attributes:
        heights: (RINGS, RAYS).
        kind: Kind of land.
        palette: Name of its colours.
        water: Height of the water, or None without water.
        eye: Height of the first camera.
    """

    heights: np.ndarray
    kind: str
    palette: str
    water: float | None
    eye: float

    def height_at(self, x: float, y: float) -> float:
        ring = np.searchsorted(DISTANCE[:, 0], np.hypot(x, y)).clip(0, RINGS - 1)
        ray = np.searchsorted(BEARING[0], np.arctan2(x, y)).clip(0, RAYS - 1)
        return float(self.heights[ring, ray])

    def lowest(self, distance: float) -> float:
        """Lowest height of the ground at about this distance (m), in all directions."""
        return float(self.heights[(DISTANCE[:, 0] > 0.85 * distance) & (DISTANCE[:, 0] < 1.4 * distance)].min())


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def make_land(rng: np.random.Generator, kind: str, palette: str, water_share: float, eye: float) -> Land:
    """Random heights of a kind of land.

    Args:
        rng: Chooses the heights.
        kind: Kind of land.
        palette: Name of its colours.
        water_share: Probability of water.
        eye: Height of the camera above ground and water.
    """
    heights = _sum_heights(rng, kind)(X, Y)
    origin = float(heights[0, RAYS // 2])
    water = _water_level(rng, kind, heights, origin) if rng.random() < water_share else None
    base = origin if water is None else max(origin, water)
    ceiling = base + 0.65 * eye + DISTANCE * rng.uniform(0.02, 0.6)  # no ground close by blocks the view
    heights = np.where(DISTANCE < 60, np.minimum(heights, ceiling), heights)
    return Land(heights, kind, palette, water, base + eye)


def _water_level(rng: np.random.Generator, kind: str, heights: np.ndarray, origin: float) -> float:
    seen = heights[(np.abs(BEARING) < 0.6) & (DISTANCE > 15) & (DISTANCE < 3000)]
    if kind == "coast":
        return origin - rng.uniform(0.3, 0.95) * abs(origin - float(np.quantile(seen, 0.1)))
    if kind == "wall":  # a pool at the foot of the waterfall
        return origin + rng.uniform(-0.8, 0.2)
    return float(np.quantile(seen, rng.uniform(0.6, 0.97) if kind == "stacks" else rng.uniform(0.15, 0.75)))


def _sum_heights(rng: np.random.Generator, kind: str) -> Height:
    noise = Noise(int(rng.integers(1 << 30)))
    parts = [_roughness(rng, noise)]
    if kind in ("flat", "street", "surf"):
        gentle = rng.uniform(0, 0.02 if kind == "flat" else 0.004)
        parts.append(lambda x, y: noise.fractal(x / 200, y / 200, 3) * 200 * gentle)
    else:
        parts.append(_hills(rng, noise))
    if kind == "mountain" or (kind not in ("street", "flat") and rng.random() < 0.25):
        parts.append(_mountains(rng, noise))
    if kind == "valley" or (kind in ("mountain", "hills") and rng.random() < 0.2):
        parts.append(_valley(rng, noise))
    special = {
        "canyon": _canyon,
        "coast": _coast,
        "surf": _beach,
        "dunes": _dunes,
        "mesa": _mesa,
        "wall": _wall,
        "brow": _brow,
    }
    if kind in special:
        parts.append(special[kind](rng, noise))
    return lambda x, y: sum(part(x, y) for part in parts)


def _roughness(rng: np.random.Generator, noise: Noise) -> Height:
    size, rough = rng.uniform(3, 12), rng.uniform(0.01, 0.06)
    return lambda x, y: noise.fractal(x / size, y / size, 5, 0.55) * size * rough


def _hills(rng: np.random.Generator, noise: Noise) -> Height:
    size, steep, gain = log_uniform(rng, 40, 500), rng.uniform(0.03, 0.22), rng.uniform(0.35, 0.55)
    if rng.random() < 0.35:
        return lambda x, y: (noise.ridged(x / size, y / size, 6, gain) - 0.9) * size * steep
    return lambda x, y: noise.fractal(x / size, y / size, 6, gain) * size * steep


def _mountains(rng: np.random.Generator, noise: Noise) -> Height:
    size, steep, gain = log_uniform(rng, 500, 5000), rng.uniform(0.12, 0.5), rng.uniform(0.4, 0.55)
    start = rng.uniform(0.1, 1.2) * size
    end, sunk = start + rng.uniform(0.5, 2) * size, rng.uniform(0.4, 0.41)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        crests = np.maximum(noise.ridged(x / size + 50, y / size, 8, gain) - sunk, -0.1)
        return step(start, end, np.hypot(x, y)) * crests * size * steep

    return height


def _valley(rng: np.random.Generator, noise: Noise) -> Height:
    floor = rng.uniform(5, 150)
    rim = floor * rng.uniform(2, 8)
    high, middle = (rim - floor) * rng.uniform(0.3, 1.1), rng.uniform(-0.5, 0.5) * floor
    wind, slope = rng.uniform(0, 0.8), rng.uniform(-0.04, 0.1)
    other = rng.uniform(0, 1) if rng.random() < 0.5 else 1.0

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = x - middle - wind * rim * np.sin(y / (4 * rim)) * step(0, 2 * rim, y)
        away = away + noise.fractal(x / rim + 9, y / rim, 4) * rim * 0.35 * step(0, rim, np.hypot(x, y))
        relief = 1 + 0.4 * noise.fractal(0.7 * x / rim, 0.7 * y / rim + 3, 5)
        return np.where(away > 0, 1, other) * step(floor, rim, np.abs(away)) * high * relief + slope * y * step(
            8000, 500, y
        )

    return height


def _canyon(rng: np.random.Generator, noise: Noise) -> Height:
    deep, start, terraces = rng.uniform(20, 300), rng.uniform(5, 60), int(rng.integers(2, 7))
    width, turn = deep * rng.uniform(0.8, 4), rng.uniform(-0.6, 0.6)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = y * np.cos(turn) + x * np.sin(turn) - start
        away = away + noise.fractal(x / deep / 2 + 7, y / deep / 2, 6) * deep * 0.6
        t = step(0, 0.7 * deep, away) * step(width + 1.5 * deep, width + 0.7 * deep, away) * terraces
        return -deep * (np.floor(t) + step(0.6, 1, t - np.floor(t))) / terraces

    return height


def _coast(rng: np.random.Generator, noise: Noise) -> Height:
    high, turn = log_uniform(rng, 0.5, 80), rng.choice([-1, 1]) * rng.uniform(0.2, 1.5)
    start, bay, wavy = rng.uniform(2, 120), rng.uniform(50, 400), rng.uniform(0.4, 0.41)
    slope = high * rng.uniform(0.3, 2) if rng.random() < 0.5 else rng.uniform(20, 150)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = y * np.cos(turn) + x * np.sin(turn) - start + noise.fractal(x / bay + 7, y / bay, 6) * bay * wavy
        return -high * step(0, slope, away) - 8 * step(0, 8 * slope, away)

    return height


def _beach(rng: np.random.Generator, noise: Noise) -> Height:
    """Sand that slopes gently into the sea a few metres away."""
    turn, start = rng.uniform(-1.3, 1.3), log_uniform(rng, 1.5, 20)
    fall, bay = rng.uniform(0.015, 0.06), rng.uniform(20, 120)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = y * np.cos(turn) + x * np.sin(turn) - start + noise.fractal(x / bay, y / bay, 4) * bay * 0.1
        return -np.clip(away, -40, 200) * fall

    return height


def _dunes(rng: np.random.Generator, noise: Noise) -> Height:
    length, steep, lee = rng.uniform(20, 150), rng.uniform(0.08, 0.2), rng.uniform(0.15, 0.4)
    turn = rng.uniform(0, 2 * np.pi)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        wave = (x * np.cos(turn) + y * np.sin(turn)) / length
        wave = (wave + noise.fractal(x / length / 2, y / length / 2, 3, 0.45) * 0.8) % 1
        crest = np.where(wave < 1 - lee, wave / (1 - lee), (1 - wave) / lee)
        return step(0, 1, crest) * length * steep * (1 + 0.5 * noise.plain(x / length / 1.5 + 9, y / length / 1.5))

    return height


def _mesa(rng: np.random.Generator, noise: Noise) -> Height:
    size, levels, start = rng.uniform(100, 1200), int(rng.integers(1, 4)), rng.uniform(20, 200)
    high = rng.uniform(0.08, 0.35) * size

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = np.clip((noise.fractal(x / size + 33, y / size, 6) - 0.05) * 3, 0, 1)
        t = t * step(start, 3 * start, np.hypot(x, y)) * levels
        rest = t - np.floor(t)
        return high / levels * (np.floor(t) + 0.3 * step(0, 0.7, rest) + 0.7 * step(0.7, 0.95, rest))

    return height


def _brow(rng: np.random.Generator, noise: Noise) -> Height:
    """Ground that ends at a crest close by; it continues far below, where its nearer part is occluded by the crest."""
    start, deep, turn = log_uniform(rng, 2, 60), log_uniform(rng, 1.5, 200), rng.normal() * 0.5
    rise, wavy, size = rng.uniform(-0.05, 0.25), log_uniform(rng, 0.1, 1.2), start * rng.uniform(0.6, 3)
    fall = deep * rng.uniform(0.2, 1.5)

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = y * np.cos(turn) + x * np.sin(turn) - start + noise.fractal(x / size + 21, y / size, 5) * start * wavy
        return rise * np.clip(away, -start, 0) - deep * step(0, fall, away)

    return height


def _wall(rng: np.random.Generator, noise: Noise) -> Height:
    """A cliff with ledges across the view, the background of waterfalls."""
    start, high, turn = rng.uniform(10, 45), rng.uniform(12, 60), rng.uniform(-0.35, 0.35)
    wide, ledges = high * rng.uniform(0.1, 0.6), int(rng.integers(1, 5))

    def height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        away = y * np.cos(turn) + x * np.sin(turn) + np.abs(x) * -0.25 - start
        away = away + noise.fractal(x / high, y / high, 6) * high * 0.35
        t = step(0, wide, away) * ledges
        return high * (np.floor(t) + step(0.5, 1, t - np.floor(t))) / ledges + 0.3 * np.clip(away, 0, 300)

    return height


def paint_land(rng: np.random.Generator, land: Land) -> np.ndarray:
    """(RINGS, RAYS, 4): sRGB colours of the ground, and its wetness 0..1."""
    noise = Noise(int(rng.integers(1 << 30)))
    coarse, fine, wide = (noise.fractal(X / size, Y / size, 7, 0.6) for size in (60, 7, 900))
    first = [jitter(rng, color) for color in PALETTES[land.palette]]
    second = [jitter(rng, color) for color in PALETTES[rng.choice(["grey", "red", "lava", "dry", "forest", "tundra"])]]
    soft = rng.uniform(0.05, 0.5)
    color = _blend(first[0], first[1], step(-soft, soft, coarse))
    color = _blend(color, first[2], step(0.1, 0.1 + soft, fine + 0.4 * wide))
    color = _blend(color, first[3], step(0.15, 0.15 + soft, wide - 0.3 * coarse))
    bare = _blend(second[0], second[1], step(-0.3, 0.3, fine + coarse))
    if rng.random() < 0.4:
        bare = bare * (1 + 0.15 * np.sin(land.heights / rng.uniform(2, 15) + 2 * coarse))[..., None]
    slope, steep = _slope(land.heights), rng.uniform(0.25, 0.9)
    color = _blend(color, bare, step(steep, steep + rng.uniform(0.1, 0.5), slope + 0.2 * coarse))
    if rng.random() < 0.25 and land.kind not in ("street", "surf"):
        line = float(np.quantile(land.heights, rng.uniform(0.3, 0.97)))
        snow = step(line, line + rng.uniform(5, 100), land.heights + 30 * coarse + 60 * wide) * step(1.4, 0.7, slope)
        color = _blend(color, jitter(rng, (0.93, 0.94, 0.97), 0.02), snow)
    wet = np.zeros_like(slope)
    if land.water is not None:
        over = land.heights - land.water + 0.05 * fine
        if rng.random() < 0.6:
            sand = jitter(rng, PALETTES[rng.choice(["sand", "pebble"])][0])
            color = _blend(color, sand, step(rng.uniform(0.5, 4), 0.1, over + fine))
        wet = step(rng.uniform(0.15, 0.9), 0, over) * rng.uniform(0.2, 1)
        color = color * (1 - 0.35 * wet[..., None])
    return np.concatenate([np.clip(color, 0, 1), wet[..., None]], -1)


def _slope(heights: np.ndarray) -> np.ndarray:
    outwards = np.gradient(heights, axis=0) / np.gradient(DISTANCE, axis=0)
    sideways = np.gradient(heights, axis=1) / (DISTANCE * (BEARING[0, 1] - BEARING[0, 0]))
    return np.hypot(outwards, sideways)


def _blend(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first * (1 - share[..., None]) + np.asarray(second) * share[..., None]


def jitter(rng: np.random.Generator, color: tuple | np.ndarray, amount: float = 0.05) -> np.ndarray:
    """A random colour near this one; `amount` is the spread of its brightness."""
    return np.clip(np.asarray(color) + rng.normal(size=3) * amount / 2 + rng.normal() * amount, 0.02, 1)


def waves(rng: np.random.Generator, land: Land, rough: float) -> tuple[np.ndarray, np.ndarray]:
    """Waves of the sea.

    Args:
        rng: Chooses the waves.
        land: The land, with water.
        rough: 0 for a calm sea to 1 for surf.

    Returns:
        (RINGS, RAYS) heights above the water's level, and (RINGS, RAYS) share of foam 0..1.
    """
    noise = Noise(int(rng.integers(1 << 30)))
    turn = rng.normal() * 0.5
    along = Y * np.cos(turn) + X * np.sin(turn)
    length = rng.uniform(6, 30)
    phase = along / length + 0.35 * noise.fractal(X / 40, Y / 40, 4)
    swell = np.exp(-6 * np.abs(phase % 1 - 0.5) ** 1.2) * (
        0.4 + 0.6 * step(-0.3, 0.4, noise.fractal(X / 25, Y / 12, 4))
    )
    high = rough * rng.uniform(0.2, 1.6)
    height = high * swell + 0.1 * rough * noise.fractal(X / 4, Y / 3, 4)
    fade = step(rng.uniform(150, 1500), 20, DISTANCE)
    foam = step(0.45, 0.8, swell * rough + 0.35 * rough * noise.fractal(X / 2.5, Y / 1.5, 5))
    shallow = land.water - land.heights
    lace = noise.fractal(X / 1.5, Y / 1.5, 5) > rng.uniform(-0.2, 0.3)
    foam = np.maximum(foam, step(rng.uniform(0.15, 0.8), 0, np.abs(shallow)) * lace * min(1, 0.3 + rough))
    return height * fade, np.clip(foam * fade, 0, 1)
