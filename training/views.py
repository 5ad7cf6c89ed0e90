"""The rendered views on disk, and the part of one that a training sample shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

HELD_BACK = 1  # the first block judges the network and is never trained on


@dataclass
class Sample:
    """What a camera sees, before sky and weather. Everything is (H, W, ..) float32.

    color is sRGB, multiplied by alpha; depth is metres, infinite in the sky; height is how far the surface is above the
    camera, metres (lower is negative); rise is the same per metre of depth, for every pixel's ray.
    """

    color: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    rise: np.ndarray
    horizon: np.ndarray  # (3,) sRGB
    zenith: np.ndarray
    light: str
    kind: str

    @property
    def height(self) -> np.ndarray:
        return np.where(np.isfinite(self.depth), self.depth, 0) * self.rise


def list_views(folder: Path, held_back: bool) -> list[Path]:
    """Paths (without suffix) of the views that are whole, held back for judging or not."""
    return [
        path.with_suffix("")
        for path in sorted(folder.glob("?????_??_?.json"))
        if (int(path.name[:5]) < HELD_BACK) == held_back
    ]


@lru_cache(maxsize=5000)  # half a MB each: reading them anew would cost a fifth of the time of a sample
def read_view(path: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    """(H, W, 4) uint8 BGRA, (H, W) float16 depth in metres, and what is known of a view."""
    about = json.loads(path.with_suffix(".json").read_text())
    return cv2.imread(f"{path}.png", cv2.IMREAD_UNCHANGED), np.load(f"{path}.npy"), about


def pixels_of(window: tuple[float, float, float, float], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a window (left, top, width, height as shares) of a picture (height, width)."""
    height, width = shape
    left, top = round(window[0] * width), round(window[1] * height)
    return (
        slice(top, min(height, top + round(window[3] * height))),
        slice(left, min(width, left + round(window[2] * width))),
    )


def load_view(path: Path, size: tuple[int, int], window: tuple[float, float, float, float]) -> Sample:
    """Cut a window (left, top, width, height as shares) from a view and resize it to `size` (width, height)."""
    image, depth, about = read_view(path)
    height, width = depth.shape
    part = pixels_of(window, depth.shape)
    image = cv2.cvtColor(image[part], cv2.COLOR_BGRA2RGBA).astype(np.float32) / 255
    image[..., :3] *= image[..., 3:]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    near = cv2.resize(depth[part].astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    rows = np.linspace(part[0].start, part[0].stop, size[1])[:, None] / height
    upright = (0.5 - rows) * 2 * np.tan(about["fov"] / 2) * height / width
    rise = np.cos(about["pitch"]) * upright + np.sin(about["pitch"])
    return Sample(
        image[..., :3],
        image[..., 3:],
        np.where(near >= 59000, np.inf, near),
        np.broadcast_to(rise, near.shape).astype(np.float32),
        np.array(about["horizon"], np.float32),
        np.array(about["zenith"], np.float32),
        about["light"],
        about["class"],
    )
