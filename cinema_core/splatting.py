"""Splatting: draws points with torch as opaque discs in depth order, colours mixed in linear light.

Input: the arrays of points.npz, a phase and a camera pose. Output: a picture, and which pixels are covered. It is close
to what Blender shows of the same points; previews and the quality report stand on it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from .camera import Camera
from .matting import covered_share

NEAREST = 0.02  # scene units; what is nearer to the camera is not drawn
SOFT = 0.01  # of the depth; discs within it of the nearest one share the pixel, by how close their centres are
WIDEST = 8  # px; larger discs are drawn no larger, which only happens right before the camera
CONE = 0.04  # of the depth; a disc is that much farther one pixel off its centre: on a slope the nearest centre wins
AT_ONCE = 1 << 17  # discs whose pixels are found at once: what is in between stays in the processor's cache
SPLAT = 1.35  # radius in units of the point's own radius: discs of neighbours blend instead of forming steps


class Cloud:
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

    def alive(self, phase: float) -> list[tuple[float, torch.Tensor]]:
        """For each number of cycles, the phase of its points and which of them are shown."""
        found = []
        for cycles in torch.unique(self.points["moving_cycles"]).tolist():
            own = phase * cycles % 1.0
            alive = (self.points["moving_birth"] <= own) & (self.points["moving_death"] > own)
            found.append((own, torch.nonzero(alive & (self.points["moving_cycles"] == cycles)).flatten()))
        return found

    def place(self, alive: list[tuple[float, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Position and radius in scene units of the still points and, after them, of the moving ones alive."""
        keys, steps = len(self.points["moving_displacement"]) - 1, self.points["moving_displacement"]
        positions, spreads = [self.points["still_position"]], [self.points["still_spread"]]
        for own, rows in alive:
            key = min(int(own * keys), keys - 1)
            part = own * keys - key
            positions.append(self.points["moving_position"][rows] + steps[key, rows] * (1 - part) + steps[key + 1, rows] * part)
            spreads.append(self.points["moving_spread"][rows])
        position = torch.cat(positions)
        return position, torch.cat(spreads) * position[:, 2] * self.radius


