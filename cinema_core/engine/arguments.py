"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from .. import __version__
from ..shared.camera import PATHS
from ..shared.errors import CinemaError
from ..shared.options import DEFAULTS, KINDS, ROWS, names

DEPTH_OPTIONS = ("max_side", *names("depth", "engine"))


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong arguments as any other error of the user."""

    def error(self, message: str) -> NoReturn:
        raise CinemaError(message[:1].upper() + message[1:], f"See {self.prog} --help")


def build_parser(runs: Mapping[str, Callable]) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        runs: Command -> the function that runs it, which the parsed arguments hold as `run`.
    """
    parser = _Parser(prog="python -m cinema_core", description="One photo becomes a looping 3D cinemagraph.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(
        title="commands",
        required=True,
        metavar="open | build | batch | depth | suggest | export | serve | preview | coverage | check",
    )

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text + ".")
        added.set_defaults(run=runs[name])
        added.add_argument("--json", action="store_true", help="print JSON messages, one a line")
        return added

    opened = command("open", "read a photo and write the working photo, JOB/photo.png")
    _add_files(opened, "PHOTO")
    _add_options(opened, names("photo"))
    built = command("build", "build the points of a cinemagraph")
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
    several = command("batch", "build all photos of a folder, and write a table of what became of each")
    several.add_argument("folder", type=Path, metavar="FOLDER", help="photos, with their annotations and masks")
    several.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the jobs and the table")
    several.add_argument("--still", action="store_true", help="without strokes: still 3D photos, nothing is suggested")
    several.add_argument(
        "--preview", nargs="+", default=[], choices=("still", *PATHS), metavar="PATH",
        help=f"a looping .mp4 along each of these camera paths: still, {', '.join(PATHS)}",
    )  # fmt: skip
    _add_options(several, ROWS)
    served = command("serve", "serve requests, JSON lines on standard input, until it ends")
    served.add_argument(
        "--idle", type=_number(float, 0.01, 1e6), default=1800.0, metavar="SECONDS",
        help="exit after this many seconds without a request (1800)",
    )  # fmt: skip
    found = command("depth", "make a photo's depth and write it as a picture or an array")
    found.add_argument("photo", type=Path, metavar="PHOTO|FOLDER")
    found.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=".png: 16 bit, near is white; .exr or .npy: distances"
    )
    found.add_argument("--annotations", type=Path, metavar="FILE", help="stroke file; only its depth strokes are used")
    _add_depth_map(found)
    _add_options(found, DEPTH_OPTIONS)
    suggested = command("suggest", "suggest strokes for regions that seem to flow, as a file to edit")
    suggested.add_argument("photo", type=Path, metavar="PHOTO|FOLDER")
    suggested.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="the stroke file")
    _add_options(suggested, ["max_side"])
    exported = command("export", "write a job's motion, region or strokes for other programs")
    exported.add_argument("job", type=Path, metavar="JOB")
    exported.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".flo, .npy or .exr: the motion, px/frame; .png: the region's mask; .json: labelme's strokes",
    )
    shown = command("preview", "render a video of a finished job, without Blender")
    shown.add_argument("job", type=Path, metavar="JOB")
    shown.add_argument(
        "--camera", required=True, metavar="|".join(("still", *PATHS, "all", "FILE.json")), help="the camera's path"
    )
    shown.add_argument("--loop", action="store_true", help="a camera path that ends where it starts")
    shown.add_argument("--frames", type=_number(int, 1, 10000), help="number of frames (the path's own)")
    shown.add_argument(
        "--range", type=_range, metavar="A-B",
        help="render only the frames A to B, numbered from 0; several machines share a path so",
    )  # fmt: skip
    shown.add_argument("--fps", type=_number(int, 1, 240), default=25, help="frames per second (25)")
    shown.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help=".mp4, .gif, .png for numbered frames, or a folder",
    )
    _add_options(shown, ["device"])
    measured = command("coverage", "measure the share of a camera's view that no point covers")
    measured.add_argument("job", type=Path, metavar="JOB")
    measured.add_argument(
        "--camera", required=True, metavar="|".join(("still", *PATHS, "FILE.json")), help="the camera's path"
    )
    measured.add_argument("--loop", action="store_true", help="a camera path that ends where it starts")
    measured.add_argument("--frames", type=_number(int, 1, 10000), help="number of frames (the path's own)")
    measured.add_argument("--width", type=_number(int, 1, 65536), help="px of the frame (the photo's)")
    measured.add_argument("--height", type=_number(int, 1, 65536), help="px of the frame (the photo's)")
    measured.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="folder for mask pictures: holes red, invented surfaces blue"
    )
    command("check", "print versions and the device that would be used")
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


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a first and a last frame, as 0-9")
    return int(first), int(last)


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
