"""The mark of pictures and videos that this program wrote: where it chooses names in a user's folder, it replaces and
removes no others.

In PNG the mark is a text chunk, in MP4 a comment (ffmpeg writes it near the end of the file).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from ..shared.errors import CinemaError

MARK = "Made by 3D Cinemagraph"
_REACH = 4096  # bytes from the beginning, and to the end, in which the mark stands
_PNG_HEADER = 33  # bytes: signature and IHDR


def mark_png(encoded: bytes) -> bytes:
    """A PNG file with the mark, as the PNG specification's text "Software"."""
    chunk = b"tEXtSoftware\0" + MARK.encode()
    marked = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return encoded[:_PNG_HEADER] + marked + encoded[_PNG_HEADER:]


def is_own(path: Path) -> bool:
    """Whether a file has the mark; False where it cannot be read."""
    try:
        with open(path, "rb") as file:
            ends = file.read(_REACH)
            file.seek(-min(_REACH, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return MARK.encode() in ends + b"\0" + file.read()
    except OSError:
        return False


def check_own(files: Iterable[Path]) -> None:
    """Refuse to replace files of somebody else.

    Raises:
        CinemaError: A file is there and has no mark.
    """
    foreign = next((file for file in files if os.path.lexists(file) and not is_own(file)), None)
    if foreign is not None:
        raise CinemaError(
            f"{foreign} was not written by an earlier run and would be overwritten",
            "Choose another folder or name for the output, or move that file away",
        )
