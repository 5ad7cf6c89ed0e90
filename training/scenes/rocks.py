"""Rocks, sea stacks, arches, cave mouths and waterfalls. Each has one material slot."""

from __future__ import annotations

import numpy as np

from .noise import Noise
from .shape import Shape, grid_faces, sphere


def _one_slot(vertices: np.ndarray, faces: np.ndarray, smooth: bool = True) -> Shape:
    return Shape(vertices, [tuple(face) for face in faces.tolist()], [0] * len(faces), smooth)


def rock(rng: np.random.Generator) -> Shape:
    """A rock around the origin with a radius of about 1."""
    noise = Noise(int(rng.integers(1 << 30)))
    vertices, faces = sphere(40, 60)
    vertices = vertices * (1 + 0.55 * noise.solid(vertices, 1.1) + 0.12 * noise.solid(vertices, 4.0))[:, None]
    vertices = vertices * (1, rng.uniform(0.7, 1), rng.uniform(0.45, 0.9))
    return _one_slot(vertices, faces, bool(rng.random() < 0.6))


def stack(rng: np.random.Generator) -> Shape:
    """A sea stack or cliff with layers, standing on the ground, 1 high."""
    noise = Noise(int(rng.integers(1 << 30)))
    rows, columns = 40, 64
    height, angle = np.meshgrid(np.linspace(0, 1, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij")
    x, y = np.cos(angle), np.sin(angle)
    layers = 0.08 * np.sign(np.sin(height * rng.uniform(20, 60) + noise.fractal(x, 2 * y, 2)))
    radius = rng.uniform(0.35, 0.6) * (1 - rng.uniform(0.1, 0.7) * height ** rng.uniform(1, 3))
    radius = radius * (1 + 0.35 * noise.fractal(1.2 * x, 1.2 * y + 1.5 * height, 5) + layers)
    top = height + 0.05 * noise.fractal(2 * x, 2 * y + height, 3)
    vertices = np.stack([x * radius, y * radius, top], -1).reshape(-1, 3)
    shape = _one_slot(np.concatenate([vertices, [[0, 0, 1.02]]]), grid_faces(rows, columns, closed=True))
    last = (rows - 1) * columns
    lid = [(last + k, last + (k + 1) % columns, rows * columns) for k in range(columns)]
    return Shape(shape.vertices, shape.faces + lid, [0] * (len(shape.faces) + len(lid)), True)


def arch(rng: np.random.Generator) -> Shape:
    """A natural arch, about 2 wide in x and 1 high, with its feet below the ground."""
    noise = Noise(int(rng.integers(1 << 30)))
    rows, columns = 60, 24
    along, angle = np.meshgrid(
        np.linspace(-0.2, np.pi + 0.2, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij"
    )
    thick = rng.uniform(0.15, 0.5) * (1 + 0.5 * np.cos(2 * along) ** 2)
    reach = 1 + thick * np.cos(angle)
    points = [
        reach * np.cos(along),
        thick * np.sin(angle) * rng.uniform(0.7, 1.6),
        reach * np.sin(along) * rng.uniform(0.8, 1.3),
    ]
    vertices = np.stack(points, -1).reshape(-1, 3)
    vertices = vertices * (1 + 0.15 * noise.solid(vertices, 1.5) + 0.05 * noise.solid(vertices, 6.0))[:, None]
    return _one_slot(vertices, grid_faces(rows, columns, closed=True))


def mouth(rng: np.random.Generator) -> Shape:
    """A cave mouth: a hole of radius 1 in the plane y = 0, surrounded by a wide wall of rock."""
    noise = Noise(int(rng.integers(1 << 30)))
    rows, columns = 24, 90
    out, angle = np.meshgrid(np.linspace(0, 1, rows), np.arange(columns) * 2 * np.pi / columns, indexing="ij")
    jag = 1 + 0.35 * noise.fractal(1.3 * np.cos(angle), 1.3 * np.sin(angle), 5)
    radius = jag * (1 + 5 * out**1.5)
    near = -rng.uniform(0.5, 2.5) * out + 0.25 * noise.fractal(6 * out, 3 * np.cos(angle) + 2 * np.sin(angle), 5)
    wide, high = rng.uniform(0.8, 1.5), rng.uniform(0.7, 1.3)
    vertices = np.stack([wide * radius * np.cos(angle), near, high * radius * np.sin(angle)], -1).reshape(-1, 3)
    return _one_slot(vertices, grid_faces(rows, columns, closed=True))


def fall(rng: np.random.Generator) -> Shape:
    """A sheet of falling water, 1 high, about 1 wide in x, facing -y, widening and bulging towards the bottom."""
    noise = Noise(int(rng.integers(1 << 30)))
    rows, columns = 40, 24
    down, across = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-0.5, 0.5, columns), indexing="ij")
    spread = 0.6 + 0.5 * down + 0.25 * noise.fractal(3 * down, np.sign(across) * 2, 4)
    steps = np.floor(4 * down + noise.plain(3 * across, across * 0 + 3)) * rng.uniform(0, 0.06)
    bulge = -0.08 * down**0.5 - steps - 0.03 * noise.fractal(12 * across, 2 * down, 3)
    vertices = np.stack([across * spread, bulge, 1 - down], -1).reshape(-1, 3)
    return _one_slot(vertices, grid_faces(rows, columns))
