"""The engine: `python -m cinema_core serve` in a process of its own, so that torch never enters Blender's.

One process serves the whole of Blender's session: it is started by the first request, stays warm between requests
(the open photo, its depth and layers are in its memory), and is killed with the extension. `ask` sends a request; two
ways to follow it: `poll()` from a timer in a window, `wait()` in background Blender, in scripts and in tests.

Both directions are one JSON object a line. A request is {"id": 8, "command": "build", ...} or {"cancel": 8}; every
answer carries the id of its request:

* progress: stage, fraction 0..1 of the whole request
* warning: text
* ready: the result can be brought into the scene; what comes with "done" is still being measured
* error: text, hint (the user can mend it); "cancelled" if it was cancelled
* fatal: text (our fault; the traceback is in the log)
* done: whatever the command answers

A request ends with one error, fatal or done; whichever it is, the process goes on serving.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..cinema_core.shared.errors import CinemaError

PYTHON_VARIABLE = "CINEMAGRAPH_PYTHON"
# Module that is imported -> what it is installed as. Opening a photo needs no torch.
OPEN_NEEDS = {"numpy": "numpy", "cv2": "opencv-python", "OpenEXR": "openexr", "PIL": "pillow"}
BUILD_NEEDS = {
    **OPEN_NEEDS, "safetensors": "safetensors", "scipy": "scipy", "sklearn": "scikit-learn", "torch": "torch",
}  # fmt: skip
PATIENCE = 5.0  # seconds that the engine has to answer a cancel, before it is killed
_FOLDER = Path(__file__).parents[1]  # of the extension, where cinema_core is
_REMEDY = "Name a Python that has it in Preferences > Add-ons > 3D Cinemagraph > Engine Python"


class Request:
    """Something that was asked of the engine.

    Attributes:
        number: Its id.
        stage: What the engine does now.
        fraction: How far it is, 0..1.
        warnings: What it warned of so far.
        answer: The message "ready" once it is there, then "done", else None.
    """

    def __init__(self, engine: "_Engine", number: int) -> None:
        self.number = number
        self.stage, self.fraction, self.warnings, self.answer = "start", 0.0, [], None
        self._engine, self._done = engine, False
        self._failure: CinemaError | None = None

    @property
    def ended(self) -> bool:
        """Nothing more will be heard of it."""
        return self._done or self._failure is not None

    def poll(self, timeout: float = 0.0, done: bool = False) -> bool:
        """True once there is an answer to bring into the scene; with `done`, once it is complete.

        Args:
            timeout: Seconds to wait for news.
            done: Take no "ready" for an answer.

        Raises:
            CinemaError: The request failed, or the engine did.
        """
        with self._engine.news:
            if timeout and not self.ended:
                self._engine.news.wait(timeout)
            if self._failure is not None:
                raise self._failure
            return self._done or (self.answer is not None and not done)

    def wait(self, on_progress: Callable[["Request"], None] | None = None, done: bool = False) -> dict:
        """Block until there is an answer, see `poll`, and give it; an interrupt cancels the request."""
        try:
            while not self.poll(0.1, done):
                if on_progress:
                    on_progress(self)
        except BaseException:
            self.cancel()
            raise
        return self.answer

    def cancel(self) -> None:
        """Let the engine drop it. The job folder keeps its last good state; an engine that does not answer is killed."""
        if not self.ended:
            self._engine.cancel(self)

    def take(self, message: dict) -> None:
        """Take in what the engine says; called by the thread that reads."""
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
            self.fail(CinemaError(f"The engine failed: {text}", f"Its log is {self._engine.log}"))

    def fail(self, failure: CinemaError) -> None:
        self._failure = self._failure or failure


class _Engine:
    """A running engine.

    Args:
        python: The Python that runs it.
        log: File that takes what the process prints to stderr.

    Attributes:
        pid: Of the process.
        news: Notified after every message, and when the process has ended.
    """

    def __init__(self, python: str, log: Path) -> None:
        self.python, self.log, self.news = python, log, threading.Condition()
        self.missing = _missing_modules(python)
        self._open: dict[int, Request] = {}
        self._count = 0
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [python, "-s", "-m", "cinema_core", "serve"],
                cwd=_FOLDER,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                **_apart(),
            )
        self.pid = self._process.pid
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, command: str, fields: dict) -> Request:
        """Send a request.

        Raises:
            OSError: The process has ended.
        """
        with self.news:
            if not self.alive:
                raise BrokenPipeError
            self._count += 1
            request = self._open[self._count] = Request(self, self._count)
        self._send({"id": request.number, "command": command, **fields})
        return request

    def cancel(self, request: Request) -> None:
        try:
            self._send({"cancel": request.number})
        except OSError:  # it has ended, and the request with it
            return
        watch = threading.Timer(PATIENCE, lambda: request.ended or self._process.kill())
        watch.daemon = True
        watch.start()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # what it has not read is lost
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
            except (ValueError, TypeError, AttributeError):  # not ours: a library that writes past the guard
                continue
        code = self._process.wait()
        with self.news:
            for request in self._open.values():
                request.fail(CinemaError(f"The engine stopped without a result ({code})", f"Its log is {self.log}"))
            self._open.clear()
            self.news.notify_all()


_engine: _Engine | None = None


def ask(command: str, fields: dict, needs: dict[str, str] = BUILD_NEEDS) -> Request:
    """Send a request to the engine, which is started if none runs or another Python is to run it.

    Args:
        command: "open", "build", "flow", "suggest" or "export".
        fields: What the command takes.
        needs: Modules that the command cannot do without.

    Raises:
        CinemaError: The engine does not start.
    """
    engine = _ensure_engine()
    lacks = [needs[module] for module in engine.missing if module in needs]
    if lacks:
        stop()  # the next one looks again: by then they may be installed
        command = f'run "{engine.python}" -m pip install {" ".join(lacks)}'
        raise CinemaError(f"The engine's Python has no {lacks[-1]}", f"{_REMEDY}, or {command}")
    try:
        return engine.ask(command, fields)
    except OSError:  # it has just ended: idle for too long, or killed
        stop()
        return _ensure_engine().ask(command, fields)


def stop() -> None:
    """Kill the engine; requests that are open fail, job folders keep their last good state."""
    global _engine
    if _engine is not None:
        _engine.kill()
        _engine = None


def running_pid() -> int | None:
    """Process id of the engine, None while none runs."""
    return _engine.pid if _engine is not None and _engine.alive else None


def register() -> None:
    atexit.register(stop)


def unregister() -> None:
    stop()
    atexit.unregister(stop)


def engine_python() -> str:
    """Find the Python that runs the engine: the preference, the environment's variable, Blender's own."""
    addon = bpy.context.preferences.addons.get(base_package)
    chosen = addon.preferences.python_path if addon else ""
    return bpy.path.abspath(chosen) if chosen else os.environ.get(PYTHON_VARIABLE) or sys.executable


def _ensure_engine() -> _Engine:
    global _engine
    python = engine_python()
    if _engine is not None and (not _engine.alive or _engine.python != python):
        stop()
    if _engine is None:
        _engine = _Engine(python, Path(bpy.app.tempdir) / "cinemagraph_engine.log")
    return _engine


def _missing_modules(python: str) -> list[str]:
    """Which modules of the engine this Python lacks; a CinemaError if it does not start at all."""
    probe = f"import importlib.util as u; print(*[m for m in {list(BUILD_NEEDS)!r} if u.find_spec(m) is None])"
    try:
        answer = subprocess.run(
            [python, "-s", "-c", probe],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=_environment(),
            **_apart(),
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise CinemaError(f'The engine\'s Python "{python}" does not start ({problem})', _REMEDY) from problem
    if answer.returncode:
        raise CinemaError(f'The engine\'s Python "{python}" does not start', _REMEDY)
    return answer.stdout.split()


def _environment() -> dict[str, str]:
    """Blender's environment without its Python's; nothing is written into the extension's folder."""
    dropped = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONPATH": str(_FOLDER), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def _apart() -> dict:
    """No console window on Windows; elsewhere, Ctrl-C in the terminal is for Blender, which then cancels."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}
