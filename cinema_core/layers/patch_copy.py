"""Patch voting at full size: colours of a hole copied along the offsets of the finest level."""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import extend, masked_blur, pool, sample
from ..threads import map_threads
from .patchmatch import GUIDE_TOLERANCE, PatchSearch

# Of the longer side; distances along the hole's boundary and into the fill over which a colour difference at the
# boundary is blended.
SEAM_REACHES = (1 / 60, 1 / 250)
# A fill behind an occluder is shifted by MEAN_SHARE towards the mean colour of the surrounding sources at its depth.
# That mean is a sum of Gaussians (standard deviations in px of the searched copy), so that the closest sources count
# most. The shift is blurred by MEAN_BLUR (standard deviation, px); finer detail stays as copied.
MEAN_SIGMAS, MEAN_SHARE, MEAN_BLUR = (2.0, 6.0, 18.0), 0.7, 3.0
MAX_DEPTH_SLICES = 12  # depths at which these means are computed, at most
COPIED_PIXELS = 1 << 15  # px that are copied at a time; limits the memory of temporary arrays


def sample_stride(factor: int) -> int:
    """Step between sampled pixels, px, where a cell has factor x factor pixels."""
    return 2 if factor > 3 else 1


def copy_patches(
    color: np.ndarray, where: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: PatchSearch, factor: int
) -> np.ndarray:
    """Fill the full-size hole with the finest level's offsets, and give it the tone of the small picture.

    Args:
        color: (H, W, 3) float32, sRGB.
        where: (P,) int64, flat indices of the hole's pixels.
        source: (H, W) bool, pixels that may be copied.
        guide: (H, W) float32; None if nearer pixels may be copied too.
        search: The search of the finest level.
        factor: px per cell of the finest level.

    Returns:
        (P, 3) float32, sRGB.
    """
    copier = _Copier(color, source, guide, search, factor)
    filled = np.empty((len(where), 3), np.float32)
    parts = [slice(begin, begin + COPIED_PIXELS) for begin in range(0, len(where), COPIED_PIXELS)]

    def copy(part: slice) -> None:
        filled[part] = copier.copied(where[part])

    map_threads(copy, parts)
    tone = _tone_correction(_cell_means(filled, where, source.shape, search, factor), search)
    down, right = (((np.arange(side) + 0.5) / factor).astype(np.float32) for side in source.shape)

    def correct_tone(part: slice) -> None:
        row, column = np.divmod(where[part], source.shape[1])
        toned = filled[part] + sample(tone, np.stack([right[column], down[row]], 1))
        np.clip(toned, 0, 1, out=filled[part])

    map_threads(correct_tone, parts)
    return filled


