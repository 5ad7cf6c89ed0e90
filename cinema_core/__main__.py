"""The command line, and the engine that Blender starts: ``python -m cinema_core serve``, open, build and others.

Exit codes: 0 done, 1 a bug, 2 an error that the user can fix, 130 cancelled. Messages: see `messages`.
Heavy modules are imported by the command that needs them, so that ``open`` never waits for torch.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import __version__
from .engine import commands, outcome
from .engine.messages import ConsoleMessages, JsonMessages, Messages
from .engine.outcome import Failure, Result, attempt
from .pipeline.request import Request
from .shared.camera import PATHS
from .shared.errors import CinemaError
from .shared.options import DEFAULTS, KINDS, ROWS, BuildOptions, names

_DEPTH_OPTIONS = ["max_side", *names("depth", "engine")]


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    # By default torch's idle threads busy-wait: three builds on two cores took 91 s, with PASSIVE 9 s.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    messages: Messages = JsonMessages() if "--json" in argv or "serve" in argv[:1] else ConsoleMessages()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM cleans up like Ctrl-C
    try:
        try:
            return _conclude(attempt(lambda: _run(argv, messages)), messages)
        except KeyboardInterrupt:
            messages.error("Cancelled", "The output is as it was before")
            return 130
    except BrokenPipeError:  # the reader closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _run(argv: list[str], messages: Messages) -> Result:
    arguments = _parser().parse_args(argv)
    return arguments.run(arguments, messages)


def _conclude(answer: Result | Failure, messages: Messages) -> int:
    if isinstance(answer, Result):
        messages.done(answer.summary, answer.fields)
        return 0
    if answer.hint is not None:
        messages.error(answer.text, answer.hint)
        return 2
    messages.fatal(answer.text)
    return 1


# Commands


def _open(arguments: argparse.Namespace, messages: Messages) -> Result:
    return commands.open_photo(arguments.photo, arguments.out, arguments.max_side, arguments.focal, messages)


def _build(arguments: argparse.Namespace, messages: Messages) -> Result:
    photo, annotations = commands.input_files(arguments.photo, arguments.annotations)
    from .pipeline.build import Builder

    region = arguments.region
    if region is None and arguments.flow is None and not arguments.still:
        region = commands.find_mask(arguments.photo, annotations)
    request = Request(
        photo, arguments.out, _options(arguments, ROWS), annotations, arguments.depth, region, arguments.flow,
        arguments.still,
    )  # fmt: skip
    return commands.build(Builder(), request, messages)


def _depth(arguments: argparse.Namespace, messages: Messages) -> Result:
    photo, annotations = commands.input_files(arguments.photo, arguments.annotations)
    from .pipeline.build import Builder

    options = _options(arguments, _DEPTH_OPTIONS)
    request = Request(photo, arguments.out.parent, options, annotations, depth=arguments.depth)
    return commands.save_depth(Builder(), request, arguments.out, messages)


def _suggest(arguments: argparse.Namespace, messages: Messages) -> Result:
    photo, _ = commands.input_files(arguments.photo, None)
    from .pipeline.build import Builder

    request = Request(photo, arguments.out.parent, _options(arguments, ["max_side"]))
    content = commands.suggest(Builder(), request).fields
    with commands.writing(arguments.out) as partial:
        partial.write_text(json.dumps(content), encoding="utf-8")
    count = len(content["strokes"])
    found = "" if count else "; nothing seems to move; draw strokes yourself"
    return Result(f"{arguments.out}: {count} strokes{found}", content)


def _options(arguments: argparse.Namespace, chosen: Iterable[str]) -> BuildOptions:
    return BuildOptions(**{name: getattr(arguments, name) for name in chosen})


def _export(arguments: argparse.Namespace, messages: Messages) -> Result:
    return commands.export(arguments.job, arguments.out)


def _serve(arguments: argparse.Namespace, messages: JsonMessages) -> Result:
    from .engine.serve import Engine

    try:
        code = Engine(messages, arguments.idle).run()
    except BrokenPipeError:
        code = 1
    os._exit(code)  # the thread that reads would not let go of standard input


def _preview(arguments: argparse.Namespace, messages: Messages) -> Result:
    from .shared import job_folder

    job_folder.read_report(arguments.job)  # "Build it first" comes before torch takes its seconds
    from .view import preview

    clips = preview.plan_clips(arguments.camera, arguments.out, arguments.frames, arguments.loop)
    files = preview.render_preview(arguments.job, clips, arguments.fps, arguments.device, messages.progress)
    return Result("\n".join(map(str, files)), {"files": [str(Path(file).absolute()) for file in files]})


def _coverage(arguments: argparse.Namespace, messages: Messages) -> Result:
    from .shared import job_folder

    job_folder.read_report(arguments.job)
    from .view.preview import find_path

    _, poses = find_path(arguments.camera, arguments.frames, arguments.loop)
    fields = {"poses": poses.reshape(-1, 16).tolist(), "width": arguments.width, "height": arguments.height}
    return commands.coverage(arguments.job, fields, arguments.masks, messages)


def _check(arguments: argparse.Namespace, messages: Messages) -> Result:
    import importlib.metadata
    import platform

    fields = {"version": __version__, "executable": sys.executable, "python": platform.python_version()}
    for module, package in outcome.PACKAGES.items():
        try:
            fields[package] = importlib.import_module(module).__version__
        except ModuleNotFoundError:
            raise
        except (ImportError, OSError) as error:  # the module is installed, but one of its libraries is missing
            text = f"{module} does not start in {sys.executable} ({error})"
            raise CinemaError(text, outcome.install_hint(module)) from error
    for package in outcome.OPTIONAL:
        with suppress(importlib.metadata.PackageNotFoundError):
            fields[package] = importlib.metadata.version(package)
    from .device import choose_device

    fields["device"] = choose_device()
    width = max(map(len, fields))
    return Result("\n".join(f"{name:<{width}}  {value}" for name, value in fields.items()), fields)


# Arguments


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong arguments as any other error of the user."""

    def error(self, message: str) -> NoReturn:
        raise CinemaError(message[:1].upper() + message[1:], f"See {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m cinema_core", description="One photo becomes a looping 3D cinemagraph.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(
        title="commands",
        required=True,
        metavar="open | build | depth | suggest | export | serve | preview | coverage | check",
    )

    def command(name: str, run: Callable, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text + ".")
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="print JSON messages, one a line")
        return added

    opened = command("open", _open, "read a photo and write the working photo, JOB/photo.png")
    _add_files(opened, "PHOTO")
    _add_options(opened, names("photo"))
    built = command("build", _build, "build the points of a cinemagraph")
    _add_files(built, "PHOTO|FOLDER")
    built.add_argument("--annotations", type=Path, metavar="FILE", help="strokes: our JSON or labelme's")
    built.add_argument(
        "--region", type=Path, metavar="FILE", help="a mask of the flowing region: white flows, grey flows more slowly"
    )
    built.add_argument(
        "--flow", type=Path, metavar="FILE", help="a motion field to use instead: .flo, .npy or .exr, px/frame"
    )
    built.add_argument("--still", action="store_true", help="without strokes: a still 3D photo, nothing is suggested")
    _add_depth_map(built)
    _add_options(built, ROWS)
    served = command("serve", _serve, "serve requests, JSON lines on standard input, until it ends")
    served.add_argument(
        "--idle", type=_number(float, 0.01, 1e6), default=1800.0, metavar="SECONDS",
        help="exit after this many seconds without a request (1800)",
    )  # fmt: skip
    found = command("depth", _depth, "make a photo's depth and write it as a picture or an array")
    found.add_argument("photo", type=Path, metavar="PHOTO|FOLDER")
    found.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=".png: 16 bit, near is white; .exr or .npy: distances"
    )
    found.add_argument("--annotations", type=Path, metavar="FILE", help="stroke file; only its depth strokes are used")
    _add_depth_map(found)
    _add_options(found, _DEPTH_OPTIONS)
    suggested = command("suggest", _suggest, "suggest strokes for regions that seem to flow, as a file to edit")
    suggested.add_argument("photo", type=Path, metavar="PHOTO|FOLDER")
    suggested.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="the stroke file")
    _add_options(suggested, ["max_side"])
    exported = command("export", _export, "write a job's motion, region or strokes for other programs")
    exported.add_argument("job", type=Path, metavar="JOB")
    exported.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".flo, .npy or .exr: the motion, px/frame; .png: the region's mask; .json: labelme's strokes",
    )
    shown = command("preview", _preview, "render a video of a finished job, without Blender")
    shown.add_argument("job", type=Path, metavar="JOB")
    shown.add_argument(
        "--camera", required=True, metavar="|".join(("still", *PATHS, "all", "FILE.json")), help="the camera's path"
    )
    shown.add_argument("--loop", action="store_true", help="a camera path that ends where it starts")
    shown.add_argument("--frames", type=_number(int, 1, 10000), help="number of frames (the path's own)")
    shown.add_argument("--fps", type=_number(int, 1, 240), default=25, help="frames per second (25)")
    shown.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help=".mp4, .gif, .png for numbered frames, or a folder",
    )
    _add_options(shown, ["device"])
    looked = command("coverage", _coverage, "measure the share of a camera's view that no point covers")
    looked.add_argument("job", type=Path, metavar="JOB")
    looked.add_argument(
        "--camera", required=True, metavar="|".join(("still", *PATHS, "FILE.json")), help="the camera's path"
    )
    looked.add_argument("--loop", action="store_true", help="a camera path that ends where it starts")
    looked.add_argument("--frames", type=_number(int, 1, 10000), help="number of frames (the path's own)")
    looked.add_argument("--width", type=_number(int, 1, 65536), help="px of the frame (the photo's)")
    looked.add_argument("--height", type=_number(int, 1, 65536), help="px of the frame (the photo's)")
    looked.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="folder for mask pictures: holes red, invented surfaces blue"
    )
    command("check", _check, "print versions and the device that would be used")
    return parser


