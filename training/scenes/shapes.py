"""The pool of shapes of one block of scenes: several meshes of each kind, and the surfaces for them."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np

from . import built, figures, indoors, plants, rocks
from .materials import Materials, Surface
from .shape import Shape
from .stage import Stage

TREE, WALL, ROCK, FIGURE, WOOD, FALL = "tree", "wall", "rock", "figure", "wood", "fall"

# Kind: (function that makes a shape, number of different shapes in the pool, group of materials).
SHAPE_KINDS: dict[str, tuple[Callable[[np.random.Generator], Shape], int, str]] = {
    "rock": (rocks.rock, 6, ROCK),
    "stack": (rocks.stack, 5, ROCK),
    "arch": (rocks.arch, 5, ROCK),
    "mouth": (rocks.mouth, 5, ROCK),
    "fall": (rocks.fall, 5, FALL),
    "conifer": (plants.conifer, 4, TREE),
    "broadleaf": (plants.broadleaf, 5, TREE),
    "bush": (plants.bush, 3, TREE),
    "palm": (plants.palm, 2, TREE),
    "bare": (plants.bare_tree, 5, TREE),
    "branch": (plants.branch, 7, TREE),
    "trunk": (plants.trunk, 5, TREE),
    "canopy": (plants.canopy, 3, TREE),
    "grass": (plants.grass, 4, TREE),
    "house": (built.house, 4, WALL),
    "block": (built.block, 6, WALL),
    "facade": (built.facade, 7, WALL),
    "temple": (built.temple, 3, WALL),
    "church": (built.church, 3, WALL),
    "lighthouse": (built.lighthouse, 1, WALL),
    "wall": (built.wall, 2, WALL),
    "fence": (built.fence, 4, WOOD),
    "lattice": (built.lattice, 4, WOOD),
    "pier": (built.pier, 4, WOOD),
    "viaduct": (built.viaduct, 4, WALL),
    "pole": (built.pole, 2, WOOD),
    "wires": (built.wires, 2, WOOD),
    "person": (figures.person, 6, FIGURE),
    "animal": (figures.animal, 4, FIGURE),
    "boat": (figures.boat, 5, FIGURE),
    "car": (figures.car, 2, FIGURE),
    "bird": (figures.bird, 3, FIGURE),
    "room": (indoors.room, 5, WALL),
    "hall": (indoors.hall, 3, WALL),
    "tunnel": (indoors.tunnel, 4, WALL),
    "furniture": (indoors.furniture, 12, FIGURE),
    "piece": (indoors.piece, 14, FIGURE),
}


class Pool:
    """Meshes of every kind, made once for all scenes of a block."""

    def __init__(self, stage: Stage, rng: np.random.Generator) -> None:
        self._meshes = {
            kind: [stage.add_mesh(make(rng)) for _ in range(count)] for kind, (make, count, _) in SHAPE_KINDS.items()
        }

    def pick(self, kind: str, rng: np.random.Generator) -> bpy.types.Mesh:
        meshes = self._meshes[kind]
        return meshes[rng.integers(len(meshes))]


def surfaces_of(kind: str, materials: Materials, rng: np.random.Generator) -> list[Surface]:
    """Random surfaces for an instance of this kind, one per slot."""

    def pick(choices: list[Surface]) -> Surface:
        return choices[rng.integers(len(choices))]

    group = SHAPE_KINDS[kind][2]
    if group == TREE:
        return [pick(materials.woods), pick(materials.leaves)]
    if group == WALL:
        return [pick(materials.walls), pick(materials.walls), pick(materials.windows)]
    if group == FIGURE:
        return [pick(materials.walls), pick(materials.walls), pick(materials.walls)]
    if group == WOOD:
        return [pick(materials.woods if rng.random() < 0.6 else materials.walls)]
    return [materials.fall] if group == FALL else [pick(materials.rocks)]
