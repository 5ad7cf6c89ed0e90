"""Hand-over: the times at which the texture on a trajectory passes from one source to the next.

Water carries the texture that the photo shows, and the flow distorts that texture with time. So each trajectory takes
its texture anew from the photo, at source times: times at which its texture is the photo's own, undistorted. The first
source time is the loop's start, the last one the loop's end, so that the loop begins and ends with the photo. Between
two source times the texture changes hands, in a window that is short against its life. The windows of neighbours open
one after the other: their order is smooth noise over the surface, whose values are spread evenly over the
middle of a life. So the same small share of the surface changes hands at every time of it, and no pulse runs through
the picture.

Related: flow maps of games stagger the phases of two textures by noise (Vlachos, "Water Flow in Portal 2", 2010), and
fade at all times.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import sample
from ..motion.flow_maps import FlowMaps

HAND_OVER = 0.12  # of a life; length of the window in which the texture changes hands
# Of a life; from its begin to the middle of the first window, and from that of the last to its end. With a larger one,
# more of what one sees has flowed on from the photo, and more of it changes hands at a time.
EARLIEST = 0.2
COARSE_HAND_OVER = 0.9  # of a life; the same of the coarse structure, whose quick change would show as a front
NOISE_SPACING = 1 / 14  # of the longer side; distance of the noise's nodes
SOURCE_SPACING = 4  # times the noise's; of the noise that spreads the source times, so that it distorts little
SOURCE_SPREAD = 0.3  # of a life; how far a source time within the loop moves to either side
CELL = 4  # px; random values are interpolated for cells of this size
ALONG_FLOW = 0.25  # of the loop; the time in which water passes the noise that is averaged, to either side
SEED = 20


@dataclass(frozen=True, eq=False)
class Noise:
    """Smooth noise over the canvas and over the time of the loop, spread evenly over 0..1 within the region.

    It turns from the one field to the other, to their opposites and back in a loop. So the hand-overs of a place differ
    from each other, and change continuously from one number of lives to another.

    Attributes:
        fields: (2, h, w) float32, of the nodes of flow maps; normally distributed within the region.
        spacing: px between nodes.
    """

    fields: np.ndarray
    spacing: int

    def at(self, places: np.ndarray, time: np.ndarray | float) -> np.ndarray:
        """(P,) float32 at (P, 2) px and at times, (P,) or one, 0..1 of the loop."""
        nodes, angle = places / np.float32(self.spacing), 2 * np.pi * np.asarray(time, np.float32)
        one, other = (sample(field, nodes) for field in self.fields)
        return _normal_share(one * np.cos(angle) + other * np.sin(angle)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Change:
    """The changes of texture that are due on P trajectories around a time: from the first over the second to the third.

    Attributes:
        source: (3, P) float32, steps of the loop; source times of the textures.
        middle: (2, P) float32, steps; middles of the windows in which they change hands, ascending. Where they are one,
            the second texture never appears.
        width: (P,) float32, steps; length of the windows.
        wide: (2, 2, P) float32, steps; begin and end of each window of the coarse structure.
    """

    source: np.ndarray
    middle: np.ndarray
    width: np.ndarray
    wide: np.ndarray

    def shares(self, now: float) -> np.ndarray:
        """(3, P) float32: shares of the three textures at a time, in steps."""
        return _three(np.clip((now - self.middle) / self.width + 0.5, 0, 1))

    def coarse_shares(self, now: float) -> np.ndarray:
        """(3, P) float32: shares of the three textures' coarse structure at a time, in steps.

        The change is half done in the middle of the narrow window, and takes most of the life.
        """
        before, after = (np.maximum(np.abs(self.middle - limit), 1e-3) for limit in np.moveaxis(self.wide, 1, 0))
        away = now - self.middle
        return _three(np.clip(0.5 + away / (2 * np.where(away < 0, before, after)), 0, 1))


def _three(changed: np.ndarray) -> np.ndarray:
    """(3, P) shares of three textures, of which the second and third have replaced the one before to (2, P)."""
    return np.stack([1 - changed[0], changed[0] - changed[1], changed[1]])


def make_noise(region: np.ndarray, maps: FlowMaps, spacing: float, seed: int) -> Noise:
    """Smooth noise for a region, longer along the flow than across, so that it seldom changes within a streak.

    Args:
        region: (H, W) bool.
        maps: Flow maps of the region.
        spacing: px between the values that it is made of.
        seed: Of the random numbers.
    """
    rows, columns = (max(4, round(side / spacing) + 3) for side in region.shape)
    height, width = (-(-side // CELL) for side in region.shape)
    inside = cv2.resize(region.astype(np.float32), maps.exits.shape[:0:-1], interpolation=cv2.INTER_AREA) > 0
    generator, reach = np.random.default_rng(seed), int(ALONG_FLOW * maps.steps)
    fields = np.zeros((2, *inside.shape), np.float32)
    for field in fields:
        random = generator.standard_normal((rows, columns)).astype(np.float32)
        smooth = cv2.resize(random, (width, height), interpolation=cv2.INTER_CUBIC)
        for step in range(-reach, reach + 1):
            field += sample(smooth, maps.node_places(step) / np.float32(CELL)).reshape(field.shape)
        field[:] = _made_normal(field, inside)
    return Noise(fields, maps.spacing)


def _made_normal(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Values in the same order, but normally distributed where `inside`; arrays of one shape."""
    order = np.sort(values[inside])
    few = np.linspace(0, len(order) - 1, 256).astype(np.int64)
    deviations = np.linspace(-3, 3, 256)
    normal = np.interp((few + 0.5) / len(order), _normal_share(deviations), deviations)
    return np.interp(values, order[few], normal).astype(np.float32)


