"""What the program can do, for the command line and for ``serve`` alike. Heavy modules are imported when needed."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CinemaError
from .messages import Messages

if TYPE_CHECKING:
    from .pipeline import Ready, Studio
    from .stages import Request

# Modules that the core imports -> the package that brings them.
PACKAGES = {
    "cv2": "opencv-python",
    "imageio": "imageio",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "numpy": "numpy",
    "PIL": "pillow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
}

# What the numbers of `data.BuildOptions` may be.
RANGES = {
    "frames": (2, 1000),
    "speed": (0, 100),
    "max_side": (16, 16384),
    "focal": (1, 1e6),
    "keys": (1, 100),
    "seed": (0, 2**31 - 1),
    "feather": (0, 0.5),
    "swings": (1, 100),
}


@dataclass(frozen=True)
class Done:
    """A command's results.

    Attributes:
        summary: For people.
        fields: For programs.
    """

    summary: str
    fields: dict


@dataclass(frozen=True)
class Failed:
    """What a command ended with instead.

    Attributes:
        text: What is wrong.
        hint: What to do about it; None where it is a bug.
    """

    text: str
    hint: str | None


def attempt(run: Callable[[], Done]) -> Done | Failed:
    """Run a command and sort what comes out of it; the traceback of a bug goes to standard error."""
    try:
        return run()
    except CinemaError as error:
        return Failed(error.text, error.hint)
    except MemoryError:
        return Failed("The memory is not enough", "Use a smaller --max-side")
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            return _bug(error)
        return Failed(f"{error.name} is not installed in {sys.executable}", install_hint(error.name))
    except BrokenPipeError:  # whoever listened has gone
        raise
    except Exception as error:
        return _bug(error)


def _bug(error: Exception) -> Failed:
    traceback.print_exception(error)
    return Failed(f"{type(error).__name__}: {error}", None)


def install_hint(module: str) -> str:
    return f'Install it: "{sys.executable}" -m pip install {PACKAGES[module]}'


def open_photo(source: Path, out: Path, max_side: int, focal: float | None, messages: Messages) -> Done:
    """Write the working photo, JOB/photo.png."""
    from . import photo, storage

    messages.progress("photo", 0.0)
    picture = photo.read_photo(source, max_side, focal)
    with storage.stage(out, keep=True) as staging:
        photo.write_png(staging.path / storage.PHOTO, picture.color)
    path = (out / storage.PHOTO).absolute()
    fields = {
        "photo": str(path),
        "width": picture.width,
        "height": picture.height,
        "focal": picture.focal,
        "exif_focal": picture.exif_focal,
    }
    return Done(f"{path}: {picture.width} x {picture.height}, focal length {picture.focal:.0f} px", fields)


def build(studio: Studio, request: Request, messages: Messages, ready: Ready = lambda report: None) -> Done:
    """Build a job."""
    report = studio.build(request, messages.progress, messages.warning, ready)
    return Done(_build_summary(request.out, report), build_fields(request.out, report))


def build_fields(out: Path, report: dict) -> dict:
    return {"job": str(out.absolute()), "report": report}


def _build_summary(out: Path, report: dict) -> str:
    points = report["still_points"] + report["moving_points"]
    lines = [f"{out}: {points:,} points, {report['moving_points']:,} of them move; {report['seconds']:.1f} s"]
    for name, value in report["quality"].items():
        if name == "measured":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key} {part:.3g}" for key, part in value.items())
        elif isinstance(value, float):
            value = f"{value:.3g}"
        lines.append(f"  {name:<18} {'-' if value is None else value}")
    return "\n".join(lines)


def input_files(source: Path, annotations: Path | None) -> tuple[Path, Path | None]:
    """The photo and its annotations; a folder is laid out as the reference program's: image.png and image.json.

    Raises:
        CinemaError: There is no photo.
    """
    if not source.exists():
        raise CinemaError(f"{source} does not exist", "Check the name of the photo")  # before torch takes its seconds
    if not source.is_dir():
        return source, annotations
    from .photo import SUFFIXES

    photo = next((source / f"image{suffix}" for suffix in SUFFIXES if (source / f"image{suffix}").exists()), None)
    if photo is None:
        raise CinemaError(f"{source} holds no image.png or image.jpg", "Give a photo, or a folder that has one")
    beside = source / "image.json"
    return photo, annotations or (beside if beside.exists() else None)
