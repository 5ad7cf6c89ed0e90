"""Builds meshes from simple solids, without Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shape:
    """A mesh with material slots.

    Attributes:
        vertices: (N, 3).
        faces: Vertex indices of each face.
        slots: Index of the material slot of each face.
        smooth: Shade the mesh smooth.
    """

    vertices: np.ndarray
    faces: list[tuple[int, ...]]
    slots: list[int]
    smooth: bool = False

    @property
    def slot_count(self) -> int:
        return max(self.slots) + 1


class Builder:
    """Collects solids into one `Shape`. The argument `slot` is the material slot of the added faces."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._vertices: list[np.ndarray] = []
        self._faces: list[tuple[int, ...]] = []
        self._slots: list[int] = []
        self._count = 0

    def add(self, vertices: np.ndarray | Sequence, faces: Sequence, slot: int = 0) -> None:
        vertices = np.asarray(vertices, float)
        self._vertices.append(vertices)
        self._faces += [tuple(int(i) + self._count for i in face) for face in faces]
        self._slots += [slot] * len(faces)
        self._count += len(vertices)

    def box(self, centre: Sequence[float], size: Sequence[float], slot: int = 0) -> None:
        corners = np.array([(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)])
        faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
        self.add(np.asarray(centre) + corners * np.asarray(size) / 2, faces, slot)

    def rod(
        self,
        start: Sequence[float],
        end: Sequence[float],
        radius: float,
        tip: float | None = None,
        sides: int = 6,
        slot: int = 0,
    ) -> None:
        """Add a prism from `start` to `end`; `tip` is its radius at the end, by default the same."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        along = (end - start) / (np.linalg.norm(end - start) + 1e-9)
        across = np.cross(along, (0, 0, 1) if abs(along[2]) < 0.9 else (1, 0, 0))
        across /= np.linalg.norm(across)
        angle = np.arange(sides)[:, None] * 2 * np.pi / sides
        ring = np.cos(angle) * across + np.sin(angle) * np.cross(along, across)
        sleeve = [(i, (i + 1) % sides, sides + (i + 1) % sides, sides + i) for i in range(sides)]
        end_radius = radius if tip is None else tip
        self.add(
            np.concatenate([start + ring * radius, end + ring * end_radius]),
            [*sleeve, tuple(range(sides, 2 * sides))],
            slot,
        )

    def leaves(
        self, centres: np.ndarray, radii: Sequence[float], count: int, size: float, slot: int = 1, flat: float = 1.0
    ) -> None:
        """Add about `count` four-cornered leaves in balls around the centres; `flat` scales the height of the balls."""
        each = max(1, count // len(centres))
        for centre, radius in zip(np.asarray(centres), radii, strict=True):
            away = _unit(self.rng.normal(size=(each, 3)))
            reach = radius * self.rng.uniform(0.5, 1, (each, 1)) ** 0.5
            place = centre + away * reach * (1, 1, flat)
            length = _unit(self.rng.normal(size=(each, 3)))
            width = _unit(np.cross(length, self.rng.normal(size=(each, 3))))
            scale = size * self.rng.uniform(0.5, 1.3, (each, 1))
            corners = [
                place - length * scale,
                place + width * scale * 0.6,
                place + length * scale,
                place - width * scale * 0.6,
            ]
            quads = np.arange(4 * each).reshape(-1, 4)
            self.add(np.stack(corners, 1).reshape(-1, 3), quads, slot)

    def shape(self, smooth: bool = False) -> Shape:
        return Shape(np.concatenate(self._vertices), self._faces, self._slots, smooth)


def grid_faces(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """(F, 4) faces of a grid of vertices in row order; `closed` joins the last column to the first."""
    row, column = np.mgrid[: rows - 1, : columns if closed else columns - 1]
    beside = (column + 1) % columns
    corners = [
        row * columns + column,
        row * columns + beside,
        (row + 1) * columns + beside,
        (row + 1) * columns + column,
    ]
    return np.stack(corners, -1).reshape(-1, 4)


def sphere(rows: int = 24, columns: int = 36) -> tuple[np.ndarray, np.ndarray]:
    """Unit sphere: (N, 3) vertices and (F, 4) faces."""
    polar, angle = np.meshgrid(
        np.linspace(0.01, np.pi - 0.01, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij"
    )
    points = np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)], -1)
    return points.reshape(-1, 3), grid_faces(rows, columns, closed=True)[:, ::-1]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
