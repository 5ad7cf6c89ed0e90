"""Trajectories: where the points of the region are at every phase of the loop.

Input: the steady motion field. Output: positions at K + 1 phases and the phases in between which a point lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..image.grid import pool, sample

STEP = 1.7  # frames; with the midpoint rule a vortex of 60 frames stays within 0.05 px
COARSE = 2  # px between the points of a region's pixels that are integrated; the way of the others is interpolated
PARTS = 8  # of a key's time; when a point leaves the region is known that well


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Paths of points over one loop.

    Attributes:
        places: (K + 1, M, 2) float32, px of the canvas, at phases j / K.
        birth: (M,) float32, phase from which the point is inside the region.
        death: (M,) float32, phase from which it is outside again, 2 if it stays.
        edge: (M, 2) float32, px, the last place inside of a point that leaves the region; where it ends if it stays.
        strain: (M,) float32, px per px, by how much the ways of neighbours differ over the loop.
    """

    places: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    edge: np.ndarray
    strain: np.ndarray


def advect(
    motion: np.ndarray,
    region: np.ndarray,
    start: np.ndarray,
    frames: float,
    keys: int,
    backward: bool = False,
    device: str = "cpu",
) -> Trajectories:
    """Carry points along the motion field, over a whole loop.

    Args:
        motion: (H, W, 2) float32, px/frame, valid a little beyond the region.
        region: (H, W) bool.
        start: (M, 2) float32, px; where the points are at phase 0, or at phase 1 if backward.
        frames: Length of the loop.
        keys: K.
        backward: Carry them back in time from phase 1.
        device: torch device.

    Returns:
        The trajectories, in order of phase in both cases; their strain is not known, and 0.

    Source: Eulerian motion as in Holynski et al., "Animating Pictures with Eulerian Motion Fields", 2021; integrated
    with the midpoint rule and bilinear look-up, incrementally.
    """
    places = np.stack(list(_carry(motion, start, frames, keys, backward, device)))
    return _alive(places, region, keys, backward, np.zeros(len(start), np.float32))


@dataclass(frozen=True, eq=False)
class Paths:
    """Where the pixels of a region go. Some are followed; the way of the others is interpolated, as it is smooth.

    Attributes:
        region: (H, W) bool.
        way: (K + 1, h, w, 2) float32, px, how far the middle of a cell of `COARSE` px has come, in order of travel.
        strain: (h, w) float32, px per px, by how much the ways of neighbours differ over the loop.
        backward: They are carried back in time from phase 1.
    """

    region: np.ndarray
    way: np.ndarray
    strain: np.ndarray
    backward: bool

    def of(self, start: np.ndarray) -> Trajectories:
        """Trajectories of pixels, (M,) int64 flat indices, through their centres; in order of phase in both cases."""
        centre = np.stack([start % self.region.shape[1], start // self.region.shape[1]], 1).astype(np.float32) + 0.5
        places = np.empty((len(self.way), len(start), 2), np.float32)
        for place, way in zip(places, self.way):
            place[:] = sample(way, centre / COARSE) + centre
        return _alive(places, self.region, len(self.way) - 1, self.backward, sample(self.strain, centre / COARSE))


def trace_paths(
    motion: np.ndarray, region: np.ndarray, frames: float, keys: int, backward: bool = False, device: str = "cpu"
) -> Paths:
    """Follow the pixels of a region.

    Args:
        motion: (H, W, 2) float32, px/frame, valid a little beyond the region.
        region: (H, W) bool.
        frames: Length of the loop.
        keys: K.
        backward: Carry them back in time from phase 1.
        device: torch device.
    """
    near = cv2.dilate((pool(region.astype(np.float32), COARSE) > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    row, column = np.nonzero(near)
    nodes = ((np.stack([column, row], 1) + 0.5) * COARSE).astype(np.float32)
    way = np.zeros((keys + 1, *near.shape, 2), np.float32)
    for key, places in enumerate(_carry(motion, nodes, frames, keys, backward, device)):
        way[key, row, column] = places - nodes
    down, right = np.gradient(way[-1], COARSE, axis=(0, 1))
    return Paths(region, way, np.sqrt(np.square(down).sum(-1) + np.square(right).sum(-1)), backward)


def _carry(
    motion: np.ndarray, start: np.ndarray, frames: float, keys: int, backward: bool, device: str
) -> Iterator[np.ndarray]:
    """(M, 2) float32, px, K + 1 times: where points are, in order of travel."""
    height, width = motion.shape[:2]
    field = torch.from_numpy(np.ascontiguousarray(motion, np.float32)).to(device).permute(2, 0, 1)[None] * (
        -1.0 if backward else 1.0
    )
    scale = torch.tensor([2 / width, 2 / height], device=device)

    def velocity(at: torch.Tensor) -> torch.Tensor:
        grid = (at * scale - 1)[None, None]
        return F.grid_sample(field, grid, "bilinear", "border", align_corners=False)[0, :, 0].T

    place = torch.from_numpy(np.ascontiguousarray(start, np.float32)).to(device)
    steps = max(1, int(np.ceil(frames / keys / STEP)))
    step = frames / keys / steps
    for key in range(keys + 1):
        for _ in range(steps if key else 0):
            place = place + step * velocity(place + 0.5 * step * velocity(place))
        yield place.cpu().numpy()


def _alive(places: np.ndarray, region: np.ndarray, keys: int, backward: bool, strain: np.ndarray) -> Trajectories:
    """Trajectories along known places, given in order of travel: when they are outside, and where they were inside last."""
    left = np.full(len(places[0]), keys + 1)
    for key in range(keys, 0, -1):
        left[~_is_inside(places[key], region)] = key
    leaving = np.flatnonzero(left <= keys)
    before, after = places[left[leaving] - 1, leaving], places[left[leaving], leaving]
    part = np.full(len(leaving), PARTS)
    for step in range(PARTS - 1, 0, -1):
        part[~_is_inside(before + (after - before) * np.float32(step / PARTS), region)] = step
    edge = places[-1].copy()
    edge[leaving] = before + (after - before) * ((part - 1) / PARTS)[:, None].astype(np.float32)
    birth = np.zeros(len(left), np.float32)
    death = birth + 2
    if backward:  # a part later than outside: at its birth it is inside
        birth[leaving] = 1 - (left[leaving] - 1 + (part - 1) / PARTS) / keys
        return Trajectories(places[::-1], birth, death, edge, strain)
    death[leaving] = (left[leaving] - 1 + part / PARTS) / keys
    return Trajectories(places, birth, death, edge, strain)


def _is_inside(places: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(M,) bool: on the canvas, and in the region."""
    height, width = region.shape
    column, row = np.floor(places).astype(np.int64).T
    on_canvas = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return on_canvas & np.take(region.ravel(), np.where(on_canvas, row * width + column, 0))
