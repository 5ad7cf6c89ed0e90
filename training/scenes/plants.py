"""Trees, bushes, grass and branches. Slot 0 is wood, slot 1 leaves. Trees are 1 high and stand at the origin."""

from __future__ import annotations

import itertools

import numpy as np

from .shape import Builder, Shape


def conifer(rng: np.random.Generator) -> Shape:
    """A conifer of toothed cones."""
    builder = Builder(rng)
    builder.rod((0, 0, 0), (0, 0, 1), 0.02, 0.004)
    tiers, teeth, widest = rng.integers(7, 13), 18, rng.uniform(0.13, 0.24)
    angle = np.arange(teeth) * 2 * np.pi / teeth
    for tier in range(tiers):
        height, radius = 0.12 + 0.86 * tier / tiers, widest * (1 - 0.93 * tier / tiers)
        reach = radius * (0.85 + 0.35 * (np.arange(teeth) % 2) + rng.uniform(-0.2, 0.2, teeth))
        rim = np.stack([reach * np.cos(angle), reach * np.sin(angle), height - 0.25 * reach], 1)
        cone = [(i, (i + 1) % teeth, teeth) for i in range(teeth)]
        builder.add(np.concatenate([rim, [[0, 0, height + 1.3 / tiers]]]), cone, 1)
    return builder.shape()


def broadleaf(rng: np.random.Generator) -> Shape:
    """A deciduous tree with several round crowns."""
    builder = Builder(rng)
    fork = rng.uniform(0.25, 0.45)
    builder.rod((0, 0, 0), (0, 0, fork), 0.03, 0.02)
    crowns = np.stack([rng.uniform(-0.25, 0.25, 7), rng.uniform(-0.25, 0.25, 7), rng.uniform(fork, 0.85, 7)], 1)
    for crown in crowns:
        builder.rod((0, 0, 0.9 * fork), crown, 0.015, 0.006, 5)
    builder.leaves(crowns, rng.uniform(0.12, 0.24, 7), 1300, 0.035, flat=0.8)
    return builder.shape()


def bush(rng: np.random.Generator) -> Shape:
    builder = Builder(rng)
    builder.rod((0, 0, 0), (0, 0, 0.3), 0.02)
    centres = np.stack([rng.uniform(-0.4, 0.4, 5), rng.uniform(-0.4, 0.4, 5), rng.uniform(0.2, 0.5, 5)], 1)
    builder.leaves(centres, rng.uniform(0.25, 0.45, 5), 700, 0.07, flat=0.8)
    return builder.shape()


def palm(rng: np.random.Generator) -> Shape:
    builder = Builder(rng)
    foot, bend = np.zeros(3), rng.uniform(-0.03, 0.03)
    for part in range(8):
        top = foot + (bend * part * 0.4, 0, 0.1)
        builder.rod(foot, top, 0.018, 0.016)
        foot = top
    for angle in rng.uniform(0, 2 * np.pi, 13):
        _frond(builder, foot, angle, rng.uniform(0, 0.25))
    return builder.shape()


def _frond(builder: Builder, root: np.ndarray, angle: float, rise: float) -> None:
    along = np.array([np.cos(angle), np.sin(angle), 0])
    across = np.array([-along[1], along[0], 0])
    vertices = []
    for t in np.linspace(0, 1, 7):
        spine = root + along * t * 0.36 + (0, 0, rise * t - 0.35 * t * t)
        width = 0.05 * np.sin(np.pi * min(0.95, t + 0.1))
        drop = np.array([0, 0, width * 0.5])
        vertices += [spine - across * width - drop, spine, spine + across * width - drop]
    quads = [(3 * i + k, 3 * i + k + 1, 3 * i + k + 4, 3 * i + k + 3) for i in range(6) for k in range(2)]
    builder.add(vertices, quads, 1)


def bare_tree(rng: np.random.Generator) -> Shape:
    """A tree without leaves."""
    builder = Builder(rng)
    _grow(builder, np.zeros(3), np.array([0, 0, 1.0]), (0.3, 0.03), 5)
    return builder.shape()


