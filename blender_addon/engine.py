"""The engine: `python -m cinema_core serve` in its own process, so that torch is never loaded into Blender's.

One process serves the whole Blender session. The first request starts it; it keeps the open photo, its depth and layers
in memory between requests, and is killed when the extension is disabled. `ask` sends a request. A timer in a window
follows it by `poll()`; background Blender, scripts and tests use `wait()`.

Both directions are one JSON object a line. A request is {"id": 8, "command": "build", ...} or {"cancel": 8}; every
answer carries the id of its request, and exactly one error, fatal or done ends it:

* progress: stage, fraction 0..1 of the whole request
* warning: text
* ready: the result can be brought into the scene; figures that follow with "done" are still being measured
* error: text and hint, for an error that the user can correct; "Cancelled" after a cancel
* fatal: text of an internal error; the traceback is in the log
* done: the command's answer
"""

import atexit
import json
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..cinema_core.shared.errors import CinemaError, first_line
from . import engine_log, engine_python, engine_state
from .engine_python import Runner

CANCEL_TIMEOUT = 5.0  # seconds after a cancel until an engine that does not answer is killed
_OTHER_PYTHON = "Choose another Python in Preferences > Add-ons > 3D Cinemagraph > Advanced"
_SEE_LOG = "Press Show Log in Preferences > Add-ons > 3D Cinemagraph"


@dataclass(frozen=True)
class _Launch:
    """The program of an engine, and the folder of its packages; None where it is a Python of the user with its own."""

    runner: Runner
    packages: Path | None

    def variables(self) -> dict[str, str]:
        return engine_python.environment(self.packages)


class EngineRequest:
    """A request to the engine.

    Attributes:
        number: Its id.
        stage: The stage at which the engine is.
        fraction: Progress of the whole request, 0..1.
        warnings: Warnings so far.
        answer: The message "ready" or later "done", None before both.
    """

    def __init__(self, engine: "_Engine", number: int) -> None:
        self.number = number
        self.stage, self.fraction, self.warnings, self.answer = "start", 0.0, [], None
        self._engine, self._done = engine, False
        self._failure: CinemaError | None = None

    @property
    def ended(self) -> bool:
        """No further message will follow."""
        return self._done or self._failure is not None

    def poll(self, timeout: float = 0.0, done: bool = False) -> bool:
        """Tell whether there is an answer to bring into the scene; with `done`, whether it is complete.

        Args:
            timeout: Seconds to wait for a message.
            done: Wait for the message "done" instead of "ready".

        Raises:
            CinemaError: The request or the engine failed.
        """
        with self._engine.news:
            if timeout and not self.ended:
                self._engine.news.wait(timeout)
            if self._failure is not None:
                raise self._failure
            return self._done or (self.answer is not None and not done)

    def wait(self, on_progress: Callable[["EngineRequest"], None] | None = None, done: bool = False) -> dict:
        """Block until there is an answer, as for `poll`, and give it; an interrupt cancels the request."""
        try:
            while not self.poll(0.1, done):
                if on_progress:
                    on_progress(self)
        except BaseException:
            self.cancel()
            raise
        return self.answer

    def cancel(self) -> None:
        """Cancel the request; the job folder keeps its last good state. An engine that does not answer is killed."""
        if not self.ended:
            self._engine.cancel(self)

    def take(self, message: dict) -> None:
        """Process a message of the engine; called by the reading thread."""
        kind, text = message.get("type"), str(message.get("text", ""))
        if kind == "progress":
            self.stage, self.fraction = str(message.get("stage", "")), float(message.get("fraction", 0.0))
        elif kind == "warning":
            self.warnings.append(text)
        elif kind in ("ready", "done"):
            self.answer, self._done = message, kind == "done"
        elif kind == "error":
            self.fail(CinemaError(text, message.get("hint", "")))
        elif kind == "fatal":
            self.fail(CinemaError(f"The engine failed: {text}", _SEE_LOG))

    def fail(self, failure: CinemaError) -> None:
        self._failure = self._failure or failure


