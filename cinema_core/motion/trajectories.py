"""Trajectories: the positions of the region's points at every phase of the loop.

Input: the steady motion field. Output: positions at K + 1 phases, and the phases at which each point enters and leaves
the region.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..image.grid import pool, sample

MAX_STEP = 1.7  # frames of an integration step; with the midpoint rule a vortex of 60 frames stays within 0.05 px
NODE_SPACING = 2  # px between integrated points; the displacement of the pixels between them is interpolated
EXIT_STEPS = 8  # parts of the time between two keys; resolution of the phase at which a point leaves the region


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Trajectories of points over one loop.

    Attributes:
        places: (K + 1, M, 2) float32, px of the canvas, at phases j / K.
        birth: (M,) float32, phase from which the point is inside the region.
        death: (M,) float32, phase from which it is outside again, 2 if it stays.
        edge: (M, 2) float32, px, in order of travel the last position inside the region.
        strain: (M,) float32, px per px, by how much the displacements of neighbours over the loop differ.
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
) -> Trajectories:
    """Integrate the trajectories of points through the motion field, over a whole loop.

    Args:
        motion: (H, W, 2) float32, px/frame, valid a little beyond the region.
        region: (H, W) bool.
        start: (M, 2) float32, px; positions at phase 0, or at phase 1 if backward.
        frames: Length of the loop.
        keys: K.
        backward: Integrate back in time from phase 1.

    Returns:
        The trajectories, in order of phase in both cases; their strain is not computed and is 0.

    Source: Eulerian motion as in Holynski et al., "Animating Pictures with Eulerian Motion Fields", 2021; integrated
    with the midpoint rule and bilinear look-up, incrementally.
    """
    places = np.stack(list(integrate(motion, start, frames, keys, backward, "cpu")))
    return _with_lifetimes(places, region, keys, backward, np.zeros(len(start), np.float32))


@dataclass(frozen=True, eq=False)
class Paths:
    """Displacements of a region's pixels, integrated on a coarse grid; between its nodes they are interpolated.

    Attributes:
        region: (H, W) bool.
        displacement: (K + 1, h, w, 2) float32, px, of the centres of cells of `NODE_SPACING` px, in order of travel.
        strain: (h, w) float32, px per px, by how much the displacements of neighbours over the loop differ.
        backward: The displacements lead back in time from phase 1.
    """

    region: np.ndarray
    displacement: np.ndarray
    strain: np.ndarray
    backward: bool

    def of(self, start: np.ndarray) -> Trajectories:
        """Trajectories through the centres of pixels, (M,) int64 flat indices; always in order of phase."""
        centre = np.stack([start % self.region.shape[1], start // self.region.shape[1]], 1).astype(np.float32) + 0.5
        places = np.empty((len(self.displacement), len(start), 2), np.float32)
        for place, displacement in zip(places, self.displacement):
            place[:] = sample(displacement, centre / NODE_SPACING) + centre
        strain = sample(self.strain, centre / NODE_SPACING)
        return _with_lifetimes(places, self.region, len(self.displacement) - 1, self.backward, strain)


def trace_paths(
    motion: np.ndarray, region: np.ndarray, frames: float, keys: int, backward: bool = False, device: str = "cpu"
) -> Paths:
    """Integrate the displacements of a region's pixels over a whole loop.

    Args:
        motion: (H, W, 2) float32, px/frame, valid a little beyond the region.
        region: (H, W) bool.
        frames: Length of the loop.
        keys: K.
        backward: Integrate back in time from phase 1.
        device: torch device.

    Returns:
        The displacements, from which `Paths.of` makes trajectories.
    """
    near, nodes = find_nodes(region, NODE_SPACING)
    displacement = np.zeros((keys + 1, *near.shape, 2), np.float32)
    for key, places in enumerate(integrate(motion, nodes, frames, keys, backward, device)):
        displacement[key, near] = places - nodes
    down, right = np.gradient(displacement[-1], NODE_SPACING, axis=(0, 1))
    strain = np.sqrt(np.square(down).sum(-1) + np.square(right).sum(-1))
    return Paths(region, displacement, strain, backward)


def find_nodes(region: np.ndarray, spacing: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in the middle of the cells of a coarse grid that lie in a region or beside it.

    Args:
        region: (H, W) bool.
        spacing: px, width of a cell.

    Returns:
        (h, w) bool, the cells; and (n, 2) float32, px, their nodes.
    """
    cells = (pool(region.astype(np.float32), spacing) > 0).astype(np.uint8)
    near = cv2.dilate(cells, np.ones((3, 3), np.uint8)) > 0
    row, column = np.nonzero(near)
    return near, ((np.stack([column, row], 1) + 0.5) * spacing).astype(np.float32)


def integrate(
    motion: np.ndarray, start: np.ndarray, frames: float, keys: int, backward: bool, device: str
) -> Iterator[np.ndarray]:
    """(M, 2) float32, px, K + 1 times: the positions of points, in order of travel."""
    height, width = motion.shape[:2]
    field = torch.from_numpy(np.ascontiguousarray(motion, np.float32)).to(device).permute(2, 0, 1)[None] * (
        -1.0 if backward else 1.0
    )
    scale = torch.tensor([2 / width, 2 / height], device=device)

    def velocity(at: torch.Tensor) -> torch.Tensor:
        grid = (at * scale - 1)[None, None]
        return F.grid_sample(field, grid, "bilinear", "border", align_corners=False)[0, :, 0].T

    place = torch.from_numpy(np.ascontiguousarray(start, np.float32)).to(device)
    steps = max(1, int(np.ceil(frames / keys / MAX_STEP)))
    step = frames / keys / steps
    for key in range(keys + 1):
        for _ in range(steps if key else 0):
            place = place + step * velocity(place + 0.5 * step * velocity(place))
        yield place.cpu().numpy()


def _with_lifetimes(
    places: np.ndarray, region: np.ndarray, keys: int, backward: bool, strain: np.ndarray
) -> Trajectories:
    """Trajectories from positions in order of travel: adds when each point leaves the region, and where."""
    left = np.full(len(places[0]), keys + 1)
    for key in range(keys, 0, -1):
        left[~_is_inside(places[key], region)] = key
    leaving = np.flatnonzero(left <= keys)
    before, after = places[left[leaving] - 1, leaving], places[left[leaving], leaving]
    part = np.full(len(leaving), EXIT_STEPS)
    for step in range(EXIT_STEPS - 1, 0, -1):
        part[~_is_inside(before + (after - before) * np.float32(step / EXIT_STEPS), region)] = step
    edge = places[-1].copy()
    edge[leaving] = before + (after - before) * ((part - 1) / EXIT_STEPS)[:, None].astype(np.float32)
    birth = np.zeros(len(left), np.float32)
    death = birth + 2
    if backward:  # a step later than the first position outside, so that the point is inside at its birth
        birth[leaving] = 1 - (left[leaving] - 1 + (part - 1) / EXIT_STEPS) / keys
        return Trajectories(places[::-1], birth, death, edge, strain)
    death[leaving] = (left[leaving] - 1 + part / EXIT_STEPS) / keys
    return Trajectories(places, birth, death, edge, strain)


def _is_inside(places: np.ndarray, region: np.ndarray) -> np.ndarray:
    """(M,) bool, whether (M, 2) px lie on the canvas and in the region."""
    height, width = region.shape
    column, row = np.floor(places).astype(np.int64).T
    on_canvas = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    return on_canvas & np.take(region.ravel(), np.where(on_canvas, row * width + column, 0))
