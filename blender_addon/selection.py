"""Speed and direction of the chosen Motion strokes: those selected in Edit Mode, else the one drawn last."""

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np

from .hint_layers import MOTION_LAYER
from .marks import SPEED
from .strokes import find_hints, read_attribute, shown_frame

SPEEDS = 0.01, 100.0  # least and greatest factor on the speed that a user can choose
_TYPES = {  # data type of an attribute -> name of its field, values per element, numpy type
    "FLOAT": ("value", 1, np.float32),
    "INT": ("value", 1, np.int32),
    "INT8": ("value", 1, np.int8),
    "BOOLEAN": ("value", 1, bool),
    "FLOAT_VECTOR": ("vector", 3, np.float32),
    "FLOAT2": ("vector", 2, np.float32),
    "FLOAT_COLOR": ("color", 4, np.float32),
    "BYTE_COLOR": ("color", 4, np.float32),
    "QUATERNION": ("value", 4, np.float32),
}


@dataclass(frozen=True, eq=False)
class Chosen:
    """Chosen Motion strokes of the drawing at the current frame.

    Attributes:
        drawing: The drawing.
        strokes: Indices of the chosen strokes; empty when none is selected in Edit Mode.
        offsets: (N + 1,) int32, index of the first point of each stroke.
    """

    drawing: bpy.types.GreasePencilDrawing
    strokes: list[int]
    offsets: np.ndarray


def choose(scene: bpy.types.Scene) -> Chosen | None:
    """Find the chosen Motion strokes; None if there are no Motion strokes at all."""
    hints = find_hints(scene)
    layer = hints.data.layers.get(MOTION_LAYER) if hints is not None else None
    frame = shown_frame(layer, scene.frame_current) if layer is not None else None
    if frame is None or not len(frame.drawing.strokes):
        return None
    drawing = frame.drawing
    offsets = np.empty(len(drawing.curve_offsets), np.int32)
    drawing.curve_offsets.foreach_get("value", offsets)
    if hints.mode == "EDIT":
        return Chosen(drawing, _selected(drawing, offsets), offsets)
    return Chosen(drawing, [len(offsets) - 2], offsets)


def _selected(drawing: bpy.types.GreasePencilDrawing, offsets: np.ndarray) -> list[int]:
    """Indices of strokes with a selected point; Blender stores no attribute when everything is selected."""
    attribute = drawing.attributes.get(".selection")
    if attribute is None:
        return list(range(len(offsets) - 1))
    selected = read_attribute(drawing, ".selection", "value", len(attribute.data)) > 0
    if attribute.domain == "CURVE":
        return np.flatnonzero(selected).tolist()
    return np.flatnonzero(np.logical_or.reduceat(selected, offsets[:-1])).tolist()


def get_speed(scene: bpy.types.Scene) -> float:
    """Give the mean factor on the speed of the chosen strokes, 1 if there are none."""
    return mean_speed(choose(scene))


def mean_speed(chosen: Chosen | None) -> float:
    """Give the mean factor on the speed of strokes, 1 if there are none."""
    if chosen is None or not chosen.strokes:
        return 1.0
    factors = read_attribute(chosen.drawing, SPEED, "value", len(chosen.offsets) - 1)[chosen.strokes]
    return float(np.where(factors > 0, factors, 1.0).mean())


def set_speed(scene: bpy.types.Scene, factor: float) -> None:
    """Set the factor on the speed of the chosen strokes."""
    _change_speed(scene, lambda factors: np.full_like(factors, factor))


def scale_speed(scene: bpy.types.Scene, scale: float) -> None:
    """Multiply the factor on the speed of each chosen stroke."""
    _change_speed(scene, lambda factors: factors * np.float32(scale))


def _change_speed(scene: bpy.types.Scene, change: Callable[[np.ndarray], np.ndarray]) -> None:
    chosen = choose(scene)
    if chosen is None or not chosen.strokes:
        return
    factors = read_attribute(chosen.drawing, SPEED, "value", len(chosen.offsets) - 1)
    own = factors[chosen.strokes]
    factors[chosen.strokes] = np.clip(change(np.where(own > 0, own, 1.0)), *SPEEDS)
    attribute = chosen.drawing.attributes.get(SPEED) or chosen.drawing.attributes.new(SPEED, "FLOAT", "CURVE")
    attribute.data.foreach_set("value", factors)
    _tag(scene, chosen)


def reverse(scene: bpy.types.Scene) -> int:
    """Reverse the chosen strokes with all attributes of their points, and give their number."""
    chosen = choose(scene)
    if chosen is None or not chosen.strokes:
        return 0
    order = np.arange(chosen.offsets[-1])
    for stroke in chosen.strokes:
        span = slice(chosen.offsets[stroke], chosen.offsets[stroke + 1])
        order[span] = order[span][::-1]
    attributes = {item.name: item for item in chosen.drawing.attributes if item.domain == "POINT"}
    values = {name: _get(item) for name, item in attributes.items() if item.data_type in _TYPES}
    # Reversing swaps the handles before and after each point.
    for left, right in (("handle_left", "handle_right"), ("handle_type_left", "handle_type_right")):
        if left in values and right in values:
            turned = np.unique(np.concatenate([np.arange(*chosen.offsets[[s, s + 1]]) for s in chosen.strokes]))
            values[left][turned], values[right][turned] = values[right][turned], values[left][turned].copy()
    for name, whole in values.items():
        attributes[name].data.foreach_set(_TYPES[attributes[name].data_type][0], whole[order].ravel())
    _tag(scene, chosen)
    return len(chosen.strokes)


def _get(attribute: bpy.types.Attribute) -> np.ndarray:
    field, width, kind = _TYPES[attribute.data_type]
    values = np.empty((len(attribute.data), width), kind)
    attribute.data.foreach_get(field, values.ravel())
    return values


def _tag(scene: bpy.types.Scene, chosen: Chosen) -> None:
    chosen.drawing.tag_positions_changed()
    scene.cinemagraph.hints.data.update_tag()
