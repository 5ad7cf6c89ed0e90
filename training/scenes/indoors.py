"""Interiors, furniture and loose solids. Slot 0 is the wall, slot 1 beams and frames, slot 2 glass."""

from __future__ import annotations

import itertools

import numpy as np

from .shape import Builder, Shape, sphere

WALL_THICKNESS = 0.15  # m


def room(rng: np.random.Generator) -> Shape:
    """A room in metres, with open windows and doors: its floor is at z = 0, the wall behind the camera at y = -1.5."""
    builder = Builder(rng)
    width, length, height = rng.uniform(3, 14), np.exp(rng.uniform(np.log(4), np.log(30))), rng.uniform(2.3, 5)
    middle = length / 2 - 1.5
    builder.box((0, middle, -WALL_THICKNESS / 2), (width, length, WALL_THICKNESS), 0)
    builder.box((0, middle, height + WALL_THICKNESS / 2), (width, length, WALL_THICKNESS), 1)
    builder.box((0, -1.5, height / 2), (width, WALL_THICKNESS, height))
    for side in (-1, 1):
        _pierced_wall(builder, (side * width / 2, -1.5), (0, 1), length, height)
    _pierced_wall(builder, (-width / 2, length - 1.5), (1, 0), width, height)
    for y in np.arange(0.5, length - 1.5, rng.uniform(1, 4)) if rng.random() < 0.4 else ():
        builder.box((0, y, height - 0.12), (width, 0.18, 0.24), 1)
    return builder.shape()


def _pierced_wall(builder: Builder, start: tuple, along: tuple, length: float, height: float) -> None:
    """Add a wall with framed openings at even distances, or without openings."""
    rng = builder.rng
    along = np.array((*along, 0.0))
    thick = np.abs(along[[1, 0, 2]]) * WALL_THICKNESS

    def part(low: float, high: float, bottom: float, top: float, slot: int = 0, extra: float = 1.0) -> None:
        if high > low and top > bottom:
            centre = np.array((*start, 0.0)) + along * (low + high) / 2 + (0, 0, (bottom + top) / 2)
            builder.box(centre, np.abs(along) * (high - low) + thick * extra + (0, 0, top - bottom), slot)

    if rng.random() < 0.4:
        part(0, length, 0, height)
        return
    gap, share = rng.uniform(1.2, 5), rng.uniform(0.25, 0.7)
    door = rng.random() < 0.3
    sill, head = 0.0 if door else rng.uniform(0.3, 1.1), min(height - 0.1, rng.uniform(1.9, 4))
    count = max(1, int(length / gap))
    each = length / count
    part(0, length, 0, sill)
    part(0, length, head, height)
    for index in range(count):
        low, high = (index + 0.5 - share / 2) * each, (index + 0.5 + share / 2) * each
        part(index * each, low, sill, head)
        part(high, (index + 1) * each, sill, head)
        for edge in (low, high, (low + high) / 2)[: 3 if rng.random() < 0.5 else 2]:
            part(edge - 0.03, edge + 0.03, sill, head, 1, 1.3)


def hall(rng: np.random.Generator) -> Shape:
    """A large hall with columns, trusses under the roof and open strips in the roof; in metres, placed like `room`."""
    builder = Builder(rng)
    width, length, height = rng.uniform(12, 45), rng.uniform(25, 110), rng.uniform(5, 16)
    middle = length / 2 - 3
    builder.box((0, middle, -WALL_THICKNESS / 2), (width, length, WALL_THICKNESS), 0)
    for y in (-3, length - 3):
        builder.box((0, y, height / 2), (width, WALL_THICKNESS, height))
    for side in (-1, 1):
        builder.box((side * width / 2, middle, height / 2), (WALL_THICKNESS, length, height))
    gap = rng.uniform(4, 9)
    for y in np.arange(2, length - 3, gap):
        builder.box((0, y, height + 0.1), (width, gap * rng.uniform(0.4, 0.95), 0.2), 1)
        _truss(builder, y, width, height)
        for x in (-width * 0.32, width * 0.32) if rng.random() < 0.7 else ():
            builder.rod((x, y, 0), (x, y, height), rng.uniform(0.12, 0.4), slot=1)
    return builder.shape()


def _truss(builder: Builder, y: float, width: float, height: float) -> None:
    deep, radius = height * 0.12, 0.05
    builder.rod((-width / 2, y, height - deep), (width / 2, y, height - deep), radius, sides=4, slot=1)
    stations = np.linspace(-width / 2, width / 2, 9)
    for index, (low, high) in enumerate(itertools.pairwise(stations)):
        ends = (height - deep, height) if index % 2 else (height, height - deep)
        builder.rod((low, y, ends[0]), (high, y, ends[1]), radius, sides=4, slot=1)


