"""The Blender side of the scenes: one stage whose meshes, objects and lights are reused for every scene."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from .exr import read_exr
from .materials import Materials, Surface, linear
from .shape import Shape, grid_faces
from .terrain import RAYS, RINGS, X, Y

LONG_SIDE, SHORT_SIDE = 384, 216  # px of a render
RENDER_SAMPLES = 4  # per pixel, before the denoiser; more samples cost time and do not help at this size
# Curtains are steep surfaces across the view: slopes close by and distant mountains. Vertices in rows and columns.
CURTAIN_COUNT, CURTAIN_ROWS, CURTAIN_COLUMNS = 4, 14, 400
SKY_DEPTH = 5e4  # m; a greater depth counts as sky
LAMP_COUNT = 3  # point lights for interiors


@dataclass(frozen=True)
class Light:
    """Sun and sky of one view; angles in radians, colours in sRGB. The sky is a gradient from horizon to zenith."""

    elevation: float
    azimuth: float  # 0 is behind the camera, pi in front of it
    sun: float  # strength
    sun_color: tuple[float, float, float]
    soft: float  # angular diameter of the sun
    horizon: np.ndarray
    zenith: np.ndarray
    sky: float  # strength


class Stage:
    """Holds Blender's datablocks. For each scene call `clear`, then place objects, then call `render`."""

    def __init__(self) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.materials = Materials()
        self._file = Path(tempfile.gettempdir()) / f"depth_scene_{os.getpid()}.exr"
        self._objects: list[bpy.types.Object] = []
        self._used = 0
        self._set_engine()
        self.land = self._fan("Land", self.materials.ground)
        self.sea = self._fan("Sea", self.materials.sea)
        self._curtains = [self._curtain(i) for i in range(CURTAIN_COUNT)]
        self._make_camera_and_light()

    def _set_engine(self) -> None:
        render, cycles = self.scene.render, self.scene.cycles
        render.engine, cycles.device = "CYCLES", "CPU"
        cycles.samples, cycles.use_adaptive_sampling, cycles.use_light_tree = RENDER_SAMPLES, False, False
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        cycles.denoising_prefilter, cycles.denoising_quality = "NONE", "FAST"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 1, 0, 1
        cycles.transmission_bounces, cycles.sample_clamp_indirect = 0, 3
        cycles.caustics_reflective = cycles.caustics_refractive = False
        render.film_transparent, render.use_persistent_data = True, True
        render.resolution_percentage, render.threads_mode, render.threads = 100, "FIXED", 1
        render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        render.image_settings.color_depth, render.image_settings.exr_codec = "32", "NONE"
        render.filepath = str(self._file)
        self.scene.view_layers[0].use_pass_z = True

    def _link(self, name: str, data: bpy.types.ID) -> bpy.types.Object:
        item = bpy.data.objects.new(name, data)
        self.scene.collection.objects.link(item)
        return item

    def _fan(self, name: str, surface: Surface) -> bpy.types.Object:
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(np.zeros((RINGS * RAYS, 3)).tolist(), [], grid_faces(RINGS, RAYS)[:, ::-1].tolist())
        mesh.shade_smooth()
        mesh.materials.append(surface.material)
        mesh.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
        return self._link(name, mesh)

    def _curtain(self, index: int) -> bpy.types.Object:
        mesh = bpy.data.meshes.new("Curtain")
        count = CURTAIN_ROWS * CURTAIN_COLUMNS
        mesh.from_pydata(np.zeros((count, 3)).tolist(), [], grid_faces(CURTAIN_ROWS, CURTAIN_COLUMNS).tolist())
        mesh.shade_smooth()
        mesh.materials.append(self.materials.rocks[index].material)
        return self._link("Curtain", mesh)

    def _make_camera_and_light(self) -> None:
        camera = bpy.data.cameras.new("Camera")
        camera.clip_start, camera.clip_end, camera.sensor_fit = 0.1, 2 * SKY_DEPTH, "HORIZONTAL"
        self.camera = self._link("Camera", camera)
        self.scene.camera = self.camera
        self.sun = self._link("Sun", bpy.data.lights.new("Sun", "SUN"))
        self._lamps = [self._link("Lamp", bpy.data.lights.new("Lamp", "POINT")) for _ in range(LAMP_COUNT)]
        world = bpy.data.worlds.new("World")
        world.use_nodes = True
        # Blender's automatic importance map of the sky costs nearly a second per frame.
        world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 64
        self.scene.world = world
        nodes, link = world.node_tree.nodes, world.node_tree.links.new
        place, split = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
        span, self._ramp = nodes.new("ShaderNodeMapRange"), nodes.new("ShaderNodeValToRGB")
        span.inputs[1].default_value = -1
        link(place.outputs["Generated"], split.inputs[0])
        link(split.outputs[2], span.inputs[0])
        link(span.outputs[0], self._ramp.inputs[0])
        self._background = nodes["Background"]
        link(self._ramp.outputs[0], self._background.inputs[0])
        stops = self._ramp.color_ramp.elements
        stops[0].position, stops[1].position = 0.45, 0.52
        stops.new(0.75)

    def add_mesh(self, shape: Shape) -> bpy.types.Mesh:
        mesh = bpy.data.meshes.new("Shape")
        mesh.from_pydata(shape.vertices.tolist(), [], shape.faces)
        for _ in range(shape.slot_count):
            mesh.materials.append(None)
        mesh.polygons.foreach_set("material_index", np.asarray(shape.slots, np.int32))
        if shape.smooth:
            mesh.shade_smooth()
        mesh.update()
        return mesh

    def clear(self) -> None:
        """Hide everything but the ground."""
        self.keep(0)
        for curtain in self._curtains:
            curtain.hide_render = True
        self.sea.hide_render = True
        for lamp in self._lamps:
            lamp.hide_render = True

    @property
    def placed(self) -> int:
        """Number of placed objects."""
        return self._used

    def keep(self, count: int) -> None:
        """Hide all placed objects but the first `count`."""
        for item in self._objects[count : self._used]:
            item.hide_render = True
        self._used = count

    def place(self, mesh: bpy.types.Mesh, matrix: Matrix, surfaces: Sequence[Surface]) -> None:
        """Place an instance of the mesh in the scene, with one surface per slot."""
        if self._used == len(self._objects):
            self._objects.append(self._link("Thing", mesh))
        item = self._objects[self._used]
        self._used += 1
        if item.data is not mesh:
            item.data = mesh
        item.matrix_world, item.hide_render = matrix, False
        for index, slot in enumerate(item.material_slots):
            slot.link = "OBJECT"
            slot.material = surfaces[min(index, len(surfaces) - 1)].material

    def set_land(self, heights: np.ndarray, colors: np.ndarray) -> None:
        self._set_fan(self.land, heights, colors)

    def set_sea(self, heights: np.ndarray, color: np.ndarray, foam: np.ndarray) -> None:
        painted = np.concatenate([np.broadcast_to(color, (*foam.shape, 3)), foam[..., None]], -1)
        self._set_fan(self.sea, heights, painted)
        self.sea.hide_render = False

    @staticmethod
    def _set_fan(item: bpy.types.Object, heights: np.ndarray, colors: np.ndarray) -> None:
        vertices = np.stack([X, Y, heights], -1).astype(np.float32)
        item.data.vertices.foreach_set("co", vertices.ravel())
        painted = np.concatenate([linear(colors[..., :3]), colors[..., 3:]], -1).astype(np.float32)
        item.data.color_attributes[0].data.foreach_set("color", painted.ravel())
        item.data.update()

    def set_curtain(self, index: int, vertices: np.ndarray, surface: Surface) -> None:
        """Show a curtain with (CURTAIN_ROWS, CURTAIN_COLUMNS, 3) vertices in metres."""
        item = self._curtains[index]
        item.data.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
        item.data.materials[0] = surface.material
        item.data.update()
        item.hide_render = False

    def set_lamps(self, places: Sequence[tuple[float, float, float]], watts: Sequence[float]) -> None:
        """Show up to `LAMP_COUNT` lamps for an interior, until the next `clear`."""
        for lamp, place, power in zip(self._lamps, places, watts, strict=False):
            lamp.location, lamp.data.energy, lamp.data.shadow_soft_size, lamp.hide_render = place, power, 0.3, False

    def set_light(self, light: Light) -> None:
        self.sun.rotation_euler = (np.pi / 2 - light.elevation, 0, light.azimuth)
        self.sun.data.energy, self.sun.data.color, self.sun.data.angle = light.sun, light.sun_color, light.soft
        stops = self._ramp.color_ramp.elements
        for stop, color in zip(stops, (light.horizon * 0.5, light.horizon, light.zenith), strict=True):
            stop.color = (*linear(color), 1)
        self._background.inputs[1].default_value = light.sky

    def render(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Render the scene.

        Returns:
            (H, W, 4) float32 linear colour with straight alpha, and (H, W) float32 depth along the view axis in metres,
            infinite in the sky.
        """
        self.scene.cycles.seed = seed
        bpy.ops.render.render(write_still=True)
        channels = read_exr(self._file)
        image = np.stack([channels[f"ViewLayer.Combined.{name}"] for name in "RGBA"], -1)
        depth = channels["ViewLayer.Depth.Z"]
        alpha = np.clip(image[..., 3:], 0, 1)
        color = image[..., :3] / np.maximum(alpha, 1e-3)
        depth[depth > SKY_DEPTH] = np.inf
        return np.concatenate([color, alpha], -1).astype(np.float32), depth
