"""Blender materials for the scenes. Nearly all are diffuse, since the render time allows only one bounce of light."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from .terrain import jitter, log_uniform


def linear(color: np.ndarray) -> np.ndarray:
    """Approximate linear values of an sRGB colour."""
    return np.power(np.clip(np.asarray(color, float), 0, 1), 2.2)


@dataclass(frozen=True)
class Surface:
    """A material, and the nodes by role whose values change from scene to scene."""

    material: bpy.types.Material
    nodes: dict[str, bpy.types.Node]

    def set_color(self, color: np.ndarray) -> None:
        self.nodes["color"].outputs[0].default_value = (*linear(color), 1)

    def set_texture(self, image: bpy.types.Image, size: float, share: float) -> None:
        """Multiply the colour by a patch of a photograph, `size` metres wide, with the strength `share`."""
        self.nodes["image"].image = image
        self.nodes["mapping"].inputs["Scale"].default_value = (1 / size,) * 3
        self.nodes["texture_share"].inputs[0].default_value = share

    def set_noise(self, scale: float, amount: float, bump: float) -> None:
        self.nodes["noise"].inputs["Scale"].default_value = scale
        self.nodes["range"].inputs[3].default_value = 1 - amount
        self.nodes["range"].inputs[4].default_value = 1 + amount
        self.nodes["bump"].inputs["Strength"].default_value = bump
        self.nodes["bump"].inputs["Distance"].default_value = 0.2 / max(scale, 0.05)


class _TreeBuilder:
    """A node tree under construction, with short methods for it."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        self.output = self.node("OutputMaterial")

    def node(self, kind: str, **values: object) -> bpy.types.Node:
        node = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in values.items():
            setattr(node, name, value)
        return node

    def link(self, start: bpy.types.NodeSocket, end: bpy.types.NodeSocket) -> None:
        self.tree.links.new(start, end)

    def multiply(self, first: bpy.types.NodeSocket, second: bpy.types.NodeSocket, share: float) -> bpy.types.Node:
        node = self.node("MixRGB", blend_type="MULTIPLY")
        node.inputs[0].default_value = share
        self.link(first, node.inputs[1])
        self.link(second, node.inputs[2])
        return node


def make_paint(name: str) -> Surface:
    """A colour that varies slightly between objects, with a photograph's texture, noise and bumps."""
    tree = _TreeBuilder(name)
    color = tree.node("RGB")
    varied = tree.node("HueSaturation")
    tree.link(color.outputs[0], varied.inputs["Color"])
    value = tree.node("MapRange")
    value.inputs[3].default_value, value.inputs[4].default_value = 0.65, 1.35
    tree.link(tree.node("ObjectInfo").outputs["Random"], value.inputs[0])
    tree.link(value.outputs[0], varied.inputs["Value"])
    return _finish(tree, varied.outputs[0], {"color": color})


def make_ground(name: str) -> Surface:
    """Vertex colours with texture and noise; their alpha is wetness, which adds reflection."""
    tree = _TreeBuilder(name)
    painted = tree.node("VertexColor", layer_name="Color")
    surface = _finish(tree, painted.outputs["Color"], {}, wet=painted.outputs["Alpha"])
    # In the distance the repeated texture would look like a grid of dots, so it fades out.
    view, fade = tree.node("CameraData"), tree.node("Math", operation="DIVIDE", use_clamp=True)
    tree.link(view.outputs["View Distance"], fade.inputs[1])
    tree.link(fade.outputs[0], surface.nodes["texture_share"].inputs[0])
    surface.nodes["fade"] = fade
    return surface


