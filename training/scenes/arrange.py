"""Places objects on the land: the classes of scenes and the objects of each class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy  # noqa: F401  mathutils comes with it
import numpy as np
from mathutils import Euler, Matrix, Vector

from .noise import Noise
from .shapes import Pool, surfaces_of
from .stage import CURTAIN_COLUMNS, CURTAIN_COUNT, CURTAIN_ROWS, Stage
from .terrain import LAND_SHARES, PALETTES, Land, jitter, log_uniform, make_land, paint_land, waves

MAX_OBJECTS = 420  # instances in a scene; further ones are left out


@dataclass
class Scene:
    """The scene that is being arranged on the stage."""

    stage: Stage
    pool: Pool
    rng: np.random.Generator
    land: Land

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def number(self, low: float, high: float) -> int:
        return int(self.rng.uniform(low, high))

    def put(self, kind: str, place: tuple[float, float, float], size: float | tuple, turn: float | None = None) -> None:
        """Place an object at `place` (m), scaled by `size`, turned about the vertical by `turn` or at random."""
        if self.stage.placed >= MAX_OBJECTS:
            return
        turn = float(self.rng.uniform(0, 2 * np.pi)) if turn is None else turn
        scale = np.broadcast_to(np.asarray(size, float), 3)
        matrix = Matrix.LocRotScale(Vector([float(v) for v in place]), Euler((0, 0, turn)), Vector(scale.tolist()))
        surfaces = surfaces_of(kind, self.stage.materials, self.rng)
        self.stage.place(self.pool.pick(kind, self.rng), matrix, surfaces)

    def put_on_ground(
        self,
        kind: str,
        x: float,
        y: float,
        size: float | tuple,
        turn: float | None = None,
        sink: float = 0.02,
        on_water: bool = False,
    ) -> None:
        """Place an object on the ground at `x`, `y` (m), lowered by the share `sink` of its size.

        Objects with `on_water`, and kinds that cross water, stand on the water where it is higher than the ground.
        """
        level = self.land.height_at(x, y)
        if self.land.water is not None and (on_water or kind in ("arch", "pier", "viaduct")):
            level = max(level, self.land.water)
        self.put(kind, (x, y, level - sink * float(np.max(size))), size, turn)

    def spot(self, near: float, far: float, spread: float = 0.75) -> tuple[float, float]:
        """A random place: x and y (m), between two distances, within `spread` radians of straight ahead."""
        distance, bearing = log_uniform(self.rng, near, far), self.rng.uniform(-spread, spread)
        return distance * np.sin(bearing), distance * np.cos(bearing)

    def scatter(
        self,
        kind: str,
        count: int,
        reach: tuple[float, float],
        size: tuple[float, float],
        uneven: float = 0.1,
        on_water: bool = False,
        clumps: Noise | None = None,
    ) -> None:
        """Place objects at random between two distances (m), on dry ground or on the water.

        Args:
            kind: Kind of shape.
            count: Number of attempts; unsuitable places are skipped.
            reach: Least and largest distance, m.
            size: Least and largest size.
            uneven: Spread of the logarithm of the three axes' scales.
            on_water: Use places on the water instead of dry ground.
            clumps: Places where this noise is negative stay empty.
        """
        for _ in range(count):
            x, y = self.spot(*reach)
            scale = log_uniform(self.rng, *size)
            in_water = self.land.water is not None and self.land.height_at(x, y) < self.land.water - 0.2
            bare = clumps is not None and clumps.plain(np.array([x / 60 + 50]), np.array([y / 60]))[0] < 0
            if in_water != on_water or bare or scale > 0.45 * np.hypot(x, y):
                continue
            self.put_on_ground(kind, x, y, scale * np.exp(self.rng.normal(size=3) * uneven), on_water=on_water)


def _open_country(scene: Scene) -> None:
    _strew_rocks(scene)
    _grow_plants(scene)
    _settle(scene)


def _strew_rocks(scene: Scene) -> None:
    if scene.chance(0.35):
        scene.scatter("rock", scene.number(5, 90), (4, 400), (0.15, 4), 0.25)
    if scene.chance(0.15):
        scene.scatter("rock", scene.number(1, 5), (8, 80), (2, 15), 0.3)
    if scene.chance(0.12):
        scene.scatter("rock", scene.number(2, 12), (60, 1500), (10, 120), 0.4)
    if scene.chance(0.12):
        scene.scatter("stack", scene.number(1, 7), (20, 900), (5, 80), 0.4)
    if scene.chance(0.9 if scene.land.kind == "stacks" else 0.3):
        scene.scatter("stack" if scene.chance(0.6) else "rock", scene.number(2, 18), (20, 1500), (4, 100), 0.4, True)


def _grow_plants(scene: Scene) -> None:
    if scene.land.palette in ("sand", "red", "lava", "snow") and scene.chance(0.7):
        return
    kinds = scene.rng.choice(
        ["conifer", "broadleaf", "conifer broadleaf bare", "palm", "bare", ""], p=[0.25, 0.25, 0.15, 0.05, 0.08, 0.22]
    ).split()
    clumps = Noise(scene.number(0, 1e6)) if scene.chance(0.6) else None
    count, near, far = log_uniform(scene.rng, 4, 240), scene.rng.uniform(7, 60), scene.rng.uniform(150, 900)
    for kind in kinds:
        tall = (3, 10) if kind == "bare" else (5, 22)
        scene.scatter(kind, int(count / len(kinds)), (near, far), tall, 0.12, clumps=clumps)
    if scene.chance(0.4):
        scene.scatter("bush", scene.number(3, 70), (4, 200), (0.4, 2.5), 0.2)
    if scene.chance(0.35):
        scene.scatter("grass", scene.number(10, 120), (1.8, 40), (0.25, 1), 0.3)


def _settle(scene: Scene) -> None:
    for share, kind, most, reach, size in (
        (0.15, "house", 14, (15, 500), (4, 9)),
        (0.07, "block", 5, (40, 600), (10, 60)),
        (0.05, "lighthouse", 2, (20, 400), (10, 35)),
        (0.06, "church", 2, (40, 500), (15, 40)),
        (0.08, "wall", 4, (5, 60), (0.8, 4)),
        (0.08, "fence", 5, (4, 40), (0.9, 1.4)),
        (0.07, "pole", 8, (6, 120), (4, 12)),
        (0.14, "person", 6, (3.5, 60), (1.5, 1.9)),
        (0.08, "animal", 6, (5, 80), (0.8, 1.8)),
        (0.06, "arch", 2, (12, 300), (4, 50)),
    ):
        if scene.chance(share):
            scene.scatter(kind, scene.number(1, most + 1), reach, size, 0.05)
    if scene.chance(0.15):
        scene.scatter("boat", scene.number(3, 15), (8, 300), (1.5, 6), 0.05, on_water=True)


def _thin(scene: Scene) -> None:
    """Thin objects with gaps, near enough that the gaps are visible."""
    rng = scene.rng
    if scene.chance(0.4):
        _strew_rocks(scene)
    choice = rng.choice(["pier", "bare", "lattice", "fence", "reeds", "wires", "grove"])
    turn = rng.uniform(-0.8, 0.8)
    if choice == "pier":
        x, y = rng.uniform(-6, 6), rng.uniform(2, 12)
        scene.put_on_ground("pier", x, y, log_uniform(rng, 1.2, 4) * np.array([1, rng.uniform(1, 3), 1]), turn)
    if choice in ("bare", "grove"):
        scene.scatter("bare", 60 if choice == "grove" else 6, (4, 60 if choice == "grove" else 20), (3, 14), 0.1)
    if choice == "lattice":
        scene.scatter("lattice", scene.number(2, 8), (10, 200), (4, 60), 0.1)
    if choice == "fence":
        distance = log_uniform(rng, 2, 15)
        for i in range(-2, 3):
            x, y = 9.8 * i * np.cos(turn), distance + 9.8 * i * np.sin(turn)
            if y > 1.5:
                scene.put_on_ground("fence", x, y, (1, 1, rng.uniform(0.9, 1.6)), turn)
    if choice == "reeds":
        scene.scatter("grass", 160, (1.5, 14), (0.8, 2.2), 0.2)
    if choice == "wires":
        for _ in range(scene.number(1, 4)):
            x, y = scene.spot(5, 40)
            scene.put_on_ground("wires", x, y, log_uniform(rng, 5, 14), turn + rng.normal() * 0.2)
    _grow_plants(scene)


def _gaps(scene: Scene) -> None:
    """Arches, cave mouths, clefts and viaducts with a distant background."""
    rng = scene.rng
    choice = rng.choice(["arch", "mouth", "cleft", "viaduct"], p=[0.4, 0.25, 0.2, 0.15])
    if choice == "arch":
        for _ in range(scene.number(1, 3)):
            distance = log_uniform(rng, 4, 60)
            size = distance * rng.uniform(0.25, 0.7) * np.exp(rng.normal(size=3) * 0.15)
            scene.put_on_ground("arch", rng.uniform(-0.3, 0.3) * distance, distance, size, rng.normal() * 0.4, 0.1)
    if choice == "mouth":
        distance = log_uniform(rng, 1.5, 9)
        size = distance * rng.uniform(0.25, 0.5)
        height = scene.land.eye + rng.uniform(-0.1, 0.15) * distance
        scene.put("mouth", (rng.normal() * 0.1 * distance, distance, height), size, rng.normal() * 0.15)
    if choice == "cleft":
        distance = log_uniform(rng, 4, 25)
        for side in (-1, 1):
            for part in range(3):
                away = distance * (1 + 0.5 * part)
                x = side * away * rng.uniform(0.35, 0.6)
                scene.put_on_ground("stack", x, away, away * rng.uniform(0.5, 1.4) * np.exp(rng.normal(size=3) * 0.2))
    if choice == "viaduct":
        _bridge(scene)
    _open_country(scene)


def _bridge(scene: Scene) -> None:
    rng = scene.rng
    distance = log_uniform(rng, 12, 250)
    size = distance * rng.uniform(0.1, 0.35)
    along = rng.uniform(1.2, 1.9) if scene.chance(0.35) else rng.normal() * 0.4
    side = rng.uniform(0.2, 1) * size * 3 if abs(along) > 1 else 0
    scene.put_on_ground("viaduct", side, distance, size * np.array([1.3, rng.uniform(0.5, 1.5), 1]), along, 0.05)


def _flanks(scene: Scene) -> None:
    """Rocks, walls or trees fill one or both sides of the view and lead into it."""
    rng = scene.rng
    for side in (-1, 1) if scene.chance(0.35) else (rng.choice([-1, 1]),):
        kind = str(
            rng.choice(
                ["rock", "stack", "house", "facade", "block", "broadleaf", "conifer", "bush"],
                p=[0.34, 0.26, 0.06, 0.06, 0.06, 0.1, 0.06, 0.06],
            )
        )
        away, wide = log_uniform(rng, 1.5, 40), rng.uniform(0.15, 0.6)
        for _ in range(scene.number(1, 6)):
            size = away * log_uniform(rng, 0.35, 1.5) * np.exp(rng.normal(size=3) * 0.2)
            aside = side * (wide * away + 0.35 * size[0])
            scene.put_on_ground(kind, aside, away, size, sink=rng.uniform(0.02, 0.3))
            away *= rng.uniform(1.3, 2.2)
            wide *= rng.uniform(0.75, 1.1)
    _open_country(scene)


def _forest(scene: Scene) -> None:
    """The inside of a forest; leaves or a slope often hide all of the sky."""
    rng = scene.rng
    stem = rng.choice(["trunk", "broadleaf", "conifer"], p=[0.65, 0.2, 0.15])
    scene.scatter(stem, scene.number(90, 260), (2.5, 90), (9, 26), 0.12)
    scene.scatter("bush", scene.number(0, 60), (2.5, 40), (0.4, 2.5), 0.2)
    scene.scatter("grass", scene.number(0, 50), (1.8, 20), (0.2, 0.8), 0.3)
    scene.scatter("rock", scene.number(0, 40), (3, 40), (0.2, 2), 0.3)
    if scene.chance(0.75):
        _hang_canopy(scene, scene.number(6, 22))
    if scene.chance(0.7):
        _close_view(scene, scene.rng.uniform(45, 160), leaves=True)


def _hang_canopy(scene: Scene, count: int) -> None:
    for _ in range(count):
        x, y = scene.spot(4, 50)
        place = (x, y, scene.land.eye + scene.rng.uniform(2, 4) + 0.25 * np.hypot(x, y))
        scene.put("canopy", place, scene.rng.uniform(2, 7))


def _close_view(scene: Scene, distance: float, leaves: bool) -> None:
    """Put a steep slope across the whole view."""
    materials, rng = scene.stage.materials, scene.rng
    high = distance * rng.uniform(0.8, 1.6)
    surface = materials.thicket if leaves else materials.rocks[0]
    _raise_curtain(scene, 0, distance, (high, 0.15), (rng.uniform(0.1, 0.5), 0.06), surface)


def _raise_curtain(
    scene: Scene,
    index: int,
    distance: float,
    height: tuple[float, float],
    relief: tuple[float, float],
    surface: object,
    ridged: bool = False,
) -> None:
    """Show a curtain, a steep surface across the view.

    Args:
        scene: The scene.
        index: Which of the stage's curtains.
        distance: Of its foot, m.
        height: Metres, and the share by which its crest varies.
        relief: Lean and bumps, as shares of the distance.
        surface: Its material.
        ridged: Give its crest sharp ridges.
    """
    rng, noise = scene.rng, Noise(scene.number(0, 1e6))
    bearing = np.linspace(-1.3, 1.3, CURTAIN_COLUMNS)[None]
    level = np.linspace(0, 1, CURTAIN_ROWS)[:, None]
    length = rng.uniform(0.1, 1.2)
    crest = (
        noise.ridged(bearing / length, 0 * bearing, 7) - 0.9
        if ridged
        else noise.fractal(bearing / length, 0 * bearing, 7)
    )
    top = height[0] * np.clip(1 + height[1] * crest, 0.05, 3)
    foot = min(scene.land.eye, scene.land.lowest(distance)) - 30  # below the ground, so that no gap is visible under it
    lean, bumps = relief
    away = distance * (1 + lean * level + bumps * noise.fractal(30 * bearing + 0 * level, 9 * level + 11 * bearing, 4))
    z = foot + (scene.land.eye + top - foot) * level
    scene.stage.set_curtain(index, np.stack([away * np.sin(bearing), away * np.cos(bearing), z], -1), surface)


def _waterfall(scene: Scene) -> None:
    rng = scene.rng
    _strew_rocks(scene)
    scene.scatter("rock", scene.number(10, 60), (3, 30), (0.3, 3), 0.3)
    face = next(
        (y for y in np.arange(6, 80, 0.5) if scene.land.height_at(0, y + 4) - scene.land.height_at(0, y) > 4), 30
    )
    for _ in range(scene.number(1, 4)):
        x = rng.normal() * face * 0.2
        high = max(4.0, scene.land.height_at(x, face + 8) - scene.land.height_at(x, face - 2)) * rng.uniform(0.6, 1.05)
        scene.put_on_ground(
            "fall", x, face - rng.uniform(0, 3), (high * rng.uniform(0.15, 0.8), high * 0.7, high), rng.normal() * 0.2
        )
    scene.scatter("broadleaf" if scene.chance(0.6) else "conifer", scene.number(0, 60), (7, 90), (4, 14), 0.15)
    scene.scatter("bush", scene.number(0, 60), (4, 60), (0.5, 2.5), 0.2)
    if scene.chance(0.5):
        _close_view(scene, rng.uniform(70, 150), leaves=True)
    if scene.chance(0.25):
        _hang_canopy(scene, 6)


def _surf(scene: Scene) -> None:
    scene.scatter("rock", scene.number(0, 30), (4, 60), (0.3, 4), 0.3)
    scene.scatter("rock", scene.number(0, 30), (8, 200), (0.5, 8), 0.3, on_water=True)
    if scene.chance(0.4):
        scene.scatter("stack", scene.number(1, 6), (30, 500), (6, 60), 0.3, on_water=True)
    _settle(scene)


def _street(scene: Scene) -> None:
    """Two rows of houses along a street that leads away from the camera, or along a square."""
    rng = scene.rng
    wide, turn, middle = rng.uniform(6, 22), rng.normal() * 0.25, rng.normal() * 2
    along = np.array([np.sin(turn), np.cos(turn)])
    across = np.array([along[1], -along[0]])
    floor = rng.uniform(5, 12)
    for side in (-1, 1):
        y = rng.uniform(-2, 6)
        while y < 160 and not (side == 1 and scene.chance(0.02)):
            size = floor * rng.uniform(0.7, 1.4)
            x, away = along * (y + size / 2) + across * (side * wide / 2 + middle)
            if away > 1:
                scene.put_on_ground(
                    "facade", x, away, (size, size, size * rng.uniform(0.9, 1.6)), -turn + (0 if side > 0 else np.pi)
                )
            y += size * (1 if scene.chance(0.85) else 1.6)
    for kind, count, size in (
        ("person", 14, (1.5, 1.9)),
        ("pole", 12, (4, 9)),
        ("car", 6, (1, 1.1)),
        ("broadleaf", 5, (4, 9)),
    ):
        for _ in range(scene.number(0, count)):
            away = log_uniform(rng, 4, 90)
            x, y = along * away + across * (rng.uniform(-0.42, 0.42) * wide + middle)
            scene.put_on_ground(kind, x, y, log_uniform(rng, *size), (turn + np.pi / 2) if kind == "car" else None)
    if scene.chance(0.3):
        scene.scatter("block", scene.number(2, 12), (80, 500), (30, 120), 0.2)


def _building(scene: Scene) -> None:
    """One or two buildings fill much of the view."""
    rng = scene.rng
    for _ in range(1 if scene.chance(0.7) else 2):
        kind = rng.choice(["block", "church", "temple", "house", "lighthouse", "lattice", "facade"])
        distance = log_uniform(rng, 8, 90)
        x = rng.normal() * 0.2 * distance
        scene.put_on_ground(kind, x, distance, distance * rng.uniform(0.35, 1.1) * (0.6 if kind == "house" else 1.0))
    _grow_plants(scene)
    _settle(scene)


def _city(scene: Scene) -> None:
    rng = scene.rng
    gap, turn, tall = rng.uniform(15, 60), rng.uniform(-0.5, 0.5), log_uniform(rng, 8, 140)
    start = rng.uniform(20, 200)
    for _ in range(scene.number(60, 240)):
        i, j = rng.integers(-9, 10), rng.integers(0, 24)
        x, y = i * gap * 1.3, start + j * gap * 1.1
        x, y = x * np.cos(turn) - y * np.sin(turn) * 0.5, y + x * np.sin(turn) * 0.3
        if y > 12 and (scene.land.water is None or scene.land.height_at(x, y) > scene.land.water):
            wide = gap * rng.uniform(1.4, 2.4)
            scene.put_on_ground("block", x, y, (wide, wide, tall * np.exp(rng.normal() * 0.5)), turn)
    _settle(scene)


def _figures(scene: Scene) -> None:
    """People, animals or boats near the camera."""
    kind = scene.rng.choice(["person", "animal", "boat"])
    on_water = kind == "boat" and scene.land.water is not None
    size = {"person": (1.4, 1.9), "animal": (0.7, 1.9), "boat": (1.2, 3)}[kind]
    scene.scatter(kind, scene.number(3, 16), (2.5, 14), size, 0.04, on_water=on_water)
    scene.scatter(kind, scene.number(0, 12), (10, 80), size, 0.04, on_water=on_water)
    _open_country(scene)


def _indoors(scene: Scene) -> None:
    """The inside of a room, a hall or a tunnel, lit by lamps and through openings."""
    rng = scene.rng
    kind = str(rng.choice(["room", "hall", "tunnel"], p=[0.45, 0.3, 0.25]))
    floor = scene.land.height_at(0, 0) + 0.3
    turn = rng.normal() * 0.35
    scene.put(kind, (rng.normal() * 0.4, 0, floor), 1.0, turn)
    reach, wide = {"room": (12, 2.5), "hall": (60, 12), "tunnel": (20, 0.8)}[kind]
    count = {"room": 18, "hall": 60, "tunnel": 3}[kind]
    for _ in range(scene.number(0, count)):
        away, aside = log_uniform(rng, 2, reach), rng.uniform(-wide, wide)
        size = log_uniform(rng, 0.8, 4 if kind == "hall" else 1.3)
        kind_of_object = str(rng.choice(["furniture", "person", "lattice", "fence"], p=[0.8, 0.1, 0.06, 0.04]))
        size = size * {"person": 1.6, "lattice": 2}.get(kind_of_object, 1)
        x, y = away * np.sin(-turn) + aside * np.cos(turn), away * np.cos(turn) + aside * np.sin(turn)
        scene.put(kind_of_object, (x, y, floor), min(size, 1.9) if kind_of_object == "person" else size)
    high = {"room": 2.1, "hall": 4.5, "tunnel": 1.2}[kind]
    places = [(rng.normal() * wide / 3, away, floor + high) for away in (0.5, reach / 4, reach / 1.5)]
    scene.stage.set_lamps(places, log_uniform(rng, 30, 300) * np.array([1, 3, 9]) * (reach / 15) ** 2)


def _jumble(scene: Scene) -> None:
    """Loose solids anywhere in the view; they teach occlusion independently of an object's kind and place."""
    rng = scene.rng
    nearest = log_uniform(rng, 1.2, 8)
    for _ in range(scene.number(12, 140)):
        away, bearing = log_uniform(rng, nearest, nearest * 40), rng.uniform(-0.7, 0.7)
        place = (away * np.sin(bearing), away * np.cos(bearing), scene.land.eye + rng.uniform(-0.4, 0.5) * away)
        scene.put("piece", place, away * log_uniform(rng, 0.04, 0.6))


