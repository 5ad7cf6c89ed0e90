"""Textures: small patches of photographs in the public domain, all with the same mean brightness."""

from __future__ import annotations

import bpy
import cv2
import numpy as np

from ..sources import training_photos

PATCH_COUNT = 26  # textures of one block of scenes
PATCH_SIDE = 128  # px, before mirroring


def load_patches(rng: np.random.Generator) -> list[bpy.types.Image]:
    """Images of 2 `PATCH_SIDE` px, mirrored so that they tile."""
    return [_to_blender(f"patch {i}", _cut(rng)) for i in range(PATCH_COUNT)]


def _cut(rng: np.random.Generator) -> np.ndarray:
    """(2 PATCH_SIDE, 2 PATCH_SIDE, 3) float32 sRGB with a mean of 0.45, from the lower part of a photograph."""
    photos = training_photos()
    photo = cv2.imread(str(photos[rng.integers(len(photos))]))[..., ::-1]
    height, width = photo.shape[:2]
    side = int(rng.uniform(70, min(200, 0.55 * height)))
    top = int(rng.uniform(0.4 * height, height - side))
    left = int(rng.uniform(0, width - side))
    patch = cv2.resize(photo[top : top + side, left : left + side], (PATCH_SIDE, PATCH_SIDE)).astype(np.float32) / 255
    grey = patch.mean(-1, keepdims=True)
    patch = grey + (patch - grey) * rng.uniform(0, 0.6)
    patch = np.clip(0.45 * patch / np.maximum(patch.mean((0, 1)), 0.05), 0, 1)
    patch = np.concatenate([patch, patch[:, ::-1]], 1)
    return np.concatenate([patch, patch[::-1]], 0)


def _to_blender(name: str, pixels: np.ndarray) -> bpy.types.Image:
    image = bpy.data.images.new(name, *pixels.shape[1::-1])
    opaque = np.ones((*pixels.shape[:2], 4), np.float32)
    opaque[..., :3] = pixels
    image.pixels.foreach_set(opaque.ravel())
    image.update()
    image.pack()  # otherwise Cycles may not find pixels that exist only in memory
    return image
