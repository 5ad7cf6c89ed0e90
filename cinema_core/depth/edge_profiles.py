"""Ramps: the soft edges of a depth map, each followed along its slope to the flat on either side.

Input: disparity. Output: the lines along which it is steepest, how far their ramps go, and every pixel that a ramp runs
over with the two disparities that it can have.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import masked_blur, nearest_index, sample

LEAST_JUMP, LEAST_SHARE = 0.02, 0.06  # of an edge; disparity, and share of the near side's
FLAT, TAIL = 0.25, 0.06  # of a ramp's steepest: where its flank ends, and what its tail fades to
STANDS_OUT = 0.1  # of a jump, by which its sides may differ from those along the edge
BRIDGED = 1.0  # reaches, half as wide as gaps between the ramps of one edge
AS_STEEP, ONE_WAY = 0.6, 0.7  # share of what its ramps rise by, and cosine of the angle to theirs, that is of it


@dataclass(frozen=True, eq=False)
class Ramps:
    """Pixels of ramps: index (B,) flat, high and low (B,) disparities of the surfaces on either side."""

    index: np.ndarray
    high: np.ndarray
    low: np.ndarray


class EdgeProfiles:
    """The lines along which a map is steepest, pixel by pixel.

    Args:
        disparity: (H, W) float32.
        reach: px, the widest ramp.

    Attributes:
        shape: Of the map.
        row, column: (C,) int64, the pixels of all lines.
        places: (C, 2) float32, their middles, px.
        along: (C, 2) float32, uphill there.
        reach: px.
        profile: (C, 2 reach + 3) float32, disparity along that, a pixel apart, from downhill to uphill.
    """

    def __init__(self, disparity: np.ndarray, reach: int) -> None:
        self.shape, self.reach = disparity.shape, reach
        self.row, self.column, self.along = _steepest(disparity, reach)
        self.places = np.stack([self.column, self.row], 1).astype(np.float32) + 0.5
        line = np.arange(-reach - 1, reach + 2, dtype=np.float32)
        where = (self.places[:, None] + line[None, :, None] * self.along[:, None]).reshape(-1, 2)
        self.profile = sample(disparity, where).reshape(len(self.places), len(line))

    def sides(
        self, up: np.ndarray, down: np.ndarray, rows: np.ndarray | slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """(C,) disparities so many px uphill and downhill."""
        every, middle = np.arange(len(self.row))[rows], self.reach + 1
        return self.profile[every, middle + up], self.profile[every, middle - down]

    def jumps(self, up: np.ndarray, down: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(C,) disparity between the sides; 0 where that is too little for an edge."""
        high, low = self.sides(up, down, rows)
        return np.where(high - low > np.maximum(LEAST_JUMP, LEAST_SHARE * high), high - low, 0)

    def ramps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """px (C,) to the ends of the ramps, uphill and downhill, and (C,) bool, there is a ramp at all."""
        up, down = _ends(np.diff(self.profile, axis=1), self.reach)
        ramp = (up + down <= 1.35 * self.reach) & (up <= self.reach) & (down <= self.reach)
        up, down = np.where(ramp, up, 0), np.where(ramp, down, 0)
        ramp &= self.jumps(up, down) > 0
        rows = np.flatnonzero(ramp)
        beyond = _slope_beyond(self.profile[rows], up[rows], down[rows])
        ramp[rows] = self.jumps(up[rows], down[rows], rows) > 2 * (up + down)[rows] * beyond
        return up, down, ramp

    def bridged(self, up: np.ndarray, down: np.ndarray, ramp: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `ramps`, which it takes; what was found to be none between two ramps of one edge ends as the nearer of them."""
        if not ramp.any():
            return up, down, ramp
        found = np.zeros(self.shape, np.uint8)
        found[self.row[ramp], self.column[ramp]] = 1
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(BRIDGED * self.reach) + 1,) * 2)
        closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, around)
        rest = np.flatnonzero(~ramp & (closed[self.row, self.column] > 0))
        slot = np.zeros(found.size, np.int64)
        slot[self.row[ramp] * self.shape[1] + self.column[ramp]] = np.flatnonzero(ramp)
        nearest = slot[nearest_index(found > 0)[self.row[rest], self.column[rest]]]
        steep = self.profile[:, self.reach + 2] - self.profile[:, self.reach]
        same = (self.along[rest] * self.along[nearest]).sum(1) > ONE_WAY
        same &= steep[rest] > AS_STEEP * steep[nearest]
        rest, nearest = rest[same], nearest[same]
        up, down, ramp = up.copy(), down.copy(), ramp.copy()
        up[rest], down[rest] = up[nearest], down[nearest]
        ramp[rest] = self.jumps(up[rest], down[rest], rest) > AS_STEEP * self.jumps(up[nearest], down[nearest], nearest)
        return up, down, ramp

    def band(self, ramp: np.ndarray, up: np.ndarray, down: np.ndarray, high: np.ndarray, low: np.ndarray) -> Ramps:
        """Every pixel that the ramps, (C,) bool, run over, up and down (C,) px, from high to low (C,) disparity."""
        sides = _alike_along(self.shape, self.row[ramp], self.column[ramp], high[ramp], low[ramp], self.reach)
        return _paint(self.shape, self.places[ramp], self.along[ramp], up[ramp], down[ramp], *sides)


def _alike_along(
    shape: tuple[int, int], row: np.ndarray, column: np.ndarray, high: np.ndarray, low: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) disparities on either side, none far off the average along its line: no column of an edge stands out."""
    line = np.zeros(shape, bool)
    line[row, column] = True
    sides = np.zeros((*shape, 2), np.float32)
    sides[row, column] = np.stack([high, low], 1)
    mean, most = masked_blur(sides, line, max(1.0, reach / 4))[row, column].T, STANDS_OUT * (high - low)
    return tuple(np.clip(own, around - most, around + most) for own, around in zip((high, low), mean))


def _steepest(disparity: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and uphill directions (C, 2) of the pixels along the steepest lines of the map."""
    soft = cv2.GaussianBlur(disparity, (0, 0), 0.7)
    slope = np.stack([cv2.Sobel(soft, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1))], -1)
    steep = np.sqrt(np.square(slope).sum(-1))  # cv2.magnitude is not the same to the last bit each time
    row, column = np.nonzero(steep > np.maximum(LEAST_JUMP, LEAST_SHARE * disparity) / (1.5 * reach))
    along = slope[row, column] / steep[row, column][:, None]
    places = np.stack([column, row], 1).astype(np.float32) + 0.5
    own = steep[row, column]
    ahead, behind = ((sample(slope, places + t * along) * along).sum(-1) for t in (1.0, -1.0))
    aside = [(sample(slope, places + t * along) * along).sum(-1) for t in (reach / 2, -reach / 2)]
    ridge = (own >= ahead) & (own >= behind) & (own > 1.4 * np.minimum(*aside))
    line = np.zeros(steep.shape, np.float32)
    line[row[ridge], column[ridge]] = own[ridge]
    beside = cv2.dilate(line, np.ones((3, 3), np.uint8))[row, column]
    chosen = (beside > 0) & (own > 0.6 * beside)
    return row[chosen], column[chosen], along[chosen]


def _ends(rise: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """How many px the ramp goes on uphill and downhill from the middle of profiles; more than `reach`: it never ends.

    Args:
        rise: (C, 2 reach + 2) float32, between neighbouring places of each profile.
        reach: px.
    """
    middle = rise.shape[1] // 2
    peak = rise[:, middle - 2 : middle + 2].max(1)
    ends = []
    for part in (rise[:, middle:], rise[:, middle - 1 :: -1]):
        ends.append(_run(part > FLAT * peak[:, None]))
    more = np.ceil(0.25 * (ends[0] + ends[1])).astype(int)  # tails of a blurred step, about half as wide as its flanks
    for number, part in enumerate((rise[:, middle:], rise[:, middle - 1 :: -1])):
        tail = _run(part > TAIL * peak[:, None])
        ends[number] = np.where(
            ends[number] > reach, reach + 1, np.minimum(np.minimum(tail, ends[number] + more), reach)
        )
    return ends[0], ends[1]


def _run(rising: np.ndarray) -> np.ndarray:
    """(C,) length of the run of True that each row begins with."""
    return np.where(rising.all(1), rising.shape[1], rising.argmin(1))


def _slope_beyond(profile: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(C,) per px: the median rise of profiles outside their ramps, on the steeper side.

    A slope goes on there, an edge does not; below the horizon the sea slopes on one side only.
    """
    rise = np.diff(profile, axis=1)
    place, middle = np.arange(rise.shape[1]), rise.shape[1] // 2
    steepest = np.zeros(len(rise), np.float32)
    for beyond in (place < (middle - down)[:, None], place >= (middle + up)[:, None]):
        count = beyond.sum(1)
        ordered = np.sort(np.where(beyond, rise, np.inf), 1)
        median = np.take_along_axis(ordered, (count // 2)[:, None], 1)[:, 0]
        steepest = np.maximum(steepest, np.where(count > 0, median, 0))
    return steepest


def _paint(
    shape: tuple[int, int],
    places: np.ndarray,
    along: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
) -> Ramps:
    """Every pixel that a ramp runs over, with the two sides of the ramp whose steepest place is closest."""
    both = np.full((2, shape[0] * shape[1]), np.nan, np.float32)
    longest = int(max(up.max(initial=0), down.max(initial=0)))
    for away in range(longest, -1, -1):  # what is closer comes later, and stays
        for sign, end in ((1, up), (-1, down)):
            rows = np.flatnonzero(end >= away)
            column, row = np.floor(places[rows] + sign * away * along[rows]).astype(np.int64).T
            inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
            flat = (row * shape[1] + column)[inside]
            both[0, flat], both[1, flat] = high[rows[inside]], low[rows[inside]]
    band = np.isfinite(both[0]).reshape(shape)
    if band.any():  # where ramps fan out round a corner, pixels are missed
        closed = cv2.morphologyEx(band.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
        both = both[:, nearest_index(band).ravel()]
        band |= closed
    index = np.flatnonzero(band)
    return Ramps(index, both[0, index], both[1, index])
