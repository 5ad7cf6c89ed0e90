"""Regions grown from strokes alone.

A stroke in a flowing part of the photo, as found by `flowing`, selects that part. From other strokes the region grows
over pixels with similar colours.

Input: samples along motion strokes. Output: (H, W) bool, the region.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..image.masks import grab_cut, refine_mask
from ..image.polyline import pixel_corners
from ..shared.data import Photo
from .flowing import FlowingPart

GROW_SIDE = 240  # px, of the photo's longer side for GrabCut, whose time grows faster than the photo
EDGE_SIDE = 1280  # px, of the longer side at which the region's border follows the photo's edges
MAX_GROWTH_DISTANCE = 0.3  # of the longer side; GrabCut's region extends no farther than this from a stroke
NEAR_STROKE = 0.05  # of the longer side; pixels so near a stroke are GrabCut's first guess at the region
MIN_OVERLAP = 0.6  # share of a stroke; a flowing part that contains more of it is selected


def grow_region(
    lines: Sequence[np.ndarray], excluded: np.ndarray, pins: np.ndarray, photo: Photo, flowing: Sequence[FlowingPart]
) -> np.ndarray:
    """Grow a region from strokes.

    Args:
        lines: (N, 2) px of each motion stroke, at even steps.
        excluded: (H, W) bool, the still and swaying areas. They are not part of the region and may divide it.
        pins: (P, 2) px, where nothing moves. The region may continue across them, but pixels with colours like theirs
            are less likely part of it.
        photo: The working photo.
        flowing: The photo's flowing parts, as from `find_flowing`.

    Returns:
        (H, W) bool, the connected components that the strokes touch.
    """
    parts = [part for part, _ in flowing]
    shares = np.array([[_inside_part(part, line, photo).mean() for part in parts] for line in lines]).reshape(
        len(lines), len(parts)
    )
    selected = [parts[number] for number in np.flatnonzero((shares > MIN_OVERLAP).any(0))]
    others = [line for line, own in zip(lines, shares) if not (own > MIN_OVERLAP).any()]
    scale = min(1.0, EDGE_SIDE / max(photo.color.shape[:2]))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    color = cv2.resize(photo.color, size, interpolation=cv2.INTER_AREA) if scale < 1 else photo.color
    region = np.zeros(color.shape[:2], bool)
    if selected:
        region |= refine_mask(np.any(selected, 0), color)
    if others:
        region |= _grow_by_color(others, excluded, pins, photo, size)
    full = cv2.resize(region.astype(np.uint8), (photo.width, photo.height), interpolation=cv2.INTER_NEAREST)
    seeds = _rasterize(lines, (photo.height, photo.width), 1.0, max(3, round(max(photo.height, photo.width) / 150)))
    free = ((full | seeds) > 0) & ~excluded
    _, numbers = cv2.connectedComponents(free.astype(np.uint8), connectivity=4)
    touched = np.setdiff1d(np.unique(numbers[(seeds > 0) & free]), (0,))
    return np.isin(numbers, touched)


def _inside_part(part: np.ndarray, line: np.ndarray, photo: Photo) -> np.ndarray:
    """(N,) bool: whether (N, 2) px of the photo lie in a part, (h, w) bool at a smaller size; False off the photo."""
    height, width = part.shape
    column, row = np.floor(line * (width / photo.width, height / photo.height)).astype(int).T
    on_photo = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return on_photo & part[row.clip(0, height - 1), column.clip(0, width - 1)]


def _rasterize(lines: Sequence[np.ndarray], shape: tuple[int, int], scale: float, width: int) -> np.ndarray:
    """(h, w) uint8, 1 on the lines, each (N, 2) px before scaling, drawn `width` px wide."""
    mask = np.zeros(shape, np.uint8)
    for line in lines:
        cv2.polylines(mask, [pixel_corners(line * scale)], False, (1,), width)
    return mask


def _grow_by_color(
    lines: Sequence[np.ndarray], excluded: np.ndarray, pins: np.ndarray, photo: Photo, size: tuple[int, int]
) -> np.ndarray:
    """(h, w) bool of `size`, (w, h): pixels near the strokes with colours like those under them (GrabCut)."""
    scale = min(1.0, GROW_SIDE / max(photo.height, photo.width))
    width, height = max(8, round(photo.width * scale)), max(8, round(photo.height * scale))
    small = cv2.resize(photo.color, (width, height), interpolation=cv2.INTER_AREA)
    seeds = _rasterize(lines, (height, width), scale, 2)
    distance = cv2.distanceTransform(1 - seeds, cv2.DIST_L2, cv2.DIST_MASK_5)
    near = distance < NEAR_STROKE * max(width, height)
    labels = np.where(near, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[distance > MAX_GROWTH_DISTANCE * max(width, height)] = cv2.GC_BGD
    labels[cv2.resize(excluded.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0] = cv2.GC_BGD
    for column, row in np.floor(pins * scale).astype(int).clip(0, (width - 1, height - 1)):
        labels[row, column] = cv2.GC_BGD
    labels[seeds > 0] = cv2.GC_FGD
    foreground = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if foreground.all() or not foreground.any():
        return np.full(size[::-1], bool(seeds.any()))
    grown = grab_cut(cv2.GaussianBlur(small, (0, 0), 1), labels, 4).astype(np.uint8)
    opened = cv2.morphologyEx(grown, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) | seeds
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return cv2.resize(closed.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
