"""Baselines of the geometry benchmark: the slabs of Li et al. (CVPR 2023), and a plain displaced mesh.

The slabs follow that program's layering (Ward clustering of every tenth pixel's disparity with one fixed threshold,
layers by depth alone, 10 px of erosion, holes within 40 px, medians at boundaries, repaired order) and its diffusion of
depth. A smooth fill replaces its two inpainting networks, and our splatting replaces its own. Its shift by half a pixel
and its random radii are left out. The mesh is a grid of the photo's pixels, like the result of Blender's displacement.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bpy
import cv2
import numpy as np
from sklearn.cluster import AgglomerativeClustering

from cinema_core.points.unproject import unproject
from cinema_core.shared.camera import Camera
from cinema_core.shared.srgb import to_linear, to_srgb
from training.scenes.exr import read_exr
from training.scenes.shape import grid_faces

CLUSTER_STRIDE = 10  # px; every tenth pixel is clustered
WARD_THRESHOLD = 5.0  # Ward distance of disparities scaled to 0..1, above which clusters are not merged
EROSION = 10  # px, side of the kernel that erodes a layer
FILL_MARGIN = 40  # px around a layer within which its holes are filled
MIN_LAYER_PIXELS = 10  # after erosion; a smaller layer is left out
MEDIAN_SIZE = 11  # px, side of the median window at a layer's boundary
DIFFUSION_SIZE, DIFFUSION_ROUNDS = 15, 7  # px, side of the box blur that spreads depth, and number of blurs
DEPTH_LIMIT = 1000.0  # scene units; greater depths are clipped


def slab_points(color: np.ndarray, disparity: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Split the photo into slabs and unproject them.

    Args:
        color: (H, W, 3) float32, sRGB.
        disparity: (H, W) float32; 1 at the nearest surface, 0 in the sky.
        camera: The photo's camera.

    Returns:
        (P, 3) float32 positions and (P, 3) float32 colours.
    """
    depth = 1 / np.maximum(cv2.medianBlur(disparity, 5), 1 / DEPTH_LIMIT)
    bins = _layer_ends(depth)
    positions, colors = [], []
    before = np.zeros_like(depth)  # depth of nearer layers at each pixel
    last = np.full_like(depth, np.nan)
    for number, (start, end) in enumerate(itertools.pairwise(bins)):
        layer = _layer(color, depth, start, end, number, before, number == len(bins) - 2)
        if layer is None:
            continue
        shade, away, alpha = layer
        before[alpha] = away[alpha]
        away = _diffused(away, alpha)
        away = np.where(alpha & (away <= last), 1.01 * last, away)
        last = np.where(alpha, away, last)
        position, own = unproject(camera, (0, 0), alpha, shade, (1 / away).astype(np.float32))
        positions.append(position)
        colors.append(own)
    return np.concatenate(positions), np.concatenate(colors)


def _layer_ends(depth: np.ndarray) -> np.ndarray:
    """Depths that separate the layers, from near to far."""
    seen = (1 / depth)[::CLUSTER_STRIDE, ::CLUSTER_STRIDE].reshape(-1, 1).astype(np.float64)
    spread = max(float(np.ptp(seen)), 1e-9)
    cluster = AgglomerativeClustering(None, distance_threshold=WARD_THRESHOLD).fit_predict((seen - seen.min()) / spread)
    ends = sorted(1 / seen[cluster == number].min() for number in range(cluster.max() + 1))
    return np.array([depth.min() - 1e-3, *ends[:-1], depth.max() + 1e-3])


