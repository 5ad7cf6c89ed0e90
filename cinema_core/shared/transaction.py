"""Transactions on a job folder: staged files appear all at once or not at all. numpy only."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from .atomic_write import is_same
from .cancellation import shielded
from .errors import CinemaError, cannot_write, explain
from .job_files import NAMES, RECORD_SCHEMA, REPORT, SCHEMA

JOURNAL, _LOCK, OWNED, _STAGING = ".commit.json", ".lock", ".cinemagraph.json", ".staging-"
PUBLISHING_TIMEOUT = 10.0  # seconds that a reader waits for another process to publish, which takes milliseconds


class Staging:
    """The folder into which a writer puts its new files.

    Attributes:
        path: A folder laid out as the job; all files in it are published at the end.
        published: True once the new state counts.
    """

    def __init__(self, job: Path, lock: _Lock, keep: bool) -> None:
        self.path = job / f"{_STAGING}{os.getpid()}"
        self.published = False
        self._job, self._lock, self._keep = job, lock, keep
        self._kept: set[str] = set()

    def keep(self, *names: str) -> None:
        """Keep these files of the job: they belong to the new state as well."""
        self._kept.update(names)

    def publish(self) -> None:
        """Publish before the ``with`` block ends, and release the lock; nothing may be staged afterwards."""
        _begin_publishing(self._job, self.path, _owned(self._job) if self._keep else self._kept)
        self.published = True
        _finish_publishing(self._job)
        self._lock.release()


@contextmanager
def stage(job: Path, keep: bool = False) -> Iterator[Staging]:
    """Write a job: all files staged in the ``with`` block appear in `job` together, or none does.

    Args:
        job: The job folder, created if it does not exist.
        keep: True keeps the job's other files; False removes those that the block neither stages nor keeps.

    Raises:
        CinemaError: The folder cannot be written, another process writes it, or the user's own files are in the way.
    """
    job = Path(job)
    made = _make_folder(job)
    with _locked(job) as lock:
        if lock is None:
            raise CinemaError(
                f"Another build is writing to {job}", "Wait until it has finished, or choose another folder"
            )
        _settle(job)
        _check_foreign(job, NAMES)
        staging = Staging(job, lock, keep)
        try:
            staging.path.mkdir()
            yield staging
            if not staging.published:
                staging.publish()
        except BaseException as error:
            if not staging.published:
                _discard(job, staging, made)
            if isinstance(error, OSError) and (explained := _explain(job, error)):
                raise explained from error
            raise


def _explain(job: Path, error: OSError) -> CinemaError | None:
    """The user's error for one that occurred while the job was written; None for a bug."""
    inside = error.filename is None or str(error.filename).startswith(str(job))
    return explain(error, job, "write") if inside else explain(error)


@shielded
def _discard(job: Path, staging: Staging, made: bool) -> None:
    if not (job / JOURNAL).exists():  # with a journal the new state is complete: keep it
        shutil.rmtree(staging.path, ignore_errors=True)
        _remove_if_unused(job, made)


def recover(job: Path) -> None:
    """Finish the publishing of a killed writer; wait for a running one that is publishing."""
    job = Path(job)
    deadline = time.monotonic() + PUBLISHING_TIMEOUT
    while (job / JOURNAL).exists():
        with _locked(job) as lock:
            if lock is not None:
                return _settle(job)
        if time.monotonic() > deadline:
            raise CinemaError(f"Another build is writing to {job}", "Wait until it has finished")
        time.sleep(0.02)


def _make_folder(job: Path) -> bool:
    """Create the folder; True when it did not exist before."""
    try:
        made = not job.exists()
        if not made and not job.is_dir():
            raise CinemaError(f"{job} is a file", "Choose a folder for the output")
        job.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(job, error) from error
    return made


