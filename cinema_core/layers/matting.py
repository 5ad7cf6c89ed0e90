"""Mixed pixels: what of a pixel on a depth edge is the nearer thing's colour, and what the farther one's.

Input: the photo, its disparity with edges as steps, and where it is cut. Output: `Rim`, for every pixel that two
surfaces share both colours and the share. A rim that is drawn with the mixed colour takes a seam of sky along when the
camera moves; unmixed, the near thing is drawn as far as it covers the pixel, and what is behind shows beside it.

A camera mixes light, so shares are of linear values: mixed again by the share, the two colours are the photo's to the bit.
Sources: sampling the two clear sides of a pixel is Ruzon and Tomasi's alpha estimation (2000) as Wang and Cohen's robust
matting (2007) refined it; the colours that explain the pixel exactly and change least are a least-norm solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import nearest_labels, one_of_each_cell, with_margin
from ..shared.srgb import to_linear, to_srgb
from ..threads import map_threads
from .discontinuities import MIN_DISCONTINUITY

WIDE = 1 / 800  # of the longer side; how far a pixel on either side of a cut may be mixed
SAMPLES = 40  # pixels around that are looked at for the clear colours of the two sides
RINGS, RING = (1.5, 2.5, 4.0), 12  # radii, in radii of those, and pixels of each ring that are looked at through a gap
LEAST_CONTRAST = 0.06  # sRGB; sides more alike than that cannot be told apart, nor need they be
LEAST_CLEAR = 1.0  # contrast in deviations of the two sides' own colours
ALIKE = 0.3  # of the jump; disparities this close to a side's belong to it
GRAIN = 1.27  # deviations of its own side's colours by which a mixed pixel leans to the other side
MIXED = (0.08, 0.92)  # shares of the near thing outside these are all one side's
LOOSEST = (0.12, 0.5)  # least share of the near thing in its own outermost pixel, and in those further in
INWARD = 0.35  # px, by which a point that covers next to nothing stands towards its surface
AT_ONCE = 1 << 15  # px that are unmixed at a time: what is summed up of them stays in the processor's cache
BESIDE = 0.6  # px from an edge; what is closer looks for itself
CELL = 2  # a cell in which one pixel looks for all is as wide as a mixed edge at most, divided by so much
ROWS = 256  # that are looked through for cuts at a time


@dataclass(frozen=True, eq=False)
class MixedPixels:
    """Pixels that a near and a far surface share.

    Attributes:
        index: (R,) int64, flat canvas index.
        front: (R,) bool, the pixel is the near surface's in the depth map.
        color: (R, 3) float32, sRGB, of the near surface alone.
        far_color: (R, 3) float32, sRGB, of the far surface alone.
        far_disparity: (R,) float32, of the far surface.
        alpha: (R,) float32 0..1, share of the pixel that the near surface covers.
        owner: (R,) int64, flat canvas index of the closest pixel that is the near surface's in the depth map.
        inward: (R, 2) float32, px: where the near surface's share of the pixel lies, from the pixel's middle.
    """

    index: np.ndarray
    front: np.ndarray
    color: np.ndarray
    far_color: np.ndarray
    far_disparity: np.ndarray
    alpha: np.ndarray
    owner: np.ndarray
    inward: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def chosen(self, rows: np.ndarray) -> MixedPixels:
        """The rim of these rows only, (R,) bool."""
        return MixedPixels(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def with_background_under(self, index: np.ndarray) -> MixedPixels:
        """The rim without those near pixels that nothing is continued under, of (B,) int64: they show what they have."""
        under = np.zeros(self.index.max(initial=-1) + 1, bool)  # sooner filled than many indices are sorted
        under[index[index < len(under)]] = True
        return self.chosen(~self.front | under[self.index])

    def remove_foreground(self, color: np.ndarray) -> None:
        """Let mixed pixels that the depth map gives to the far surface show it alone: changes a picture (Hc, Wc, 3) float32."""
        color.reshape(-1, 3)[self.index[~self.front]] = self.far_color[~self.front]

    def show_background(self, index: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
        """Colours (B, 3) of what lies so far behind pixels; where it shows in mixed ones beside the near surface, as there."""
        place = np.minimum(np.searchsorted(self.index, index), max(len(self.index) - 1, 0))
        seen = self.front[place] & (self.index[place] == index) if len(self) else np.zeros(len(index), bool)
        seen &= np.abs(self.far_disparity[place] - disparity) < MIN_DISCONTINUITY if len(self) else True
        color = color.copy()
        color[seen] = self.far_color[place[seen]]
        return color


def unmix(color: np.ndarray, disparity: np.ndarray, near: np.ndarray) -> MixedPixels:
    """Find the mixed pixels along the cuts and unmix them.

    Args:
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32, edges as steps.
        near: (Hc, Wc) float32, at the far side of a cut the disparity of the near side, else 0.

    Returns:
        The rim, in the order of its pixels.
    """
    cut = near > 0
    if not cut.any():
        return no_mixed_pixels()
    wide = max(1, round(WIDE * max(near.shape)))
    around = _Neighbourhood(cut, color, disparity, wide)
    index, closest = around.index, around.closest
    high, low = near.ravel()[closest], disparity.ravel()[closest]
    share = (disparity.ravel()[index] - low) / (high - low)
    kept = (np.abs(share - 1) < ALIKE) | (np.abs(share) < ALIKE)
    index, high, low, front = index[kept], high[kept], low[kept], share[kept] > 0.5

    # in a large picture neighbours that lie between the same two surfaces see the same; but right at an edge each looks
    # for itself: a hair's width away a thing may not be seen any more
    beside = around.distance.ravel()[index] < BESIDE
    seen, of = one_of_each_cell(index, near.shape, max(1, wide // CELL), (high, low), MIN_DISCONTINUITY / 2, beside)
    sides = _sides_of(around, around.place(index[seen]), high[seen], low[seen])

    def rim_of(part: slice) -> MixedPixels:
        own, first = index[part], front[part]
        beside = sides.chosen(of[part])
        mixed = around.light[:, around.place(own)]
        alpha = _shares(mixed, beside, first, around.distance.ravel()[own])
        near_light, far_light = _explain(mixed, beside.near, beside.far, alpha)
        error = mixed - alpha * near_light - (1 - alpha) * far_light
        rim = (alpha > MIXED[0]) & (alpha < MIXED[1]) & (np.abs(error).max(0) < 3e-4) & (beside.owner >= 0)
        own, first, alpha, behind = own[rim], first[rim], alpha[rim], low[part][rim]
        inward = beside.toward[:, rim] * (INWARD * (1 - alpha))
        owner = np.where(first, own, around.pixel(beside.owner[rim]))
        valid = (to_srgb(light[:, rim]).astype(np.float32).T for light in (near_light, far_light))
        return MixedPixels(own, first, *valid, behind, alpha, owner, inward.T)

    pieces = map_threads(rim_of, _parts(len(index)))
    return MixedPixels(
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in MixedPixels.__dataclass_fields__)
    )


def _parts(count: int) -> list[slice]:
    """So many rows, at most `AT_ONCE` at a time; at least one part."""
    return [slice(begin, begin + AT_ONCE) for begin in range(0, max(1, count), AT_ONCE)]


def no_mixed_pixels() -> MixedPixels:
    """Of a picture without mixed pixels."""
    numbers, colors = np.zeros(0, np.float32), np.zeros((0, 3), np.float32)
    return MixedPixels(
        np.zeros(0, np.int64),
        np.zeros(0, bool),
        colors,
        colors,
        numbers,
        numbers,
        np.zeros(0, np.int64),
        np.zeros((0, 2), np.float32),
    )


class _Neighbourhood:
    """What lies around the cuts, with a margin around the canvas that repeats its border: samples need not be clipped.

    Args:
        cut: (Hc, Wc) bool.
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32.
        wide: px from a cut at which a pixel may be mixed.

    Attributes:
        distance: (Hc, Wc) float32, px from the cuts.
        index: (P,) int64, flat canvas indices of the pixels that may be mixed, ascending.
        closest: (P,) int64, flat canvas index of the cut closest to each.
        light: (3, N) float32, linear colours, a plane each; with the margin, as what follows. Beyond what is looked at 0.
        disparity: (N,) float32.
        mixed: (N,) bool, the pixel may be mixed.
        places: px right and down of what is looked at around each pixel, the closest first.
    """

    def __init__(self, cut: np.ndarray, color: np.ndarray, disparity: np.ndarray, wide: int) -> None:
        self.shape, self.margin = cut.shape, 3 * wide + 2
        self.across = cut.shape[1] + 2 * self.margin
        self.places = _places(wide)
        self.distance = np.empty(cut.shape, np.float32)
        padded = tuple(side + 2 * self.margin for side in cut.shape)
        light, mixed = np.zeros((3, *padded), np.float32), np.zeros(padded, np.uint8)
        found = map_threads(lambda top: self._in_rows(top, cut, color, wide, light), range(0, len(cut), ROWS))
        self.index, self.closest = (np.concatenate(parts) for parts in zip(*found))
        mixed.ravel()[self.place(self.index)] = 1
        for plane in (mixed, *light):
            self._repeat_border(plane)
        self.light, self.mixed, self.color = light.reshape(3, -1), mixed.ravel() > 0, color
        self.disparity = with_margin(disparity, self.margin, self.margin, cv2.BORDER_REPLICATE).ravel()

    def _in_rows(
        self, top: int, cut: np.ndarray, color: np.ndarray, wide: int, light: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of some rows from `top` the pixels that may be mixed, and the cut closest to each; writes distance and light."""
        reach = 4 * wide + 3  # as far as `_sides` looks from any of them
        first, width = max(0, top - reach), self.shape[1]
        part = cut[first : top + ROWS + reach]
        if not part.any():
            self.distance[top : top + ROWS] = reach
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        distance, label, pixel = nearest_labels(part)
        distance, label = (values[top - first :][:ROWS] for values in (distance, label))
        self.distance[top : top + ROWS] = distance
        seen = np.flatnonzero(distance < reach) + top * width
        light.reshape(3, -1)[:, self.place(seen)] = to_linear(np.take(color.reshape(-1, 3), seen, 0).T)
        index = np.flatnonzero(distance < wide + 0.5)
        return index + top * width, pixel[label.ravel()[index]] + first * width

    def _repeat_border(self, plane: np.ndarray) -> None:
        inner = plane[self.margin : -self.margin, self.margin : -self.margin]
        plane[self.margin : -self.margin, : self.margin], plane[self.margin : -self.margin, -self.margin :] = (
            inner[:, :1],
            inner[:, -1:],
        )
        plane[: self.margin], plane[-self.margin :] = plane[self.margin], plane[-self.margin - 1]

    def place(self, index: np.ndarray) -> np.ndarray:
        """(P,) flat indices with the margin, of those of the canvas."""
        return index + (index // self.shape[1]) * (2 * self.margin) + self.margin * (self.across + 1)

    def pixel(self, place: np.ndarray) -> np.ndarray:
        """(P,) flat indices of the canvas, of those with the margin; what is beyond the border repeats it."""
        row, column = np.divmod(place, self.across)
        row, column = (np.clip(at - self.margin, 0, side - 1) for at, side in zip((row, column), self.shape))
        return row * self.shape[1] + column


def _places(wide: int) -> list[tuple[int, int]]:
    places = []
    for number in range(SAMPLES):
        away = 1 + (3 * wide + 1) * number / SAMPLES
        places.append((round(away * np.cos(number * 2.39996)), round(away * np.sin(number * 2.39996))))
    return list(dict.fromkeys(places))


@dataclass(frozen=True, eq=False)
class _Sides:
    """What is beside pixels.

    Attributes:
        near: (3, P) float32, linear colour of the near side.
        far: (3, P) float32, of the far side.
        clear: (P,) bool, the two can be told apart.
        grain: (2, P) float32, deviation of the colours of either.
        toward: (2, P) float32, direction to the near side; shorter where that is on several sides.
        owner: (P,) int64, place of the closest near pixel, -1 where there is none.
    """

    near: np.ndarray
    far: np.ndarray
    clear: np.ndarray
    grain: np.ndarray
    toward: np.ndarray
    owner: np.ndarray

    def chosen(self, rows: np.ndarray) -> _Sides:
        """What is beside these rows, (R,) int64."""
        return _Sides(*(np.take(getattr(self, name), rows, -1) for name in self.__dataclass_fields__))


def _sides_of(around: _Neighbourhood, place: np.ndarray, high: np.ndarray, low: np.ndarray) -> _Sides:
    """`_sides` of any number of pixels."""
    pieces = map_threads(lambda part: _sides(around, place[part], high[part], low[part]), _parts(len(place)))
    return _Sides(
        *(np.concatenate([getattr(piece, name) for piece in pieces], -1) for name in _Sides.__dataclass_fields__)
    )


def _sides(around: _Neighbourhood, place: np.ndarray, high: np.ndarray, low: np.ndarray) -> _Sides:
    """What is seen on the two sides of each pixel, from clear pixels around it where there are any.

    A thing so thin that it has no clear pixels shows its colour best where that is farthest from what is behind it. What
    is seen through a gap so small that it has none is looked for farther around.
    """
    scale = 1 / (high - low)
    weight = np.full((2, len(place)), 1e-9, np.float32)
    total, square = np.zeros((2, 2, 3, len(place)), np.float32)
    toward = np.zeros((2, len(place)), np.float32)
    owner = np.full(len(place), -1)
    for right, down in around.places:
        there = place + (down * around.across + right)
        share = (around.disparity[there] - low) * scale
        seen, trust = (
            np.take(around.light, there, 1),
            np.where(around.mixed[there], np.float32(1e-4), 1 / np.float32(np.hypot(right, down))),
        )
        sides = np.abs(share - 1) < ALIKE, np.abs(share) < ALIKE
        owner = np.where((owner < 0) & sides[0], there, owner)
        for side, belongs in enumerate(sides):
            own = trust * belongs
            weight[side] += own
            own = own * seen
            total[side] += own
            square[side] += own * seen
        toward += sides[0] * (np.float32((right, down)) / (right * right + down * down))[:, None]
    gaps = np.flatnonzero(weight[1] < 1e-2)
    for sums, more in zip((weight, total, square), _far_through_gaps(around, place[gaps], low[gaps], scale[gaps])):
        sums[1][..., gaps] += more
    mean = total / weight[:, None]
    spread = np.sqrt(np.maximum(square / weight[:, None] - mean**2, 0).sum(1))
    near, far = mean
    thin = np.flatnonzero((weight[0] < 1e-2) & (weight[1] > 1e-2))
    near[:, thin] = _farthest_from(far[:, thin], around, place[thin], high[thin], scale[thin])
    spread[0][thin] = 0
    contrast = np.sqrt(np.square(near - far).sum(0))
    plain = np.sqrt(np.square(to_srgb(near) - to_srgb(far)).sum(0))
    clear = (
        (plain > LEAST_CONTRAST) & (contrast > LEAST_CLEAR * spread.sum(0)) & (weight[1] > 1e-2) & (weight[0] > 1e-6)
    )
    ring = sum(1 / np.hypot(*place) for place in around.places) / np.pi  # what a straight edge makes
    return _Sides(near, far, clear, spread, toward / np.maximum(np.sqrt(np.square(toward).sum(0)), ring), owner)


def _far_through_gaps(
    around: _Neighbourhood, place: np.ndarray, low: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight (G,), sum and sum of squares (3, G) of the far side's clear linear colours in rings around pixels that see none."""
    height, width = around.shape
    row, column = np.divmod(around.pixel(place), width)
    weight, total, square = np.zeros(len(place), np.float32), *np.zeros((2, 3, len(place)), np.float32)
    for number in range(RING * len(RINGS)):
        ring, turn = RINGS[number // RING] * around.margin, number * 2.39996
        there = np.clip(row + round(ring * np.sin(turn)), 0, height - 1) * width
        there += np.clip(column + round(ring * np.cos(turn)), 0, width - 1)
        there = around.place(there)
        far = np.abs((around.disparity[there] - low) * scale) < ALIKE
        clear = np.flatnonzero(far & ~around.mixed[there])
        seen = to_linear(around.color.reshape(-1, 3)[around.pixel(there[clear])].T)
        trust = 1 / np.float32(ring)
        weight[clear] += trust
        total[:, clear] += trust * seen
        square[:, clear] += trust * np.square(seen)
    return weight, total, square


def _farthest_from(
    far: np.ndarray, around: _Neighbourhood, place: np.ndarray, high: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """(3, T) of the near pixels within two px the linear colour that is farthest from the far side's."""
    best, found = np.full(len(place), -1, np.float32), far.copy()
    for right, down in [(0, 0), *around.places]:
        if max(abs(right), abs(down)) > 2:
            continue
        there = place + (down * around.across + right)
        seen = around.light[:, there]
        away = np.where(np.abs((around.disparity[there] - high) * scale) < ALIKE, np.square(seen - far).sum(0), -1)
        better = away > best
        best[better], found[:, better] = away[better], seen[:, better]
    return found


def _shares(mixed: np.ndarray, sides: _Sides, front: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(P,) float32: the near side's share of each pixel; where sides cannot be told apart all or nothing."""
    across = sides.near - sides.far
    alpha = ((mixed - sides.far) * across).sum(0) / np.maximum(np.square(across).sum(0), 1e-9)
    outermost = distance < 1.5
    least = np.where(front, np.where(outermost, *LOOSEST), 0)
    most = np.where(front, 1, np.where(distance < 0.5, 1 - LOOSEST[0], 1 - LOOSEST[1]))
    other = np.where(front, 1 - alpha, alpha) * np.sqrt(np.square(across).sum(0))
    told = sides.clear & (other > GRAIN * np.where(front, *sides.grain))
    return np.where(told, np.clip(alpha, least, most), front).astype(np.float32)


def _explain(mixed: np.ndarray, near: np.ndarray, far: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Near and far linear colours, as little changed as may be, whose mix is the pixel."""
    share = alpha
    for _ in range(3):  # what one colour cannot take without leaving 0..1, the other takes
        rest = (mixed - share * near - (1 - share) * far) / (share**2 + (1 - share) ** 2)
        near, far = np.clip(near + share * rest, 0, 1), np.clip(far + (1 - share) * rest, 0, 1)
    near = np.where(share > 0.5, np.clip((mixed - (1 - share) * far) / np.maximum(share, 1e-3), 0, 1), near)
    far = np.where(share > 0.5, far, np.clip((mixed - share * near) / np.maximum(1 - share, 1e-3), 0, 1))
    return near, far
