"""Pictures that the tests draw. Standard library and numpy only."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def landscape(width: int = 320, height: int = 200) -> np.ndarray:
    """(H, W, 3) uint8: sky, a far shore, water with ripples, and a rock standing in it."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    grain = np.random.default_rng(0).normal(0.0, 6.0, (height, width, 1))
    horizon = 0.4 * height
    down = np.clip((y - horizon) / (height - horizon), 0.0, 1.0)
    sky = np.stack([150 + 40 * y / height, 180 + 30 * y / height, 225 + 0 * y], -1)
    ripple = 18 * np.sin(x / 5 + 9 * np.sin(y / 7)) * (0.3 + down)
    water = np.stack([40 + ripple, 90 + ripple, 120 + ripple], -1) + 20 * (1 - down[..., None])
    image = np.where((y < horizon)[..., None], sky, water)
    shore = (y > horizon - 0.05 * height) & (y < horizon)
    image[shore] = (70, 95, 60)
    rock = ((x - 0.62 * width) / (0.12 * width)) ** 2 + ((y - 0.62 * height) / (0.2 * height)) ** 2 < 1
    image[rock] = (95, 80, 70)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def write_png(path: Path, image: np.ndarray) -> Path:
    """Write (H, W, 3) uint8 as a PNG, with zlib alone."""
    height, width = image.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], 1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path
