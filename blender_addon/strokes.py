"""Conversion between Grease Pencil strokes and strokes in pixels of the photo. Reads data of Blender 4.3 to 5.3."""

from collections.abc import Collection

import bpy
import numpy as np
from mathutils import Matrix

from ..cinema_core.shared.data import Stroke
from ..cinema_core.shared.errors import CinemaError
from ..cinema_core.shared.stroke_kinds import DEPTH_KINDS
from . import curves, marks
from .hint_layers import CYCLIC, LAYERS, NEARLY, HintLayer
from .marks import SPEED
from .scene import TURN, ensure_hint_layer, hint_material, in_scene, is_shown, photo_camera
from .versions import fills_by_stroke

SLOWEST_SPEED = 1e-4  # least stored factor on the speed, because a stored 0 means no factor
NEARLY_CLOSED = 0.15  # greatest gap between the ends of a closed stroke, as a share of its length
STROKE_RADIUS = 0.004  # units of the photo's longer side, radius of strokes that the extension draws


def read_drawn_strokes(scene: bpy.types.Scene) -> list[Stroke]:
    """Project the visible strokes through the photo's camera; their distance from it does not matter.

    Args:
        scene: The scene. The drawings are those of its current frame; transforms are read as last evaluated.

    Raises:
        CinemaError: A stroke lies behind the camera, where it has no place on the photo.
    """
    hints = find_hints(scene)
    strokes = []
    for layer in hints.data.layers if hints is not None else ():
        if layer.name in LAYERS and is_shown(layer):
            strokes += _read_layer(scene, layer)
    return strokes


