"""Strokes in files of labelme, versions 4 to 6, both ways. numpy only: Blender's process imports this module.

Shapes labelled ``hint*`` are motion strokes. ``still*``, ``sway*`` and ``outlet*`` are strokes of that kind.
``depth_same*``, ``depth_nearer*``, ``depth_farther*``, ``depth_horizon*``, ``depth_flat*``, ``depth_upright*`` and
``depth_sky*`` are depth strokes. Every other area is a region. The file's image data is ignored. labelme has no speed:
a stroke's speed and profile stand in the shape's description, as in ``speed=1.5 profile=1,0.5``. A shape of type
"mask", as labelme's AI tools make it, becomes the outlines of its parts.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import numpy as np

from .atomic_write import atomic_write
from .data import Stroke
from .errors import quoted
from .stroke_entries import is_number, read_png_mask, read_points, read_profile, trace_outlines
from .stroke_kinds import ENCLOSING_KINDS, LABEL_STARTS, STROKE_KINDS

SIZE_KEYS = ("imageWidth", "imageHeight")
_VERSION = "5.5.0"  # labelme's version that written files name; labelme 4 to 6 open it
_CIRCLE_CORNERS = 48  # of the polygon that takes the place of a circle
_AREA_SHAPES = ("polygon", "rectangle", "oriented_rectangle", "circle")  # labelme's shape types that enclose an area
_LINE_SHAPES = ("line", "linestrip", "point")


class UnusableShape(ValueError):
    """A shape of a type that has no meaning here, or none with its label.

    Args:
        text: The problem, after "shape 3": without a subject.
        hint: The remedy.
    """

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


def read_shape(shape: dict) -> list[Stroke]:
    """The strokes that one shape of a labelme file stands for, in px of the file's photo: of a mask several, else one.

    Raises:
        UnusableShape: Its type has no meaning here.
        ValueError: A value makes no sense.
        KeyError: A value is missing.
    """
    label, form = str(shape["label"]), shape.get("shape_type") or "polygon"
    points = read_points(shape["points"])
    kind = _kind_of_label(label)
    if form == "mask":
        return [Stroke(kind, outline, True) for outline in _mask_outlines(points, shape.get("mask"))]
    if form == "points" and kind == "still":
        return [Stroke(kind, point[None]) for point in points]
    if form not in _AREA_SHAPES and form not in _LINE_SHAPES:
        raise UnusableShape(
            f"({quoted(label)}) has labelme's type {quoted(form)}, which has no meaning here",
            "Draw a polygon or a line in its place",
        )
    if form not in _AREA_SHAPES and kind in ENCLOSING_KINDS:
        raise UnusableShape(
            f"({quoted(label)}) is a {form}, which encloses nothing", "Label it hint, or draw a polygon in its place"
        )
    if form == "rectangle":
        points = _rectangle_corners(points)
    elif form == "circle":
        points = _circle_corners(points)
    words = dict(word.split("=", 1) for word in str(shape.get("description") or "").split() if "=" in word)
    return [Stroke(kind, points, form in _AREA_SHAPES, _described_speed(words), _described_profile(words, len(points)))]


def write_labelme(
    path: Path,
    strokes: list[Stroke],
    size: tuple[int, int],
    photo_name: str,
    photo_size: tuple[int, int] | None = None,
) -> None:
    """Write a file that labelme opens, atomically; `stroke_files.read_strokes` reads the same strokes from it.

    Args:
        path: The file, replaced if it exists; labelme looks for the photo relative to its folder.
        strokes: In px of a photo of `size`.
        size: (W, H) px.
        photo_name: The photo's file name.
        photo_size: (W, H) px of the photo's file, which labelme shows; None where it is `size`.
    """
    width, height = photo_size or size
    scale = np.array((width, height), np.float64) / size
    shapes: list[dict] = []
    for stroke in strokes:
        number = sum(shape["label"].startswith("hint") for shape in shapes) if stroke.kind == "motion" else ""
        shapes.append(
            {
                "label": f"{STROKE_KINDS[stroke.kind].label}{number}",
                "points": [[_exact(x), _exact(y)] for x, y in stroke.points * scale],
                "group_id": None,
                "description": _description(stroke),
                "shape_type": _shape_type(stroke),
                "flags": {},
                "mask": None,
            }
        )
    content: dict = {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": photo_name,
        "imageData": None,
        "imageHeight": int(height),
        "imageWidth": int(width),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    with atomic_write(path) as partial:
        # Bytes of a file's name that are not UTF-8 are lone surrogates here; labelme reads them from JSON's escapes.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def _exact(value: float) -> float:
    return float(f"{value:.9g}")  # enough digits for every float32


def _shape_type(stroke: Stroke) -> str:
    if stroke.closed or stroke.kind in ENCLOSING_KINDS:
        return "polygon"
    return {1: "point", 2: "line"}.get(len(stroke.points), "linestrip")


def _description(stroke: Stroke) -> str:
    words = [] if stroke.speed == 1 else [f"speed={float(stroke.speed)!r}"]
    if stroke.profile is not None:
        words.append("profile=" + ",".join(f"{factor:.4g}" for factor in stroke.profile))
    return " ".join(words)


def _kind_of_label(label: str) -> str:
    kind = next((kind for prefix, kind in LABEL_STARTS.items() if label.startswith(prefix)), "region")
    if kind == "region" and label.startswith("depth_"):
        names = ", ".join(prefix for prefix in LABEL_STARTS if prefix.startswith("depth_"))
        raise ValueError(f"has the unknown depth label {quoted(label)}; there are {names}")
    return kind


def _described_speed(words: dict[str, str]) -> float:
    """The speed in a description, which may hold any text; 1 where it holds no valid speed."""
    try:
        speed = float(words["speed"])
    except (KeyError, ValueError):
        return 1.0
    return speed if is_number(speed) and speed >= 0 else 1.0


def _described_profile(words: dict[str, str], count: int) -> np.ndarray | None:
    """The profile in a description; None where it has none, or where labelme has since added or deleted points."""
    try:
        return read_profile([float(factor) for factor in words["profile"].split(",")], count)
    except (KeyError, ValueError):
        return None


def _rectangle_corners(points: np.ndarray) -> np.ndarray:
    """(4, 2) corners from labelme's two opposite ones; newer labelme writes all four."""
    if len(points) == 4:
        return points
    if len(points) != 2:
        raise ValueError("is a rectangle without two corners")
    (x0, y0), (x1, y1) = points
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _circle_corners(points: np.ndarray) -> np.ndarray:
    """(N, 2) polygon from a circle's centre and a point on it."""
    if len(points) != 2:
        raise ValueError("is a circle without a centre and a point on it")
    centre, edge_point = points
    angle = np.linspace(0, 2 * math.pi, _CIRCLE_CORNERS, endpoint=False)
    return centre + np.linalg.norm(edge_point - centre) * np.stack([np.cos(angle), np.sin(angle)], 1)


def _mask_outlines(points: np.ndarray, picture: object) -> list[np.ndarray]:
    """Outlines of a mask, a PNG picture in base64 whose upper left pixel is the first point's pixel."""
    if not isinstance(picture, str) or not picture:
        raise ValueError("is a mask without its picture")
    try:
        data = base64.b64decode(picture.partition(",")[2] or picture)  # after "data:image/png;base64,", if at all
    except ValueError as error:
        raise ValueError("has a damaged mask") from error
    mask = read_png_mask(data)
    if not mask.any():
        raise ValueError("is a mask that covers no pixel")
    return [outline + np.rint(points[0]) for outline in trace_outlines(mask)]
