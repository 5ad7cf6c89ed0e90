"""Prints how much camera moves bend and tear photographs, before and after depth by objects; run by `make bench-depth`.

* photographs: those of depth_photographs.txt, on which the constants were chosen; figures of `view.distortion`;
* others: all other landscapes of the package but those of training/keep_out.txt, on which nothing was chosen;
* order: the pairs of training/pairs.txt on built depth;
* scenes: rendered ones with true depth: error of the estimate, and views of moved cameras with true depth that went
  through the stage;
* time: of the network with everything after it.

Goals, written down before the first run: bent lines at most 6 %, torn at most 2 sides, at most 20 shreds on nine of ten
photographs; at most 5.0 % of the pairs wrong and 13.4 % of the thin ones; estimates of scenes no worse; views of true
depth within 0.1 dB; 2.5 s and 6 s at 1280 x 720 and 3840 x 2160.

With --pictures the ends of the camera paths are written, today's depth at the left and depth by objects at the right.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bpy  # noqa: F401  imported before torch, because both bring their own threads
import cv2
import numpy as np
from geometry import PARTS, POINT_SIZE, RENDERS, Errors, _part_masks, _quiet, our_points
from geometry_scenes import ENDS, SCENES, Scene, View, load_scene

from cinema_core.depth.find import depth_by_network
from cinema_core.depth.network import Prediction, infer
from cinema_core.files.photo import read_photo
from cinema_core.regions.coherent_depth import make_coherent
from cinema_core.shared.camera import Camera, camera_path
from cinema_core.shared.data import FARTHEST, Photo
from cinema_core.shared.job_folder import GOOD, OF_ESTIMATES
from cinema_core.shared.options import BuildOptions
from cinema_core.view.distortion import Distortion, measure_distortion
from cinema_core.view.splatting import Splatter
from training.ordinal import is_wrong, read_pairs, summarise
from training.sources import HERE, photo_file, photo_folder

PHOTOGRAPHS = Path(__file__).with_name("depth_photographs.txt")
KINDS = {"before": "never", "after": "auto"}  # of depth -> value of the option
SHOWN_ENDS = (("side", 0), ("side", 59), ("up-down", 0), ("up-down", 59), ("circle", 22), ("zoom-in", 59))
LIMITS = {name: high for name, (_, high), _ in GOOD if name in OF_ESTIMATES}
NO_LANDSCAPES = ("space", "earth")  # beginnings of names
TIMED_SIZES = ((1280, 720), (3840, 2160))  # px


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the ends of the camera paths")
    parser.add_argument("--parts", nargs="+", default=["photographs", "others", "order", "scenes", "time"])
    parser.add_argument("photo", nargs="*", type=Path, help="photographs instead of those of the list")
    arguments = parser.parse_args()
    photos = arguments.photo or [photo_file(line.split()[0]) for line in PHOTOGRAPHS.read_text().splitlines()]
    for part in arguments.parts:
        print(f"== {part}", flush=True)
        if part == "photographs":
            print_photographs(photos, arguments.pictures)
        elif part == "others":
            print_photographs(other_photos(photos), None)
        else:
            {"order": print_order, "scenes": print_scenes, "time": print_time}[part]()


def other_photos(photos: list[Path]) -> list[Path]:
    """The package's landscapes that are neither among these nor kept out."""
    left_out = {path.stem for path in photos} | set((HERE / "keep_out.txt").read_text().split())
    found = sorted(photo_folder().glob("*.jpg"))
    return [path for path in found if path.stem not in left_out and not path.stem.startswith(NO_LANDSCAPES)]


def disparities(photo: Photo, prediction: Prediction) -> dict[str, np.ndarray]:
    """(H, W) float32 built disparity, before and after depth by objects."""
    return {
        name: (1 / depth_by_network(photo, prediction, BuildOptions(coherence=value)).values).astype(np.float32)
        for name, value in KINDS.items()
    }


