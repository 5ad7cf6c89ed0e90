"""Grease Pencil strokes <-> strokes in pixels of the photo. Reads the data of Blender 4.3 to 5.2."""

import bpy
import numpy as np

from ..cinema_core.data import Stroke
from ..cinema_core.errors import CinemaError
from .scene import HINT_LAYERS, in_scene, photo_camera

SPEED = "cinemagraph_speed"  # stroke attribute; strokes drawn by hand have none, or 0
NEARLY_CLOSED = 0.15  # a gap of this share of the stroke's length still counts as closed by hand
RADIUS = 0.004  # of a stroke, in units of the photo's longer side


def read_hints(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph | None = None) -> list[Stroke]:
    """Project the strokes that count through the photo's camera, whatever depth they lie at.

    Args:
        scene: The scene; its current frame chooses the drawing, hidden layers do not count.
        depsgraph: Not needed; transforms are read as last evaluated.

    Raises:
        CinemaError: A stroke lies behind the camera, where it has no place on the photo.
    """
    settings = scene.cinemagraph
    if not in_scene(settings.hints, scene):
        return []
    strokes = []
    for layer in settings.hints.data.layers:
        if layer.name in HINT_LAYERS and not layer.hide:
            strokes += _read_layer(scene, layer)
    return strokes


def _read_layer(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer) -> list[Stroke]:
    frame = layer.get_frame_at(scene.frame_current)
    if frame is None or not len(frame.drawing.strokes):
        return []
    drawing = frame.drawing
    offsets = np.empty(len(drawing.curve_offsets), np.int32)
    drawing.curve_offsets.foreach_get("value", offsets)
    pixels = _project(scene, layer, _read(drawing, "position", "vector", offsets[-1], 3))
    count = len(offsets) - 1
    cyclic, speed = _read(drawing, "cyclic", "value", count), _read(drawing, SPEED, "value", count)
    filled = _read_filled(scene.cinemagraph.hints, drawing, count)
    kind = layer.name.lower()
    return [
        Stroke(
            kind, pixels[start:end],
            closed=bool(kind == "region" and (cyclic[i] or filled[i] or _nearly_closed(pixels[start:end]))),
            speed=float(speed[i]) or 1.0,
        )
        for i, (start, end) in enumerate(zip(offsets[:-1], offsets[1:]))
    ]


def _read(drawing: bpy.types.GreasePencilDrawing, name: str, field: str, count: int, width: int = 1) -> np.ndarray:
    """(count, width) float32 of an attribute, (count,) for width 1; zeros where it is missing."""
    values = np.zeros(count * width, np.float32)
    attribute = drawing.attributes.get(name)
    if attribute is not None and attribute.data_type != "FLOAT" and width == 1:
        exact = np.zeros(count, {"BOOLEAN": bool, "INT": np.int32}[attribute.data_type])
        attribute.data.foreach_get(field, exact)
        values = exact.astype(np.float32)
    elif attribute is not None:
        attribute.data.foreach_get(field, values)
    return values.reshape(count, width) if width > 1 else values


def _read_filled(hints: bpy.types.Object, drawing: bpy.types.GreasePencilDrawing, count: int) -> np.ndarray:
    """(count,) bool: strokes that are filled, by themselves (Blender 5.2 on) or by their material."""
    own = _read(drawing, "fill_id", "value", count) > 0
    if hasattr(drawing.strokes[0], "fill_id"):
        return own
    materials = [slot.material and slot.material.grease_pencil for slot in hints.material_slots]
    fills = [material is not None and material.show_fill for material in materials]
    return np.array([stroke.material_index < len(fills) and fills[stroke.material_index] for stroke in drawing.strokes])


def _nearly_closed(pixels: np.ndarray) -> bool:
    length = np.linalg.norm(np.diff(pixels, axis=0), axis=1).sum()
    return len(pixels) > 3 and np.linalg.norm(pixels[-1] - pixels[0]) <= NEARLY_CLOSED * length


def _to_core(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer) -> np.ndarray:
    """(4, 4) float64: coordinates of a layer of the hints -> core coordinates."""
    settings = scene.cinemagraph
    placed = settings.hints.matrix_world @ layer.matrix_local
    if layer.parent is not None:
        placed = layer.parent.matrix_world @ layer.matrix_parent_inverse @ layer.matrix_local
    return np.array(settings.root.matrix_world.inverted() @ placed)


def _project(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer, points: np.ndarray) -> np.ndarray:
    """(N, 3) in the layer's coordinates -> (N, 2) float32 px of the photo."""
    turn = _to_core(scene, layer)
    core = points @ turn[:3, :3].T + turn[:3, 3]
    if core[:, 2].min() <= 1e-6:
        raise CinemaError(
            f'A stroke on the layer "{layer.name}" lies behind the photo\'s camera',
            "Delete it, and draw in the photo's view",
        )
    return photo_camera(scene.cinemagraph).project(core).astype(np.float32)


def add_hints(scene: bpy.types.Scene, strokes: list[Stroke], replace: bool = False) -> None:
    """Draw strokes on the plane of the hints, on the layers of their kinds, at the current frame.

    Args:
        scene: A scene with a photo.
        strokes: In pixels of the working photo.
        replace: Clear what the layers show at this frame first.
    """
    data = scene.cinemagraph.hints.data
    for name in HINT_LAYERS:
        layer = data.layers.get(name) or data.layers.new(name)
        frame = layer.get_frame_at(scene.frame_current) or layer.frames.new(scene.frame_current)
        if replace:
            frame.drawing.remove_strokes()
        chosen = [stroke for stroke in strokes if stroke.kind == name.lower() and len(stroke.points)]
        if chosen:
            _draw(scene, layer, frame.drawing, chosen)
    data.update_tag()


def _draw(
    scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer, drawing: bpy.types.GreasePencilDrawing,
    strokes: list[Stroke],
) -> None:
    settings = scene.cinemagraph
    pixels = np.concatenate([stroke.points for stroke in strokes])
    plane = np.linalg.inv(np.array(settings.root.matrix_world)) @ np.array(settings.hints.matrix_world.translation[:] + (1,))
    core = photo_camera(settings).unproject(pixels, np.full(len(pixels), plane[2]))
    back = np.linalg.inv(_to_core(scene, layer))
    first = len(drawing.strokes)
    drawing.add_strokes([len(stroke.points) for stroke in strokes])
    local = core @ back[:3, :3].T + back[:3, 3]
    _append(drawing, "position", "FLOAT_VECTOR", "POINT", "vector", local)
    _append(drawing, "radius", "FLOAT", "POINT", "value", np.full(len(pixels), RADIUS))
    _append(drawing, "opacity", "FLOAT", "POINT", "value", np.ones(len(pixels)))
    _append(drawing, SPEED, "FLOAT", "CURVE", "value", np.array([stroke.speed for stroke in strokes]))
    for stroke, drawn in zip(strokes, list(drawing.strokes)[first:]):
        drawn.cyclic = stroke.closed
    drawing.tag_positions_changed()


def _append(
    drawing: bpy.types.GreasePencilDrawing, name: str, kind: str, domain: str, field: str, values: np.ndarray
) -> None:
    """Write the last len(values) elements of an attribute, which is made if it is missing."""
    attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
    whole = np.zeros((len(attribute.data), *values.shape[1:]), np.float32)
    attribute.data.foreach_get(field, whole.ravel())
    whole[-len(values):] = values
    attribute.data.foreach_set(field, whole.ravel())
