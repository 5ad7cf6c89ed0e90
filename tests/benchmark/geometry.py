"""Prints errors of views from moved cameras for our layers, slabs and a displaced mesh; run by `make bench-geometry`.

Scenes of known depth (`geometry_scenes`) are seen from the ends of the reference's camera paths. Each method gets the
photo and its depth, once exact and once degraded to an estimator's quality (8 bits, blurred by 1/320 of the width). The
columns are in dB against the true view, pooled over the ends:

* all: every pixel; empty pixels are black;
* seen: pixels of surfaces that the photo shows;
* hidden: pixels of surfaces inside the photo's frame that are occluded in the photo;
* border: pixels of surfaces outside the photo's frame;
* uncovered: % of the picture at the worst end.

In all dB columns but the first, empty pixels are filled smoothly from their surroundings, as a learned decoder would
do, so that holes do not decide the comparison.

Goals, written down before the first run: ours is ahead of both others on every scene over all pixels and over hidden
pixels; it is at least 3 dB ahead of the better of them on average over hidden pixels; nothing is uncovered.

With --scaling the script prints discontinuities, layers, points, time and memory of the layering from 320 to 3840 px.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy  # noqa: F401  imported before torch, because both bring their own threads
import cv2
import numpy as np
from empty_points import NONE
from geometry_baseline import mesh_views, slab_points, smooth_fill
from geometry_scenes import ENDS, SCENES, Scene, View, load_scene

from cinema_core.layers.discontinuities import find_discontinuities
from cinema_core.pipeline.build import plan
from cinema_core.pipeline.cache import DiskCache, MemoryCache
from cinema_core.pipeline.request import Request
from cinema_core.pipeline.stage import Runner
from cinema_core.pipeline.stages import Plan
from cinema_core.pipeline.timing import peak_memory
from cinema_core.points.merge import count_points
from cinema_core.shared.camera import Camera, camera_path
from cinema_core.shared.options import BuildOptions
from cinema_core.view.splatting import Splatter

POINT_SIZE = 1.4  # diameter of a point in its own pixel footprints
METHODS = ("ours", "slabs", "mesh")
PARTS = ("all", "seen", "hidden", "border")
SCALING_WIDTHS = (320, 640, 1280, 2560, 3840)  # px
# Share of the depth. A surface that is farther by more than this than all 3 x 3 photo pixels around it is occluded.
OCCLUSION_MARGIN = 0.01
RENDERS = Path(tempfile.gettempdir()) / "cinemagraph_geometry"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--renders", type=Path, default=RENDERS, help="folder that keeps the rendered scenes")
    parser.add_argument("--pictures", type=Path, help="folder to which all views are written as PNG")
    parser.add_argument("--ends", action="store_true", help="also print the figures of each end of the paths")
    parser.add_argument("--depth", choices=("exact", "degraded"), action="append")
    parser.add_argument("--methods", choices=METHODS, action="append")
    parser.add_argument("--edge-cleanup", type=float, default=1.0, help="value of the build option of this name")
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--size", type=int, action="append", help="width in px for --scaling")
    parser.add_argument("scene", nargs="*", default=list(SCENES))
    arguments = parser.parse_args()
    if arguments.scaling:
        print_scaling(arguments.scene[0], arguments.renders, arguments.seed, arguments.size or SCALING_WIDTHS)
        return
    arguments.methods = arguments.methods or list(METHODS)
    for kind in arguments.depth or ("exact", "degraded"):
        print_table(kind, arguments)


def print_table(kind: str, arguments: argparse.Namespace) -> None:
    """Print the figures of every scene with one kind of depth, their means, and the lead of our method."""
    head = "".join(f"{f'{part}, dB':^24}" for part in PARTS) + "uncovered, %"
    print(
        f"== {kind} depth\n{'':<10}{head}\n{'':<10}" + "".join(f"{m:>8}" for m in arguments.methods) * (len(PARTS) + 1),
        flush=True,
    )
    rows = []
    for name in arguments.scene:
        with _quiet():
            scene = load_scene(name, arguments.width, arguments.renders, arguments.seed)
        errors = {method: Errors() for method in arguments.methods}
        parts = {end: _part_masks(scene, end) for end in ENDS}
        for method in arguments.methods:
            for end, (picture, covered, empty) in zip(ENDS, _views(method, scene, kind, arguments.edge_cleanup)):
                errors[method].add(picture, covered, scene.views[end], parts[end], end)
                errors[method].empty = max(errors[method].empty, empty)
                if arguments.pictures:
                    _write(
                        arguments.pictures,
                        f"{name}_{end[0]}_{end[1]}_{kind}_{method}",
                        np.where(covered[..., None], picture, 0),
                    )
        if arguments.pictures:
            _write_truth(arguments.pictures, scene, parts)
        rows.append([[errors[m].psnr(part) for m in arguments.methods] for part in PARTS])
        print(f"{name:<10}" + "".join(f"{value:8.2f}" for part in rows[-1] for value in part)
              + "".join(f"{100 * errors[m].empty:8.3f}" for m in arguments.methods), flush=True)  # fmt: skip
        if arguments.ends:
            for end in ENDS:
                values = [errors[m].psnr(part, end) for part in PARTS for m in arguments.methods]
                print(f"  {end[0]:>7}{end[1]:3}"[:12].ljust(12)[2:] + "".join(f"{v:8.2f}" for v in values), flush=True)
    values = np.ma.masked_invalid(rows)  # the scene "slope" has no hidden pixels
    print(f"{'mean':<10}" + "".join(f"{value:8.2f}" for value in values.mean(0).filled(np.nan).ravel()))
    if len(arguments.methods) == len(METHODS):
        ahead = values[..., 0] - values[..., 1:].max(-1)
        means, least = ahead.mean(0).filled(np.nan), ahead.min(0).filled(np.nan)
        print(
            f"{'ahead by':<10}" + "".join(f"{mean:8.2f}, least {worst:6.2f}  " for mean, worst in zip(means, least)),
            flush=True,
        )


class Errors:
    """Squared errors by end and part of the picture."""

    def __init__(self) -> None:
        self.sums: dict[tuple, tuple[float, int]] = {}
        self.empty = 0.0

    def add(
        self, picture: np.ndarray, covered: np.ndarray, truth: View, parts: dict[str, np.ndarray], end: tuple[str, int]
    ) -> None:
        for part, mask in parts.items():
            shown = np.where(covered[..., None], picture, 0) if part == "all" else filled(picture, covered)
            square = np.square(np.rint(shown * 255) - np.rint(truth.color * 255)).mean(-1)
            self.sums[end, part] = (float(square[mask].sum()), int(mask.sum()))

    def psnr(self, part: str, end: tuple[str, int] | None = None) -> float:
        """dB over a part of the picture at one end, or at all ends; NaN if the part has no pixels."""
        total, count = np.sum(
            [value for key, value in self.sums.items() if key[1] == part and end in (None, key[0])], 0
        )
        return min(99.0, float(10 * np.log10(255**2 / max(total / count, 1e-9)))) if count else float("nan")


def _part_masks(scene: Scene, end: tuple[str, int]) -> dict[str, np.ndarray]:
    """(H, W) bool masks of a view by name of the part; see the module's docstring."""
    camera, depth = scene.camera, scene.views[end].depth
    pixels = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), -1)
    away = np.where(np.isfinite(depth), depth, 1e6)
    places = camera.unproject(pixels, away).astype(np.float64) + camera_path(end[0])[end[1], :3, 3]
    there = np.floor(camera.project(places)).astype(int)
    outside = ((there < 0) | (there >= (camera.width, camera.height))).any(-1)
    farthest = cv2.dilate(np.where(np.isfinite(scene.photo.depth), scene.photo.depth, 1e6), np.ones((3, 3), np.uint8))
    column, row = np.clip(there, 0, (camera.width - 1, camera.height - 1)).transpose(2, 0, 1)
    hidden = ~outside & (places[..., 2] > (1 + OCCLUSION_MARGIN) * farthest[row, column])
    return {"all": np.ones_like(outside), "seen": ~hidden & ~outside, "hidden": hidden, "border": outside}


