"""Find the ramps of a depth map: its soft edges, each followed along its slope to the flat on either side.

Input: disparity. Output: the lines along which the map is steepest, the extent of the ramp at each of their pixels, and
every pixel that a ramp covers, with the two disparities that it can have.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import masked_blur, nearest_index, sample

MIN_RAMP_HEIGHT = 0.02  # disparity; a lower ramp is no edge
MIN_RAMP_HEIGHT_SHARE = 0.06  # of the near side's disparity; a smaller share is no edge
FLANK_SLOPE = 0.25  # of a ramp's steepest slope; a flank ends where the slope falls below it
TAIL_SLOPE = 0.06  # of a ramp's steepest slope; the tail beyond a flank ends where the slope falls below it
MAX_SIDE_DEVIATION = 0.1  # of a ramp's height; the most that a side's disparity may differ from the mean along the edge
BRIDGE_RADIUS = 1.0  # multiples of the reach; gaps of up to twice this length between the ramps of one edge are bridged
MIN_BRIDGE_RISE = 0.6  # of the slope, and of the height, of the nearest ramp; flatter pixels are not bridged
MIN_BRIDGE_COSINE = 0.7  # of the angle to the direction of the nearest ramp; pixels that turn more are not bridged


@dataclass(frozen=True, eq=False)
class Ramps:
    """The pixels that ramps cover.

    Attributes:
        index: (B,) int64, flat indices.
        high: (B,) float32, disparity of the surface on the near side.
        low: (B,) float32, disparity of the surface on the far side.
    """

    index: np.ndarray
    high: np.ndarray
    low: np.ndarray


class EdgeProfiles:
    """Profiles of disparity across the lines along which a map is steepest, one for each of their pixels.

    Args:
        disparity: (H, W) float32.
        reach: px, longest extent of a ramp to either side of its steepest pixel.

    Attributes:
        shape: (H, W) of the map.
        row, column: (C,) int64, the pixels of all lines.
        places: (C, 2) float32, their centres (x, y), px.
        along: (C, 2) float32, unit vectors (x, y) uphill.
        reach: px.
        profile: (C, 2 reach + 3) float32, disparity along that direction in steps of a pixel, from downhill to uphill.
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
        """(C,) disparities `up` px uphill and `down` px downhill, (C,) int each, of these rows of the profiles."""
        every, middle = np.arange(len(self.row))[rows], self.reach + 1
        return self.profile[every, middle + up], self.profile[every, middle - down]

    def heights(self, up: np.ndarray, down: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(C,) difference of disparity between the sides; 0 where it is too small for an edge."""
        high, low = self.sides(up, down, rows)
        return np.where(high - low > np.maximum(MIN_RAMP_HEIGHT, MIN_RAMP_HEIGHT_SHARE * high), high - low, 0)

    def find_ramps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(C,) px to the ramps' ends uphill, (C,) px to their ends downhill, and (C,) bool: there is a ramp."""
        up, down = _ramp_ends(np.diff(self.profile, axis=1), self.reach)
        ramp = (up + down <= 1.35 * self.reach) & (up <= self.reach) & (down <= self.reach)
        up, down = np.where(ramp, up, 0), np.where(ramp, down, 0)
        ramp &= self.heights(up, down) > 0
        rows = np.flatnonzero(ramp)
        beyond = _slope_beyond(self.profile[rows], up[rows], down[rows])
        ramp[rows] = self.heights(up[rows], down[rows], rows) > 2 * (up + down)[rows] * beyond
        return up, down, ramp

    def bridge_gaps(
        self, up: np.ndarray, down: np.ndarray, ramp: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Close gaps between the ramps of one edge: pixels there take the extent of the nearest ramp.

        Args and Returns: As `find_ramps` returns.
        """
        if not ramp.any():
            return up, down, ramp
        found = np.zeros(self.shape, np.uint8)
        found[self.row[ramp], self.column[ramp]] = 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(BRIDGE_RADIUS * self.reach) + 1,) * 2)
        closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, disc)
        rest = np.flatnonzero(~ramp & (closed[self.row, self.column] > 0))
        slot = np.zeros(found.size, np.int64)
        slot[self.row[ramp] * self.shape[1] + self.column[ramp]] = np.flatnonzero(ramp)
        nearest = slot[nearest_index(found > 0)[self.row[rest], self.column[rest]]]
        slope = self.profile[:, self.reach + 2] - self.profile[:, self.reach]
        same = (self.along[rest] * self.along[nearest]).sum(1) > MIN_BRIDGE_COSINE
        same &= slope[rest] > MIN_BRIDGE_RISE * slope[nearest]
        rest, nearest = rest[same], nearest[same]
        up, down, ramp = up.copy(), down.copy(), ramp.copy()
        up[rest], down[rest] = up[nearest], down[nearest]
        wanted = MIN_BRIDGE_RISE * self.heights(up[nearest], down[nearest], nearest)
        ramp[rest] = self.heights(up[rest], down[rest], rest) > wanted
        return up, down, ramp

    def band(self, ramp: np.ndarray, up: np.ndarray, down: np.ndarray, high: np.ndarray, low: np.ndarray) -> Ramps:
        """Every pixel that the ramps cover.

        Args:
            ramp: (C,) bool, there is a ramp.
            up, down: (C,) int, px to its ends.
            high, low: (C,) float32, disparity at its ends.
        """
        sides = _consistent_sides(self.shape, self.row[ramp], self.column[ramp], high[ramp], low[ramp], self.reach)
        return _paint(self.shape, self.places[ramp], self.along[ramp], (up[ramp], down[ramp]), sides)


def _consistent_sides(
    shape: tuple[int, ...], row: np.ndarray, column: np.ndarray, high: np.ndarray, low: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) disparities of both sides, limited to near their mean along the edge, so that no pixel of it stands out."""
    line = np.zeros(shape, bool)
    line[row, column] = True
    sides = np.zeros((*shape, 2), np.float32)
    sides[row, column] = np.stack([high, low], 1)
    mean_high, mean_low = masked_blur(sides, line, max(1.0, reach / 4))[row, column].T
    most = MAX_SIDE_DEVIATION * (high - low)
    return np.clip(high, mean_high - most, mean_high + most), np.clip(low, mean_low - most, mean_low + most)


def _steepest(disparity: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(C,) rows, (C,) columns and (C, 2) uphill unit vectors (x, y) of the pixels along the map's steepest lines."""
    soft = cv2.GaussianBlur(disparity, (0, 0), 0.7)
    slope = np.stack([cv2.Sobel(soft, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1))], -1)
    steep = np.sqrt(np.square(slope).sum(-1))  # cv2.magnitude differs in the last bit from run to run
    row, column = np.nonzero(steep > np.maximum(MIN_RAMP_HEIGHT, MIN_RAMP_HEIGHT_SHARE * disparity) / (1.5 * reach))
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


def _ramp_ends(rise: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """How far ramps go on from the middle of their profiles.

    Args:
        rise: (C, 2 reach + 2) float32, differences of neighbouring samples of each profile.
        reach: px.

    Returns:
        (C,) px uphill and (C,) px downhill; reach + 1 where a ramp has no end within reach.
    """
    middle = rise.shape[1] // 2
    peak = rise[:, middle - 2 : middle + 2].max(1)
    ends = []
    for part in (rise[:, middle:], rise[:, middle - 1 :: -1]):
        ends.append(_leading_run(part > FLANK_SLOPE * peak[:, None]))
    more = np.ceil(0.25 * (ends[0] + ends[1])).astype(int)  # a blurred step has tails about half as wide as its flanks
    for number, part in enumerate((rise[:, middle:], rise[:, middle - 1 :: -1])):
        tail = _leading_run(part > TAIL_SLOPE * peak[:, None])
        ends[number] = np.where(
            ends[number] > reach, reach + 1, np.minimum(np.minimum(tail, ends[number] + more), reach)
        )
    return ends[0], ends[1]


def _leading_run(rising: np.ndarray) -> np.ndarray:
    """(C,) number of True at the beginning of each row of (C, N) bool."""
    return np.where(rising.all(1), rising.shape[1], rising.argmin(1))


def _slope_beyond(profile: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(C,) disparity per px: the median rise of profiles outside their ramps, on the steeper side.

    A slope continues there, an edge does not. Below the horizon the sea slopes on one side only.
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
    shape: tuple[int, ...],
    places: np.ndarray,
    along: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    sides: tuple[np.ndarray, np.ndarray],
) -> Ramps:
    """Every pixel that a ramp covers, with the sides of the ramp whose steepest pixel is closest.

    Args:
        shape: (H, W) of the map.
        places: (C, 2) float32, px, steepest pixels.
        along: (C, 2) float32, unit vectors uphill.
        ends: (C,) int each, px to the ramps' ends uphill and downhill.
        sides: (C,) float32 each, disparity of the near and of the far side.
    """
    (up, down), (high, low) = ends, sides
    both = np.full((2, shape[0] * shape[1]), np.nan, np.float32)
    longest = int(max(up.max(initial=0), down.max(initial=0)))
    for distance in range(longest, -1, -1):  # closer ramps are written last and stay
        for sign, end in ((1, up), (-1, down)):
            rows = np.flatnonzero(end >= distance)
            column, row = np.floor(places[rows] + sign * distance * along[rows]).astype(np.int64).T
            inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
            flat = (row * shape[1] + column)[inside]
            both[0, flat], both[1, flat] = high[rows[inside]], low[rows[inside]]
    band = np.isfinite(both[0]).reshape(shape)
    if band.any():  # ramps that fan out round a corner leave pixels between them; a closing adds these
        closed = cv2.morphologyEx(band.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
        both = both[:, nearest_index(band).ravel()]
        band |= closed
    index = np.flatnonzero(band)
    return Ramps(index, both[0, index], both[1, index])