def tunnel(rng: np.random.Generator) -> Shape:
    """A vaulted tunnel with ribs, and pipes along its walls; in metres, placed like `room`."""
    builder = Builder(rng)
    radius, length = rng.uniform(1.3, 5), rng.uniform(12, 70)
    angle = np.linspace(-0.35, np.pi + 0.35, 19)
    flat = rng.uniform(0.7, 1.3)
    profile = np.stack([radius * np.cos(angle), flat * radius * (0.35 + np.sin(angle))], -1)
    bend = rng.normal() * 0.008
    stations = np.linspace(-2, length, 24)
    vertices = np.array([(x + bend * y * y, y, z) for y in stations for x, z in profile])
    faces = [(r * 19 + c, r * 19 + c + 1, (r + 1) * 19 + c + 1, (r + 1) * 19 + c) for r in range(23) for c in range(18)]
    builder.add(vertices, faces)
    builder.box((0, length / 2 - 1, -0.05), (2.4 * radius, length + 2, 0.1), 1)
    for y in np.arange(0.5, length, rng.uniform(0.6, 4)) if rng.random() < 0.7 else ():
        ring = [(0.97 * x + bend * y * y, y, 0.97 * z) for x, z in profile[::2]]
        for start, end in itertools.pairwise(ring):
            builder.rod(start, end, 0.06 * radius, sides=4, slot=1)
    for _ in range(int(rng.integers(0, 6))):
        turn = rng.choice([rng.uniform(-0.1, 0.9), np.pi - rng.uniform(-0.1, 0.9)])
        x, z = 0.93 * radius * np.cos(turn), flat * radius * (0.35 + 0.93 * np.sin(turn))
        for low, high in itertools.pairwise(stations):
            builder.rod(
                (x + bend * low**2, low, z), (x + bend * high**2, high, z), rng.uniform(0.02, 0.04) * radius, slot=2
            )
    return builder.shape()


def furniture(rng: np.random.Generator) -> Shape:
    """A table, chair, shelf, crate or tank on the ground, about 1 m high."""
    builder = Builder(rng)
    kind = rng.choice(["table", "chair", "shelf", "crate", "tank"])
    width, depth, height = rng.uniform(0.5, 2), rng.uniform(0.4, 1), rng.uniform(0.6, 1.1)
    if kind in ("table", "chair"):
        if kind == "chair":
            width = depth = 0.45
            builder.box((0, depth / 2, height), (width, 0.04, height), 1)
        level = height if kind == "table" else height / 2
        builder.box((0, 0, level), (width, depth, 0.05), 0)
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            builder.rod(
                (x * width * 0.45, y * depth * 0.45, 0),
                (x * width * 0.45, y * depth * 0.45, level),
                0.03,
                sides=4,
                slot=1,
            )
    elif kind == "shelf":
        for z in np.linspace(0.05, 2, int(rng.integers(3, 7))):
            builder.box((0, 0, z), (width, 0.35, 0.04), 0)
            for x in rng.uniform(-0.45, 0.45, 4) * width:
                builder.box((x, 0, z + 0.14), (0.12, 0.2, rng.uniform(0.1, 0.28)), 2)
        for x in (-width / 2, width / 2):
            builder.box((x, 0, 1), (0.04, 0.36, 2.1), 1)
    elif kind == "crate":
        builder.box((0, 0, height / 2), (width, depth, height), 0)
        builder.box((0, 0, height), (width * 1.03, depth * 1.03, 0.08), 1)
    else:
        builder.rod((-width, 0, height), (width, 0, height), height * 0.8, sides=18, slot=0)
        for x in (-width * 0.7, width * 0.7):
            builder.box((x, 0, height / 4), (0.1, height, height / 2), 1)
    return builder.shape()


def piece(rng: np.random.Generator) -> Shape:
    """A box, ball, rod, plate or frame in a random orientation, about 1 across."""
    builder = Builder(rng)
    kind = rng.choice(["box", "ball", "rod", "plate", "frame"])
    if kind == "ball":
        vertices, faces = sphere(12, 18)
        builder.add(vertices * rng.uniform(0.2, 0.5, 3), faces)
    elif kind == "rod":
        builder.rod((0, 0, -0.7), (0, 0, 0.7), rng.uniform(0.02, 0.2), rng.uniform(0.02, 0.2), 10)
    elif kind == "frame":
        thick = rng.uniform(0.03, 0.12)
        for place, size in (
            ((0, 0.5), (1, thick)),
            ((0, -0.5), (1, thick)),
            ((0.5, 0), (thick, 1)),
            ((-0.5, 0), (thick, 1)),
        ):
            builder.box((place[0], 0, place[1]), (size[0], thick, size[1]))
    else:
        builder.box(
            (0, 0, 0), rng.uniform(0.2, 1, 3) if kind == "box" else (rng.uniform(0.4, 1), 0.03, rng.uniform(0.4, 1))
        )
    shape = builder.shape(smooth=kind == "ball")
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    if np.linalg.det(turned) < 0:  # a reflection would turn the faces inside out
        turned[0] = -turned[0]
    return Shape(shape.vertices @ turned, shape.faces, shape.slots, shape.smooth)