def _finish(
    tree: _TreeBuilder, color: bpy.types.NodeSocket, nodes: dict, wet: bpy.types.NodeSocket | None = None
) -> Surface:
    place = tree.node("TexCoord").outputs["Object"]
    mapping = tree.node("Mapping")
    image = tree.node("TexImage", projection="BOX", projection_blend=0.3)
    tree.link(place, mapping.inputs[0])
    tree.link(mapping.outputs[0], image.inputs[0])
    bright = tree.node("MixRGB", blend_type="MULTIPLY")  # the mean of the patches is about a quarter in linear light
    bright.inputs[0].default_value, bright.inputs[2].default_value = 1, (4, 4, 4, 1)
    tree.link(image.outputs[0], bright.inputs[1])
    textured = tree.multiply(color, bright.outputs[0], 0.6)
    noise, span = tree.node("TexNoise"), tree.node("MapRange")
    noise.inputs["Detail"].default_value = 4
    span.inputs[1].default_value, span.inputs[2].default_value = 0.25, 0.75
    tree.link(place, noise.inputs["Vector"])
    tree.link(noise.outputs["Fac"], span.inputs[0])
    speckled = tree.multiply(textured.outputs[0], span.outputs[0], 1)
    bump, diffuse = tree.node("Bump"), tree.node("BsdfDiffuse")
    tree.link(noise.outputs["Fac"], bump.inputs["Height"])
    tree.link(bump.outputs[0], diffuse.inputs["Normal"])
    tree.link(speckled.outputs[0], diffuse.inputs["Color"])
    shader = diffuse.outputs[0]
    if wet is not None:
        glossy, mix = tree.node("BsdfGlossy"), tree.node("MixShader")
        glossy.inputs["Roughness"].default_value = 0.15
        half = tree.node("Math", operation="MULTIPLY")
        half.inputs[1].default_value = 0.6
        tree.link(wet, half.inputs[0])
        tree.link(half.outputs[0], mix.inputs[0])
        tree.link(shader, mix.inputs[1])
        tree.link(glossy.outputs[0], mix.inputs[2])
        shader = mix.outputs[0]
    tree.link(shader, tree.output.inputs[0])
    nodes |= {
        "image": image,
        "mapping": mapping,
        "texture_share": textured,
        "noise": noise,
        "range": span,
        "bump": bump,
    }
    return Surface(tree.material, nodes)


def make_leaf(name: str) -> Surface:
    """A plain diffuse colour that varies between objects."""
    tree = _TreeBuilder(name)
    color, varied, diffuse = tree.node("RGB"), tree.node("HueSaturation"), tree.node("BsdfDiffuse")
    value = tree.node("MapRange")
    value.inputs[3].default_value, value.inputs[4].default_value = 0.6, 1.4
    tree.link(tree.node("ObjectInfo").outputs["Random"], value.inputs[0])
    tree.link(value.outputs[0], varied.inputs["Value"])
    tree.link(color.outputs[0], varied.inputs["Color"])
    tree.link(varied.outputs[0], diffuse.inputs["Color"])
    tree.link(diffuse.outputs[0], tree.output.inputs[0])
    return Surface(tree.material, {"color": color})


def make_glow(name: str) -> Surface:
    """Windows: dark glass by day, emitting light at night."""
    tree = _TreeBuilder(name)
    color, diffuse, light = tree.node("RGB"), tree.node("BsdfDiffuse"), tree.node("Emission")
    both = tree.node("AddShader")
    tree.link(color.outputs[0], diffuse.inputs["Color"])
    tree.link(diffuse.outputs[0], both.inputs[0])
    tree.link(light.outputs[0], both.inputs[1])
    tree.link(both.outputs[0], tree.output.inputs[0])
    light.inputs["Strength"].default_value = 0
    return Surface(tree.material, {"color": color, "light": light})


def make_sea(name: str) -> Surface:
    """Water with foam; the alpha of the vertex colours is the share of foam."""
    tree = _TreeBuilder(name)
    painted = tree.node("VertexColor", layer_name="Color")
    water, foam, mix = tree.node("BsdfPrincipled"), tree.node("BsdfDiffuse"), tree.node("MixShader")
    foam.inputs["Color"].default_value = (0.85, 0.87, 0.88, 1)
    noise, bump = tree.node("TexNoise"), tree.node("Bump")
    noise.inputs["Detail"].default_value = 3
    tree.link(tree.node("TexCoord").outputs["Object"], noise.inputs["Vector"])
    tree.link(noise.outputs["Fac"], bump.inputs["Height"])
    tree.link(bump.outputs[0], water.inputs["Normal"])
    tree.link(painted.outputs["Color"], water.inputs["Base Color"])
    tree.link(painted.outputs["Alpha"], mix.inputs[0])
    tree.link(water.outputs[0], mix.inputs[1])
    tree.link(foam.outputs[0], mix.inputs[2])
    tree.link(mix.outputs[0], tree.output.inputs[0])
    return Surface(tree.material, {"water": water, "noise": noise, "bump": bump})


