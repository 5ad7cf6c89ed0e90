"""Rendered views on disk, and cutting a window out of a view for a training sample."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

HELD_BACK_BLOCKS = 1  # number of first blocks that evaluate the network and are never used in training


@dataclass
class Sample:
    """A camera's view before sky and weather are added. Pictures are (H, W, ..) float32.

    Attributes:
        color: sRGB, premultiplied by alpha.
        alpha: 0 in the sky.
        depth: Metres, infinite in the sky.
        rise: Height above the camera that each pixel's ray gains per metre of depth; negative below it.
        horizon: (3,) sRGB of the sky at the horizon.
        zenith: (3,) sRGB of the sky at the zenith.
        light: "day", "backlight" or "night".
        kind: Class of the scene.
    """

    color: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    rise: np.ndarray
    horizon: np.ndarray
    zenith: np.ndarray
    light: str
    kind: str

    @property
    def height(self) -> np.ndarray:
        """(H, W) height of the surface above the camera, metres; 0 in the sky."""
        return np.where(np.isfinite(self.depth), self.depth, 0) * self.rise


def list_views(folder: Path, held_back: bool) -> list[Path]:
    """Paths (without suffix) of the complete views, either those held back for evaluation or the others."""
    return [
        path.with_suffix("")
        for path in sorted(folder.glob("?????_??_?.json"))
        if (int(path.name[:5]) < HELD_BACK_BLOCKS) == held_back
    ]


@lru_cache(maxsize=5000)  # half a MB each; without the cache, reading takes a fifth of the time of a sample
def read_view(path: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    """(H, W, 4) uint8 BGRA, (H, W) float16 depth in metres, and the description from the view's JSON file."""
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
