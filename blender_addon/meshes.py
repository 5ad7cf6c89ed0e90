"""Meshes without edges and faces, made from the points of a finished job. Arrays are set whole, never point by point.

Every build makes new meshes: the memory of a mesh is shared with undo steps and evaluated copies, so that writing into
an existing one first copies everything in it (measured: twice the time).
"""

import bpy
import numpy as np

from ..cinema_core.shared.srgb import to_linear
from .nodes import BIRTH, CHANGE, COLOR, DEATH, MEAN, RADIUS_FACTOR, STEP, TEXTURES

# Attribute type -> name of its values in `foreach_set`. Still colours are stored as bytes, because they come from an
# 8-bit photo, take a quarter of the memory, and "color_srgb" needs no conversion.
_FIELD = {"FLOAT": "value", "FLOAT_VECTOR": "vector", "BYTE_COLOR": "color_srgb"}
_STEPS = 4096  # steps of the sRGB table below; with linear interpolation it is exact to 1e-7


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
    mean, mean1 = (_linear(points[f"moving_mean{end}"][chosen]) for end in (0, 1))
    _store(mesh, MEAN, "FLOAT_VECTOR", mean)
    _store(mesh, CHANGE, "FLOAT_VECTOR", mean1 - mean)
    for end, (texture, own) in enumerate(zip(TEXTURES, (mean, mean1))):
        _store(mesh, texture, "FLOAT_VECTOR", _linear(points[f"moving_color{end}"][chosen]) - own)
    _store(mesh, RADIUS_FACTOR, "FLOAT", points["moving_radius_factor"][chosen])
    _store(mesh, BIRTH, "FLOAT", points["moving_birth"][chosen])
    _store(mesh, DEATH, "FLOAT", points["moving_death"][chosen])
    return mesh


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


def _make_table() -> tuple[np.ndarray, np.ndarray]:
    """Table from sRGB to scene-linear: (_STEPS + 1,) float32 values from 0 to 1, and their differences to the next."""
    color = np.linspace(0.0, 1.0, _STEPS + 1)
    linear = to_linear(color)
    return linear.astype(np.float32), np.diff(linear, append=1.0).astype(np.float32)


_LINEAR, _CHANGE = _make_table()


def _linear(color: np.ndarray) -> np.ndarray:
    """Convert sRGB 0..1 to scene-linear, any shape; by a table, because powers take three times as long."""
    place = np.clip(color, 0.0, 1.0) * np.float32(_STEPS)
    index = place.astype(np.int16)
    place -= index
    place *= _CHANGE.take(index)
    place += _LINEAR.take(index)
    return place
