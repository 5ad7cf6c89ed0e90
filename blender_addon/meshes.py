"""Meshes without edges and faces, made from the points of a finished job. Arrays are set whole, never point by point.

Every build makes new meshes: the memory of a mesh is shared with undo steps and evaluated copies, so that writing into
an existing one first copies everything in it (measured: twice the time).
"""

import bpy
import numpy as np

from ..cinema_core.shared.srgb import to_linear
from .node_graph import RADIUS_FACTOR
from .nodes import BIRTH, COLOR, CYCLE_COLORS, DEATH, STEP

# Attribute type -> name of its values in `foreach_set`. Still colours are stored as bytes, because they come from an
# 8-bit photo, take a quarter of the memory, and "color_srgb" needs no conversion.
_FIELD = {"FLOAT": "value", "FLOAT_VECTOR": "vector", "BYTE_COLOR": "color_srgb", "FLOAT_COLOR": "color"}
_BYTES = np.arange(256, dtype=np.float32) / np.float32(255)
_LINEAR = to_linear(_BYTES).astype(np.float32)
# Bytes of a mesh's moving colours as floats, up to which they are stored so. Blender decodes byte colours anew at every
# change of frame, which takes three times as long as everything else.
FLOAT_COLORS = 256 << 20


def still_mesh(points: dict[str, np.ndarray], name: str, chosen: slice) -> bpy.types.Mesh:
    """Make the mesh of one layer.

    Args:
        points: Arrays as read by `job_folder.read_points`.
        name: Name of the mesh.
        chosen: The still points that belong to the layer.
    """
    mesh = _mesh(name, points["still_position"][chosen])
    _store(mesh, COLOR, "BYTE_COLOR", _opaque(points["still_color"][chosen]))
    _store(mesh, RADIUS_FACTOR, "FLOAT", points["still_radius_factor"][chosen])
    return mesh


def moving_mesh(points: dict[str, np.ndarray], name: str, chosen: slice) -> bpy.types.Mesh:
    """Make a mesh of moving points, with positions at phase 0 and displacements from there.

    Args:
        points: Arrays as read by `job_folder.read_points`.
        name: Name of the mesh.
        chosen: The moving points that belong to it.
    """
    steps = points["moving_displacement"][:, chosen]  # (K+1, m, 3)
    mesh = _mesh(name, points["moving_position"][chosen] + steps[0])
    step = np.empty_like(steps[0])
    for key in range(1, len(steps)):
        _store(mesh, f"{STEP}{key}", "FLOAT_VECTOR", np.subtract(steps[key], steps[0], out=step))
    colors = points["moving_colors"][:, :, chosen]
    colors = colors[: pictures(points, chosen)]
    as_floats = 4 * colors.size <= FLOAT_COLORS
    for cycle in range(len(colors)):
        for side, prefix in enumerate(CYCLE_COLORS):
            color = colors[cycle, side]
            values = (_LINEAR if as_floats else _BYTES)[color]
            values[:, 3] = _BYTES[color[:, 3]]
            _store(mesh, f"{prefix}{cycle}", "FLOAT_COLOR" if as_floats else "BYTE_COLOR", values)
    _store(mesh, RADIUS_FACTOR, "FLOAT", points["moving_radius_factor"][chosen])
    _store(mesh, BIRTH, "FLOAT", points["moving_birth"][chosen])
    _store(mesh, DEATH, "FLOAT", points["moving_death"][chosen])
    return mesh


def pictures(points: dict[str, np.ndarray], chosen: slice) -> int:
    """Number of cycles that have colours of their own, of moving points with one number of cycles."""
    return min(int(points["moving_cycles"][chosen.start]), len(points["moving_colors"]))


def _mesh(name: str, position: np.ndarray) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(position))
    # Ten times as fast as through `vertices`, which Blender does not treat as a plain array.
    mesh.attributes["position"].data.foreach_set("vector", np.ascontiguousarray(position, np.float32).ravel())
    return mesh


def _store(mesh: bpy.types.Mesh, name: str, kind: str, values: np.ndarray) -> None:
    attribute = mesh.attributes.new(name, kind, "POINT")
    attribute.data.foreach_set(_FIELD[kind], np.ascontiguousarray(values, np.float32).ravel())


def _opaque(color: np.ndarray) -> np.ndarray:
    """Round (N, 3) sRGB to whole bytes: (N, 4) float32, alpha 1. Blender's own rounding may be off by one."""
    whole = np.ones((len(color), 4), np.float32)
    np.rint(np.clip(color, 0.0, 1.0) * np.float32(255), out=whole[:, :3])
    whole[:, :3] /= np.float32(255)
    return whole
