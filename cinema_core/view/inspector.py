"""The coverage inspector: samples of a camera's frame, classified as seen, invented or hole.

Input: a job's points and the views of any perspective camera. Output: for each view a label per sample.

* `HOLE`: no point's disc covers the sample.
* `INVENTED`: the nearest disc belongs to a surface that the photo's camera does not see, because it was continued
  behind occluders or beyond the photo's border.
* `SEEN`: the nearest disc belongs to a surface that the photo shows.

A frame has about `SAMPLES_ACROSS` samples along its longer side. A sample tests a single place, and discs keep their
true size. So a coarse grid of samples finds the same share of holes as a fine one, only with less certainty (at 0.1 %
of the frame, to a tenth of that).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..shared.camera import Camera
from .point_cloud import PointCloud

HOLE, INVENTED, SEEN = 0, 1, 2
# Samples along the longer side, and the first one's place in its cell, 0..1. Chosen so that samples of frames of common
# sizes do not fall on the corners of the lattice of points, where discs just meet.
SAMPLES_ACROSS, SAMPLE_OFFSET = 477.3, 0.38
INVENTED_GAP = 0.01  # share of the depth; a point farther behind the surface that the photo's camera sees is invented
BACKING_GAP = 0.06  # the same for backing points; in cracks they count as part of the surface in front of them
SAME_DEPTH = 0.01  # share of the depth; an invented point must be nearer by more than this to occlude a seen one
CHUNK_SAMPLES = 1 << 22  # samples around discs that are tested at a time; bounds the memory close to a surface

_Hit = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # flat indices of samples, depths, and points that cover them


@dataclass(frozen=True, eq=False)
class Views:
    """Views to inspect.

    Attributes:
        width: px of the rendered frame.
        height: px of the rendered frame.
        poses: (N, 4, 4) float64 camera-to-world, core axes.
        lenses: (N, 6) float64: focal length across and down and principal point, px of the frame; nearest and farthest
            depth that is drawn, scene units.
        phases: (N,) float64, 0..1 of the loop.
    """

    width: int
    height: int
    poses: np.ndarray
    lenses: np.ndarray
    phases: np.ndarray

    def __len__(self) -> int:
        return len(self.poses)


class Inspector(PointCloud):
    """Classifies the samples of views of a job's points.

    Args:
        points: Arrays by name, see `job_files.POINTS`.
        camera: The photo's camera.
        point_size: Diameter of a point in its own pixel footprints.
        backing: Numbers of the layers of backing points.
        device: torch device.
    """

    def __init__(
        self,
        points: dict[str, np.ndarray],
        camera: Camera,
        point_size: float,
        backing: Sequence[int] = (),
        device: str = "cpu",
    ) -> None:
        placed = {name: array for name, array in points.items() if "_color" not in name}
        super().__init__(placed, camera, point_size, device)
        self._still_invented, self._moving_invented = self._find_invented(list(backing))

    def classify(self, views: Views, index: int, pose: np.ndarray | None = None) -> np.ndarray:
        """Classify the samples of one view.

        Args:
            views: The views.
            index: Number of the view.
            pose: (4, 4), replaces the view's own.

        Returns:
            (rows, columns) uint8: `HOLE`, `INVENTED` or `SEEN`.
        """
        pitch = max(views.width, views.height) / SAMPLES_ACROSS
        columns, rows = (int(size / pitch - SAMPLE_OFFSET) + 1 for size in (views.width, views.height))
        alive = self.alive(float(views.phases[index]))
        position, radius = self.place(alive)
        invented = torch.cat([self._still_invented, *(self._moving_invented[shown.rows] for shown in alive)])
        lens = views.lenses[index] / (pitch, pitch, pitch, pitch, 1, 1) - (0, 0, SAMPLE_OFFSET, SAMPLE_OFFSET, 0, 0)
        pose = views.poses[index] if pose is None else pose
        nearest = torch.full((2 * rows * columns,), float("inf"), device=self.device)  # seen, then invented
        for sample, depth, own in self._hits(position, radius, pose, lens, (rows, columns)):
            nearest.scatter_reduce_(0, sample + invented[own] * (rows * columns), depth, "amin")
        seen_depth, invented_depth = nearest.view(2, rows, columns)
        label = torch.where(seen_depth <= invented_depth * (1 + SAME_DEPTH), SEEN, INVENTED)
        empty = torch.isinf(torch.minimum(seen_depth, invented_depth))
        return torch.where(empty, HOLE, label).to(torch.uint8).cpu().numpy()

    def _find_invented(self, backing: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(S,) and (M,) int64 for still and moving points: 1 where the photo's camera sees no surface at phase 0."""
        position = torch.cat([self.points["still_position"], self.points["moving_position"]])
        count, width, height = len(self.points["still_position"]), self.camera.width, self.camera.height
        middle = torch.tensor([width / 2, height / 2], device=self.device)
        depth = position[:, 2].clamp(min=1e-6)
        place = (position[:, :2] * (self.camera.focal / depth)[:, None] + middle).floor().long()
        inside = (place >= 0).all(1) & (place[:, 0] < width) & (place[:, 1] < height)
        pixel = torch.where(inside, place[:, 1] * width + place[:, 0], 0)
        nearest = torch.full((height * width,), float("inf"), device=self.device)
        nearest.scatter_reduce_(0, pixel[inside], depth[inside], "amin")
        gap = torch.full_like(depth, INVENTED_GAP)
        for layer in backing:
            gap[:count][self.points["still_layer"] == layer] = BACKING_GAP
        # points born later flow in from elsewhere, and count as part of the surface they flow into
        late = torch.zeros_like(inside)
        late[count:] = self.points["moving_birth"] > 0
        invented = ~inside | ((depth > nearest[pixel] * (1 + gap)) & ~late)
        return invented[:count].long(), invented[count:].long()

    def _hits(
        self, position: torch.Tensor, radius: torch.Tensor, pose: np.ndarray, lens: np.ndarray, shape: tuple[int, int]
    ) -> Iterator[_Hit]:
        """Samples that discs cover, batch by batch.

        Args:
            position: (P, 3) scene units.
            radius: (P,) scene units.
            pose: (4, 4) camera-to-world.
            lens: (6,) as of `Views`, in samples.
            shape: Rows and columns of samples.
        """
        turn = torch.tensor(pose[:3, :3].T.copy(), dtype=torch.float32, device=self.device)
        away = turn @ torch.tensor(pose[:3, 3], dtype=torch.float32, device=self.device)
        across, down, depth = torch.addmm(-away[:, None], turn, position.T)
        drawn = (depth > float(lens[4])) & (depth < float(lens[5]))
        near = 1 / depth.clamp(min=1e-6)
        across, down = (at * near * float(lens[axis]) + float(lens[2 + axis]) for axis, at in enumerate((across, down)))
        wide = radius * near * float(lens[0])
        tall = wide * float(lens[1] / lens[0])
        left, right = torch.ceil(across - wide).clamp(min=0), torch.floor(across + wide).clamp(max=shape[1] - 1)
        top, bottom = torch.ceil(down - tall).clamp(min=0), torch.floor(down + tall).clamp(max=shape[0] - 1)
        kept = torch.nonzero((right >= left) & (bottom >= top) & drawn).flatten()
        fields = (across, down, wide, tall, left, top, right, bottom, depth)
        disc = torch.stack([torch.index_select(array, 0, kept) for array in fields])
        several = (disc[6] > disc[4]) | (disc[7] > disc[5])
        one = torch.nonzero(~several).flatten()
        if len(one):  # most points of a large photo have a single sample within reach
            yield self._within(torch.index_select(disc, 1, one), 0, 0, torch.index_select(kept, 0, one), shape[1])
        several = torch.nonzero(several).flatten()
        disc, kept = torch.index_select(disc, 1, several), torch.index_select(kept, 0, several)
        columns, rows = (disc[6] - disc[4] + 1).long(), (disc[7] - disc[5] + 1).long()
        for part in _chunks(columns * rows):
            count = columns[part] * rows[part]
            own = torch.repeat_interleave(torch.arange(len(count), device=self.device), count)
            first, wide = torch.cumsum(count, 0) - count, columns[part][own]
            number = torch.arange(len(own), device=self.device) - first[own]
            down = torch.div(number, wide, rounding_mode="floor")
            box = torch.index_select(disc[:, part], 1, own)
            yield self._within(box, number - down * wide, down, kept[part][own], shape[1])

    @staticmethod
    def _within(
        disc: torch.Tensor, right: torch.Tensor | int, down: torch.Tensor | int, point: torch.Tensor, width: int
    ) -> _Hit:
        """Hits among samples inside the bounding boxes of discs, one sample a disc.

        Args:
            disc: (9, D), fields of discs as of `_hits`.
            right: (D,) column of each sample in its box.
            down: (D,) row of each sample in its box.
            point: (D,) index of each disc's point.
            width: Columns of samples.
        """
        column, row = disc[4] + right, disc[5] + down
        off = ((column - disc[0]) / disc[2]) ** 2 + ((row - disc[1]) / disc[3]) ** 2
        hit = torch.nonzero(off < 1).flatten()
        sample = (row[hit].long() * width) + column[hit].long()
        return sample, disc[8][hit], point[hit]


def _chunks(counts: torch.Tensor) -> list[slice]:
    """Runs of discs that have about `CHUNK_SAMPLES` samples in their bounding boxes together."""
    if not len(counts):
        return []
    number = torch.cumsum(counts, 0) // CHUNK_SAMPLES
    borders = torch.nonzero(torch.diff(number)).flatten() + 1
    ends = [0, *borders.tolist(), len(counts)]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]