@dataclass(frozen=True)
class SceneClass:
    """A class of scenes.

    Attributes:
        share: Of all scenes.
        arrange: Places the objects of the class.
        kinds: Kinds of land, separated by spaces; "" allows all.
        palettes: Palettes of the land, separated by spaces; "" allows all but "street".
        water: Probability of water; None uses the default of the kind of land.
    """

    share: float
    arrange: Callable[[Scene], None]
    kinds: str = ""
    palettes: str = ""
    water: float | None = None


CLASSES = {
    "open": SceneClass(0.27, _open_country),
    "flanks": SceneClass(0.10, _flanks),
    "framed": SceneClass(0.13, _open_country),  # frame_view adds branches, trunks and rocks at the frame
    "thin": SceneClass(0.10, _thin),
    "gaps": SceneClass(0.09, _gaps),
    "forest": SceneClass(0.09, _forest, "hills valley flat", "forest grass tundra dry", 0.15),
    "waterfall": SceneClass(0.05, _waterfall, "wall", "forest grey lava grass", 0.6),
    "surf": SceneClass(0.08, _surf, "surf", "sand pebble grey lava", 1.0),
    "street": SceneClass(0.05, _street, "street", "street grey pebble", 0.0),
    "building": SceneClass(0.05, _building, "flat hills street", ""),
    "city": SceneClass(0.03, _city, "flat hills", "street grey grass", 0.2),
    "figures": SceneClass(0.06, _figures, "flat hills coast surf dunes", ""),
    "indoors": SceneClass(0.08, _indoors, "flat", "street grey pebble", 0.0),
    "jumble": SceneClass(0.06, _jumble),
}


