"""Training samples: a window of a rendered view under a random sky, with the faults of a random camera.

The random generator alone determines a sample; `Batches` seeds it with the number of the batch.
"""

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

NEAREST_DEPTH = 0.05  # m; nearer surfaces count as this far away
MIN_SOLID_SHARE = 0.03  # of the pixels; a view with fewer pixels of known depth is not used
TARGET_RANGE = 6.0  # octaves; the target is clipped to this distance from its median
# Probability that a drawn view is used, by scene class. Thin objects are the hardest and cover few pixels of a view.
USE_PROBABILITY = {"thin": 1.0, "figures": 0.6, "framed": 0.5}
DEFAULT_USE_PROBABILITY = 0.4
PHOTOGRAPH_SHARE = 0.3  # of the samples; see `photographs`


def make_sample(path: Path, size: tuple[int, int], rng: np.random.Generator, plain: bool = False) -> tuple | None:
    """Make one photo from a rendered view, with its target depth and its labels.

    Args:
        path: The view.
        size: Width and height, px.
        rng: Chooses window, weather and camera.
        plain: Use the whole view without camera faults, for evaluation.

    Returns:
        (3, H, W) uint8 sRGB, (H, W) float32 log2 of inverse depth relative to its median, and (H, W) uint8 labels:
        0 solid, 1 sky, 2 ignored. None where too few pixels are solid.
    """
    sample = load_view(path, size, (0, 0, 1, 1) if plain else _random_window(read_view(path)[1].shape, size, rng))
    if np.isfinite(sample.depth).mean() < MIN_SOLID_SHARE:
        return None
    color, depth, seen = add_weather(rng, sample)
    if not plain and rng.random() < 0.5:
        color, depth, seen = color[:, ::-1], depth[:, ::-1], seen[:, ::-1]
    solid = np.isfinite(depth)
    if (solid & seen).mean() < MIN_SOLID_SHARE:
        return None
    image = _to_bytes(color) if plain else photograph(color, rng)
    level = np.median(np.log2(np.maximum(depth[solid], NEAREST_DEPTH)))
    target = np.where(
        solid,
        np.clip(level - np.log2(np.maximum(np.where(solid, depth, 1), NEAREST_DEPTH)), -TARGET_RANGE, TARGET_RANGE),
        -TARGET_RANGE,
    )
    label = np.where(solid, np.where(seen, 0, 2), 1)
    return np.ascontiguousarray(image.transpose(2, 0, 1)), target.astype(np.float32), label.astype(np.uint8)


def make_photograph_sample(size: tuple[int, int], rng: np.random.Generator) -> tuple | None:
    """Like `make_sample`, from a window of a photograph; the target is log2 of inverse distance at labelled points."""
    photographs = judged_photographs()
    judged = photographs[rng.integers(len(photographs))]
    parts = cut_photograph(judged, size, _random_window(judged.image.shape[:2], size, rng))
    if parts is None:
        return None
    if rng.random() < 0.5:
        parts = tuple(part[:, ::-1] for part in parts)
    return np.ascontiguousarray(photograph(parts[0], rng).transpose(2, 0, 1)), *map(np.ascontiguousarray, parts[1:])


def _random_window(
    shape: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """A random window with nearly the aspect ratio of `size`, at 65 to 100 % of the largest that fits.

    Args:
        shape: Height and width of the picture, px.
        size: Width and height of the sample, px.
        rng: Chooses the window.

    Returns:
        Left, top, width and height as shares of the picture.
    """
    height, width = shape
    shape = size[0] / size[1] * np.exp(rng.uniform(-0.2, 0.2))
    scale = rng.uniform(0.65, 1)
    across = min(width, height * shape) * scale
    share = (across / width, min(1.0, across / shape / height))
    return rng.uniform(0, 1 - share[0]), rng.uniform(0, 1 - share[1]), *share


def photograph(color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8: the picture with random exposure, colour, focus, noise, vignette and JPEG compression."""
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
    color = _change_focus(color, rng)
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


def _change_focus(color: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Randomly blur the picture, sharpen it, enlarge it from a smaller one, or leave it as it is."""
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
    """A random view, drawn with the weights of `USE_PROBABILITY`."""
    while True:
        view = views[rng.integers(len(views))]
        if rng.random() < USE_PROBABILITY.get(read_view(view)[2]["class"], DEFAULT_USE_PROBABILITY):
            return view


class Batches(IterableDataset):
    """Endless batches from batch number `first` on. Views that are rendered in the meantime are found and used."""

    RELIST_INTERVAL = 100  # batches between two searches for new views

    def __init__(self, folder: Path, sizes: list[tuple[int, int]], count: int, first: int = 0) -> None:
        self.folder, self.sizes, self.count, self.first = folder, sizes, count, first

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        step, number = (worker.num_workers, self.first + worker.id) if worker else (1, self.first)
        cv2.setNumThreads(1)
        views: list[Path] = []
        while True:
            if not views or number % self.RELIST_INTERVAL < step:
                views = list_views(self.folder, held_back=False)
            yield self._batch(views, np.random.default_rng((7, number)))
            number += step

    def _batch(self, views: list[Path], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        size = self.sizes[rng.integers(len(self.sizes))]
        samples = []
        while len(samples) < self.count:
            from_photograph = rng.random() < PHOTOGRAPH_SHARE
            sample = (
                make_photograph_sample(size, rng)
                if from_photograph
                else make_sample(choose_view(views, rng), size, rng)
            )
            if sample is not None:
                samples.append(sample)
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))
