"""The wheel that pip builds: it is complete, and it builds a photo in an environment without this checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):  # copied: setuptools leaves a build folder beside them
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "cinema_core", source / "cinema_core", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel. Its dependencies are those of this one, which a path file leads to."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(command, check=True)
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return python


def test_every_file_that_the_core_reads_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("cinema_core/")}
    core = ROOT / "cinema_core"
    own = {path.relative_to(ROOT).as_posix() for path in core.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert inside == own
    assert "cinema_core/depth/network.safetensors" in inside


def test_a_small_photo_is_built_by_the_installed_wheel(python, landscape_file, tmp_path):
    command = [python, "-m", "cinema_core", "build", landscape_file, "--out", tmp_path / "job", "--frames", "8"]
    done = subprocess.run([*command, "--max-side", "160", "--json"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])["report"]
    assert report["depth_source"] == "network" and report["still_points"] > 1000


def test_the_wheel_is_used_and_not_the_checkout(python, tmp_path):
    probe = [python, "-c", "import cinema_core; print(cinema_core.__file__)"]
    place = subprocess.run(probe, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert not Path(place.strip()).is_relative_to(ROOT)
