"""Scenes of known depth with views from moved cameras: the ground truth of the geometry benchmark.

Blender builds each scene from a seed, and Cycles renders it. All surfaces emit light, and their shading, haze and
texture depend only on the position. So a point has the same colour from every camera, and the renders have no noise.
Depth is scaled so that the nearest visible point of the photo is at 1. Renders are kept in a folder and reused.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cinema_core.shared.camera import Camera, camera_path
from cinema_core.shared.srgb import to_linear, to_srgb
from training.scenes import plants, rocks
from training.scenes.exr import read_exr
from training.scenes.noise import Noise
from training.scenes.shape import Builder, Shape, grid_faces

VERSION = 1  # of the scenes; kept renders of another version are not used
SKY_DEPTH = 1e4  # m; a greater depth counts as sky
COLOR_SAMPLES = 16  # per pixel; a quarter of them in large pictures, which are only used for layering
LARGE_WIDTH = 1920  # px; wider pictures are large
SUN = np.array((0.5, -0.6, 0.62))  # direction towards the sun
# Camera preset and frame: both ends of the straight paths, and the extreme positions on the circle's path.
ENDS = (
    ("side", 0),
    ("side", 59),
    ("up-down", 0),
    ("up-down", 59),
    ("zoom-in", 59),
    ("circle", 0),
    ("circle", 22),
    ("circle", 45),
)
Color = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class View:
    """A picture: color (H, W, 3) float32 in sRGB; depth (H, W) float32 along z in scene units, infinite in the sky."""

    color: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo, and views from moved cameras by (preset, frame)."""

    name: str
    camera: Camera
    photo: View
    views: dict[tuple[str, int], View]


def load_scene(name: str, width: int, folder: Path, seed: int = 0, views: bool = True) -> Scene:
    """Render a scene, or read it from the folder.

    Args:
        name: One of `SCENES`.
        width: px; pictures are 16:9.
        folder: Folder that keeps the renders.
        seed: Seed of all random choices in the scene.
        views: False renders only the photo.

    Returns:
        The scene.
    """
    camera = Camera(width, width * 9 // 16, float(width))
    studio, scale, seen = None, 0.0, {}
    for view in (None, *(ENDS if views else ())):
        file = folder / f"v{VERSION}_{name}_{seed}_{width}_{'photo' if view is None else f'{view[0]}_{view[1]}'}.npz"
        if not file.is_file():
            studio = studio or Studio(name, seed)
            offset = np.zeros(3) if view is None else camera_path(view[0])[view[1], :3, 3] * scale
            color, depth = studio.render(camera, offset)
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, color=color, depth=depth)
        with np.load(file) as arrays:
            color, depth = arrays["color"].astype(np.float32) / 255, arrays["depth"]
        scale = scale or float(depth.min())
        seen[view] = View(color, depth / scale)
    return Scene(name, camera, seen.pop(None), seen)