class _Copier:
    """Copies pixels of the full picture along the offsets of the four cells around each.

    Args:
        color: (H, W, 3) float32.
        source: (H, W) bool, pixels that may be copied.
        guide: (H, W) float32; None if nearer pixels may be copied too.
        search: The search of the finest level.
        factor: px per cell of the finest level.
    """

    def __init__(
        self, color: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: PatchSearch, factor: int
    ) -> None:
        self.width, self.size, self.pixels = color.shape[1], source.size, np.ascontiguousarray(color).reshape(-1, 3)
        self.source, self.guide = source.ravel(), None if guide is None else np.ascontiguousarray(guide).ravel()
        self.small = search.picture().reshape(-1, 3)
        down, right = np.moveaxis(search.offsets().numpy() * factor, -1, 0)
        target = search.hole.view(search.height, search.width).numpy()
        steps = np.where(target, down * self.width + right, -2 * self.size)  # outside the hole: out of the picture
        self.steps, self.right = steps.ravel(), right.ravel()
        self.rows, self.columns = (_CellIndex(full, cells, factor) for full, cells in zip(source.shape, target.shape))
        corners = [steps[cells][:, others] for cells in self.rows.beside for others in self.columns.beside]
        self.uniform = np.logical_and.reduce([corner == corners[0] for corner in corners[1:]])

    def copied(self, place: np.ndarray) -> np.ndarray:
        """(P, 3) float32 for (P,) int64 flat indices of the full picture."""
        row, column = np.divmod(place, self.width)
        top, left = self.rows.first[row], self.columns.first[column]
        uniform = self.uniform[top, left]
        found = np.empty((len(place), 3), np.float32)
        for part, copy in ((np.flatnonzero(uniform), self._copy_one), (np.flatnonzero(~uniform), self._blend_four)):
            found[part] = copy(place[part], row[part], column[part])
        return found

    def _copy_one(self, place: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """(P, 3) float32 of pixels whose four cells have one offset."""
        index, allowed = self._follow_offset(place, row, column, self._guide_limit(place), 0, 0)
        return self._replace_missing(np.take(self.pixels, index, 0), ~allowed, row, column)

    def _blend_four(self, place: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """(P, 3) float32, the weighted mean of the pixels that the four cells lead to."""
        total, weight = np.zeros((3, len(place)), np.float32), np.zeros(len(place), np.float32)
        limit = self._guide_limit(place)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            index, allowed = self._follow_offset(place, row, column, limit, down, right)
            # squared, so sharper than linear: an even mix of two textures is a blur
            share = np.square(self.rows.share[down][row] * self.columns.share[right][column])
            share *= allowed
            total += np.take(self.pixels, index, 0).T * share
            weight += share
        found = (total / np.maximum(weight, np.float32(1e-3))).T
        return self._replace_missing(found, weight <= 1e-3, row, column)

    def _guide_limit(self, place: np.ndarray) -> np.ndarray | None:
        """(P,) float32, largest guide value that may be copied to each pixel."""
        return None if self.guide is None else np.take(self.guide, place) + np.float32(GUIDE_TOLERANCE)

    def _follow_offset(
        self, place: np.ndarray, row: np.ndarray, column: np.ndarray, limit: np.ndarray | None, down: int, right: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(P,) flat index that one of the four cells leads to, and (P,) bool, whether it may be copied."""
        cell = self.rows.cell[down][row] * self.columns.count + self.columns.cell[right][column]
        index, across = place + np.take(self.steps, cell), column + np.take(self.right, cell)
        inside = (index >= 0) & (index < self.size) & (across >= 0) & (across < self.width)
        index = np.where(inside, index, 0)
        inside &= np.take(self.source, index)
        if self.guide is not None:
            inside &= np.take(self.guide, index) <= limit
        return index, inside

    def _replace_missing(
        self, found: np.ndarray, missing: np.ndarray, row: np.ndarray, column: np.ndarray
    ) -> np.ndarray:
        """`found` (P, 3), changed to the small picture's colours in `missing` (P,) bool."""
        missing = np.flatnonzero(missing)
        cell = self.rows.own[row[missing]] * self.columns.count + self.columns.own[column[missing]]
        found[missing] = self.small[cell]
        return found


class _CellIndex:
    """The cells between which the pixels of one side lie.

    Args:
        full: px of the full picture.
        count: Number of cells.
        factor: px per cell.

    Attributes:
        count: Number of cells.
        own: (full,) the cell that contains each pixel.
        first: (full,) the cell before each pixel, counted from 0 for the one before the first cell.
        beside: two (count + 1,), indexed as `first`: the cell before and the cell after.
        cell: two (full,): the cell before and the cell after each pixel.
        share: two (full,) float32: their linear weights.
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
    filled: np.ndarray, where: np.ndarray, shape: tuple[int, ...], search: PatchSearch, factor: int
) -> np.ndarray:
    """(h, w, 4) float32: mean colour of the fill (P, 3) at `where` (P,) in each cell, and number of its samples."""
    row, column = np.divmod(where, shape[1])
    stride = sample_stride(factor)
    if stride > 1:
        rows = np.flatnonzero((row % stride == 0) & (column % stride == 0))
        filled, row, column = filled[rows], row[rows], column[rows]
    cell = row // factor * search.width + column // factor
    sums = [np.bincount(cell, values, search.height * search.width) for values in (*filled.T, np.ones(len(cell)))]
    means = np.stack(sums, 1).astype(np.float32).reshape(search.height, search.width, 4)
    means[..., :3] /= np.maximum(means[..., 3:], 1)
    return means


def _tone_correction(fill: np.ndarray, search: PatchSearch) -> np.ndarray:
    """Colour to be added to the copied fill.

    It gives the fill the small picture's tone, and at the hole's boundary the tone of the pixels beside it.

    Args:
        fill: (h, w, 4) float32, see `_cell_means`.
        search: The search of the finest level.

    Returns:
        (h, w, 3) float32.
    """
    source = search.source.view(search.height, search.width).numpy()
    copied, target = fill[..., :3], fill[..., 3] > 0
    picture = search.picture()
    tone = masked_blur(np.where(target[..., None], picture - copied, 0).astype(np.float32), target, 1.5)
    if search.ordered:
        guide = search.guide.view(search.height, search.width).numpy()
        tone = tone + MEAN_SHARE * _shift_to_mean(picture, guide, source, target)
    tone = extend(tone, target)
    beside = cv2.dilate(source.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    boundary = target & beside
    if not boundary.any():
        return tone
    step = np.where(boundary[..., None], masked_blur(picture, source, 1.0) - picture, 0).astype(np.float32)
    distance = cv2.distanceTransform((~boundary).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[..., None]
    for side in SEAM_REACHES:  # differences along much of the boundary reach far into the fill, those in a spot do not
        reach = max(1.5, side * max(target.shape))
        smooth = masked_blur(step, boundary, reach)
        tone = tone + extend(smooth, boundary) * np.exp(-distance / reach)
        step = np.where(boundary[..., None], step - smooth, 0)
    return np.ascontiguousarray(tone, np.float32)


def _shift_to_mean(picture: np.ndarray, guide: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32: mean colour of the surrounding sources at the fill's depth, minus the fill's colour.

    Source: Chen et al., "Real-time Edge-Aware Image Processing with the Bilateral Grid", 2007 (a slice for each depth).
    """
    known, own = (pool(mask.astype(np.float32), 2) for mask in (source, target))
    beside, fill = (
        pool(np.dstack([picture, guide]) * mask[..., None], 2) / np.maximum(share, 1e-6)[..., None]
        for mask, share in ((source, known), (target, own))
    )
    low, high = guide[target].min(), guide[target].max()
    step = max((high - low) / (MAX_DEPTH_SLICES - 1), GUIDE_TOLERANCE)
    total, weight = np.zeros_like(fill[..., :3]), np.zeros_like(own)
    for level in np.arange(low, high + step, step, dtype=np.float32):
        here = np.maximum(0, 1 - np.abs(fill[..., 3] - level) / step) * (own > 0)
        if not here.any():
            continue
        similar = known * np.exp(-0.5 * np.square((beside[..., 3] - level) / step))
        values = np.dstack([beside[..., :3] * similar[..., None], similar]).astype(np.float32)
        around = sum(cv2.GaussianBlur(values, (0, 0), sigma / 2) for sigma in MEAN_SIGMAS[:-1])
        small = cv2.GaussianBlur(pool(values, 4), (0, 0), MEAN_SIGMAS[-1] / 8)
        around += cv2.resize(small, None, fx=4, fy=4)[: own.shape[0], : own.shape[1]]
        here *= np.minimum(1, around[..., 3] / 1e-3)
        total += around[..., :3] / np.maximum(around[..., 3:], 1e-9) * here[..., None]
        weight += here
    mean = total / np.maximum(weight, 1e-6)[..., None]
    shift = np.where(weight[..., None] > 0.01, mean - fill[..., :3], 0).astype(np.float32)
    shift = masked_blur(shift, own > 0, MEAN_BLUR / 2)
    return cv2.resize(shift, None, fx=2, fy=2)[: target.shape[0], : target.shape[1]]
