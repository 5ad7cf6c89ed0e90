"""Key pictures: the flowing surface at the start of each cycle of its points.

Input: the surface, its flow maps and the schedule of hand-overs. Output: `KeyPictures`.

The points of a fast flow run through a short path several times in a loop, so that they cover the surface evenly at all
times. The picture that they carry goes on: at the start of every cycle it is a key picture, whose texture has drifted
since its source time. The first and the last key picture are the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import masked_blur, sample
from ..layers.depth_order import SKY_DISPARITY
from ..motion.flow_maps import FlowMaps
from ..threads import map_threads
from .hand_over import HAND_OVER, Change, Schedule
from .moving_surface import MovingSurface, local_mean

STEPS = 2  # steps of the flow maps in a cycle
MAX_STRETCH = 2.0  # by how much the flow may stretch or squeeze a texture in half its life
MAX_TRAVEL = 1 / 5  # of the longer side; how far the flow may carry a texture in its life
STRUCTURE_SIGMA = 1 / 25  # of the longer side; blur that leaves the structure that belongs to a place
MAX_DIFFERENCE = 0.1  # sRGB, any channel; of that structure where a texture's life begins and ends
LIVES_BLUR = 1 / 120  # of the longer side; smoothness of the number of lives over the surface
COARSE_SIGMA = 1 / 40  # of the longer side; blur that separates coarse structure from detail
SHARPENING = 0.1  # of what a blur of 1 px takes; textures that drift are sampled between pixels, which softens them
NEVER = (255, 255)  # fade of points whose colour does not change in a cycle
LEAST_SHARE = 1 / 512  # of a texture; less cannot be seen
IDLE_WEIGHT = 0.01  # of a cycle; windows that overlap the cycle by less do not decide when the colour changes


@dataclass(frozen=True, eq=False)
class KeyPictures:
    """The surface at the start of each of J cycles and at the end of the last one.

    Attributes:
        row: (H * W,) int32, for each pixel of the region its row of P; -1 outside.
        color: (J + 1, P, 3) uint8, sRGB.
        fade: (J, P, 2) uint8, for the trajectories that start at each pixel the phases of the cycle, in 1/255, at which
            the change from the one picture to the next begins and ends.
    """

    row: np.ndarray
    color: np.ndarray
    fade: np.ndarray


@dataclass(frozen=True, eq=False)
class Bands:
    """Two bands of a picture's frequencies, as of multi-band blending.

    Where one texture takes over from another, coarse structure needs a wide transition, or it shows as a front, and
    detail a short one, or it is seen double.

    Source: Burt and Adelson, "A Multiresolution Spline with Application to Image Mosaics", 1983.

    Attributes:
        mean: (H, W, 3) float32, sRGB, blurred.
        detail: (H, W, 3) float32, the difference of the picture from it.
    """

    mean: np.ndarray
    detail: np.ndarray


def _split_bands(surface: MovingSurface) -> Bands:
    """The bands of a surface's colours, the finest detail enhanced by as much as sampling it takes from it."""
    mean = local_mean(surface, COARSE_SIGMA)
    detail = surface.color - mean
    return Bands(mean, detail + np.float32(SHARPENING) * (detail - cv2.GaussianBlur(detail, (0, 0), 1)))


