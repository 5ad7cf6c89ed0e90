"""The state of the engine's packages: what panels show, and what operators start, cancel and remove."""

import atexit
import functools
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..cinema_core.shared.errors import CinemaError
from . import engine_python, engine_unpack, engine_verdict
from .engine_lock import Lock, find_locks, this_abi, this_platform
from .engine_setup import SetUp, home
from .engine_verdict import Verdict

LOCKS = engine_python.FOLDER / "engine" / "lock"
WHEELS = engine_python.FOLDER / "engine" / "wheels"  # of a full zip
READY, PREPARING, MISSING, FAILED, CHOSEN = "READY", "PREPARING", "MISSING", "FAILED", "CHOSEN"
_LOOK = 0.2  # seconds between two looks at a running set-up
_STOPPING = 5.0  # seconds to wait for a cancelled set-up
_NO_WHEELS = "There are no engine packages for {name}"
_OTHER_COMPUTER = (
    "The README's Support table lists the computers that have them; elsewhere, name a Python with the packages in "
    "Preferences > Add-ons > 3D Cinemagraph > Advanced"
)


@dataclass(frozen=True)
class Status:
    """State of the engine's packages.

    Attributes:
        kind: READY, PREPARING, MISSING, FAILED, or CHOSEN for a Python of the user's choice.
        stage: Stage of a running set-up, for people.
        fraction: Its progress, 0..1.
        error: The failure of the last set-up.
        verdict: Versions and device of packages that are ready.
        size: Bytes on disk of packages that are ready.
    """

    kind: str
    stage: str = ""
    fraction: float = 0.0
    error: str = ""
    verdict: Verdict | None = None
    size: int = 0


_last: SetUp | None = None
_shown: tuple[str, float] | None = None  # stage and progress that panels show


def preferences(context: bpy.types.Context) -> bpy.types.AddonPreferences:
    """Give the extension's preferences."""
    return context.preferences.addons[base_package].preferences


@functools.cache
def locks() -> dict[str, Lock]:
    """Give the locks for this computer and Blender's Python: device -> lock."""
    return find_locks(LOCKS)


def packages() -> tuple[Path, Verdict] | None:
    """Find packages that are complete and have passed the check; None where there are none."""
    for lock in locks().values():
        folder = engine_unpack.find_packages(home(), lock)
        verdict = folder and engine_verdict.load(folder)
        if verdict:
            return folder, verdict
    return None


def unpacked(lock: Lock) -> bool:
    """Tell whether a lock's packages are complete, checked or not."""
    return engine_unpack.find_packages(home(), lock) is not None


def occupies_disk() -> bool:
    """Tell whether there are packages or downloads that Remove would remove."""
    return bool(_folders())


def _folders() -> list[Path]:
    return [entry for entry in home().iterdir() if entry.is_dir() and engine_unpack.PART not in entry.name]


def bundled() -> bool:
    """Tell whether this is a full zip, with the wheels for this computer and Blender's Python."""
    lock = locks().get("cpu")
    return lock is not None and all((WHEELS / wheel.file).is_file() for wheel in lock.wheels)


def status() -> Status:
    """Give the state of the engine's packages. Quick enough for panels."""
    if _last is not None and not _last.ended:
        return Status(PREPARING, _last.label, _last.fraction)
    chosen = engine_python.chosen()
    if chosen:
        about_it = _last is not None and _last.lock is None and _last.chosen == chosen
        return Status(CHOSEN, error=_failure() if about_it else "", verdict=_last.verdict if about_it else None)
    found = packages()
    if found is not None:
        return Status(READY, verdict=found[1], size=engine_unpack.read_size(found[0]))
    return Status(FAILED, error=_failure()) if _failure() else Status(MISSING)


def _failure() -> str:
    """Give the sentence of the last failure, "" after a cancel."""
    return str(_last.error) if _last is not None and _last.error is not None and not _last.cancelled else ""


