"""Regions grown from strokes alone: what looks as if it flowed where a stroke is, else what looks like the stroke's place.

Input: samples along motion strokes. Output: (H, W) bool, the region they mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..image.masks import grab_cut, refine_mask
from ..shared.data import Photo
from .flowing import find_flowing

GROW_SIDE = 240  # px; GrabCut's time grows faster than the photo
EDGE_SIDE = 1280  # px; the region's border follows the photo's edges at this size
REACH = 0.3  # of the longer side; GrabCut's region does not grow farther than this from a stroke
MOSTLY = 0.6  # share of a stroke that lies in what flows, from which it means that


def grow_region(lines: Sequence[np.ndarray], kept: np.ndarray, pins: np.ndarray, photo: Photo) -> np.ndarray:
    """Grow a region from strokes.

    Args:
        lines: (N, 2) px of each motion stroke, at even steps.
        kept: (H, W) bool, what is no part of the region; it parts what lies on its two sides.
        pins: (P, 2) px, where nothing moves, but the region goes on: what looks like them is rather not meant.
        photo: The working photo.

    Returns:
        (H, W) bool, what hangs together with the strokes.
    """
    parts = [part for part, _ in find_flowing(photo)]
    inside = np.array([[_at(part, line, photo).mean() for part in parts] for line in lines]).reshape(
        len(lines), len(parts)
    )
    meant = [parts[number] for number in np.flatnonzero((inside > MOSTLY).any(0))]
    others = [line for line, shares in zip(lines, inside) if not (shares > MOSTLY).any()]
    scale = min(1.0, EDGE_SIDE / max(photo.color.shape[:2]))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    color = cv2.resize(photo.color, size, interpolation=cv2.INTER_AREA) if scale < 1 else photo.color
    region = np.zeros(color.shape[:2], bool)
    if meant:
        region |= refine_mask(np.any(meant, 0), color)
    if others:
        region |= _alike(others, kept, pins, photo, size)
    region = cv2.resize(region.astype(np.uint8), (photo.width, photo.height), interpolation=cv2.INTER_NEAREST)
    seeds = _drawn(lines, region.shape, 1.0, max(3, round(max(region.shape) / 150)))
    free = ((region | seeds) > 0) & ~kept
    _, numbers = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
    touched = np.setdiff1d(np.unique(numbers[(seeds > 0) & free]), (0,))
    return np.isin(numbers, touched)


def _at(part: np.ndarray, line: np.ndarray, photo: Photo) -> np.ndarray:
    """(N,) bool: a small mask at px of the photo; False beyond it."""
    height, width = part.shape
    column, row = np.floor(line * (width / photo.width, height / photo.height)).astype(int).T
    there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return there & part[row.clip(0, height - 1), column.clip(0, width - 1)]


def _drawn(lines: Sequence[np.ndarray], shape: tuple[int, int], scale: float, width: int) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for line in lines:
        cv2.polylines(mask, [np.floor(np.clip(line * scale, -1e4, 1e5)).astype(np.int32)], False, 1, width)
    return mask


def _alike(
    lines: Sequence[np.ndarray], kept: np.ndarray, pins: np.ndarray, photo: Photo, size: tuple[int, int]
) -> np.ndarray:
    """(h, w) bool of `size`, (w, h): what looks like the pixels under the strokes, not far from them (GrabCut)."""
    scale = min(1.0, GROW_SIDE / max(photo.height, photo.width))
    width, height = max(8, round(photo.width * scale)), max(8, round(photo.height * scale))
    small = cv2.resize(photo.color, (width, height), interpolation=cv2.INTER_AREA)
    seeds = _drawn(lines, (height, width), scale, 2)
    distance = cv2.distanceTransform(1 - seeds, cv2.DIST_L2, cv2.DIST_MASK_5)
    labels = np.where(distance < 0.05 * max(width, height), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[distance > REACH * max(width, height)] = cv2.GC_BGD
    labels[cv2.resize(kept.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0] = cv2.GC_BGD
    for column, row in np.floor(pins * scale).astype(int).clip(0, (width - 1, height - 1)):
        labels[row, column] = cv2.GC_BGD
    labels[seeds > 0] = cv2.GC_FGD
    if np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).all() or not np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return np.full(size[::-1], bool(seeds.any()))
    grown = grab_cut(cv2.GaussianBlur(small, (0, 0), 1), labels, 4).astype(np.uint8)
    grown = cv2.morphologyEx(grown, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) | seeds
    grown = cv2.morphologyEx(grown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return cv2.resize(grown.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
