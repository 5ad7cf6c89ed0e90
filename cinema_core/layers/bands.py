"""Hidden bands: how the farther surfaces go on behind the nearer ones, as far as the presets can reveal, and what they show.

Input: colour and layers of the canvas, and what goes on where (`tiers`). Output: `Band`s, of every layer that is hidden
somewhere. Colours come from what is as near or farther.

Source: Shade et al., "Layered Depth Images", 1998; Shih et al., "3D Photography using Context-aware Layered Depth
Inpainting", 2020 (local context of each edge). Ours differs: depth is extrapolated, not learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..threads import map_threads
from .discontinuities import CUT
from .inpaint import WORK_SIDE, inpaint_hole
from .occluded import Canvas, Occluded, window_around
from .soften import soften

RIM = 1 / 640  # of the longer side; px beside a cut whose colours mix both sides
JOINED = 1 / 100  # of the longer side; how far from its edge a band has the tone that is seen there
FAINT = 1e-6  # share with which what is far from its edge tells how the fill looks there
DARK = 0.02  # sRGB; tones are compared as if so much lighter, or black had any
MOST_GAIN = 2.5  # by which a tone is joined; more makes sparks of single leaves
UNLIKE = 0.25  # sRGB; a fill that differs by more from a surface of which nothing may be copied is none of it
LATER_SIDE = WORK_SIDE // 2  # px; of what is seen only past two things textures are looked for at about this size
CONTEXT = 1 / 10  # of the longer side; how far around the bands texture is looked for
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class OccludedBand:
    """A farther surface continued behind nearer ones.

    Attributes:
        layer: The layer that is continued.
        index: (B,) int64, flat canvas indices of its pixels, ascending.
        source: (B,) int64, flat canvas index of the visible pixel that each one continues.
        color: (B, 3) float32, sRGB.
        disparity: (B,) float32, farther than what hides it.
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
    tiers: list[list[Occluded]],
    hiding: np.ndarray,
    seed: int = 0,
    fill: Fill | None = None,
) -> list[OccludedBand]:
    """Give what goes on behind something its colours.

    Args:
        canvas: The canvas.
        color: (Hc, Wc, 3) float32, sRGB.
        tiers: Of `tiers.find_tiers`, or what of them is needed.
        hiding: (P,) int64, flat canvas indices of what any surface goes on behind, needed or not: none of it is copied.
        seed: Seed of the inpainting.
        fill: (image, mask) -> image, fills in place of the exemplars.

    Returns:
        The bands, near to far; of a layer whose surfaces lie behind one another several, so that none has a pixel twice.
    """
    wide = 2 * max(1, round(RIM * max(color.shape))) + 1
    avoided = cv2.dilate((canvas.cuts > 0).astype(np.uint8), np.ones((wide, wide), np.uint8)) > 0
    avoided.ravel()[hiding] = True
    # two of a model at once may be more than the memory holds
    sides = [WORK_SIDE] + [LATER_SIDE] * (len(tiers) - 1)
    colors = (map if fill else map_threads)(
        lambda own: _colors(canvas, color, *own, avoided, seed, fill), zip(tiers, sides)
    )
    pieces: dict[tuple[int, int], list[tuple]] = {}
    for number, (tier, own) in enumerate(zip(tiers, colors)):
        for part, seen in zip(tier, own):
            pieces.setdefault((part.layer, number), []).append((part.index, part.source, seen, part.disparity))
    bands = []
    for key in sorted(pieces):
        arrays = [np.concatenate(group) for group in zip(*pieces[key])]
        order = np.argsort(arrays[0], kind="stable")
        bands.append(OccludedBand(key[0], *(array[order] for array in arrays)))
    return bands


