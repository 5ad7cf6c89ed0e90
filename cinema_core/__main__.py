"""The command line, and the engine that Blender starts: ``python -m cinema_core open|build|preview|check``.

Exit codes: 0 done, 1 a bug, 2 something the user can mend, 130 cancelled. Messages: see `messages`.
Heavy modules are imported by the command that needs them, so that ``open`` never waits for torch.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from . import __version__
from .camera import PATHS
from .errors import CinemaError
from .messages import ConsoleMessages, JsonMessages, Messages

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


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    # Torch's waiting threads spin by default: three builds at once on two cores took 91 s so, 9 s like this.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    messages: Messages = JsonMessages() if "--json" in argv else ConsoleMessages()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill cleans up as Ctrl-C does
    try:
        try:
            return _run(argv, messages)
        except KeyboardInterrupt:
            messages.error("Cancelled", "The output is as it was before")
            return 130
    except BrokenPipeError:  # whoever listened has gone; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _run(argv: list[str], messages: Messages) -> int:
    try:
        arguments = _parser().parse_args(argv)
        arguments.run(arguments, messages)
        return 0
    except CinemaError as error:
        messages.error(error.text, error.hint)
        return 2
    except MemoryError:
        messages.error("The memory is not enough", "Use a smaller --max-side")
        return 2
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        messages.error(f"{error.name} is not installed in {sys.executable}", _install_hint(error.name))
        return 2
    except BrokenPipeError:
        raise
    except Exception as error:
        traceback.print_exc()
        messages.fatal(f"{type(error).__name__}: {error}")
        return 1


def _install_hint(module: str) -> str:
    return f'Install it: "{sys.executable}" -m pip install {PACKAGES[module]}'


# Commands


def _open(arguments: argparse.Namespace, messages: Messages) -> None:
    from . import photo, storage

    messages.progress("photo", 0.0)
    picture = photo.read_photo(arguments.photo, arguments.max_side, arguments.focal)
    with storage.stage(arguments.out, keep=True) as staging:
        photo.write_png(staging.path / storage.PHOTO, picture.color)
    path = (arguments.out / storage.PHOTO).absolute()
    fields = {
        "photo": str(path),
        "width": picture.width,
        "height": picture.height,
        "focal": picture.focal,
        "exif_focal": picture.exif_focal,
    }
    messages.done(f"{path}: {picture.width} x {picture.height}, focal length {picture.focal:.0f} px", fields)


def _build(arguments: argparse.Namespace, messages: Messages) -> None:
    source, annotations = _input_files(arguments.photo, arguments.annotations)
    if not source.exists():
        raise CinemaError(f"{source} does not exist", "Check the name of the photo")  # before torch takes its seconds
    from . import pipeline
    from .data import BuildOptions

    options = BuildOptions(
        frames=arguments.frames,
        speed=arguments.speed,
        max_side=arguments.max_side,
        focal=arguments.focal,
        device=arguments.device,
    )
    report = pipeline.build(
        source,
        arguments.out,
        options,
        annotations=annotations,
        depth=arguments.depth,
        progress=messages.progress,
        warn=messages.warning,
    )
    messages.done(_build_summary(arguments.out, report), {"job": str(arguments.out.absolute()), "report": report})


def _input_files(source: Path, annotations: Path | None) -> tuple[Path, Path | None]:
    """The photo and its annotations; a folder is laid out as the reference program's: image.png and image.json."""
    if not source.is_dir():
        return source, annotations
    from .photo import SUFFIXES

    photo = next((source / f"image{suffix}" for suffix in SUFFIXES if (source / f"image{suffix}").exists()), None)
    if photo is None:
        raise CinemaError(f"{source} holds no image.png or image.jpg", "Give a photo, or a folder that has one")
    beside = source / "image.json"
    return photo, annotations or (beside if beside.exists() else None)


def _build_summary(out: Path, report: dict) -> str:
    points = report.get("still_points", 0) + report.get("moving_points", 0)
    lines = [f"{out}: {points:,} points, {report.get('moving_points', 0):,} of them move"]
    if "seconds" in report:
        lines[0] += f"; {report['seconds']:.1f} s"
    for name, value in report.get("quality", {}).items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {part:.3g}" for key, part in value.items())
        elif isinstance(value, float):
            value = f"{value:.3g}"
        lines.append(f"  {name:<18} {'-' if value is None else value}")
    return "\n".join(lines)


