"""Prints the figures that a build is judged by, measured in Blender with Cycles; run by `make bench`.

Each case is PHOTO or PHOTO:ANNOTATIONS. For each: fidelity of the first frame through the matched camera (16 samples,
the point size and filter that the moving camera uses), change of still pixels and seam with a still camera, holes on
the four camera paths, build time and memory, playback time, and Cycles time beside that of as many still points.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="cinemagraph-bench-")

import bpy
import numpy as np

SEAM_FRAMES = (6, 15, 24, 31, 41, 53)  # each compared with its next; the wrap-around with their median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zip", required=True)
    parser.add_argument("--quick", action="store_true", help="fidelity and playback only")
    parser.add_argument("case", nargs="+")
    arguments = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=arguments.zip, repo="user_default", enable_on_install=True)
    for case in arguments.case:
        photo, _, annotations = case.partition(":")
        print(f"== {case}", flush=True)
        for name, value in measure(Path(photo).resolve(), annotations, arguments.quick):
            print(f"{name:<34}{value}", flush=True)


def measure(photo: Path, annotations: str, quick: bool):
    """Yields (name, value as text) of every figure of one photo."""
    scene = open_and_build(photo, annotations)
    settings = scene.cinemagraph
    report = settings.report
    yield (
        "build, s",
        f"{report['seconds']:.1f}  " + ", ".join(f"{s['name']} {s['seconds']:.1f}" for s in report["stages"]),
    )
    yield "peak memory of the engine, GB", report["peak_memory_gb"]
    yield (
        "points still / moving / hidden",
        f"{report['still_points']} / {report['moving_points']} / {report['hidden_points']}",
    )
    yield "uncovered on the paths, %", {k: round(100 * v, 4) for k, v in report["quality"]["holes"].items()}
    yield "report: fidelity, seam, contrast", [report["quality"][k] for k in ("fidelity_db", "seam", "contrast")]
    yield "frame_set, ms (median of 20)", f"{1000 * playback(scene):.1f}"
    bpy.ops.cinemagraph.set_up_render(samples=16)
    job = Path(bpy.path.abspath(settings.job_folder))
    truth, region = pixels(job / "photo.png"), pixels(job / "region.png")[..., 0] > 127
    first = rendered(scene, 1)
    yield "fidelity of frame 1, dB", f"whole {psnr(first, truth):.2f}, still {psnr(first[~region], truth[~region]):.2f}"
    if quick:
        return
    yield from seam(scene, first, region)
    yield "Cycles per frame, s", cycles_times(scene)


def open_and_build(photo: Path, annotations: str) -> bpy.types.Scene:
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.cinemagraph.open_photo(filepath=str(photo))
    if annotations:
        bpy.ops.cinemagraph.import_annotations(filepath=str(Path(annotations).resolve()))
    bpy.ops.cinemagraph.build()
    return bpy.context.scene


def playback(scene: bpy.types.Scene) -> float:
    """Seconds that a change of frame takes."""
    times = []
    for frame in range(1, 22):
        start = time.perf_counter()
        scene.frame_set(frame)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def pixels(path: Path) -> np.ndarray:
    """(H, W, 3) float32, values as stored, 0..255."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    picture = values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3] * 255
    bpy.data.images.remove(image)
    return picture


def rendered(scene: bpy.types.Scene, frame: int) -> np.ndarray:
    """(H, W, 3) float32, 0..255, of the frame through the scene's camera."""
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "PNG", "RGB", "8"
    scene.frame_set(frame)
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder, "frame.png"))
        bpy.ops.render.render(write_still=True)
        if keep := os.environ.get("KEEP_FRAMES"):
            Path(keep).mkdir(exist_ok=True)
            Path(keep, f"{scene.cinemagraph.photo.name}_{frame:03d}.png").write_bytes(
                Path(scene.render.filepath).read_bytes()
            )
        return pixels(Path(scene.render.filepath))


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.square(picture - truth).mean(), 1e-9))


def seam(scene: bpy.types.Scene, first: np.ndarray, region: np.ndarray):
    """Wrap-around difference against others, and the largest change of a still pixel, camera still."""
    frames = scene.cinemagraph.report["frames"]
    inner, changed, most = [], 0, 0.0
    away = ~widened(region, 5)  # points at the region's border cover pixels beside it
    for frame in SEAM_FRAMES if region.any() else ():
        here, there = rendered(scene, frame), rendered(scene, frame + 1)
        inner.append(np.abs(here - there)[region].mean())
        for picture in (here, there):
            change = np.abs(picture - first)[away]
            changed, most = max(changed, int((change > 0.5).any(-1).sum())), max(most, float(change.max()))
    if inner:
        wrap = np.abs(rendered(scene, frames) - first)[region].mean()
        yield "seam: wrap / median of others", f"{wrap / np.median(inner):.3f}"
        yield "still pixels that change at all", f"{changed} of {int(away.sum())}, by {most:.0f} of 255 at most"
        yield "frame N + 1 against frame 1", float(np.abs(rendered(scene, frames + 1) - first).max())


def widened(mask: np.ndarray, reach: int) -> np.ndarray:
    """(H, W) bool: the mask and all within `reach` px of it, by rows and columns."""
    wide = mask
    for axis in [0] * reach + [1] * reach:
        before, after = np.roll(wide, 1, axis), np.roll(wide, -1, axis)
        np.moveaxis(before, axis, 0)[0] = np.moveaxis(after, axis, 0)[-1] = False  # what was rolled round the border
        wide = wide | before | after
    return wide


def cycles_times(scene: bpy.types.Scene) -> str:
    """Time of a frame as it is, and of the same points with the nodes of still ones."""
    nodes = import_module("bl_ext.user_default.cinemagraph_3d.blender_addon.nodes")

    def median() -> float:
        times = []
        for frame in (11, 21, 31):
            start = time.perf_counter()
            rendered(scene, frame)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    moving = median()
    for part in scene.cinemagraph.parts:
        modifier = next((m for m in part.object.modifiers if m.type == "NODES"), None)
        if modifier is not None and modifier.node_group == scene.cinemagraph.moving_nodes:
            inputs = nodes.get_inputs(modifier)
            modifier.node_group = scene.cinemagraph.still_nodes
            nodes.set_inputs(modifier, {name: inputs[name] for name in nodes.get_inputs(modifier) if name in inputs})
    still = median()
    return f"moving {moving:.2f}, the same points still {still:.2f}, ratio {moving / still:.2f}"


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # bpy 4.5 reports leaks without end when it is left with an extension enabled
