"""Stroke files: ours and labelme's. Standard library and numpy only: Blender's process imports this module.

Ours::

    {"schema": 1, "width": W, "height": H,
     "strokes": [{"kind": "motion", "points": [[x, y], ...], "closed": false, "speed": 1.0}, ...]}

Points are px of a photo of W x H, pixel centres at +0.5. Kinds: "motion" (direction, and length/50 px per frame times
``speed``), "region" (encloses what moves), "still" (does not move). In a labelme file, shapes labelled ``hint*`` are
motion strokes, ``still*`` still ones, and every other area is a region; its image data is not looked at.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from .data import Stroke
from .errors import CinemaError

SCHEMA = 1
KINDS = ("motion", "region", "sway", "still", "outlet")
_ASPECT_TOLERANCE = 0.01
_CIRCLE_CORNERS = 48
_LABELS = {"hint": "motion", "still": "still", "sway": "sway", "outlet": "outlet"}  # how labels start in labelme
_AREAS = ("polygon", "rectangle", "circle")  # labelme's shape types that enclose something


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
    """Write our stroke file.

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
    Path(path).write_text(json.dumps(content), encoding="utf-8")


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CinemaError(f"{path} does not exist", "Check the name of the annotations file") from error
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror})", "Choose a stroke file") from error
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON and bad encoding
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CinemaError(f"{path.name} is not valid JSON{where}", "Mend the file, or save the annotations again") from error


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
    kind = next((kind for start, kind in _LABELS.items() if label.startswith(start)), "region")
    if kind == "motion":
        return Stroke("motion", points)
    if form not in _AREAS and kind in ("region", "sway"):
        raise ValueError(f"({label!r}) is a {form}, which encloses nothing; label it hint, or draw a polygon")
    if form == "rectangle":
        points = _rectangle(points)
    elif form == "circle":
        points = _circle(points)
    return Stroke(kind, points, closed=form in _AREAS)


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