def _preview(arguments: argparse.Namespace, messages: Messages) -> None:
    from . import storage

    storage.read_report(arguments.job)  # "Build it first" comes before torch takes its seconds
    from . import preview

    files = preview.render_preview(
        arguments.job,
        arguments.camera,
        arguments.out,
        frames=arguments.frames,
        fps=arguments.fps,
        loop=arguments.loop,
        device=arguments.device,
        progress=messages.progress,
    )
    messages.done("\n".join(map(str, files)), {"files": [str(Path(file).absolute()) for file in files]})


def _check(arguments: argparse.Namespace, messages: Messages) -> None:
    import importlib
    import platform

    fields = {"version": __version__, "executable": sys.executable, "python": platform.python_version()}
    for module, package in PACKAGES.items():
        try:
            fields[package] = importlib.import_module(module).__version__
        except ModuleNotFoundError:
            raise
        except (ImportError, OSError) as error:  # there, but a library it needs is not
            raise CinemaError(f"{module} does not start in {sys.executable} ({error})", _install_hint(module)) from error
    from .device import choose_device

    fields["device"] = choose_device()
    width = max(map(len, fields))
    messages.done("\n".join(f"{name:<{width}}  {value}" for name, value in fields.items()), fields)


# Arguments


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints take the road of all errors."""

    def error(self, message: str) -> None:
        raise CinemaError(message[:1].upper() + message[1:], f"See {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m cinema_core", description="One photo becomes a looping 3D cinemagraph.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="open | build | preview | check")

    def command(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text + ".")
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="print JSON messages, one a line")
        return added

    opened = command("open", _open, "read a photo and write the working photo, JOB/photo.png")
    _add_photo(opened, "PHOTO")
    built = command("build", _build, "build the points of a cinemagraph")
    _add_photo(built, "PHOTO|FOLDER")
    built.add_argument("--annotations", type=Path, metavar="FILE", help="strokes: our JSON or labelme's")
    built.add_argument("--depth", type=Path, metavar="FILE", help="depth: an image or a .npy array; else estimated")
    built.add_argument("--frames", type=_number(int, 2, 1000), default=60, help="length of the loop (60)")
    built.add_argument("--speed", type=_number(float, 0, 100), default=1.0, help="factor on the motion's speed (1.0)")
    _add_device(built)
    shown = command("preview", _preview, "render a video of a finished job, without Blender")
    shown.add_argument("job", type=Path, metavar="JOB")
    shown.add_argument("--camera", required=True, metavar="|".join(("still", *PATHS, "all", "FILE.json")), help="the camera's path")
    shown.add_argument("--loop", action="store_true", help="a camera path that ends where it starts")
    shown.add_argument("--frames", type=_number(int, 1, 10000), help="number of frames (the path's own)")
    shown.add_argument("--fps", type=_number(int, 1, 240), default=25, help="frames per second (25)")
    shown.add_argument("--out", type=Path, required=True, metavar="FILE|FOLDER", help=".mp4, .gif, .png for numbered frames, or a folder")
    _add_device(shown)
    command("check", _check, "print versions and the device that would be used")
    return parser


def _add_photo(parser: argparse.ArgumentParser, metavar: str) -> None:
    parser.add_argument("photo", type=Path, metavar=metavar)
    parser.add_argument("--out", type=Path, required=True, metavar="JOB", help="the job folder")
    parser.add_argument("--max-side", type=_number(int, 16, 16384), default=1920, metavar="PX",
                        help="longest side of the working photo (1920)")
    parser.add_argument("--focal", type=_number(float, 1, 1e6), metavar="PX",
                        help="focal length in pixels of the working photo (from EXIF, else the longer side)")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="where torch works: auto, cpu, cuda or mps (auto)")


def _number(kind: type, low: float, high: float) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            noun = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {noun} from {low:g} to {high:g}")
        return value

    return convert


if __name__ == "__main__":
    sys.exit(main())
