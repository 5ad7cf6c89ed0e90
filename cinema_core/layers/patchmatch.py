"""PatchMatch: the nearest-neighbour field between a hole and its surroundings."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..image.grid import nearest_index

PATCH = 5  # px; side of a patch
COMPONENTS = 20  # principal components by which patches are compared, of the 100 numbers of a patch
BASIS_SAMPLES = 2000  # patches, about, from which the principal components are computed
# Cost of a match at an eighth of the longer side from the target's mirror image: (across, along) the hole's boundary.
# Nearby texture is likely to continue. Behind an occluder the texture beside its edge continues, rather than similar
# texture elsewhere.
DISTANCE_COST, ORDERED_DISTANCE_COST = (0.5, 0.02), (0.3, 0.3)
# Distance of the mirror image from the hole's boundary, as a share of the target's own distance. Below 1, so that
# texture that ends before the boundary does not come back in the fill.
MIRROR_SHARE = 0.45
# Cost of each copy of a source beyond FREE_COPIES, of which at most COUNTED_COPIES count; copies are averaged over a
# patch. The finest level has a lower cost, since a high one breaks coherent texture into grain. It still keeps a strip
# at the photo's border from being copied outward again and again. Fills behind an occluder are too narrow to need it.
REPEAT_COST, FINEST_REPEAT_COST, FREE_COPIES, COUNTED_COPIES = 0.06, 0.02, 1.0, 4.0
GUIDE_WEIGHT = 4.0  # the full range of the guide counts as four times that of a colour channel
GUIDE_TOLERANCE = 0.04  # of the guide; a pixel that is nearer than its target by more is never copied
OCCLUDER_COST = 10.0  # added to a match that is nearer than GUIDE_TOLERANCE allows; in effect rules it out
# (down, right) px from a target to the neighbours whose matches it tries, and to the centres of the patches that vote
# on its colour.
_PROPAGATION_OFFSETS = [
    (step * down, step * right) for step in (4, 1) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))
]
_VOTE_OFFSETS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


class PatchSearch:
    """Search and vote on one level. Pixel indices are flat, row-major; positions are (2, ...) rows and columns.

    Args:
        level: See `inpaint._level`.
        generator: Random numbers of the search.
        ordered: See `inpaint_hole`.
        coarser: The search of the level before, which is half the size; None at the coarsest.

    Attributes:
        color: (height * width, 3) float32, changed by votes.
        guide: (height * width,) float32.
        hole: (height * width,) bool, pixels to fill.
        source: (height * width,) bool, pixels that may be copied.
        center: (height * width,) bool, pixels on which a copied patch may be centred.
        target: (T,) int64, indices of the hole's pixels.
        place: (2, T) int64, their positions.
        match: (2, T) int64, positions of their matches.
        cost: (T,) float32, cost of these matches.
        mirror: (2, T) int64, position of each target's mirror image, see `_mirror`.
        inward: (2, T) float32, unit vector from each target to the nearest pixel of `center`.
        limit: (T,) float32, largest guide value that may be copied to each target.
        copies: (height * width,) float32, see `_count_copies`.
        repeat_cost: (height * width,) float32, cost of copying each pixel once more; None for no cost.
    """

    def __init__(
        self, level: dict[str, np.ndarray], generator: torch.Generator, ordered: bool, coarser: PatchSearch | None
    ) -> None:
        self.height, self.width = level["hole"].shape
        self.generator, self.ordered = generator, ordered
        self.color = torch.from_numpy(level["color"]).reshape(-1, 3).clone()
        self.guide = torch.from_numpy(level["guide"]).flatten()
        self.hole, self.source = torch.from_numpy(level["hole"]).flatten(), torch.from_numpy(level["source"]).flatten()
        kernel = np.ones((3, 3), np.uint8)
        inner = cv2.erode(level["source"].astype(np.uint8), kernel, borderValue=(0.0,)).astype(bool)
        self.center = torch.from_numpy(inner).flatten() if inner.any() else self.source
        self.target = torch.nonzero(self.hole).flatten()
        self.place = torch.stack([self.target // self.width, self.target % self.width])
        self.limit = self.guide[self.target] + GUIDE_TOLERANCE
        self.last = torch.tensor([[self.height - 1], [self.width - 1]])
        self.slot = torch.full((self.height * self.width,), -1, dtype=torch.long)
        self.slot[self.target] = torch.arange(len(self.target))
        self.neighbours = {offset: self._neighbours(*offset) for offset in {*_PROPAGATION_OFFSETS, *_VOTE_OFFSETS}}
        self.mirror = self._mirror()
        self.match = self.mirror.clone() if coarser is None else self._upsampled(coarser)
        self.copies = self._count_copies()
        self.repeat_cost: torch.Tensor | None = None

    def run(self, iterations: int, repeat_cost: float) -> None:
        """Find the best match of every target, and its colour; `repeat_cost` is that of a copy beyond `FREE_COPIES`."""
        basis, self.cost = None, torch.zeros(len(self.target))
        for _ in range(iterations):
            self._vote()
            basis = self._principal_components() if basis is None else basis
            self.patches = self._describe(basis)
            self.wanted = self.patches[self.target]
            if repeat_cost:  # averaged with the count before, or all targets would leave a popular source at once
                self.copies = (self.copies + self._count_copies()) / 2
                self.repeat_cost = repeat_cost * (self.copies - FREE_COPIES).clamp(0, COUNTED_COPIES)
            self.cost = self._cost(self.match, slice(None))
            for offset in _PROPAGATION_OFFSETS:
                self._propagate(offset)
            self._random_search()
        self._vote()

    def offsets(self) -> torch.Tensor:
        """(height, width, 2) int64 px from every target to its match, row and column; 0 elsewhere."""
        flat = torch.zeros(self.height * self.width, 2, dtype=torch.long)
        flat[self.target] = (self.match - self.place).T
        return flat.view(self.height, self.width, 2)

    def picture(self) -> np.ndarray:
        """(height, width, 3) float32, filled by the last vote."""
        return self.color.view(self.height, self.width, 3).numpy()

    def _flat(self, place: torch.Tensor) -> torch.Tensor:
        """Flat indices of positions."""
        return place[0] * self.width + place[1]

    def _can_copy(self, place: torch.Tensor) -> torch.Tensor:
        """(P,) bool: a patch may be copied from these positions."""
        kept = torch.minimum(place.clamp(min=0), self.last)
        return self.center[self._flat(kept)] & (kept == place).all(0)

    def _neighbours(self, down: int, right: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The offset (2, 1), the rows of targets that have another target there, and the rows of those others."""
        offset = torch.tensor([[down], [right]])
        place = self.place + offset
        kept = torch.minimum(place.clamp(min=0), self.last)
        slot = torch.where((kept == place).all(0), self.slot[self._flat(kept)], -1)
        rows = torch.nonzero(slot >= 0).flatten()
        return offset, rows, slot[rows]

    def _mirror(self) -> torch.Tensor:
        """(2, T): each target mirrored at the nearest source pixel; that pixel itself where no source is there."""
        nearest = torch.from_numpy(nearest_index(self.center.view(self.height, self.width).numpy())).flatten()
        nearest = nearest[self.target]
        nearest = torch.stack([nearest // self.width, nearest % self.width])
        inward = nearest - self.place
        self.inward = F.normalize(inward.float(), dim=0)
        mirrored = nearest + (inward if self.ordered else (MIRROR_SHARE * inward).round().long())
        return torch.where(self._can_copy(mirrored), mirrored, nearest)

    def _upsampled(self, coarser: PatchSearch) -> torch.Tensor:
        """(2, T): the coarser level's matches; the mirror image where they lead to no source."""
        row, column = torch.minimum(self.place // 2, coarser.last)
        match = self.place + 2 * coarser.offsets()[row, column].T
        return torch.where(self._can_copy(match), match, self.mirror)

    def _image(self) -> torch.Tensor:
        """(1, 4, height, width) colour and weighted guide, with a margin of half a patch on each side."""
        image = torch.cat([self.color, GUIDE_WEIGHT * self.guide[:, None]], 1)
        image = image.T.reshape(1, 4, self.height, self.width)
        return F.pad(image, (PATCH // 2,) * 4, mode="replicate")

    def _principal_components(self) -> torch.Tensor:
        """(COMPONENTS, 4, PATCH, PATCH): the directions in which the patches of the sources vary most."""
        chosen = torch.nonzero(self.center).flatten()
        chosen = chosen[:: max(1, len(chosen) // BASIS_SAMPLES)]
        image, row, column = self._image()[0], chosen // self.width, chosen % self.width
        parts = [image[:, row + i, column + j] for i in range(PATCH) for j in range(PATCH)]
        samples = torch.stack(parts, -1).permute(1, 0, 2).reshape(len(chosen), -1)  # (patches, channel and position)
        spread = (samples - samples.mean(0)).T.double()
        _, vectors = torch.linalg.eigh(spread @ spread.T)
        return vectors[:, -COMPONENTS:].T.float().reshape(-1, 4, PATCH, PATCH).contiguous()

    def _describe(self, basis: torch.Tensor) -> torch.Tensor:
        """(height * width, COMPONENTS) float32: descriptor of every pixel's patch.

        The squared distance of two descriptors is the mean squared difference over the patch.
        """
        described = F.conv2d(self._image(), basis / PATCH)[0]
        return described.reshape(len(basis), -1).T.contiguous()

    def _cost(self, match: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """(R,) cost of matches (2, R) for these targets."""
        return self._patch_cost(match, rows).add_(self._place_cost(match, rows))

    def _patch_cost(self, match: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """(R,) part of the cost that comes from different patches."""
        return torch.sub(self.wanted[rows], self.patches[self._flat(match)]).square_().sum(1)

    def _place_cost(self, match: torch.Tensor, rows: torch.Tensor | slice) -> torch.Tensor:
        """(R,) part of the cost that comes from the match's position: distance, depth order and repetition."""
        away = (match - self.mirror[:, rows]).float() / (max(self.height, self.width) / 8)
        across, along = ORDERED_DISTANCE_COST if self.ordered else DISTANCE_COST
        cost = (across - along) * (away * self.inward[:, rows]).sum(0).square_() + along * away.square_().sum(0)
        if self.ordered:
            cost += OCCLUDER_COST * (self.guide[self._flat(match)] > self.limit[rows])
        return cost if self.repeat_cost is None else cost.add_(self.repeat_cost[self._flat(match)])

    def _count_copies(self) -> torch.Tensor:
        """(height * width,) float32: how many targets match each pixel now, averaged over a patch."""
        count = torch.bincount(self._flat(self.match), minlength=self.height * self.width)
        count = count.view(1, 1, self.height, self.width).float()
        return F.avg_pool2d(count, PATCH, 1, PATCH // 2, count_include_pad=False).flatten()

    def _try(self, match: torch.Tensor, rows: torch.Tensor) -> None:
        """Give targets these matches (2, R) wherever they cost less than the current ones."""
        fits = torch.nonzero(self._can_copy(match)).flatten()
        match, rows = match[:, fits], rows[fits]
        cost = self._place_cost(match, rows)
        # Comparing patches takes longest. Most candidates already cost too much by their position.
        hopeful = torch.nonzero(cost < self.cost[rows]).flatten()
        match, rows = match[:, hopeful], rows[hopeful]
        cost = self._patch_cost(match, rows).add_(cost[hopeful])
        better = torch.nonzero(cost < self.cost[rows]).flatten()
        rows = rows[better]
        self.match[:, rows] = match[:, better]
        self.cost[rows] = cost[better]

    def _propagate(self, offset: tuple[int, int]) -> None:
        """Try the match of the neighbouring target at this offset, moved back by the offset."""
        moved, rows, slots = self.neighbours[offset]
        match = self.match[:, slots] - moved
        other = torch.nonzero((match != self.match[:, rows]).any(0)).flatten()
        self._try(match[:, other], rows[other])

    def _random_search(self) -> None:
        """Try random positions around every match, at shrinking distances."""
        radius, every = max(self.height, self.width) / 2, torch.arange(len(self.target))
        while radius >= 1:
            jump = (torch.rand(2, len(self.target), generator=self.generator) * 2 - 1) * radius
            self._try(self.match + jump.round_().long(), every)
            radius /= 4

    def _vote(self) -> None:
        """Set each target's colour to the mean of the patches around it, weighted by the quality of their matches."""
        total, weight = torch.zeros(len(self.target), 3), torch.zeros(len(self.target))
        quality = torch.exp(-self.cost / (self.cost.mean() + 1e-6))
        for offset in _VOTE_OFFSETS:
            moved, rows, slots = self.neighbours[offset]
            match = self.match[:, slots] - moved
            kept = torch.minimum(match.clamp(min=0), self.last)
            index = self._flat(kept)
            share = (self.source[index] & (kept == match).all(0)).float() * quality[slots]
            total.index_add_(0, rows, self.color[index] * share[:, None])
            weight.index_add_(0, rows, share)
        weight = weight[:, None]
        own = self.color[self._flat(self.match)]
        self.color[self.target] = torch.where(weight > 1e-6, total / weight.clamp(min=1e-6), own)
