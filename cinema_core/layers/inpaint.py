"""Exemplar-based inpainting: fills a hole with patches of what may stand there.

Input: an image, its hole, the pixels that may be copied. Output: the image with the hole filled.

Source: Barnes et al., "PatchMatch", 2009 (propagation and random search over a nearest-neighbour field);
Wexler et al., "Space-Time Completion of Video", 2007 (coarse to fine, alternating search and vote). Ours differs:
all targets are searched at once (vectorised, seeded, so the same input gives the same pixels), patches are compared by
their principal components, and a guide channel known inside the hole (disparity) steers what is copied where: like by
like, and never what is nearer. Each source is asked to be copied about once (Kaspar et al., "Self Tuning Texture
Optimization", 2015), or all would come from what is plain. The search runs on a small copy of the picture, whose size
bounds its time and memory; the full one is filled with the offsets found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch

from ..image.grid import extend, pool
from .patch_copy import copy_patches, sample_stride
from .patchmatch import NEARER, PATCH, REPEATED, REPEATED_FINEST, PatchSearch

WORK_SIDE = 640  # px; of the copy that is searched, if nothing else is asked for
COARSEST_SIDE = 90  # px
ITERATIONS = 3  # and one more on the coarsest level
MANY = 4  # px to a cell, from which the finest level needs one less: its offsets move whole cells of the picture


def inpaint_hole(
    color: np.ndarray,
    hole: np.ndarray,
    source: np.ndarray,
    guide: np.ndarray,
    seed: int = 0,
    ordered: bool = False,
    work_side: int = WORK_SIDE,
    where: np.ndarray | None = None,
) -> np.ndarray:
    """Fill a hole with texture copied from elsewhere in the image.

    Args:
        color: (H, W, 3) float32, sRGB 0..1; ignored inside the hole.
        hole: (H, W) bool, pixels to fill.
        source: (H, W) bool, pixels that may be copied; what is in neither is neither read nor written.
        guide: (H, W) float32, 0..1, known in hole and source alike: like is filled with like.
        seed: Seed of the search.
        ordered: Copy only what is as near as the place it is copied to, or farther.
        work_side: px; larger pictures copy with offsets found at about this size.
        where: (P,) int64, flat indices of the hole's pixels in the order in which they are wanted; None for ascending.

    Returns:
        (P, 3) float32, sRGB, for the P pixels of the hole; `color` itself is neither copied nor changed. Without any source
        pixel what is there already.
    """
    assert color.shape[:2] == hole.shape == source.shape == guide.shape, (color.shape, hole.shape, source.shape)
    color, source = np.asarray(color, np.float32), source & ~hole
    where = np.flatnonzero(hole) if where is None else where
    if not len(where) or not source.any():
        return color.reshape(-1, 3)[where]
    factor = -(-max(hole.shape) // work_side)
    factor += factor % sample_stride(factor)
    generator = torch.Generator().manual_seed(seed)
    search = None
    with _one_thread():
        levels = _pyramid(color, hole, source, guide, factor, ordered)
        for number, level in enumerate(levels):
            search = PatchSearch(level, generator, ordered, search)
            finest = number == len(levels) - 1
            repeated = REPEATED if not finest else 0.0 if ordered else REPEATED_FINEST
            search.run(ITERATIONS + (number == 0) - (finest and factor >= MANY), repeated)
        return copy_patches(color, where, source, guide if ordered else None, search, factor)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The search is many short steps: threads would wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _pyramid(
    color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, factor: int, ordered: bool
) -> list[dict[str, np.ndarray]]:
    """Levels from coarse to fine; each half the size of the next."""
    step = sample_stride(factor)
    color, guide, known, empty = (values[::step, ::step] for values in (color, guide, source, hole))
    known, empty = known.astype(np.float32), empty.astype(np.float32)
    few = factor // step
    sums = {
        "color": pool(color * known[..., None], few),
        "guide": pool(guide * known, few),
        "hidden": pool(guide * empty, few),
        "source": pool(known, few),
        "hole": pool(empty, few),
    }
    levels = [_level(sums, ordered)]
    while max(sums["hole"].shape) / 2 >= COARSEST_SIDE:
        sums = {name: pool(values, 2) for name, values in sums.items()}
        levels.insert(0, _level(sums, ordered))
    return levels


def _level(sums: dict[str, np.ndarray], ordered: bool) -> dict[str, np.ndarray]:
    share, hole = sums["source"], sums["hole"] > 1e-6
    color = sums["color"] / np.maximum(share, 1e-6)[..., None]
    guide = np.where(hole, sums["hidden"] / np.maximum(sums["hole"], 1e-6), sums["guide"] / np.maximum(share, 1e-6))
    guide = extend(guide, hole | (share > 1e-6)).astype(np.float32)
    if ordered:
        share = np.where(_hides(guide, hole), 0, share)
    source = (share > 0.5) & ~hole
    if not source.any():
        source = (share > 1e-6) & ~hole
    if not source.any():  # every cell has a part of the hole, or hides it: take what there is
        share = sums["source"]
        source = share >= share.max()
    known = (share > 1e-6) & ~hole
    color = extend(color, known if known.any() else share > 1e-6).astype(np.float32)
    # what lies beyond the hole and may not be copied is filled too, or the fill would have to agree with it
    wide = cv2.dilate(hole.astype(np.uint8), np.ones((PATCH, PATCH), np.uint8)).astype(bool)
    return {"color": color, "guide": guide, "hole": hole | (wide & ~known), "source": source}


def _hides(guide: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(h, w) bool: what is nearer than the hole right beside it: the fill goes on behind that, and not with its colours."""
    beside = cv2.dilate(hole.astype(np.uint8), np.ones((2 * PATCH + 1,) * 2, np.uint8)).astype(bool) & ~hole
    return beside & (guide > extend(guide, hole) + NEARER)
