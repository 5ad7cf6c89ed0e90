"""People, animals, boats, cars and birds. Slot 0 is clothes or hull, slot 1 a second colour, slot 2 skin or windows."""

from __future__ import annotations

import numpy as np

from .shape import Builder, Shape, sphere


def person(rng: np.random.Generator) -> Shape:
    """A person standing or walking, 1 high, facing +x."""
    builder = Builder(rng)
    stride = rng.uniform(0, 0.12)
    builder.rod((stride, -0.05, 0), (0, -0.04, 0.5), 0.035, 0.05, 8)
    builder.rod((-stride, 0.05, 0), (0, 0.04, 0.5), 0.035, 0.05, 8)
    builder.rod((0, 0, 0.46), (0, 0, 0.82), 0.09, 0.11, 8, 1)
    for side in (-1, 1):
        elbow = (rng.uniform(-0.1, 0.15), side * 0.17, rng.uniform(0.55, 0.7))
        builder.rod((0, side * 0.12, 0.8), elbow, 0.03, 0.028, 6, 1)
        builder.rod(elbow, (elbow[0] + rng.uniform(0, 0.15), side * 0.16, rng.uniform(0.42, 0.75)), 0.027, 0.02, 6, 2)
    vertices, faces = sphere(10, 14)
    builder.add(vertices * (0.06, 0.06, 0.075) + (0, 0, 0.92), faces, 2)
    return builder.shape()


def animal(rng: np.random.Generator) -> Shape:
    """A four-legged animal such as a horse, cow, sheep or dog, about 1 high at the head, facing +x."""
    builder = Builder(rng)
    legs, thick, length = rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.2), rng.uniform(0.35, 0.6)
    vertices, faces = sphere(14, 20)
    builder.add(vertices * (length, thick, thick * 1.2) + (0, 0, legs + thick), faces)
    for x in (-0.7 * length, 0.7 * length):
        for y in (-0.6 * thick, 0.6 * thick):
            builder.rod((x + rng.normal() * 0.03, y, 0), (x, y, legs + thick), 0.025, 0.05)
    head = np.array([length * 1.25, 0, rng.uniform(0.35, 1.0)])
    builder.rod((0.8 * length, 0, legs + 1.4 * thick), head, thick * 0.5, thick * 0.35, 8)
    builder.add(vertices * (0.14, 0.06, 0.07) + head + (0.06, 0, 0), faces, 1)
    builder.rod((-length, 0, legs + thick), (-length - 0.1, 0, legs * 0.8), 0.015)
    return builder.shape()


def boat(rng: np.random.Generator) -> Shape:
    """A rowing boat, cutter or sailing boat, about 2 long in x, with its waterline at z = 0."""
    builder = Builder(rng)
    deck = [(-1, -0.3, 0.3), (0.7, -0.3, 0.3), (1.2, 0, 0.4), (0.7, 0.3, 0.3), (-1, 0.3, 0.3)]
    keel = [(-0.9, -0.2, -0.1), (0.6, -0.2, -0.1), (1, 0, -0.1), (0.6, 0.2, -0.1), (-0.9, 0.2, -0.1)]
    builder.add(deck + keel, [(0, 1, 2, 3, 4), *[(i, 5 + i, 5 + (i + 1) % 5, (i + 1) % 5) for i in range(5)]])
    kind = rng.integers(3)
    if kind == 0:
        builder.box((-0.2, 0, 0.55), (0.8, 0.4, 0.5), 1)
        builder.rod((0.2, 0, 0.3), (0.2, 0, 1.4), 0.015)
    if kind == 1:
        builder.rod((0, 0, 0.3), (0, 0, 2.3), 0.03, 0.02)
        builder.add([(0.03, 0, 0.5), (0.03, 0, 2.2), (-0.9, 0.1, 0.5)], [(0, 1, 2)], 1)
        builder.add([(0.05, 0, 0.5), (0.05, 0, 2.0), (1.1, -0.1, 0.5)], [(0, 1, 2)], 1)
    return builder.shape()


def car(rng: np.random.Generator) -> Shape:
    """A car, about 4 long in x and 1.4 high."""
    builder = Builder(rng)
    builder.box((0, 0, 0.55), (4.1, 1.7, 0.6))
    builder.add(
        [
            (-1.5, -0.75, 0.85),
            (1.0, -0.75, 0.85),
            (1.0, 0.75, 0.85),
            (-1.5, 0.75, 0.85),
            (-1.1, -0.6, 1.4),
            (0.3, -0.6, 1.4),
            (0.3, 0.6, 1.4),
            (-1.1, 0.6, 1.4),
        ],
        [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7)],
        2,
    )
    for x in (-1.3, 1.3):
        for y in (-0.8, 0.8):
            builder.rod((x, y - 0.1, 0.32), (x, y + 0.1, 0.32), 0.32, sides=10, slot=1)
    return builder.shape()


def bird(rng: np.random.Generator) -> Shape:
    """A flying bird with a wingspan of 1 in x."""
    builder = Builder(rng)
    lift = rng.uniform(-0.15, 0.3)
    builder.rod((0, -0.18, 0), (0, 0.2, 0), 0.04, 0.02)
    for side in (-1, 1):
        builder.add(
            [
                (0, -0.08, 0),
                (0, 0.1, 0),
                (side * 0.25, 0.06, lift),
                (side * 0.25, -0.08, lift),
                (side * 0.5, -0.08, lift * 0.7),
            ],
            [(0, 1, 2, 3), (3, 2, 4)],
        )
    return builder.shape()
