"""Prints figures of a build's quality and speed, measured in Blender with Cycles; run by `make bench`.

Each case is PHOTO or PHOTO:ANNOTATIONS. The figures of a case are the fidelity of the first frame through the matched
camera (16 samples, the point size and filter of a moving camera), the change of still pixels and the seam with a still
camera, holes on the four camera paths, build time and memory, playback time, the Cycles time compared with that of as
many still points, and the sharpness at the first frame and at the ends of the paths.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy  # imported before torch, because both bring their own threads
import numpy as np

from cinema_core.shared.camera import SIDE, UP_DOWN, ZOOM_IN, Camera
from cinema_core.shared.job_folder import read_points
from cinema_core.view.splatting import Splatter

# Moves of the camera to the ends of paths, core axes; see `camera_path`.
ENDS = {"up": (0, -UP_DOWN, 0), "zoom in": (0, 0, ZOOM_IN), "side": (SIDE, 0, 0)}
# Each is compared with the next frame, and the wrap-around with the median of these differences.
SEAM_FRAMES = (6, 15, 24, 31, 41, 53)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zip", required=True)
    parser.add_argument("--quick", action="store_true", help="measure only fidelity and playback")
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
    """Yields (name, value) of every figure of one photo."""
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
    yield (
        "report: fidelity, seam, contrast",
        [report["quality"][k] for k in ("fidelity_db", "seam", "contrast")],
    )
    yield "frame_set, ms (median of 20)", f"{1000 * playback(scene):.1f}"
    bpy.ops.cinemagraph.set_up_render(samples=16)
    job = Path(bpy.path.abspath(settings.job_folder))
    truth, region = read_pixels(job / "photo.png"), read_pixels(job / "region.png")[..., 0] > 127
    first = render_frame(scene, 1)
    yield "fidelity of frame 1, dB", f"whole {psnr(first, truth):.2f}, still {psnr(first[~region], truth[~region]):.2f}"
    if quick:
        return
    yield "sharpness of frame 1, % of the photo's", f"{100 * detail(first) / detail(truth):.0f}"
    yield "  at ends, % of the preview's", ", ".join(ends_sharpness(scene, job))
    yield from seam_figures(scene, first, region)
    yield "Cycles per frame, s", cycles_times(scene)


def open_and_build(photo: Path, annotations: str) -> bpy.types.Scene:
    """Open a photo in an empty file, import its annotations if there are any, and build it."""
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.cinemagraph.open_photo(filepath=str(photo))
    if annotations:
        bpy.ops.cinemagraph.import_annotations(filepath=str(Path(annotations).resolve()))
    bpy.ops.cinemagraph.build()
    return bpy.context.scene


def playback(scene: bpy.types.Scene) -> float:
    """Median seconds of a frame change."""
    times = []
    for frame in range(1, 22):
        start = time.perf_counter()
        scene.frame_set(frame)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def read_pixels(path: Path) -> np.ndarray:
    """(H, W, 3) float32 stored values of an image file, 0..255."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.colorspace_settings.name = "Non-Color"
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    picture = values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3] * 255
    bpy.data.images.remove(image)
    return picture


def render_frame(scene: bpy.types.Scene, frame: int) -> np.ndarray:
    """(H, W, 3) float32, 0..255: the frame, rendered through the scene's camera."""
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
        return read_pixels(Path(scene.render.filepath))


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.square(picture - truth).mean(), 1e-9))


def detail(picture: np.ndarray) -> float:
    """Mean absolute Laplacian of the grey values of an (H, W, 3) picture."""
    grey = picture.mean(-1)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.abs(4 * grey[1:-1, 1:-1] - around).mean())


def ends_sharpness(scene: bpy.types.Scene, job: Path):
    """Yields "name share" of the ends of camera paths: detail of Cycles' frame 1, in % of the preview's."""
    settings = scene.cinemagraph
    camera = Camera(settings.width, settings.height, settings.focal)
    splatter = Splatter(dict(read_points(job)), camera, settings.point_size)
    home = settings.camera.location.copy()
    for name, (right, down, ahead) in ENDS.items():
        pose = np.eye(4)
        pose[:3, 3] = right, down, ahead
        preview = splatter.render(0.0, pose)[0] * 255
        settings.camera.location = home[0] + right, home[1] + ahead, home[2] - down  # Blender's axes
        yield f"{name} {100 * detail(render_frame(scene, 1)) / detail(preview):.0f}"
    settings.camera.location = home


def seam_figures(scene: bpy.types.Scene, first: np.ndarray, region: np.ndarray):
    """Yields the relative wrap-around difference and the changes of still pixels, with a still camera."""
    frames = scene.cinemagraph.report["frames"]
    inner, changed, most = [], 0, 0.0
    away = ~dilated(region, 5)  # points at the region's boundary cover pixels next to it
    for frame in SEAM_FRAMES if region.any() else ():
        here, there = render_frame(scene, frame), render_frame(scene, frame + 1)
        inner.append(np.abs(here - there)[region].mean())
        for picture in (here, there):
            change = np.abs(picture - first)[away]
            changed, most = max(changed, int((change > 0.5).any(-1).sum())), max(most, float(change.max()))
    if inner:
        wrap = np.abs(render_frame(scene, frames) - first)[region].mean()
        yield "seam: wrap / median of others", f"{wrap / np.median(inner):.3f}"
        yield "still pixels that change at all", f"{changed} of {int(away.sum())}, by {most:.0f} of 255 at most"
        yield "frame N + 1 against frame 1", float(np.abs(render_frame(scene, frames + 1) - first).max())


def dilated(mask: np.ndarray, reach: int) -> np.ndarray:
    """(H, W) bool: the mask, dilated by `reach` px along rows and columns."""
    wide = mask
    for axis in [0] * reach + [1] * reach:
        before, after = np.roll(wide, 1, axis), np.roll(wide, -1, axis)
        np.moveaxis(before, axis, 0)[0] = np.moveaxis(after, axis, 0)[-1] = False  # np.roll wraps around at the border
        wide = wide | before | after
    return wide


def cycles_times(scene: bpy.types.Scene) -> str:
    """Seconds of a frame, and of the same points with the nodes of still points, as text."""
    nodes = import_module("bl_ext.user_default.cinemagraph_3d.blender_addon.nodes")

    def median() -> float:
        times = []
        for frame in (11, 21, 31):
            start = time.perf_counter()
            render_frame(scene, frame)
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
    os._exit(0)  # on a normal exit with an extension enabled, bpy 4.5 prints endless reports of memory leaks
