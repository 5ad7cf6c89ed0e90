"""Blender with a window, which the other tests do not open: timers run, and an undo meets their drawings.

The environment variable CINEMAGRAPH_WINDOW_BLENDER names the command that starts it, "blender" on a desktop or
".ci/window run trixie" on a machine without a screen; `make test-window` sets that up.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = os.environ.get("CINEMAGRAPH_WINDOW_BLENDER", "")
EDITS = int(os.environ.get("CINEMAGRAPH_WINDOW_EDITS", "200"))
SECONDS = 120 + 10 * EDITS  # software OpenGL on a busy machine

pytestmark = pytest.mark.skipif(not COMMAND, reason="CINEMAGRAPH_WINDOW_BLENDER names no Blender with a window")


def test_undo_while_live_previews_draw(tmp_path):
    extension = shutil.copy(ROOT / "dist" / "cinemagraph_3d.zip", tmp_path)
    photo = shutil.copy(ROOT / "demo" / "sea3.jpg", tmp_path)
    (tmp_path / "user").mkdir()
    script = ROOT / "tests" / "window" / "soak_live_undo.py"
    given = ["--zip", extension, "--photo", photo, "--out", tmp_path, "--count", EDITS]
    command = [*shlex.split(COMMAND), "--window-geometry", "0", "0", "1280", "800", "--python", script, "--", *given]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    trace = (tmp_path / "trace.txt").read_text()[-200:] if (tmp_path / "trace.txt").exists() else "no edit"
    assert (tmp_path / "soak.json").exists(), f"{trace}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    counts = json.loads((tmp_path / "soak.json").read_text())
    print(counts)
    assert done.returncode == 0 and counts["draws_by_live"] > EDITS / 10 and counts["checks"] > 1
