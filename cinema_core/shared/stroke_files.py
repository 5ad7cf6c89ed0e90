"""Stroke files: our own format both ways, and labelme's read. numpy only: Blender's process imports this module.

Our own format::

    {"schema": 1, "width": W, "height": H,
     "strokes": [{"kind": "motion", "points": [[x, y], ...], "closed": false, "speed": 1.0, "profile": [1, ...]}, ...]}

Points are px of a photo of W x H, pixel centres at +0.5.

Kinds of motion: "motion" gives direction and speed (length / 50 px per frame, times ``speed``, times ``profile`` at
each point where there is one); "region" encloses a flowing region; "sway" encloses a region that swings to and fro;
"still" keeps an area, or the pixels along an open line, motionless; "outlet" opens the region's border along it.

Kinds of depth: the surface under "same_depth" is as far away as its first point; under "nearer" and "farther" it is
nearer or farther than its first point by ``speed`` times the smallest visible step of depth; "horizon" is the horizon
of the ground; "flat" encloses a plane; "upright" encloses an object that stands upright on its foot; "depth_sky"
encloses an area that is infinitely far away.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from .atomic_write import atomic_write
from .camera import same_aspect
from .data import Stroke
from .errors import CinemaError, quoted
from .labelme import SIZE_KEYS, UnusableShape, read_shape
from .stroke_entries import is_number, read_points, read_profile
from .stroke_kinds import KINDS

SCHEMA = 1
# Encodings of labelme files of older versions on Windows, which wrote in the system's own: Chinese, Japanese, Korean,
# traditional Chinese, Western. The keys and the starts of our labels are ASCII in all of them.
_ENCODINGS = ("gb18030", "cp932", "cp949", "big5", "cp1252", "latin-1")


def read_strokes(
    path: Path,
    size: tuple[int, int],
    file_size: tuple[int, int] | None = None,
    warn: Callable[[str], None] | None = None,
) -> list[Stroke]:
    """Read a stroke file and scale it to the working photo.

    Args:
        path: A file of our own format or of labelme.
        size: (W, H) px of the working photo.
        file_size: (W, H) px of the upright photo in its file. A labelme file that states no size is about it.
        warn: Called with a sentence for each shape of labelme that has no meaning here, and is left out; None makes
            an error of it.

    Returns:
        The strokes in px of the working photo; they may reach beyond it.

    Raises:
        CinemaError: The file cannot be read, makes no sense, or belongs to a photo of another aspect.
    """
    path = Path(path)
    content = _read_json(path)
    read: Callable[[dict], list[Stroke]]
    if isinstance(content, dict) and isinstance(content.get("strokes"), list):
        entries, keys, read = content["strokes"], ("width", "height"), _read_entry
    elif isinstance(content, dict) and isinstance(content.get("shapes"), list):
        entries, keys, read = content["shapes"], SIZE_KEYS, read_shape
    else:
        raise CinemaError(f"{path.name} holds no strokes", "Give a stroke file of 3D Cinemagraph or of labelme")
    if content.get("schema", SCHEMA) != SCHEMA:
        raise CinemaError(f"{path.name} was written by a newer version", "Update 3D Cinemagraph, or draw again")
    own = [content.get(key) for key in keys]
    if keys == SIZE_KEYS and None in own and file_size and all(file_size):
        own = list(file_size)  # as labelme does
    scale = _scale_to_photo(path, own, keys, size)
    strokes, left_out = [], []
    for number, entry in enumerate(entries, 1):
        try:
            strokes += _scaled_strokes(path, number, entry, read, scale)
        except _LeftOut as found:
            if warn is None:
                raise
            left_out.append(found)
    if left_out and not strokes:
        raise left_out[0]
    for shape in left_out:
        assert warn is not None
        warn(f"{shape.text}, so it is left out")
    return strokes


class _LeftOut(CinemaError):
    """A shape that has no meaning here; others of its file may have one."""


def write_strokes(path: Path, strokes: list[Stroke], size: tuple[int, int]) -> None:
    """Write a file of our own format, atomically.

    Args:
        path: The file, replaced if it exists.
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
    text = json.dumps({"schema": SCHEMA, "width": int(size[0]), "height": int(size[1]), "strokes": entries})
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _read_json(path: Path) -> object:
    try:
        return _decode_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CinemaError(f"{path} does not exist", "Check the name of the annotations file") from error
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror})", "Choose a stroke file") from error
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON and bad encoding
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CinemaError(f"{path.name} is not valid JSON{where}", "Save the annotations again") from error


def _decode_json(data: bytes) -> object:
    """The content of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a mark, or in one of _ENCODINGS.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return json.loads(data)
    except UnicodeDecodeError as unreadable:
        for encoding in _ENCODINGS:
            try:
                return json.loads(data.decode(encoding))
            except ValueError:  # of another encoding, or not JSON
                continue
        raise ValueError("it is in no known encoding") from unreadable


def _scale_to_photo(path: Path, own: list[object], keys: tuple[str, str], size: tuple[int, int]) -> np.ndarray:
    """(2,) float64: px of the working photo per px of the file, along x and y."""
    width, height = own
    if not (is_number(width) and is_number(height) and width > 0 and height > 0):
        raise CinemaError(f"{path.name} does not say the size of its photo", f"Add {keys[0]} and {keys[1]} to it")
    if not same_aspect((width, height), size):
        raise CinemaError(
            f"{path.name} was made for a photo of {width:g} x {height:g}, this one is {size[0]} x {size[1]}",
            "Use the annotations of this photo, or the photo they were drawn on",
        )
    return np.array(size, np.float64) / np.array((width, height), np.float64)


def _scaled_strokes(
    path: Path, number: int, entry: object, read: Callable[[dict], list[Stroke]], scale: np.ndarray
) -> list[Stroke]:
    try:
        if not isinstance(entry, dict):
            raise ValueError("is not an object")
        strokes = read(entry)
    except UnusableShape as error:
        raise _LeftOut(f"{path.name}: shape {number} {error}", error.hint) from error
    except (ValueError, KeyError) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise CinemaError(f"{path.name}: stroke {number} {reason}", "Correct it, or draw it again") from error
    return [replace(stroke, points=(stroke.points * scale).astype(np.float32)) for stroke in strokes]


def _read_entry(entry: dict) -> list[Stroke]:
    kind, closed, speed = entry["kind"], entry.get("closed", False), entry.get("speed", 1.0)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"is of the unknown kind {quoted(kind)}; there are {', '.join(KINDS)}")
    if not isinstance(closed, bool):
        raise ValueError("has a 'closed' that is neither true nor false")
    if not is_number(speed) or speed < 0:
        raise ValueError("has a speed that is not a number of 0 or more")
    points = read_points(entry["points"])
    return [Stroke(kind, points, closed, float(speed), read_profile(entry.get("profile"), len(points)))]
