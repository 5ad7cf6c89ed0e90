"""A small engine to set up: wheels of made-up packages and their lock, and a Blender of its own that sets it up.

The packages that the check imports are those of the Python that runs the tests.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

GUEST = Path(__file__).with_name("engine_setup_guest.py")
ABI = f"cp{sys.version_info.major}{sys.version_info.minor}"
PLATFORM = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}[platform.system()] + (
    "-arm64" if platform.machine().lower() in ("arm64", "aarch64") else "-x64"
)


def make_wheel(folder: Path, name: str, members: dict[str, bytes], version: str = "1.0") -> Path:
    """Write a wheel; a member named "bin/..." is executable."""
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    members = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, contents in members.items():
            entry = zipfile.ZipInfo(member)
            entry.external_attr = (0o755 if "/bin/" in member else 0o644) << 16
            archive.writestr(entry, contents)
    return file


def make_lock(folder: Path, wheels: list[Path], device: str = "cpu") -> Path:
    """Write the lock of these wheels for this machine and Python."""
    entries = []
    for file in wheels:
        package, version, *_ = file.name.split("-")
        entries.append(
            {
                "package": package,
                "version": version,
                "file": file.name,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "size": file.stat().st_size,
                "unpacked": sum(member.file_size for member in zipfile.ZipFile(file).infolist()),
            }
        )
    suffix = "" if device == "cpu" else f"-{device}"
    lock = folder / f"{PLATFORM}-{ABI}{suffix}.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({"platform": PLATFORM, "abi": ABI, "device": device, "wheels": entries}))
    return lock


def make_engine(folder: Path, count: int = 3, size: int = 400_000, files: int = 20) -> tuple[Path, Path]:
    """Write `count` wheels of `files` members each, and their lock; gives the folders of the lock and of the wheels."""
    random = np.random.default_rng(1)
    wheels = folder / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        name = f"made_up_{number}"
        members = {f"{name}/part_{k}.bin": random.bytes(size) for k in range(files)}
        members |= {f"{name}/__init__.py": b"", f"{name}/bin/tool": b"#!/bin/sh\n", f"{name}/tests/test_it.py": b"0"}
        made.append(make_wheel(wheels, name, members))
    make_lock(folder / "lock", made)
    return folder / "lock", wheels


def start_guest(user: Path, extension: Path, locks: Path, wheels: Path | str, **variables: str) -> subprocess.Popen:
    """Start a Blender that installs the extension into a user folder and sets the engine up.

    Args:
        user: The user folder.
        extension: The extension's zip.
        locks: Folder of the locks.
        wheels: Folder of the wheels; "" downloads them.
        variables: Variables of its environment.
    """
    environment = {name: value for name, value in os.environ.items() if name != "CINEMAGRAPH_PYTHON"}
    return subprocess.Popen(
        [sys.executable, str(GUEST), str(user), str(extension), str(locks), str(wheels)],
        env={**environment, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def outcome(guest: subprocess.Popen) -> str:
    """Wait for the guest, and give its last word: READY, or ERROR with the sentence."""
    output, _ = guest.communicate(timeout=300)
    words = [line for line in output.splitlines() if line.startswith(("READY", "ERROR"))]
    assert words, output
    return words[-1]


def home(user: Path) -> Path:
    """The engine's folder in the user folder."""
    return user / "extensions" / ".user" / "user_default" / "cinemagraph_3d" / "engine"


def contents(user: Path) -> list[str]:
    """Names in the engine's folder, without the lock file."""
    place = home(user)
    return sorted(entry.name for entry in place.iterdir() if entry.name != ".lock") if place.exists() else []


class Index:
    """A package index on the loopback with the wheels of a folder, as `with Index(wheels) as index`.

    Args:
        wheels: The folder.
        cut: Share of a file after which the first `failures` downloads of it break off.
        failures: Number of broken downloads of each file.
        delay: Seconds between two chunks of a file.

    Attributes:
        served: File name of each complete download.
    """

    def __init__(self, wheels: Path, cut: float = 1.0, failures: int = 0, delay: float = 0.0) -> None:
        self.wheels, self.cut, self.failures, self.delay = wheels, cut, failures, delay
        self.served: list[str] = []
        self.broken: Counter[str] = Counter()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self.server.daemon_threads = True

    def __enter__(self) -> Index:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """Variables that let pip use this index alone."""
        address = f"http://127.0.0.1:{self.server.server_port}/simple"
        others = dict.fromkeys(("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"), "")
        return {
            **others,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": address,
            "PIP_TIMEOUT": "5",
            "PIP_RETRIES": "1",
            "PIP_RESUME_RETRIES": "0",
        }


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, index: Index, *arguments: object) -> None:
        self.index = index
        super().__init__(*arguments)

    def do_GET(self) -> None:
        name = self.path.rstrip("/").rsplit("/", 1)[-1]
        if name.endswith(".whl"):
            self._send_wheel(self.index.wheels / name)
            return
        files = [file.name for file in self.index.wheels.glob("*.whl") if file.name.startswith(name.replace("-", "_"))]
        page = "".join(f'<a href="/files/{file}">{file}</a>' for file in files).encode()
        self.send_response(200 if files else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def _send_wheel(self, file: Path) -> None:
        contents, index = file.read_bytes(), self.index
        breaks = index.broken[file.name] < index.failures
        index.broken[file.name] += breaks
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        sent = contents[: int(len(contents) * index.cut)] if breaks else contents
        try:
            for start in range(0, len(sent), 1 << 18):
                self.wfile.write(sent[start : start + (1 << 18)])
                time.sleep(index.delay)
        except OSError:  # the reader was killed
            return
        if breaks:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            index.served.append(file.name)

    def log_message(self, *_arguments: object) -> None:
        pass