def degraded(disparity: np.ndarray) -> np.ndarray:
    """(H, W) uint8: disparity with the blur and the bit depth of an estimator's output."""
    soft = cv2.GaussianBlur(disparity, (0, 0), disparity.shape[1] / 320)
    return np.rint(255 * (soft - soft.min()) / (soft.max() - soft.min())).astype(np.uint8)


def _views(method: str, scene: Scene, kind: str, edge_cleanup: float) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Render one method from each end of the paths.

    Yields:
        Picture, (H, W) bool mask of covered pixels, and share of pixels that points of their own size leave uncovered.
    """
    disparity = (1 / scene.photo.depth).astype(np.float32)
    if kind == "degraded":
        disparity = degraded(disparity).astype(np.float32) / 255
    poses = [camera_path(path)[frame] for path, frame in ENDS]
    if method == "mesh":
        with _quiet():
            seen = list(mesh_views(scene.photo.color, disparity, scene.camera, poses))
        for picture, covered in seen:
            yield picture, covered, float(1 - covered.mean())
        return
    if method == "ours":
        points = our_points(scene.photo, kind, edge_cleanup)
    else:
        points = still_only(*slab_points(scene.photo.color, disparity, scene.camera))
    splatter = Splatter(points, scene.camera, POINT_SIZE)
    for pose in poses:
        picture, covered = splatter.render(0.0, pose)
        yield picture, covered, splatter.uncovered(0.0, pose)


def our_points(photo: View, kind: str, edge_cleanup: float = 1.0, focal: float | None = None) -> dict[str, np.ndarray]:
    """Points of a build from a photo file and a depth file; the focal length, px, is the longer side if None."""
    with tempfile.TemporaryDirectory() as name:
        stages = our_stages(photo, kind, Path(name), edge_cleanup, focal)
        still, moving = stages.still.value.points, stages.moving.value.points
    points = {f"still_{field}": getattr(still, field) for field in still.__dataclass_fields__}
    return points | {f"moving_{field}": getattr(moving, field) for field in moving.__dataclass_fields__}


def our_stages(photo: View, kind: str, folder: Path, edge_cleanup: float = 1.0, focal: float | None = None) -> Plan:
    """Stages of a still build; the photo and the depth map are written to the folder but not read yet."""
    cv2.imwrite(str(folder / "photo.png"), np.rint(photo.color[..., ::-1] * 255).astype(np.uint8))
    disparity = (1 / photo.depth).astype(np.float32)
    if kind == "degraded":
        cv2.imwrite(str(folder / "depth.png"), degraded(disparity))
    else:
        np.save(folder / "depth.npy", photo.depth)
    file = folder / ("depth.png" if kind == "degraded" else "depth.npy")
    meant = "disparity" if kind == "degraded" else "metric"
    options = BuildOptions(max_side=max(disparity.shape), depth_kind=meant, edge_cleanup=edge_cleanup, focal=focal)
    request = Request(folder / "photo.png", folder, options, depth=file, still=True)
    return plan(request, Runner(MemoryCache(), DiskCache(folder), options, lambda _: nullcontext()))


def still_only(position: np.ndarray, color: np.ndarray) -> dict[str, np.ndarray]:
    """Still points in the format of the splatter, without moving points."""
    still = {"position": position, "color": color, "radius_factor": np.ones(len(position), np.float32)}
    return {f"still_{n}": a for n, a in still.items()} | NONE


def filled(picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The picture with its uncovered pixels filled smoothly."""
    return picture if covered.all() else smooth_fill(picture, covered)


