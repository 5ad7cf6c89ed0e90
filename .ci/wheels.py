"""Wheels of the engine's locks: the facts that a lock keeps of one, read without downloading it, and their download.

`lock_engine.py` and `package.py` share it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "engine" / "lock"
CACHE = ROOT / "dist" / "wheels"
LOADED = (".py", ".pyd", ".dll")  # suffixes of members that Windows opens by itself, without the prefix for long paths
_BLOCK = 1 << 16  # bytes of one ranged request; the directory of a wheel of 100 MB takes some 10 of them


def load_engine_lock() -> ModuleType:
    """Load the extension's reader of locks, by its path: its package imports bpy."""
    path = ROOT / "blender_addon" / "engine_lock.py"
    spec = importlib.util.spec_from_file_location("engine_lock", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


engine_lock = load_engine_lock()


def project() -> dict[str, Any]:
    """The contents of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Facts:
    """The facts that a lock keeps of a wheel's contents.

    Attributes:
        unpacked: Bytes of the members that are kept.
        longest: Characters of the longest path that is kept.
        longest_loaded: The same, of the files that Python or Windows open by themselves.
        moved: Folders whose members an installation moves elsewhere, "NAME-VERSION.data/platlib" to the top.
        metadata: The file METADATA.
    """

    unpacked: int
    longest: int
    longest_loaded: int
    moved: tuple[str, ...]
    metadata: Message


def read_facts(source: Path | str, size: int = 0) -> Facts:
    """Read the facts of a wheel.

    Args:
        source: The file, or its address. Of an address only the zip's directory and METADATA are fetched.
        size: Bytes of the file, for an address.
    """
    opened = source if isinstance(source, Path) else io.BufferedReader(_RemoteFile(source, size), _BLOCK)
    with zipfile.ZipFile(opened) as archive:
        kept = [item for item in archive.infolist() if not item.is_dir() and engine_lock.is_kept(item.filename)]
        names = [item.filename for item in kept]
        described = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(described).decode())
    loaded = [name for name in names if name.endswith(LOADED)]
    longest, longest_loaded = engine_lock.longest_path(names), engine_lock.longest_path(loaded)
    moved = sorted({"/".join(name.split("/")[:2]) for name in names if name.split("/")[0].endswith(".data")})
    return Facts(sum(item.file_size for item in kept), longest, longest_loaded, tuple(moved), metadata)


class _RemoteFile(io.RawIOBase):
    """A file on a server that answers ranged requests, for `zipfile`."""

    def __init__(self, address: str, size: int) -> None:
        self._address, self._size, self._position = address, size, 0
        self._blocks: dict[int, bytes] = {}

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        start = self._position // _BLOCK
        content = self._block(start)[self._position - start * _BLOCK :][: len(buffer)]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            first, last = number * _BLOCK, min((number + 1) * _BLOCK, self._size) - 1
            if first > last:
                return b""
            request = urllib.request.Request(self._address, headers={"Range": f"bytes={first}-{last}"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                if answer.status != 206:
                    raise OSError(f"{self._address}: the server does not answer ranged requests")
                self._blocks[number] = answer.read()
        return self._blocks[number]


def write_lock(lock: Any, details: dict[str, dict[str, Any]], folder: Path = LOCKS) -> Path:
    """Write a lock.

    Args:
        lock: An `engine_lock.Lock`.
        details: Package -> further fields of its wheel: licence, requires, longest and so on.
        folder: Folder for the file.
    """
    wheels = []
    for wheel in sorted(lock.wheels, key=lambda wheel: wheel.package):
        fields = {name: value for name, value in asdict(wheel).items() if name != "index" or value}
        wheels.append(fields | details[wheel.package])
    content = {"platform": lock.platform, "abi": lock.abi, "device": lock.device, "wheels": wheels}
    file = folder / lock_name(lock.platform, lock.abi, lock.device)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return file


def lock_name(platform: str, abi: str, device: str = "cpu") -> str:
    """Name of a lock's file."""
    return f"{platform}-{abi}{'' if device == 'cpu' else '-' + device}.json"


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_whole(file: Path, wheel: Any) -> bool:
    """Tell whether a file is the wheel of a lock."""
    return file.exists() and file.stat().st_size == wheel.size and digest(file) == wheel.sha256


def fetch(wheels: Iterable[Any], python: str, folder: Path = CACHE) -> list[Path]:
    """Download the wheels of a lock that the folder lacks, and give all their files.

    pip downloads them, so that its settings (mirrors, proxies, certificates) hold, and checks their digests.

    Args:
        wheels: `engine_lock.Wheel`s.
        python: Version of the Python that they are for, "3.11".
        folder: Folder of downloaded wheels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wheels = list(wheels)
    for wheel in wheels:
        if not is_whole(folder / wheel.file, wheel):
            (folder / wheel.file).unlink(missing_ok=True)
            _download(wheel, python, folder)
        if not is_whole(folder / wheel.file, wheel):
            sys.exit(f"{wheel.file} was not downloaded, or is not the locked one.")
    return [folder / wheel.file for wheel in wheels]


def _download(wheel: Any, python: str, folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    platforms = wheel.file.removesuffix(".whl").split("-")[-1].split(".")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements)]
    command += ["--python-version", python, "--implementation", "cp", "--abi", f"cp{python.replace('.', '')}"]
    command += [part for platform in platforms if platform != "any" for part in ("--platform", platform)]
    command += ["--extra-index-url", wheel.index, "--retries", "1"] if wheel.index else []
    finished = subprocess.run([*command, "--dest", str(folder)], check=False)
    requirements.unlink()
    if finished.returncode:
        sys.exit(f"pip could not download {wheel.file}. Copied into {folder} from elsewhere, it is taken from there.")
