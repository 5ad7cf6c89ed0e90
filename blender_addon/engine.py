"""The engine: `python -m cinema_core` in a process of its own, so that torch never enters Blender's.

One `Job` class, two ways to drive it: `poll()` from a timer in a window, `wait()` in background Blender,
in scripts and in tests. What the process says is one JSON object a line:

* progress: stage, fraction 0..1 of the whole job
* warning: text
* error: text, hint (the user can mend it; exit code 2)
* fatal: text (our fault; exit code 1, the traceback is in the log)
* done: whatever the command answers; always the last
"""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable

import bpy

from .. import __package__ as base_package
from ..cinema_core.errors import CinemaError

PYTHON_VARIABLE = "CINEMAGRAPH_PYTHON"
# Module that is imported -> what it is installed as. Opening a photo needs no torch.
OPEN_NEEDS = {"numpy": "numpy", "cv2": "opencv-python", "PIL": "pillow"}
BUILD_NEEDS = {**OPEN_NEEDS, "scipy": "scipy", "sklearn": "scikit-learn", "torch": "torch"}
_FOLDER = Path(__file__).parents[1]  # of the extension, where cinema_core is
_running: set["Job"] = set()


def engine_python() -> str:
    """Find the Python that runs the engine: the preference, the environment's variable, Blender's own."""
    addon = bpy.context.preferences.addons.get(base_package)
    chosen = addon.preferences.python_path if addon else ""
    return bpy.path.abspath(chosen) if chosen else os.environ.get(PYTHON_VARIABLE) or sys.executable


def check_python(python: str, needs: dict[str, str]) -> None:
    """Raise a CinemaError that says what to do if the engine could not start on this Python."""
    remedy = "Name a Python that has it in Preferences > Add-ons > 3D Cinemagraph > Engine Python"
    probe = f"import importlib.util as u; print(*[m for m in {list(needs)!r} if u.find_spec(m) is None])"
    try:
        answer = subprocess.run(
            [python, "-s", "-c", probe], capture_output=True, text=True, timeout=60, env=_environment(), **_quiet()
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise CinemaError(f'The engine\'s Python "{python}" does not start ({problem})', remedy) from problem
    if answer.returncode:
        raise CinemaError(f'The engine\'s Python "{python}" does not start', remedy)
    missing = [needs[module] for module in answer.stdout.split()]
    if missing:
        command = f'run "{python}" -m pip install {" ".join(missing)}'
        raise CinemaError(f"The engine's Python has no {missing[-1]}", f"{remedy}, or {command}")


class Job:
    """One run of the engine.

    Args:
        arguments: Command and options, such as ["open", "photo.jpg", "--out", "folder"].
        log: File that takes what the process prints to stderr.
        needs: Modules the command cannot do without.

    Attributes:
        stage: What it does now.
        fraction: How far it is, 0..1.
        warnings: What it warned of so far.
        result: The message "done" once it is there, else None.
    """

    def __init__(self, arguments: list[str], log: Path, needs: dict[str, str] = BUILD_NEEDS) -> None:
        python = engine_python()
        check_python(python, needs)
        self.stage, self.fraction, self.warnings, self.result = "start", 0.0, [], None
        self._failure: CinemaError | None = None
        self._log = log
        self._lines: queue.Queue[str | None] = queue.Queue()
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [python, "-s", "-m", "cinema_core", *arguments, "--json"], cwd=_FOLDER, env=_environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, **_quiet(),
            )
        threading.Thread(target=self._read, daemon=True).start()
        _running.add(self)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line.decode("utf-8", "replace"))
        self._lines.put(None)

    def poll(self, timeout: float = 0.0) -> bool:
        """Take in what the engine said; True once it is finished.

        Raises:
            CinemaError: It failed.
        """
        try:
            line = self._lines.get(timeout > 0, timeout)
            while line is not None:
                self._take(line)
                line = self._lines.get_nowait()
        except queue.Empty:
            return False
        _running.discard(self)
        code = self._process.wait()
        if self._failure is None and (code or self.result is None):
            self._failure = CinemaError(f"The engine stopped without a result ({code})", f"Its log is {self._log}")
        if self._failure is not None:
            raise self._failure
        return True

    def wait(self, on_progress: Callable[["Job"], None] | None = None) -> dict:
        """Block until the engine is finished and give its answer; an interrupt kills it."""
        try:
            while not self.poll(timeout=0.1):
                if on_progress:
                    on_progress(self)
        finally:
            self.cancel()
        return self.result

    def cancel(self) -> None:
        """Kill the engine; its job folder keeps the last good state."""
        _running.discard(self)
        self._process.kill()
        self._process.wait()

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
            kind = message.get("type")
        except (ValueError, AttributeError):  # not ours: a library that writes past the guard
            return
        if kind == "progress":
            self.stage, self.fraction = message["stage"], float(message["fraction"])
        elif kind == "warning":
            self.warnings.append(message["text"])
        elif kind == "error":
            self._failure = CinemaError(message["text"], message.get("hint", ""))
        elif kind == "fatal":
            self._failure = CinemaError(f"The engine failed: {message['text']}", f"Its log is {self._log}")
        elif kind == "done":
            self.result = message


def stop_all() -> None:
    """Kill whatever runs; for the time the extension is switched off."""
    for job in list(_running):
        job.cancel()


def _environment() -> dict[str, str]:
    """Blender's environment without its Python's; nothing is written into the extension's folder."""
    dropped = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONPATH": str(_FOLDER), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def _quiet() -> dict[str, int]:
    """No console window on Windows."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
