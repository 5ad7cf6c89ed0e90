"""Exemplar-based inpainting: fills a hole with patches of what may stand there.

Input: an image, its hole, the pixels that may be copied. Output: the image with the hole filled.

Source: Barnes et al., "PatchMatch", 2009 (propagation and random search over a nearest-neighbour field);
Wexler et al., "Space-Time Completion of Video", 2007 (coarse to fine, alternating search and vote). Ours differs:
all targets are searched at once (vectorised, seeded, so the same input gives the same pixels), a guide channel known
inside the hole (disparity) steers what is copied where, and the finest levels copy with the offsets found below them.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from .grid import extend, masked_blur, nearest_index, pool

WORK_SIDE = 480  # px; finer levels copy with upsampled offsets
COARSEST_SIDE = 60  # px
PATCH = 5  # px
ITERATIONS = 5
FAR_AWAY = 0.05  # cost of a source an eighth of the picture away from the mirror image: what is near is likely to go on
JOIN_SIDES = (1 / 60, 1 / 250, 1 / 1000)  # of the longer side; how far along the rim and into the fill colours shift
GUIDE_WEIGHT = 4.0  # a full range of disparity counts as four times that of a colour channel


def inpaint(color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, seed: int = 0) -> np.ndarray:
    """Fill a hole with texture copied from elsewhere in the image.

    Args:
        color: (H, W, 3) float32, sRGB 0..1; ignored inside the hole.
        hole: (H, W) bool, pixels to fill.
        source: (H, W) bool, pixels that may be copied; what is in neither is neither read nor written.
        guide: (H, W) float32, 0..1, known in hole and source alike: like is filled with like.
        seed: Seed of the search.

    Returns:
        (H, W, 3) float32, `color` with the hole filled. Without any source pixel the hole is left as it is.
    """
    assert color.shape[:2] == hole.shape == source.shape == guide.shape, (color.shape, hole.shape, source.shape)
    if not hole.any() or not source.any():
        return color
    source = source & ~hole
    factor = 1
    while max(hole.shape) / factor > WORK_SIDE:
        factor *= 2
    pyramid = _pyramid(color, hole, source, guide, factor)
    generator = torch.Generator().manual_seed(seed)
    field = None
    for level in pyramid:
        field = _Search(level, generator).run(field)
    return _join(_copy(color, hole, source, pyramid[-1], field, factor), hole, source)


def _join(filled: np.ndarray, hole: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Shift the fill's colours to those beside its rim, less and less inward, so that no line shows where it begins."""
    beside = cv2.dilate(source.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    rim = hole & beside
    if not rim.any():
        return filled
    step = np.zeros_like(filled)
    step[rim] = (masked_blur(filled, source, 1.0) - filled)[rim]
    distance = cv2.distanceTransform((~rim).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[..., None]
    joined, rest = filled.copy(), step
    for side in JOIN_SIDES:  # what differs along much of the rim reaches far in, what differs in a spot does not
        reach = max(1.5, side * max(hole.shape))
        smooth = masked_blur(rest, rim, reach)
        joined += extend(smooth, rim) * np.exp(-distance / reach)
        rest = np.where(rim[..., None], rest - smooth, 0)
    return np.where(hole[..., None], np.clip(joined, 0, 1), filled).astype(np.float32)


def _pyramid(color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, factor: int) -> list[dict]:
    """Levels from coarse to fine; each half the size of the next."""
    levels = []
    while True:
        levels.insert(0, _level(color, hole, source, guide, factor))
        if max(hole.shape) / factor / 2 < COARSEST_SIDE:
            return levels
        factor *= 2


def _level(color: np.ndarray, hole: np.ndarray, source: np.ndarray, guide: np.ndarray, factor: int) -> dict:
    share = pool(source.astype(np.float32), factor)
    mean = pool(color * source[..., None], factor) / np.maximum(share, 1e-6)[..., None]
    used = pool((hole | source).astype(np.float32), factor)
    near = pool(guide * (hole | source), factor) / np.maximum(used, 1e-6)
    target = pool(hole.astype(np.float32), factor) > 0
    return {"color": mean.astype(np.float32), "guide": near.astype(np.float32), "hole": target, "source": (share > 0.5) & ~target}


class _Search:
    """Search and vote on one level. Indices are flat, row-major."""

    def __init__(self, level: dict, generator: torch.Generator) -> None:
        self.height, self.width = level["hole"].shape
        self.generator = generator
        self.color = torch.from_numpy(level["color"]).reshape(-1, 3).clone()
        self.guide = torch.from_numpy(level["guide"]).reshape(-1, 1) * GUIDE_WEIGHT
        self.hole = torch.from_numpy(level["hole"]).flatten()
        source = level["source"] if level["source"].any() else ~level["hole"]
        inner = cv2.erode(source.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
        self.source = torch.from_numpy(source).flatten()
        self.center = torch.from_numpy(inner if inner.any() else source).flatten()
        self.target = torch.nonzero(self.hole).flatten()
        self.row, self.column = self.target // self.width, self.target % self.width
        self.slot = torch.full((self.height * self.width,), -1, dtype=torch.long)
        self.slot[self.target] = torch.arange(len(self.target))

    def run(self, field: torch.Tensor | None) -> torch.Tensor:
        """Returns (T,) flat source index per target, and keeps it for the next level as (T, 2) offsets."""
        self.mirror = self._mirror()
        self.match = self.mirror.clone() if field is None else self._upsample(field)
        self._vote(torch.zeros(len(self.target)))
        for _ in range(ITERATIONS):
            self._unfold()
            self.cost = self._cost(self.match)
            for step in (8, 2, 1):
                self._propagate(step)
            self._random()
            self._vote(self.cost)
        self.offsets = torch.full((self.height, self.width, 2), 0, dtype=torch.long)
        flat = self.offsets.view(-1, 2)
        flat[self.target, 0] = self.match // self.width - self.row
        flat[self.target, 1] = self.match % self.width - self.column
        return self.offsets

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

    def _upsample(self, field: torch.Tensor) -> torch.Tensor:
        coarse = field[(self.row // 2).clamp(max=field.shape[0] - 1), (self.column // 2).clamp(max=field.shape[1] - 1)]
        index, fits = self._index(self.row + 2 * coarse[:, 0], self.column + 2 * coarse[:, 1])
        return torch.where(fits, index, self.mirror)

    def _unfold(self) -> None:
        """Patches of colour and guide, and which of their pixels count, as rows to gather."""
        image = torch.cat([self.color, self.guide], 1).T.reshape(1, 4, self.height, self.width)
        known = torch.stack([self.source, self.source | self.hole]).float().reshape(1, 2, self.height, self.width)
        self.patches = F.unfold(image, PATCH, padding=PATCH // 2)[0].T.contiguous()
        masks = F.unfold(known, PATCH, padding=PATCH // 2)[0].T.reshape(-1, 2, PATCH * PATCH)
        self.source_mask = masks[:, 0].contiguous()
        self.target_patch, self.target_mask = self.patches[self.target], masks[self.target, 1].contiguous()

    def _cost(self, match: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        patch = self.target_patch if rows is None else self.target_patch[rows]
        mask = self.target_mask if rows is None else self.target_mask[rows]
        mirror = self.mirror if rows is None else self.mirror[rows]
        away = (match // self.width - mirror // self.width) ** 2 + (match % self.width - mirror % self.width) ** 2
        far = FAR_AWAY * away / (max(self.height, self.width) / 8) ** 2
        both = mask * self.source_mask[match]
        difference = (patch - self.patches[match]).square_().view(len(match), 4, -1).sum(1)
        return (difference * both).sum(1) / both.sum(1).clamp(min=1) + 0.02 * (1 - both.mean(1)) + far

    def _try(self, index: torch.Tensor, rows: torch.Tensor) -> None:
        if not len(rows):
            return
        cost = self._cost(index, rows)
        better = cost < self.cost[rows]
        self.match[rows[better]] = index[better]
        self.cost[rows[better]] = cost[better]

    def _propagate(self, step: int) -> None:
        for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
            row, column = self.row + down, self.column + right
            inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
            slot = self.slot[row.clamp(0, self.height - 1) * self.width + column.clamp(0, self.width - 1)]
            match = self.match[slot.clamp(min=0)]
            index, fits = self._index(match // self.width - down, match % self.width - right)
            rows = torch.nonzero(inside & (slot >= 0) & fits & (index != self.match)).flatten()
            self._try(index[rows], rows)

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

    def _vote(self, cost: torch.Tensor) -> None:
        """Every target takes the mean of what the patches over it say, good matches counting more."""
        total = torch.zeros(len(self.target), 3)
        weight = torch.zeros(len(self.target), 1)
        sharp = torch.exp(-cost / (cost.mean() + 1e-6))
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                row, column = self.row + down, self.column + right
                inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
                slot = self.slot[row.clamp(0, self.height - 1) * self.width + column.clamp(0, self.width - 1)]
                match = self.match[slot.clamp(min=0)]
                index, _ = self._index(match // self.width - down, match % self.width - right)
                good = (inside & (slot >= 0) & self.source[index]).float() * sharp[slot.clamp(min=0)]
                total += self.color[index] * good[:, None]
                weight += good[:, None]
        own = self.color[self.match]
        self.color[self.target] = torch.where(weight > 1e-6, total / weight.clamp(min=1e-6), own)


def _copy(color: np.ndarray, hole: np.ndarray, source: np.ndarray, level: dict, field: torch.Tensor, factor: int) -> np.ndarray:
    """Fill the full-size hole with the finest level's offsets, the four around a pixel blended."""
    rows, columns = np.nonzero(hole)
    offsets, target = field.numpy() * factor, level["hole"]
    y, x = (rows + 0.5) / factor - 0.5, (columns + 0.5) / factor - 0.5
    total, weight = np.zeros((len(rows), 3), np.float32), np.zeros((len(rows), 1), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            cy = np.clip(np.floor(y).astype(int) + down, 0, target.shape[0] - 1)
            cx = np.clip(np.floor(x).astype(int) + right, 0, target.shape[1] - 1)
            share = (1 - np.abs(y - np.floor(y) - down)) * (1 - np.abs(x - np.floor(x) - right))
            sy, sx = rows + offsets[cy, cx, 0], columns + offsets[cy, cx, 1]
            inside = (sy >= 0) & (sy < hole.shape[0]) & (sx >= 0) & (sx < hole.shape[1]) & target[cy, cx]
            sy, sx = np.where(inside, sy, 0), np.where(inside, sx, 0)
            share = (share * (inside & source[sy, sx]))[:, None].astype(np.float32)
            total += color[sy, sx] * share
            weight += share
    filled = color.copy()
    fallback = color.reshape(-1, 3)[nearest_index(source)[rows, columns]]
    filled[rows, columns] = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), fallback)
    return filled