def _colors(
    canvas: Canvas,
    color: np.ndarray,
    tier: list[Occluded],
    side: int,
    avoided: np.ndarray,
    seed: int,
    fill: Fill | None,
) -> list[np.ndarray]:
    """Colours of one tier, (B, 3) for each of its parts: what is behind each pixel, from what is as near or farther.

    Textures are looked for on a copy of about `side` px.
    """
    shape = canvas.disparity.shape
    index, hidden = (np.concatenate([getattr(part, name) for part in tier]) for name in ("index", "disparity"))
    window = window_around(index, shape, int(CONTEXT * max(shape)))
    guide = canvas.disparity[window].copy()
    row, column = np.divmod(index, shape[1])
    place = (row - window[0].start) * guide.shape[1] + column - window[1].start
    guide.ravel()[place] = hidden
    hole = np.zeros(guide.shape, bool)
    hole.ravel()[place] = True
    source = canvas.valid[window] & ~hole & ~avoided[window]
    if not source.any():
        source = canvas.valid[window] & ~hole
    if fill is not None:
        nearest = hidden.max() + CUT
        filled = fill(color[window], hole | (canvas.disparity[window] > nearest)).reshape(-1, 3)[place]
    else:
        # the root tells far surfaces apart: the sky from a lake before it
        filled = inpaint_hole(color[window], hole, source, np.sqrt(guide, out=guide), seed, True, side, place)
    colors = np.split(filled, np.cumsum([len(part.index) for part in tier])[:-1])
    if fill is not None:
        return colors
    return map_threads(
        lambda own: soften(shape, own[0].index, _joined(canvas, color, avoided, *own)), zip(tier, colors)
    )


def _joined(canvas: Canvas, color: np.ndarray, avoided: np.ndarray, part: Occluded, filled: np.ndarray) -> np.ndarray:
    """(B, 3): the fill with, close to its edge, the tone of the surface that goes on there.

    Of two surfaces that are as near, such as a rock and the foam before it, depth alone does not tell which is meant. And of
    what is as thin as a twig nothing may be copied: filled with sky, it would hang in the picture as a ghost of itself.
    """
    close = JOINED * max(canvas.disparity.shape)
    edge, at = _distinct(part.source)
    row, column = np.divmod(edge, canvas.disparity.shape[1])
    surface = (canvas.disparity.ravel()[edge] // (2 * CUT)).astype(np.int64)
    place = row // close * (canvas.disparity.shape[1] // close + 1) + column // close
    _, cell = np.unique(place * (surface.max(initial=0) + 1) + surface, return_inverse=True)
    seen, count, copied = _seen_beside(canvas, color, avoided, edge, max(1, round(close / 4)))
    tone, cells = _means(seen, count, cell), cell[at]
    share = np.exp(-np.square(part.distance / close)).astype(np.float32)
    some = share + np.float32(FAINT)  # of a cell that has nothing close all counts
    found = _means(filled * some[:, None], some, cells)
    # by a factor: what is added to leaves in the shade is a veil
    gain = np.clip((tone + DARK) / (found + DARK), 1 / MOST_GAIN, MOST_GAIN).astype(np.float32)[cells]
    joined = np.clip(filled * (1 + share[:, None] * (gain - 1)), 0, 1)
    foreign = (copied == 0) & (np.abs(tone - found).max(1) > UNLIKE)[cell]
    rows = np.flatnonzero(foreign[at])
    joined[rows] = (seen / np.maximum(count, 1)[:, None])[at[rows]]
    return joined


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As np.unique with its inverse, of (N,) int64 with many equal ones of a bounded range: without sorting them."""
    if not len(values):
        return values, values
    first = values.min()
    there = np.zeros(int(values.max() - first) + 1, bool)
    there[values - first] = True
    distinct = np.flatnonzero(there)
    number = np.empty(len(there), np.int32)
    number[distinct] = np.arange(len(distinct), dtype=np.int32)
    return distinct + first, number[values - first]


def _seen_beside(
    canvas: Canvas, color: np.ndarray, avoided: np.ndarray, edge: np.ndarray, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of colours (E, 3) of a few pixels of the same surface around each edge, how many they are, and may be copied."""
    height, width = canvas.disparity.shape
    row, column = np.divmod(edge, width)
    own = canvas.disparity.ravel()[edge]
    total, count, copied = np.zeros((len(edge), 3), np.float32), *np.zeros((2, len(edge)), np.float32)
    for down in range(-2 * step, 3 * step, step):
        for right in range(-2 * step, 3 * step, step):
            there = np.clip(row + down, 0, height - 1) * width + np.clip(column + right, 0, width - 1)
            same = np.abs(canvas.disparity.ravel()[there] - own) < CUT
            total += color.reshape(-1, 3)[there] * same[:, None]
            count += same
            copied += same & ~avoided.ravel()[there]
    return total, count, copied


def _means(values: np.ndarray, weight: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(C, 3) mean of what lies in each cell, of sums (N, 3) that have a weight (N,)."""
    total = np.stack([np.bincount(cell, values[:, channel]) for channel in range(3)], 1)
    return total / np.maximum(np.bincount(cell, weight), 1e-6)[:, None]
