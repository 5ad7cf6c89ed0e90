"""Buildings and other structures. Slot 0 is the wall or wood, slot 1 the roof or frame, slot 2 windows and doors."""

from __future__ import annotations

import itertools

import numpy as np

from .shape import Builder, Shape


def house(rng: np.random.Generator) -> Shape:
    """A house about 1 high, with a gable roof, windows and a door."""
    builder = Builder(rng)
    width, depth, height = rng.uniform(0.8, 1.6), rng.uniform(0.8, 2), rng.uniform(0.6, 1)
    builder.box((0, 0, height / 2), (width, depth, height))
    _gable(builder, (width, depth, height), rng.uniform(0.15, 0.6))
    for y in np.linspace(-depth / 2 + 0.2, depth / 2 - 0.2, 3):
        for side in (-1, 1):
            builder.box((side * width / 2, y, height * 0.55), (0.03, 0.13, 0.2), 2)
    for x in (-0.2, 0.2):
        builder.box((x * width, -depth / 2, height * 0.55), (0.13, 0.03, 0.2), 2)
    builder.box((0, -depth / 2, 0.17), (0.16, 0.04, 0.34), 2)
    if rng.random() < 0.5:
        builder.box((width / 4, 0, height + 0.25), (0.12, 0.12, 0.45))
    return builder.shape()


def _gable(builder: Builder, size: tuple[float, float, float], rise: float) -> None:
    width, depth, height = size
    x, y = width / 2 + 0.06, depth / 2 + 0.06
    roof = [
        (-x, -y, height),
        (x, -y, height),
        (x, y, height),
        (-x, y, height),
        (0, -y, height + rise),
        (0, y, height + rise),
    ]
    builder.add(roof, [(0, 1, 4), (2, 3, 5), (1, 2, 5, 4), (3, 0, 4, 5)], 1)


def block(rng: np.random.Generator) -> Shape:
    """A block of flats or offices, 1 high and 0.2 to 0.5 wide."""
    builder = Builder(rng)
    width, depth = rng.uniform(0.2, 0.5, 2)
    floors, rows = int(rng.integers(5, 22)), int(rng.integers(3, 8))
    builder.box((0, 0, 0.5), (width, depth, 1))
    banded = rng.random() < 0.3
    for z in (np.arange(floors) + 0.5) / floors:
        if banded:
            builder.box((0, 0, z), (width * 1.01, depth * 1.01, 0.45 / floors), 2)
            continue
        for place in (np.arange(rows) + 0.5) / rows - 0.5:
            builder.box((place * width, 0, z), (width * 0.55 / rows, depth * 1.01, 0.55 / floors), 2)
            builder.box((0, place * depth, z), (width * 1.01, depth * 0.55 / rows, 0.55 / floors), 2)
    if rng.random() < 0.6:
        builder.box((0, 0, 1.03), (width / 2, depth / 2, 0.08), 1)
    if rng.random() < 0.3:
        builder.rod((0, 0, 1), (0, 0, 1.25), 0.01, 0.002, slot=1)
    return builder.shape()


def facade(rng: np.random.Generator) -> Shape:
    """A terraced house with sills and cornices: 1 wide in y, 1 to 2.5 high, its front at x = 0 facing -x."""
    builder = Builder(rng)
    height = rng.uniform(1, 2.5)
    builder.box((0.5, 0, height / 2), (1, 1, height))
    floors, windows = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    for floor in range(floors):
        z = (floor + 0.5) * height / floors
        for y in (np.arange(windows) + 0.5) / windows - 0.5:
            builder.box((0, y, z), (0.03, 0.5 / windows, 0.55 * height / floors), 2)
            if rng.random() < 0.3:
                builder.box((-0.03, y, z - 0.32 * height / floors), (0.1, 0.6 / windows, 0.04), 1)
        if rng.random() < 0.5:
            builder.box((-0.02, 0, (floor + 1) * height / floors), (0.06, 1, 0.03), 1)
    if rng.random() < 0.6:
        builder.add(
            [
                (-0.05, -0.52, height),
                (-0.05, 0.52, height),
                (1, 0.52, height),
                (1, -0.52, height),
                (0.5, -0.52, height + 0.4),
                (0.5, 0.52, height + 0.4),
            ],
            [(0, 1, 5, 4), (2, 3, 4, 5), (0, 4, 3), (1, 2, 5)],
            1,
        )
    return builder.shape()


