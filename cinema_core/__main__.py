"""The command line, and the engine that Blender starts: ``python -m cinema_core serve``, open, build and others.

Exit codes: 0 done, 1 a bug, 2 an error that the user can fix, of batch also some photos that failed, 130 cancelled.
Messages: see `messages`.
Heavy modules are imported by the command that needs them, so that ``open`` never waits for torch.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from . import __version__
from .engine import commands, requirements
from .engine.arguments import DEPTH_OPTIONS, build_parser
from .engine.messages import ConsoleMessages, JsonMessages, Messages
from .engine.outcome import Failure, Result, attempt
from .engine.overwriting import check_file
from .pipeline.request import Request
from .shared.camera import Camera
from .shared.errors import cannot_write
from .shared.options import ROWS, BuildOptions


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    # By default torch's idle threads busy-wait: three builds on two cores took 91 s, with PASSIVE 9 s.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _open_closed_streams()
    messages: Messages = JsonMessages() if "--json" in argv or "serve" in argv[:1] else ConsoleMessages()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM cleans up like Ctrl-C
    try:
        try:
            return _conclude(attempt(lambda: _run(argv, messages)), messages)
        except KeyboardInterrupt as cancel:
            messages.error("Cancelled", str(cancel) or "The output is as it was before")
            return 130
    except BrokenPipeError:  # the reader closed the pipe
        messages.give_up()
        return 1
    except OSError as error:  # standard output is a file on a full disk
        messages.give_up()
        with suppress(OSError):
            print(f"Error: {cannot_write('standard output', error)}", file=sys.stderr)
        return 2


def _open_closed_streams() -> None:
    """Connect closed standard streams to the null device, or the next file that is opened would take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                continue
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))


def _run(argv: list[str], messages: Messages) -> Result:
    arguments = build_parser(_COMMANDS).parse_args(argv)
    return arguments.run(arguments, messages)


def _conclude(answer: Result | Failure, messages: Messages) -> int:
    if isinstance(answer, Result):
        messages.done(answer.summary, answer.fields)
        return answer.code
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


def _batch(arguments: argparse.Namespace, messages: Messages) -> Result:
    from .engine import batch
    from .pipeline.build import Builder

    previews = tuple(dict.fromkeys(arguments.preview))
    wanted = batch.Batch(arguments.folder, arguments.out, _options(arguments, ROWS), arguments.still, previews)
    return batch.build_all(Builder(), wanted, messages)


def _depth(arguments: argparse.Namespace, messages: Messages) -> Result:
    photo, annotations = commands.input_files(arguments.photo, arguments.annotations)
    from .pipeline.build import Builder

    options = _options(arguments, DEPTH_OPTIONS)
    request = Request(photo, arguments.out.parent, options, annotations, depth=arguments.depth)
    return commands.save_depth(Builder(), request, arguments.out, messages)


def _suggest(arguments: argparse.Namespace, messages: Messages) -> Result:
    photo, _ = commands.input_files(arguments.photo, None)
    from .pipeline.build import Builder

    request = Request(photo, arguments.out.parent, _options(arguments, ["max_side"]))
    return commands.save_strokes(Builder(), request, arguments.out)


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
    from .view import camera_file, preview

    clips = preview.plan_clips(arguments.camera, arguments.out, arguments.frames, arguments.loop, arguments.range)
    preview.check_clips(clips)
    for file in (file for clip in clips for file in clip.files if file.parent.exists()):
        check_file(file, {"the camera path": camera_file.find_file(arguments.camera)})
    files = preview.render_preview(
        arguments.job, clips, arguments.fps, arguments.device, messages.progress, messages.warning
    )
    return Result("\n".join(map(str, files)), {"files": [str(Path(file).absolute()) for file in files]})


def _coverage(arguments: argparse.Namespace, messages: Messages) -> Result:
    from .shared import job_folder

    report = job_folder.read_report(arguments.job)
    from .view import camera_file

    _, poses = camera_file.find_path(arguments.camera, arguments.frames, arguments.loop)
    camera = Camera(report["width"], report["height"], report["focal"])
    for text in camera_file.find_wrong_axes(job_folder.read_points(arguments.job)["still_position"], camera, poses):
        messages.warning(text)
    fields = {"poses": poses.reshape(-1, 16).tolist(), "width": arguments.width, "height": arguments.height}
    return commands.coverage(arguments.job, fields, arguments.masks, messages)


def _check(arguments: argparse.Namespace, messages: Messages) -> Result:
    found = requirements.check()
    fields = {"version": __version__, **found, **found["packages"]}
    del fields["packages"]
    width = max(map(len, fields))
    return Result("\n".join(f"{name:<{width}}  {value}" for name, value in fields.items()), fields)


_COMMANDS = {
    "open": _open,
    "build": _build,
    "batch": _batch,
    "depth": _depth,
    "suggest": _suggest,
    "export": _export,
    "serve": _serve,
    "preview": _preview,
    "coverage": _coverage,
    "check": _check,
}


if __name__ == "__main__":
    sys.exit(main())
