"""Many builds in one session: python soak_builds.py --zip EXTENSION [--count 100].

Each build follows an edited stroke and an undo step. Prints the memory of Blender and of the engine, and the processes
that are left after the extension was disabled. Ends with 1 where a process is left, or where Blender's memory has grown
by more than 50 MB after the fortieth build; by then all undo steps are in use.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="cinemagraph-soak-")
os.environ.setdefault("CINEMAGRAPH_PYTHON", sys.executable)

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]  # as pytest does

import bpy  # noqa: E402
import numpy as np  # noqa: E402
from sample import HEIGHT, WIDTH, picture, save_png  # noqa: E402

import addon_utils  # noqa: E402  isort: skip  it is there once bpy has been imported

MODULE = "bl_ext.user_default.cinemagraph_3d"
GROWTH, SETTLED = 50.0, 40  # MB allowed; builds after which Blender's undo steps are all in use


def memory(pid: int | str) -> float:
    """Resident memory of a process, MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def children() -> list[int]:
    """Ids of this process' children that have not ended."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(number) for file in found for number in file.read_text().split()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", required=True)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=arguments.zip, repo="user_default", enable_on_install=True)
    strokes = import_module(f"{MODULE}.blender_addon.strokes")
    engine = import_module(f"{MODULE}.blender_addon.engine")
    stroke = import_module(f"{MODULE}.cinema_core.shared.data").Stroke
    photo = Path(os.environ["BLENDER_USER_RESOURCES"]) / "lake.png"
    save_png(photo, picture(WIDTH, HEIGHT))
    bpy.ops.cinemagraph.open_photo(filepath=str(photo))
    bpy.context.scene.cinemagraph.frames = 12
    ring = np.array([(5, 100), (315, 100), (315, 175), (5, 175)], np.float32)
    strokes.add_hints(bpy.context.scene, [stroke("region", ring, closed=True)])
    before, start = None, time.monotonic()
    for number in range(arguments.count):
        line = np.array([(60, 110 + number % 50), (180, 112 + number % 50)], np.float32)
        strokes.add_hints(bpy.context.scene, [stroke("motion", line)])
        bpy.ops.cinemagraph.build()
        bpy.ops.ed.undo_push(message="build")
        if (number + 1) % 20 == 0:
            now = memory("self"), memory(engine.running_pid())
            print(f"{number + 1} builds: Blender {now[0]:.0f} MB, engine {now[1]:.0f} MB", flush=True)
            if number + 1 == SETTLED:
                before = now
    print(f"{(time.monotonic() - start) / arguments.count:.2f} s a build")
    addon_utils.disable(MODULE, default_set=True)
    time.sleep(1.0)
    left = children()
    growth = now[0] - before[0]
    print(f"growth: Blender {growth:.0f} MB, engine {now[1] - before[1]:.0f} MB; processes left: {left}")
    return 1 if left or growth > GROWTH else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
