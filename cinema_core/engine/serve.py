"""The warm engine: ``serve`` reads requests as JSON lines from standard input and answers on standard output.

Requests are JSON objects, one a line. Paths are strings; a missing field is null, or the default of the command line::

    {"id": 7, "command": "open", "photo": ..., "out": JOB, "max_side": ..., "focal": ...}
    {"id": 8, "command": "build", "photo": ..., "out": JOB, "annotations": ..., "depth": ..., "region": ...,
              "flow": ..., "still": false, "options": {fields of options.BuildOptions}}
    {"id": 9, "command": "flow", as build}                       the field for display, without a build
    {"id": 9, "command": "depth", as build}                      the depth for display, without a build
    {"id": 10, "command": "suggest", "photo": ..., "out": JOB, "max_side": ..., "focal": ...}
    {"id": 11, "command": "export", "out": JOB, "file": ...}
    {"id": 12, "command": "coverage", "out": JOB, "poses": [[16 numbers], ...], "lenses": ..., "phases": ...,
               "width": ..., "height": ..., "point_size": ..., "focal": ..., "limit": ..., "photo_pose": ...,
               "masks": FOLDER}
    {"cancel": 8}
    {"quit": true}

Answers are those of `messages`, each with the request's "id". The engine works on one request at a time; others wait.

* While the engine is idle it makes the depth and layers of an open photo, so that the photo's first build is quicker.
* A build says "ready" with its report when its points are published, then "done" with the report when its quality is
  measured. Another request, or a cancel, ends the measuring: "done" then has no figures, and "measured" is false.
* A cancel ends its request, running or waiting, with {"type": "error", "text": "Cancelled", "hint": ..., "cancelled":
  true}; the job stays as it was. A cancel whose id is unknown is ignored.
* After "error" and "fatal" the next request is served. A line that is not a request gets an "error" whose id is null.
* The process ends at once on quit, at the end of its input, and when its answers are not read any more, even in the
  middle of work; requests that are not done then get an "error". It also ends after a long time without requests.
* When the input is a file, as in ``serve < requests.jsonl``, its requests are all served, builds are measured, and quit
  is the end of the file.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..pipeline.request import Request
from ..shared.cancellation import Cancelled, Interrupts, shielded
from ..shared.errors import CinemaError, quoted
from ..shared.options import BuildOptions, names
from . import commands
from .fields import Fields
from .messages import JsonMessages
from .outcome import Failure, Result, attempt

if TYPE_CHECKING:
    from ..pipeline.build import Builder

IDLE_TIMEOUT = 1800.0  # seconds without a request after which the process ends
FIRST_REQUEST_WAIT = 1.0  # seconds to wait for a first request before torch is imported; opening a photo needs no torch
PUBLISH_PAUSE = 0.6  # seconds between publishing and measuring, while Blender brings the points into the scene
MAX_TRIES = 3  # attempts at preparing the open photo; each request interrupts one
_GEOMETRY_OPTIONS = names("depth", "layers")  # options that depth and layers of the open photo are prepared with
_FORM = 'Send one JSON object a line: {"id": 1, "command": "build", ...}, {"cancel": 1} or {"quit": true}'
_CANCELLED = ("Cancelled", "The output is as it was before")
_ENDED = ("The input ended before this was done", "Keep the input open until the answer, or give a file: serve < FILE")


class _Task:
    """A request that waits or runs.

    Attributes:
        id: The id that its answers carry.
        fields: The request.
        cancelled: True once its answer is not wanted any more.
        ready: Fields of a build's "ready", once its points are published; from then on it may be interrupted.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.id, self.fields = fields["id"], fields
        self.cancelled = False
        self.ready: dict[str, Any] | None = None

    def gives_way(self, following: _Task | None) -> bool:
        """Whether it is to be interrupted when `following` is the next task in the queue."""
        return self.cancelled or (self.ready is not None and following is not None)


class _Preparation(_Task):
    """Depth and layers of the open photo, made while there are no requests."""

    def __init__(self, request: Request) -> None:
        super().__init__({"id": None})
        self.request, self.tries = request, 0

    def gives_way(self, following: _Task | None) -> bool:
        """A build does not interrupt it: most likely it needs these very layers."""
        return following is not None and not self._is_for(following.fields)

    def _is_for(self, fields: dict[str, Any]) -> bool:
        options = fields.get("options")
        given = options if isinstance(options, dict) else {}
        changed = [name for name in _GEOMETRY_OPTIONS if given.get(name) not in (None, getattr(BuildOptions, name))]
        return fields["command"] == "build" and fields.get("depth") is None and not changed


