"""Download of the depth models that are offered: resumed, checked by digest, and cancelled at once.

A file is written under a name of its own until it is whole and its digest is right. A download that stops keeps that
part, and the next one goes on after it. The digest is the one of `shared.models`; where that has none, it is the one
that the hub's server states in the header X-Linked-ETag of its first answer. The hub is huggingface.co, or a mirror
that the variable HF_ENDPOINT names, as for the hub's own library.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..shared.errors import CinemaError, cannot_write, first_line
from ..shared.models import OFFERED, ModelFile, OfferedModel, downloaded_model, models_folder
from ..shared.transaction import try_lock

HUB = "https://huggingface.co"
HUB_VARIABLE = "HF_ENDPOINT"
ATTEMPTS = 4  # connections to the server without a byte between them, until the download fails
PAUSE = 1.0  # seconds between two attempts
SILENCE = 30.0  # seconds without a byte after which a connection counts as broken
_TICK = 0.1  # seconds between two looks at the thread that downloads: a cancel comes between them
_CHUNK = 2**18  # bytes
_SPARE = 2**26  # bytes that stay free on the disk
_DIGEST_HEADER = "X-Linked-ETag"
_AGAIN = "download it again: it goes on where it stopped"
_BY_HAND = "or bring the model's files from another computer and choose them"
Progress = Callable[[float], None]


class _BrokenError(Exception):
    """The connection or the server failed; another attempt may do."""


def download_model(name: str, progress: Progress = lambda fraction: None) -> Path:
    """Download an offered model, unless it is here.

    Args:
        name: A key of `OFFERED`.
        progress: Called with the share of the model that is here, 0..1.

    Returns:
        The model's file.

    Raises:
        CinemaError: The server cannot be reached or has other files, or the disk is full.
    """
    found = downloaded_model(name)
    if found is not None:
        return found
    model, folder = OFFERED[name], models_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_room(model, folder)
        with _only_one(model, folder):
            _download_files(model, folder, progress)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder / model.files[0].name


def hub() -> str:
    """Address of the hub, without a slash at its end."""
    return (os.environ.get(HUB_VARIABLE) or HUB).rstrip("/")


def _check_room(model: OfferedModel, folder: Path) -> None:
    present = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    if shutil.disk_usage(folder).free < model.size - present + _SPARE:
        text = f"{model.label} needs {model.size / 1e6:.0f} MB on the disk of {folder}"
        raise CinemaError(text, "Free some space, then download it again")


@contextmanager
def _only_one(model: OfferedModel, folder: Path) -> Iterator[None]:
    """Hold the folder's lock; two processes must not write one file."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not try_lock(handle):
            raise CinemaError(f"Another program downloads {model.label}", "Wait until it has finished")
        yield
    finally:
        os.close(handle)


def _download_files(model: OfferedModel, folder: Path, progress: Progress) -> None:
    """Download those files of a model that are missing, in a thread; the main thread stays open to a cancel."""
    before = 0
    for file in model.files:
        if not (folder / file.name).is_file():
            work = _Download(model, file, folder)

            def follow(start: int = before, work: _Download = work) -> None:
                progress(min(1.0, (start + work.received) / model.size))

            _run_in_thread(work, follow)
        before += file.size
    progress(1.0)


def _run_in_thread(work: _Download, follow: Callable[[], None]) -> None:
    thread = threading.Thread(target=work.run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_TICK)
            follow()
    except BaseException:  # a cancel, Ctrl-C
        work.stop()
        thread.join(1.0)
        raise
    if work.failure is not None:
        raise work.failure