class _Engine:
    """A running engine.

    Args:
        launch: Its program and packages.

    Attributes:
        launch: The same.
        pid: Id of the process.
        news: Notified after every message, and when the process has ended.

    Raises:
        CinemaError: The program does not start.
    """

    def __init__(self, launch: _Launch) -> None:
        self.launch, self.news = launch, threading.Condition()
        self._open: dict[int, EngineRequest] = {}
        self._count = 0
        pipe = subprocess.PIPE
        command = launch.runner.command("cinema_core", "serve")
        try:
            with engine_log.path().open("ab") as stderr:
                self._process = engine_python.start(command, launch.variables(), stdin=pipe, stdout=pipe, stderr=stderr)
        except OSError as error:
            raise _not_started(launch.runner.program, error) from error
        self.pid = self._process.pid
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, command: str, fields: dict) -> EngineRequest:
        """Send a request.

        Raises:
            OSError: The process has ended.
        """
        with self.news:
            if not self.alive:
                raise BrokenPipeError
            self._count += 1
            request = self._open[self._count] = EngineRequest(self, self._count)
        self._send({"id": request.number, "command": command, **fields})
        return request

    def cancel(self, request: EngineRequest) -> None:
        try:
            self._send({"cancel": request.number})
        except OSError:  # the process has ended, and the request with it
            return
        watch = threading.Timer(CANCEL_TIMEOUT, lambda: request.ended or self._process.kill())
        watch.daemon = True
        watch.start()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # flushing requests that it has not read fails
            self._process.stdin.close()

    def _send(self, message: dict) -> None:
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        for line in self._process.stdout:
            try:
                message = json.loads(line)
                with self.news:
                    request = self._open.get(message.get("id"))
                    if request is not None:
                        request.take(message)
                        if request.ended:
                            del self._open[request.number]
                    self.news.notify_all()
            except (ValueError, TypeError, AttributeError):  # output of a library instead of a message
                continue
        code = self._process.wait()
        with self.news:
            for request in self._open.values():
                request.fail(CinemaError(f"The engine stopped without a result ({code})", _SEE_LOG))
            self._open.clear()
            self.news.notify_all()


_engine: _Engine | None = None


def ask(command: str, fields: dict) -> EngineRequest:
    """Send a request to the engine. It is started if none runs or the chosen Python has changed.

    Args:
        command: "open", "build", "flow", "depth", "suggest", "coverage" or "export".
        fields: Arguments of the command.

    Raises:
        CinemaError: The engine is not set up or does not start, or the user's Python lacks packages.
    """
    engine = _ensure_engine()
    try:
        return engine.ask(command, fields)
    except OSError:  # it has just ended, because it was idle for too long or killed
        stop()
        return _ensure_engine().ask(command, fields)


def stop() -> None:
    """Kill the engine. Open requests fail; job folders keep their last good state."""
    global _engine
    if _engine is not None:
        _engine.kill()
        _engine = None


def running_pid() -> int | None:
    """Give the process id of the engine, None while none runs."""
    return _engine.pid if _engine is not None and _engine.alive else None


def register() -> None:
    atexit.register(stop)


def unregister() -> None:
    stop()
    atexit.unregister(stop)


def _ensure_engine() -> _Engine:
    global _engine
    launch = _find_launch()
    if _engine is not None and (not _engine.alive or _engine.launch != launch):
        stop()
    if _engine is None:
        if launch.packages is None:
            _check_packages(launch)
        _engine = _Engine(launch)
    return _engine


def _find_launch() -> _Launch:
    chosen = engine_python.chosen()
    if chosen:
        return _Launch(Runner(chosen), None)
    found = engine_state.packages()
    if found is None:
        raise engine_state.not_ready()
    packages, verdict = found
    return _Launch(verdict.runner, packages)


def _check_packages(launch: _Launch) -> None:
    """Check that the user's Python starts and has the packages; whether they work, the first job tells."""
    program = launch.runner.program
    try:
        child = engine_python.start(
            launch.runner.command("cinema_core.engine.requirements", "missing"),
            launch.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with child:
            missing = json.loads(child.stdout.read())["missing"]
    except (OSError, ValueError, LookupError) as error:
        raise _not_started(program, error) from error
    if missing:
        hint = f'{_OTHER_PYTHON}, or run "{program}" -m pip install {" ".join(missing)}'
        raise CinemaError(f"The engine's Python has no {', '.join(missing)}", hint)


def _not_started(program: str, error: Exception) -> CinemaError:
    return CinemaError(f'The engine\'s Python "{program}" does not start ({first_line(error)})', _OTHER_PYTHON)
