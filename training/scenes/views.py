"""Cameras and light of a scene, and objects close to the camera at the frame of each view."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import bpy  # noqa: F401  mathutils comes with it
import numpy as np
from mathutils import Matrix, Vector

from .arrange import Scene
from .shapes import surfaces_of
from .stage import LONG_SIDE, SHORT_SIDE, Light
from .terrain import jitter, log_uniform

TELEPHOTO_SHARE = 0.12  # of the views


@dataclass(frozen=True)
class View:
    """One camera. `fov` is the horizontal field of view; angles are in radians, the height is in metres."""

    fov: float
    pitch: float
    yaw: float
    height: float
    portrait: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return (SHORT_SIDE, LONG_SIDE) if self.portrait else (LONG_SIDE, SHORT_SIDE)

    def record(self) -> dict:
        return asdict(self)


def set_view(scene: Scene, index: int) -> View:
    """Choose and set the camera. The first view of a scene looks ahead; the others are turned and raised."""
    rng, eye = scene.rng, scene.land.eye
    portrait = bool(rng.random() < 0.2)
    fov = np.radians(rng.uniform(24, 52) if portrait else rng.uniform(32, 78))
    if rng.random() < TELEPHOTO_SHARE:
        fov *= rng.uniform(0.2, 0.7)
    turn = rng.uniform(-0.3, 0.3) if index == 0 else rng.uniform(-0.5, 0.5)
    lifted = 0.0 if index == 0 else rng.uniform(0, 0.6)
    view = View(float(fov), 0.0, float(turn), float(eye + lifted * _rise(scene)), portrait)
    width, height = view.size
    upright = np.tan(fov / 2) * height / width
    low = eye - (scene.land.water or scene.land.height_at(0, 1)) < 60
    horizon = np.clip(rng.normal(0.47 if low else 0.32, 0.2), -0.15, 0.93)  # as a share of the height, from the top
    pitch = float(np.arctan((horizon - 0.5) * 2 * upright))
    view = View(view.fov, pitch, view.yaw, view.height, portrait)
    camera = scene.stage.camera
    camera.data.angle = view.fov
    camera.matrix_world = (
        Matrix.Translation((0, 0, view.height))
        @ Matrix.Rotation(-view.yaw, 4, "Z")
        @ Matrix.Rotation(np.pi / 2 + pitch, 4, "X")
        @ Matrix.Rotation(np.radians(rng.normal() * 1.5), 4, "Y")
    )
    scene.stage.scene.render.resolution_x, scene.stage.scene.render.resolution_y = width, height
    return view


def _rise(scene: Scene) -> float:
    over = scene.land.eye - max(scene.land.height_at(0, 1), scene.land.water if scene.land.water is not None else -1e9)
    return max(over, 1.0)


def frame_view(scene: Scene, view: View, often: float) -> None:
    """Add branches, a tree, bushes, a rock or leaves at the frame with probability `often`, and birds now and then."""
    rng = scene.rng
    if rng.random() < often:
        choice = rng.choice(["branches", "tree", "bushes", "rock", "leaves"], p=[0.4, 0.22, 0.16, 0.12, 0.1])
        {"branches": _branches, "tree": _tree, "bushes": _bushes, "rock": _rock, "leaves": _leaves}[choice](scene, view)
    if rng.random() < 0.06:
        for _ in range(int(rng.integers(1, 12))):
            away = log_uniform(rng, 6, 90)
            _put(scene, view, "bird", (rng.uniform(-0.9, 0.9), rng.uniform(0, 0.95)), away, rng.uniform(0.6, 1.6))


def _to_world(scene: Scene, view: View, across: float, up: float, away: float) -> Vector:
    """The point at `across` and `up` (-1..1 spans the frame) and `away` metres along the view axis."""
    width, height = view.size
    half = np.tan(view.fov / 2) * away
    return scene.stage.camera.matrix_world @ Vector((across * half, up * half * height / width, -away))


def _put(scene: Scene, view: View, kind: str, place: tuple[float, float], away: float, size: float) -> None:
    scene.put(kind, tuple(_to_world(scene, view, *place, away)), size)


def _branches(scene: Scene, view: View) -> None:
    """Add branches that start outside the upper or a side edge and point inwards."""
    rng = scene.rng
    side = rng.choice([-1, 0, 1])
    for _ in range(int(rng.integers(1, 7))):
        away = rng.uniform(1.2, 7)
        if side == 0:
            start = (rng.uniform(-1, 1), rng.uniform(1.02, 1.3))
        else:
            start = (side * rng.uniform(1.02, 1.3), rng.uniform(-0.3, 1))
        inwards = Vector((-start[0] + rng.normal() * 0.5, -0.4 * start[1] + rng.normal() * 0.4, rng.normal() * 0.3))
        inwards.normalize()
        away_up = Vector((0, 1, 0)) if abs(inwards.y) < 0.9 else Vector((1, 0, 0))
        across = away_up.cross(inwards).normalized()
        axes = Matrix((inwards, across, inwards.cross(across))).transposed().to_4x4()
        turned = scene.stage.camera.matrix_world.to_3x3().to_4x4() @ axes
        place = Matrix.Translation(_to_world(scene, view, *start, away))
        mesh = scene.pool.pick("branch", rng)
        scene.stage.place(
            mesh,
            place @ turned @ Matrix.Scale(away * rng.uniform(0.25, 0.8), 4),
            surfaces_of("branch", scene.stage.materials, rng),
        )


def _tree(scene: Scene, view: View) -> None:
    """Add one or two trees close by at the sides, standing on the ground."""
    rng = scene.rng
    for _ in range(int(rng.integers(1, 3))):
        side, away = rng.choice([-1, 1]), rng.uniform(2, 14)
        foot = _to_world(scene, view, side * rng.uniform(0.5, 1.1), 0, away)
        kind = rng.choice(["broadleaf", "bare", "trunk", "palm", "conifer"], p=[0.35, 0.25, 0.2, 0.1, 0.1])
        scene.put_on_ground(str(kind), foot.x, foot.y, max(4, away * rng.uniform(0.6, 2)))


def _bushes(scene: Scene, view: View) -> None:
    rng = scene.rng
    kind = rng.choice(["bush", "grass"])
    for _ in range(int(rng.integers(2, 12))):
        away = rng.uniform(1.2, 6)
        place = (rng.uniform(-1.1, 1.1), -rng.uniform(0.95, 1.5))
        _put(scene, view, str(kind), place, away, away * rng.uniform(0.15, 0.5))


def _rock(scene: Scene, view: View) -> None:
    rng = scene.rng
    away, side = log_uniform(rng, 1.5, 20), rng.choice([-1, 1])
    _put(
        scene,
        view,
        "rock",
        (side * rng.uniform(0.8, 1.2), rng.uniform(-1, 0.3)),
        away,
        away * log_uniform(rng, 0.2, 1.2),
    )


def _leaves(scene: Scene, view: View) -> None:
    """Add a canopy along the upper edge."""
    rng = scene.rng
    for _ in range(int(rng.integers(2, 8))):
        away = rng.uniform(3, 12)
        _put(scene, view, "canopy", (rng.uniform(-1.1, 1.1), rng.uniform(0.8, 1.4)), away, away * rng.uniform(0.2, 0.5))


def choose_light(rng: np.random.Generator, kind: str) -> Light:
    """Random light of one view; `kind` is "day", "backlight" or "night"."""
    elevation = np.radians(log_uniform(rng, 4, 25 if kind == "backlight" else 75))
    warm = max(0.0, 1 - elevation / 0.5) * rng.uniform(0.3, 1)
    overcast = rng.random() < 0.3
    sun = rng.uniform(0, 0.6) if overcast else rng.uniform(1.5, 5)
    horizons = [
        (0.85, 0.87, 0.9),
        (0.9, 0.8, 0.65),
        (0.7, 0.75, 0.8),
        (0.9, 0.7, 0.55),
        (0.6, 0.65, 0.7),
        (0.75, 0.82, 0.92),
    ]
    zeniths = [
        (0.35, 0.5, 0.8),
        (0.5, 0.6, 0.75),
        (0.65, 0.68, 0.7),
        (0.45, 0.45, 0.5),
        (0.3, 0.4, 0.6),
        (0.55, 0.5, 0.6),
    ]
    sky, azimuth = rng.uniform(0.6, 1.4), rng.uniform(0, 2 * np.pi)
    if kind == "backlight":
        sky, azimuth, sun = rng.uniform(0.1, 0.5), np.pi + rng.normal() * 0.5, rng.uniform(0.5, 5)
    if kind == "night":
        sun, sky = rng.uniform(0, 0.1), rng.uniform(0.02, 0.2)
    return Light(
        elevation,
        azimuth,
        sun,
        (1, 1 - 0.45 * warm, 1 - 0.75 * warm),
        np.radians(rng.uniform(0.5, 5)),
        jitter(rng, horizons[rng.integers(6)], 0.06),
        jitter(rng, zeniths[rng.integers(6)], 0.06),
        sky,
    )