def branch(rng: np.random.Generator) -> Shape:
    """An overhanging branch along +x, about 1 long, slightly drooping; +z is up."""
    builder = Builder(rng)
    tips = _grow(builder, np.zeros(3), np.array([1, 0, -0.25]), (0.35, 0.018), 4)[:60]
    if rng.random() < 0.85:
        builder.leaves(
            np.array(tips),
            [rng.uniform(0.05, 0.11)] * len(tips),
            int(rng.integers(500, 1600)),
            rng.uniform(0.012, 0.035),
        )
    return builder.shape()


def _grow(builder: Builder, start: np.ndarray, along: np.ndarray, size: tuple[float, float], depth: int) -> list:
    """Add a limb and its twigs, recursively.

    Args:
        builder: Takes the solids.
        start: (3,) lower end of the limb.
        along: (3,) its unit direction.
        size: Its length and radius.
        depth: Levels of twigs on it.

    Returns:
        (3,) ends of the finest twigs.
    """
    length, radius = size
    end = start + along * length
    builder.rod(start, end, radius, radius * 0.65, 5)
    if depth == 0:
        return [end]
    tips = []
    for _ in range(builder.rng.integers(2, 4)):
        turned = along + builder.rng.normal(size=3) * 0.45
        smaller = (length * builder.rng.uniform(0.6, 0.85), radius * 0.62)
        tips += _grow(builder, end, turned / np.linalg.norm(turned), smaller, depth - 1)
    return tips


def trunk(rng: np.random.Generator) -> Shape:
    """A forest tree with a bare stem and leaves near the top."""
    builder = Builder(rng)
    lean = rng.normal(size=2) * 0.04
    knots = [np.array([*(lean * h + rng.normal(size=2) * 0.004), h]) for h in np.linspace(0, 1, 7)]
    radius = rng.uniform(0.012, 0.03)
    for i, (low, high) in enumerate(itertools.pairwise(knots)):
        builder.rod(low, high, radius * (1 - i / 8) * (1.5 if i == 0 else 1), radius * (1 - (i + 1) / 8), 7)
    crowns = []
    for _ in range(6):
        height = rng.uniform(0.5, 0.95)
        crown = np.array([rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), height])
        builder.rod((*(lean * height), height - 0.08), crown, 0.006, 0.002, 4)
        crowns.append(crown)
    builder.leaves(np.array(crowns), rng.uniform(0.07, 0.16, 6), 700, 0.02)
    return builder.shape()


def canopy(rng: np.random.Generator) -> Shape:
    """A flat roof of leaves with radius 1 around the origin."""
    builder = Builder(rng)
    centres = np.stack([*rng.uniform(-0.8, 0.8, (2, 12)), rng.uniform(-0.12, 0.12, 12)], 1)
    builder.rod(centres[0], centres[1], 0.01)
    builder.leaves(centres, rng.uniform(0.25, 0.45, 12), 1800, 0.035, flat=0.4)
    return builder.shape()


def grass(rng: np.random.Generator) -> Shape:
    """A tuft of grass with height 1 and radius 1, entirely in slot 1."""
    builder = Builder(rng)
    for _ in range(130):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform() ** 0.5
        foot = np.array([radius * np.cos(angle), radius * np.sin(angle), 0])
        turn = rng.uniform(0, 2 * np.pi)
        along, height, lean = np.array([np.cos(turn), np.sin(turn), 0]), rng.uniform(0.4, 1), rng.uniform(0, 0.5)
        side = np.array([-along[1], along[0], 0]) * rng.uniform(0.005, 0.03)
        middle, top = foot + along * lean * 0.4 * height + (0, 0, 0.6 * height), foot + along * lean * height
        blade = [foot - side, foot + side, middle + 0.8 * side, middle - 0.8 * side, top + (0, 0, height)]
        builder.add(blade, [(0, 1, 2, 3), (3, 2, 4)], 1)
    return builder.shape()
