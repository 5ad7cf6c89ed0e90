"""Road from the zip to a frame: python full_zip_guest.py ZIP PHOTO STROKES OUT, in a Python with bpy.

Writes OUT/facts.json, OUT/frame.png and, as OUT/points, the points of the build.
"""

import json
import os
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path

extension, photo, strokes, out = sys.argv[1:]
os.environ["BLENDER_USER_RESOURCES"] = str(Path(out, "user"))

import bpy  # noqa: E402

import addon_utils  # noqa: E402  isort: skip  it is there once bpy has been imported

MODULE = "bl_ext.user_default.cinemagraph_3d"
facts: dict[str, object] = {"numpy_before": sys.modules["numpy"].__file__ if "numpy" in sys.modules else ""}


def timed(name, function, *arguments, **options):
    start = time.monotonic()
    function(*arguments, **options)
    facts[name] = time.monotonic() - start


bpy.ops.wm.read_factory_settings(use_empty=True)
timed(
    "install", bpy.ops.extensions.package_install_files,
    filepath=extension, repo="user_default", enable_on_install=True, overwrite=True,
)  # fmt: skip
timed("open", bpy.ops.cinemagraph.open_photo, filepath=photo)
timed("disable", addon_utils.disable, MODULE, default_set=True)
timed("enable", addon_utils.enable, MODULE, default_set=True)
bpy.ops.cinemagraph.import_annotations(filepath=strokes)
timed("build", bpy.ops.cinemagraph.build)
scene = bpy.context.scene
shutil.copytree(Path(scene.cinemagraph.job_folder, "points"), Path(out, "points"))
bpy.ops.cinemagraph.add_camera_path(path="circle", loop=True)
bpy.ops.cinemagraph.set_up_render(samples=4, filepath=str(Path(out, "frame.png")))
if hasattr(scene.render.image_settings, "media_type"):
    scene.render.image_settings.media_type = "IMAGE"
scene.render.image_settings.file_format = "PNG"
scene.render.filepath = str(Path(out, "frame.png"))
scene.render.resolution_percentage = 50
scene.frame_set(15)
timed("render", bpy.ops.render.render, write_still=True)

state = import_module(f"{MODULE}.blender_addon.engine_state")
status = state.status()
pid = import_module(f"{MODULE}.blender_addon.engine").running_pid()
facts["kind"], facts["size"] = status.kind, status.size
facts["unpacked_names"] = sorted(entry.name for entry in (state.home()).iterdir())
facts["engine"] = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[0]
libraries = {line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if ".so" in line}
facts["engine_torch"] = sorted(name for name in libraries if "libtorch_cpu" in name)
facts["torch_in_blender"] = "torch" in sys.modules or "libtorch" in Path("/proc/self/maps").read_text()
import numpy  # noqa: E402

facts["numpy"] = numpy.__file__
Path(out, "facts.json").write_text(json.dumps(facts))
sys.stdout.flush()
os._exit(0)
