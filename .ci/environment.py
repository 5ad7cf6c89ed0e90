"""Sets up one virtual environment with the pins of pyproject.toml: ``python environment.py FOLDER BLENDER``.

Run it with the Python version that the environment should have. BLENDER is the name of a dependency group, "4.5",
"5.2" or "5.3". A second run with the same pins returns at once. The script uses only the standard library.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("4.5", "5.2")  # the Blender versions whose environments also run cinema_core

SIZES = {"4.5": "3 GB on disk", "5.2": "7 GB on disk", "5.3": "1 GB on disk"}  # torch for Python 3.13 is the CUDA build

# Shared libraries that the bpy wheels need but do not contain, and the Debian package of each. The engine's wheels need
# none of their own.
DEBIAN_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1",
    "libxkbcommon.so.0": "libxkbcommon0",
}

# Libraries that Blender opens only when a render needs a graphics context. The loader does not report them as missing,
# but Blender aborts without them.
OPENED_LATER = {"bpy": ["libEGL.so.1"]}


def main(folder: Path, blender: str) -> None:
    pins = read_pins(blender)
    python, stamp = python_of(folder), folder / "pins.txt"
    before = stamp.read_text().splitlines() if stamp.exists() else []
    if works(python) and before == pins:
        return
    version = sys.version.split()[0]
    print(
        f"Setting up {folder.name} for Blender {blender} with Python {version}: some minutes, {SIZES[blender]}",
        flush=True,
    )
    if not works(python) or {name_of(pin) for pin in before} - {name_of(pin) for pin in pins}:
        create(folder)  # also where a package left the pins: tests must not find it
    run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *pins)
    modules = ["bpy", "cv2", "torch"] if blender in ENGINES else ["bpy"]
    provide_libraries(python, modules)
    for module in modules:
        run(python, "-c", f"import {module}")
    stamp.write_text("\n".join(pins))  # written last, so that an interrupted set-up runs again


def read_pins(blender: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    engine = project["project"]["dependencies"] if blender in ENGINES else []
    return engine + flatten(project["dependency-groups"], blender)


def flatten(groups: dict[str, list[str | dict[str, str]]], name: str) -> list[str]:
    """The pins of a dependency group, those of the groups that it includes among them."""
    pins = []
    for entry in groups[name]:
        pins += [entry] if isinstance(entry, str) else flatten(groups, entry["include-group"])
    return pins


def name_of(pin: str) -> str:
    return re.split("[=; ]", pin, maxsplit=1)[0]


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def works(python: Path) -> bool:
    """True if the environment's Python starts and has the version of the running one."""
    same = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return python.exists() and subprocess.run([python, "-c", same], check=False).returncode == 0


def create(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    try:
        import ensurepip  # noqa: F401  Debian has it in a separate package
    except ImportError:
        install_on_debian([f"python{sys.version_info.major}.{sys.version_info.minor}-venv"])
    run(Path(sys.executable), "-m", "venv", str(folder))


def provide_libraries(python: Path, modules: list[str]) -> None:
    """Install the system libraries that the wheels need and this machine lacks, or exit with their names."""
    missing = {library for module in modules for library in missing_libraries(python, module)}
    if not missing:
        return
    unknown = sorted(missing - DEBIAN_PACKAGES.keys())
    print("Missing system libraries: " + ", ".join(sorted(missing)), flush=True)
    if unknown:
        sys.exit("Please install the packages with " + ", ".join(unknown) + ", then run the same command again.")
    install_on_debian(sorted({DEBIAN_PACKAGES[library] for library in missing}))


def missing_libraries(python: Path, module: str) -> list[str]:
    """Sonames that an installed module's shared libraries need and the loader does not find; empty outside Linux."""
    find = f"import importlib.util as u; print(u.find_spec({module!r}).submodule_search_locations[0])"
    folder = Path(subprocess.run([python, "-c", find], check=True, text=True, capture_output=True).stdout.strip())
    if sys.platform != "linux" or not shutil.which("ldd"):
        return []
    listing = subprocess.run(["ldd", *folder.glob("*.so")], check=False, text=True, capture_output=True).stdout
    missing = re.findall(r"^\s*(\S+) => not found", listing, flags=re.MULTILINE)
    return missing + [library for library in OPENED_LATER.get(module, []) if not can_open(library)]


def can_open(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def install_on_debian(packages: list[str]) -> None:
    command = "apt-get install -y --no-install-recommends " + " ".join(packages)
    if not shutil.which("apt-get") or os.geteuid() != 0:
        sys.exit(
            f"Please install the missing packages, then run the same command again. On Debian or Ubuntu:\n  {command}"
        )
    print(f"Installing {' '.join(packages)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in ("apt-get update -q", command + " -q"):
        if subprocess.run(step.split(), env=environment, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            sys.exit(f"This command failed: {step}")


def run(program: Path, *arguments: str) -> None:
    finished = subprocess.run([program, *arguments], check=False)
    if finished.returncode != 0:
        sys.exit(f"This command failed: {program} {' '.join(arguments)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
