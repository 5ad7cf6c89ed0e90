"""Patch voting at full size: colours of a hole copied along the offsets of the finest level."""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import extend, masked_blur, pool, sample
from ..threads import map_threads
from .patchmatch import NEARER, PatchSearch

JOIN_SIDES = (1 / 60, 1 / 250)  # of the longer side; how far along the rim and into the fill colours shift
# A fill behind something is drawn by a share towards the mean colour of what lies around it and is as deep, looked at
# within several px, so that what is nearest counts most. What is finer than the blur (px) stays as copied.
LEVEL_SIDES, LEVEL_SHARE, LEVEL_BLUR = (2.0, 6.0, 18.0), 0.7, 3.0
LEVELS = 12  # of depth, at most
CHUNK = 1 << 15  # px that are copied at a time


def sample_stride(factor: int) -> int:
    """Every how many pixels of the full picture are looked at where a cell is of factor x factor."""
    return 2 if factor > 3 else 1


def copy_patches(
    color: np.ndarray, where: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: PatchSearch, factor: int
) -> np.ndarray:
    """(P, 3): the full-size hole, (P,) flat indices, filled with the finest level's offsets and given the small picture's tone."""
    copier = _Copier(color, source, guide, search, factor)
    filled = np.empty((len(where), 3), np.float32)
    parts = [slice(begin, begin + CHUNK) for begin in range(0, len(where), CHUNK)]

    def copy(part: slice) -> None:
        filled[part] = copier.copied(where[part])

    map_threads(copy, parts)
    tone = _tone(_cell_means(filled, where, source.shape, search, factor), search)
    down, right = (((np.arange(side) + 0.5) / factor).astype(np.float32) for side in source.shape)

    def give_tone(part: slice) -> None:
        row, column = np.divmod(where[part], source.shape[1])
        toned = filled[part] + sample(tone, np.stack([right[column], down[row]], 1))
        np.clip(toned, 0, 1, out=filled[part])

    map_threads(give_tone, parts)
    return filled