def print_scaling(name: str, renders: Path, seed: int, sizes: Sequence[int]) -> None:
    """Print discontinuities, layers, points, time and memory of one scene's layering at growing sizes."""
    print(
        f"== {name}\n{'px':<7}{'layers':>7}{'bands':>7}{'cuts':>6}{'cut px / width':>16}{'hidden':>9}{'border':>9}"
        f"{'of visible, %':>15}{'s':>7}{'GB':>7}"
    )
    for width in sizes:
        with _quiet():
            photo = load_scene(name, width, renders, seed, views=False).photo
        with tempfile.TemporaryDirectory() as folder:
            stages = our_stages(photo, "exact", Path(folder))
            _ = stages.depth.value  # made before the time is taken
            began = time.perf_counter()
            layers = stages.layers.value
            seconds = time.perf_counter() - began
        camera = Camera(width, width * 9 // 16, float(width))
        cuts = find_discontinuities(layers.disparity, layers.valid)[layers.photo] > 0
        pieces = _count_long_cuts(cuts, width)
        hidden, border = count_points(layers)
        share = 100 * (hidden + border) / (camera.width * camera.height)
        print(
            f"{width:<7}{layers.label.max() + 1:>7}{len(layers.bands):>7}{pieces:>6}{cuts.sum() / width:>16.2f}"
            f"{hidden:>9}{border:>9}{share:>15.1f}{seconds:>7.2f}{peak_memory():>7.2f}",
            flush=True,
        )


def _count_long_cuts(cuts: np.ndarray, width: int) -> int:
    """Number of connected discontinuities longer than 1/40 of the width.

    Gaps of up to 1/160 of the width are closed, so that the number does not depend on the size.
    """
    wide = max(1, width // 320) * 2 + 1
    joined = cv2.dilate(cuts.astype(np.uint8), np.ones((wide, wide), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    return int((stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(1) > width / 40).sum())


def _write(folder: Path, name: str, picture: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), np.rint(picture[..., ::-1] * 255).astype(np.uint8))


def _write_truth(folder: Path, scene: Scene, parts: dict) -> None:
    """Write the true views, and copies with hidden pixels in red and border pixels in blue."""
    for end, view in scene.views.items():
        _write(folder, f"{scene.name}_{end[0]}_{end[1]}_truth", view.color)
        marked = view.color * 0.6
        marked[parts[end]["hidden"]] += (0.4, 0, 0)
        marked[parts[end]["border"]] += (0, 0, 0.4)
        _write(folder, f"{scene.name}_{end[0]}_{end[1]}_parts", marked)


class _quiet:
    """Hides Blender's messages about each render, so that they do not get into the table."""

    def __enter__(self) -> None:
        sys.stdout.flush()
        self._kept = os.dup(1)
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, 1)
        os.close(empty)

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        os.dup2(self._kept, 1)
        os.close(self._kept)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # on a normal exit, bpy 4.5 prints endless reports of memory leaks
