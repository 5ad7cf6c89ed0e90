"""Stroke files: ours and labelme's, both ways. Standard library and numpy only: Blender's process imports this module.

Ours::

    {"schema": 1, "width": W, "height": H,
     "strokes": [{"kind": "motion", "points": [[x, y], ...], "closed": false, "speed": 1.0, "profile": [1, ...]}, ...]}

Points are px of a photo of W x H, pixel centres at +0.5. Kinds: "motion" (direction, and length/50 px per frame times
``speed``, times ``profile`` at each point where there is one), "region" (encloses what flows), "sway" (encloses what
swings to and fro), "still" (does not move: along the line, or all that it encloses) and "outlet" (the region's border
is open along it). About depth: "same_depth" (what it runs over stands as far as where it starts), "nearer" and
"farther" (than where it starts, by ``speed`` times the least clear step), "horizon" (the ground's), "flat" (encloses
a plane), "upright" (encloses what stands upright on its foot) and "depth_sky" (encloses what is infinitely far).

In a labelme file (versions 4 to 6), shapes labelled ``hint*`` are motion strokes, ``still*``, ``sway*`` and ``outlet*``
what they say, ``depth_same*``, ``depth_nearer*``, ``depth_farther*``, ``depth_horizon*``, ``depth_flat*``,
``depth_upright*`` and ``depth_sky*`` are about depth, and every other area is a region; its image data is not looked
at. labelme knows no speed: a stroke's speed and profile stand in the shape's description, as in ``speed=1.5
profile=1,0.5``.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np

from .data import Stroke
from .errors import CinemaError
from .stroke_kinds import ENCLOSING_KINDS as _ENCLOSE
from .stroke_kinds import KINDS, STROKE_KINDS
from .stroke_kinds import LABEL_STARTS as _LABELS

SCHEMA = 1
_ASPECT_TOLERANCE = 0.01
_CIRCLE_CORNERS = 48
_LABELME = "5.5.0"  # the version that our files say they are of; labelme 4 to 6 open it
_REGION = STROKE_KINDS["region"].label  # the label of a region that we write
_AREAS = ("polygon", "rectangle", "oriented_rectangle", "circle")  # labelme's shape types that enclose something
_LINES = ("line", "linestrip", "point")


def read_strokes(path: Path, size: tuple[int, int]) -> list[Stroke]:
    """Read a stroke file and scale it to the working photo.

    Args:
        path: Our JSON or labelme's.
        size: (W, H) px of the working photo.

    Returns:
        The strokes in px of the working photo; they may reach beyond it.

    Raises:
        CinemaError: The file cannot be read, makes no sense, or belongs to a photo of another aspect.
    """
    path = Path(path)
    content = _read_json(path)
    if isinstance(content, dict) and isinstance(content.get("strokes"), list):
        entries, keys, read = content["strokes"], ("width", "height"), _stroke
    elif isinstance(content, dict) and isinstance(content.get("shapes"), list):
        entries, keys, read = content["shapes"], ("imageWidth", "imageHeight"), _labelme_stroke
    else:
        raise CinemaError(f"{path.name} holds no strokes", "Give a stroke file of 3D Cinemagraph or of labelme")
    if content.get("schema", SCHEMA) != SCHEMA:
        raise CinemaError(f"{path.name} was written by a newer version", "Update 3D Cinemagraph, or draw again")
    scale = _scale(path, [content.get(key) for key in keys], keys, size)
    return [_read_entry(path, number, entry, read, scale) for number, entry in enumerate(entries, 1)]


def write_strokes(path: Path, strokes: list[Stroke], size: tuple[int, int]) -> None:
    """Write our stroke file, whole or not at all.

    Args:
        path: The file, replaced if there.
        strokes: In px of a photo of `size`.
        size: (W, H) px.
    """
    entries = [
        {
            "kind": stroke.kind,
            "points": [[round(float(x), 3), round(float(y), 3)] for x, y in stroke.points],
            "closed": bool(stroke.closed),
            "speed": float(stroke.speed),
        }
        | ({} if stroke.profile is None else {"profile": [round(float(factor), 4) for factor in stroke.profile]})
        for stroke in strokes
    ]
    content = {"schema": SCHEMA, "width": int(size[0]), "height": int(size[1]), "strokes": entries}
    _write_whole(Path(path), json.dumps(content))


def write_labelme(
    path: Path,
    strokes: list[Stroke],
    size: tuple[int, int],
    photo_name: str,
    photo_size: tuple[int, int] | None = None,
) -> None:
    """Write a file that labelme opens, whole or not at all; `read_strokes` reads the same strokes from it.

    Args:
        path: The file, replaced if there; labelme looks for the photo from its folder on.
        strokes: In px of a photo of `size`.
        size: (W, H) px.
        photo_name: The photo's file name.
        photo_size: (W, H) px of the photo's file where it is larger than the working photo; labelme shows that one.
    """
    width, height = photo_size or size
    scale = np.array((width, height), np.float64) / size
    names = {kind: label for label, kind in _LABELS.items()} | {"region": _REGION}
    shapes = []
    for stroke in strokes:
        number = sum(shape["label"].startswith("hint") for shape in shapes) if stroke.kind == "motion" else ""
        shapes.append(
            {
                "label": f"{names[stroke.kind]}{number}",
                "points": [[_exact(x), _exact(y)] for x, y in stroke.points * scale],
                "group_id": None,
                "description": _description(stroke),
                "shape_type": _form(stroke),
                "flags": {},
                "mask": None,
            }
        )
    content = {
        "version": _LABELME,
        "flags": {},
        "shapes": shapes,
        "imagePath": photo_name,
        "imageData": None,
        "imageHeight": int(height),
        "imageWidth": int(width),
    }
    _write_whole(Path(path), json.dumps(content, indent=2, ensure_ascii=False))


def _exact(value: float) -> float:
    return float(f"{value:.9g}")  # enough digits for every float32


def _form(stroke: Stroke) -> str:
    """labelme's shape type."""
    if stroke.closed or stroke.kind in _ENCLOSE:
        return "polygon"
    return {1: "point", 2: "line"}.get(len(stroke.points), "linestrip")


