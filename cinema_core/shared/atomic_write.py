"""Writing a file completely or not at all, never over an input. numpy only: Blender's process imports this module."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from .errors import CinemaError, cannot_write

_LONGEST_SUFFIX = 16  # characters; a longer one says nothing about the format, and the partial file's name must fit
_count = itertools.count()


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Replace a file in one step when the ``with`` block ends without an error.

    A process that is killed, or a block that raises, leaves the old file as it was.

    Args:
        path: The file; replaced if it exists. Its folder must exist.

    Yields:
        The path that the block writes to: in the same folder, with the same suffix.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(path)
    partial = partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with suppress(OSError):  # the error that led here says more
            partial.unlink(missing_ok=True)


def partial_name(path: Path) -> Path:
    """A new hidden name in a file's folder, for the file while it is incomplete; short whatever the file's name."""
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    return path.with_name(f".{os.getpid()}-{next(_count)}.partial{suffix}")


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """`atomic_write` for a file that the user names.

    Raises:
        CinemaError: The file cannot be written.
    """
    try:
        with atomic_write(path) as partial:
            yield partial
    except OSError as error:
        raise cannot_write(path, error) from error


def check_target(path: Path, inputs: Mapping[str, Path | None]) -> None:
    """Refuse a file that cannot be written, or must not be, before the work for it begins.

    Args:
        path: The file.
        inputs: Files that the work reads, by their names in a sentence: "the photo". None where there is none.

    Raises:
        CinemaError: It is an input (also by way of a link), a folder, a device or protected, or its folder is.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise CinemaError(f"Cannot write {path} (it is not a regular file)", "Give the name of a new file")
        name = next((name for name, given in inputs.items() if given is not None and is_same(path, given)), None)
        if name is not None:
            raise CinemaError(f"{path} is {name}, and would be overwritten", "Choose another file for the output")
        _check_access(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        os.stat(path.parent / ".")  # fails where it is missing, or a file
        _check_access(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def is_same(one: Path, other: Path) -> bool:
    """Whether two names lead to the same file, also by way of links; False where one of them does not exist."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file as `numpy.save` does, byte by byte the same.

    Raises:
        OSError: The file cannot be written. Its errno says why; that of `numpy.save` on a full disk is None.
    """
    with open(path, "wb") as file:
        np.lib.format.write_array(_Stream(file.write), np.asanyarray(array), allow_pickle=False)


class _Stream:
    """A stream that numpy does not know for a file, and writes to by Python's means."""

    def __init__(self, write: object) -> None:
        self.write = write


def _check_access(path: Path) -> None:
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