def _add_files(parser: argparse.ArgumentParser, metavar: str) -> None:
    parser.add_argument("photo", type=Path, metavar=metavar)
    parser.add_argument("--out", type=Path, required=True, metavar="JOB", help="the job folder")


def _add_depth_map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--depth", type=Path, metavar="FILE", help="a depth map: PNG, TIFF, EXR, PFM, .npy or .npz; else estimated"
    )


def _add_options(parser: argparse.ArgumentParser, chosen: Iterable[str]) -> None:
    """An argument for each of these options of a build."""
    for name in chosen:
        row, default, kind = ROWS[name], DEFAULTS[name], KINDS[name][-1]
        text = row.help[0].lower() + row.help[1:].replace("%", "%%")
        flag = "--" + name.replace("_", "-")
        if kind is bool and default:
            parser.add_argument("--no-" + flag[2:], action="store_false", dest=name, help=f"switch off: {text}")
        elif kind is bool:
            parser.add_argument(flag, action="store_true", help=text)
        elif row.choices:
            parser.add_argument(flag, choices=row.choices, default=default, help=f"{text} ({default})")
        elif row.low is None or row.high is None:
            parser.add_argument(flag, default=default, metavar=row.unit.upper(), help=text)
        else:
            parser.add_argument(
                flag, type=_number(kind, row.low, row.high), default=default, metavar=row.unit.upper() or "NUMBER",
                help=text if default is None else f"{text} ({default})",
            )  # fmt: skip


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
