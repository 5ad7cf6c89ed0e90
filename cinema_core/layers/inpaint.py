"""Exemplar-based inpainting: fills a hole with patches copied from elsewhere in the image.

Input: an image, its hole, the pixels that may be copied. Output: colours of the hole's pixels.

Sources: Barnes et al., "PatchMatch", 2009 (propagation and random search over a nearest-neighbour field); Wexler et
al., "Space-Time Completion of Video", 2007 (coarse to fine, alternating search and vote). Differences from these:

* All targets are searched at once (vectorised and seeded, so the same input gives the same pixels).
* Patches are compared by their principal components.
* A guide channel that is known inside the hole (disparity) steers the copying: patches come from similar guide values,
  and never from nearer surfaces.
* Repeated copies of one source cost extra (Kaspar et al., "Self Tuning Texture Optimization", 2015). Without this cost
  plain regions would supply the whole fill.

The search runs on a small copy of the picture, whose size bounds its time and memory. The full picture is filled with
the offsets found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch

from ..image.grid import extend, pool
from .patch_copy import copy_patches, sample_stride
from .patchmatch import FINEST_REPEAT_COST, GUIDE_TOLERANCE, PATCH, REPEAT_COST, PatchSearch

SEARCH_SIDE = 640  # px; default length of the longer side of the copy that is searched
COARSEST_SIDE = 90  # px; levels are halved as long as the longer side stays at least this
ITERATIONS = 3  # rounds of search and vote on a level; the coarsest level has one more
# px per cell of the finest level; from here on that level runs one iteration fewer, since its offsets are whole cells.
LARGE_CELL = 4
MIN_SOURCE_SHARE = 0.5  # share of a cell; a cell may be copied if source pixels cover more of it
MIN_COVER = 1e-6  # share of a cell; smaller shares count as none


def inpaint_hole(
    color: np.ndarray,
    hole: np.ndarray,
    source: np.ndarray,
    guide: np.ndarray,
    seed: int = 0,
    ordered: bool = False,
    search_side: int = SEARCH_SIDE,
    where: np.ndarray | None = None,
) -> np.ndarray:
    """Fill a hole with texture copied from elsewhere in the image.

    Args:
        color: (H, W, 3) float32, sRGB 0..1; ignored inside the hole.
        hole: (H, W) bool, pixels to fill.
        source: (H, W) bool, pixels that may be copied. Pixels in neither mask are neither read nor written.
        guide: (H, W) float32, 0..1, known in hole and source alike. Texture is copied between similar values.
        seed: Seed of the search.
        ordered: Copy only pixels that are as near as the place they are copied to, or farther.
        search_side: px; larger pictures copy with offsets found at about this size.
        where: (P,) int64, flat indices of the hole's pixels in the order of the result; None for ascending.

    Returns:
        (P, 3) float32, sRGB, of the P pixels of the hole; their values in `color` if there is no source pixel. `color`
        itself is neither copied nor changed.
    """
    assert color.shape[:2] == hole.shape == source.shape == guide.shape, (color.shape, hole.shape, source.shape)
    color, source = np.asarray(color, np.float32), source & ~hole
    where = np.flatnonzero(hole) if where is None else where
    if not len(where) or not source.any():
        return color.reshape(-1, 3)[where]
    factor = -(-max(hole.shape) // search_side)
    factor += factor % sample_stride(factor)
    generator = torch.Generator().manual_seed(seed)
    search: PatchSearch | None = None
    with _one_thread():
        levels = _pyramid(color, hole, source, guide, factor, ordered)
        for number, level in enumerate(levels):
            search = PatchSearch(level, generator, ordered, search)
            finest = number == len(levels) - 1
            repeat_cost = REPEAT_COST if not finest else 0.0 if ordered else FINEST_REPEAT_COST
            search.run(ITERATIONS + (number == 0) - (finest and factor >= LARGE_CELL), repeat_cost)
        assert search is not None  # a pyramid has at least one level
        return copy_patches(color, where, source, guide if ordered else None, search, factor)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: the search is many short steps, and threads would mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _pyramid(
    color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, factor: int, ordered: bool
) -> list[dict[str, np.ndarray]]:
    """Levels from coarse to fine, see `_level`; each half the size of the next. `factor`: px per cell of the finest."""
    stride = sample_stride(factor)
    color, guide, known, empty = (values[::stride, ::stride] for values in (color, guide, source, hole))
    known, empty = known.astype(np.float32), empty.astype(np.float32)
    samples = factor // stride  # along the side of a cell
    means = {
        "color": pool(color * known[..., None], samples),
        "guide": pool(guide * known, samples),
        "hole_guide": pool(guide * empty, samples),
        "source": pool(known, samples),
        "hole": pool(empty, samples),
    }
    levels = [_level(means, ordered)]
    while max(means["hole"].shape) / 2 >= COARSEST_SIDE:
        means = {name: pool(values, 2) for name, values in means.items()}
        levels.insert(0, _level(means, ordered))
    return levels


def _level(means: dict[str, np.ndarray], ordered: bool) -> dict[str, np.ndarray]:
    """One level of the pyramid.

    Args:
        means: Per cell, over all its pixels: "source" and "hole" the share of either mask (h, w); "color" (h, w, 3) and
            "guide" (h, w) multiplied by the source mask; "hole_guide" (h, w) multiplied by the hole mask.
        ordered: See `inpaint_hole`.

    Returns:
        "color" (h, w, 3) and "guide" (h, w) float32, "hole" and "source" (h, w) bool.
    """
    share, hole = means["source"], means["hole"] > MIN_COVER
    color = means["color"] / np.maximum(share, MIN_COVER)[..., None]
    hole_guide = means["hole_guide"] / np.maximum(means["hole"], MIN_COVER)
    guide = np.where(hole, hole_guide, means["guide"] / np.maximum(share, MIN_COVER))
    guide = extend(guide, hole | (share > MIN_COVER)).astype(np.float32)
    if ordered:
        share = np.where(_find_occluder(guide, hole), 0, share)
    source = (share > MIN_SOURCE_SHARE) & ~hole
    if not source.any():
        source = (share > MIN_COVER) & ~hole
    if not source.any():  # every source cell touches the hole or is an occluder: take those with the most source pixels
        share = means["source"]
        source = share >= share.max()
    known = (share > MIN_COVER) & ~hole
    color = extend(color, known if known.any() else share > MIN_COVER).astype(np.float32)
    # Cells around the hole that may not be copied are filled too. Otherwise the fill would have to match their colours.
    around = cv2.dilate(hole.astype(np.uint8), np.ones((PATCH, PATCH), np.uint8)).astype(bool)
    return {"color": color, "guide": guide, "hole": hole | (around & ~known), "source": source}


def _find_occluder(guide: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(h, w) bool: cells beside the hole that are nearer than it. They occlude the fill and lend it no colour."""
    beside = cv2.dilate(hole.astype(np.uint8), np.ones((2 * PATCH + 1,) * 2, np.uint8)).astype(bool) & ~hole
    return beside & (guide > extend(guide, hole) + GUIDE_TOLERANCE)