class Splatter(Cloud):
    """Renders the points of a job, in a picture of the photo camera's size and focal length; arguments as of `Cloud`."""

    def __init__(self, points: dict[str, np.ndarray], camera: Camera, point_size: float, device: str = "cpu") -> None:
        super().__init__(points, camera, point_size, device)
        self.still = _linear(self.points["still_color"])
        self.ends = [_linear(self.points[f"moving_{name}"]) for name in ("color0", "color1", "mean0", "mean1")]

    def render(self, phase: float, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One frame.

        Args:
            phase: 0..1 of the loop.
            pose: (4, 4) camera-to-world, core axes.

        Returns:
            (H, W, 3) float32 sRGB, and (H, W) bool: some point covers the pixel.
        """
        alive = self.alive(phase)
        position, radius = self.place(alive)
        color = torch.cat([self.still, *(self._mixed(own, rows) for own, rows in alive)])
        discs = self._project(position, SPLAT * radius, pose)
        part = torch.nonzero(self.points["still_spread"] < 1).flatten()  # points that cover a share of their pixel only
        small = torch.zeros(len(position), dtype=torch.bool, device=self.device)
        small[part] = True
        small = small[discs.point]
        picture, covered, nearest = self._splat(discs.chosen(~small), color)
        if len(part):
            self._lay_over(picture, nearest, discs.chosen(small), color)
        return _srgb(picture).cpu().numpy(), covered.cpu().numpy()

    def uncovered(self, phase: float, pose: np.ndarray) -> float:
        """Share of the picture's pixels whose centre no point covers, at the points' own size."""
        position, radius = self.place(self.alive(phase))
        covered = torch.zeros(self.camera.height * self.camera.width, dtype=torch.bool, device=self.device)
        for pixel, _, _ in self._fragments(self._project(position, radius, pose)):
            covered[pixel] = True
        return float(1 - covered.float().mean())

    def around(self, region: np.ndarray) -> "Splatter":
        """A splatter of the moving points and the small still ones seen in and beside a region only: quicker.

        Args:
            region: (H, W) bool, of the photo.
        """
        wide = cv2.dilate(region.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        place = self.camera.project(self.points["still_position"].cpu().numpy()).astype(np.int64)
        inside = ((place >= 0) & (place < (self.camera.width, self.camera.height))).all(1)
        keep = torch.zeros(len(place), dtype=torch.bool)
        keep[torch.from_numpy(np.flatnonzero(inside)[wide[place[inside, 1], place[inside, 0]]])] = True
        keep &= (self.points["still_spread"] <= 2).cpu()
        part = copy.copy(self)
        part.points = {n: a[keep.to(self.device)] if n.startswith("still_") else a for n, a in self.points.items()}
        part.still = self.still[keep.to(self.device)]
        return part

    def _mixed(self, phase: float, rows: torch.Tensor) -> torch.Tensor:
        """(R, 3) linear colour of moving points: local means mixed plainly, detail so that its variance stays."""
        color0, color1, mean0, mean1 = (end[rows] for end in self.ends)
        weight = ((1 - phase) ** 2 + phase**2) ** 0.5
        detail = ((1 - phase) * (color0 - mean0) + phase * (color1 - mean1)) / weight
        return ((1 - phase) * mean0 + phase * mean1 + detail).clamp(min=0)

    def _lay_over(self, picture: torch.Tensor, nearest: torch.Tensor, discs: "_Discs", color: torch.Tensor) -> None:
        """Put points that cover a share of their pixel over a linear picture (H, W, 3), before what is farther only."""
        spread = self.points["still_spread"][discs.point]
        foot = discs.size / (spread * (SPLAT * self.radius * self.camera.focal))  # px of the picture for one of the photo
        share = covered_share(spread).clamp(0, 1)
        total = torch.zeros(len(nearest), 5, device=self.device)
        closest = torch.zeros(len(nearest), device=self.device)
        for pixel, away, rows in self._fragments(discs.of_size(foot)):
            seen = torch.nonzero(discs.depth[rows] < nearest[pixel] * (1 - CONE)).flatten()
            pixel, rows, close = pixel[seen], rows[seen], 1 - away[seen] / foot[rows[seen]] ** 2
            closest.scatter_reduce_(0, pixel, close, "amax")
            values = torch.cat([color[discs.point[rows]], share[rows, None], torch.ones_like(close)[:, None]], 1)
            total.index_add_(0, pixel, values * (close**16)[:, None])
        there = torch.nonzero(total[:, 4] > 0).flatten()
        mean = total[there, :4] / total[there, 4:]
        cover = mean[:, 3:] * ((closest[there, None] - 0.5) / 0.15).clamp(0, 1)  # whose middles lie in the pixel, or nearly
        flat = picture.view(-1, 3)
        flat[there] += cover * (mean[:, :3] - flat[there])

    def _splat(self, discs: "_Discs", color: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Linear picture (H, W, 3), coverage (H, W) and nearest depth (H * W): a pixel's nearest discs blended by weight."""
        pixels = self.camera.height * self.camera.width
        nearest = torch.full((pixels,), float("inf"), device=self.device)
        for pixel, away, rows in self._fragments(discs):
            nearest.scatter_reduce_(0, pixel, discs.depth[rows] * (1 + CONE * away), "amin")
        total = torch.zeros(pixels, 3, device=self.device)
        weights = torch.zeros(pixels, device=self.device)
        for pixel, away, rows in self._fragments(discs):
            front = torch.nonzero(discs.depth[rows] * (1 + CONE * away) <= nearest[pixel] * (1 + SOFT)).flatten()
            pixel, away, rows = pixel[front], away[front], rows[front]
            share = (1 - away / discs.size[rows] ** 2).clamp(min=1e-2) ** 4
            weights.index_add_(0, pixel, share)
            total.index_add_(0, pixel, color[discs.point[rows]] * share[:, None])
        picture = total / weights.clamp(min=1e-12)[:, None]
        shape = (self.camera.height, self.camera.width)
        return picture.view(*shape, 3), (weights > 0).view(shape), nearest

    def _project(self, position: torch.Tensor, radius: torch.Tensor, pose: np.ndarray) -> "_Discs":
        """The discs that a camera sees of the points."""
        rotation = torch.tensor(pose[:3, :3], dtype=torch.float32, device=self.device)
        local = (position - torch.tensor(pose[:3, 3], dtype=torch.float32, device=self.device)) @ rotation
        limit = torch.tensor([self.camera.width, self.camera.height], device=self.device)
        depth = local[:, 2].clamp(min=NEAREST)
        place = local[:, :2] * (self.camera.focal / depth)[:, None] + limit / 2
        size = radius * self.camera.focal / depth
        margin = size[:, None]
        seen = (local[:, 2] > NEAREST) & (place > -margin).all(1) & (place < limit + margin).all(1)
        point = torch.nonzero(seen).flatten()
        return _Discs(point, place[point], depth[point], size[point].clamp(max=WIDEST))

    def _fragments(self, discs: "_Discs"):
        """For every offset within reach: pixels that discs cover, squared px from their centres, and which discs."""
        height, width = self.camera.height, self.camera.width
        for low, high in ((0, 1), (1, 2), (2, 4), (4, 6), (6, WIDEST)):
            for rows in torch.nonzero((discs.size > low) & (discs.size <= high)).flatten().split(AT_ONCE):
                across, down = (discs.place[rows] - 0.5).T.contiguous()
                area, left, top = discs.size[rows] ** 2, across.floor(), down.floor()
                across, down, left, top = across - left, down - top, left.long(), top.long()
                for below in range(1 - high, high + 1):
                    row, aside = top + below, (down - below) ** 2
                    inside = (row >= 0) & (row < height)
                    for right in range(1 - high, high + 1):
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

    def chosen(self, rows: torch.Tensor) -> "_Discs":
        """These discs only, (D,) bool."""
        return _Discs(self.point[rows], self.place[rows], self.depth[rows], self.size[rows])

    def of_size(self, size: torch.Tensor) -> "_Discs":
        """The discs with other radii, px."""
        return _Discs(self.point, self.place, self.depth, size)


def _linear(color: torch.Tensor) -> torch.Tensor:
    return torch.where(color <= 0.04045, color / 12.92, ((color.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def _srgb(color: torch.Tensor) -> torch.Tensor:
    color = color.clamp(0, 1)
    return torch.where(color <= 0.0031308, color * 12.92, 1.055 * color.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