class Studio:
    """Blender with one scene; a new `Studio` clears it."""

    def __init__(self, name: str, seed: int) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene, self.rng = bpy.context.scene, np.random.default_rng(seed)
        self.noise = Noise(int(self.rng.integers(1 << 30)))
        render, cycles = self.scene.render, self.scene.cycles
        render.engine, cycles.device, cycles.max_bounces = "CYCLES", "CPU", 0
        cycles.use_adaptive_sampling = cycles.use_denoising = False
        render.use_persistent_data, render.resolution_percentage = True, 100
        image = render.image_settings
        image.file_format, image.color_depth, image.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        self.scene.view_layers[0].use_pass_z = True
        self.base = SCENES[name](self)

    def render(self, camera: Camera, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Render the view of a camera that is moved by (3,) metres in core axes.

        Returns:
            (H, W, 3) uint8 sRGB, and (H, W) float32 depth along z in metres at the pixels' centres.
        """
        lens = bpy.data.cameras.get("Lens") or bpy.data.cameras.new("Lens")
        lens.sensor_width, lens.lens, lens.clip_start, lens.clip_end = (
            36,
            36 * camera.focal / camera.width,
            0.01,
            2 * SKY_DEPTH,
        )
        if self.scene.camera is None:
            self.scene.camera = self._link("Camera", lens)
        self.scene.camera.matrix_world = self.base @ Matrix.Translation(offset * (1, -1, -1))
        self.scene.render.resolution_x, self.scene.render.resolution_y = camera.width, camera.height
        color = self._rendered(
            COLOR_SAMPLES if camera.width <= LARGE_WIDTH else COLOR_SAMPLES // 4, 1.5, *(f"Combined.{c}" for c in "RGB")
        )
        depth = self._rendered(1, 0.01, "Depth.Z")[..., 0]  # a single sample at the pixel's centre
        return _srgb_bytes(color), np.where(depth < SKY_DEPTH, depth, np.inf).astype(np.float32)

    def _rendered(self, samples: int, filter_width: float, *channels: str) -> np.ndarray:
        self.scene.cycles.samples, self.scene.cycles.filter_width = samples, filter_width
        with tempfile.TemporaryDirectory() as folder:
            self.scene.render.filepath = str(Path(folder, "view.exr"))
            bpy.ops.render.render(write_still=True)
            values = read_exr(Path(folder, "view.exr"))
        return np.stack([values[f"ViewLayer.{channel}"] for channel in channels], -1)

    def camera_at(self, height: float, pitch: float) -> Matrix:
        """Pose of a camera above the origin that looks along +y; `pitch` is in degrees upwards."""
        return Matrix.Translation((0, 0, height)) @ Matrix.Rotation(np.radians(90 + pitch), 4, "X")

    def add(
        self, shape: Shape, material: bpy.types.Material | list, place=(0, 0, 0), size=1.0, turn: float = 0.0
    ) -> None:
        """Add a shape at `place` (m), scaled by `size` (one factor or three) and turned by `turn` radians about z."""
        mesh = bpy.data.meshes.new("Shape")
        mesh.from_pydata(shape.vertices.tolist(), [], shape.faces)
        for one in material if isinstance(material, list) else [material]:
            mesh.materials.append(one)
        mesh.polygons.foreach_set("material_index", np.minimum(shape.slots, len(mesh.materials) - 1).astype(np.int32))
        if shape.smooth:
            mesh.shade_smooth()
        scale = Matrix.Diagonal((*np.broadcast_to(size, 3), 1))
        self._link("Thing", mesh).matrix_world = Matrix.Translation(place) @ Matrix.Rotation(turn, 4, "Z") @ scale

    def sheet(
        self, place: Callable[[np.ndarray, np.ndarray], np.ndarray], material: bpy.types.Material, rows=240, columns=240
    ):
        """Add a surface; `place` maps two coordinates in 0..1 to (N, 3) metres."""
        down, across = (
            grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
        )
        faces = [tuple(face) for face in grid_faces(rows, columns).tolist()]
        self.add(Shape(place(across, down), faces, [0] * len(faces), smooth=True), material)

    def _link(self, name: str, data: bpy.types.ID) -> bpy.types.Object:
        item = bpy.data.objects.new(name, data)
        self.scene.collection.objects.link(item)
        return item

    def ground(self, height: Callable[[np.ndarray, np.ndarray], np.ndarray], material, near=0.4, far=600.0, spread=1.4):
        """Add a fan of ground in front of the camera, finer nearby; `height` maps x and y to metres."""

        def place(across: np.ndarray, down: np.ndarray) -> np.ndarray:
            y = near * (far / near) ** down
            x = (2 * across - 1) * spread * (y + 1)
            return np.stack([x, y, height(x, y)], -1)

        self.sheet(place, material, 400, 300)

    def sky(self, horizon: Color, zenith: Color, clouds: float) -> None:
        """Set a sky at infinity: a gradient from horizon to zenith, with clouds of this opacity."""
        world = bpy.data.worlds.new("World")
        world.use_nodes = True
        self.scene.world = world
        nodes = Nodes(world.node_tree)
        direction = nodes.new("TexCoord").outputs["Generated"]
        up = nodes.new("SeparateXYZ", {0: direction}).outputs[2]
        blue = nodes.mix(nodes.span(up, 0.0, 0.45), horizon, zenith)
        flat = nodes.new("VectorMath", {0: direction, 1: (1, 1, 3.5)}, operation="MULTIPLY").outputs[0]
        cloud = nodes.span(nodes.noise(flat, 5.0, 8), 0.5, 0.72)
        cloud = nodes.new("Math", {0: cloud, 1: clouds}, operation="MULTIPLY").outputs[0]
        nodes.tree.links.new(nodes.mix(cloud, blue, (0.93, 0.93, 0.92)), world.node_tree.nodes["Background"].inputs[0])

    def paint(
        self,
        dark: Color,
        light: Color,
        scale: float,
        stretch=(1, 1, 1),
        kind: str = "noise",
        haze: float = 400.0,
        shade: float = 0.55,
    ) -> bpy.types.Material:
        """A material that emits its colour. Its texture depends on the world position, its shading on the normal.

        Args:
            dark, light: sRGB colours at the ends of the texture's range.
            scale: Features per metre.
            stretch: Factors on the position before the texture lookup.
            kind: "noise" (fractal), "strata" (bent layers) or "bricks" (upright walls along x or y).
            haze: Distance in m at which haze makes up two thirds of the colour.
            shade: Darkening of surfaces that face away from the sun, 0..1.
        """
        material = bpy.data.materials.new("Paint")
        material.use_nodes = True
        material.node_tree.nodes.clear()
        nodes = Nodes(material.node_tree)
        geometry = nodes.new("NewGeometry").outputs
        place = nodes.new("VectorMath", {0: geometry["Position"], 1: stretch}, operation="MULTIPLY").outputs[0]
        coarse, fine = nodes.noise(place, scale, 3), nodes.noise(place, 6 * scale, 8)
        amount = nodes.new("Math", {0: coarse, 1: fine}, operation="ADD").outputs[0]
        amount = nodes.span(amount, 0.7, 1.3)
        if kind == "strata":
            waves = nodes.new(
                "TexWave", {"Vector": place, "Scale": scale, "Distortion": 3.0, "Detail": 4.0}, bands_direction="Z"
            )
            amount = nodes.mix_values(0.5, amount, waves.outputs["Fac"])
        if kind == "bricks":
            amount = nodes.mix_values(0.7, amount, nodes.bricks(place, scale))
        color = nodes.mix(amount, dark, light)
        facing = nodes.new(
            "VectorMath", {0: geometry["Normal"], 1: tuple(SUN / np.linalg.norm(SUN))}, operation="DOT_PRODUCT"
        )
        strength = nodes.span(facing.outputs["Value"], -0.3, 1.0, 1 - shade, 1.0)
        lit = nodes.new("VectorMath", {0: color, "Scale": strength}, operation="SCALE").outputs[0]
        away = nodes.new("VectorMath", {0: geometry["Position"]}, operation="LENGTH").outputs["Value"]
        clear = nodes.new("Math", {0: np.exp(-1 / haze), 1: away}, operation="POWER").outputs[0]
        final = nodes.mix(clear, (0.74, 0.78, 0.83), lit)
        glow = nodes.new("Emission", {0: final})
        material.node_tree.links.new(glow.outputs[0], nodes.new("OutputMaterial").inputs[0])
        return material


class Nodes:
    """A node tree under construction. Inputs take sockets or values; colours are sRGB."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def new(self, kind: str, inputs: dict | None = None, **settings: object) -> bpy.types.Node:
        node = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for key, value in (inputs or {}).items():
            self._put(node.inputs[key], value)
        return node

    def _put(self, socket: bpy.types.NodeSocket, value: object) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value

    def noise(self, place: bpy.types.NodeSocket, scale: float, octaves: int) -> bpy.types.NodeSocket:
        return self.new("TexNoise", {"Vector": place, "Scale": scale, "Detail": octaves, "Roughness": 0.6}).outputs[
            "Fac"
        ]

    def span(self, value: bpy.types.NodeSocket, low: float, high: float, start=0.0, end=1.0) -> bpy.types.NodeSocket:
        return self.new("MapRange", {0: value, 1: low, 2: high, 3: start, 4: end}).outputs[0]

    def mix(self, share: bpy.types.NodeSocket, first, second) -> bpy.types.NodeSocket:
        first, second = ((*to_linear(np.asarray(c, float)), 1) if isinstance(c, tuple) else c for c in (first, second))
        return self.new("MixRGB", {0: share, 1: first, 2: second}).outputs[0]

    def mix_values(
        self, share: float, first: bpy.types.NodeSocket, second: bpy.types.NodeSocket
    ) -> bpy.types.NodeSocket:
        one = self.new("Math", {0: first, 1: 1 - share}, operation="MULTIPLY").outputs[0]
        return self.new("Math", {0: second, 1: share, 2: one}, operation="MULTIPLY_ADD").outputs[0]

    def bricks(self, place: bpy.types.NodeSocket, scale: float) -> bpy.types.NodeSocket:
        split = self.new("SeparateXYZ", {0: place}).outputs
        along = self.new("Math", {0: split[0], 1: split[1]}, operation="ADD").outputs[0]
        flat = self.new("CombineXYZ", {0: along, 1: split[2]}).outputs[0]
        shades = {"Color1": (0.85,) * 3 + (1,), "Color2": (0.45,) * 3 + (1,), "Mortar": (0.1,) * 3 + (1,)}
        return self.new("TexBrick", {"Vector": flat, "Scale": scale, **shades}).outputs["Color"]


def shore(studio: Studio) -> Matrix:
    """A beach with the sea, and rocks near and far."""
    rng, noise = studio.rng, studio.noise
    studio.sky((0.87, 0.86, 0.84), (0.42, 0.58, 0.78), 0.8)
    sand, sea = (
        studio.paint((0.5, 0.42, 0.32), (0.8, 0.72, 0.6), 1.2),
        studio.paint((0.12, 0.27, 0.33), (0.55, 0.68, 0.7), 0.5, (0.35, 1, 1)),
    )
    stone = studio.paint((0.16, 0.14, 0.13), (0.55, 0.5, 0.45), 1.5, (1, 1, 2), "strata")
    studio.ground(lambda x, y: 0.35 - 0.05 * y + 0.02 * x + 0.06 * noise.fractal(0.4 * x, 0.4 * y), sand, far=60)
    studio.ground(lambda x, y: 0.02 * noise.fractal(0.8 * x, 1.6 * y, 3), sea, near=2, far=3000)
    for x, y, size in (
        (-1.5, 3.4, 0.55),
        (1.3, 2.9, 0.4),
        (0.5, 6.5, 0.9),
        (-3.2, 9, 1.6),
        (3.6, 8, 1.1),
        (-0.9, 14, 1.2),
        (7, 20, 3.0),
    ):
        studio.add(rocks.rock(rng), stone, (x, y, 0.1 - 0.02 * y), size, rng.uniform(0, 6))
    for x, y, size in ((-16, 45, 14), (12, 70, 18), (30, 110, 30)):
        studio.add(rocks.stack(rng), stone, (x, y, -1), size, rng.uniform(0, 6))
    return studio.camera_at(1.6, -5)


def canyon(studio: Studio) -> Matrix:
    """A river between walls of rock, with trees on the banks."""
    rng, noise = studio.rng, studio.noise
    studio.sky((0.85, 0.85, 0.86), (0.4, 0.56, 0.8), 0.5)
    wall = studio.paint((0.36, 0.2, 0.13), (0.8, 0.58, 0.42), 0.35, (1, 1, 3), "strata", haze=250)
    bank, river = (
        studio.paint((0.2, 0.22, 0.1), (0.5, 0.47, 0.3), 1.5),
        studio.paint((0.1, 0.24, 0.22), (0.5, 0.62, 0.58), 0.8, (1, 0.4, 1)),
    )
    studio.ground(
        lambda x, y: 0.25 * np.abs(x - 2 * np.sin(y / 14)) - 0.55 + 0.25 * noise.fractal(0.3 * x, 0.3 * y),
        bank,
        far=300,
    )
    studio.ground(lambda x, y: 0 * x, river, far=300)
    for side in (-1, 1):

        def cliff(across: np.ndarray, down: np.ndarray, side: int = side) -> np.ndarray:
            y, z = 4 * 80**across, 34 * down - 2
            out = 8 + 0.12 * y + 4 * noise.ridged(0.05 * y + 40 * side, 0.09 * z, 5) + 0.2 * z
            return np.stack([side * out + 3 * np.sin(y / 14), y, z], -1)

        studio.sheet(cliff, wall, 200, 500)
    wood, leaves = (
        studio.paint((0.13, 0.09, 0.06), (0.4, 0.3, 0.22), 6),
        studio.paint((0.08, 0.16, 0.05), (0.45, 0.55, 0.2), 2.5),
    )
    for x, y, size, make in (
        (-2.1, 3.6, 2.4, plants.broadleaf),
        (2.6, 5.0, 3.4, plants.conifer),
        (-3.6, 8, 4.5, plants.conifer),
        (4.4, 9, 4, plants.broadleaf),
        (-2.6, 14, 5, plants.conifer),
        (6, 17, 6, plants.conifer),
        (0.2, 24, 5, plants.broadleaf),
        (7, 34, 7, plants.conifer),
    ):
        studio.add(make(rng), [wood, leaves], (x, y, 0.1), size, rng.uniform(0, 6))
    return studio.camera_at(1.5, 3)


def street(studio: Studio) -> Matrix:
    """Houses on both sides of a street, with boxes and a column on it."""
    rng = studio.rng
    studio.sky((0.8, 0.8, 0.8), (0.5, 0.6, 0.72), 0.9)
    studio.ground(lambda x, y: 0 * x, studio.paint((0.25, 0.25, 0.26), (0.55, 0.54, 0.52), 1.2), far=400)
    shades = (
        ((0.4, 0.2, 0.15), (0.7, 0.5, 0.42)),
        ((0.5, 0.47, 0.4), (0.85, 0.8, 0.7)),
        ((0.28, 0.3, 0.34), (0.6, 0.64, 0.7)),
    )
    walls = [studio.paint(*shade, 1.6, kind="bricks") for shade in shades]
    for side in (-1, 1):
        y = 5.0
        while y < 120:
            depth, height, back = rng.uniform(4, 10), rng.uniform(5, 14), rng.uniform(0, 1.6)
            box = _box((4, depth, height))
            studio.add(box, walls[rng.integers(3)], (side * (5.2 + back + 2), y + depth / 2, height / 2))
            y += depth + rng.uniform(0, 2.5)
    crates = studio.paint((0.3, 0.22, 0.12), (0.72, 0.58, 0.36), 3, (1, 1, 3), "strata")
    for x, y, size in (
        (-1.3, 2.9, (0.5, 0.5, 0.5)),
        (-1.2, 3.0, (0.3, 0.35, 1.2)),
        (1.5, 4.2, (0.8, 0.6, 0.9)),
        (-2.2, 7, (1.6, 3.4, 1.4)),
        (2.4, 11, (1.6, 3.6, 1.5)),
    ):
        studio.add(_box(size), crates, (x, y, size[2] / 2), turn=rng.uniform(-0.4, 0.4))
    builder = Builder(rng)
    builder.rod((0.5, 5.5, 0), (0.5, 5.5, 4.5), 0.09, 0.06, 12)
    studio.add(builder.shape(), walls[2])
    return studio.camera_at(1.6, -2)


def slope(studio: Studio) -> Matrix:
    """Only a hillside, without any depth discontinuity."""
    noise = studio.noise
    grass = studio.paint((0.16, 0.24, 0.08), (0.62, 0.6, 0.32), 1.2)
    studio.ground(lambda x, y: 0.42 * y + 0.05 * noise.fractal(0.35 * x, 0.35 * y, 2), grass, near=0.3, far=120)
    return studio.camera_at(1.3, 0)


def thin(studio: Studio) -> Matrix:
    """A railing, branches and bare trees in front of a lake and hills."""
    rng, noise = studio.rng, studio.noise
    studio.sky((0.9, 0.84, 0.76), (0.5, 0.62, 0.8), 0.7)
    lake, hills = (
        studio.paint((0.2, 0.33, 0.4), (0.62, 0.7, 0.72), 0.4, (0.35, 1, 1)),
        studio.paint((0.16, 0.2, 0.12), (0.45, 0.45, 0.28), 0.03),
    )
    deck = studio.paint((0.35, 0.26, 0.18), (0.66, 0.54, 0.4), 4, (4, 0.5, 1))
    studio.ground(lambda x, y: 0 * x - 0.6, lake, near=2, far=900)
    studio.ground(
        lambda x, y: 40 * np.clip(y / 300 - 0.6, 0, None) * (0.7 + noise.fractal(0.006 * x, 0.004 * y)) - 1,
        hills,
        near=60,
        far=2500,
    )
    studio.add(_box((30, 3, 0.1)), deck, (0, 1.0, -0.05))
    iron, bark = (
        studio.paint((0.1, 0.1, 0.11), (0.35, 0.34, 0.33), 8),
        studio.paint((0.12, 0.09, 0.07), (0.42, 0.34, 0.27), 9),
    )
    rail = Builder(rng)
    for height, radius in ((1.02, 0.028), (0.55, 0.014), (0.2, 0.014)):
        rail.rod((-9, 2.45, height), (9, 2.45, height), radius, sides=10)
    for x in np.arange(-9, 9, 0.36):
        rail.rod((x, 2.45, 0), (x, 2.45, 1.02), 0.01 if round(x / 0.36) % 4 else 0.025, sides=8)
    studio.add(rail.shape(), iron)
    leaves = studio.paint((0.12, 0.2, 0.06), (0.55, 0.58, 0.25), 6)
    studio.add(plants.branch(rng), [bark, leaves], (1.5, 2.1, 2.15), 1.3, np.pi)
    studio.add(plants.branch(rng), [bark, leaves], (-1.9, 3.4, 2.5), 1.5, -0.2)
    for x, y, size in ((-3.2, 8, 4.5), (2.6, 12, 6)):
        studio.add(plants.bare_tree(rng), [bark], (x, y, -0.7), size, rng.uniform(0, 6))
        studio.add(rocks.rock(rng), bark, (x, y, -0.8), 1.4)
    return studio.camera_at(1.5, 0)


def _box(size: tuple[float, float, float]) -> Shape:
    builder = Builder(np.random.default_rng(0))
    builder.box((0, 0, 0), size)
    return builder.shape()


SCENES = {"shore": shore, "canyon": canyon, "street": street, "slope": slope, "thin": thin}


def _srgb_bytes(color: np.ndarray) -> np.ndarray:
    return np.rint(to_srgb(np.clip(color, 0, 1)) * 255).astype(np.uint8)