def _layer(
    color: np.ndarray, depth: np.ndarray, start: float, end: float, number: int, before: np.ndarray, is_last: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Colour, depth and (H, W) bool mask of one layer, with its occluded parts filled in; None if it is too small."""
    own = (depth >= start) & (depth < end)
    if number == 0:
        return color, _median_at_border(depth, own), own
    if _eroded(own).sum() < MIN_LAYER_PIXELS:
        return None
    context = _eroded(depth >= start)
    if not context.any():
        return None
    rows, columns = (np.flatnonzero(context.any(axis)) for axis in (1, 0))
    box = np.zeros_like(own)
    box[
        max(0, rows[0] - FILL_MARGIN) : rows[-1] + FILL_MARGIN,
        max(0, columns[0] - FILL_MARGIN) : columns[-1] + FILL_MARGIN,
    ] = True
    holes = box & ~context
    away = np.exp(smooth_fill(np.log(depth), context))
    away = np.where(holes & (away < depth), 1.01 * depth, away)
    away = np.maximum(np.where(context, depth, away), 0.9 * start)
    near = (away < end) | is_last
    shade = np.where(context[..., None], color, smooth_fill(color, context))
    alpha = cv2.morphologyEx((holes | context).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    alpha &= near
    if not is_last:
        away = _median_at_border(away, alpha)
    away = np.where(alpha & (away <= before), 1.05 * before, away)
    return shade.astype(np.float32), away, alpha


def _eroded(mask: np.ndarray) -> np.ndarray:
    return cv2.erode(mask.astype(np.uint8), np.ones((EROSION, EROSION), np.uint8)) > 0


def _median_at_border(depth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Depth with a median over the mask's pixels in a window at the mask's boundary."""
    border = mask & (cv2.erode(mask.astype(np.uint8), np.ones((MEDIAN_SIZE, MEDIAN_SIZE), np.uint8)) == 0)
    half = MEDIAN_SIZE // 2
    known = np.pad(np.where(mask, depth, np.nan), half, constant_values=np.nan)
    row, column = np.nonzero(border)
    result = depth.copy()
    for part in np.array_split(np.arange(len(row)), max(1, len(row) // 50_000)):
        window = [known[row[part] + i, column[part] + j] for i in range(MEDIAN_SIZE) for j in range(MEDIAN_SIZE)]
        result[row[part], column[part]] = np.nanmedian(window, 0)
    return result


def _diffused(depth: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Depth spread from a layer's interior over its boundary, as that program does before it moves the layer."""
    share = (cv2.erode(alpha.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0).astype(np.float32)
    values = depth.astype(np.float32)
    for _ in range(DIFFUSION_ROUNDS):
        total = cv2.blur(values * share, (DIFFUSION_SIZE, DIFFUSION_SIZE), borderType=cv2.BORDER_CONSTANT)
        weight = cv2.blur(share, (DIFFUSION_SIZE, DIFFUSION_SIZE), borderType=cv2.BORDER_CONSTANT)
        new = (share <= 1e-6) & (weight > 1e-6)
        values = np.where(new, total / np.maximum(weight, 1e-9), values)
        share = weight
    return values


def smooth_fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill unknown values smoothly: average in ever larger cells, then interpolate each level into the next finer one.

    Args:
        values: (H, W) or (H, W, C) float32.
        known: (H, W) bool with at least one True.

    Returns:
        Shape of `values`, float32.
    """
    values = values.astype(np.float32)
    weight = known.astype(np.float32)
    return np.where(
        known[(...,) + (None,) * (values.ndim - 2)],
        values,
        _fill_level(values * _match_channels(weight, values), weight),
    )


def _match_channels(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    return weight if values.ndim == 2 else weight[..., None]


def _fill_level(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    height, width = weight.shape
    if min(height, width) == 1 or weight.min() > 0:
        seen = max(float(weight.sum()), 1e-9)
        mean = total.sum((0, 1)) / seen
        return np.where(
            _match_channels(weight, total) > 0, total / np.maximum(_match_channels(weight, total), 1e-9), mean
        )
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = _fill_level(
        cv2.resize(total, half, interpolation=cv2.INTER_AREA), cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    )
    below = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(total.shape)
    share = np.minimum(_match_channels(weight, total), 1)
    return below * (1 - share) + total / np.maximum(_match_channels(weight, total), 1e-9) * share


def mesh_views(
    color: np.ndarray, disparity: np.ndarray, camera: Camera, poses: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Render the photo as one mesh with a vertex per pixel, with Cycles.

    Yields:
        (H, W, 3) float32 sRGB and (H, W) bool mask of covered pixels, for each pose.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    height, width = disparity.shape
    pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)
    places = camera.unproject(pixels, 1 / np.maximum(disparity, 1 / DEPTH_LIMIT)).reshape(-1, 3)
    mesh = bpy.data.meshes.new("Photo")
    mesh.vertices.add(len(places))
    mesh.vertices.foreach_set("co", places[:, (0, 2, 1)].ravel() * np.tile(np.float32((1, 1, -1)), len(places)))
    faces = grid_faces(height, width).astype(np.int32)
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 4, dtype=np.int32))
    mesh.update(calc_edges=True)
    painted = np.concatenate([to_linear(color.reshape(-1, 3)), np.ones((len(places), 1))], 1)
    mesh.color_attributes.new("Col", "FLOAT_COLOR", "POINT").data.foreach_set(
        "color", painted.astype(np.float32).ravel()
    )
    mesh.materials.append(_emission_material())
    item = bpy.data.objects.new("Photo", mesh)
    lens = bpy.data.cameras.new("Lens")
    lens.sensor_width, lens.lens, lens.clip_start, lens.clip_end = (
        36,
        36 * camera.focal / max(width, height),
        0.01,
        2 * DEPTH_LIMIT,
    )
    scene.camera = bpy.data.objects.new("Camera", lens)
    scene.camera.rotation_euler = (np.pi / 2, 0, 0)
    for one in (item, scene.camera):
        scene.collection.objects.link(one)
    _set_up(scene, width, height)
    for pose in poses:
        scene.camera.location = pose[(0, 2, 1), 3] * (1, 1, -1)
        yield _render(scene)


def _emission_material() -> bpy.types.Material:
    material = bpy.data.materials.new("Photo")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    painted, glow, out = (tree.nodes.new("ShaderNode" + kind) for kind in ("VertexColor", "Emission", "OutputMaterial"))
    painted.layer_name = "Col"
    tree.links.new(painted.outputs[0], glow.inputs[0])
    tree.links.new(glow.outputs[0], out.inputs[0])
    return material


def _set_up(scene: bpy.types.Scene, width: int, height: int) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine, cycles.device, cycles.max_bounces, cycles.samples = "CYCLES", "CPU", 0, 4
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.filter_width = 0.8  # a wider filter would blur the photo itself
    render.use_persistent_data, render.film_transparent = True, True
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    image = render.image_settings
    image.file_format, image.color_depth, image.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"


def _render(scene: bpy.types.Scene) -> tuple[np.ndarray, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder, "view.exr"))
        bpy.ops.render.render(write_still=True)
        values = read_exr(Path(folder, "view.exr"))
    image = np.stack([values[f"ViewLayer.Combined.{channel}"] for channel in "RGBA"], -1)
    alpha = np.clip(image[..., 3:], 0, 1)
    color = np.clip(image[..., :3] / np.maximum(alpha, 1e-3), 0, 1)
    return to_srgb(color).astype(np.float32), alpha[..., 0] > 0.5