class _Lock:
    """The job's lock, held until it is released."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            os.close(handle)  # closing releases the lock


@contextmanager
def _locked(job: Path) -> Iterator[_Lock | None]:
    """Hold the job's lock; yields None when another process holds it."""
    try:
        handle = os.open(job / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(job, error) from error
    lock = _Lock(handle)
    try:
        yield lock if try_lock(handle) else None
    finally:
        lock.release()


def try_lock(handle: int) -> bool:
    """Take the lock on an open file; False while another process holds it. Closing the file or a kill frees it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Network folders may have no locks (ENOLCK, ENOTSUP); then work without one.
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def _remove_if_unused(job: Path, made: bool) -> None:
    """Remove the folder that a failed first build created."""
    if made and [entry.name for entry in job.iterdir()] == [_LOCK] and os.name != "nt":  # Windows: the lock is open
        (job / _LOCK).unlink()
        job.rmdir()


def _owned(job: Path) -> set[str]:
    """Relative names of the files that earlier builds published in the folder."""
    names: set[str] = set()
    for record in (OWNED, REPORT):  # two records: copying may have lost the hidden one
        try:
            content = json.loads((job / record).read_text(encoding="utf-8"))
            if content["schema"] in range(1, SCHEMA + 1):  # earlier versions list their files in the same way
                names.update(_inside(name) for name in content["files"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return names


def file_of_job(path: Path, job: Path | None = None) -> str | None:
    """The relative name under which a job folder owns a file, also by way of a link; None where none does.

    Args:
        path: The file.
        job: The job folder; None looks at the folders that hold the file.
    """
    path = Path(path)
    held_by = [Path(os.path.realpath(path)).parent, Path(os.path.realpath(path.parent))]
    folders = [Path(job)] if job else [place for folder in held_by for place in (folder, folder.parent)]
    owned = ((folder, name) for folder in folders for name in sorted(_owned(folder)))
    return next((name for folder, name in owned if is_same(path, folder / name)), None)


def _inside(name: str) -> str:
    """Refuse a name that leads out of the job folder, which another person may have written."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ValueError(f"{name!r} is not a file of the job")
    return name


def _check_foreign(job: Path, names: tuple[str, ...] | list[str]) -> None:
    """Refuse to overwrite a file that was not written by a build."""
    owned = _owned(job)
    for name in names:
        folders = [job / parent for parent in PurePosixPath(name).parents if str(parent) != "."]
        blocked = next((folder for folder in folders if folder.exists() and not folder.is_dir()), None)
        if blocked or (name not in owned and os.path.lexists(job / name)):
            raise CinemaError(
                f"{blocked or job / name} is not from an earlier build and would be overwritten",
                "Choose another folder for the output, or move that file away",
            )


def _staged_files(staging: Path) -> list[str]:
    files = (path for path in staging.rglob("*") if path.is_file())
    return sorted(path.relative_to(staging).as_posix() for path in files)


@shielded
def _begin_publishing(job: Path, staging: Path, kept: set[str]) -> None:
    """Write the journal. All checks and writes that may fail come before it appears."""
    files = _staged_files(staging)
    _check_foreign(job, files)
    before = _owned(job)
    owned = sorted(kept.union(files))
    _list_files_in_report(staging, owned)
    _write_json(staging / OWNED, {"schema": RECORD_SCHEMA, "files": owned})
    journal = {
        "schema": RECORD_SCHEMA,
        "staging": staging.name,
        "files": [*files, OWNED],
        "remove": sorted(before.difference(owned)),
    }
    _write_json(staging / JOURNAL, journal)
    os.replace(staging / JOURNAL, job / JOURNAL)


def _list_files_in_report(staging: Path, files: list[str]) -> None:
    path = staging / REPORT
    if path.exists():
        _write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"files": files})


@shielded
def _settle(job: Path) -> None:
    """Finish the publishing of a dead writer. The caller holds the lock, so every staging folder is abandoned."""
    if (job / JOURNAL).exists():
        _finish_publishing(job)
    for folder in job.glob(_STAGING + "*"):
        if folder.name.removeprefix(_STAGING).isdecimal():  # others are not of this program
            shutil.rmtree(folder, ignore_errors=True)


@shielded
def _finish_publishing(job: Path) -> None:
    """Carry out the journal. It may have been interrupted and is then repeated from its beginning."""
    staging, files, remove = _read_journal(job)
    try:
        for name in files:
            if (staging / name).exists():  # otherwise an interrupted attempt has moved it
                (job / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(staging / name, job / name)
        for name in remove:
            (job / name).unlink(missing_ok=True)
            _remove_empty_folders(job, (job / name).parent)
        (job / JOURNAL).unlink()
    except OSError as error:  # on Windows: another program has one of the files open
        if error.errno == errno.ENOSPC:
            raise cannot_write(job, error) from error
        raise CinemaError(
            f"Cannot replace files in {job} ({error.strerror or error})",
            "Close the program that uses them; the new build appears the next time the folder is used",
        ) from error
    shutil.rmtree(staging, ignore_errors=True)


def _read_journal(job: Path) -> tuple[Path, list[str], list[str]]:
    try:
        journal = json.loads((job / JOURNAL).read_text(encoding="utf-8"))
        name = _inside(journal["staging"])
        if not name.startswith(_STAGING) or "/" in name:
            raise ValueError(name)
        return job / name, [_inside(n) for n in journal["files"]], [_inside(n) for n in journal["remove"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CinemaError(f"{job / JOURNAL} is damaged", "Delete that file, then build again") from error


def _remove_empty_folders(job: Path, folder: Path) -> None:
    while folder != job and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
