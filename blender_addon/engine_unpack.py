"""Unpacking of the engine's packages from locked wheels: all of them or none.

The packages of a lock lie in a folder of its key in the engine's home. They are unpacked into a part beside it, which
is renamed when it is complete. So a process that is killed leaves a part and nothing else; the next set-up removes it.
Standard library only.
"""

import hashlib
import json
import os
import shutil
import stat
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..cinema_core.shared.cancellation import Cancelled
from ..cinema_core.shared.errors import CinemaError
from ..cinema_core.shared.transaction import try_lock
from .engine_lock import Lock, Wheel, is_kept

COMPLETE = "complete.json"  # written last; its presence tells that all packages are there
PART = ".part-"
_LOCK_FILE = ".lock"
_CHUNK = 1 << 20  # bytes
_HASHING = 0.15  # share of the progress that the digest of a wheel takes
_RESERVE = 100 << 20  # bytes that must stay free on the disk
_RENAMINGS = 20  # attempts to publish the packages
_ANOTHER_LOOK = 0.5  # seconds between two looks whether another Blender has finished

Progress = Callable[[float], None]
Cancel = Callable[[], bool]


def find_packages(home: Path, lock: Lock) -> Path | None:
    """Find the folder of a lock's unpacked packages; None where they are not complete."""
    folder = home / lock.key
    return folder if (folder / COMPLETE).is_file() else None


def read_size(packages: Path) -> int:
    """Give the bytes on disk of unpacked packages."""
    return json.loads((packages / COMPLETE).read_text(encoding="utf-8"))["size"]