def start(device: str = "cpu", folder: Path | None = None) -> SetUp:
    """Start a set-up, or give the one that runs.

    Args:
        device: "cpu" or "cuda".
        folder: Folder with the wheels; None takes those of a full zip, else downloads them.

    Raises:
        CinemaError: There are no wheels for this computer, or downloads are not allowed.
    """
    if _last is not None and not _last.ended:
        return _last
    lock = locks().get(device)
    if lock is None:
        raise no_wheels()
    if folder is None and device == "cpu" and bundled():
        folder = WHEELS
    if folder is None and not unpacked(lock):
        check_online()
    return _begin(SetUp(lock, folder))


def start_check() -> SetUp:
    """Start the check of the Python of the user's choice."""
    return _begin(SetUp(None))


def _begin(setup: SetUp) -> SetUp:
    global _last
    _last = setup
    if not bpy.app.background and not bpy.app.timers.is_registered(_show):
        bpy.app.timers.register(_show, persistent=True)
    return setup


def _show() -> float | None:
    """Draw the panels again when the progress of a set-up has changed, and once after it.

    The view beside the sidebar stays as it is: it may show a million points, and its drawing would block the window.
    """
    global _shown
    running = _last is not None and not _last.ended
    shown = (_last.stage, round(_last.fraction, 2)) if running else None
    if shown is None or shown != _shown:
        redraw()
    _shown = shown
    return _LOOK if running else None


def redraw() -> None:
    """Draw sidebars and preferences again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions if area.type in ("VIEW_3D", "PREFERENCES") else ():
                if region.type == "UI" or area.type == "PREFERENCES":
                    region.tag_redraw()


def check_online() -> None:
    """Check that the user allows downloads.

    Raises:
        CinemaError: Online access is off.
    """
    if not bpy.app.online_access:
        raise CinemaError(
            "Blender's online access is off, so the engine's packages cannot be downloaded",
            "Switch on Preferences > System > Network > Allow Online Access, or press From Folder",
        )


def begin() -> SetUp | None:
    """Start the set-up that a job needs; None where the engine is ready.

    Raises:
        CinemaError: The user has to choose the way first.
    """
    if _last is not None and not _last.ended:
        return _last
    if engine_python.chosen() or packages() is not None:
        return None
    lock = locks().get("cpu")
    if bundled() or lock is None or unpacked(lock):
        return start()
    raise not_ready()


def no_wheels() -> CinemaError:
    """Make the error of a computer or Python for which there are no wheels."""
    name = f"{this_platform()} with Python {this_abi()[2]}.{this_abi()[3:]}"
    return CinemaError(_NO_WHEELS.format(name=name), _OTHER_COMPUTER)


def not_ready() -> CinemaError:
    """Make the error of a job that needs the engine before it is set up."""
    return CinemaError("The engine is not set up yet", "Press Set Up Engine in the sidebar's Engine panel")


def cancel() -> None:
    """Cancel a running set-up."""
    if _last is not None:
        _last.cancel()


def remove(wait: bool = True) -> None:
    """Remove the engine's packages and downloads; the engine must not run.

    They have gone at once. Their files, some gigabytes, follow in a thread; a kill leaves them to the next set-up.

    Args:
        wait: Wait for that thread.

    Raises:
        CinemaError: Another program uses them.
    """
    stop()
    try:
        parts = [engine_unpack.set_aside(folder) for folder in _folders()]
    except OSError as error:  # Windows, while files are open
        text = "Another program uses the engine's packages"
        raise CinemaError(text, "Close other Blenders, then press Remove again") from error
    thread = threading.Thread(target=lambda: [engine_unpack.remove_tree(part) for part in parts])
    thread.start()
    if wait:
        thread.join()


def stop() -> None:
    """Cancel a running set-up and forget the last one."""
    global _last
    if _last is not None:
        _last.cancel()
        deadline = time.monotonic() + _STOPPING
        while not _last.ended and time.monotonic() < deadline:
            time.sleep(0.02)
    _last = None


def register() -> None:
    atexit.register(stop)


def unregister() -> None:
    atexit.unregister(stop)
    with suppress(Exception):
        stop()
