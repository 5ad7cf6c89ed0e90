"""The set-up of the engine in a Blender with a window, by mouse and keyboard; the window answers meanwhile.

Small made-up packages stand for the engine's, so the check must find that the real ones are missing. The environment
variable CINEMAGRAPH_WHEELS names a folder with all wheels of one of the extension's own locks; these must become ready.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from small_engine import Index, contents, make_engine

ROOT = Path(__file__).parents[2]
COMMAND = os.environ.get("CINEMAGRAPH_WINDOW_BLENDER", "")
WHEELS = os.environ.get("CINEMAGRAPH_WHEELS", "")
ABIS = ("cp311", "cp312", "cp313", "cp314")  # Pythons of Blenders
BLOCKED = 0.2  # seconds for which no frame of the window may be blocked
SECONDS = 1800

pytestmark = [
    pytest.mark.skipif(not COMMAND, reason="CINEMAGRAPH_WINDOW_BLENDER names no Blender with a window"),
    pytest.mark.skipif(not COMMAND.startswith(".ci/") and not shutil.which("xdotool"), reason="xdotool is not there"),
]


def copy_lock(locks):
    """Let the lock of this Python be that of every Blender's Python."""
    (lock,) = locks.iterdir()
    fields = json.loads(lock.read_text())
    for abi in ABIS:
        (locks / f"{fields['platform']}-{abi}.json").write_text(json.dumps({**fields, "abi": abi}))


def link_wheels(folder):
    """The real wheels at a place that the window's Blender sees."""
    folder.mkdir()
    for wheel in Path(WHEELS).glob("*.whl"):
        try:
            os.link(wheel, folder / wheel.name)
        except OSError:
            shutil.copy(wheel, folder)
    return folder


def test_the_window_answers_while_the_engine_is_set_up(tmp_path):
    locks, wheels = make_engine(tmp_path / "engine", count=4, size=2_000_000)
    copy_lock(locks)
    (tmp_path / "user").mkdir()
    given = {
        "zip": shutil.copy(ROOT / "dist" / "cinemagraph_3d.zip", tmp_path),
        "locks": locks,
        "wheels": wheels,
        "real": link_wheels(tmp_path / "real") if WHEELS else "",
        "out": tmp_path,
    }
    script = ROOT / "tests" / "window" / "engine_setup_by_mouse.py"
    command = [*shlex.split(COMMAND), "--window-geometry", "0", "0", "1280", "800", "--python", script, "--"]
    with Index(wheels, delay=0.01) as index:
        fields = {**given, "variables": index.variables}
        (tmp_path / "given.json").write_text(json.dumps(fields, default=str))
        done = subprocess.run(
            [str(part) for part in [*command, tmp_path / "given.json"]],
            cwd=ROOT,
            env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user"), "CINEMAGRAPH_PYTHON": ""},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert (tmp_path / "engine_setup.json").exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    result = json.loads((tmp_path / "engine_setup.json").read_text())
    print({name: value for name, value in result.items() if name != "shares"})
    assert done.returncode == 0 and "Still running" not in done.stdout
    check_result(result)
    assert set(index.served) == {file.name for file in wheels.iterdir()}
    assert contents(tmp_path / "user") == []  # Blender ended in the middle of a set-up


def check_result(result):
    gaps, shares = result["gaps"], result["shares"]
    # Software OpenGL on a busy machine may need longer than the limit for a picture; a set-up from a folder begins with
    # that of the whole window, when the dialog closes.
    drawing = max(gaps.pop("drawing"), gaps.pop("closing a dialog"))
    assert {name: gap for name, gap in gaps.items() if gap > max(BLOCKED, 2 * drawing)} == {}
    missing = "The engine lacks its package cv2. Remove the engine in the extension's preferences, and set it up again."
    assert result["sentences"] == [missing] * 2
    for stage in ("Downloading the engine", "Unpacking the engine"):
        assert len(set(shares[stage])) > 10, shares
    download = shares["Downloading the engine"]
    assert download == sorted(download) and download[0] < 0.05 and download[-1] == pytest.approx(0.6, abs=0.05)
    assert not WHEELS or result["real"]["kind"] == "READY"
