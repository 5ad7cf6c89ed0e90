"""A small engine to set up: wheels of made-up packages and their lock, and a Blender of its own that sets it up.

The packages that the check imports are those of the Python that runs the tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import zipfile
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
