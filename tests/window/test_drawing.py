"""Draw Mode in a Blender with a window: a pasted photo, the pie of strokes, its ways out, the speed of strokes.

The environment variable CINEMAGRAPH_WINDOW_PICTURES names a folder that keeps the pictures of the steps.
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
KEPT = os.environ.get("CINEMAGRAPH_WINDOW_PICTURES", "")
SECONDS = 1800

pytestmark = [
    pytest.mark.skipif(not COMMAND, reason="CINEMAGRAPH_WINDOW_BLENDER names no Blender with a window"),
    pytest.mark.skipif(not COMMAND.startswith(".ci/") and not shutil.which("xdotool"), reason="xdotool is not there"),
]


def visit(place, name):
    """Run NAME_by_mouse.py in a Blender with a window, and give its facts."""
    (place / "user").mkdir()
    photo = shutil.copy(ROOT / "demo" / "sea3.jpg", place)
    given = {"zip": shutil.copy(ROOT / "dist" / "cinemagraph_3d.zip", place), "photo": str(photo), "out": str(place)}
    (place / "given.json").write_text(json.dumps(given))
    script = ROOT / "tests" / "window" / f"{name}_by_mouse.py"
    done = subprocess.run(
        [*shlex.split(COMMAND), "--window-geometry", "0", "0", "1280", "800", "--python", str(script), "--",
         str(place / "given.json")],
        cwd=ROOT,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(place / "user")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )  # fmt: skip
    if KEPT:
        for picture in place.glob("*.png"):
            shutil.copy(picture, Path(KEPT) / f"{name}_{picture.name}")
    assert (place / f"{name}.json").exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    facts = json.loads((place / f"{name}.json").read_text())
    print(facts)
    assert done.returncode == 0 and "Still running" not in done.stdout
    return facts


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    return visit(tmp_path_factory.mktemp("drawing"), "drawing")


def test_a_photo_is_pasted_by_the_keyboard_in_our_tab(drawing):
    assert drawing["nothing"].startswith("There is no photo on the clipboard") and drawing["areas"]
    assert not drawing["pasted_in_view"] and drawing["path"].endswith("/sea3.jpg")
    assert drawing["mode"] == "PAINT_GREASE_PENCIL"


def test_a_stroke_is_chosen_from_the_pie(drawing):
    assert drawing["chosen"] == "Sway"


def test_draw_mode_ends_by_escape_and_by_its_button(drawing):
    assert drawing["modes"] == ["OBJECT", "Still", "OBJECT", [True, "Still"], [False, "Still"], [False, ""]]


def test_the_speed_of_selected_strokes_is_undone_and_redone(drawing):
    assert drawing["speeds"] == [[1, 1, 1], [2, 1, 2], [1, 1, 1], [2, 1, 2]]


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    return visit(tmp_path_factory.mktemp("windows"), "windows")


def test_a_window_closed_in_a_build_is_told(windows):
    assert windows["closed"] == [1, False, "Build was cancelled, because its window or file was closed", 0]


def test_a_build_in_a_second_window(windows):
    assert windows["second"] == ["", True]
    assert windows["shading"] == [["SOLID", "SOLID"], ["SOLID", "MATERIAL"]]


def test_another_scene_chosen_while_the_engine_works_stays_as_it_is(windows):
    assert windows["scenes"] == [True, True, True]
