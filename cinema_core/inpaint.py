"""Exemplar-based inpainting: fills a hole with patches of what may stand there.

Input: an image, its hole, the pixels that may be copied. Output: the image with the hole filled.

Source: Barnes et al., "PatchMatch", 2009 (propagation and random search over a nearest-neighbour field);
Wexler et al., "Space-Time Completion of Video", 2007 (coarse to fine, alternating search and vote). Ours differs:
all targets are searched at once (vectorised, seeded, so the same input gives the same pixels), patches are compared by
their principal components, and a guide channel known inside the hole (disparity) steers what is copied where: like by
like, and never what is nearer. The search runs on a small copy of the picture, whose size bounds its time and memory;
the full one is filled with the offsets found there.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from .grid import extend, masked_blur, nearest_index, pool, sample

WORK_SIDE = 640  # px; larger pictures copy with offsets found at about this size
COARSEST_SIDE = 90  # px
PATCH = 5  # px
COMPONENTS = 20  # of the 100 numbers of a patch
ITERATIONS = 4
FAR_AWAY = 0.05  # cost of a source an eighth of the picture away from the mirror image: what is near is likely to go on
JOIN_SIDES = (1 / 60, 1 / 250)  # of the longer side; how far along the rim and into the fill colours shift
GUIDE_WEIGHT = 4.0  # a full range of disparity counts as four times that of a colour channel
NEARER = 0.04  # of the guide; what is nearer than its target by more is never copied
CHUNK = 1 << 19  # px that are copied at a time


def inpaint(
    color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, seed: int = 0, ordered: bool = False
) -> np.ndarray:
    """Fill a hole with texture copied from elsewhere in the image.

    Args:
        color: (H, W, 3) float32, sRGB 0..1; ignored inside the hole.
        hole: (H, W) bool, pixels to fill.
        source: (H, W) bool, pixels that may be copied; what is in neither is neither read nor written.
        guide: (H, W) float32, 0..1, known in hole and source alike: like is filled with like.
        seed: Seed of the search.
        ordered: Copy only what is as near as the place it is copied to, or farther.

    Returns:
        (H, W, 3) float32, `color` with the hole filled. Without any source pixel the hole is left as it is.
    """
    assert color.shape[:2] == hole.shape == source.shape == guide.shape, (color.shape, hole.shape, source.shape)
    color, source = np.asarray(color, np.float32), source & ~hole
    if not hole.any() or not source.any():
        return color
    factor = -(-max(hole.shape) // WORK_SIDE)
    generator = torch.Generator().manual_seed(seed)
    search = None
    for level in _pyramid(color, hole, source, guide, factor, ordered):
        search = _Search(level, generator, ordered, search)
        search.run()
    return _copy(color, hole, source, guide if ordered else None, search, factor)


def _pyramid(
    color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, factor: int, ordered: bool
) -> list[dict[str, np.ndarray]]:
    """Levels from coarse to fine; each half the size of the next."""
    none = np.float32(0)
    sums = {
        "color": pool(np.where(source[..., None], color, none), factor),
        "guide": pool(np.where(source, guide, none), factor),
        "hidden": pool(np.where(hole, guide, none), factor),
        "source": pool(source.astype(np.float32), factor),
        "hole": pool(hole.astype(np.float32), factor),
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


class _Search:
    """Search and vote on one level. Indices are flat, row-major.

    Args:
        level: See `_level`.
        generator: Of random numbers.
        ordered: See `inpaint`.
        coarser: The search of the level before, which is half the size; None at the coarsest.
    """

    def __init__(
        self, level: dict[str, np.ndarray], generator: torch.Generator, ordered: bool, coarser: _Search | None
    ) -> None:
        self.height, self.width = level["hole"].shape
        self.generator, self.ordered = generator, ordered
        self.color = torch.from_numpy(level["color"]).reshape(-1, 3).clone()
        self.guide = torch.from_numpy(level["guide"]).flatten()
        self.hole = torch.from_numpy(level["hole"]).flatten()
        self.source = torch.from_numpy(level["source"]).flatten()
        inner = cv2.erode(level["source"].astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
        self.center = torch.from_numpy(inner).flatten() if inner.any() else self.source
        self.target = torch.nonzero(self.hole).flatten()
        self.row, self.column = self.target // self.width, self.target % self.width
        self.slot = torch.full((self.height * self.width,), -1, dtype=torch.long)
        self.slot[self.target] = torch.arange(len(self.target))
        self.reach2 = (max(self.height, self.width) / 8) ** 2
        self.mirror = self._mirror()
        self.match = self.mirror.clone() if coarser is None else self._finer(coarser)

    def run(self) -> None:
        """Find the best match of every target, and its colour."""
        basis = None
        for _ in range(ITERATIONS):
            self._vote()
            basis = self._basis() if basis is None else basis
            self.patches = self._describe(basis)
            self.aim = self.patches[self.target]
            self.cost = self._cost(self.match)
            for step in (8, 2, 1):
                self._propagate(step)
            self._random()
        self._vote()

    def offsets(self) -> torch.Tensor:
        """(height, width, 2) int64 px from every target to its match, row and column; 0 elsewhere."""
        flat = torch.zeros(self.height * self.width, 2, dtype=torch.long)
        flat[self.target, 0] = self.match // self.width - self.row
        flat[self.target, 1] = self.match % self.width - self.column
        return flat.view(self.height, self.width, 2)

    def picture(self) -> np.ndarray:
        """(height, width, 3) float32, filled as the patches agree."""
        return self.color.view(self.height, self.width, 3).numpy()

    def _mirror(self) -> torch.Tensor:
        """The nearest source pixel, or its mirror image seen from there where that is a source too."""
        nearest = torch.from_numpy(nearest_index(self.center.view(self.height, self.width).numpy())).flatten()[self.target]
        row = 2 * (nearest // self.width) - self.row
        column = 2 * (nearest % self.width) - self.column
        mirrored, fits = self._index(row, column)
        return torch.where(fits, mirrored, nearest)

    def _index(self, row: torch.Tensor, column: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
        index = row.clamp(0, self.height - 1) * self.width + column.clamp(0, self.width - 1)
        return index, inside & self.center[index]

    def _finer(self, coarser: _Search) -> torch.Tensor:
        """The coarser level's matches; its colours start the vote."""
        row = (self.row // 2).clamp(max=coarser.height - 1)
        column = (self.column // 2).clamp(max=coarser.width - 1)
        moved = coarser.offsets()[row, column]
        index, fits = self._index(self.row + 2 * moved[:, 0], self.column + 2 * moved[:, 1])
        return torch.where(fits, index, self.mirror)

    def _image(self) -> torch.Tensor:
        """(1, 4, height, width): colour and guide."""
        image = torch.cat([self.color, GUIDE_WEIGHT * self.guide[:, None]], 1)
        image = image.T.reshape(1, 4, self.height, self.width)
        return F.pad(image, (PATCH // 2,) * 4, mode="replicate")

    def _basis(self) -> torch.Tensor:
        """(COMPONENTS, 4, PATCH, PATCH): the directions in which the patches of the sources vary most."""
        chosen = torch.nonzero(self.center).flatten()
        chosen = chosen[:: max(1, len(chosen) // 3000)]
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

    def _cost(self, match: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        aim, mirror, target = self.aim, self.mirror, self.target
        if rows is not None:
            aim, mirror, target = aim[rows], mirror[rows], target[rows]
        down, right = match // self.width - mirror // self.width, match % self.width - mirror % self.width
        cost = (aim - self.patches[match]).square_().sum(1) + (down**2 + right**2) * (FAR_AWAY / self.reach2)
        if self.ordered:
            cost += 10.0 * (self.guide[match] > self.guide[target] + NEARER)
        return cost

    def _try(self, index: torch.Tensor, rows: torch.Tensor) -> None:
        if not len(rows):
            return
        cost = self._cost(index, rows)
        better = cost < self.cost[rows]
        self.match[rows[better]] = index[better]
        self.cost[rows[better]] = cost[better]

    def _propagate(self, step: int) -> None:
        for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
            slot, inside = self._neighbour(down, right)
            match = self.match[slot.clamp(min=0)]
            index, fits = self._index(match // self.width - down, match % self.width - right)
            rows = torch.nonzero(inside & (slot >= 0) & fits & (index != self.match)).flatten()
            self._try(index[rows], rows)

    def _neighbour(self, down: int, right: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Which target lies so far off every target, -1 for none, and whether that is inside the picture."""
        row, column = self.row + down, self.column + right
        inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
        return self.slot[row.clamp(0, self.height - 1) * self.width + column.clamp(0, self.width - 1)], inside

    def _random(self) -> None:
        radius = max(self.height, self.width) / 2
        while radius >= 1:
            jump = (torch.rand(len(self.target), 2, generator=self.generator) * 2 - 1) * radius
            row = self.match // self.width + jump[:, 0].round().long()
            column = self.match % self.width + jump[:, 1].round().long()
            index, fits = self._index(row, column)
            rows = torch.nonzero(fits).flatten()
            self._try(index[rows], rows)
            radius /= 3

    def _vote(self) -> None:
        """Every target takes the mean of what the patches over it say, good matches counting more."""
        total = torch.zeros(len(self.target), 3)
        weight = torch.zeros(len(self.target), 1)
        cost = getattr(self, "cost", torch.zeros(len(self.target)))
        sharp = torch.exp(-cost / (cost.mean() + 1e-6))
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                slot, inside = self._neighbour(down, right)
                match = self.match[slot.clamp(min=0)]
                index, _ = self._index(match // self.width - down, match % self.width - right)
                good = (inside & (slot >= 0) & self.source[index]).float() * sharp[slot.clamp(min=0)]
                total += self.color[index] * good[:, None]
                weight += good[:, None]
        own = self.color[self.match]
        self.color[self.target] = torch.where(weight > 1e-6, total / weight.clamp(min=1e-6), own)


def _copy(
    color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray | None, search: _Search, factor: int
) -> np.ndarray:
    """Fill the full-size hole with the finest level's offsets, and give it the small picture's tone."""
    where = np.flatnonzero(hole)
    place = torch.from_numpy(where)
    pixels = torch.from_numpy(np.ascontiguousarray(color)).reshape(-1, 3)
    usable = torch.from_numpy(source).flatten()
    nearness = None if guide is None else torch.from_numpy(np.ascontiguousarray(guide)).flatten()
    plain = torch.from_numpy(np.array(search.picture()))
    offsets = search.offsets() * factor
    target = search.hole.view(search.height, search.width)
    filled = color.copy()
    into = torch.from_numpy(filled).view(-1, 3)
    for part in place.split(CHUNK):
        into[part] = _copied(part, hole.shape, pixels, usable, nearness, offsets, target, plain, factor)
    into = filled.reshape(-1, 3)
    tone = _tone(filled, hole, search, factor)
    row, column = np.divmod(where, hole.shape[1])
    spots = np.stack([(column + 0.5) / factor, (row + 0.5) / factor], 1)
    into[where] = np.clip(into[where] + sample(tone, spots), 0, 1)
    return filled


def _copied(place, shape, pixels, usable, nearness, offsets, target, plain, factor):
    """(P, 3): pixels of the full picture, by the offsets of the four cells around each."""
    row, column = place // shape[1], place % shape[1]
    y, x = (row + 0.5) / factor - 0.5, (column + 0.5) / factor - 0.5
    top, left = y.floor(), x.floor()
    total, weight = torch.zeros(len(place), 3), torch.zeros(len(place))
    for down in (0, 1):
        for right in (0, 1):
            cy = (top.long() + down).clamp(0, target.shape[0] - 1)
            cx = (left.long() + right).clamp(0, target.shape[1] - 1)
            share = (1 - (y - top - down).abs()) * (1 - (x - left - right).abs())
            moved = offsets[cy, cx]
            sy, sx = row + moved[:, 0], column + moved[:, 1]
            inside = (sy >= 0) & (sy < shape[0]) & (sx >= 0) & (sx < shape[1]) & target[cy, cx]
            index = torch.where(inside, sy * shape[1] + sx, 0)
            inside &= usable[index]
            if nearness is not None:
                inside &= nearness[index] <= nearness[place] + NEARER
            share = share**2 * inside  # sharper than linear: two textures mixed evenly are a blur
            total += pixels[index] * share[:, None]
            weight += share
    cy, cx = (row // factor).clamp(max=target.shape[0] - 1), (column // factor).clamp(max=target.shape[1] - 1)
    return torch.where((weight > 1e-3)[:, None], total / weight.clamp(min=1e-3)[:, None], plain[cy, cx])


def _tone(filled: np.ndarray, hole: np.ndarray, search: _Search, factor: int) -> np.ndarray:
    """(h, w, 3) float32 to be added to the fill: the small picture's tone, and that of what is beside the rim."""
    source = search.source.view(search.height, search.width).numpy()
    share = pool(hole.astype(np.float32), factor)
    target = share > 1e-6
    copied = pool(filled * hole[..., None], factor) / np.maximum(share, 1e-6)[..., None]
    picture = search.picture()
    tone = masked_blur(np.where(target[..., None], picture - copied, 0).astype(np.float32), target, 1.5)
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
