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
import torch.nn.functional as F

from .grid import extend, masked_blur, nearest_index, pool, sample
from .parallel import side_by_side

WORK_SIDE = 640  # px; of the copy that is searched, if nothing else is asked for
COARSEST_SIDE = 90  # px
PATCH = 5  # px
COMPONENTS = 20  # of the 100 numbers of a patch
ITERATIONS = 3  # and one more on the coarsest level
MANY = 4  # px to a cell, from which the finest level needs one less: its offsets move whole cells of the picture
# Cost of a source an eighth of the picture away from the mirror image, across the rim and along it: what is near is
# likely to go on. Behind something, what stands beside its edge goes on, not what looks alike elsewhere.
FAR_AWAY, ORDERED_AWAY = (0.5, 0.02), (0.3, 0.3)
MIRRORED = 0.45  # of a place's distance from the rim is its mirror image's: what ends before the rim is not to come back
# Cost of each copy of a source that is more than enough, up to so many, counted over a patch; less on the finest level,
# where it makes grain of what hangs together. There it keeps a strip from being copied outward from a border again and
# again; behind something, where fills are narrow, nothing is.
REPEATED, REPEATED_FINEST, ENOUGH, COUNTED = 0.06, 0.02, 1.0, 4.0
JOIN_SIDES = (1 / 60, 1 / 250)  # of the longer side; how far along the rim and into the fill colours shift
GUIDE_WEIGHT = 4.0  # a full range of disparity counts as four times that of a colour channel
NEARER = 0.04  # of the guide; what is nearer than its target by more is never copied
# A fill behind something is drawn by a share towards the mean colour of what lies around it and is as deep, looked at
# within several px, so that what is nearest counts most. What is finer than the blur (px) stays as copied.
LEVEL_SIDES, LEVEL_SHARE, LEVEL_BLUR = (2.0, 6.0, 18.0), 0.7, 3.0
LEVELS = 12  # of depth, at most
CHUNK = 1 << 15  # px that are copied at a time
# Rows and columns to where else a target looks for its match, and to the patches that cover it.
_CROSS = [(step * down, step * right) for step in (4, 1) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))]
_SQUARE = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


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
    factor += factor % _stride(factor)
    generator = torch.Generator().manual_seed(seed)
    search = None
    with _one_thread():
        levels = _pyramid(color, hole, source, guide, factor, ordered)
        for number, level in enumerate(levels):
            search = _Search(level, generator, ordered, search)
            finest = number == len(levels) - 1
            repeated = REPEATED if not finest else 0.0 if ordered else REPEATED_FINEST
            search.run(ITERATIONS + (number == 0) - (finest and factor >= MANY), repeated)
        return _copy(color, where, source, guide if ordered else None, search, factor)


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
    step = _stride(factor)
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


def _stride(factor: int) -> int:
    """Every how many pixels of the full picture are looked at where a cell is of factor x factor."""
    return 2 if factor > 3 else 1


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