def arrange_scene(stage: Stage, pool: Pool, rng: np.random.Generator, images: list, name: str, night: bool) -> Scene:
    """Clear the stage and arrange a random scene of the named class."""
    stage.clear()
    kind_class = CLASSES[name]
    kinds = kind_class.kinds.split() or list(LAND_SHARES)
    shares = np.array([LAND_SHARES.get(kind, 0.1) for kind in kinds])
    kind = str(rng.choice(kinds, p=shares / shares.sum()))
    palette = str(rng.choice(kind_class.palettes.split() or [name for name in PALETTES if name != "street"]))
    low = rng.random() < (
        0.95 if name in ("forest", "waterfall", "street", "surf", "thin", "figures", "framed", "indoors") else 0.6
    )
    eye = (
        log_uniform(rng, 1.2, {"forest": 4, "street": 4, "indoors": 2}.get(name, 12))
        if low
        else log_uniform(rng, 10, 250)
    )
    usual = {"coast": 0.95, "stacks": 0.95, "dunes": 0.12, "mesa": 0.12}.get(kind, 0.38)
    land = make_land(rng, kind, palette, usual if kind_class.water is None else kind_class.water, eye)
    scene = Scene(stage, pool, rng, land)
    rocks = [
        jitter(rng, color) for color in PALETTES[str(rng.choice(["grey", "lava", "red", "dry", "grey", "pebble"]))]
    ]
    stage.materials.vary(rng, images, rocks, night)
    stage.set_land(land.heights, paint_land(rng, land))
    if land.water is not None:
        _fill_sea(
            scene, rough=rng.uniform(0.3, 1) if name == "surf" or (kind == "coast" and scene.chance(0.4)) else 0.0
        )
    _raise_ridges(scene)
    kind_class.arrange(scene)
    return scene