def lives_needed(surface: MovingSurface, maps: FlowMaps) -> np.ndarray:
    """Lives of a texture within the loop.

    They are so many that the flow stretches a texture little in its life, and carries it neither far nor to where the
    surface has other colours: in water, coarse structure belongs to the place, as a fall's bright foot does. Clouds
    take theirs with them.

    Args:
        surface: The surface.
        maps: Its flow maps; their steps are a power of two.

    Returns:
        (h, w) float32, logarithms to the base 2, of nodes; smooth, and at most that of half the cycles.
    """
    longer_side, structure = max(surface.region.shape), local_mean(surface, STRUCTURE_SIGMA)
    most = int(np.log2(max(1, maps.steps // STEPS // 2)))
    level = np.full(maps.inside.shape, most, np.float32)
    fits = np.ones(level.shape, bool)
    sky = sample(surface.disparity, maps.node_places(0)).reshape(level.shape) <= SKY_DISPARITY
    for fewer in range(most - 1, -1, -1):
        half = maps.steps // 2**fewer // 2
        fits &= np.maximum(maps.stretch(half), maps.stretch(-half)) <= MAX_STRETCH
        fits &= maps.travel(half) <= MAX_TRAVEL / 2 * longer_side
        colors = [sample(structure, maps.node_places(side * half)).reshape(*level.shape, 3) for side in (-1, 1)]
        fits &= sky | (np.abs(colors[1] - colors[0]).max(-1) <= MAX_DIFFERENCE)
        level[fits] = fewer
    blur = max(1.0, LIVES_BLUR * longer_side / maps.spacing)
    reach = 2 * round(blur) + 1  # so that the blur takes little from strips along a bank
    wide = cv2.dilate(np.where(maps.inside, level, 0), np.ones((reach, reach), np.uint8))
    return masked_blur(wide, maps.inside, blur)


def make_key_pictures(surface: MovingSurface, schedule: Schedule, lives: np.ndarray) -> KeyPictures:
    """The key pictures of a surface.

    Args:
        surface: The surface.
        schedule: The hand-overs; the steps of its flow maps are `STEPS` times the cycles.
        lives: (h, w) float32, as of `lives_needed`.

    Returns:
        The key pictures; their number follows from the steps of the schedule.
    """
    cycles, region, bands = schedule.maps.steps // STEPS, surface.region, _split_bands(surface)
    index = np.flatnonzero(region)
    pixels = np.stack([index % region.shape[1], index // region.shape[1]], 1).astype(np.float32) + 0.5
    row = np.full(region.size, -1, np.int32)
    row[index] = np.arange(len(index), dtype=np.int32)
    pictures = np.empty((cycles + 1, len(index), 3), np.uint8)
    fade = np.empty((cycles, len(index), 2), np.uint8)
    pictures[0] = pictures[-1] = np.rint(np.clip(surface.color.reshape(-1, 3)[index], 0, 1) * 255)
    level = sample(lives, pixels / np.float32(schedule.maps.spacing))
    for number in range(int(level.max()) + 1):  # where numbers of lives meet, the schedules are the same
        rows = np.flatnonzero(level.astype(np.int64) == number)
        if not len(rows):
            continue
        group = _Group(schedule, bands, pixels[rows], lives, number)
        for cycle, (shown, window) in enumerate(map_threads(group.at, range(cycles))):
            fade[cycle, rows] = window
            if shown is not None:
                pictures[cycle, rows] = shown
    return KeyPictures(row, pictures, fade)


def _rounded(fade: np.ndarray) -> np.ndarray:
    """(P, 2) uint8 of begins and ends, (P, 2) float32; an end is at least a step after its begin."""
    begin, end = np.rint(fade).T
    begin = np.minimum(begin, 254)
    return np.stack([begin, np.maximum(end, begin + 1)], 1).astype(np.uint8)


class _Group:
    """Pixels whose textures have a number of lives, or up to twice as many.

    Their schedule is smooth, so it suffices to compute it at the nodes of the flow maps around them.

    Args:
        schedule: The hand-overs.
        bands: Of the surface's colours.
        pixels: (P, 2) float32, px.
        lives: (h, w) float32, as of `lives_needed`.
        number: Logarithm to the base 2 of the number of lives.
    """

    def __init__(self, schedule: Schedule, bands: Bands, pixels: np.ndarray, lives: np.ndarray, number: int) -> None:
        self.schedule, self.maps, self.bands, self.pixels = schedule, schedule.maps, bands, pixels
        column, row = (pixels / self.maps.spacing).astype(np.int64).T
        near = np.zeros(self.maps.inside.shape, np.uint8)
        near[np.minimum(row, near.shape[0] - 1), np.minimum(column, near.shape[1] - 1)] = 1
        self.index = np.flatnonzero(cv2.dilate(near, np.ones((3, 3), np.uint8)))
        self.nodes = self.maps.node_places(0)[self.index]
        self.lives, self.more = 2**number, np.clip(lives.ravel()[self.index] - number, 0, 1)
        self.idle = schedule.hand_over.at(self.nodes, 0)

    def at(self, cycle: int) -> tuple[np.ndarray | None, np.ndarray]:
        """(P, 3) uint8, sRGB, the picture at the start of a cycle, and (P, 2) uint8, the fade in it.

        The picture of the first cycle is the photo, and None here.
        """
        change = self.schedule.change(self.nodes, cycle * STEPS, self.lives, self.more)
        fade = _rounded(self.interpolated(_fade(change, self.idle, cycle * STEPS)))
        return self._picture(change, cycle * STEPS) if cycle else None, fade

    def interpolated(self, values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(P, C) float32, or of some rows of the pixels, from (C, n) of the nodes, C up to 4."""
        grid = np.zeros((self.maps.inside.size, len(values)), np.float32)
        grid[self.index] = values.T
        return sample(grid.reshape(*self.maps.inside.shape, -1), self.pixels[rows] / np.float32(self.maps.spacing))

    def _picture(self, change: Change, now: int) -> np.ndarray:
        """(P, 3) uint8, sRGB: the picture now, of a surface that has the photo's bands at every source time."""
        offsets = change.source - np.float32(now)
        stays = np.stack([self.maps.remains(self.nodes, offset) for offset in offsets])
        shares = (change.shares(now), change.coarse_shares(now))
        fine, coarse = (self.interpolated(_known(part, stays)).T for part in shares)
        found = np.zeros((len(self.pixels), 3), np.float32)
        for detail, mean, offset in zip(fine, coarse, offsets):
            rows = np.flatnonzero((detail > LEAST_SHARE) | (mean > LEAST_SHARE))
            if not len(rows):
                continue
            displacement = self.maps.places(self.nodes, offset) - self.nodes
            places = self.pixels[rows] + self.interpolated(displacement.T, rows)
            found[rows] += mean[rows, None] * sample(self.bands.mean, places)
            own = np.flatnonzero(detail[rows] > LEAST_SHARE)
            found[rows[own]] += detail[rows[own], None] * sample(self.bands.detail, places[own], sharp=True)
        return np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)


def _fade(change: Change, idle: np.ndarray, now: int) -> np.ndarray:
    """(2, n) float32, in 1/255 of the cycle that starts now: begin and end of the change in it.

    Where no change is due, the two pictures show the same texture but for rounding, and change at the time `idle`, (n,)
    float32 0..1. Two changes in one cycle become one. All of it varies continuously over the surface: a jump would be a
    line in the picture.
    """
    width = np.minimum(change.width / STEPS, 2 * HAND_OVER)
    idle = idle * (1 - width)
    windows = [((change.middle[n] - now) / STEPS, change.width / STEPS) for n in range(2)]
    begins = np.stack([*(np.clip(middle - long / 2, 0, 1) for middle, long in windows), idle])
    ends = np.stack([*(np.clip(middle + long / 2, 0, 1) for middle, long in windows), idle + width])
    weight = ends - begins  # of a window, as much of it as lies in this cycle
    weight[2] = IDLE_WEIGHT
    return 255 * np.stack([(times * weight).sum(0) / weight.sum(0) for times in (begins, ends)])


def _known(shares: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """(3, P) float32 shares of textures that come from known places, (3, P) 0..1, with those of the others."""
    lost, known = (shares * (1 - stays)).sum(0), stays.sum(0)
    shares = np.where(known > 0, shares * stays + stays * (lost / np.maximum(known, 1e-6)), shares)
    return (shares / shares.sum(0)).astype(np.float32)
