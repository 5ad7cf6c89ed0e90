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
# Imported module -> name of the package to install. Opening a photo needs no torch.
OPEN_NEEDS = {
    "numpy": "numpy", "cv2": "opencv-python-headless", "OpenEXR": "openexr", "PIL": "pillow",
    "imagecodecs": "imagecodecs", "pillow_heif": "pillow-heif", "tifffile": "tifffile",
}  # fmt: skip
BUILD_NEEDS = {**OPEN_NEEDS, "safetensors": "safetensors", "scipy": "scipy", "torch": "torch"}
CANCEL_TIMEOUT = 5.0  # seconds after a cancel until an engine that does not answer is killed
_FOLDER = Path(__file__).parents[1]  # the extension's folder, which contains cinema_core
_PREFERENCE = "Preferences > Add-ons > 3D Cinemagraph > Engine Python"
_OTHER_PYTHON = f"Choose another Python in {_PREFERENCE}"


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
            self.fail(CinemaError(f"The engine failed: {text}", f"See its log {self._engine.log}"))

    def fail(self, failure: CinemaError) -> None:
        self._failure = self._failure or failure


class _Engine:
    """A running engine.

    Args:
        python: Path of the Python that runs it.
        log: File for the stderr of the process.

    Attributes:
        pid: Id of the process.
        missing: Modules of the engine that its Python lacks.
        news: Notified after every message, and when the process has ended.
    """

    def __init__(self, python: str, log: Path) -> None:
        self.python, self.log, self.news = python, log, threading.Condition()
        self.missing = _missing_modules(python)
        self._open: dict[int, EngineRequest] = {}
        self._count = 0
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [python, "-s", "-m", "cinema_core", "serve"],
                cwd=_FOLDER,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                **_process_options(),
            )
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
                request.fail(CinemaError(f"The engine stopped without a result ({code})", f"See its log {self.log}"))
            self._open.clear()
            self.news.notify_all()


_engine: _Engine | None = None


def ask(command: str, fields: dict, needs: dict[str, str] = BUILD_NEEDS) -> EngineRequest:
    """Send a request to the engine. It is started if none runs or the chosen Python has changed.

    Args:
        command: "open", "build", "flow", "depth", "suggest", "coverage" or "export".
        fields: Arguments of the command.
        needs: Modules that the command requires -> names of their packages.

    Raises:
        CinemaError: The engine does not start, or its Python lacks a required module.
    """
    engine = _ensure_engine()
    lacks = [needs[module] for module in engine.missing if module in needs]
    if lacks:
        stop()  # the next request checks again, as they may be installed by then
        command = f'run "{engine.python}" -m pip install {" ".join(lacks)}'
        hint = f"In {_PREFERENCE}, choose a Python with the engine's packages, or {command}"
        raise CinemaError(f"The engine's Python has no {', '.join(lacks)}", hint)
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


def engine_python() -> str:
    """Find the Python that runs the engine: by the preference, the environment variable, else Blender's own."""
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
    """Find the engine's modules that this Python lacks; raises CinemaError if it does not start."""
    probe = f"import importlib.util as u; print(*[m for m in {list(BUILD_NEEDS)!r} if u.find_spec(m) is None])"
    try:
        answer = subprocess.run(
            [python, "-s", "-c", probe],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=_environment(),
            **_process_options(),
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise CinemaError(f'The engine\'s Python "{python}" does not start ({problem})', _OTHER_PYTHON) from problem
    if answer.returncode:
        raise CinemaError(f'The engine\'s Python "{python}" does not start', _OTHER_PYTHON)
    return answer.stdout.split()


def _environment() -> dict[str, str]:
    """Blender's environment without the settings of its Python; no bytecode is written into the extension's folder."""
    dropped = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONPATH": str(_FOLDER), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def _process_options() -> dict:
    """No console window on Windows; elsewhere a session of its own, so that Ctrl-C reaches Blender alone."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}
