"""Occluded bands: the occluded surfaces with their colours.

Input: colour and layers of the canvas, and the occluded surfaces in depth order. Output: `OccludedBand`s of every layer
that is occluded somewhere. Their colours are copied from surfaces of the same disparity or farther ones.

Source: Shade et al., "Layered Depth Images", 1998; Shih et al., "3D Photography using Context-aware Layered Depth
Inpainting", 2020 (local context of each edge). Ours differs: depth is extrapolated, not learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..threads import map_threads
from .discontinuities import MIN_DISCONTINUITY
from .inpaint import SEARCH_SIDE, inpaint_hole
from .occluded import Canvas, Occluded, window_around
from .soften import soften

# Share of the longer side; within it, on either side of a discontinuity, colours may mix both surfaces.
MIXED_WIDTH = 1 / 640
TONE_DISTANCE = 1 / 100  # share of the longer side; so close to its edge a band takes the tone of the edge
FAR_WEIGHT = 1e-6  # weight of samples far from the edge, so that a cell without samples near the edge still has a mean
TONE_OFFSET = 0.02  # sRGB, added to tones before they are divided, since black has no ratio
MAX_GAIN = 2.5  # factor by which a tone is matched; larger ones make sparks of single leaves
FOREIGN_DIFFERENCE = 0.25  # sRGB; where nothing of a surface may be copied, a fill that differs by more is replaced
LATER_SEARCH_SIDE = SEARCH_SIDE // 2  # px; for the later ranks, which are visible only past two occluders
CONTEXT = 1 / 10  # share of the longer side; distance around the bands within which texture may be copied
Inpainter = Callable[[np.ndarray, np.ndarray], np.ndarray]  # image (H, W, 3) float32, mask (H, W) bool -> image


@dataclass(frozen=True, eq=False)
class OccludedBand:
    """A background surface continued behind its occluders.

    Attributes:
        layer: The layer that is continued.
        index: (B,) int64, flat canvas indices of its pixels, ascending.
        source: (B,) int64, flat canvas index of the visible pixel that each one continues.
        color: (B, 3) float32, sRGB.
        disparity: (B,) float32, less than the occluder's.
    """

    layer: int
    index: np.ndarray
    source: np.ndarray
    color: np.ndarray
    disparity: np.ndarray

    def where(self, rows: np.ndarray) -> OccludedBand:
        """The band of these rows only, (B,) bool."""
        return OccludedBand(
            self.layer, *(getattr(self, name)[rows] for name in ("index", "source", "color", "disparity"))
        )


def fill_bands(
    canvas: Canvas,
    color: np.ndarray,
    ranks: list[list[Occluded]],
    occluding: np.ndarray,
    seed: int = 0,
    fill: Inpainter | None = None,
) -> list[OccludedBand]:
    """Inpaint the occluded surfaces.

    Args:
        canvas: The canvas.
        color: (Hc, Wc, 3) float32, sRGB.
        ranks: Occluded surfaces by rank, from `depth_order.order_occluded`, or the disoccluded part of them.
        occluding: (P,) int64, flat canvas indices of all pixels that occlude a surface, disoccluded or not. Their
            colours are not copied.
        seed: Seed of the inpainting.
        fill: Replaces the exemplar-based inpainting.

    Returns:
        The bands, near to far. A layer has one band for each rank, so that no band contains a pixel twice.
    """
    wide = 2 * max(1, round(MIXED_WIDTH * max(color.shape))) + 1
    excluded = cv2.dilate((canvas.occluder_disparity > 0).astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
    excluded.ravel()[occluding] = True
    filler = _Filler(canvas, color, excluded, seed, fill)
    sides = [SEARCH_SIDE] + [LATER_SEARCH_SIDE] * (len(ranks) - 1)
    # One run of a user's model at a time: two may need more memory than there is.
    run: Callable = map if fill else map_threads
    colors = run(lambda own: filler.colors_of(*own), zip(ranks, sides))
    pieces: dict[tuple[int, int], list[tuple]] = {}
    for number, (rank, own) in enumerate(zip(ranks, colors)):
        for part, filled in zip(rank, own):
            pieces.setdefault((part.layer, number), []).append((part.index, part.source, filled, part.disparity))
    bands = []
    for key in sorted(pieces):
        arrays = [np.concatenate(group) for group in zip(*pieces[key])]
        order = np.argsort(arrays[0], kind="stable")
        bands.append(OccludedBand(key[0], *(array[order] for array in arrays)))
    return bands


@dataclass(frozen=True, eq=False)
class _Filler:
    """Inpaints occluded surfaces.

    Attributes:
        canvas: The canvas.
        color: (Hc, Wc, 3) float32, sRGB.
        excluded: (Hc, Wc) bool, pixels that must not be copied.
        seed: Seed of the inpainting.
        fill: Replaces the exemplar-based inpainting.
    """

    canvas: Canvas
    color: np.ndarray
    excluded: np.ndarray
    seed: int
    fill: Inpainter | None

    def colors_of(self, rank: list[Occluded], search_side: int) -> list[np.ndarray]:
        """(B, 3) colours of each surface of one rank, inpainted at a resolution of about `search_side` px."""
        canvas, shape = self.canvas, self.canvas.shape
        index, occluded = (np.concatenate([getattr(part, name) for part in rank]) for name in ("index", "disparity"))
        window = window_around(index, shape, int(CONTEXT * max(shape)))
        guide = canvas.disparity[window].copy()
        row, column = np.divmod(index, shape[1])
        place = (row - window[0].start) * guide.shape[1] + column - window[1].start
        guide.ravel()[place] = occluded
        hole = np.zeros(guide.shape, bool)
        hole.ravel()[place] = True
        ends = np.cumsum([len(part.index) for part in rank])[:-1]
        if self.fill is not None:
            nearer = canvas.disparity[window] > occluded.max() + MIN_DISCONTINUITY
            return np.split(self.fill(self.color[window], hole | nearer).reshape(-1, 3)[place], ends)
        source = canvas.valid[window] & ~hole & ~self.excluded[window]
        if not source.any():
            source = canvas.valid[window] & ~hole
        # The square root separates far surfaces, such as the sky and a lake in front of it.
        guide = np.sqrt(guide, out=guide)
        filled = inpaint_hole(self.color[window], hole, source, guide, self.seed, True, search_side, place)
        return map_threads(
            lambda own: soften(shape, own[0].index, self._match_tone(*own)), zip(rank, np.split(filled, ends))
        )

    def _match_tone(self, part: Occluded, filled: np.ndarray) -> np.ndarray:
        """Give a fill, close to its edge, the tone of the surface that continues there.

        Disparity alone does not separate two surfaces at the same distance, such as a rock and the foam in front of
        it. A surface as thin as a twig has no pixels to copy. Its band would be filled with sky and look like a ghost
        of the twig.

        Args:
            part: The occluded surface.
            filled: (B, 3) float32, sRGB, its fill.

        Returns:
            (B, 3) float32, sRGB.
        """
        shape = self.canvas.shape
        close = TONE_DISTANCE * max(shape)
        edge, edge_of = _unique_inverse(part.source)
        row, column = np.divmod(edge, shape[1])
        surface = (self.canvas.disparity.ravel()[edge] // (2 * MIN_DISCONTINUITY)).astype(np.int64)
        place = row // close * (shape[1] // close + 1) + column // close
        _, cell = np.unique(place * (surface.max(initial=0) + 1) + surface, return_inverse=True)
        total, count, copyable = self._sample_beside(edge, max(1, round(close / 4)))
        tone, cells = _cell_means(total, count, cell), cell[edge_of]
        share = np.exp(-np.square(part.distance / close)).astype(np.float32)
        weight = share + np.float32(FAR_WEIGHT)
        found = _cell_means(filled * weight[:, None], weight, cells)
        # A factor: an offset would lay a veil over leaves in the shade.
        gain = np.clip((tone + TONE_OFFSET) / (found + TONE_OFFSET), 1 / MAX_GAIN, MAX_GAIN).astype(np.float32)[cells]
        matched = np.clip(filled * (1 + share[:, None] * (gain - 1)), 0, 1)
        foreign = (copyable == 0) & (np.abs(tone - found).max(1) > FOREIGN_DIFFERENCE)[cell]
        rows = np.flatnonzero(foreign[edge_of])
        matched[rows] = (total / np.maximum(count, 1)[:, None])[edge_of[rows]]
        return matched

    def _sample_beside(self, edge: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sample the visible surface around each of (E,) edge pixels, on a grid with a spacing of `step` px.

        Returns:
            (E, 3) sum of the colours of samples on the same surface, (E,) number of these, and (E,) number of those
            among them that may be copied; float32.
        """
        height, width = self.canvas.shape
        row, column = np.divmod(edge, width)
        own = self.canvas.disparity.ravel()[edge]
        total, count, copyable = np.zeros((len(edge), 3), np.float32), *np.zeros((2, len(edge)), np.float32)
        for down in range(-2 * step, 3 * step, step):
            for right in range(-2 * step, 3 * step, step):
                index = np.clip(row + down, 0, height - 1) * width + np.clip(column + right, 0, width - 1)
                same = np.abs(self.canvas.disparity.ravel()[index] - own) < MIN_DISCONTINUITY
                total += self.color.reshape(-1, 3)[index] * same[:, None]
                count += same
                copyable += same & ~self.excluded.ravel()[index]
        return total, count, copyable


def _unique_inverse(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """np.unique with its inverse, of (N,) int64 with many duplicates in a bounded range: without sorting them."""
    if not len(values):
        return values, values
    first = values.min()
    present = np.zeros(int(values.max() - first) + 1, bool)
    present[values - first] = True
    unique = np.flatnonzero(present)
    number = np.empty(len(present), np.int32)
    number[unique] = np.arange(len(unique), dtype=np.int32)
    return unique + first, number[values - first]


def _cell_means(total: np.ndarray, weight: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(C, 3) mean of each cell, from (N, 3) weighted sums, their weights (N,), and the cell of each (N,)."""
    sums = np.stack([np.bincount(cell, total[:, channel]) for channel in range(3)], 1)
    return sums / np.maximum(np.bincount(cell, weight), 1e-6)[:, None]
