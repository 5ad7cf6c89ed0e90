"""The error that a user can cause and fix. Standard library only: Blender's process imports this module."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from tokenize import TokenError

_LONGEST_REASON = 200  # characters of another library's message that are shown
_LONGEST_NAME = 80  # characters of a name that is too long for its disk
_LONGEST_VALUE = 60  # characters of a value of a file or a request that are quoted
# Errors of numpy's reader of arrays on damaged files; it reads their headers as Python's own text.
UNREADABLE_ARRAY = (ValueError, EOFError, SyntaxError, TokenError, TypeError, KeyError, OverflowError, RecursionError)
_FREE = "Free some space, then try again"
_ALLOW = "Choose a place that you may write to, or allow it"
_LOOK = "Check the disk or its connection, then try again"
# Errors of the operating system that the user can mend: number -> the error and the remedy. {place} is the file or
# folder, {folder} the one that holds it. Names that this system does not have are left out.
_SENTENCES = {
    "ENOSPC": ("The disk that holds {place} is full", _FREE),
    "EDQUOT": ("Your quota on the disk that holds {place} is used up", _FREE),
    "EFBIG": ("{place} would be larger than a file may be there", "Choose another disk, or make less of it"),
    "EROFS": ("Cannot write {place} (the disk is read-only)", _ALLOW),
    "EACCES": ("Cannot {use} {place} (Permission denied)", _ALLOW),
    "EPERM": ("Cannot {use} {place} (Operation not permitted)", _ALLOW),
    "ENAMETOOLONG": ("The name {short} is too long", "Choose a shorter name"),
    "ENOENT": ("Cannot {use} {place} (there is no such file or folder)", "Check the name, and that its folder exists"),
    "ENOTDIR": ("Cannot {use} {place} (a part of the name is a file, not a folder)", "Check the name"),
    "EISDIR": ("Cannot {use} {place} (it is a folder)", "Give the name of a file"),
    "EEXIST": ("Cannot {use} {place} (a file of this name is in the way)", "Choose another name"),
    "ELOOP": ("{place} is a link that leads back to itself", "Choose another file"),
    "EMFILE": ("Too many files are open", "Close other programs, or raise the limit of open files"),
    "ENFILE": ("Too many files are open", "Close other programs, or raise the limit of open files"),
    "EBUSY": ("Another program uses {place}", "Close that program, then try again"),
    "ETXTBSY": ("Another program uses {place}", "Close that program, then try again"),
    "EIO": ("The disk that holds {place} reports an error", _LOOK),
    "ESTALE": ("The connection to the disk that holds {place} is lost", _LOOK),
    "ENODEV": ("The disk that holds {place} is gone", _LOOK),
    "ENXIO": ("The disk that holds {place} is gone", _LOOK),
}
_BY_NUMBER = {getattr(errno, name): sentences for name, sentences in _SENTENCES.items() if hasattr(errno, name)}


class CinemaError(Exception):
    """The user's input cannot be used as it is.

    Args:
        text: The problem: one sentence without a full stop, in the user's words. Characters of names that cannot be
            shown, or that would command the terminal, become question marks.
        hint: The remedy: one sentence without a full stop.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.text = _printable(text)
        self.hint = _printable(hint)

    def __str__(self) -> str:
        return f"{self.text}. {self.hint}." if self.hint else f"{self.text}."


def first_line(error: BaseException) -> str:
    """The first line of another library's error, to be quoted in a message; its type's name where it has no text."""
    return _printable((str(error).strip() or type(error).__name__).splitlines()[0][:_LONGEST_REASON])


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(part if part.isprintable() else "?" for part in text)


def quoted(value: object) -> str:
    """A value of a file or a request, to be quoted in a message: on one line, as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # no value of JSON; an integer of thousands of digits
        text = json.dumps(type(value).__name__)
    text = _printable(text)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def explain(error: OSError, place: Path | str | None = None, use: str = "open") -> CinemaError | None:
    """Turn an error of the operating system into one that tells the user the way to mend it.

    Args:
        error: The error.
        place: The file or folder in the user's words; None takes the error's own.
        use: The attempt: "open", "read" or "write".

    Returns:
        None for an error that no user can mend, which is a bug.
    """
    sentences = _BY_NUMBER.get(error.errno or 0)
    if sentences is None:
        return None
    named = place if place is not None else error.filename
    path = Path(os.fsdecode(named)) if isinstance(named, (str, bytes, os.PathLike)) and named else Path("the file")
    short = path.name if len(path.name) <= _LONGEST_NAME else path.name[:_LONGEST_NAME] + "..."
    return CinemaError(*(text.format(place=path, short=short, use=use) for text in sentences))


def cannot_write(place: Path | str, error: OSError) -> CinemaError:
    """The user's error for a file or folder that cannot be written; always one."""
    reason = error.strerror or first_line(error)
    return explain(error, place, "write") or CinemaError(f"Cannot write {place} ({reason})", _ALLOW)


def cannot_read(place: Path | str, error: OSError) -> CinemaError:
    """The user's error for a file that cannot be read; always one."""
    reason = error.strerror or first_line(error)
    return explain(error, place, "read") or CinemaError(f"Cannot read {place} ({reason})", "Choose another file")


def find_system_error(text: str) -> int | None:
    """The number of the error of the operating system that another program's message quotes, or None."""
    return next((number for number in _BY_NUMBER if os.strerror(number) in text), None)
