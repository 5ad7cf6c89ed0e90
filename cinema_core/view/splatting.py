"""Splatting: draws points with torch as opaque discs in depth order, colours mixed in linear light.

Input: the arrays of points.npz, a phase and a camera pose. Output: a picture, and which pixels are covered. It is close
to what Blender shows of the same points; previews and the quality report stand on it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..points.footprint import covered_share
from ..shared.camera import Camera

NEAREST = 0.02  # scene units; what is nearer to the camera is not drawn
SOFT = 0.01  # of the depth; discs within it of the nearest one share the pixel, by how close their centres are
WIDEST = 8  # px; larger discs are drawn no larger, which only happens right before the camera
CONE = 0.04  # of the depth; a disc is that much farther one pixel off its centre: on a slope the nearest centre wins
AT_ONCE = 1 << 17  # discs whose pixels are found at once: what is in between stays in the processor's cache
SPLAT = 1.35  # radius in units of the point's own radius: discs of neighbours blend instead of forming steps


class PointCloud:
    """The points of a job, at any phase.

    Args:
        points: Arrays as in points.npz.
        camera: The photo's camera.
        point_size: Diameter of a point in its own pixel footprints.
        device: torch device.
    """

    def __init__(self, points: dict[str, np.ndarray], camera: Camera, point_size: float, device: str = "cpu") -> None:
        self.camera, self.device = camera, device
        self.points = {name: torch.from_numpy(np.ascontiguousarray(a)).to(device) for name, a in points.items()}
        self.radius = point_size / (2 * camera.focal)
        self._cycles = torch.unique(self.points["moving_cycles"]).tolist()

    def alive(self, phase: float) -> list[tuple[float, torch.Tensor]]:
        """For each number of cycles, the phase of its points and which of them are shown."""
        found = []
        for cycles in self._cycles:
            own = phase * cycles % 1.0
            alive = (self.points["moving_birth"] <= own) & (self.points["moving_death"] > own)
            found.append((own, torch.nonzero(alive & (self.points["moving_cycles"] == cycles)).flatten()))
        return found

    def place(self, alive: list[tuple[float, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Position and radius in scene units of the still points and, after them, of the moving ones alive."""
        positions, radii = zip(*self._parts(alive))
        return torch.cat(positions), torch.cat(radii)

    def _parts(self, alive: list[tuple[float, torch.Tensor]]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """`place`, of some points at a time: of millions all at once would take gigabytes, and the time to get them."""
        still, radius_factor = self.points["still_position"], self.points["still_radius_factor"]
        for position, own in zip(still.split(AT_ONCE), radius_factor.split(AT_ONCE)):
            yield position, own * position[:, 2] * self.radius
        keys, steps = len(self.points["moving_displacement"]) - 1, self.points["moving_displacement"]
        for phase, every in alive:
            key = min(int(phase * keys), keys - 1)
            part = phase * keys - key
            for rows in every.split(AT_ONCE):
                position = (
                    self.points["moving_position"][rows] + steps[key][rows] * (1 - part) + steps[key + 1][rows] * part
                )
                yield position, self.points["moving_radius_factor"][rows] * position[:, 2] * self.radius


class Splatter(PointCloud):
    """Renders the points of a job, in a picture of the photo camera's size and focal length.

    Args:
        points, camera, point_size, device: As of `Cloud`.
        every: Renders only every so manieth pixel across and down, each as it is in the whole picture.
    """

    def __init__(
        self, points: dict[str, np.ndarray], camera: Camera, point_size: float, device: str = "cpu", every: int = 1
    ) -> None:
        super().__init__(points, camera, point_size, device)
        self.every, self.first = every, every // 2
        self.height, self.width = (len(range(self.first, side, every)) for side in (camera.height, camera.width))
        self.colors = [
            self.points["still_color"],
            *(self.points[f"moving_{name}"] for name in ("color0", "color1", "mean0", "mean1")),
        ]
        if every == 1:  # else few of them are seen
            self.colors = [_linear(color) for color in self.colors]

    def rendered(self, picture: np.ndarray) -> np.ndarray:
        """Of a picture (H, W, ...) of the photo's size the pixels that are rendered."""
        return picture[self.first :: self.every, self.first :: self.every]

    def render(self, phase: float, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One frame.

        Args:
            phase: 0..1 of the loop.
            pose: (4, 4) camera-to-world, core axes.

        Returns:
            (H, W, 3) float32 sRGB, and (H, W) bool: some point covers the pixel.
        """
        alive = self.alive(phase)
        discs = self._project(alive, SPLAT, pose)
        color = self._colors(alive, discs.point)
        small = self._small(discs.point)
        whole, part = torch.nonzero(~small).flatten(), torch.nonzero(small).flatten()
        picture, covered, nearest = self._splat(discs.chosen(whole), color[whole])
        if len(part):
            self._lay_over(picture, nearest, discs.chosen(part), color[part])
        return _srgb(picture).cpu().numpy(), covered.cpu().numpy()

    def uncovered(self, phase: float, pose: np.ndarray) -> float:
        """Share of the picture's pixels whose centre no point covers, at the points' own size."""
        covered = torch.zeros(self.height * self.width, dtype=torch.bool, device=self.device)
        for pixel, _, _ in self._fragments(self._project(self.alive(phase), 1.0, pose)):
            covered[pixel] = True
        return float(1 - covered.float().mean())

    def around(self, region: np.ndarray) -> Splatter:
        """A splatter of the moving points and the small still ones seen in and beside a region only: quicker.

        Args:
            region: (H, W) bool, of the photo.
        """
        wide = cv2.dilate(region.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        place = self.camera.project(self.points["still_position"].cpu().numpy()).astype(np.int64)
        inside = ((place >= 0) & (place < (self.camera.width, self.camera.height))).all(1)
        keep = torch.zeros(len(place), dtype=torch.bool)
        keep[torch.from_numpy(np.flatnonzero(inside)[wide[place[inside, 1], place[inside, 0]]])] = True
        keep &= (self.points["still_radius_factor"] <= 2).cpu()
        part = copy.copy(self)
        part.points = {n: a[keep.to(self.device)] if n.startswith("still_") else a for n, a in self.points.items()}
        part.colors = [self.colors[0][keep.to(self.device)], *self.colors[1:]]
        return part

    def _colors(self, alive: list[tuple[float, torch.Tensor]], point: torch.Tensor) -> torch.Tensor:
        """(D, 3) linear colour of points (D,), ascending in the order of `place`."""
        ends = torch.tensor(np.cumsum([len(self.colors[0]), *(len(rows) for _, rows in alive)]), device=self.device)
        border = [0, *torch.searchsorted(point, ends).tolist()]
        light = (lambda color: color) if self.every == 1 else _linear
        parts = [light(self.colors[0][point[: border[1]]])]
        for (phase, rows), begin, first, last in zip(alive, ends.tolist(), border[1:], border[2:]):
            rows = rows[point[first:last] - begin]
            parts.append(_mixed(phase, *(light(end[rows]) for end in self.colors[1:])))
        return torch.cat(parts)

    def _lay_over(self, picture: torch.Tensor, nearest: torch.Tensor, discs: _Discs, color: torch.Tensor) -> None:
        """Put points of colours (D, 3) that cover a share of their pixel over a linear picture (H, W, 3), before what is farther only."""
        radius_factor = self.points["still_radius_factor"][discs.point]
        foot = discs.size / (radius_factor * (SPLAT * self.radius * self.camera.focal))  # for one px of the photo
        share = covered_share(radius_factor).clamp(0, 1)
        total = torch.zeros(len(nearest), 5, device=self.device)
        closest = torch.zeros(len(nearest), device=self.device)
        for pixel, away, rows in self._fragments(discs.of_size(foot)):
            seen = torch.nonzero(discs.depth[rows] < nearest[pixel] * (1 - CONE)).flatten()
            pixel, rows, close = pixel[seen], rows[seen], 1 - away[seen] / foot[rows[seen]] ** 2
            closest.scatter_reduce_(0, pixel, close, "amax")
            values = torch.cat([color[rows], share[rows, None], torch.ones_like(close)[:, None]], 1)
            total.index_add_(0, pixel, values * (close**16)[:, None])
        there = torch.nonzero(total[:, 4] > 0).flatten()
        mean = total[there, :4] / total[there, 4:]
        cover = mean[:, 3:] * ((closest[there, None] - 0.5) / 0.15).clamp(
            0, 1
        )  # whose middles lie in the pixel, or nearly
        flat = picture.view(-1, 3)
        flat[there] += cover * (mean[:, :3] - flat[there])

    def _splat(self, discs: _Discs, color: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Linear picture (H, W, 3), coverage (H, W) and nearest depth (H * W) of discs of colours (D, 3): a pixel's nearest discs blended by weight."""
        pixels, cone = self.height * self.width, CONE * self.every**2
        nearest = torch.full((pixels,), float("inf"), device=self.device)
        for pixel, away, rows in self._fragments(discs):
            nearest.scatter_reduce_(0, pixel, discs.depth[rows] * (1 + cone * away), "amin")
        total = torch.zeros(pixels, 3, device=self.device)
        weights = torch.zeros(pixels, device=self.device)
        for pixel, away, rows in self._fragments(discs):
            front = torch.nonzero(discs.depth[rows] * (1 + cone * away) <= nearest[pixel] * (1 + SOFT)).flatten()
            pixel, away, rows = pixel[front], away[front], rows[front]
            share = (1 - away / discs.size[rows] ** 2).clamp(min=1e-2) ** 4
            weights.index_add_(0, pixel, share)
            total.index_add_(0, pixel, color[rows] * share[:, None])
        picture = total / weights.clamp(min=1e-12)[:, None]
        shape = (self.height, self.width)
        return picture.view(*shape, 3), (weights > 0).view(shape), nearest

    def _small(self, point: torch.Tensor) -> torch.Tensor:
        """(D,) bool: points that cover a share of their pixel only; still ones alone do."""
        radius_factor = self.points["still_radius_factor"]
        return (
            (point < len(radius_factor)) & (radius_factor[point.clamp(max=max(len(radius_factor) - 1, 0))] < 1)
            if len(radius_factor)
            else point < 0
        )

    def _project(self, alive: list[tuple[float, torch.Tensor]], factor: float, pose: np.ndarray) -> _Discs:
        """The discs that a camera sees of the points, in the order of `place`, with that factor on their radii."""
        rotation = torch.tensor(pose[:3, :3], dtype=torch.float32, device=self.device)
        centre = torch.tensor(pose[:3, 3], dtype=torch.float32, device=self.device)
        limit = torch.tensor([self.width, self.height], device=self.device)
        focal, size = self.camera.focal / self.every, (self.camera.width, self.camera.height)
        middle = torch.tensor([(side / 2 - 0.5 - self.first) / self.every + 0.5 for side in size], device=self.device)
        found, begin = [], 0
        for position, radius in self._parts(alive):
            local = (position - centre) @ rotation
            depth = local[:, 2].clamp(min=NEAREST)
            place = local[:, :2] * (focal / depth)[:, None] + middle
            size = factor * radius * focal / depth
            margin = size[:, None]
            seen = (local[:, 2] > NEAREST) & (place > -margin).all(1) & (place < limit + margin).all(1)
            if self.every > 1:  # most lie between the pixels that are rendered; a small one may show a whole pixel wide
                near = (place - place.floor() - 0.5).abs().amax(1) < size
                seen &= near | self._small(torch.arange(begin, begin + len(position), device=self.device))
            point = torch.nonzero(seen).flatten()
            found.append((point + begin, place[point], depth[point], size[point].clamp(max=WIDEST / self.every)))
            begin += len(position)
        return _Discs(*(torch.cat(parts) for parts in zip(*found)))

    def _fragments(self, discs: _Discs):
        """For every offset within reach: pixels that discs cover, squared distance from their centres, and which discs."""
        height, width = self.height, self.width
        for low, high in ((0, 0.5), (0.5, 1), (1, 2), (2, 4), (4, 6), (6, WIDEST)):
            steps = (
                range(1 - high, high + 1) if high >= 1 else (0,)
            )  # of the smallest only the nearest pixel is within reach
            for rows in torch.nonzero((discs.size > low) & (discs.size <= high)).flatten().split(AT_ONCE):
                across, down = (discs.place[rows] - 0.5).T.contiguous()
                area, left, top = (
                    discs.size[rows] ** 2,
                    *(at.floor() if high >= 1 else at.round() for at in (across, down)),
                )
                across, down, left, top = across - left, down - top, left.long(), top.long()
                for below in steps:
                    row, aside = top + below, (down - below) ** 2
                    inside = (row >= 0) & (row < height)
                    for right in steps:
                        away, column = (across - right) ** 2 + aside, left + right
                        kept = torch.nonzero((away < area) & inside & (column >= 0) & (column < width)).flatten()
                        yield row[kept] * width + column[kept], away[kept], rows[kept]


@dataclass(frozen=True, eq=False)
class _Discs:
    """What the camera sees of the points: point (D,) their index, place (D, 2) px, depth (D,), size (D,) radius in px."""

    point: torch.Tensor
    place: torch.Tensor
    depth: torch.Tensor
    size: torch.Tensor

    def chosen(self, rows: torch.Tensor) -> _Discs:
        """These discs only, (D,) bool."""
        return _Discs(self.point[rows], self.place[rows], self.depth[rows], self.size[rows])

    def of_size(self, size: torch.Tensor) -> _Discs:
        """The discs with other radii, px."""
        return _Discs(self.point, self.place, self.depth, size)


def _mixed(
    phase: float, color0: torch.Tensor, color1: torch.Tensor, mean0: torch.Tensor, mean1: torch.Tensor
) -> torch.Tensor:
    """(R, 3) linear colour of moving points: local means mixed plainly, detail so that its variance stays."""
    weight = ((1 - phase) ** 2 + phase**2) ** 0.5
    detail = ((1 - phase) * (color0 - mean0) + phase * (color1 - mean1)) / weight
    return ((1 - phase) * mean0 + phase * mean1 + detail).clamp(min=0)


def _linear(color: torch.Tensor) -> torch.Tensor:
    return torch.where(color <= 0.04045, color / 12.92, ((color.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def _srgb(color: torch.Tensor) -> torch.Tensor:
    color = color.clamp(0, 1)
    return torch.where(color <= 0.0031308, color * 12.92, 1.055 * color.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
