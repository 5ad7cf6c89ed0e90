"""The options of a build: one row each, with its default, range, unit and help.

The command line's arguments, the check of a request's options and Blender's properties are made from these rows; adding
an option means adding a row here and naming it in the stage that uses it (`pipeline.stages`). Standard library only:
Blender's process imports this module.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from .errors import CinemaError, quoted

MAP_KINDS = ("auto", "disparity", "inverted", "metric")
COHERENCE = ("auto", "always", "never")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Row:
    """An option besides its value.

    Attributes:
        label: Name on a button, in title case.
        help: One sentence without a full stop: tooltip and command line help.
        group: Which part of a build it belongs to: "photo", "depth", "layers", "motion", "points" or "engine".
        low, high: Least and greatest number; None where it is no number.
        soft: (low, high), the range of a slider; None where it is that of the values.
        unit: Unit for people, "" for a plain factor.
        choices: The words that it may be; () where it is free.
        is_model: It names a model: results depend on the path, size and time of the model's files.
    """

    label: str
    help: str
    group: str
    low: float | None = None
    high: float | None = None
    soft: tuple[float, float] | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    is_model: bool = False


def _option(default: object, row: Row) -> Any:
    return dataclasses.field(default=default, metadata={"row": row})


# A row is read at a glance as long as it stays together.
# fmt: off
@dataclass(frozen=True)
class BuildOptions:
    """The options of a build; each is described by its `Row`."""

    frames: int = _option(60, Row(
        "Loop Length", "Frames after which the motion of the build repeats",
        "points", low=2, high=10000, soft=(2, 500), unit="frames"))
    speed: float = _option(1.0, Row(
        "Overall Speed", "Factor on the speed of all motion strokes; larger flows faster",
        "motion", low=0, high=100, soft=(0, 5)))
    max_side: int = _option(1920, Row(
        "Max Side", "Longest side of the working photo; a larger photo is scaled down to it when it is opened",
        "photo", low=16, high=16384, soft=(64, 4096), unit="px"))
    focal: float | None = _option(None, Row(
        "Focal Length", "Focal length in pixels of the working photo; by default from EXIF, else the longer side",
        "photo", low=1, high=1e6, soft=(100, 10000), unit="px"))
    keys: int = _option(12, Row(
        "Trajectory Segments", "Segments K of a point's trajectory over the loop, of which K + 1 positions are stored",
        "points", low=1, high=100))
    seed: int = _option(0, Row(
        "Seed", "Seed of all random choices",
        "layers", low=0, high=2**31 - 1))
    device: str = _option("auto", Row(
        "Device", "Device that torch computes on",
        "engine", choices=DEVICES))
    feather: float = _option(0.01, Row(
        "Feather", "Width of the strip along a region's boundary in which motion fades, as a share of the longer side",
        "motion", low=0, high=0.5, soft=(0, 0.05), unit="share"))
    perspective: bool = _option(True, Row(
        "Perspective Speed", "Let nearer water move faster in pixels on a plane that recedes into the distance",
        "motion"))
    swings: int = _option(1, Row(
        "Swings", "Number of swings of sway areas within one loop",
        "points", low=1, high=100, soft=(1, 8)))
    thin: bool = _option(True, Row(
        "Thin Out", "Leave out moving points that make no visible difference, for smaller files and faster playback",
        "points"))
    depth_kind: str = _option("auto", Row(
        "Values", "Meaning of depth values: disparity (near is white), inverted (near is black), metric (distances)",
        "depth", choices=MAP_KINDS))
    depth_near: float | None = _option(None, Row(
        "Near", "Distance of the nearest content, in any unit; by default taken from the depth",
        "depth", low=1e-6, high=1e9, soft=(1e-3, 100), unit="distance"))
    depth_far: float | None = _option(None, Row(
        "Far", "Distance of the farthest content, in the same unit; by default taken from the depth",
        "depth", low=1e-6, high=1e9, soft=(1e-3, 1000), unit="distance"))
    depth_gamma: float = _option(1.0, Row(
        "Gamma", "Exponent applied to disparity between nearest and farthest; above 1 the middle distance recedes",
        "depth", low=0.1, high=10, soft=(0.3, 3)))
    depth_model: str = _option("", Row(
        "Model", "Depth model: the name of one that is offered, a .pt or .onnx file, a transformers folder, or a name "
        "in the hub cache; by default the built-in network",
        "depth", unit="model", is_model=True))
    download: bool = _option(False, Row(
        "Download", "Download the depth model if it is not on this computer",
        "depth"))
    inpaint_model: str = _option("", Row(
        "Inpainting Model", "Inpainting model, a .pt or .onnx file; by default texture of the photo is copied",
        "layers", unit="file", is_model=True))
    reach: float = _option(1.0, Row(
        "Reach", "Factor on how far surfaces extend behind nearer ones and beyond the photo's border",
        "layers", low=0.25, high=4))
    edge_cleanup: float = _option(1.0, Row(
        "Edge Cleanup", "Strength of aligning depth edges with the photo's and of removing noise; 0 is none",
        "depth", low=0, high=1))
    coherence: str = _option("auto", Row(
        "Rigid Objects", "Give every object one rigid depth, so that a camera move neither bends nor tears it; auto "
        "does so for the built-in network's estimate alone",
        "depth", choices=COHERENCE))
# fmt: on


ROWS: dict[str, Row] = {field.name: field.metadata["row"] for field in dataclasses.fields(BuildOptions)}
DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(BuildOptions)}
_KINDS: dict[str, tuple[type, ...]] = {  # by annotation: types of a value in JSON
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float),
    "bool": (bool,),
    "str": (str,),
}
KINDS = {field.name: _KINDS[str(field.type)] for field in dataclasses.fields(BuildOptions)}


def names(*groups: str) -> list[str]:
    """Names of the options of these groups, in their order."""
    return [name for name, row in ROWS.items() if row.group in groups]


def check(name: str, value: object) -> Any:
    """Check one option's value.

    Returns:
        The value; the default for None.

    Raises:
        CinemaError: It is not of the option's type, range or choices.
    """
    row = ROWS[name]
    if value is None:
        return DEFAULTS[name]
    right = isinstance(value, KINDS[name]) and (bool in KINDS[name] or not isinstance(value, bool))
    if right and row.low is not None and row.high is not None:
        assert isinstance(value, (int, float))
        right = row.low <= value <= row.high
    if right and isinstance(value, str):
        right = is_name(value)
    if not right or (row.choices and value not in row.choices):
        raise CinemaError(f'The option "{name}" is {quoted(value)}', f"Give {describe_values(name)}")
    return value


def is_name(text: str) -> bool:
    """Whether a file may have this name, as far as its characters go."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def describe_values(name: str) -> str:
    """The values that an option may have, for messages: "a whole number from 2 to 10000"."""
    row, kinds = ROWS[name], KINDS[name]
    if row.choices:
        return f"one of {', '.join(row.choices)}"
    if bool in kinds:
        return "true or false"
    if row.low is None:
        return f"the name of a {row.unit or 'word'}"
    return f"{'a whole number' if kinds == (int,) else 'a number'} from {row.low:.10g} to {row.high:.10g}"
