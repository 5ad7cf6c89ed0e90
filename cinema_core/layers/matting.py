"""Mixed pixels along depth discontinuities: separates each into the foreground's colour, the background's and a share.

Input: the photo, its disparity with sharp discontinuities, and where these are. Output: `MixedPixels`, for every pixel
that two surfaces share both colours and the share. If the foreground kept the mixed colour, it would carry a seam of
sky along when the camera moves. Separated, the foreground is drawn as far as it covers the pixel, and the background is
visible beside it.

A camera mixes light, so the shares apply to linear values: mixed again by the share, the two colours give the photo's
colour to within `MIX_ERROR`, less than one step of 8 bit. Sources: sampling the two clear sides of a pixel is Ruzon and
Tomasi's alpha estimation (2000) as Wang and Cohen's robust matting (2007) refined it; the colours that explain the
pixel and change least are a least-norm solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import cell_representatives, nearest_labels, with_margin
from ..shared.srgb import to_linear, to_srgb
from ..threads import map_threads
from .discontinuities import MIN_DISCONTINUITY

MIXED_REACH = 1 / 800  # of the longer side; how far from a discontinuity a pixel may be mixed, on either side
SIDE_SAMPLES = 40  # surrounding pixels that are sampled for the clear colours of the two sides
# Rings sampled for a background seen only through a gap: radii, in margins of `_Neighbourhood`, and pixels of each.
RING_RADII, RING_SAMPLES = (1.5, 2.5, 4.0), 12
GOLDEN_ANGLE = 2.39996  # rad; spreads samples evenly around a pixel
MIN_CONTRAST = 0.06  # sRGB; below it the two sides count as one colour and are not separated
MIN_CONTRAST_RATIO = 1.0  # minimum contrast of the sides over the sum of the standard deviations of their own colours
SAME_SIDE = 0.3  # of the disparity difference; disparities this close to a side's belong to it
# Standard deviations of the colours of its own side; a pixel counts as mixed if its colour is shifted towards the
# other side by more than this.
TEXTURE_DEVIATIONS = 1.27
MIXED_ALPHA = (0.08, 0.92)  # alphas outside this range count as 0 or 1
# Minimum alpha of a pixel on the foreground's side of the depth map: next to the discontinuity, and farther from it. On
# the background's side 1 - alpha is limited in the same way.
MIN_OWN_SHARE = (0.12, 0.5)
# px, by which the point of a mixed pixel moves towards its surface. Its disc then reaches the pixels of the surface,
# and ends on the edge within the pixel. The disc of the largest share is as large as that of a whole point.
INWARD_SHIFT = 0.41
MIX_ERROR = 3e-4  # linear; a pixel that its two colours explain less exactly than this is not taken as mixed
UNMIXED_PIXELS = 1 << 15  # px that are sampled and unmixed at a time, so that their sums stay in the processor's cache
OWN_SAMPLE_DISTANCE = 0.6  # px; a pixel closer than this to a discontinuity gets its own samples, not those of its cell
CELLS_PER_REACH = 2  # cells, in which one pixel is sampled for all, per reach of the mixed pixels
DISTANCE_ROWS = 256  # rows whose distances to discontinuities are computed at a time


@dataclass(frozen=True, eq=False)
class MixedPixels:
    """Pixels that foreground and background share along depth discontinuities.

    Attributes:
        index: (R,) int64, flat canvas index.
        front: (R,) bool, the depth map assigns the pixel to the foreground.
        color: (R, 3) float32, sRGB, of the foreground alone.
        far_color: (R, 3) float32, sRGB, of the background alone.
        far_disparity: (R,) float32, of the background.
        alpha: (R,) float32 0..1, share of the pixel that the foreground covers.
        owner: (R,) int64, flat canvas index of the closest pixel that the depth map assigns to the foreground.
        inward: (R, 2) float32, px, from the pixel's middle towards the foreground, to the point of the foreground.
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
        """The mixed pixels of these rows only, (R,) bool."""
        return MixedPixels(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def with_background_under(self, index: np.ndarray) -> MixedPixels:
        """Without the foreground's pixels that have no occluded surface under them; these keep the photo's colour.

        Args:
            index: (B,) int64, flat canvas indices of all occluded surfaces.
        """
        under = np.zeros(self.index.max(initial=-1) + 1, bool)  # a table is faster than sorting many indices
        under[index[index < len(under)]] = True
        return self.chosen(~self.front | under[self.index])

    def remove_foreground(self, color: np.ndarray) -> None:
        """Give the mixed pixels on the background's side its colour alone: changes a picture (Hc, Wc, 3) float32."""
        color.reshape(-1, 3)[self.index[~self.front]] = self.far_color[~self.front]

    def show_background(self, index: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
        """Give an occluded surface the background's colour wherever a mixed pixel of the foreground shows it.

        Args:
            index: (B,) int64, flat canvas indices.
            disparity: (B,) float32, of the occluded surface.
            color: (B, 3) float32, sRGB, of the occluded surface; not changed.

        Returns:
            (B, 3) float32, sRGB.
        """
        place = np.minimum(np.searchsorted(self.index, index), max(len(self.index) - 1, 0))
        seen = self.front[place] & (self.index[place] == index) if len(self) else np.zeros(len(index), bool)
        seen &= np.abs(self.far_disparity[place] - disparity) < MIN_DISCONTINUITY if len(self) else True
        color = color.copy()
        color[seen] = self.far_color[place[seen]]
        return color


def unmix(color: np.ndarray, disparity: np.ndarray, occluder_disparity: np.ndarray) -> MixedPixels:
    """Find the mixed pixels along the depth discontinuities and separate their colours.

    Args:
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32, with sharp discontinuities.
        occluder_disparity: (Hc, Wc) float32, the foreground's disparity at the background's side of a discontinuity,
            else 0.

    Returns:
        The mixed pixels, ascending by index.
    """
    edge = occluder_disparity > 0
    if not edge.any():
        return no_mixed_pixels()
    height, width = edge.shape
    reach = max(1, round(MIXED_REACH * max(edge.shape)))
    around = _Neighbourhood(edge, color, disparity, reach)
    index, closest = around.index, around.closest
    high, low = occluder_disparity.ravel()[closest], disparity.ravel()[closest]
    share = (disparity.ravel()[index] - low) / (high - low)
    kept = (np.abs(share - 1) < SAME_SIDE) | (np.abs(share) < SAME_SIDE)
    index, high, low, front = index[kept], high[kept], low[kept], share[kept] > 0.5

    # In a large picture neighbours between the same two surfaces have the same sides. Pixels right at a discontinuity
    # are sampled one by one, since a thin structure may end within a cell.
    own_sample = around.distance.ravel()[index] < OWN_SAMPLE_DISTANCE
    cell = max(1, reach // CELLS_PER_REACH)
    sampled, sample_of = cell_representatives(
        index, (height, width), cell, (high, low), MIN_DISCONTINUITY / 2, own_sample
    )
    sides = _sides_of(around, around.place(index[sampled]), high[sampled], low[sampled])

    def unmix_part(part: slice) -> MixedPixels:
        beside = sides.chosen(sample_of[part])
        return _unmix_part(around, beside, index[part], front[part], low[part])

    pieces = map_threads(unmix_part, _parts(len(index)))
    return MixedPixels(
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in MixedPixels.__dataclass_fields__)
    )


def _unmix_part(
    around: _Neighbourhood, beside: _Sides, index: np.ndarray, front: np.ndarray, low: np.ndarray
) -> MixedPixels:
    """The mixed ones of (P,) pixels. `front`: on the foreground's side; `low`: disparity of the background."""
    mixed = around.light[:, around.place(index)]
    alpha = _alphas(mixed, beside, front, around.distance.ravel()[index])
    near_light, far_light = _explain(mixed, beside.near, beside.far, alpha)
    error = mixed - alpha * near_light - (1 - alpha) * far_light
    kept = (alpha > MIXED_ALPHA[0]) & (alpha < MIXED_ALPHA[1])
    kept &= (np.abs(error).max(0) < MIX_ERROR) & (beside.owner >= 0)
    index, front, alpha, low = index[kept], front[kept], alpha[kept], low[kept]
    inward = beside.toward[:, kept] * np.float32(INWARD_SHIFT)
    owner = np.where(front, index, around.pixel(beside.owner[kept]))
    color, far_color = (to_srgb(light[:, kept]).astype(np.float32).T for light in (near_light, far_light))
    return MixedPixels(index, front, color, far_color, low, alpha, owner, inward.T)


def _parts(count: int) -> list[slice]:
    """Slices of `count` rows, of at most `UNMIXED_PIXELS` each; at least one."""
    return [slice(begin, begin + UNMIXED_PIXELS) for begin in range(0, max(1, count), UNMIXED_PIXELS)]


def no_mixed_pixels() -> MixedPixels:
    """The result for a picture without mixed pixels."""
    index, numbers, colors = np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 3), np.float32)
    inward = np.zeros((0, 2), np.float32)
    return MixedPixels(index, np.zeros(0, bool), colors, colors, numbers, numbers, index, inward)


