"""The outcome of a command: a result, an error that the user can fix, or a bug."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..shared.errors import CinemaError, explain

# Modules that the core imports -> names of their packages.
PACKAGES = {
    "cv2": "opencv-python-headless",
    "imagecodecs": "imagecodecs",
    "numpy": "numpy",
    "OpenEXR": "openexr",
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "tifffile": "tifffile",
    "torch": "torch",
}
OPTIONAL = ("transformers", "onnxruntime", "imageio-ffmpeg")  # packages for models of the user, and for videos


@dataclass(frozen=True)
class Result:
    """The results of a command.

    Attributes:
        summary: Text for people.
        fields: Values for programs.
    """

    summary: str
    fields: dict[str, Any]


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
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            return _bug(error)
        return Failure(f"{error.name} is not installed in {sys.executable}", install_hint(error.name))
    except BrokenPipeError:  # the answers are not read any more
        raise
    except OSError as error:
        explained = explain(error)
        return _bug(error) if explained is None else Failure(explained.text, explained.hint)
    except Exception as error:
        return _bug(error)


def install_hint(module: str) -> str:
    return f'Install it: "{sys.executable}" -m pip install {PACKAGES[module]}'


def _bug(error: Exception) -> Failure:
    traceback.print_exception(error)
    return Failure(f"{type(error).__name__}: {error}", None)
