"""The table of a batch: a row for each photo, as CSV and JSON files and as text for a terminal.

batch.csv is for spreadsheets, batch.json for programs and for the next run. Each is replaced in one step.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..shared.atomic_write import writing
from ..shared.errors import CinemaError

NAMES = ("batch.csv", "batch.json")
WAITING, BUILT, UNCHANGED, FAILED, CANCELLED = "waiting", "built", "unchanged", "failed", "cancelled"
_SCHEMA = 1
_COLUMNS = ("photo", "state", "seconds", "points", "moving_points", "quality", "error", "hint", "inputs", "job")
_WIDEST_NAME = 40  # characters of a photo's name in the terminal


@dataclass
class Row:
    """What became of a photo.

    Attributes:
        photo: Its file name.
        job: Name of its job folder.
        inputs: Names of the files beside it that were used.
        state: "waiting", "built", "unchanged" (finished by an earlier run), "failed" or "cancelled".
        seconds: Time that this run spent on it.
        points, moving_points: Numbers of points.
        quality: The quality in words.
        error, hint: The error that the photo ended with.
        previews: Camera path -> file and points of its video.
        warnings: Sentences that the user should read.
    """

    photo: str
    job: str
    inputs: list[str]
    state: str = WAITING
    seconds: float = 0.0
    points: int | None = None
    moving_points: int | None = None
    quality: str = ""
    error: str = ""
    hint: str = ""
    previews: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 1)}


def read_earlier(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier run by photo; empty where there was none.

    Raises:
        CinemaError: A file of the table's name is not from an earlier run, and would be overwritten.
    """
    try:
        content = json.loads((out / NAMES[1]).read_bytes())
        rows = {row["photo"]: row for row in content["photos"]} if content["batch"] == _SCHEMA else None
    except FileNotFoundError:
        rows = {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        rows = None
    if rows is None or not _is_own_csv(out / NAMES[0]):
        name = out / NAMES[1 if rows is None else 0]
        raise CinemaError(f"{name} is not from an earlier batch and would be overwritten", "Move that file away")
    return rows


def _is_own_csv(file: Path) -> bool:
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.readline().strip() == ",".join(_COLUMNS)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def write(out: Path, rows: list[Row]) -> Path:
    """Write the table; returns the CSV file.

    Raises:
        CinemaError: It cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        values = row.as_json() | {"inputs": " ".join(row.inputs)}
        writer.writerow([values[name] for name in _COLUMNS])
    content = {"batch": _SCHEMA, "photos": [row.as_json() for row in rows]}
    with writing(out / NAMES[0]) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")
    with writing(out / NAMES[1]) as partial:
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return out / NAMES[0]


def draw(rows: list[Row]) -> str:
    """The table for a terminal: photo, state, time, points; and the quality, or the error and its hint."""
    width = min(max(len(row.photo) for row in rows), _WIDEST_NAME)
    lines = []
    for row in rows:
        points = "" if row.points is None else f"{row.points:,} points"
        told = f"{row.error}. {row.hint}." if row.error else row.quality
        lines.append(f"{row.photo:<{width}}  {row.state:<9}  {row.seconds:>6.1f} s  {points:>17}  {told}")
    return "\n".join(lines)
