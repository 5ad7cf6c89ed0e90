"""The warm engine: ``serve`` takes requests as JSON lines on standard input and answers on standard output.

Requests, one JSON object a line; paths are strings, what is left out is null or the command line's default::

    {"id": 7, "command": "open", "photo": ..., "out": JOB, "max_side": ..., "focal": ...}
    {"id": 8, "command": "build", "photo": ..., "out": JOB, "annotations": ..., "depth": ..., "region": ...,
              "flow": ..., "still": false, "options": {fields of data.BuildOptions}}
    {"id": 9, "command": "flow", as build}                       the field for display, without a build
    {"id": 9, "command": "depth", as build}                      the depth for display, without a build
    {"id": 10, "command": "suggest", "photo": ..., "out": JOB, "max_side": ..., "focal": ...}
    {"id": 11, "command": "export", "out": JOB, "file": ...}
    {"id": 12, "command": "coverage", "out": JOB, "poses": [[16 numbers], ...], "lenses": ..., "phases": ..., "width": ...,
              "height": ..., "point_size": ..., "focal": ..., "limit": ..., "home": ..., "masks": FOLDER}
    {"cancel": 8}
    {"quit": true}

Answers are those of `messages`, each with the request's "id". One request is worked on at a time, the others wait.

* An open photo's depth and layers are made while there is nothing else to do, so that its first build is quicker.
* A build says "ready" with its report when its points are published, then "done" with the report once its quality is
  measured. Another request ends the measuring: then "done" has the figures null and "measured" false. So does a cancel,
  since the build stands by then.
* A cancel ends its request, working or waiting, with {"type": "error", "text": "Cancelled", "hint": ..., "cancelled":
  true}, and the job is as it was. The id of no such request is passed over.
* After "error" and "fatal" the next request is served. A line that is no request is answered by an "error" of id null.
* The process ends at once on quit, at the end of its input and when nobody reads its answers, even in the middle of work;
  and when it has had nothing to do for long.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from pathlib import Path

from ..pipeline.request import Request
from ..shared.cancellation import Cancelled, Interrupts, shielded
from ..shared.data import BuildOptions
from ..shared.errors import CinemaError
from . import commands
from .commands import Failure, Result, attempt
from .fields import Fields
from .messages import JsonMessages

IDLE = 1800.0  # seconds
FIRST = 1.0  # seconds; whoever starts the process is about to ask, and to open a photo must not wait for torch
REST = 0.6  # seconds before a build's quality is measured: Blender brings its points into the scene meanwhile
MOST_TRIES = 3  # to prepare the open photo, each broken off by a request
_OF_GEOMETRY = ("depth_near", "depth_far", "depth_gamma", "depth_model", "inpaint_model", "reach", "edge_cleanup")
_FORM = 'Send one JSON object a line: {"id": 1, "command": "build", ...}, {"cancel": 1} or {"quit": true}'
_CANCELLED = ("Cancelled", "The output is as it was before")


class _Task:
    """A request on its way.

    Attributes:
        id: What its answers carry.
        fields: The request.
        cancelled: Its answer is not wanted any more.
        ready: A build's report, once its points are published: what is left to do may be broken off.
    """

    def __init__(self, fields: dict) -> None:
        self.id, self.fields = fields["id"], fields
        self.cancelled, self.ready = False, None

    def gives_way(self, following: _Task | None) -> bool:
        """Whether it is to be broken off, as `following` is the next one in the queue."""
        return self.cancelled or (self.ready is not None and following is not None)


class _Preparation(_Task):
    """What is done for the open photo unasked, while there is nothing else to do: its depth and layers."""

    def __init__(self, request: Request) -> None:
        super().__init__({"id": None})
        self.request, self.tries = request, 0

    def gives_way(self, following: _Task | None) -> bool:
        """Not to a build, which most likely waits for just these layers."""
        return following is not None and not self._is_for(following.fields)

    def _is_for(self, fields: dict) -> bool:
        options = fields.get("options")
        others = [name for name in _OF_GEOMETRY if isinstance(options, dict) and options.get(name) is not None
                  and options[name] != getattr(BuildOptions, name)]  # fmt: skip
        return fields["command"] == "build" and fields.get("depth") is None and not others


class Engine:
    """Serves requests until the input ends. To be made in the main thread.

    Args:
        messages: Where the answers go.
        idle: Seconds without work after which it ends.
    """

    def __init__(self, messages: JsonMessages, idle: float = IDLE) -> None:
        self._messages, self._idle = messages, idle
        self._waiting: deque[_Task] = deque()
        self._changed = threading.Condition()  # guards _waiting and _task
        self._task: _Task | None = None
        self._studio = None
        self._preparation: _Preparation | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # at once, even in the middle of a long library call
        self._interrupts = Interrupts(self._is_unwanted)

    def run(self) -> int:
        """Serve; returns the exit code."""
        threading.Thread(target=self._listen, daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, FIRST)
        while (task := self._next()) is not None:
            answer = None
            with suppress(Cancelled):
                answer = attempt(lambda: self._work(task))
            self._conclude(task, answer)
        return 0

    # In a thread of its own

    def _listen(self) -> None:
        """Take in the requests as they come."""
        code = 1
        try:
            for line in sys.stdin.buffer:
                if self._take(line):
                    break
            code = 0
        except BrokenPipeError:
            pass
        except Exception:
            traceback.print_exc()
        os._exit(code)

    def _take(self, line: bytes) -> bool:
        """Act on one line; True at the end."""
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict):
                raise CinemaError("A request is not an object", _FORM)
            if fields.get("quit"):
                return True
            if "cancel" in fields:
                self._cancel(fields["cancel"])
            elif fields.get("command") not in COMMANDS:
                raise CinemaError(f"There is no command {fields.get('command')!r}", f"There are {', '.join(COMMANDS)}")
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
        self._nag()  # a build that only measures its quality gives way

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
        self._nag()

    def _nag(self) -> None:
        if self._is_unwanted():
            threading.Thread(target=self._interrupts.nag, daemon=True).start()

    def _is_unwanted(self) -> bool:
        """Whether what runs now is to be broken off. Asked in a signal handler too: takes no lock."""
        task = self._task
        try:
            following = self._waiting[0]
        except IndexError:
            following = None
        return task is not None and task.gives_way(following)

    # In the main thread

    def _next(self) -> _Task | None:
        """Wait for a request; None when none has come for long."""
        if not self._waiting:
            self._warm_up()
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, self._idle):
                return None
            self._task = self._waiting.popleft()
            return self._task

    def _warm_up(self) -> None:
        """Do what takes seconds while there is nothing else to do: imports, and the layers of the open photo."""
        try:
            self._ensure_studio()
        except ImportError:  # the first build will say which
            return
        task = self._preparation
        if task is None or task.tries == MOST_TRIES:
            return
        task.tries += 1
        with suppress(Cancelled):
            self._task = task
            self._nag()  # a request may have come just before
            attempt(lambda: self._studio.prepare(task.request))
            self._preparation = None
        self._rest()

    @shielded
    def _rest(self) -> None:
        self._task = None

    def _ensure_studio(self) -> None:
        if self._studio is None:
            from ..pipeline.build import Builder

            self._studio = Builder(REST)

    def _work(self, task: _Task) -> Result:
        messages = self._messages.about(id=task.id)
        return COMMANDS[task.fields["command"]](self, task, messages)

    @shielded
    def _conclude(self, task: _Task, answer: Result | Failure | None) -> None:
        """Answer a request; from here on there is nothing to be broken off."""
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
            self._studio = None  # whatever it keeps may be part of the trouble
            messages.fatal(answer.text)

    def _open(self, task: _Task, messages: JsonMessages) -> Result:
        given = Fields(task.fields)
        photo, out = given.path("photo"), given.path("out")
        max_side, focal = given.number("max_side", BuildOptions.max_side, (int,)), given.number("focal", None)
        done = commands.open_photo(photo, out, max_side, focal, messages)
        options = BuildOptions(max_side=max(done.fields["width"], done.fields["height"]), focal=done.fields["focal"])
        self._preparation = _Preparation(Request(Path(done.fields["photo"]), out, options))
        return done

    def _build(self, task: _Task, messages: JsonMessages) -> Result:
        self._preparation = None  # it was for this build, or is for none
        request = self._request(task, messages)

        def ready(report: dict) -> None:
            fields = commands.build_fields(request.out, report)
            messages.ready(fields)
            task.ready = fields
            self._nag()

        return commands.build(self._studio, request, messages, ready)

    def _flow(self, task: _Task, messages: JsonMessages) -> Result:
        request = self._request(task, messages)
        return commands.flow(self._studio, request, messages)

    def _depth(self, task: _Task, messages: JsonMessages) -> Result:
        request = self._request(task, messages)
        return commands.depth(self._studio, request, messages)

    def _suggest(self, task: _Task, messages: JsonMessages) -> Result:
        request = self._request(task, messages)
        return commands.suggest(self._studio, request)

    def _export(self, task: _Task, messages: JsonMessages) -> Result:
        given = Fields(task.fields)
        return commands.export(given.path("out"), given.path("file"))

    def _coverage(self, task: _Task, messages: JsonMessages) -> Result:
        given = Fields(task.fields)
        return commands.coverage(given.path("out"), task.fields, given.path("masks", None), messages)

    def _request(self, task: _Task, messages: JsonMessages) -> Request:
        if self._studio is None:
            messages.progress("start", 0.0)  # torch takes its seconds
        self._ensure_studio()
        given = Fields(task.fields)
        photo, annotations = commands.input_files(given.path("photo"), given.path("annotations", None))
        others = {name: given.path(name, None) for name in ("depth", "region", "flow")}
        return Request(photo, given.path("out"), given.options(), annotations, still=given.flag("still"), **others)


COMMANDS = {
    "open": Engine._open,
    "build": Engine._build,
    "flow": Engine._flow,
    "depth": Engine._depth,
    "suggest": Engine._suggest,
    "export": Engine._export,
    "coverage": Engine._coverage,
}
