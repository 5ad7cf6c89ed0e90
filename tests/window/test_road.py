"""The road of a new user in a Blender with a window, by mouse and keyboard: photo, stroke, Animate, a playing loop.

The environment variable CINEMAGRAPH_WINDOW_PICTURES names a folder that keeps the pictures of the steps.
"""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
COMMAND = os.environ.get("CINEMAGRAPH_WINDOW_BLENDER", "")
KEPT = os.environ.get("CINEMAGRAPH_WINDOW_PICTURES", "")
BLOCKED = 0.2  # seconds for which the interface may be blocked while the engine works
SECONDS = 1800

pytestmark = [
    pytest.mark.skipif(not COMMAND, reason="CINEMAGRAPH_WINDOW_BLENDER names no Blender with a window"),
    pytest.mark.skipif(not COMMAND.startswith(".ci/") and not shutil.which("xdotool"), reason="xdotool is not there"),
]


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The facts of the road, and the folder of its pictures."""
    place = tmp_path_factory.mktemp("road")
    (place / "photos").mkdir()
    (place / "user").mkdir()
    shutil.copy(ROOT / "demo" / "sea3.jpg", place / "photos")
    extension = shutil.copy(ROOT / "dist" / "cinemagraph_3d.zip", place)
    given = {"zip": extension, "folder": str(place / "photos"), "out": str(place)}
    (place / "given.json").write_text(json.dumps(given))
    script = ROOT / "tests" / "window" / "road_by_mouse.py"
    command = [*shlex.split(COMMAND), "--window-geometry", "0", "0", "1280", "800", "--python", str(script), "--"]
    done = subprocess.run(
        [*command, str(place / "given.json")],
        cwd=ROOT,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(place / "user")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if KEPT:
        for picture in place.glob("*.png"):
            shutil.copy(picture, KEPT)
    assert (place / "road.json").exists(), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    facts = json.loads((place / "road.json").read_text())
    print({name: value for name, value in facts.items() if name != "shares"})
    assert done.returncode == 0
    return facts, place


def seen(place, name, corners, share):
    """Mean colour of 9 x 9 px of a picture of the screen, at a share of the photo's width and height."""
    left, top, right, bottom = corners
    x, y = round(left + share[0] * (right - left)), round(top + share[1] * (bottom - top))
    pixels = np.asarray(Image.open(place / f"{name}.png").convert("RGB"), np.float32)
    return pixels[y - 4 : y + 5, x - 4 : x + 5].mean((0, 1))


def photographed(corners, share):
    """The same of the photo."""
    with Image.open(ROOT / "demo" / "sea3.jpg") as photo:
        size = round(corners[2] - corners[0]), round(corners[3] - corners[1])
        pixels = np.asarray(photo.convert("RGB").resize(size, Image.Resampling.BOX), np.float32)
    x, y = round(share[0] * size[0]), round(share[1] * size[1])
    return pixels[y - 4 : y + 5, x - 4 : x + 5].mean((0, 1))


def test_the_photo_is_seen_whole_and_at_once(road):
    facts, place = road
    left, top, right, bottom = facts["photo"]
    assert facts["hidden"] == ["Cube"] and facts["mode"] == "PAINT_GREASE_PENCIL"
    assert facts["sidebar"][2] == "Cinemagraph" and right <= facts["sidebar"][0] and left > 0 and bottom < 800
    assert right - left > 500
    for share in ((0.1, 0.1), (0.8, 0.3), (0.5, 0.75), (0.15, 0.6)):
        difference = np.abs(seen(place, "3_opened", facts["photo"], share) - photographed(facts["photo"], share))
        assert difference.max() < 12, share


def test_a_stroke_is_where_it_was_drawn(road):
    facts, _ = road
    ((kind, ends),) = facts["strokes"]
    wanted = np.array([(0.3, 0.55), (0.5, 0.58)]) * (720, 360)
    assert kind == "motion" and np.abs(np.array(ends) - wanted).max() < 8


def test_the_loop_plays_in_the_photos_colors_after_a_few_clicks(road):
    facts, place = road
    assert facts["clicks"] <= 5 and len(set(facts["frames"])) >= 4
    assert facts["colors"] == "Standard" and facts["range"] == [1, 60] and facts["shading"] == "MATERIAL"
    for share in ((0.8, 0.3), (0.5, 0.2)):
        difference = np.abs(seen(place, "7_still", facts["still"], share) - photographed(facts["still"], share))
        assert difference.max() < 16, share


def test_camera_and_render_are_in_sight_after_a_build(road):
    facts, _ = road
    assert facts["path"] == "circle"  # and the button that renders was found


def test_the_window_answers_while_the_engine_works(road):
    facts, _ = road
    assert facts["shares"] == sorted(facts["shares"]) and len(set(facts["shares"])) > 1
    assert facts["gap"] < BLOCKED
