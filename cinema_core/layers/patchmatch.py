"""PatchMatch: the nearest-neighbour field between a hole and its surroundings."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..image.grid import nearest_index

PATCH = 5  # px
COMPONENTS = 20  # of the 100 numbers of a patch
# Cost of a source an eighth of the picture away from the mirror image, across the rim and along it: what is near is
# likely to go on. Behind something, what stands beside its edge goes on, not what looks alike elsewhere.
FAR_AWAY, ORDERED_AWAY = (0.5, 0.02), (0.3, 0.3)
MIRRORED = (
    0.45  # of a place's distance from the rim is its mirror image's: what ends before the rim is not to come back
)
# Cost of each copy of a source that is more than enough, up to so many, counted over a patch; less on the finest level,
# where it makes grain of what hangs together. There it keeps a strip from being copied outward from a border again and
# again; behind something, where fills are narrow, nothing is.
REPEATED, REPEATED_FINEST, ENOUGH, COUNTED = 0.06, 0.02, 1.0, 4.0
GUIDE_WEIGHT = 4.0  # a full range of disparity counts as four times that of a colour channel
NEARER = 0.04  # of the guide; what is nearer than its target by more is never copied
# Rows and columns to where else a target looks for its match, and to the patches that cover it.
_CROSS = [(step * down, step * right) for step in (4, 1) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))]
_SQUARE = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


class PatchSearch:
    """Search and vote on one level. Indices are flat, row-major; a match is kept as its row and column.

    Args:
        level: See `_level`.
        generator: Of random numbers.
        ordered: See `inpaint_hole`.
        coarser: The search of the level before, which is half the size; None at the coarsest.
    """

    def __init__(
        self, level: dict[str, np.ndarray], generator: torch.Generator, ordered: bool, coarser: PatchSearch | None
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
        nearest = torch.from_numpy(nearest_index(self.center.view(self.height, self.width).numpy())).flatten()[
            self.target
        ]
        nearest = torch.stack([nearest // self.width, nearest % self.width])
        inward = nearest - self.place
        self.across = F.normalize(inward.float(), dim=0)
        mirrored = nearest + (inward if self.ordered else (MIRRORED * inward).round().long())
        return torch.where(self._fits(mirrored), mirrored, nearest)

    def _finer(self, coarser: PatchSearch) -> torch.Tensor:
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
        hopeful = torch.nonzero(
            cost < self.cost[rows]
        ).flatten()  # most are not: to compare their patches takes longest
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