class Engine:
    """Serves requests until the input ends. Must be created in the main thread.

    Args:
        messages: Writes the answers.
        idle: Seconds without work after which it ends.
    """

    def __init__(self, messages: JsonMessages, idle: float = IDLE_TIMEOUT) -> None:
        self._messages, self._idle = messages, idle
        self._waiting: deque[_Task] = deque()
        self._changed = threading.Condition()  # guards _waiting and _task
        self._task: _Task | None = None
        self._builder: Builder | None = None
        self._preparation: _Preparation | None = None
        self._from_file = stat.S_ISREG(os.fstat(0).st_mode)  # then nobody waits, and all requests are there at once
        self._listened = False  # whether a file's requests are all read
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # at once, even in the middle of a long library call
        self._interrupts = Interrupts(self._is_unwanted)

    def run(self) -> int:
        """Serve; returns the exit code."""
        threading.Thread(target=self._listen, daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._listened, FIRST_REQUEST_WAIT)
        while (task := self._next()) is not None:
            answer = None
            with suppress(Cancelled):
                answer = attempt(partial(self._work, task))
            self._conclude(task, answer)
        return 0

    # In a thread of its own

    def _listen(self) -> None:
        """Read requests as they come."""
        code = 1
        try:
            for line in sys.stdin.buffer:
                if self._take(line):
                    break
            else:
                self._tell_end()
            code = 0
            if self._from_file:
                return self._finish_listening()
        except BrokenPipeError:
            pass
        except Exception:
            traceback.print_exc()
        os._exit(code)

    def _tell_end(self) -> None:
        """Tell whoever may still listen which requests the end of the input leaves undone."""
        if self._from_file:
            return
        for task in (self._task, *tuple(self._waiting)):
            if task is not None and task.id is not None:
                self._messages.about(id=task.id).error(*_ENDED)

    def _finish_listening(self) -> None:
        with self._changed:
            self._listened = True
            self._changed.notify()

    def _take(self, line: bytes) -> bool:
        """Act on one line; True for a request to quit."""
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict):
                raise CinemaError("A request is not an object", _FORM)
            if fields.get("quit"):
                return True
            if "cancel" in fields:
                self._cancel(fields["cancel"])
            elif not isinstance(command := fields.get("command"), str) or command not in COMMANDS:
                raise CinemaError(f"There is no command {quoted(command)}", f"There are {', '.join(COMMANDS)}")
            elif not isinstance(fields.get("id"), (int, str)):
                raise CinemaError("A request has no id", _FORM)
            else:
                self._queue(_Task(fields))
        except CinemaError as error:
            self._messages.about(id=fields.get("id") if isinstance(fields, dict) else None).error(
                error.text, error.hint
            )
        except (ValueError, RecursionError):
            self._messages.about(id=None).error("A request is not valid JSON", _FORM)
        return False

    def _queue(self, task: _Task) -> None:
        with self._changed:
            self._waiting.append(task)
            self._changed.notify()
        self._interrupt_unwanted()  # interrupts a build that is only measuring its quality

    def _cancel(self, number: object) -> None:
        with self._changed:
            task = next((task for task in (self._task, *self._waiting) if task is not None and task.id == number), None)
            if task is None:
                return
            task.cancelled = True
            was_waiting = task in self._waiting
            if was_waiting:
                self._waiting.remove(task)
        if was_waiting:
            self._messages.about(id=task.id).error(*_CANCELLED, cancelled=True)
        self._interrupt_unwanted()

    def _interrupt_unwanted(self) -> None:
        if self._is_unwanted():
            threading.Thread(target=self._interrupts.interrupt_repeatedly, daemon=True).start()

    def _is_unwanted(self) -> bool:
        """Whether the running task is to be interrupted. Takes no lock, since a signal handler asks too."""
        task = self._task
        try:
            following = None if self._from_file else self._waiting[0]
        except IndexError:
            following = None
        return task is not None and task.gives_way(following)

    # In the main thread

    def _next(self) -> _Task | None:
        """Wait for a request; None after a long time without any, and after the last one of a file."""
        if not self._waiting and not self._from_file:
            self._warm_up()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._listened, self._idle)
            if not self._waiting:
                return None
            self._task = self._waiting.popleft()
            return self._task

    def _warm_up(self) -> None:
        """Use idle time for work that takes seconds: imports, and the layers of the open photo."""
        try:
            builder = self._ensure_builder()
        except ImportError:  # the first build names the missing package
            return
        task = self._preparation
        if task is None or task.tries == MAX_TRIES:
            return
        task.tries += 1
        with suppress(Cancelled):
            self._task = task
            self._interrupt_unwanted()  # a request may have come just before
            attempt(partial(self._prepare, builder, task.request))
            self._preparation = None
        self._rest()

    @staticmethod
    def _prepare(builder: Builder, request: Request) -> Result:
        builder.prepare(request)
        return Result("", {})

    @shielded
    def _rest(self) -> None:
        self._task = None

    def _ensure_builder(self) -> Builder:
        if self._builder is None:
            from ..pipeline.build import Builder

            self._builder = Builder(PUBLISH_PAUSE)
        return self._builder

    def _work(self, task: _Task) -> Result:
        messages = self._messages.about(id=task.id)
        return COMMANDS[task.fields["command"]](self, task, messages)

    @shielded
    def _conclude(self, task: _Task, answer: Result | Failure | None) -> None:
        """Answer a request; nothing is interrupted from here on."""
        self._task = None
        messages = self._messages.about(id=task.id)
        if isinstance(answer, Result):
            messages.done(answer.summary, answer.fields)
        elif answer is None and task.ready is not None:
            messages.done("", task.ready)
        elif answer is None:
            messages.error(*_CANCELLED, cancelled=True)
        elif answer.hint is not None:
            messages.error(answer.text, answer.hint)
        else:
            self._builder = None  # its cached values may be part of the fault
            messages.fatal(answer.text)

    def _open(self, task: _Task, messages: JsonMessages) -> Result:
        given = Fields(task.fields)
        photo, out, options = given.path("photo"), given.path("out"), given.options()
        done = commands.open_photo(photo, out, options.max_side, options.focal, messages)
        options = BuildOptions(max_side=max(done.fields["width"], done.fields["height"]), focal=done.fields["focal"])
        self._preparation = _Preparation(Request(Path(done.fields["photo"]), out, options))
        return done

    def _build(self, task: _Task, messages: JsonMessages) -> Result:
        self._preparation = None  # it was for this build, or is of no use
        builder, request = self._request(task, messages)

        def ready(report: dict) -> None:
            fields = commands.build_fields(request.out, report)
            messages.ready(fields)
            task.ready = fields
            self._interrupt_unwanted()

        return commands.build(builder, request, messages, ready)

    def _flow(self, task: _Task, messages: JsonMessages) -> Result:
        return commands.flow(*self._request(task, messages), messages)

    def _depth(self, task: _Task, messages: JsonMessages) -> Result:
        return commands.depth(*self._request(task, messages), messages)

    def _suggest(self, task: _Task, messages: JsonMessages) -> Result:
        return commands.suggest(*self._request(task, messages))

    def _export(self, task: _Task, messages: JsonMessages) -> Result:
        given = Fields(task.fields)
        return commands.export(given.path("out"), given.path("file"))

    def _coverage(self, task: _Task, messages: JsonMessages) -> Result:
        given = Fields(task.fields)
        return commands.coverage(given.path("out"), task.fields, given.optional_path("masks"), messages)

    def _request(self, task: _Task, messages: JsonMessages) -> tuple[Builder, Request]:
        if self._builder is None:
            messages.progress("start", 0.0)  # importing torch takes seconds
        builder, given = self._ensure_builder(), Fields(task.fields)
        photo, annotations = commands.input_files(given.path("photo"), given.optional_path("annotations"))
        others = {name: given.optional_path(name) for name in ("depth", "region", "flow")}
        request = Request(photo, given.path("out"), given.options(), annotations, still=given.flag("still"), **others)
        return builder, request


COMMANDS = {
    "open": Engine._open,
    "build": Engine._build,
    "flow": Engine._flow,
    "depth": Engine._depth,
    "suggest": Engine._suggest,
    "export": Engine._export,
    "coverage": Engine._coverage,
}