def find_hints(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Give the scene's hints; None if the user has deleted them, or made them into another type of object."""
    hints = scene.cinemagraph.hints
    return hints if is_drawing(hints) and in_scene(hints, scene) else None


def is_drawing(item: bpy.types.Object | None) -> bool:
    """Tell whether an object is a Grease Pencil object."""
    return item is not None and item.type == "GREASEPENCIL"


def unread_layers(scene: bpy.types.Scene) -> list[str]:
    """Name the layers with strokes that are not read: hidden ones, and ones without the name of a kind of stroke."""
    hints = find_hints(scene)
    return [
        layer.name
        for layer in (hints.data.layers if hints is not None else ())
        if not (layer.name in LAYERS and is_shown(layer)) and _has_strokes(layer, scene.frame_current)
    ]


def shown_frame(layer: bpy.types.GreasePencilLayer, number: int) -> bpy.types.GreasePencilFrame | None:
    """Give the keyframe of a layer that counts at a frame; before the first keyframe that is the first one."""
    first = min(layer.frames, key=lambda frame: frame.frame_number, default=None)
    return layer.get_frame_at(number) or first


def reach_back(layer: bpy.types.GreasePencilLayer, number: int) -> None:
    """Move a layer's only keyframe to an earlier frame, so that its strokes are seen there, and drawn on."""
    if len(layer.frames) == 1 and layer.frames[0].frame_number > number:
        layer.frames.move(layer.frames[0].frame_number, number)


def _has_strokes(layer: bpy.types.GreasePencilLayer, number: int) -> bool:
    frame = shown_frame(layer, number)
    return frame is not None and len(frame.drawing.strokes) > 0


def about_depth(drawn: list[Stroke]) -> list[Stroke]:
    """Select the strokes that correct the depth; all others are about the motion."""
    return [stroke for stroke in drawn if stroke.kind in DEPTH_KINDS]


def _read_layer(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer) -> list[Stroke]:
    if not _has_strokes(layer, scene.frame_current):
        return []
    frame = shown_frame(layer, scene.frame_current)
    lines = [curves.evaluate(curve) for curve in _read_curves(frame.drawing)]
    starts = np.cumsum([len(line) for line in lines])[:-1]
    pixels = np.split(_project(scene, layer, np.concatenate(lines)[:, :3]), starts)
    cyclic, speed = (read_attribute(frame.drawing, name, "value", len(lines)) for name in ("cyclic", SPEED))
    filled = _read_filled(scene.cinemagraph.hints, frame.drawing, len(lines))
    row = LAYERS[layer.name]
    has_profile = row.kind == "motion" and scene.cinemagraph.speed_from_radius
    return [
        Stroke(
            row.kind,
            points,
            _is_closed(row, points, bool(cyclic[i] or filled[i])),
            float(speed[i]) or 1.0,
            _profile(lines[i][:, 3]) if has_profile else None,
        )
        for i, points in enumerate(pixels)
    ]


def _is_closed(layer: HintLayer, points: np.ndarray, drawn_closed: bool) -> bool:
    """Tell whether a stroke encloses an area: some kinds always do, others depending on how they were drawn."""
    if layer.kind_row.encloses:
        return True
    if layer.closed_if == NEARLY:
        return drawn_closed or bool(_nearly_closed(points))
    return layer.closed_if == CYCLIC and drawn_closed


def _profile(radius: np.ndarray) -> np.ndarray:
    """(N,) float32: the radius divided by its mean, so that the stroke keeps its mean speed."""
    mean = radius.mean()
    ratio = radius / mean if mean > 0 else np.ones(len(radius))
    return np.clip(ratio, *marks.RADIUS_SPEEDS).astype(np.float32)


def _read_curves(drawing: bpy.types.GreasePencilDrawing) -> list[curves.Curve]:
    """The strokes as curves with control points (x, y, z, radius)."""
    offsets = np.empty(len(drawing.curve_offsets), np.int32)
    drawing.curve_offsets.foreach_get("value", offsets)
    count, whole = len(offsets) - 1, offsets[-1]
    points = np.column_stack(
        [
            read_attribute(drawing, "position", "vector", whole, 3),
            read_attribute(drawing, "radius", "value", whole, missing=STROKE_RADIUS),
        ]
    )
    spans = [slice(start, end) for start, end in zip(offsets[:-1], offsets[1:])]
    # Without this attribute Blender draws Catmull-Rom curves.
    kinds = read_attribute(drawing, "curve_type", "value", count).astype(int)
    if (kinds == curves.POLY).all():
        return [curves.Curve(points[span]) for span in spans]
    handles = np.stack([read_attribute(drawing, name, "vector", whole, 3) for name in ("handle_left", "handle_right")])
    of_curve = {
        "cyclic": read_attribute(drawing, "cyclic", "value", count) > 0,
        "resolution": read_attribute(drawing, "resolution", "value", count, missing=curves.RESOLUTION).astype(int),
        "order": read_attribute(drawing, "nurbs_order", "value", count, missing=4).astype(int),
        "knots": read_attribute(drawing, "knots_mode", "value", count).astype(int),
    }
    weights = read_attribute(drawing, "nurbs_weight", "value", whole, missing=1.0)
    return [
        curves.Curve(
            points[span],
            kinds[i],
            handles=handles[:, span],
            weights=weights[span],
            **{name: values[i] for name, values in of_curve.items()},
        )
        for i, span in enumerate(spans)
    ]


def read_attribute(
    drawing: bpy.types.GreasePencilDrawing, name: str, field: str, count: int, width: int = 1, missing: float = 0.0
) -> np.ndarray:
    """Read an attribute as (count, width) float32, (count,) for width 1; filled with `missing` if it does not exist."""
    values = np.full(count * width, missing, np.float32)
    attribute = drawing.attributes.get(name)
    if attribute is not None and attribute.data_type != "FLOAT" and width == 1:
        exact = np.zeros(count, {"BOOLEAN": bool, "INT8": np.int8, "INT": np.int32}[attribute.data_type])
        attribute.data.foreach_get(field, exact)
        values = exact.astype(np.float32)
    elif attribute is not None:
        attribute.data.foreach_get(field, values)
    return values.reshape(count, width) if width > 1 else values


def _read_filled(hints: bpy.types.Object, drawing: bpy.types.GreasePencilDrawing, count: int) -> np.ndarray:
    """(count,) bool: strokes with a fill of their own or by their material."""
    own = read_attribute(drawing, "fill_id", "value", count) > 0
    if fills_by_stroke(drawing):
        return own
    materials = [slot.material and slot.material.grease_pencil for slot in hints.material_slots]
    fills = [material is not None and material.show_fill for material in materials]
    return np.array([stroke.material_index < len(fills) and fills[stroke.material_index] for stroke in drawing.strokes])


def _nearly_closed(pixels: np.ndarray) -> bool:
    length = np.linalg.norm(np.diff(pixels, axis=0), axis=1).sum()
    return len(pixels) > 3 and np.linalg.norm(pixels[-1] - pixels[0]) <= NEARLY_CLOSED * length


def _to_core(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer) -> np.ndarray:
    """(4, 4) float64 matrix from the coordinates of a layer of the hints to core coordinates."""
    settings = scene.cinemagraph
    placed = settings.hints.matrix_world @ layer.matrix_local
    if layer.parent is not None:
        placed = layer.parent.matrix_world @ layer.matrix_parent_inverse @ layer.matrix_local
    return np.array(_root(settings).inverted_safe() @ placed)


def _root(settings: bpy.types.PropertyGroup) -> Matrix:
    """The root's world matrix; that of a new one where the user has deleted it."""
    return TURN if settings.root is None else settings.root.matrix_world


def _project(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer, points: np.ndarray) -> np.ndarray:
    """Project (N, 3) points in the layer's coordinates to (N, 2) float32 px of the photo."""
    turn = _to_core(scene, layer)
    core = points @ turn[:3, :3].T + turn[:3, 3]
    if core[:, 2].min() <= 1e-6:
        raise CinemaError(
            f'A stroke on the layer "{layer.name}" lies behind the photo\'s camera',
            "Delete it, and draw it in the photo's view",
        )
    return photo_camera(scene.cinemagraph).project(core).astype(np.float32)


def add_hints(
    scene: bpy.types.Scene, strokes: list[Stroke], replace: bool = False, layers: Collection[str] = tuple(LAYERS)
) -> None:
    """Draw strokes on the plane of the hints, on the layers of their kinds, at the current frame.

    The profile of a stroke becomes its radius, and Speed from Radius is switched on.

    Args:
        scene: A scene with a photo.
        strokes: In pixels of the working photo.
        replace: Remove the strokes that these layers show at this frame first.
        layers: Names of the layers to draw on.
    """
    settings = scene.cinemagraph
    for name in layers:
        layer = ensure_hint_layer(scene, name)
        reach_back(layer, scene.frame_current)
        frame = layer.get_frame_at(scene.frame_current) or layer.frames.new(scene.frame_current)
        if replace:
            frame.drawing.remove_strokes()
        chosen = [stroke for stroke in strokes if stroke.kind == LAYERS[name].kind and len(stroke.points)]
        if chosen:
            _draw(scene, layer, frame.drawing, chosen)
    if any(stroke.profile is not None for stroke in strokes):
        settings.speed_from_radius = True
    settings.hints.data.update_tag()


def _draw(
    scene: bpy.types.Scene,
    layer: bpy.types.GreasePencilLayer,
    drawing: bpy.types.GreasePencilDrawing,
    strokes: list[Stroke],
) -> None:
    local = _place(scene, layer, np.concatenate([stroke.points for stroke in strokes]))
    profiles = [np.ones(len(stroke.points)) if stroke.profile is None else stroke.profile for stroke in strokes]
    means = [max(float(profile.mean()), 1e-6) for profile in profiles]
    first = len(drawing.strokes)
    drawing.add_strokes([len(stroke.points) for stroke in strokes])
    radius = np.concatenate([STROKE_RADIUS * profile / mean for profile, mean in zip(profiles, means)])
    speed = np.array([max(stroke.speed * mean, SLOWEST_SPEED) for stroke, mean in zip(strokes, means)])
    write_last(drawing, "position", "FLOAT_VECTOR", "POINT", "vector", local)
    write_last(drawing, "radius", "FLOAT", "POINT", "value", radius)
    write_last(drawing, "opacity", "FLOAT", "POINT", "value", np.ones(len(local)))
    write_last(drawing, SPEED, "FLOAT", "CURVE", "value", speed)
    material = hint_material(scene, layer.name)
    for stroke, drawn in zip(strokes, list(drawing.strokes)[first:]):
        drawn.cyclic, drawn.material_index = stroke.closed, material
    drawing.tag_positions_changed()


def _place(scene: bpy.types.Scene, layer: bpy.types.GreasePencilLayer, pixels: np.ndarray) -> np.ndarray:
    """Place (N, 2) px of the photo on the plane of the hints: (N, 3) in the layer's coordinates."""
    settings = scene.cinemagraph
    hints = np.array((*settings.hints.matrix_world.translation, 1.0))
    plane = np.linalg.inv(np.array(_root(settings))) @ hints
    core = photo_camera(settings).unproject(pixels, np.full(len(pixels), plane[2]))
    back = np.linalg.inv(_to_core(scene, layer))
    return core @ back[:3, :3].T + back[:3, 3]


def write_last(
    drawing: bpy.types.GreasePencilDrawing, name: str, kind: str, domain: str, field: str, values: np.ndarray
) -> None:
    """Write the last len(values) elements of an attribute; it is made if it is missing."""
    attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
    whole = np.zeros((len(attribute.data), *values.shape[1:]), {"INT": np.int32, "BOOLEAN": bool}.get(kind, np.float32))
    attribute.data.foreach_get(field, whole.ravel())
    whole[-len(values) :] = values
    attribute.data.foreach_set(field, whole.ravel())