class _Copier:
    """Copies pixels of the full picture, by the offsets of the four cells around each.

    Args:
        color: (H, W, 3) float32.
        source: (H, W) bool, pixels that may be copied.
        guide: (H, W) float32; None where it does not matter what is nearer.
        search: Of the finest level.
        factor: px of the full picture to a cell.
    """

    def __init__(
        self, color: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: PatchSearch, factor: int
    ) -> None:
        self.width, self.size, self.pixels = color.shape[1], source.size, np.ascontiguousarray(color).reshape(-1, 3)
        self.source, self.guide = source.ravel(), None if guide is None else np.ascontiguousarray(guide).ravel()
        self.plain = search.picture().reshape(-1, 3)
        down, right = np.moveaxis(search.offsets().numpy() * factor, -1, 0)
        target = search.hole.view(search.height, search.width).numpy()
        steps = np.where(target, down * self.width + right, -2 * self.size)  # no target's leads out of the picture
        self.steps, self.right = steps.ravel(), right.ravel()
        self.rows, self.columns = (_CellIndex(full, cells, factor) for full, cells in zip(source.shape, target.shape))
        corners = [steps[cells][:, others] for cells in self.rows.beside for others in self.columns.beside]
        self.alike = np.logical_and.reduce([corner == corners[0] for corner in corners[1:]])

    def copied(self, place: np.ndarray) -> np.ndarray:
        """(P, 3) float32 for (P,) int64 flat indices of the full picture."""
        row, column = np.divmod(place, self.width)
        top, left = self.rows.first[row], self.columns.first[column]
        alike = self.alike[top, left]
        found = np.empty((len(place), 3), np.float32)
        for part, copy in ((np.flatnonzero(alike), self._single), (np.flatnonzero(~alike), self._mixed)):
            found[part] = copy(place[part], row[part], column[part])
        return found

    def _single(self, place: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """(P, 3) float32 where the four cells lead to the same."""
        index, may = self._led_to(place, row, column, self._limit(place), 0, 0)
        return self._or_plain(np.take(self.pixels, index, 0), ~may, row, column)

    def _mixed(self, place: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """(P, 3) float32 from the four cells."""
        total, weight = np.zeros((3, len(place)), np.float32), np.zeros(len(place), np.float32)
        limit = self._limit(place)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            index, may = self._led_to(place, row, column, limit, down, right)
            share = np.square(self.rows.share[down][row] * self.columns.share[right][column])
            share *= may  # sharper than linear: two textures mixed evenly are a blur
            total += np.take(self.pixels, index, 0).T * share
            weight += share
        found = (total / np.maximum(weight, np.float32(1e-3))).T
        return self._or_plain(found, weight <= 1e-3, row, column)

    def _limit(self, place: np.ndarray) -> np.ndarray | None:
        """(P,) float32, as near as what is copied there may be."""
        return None if self.guide is None else np.take(self.guide, place) + np.float32(NEARER)

    def _led_to(
        self, place: np.ndarray, row: np.ndarray, column: np.ndarray, limit: np.ndarray | None, down: int, right: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(P,) flat index that one of the four cells leads to, and (P,) bool, it may be copied."""
        cell = self.rows.cell[down][row] * self.columns.count + self.columns.cell[right][column]
        index, across = place + np.take(self.steps, cell), column + np.take(self.right, cell)
        inside = (index >= 0) & (index < self.size) & (across >= 0) & (across < self.width)
        index = np.where(inside, index, 0)
        inside &= np.take(self.source, index)
        if limit is not None:
            inside &= np.take(self.guide, index) <= limit
        return index, inside

    def _or_plain(self, found: np.ndarray, none: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Colours (P, 3), but those of the small picture where there is none, (P,) bool: changes them."""
        none = np.flatnonzero(none)
        found[none] = self.plain[self.rows.own[row[none]] * self.columns.count + self.columns.own[column[none]]]
        return found


class _CellIndex:
    """Which cells the pixels of one side lie between.

    Args:
        full: px of the full picture.
        count: Of cells.
        factor: px to a cell.

    Attributes:
        count: Of cells.
        own: (full,) the cell that each lies in.
        first: (full,) the cell before each, from 0 for the one before the first.
        beside: (count + 1,) each: of these the cell itself and the next.
        cell: (full,) each: the cell before and after.
        share: (full,) float32 each: their shares.
    """

    def __init__(self, full: int, count: int, factor: int) -> None:
        middle = (np.arange(full, dtype=np.float32) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
        before = np.floor(middle)
        self.count, self.own = count, np.minimum(np.arange(full) // factor, count - 1)
        self.first = np.minimum(before.astype(np.int64) + 1, count)
        self.beside = [np.clip(np.arange(-1, count) + after, 0, count - 1) for after in (0, 1)]
        self.cell = [beside[self.first] for beside in self.beside]
        self.share = [1 - np.abs(middle - before - np.float32(after)) for after in (0, 1)]


def _cell_means(
    filled: np.ndarray, where: np.ndarray, shape: tuple[int, int], search: PatchSearch, factor: int
) -> np.ndarray:
    """(h, w, 4) float32: mean colour of the fill (P, 3) in each cell, and how many of its pixels, (P,) flat, were looked at."""
    row, column = np.divmod(where, shape[1])
    step = sample_stride(factor)
    if step > 1:
        rows = np.flatnonzero((row % step == 0) & (column % step == 0))
        filled, row, column = filled[rows], row[rows], column[rows]
    cell = row // factor * search.width + column // factor
    sums = [np.bincount(cell, values, search.height * search.width) for values in (*filled.T, np.ones(len(cell)))]
    sums = np.stack(sums, 1).astype(np.float32).reshape(search.height, search.width, 4)
    sums[..., :3] /= np.maximum(sums[..., 3:], 1)
    return sums


def _tone(fill: np.ndarray, search: PatchSearch) -> np.ndarray:
    """(h, w, 3) float32 to be added to the fill (see `_cell_means`): the small picture's tone, and that of what is beside the rim."""
    source = search.source.view(search.height, search.width).numpy()
    copied, target = fill[..., :3], fill[..., 3] > 0
    picture = search.picture()
    tone = masked_blur(np.where(target[..., None], picture - copied, 0).astype(np.float32), target, 1.5)
    if search.ordered:
        guide = search.guide.view(search.height, search.width).numpy()
        tone = tone + LEVEL_SHARE * _drift(picture, guide, source, target)
    tone = extend(tone, target)
    beside = cv2.dilate(source.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    rim = target & beside
    if not rim.any():
        return tone
    step = np.where(rim[..., None], masked_blur(picture, source, 1.0) - picture, 0).astype(np.float32)
    distance = cv2.distanceTransform((~rim).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[..., None]
    for side in JOIN_SIDES:  # what differs along much of the rim reaches far in, what differs in a spot does not
        reach = max(1.5, side * max(target.shape))
        smooth = masked_blur(step, rim, reach)
        tone = tone + extend(smooth, rim) * np.exp(-distance / reach)
        step = np.where(rim[..., None], step - smooth, 0)
    return np.ascontiguousarray(tone, np.float32)


def _drift(picture: np.ndarray, guide: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32: by how much the mean colour of the sources around that are as deep differs from the fill's.

    Source: Chen et al., "Real-time Edge-Aware Image Processing with the Bilateral Grid", 2007 (a slice for each depth).
    """
    known, own = (pool(mask.astype(np.float32), 2) for mask in (source, target))
    beside, fill = (
        pool(np.dstack([picture, guide]) * mask[..., None], 2) / np.maximum(share, 1e-6)[..., None]
        for mask, share in ((source, known), (target, own))
    )
    low, high = guide[target].min(), guide[target].max()
    step = max((high - low) / (LEVELS - 1), NEARER)
    total, weight = np.zeros_like(fill[..., :3]), np.zeros_like(own)
    for level in np.arange(low, high + step, step, dtype=np.float32):
        here = np.maximum(0, 1 - np.abs(fill[..., 3] - level) / step) * (own > 0)
        if not here.any():
            continue
        alike = known * np.exp(-0.5 * np.square((beside[..., 3] - level) / step))
        values = np.dstack([beside[..., :3] * alike[..., None], alike]).astype(np.float32)
        around = sum(cv2.GaussianBlur(values, (0, 0), side / 2) for side in LEVEL_SIDES[:-1])
        small = cv2.GaussianBlur(pool(values, 4), (0, 0), LEVEL_SIDES[-1] / 8)
        around += cv2.resize(small, None, fx=4, fy=4)[: own.shape[0], : own.shape[1]]
        here *= np.minimum(1, around[..., 3] / 1e-3)
        total += around[..., :3] / np.maximum(around[..., 3:], 1e-9) * here[..., None]
        weight += here
    mean = total / np.maximum(weight, 1e-6)[..., None]
    drift = np.where(weight[..., None] > 0.01, mean - fill[..., :3], 0).astype(np.float32)
    drift = masked_blur(drift, own > 0, LEVEL_BLUR / 2)
    return cv2.resize(drift, None, fx=2, fy=2)[: target.shape[0], : target.shape[1]]
