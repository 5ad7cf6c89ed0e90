"""Renders the training set: ``python -m training.scenes.generate --out FOLDER --blocks N``.

A block has `SCENES_PER_BLOCK` scenes of `VIEWS_PER_SCENE` views from one seed and is rendered in a process of its own.
Each view has three files: colour with alpha (PNG), depth in metres (float16 .npy, infinite in the sky), and a
description (JSON, written last). A second run continues where the first one stopped. The same block number gives the
same pictures.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
import traceback
from pathlib import Path

import cv2
import numpy as np

SCENES_PER_BLOCK, VIEWS_PER_SCENE = 20, 3


def render_block(block: int, out: Path, only: tuple[str, ...] = ()) -> int:
    """Render the missing scenes of a block, of all classes or only of some.

    Returns:
        Number of the block's views on disk.
    """
    from .arrange import CLASSES  # imported here, so that only the worker processes load bpy
    from .patches import load_patches
    from .shapes import Pool
    from .stage import Stage

    done = out / f"{block:05d}.done"
    if not done.exists():
        rng = np.random.default_rng((block, 0))
        stage = Stage()
        pool, images = Pool(stage, rng), load_patches(rng)
        shares = np.array([kind.share * (not only or name in only) for name, kind in CLASSES.items()])
        names = rng.choice(list(CLASSES), size=SCENES_PER_BLOCK, p=shares / shares.sum())
        for index, name in enumerate(names):
            if not (out / f"{block:05d}_{index:02d}.done").exists():
                _try_scene(stage, pool, images, (block, index, str(name)), out)
        done.touch()
    return len(list(out.glob(f"{block:05d}_*.json")))


def _try_scene(stage: object, pool: object, images: list, key: tuple[int, int, str], out: Path) -> None:
    try:
        _render_scene(stage, pool, images, key, out)
    except Exception:
        traceback.print_exc()
    (out / f"{key[0]:05d}_{key[1]:02d}.done").touch()


def _render_scene(stage: object, pool: object, images: list, key: tuple[int, int, str], out: Path) -> None:
    from .arrange import arrange_scene, is_dull
    from .views import choose_light, frame_view, set_view

    block, index, name = key
    rng = np.random.default_rng((block, index + 1))
    light_kind = str(rng.choice(["day", "backlight", "night"], p=[0.8, 0.13, 0.07]))
    scene = arrange_scene(stage, pool, rng, images, name, light_kind == "night")
    fixed = stage.placed
    for number in range(VIEWS_PER_SCENE):
        stage.keep(fixed)
        view = set_view(scene, number)
        frame_view(scene, view, 0.9 if name == "framed" else 0.08)
        light = choose_light(rng, light_kind)
        stage.set_light(light)
        color, depth = stage.render(int(rng.integers(1 << 20)))
        if is_dull(depth):
            continue
        about = view.record() | {
            "class": name,
            "land": scene.land.kind,
            "palette": scene.land.palette,
            "light": light_kind,
            "water": scene.land.water is not None,
            "horizon": light.horizon.tolist(),
            "zenith": light.zenith.tolist(),
        }
        _save(out / f"{block:05d}_{index:02d}_{number}", _expose(color, light_kind), depth, about)


def _expose(color: np.ndarray, light_kind: str) -> np.ndarray:
    """(H, W, 4) uint8 sRGB and alpha, exposed so that the brightest parts are at 0.8, or darker at night."""
    solid = color[..., 3] > 0.5
    brightest = float(np.quantile(color[solid][:, :3].max(-1), 0.97)) if solid.any() else 1.0
    goal = {"night": 0.25, "backlight": 0.5}.get(light_kind, 0.8)
    srgb = np.clip(color[..., :3] * goal / max(brightest, 1e-3), 0, 1) ** (1 / 2.2)
    return np.rint(np.concatenate([srgb, color[..., 3:]], -1) * 255).astype(np.uint8)


def _save(path: Path, image: np.ndarray, depth: np.ndarray, about: dict) -> None:
    cv2.imwrite(f"{path}.png", cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 2])
    np.save(f"{path}.npy", np.minimum(depth, 60000).astype(np.float16))
    Path(f"{path}.json").write_text(json.dumps(about))


def _job(arguments: tuple[int, Path, tuple[str, ...]]) -> tuple[int, int]:
    return arguments[0], render_block(*arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first block")
    parser.add_argument(
        "--blocks",
        type=int,
        default=200,
        help=f"number of blocks, each of up to {SCENES_PER_BLOCK * VIEWS_PER_SCENE} views",
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="CLASS", help="classes of scenes to render; the default is all"
    )
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    jobs = [(block, chosen.out, tuple(chosen.only)) for block in range(chosen.first, chosen.first + chosen.blocks)]
    start, views = time.monotonic(), 0
    context = multiprocessing.get_context("spawn")  # each block gets a fresh Blender, so that memory does not grow
    with context.Pool(chosen.processes, maxtasksperchild=1) as pool:
        for count, (block, made) in enumerate(pool.imap_unordered(_job, jobs), 1):
            views += made
            print(
                f"block {block}: {made} views; {count}/{len(jobs)} blocks, {views} views, "
                f"{time.monotonic() - start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