class Materials:
    """All materials of the scenes; `vary` gives them new colours for each scene."""

    def __init__(self) -> None:
        self.ground, self.sea = make_ground("ground"), make_sea("sea")
        self.rocks = [make_paint(f"rock {i}") for i in range(6)]
        self.walls = [make_paint(f"wall {i}") for i in range(9)]
        self.woods = [make_paint(f"wood {i}") for i in range(3)]
        self.leaves = [make_leaf(f"leaf {i}") for i in range(5)]
        self.windows = [make_glow(f"window {i}") for i in range(3)]
        self.fall, self.thicket = make_paint("fall"), make_paint("thicket")

    def vary(self, rng: np.random.Generator, images: list[bpy.types.Image], rock_colors: list, night: bool) -> None:
        """Give every material the colours and textures of a new scene."""

        def image() -> bpy.types.Image:
            return images[rng.integers(len(images))]

        size = log_uniform(rng, 1.5, 150)
        self.ground.set_texture(image(), size, 0.6)
        self.ground.nodes["fade"].inputs[0].default_value = size * rng.uniform(3, 10)
        self.ground.set_noise(log_uniform(rng, 0.01, 0.5), rng.uniform(0, 0.7), rng.uniform(0.1, 0.9))
        for surface in self.rocks:
            surface.set_color(jitter(rng, rock_colors[rng.integers(len(rock_colors))], 0.04))
            surface.set_texture(image(), log_uniform(rng, 0.3, 4), rng.uniform(0.3, 0.9))
            surface.set_noise(rng.uniform(0.5, 6), rng.uniform(0.1, 0.6), rng.uniform(0.2, 1))
        plaster = [
            (0.75, 0.72, 0.66),
            (0.6, 0.55, 0.5),
            (0.55, 0.35, 0.28),
            (0.85, 0.85, 0.83),
            (0.4, 0.42, 0.45),
            (0.5, 0.45, 0.35),
            (0.7, 0.6, 0.4),
            (0.25, 0.28, 0.32),
            (0.6, 0.25, 0.2),
        ]
        for surface in self.walls:
            surface.set_color(jitter(rng, plaster[rng.integers(len(plaster))], 0.08))
            surface.set_texture(image(), log_uniform(rng, 0.3, 5), rng.uniform(0, 0.7))
            surface.set_noise(rng.uniform(0.5, 6), rng.uniform(0, 0.3), 0.1)
        for surface in self.woods:
            surface.set_color(jitter(rng, (0.3, 0.24, 0.18), 0.07))
            surface.set_texture(image(), rng.uniform(0.3, 2), rng.uniform(0, 0.7))
            surface.set_noise(8, 0.4, 0.3)
        self._vary_leaves(rng, images)
        self.fall.set_color(jitter(rng, (0.88, 0.9, 0.92), 0.03))
        self.fall.set_texture(image(), 2, 0.15)
        self.fall.set_noise(rng.uniform(3, 9), rng.uniform(0.1, 0.45), 0.5)
        self._vary_windows(rng, night)
        self._vary_sea(rng)

    def _vary_leaves(self, rng: np.random.Generator, images: list[bpy.types.Image]) -> None:
        kinds = [(0.22, 0.3, 0.12), (0.5, 0.36, 0.14), (0.35, 0.36, 0.2), (0.1, 0.15, 0.08), (0.55, 0.52, 0.3)]
        color = kinds[rng.choice(5, p=[0.6, 0.12, 0.1, 0.1, 0.08])]
        for surface in self.leaves:
            surface.set_color(jitter(rng, color, 0.05))
        self.thicket.set_color(jitter(rng, color, 0.05) * 0.8)
        self.thicket.set_texture(images[rng.integers(len(images))], log_uniform(rng, 5, 40), 0.8)
        self.thicket.set_noise(log_uniform(rng, 0.1, 1), 0.7, 0.9)

    def _vary_windows(self, rng: np.random.Generator, night: bool) -> None:
        for surface in self.windows:
            surface.set_color(jitter(rng, (0.15, 0.18, 0.22), 0.08))
            surface.nodes["light"].inputs["Color"].default_value = (1, rng.uniform(0.5, 0.95), rng.uniform(0.2, 0.8), 1)
            surface.nodes["light"].inputs["Strength"].default_value = rng.uniform(0, 2) if night else 0

    def _vary_sea(self, rng: np.random.Generator) -> None:
        scale = log_uniform(rng, 0.05, 1.5)
        self.sea.nodes["noise"].inputs["Scale"].default_value = scale
        self.sea.nodes["bump"].inputs["Strength"].default_value = rng.uniform(0.02, 0.9) ** 1.5
        self.sea.nodes["bump"].inputs["Distance"].default_value = 0.3 / scale * rng.uniform(0.2, 1)
        self.sea.nodes["water"].inputs["Roughness"].default_value = rng.uniform(0.02, 0.35)