def _normal_share(deviations: np.ndarray) -> np.ndarray:
    """Share of a normal distribution below some standard deviations, within 0.0002; any shape.

    Source: Page, "Approximations to the Cumulative Normal Function", 1977.
    """
    return 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * deviations * (1 + 0.044715 * deviations**2)))


@dataclass(frozen=True, eq=False)
class Schedule:
    """The changes of texture of a region.

    Attributes:
        maps: Flow maps; their steps go up to the length of the loop.
        hand_over: Noise that orders the changes.
        source: Noise that spreads the source times within the loop.
    """

    maps: FlowMaps
    hand_over: Noise
    source: Noise

    def change(self, pixels: np.ndarray, now: int, lives: int, more: np.ndarray) -> Change:
        """The changes that are due around a time.

        Between one number of lives and its double, a second texture appears in each change and takes up more and more
        of the life. So the schedule varies continuously over the surface.

        Args:
            pixels: (P, 2) float32, px, where the trajectories are now.
            now: Steps since the loop's start.
            lives: Lives of a texture within the loop, at least.
            more: (P,) float32, 0..1; at 1 there are twice as many.
        """
        life = self.maps.steps // lives
        number = min(now // life, lives - 1)  # of the change; the life before it has the same number
        # each follows the noise at another place, so that the second may come before the first
        middles = np.sort([self._middle(pixels, now, life, number, side * more) for side in (-1, 1)], 0)
        source = [self._source_time(pixels, now, number * life, life * (1 - more / 2))]
        source.append(self._source_time(pixels, now, (number + 0.5) * life, life * more / 2))
        source.append(self._source_time(pixels, now, (number + 1) * life, life * (1 - more / 2)))
        width = (HAND_OVER * life * (1 - more / 2)).astype(np.float32)
        begin, end = number * life, (number + 1) * life
        own = np.stack([np.stack([np.full_like(more, begin), end - life * more / 2]),
                        np.stack([begin + life * more / 2, np.full_like(more, end)])])  # fmt: skip
        reach = COARSE_HAND_OVER / 2 * life * (1 - more / 2)
        wide = np.stack([np.maximum(own[:, 0], middles - reach), np.minimum(own[:, 1], middles + reach)], 1)
        return Change(np.stack(source), middles, width, wide.astype(np.float32))

    def _middle(self, pixels: np.ndarray, now: int, life: int, number: int, side: np.ndarray) -> np.ndarray:
        """(P,) float32, steps: middle of the first or second of a pair of changes, with `side` -1..0 or 0..1.

        At 0 both are one, at -1 and 1 each has its own half of the life.
        """
        half = np.abs(side) / 2
        begin = np.where(side > 0, half, 0)
        centre = number + 0.5 + side / 4
        places = self.maps.places(pixels, (centre * life - now).astype(np.float32))
        due = EARLIEST + (1 - 2 * EARLIEST) * self.hand_over.at(places, centre * life / self.maps.steps)
        return ((number + begin + (1 - half) * due) * life).astype(np.float32)

    def _source_time(self, pixels: np.ndarray, now: int, time: float, life: np.ndarray) -> np.ndarray:
        """(P,) float32, steps: source time near `time` of a texture with (P,) `life` steps."""
        middle = np.full(len(pixels), time, np.float32)
        if not 0 < time < self.maps.steps:
            return middle
        places = self.maps.places(pixels, middle - np.float32(now))
        return middle + (2 * self.source.at(places, time / self.maps.steps) - 1) * (SOURCE_SPREAD * life).astype(
            np.float32
        )


def make_schedule(region: np.ndarray, maps: FlowMaps) -> Schedule:
    """The schedule of a region, (H, W) bool, from its flow maps."""
    spacing = NOISE_SPACING * max(region.shape)
    sources = make_noise(region, maps, SOURCE_SPACING * spacing, SEED + 1)
    return Schedule(maps, make_noise(region, maps, spacing, SEED), sources)
