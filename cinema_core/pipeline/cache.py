"""Values of the stages that were made before: in memory the latest one of each stage, in the job folder by its key.

A key is a digest of everything that a value depends on: contents of files, options, keys of the inputs, and the program
itself. Files of the job folder are checked before they are read. A file that is missing, damaged or written by another
version is ignored, and the value is computed again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..shared import job_files
from ..shared.errors import CinemaError

V = TypeVar("V")
Mark = list[Any]

# Files that are read without checksums of their own; a .npz has them.
_DIGESTED = (
    job_files.PHOTO, job_files.DEPTH, job_files.DEPTH_NOTE, job_files.DEPTH_BASE, job_files.DEPTH_BASE_NOTE,
)  # fmt: skip
_UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile, CinemaError)


def digest(*parts: object) -> str:
    """Digest values into a key.

    Args:
        parts: Arrays, bytes, dataclasses, lists of dataclasses, and any value that JSON can hold. 0 and False differ,
            and so do 1 and 1.0.

    Returns:
        32 hexadecimal digits.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype} {part.shape}:".encode())
            state.update(np.ascontiguousarray(part).data)
        elif isinstance(part, bytes):
            state.update(b"%d:" % len(part) + part)
        elif dataclasses.is_dataclass(part):
            state.update(digest(type(part).__name__, *vars(part).values()).encode())
        elif isinstance(part, list) and any(dataclasses.is_dataclass(item) for item in part):
            state.update(digest(len(part), *part).encode())
        else:
            state.update(json.dumps(part, sort_keys=True).encode() + b";")
    return state.hexdigest()


def digest_file(path: Path | None) -> str | None:
    """Digest a file's contents; None without a file.

    An unreadable file also gets a key; the stage that reads it raises the error.
    """
    try:
        return None if path is None else digest(Path(path).read_bytes())
    except OSError:
        return "unreadable"


def _digest_code() -> str:
    """Digest this program: another version may make other values of the same input."""
    package = Path(__file__).parents[1]
    files = [*package.rglob("*.py"), *package.rglob("*.safetensors")]
    return digest(*(path.read_bytes() for path in sorted(files)))


CODE = _digest_code()


class MemoryCache:
    """The latest value of every stage."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, Any]] = {}

    def find(self, stage: str, key: str) -> Any | None:
        """The stage's value of this key, else None."""
        found = self._values.get(stage)
        return found[1] if found is not None and found[0] == key else None

    def keep(self, stage: str, key: str, value: object) -> None:
        self._values[stage] = (key, value)

    def forget(self, stage: str) -> None:
        """Free a value before its successor is made: two of them may not fit."""
        self._values.pop(stage, None)


class DiskCache:
    """The values that a job folder holds.

    Args:
        job: The job folder; it need not exist.

    Attributes:
        keys: Entry -> key, as far as this version of the program wrote them.
    """

    def __init__(self, job: Path) -> None:
        self.job = job
        self.keys: dict[str, str] = {}
        self._marks: dict[str, Mark | None] = {}
        try:
            content = json.loads((job / job_files.STAGES).read_text(encoding="utf-8"))
            if content["code"] == CODE:
                self.keys, self._marks = dict(content["keys"]), dict(content["files"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass

    def holds(self, entry: str, key: str, *files: str) -> bool:
        """Whether these files are those of the entry's value, as far as can be told without reading long ones."""
        return self.keys.get(entry) == key and all(self.mark(name) == mark_file(self.job, name) for name in files)

    def mark(self, name: str) -> Mark | None:
        """The mark of a file from when it was written, see `mark_file`."""
        return self._marks.get(name)

    def load(self, entry: str, key: str, read: Callable[[Path], V], *files: str) -> V | None:
        """Read an entry's value from its files; None, now and later, where they are missing or damaged."""
        if not self.holds(entry, key, *files):
            return None
        try:
            return read(self.job)
        except _UNREADABLE:
            self.keys.pop(entry)
            return None


def mark_file(folder: Path, name: str) -> Mark | None:
    """Size of a file, and its digest where its reader would not notice damage; None without a file."""
    try:
        size = (folder / name).stat().st_size
    except OSError:
        return None
    return [size, digest_file(folder / name) if name in _DIGESTED else None]


def write_stages(folder: Path, keys: dict[str, str], marks: dict[str, Mark | None]) -> None:
    """Write stages.json.

    Args:
        folder: Folder to write into.
        keys: Entry -> key.
        marks: File -> its mark, see `mark_file`.
    """
    content = {"code": CODE, "keys": keys, "files": marks}
    (folder / job_files.STAGES).write_text(json.dumps(content, indent=1), encoding="utf-8")