def print_photographs(files: list[Path], pictures: Path | None) -> None:
    print(f"{'':22}" + "".join(f"{name:>34}" for name in KINDS))
    print(f"{'':22}" + f"{'bent %':>10}{'lean %':>8}{'torn':>8}{'shreds':>8}" * 2)
    rows = []
    for file in files:
        photo = read_photo(file)
        made = disparities(photo, infer(photo))
        rows.append([measure_distortion(disparity, photo.color, photo.focal) for disparity in made.values()])
        print(f"{file.stem:22}" + "".join(_row(found) for found in rows[-1]), flush=True)
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            for end in SHOWN_ENDS:
                pair = [render(photo, disparity, end) for disparity in made.values()]
                name = f"{file.stem}_{end[0]}_{end[1]}.png"
                cv2.imwrite(str(pictures / name), np.concatenate(pair, 1)[..., ::-1])
    for name, found in zip(KINDS, zip(*rows, strict=True), strict=True):
        good = sum(all(getattr(f, key) <= LIMITS[key] for key in LIMITS) for f in found)
        means = [np.mean([getattr(f, key) for f in found]) for key in ("bent", "lean", "torn", "shreds", "rubber")]
        print(f"{name}: {good} of {len(found)} within the limits; means: bent {means[0]:.1%}, lean {means[1]:.1%}, "
              f"torn {means[2]:.2f}, shreds {means[3]:.0f}, rubber {means[4]:.1%}", flush=True)  # fmt: skip


def _row(found: Distortion) -> str:
    return f"{100 * found.bent:10.1f}{100 * found.lean:8.1f}{found.torn:8.2f}{found.shreds:8}"


def render(photo: Photo, disparity: np.ndarray, end: tuple[str, int]) -> np.ndarray:
    """(H, W, 3) uint8 view from the end of a camera path of a photo with this disparity."""
    points = our_points(View(photo.color, 1 / disparity), "exact", 0.0, photo.focal)
    splatter = Splatter(points, Camera(photo.width, photo.height, photo.focal), POINT_SIZE)
    return np.rint(splatter.render(0.0, camera_path(end[0])[end[1]])[0].clip(0, 1) * 255).astype(np.uint8)


def print_order() -> None:
    pairs = read_pairs()
    wrong: dict[str, list] = {name: [] for name in KINDS}
    for name in sorted({pair.photo for pair in pairs}):
        photo = read_photo(photo_file(name))
        for kind, disparity in disparities(photo, infer(photo)).items():
            wrong[kind] += [(pair, is_wrong(pair, disparity)) for pair in pairs if pair.photo == name]
    for kind, found in wrong.items():
        print(f"{kind}: {summarise(found)}", flush=True)


def print_scenes() -> None:
    for name in SCENES:
        with _quiet():
            scene = load_scene(name, 640, RENDERS)
        color, focal = scene.photo.color.astype(np.float32), scene.camera.focal
        true = (1 / np.minimum(scene.photo.depth, FARTHEST)).astype(np.float32)
        with TemporaryDirectory() as folder:
            cv2.imwrite(f"{folder}/photo.png", np.rint(color[..., ::-1] * 255).astype(np.uint8))
            photo = read_photo(Path(folder) / "photo.png")
        maps = {"true": true, "true, by objects": make_coherent(true, color, focal), **disparities(photo, infer(photo))}
        for kind, disparity in maps.items():
            found = measure_distortion(disparity, color, focal)
            text = _views(scene, disparity) if kind.startswith("true") else _error(disparity, scene.photo.depth)
            print(f"{name:8}{kind:18}{_row(found)}   {text}", flush=True)


def _error(disparity: np.ndarray, depth: np.ndarray) -> str:
    land = depth < FARTHEST
    octaves = np.log2(disparity[land] * depth[land])
    octaves = np.abs(octaves - np.median(octaves))
    return f"{octaves.mean():.3f} octaves, within a factor of 1.25: {(octaves < np.log2(1.25)).mean():.1%}"


def _views(scene: Scene, disparity: np.ndarray) -> str:
    errors = Errors()
    splatter = Splatter(our_points(View(scene.photo.color, 1 / disparity), "exact", 0.0), scene.camera, POINT_SIZE)
    for end in ENDS:
        picture, covered = splatter.render(0.0, camera_path(end[0])[end[1]])
        errors.add(picture, covered, scene.views[end], _part_masks(scene, end), end)
    return ", ".join(f"{part} {errors.psnr(part):.2f} dB" for part in PARTS)


def print_time() -> None:
    for seconds, size in _times():
        print(f"{size[0]} x {size[1]}: network {seconds[0]:.2f} s, all of depth {seconds[1]:.2f} s", flush=True)


def _times() -> Iterator[tuple[tuple[float, float], tuple[int, int]]]:
    source = read_photo(photo_file("city4"))
    for size in TIMED_SIZES:
        color = cv2.resize(source.color, size, interpolation=cv2.INTER_CUBIC).clip(0, 1)
        photo = Photo(color, float(max(size)))
        infer(photo)
        start = time.perf_counter()
        prediction = infer(photo)
        middle = time.perf_counter()
        depth_by_network(photo, prediction, BuildOptions())
        yield (middle - start, time.perf_counter() - start), size


if __name__ == "__main__":
    main()