class _Search:
    """Search and vote on one level. Indices are flat, row-major; a match is kept as its row and column.

    Args:
        level: See `_level`.
        generator: Of random numbers.
        ordered: See `inpaint_hole`.
        coarser: The search of the level before, which is half the size; None at the coarsest.
    """

    def __init__(
        self, level: dict[str, np.ndarray], generator: torch.Generator, ordered: bool, coarser: _Search | None
    ) -> None:
        self.height, self.width = level["hole"].shape
        self.generator, self.ordered = generator, ordered
        self.color = torch.from_numpy(level["color"]).reshape(-1, 3).clone()
        self.guide = torch.from_numpy(level["guide"]).flatten()
        self.hole, self.source = torch.from_numpy(level["hole"]).flatten(), torch.from_numpy(level["source"]).flatten()
        inner = cv2.erode(level["source"].astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
        self.center = torch.from_numpy(inner).flatten() if inner.any() else self.source
        self.target = torch.nonzero(self.hole).flatten()
        self.place = torch.stack([self.target // self.width, self.target % self.width])  # (2, T) row and column
        self.limit = self.guide[self.target] + NEARER
        self.last = torch.tensor([[self.height - 1], [self.width - 1]])
        self.slot = torch.full((self.height * self.width,), -1, dtype=torch.long)
        self.slot[self.target] = torch.arange(len(self.target))
        self.beside = {offset: self._beside(*offset) for offset in {*_CROSS, *_SQUARE}}
        self.mirror = self._mirror()
        self.match = self.mirror.clone() if coarser is None else self._finer(coarser)
        self.repeated, self.wear = self._copies(), None

    def run(self, iterations: int, repeated: float) -> None:
        """Find the best match of every target, and its colour; `repeated` is the cost of a copy more than enough."""
        basis, self.cost = None, torch.zeros(len(self.target))
        for _ in range(iterations):
            self._vote()
            basis = self._basis() if basis is None else basis
            self.patches = self._describe(basis)
            self.aim = self.patches[self.target]
            if repeated:  # and half of what it was, or all would leave what is taken often at once
                self.repeated = (self.repeated + self._copies()) / 2
                self.wear = repeated * (self.repeated - ENOUGH).clamp(0, COUNTED)
            self.cost = self._cost(self.match, slice(None))
            for offset in _CROSS:
                self._propagate(offset)
            self._random()
        self._vote()

    def offsets(self) -> torch.Tensor:
        """(height, width, 2) int64 px from every target to its match, row and column; 0 elsewhere."""
        flat = torch.zeros(self.height * self.width, 2, dtype=torch.long)
        flat[self.target] = (self.match - self.place).T
        return flat.view(self.height, self.width, 2)

    def picture(self) -> np.ndarray:
        """(height, width, 3) float32, filled as the patches agree."""
        return self.color.view(self.height, self.width, 3).numpy()

    def _flat(self, place: torch.Tensor) -> torch.Tensor:
        return place[0] * self.width + place[1]

    def _fits(self, place: torch.Tensor) -> torch.Tensor:
        """(T,) bool: a patch may be copied from there."""
        kept = torch.minimum(place.clamp(min=0), self.last)
        return self.center[self._flat(kept)] & (kept == place).all(0)

    def _beside(self, down: int, right: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The offset, which targets have another one there, and which one that is."""
        offset = torch.tensor([[down], [right]])
        place = self.place + offset
        kept = torch.minimum(place.clamp(min=0), self.last)
        slot = torch.where((kept == place).all(0), self.slot[self._flat(kept)], -1)
        rows = torch.nonzero(slot >= 0).flatten()
        return offset, rows, slot[rows]

    def _mirror(self) -> torch.Tensor:
        """(2, T): the nearest source pixel, or what lies behind that, as in a mirror, where that is a source too."""
        nearest = torch.from_numpy(nearest_index(self.center.view(self.height, self.width).numpy())).flatten()[self.target]
        nearest = torch.stack([nearest // self.width, nearest % self.width])
        inward = nearest - self.place
        self.across = F.normalize(inward.float(), dim=0)
        mirrored = nearest + (inward if self.ordered else (MIRRORED * inward).round().long())
        return torch.where(self._fits(mirrored), mirrored, nearest)

    def _finer(self, coarser: _Search) -> torch.Tensor:
        """The coarser level's matches."""
        row, column = torch.minimum(self.place // 2, coarser.last)
        match = self.place + 2 * coarser.offsets()[row, column].T
        return torch.where(self._fits(match), match, self.mirror)

    def _image(self) -> torch.Tensor:
        """(1, 4, height, width) and a margin: colour and guide."""
        image = torch.cat([self.color, GUIDE_WEIGHT * self.guide[:, None]], 1)
        image = image.T.reshape(1, 4, self.height, self.width)
        return F.pad(image, (PATCH // 2,) * 4, mode="replicate")

    def _basis(self) -> torch.Tensor:
        """(COMPONENTS, 4, PATCH, PATCH): the directions in which the patches of the sources vary most."""
        chosen = torch.nonzero(self.center).flatten()
        chosen = chosen[:: max(1, len(chosen) // 2000)]
        image, row, column = self._image()[0], chosen // self.width, chosen % self.width
        parts = [image[:, row + i, column + j] for i in range(PATCH) for j in range(PATCH)]
        samples = torch.stack(parts, -1).permute(1, 0, 2).reshape(len(chosen), -1)  # a row: channel, then place
        spread = (samples - samples.mean(0)).T.double()
        _, vectors = torch.linalg.eigh(spread @ spread.T)
        return vectors[:, -COMPONENTS:].T.float().reshape(-1, 4, PATCH, PATCH).contiguous()

    def _describe(self, basis: torch.Tensor) -> torch.Tensor:
        """(height * width, COMPONENTS) float32: every pixel's patch; its squared distances are means over the patch."""
        described = F.conv2d(self._image(), basis / PATCH)[0]
        return described.reshape(len(basis), -1).T.contiguous()

    def _cost(self, match: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """Of these matches (2, R) for these targets."""
        return self._unlike(match, rows).add_(self._misplaced(match, rows))

    def _unlike(self, match: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """The part of the cost that the patches make."""
        return torch.sub(self.aim[rows], self.patches[self._flat(match)]).square_().sum(1)

    def _misplaced(self, match: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """The part of the cost that the places make."""
        away = (match - self.mirror[:, rows]).float() / (max(self.height, self.width) / 8)
        across, along = ORDERED_AWAY if self.ordered else FAR_AWAY
        cost = (across - along) * (away * self.across[:, rows]).sum(0).square_() + along * away.square_().sum(0)
        if self.ordered:
            cost += 10.0 * (self.guide[self._flat(match)] > self.limit[rows])
        return cost if self.wear is None else cost.add_(self.wear[self._flat(match)])

    def _copies(self) -> torch.Tensor:
        """(height * width,) float32: how often each place is copied now, on average over a patch."""
        count = torch.bincount(self._flat(self.match), minlength=self.height * self.width)
        count = count.view(1, 1, self.height, self.width).float()
        return F.avg_pool2d(count, PATCH, 1, PATCH // 2, count_include_pad=False).flatten()

    def _try(self, match: torch.Tensor, rows: torch.Tensor) -> None:
        fits = torch.nonzero(self._fits(match)).flatten()
        match, rows = match[:, fits], rows[fits]
        cost = self._misplaced(match, rows)
        hopeful = torch.nonzero(cost < self.cost[rows]).flatten()  # most are not: to compare their patches takes longest
        match, rows = match[:, hopeful], rows[hopeful]
        cost = self._unlike(match, rows).add_(cost[hopeful])
        better = torch.nonzero(cost < self.cost[rows]).flatten()
        rows = rows[better]
        self.match[:, rows] = match[:, better]
        self.cost[rows] = cost[better]

    def _propagate(self, offset: tuple[int, int]) -> None:
        """Try what goes with the match of a target beside."""
        moved, rows, slots = self.beside[offset]
        match = self.match[:, slots] - moved
        other = torch.nonzero((match != self.match[:, rows]).any(0)).flatten()
        self._try(match[:, other], rows[other])

    def _random(self) -> None:
        radius, every = max(self.height, self.width) / 2, torch.arange(len(self.target))
        while radius >= 1:
            jump = (torch.rand(2, len(self.target), generator=self.generator) * 2 - 1) * radius
            self._try(self.match + jump.round_().long(), every)
            radius /= 4

    def _vote(self) -> None:
        """Every target takes the mean of what the patches over it say, good matches counting more."""
        total, weight = torch.zeros(len(self.target), 3), torch.zeros(len(self.target))
        sharp = torch.exp(-self.cost / (self.cost.mean() + 1e-6))
        for offset in _SQUARE:
            moved, rows, slots = self.beside[offset]
            match = self.match[:, slots] - moved
            kept = torch.minimum(match.clamp(min=0), self.last)
            index = self._flat(kept)
            good = (self.source[index] & (kept == match).all(0)).float() * sharp[slots]
            total.index_add_(0, rows, self.color[index] * good[:, None])
            weight.index_add_(0, rows, good)
        weight = weight[:, None]
        own = self.color[self._flat(self.match)]
        self.color[self.target] = torch.where(weight > 1e-6, total / weight.clamp(min=1e-6), own)


def _copy(
    color: np.ndarray, where: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: _Search, factor: int
) -> np.ndarray:
    """(P, 3): the full-size hole, (P,) flat indices, filled with the finest level's offsets and given the small picture's tone."""
    copier = _Copier(color, source, guide, search, factor)
    filled = np.empty((len(where), 3), np.float32)
    parts = [slice(begin, begin + CHUNK) for begin in range(0, len(where), CHUNK)]

    def copy(part: slice) -> None:
        filled[part] = copier.copied(where[part])

    side_by_side(copy, parts)
    tone = _tone(_cell_means(filled, where, source.shape, search, factor), search)
    down, right = (((np.arange(side) + 0.5) / factor).astype(np.float32) for side in source.shape)

    def give_tone(part: slice) -> None:
        row, column = np.divmod(where[part], source.shape[1])
        toned = filled[part] + sample(tone, np.stack([right[column], down[row]], 1))
        np.clip(toned, 0, 1, out=filled[part])

    side_by_side(give_tone, parts)
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

    def __init__(self, color: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: _Search, factor: int) -> None:
        self.width, self.size, self.pixels = color.shape[1], source.size, np.ascontiguousarray(color).reshape(-1, 3)
        self.source, self.guide = source.ravel(), None if guide is None else np.ascontiguousarray(guide).ravel()
        self.plain = search.picture().reshape(-1, 3)
        down, right = np.moveaxis(search.offsets().numpy() * factor, -1, 0)
        target = search.hole.view(search.height, search.width).numpy()
        steps = np.where(target, down * self.width + right, -2 * self.size)  # no target's leads out of the picture
        self.steps, self.right = steps.ravel(), right.ravel()
        self.rows, self.columns = (_Cells(full, cells, factor) for full, cells in zip(source.shape, target.shape))
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


class _Cells:
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


def _cell_means(filled: np.ndarray, where: np.ndarray, shape: tuple[int, int], search: _Search, factor: int) -> np.ndarray:
    """(h, w, 4) float32: mean colour of the fill (P, 3) in each cell, and how many of its pixels, (P,) flat, were looked at."""
    row, column = np.divmod(where, shape[1])
    step = _stride(factor)
    if step > 1:
        rows = np.flatnonzero((row % step == 0) & (column % step == 0))
        filled, row, column = filled[rows], row[rows], column[rows]
    cell = row // factor * search.width + column // factor
    sums = [np.bincount(cell, values, search.height * search.width) for values in (*filled.T, np.ones(len(cell)))]
    sums = np.stack(sums, 1).astype(np.float32).reshape(search.height, search.width, 4)
    sums[..., :3] /= np.maximum(sums[..., 3:], 1)
    return sums


def _tone(fill: np.ndarray, search: _Search) -> np.ndarray:
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
