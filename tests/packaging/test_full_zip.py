"""The real full zip in an environment with bpy alone: no PATH, no other Python in reach, no network.

Builds the zip (a third of a gigabyte of wheels) and an environment; two minutes. Linux x64 with Python 3.11 only.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("full_zip_guest.py")
SECONDS_TO_SET_UP, LARGEST = 60.0, 1040e6  # bytes: about 1,006 MB of packages, and bytecode

pytest.importorskip("bpy")
pytestmark = pytest.mark.skipif(
    (platform.system(), platform.machine(), sys.version_info[:2]) != ("Linux", "x86_64", (3, 11)),
    reason="only this zip can be tried here",
)


@pytest.fixture(scope="module")
def full_zip() -> Path:
    made = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "package.py"), "linux-x64", "3.11"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    (found,) = (ROOT / "dist").glob("cinemagraph_3d-*-linux-x64-blender43.zip")
    return found


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """A Python that has bpy and what bpy needs, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True, symlinks=True)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    pin = next(entry for entry in groups["4.5"] if isinstance(entry, str) and entry.startswith("bpy=="))
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-qq", pin], check=True)
    return folder / "bin" / "python"


def road(python: Path, extension: Path, out: Path, **variables: str) -> dict:
    """Walk the road in a Blender of its own, and give its facts."""
    out.mkdir()
    strokes = ROOT / "demo" / "sea3_strokes.json"
    done = subprocess.run(
        [python, GUEST, extension, ROOT / "demo" / "sea3.jpg", strokes, out],
        env={"PATH": "/nonexistent", "HOME": str(out), **variables},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert (out / "facts.json").exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads((out / "facts.json").read_text())


def test_the_zip_is_all_that_an_artist_needs(full_zip, bare_python, tmp_path):
    facts = road(bare_python, full_zip, tmp_path / "zip")
    print(facts)
    assert facts["kind"] == "READY" and facts["engine"] == str(bare_python)
    assert len(facts["engine_torch"]) == 1 and facts["engine_torch"][0].startswith(str(tmp_path / "zip" / "user"))
    assert not facts["torch_in_blender"] and str(tmp_path) not in facts["numpy"]
    assert facts["disable"] < 1 and facts["enable"] < 1 and facts["open"] < SECONDS_TO_SET_UP
    assert facts["size"] < LARGEST and len([name for name in facts["unpacked_names"] if name != ".lock"]) == 1

    road(Path(sys.executable), full_zip, tmp_path / "own", CINEMAGRAPH_PYTHON=sys.executable)
    files = sorted(file.name for file in (tmp_path / "own" / "points").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "zip" / "points").iterdir()) and len(files) > 5
    for name in files:
        assert (tmp_path / "own" / "points" / name).read_bytes() == (tmp_path / "zip" / "points" / name).read_bytes()
    frame = np.asarray(Image.open(tmp_path / "zip" / "frame.png").convert("RGB"), np.float32)
    own = np.asarray(Image.open(tmp_path / "own" / "frame.png").convert("RGB"), np.float32)
    assert np.abs(frame - own).max() == 0 and frame.std() > 20
