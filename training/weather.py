"""Adds sky, haze, fog banks and seas of clouds to a rendered view. Each use of a view gets a new random sky."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from .sources import photo_file, training_photos
from .views import Sample

MIN_TRANSMITTANCE = 0.1  # of fog; behind denser fog a surface looks like sky, and its depth is not trained


@cache
def sky_strips() -> tuple[np.ndarray, ...]:
    """Upper parts of photographs that show only sky, float32 sRGB."""
    allowed = {path.stem for path in training_photos()}
    strips = []
    for line in (Path(__file__).with_name("skies.txt")).read_text().splitlines():
        name, share = line.split()
        assert name in allowed, f"{name} may not be used in training"
        photo = cv2.imread(str(photo_file(name)))[..., ::-1]
        strips.append((photo[: int(float(share) * len(photo))] / 255).astype(np.float32))
    return tuple(strips)


def clouds(rng: np.random.Generator, size: tuple[int, int], octaves: int = 5) -> np.ndarray:
    """(H, W) float32 noise with a standard deviation of about 1; `size` is width and height."""
    total, weight = np.zeros(size[::-1], np.float32), 1.0
    stretch = rng.uniform(1, 3)
    for octave in range(octaves):
        cells = (2 + 2**octave, 2 + int(stretch * 2**octave))
        total += weight * cv2.resize(rng.standard_normal(cells, np.float32), size, interpolation=cv2.INTER_CUBIC)
        weight *= 0.55
    return total


def make_sky(rng: np.random.Generator, sample: Sample) -> np.ndarray:
    """(H, W, 3) float32 sRGB: the sky of a photograph, or gradients and noise; darkened at night."""
    rows = np.flatnonzero((~np.isfinite(sample.depth)).any(1))
    lowest = int(rows[-1]) + 1 if rows.size else 0
    sky = _photo_sky(rng, sample, lowest) if rng.random() < 0.7 else _painted_sky(rng, sample, lowest)
    if rng.random() < 0.25:
        sky = _add_sun(rng, sky, lowest)
    if sample.light == "night":
        sky = sky * rng.uniform(0.05, 0.4) * np.array([0.8, 0.9, 1.1])
        if rng.random() < 0.3:
            sky = np.where(rng.random(sky.shape[:2])[..., None] > 0.997, rng.uniform(0.4, 1), sky)
    return np.clip(sky, 0, 1).astype(np.float32)


def _photo_sky(rng: np.random.Generator, sample: Sample, lowest: int) -> np.ndarray:
    height, width = sample.depth.shape
    strips = sky_strips()
    strip = strips[rng.integers(len(strips))]
    part = int(strip.shape[1] * rng.uniform(0.4, 1))
    left = rng.integers(0, strip.shape[1] - part + 1)
    strip = strip[:, left : left + part]
    strip = strip[:, ::-1] if rng.random() < 0.5 else strip
    rows = max(lowest, 8) if rng.random() < 0.7 else height
    strip = cv2.resize(strip, (width, rows), interpolation=cv2.INTER_AREA)
    return np.concatenate([strip, np.repeat(strip[-1:], height - rows, 0)]) * rng.uniform(0.8, 1.2)


def _painted_sky(rng: np.random.Generator, sample: Sample, lowest: int) -> np.ndarray:
    height, width = sample.depth.shape
    low, high = sample.horizon, sample.zenith
    if rng.random() < 0.35:
        low = high = rng.uniform(0.5, 1) * rng.uniform(0.95, 1.05, 3)
    up = np.clip((max(lowest, 1) - np.arange(height)) / max(lowest, 1) * rng.uniform(0.6, 1.6), 0, 1)[:, None, None]
    sky = np.broadcast_to(low * (1 - up) + high * up, (height, width, 3))
    if rng.random() < 0.65:
        lumps = clouds(rng, (width, height))
        cover = np.clip((lumps - rng.uniform(-0.5, 1)) * rng.uniform(0.4, 3), 0, 1)[..., None] * rng.uniform(0.3, 1)
        lit = np.clip(0.5 + (lumps - np.roll(lumps, -max(1, height // 24), 0)), 0, 1)[..., None]  # lit from above
        sky = sky * (1 - cover) + cover * (rng.uniform(0.4, 1) + (lit - 0.5) * rng.uniform(0, 0.6))
    return sky


def _add_sun(rng: np.random.Generator, sky: np.ndarray, lowest: int) -> np.ndarray:
    """Add a glow, at most an overexposed white, mostly low in the sky."""
    height, width = sky.shape[:2]
    row, column = np.mgrid[:height, :width]
    away = np.hypot(row - rng.uniform(0.3, 1.05) * max(lowest, 1), column - rng.uniform(0, width))
    glow = np.exp(-away / (rng.uniform(0.03, 0.3) * width))[..., None] * rng.uniform(0.2, 1.5)
    return sky + glow * np.array([1, rng.uniform(0.6, 1), rng.uniform(0.3, 1)])


def add_weather(rng: np.random.Generator, sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add sky and weather to a view.

    Returns:
        (H, W, 3) float32 sRGB, (H, W) float32 depth (infinite in the sky), and (H, W) bool visibility: False where fog
        hides the surface.
    """
    sky = make_sky(rng, sample)
    color, alpha, depth = sample.color, sample.alpha, sample.depth
    solid = np.isfinite(depth)
    edge = np.flatnonzero((~solid).any(1))
    mist = sky[max(0, edge[-1] - 6) : edge[-1] + 1].mean((0, 1)) if edge.size else sample.horizon * sky.mean()
    through = np.ones_like(depth)
    if sample.kind != "forest" and rng.random() < 0.06:
        color, alpha, depth = _cloud_sea(rng, sample, color, alpha, mist)
    elif rng.random() < 0.8:
        through = _transmittance(rng, sample)
        veil = np.clip(mist * rng.uniform(0.75, 1.08), 0, 1)
        color = color * rng.uniform(0.6, 1) * through[..., None] + alpha * veil * (1 - through[..., None])
    if rng.random() < 0.4:
        color = color * (0.5 + 0.5 * mist / max(float(mist.max()), 0.05))
    return color + sky * (1 - alpha), depth, through > MIN_TRANSMITTANCE


