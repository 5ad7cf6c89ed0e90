"""The outcome of a command: a result, an error that the user can fix, or a bug."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..shared.errors import CinemaError, explain
from .requirements import PACKAGES, explain_import


@dataclass(frozen=True)
class Result:
    """The results of a command.

    Attributes:
        summary: Text for people.
        fields: Values for programs.
        code: Exit code of the program; 2 where a part has failed.
    """

    summary: str
    fields: dict[str, Any]
    code: int = 0


@dataclass(frozen=True)
class Failure:
    """The error that a command ended with.

    Attributes:
        text: The error.
        hint: The way to fix it; None for a bug.
    """

    text: str
    hint: str | None


def attempt(run: Callable[[], Result]) -> Result | Failure:
    """Run a command and turn its exceptions into a `Failure`; the traceback of a bug goes to standard error."""
    try:
        return run()
    except CinemaError as error:
        return Failure(error.text, error.hint)
    except MemoryError:
        return Failure("There is not enough memory", "Open the photo with a smaller Max Side (--max-side)")
    except ImportError as error:
        module = (error.name or "").split(".")[0]
        if isinstance(error, ModuleNotFoundError) and module not in PACKAGES:
            return _bug(error)
        explained = explain_import(error, module or "a package")
        return Failure(explained.text, explained.hint)
    except BrokenPipeError:  # the answers are not read any more
        raise
    except OSError as error:
        known = explain(error)
        return _bug(error) if known is None else Failure(known.text, known.hint)
    except Exception as error:
        return _bug(error)


def _bug(error: Exception) -> Failure:
    traceback.print_exception(error)
    return Failure(f"{type(error).__name__}: {error}", None)