def temple(rng: np.random.Generator) -> Shape:
    """A tower of stacked, overhanging roofs, 1 high."""
    builder = Builder(rng)
    tiers, width = int(rng.integers(2, 8)), rng.uniform(0.25, 0.5)
    for tier in range(tiers):
        low, high, side = tier / tiers, (tier + 1) / tiers, width * (1 - 0.6 * tier / tiers)
        builder.box((0, 0, (low + high) / 2), (side, side, high - low))
        eave = 0.85 * side
        rim = [(x * eave, y * eave, high - 0.3 / tiers) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        ridge = [(x * side / 3, y * side / 3, high + 0.15 / tiers) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        builder.add(rim + ridge, [(i, (i + 1) % 4, 4 + (i + 1) % 4, 4 + i) for i in range(4)] + [(4, 5, 6, 7)], 1)
        builder.box((0, -side / 2, low + 0.35 / tiers), (side * 0.3, 0.01, 0.5 / tiers), 2)
    builder.rod((0, 0, 1), (0, 0, 1.2), 0.015, 0.002, slot=1)
    return builder.shape()


def church(rng: np.random.Generator) -> Shape:
    """A church with a nave and a steeple, 1 high."""
    builder = Builder(rng)
    width, height = rng.uniform(0.2, 0.35), rng.uniform(0.3, 0.5)
    builder.box((0, 0.3, height / 2), (width, 0.7, height))
    tower = rng.uniform(0.12, 0.2)
    builder.box((0, -0.1, height * 0.65), (tower, tower, height * 1.3))
    builder.rod((0, -0.1, height * 1.3), (0, -0.1, 1), tower * 0.7, 0.003, 4, 1)
    builder.add(
        [
            (-width * 0.55, -0.06, height),
            (width * 0.55, -0.06, height),
            (width * 0.55, 0.66, height),
            (-width * 0.55, 0.66, height),
            (0, -0.06, height * 1.35),
            (0, 0.66, height * 1.35),
        ],
        [(1, 2, 5, 4), (3, 0, 4, 5), (0, 1, 4), (2, 3, 5)],
        1,
    )
    for y in np.linspace(0.1, 0.55, 4):
        builder.box((0, y, height * 0.5), (width * 1.02, 0.05, height * 0.5), 2)
    return builder.shape()


def lighthouse(rng: np.random.Generator) -> Shape:
    """A lighthouse, 1.05 high."""
    builder = Builder(rng)
    for low, high, radius, tip, slot in (
        (0, 0.85, 0.12, 0.08, 0),
        (0.85, 0.88, 0.11, 0.11, 1),
        (0.88, 0.97, 0.05, 0.05, 2),
        (0.97, 1.05, 0.07, 0, 1),
    ):
        builder.rod((0, 0, low), (0, 0, high), radius, tip, 18, slot)
    return builder.shape()


def wall(rng: np.random.Generator) -> Shape:
    """A free-standing wall, 8 long in x and 1 high, with or without battlements."""
    builder = Builder(rng)
    builder.box((0, 0, 0.5), (8, 0.45, 1))
    if rng.random() < 0.5:
        for x in np.arange(-3.6, 4, 1):
            builder.box((x, 0, 1.06), (0.5, 0.5, 0.14))
    return builder.shape()


def fence(rng: np.random.Generator) -> Shape:
    """A fence, 10 long in x and 1 high, with rails or wires."""
    builder = Builder(rng)
    gap, wire = rng.uniform(0.15, 2), rng.random() < 0.4
    for x in np.arange(-5, 5.01, gap):
        builder.rod((x, 0, 0), (x + rng.normal() * 0.02, 0, rng.uniform(0.95, 1.05)), 0.05 if gap > 0.5 else 0.02)
    for z in (0.3, 0.6, 0.9) if wire else (0.45, 0.85):
        builder.rod((-5, 0, z), (5, 0, z), 0.008 if wire else 0.04, sides=4)
    return builder.shape()


def lattice(rng: np.random.Generator) -> Shape:
    """A lattice mast such as a pylon or a crane, 1 high."""
    builder = Builder(rng)
    foot, top, parts = rng.uniform(0.1, 0.25), rng.uniform(0.01, 0.08), int(rng.integers(5, 12))
    radius = rng.uniform(0.004, 0.01)
    corners = [
        [np.array([x * w, y * w, z]) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        for z, w in zip(np.linspace(0, 1, parts + 1), np.linspace(foot, top, parts + 1), strict=True)
    ]
    for low, high in itertools.pairwise(corners):
        for i in range(4):
            after = (i + 1) % 4
            for start, end in ((low[i], high[i]), (low[i], high[after]), (low[after], high[i]), (high[i], high[after])):
                builder.rod(start, end, radius, sides=4)
    if rng.random() < 0.5:
        for z in rng.uniform(0.6, 0.95, 2):
            builder.box((0, 0, z), (0.5, 0.02, 0.02))
    return builder.shape()


def pier(rng: np.random.Generator) -> Shape:
    """A deck on posts along +y from the origin, 1 wide, 14 long, 0.3 to 0.9 high, with or without railings."""
    builder = Builder(rng)
    length, height, gap = 14, rng.uniform(0.3, 0.9), rng.uniform(0.6, 1.6)
    if rng.random() < 0.6:
        for y in np.arange(0, length, 0.16):
            builder.box((0, y, height), (1, 0.14, 0.05))
    else:
        builder.box((0, length / 2, height), (1, length, 0.06))
    rail = rng.random() < 0.6
    for y in np.arange(0, length, gap):
        for x in (-0.45, 0.45):
            builder.rod((x, y, -2), (x, y, height + (0.5 if rail else 0.1)), 0.05)
        if rng.random() < 0.4:
            builder.rod((-0.45, y, -0.2), (0.45, y, height), 0.02)
    for x in (-0.45, 0.45) if rail else ():
        for z in (0.25, 0.5):
            builder.rod((x, 0, height + z), (x, length, height + z), 0.02, sides=4)
    return builder.shape()


def viaduct(rng: np.random.Generator) -> Shape:
    """A bridge along x, 12 long, its deck at height 1, with arches, with a girder on piers, or with cables."""
    builder = Builder(rng)
    gap, kind = rng.uniform(0.8, 2.5), rng.choice(["arches", "girder", "cables"])
    stations = np.arange(-6, 6.01, gap)
    builder.box((0, 0, 1), (12.5, 0.5, rng.uniform(0.05, 0.15)))
    for x in stations:
        builder.box((x, 0, 0), (0.12 * gap, 0.35, 2), 0)
        if kind == "arches":
            _spandrel(builder, x, gap)
        if kind == "cables":
            builder.rod((x, 0.2, 1), (x, 0.2, 1.5), 0.015, sides=4, slot=1)
    if kind == "cables":
        for x in stations[:: max(2, len(stations) // 3)]:
            builder.box((x, 0, 1), (0.1, 0.3, 1.6), 1)
            for reach in np.linspace(-2, 2, 9):
                builder.rod((x, 0.2, 1.8), (x + reach, 0.2, 1), 0.012, sides=4, slot=1)
    for x in np.arange(-6, 6, 0.25) if rng.random() < 0.5 else ():
        builder.rod((x, -0.22, 1), (x, -0.22, 1.12), 0.008, sides=4, slot=1)
    return builder.shape()


def _spandrel(builder: Builder, x: float, gap: float) -> None:
    """Add the wall above one arch as upright strips."""
    half = gap / 2
    for t in np.linspace(-0.95, 0.95, 14):
        low = 0.95 - 0.9 * min(half, 1) * (1 - np.sqrt(1 - t * t))
        builder.box((x + half + t * half, 0, (low + 1) / 2), (gap * 0.07, 0.4, max(0.02, 1 - low)))


def pole(rng: np.random.Generator) -> Shape:
    """A pole with a crossbar or a lamp arm, 1 high."""
    builder = Builder(rng)
    builder.rod((0, 0, 0), (0, 0, 1), 0.02, 0.01)
    if rng.random() < 0.5:
        builder.box((0, 0, 0.92), (0.25, 0.02, 0.02))
    else:
        builder.rod((0, 0, 0.97), (0.15, 0, 1), 0.01, 0.008)
    return builder.shape()


def wires(rng: np.random.Generator) -> Shape:
    """Masts along +y with sagging wires, 1 high and 10 long."""
    builder = Builder(rng)
    gap = rng.uniform(1, 2.5)
    for y in np.arange(0, 10, gap):
        builder.rod((0, y, 0), (0, y, 1), 0.02, 0.015)
        builder.box((0, y, 0.93), (0.3, 0.02, 0.02))
        for x in (-0.13, 0, 0.13):
            middle = (x, y + gap / 2, 0.94 - 0.04 * gap)
            builder.rod((x, y, 0.95), middle, 0.003, sides=3)
            builder.rod(middle, (x, y + gap, 0.95), 0.003, sides=3)
    return builder.shape()
