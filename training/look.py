"""Shows the network's depth of photographs: ``python -m training.look PHOTO.. --out SHEET.jpg``.

Each photo has a row: the photo, and twice its depth (sky is black) and its unprojected points, rendered by Blender from
the right side and from above. The first three pictures are of the network's depth as it is, the last three of depth by
objects. Leaning walls and wavy ground are easy to see in the views of points.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy
import cv2
import numpy as np
from mathutils import Matrix

from cinema_core.depth.find import find_depth
from cinema_core.depth.network import WEIGHTS
from cinema_core.files.photo import read_photo
from cinema_core.shared.camera import Camera
from cinema_core.shared.data import FARTHEST, Photo
from cinema_core.shared.options import BuildOptions

CELL_SIZE = (240, 135)  # px, width and height of each picture
MAX_PHOTO_SIDE = 800  # px; a larger photo gives more points than the small pictures can show
VIEWED_SHARE = 0.85  # of the solid points, nearest first; the views are scaled to them
MAX_VIEW_REACH = 30.0  # scene units; depth that the views show at most


def unproject_photo(photo: Photo, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 3) positions in Blender's axes (x right, y away, z up), (N, 3) sRGB and (N,) radii; without the sky."""
    solid = depth < 0.99 * FARTHEST
    camera = Camera(photo.width, photo.height, photo.focal)
    row, column = np.nonzero(solid)
    away = depth[solid]
    x = (column + 0.5 - photo.width / 2) / camera.focal * away
    z = (photo.height / 2 - row - 0.5) / camera.focal * away
    return np.stack([x, away, z], 1), photo.color[solid], 1.2 * away / camera.focal


class PointView:
    """A point cloud and an orthographic camera in Blender."""

    def __init__(self, positions: np.ndarray, colors: np.ndarray, radii: np.ndarray) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene, self.positions = bpy.context.scene, positions
        mesh = bpy.data.meshes.new("Points")
        mesh.vertices.add(len(positions))
        mesh.vertices.foreach_set("co", positions.astype(np.float32).ravel())
        painted = np.concatenate([np.square(colors), np.ones((len(colors), 1))], 1)
        mesh.attributes.new("Tint", "FLOAT_COLOR", "POINT").data.foreach_set(
            "color", painted.astype(np.float32).ravel()
        )
        mesh.attributes.new("radius", "FLOAT", "POINT").data.foreach_set("value", radii.astype(np.float32))
        item = bpy.data.objects.new("Points", mesh)
        item.modifiers.new("Points", "NODES").node_group = _points_group(_glow())
        self.scene.collection.objects.link(item)
        self._set_up()

    def _set_up(self) -> None:
        render = self.scene.render
        render.engine, self.scene.cycles.samples, self.scene.cycles.use_denoising = "CYCLES", 4, False
        render.resolution_x, render.resolution_y = CELL_SIZE
        self.scene.view_settings.view_transform = "Standard"
        world = bpy.data.worlds.new("World")
        world.color = (0.2, 0.2, 0.2)
        self.scene.world = world
        self.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        self.camera.data.type, self.camera.data.clip_end = "ORTHO", 1e4
        self.scene.collection.objects.link(self.camera)
        self.scene.camera = self.camera

    def render(self, across: int, up: int, reach: float, file: Path) -> np.ndarray:
        """Render the points nearer than `reach`, with axis `across` to the right and axis `up` upwards.

        Returns:
            (h, w, 3) uint8 BGR.
        """
        middle = np.array([0.0, reach / 2, 0.0])
        near = self.positions[self.positions[:, 1] < reach]
        middle[up] = np.quantile(near[:, up], (0.02, 0.98)).mean()
        axes = np.zeros((4, 4))
        axes[across, 0], axes[up, 1], axes[3, 3] = 1, 1, 1
        axes[:3, 2] = np.cross(axes[:3, 0], axes[:3, 1])
        axes[:3, 3] = middle + 500 * axes[:3, 2]
        self.camera.matrix_world = Matrix(axes.tolist())
        self.camera.data.ortho_scale = 1.05 * reach
        self.scene.render.filepath = str(file)
        bpy.ops.render.render(write_still=True)
        return cv2.imread(str(file))


def _glow() -> bpy.types.Material:
    """A material that emits the colour of each point, without light or shadow."""
    material = bpy.data.materials.new("Glow")
    material.use_nodes = True
    nodes, link = material.node_tree.nodes, material.node_tree.links.new
    nodes.clear()
    color, emission, end = (nodes.new(f"ShaderNode{name}") for name in ("Attribute", "Emission", "OutputMaterial"))
    color.attribute_name = "Tint"
    link(color.outputs["Color"], emission.inputs["Color"])
    link(emission.outputs[0], end.inputs["Surface"])
    return material


def _points_group(material: bpy.types.Material) -> bpy.types.NodeTree:
    group = bpy.data.node_groups.new("Points", "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    nodes, link = group.nodes, group.links.new
    start, radius, points, paint, end = (
        nodes.new(name)
        for name in (
            "NodeGroupInput",
            "GeometryNodeInputNamedAttribute",
            "GeometryNodeMeshToPoints",
            "GeometryNodeSetMaterial",
            "NodeGroupOutput",
        )
    )
    radius.data_type, radius.inputs["Name"].default_value = "FLOAT", "radius"
    paint.inputs["Material"].default_value = material
    link(start.outputs[0], points.inputs["Mesh"])
    link(radius.outputs[0], points.inputs["Radius"])
    link(points.outputs[0], paint.inputs[0])
    link(paint.outputs[0], end.inputs[0])
    return group


def look(path: Path, file: Path) -> np.ndarray:
    """One row of the sheet; `file` is a temporary file for the renders."""
    photo = read_photo(path, MAX_PHOTO_SIDE, None)
    cells = [_fit(np.uint8(255 * photo.color[..., ::-1]))]
    for coherence in ("never", "auto"):
        depth = find_depth(photo, None, BuildOptions(coherence=coherence)).values
        solid = depth < 0.99 * FARTHEST
        shown = cv2.applyColorMap(np.uint8(255 * (1 - np.log(depth) / np.log(FARTHEST))), cv2.COLORMAP_TURBO)
        shown[~solid] = 0
        reach = float(np.clip(np.quantile(depth[solid], VIEWED_SHARE), 3, MAX_VIEW_REACH)) if solid.any() else 3.0
        stage = PointView(*unproject_photo(photo, np.minimum(depth, 1e3)))
        cells += [_fit(shown), stage.render(1, 2, reach, file), stage.render(0, 1, reach, file)]
    return np.hstack(cells)


def _fit(picture: np.ndarray) -> np.ndarray:
    scale = min(CELL_SIZE[0] / picture.shape[1], CELL_SIZE[1] / picture.shape[0])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    cell = np.zeros((CELL_SIZE[1], CELL_SIZE[0], 3), np.uint8)
    cell[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    assert WEIGHTS.is_file(), "the weights of the network are missing"
    rows = [look(path, chosen.out.with_suffix(".view.png")) for path in chosen.photos]
    cv2.imwrite(str(chosen.out), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 70])
    chosen.out.with_suffix(".view.png").unlink()


if __name__ == "__main__":
    main()