class _Download:
    """The download of one file.

    Attributes:
        received: Bytes that are here.
        failure: The error that it ended with.
    """

    def __init__(self, model: OfferedModel, file: ModelFile, folder: Path) -> None:
        self.received = 0
        self.failure: BaseException | None = None
        self._model, self._place = model, folder / file.name
        self._address = f"{hub()}/{model.repository}/resolve/{model.revision}/{file.path}"
        self._wanted, self._length = file.sha256, file.size if file.sha256 else 0
        self._stopped = False
        self._response: Any = None

    def stop(self) -> None:
        """End the thread; called from another one."""
        self._stopped = True
        if self._response is not None:
            with suppress(Exception):
                self._response.close()

    def run(self) -> None:
        try:
            self._fetch()
        except BaseException as error:
            self.failure = error

    def _fetch(self) -> None:
        part = self._place.with_name(f"{self._place.name}.part")
        left = ATTEMPTS
        while not self._stopped:
            before = self.received = part.stat().st_size if part.is_file() else 0
            try:
                self._append(part)
                return self._accept(part)
            except _BrokenError as error:
                left = left - 1 if self.received <= before else ATTEMPTS - 1
                if left <= 0:
                    raise self._unreachable(error) from error
            time.sleep(PAUSE)

    def _append(self, part: Path) -> None:
        """Ask the server for the rest of the file, and append it."""
        request = urllib.request.Request(self._address, headers={"User-Agent": "cinemagraph-3d"})
        if self.received:
            request.add_header("Range", f"bytes={self.received}-")
        try:
            with self._open(request) as response, part.open("ab") as target:
                self._response = response
                if self._stopped:
                    return
                if response.status != http.client.PARTIAL_CONTENT:  # the whole file, from its start
                    target.truncate(0)
                    self.received = 0
                self._length = self._length or self.received + int(response.headers.get("Content-Length") or 0)
                while not self._stopped and (chunk := self._read(response)):
                    target.write(chunk)
                    self.received += len(chunk)
        finally:
            self._response = None
        if self.received < self._length and not self._stopped:
            raise _BrokenError("the connection ended early")

    def _open(self, request: urllib.request.Request) -> Any:
        handler = _DigestReader()
        opener = urllib.request.build_opener(handler, urllib.request.HTTPSHandler(context=_trust()))
        try:
            response = opener.open(request, timeout=SILENCE)
        except urllib.error.HTTPError as error:
            self._wanted = self._wanted or handler.digest
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and self.received:
                return _NoRest()
            if error.code in (http.client.NOT_FOUND, http.client.UNAUTHORIZED, http.client.FORBIDDEN):
                text = f"{_host(self._address)} does not offer {self._model.label} any more ({error.code})"
                raise CinemaError(text, f"Use another model, {_BY_HAND}") from error
            raise _BrokenError(f"it answers {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenError(_reason(error)) from error
        self._wanted = self._wanted or handler.digest or _digest_of(response.headers)
        return response

    def _read(self, response: Any) -> bytes:
        try:
            return response.read1(_CHUNK)
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:  # or it was closed by `stop`
            raise _BrokenError(_reason(error)) from error

    def _accept(self, part: Path) -> None:
        """Give the file its name, if its digest is right."""
        if self._stopped:
            return
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if not self._wanted or digest != self._wanted:
            part.unlink()
            named = f"{self._place.name} of {self._model.label}"
            if not self._wanted:
                raise CinemaError(f"{_host(self._address)} states no digest of {named}", f"Use another hub, {_BY_HAND}")
            text = f"{_host(self._address)} sent another file than {named} (its digest is wrong)"
            raise CinemaError(text, f"Try another network, {_BY_HAND}")
        part.replace(self._place)

    def _unreachable(self, error: Exception) -> CinemaError:
        kept = f"; {self.received / 1e6:.0f} of {self._length / 1e6:.0f} MB are kept" if self.received else ""
        text = f"{_host(self._address)} cannot be reached ({first_line(error)}){kept}"
        return CinemaError(text, f"Check the connection, then {_AGAIN}, {_BY_HAND}")


class _DigestReader(urllib.request.HTTPRedirectHandler):
    """Follows redirections, and keeps the digest that the first answer states: the hub's, not the file server's."""

    digest = ""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self.digest = self.digest or _digest_of(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _NoRest:
    """The answer of a server whose file is no longer than the part that is here."""

    status = http.client.PARTIAL_CONTENT
    headers: dict[str, str] = {}

    def __enter__(self) -> _NoRest:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def read1(self, _size: int) -> bytes:
        return b""


def _digest_of(headers: Any) -> str:
    """The SHA-256 that the hub states of a large file, else ""."""
    found = re.fullmatch(r'"?([0-9a-f]{64})"?', (headers.get(_DIGEST_HEADER) or "").strip())
    return found[1] if found else ""


def _trust() -> ssl.SSLContext:
    """The system's certificates, and those of the package certifi where it is installed, as in Blender's Python."""
    context = ssl.create_default_context()
    with suppress(ImportError, OSError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _host(address: str) -> str:
    return address.split("/")[2]


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {SILENCE:.0f} s"
    reason = getattr(error, "reason", None)
    return first_line(reason) if isinstance(reason, Exception) else first_line(error)