class _Neighbourhood:
    """The pixels around the discontinuities. A margin repeats the canvas' border, so that samples need not be clipped.

    Args:
        edge: (Hc, Wc) bool, the background's side of discontinuities.
        color: (Hc, Wc, 3) float32, sRGB.
        disparity: (Hc, Wc) float32.
        reach: px from a discontinuity at which a pixel may be mixed.

    Attributes:
        distance: (Hc, Wc) float32, px from the discontinuities.
        index: (P,) int64, flat canvas indices of the pixels that may be mixed, ascending.
        closest: (P,) int64, flat canvas index of the pixel of `edge` closest to each.
        light: (3, N) float32, linear colours of the N pixels with the margin; 0 where they are never sampled.
        disparity: (N,) float32.
        mixed: (N,) bool, the pixel may be mixed.
        offsets: px right and down from a pixel to those that are sampled around it, the closest first.
    """

    def __init__(self, edge: np.ndarray, color: np.ndarray, disparity: np.ndarray, reach: int) -> None:
        self.shape, self.margin = edge.shape, 3 * reach + 2
        self.across = edge.shape[1] + 2 * self.margin
        self.offsets = _sample_offsets(reach)
        self.distance = np.empty(edge.shape, np.float32)
        padded = tuple(side + 2 * self.margin for side in edge.shape)
        light, mixed = np.zeros((3, *padded), np.float32), np.zeros(padded, np.uint8)
        found = map_threads(
            lambda top: self._read_rows(top, edge, color, reach, light), range(0, len(edge), DISTANCE_ROWS)
        )
        self.index, self.closest = (np.concatenate(parts) for parts in zip(*found))
        mixed.ravel()[self.place(self.index)] = 1
        for plane in (mixed, *light):
            self._repeat_border(plane)
        self.light, self.mixed, self.color = light.reshape(3, -1), mixed.ravel() > 0, color
        self.disparity = with_margin(disparity, self.margin, self.margin, cv2.BORDER_REPLICATE).ravel()

    def _read_rows(
        self, top: int, edge: np.ndarray, color: np.ndarray, reach: int, light: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`index` and `closest` of a chunk of rows from `top`; writes their distance and light."""
        farthest = 4 * reach + 3  # the distance to which `_sides` samples around any of them
        first, width = max(0, top - farthest), self.shape[1]
        part = edge[first : top + DISTANCE_ROWS + farthest]
        if not part.any():
            self.distance[top : top + DISTANCE_ROWS] = farthest
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        distance, label, pixel = nearest_labels(part)
        distance, label = (values[top - first :][:DISTANCE_ROWS] for values in (distance, label))
        self.distance[top : top + DISTANCE_ROWS] = distance
        seen = np.flatnonzero(distance < farthest) + top * width
        light.reshape(3, -1)[:, self.place(seen)] = to_linear(np.take(color.reshape(-1, 3), seen, 0).T)
        index = np.flatnonzero(distance < reach + 0.5)
        return index + top * width, pixel[label.ravel()[index]] + first * width

    def _repeat_border(self, plane: np.ndarray) -> None:
        """Fill the margin of a plane with the canvas' border."""
        inner = plane[self.margin : -self.margin, self.margin : -self.margin]
        plane[self.margin : -self.margin, : self.margin] = inner[:, :1]
        plane[self.margin : -self.margin, -self.margin :] = inner[:, -1:]
        plane[: self.margin], plane[-self.margin :] = plane[self.margin], plane[-self.margin - 1]

    def place(self, index: np.ndarray) -> np.ndarray:
        """(P,) flat indices with the margin, of flat canvas indices."""
        return index + (index // self.shape[1]) * (2 * self.margin) + self.margin * (self.across + 1)

    def pixel(self, place: np.ndarray) -> np.ndarray:
        """(P,) flat canvas indices, of flat indices with the margin; the margin gives pixels of the border."""
        row, column = np.divmod(place, self.across)
        row, column = (np.clip(at - self.margin, 0, side - 1) for at, side in zip((row, column), self.shape))
        return row * self.shape[1] + column


def _sample_offsets(reach: int) -> list[tuple[int, int]]:
    """`_Neighbourhood.offsets`: a spiral."""
    offsets = []
    for number in range(SIDE_SAMPLES):
        away = 1 + (3 * reach + 1) * number / SIDE_SAMPLES
        offsets.append((round(away * np.cos(number * GOLDEN_ANGLE)), round(away * np.sin(number * GOLDEN_ANGLE))))
    return list(dict.fromkeys(offsets))


@dataclass(frozen=True, eq=False)
class _Sides:
    """The two sides of the discontinuity at P pixels.

    Attributes:
        near: (3, P) float32, linear colour of the foreground.
        far: (3, P) float32, linear colour of the background.
        clear: (P,) bool, the two colours can be told apart.
        deviation: (2, P) float32, standard deviation of the colours of foreground and background.
        toward: (2, P) float32, direction to the foreground; shorter where the foreground is on several sides.
        owner: (P,) int64, place of the closest foreground pixel, -1 if there is none.
    """

    near: np.ndarray
    far: np.ndarray
    clear: np.ndarray
    deviation: np.ndarray
    toward: np.ndarray
    owner: np.ndarray

    def chosen(self, rows: np.ndarray) -> _Sides:
        """The sides of these rows, (R,) int64."""
        return _Sides(*(np.take(getattr(self, name), rows, -1) for name in self.__dataclass_fields__))


def _sides_of(around: _Neighbourhood, place: np.ndarray, high: np.ndarray, low: np.ndarray) -> _Sides:
    """`_sides` of any number of pixels, in parts."""
    pieces = map_threads(lambda part: _sides(around, place[part], high[part], low[part]), _parts(len(place)))
    return _Sides(
        *(np.concatenate([getattr(piece, name) for piece in pieces], -1) for name in _Sides.__dataclass_fields__)
    )


def _sides(around: _Neighbourhood, place: np.ndarray, high: np.ndarray, low: np.ndarray) -> _Sides:
    """Sample the two sides of each pixel, from clear pixels around it where there are any.

    A foreground too thin to have clear pixels takes the colour that is farthest from the background's. A background
    seen through a gap too small to have clear pixels is sampled farther around.

    Args:
        around: The neighbourhood.
        place: (P,) int64, flat indices with the margin.
        high: (P,) float32, disparity of the foreground.
        low: (P,) float32, disparity of the background.
    """
    scale = 1 / (high - low)
    weight, total, square, toward, owner = _sum_sides(around, place, low, scale)
    gaps = np.flatnonzero(weight[1] < 1e-2)
    for sums, more in zip((weight, total, square), _far_through_gaps(around, place[gaps], low[gaps], scale[gaps])):
        sums[1][..., gaps] += more
    mean = total / weight[:, None]
    deviation = np.sqrt(np.maximum(square / weight[:, None] - mean**2, 0).sum(1))
    near, far = mean
    thin = np.flatnonzero((weight[0] < 1e-2) & (weight[1] > 1e-2))
    near[:, thin] = _farthest_from(far[:, thin], around, place[thin], high[thin], scale[thin])
    deviation[0][thin] = 0
    contrast = np.sqrt(np.square(near - far).sum(0))
    srgb_contrast = np.sqrt(np.square(to_srgb(near) - to_srgb(far)).sum(0))
    clear = (srgb_contrast > MIN_CONTRAST) & (contrast > MIN_CONTRAST_RATIO * deviation.sum(0))
    clear &= (weight[1] > 1e-2) & (weight[0] > 1e-6)
    straight = float(sum(1 / np.hypot(*offset) for offset in around.offsets)) / np.pi  # that a straight edge gives
    toward = toward / np.maximum(np.sqrt(np.square(toward).sum(0)), straight)
    return _Sides(near, far, clear, deviation, toward, owner)


def _sum_sides(
    around: _Neighbourhood, place: np.ndarray, low: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums over the samples around (P,) pixels; of the two sides, the foreground comes first.

    Returns:
        Weight (2, P), weighted sum and sum of squares of linear colours (2, 3, P), direction to the foreground (2, P),
        all float32; and (P,) int64, place of the closest foreground pixel, -1 if there is none.
    """
    weight = np.full((2, len(place)), 1e-9, np.float32)
    total, square = np.zeros((2, 2, 3, len(place)), np.float32)
    toward = np.zeros((2, len(place)), np.float32)
    owner = np.full(len(place), -1, np.int64)
    for right, down in around.offsets:
        there = place + (down * around.across + right)
        share = (around.disparity[there] - low) * scale
        seen = np.take(around.light, there, 1)
        trust = np.where(around.mixed[there], np.float32(1e-4), 1 / np.float32(np.hypot(right, down)))
        sides = np.abs(share - 1) < SAME_SIDE, np.abs(share) < SAME_SIDE
        owner = np.where((owner < 0) & sides[0], there, owner)
        for side, belongs in enumerate(sides):
            own = trust * belongs
            weight[side] += own
            own = own * seen
            total[side] += own
            square[side] += own * seen
        toward += sides[0] * (np.array((right, down), np.float32) / (right * right + down * down))[:, None]
    return weight, total, square, toward, owner


def _far_through_gaps(
    around: _Neighbourhood, place: np.ndarray, low: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums over the background's clear pixels in rings around (G,) pixels that have none close by.

    Returns:
        Weight (G,), weighted sum and sum of squares (3, G) of linear colours, float32.
    """
    height, width = around.shape
    row, column = np.divmod(around.pixel(place), width)
    weight, total, square = np.zeros(len(place), np.float32), *np.zeros((2, 3, len(place)), np.float32)
    for number in range(RING_SAMPLES * len(RING_RADII)):
        radius, turn = RING_RADII[number // RING_SAMPLES] * around.margin, number * GOLDEN_ANGLE
        there = np.clip(row + round(radius * np.sin(turn)), 0, height - 1) * width
        there += np.clip(column + round(radius * np.cos(turn)), 0, width - 1)
        there = around.place(there)
        far = np.abs((around.disparity[there] - low) * scale) < SAME_SIDE
        clear = np.flatnonzero(far & ~around.mixed[there])
        seen = to_linear(around.color.reshape(-1, 3)[around.pixel(there[clear])].T)
        trust = 1 / np.float32(radius)
        weight[clear] += trust
        total[:, clear] += trust * seen
        square[:, clear] += trust * np.square(seen)
    return weight, total, square


def _farthest_from(
    far: np.ndarray, around: _Neighbourhood, place: np.ndarray, high: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """(3, T): of the foreground pixels within two px the linear colour that is farthest from the background's `far`."""
    best, found = np.full(len(place), -1, np.float32), far.copy()
    for right, down in [(0, 0), *around.offsets]:
        if max(abs(right), abs(down)) > 2:
            continue
        there = place + (down * around.across + right)
        seen = around.light[:, there]
        away = np.where(np.abs((around.disparity[there] - high) * scale) < SAME_SIDE, np.square(seen - far).sum(0), -1)
        better = away > best
        best[better], found[:, better] = away[better], seen[:, better]
    return found


def _alphas(mixed: np.ndarray, sides: _Sides, front: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(P,) float32: the foreground's share of each pixel; 0 or 1 where the sides cannot be told apart.

    Args:
        mixed: (3, P) float32, linear colours of the pixels.
        sides: Their two sides.
        front: (P,) bool, the pixel is on the foreground's side.
        distance: (P,) float32, px from the discontinuity.
    """
    across = sides.near - sides.far
    alpha = ((mixed - sides.far) * across).sum(0) / np.maximum(np.square(across).sum(0), 1e-9)
    least = np.where(front, np.where(distance < 1.5, MIN_OWN_SHARE[0], MIN_OWN_SHARE[1]), 0)
    most = np.where(front, 1, np.where(distance < 0.5, 1 - MIN_OWN_SHARE[0], 1 - MIN_OWN_SHARE[1]))
    other = np.where(front, 1 - alpha, alpha) * np.sqrt(np.square(across).sum(0))
    own_deviation = np.where(front, sides.deviation[0], sides.deviation[1])
    is_mixed = sides.clear & (other > TEXTURE_DEVIATIONS * own_deviation)
    return np.where(is_mixed, np.clip(alpha, least, most), front).astype(np.float32)


def _explain(mixed: np.ndarray, near: np.ndarray, far: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change near and far linear colours as little as possible, so that their mix is the pixel's colour."""
    for _ in range(3):  # the rest that one colour cannot take without leaving 0..1 goes to the other
        rest = (mixed - alpha * near - (1 - alpha) * far) / (alpha**2 + (1 - alpha) ** 2)
        near, far = np.clip(near + alpha * rest, 0, 1), np.clip(far + (1 - alpha) * rest, 0, 1)
    near = np.where(alpha > 0.5, np.clip((mixed - (1 - alpha) * far) / np.maximum(alpha, 1e-3), 0, 1), near)
    far = np.where(alpha > 0.5, far, np.clip((mixed - alpha * near) / np.maximum(1 - alpha, 1e-3), 0, 1))
    return near, far
