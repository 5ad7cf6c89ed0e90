"""Splatting: draws points with torch as opaque discs in depth order, with colours mixed in linear light.

Input: arrays by name (`job_files.POINTS`), a phase and a camera pose. Output: a picture, and the pixels that points
cover. The picture is close to Blender's render of the same points. Previews and the quality report are based on it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..points.footprint import covered_share
from ..points.gaps import LARGEST_CLOSING
from ..shared.camera import FILTER_SIGMA, Camera
from .point_cloud import CHUNK_POINTS, Alive, PointCloud

NEAR_CLIP = 0.02  # scene units; nearer points are not drawn
BLEND_DEPTH = 0.01  # share of the depth; discs within it of the nearest share the pixel, weighted to their centres
MAX_RADIUS = 8  # px; larger discs are drawn this large, which happens only close to the camera
CONE = 0.04  # share of the depth by which a disc recedes one pixel off its centre: on a slope the nearest centre wins
FILTER_REACH = 2.5 * FILTER_SIGMA  # px beyond its radius, to which a small point is drawn
SPLAT_RADIUS = 1.35  # in radii of the point: discs of neighbours blend instead of forming steps


class Splatter(PointCloud):
    """Renders the points of a job, in a picture of the photo camera's size and focal length.

    Args:
        points: As of `PointCloud`.
        camera: As of `PointCloud`.
        point_size: As of `PointCloud`.
        device: As of `PointCloud`.
        every: Step between rendered pixels, across and down. Each has the colour that it has in the whole picture.
    """

    def __init__(
        self, points: dict[str, np.ndarray], camera: Camera, point_size: float, device: str = "cpu", every: int = 1
    ) -> None:
        super().__init__(points, camera, point_size, device)
        self.every, self.first = every, every // 2
        self.height, self.width = (len(range(self.first, side, every)) for side in (camera.height, camera.width))
        self.still_color = self.points["still_color"]
        if every == 1:  # with every > 1 only the visible points are converted, in `_colors`
            self.still_color = _linear(self.still_color)
        self._bytes = _linear(torch.arange(256, device=device) / 255)
        # Factor by which still points are larger than their pixel only to close gaps, see `points.gaps`. Discs of
        # `SPLAT_RADIUS` close these gaps already; larger ones would reach the middles of neighbouring pixels.
        factor = self.points["still_radius_factor"]
        self._closing = torch.where((factor > 1) & (factor <= LARGEST_CLOSING), factor, torch.ones_like(factor))

    def rendered(self, picture: np.ndarray) -> np.ndarray:
        """The pixels of a picture (H, W, ...) of the photo's size that are rendered."""
        return picture[self.first :: self.every, self.first :: self.every]

    def render(self, phase: float, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Render one frame.

        Args:
            phase: 0..1 of the loop.
            pose: (4, 4) camera-to-world, core axes.

        Returns:
            (H, W, 3) float32 sRGB, and (H, W) bool, pixels that a whole point covers.
        """
        alive = self.alive(phase)
        discs = self._project(alive, SPLAT_RADIUS, pose)
        still = int(torch.searchsorted(discs.point, len(self._closing)))
        discs.size[:still] /= self._closing[discs.point[:still]]
        color = self._colors(alive, discs.point)
        small = self._is_small(discs.point)
        whole, part = torch.nonzero(~small).flatten(), torch.nonzero(small).flatten()
        picture, covered, nearest = self._splat(discs.chosen(whole), color[whole])
        if len(part):
            self._composite_small(picture, nearest, discs.chosen(part), color[part])
        return _srgb(picture).cpu().numpy(), covered.cpu().numpy()

    def uncovered(self, phase: float, pose: np.ndarray) -> float:
        """Share of the picture's pixels whose centre no point covers, at the points' own size."""
        covered = torch.zeros(self.height * self.width, dtype=torch.bool, device=self.device)
        for pixel, _, _ in self._fragments(self._project(self.alive(phase), 1.0, pose)):
            covered[pixel] = True
        return float(1 - covered.float().mean())

    def around(self, region: np.ndarray) -> Splatter:
        """A quicker splatter: of the still points only those seen in and beside a region, without backing points.

        Args:
            region: (H, W) bool, of the photo.
        """
        wide = cv2.dilate(region.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        place = self.camera.project(self.points["still_position"].cpu().numpy()).astype(np.int64)
        inside = ((place >= 0) & (place < (self.camera.width, self.camera.height))).all(1)
        keep = torch.zeros(len(place), dtype=torch.bool)
        keep[torch.from_numpy(np.flatnonzero(inside)[wide[place[inside, 1], place[inside, 0]]])] = True
        keep &= (self.points["still_radius_factor"] <= 2).cpu()  # backing points are larger
        part = copy.copy(self)
        part.points = {n: a[keep.to(self.device)] if n.startswith("still_") else a for n, a in self.points.items()}
        part.still_color, part._closing = (values[keep.to(self.device)] for values in (self.still_color, self._closing))
        return part

    def _colors(self, alive: Alive, point: torch.Tensor) -> torch.Tensor:
        """(D, 3) linear colours of points (D,), indices in the order of `place`, ascending."""
        counts = [len(self.still_color), *(len(shown.rows) for shown in alive)]
        ends = torch.tensor(np.cumsum(counts), device=self.device)
        border = [0, *torch.searchsorted(point, ends).tolist()]
        still = self.still_color[point[: border[1]]]
        parts = [still if self.every == 1 else _linear(still)]
        for shown, begin, first, last in zip(alive, ends.tolist(), border[1:], border[2:]):
            rows = shown.rows[point[first:last] - begin]
            colors = self.points["moving_colors"][shown.cycle % len(self.points["moving_colors"])]
            start, end = (colors[side, rows].long() for side in range(2))
            share = fade_share(shown.phase, start[:, 3], end[:, 3])[:, None]
            parts.append(torch.lerp(self._bytes[start[:, :3]], self._bytes[end[:, :3]], share))
        return torch.cat(parts)

    def _composite_small(
        self, picture: torch.Tensor, nearest: torch.Tensor, discs: _Discs, color: torch.Tensor
    ) -> None:
        """Composite points that cover a share of their pixel over the farther points behind them.

        Args:
            picture: (H, W, 3), linear; changed.
            nearest: (H * W,) depth of the picture.
            discs: D small points.
            color: (D, 3), linear.
        """
        radius = discs.size / SPLAT_RADIUS
        reach = (radius + FILTER_REACH / self.every).clamp(max=MAX_RADIUS / self.every)
        total = torch.zeros(len(nearest), 4, device=self.device)
        for pixel, away, rows in self._fragments(discs.with_size(reach)):
            seen = torch.nonzero(discs.depth[rows] < nearest[pixel] * (1 - CONE)).flatten()
            pixel, away, rows = pixel[seen], away[seen], rows[seen]
            share = covered_share(self.every * radius[rows], self.every * away.sqrt())[:, None]
            total.index_add_(0, pixel, torch.cat([color[rows] * share, share], 1))
        there = torch.nonzero(total[:, 3] > 0).flatten()
        cover = total[there, 3:].clamp(max=1)
        flat = picture.view(-1, 3)
        flat[there] += cover * (total[there, :3] / total[there, 3:] - flat[there])

    def _splat(self, discs: _Discs, color: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw discs of linear colours (D, 3), and blend the nearest ones of each pixel by weight.

        Returns:
            Linear picture (H, W, 3), (H, W) bool of covered pixels, and (H * W,) nearest depth.
        """
        pixels, cone = self.height * self.width, CONE * self.every**2
        nearest = torch.full((pixels,), float("inf"), device=self.device)
        for pixel, away, rows in self._fragments(discs):
            nearest.scatter_reduce_(0, pixel, discs.depth[rows] * (1 + cone * away), "amin")
        total = torch.zeros(pixels, 3, device=self.device)
        weights = torch.zeros(pixels, device=self.device)
        for pixel, away, rows in self._fragments(discs):
            front = torch.nonzero(discs.depth[rows] * (1 + cone * away) <= nearest[pixel] * (1 + BLEND_DEPTH)).flatten()
            pixel, away, rows = pixel[front], away[front], rows[front]
            share = (1 - away / discs.size[rows] ** 2).clamp(min=1e-2) ** 4
            weights.index_add_(0, pixel, share)
            total.index_add_(0, pixel, color[rows] * share[:, None])
        picture = total / weights.clamp(min=1e-12)[:, None]
        shape = (self.height, self.width)
        return picture.view(*shape, 3), (weights > 0).view(shape), nearest

    def _is_small(self, point: torch.Tensor) -> torch.Tensor:
        """(D,) bool: points that cover only a share of their pixel. Moving points never do."""
        radius_factor = self.points["still_radius_factor"]
        return (
            (point < len(radius_factor)) & (radius_factor[point.clamp(max=max(len(radius_factor) - 1, 0))] < 1)
            if len(radius_factor)
            else point < 0
        )

    def _project(self, alive: Alive, factor: float, pose: np.ndarray) -> _Discs:
        """The discs of all points in the frame, in the order of `place`, their radii multiplied by `factor`."""
        rotation = torch.tensor(pose[:3, :3], dtype=torch.float32, device=self.device)
        centre = torch.tensor(pose[:3, 3], dtype=torch.float32, device=self.device)
        limit = torch.tensor([self.width, self.height], device=self.device)
        focal, sides = self.camera.focal / self.every, (self.camera.width, self.camera.height)
        middle = torch.tensor([(side / 2 - 0.5 - self.first) / self.every + 0.5 for side in sides], device=self.device)
        found, begin = [], 0
        for position, radius in self.place_chunks(alive):
            local = (position - centre) @ rotation
            depth = local[:, 2].clamp(min=NEAR_CLIP)
            place = local[:, :2] * (focal / depth)[:, None] + middle
            size = factor * radius * focal / depth
            margin = size[:, None]
            seen = (local[:, 2] > NEAR_CLIP) & (place > -margin).all(1) & (place < limit + margin).all(1)
            if self.every > 1:  # most points fall between rendered pixels; a small point may colour a whole one
                near = (place - place.floor() - 0.5).abs().amax(1) < size
                seen &= near | self._is_small(torch.arange(begin, begin + len(position), device=self.device))
            point = torch.nonzero(seen).flatten()
            found.append((point + begin, place[point], depth[point], size[point].clamp(max=MAX_RADIUS / self.every)))
            begin += len(position)
        return _Discs(*(torch.cat(parts) for parts in zip(*found)))

    def _fragments(self, discs: _Discs) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Pixels that discs cover, batch by batch.

        Yields:
            Flat pixel indices, squared distances from the discs' centres in px, and rows of the discs.
        """
        height, width = self.height, self.width
        for low, high in ((0, 0.5), (0.5, 1), (1, 2), (2, 4), (4, 6), (6, MAX_RADIUS)):
            reach = int(high)  # 0 for the smallest discs: they cover the pixel nearest to their centre at most
            steps = range(1 - reach, reach + 1) if reach else range(1)
            for rows in torch.nonzero((discs.size > low) & (discs.size <= high)).flatten().split(CHUNK_POINTS):
                across, down = (discs.place[rows] - 0.5).T.contiguous()
                area = discs.size[rows] ** 2
                left, top = (at.floor() if reach else at.round() for at in (across, down))
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
    """Points as a camera sees them.

    Attributes:
        point: (D,) index of the point, in the order of `PointCloud.place`.
        place: (D, 2) centre, px.
        depth: (D,) scene units.
        size: (D,) radius, px.
    """

    point: torch.Tensor
    place: torch.Tensor
    depth: torch.Tensor
    size: torch.Tensor

    def chosen(self, rows: torch.Tensor) -> _Discs:
        """The discs of these rows, (N,) int64."""
        return _Discs(self.point[rows], self.place[rows], self.depth[rows], self.size[rows])

    def with_size(self, size: torch.Tensor) -> _Discs:
        """The same discs with other radii, px."""
        return _Discs(self.point, self.place, self.depth, size)


def fade_share(phase: float, begin: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """(R,) float32, 0..1: how far points have changed to their second colour.

    Args:
        phase: 0..1 of their cycle.
        begin: (R,) int64, phase at which the change begins, in 1/255.
        end: (R,) int64, phase at which it ends.
    """
    return ((255 * phase - begin) / (end - begin).clamp(min=1)).clamp(0, 1)


def _linear(color: torch.Tensor) -> torch.Tensor:
    return torch.where(color <= 0.04045, color / 12.92, ((color.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def _srgb(color: torch.Tensor) -> torch.Tensor:
    color = color.clamp(0, 1)
    return torch.where(color <= 0.0031308, color * 12.92, 1.055 * color.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