def _transmittance(rng: np.random.Generator, sample: Sample) -> np.ndarray:
    """(H, W) float32 transmittance of uniform haze, of low fog banks or of drifting patches of haze."""
    far = np.quantile(sample.depth[np.isfinite(sample.depth)], 0.92)
    depth = np.where(np.isfinite(sample.depth), sample.depth, far)
    thick = -np.log(rng.uniform(0.1, 1)) / far * (rng.uniform(1, 4) if rng.random() < 0.1 else 1)
    path = depth * thick
    kind = rng.random()
    if kind < 0.12:  # a fog bank, denser at the bottom
        top = np.quantile(sample.height, rng.uniform(0.3, 0.9))
        soft = max(float(np.ptp(sample.height)) * rng.uniform(0.02, 0.2), 0.5)
        path = path + rng.uniform(0.5, 4) * depth / far / (1 + np.exp(np.clip((sample.height - top) / soft, -30, 30)))
    elif kind < 0.25:
        path = path * np.clip(1 + clouds(rng, depth.shape[::-1], 3), 0.1, 3)
    return np.exp(-path).astype(np.float32)


def _cloud_sea(
    rng: np.random.Generator, sample: Sample, color: np.ndarray, alpha: np.ndarray, mist: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover the land below a random level under the camera with a layer of clouds."""
    below = sample.rise < -0.005
    solid = np.isfinite(sample.depth)
    drops = -sample.height[solid & below]
    if drops.size < 50:
        return color, alpha, sample.depth
    drop = float(np.quantile(drops, rng.uniform(0.1, 0.7)))
    size = sample.depth.shape[::-1]
    lumps = clouds(rng, size)
    plane = np.where(below, drop * (1 + 0.08 * lumps) / np.maximum(-sample.rise, 0.005), np.inf)
    cover = below & (plane < sample.depth) & (plane < 30 * drop + 3000)
    soft = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), rng.uniform(0.5, 2.5))[..., None]
    shade = np.clip(rng.uniform(0.7, 1) + 0.12 * lumps * rng.uniform(0.3, 1.5), 0.3, 1)[..., None]
    white = np.clip(0.5 * mist + 0.5 * rng.uniform(0.7, 1), 0, 1) * shade
    depth = np.where(cover, plane, sample.depth).astype(np.float32)
    return color * (1 - soft) + white * soft, np.maximum(alpha, soft), depth