def _fill_sea(scene: Scene, rough: float) -> None:
    height, foam = waves(scene.rng, scene.land, rough)
    if not rough:
        height, foam = height * 0, foam * scene.rng.uniform(0, 1)
    kinds = [(0.1, 0.2, 0.25), (0.1, 0.25, 0.2), (0.05, 0.08, 0.1), (0.2, 0.35, 0.4), (0.25, 0.22, 0.18)]
    scene.stage.set_sea(scene.land.water + height, jitter(scene.rng, kinds[scene.rng.integers(5)]), foam)


def _raise_ridges(scene: Scene) -> None:
    """Add up to three distant mountain ranges."""
    for index in range(1, CURTAIN_COUNT):
        if scene.chance(0.33):
            distance = log_uniform(scene.rng, 800, 12000)
            surface = scene.stage.materials.rocks[index]
            high = distance * scene.rng.uniform(0.01, 0.16)
            _raise_curtain(scene, index, distance, (high, 1.0), (0.04, 0.02), surface, ridged=scene.chance(0.6))


def is_dull(depth: np.ndarray) -> bool:
    """True if a render is nearly all sky, has hardly any range of depth, or the camera stands inside an object."""
    solid = depth[np.isfinite(depth)]
    if solid.size < 0.1 * depth.size or (solid < 0.5).mean() > 0.2:
        return True
    near, middle = np.quantile(solid, (0.02, 0.5))
    return bool(middle < 1.15 * near)