@contextmanager
def only_one(home: Path, cancelled: Cancel) -> Iterator[None]:
    """Wait until no other Blender sets the engine up, and keep others waiting. The system frees it after a kill.

    Raises:
        Cancelled: It was cancelled while another one worked.
    """
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(_long(home / _LOCK_FILE), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not try_lock(handle):
            if cancelled():
                raise Cancelled
            time.sleep(_ANOTHER_LOOK)
        yield
    finally:
        os.close(handle)


def unpack(lock: Lock, wheels: dict[str, Path], home: Path, progress: Progress, cancelled: Cancel) -> Path:
    """Unpack all wheels of a lock; call it inside `only_one`.

    Args:
        lock: The lock.
        wheels: File name of each wheel in the lock -> the file.
        home: Folder of the engine's packages.
        progress: Called with the share that is done, 0..1.
        cancelled: Asked many times a second.

    Returns:
        The folder of the unpacked packages.

    Raises:
        CinemaError: A wheel is damaged, or the disk has no room.
        OSError: The folder cannot be written.
        Cancelled: It was cancelled. Nothing of the part is left.
    """
    remove_parts(home)
    check_room(home, lock.unpacked)
    part, done = home / f"{lock.key}{PART}{os.getpid()}", 0
    try:
        for wheel in lock.wheels:
            share = wheel.unpacked / lock.unpacked

            def follow(fraction: float, start: int = done, share: float = share) -> None:
                if cancelled():
                    raise Cancelled
                progress(start / lock.unpacked + share * fraction)

            _unpack_wheel(wheel, wheels[wheel.file], part, follow)
            done += wheel.unpacked
        record = {"packages": {wheel.package: wheel.version for wheel in lock.wheels}, "size": _size(part)}
        (part / COMPLETE).write_text(json.dumps(record), encoding="utf-8")
        return _publish(part, home / lock.key)
    except BaseException:
        remove_tree(part)
        raise


def check_room(home: Path, needed: int) -> None:
    """Check the free space on the disk of the engine's home.

    Raises:
        CinemaError: The disk has less than these bytes.
    """
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    if free < needed + _RESERVE:
        text = (
            f"The engine needs {(needed + _RESERVE) / 1e9:.1f} GB on the disk of {home}, which has {free / 1e9:.1f} GB"
        )
        raise CinemaError(text, "Free some space, then try again")


def check_wheel(wheel: Wheel, file: Path, progress: Progress) -> None:
    """Compare a file with its entry in the lock.

    Raises:
        CinemaError: It is missing or another one.
    """
    digest, read = hashlib.sha256(), 0
    try:
        with open(_long(file), "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                read += len(chunk)
                progress(min(1.0, read / wheel.size))
    except FileNotFoundError as error:
        raise CinemaError(f"{wheel.file} is missing", "Install the extension's zip again") from error
    if digest.hexdigest() != wheel.sha256:
        raise CinemaError(f"{wheel.file} is damaged", "Install the extension's zip again, or download it once more")


def remove_parts(home: Path) -> None:
    """Remove unfinished folders; call it inside `only_one`, where no other process can be at work on them."""
    for part in home.glob(f"*{PART}*"):
        remove_tree(part)


def remove_others(home: Path, lock: Lock) -> None:
    """Remove the packages of other locks for the same platform and Python.

    Packages that another Blender uses stay where the system keeps open files; the next set-up tries again.
    """
    same = f"{lock.platform}-{lock.abi}-"
    for folder in home.glob(f"{same}*"):
        if folder.name != lock.key and PART not in folder.name:
            with suppress(OSError):
                remove_tree(set_aside(folder))


def set_aside(folder: Path) -> Path:
    """Rename a folder to that of a part, at once or not at all, and give the new one.

    Raises:
        OSError: It is in use.
    """
    part = folder.with_name(f"{folder.name}{PART}{os.getpid()}-{time.time_ns()}")
    os.rename(_long(folder), _long(part))
    return part


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, as far as the system allows."""

    def allow(function: Callable, path: str, _error: object) -> None:
        with suppress(OSError):  # Windows does not remove read-only files
            os.chmod(path, stat.S_IWRITE)
            function(path)

    handler = {"onexc": allow} if sys.version_info >= (3, 12) else {"onerror": allow}
    shutil.rmtree(_long(folder), **handler)


def _unpack_wheel(wheel: Wheel, file: Path, part: Path, follow: Progress) -> None:
    check_wheel(wheel, file, lambda fraction: follow(_HASHING * fraction))
    with zipfile.ZipFile(_long(file)) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and is_kept(member.filename)]
        total, done = sum(member.file_size for member in members) or 1, 0
        for member in members:
            for size in _unpack_member(archive, member, part):
                done += size
                follow(_HASHING + (1 - _HASHING) * done / total)


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, part: Path) -> Iterator[int]:
    """Unpack a member, and yield the bytes of each written chunk."""
    place = _place(member.filename)
    if place is None:
        return
    target = part / place
    os.makedirs(_long(target.parent), exist_ok=True)
    with archive.open(member) as source, open(_long(target), "wb") as stream:
        yield from _copy(source, stream)
    if member.external_attr >> 16 & 0o111:
        os.chmod(_long(target), 0o755)  # torch starts a program of its own


def _copy(source: BinaryIO, target: BinaryIO) -> Iterator[int]:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
        yield len(chunk)


def _place(member: str) -> PurePosixPath | None:
    """The place of a wheel's member among the packages; None for scripts, headers and names that lead elsewhere.

    Source: the binary distribution format, packaging.python.org, section on the .data directory.
    """
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or ":" in member:
        return None
    if path.parts[0].endswith(".data"):
        return PurePosixPath(*path.parts[2:]) if path.parts[1] in ("purelib", "platlib") else None
    return path


def _publish(part: Path, folder: Path) -> Path:
    if folder.exists():  # without its mark: not complete
        remove_tree(folder)
    for _ in range(_RENAMINGS):
        try:
            os.rename(_long(part), _long(folder))
            return folder
        except PermissionError:  # Windows, while a virus scanner reads the new files
            time.sleep(_ANOTHER_LOOK)
    os.rename(_long(part), _long(folder))
    return folder


def _size(folder: Path) -> int:
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(_long(folder)) for name in names)


def _long(path: Path) -> str:
    """The path in a form that Windows accepts beyond 260 characters."""
    absolute = os.path.abspath(path)
    if sys.platform != "win32" or absolute.startswith("\\\\?\\"):
        return absolute
    return "\\\\?\\UNC\\" + absolute[2:] if absolute.startswith("\\\\") else "\\\\?\\" + absolute
