"""Builds the extension's zips: ``python package.py PLATFORM PYTHON``, as `make package` does.

PLATFORM is that of a lock in engine/lock; its zip holds the wheels. "any" is the small zip: all locks and no wheels.
"pip" fetches only pip's wheel into engine/, which every zip holds. The zips are built from a copy of the tracked files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from licences import PIP, split_licences
from wheels import LOCKS, ROOT, digest, engine_lock, fetch, lock_name, project

DIST = ROOT / "dist"
ANY = "any"
OWN_LICENCE = "GPL-3.0-or-later"
# Python -> the versions of Blender that have it: the first, and the first that no longer has; "" for none.
BLENDERS = {"3.11": ("4.3.0", "5.1.0"), "3.13": ("5.1.0", "")}
_NOT_IN_PACKAGES = '  "/engine/wheels/",\n'


@dataclass(frozen=True)
class Target:
    """A zip to build.

    Attributes:
        platform: Name as in the locks, or "any".
        python: "3.11" or "3.13"; "" for "any".
    """

    platform: str
    python: str = ""

    @property
    def abi(self) -> str:
        return f"cp{self.python.replace('.', '')}"

    def zip_name(self, version: str) -> str:
        """Name of the zip: that of its platform and of the first Blender that it is for."""
        blender = "" if self.platform == ANY else "-blender" + "".join(BLENDERS[self.python][0].split(".")[:2])
        return f"cinemagraph_3d-{version}-{self.platform}{blender}.zip"


def main(platform: str, python: str = "") -> None:
    """Build one zip into dist, or fetch pip."""
    place_pip(ROOT / "engine")
    if platform == "pip":
        return
    target = Target(platform, "" if platform == ANY else python)
    if platform != ANY and not (LOCKS / lock_name(platform, target.abi)).exists():
        sys.exit(f"There is no lock for {platform} and Python {python}; engine/lock has {known()}.")
    started = time.monotonic()
    DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DIST) as folder:
        source = Path(folder, "source")
        lock = stage(source, target)
        wheels = fetch(lock.wheels, python) if lock else []
        fetched = time.monotonic()
        place_wheels(wheels, source)
        file = build(source, DIST / target.zip_name(project()["project"]["version"]))
    unpacked = f", {lock.unpacked / 1e6:.0f} MB unpacked" if lock else ""
    seconds = f"{fetched - started:.0f} s for the wheels, {time.monotonic() - fetched:.0f} s for the zip"
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1e6:.0f} MB{unpacked}; {seconds}")


def known() -> str:
    """The platforms and Pythons that there are locks for."""
    return ", ".join(sorted(file.stem for file in LOCKS.glob("*.json") if not file.stem.endswith("-cuda")))


def place_pip(folder: Path) -> Path:
    """Put pip's wheel, as pinned in pyproject.toml, into a folder, and remove others of it."""
    pinned = project()["tool"]["cinemagraph"]["pip"]
    file = folder / pinned["file"]
    for other in folder.glob("pip-*.whl"):
        if other != file:
            other.unlink()
    if not file.exists() or digest(file) != pinned["sha256"]:
        wheel = engine_lock.Wheel("pip", pinned["version"], pinned["file"], pinned["sha256"], pinned["size"], 0)
        shutil.copy2(fetch([wheel], "3.11")[0], file)
    return file


def stage(source: Path, target: Target, locks: Path = LOCKS) -> Any:
    """Copy the tracked files, pip and the locks of a zip into a folder, and write its manifest.

    Args:
        source: The folder, which does not exist yet.
        target: The zip.
        locks: Folder of the locks.

    Returns:
        The lock of the wheels that belong into the zip; None for the small one.
    """
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).exists() and not name.startswith(("engine/lock/", ".")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    (source / "engine/lock").mkdir(parents=True)
    shutil.copy2(place_pip(ROOT / "engine"), source / "engine")
    # Those of other Pythons too: a Linux distribution's Blender, whose Python is another, downloads what it needs.
    pattern = "*.json" if target.platform == ANY else f"{target.platform}-*.json"
    for file in locks.glob(pattern):
        shutil.copy2(file, source / "engine/lock")
    lock_file = locks / lock_name(target.platform, target.abi)
    manifest = source / "blender_manifest.toml"
    if target.platform == ANY:
        return None
    licences = [wheel["licence"] for wheel in json.loads(lock_file.read_text(encoding="utf-8"))["wheels"]]
    manifest.write_text(adapt(manifest.read_text(encoding="utf-8"), target, licences), encoding="utf-8")
    return engine_lock.read_lock(lock_file)


def adapt(manifest: str, target: Target, licences: list[str]) -> str:
    """Turn the manifest of the checkout into that of a zip with wheels.

    Args:
        manifest: Its text.
        target: The zip.
        licences: SPDX expressions of all wheels in it.
    """
    first, end = BLENDERS[target.python]
    lines = f'blender_version_min = "{first}"\n' + (f'blender_version_max = "{end}"\n' if end else "")
    lines += f'platforms = ["{target.platform}"]\n'
    bundled = [name for name in split_licences([*licences, PIP]) if name != OWN_LICENCE]
    names = ",\n".join(f'  "SPDX:{name}"' for name in [OWN_LICENCE, *bundled])
    replaced = {
        r"^blender_version_min = .*\n": lines,
        r"^license = \[[^\]]*\]": f"license = [\n{names},\n]",
        re.escape(_NOT_IN_PACKAGES): "",
    }
    for pattern, text in replaced.items():
        manifest, count = re.subn(pattern, text.replace("\\", r"\\"), manifest, flags=re.MULTILINE)
        if count != 1:
            sys.exit(f"blender_manifest.toml has {count} times: {pattern}")
    return manifest


def place_wheels(wheels: list[Path], source: Path) -> None:
    """Put wheels into a staged folder; as hard links where possible, since they are large."""
    folder = source / "engine/wheels"
    for wheel in wheels:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            os.link(wheel, folder / wheel.name)
        except OSError:  # another disk, or one without links
            shutil.copy2(wheel, folder)


def build(source: Path, file: Path) -> Path:
    """Build and validate a zip by Blender's own tool, which the bpy package of this Python includes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    blender_ext("build", "--source-dir", str(source), "--output-filepath", str(file))
    blender_ext("validate", str(file))
    return file


def blender_ext(*arguments: str) -> None:
    """Run Blender's extension tool; its warnings are errors here."""
    pattern = "bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    tool = next((path for folder in sys.path for path in Path(folder or ".").glob(pattern)), None)
    if tool is None:
        sys.exit("This Python has no bpy, whose tool builds extensions: use .venv/bin/python, which `make` sets up.")
    finished = subprocess.run([sys.executable, str(tool), *arguments], check=False, capture_output=True, text=True)
    if finished.returncode or "WARN" in finished.stdout + finished.stderr:
        sys.exit(f"Blender's tool refuses: {' '.join(arguments)}\n{finished.stdout}{finished.stderr}")


if __name__ == "__main__":
    main(*sys.argv[1:])
