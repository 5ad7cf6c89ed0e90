"""Training samples: a window of a view, under a sky, seen by some camera. A sample is set by seed and number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset

from .photographs import cut_photograph, judged_photographs
from .views import list_views, load_view, read_view
from .weather import add_weather

NEAREST = 0.05  # m
LEAST_SOLID = 0.03  # share of a photo that must be there to be asked for
SPAN = 6.0  # octaves about the median that the target keeps apart
# How often a view that came up is taken, by its class: what is thin is the hardest, and few pixels of a view are of it.
TAKEN = {"thin": 1.0, "figures": 0.6, "framed": 0.5}
TAKEN_ELSE = 0.4
PHOTOGRAPHS = 0.3  # of the samples, see `photographs`


def make_sample(path: Path, size: tuple[int, int], rng: np.random.Generator, plain: bool = False) -> tuple | None:
    """One photo with what is to be known of it.

    Args:
        path: The view.
        size: Width and height, px.
        rng: Chooses window, weather and camera.
        plain: The whole view, with no camera's faults: for judging.

    Returns:
        (3, H, W) uint8 sRGB, (H, W) float32 log2 of inverse depth over its median, (H, W) uint8: 0 solid, 1 sky,
        2 not to be asked for; or None where hardly anything is solid.
    """
    sample = load_view(path, size, (0, 0, 1, 1) if plain else _window(read_view(path)[1].shape, size, rng))
    if np.isfinite(sample.depth).mean() < LEAST_SOLID:
        return None
    color, depth, seen = add_weather(rng, sample)
    if not plain and rng.random() < 0.5:
        color, depth, seen = color[:, ::-1], depth[:, ::-1], seen[:, ::-1]
    solid = np.isfinite(depth)
    if (solid & seen).mean() < LEAST_SOLID:
        return None
    image = _to_bytes(color) if plain else photograph(color, rng)
    level = np.median(np.log2(np.maximum(depth[solid], NEAREST)))
    target = np.where(
        solid, np.clip(level - np.log2(np.maximum(np.where(solid, depth, 1), NEAREST)), -SPAN, SPAN), -SPAN
    )
    label = np.where(solid, np.where(seen, 0, 2), 1)
    return np.ascontiguousarray(image.transpose(2, 0, 1)), target.astype(np.float32), label.astype(np.uint8)


def make_photograph_sample(size: tuple[int, int], rng: np.random.Generator) -> tuple | None:
    """A window of a photograph, as `make_sample`: the target is log2 of inverse distance at its points, by label."""
    photographs = judged_photographs()
    judged = photographs[rng.integers(len(photographs))]
    parts = cut_photograph(judged, size, _window(judged.image.shape[:2], size, rng))
    if parts is None:
        return None
    if rng.random() < 0.5:
        parts = tuple(part[:, ::-1] for part in parts)
    return np.ascontiguousarray(photograph(parts[0], rng).transpose(2, 0, 1)), *map(np.ascontiguousarray, parts[1:])


def _window(
    shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """A window of nearly the shape of `size`, 65 to 100 % of what fits into a picture (height, width), as shares of it."""
    height, width = shape
    shape = size[0] / size[1] * np.exp(rng.uniform(-0.2, 0.2))
    scale = rng.uniform(0.65, 1)
    across = min(width, height * shape) * scale
    share = (across / width, min(1.0, across / shape / height))
    return rng.uniform(0, 1 - share[0]), rng.uniform(0, 1 - share[1]), *share


def photograph(color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8: the picture as one of many cameras and editors would give it."""
    color = np.clip(color, 1e-4, 1) ** np.exp(rng.uniform(-0.5, 0.5))
    grey = color.mean(-1, keepdims=True)
    color = grey + (color - grey) * (0 if rng.random() < 0.06 else rng.uniform(0.4, 1.5))
    mean = color.mean()
    color = (color - mean) * rng.uniform(0.6, 1.5) + mean * rng.uniform(0.75, 1.25)
    if rng.random() < 0.5:
        color = color * rng.uniform(0.85, 1.15, 3)
    color = np.clip(color, 0, 1).astype(np.float32)
    if rng.random() < 0.15:
        hsv = cv2.cvtColor(color, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-60, 60)) % 360
        color = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    color = _focus(color, rng)
    if rng.random() < 0.4:
        color = color + rng.standard_normal(color.shape, np.float32) * rng.uniform(0.005, 0.04)
    if rng.random() < 0.15:
        down, across = np.mgrid[-1 : 1 : color.shape[0] * 1j, -1 : 1 : color.shape[1] * 1j]
        color = color * (1 - rng.uniform(0.05, 0.3) * (down**2 + across**2))[..., None]
    image = _to_bytes(color)
    if rng.random() < 0.5:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 95))])[1]
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return image


def _focus(color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blurred, sharpened, or enlarged from a smaller picture."""
    chance = rng.random()
    if chance < 0.12:
        height, width = color.shape[:2]
        share = rng.uniform(0.3, 0.8)
        small = cv2.resize(color, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    if chance < 0.25:
        return cv2.GaussianBlur(color, (0, 0), rng.uniform(0.3, 1.2))
    if chance < 0.5:
        return color + (color - cv2.GaussianBlur(color, (0, 0), 1.0)) * rng.uniform(0.3, 1.5)
    return color


def _to_bytes(color: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)


def choose_view(views: list[Path], rng: np.random.Generator) -> Path:
    """A view at random, see TAKEN."""
    while True:
        view = views[rng.integers(len(views))]
        if rng.random() < TAKEN.get(read_view(view)[2]["class"], TAKEN_ELSE):
            return view


class Batches(IterableDataset):
    """Endless batches from batch number `first`; views that have been rendered meanwhile join in."""

    LISTED_AGAIN = 100  # batches

    def __init__(self, folder: Path, sizes: list[tuple[int, int]], count: int, first: int = 0) -> None:
        self.folder, self.sizes, self.count, self.first = folder, sizes, count, first

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        step, number = (worker.num_workers, self.first + worker.id) if worker else (1, self.first)
        cv2.setNumThreads(1)
        views: list[Path] = []
        while True:
            if not views or number % self.LISTED_AGAIN < step:
                views = list_views(self.folder, held_back=False)
            yield self._batch(views, np.random.default_rng((7, number)))
            number += step

    def _batch(self, views: list[Path], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        size = self.sizes[rng.integers(len(self.sizes))]
        samples = []
        while len(samples) < self.count:
            photograph_next = rng.random() < PHOTOGRAPHS
            sample = (
                make_photograph_sample(size, rng)
                if photograph_next
                else make_sample(choose_view(views, rng), size, rng)
            )
            if sample is not None:
                samples.append(sample)
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))
