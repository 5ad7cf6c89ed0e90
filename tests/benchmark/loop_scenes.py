"""Moving truth: sheets of texture that flow by a known steady field, and their true pictures at any frame.

The texture is defined on an unbounded plane (it is seeded, and periodic beyond the picture's size). The true picture at
frame t shows at each place the texture of the place where its matter was at frame 0, found by integrating the field
backwards. So new texture flows in over the borders. The loop gets frame 0, the true motion, the region and the depth.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from loop_clips import alpha_blend, build_given
from loop_measures import psnr
from loop_photos import Row

WIDTH, HEIGHT, FRAMES = 1280, 720, 60
COMPARED = (8, 16, 24)  # frames
FINE = 2  # samples of the true picture per pixel, across and down
COARSE = 2  # px between the places whose way is integrated; the ways are smooth in between
TEXELS = 4096  # sides of a texture; two texels a pixel
SHORTEST, LONGEST = 6, 400  # texels; wavelengths of a texture

Places = np.ndarray  # (..., 2) px


@dataclass(frozen=True, eq=False)
class Scene:
    """A sheet that flows.

    Attributes:
        name: For people.
        velocity: Velocity at places, px/frame; steady.
        inside: Whether the sheet is at places.
        sheet: (..., 3) sRGB of the sheet from the places of its matter at frame 0, and from the places themselves.
        disparity: (H,) 1 / scene units, of the rows.
    """

    name: str
    velocity: Callable[[Places], np.ndarray]
    inside: Callable[[Places], np.ndarray]
    sheet: Callable[[Places, Places], np.ndarray]
    disparity: np.ndarray


def scene_figures(scene: Scene, pictures: Path | None) -> Iterator[Row]:
    """Yields (name, text, values) of the figures of a scene."""
    photo = true_picture(scene, 0)
    places = _grid(1.0)
    region = scene.inside(places)
    flow = np.where(region[..., None], scene.velocity(places), 0).astype(np.float32)
    speed = np.linalg.norm(flow[region], axis=-1)
    truth = {t: true_picture(scene, t) for t in COMPARED}
    with tempfile.TemporaryDirectory() as folder:
        loop = build_given(Path(folder), photo, flow, region, scene.disparity)
        ours = {t: loop.frame(t / FRAMES) for t in COMPARED}
        yield (
            "moving, %; px/frame, median, most",
            f"{100 * region.mean():.0f}; {np.median(speed):.2f}, {speed.max():.2f}",
            {},
        )
    blend = alpha_blend(photo, flow, FRAMES)
    still = {t: psnr(photo, truth[t], region) for t in COMPARED}
    yield "still photo, dB", " ".join(f"{still[t]:.2f}" for t in COMPARED), {}
    for name, frames in (("loop", ours), ("alpha blend", blend)):
        gains = [psnr(frames[t], truth[t], region) - still[t] for t in COMPARED]
        text = " ".join(f"{gain:+.2f}" for gain in gains)
        yield f"{name}, dB over the still photo", f"{text}; mean {np.mean(gains):+.2f}", {name: float(np.mean(gains))}
    if pictures:
        rows = [np.concatenate([frames[t] for t in COMPARED], 1) for frames in (truth, ours, blend)]
        pictures.mkdir(parents=True, exist_ok=True)
        small = cv2.resize(np.concatenate(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        cv2.imwrite(
            str(pictures / f"scene_{scene.name}.png"), np.rint(small.clip(0, 1) * 255).astype(np.uint8)[..., ::-1]
        )


def true_picture(scene: Scene, frame: int) -> np.ndarray:
    """(H, W, 3) float32 sRGB at a frame."""
    places = _grid(1 / FINE)
    matter = places + _way_back(scene, frame)
    sheet = scene.sheet(matter, places)
    picture = np.where(scene.inside(places)[..., None], sheet, _ground(places))
    return cv2.resize(picture.astype(np.float32).clip(0, 1), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _way_back(scene: Scene, frames: int) -> np.ndarray:
    """(FINE H, FINE W, 2) float32, px: from each place to that of its matter some frames earlier."""
    start = at = _grid(COARSE)
    for _ in range(frames):  # the classical Runge-Kutta method, one frame a step
        a = scene.velocity(at)
        b = scene.velocity(at - a / 2)
        c = scene.velocity(at - b / 2)
        at = at - (a + 2 * b + 2 * c + scene.velocity(at - c)) / 6
    return cv2.resize((at - start).astype(np.float32), (FINE * WIDTH, FINE * HEIGHT), interpolation=cv2.INTER_CUBIC)


def _grid(step: float) -> Places:
    """Centres of cells of `step` px that cover the picture."""
    x, y = ((np.arange(round(side / step)) + 0.5) * step for side in (WIDTH, HEIGHT))
    return np.stack(np.meshgrid(x, y), -1)


@cache
def texture(seed: int, falloff: float, stretch: float = 1.0) -> np.ndarray:
    """(TEXELS, TEXELS) float32 periodic noise, mean 0, deviation 1.

    Args:
        seed: Of the noise.
        falloff: Amplitude falls with frequency to this power.
        stretch: Length of its features along x over that along y.
    """
    noise = np.random.default_rng(seed).standard_normal((TEXELS, TEXELS), np.float32)
    along, across = np.fft.rfftfreq(TEXELS)[None] * stretch, np.fft.fftfreq(TEXELS)[:, None]
    frequency = np.hypot(along, across)
    kept = (frequency < 1 / SHORTEST) & (frequency > 1 / LONGEST)
    spectrum = np.fft.rfft2(noise) * np.where(kept, np.maximum(frequency, 1 / LONGEST) ** -falloff, 0)
    values = np.fft.irfft2(spectrum, (TEXELS, TEXELS)).astype(np.float32)
    return values / values.std()


def _look_up(values: np.ndarray, places: Places, swap: bool = False) -> np.ndarray:
    index = (2 * places[..., ::-1] if swap else 2 * places).astype(np.float32)
    return cv2.remap(values, index, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)


def _between(dark: tuple[float, ...], light: tuple[float, ...], share: np.ndarray) -> np.ndarray:
    share = share.clip(0, 1)[..., None]
    return np.array(dark, np.float32) * (1 - share) + np.array(light, np.float32) * share


def _ground(places: Places) -> np.ndarray:
    """Rock and earth, which are still."""
    return _between((0.12, 0.1, 0.08), (0.5, 0.45, 0.38), 0.5 + 0.2 * _look_up(texture(9, 1.4), places))


# A river round rocks: the potential flow past cylinders, each by its doublet.

RIVER_SPEED, RIVER_TOP = 2.0, 140.0  # px/frame; px, the far bank
ROCKS = ((300.0, 330.0, 42.0), (660.0, 540.0, 60.0), (960.0, 300.0, 34.0))  # px: x, y, radius


def river_velocity(places: Places) -> np.ndarray:
    velocity = np.zeros(places.shape)
    velocity[..., 0] = RIVER_SPEED
    for x, y, radius in ROCKS:
        across, down = places[..., 0] - x, places[..., 1] - y
        square = np.maximum(across**2 + down**2, (0.8 * radius) ** 2)  # inside a rock there is no water
        strength = RIVER_SPEED * radius**2 / square**2
        velocity[..., 0] -= strength * (across**2 - down**2)
        velocity[..., 1] -= strength * 2 * across * down
    return velocity


def river_inside(places: Places) -> np.ndarray:
    inside = places[..., 1] > RIVER_TOP
    for x, y, radius in ROCKS:
        inside = inside & (np.hypot(places[..., 0] - x, places[..., 1] - y) > radius)
    return inside


def _river_sheet(matter: Places, _: Places) -> np.ndarray:
    ripples = _look_up(texture(1, 1.2, 2.5), matter)
    foam = np.maximum(_look_up(texture(2, 1.0, 3.0), matter) - 1.0, 0)  # sparse and bright
    water = _between((0.1, 0.2, 0.22), (0.45, 0.6, 0.6), 0.4 + 0.18 * ripples)
    return water + (0.92 - water) * (0.9 * foam).clip(0, 1)[..., None]


# A fall: water that falls freely from the upper border.

FALL_LEFT, FALL_RIGHT, FALL_BOTTOM = 380.0, 900.0, 640.0  # px


def fall_velocity(places: Places) -> np.ndarray:
    speed = np.sqrt(1.5**2 + 2 * 0.008 * np.maximum(places[..., 1], -100))
    return np.stack([np.zeros_like(speed), speed], -1)


def fall_inside(places: Places) -> np.ndarray:
    x, y = places[..., 0], places[..., 1]
    return (x > FALL_LEFT) & (x < FALL_RIGHT) & (y < FALL_BOTTOM)


def _fall_sheet(matter: Places, _: Places) -> np.ndarray:
    veils = _look_up(texture(3, 1.3, 5.0), matter, swap=True)
    return _between((0.35, 0.4, 0.45), (0.97, 0.98, 1.0), 0.55 + 0.22 * veils)


# Clouds before a still sky: slower and smaller towards the horizon.

HILLS = 520.0  # px


def cloud_velocity(places: Places) -> np.ndarray:
    near = 1 - places[..., 1] / HEIGHT
    return np.stack([0.4 + 0.9 * near, 0.1 * near], -1)


def cloud_inside(places: Places) -> np.ndarray:
    return places[..., 1] < HILLS + 20 * np.sin(places[..., 0] / 90)


def _cloud_sheet(matter: Places, places: Places) -> np.ndarray:
    sky = _between((0.25, 0.45, 0.75), (0.7, 0.8, 0.9), places[..., 1] / HILLS)
    cover = (0.9 * _look_up(texture(4, 2.0, 1.6), matter) - 0.1).clip(0, 1)
    shade = _between((0.75, 0.77, 0.82), (1.0, 1.0, 1.0), 0.6 + 0.2 * _look_up(texture(5, 1.6, 1.6), matter))
    return sky + (shade - sky) * cover[..., None]


SLOPE = np.linspace(0.6, 1.0, HEIGHT)  # a plane; a constant depth map is refused
SCENES = (
    Scene("river", river_velocity, river_inside, _river_sheet, np.linspace(0.3, 1.0, HEIGHT)),
    Scene("fall", fall_velocity, fall_inside, _fall_sheet, SLOPE),
    Scene("clouds", cloud_velocity, cloud_inside, _cloud_sheet, np.where(np.arange(HEIGHT) < HILLS, 0.01, SLOPE)),
)
