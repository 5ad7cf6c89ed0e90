"""Point clouds: the points of a job at any phase of the loop, as torch tensors.

Input: arrays by name (`job_files.POINTS`) and a phase. Output: the points shown at that phase, their positions and
radii. The preview and the coverage check both build on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from ..shared.camera import Camera

CHUNK_POINTS = 1 << 17  # points processed at a time, so that intermediates stay in the processor's cache


class Shown(NamedTuple):
    """The points of one number of cycles that are shown.

    Attributes:
        phase: 0..1 of their cycle.
        cycle: Number of their cycle within the loop, from 0.
        rows: (R,) int64, their rows of all moving points.
    """

    phase: float
    cycle: int
    rows: torch.Tensor


Alive = list[Shown]


class PointCloud:
    """The points of a job, at any phase.

    Args:
        points: Arrays by name, see `job_files.POINTS`.
        camera: The photo's camera.
        point_size: Diameter of a point in its own pixel footprints.
        device: torch device.
    """

    def __init__(self, points: dict[str, np.ndarray], camera: Camera, point_size: float, device: str = "cpu") -> None:
        self.camera, self.device = camera, device
        self.points = {name: torch.from_numpy(np.ascontiguousarray(a)).to(device) for name, a in points.items()}
        self.radius = point_size / (2 * camera.focal)
        self._cycles = torch.unique(self.points["moving_cycles"]).tolist()

    def alive(self, phase: float) -> Alive:
        """The moving points that are shown at a phase of the loop, 0..1."""
        found = []
        for cycles in self._cycles:
            cycle, own = divmod(phase * cycles, 1.0)
            alive = (self.points["moving_birth"] <= own) & (self.points["moving_death"] > own)
            rows = torch.nonzero(alive & (self.points["moving_cycles"] == cycles)).flatten()
            found.append(Shown(own, int(cycle) % cycles, rows))
        return found

    def place(self, alive: Alive) -> tuple[torch.Tensor, torch.Tensor]:
        """Position and radius in scene units of the still points and, after them, of the moving points in `alive`."""
        positions, radii = zip(*self.place_chunks(alive))
        return torch.cat(positions), torch.cat(radii)

    def place_chunks(self, alive: Alive) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Like `place`, `CHUNK_POINTS` at a time: millions of points at once would take gigabytes, and longer."""
        still, radius_factor = self.points["still_position"], self.points["still_radius_factor"]
        for position, own in zip(still.split(CHUNK_POINTS), radius_factor.split(CHUNK_POINTS)):
            yield position, own * position[:, 2] * self.radius
        keys, steps = len(self.points["moving_displacement"]) - 1, self.points["moving_displacement"]
        for phase, _, every in alive:
            key = min(int(phase * keys), keys - 1)
            part = phase * keys - key
            for rows in every.split(CHUNK_POINTS):
                position = (
                    self.points["moving_position"][rows] + steps[key][rows] * (1 - part) + steps[key + 1][rows] * part
                )
                yield position, self.points["moving_radius_factor"][rows] * position[:, 2] * self.radius
