"""Prints how long an edited stroke takes until its points are in the scene, with a warm engine.

The script uses background Blender, the installed extension, and the engine process that the extension starts. After a
first build, it bends one motion stroke of the annotations a little differently each time. The time runs from the end of
the stroke to the evaluation of the new points in the scene. Times are medians. The script waits for the quality report
between two edits, and this wait is not counted.
"""

import argparse
import os
import statistics
import sys
import time
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from figures import open_and_build  # isort: skip  it chooses a folder for the extension, which bpy reads once

import bpy
import numpy as np

MODULE = "bl_ext.user_default.cinemagraph_3d"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zip", required=True)
    parser.add_argument("--edits", type=int, default=7)
    parser.add_argument(
        "--hurried", action="store_true", help="edit while the quality of the last build is still being measured"
    )
    parser.add_argument("case", nargs="+", metavar="PHOTO:ANNOTATIONS")
    arguments = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=arguments.zip, repo="user_default", enable_on_install=True)
    for case in arguments.case:
        photo, _, annotations = case.partition(":")
        print(f"== {case}", flush=True)
        scene = open_and_build(Path(photo).resolve(), annotations)
        report = scene.cinemagraph.report
        print(f"{'points still / moving':<30}{report['still_points']} / {report['moving_points']}")
        rows = [edit(scene, number, arguments.hurried) for number in range(arguments.edits)]
        for name in rows[0]:
            times = [row.get(name, 0.0) for row in rows]
            print(f"{name:<30}{statistics.median(times):.3f} s   ({min(times):.3f} to {max(times):.3f})", flush=True)


def edit(scene: bpy.types.Scene, number: int, hurried: bool) -> dict[str, float]:
    """Bend the first motion stroke and build; returns seconds by name of each part, including the engine's stages."""
    jobs = import_module(f"{MODULE}.blender_addon.jobs")
    bend(scene, number)
    start = time.perf_counter()
    request = jobs.start_build(scene)
    asked = time.perf_counter()
    answer = request.wait()
    ready = time.perf_counter()
    jobs.finish_build(scene, answer)
    imported = time.perf_counter()
    bpy.context.view_layer.update()
    shown = time.perf_counter()
    if not hurried:
        request.wait(done=True)
    stages = {f"  engine: {stage['name']}": stage["seconds"] for stage in answer["report"]["stages"]}
    return {
        "strokes read and sent": asked - start,
        "engine, until ready": ready - asked,
        **stages,
        "points into the scene": imported - ready,
        "evaluated": shown - imported,
        "in all": shown - start,
    }


def bend(scene: bpy.types.Scene, number: int) -> None:
    """Move the last point of the first motion stroke, as an artist's edit would."""
    layer = scene.cinemagraph.hints.data.layers["Motion"]
    drawing = layer.get_frame_at(scene.frame_current).drawing
    point = drawing.strokes[0].points[-1]
    point.position = np.array(point.position) + (0.004 * (number % 3 + 1), 0.0, 0.003 * (number % 2))
    drawing.tag_positions_changed()


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # on a normal exit with an extension enabled, bpy 4.5 prints endless reports of memory leaks
