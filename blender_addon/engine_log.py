"""The engine's log in the extension's user folder."""

import time
from contextlib import suppress
from pathlib import Path

import bpy

from .. import __package__ as base_package

_LARGEST = 1 << 20  # bytes after which a new log is begun
_KEPT = 3  # earlier logs


def path() -> Path:
    """Give the log's file; a long one is set aside first."""
    file = Path(bpy.utils.extension_path_user(base_package, path="log", create=True)) / "engine.log"
    if file.exists() and file.stat().st_size > _LARGEST:
        with suppress(OSError):  # Windows, while another Blender writes to it
            for number in range(_KEPT, 0, -1):
                earlier = _earlier(file, number - 1)
                if earlier.exists():
                    earlier.replace(_earlier(file, number))
    return file


def append(file: Path, text: str) -> None:
    """Write a text with the time; a disk that is full loses it."""
    with suppress(OSError), file.open("a", encoding="utf-8") as stream:
        stream.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}\n{text.rstrip()}\n")


def _earlier(file: Path, number: int) -> Path:
    return file.with_name(f"engine.{number}.log") if number else file
