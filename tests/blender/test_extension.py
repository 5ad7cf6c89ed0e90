"""The extension as a user gets it: built, validated, installed from the zip, disabled and enabled."""

import os
import shutil
import subprocess
import sys
import zipfile

import addon_utils
import bpy
import numpy as np
from extension import MODULE, blender_ext
from sample import evaluated_points

PLAY = """
import sys
import bpy
import numpy as np
sys.path.insert(0, sys.argv[3])
from sample import evaluated_points
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
assert not hasattr(bpy.types.Scene, "cinemagraph")
assert not any("cinema" in handler.__module__ for handler in bpy.app.handlers.frame_change_post)
found = {}
for frame in (1, 6, 12, 21):
    bpy.context.scene.frame_set(frame)
    for item in bpy.data.objects:
        if item.type == "MESH":
            for name, values in evaluated_points(item).items():
                found[f"{item.name}/{frame}/{name}"] = values
    found[f"camera/{frame}"] = np.array(bpy.context.scene.camera.matrix_world)
np.savez(sys.argv[2], **found)
"""


def test_zip_is_valid_and_lean(extension_zip):
    checked = blender_ext("validate", str(extension_zip))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    names = zipfile.ZipFile(extension_zip).namelist()
    rooms = {name.split("/")[0] for name in names}
    assert {"__init__.py", "blender_manifest.toml", "blender_addon", "cinema_core", "operators", "panels"} <= rooms
    assert rooms <= {
        "__init__.py",
        "blender_manifest.toml",
        "blender_addon",
        "cinema_core",
        "engine",
        "operators",
        "panels",
        "presets",
        "README.md",
        "LICENSE",
    }
    assert not [name for name in names if "__pycache__" in name or "test" in name]


def test_off_and_on_again_and_again(addon, placed, job):
    addon.result.import_result(placed, job)
    for _ in range(2):
        addon_utils.disable(MODULE, default_set=True)
        assert not hasattr(bpy.types.Scene, "cinemagraph") and "build" not in dir(bpy.ops.cinemagraph)
        assert not [name for name in dir(bpy.types) if name.startswith("CINEMAGRAPH_")]
        assert addon_utils.enable(MODULE, default_set=True) is not None
    settings = bpy.context.scene.cinemagraph
    assert settings.photo is not None and len(settings.parts) == 4  # the properties in the .blend file are back
    assert bpy.ops.cinemagraph.remove() == {"FINISHED"}
    addon_utils.disable(MODULE, default_set=True)
    addon_utils.enable(MODULE, default_set=True)


def test_plays_without_the_extension_in_another_process(addon, placed, job, tmp_path):
    addon.result.import_result(placed, job)
    bpy.ops.cinemagraph.add_camera_path(path="circle", frames=20)
    here = {}
    for frame in (1, 6, 12, 21):
        placed.frame_set(frame)
        for item, _ in addon.result.parts(placed):
            for name, values in evaluated_points(item).items():
                here[f"{item.name}/{frame}/{name}"] = values
        here[f"camera/{frame}"] = np.array(placed.camera.matrix_world)
    blend, out, script = tmp_path / "scene.blend", tmp_path / "found.npz", tmp_path / "play.py"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    script.write_text(PLAY)
    shutil.rmtree(job)  # playback does not need the job folder
    clean = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "nobody")}
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    clean["PYTHONPATH"] = root  # for the module `sample`
    subprocess.run(
        [sys.executable, str(script), str(blend), str(out), os.path.dirname(os.path.abspath(__file__))],
        env=clean,
        check=True,
        timeout=120,
    )
    there = np.load(out)
    assert set(there) == set(here)
    assert all(np.allclose(there[name], here[name], atol=1e-6) for name in here)


def test_no_drivers_and_no_handlers(addon, placed, job):
    handlers = {
        name: len(getattr(bpy.app.handlers, name)) for name in dir(bpy.app.handlers) if name.endswith(("pre", "post"))
    }
    addon.result.import_result(placed, job)
    after = {name: len(getattr(bpy.app.handlers, name)) for name in handlers}
    assert handlers == after
    blocks = [*bpy.data.objects, *bpy.data.materials, *bpy.data.node_groups, *bpy.data.scenes]
    assert not [block for block in blocks if block.animation_data and len(block.animation_data.drivers)]
