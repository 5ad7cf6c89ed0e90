"""Frames rendered by several processes: frame 7 alone is frame 7 of a range, as on a render farm."""

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

SAMPLES = 2
RENDER = """
import sys
import bpy
file, out, first, last = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=file)
scene = bpy.context.scene
scene.render.filepath, scene.frame_start, scene.frame_end = out + "/####.png", int(first), int(last)
bpy.ops.render.render(animation=True)
"""


@pytest.fixture
def blend(addon, placed, job, tmp_path) -> Path:
    """A .blend file of points that move, seen by a camera that moves, for Cycles."""
    addon.result.import_result(placed, job)
    camera = placed.camera
    for frame, across in ((1, -0.1), (12, 0.15)):
        camera.location.x += across
        camera.keyframe_insert("location", frame=frame)
    render = placed.render
    render.engine, render.resolution_percentage = "CYCLES", 25
    placed.cycles.samples, placed.cycles.use_denoising, placed.cycles.device = SAMPLES, False, "CPU"
    render.image_settings.file_format, render.use_stamp = "PNG", False
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), copy=True)
    return tmp_path / "scene.blend"


def rendered(blend: Path, out: Path, first: int, last: int) -> dict[str, np.ndarray]:
    """Frames of a file that a Blender of its own renders, without the extension: name -> 8-bit pixels."""
    out.mkdir()
    command = [sys.executable, "-c", RENDER, str(blend), str(out), str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = {}
    for file in sorted(out.iterdir()):
        image = bpy.data.images.load(str(file))
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        found[file.name] = np.rint(pixels * 255).astype(np.uint8)
        bpy.data.images.remove(image)
    return found


def test_a_frame_alone_is_that_of_a_range(blend, tmp_path):
    whole = rendered(blend, tmp_path / "whole", 5, 8)
    alone = rendered(blend, tmp_path / "alone", 7, 7)
    assert list(whole) == ["0005.png", "0006.png", "0007.png", "0008.png"] and list(alone) == ["0007.png"]
    assert np.array_equal(alone["0007.png"], whole["0007.png"])
    assert not np.array_equal(whole["0006.png"], whole["0007.png"])  # points and camera do move
    assert whole["0007.png"].reshape(-1, 4)[:, :3].std() > 10  # and are seen