def _description(stroke: Stroke) -> str:
    words = [] if stroke.speed == 1 else [f"speed={float(stroke.speed)!r}"]
    if stroke.profile is not None:
        words.append("profile=" + ",".join(f"{factor:.4g}" for factor in stroke.profile))
    return " ".join(words)


def _write_whole(path: Path, text: str) -> None:
    """A kill at any moment leaves the file as it was or as it should be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CinemaError(f"{path} does not exist", "Check the name of the annotations file") from error
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror})", "Choose a stroke file") from error
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON and bad encoding
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CinemaError(
            f"{path.name} is not valid JSON{where}", "Mend the file, or save the annotations again"
        ) from error


def _scale(path: Path, own: list[object], keys: tuple[str, str], size: tuple[int, int]) -> np.ndarray:
    """(2,) float64: px of the working photo per px of the file, along x and y."""
    if not all(_is_number(side) and side > 0 for side in own):
        raise CinemaError(f"{path.name} does not say the size of its photo", f"Add {keys[0]} and {keys[1]} to it")
    scale = np.array(size, np.float64) / np.array(own, np.float64)
    if abs(scale[0] / scale[1] - 1) > _ASPECT_TOLERANCE:
        raise CinemaError(
            f"{path.name} was made for a photo of {own[0]:g} x {own[1]:g}, this one is {size[0]} x {size[1]}",
            "Use the annotations of this photo, or the photo they were drawn on",
        )
    return scale


def _read_entry(path: Path, number: int, entry: object, read, scale: np.ndarray) -> Stroke:
    try:
        stroke = read(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise CinemaError(f"{path.name}: stroke {number} {reason}", "Mend it, or draw it again") from error
    points = (stroke.points * scale).astype(np.float32)
    return Stroke(stroke.kind, points, stroke.closed, stroke.speed, stroke.profile)


def _stroke(entry: dict) -> Stroke:
    kind, closed, speed = entry["kind"], entry.get("closed", False), entry.get("speed", 1.0)
    if kind not in KINDS:
        raise ValueError(f"is of the unknown kind {kind!r}; there are {', '.join(KINDS)}")
    if not isinstance(closed, bool):
        raise ValueError("has a 'closed' that is neither true nor false")
    if not _is_number(speed) or speed < 0:
        raise ValueError("has a speed that is not a number of 0 or more")
    points = _points(entry["points"])
    return Stroke(kind, points, closed, float(speed), _profile(entry.get("profile"), len(points)))


def _labelme_stroke(shape: dict) -> Stroke:
    label, form = str(shape["label"]), shape.get("shape_type") or "polygon"
    points = _points(shape["points"])
    kind = _labelled(label)
    if form not in _AREAS and form not in _LINES:
        raise ValueError(f"({label!r}) is of labelme's type {form!r}, which means nothing here; draw a polygon")
    if form not in _AREAS and kind in _ENCLOSE:
        raise ValueError(f"({label!r}) is a {form}, which encloses nothing; label it hint, or draw a polygon")
    if form == "rectangle":
        points = _rectangle(points)
    elif form == "circle":
        points = _circle(points)
    words = dict(word.split("=", 1) for word in str(shape.get("description") or "").split() if "=" in word)
    return Stroke(kind, points, form in _AREAS, _described_speed(words), _described_profile(words, len(points)))


def _labelled(label: str) -> str:
    """The kind that a label means."""
    kind = next((kind for start, kind in _LABELS.items() if label.startswith(start)), "region")
    if kind == "region" and label.startswith("depth_"):
        names = ", ".join(start for start in _LABELS if start.startswith("depth_"))
        raise ValueError(f"has the label {label!r}, which says nothing about depth; there are {names}")
    return kind


def _described_speed(words: dict[str, str]) -> float:
    """1 where the description, which may hold any text, says none."""
    try:
        speed = float(words["speed"])
    except (KeyError, ValueError):
        return 1.0
    return speed if _is_number(speed) and speed >= 0 else 1.0


def _described_profile(words: dict[str, str], count: int) -> np.ndarray | None:
    """None where there is none, or where points were added or deleted in labelme since."""
    try:
        return _profile([float(factor) for factor in words["profile"].split(",")], count)
    except (KeyError, ValueError):
        return None


def _profile(value: object, count: int) -> np.ndarray | None:
    """(N,) float32, or None."""
    if value is None:
        return None
    numbers = isinstance(value, list) and all(_is_number(factor) and factor >= 0 for factor in value)
    if not numbers or len(value) != count:
        raise ValueError("has a profile that is not one number of 0 or more for every point")
    return np.array(value, np.float32)


def _points(value: object) -> np.ndarray:
    """(N, 2) float64, N >= 1, finite."""
    if not isinstance(value, list) or not value:
        raise ValueError("has no points")
    if not all(isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)) for point in value):
        raise ValueError("has a point that is not a pair of numbers")
    return np.array(value, np.float64)


def _rectangle(points: np.ndarray) -> np.ndarray:
    """(4, 2) corners from labelme's two opposite ones; newer labelme writes all four."""
    if len(points) == 4:
        return points
    if len(points) != 2:
        raise ValueError("is a rectangle without two corners")
    (x0, y0), (x1, y1) = points
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _circle(points: np.ndarray) -> np.ndarray:
    """(N, 2) polygon from labelme's centre and a point on the rim."""
    if len(points) != 2:
        raise ValueError("is a circle without a centre and a rim")
    centre, rim = points
    angle = np.linspace(0, 2 * math.pi, _CIRCLE_CORNERS, endpoint=False)
    return centre + np.linalg.norm(rim - centre) * np.stack([np.cos(angle), np.sin(angle)], 1)


def _is_number(value: object) -> bool:
    """False for NaN and for numbers beyond any photo, which JSON may hold too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e9 < value < 1e9
