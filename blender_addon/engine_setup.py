"""Set-up of the engine's packages in the extension's user folder, in a thread.

It takes the wheels from the extension's zip, a folder or the package index, unpacks them, and lets the engine's Python
import all packages and compute a tensor. One process at a time sets up; a second one waits, and finds the packages
ready.
"""

import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..cinema_core.shared.cancellation import Cancelled
from ..cinema_core.shared.errors import CinemaError, explain, first_line
from . import engine_download, engine_log, engine_python, engine_unpack, engine_verdict
from .engine_lock import Lock
from .engine_python import Runner
from .engine_verdict import Verdict

_DOWNLOADS = "wheels"  # folder in the engine's home
_SHARES = {"download": 0.6, "unpack": 0.3, "check": 0.1}  # of the whole progress
_LABELS = {
    "start": "Preparing the engine",
    "wait": "Another Blender sets the engine up",
    "download": "Downloading the engine",
    "unpack": "Unpacking the engine",
    "check": "Checking the engine",
}


def home() -> Path:
    """Give the folder of the engine's packages, which outlives updates of the extension and is removed with it."""
    return Path(bpy.utils.extension_path_user(base_package, path="engine", create=True))


class SetUp:
    """A set-up in a thread of its own; create it in the main thread.

    Args:
        lock: The wheels to set up; None checks the Python of the user's choice.
        folder: Folder that has them; None downloads them.

    Attributes:
        lock: The same.
        stage: "start", "wait", "download", "unpack" or "check".
        fraction: Progress, 0..1.
        verdict: Versions and device, once the packages have passed the check.
        error: The failure.
        ended: Whether the thread has done its work, with or without success.
    """

    def __init__(self, lock: Lock | None, folder: Path | None = None) -> None:
        self.lock, self.stage, self.fraction = lock, "start", 0.0
        self.verdict: Verdict | None = None
        self.error: CinemaError | None = None
        self.ended = False
        self.chosen = engine_python.chosen()
        self._folder, self._home, self._log = folder, home(), engine_log.path()
        self._runners = engine_python.runners()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def label(self) -> str:
        """The stage for people."""
        return _LABELS[self.stage]

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask it to end; nothing of its unfinished parts stays, complete downloads do."""
        self._cancelled.set()

    def wait(self, on_progress: Callable[["SetUp"], None] | None = None) -> None:
        """Block until it has ended.

        Raises:
            CinemaError: It failed.
        """
        try:
            while not self.ended:
                self._thread.join(0.1)
                if on_progress:
                    on_progress(self)
        except BaseException:
            self.cancel()
            raise
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            if self.lock is None:
                self._check(None, [Runner(self.chosen)])
            else:
                with engine_unpack.only_one(self._home, self._waits):
                    self._set_up(self.lock)
        except Cancelled:
            self.error = CinemaError("The set-up of the engine was cancelled", "Press Set Up Engine to go on")
        except CinemaError as error:
            self.error = error
        except OSError as error:
            self.error = explain(error, self._home, "write") or self._bug(error)
        except Exception as error:
            self.error = self._bug(error)
        finally:
            self.ended = True

    def _waits(self) -> bool:
        """Note that another Blender is at work; gives whether this set-up is cancelled."""
        self.stage = "wait"
        return self.cancelled

    def _set_up(self, lock: Lock) -> None:
        packages = engine_unpack.find_packages(self._home, lock)
        if packages is None:
            wheels = self._find_wheels(lock)
            packages = engine_unpack.unpack(lock, wheels, self._home, self._stage("unpack"), self._cancelled.is_set)
        self._check(packages, self._runners)
        engine_verdict.save(packages, self.verdict)
        engine_unpack.remove_others(self._home, lock)
        if (self._home / _DOWNLOADS).exists():
            engine_unpack.remove_tree(self._home / _DOWNLOADS)

    def _check(self, packages: Path | None, runners: list[Runner]) -> None:
        follow = self._stage("check")
        self.verdict = engine_verdict.check(packages, runners, self._cancelled.is_set, self._log)
        follow(1.0)

    def _find_wheels(self, lock: Lock) -> dict[str, Path]:
        if self._folder is not None:
            return engine_download.find_in_folder(lock, self._folder)
        start_pip, into = engine_verdict.start_pip(self._runners), self._home / _DOWNLOADS
        follow, cancelled = self._stage("download"), self._cancelled.is_set
        return engine_download.download(lock, into, start_pip, follow, cancelled, self._log)

    def _stage(self, name: str) -> engine_unpack.Progress:
        """Begin a stage, and make the function that follows its progress; skipped stages count as done."""
        names = [*_SHARES] if self._folder is None else [*_SHARES][1:]
        total = sum(_SHARES[each] for each in names)
        before = sum(_SHARES[each] for each in names[: names.index(name)])

        def follow(fraction: float) -> None:
            self.stage, self.fraction = name, (before + _SHARES[name] * fraction) / total

        follow(0.0)
        return follow

    def _bug(self, error: Exception) -> CinemaError:
        engine_log.append(self._log, "".join(traceback.format_exception(error)))
        return CinemaError(f"The set-up failed: {type(error).__name__}: {first_line(error)}", "See Show Log")
