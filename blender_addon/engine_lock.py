"""The locks of the engine's packages: which wheels the engine runs with on a platform, Python and device.

Standard library only and no relative import: `.ci/lock_engine.py`, which writes the locks, loads this module by path.
"""

import fnmatch
import hashlib
import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Members of wheels that the engine never reads: headers, import libraries and test programs, a fifth of torch; its
# compilers of protocols, the cascades of OpenCV's detectors, onnxruntime's converters, stubs for type checkers.
SKIPPED = (
    "torch/include/*", "torch/share/*", "torch/test/*", "torch/bin/test*", "torch/bin/protoc*", "torch/lib/*.lib",
    "torch/lib/*_test.so", "cv2/data/*.xml", "onnxruntime/datasets/*", "onnxruntime/quantization/*",
    "onnxruntime/tools/*", "onnxruntime/transformers/*", "*/tests/*", "*.pyi",
)  # fmt: skip
_SYSTEMS = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Wheel:
    """A wheel of a lock.

    Attributes:
        package: Its name on the package index.
        version: Its version, with a local part such as "+cpu".
        file: Its file name.
        sha256: Digest of the file, hexadecimal.
        size: Bytes of the file.
        unpacked: Bytes of the members that are kept.
        index: Address of the package index that has it, "" for pip's own.
    """

    package: str
    version: str
    file: str
    sha256: str
    size: int
    unpacked: int
    index: str = ""


@dataclass(frozen=True)
class Lock:
    """The wheels for one platform, Python and device.

    Attributes:
        platform: Name as in the manifest, for example "windows-x64".
        abi: Python as in the wheels' names, for example "cp313".
        device: "cpu" or "cuda".
        wheels: All packages that the engine imports, and their dependencies.
    """

    platform: str
    abi: str
    device: str
    wheels: tuple[Wheel, ...]

    @property
    def key(self) -> str:
        """Name of the folder of the unpacked packages; another lock has another one."""
        contents = "\n".join([*sorted(wheel.sha256 for wheel in self.wheels), *SKIPPED])
        return f"{self.platform}-{self.abi}-{self.device}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"

    @property
    def size(self) -> int:
        """Bytes of all wheels."""
        return sum(wheel.size for wheel in self.wheels)

    @property
    def unpacked(self) -> int:
        """Bytes of all unpacked packages."""
        return sum(wheel.unpacked for wheel in self.wheels)


def read_lock(file: Path) -> Lock:
    """Read a lock, written by `make lock`."""
    given = json.loads(file.read_text(encoding="utf-8"))
    fields = Wheel.__dataclass_fields__
    wheels = (Wheel(**{name: value for name, value in wheel.items() if name in fields}) for wheel in given["wheels"])
    return Lock(given["platform"], given["abi"], given["device"], tuple(wheels))


def find_locks(folder: Path) -> dict[str, Lock]:
    """Find the locks for this machine and this Python: device -> lock, the CPU's first; empty where there is none."""
    locks = (read_lock(file) for file in sorted(folder.glob(f"{this_platform()}-{this_abi()}*.json")))
    return {lock.device: lock for lock in sorted(locks, key=lambda lock: (lock.device != "cpu", lock.device))}


def this_platform() -> str:
    """Name this machine as the manifest does: "linux-x64", "windows-x64", "macos-arm64"..."""
    machine = platform.machine().lower()
    return f"{_SYSTEMS.get(platform.system(), platform.system().lower())}-{_MACHINES.get(machine, machine)}"


def this_abi() -> str:
    """Name this Python as wheels do, for example "cp313"."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def is_kept(member: str) -> bool:
    """Tell whether a wheel's member is unpacked."""
    return not any(fnmatch.fnmatchcase(member, pattern) for pattern in SKIPPED)


def longest_path(members: Iterable[str]) -> int:
    """Count the characters of the longest path that is unpacked, for Windows' limit of 260."""
    return max((len(member) for member in members if is_kept(member)), default=0)
