"""Messages of a running command: JSON lines for Blender, a progress bar or plain lines for people.

JSON messages, one object a line on standard output, "done", "error" or "fatal" always the last::

    {"type": "progress", "stage": "depth", "fraction": 0.31}
    {"type": "warning", "text": ...}
    {"type": "error", "text": ..., "hint": ...}      the user can fix it; exit code 2
    {"type": "fatal", "text": ...}                   a bug; exit code 1, traceback on standard error
    {"type": "done", ...}                            the command's results; exit code 0 (of batch 2 where photos failed)

``serve`` answers many requests: there, every message carries the request's "id", and a build says
{"type": "ready", "report": ...} before its "done" (see `serve`). Standard library only.
"""

from __future__ import annotations

import copy
import io
import json
import os
import sys
import threading
from typing import Protocol, TextIO

from ..shared.cancellation import shielded

_BAR = 30  # characters


def _discard(number: int) -> None:
    """Connect a stream to the null device: Python writes the rest of its buffer at its end, and reports errors then."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


class Messages(Protocol):
    """The receiver of a command's messages."""

    def progress(self, stage: str, fraction: float) -> None: ...

    def warning(self, text: str) -> None: ...

    def error(self, text: str, hint: str) -> None: ...

    def fatal(self, text: str) -> None: ...

    def done(self, summary: str, fields: dict) -> None:
        """Args: `summary` for people, `fields` for programs."""

    def give_up(self) -> None:
        """Drop all that could not be written: standard output is closed or full."""


class JsonMessages:
    """Writes JSON lines to standard output; prints of libraries go to standard error from now on."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
        os.dup2(2, 1)  # on the level of descriptors, which C libraries print to
        self._lock = threading.Lock()
        self._last: tuple[str, int] | None = None
        self._about: dict = {}

    def about(self, **fields: object) -> JsonMessages:
        """The same receiver, with these fields in every message, such as the request's id."""
        view = copy.copy(self)
        view._about, view._last = fields, None
        return view

    def progress(self, stage: str, fraction: float) -> None:
        step = (stage, int(fraction * 100))
        if step != self._last:  # a stage may report every row
            self._last = step
            self._send({"type": "progress", "stage": stage, "fraction": round(float(fraction), 3)})

    def warning(self, text: str) -> None:
        self._send({"type": "warning", "text": text})

    def error(self, text: str, hint: str, **fields: object) -> None:
        self._send({"type": "error", "text": text, "hint": hint, **fields})

    def fatal(self, text: str) -> None:
        self._send({"type": "fatal", "text": text})

    def ready(self, fields: dict) -> None:
        """A build's points are published; its quality is being measured."""
        self._send({"type": "ready", **fields})

    def done(self, summary: str, fields: dict) -> None:
        self._send({"type": "done", **fields})

    def give_up(self) -> None:
        _discard(self._stream.fileno())

    @shielded
    def _send(self, message: dict) -> None:
        line = json.dumps(self._about | message) + "\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


class ConsoleMessages:
    """Writes for people: progress and problems to standard error, results to standard output."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a file name that the terminal cannot show is no reason to fail
        self._redraws = sys.stderr.isatty()
        self._stage = ""
        self._bar = ""

    def progress(self, stage: str, fraction: float) -> None:
        if not self._redraws:
            if stage != self._stage:
                print(f"{stage} ...", file=sys.stderr, flush=True)
        else:
            filled = round(_BAR * min(max(fraction, 0.0), 1.0))
            bar = f"{stage:<14} [{'#' * filled}{'.' * (_BAR - filled)}] {fraction:4.0%}"
            if bar != self._bar:
                print(f"\r\x1b[K{bar}", end="", file=sys.stderr, flush=True)
                self._bar = bar
        self._stage = stage

    def warning(self, text: str) -> None:
        self._say(f"Warning: {text}")

    def error(self, text: str, hint: str) -> None:
        self._say(f"Error: {text}." + (f"\n{hint}." if hint else ""))

    def fatal(self, text: str) -> None:
        self._say(f"This is a bug in 3D Cinemagraph: {text}")

    def done(self, summary: str, fields: dict) -> None:
        self._clear_bar()
        print(summary, flush=True)

    def give_up(self) -> None:
        _discard(1)

    def _say(self, text: str) -> None:
        self._clear_bar()
        print(text, file=sys.stderr, flush=True)

    def _clear_bar(self) -> None:
        if self._bar:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._bar = ""
