"""The options of a build as Blender properties, made from their rows in `cinema_core.shared.options`.

Label, tooltip, range and default of a property are those of its row. `OWN` holds the settings that only Blender needs.
"""

from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..cinema_core.shared.models import DEFAULT_MODEL, OFFERED
from ..cinema_core.shared.options import DEFAULTS, KINDS, ROWS, Row
from . import callbacks

NOT_SHOWN = ("keys", "seed", "device", "download")  # options of the command line alone
SUBTYPES = {"px": "PIXEL", "frames": "TIME", "share": "PERCENTAGE", "file": "FILE_PATH"}  # by unit
PERCENT = 100.0  # an option whose unit is a share is shown in percent

OWN: dict[str, dict[str, Any]] = {
    "focal": {
        "description": "Focal length in pixels of the working photo, whose longer side is the 36 mm sensor width; "
        "a shorter one gives a wider view and more depth, and built points follow at once",
        "default": 1000.0,
        "update": callbacks.on_update("focal"),
    },
    "feather": {"precision": 1},
    "depth_kind": {
        "items": [
            ("AUTO", "Auto", "Determine the meaning of the values from the values and the photo"),
            ("DISPARITY", "Near is White", "Large values are near, as in most depth maps"),
            ("INVERTED", "Near is Black", "Large values are far, without a known scale"),
            ("METRIC", "Metric", "The values are distances in any unit"),
        ]
    },
    "depth_near": {"default": 1.0},
    "depth_far": {"default": 20.0},
    "depth_model": {
        "description": "An offered depth model, a .pt or .onnx file, or the name or folder of a transformers model",
        "default": DEFAULT_MODEL,
        "update": callbacks.on_update("depth_model"),
        "search": lambda _settings, _context, _text: [(name, OFFERED[name].summary) for name in OFFERED],
        "search_options": {"SUGGESTION"},
    },
    "reach": {"subtype": "FACTOR"},
    "edge_cleanup": {"subtype": "FACTOR"},
    "coherence": {
        "items": [
            ("AUTO", "Automatic", "Only for the estimate of the built-in network"),
            ("ALWAYS", "Always", "For every depth, also for a file or the estimate of a model"),
            ("NEVER", "Never", "Depth stays as it was estimated or read"),
        ]
    },
}
SHOWN = tuple(name for name in ROWS if name not in NOT_SHOWN)


def option_property(name: str) -> Any:
    """Make the Blender property of an option."""
    row, kind, default = ROWS[name], KINDS[name][-1], DEFAULTS[name]
    wanted: dict[str, Any] = {"name": row.label, "description": row.help}
    if row.unit in SUBTYPES:
        wanted["subtype"] = SUBTYPES[row.unit]
    if default is not None and not row.choices:
        wanted["default"] = default * _scale(row) if kind is float else default
    if kind in (int, float):
        wanted |= _limits(row, kind)
    make = {bool: BoolProperty, int: IntProperty, float: FloatProperty, str: StringProperty}[kind]
    return (EnumProperty if row.choices else make)(**wanted | OWN.get(name, {}))


def read_option(settings: bpy.types.PropertyGroup, name: str) -> Any:
    """Read a property as the value of its option."""
    row, value = ROWS[name], getattr(settings, name)
    if row.choices:
        return value.lower()
    if row.unit == "file":
        return bpy.path.abspath(value)
    return value / _scale(row) if isinstance(value, float) else value


def _scale(row: Row) -> float:
    return PERCENT if row.unit == "share" else 1.0


def _limits(row: Row, kind: type) -> dict[str, float]:
    low, high = row.soft or (row.low, row.high)
    limits = {"min": row.low, "max": row.high, "soft_min": low, "soft_max": high}
    return {name: kind(value * _scale(row)) for name, value in limits.items() if value is not None}


class BuildSettings:
    """Mixin of `CinemagraphSettings`: the options of a build."""

    __annotations__ = {name: option_property(name) for name in SHOWN}
