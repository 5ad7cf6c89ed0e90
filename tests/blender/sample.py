"""A synthetic photo, a finished synthetic job for it, and points as Blender evaluates them."""

import json
from pathlib import Path

import bpy
import numpy as np

from cinema_core.shared import job_files, job_folder, transaction

WIDTH, HEIGHT, FOCAL = 320, 180, 300.0
KEYS, FRAMES, MOVING, PICTURES = 4, 20, 600, 2


def picture(width: int, height: int) -> np.ndarray:
    """(H, W, 3) float32 sRGB 0..1."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0:width]
    ripples = 0.12 * np.sin(x / 5 + 3 * np.sin(y / 9)) + 0.08 * rng.random((height, width))
    water = np.stack([0.2 + ripples, 0.4 + ripples, 0.5 + ripples], -1)
    sky = np.stack([0.6 + 0.2 * y / height, 0.7 + 0.1 * x / width, 0.9 + 0 * x], -1)
    return np.where((y > height / 2)[..., None], water, sky).clip(0, 1).astype(np.float32)


def save_png(path: Path, color: np.ndarray) -> None:
    """Write an (H, W, 3) sRGB array by Blender, which exists in both environments."""
    height, width = color.shape[:2]
    image = bpy.data.images.new("test", width, height)
    rgba = np.concatenate([color[::-1], np.ones((height, width, 1))], -1).astype(np.float32)
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def make_points(moving: int = MOVING, keys: int = KEYS, seed: int = 1) -> dict[str, np.ndarray]:
    """Arrays of points: a still point for each pixel of the photo, near in the right half, and `moving` others."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    depth = np.where(x < WIDTH / 2, 4.0, 1.0)
    still = np.stack([(x - WIDTH / 2) * depth / FOCAL, (y - HEIGHT / 2) * depth / FOCAL, depth], -1).reshape(-1, 3)
    phase = np.arange(keys + 1)[:, None, None] / keys
    bend = rng.normal(0, 0.05, (1, moving, 3)) * phase + rng.normal(0, 0.05, (1, moving, 3)) * np.sin(3 * phase)
    colors = rng.integers(0, 256, (PICTURES, 2, moving, 4))
    colors[..., 3] = np.sort(rng.integers(0, 256, (PICTURES, 2, moving)), 1)  # the change begins before it ends
    points = {
        "still_position": still,
        "still_color": picture(WIDTH, HEIGHT).reshape(-1, 3),
        "still_radius_factor": np.ones(len(still)),
        "still_layer": (depth > 2).ravel(),
        "moving_position": rng.uniform((-1, -0.5, 2), (1, 0.5, 3), (moving, 3)),
        # The second half has backward trajectories, which reach their position at the end of the loop.
        "moving_displacement": bend - np.where(np.arange(moving) < moving // 2, 0, 1)[None, :, None] * bend[-1:],
        "moving_birth": np.where(rng.random(moving) < 0.2, 0.3, 0.0),
        "moving_death": np.where(rng.random(moving) < 0.2, 0.7, 2.0),
        "moving_radius_factor": rng.uniform(1, 2, moving),
        "moving_colors": colors,
        "moving_cycles": np.where(np.arange(moving) % 3, 1, 2),  # every third point runs twice in a loop
    }
    order = {
        "still": np.argsort(points["still_layer"], kind="stable"),
        "moving": np.argsort(points["moving_cycles"], kind="stable"),
    }
    for name, values in points.items():  # a build writes the points of a part one after the other
        chosen = order[name.split("_")[0]]
        points[name] = np.take(values, chosen, job_files.POINT_AXES[name])
    return {n: a.astype(job_files.POINTS_DTYPES.get(n, "float32")) for n, a in points.items()}


def only_moving(points: dict[str, np.ndarray], rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """The same arrays with some of the moving points."""
    rows = np.arange(len(points["moving_position"]))[rows]
    return {
        name: np.take(a, rows, job_files.POINT_AXES[name]) if name.startswith("moving") else a
        for name, a in points.items()
    }


def write_job(folder: Path, points: dict[str, np.ndarray], **changes) -> dict:
    """Write report and points as a build does, and give the report."""
    report = {
        "schema": job_files.SCHEMA,
        "version": "0.1.0",
        "photo": "lake.png",
        "width": WIDTH,
        "height": HEIGHT,
        "focal": FOCAL,
        "frames": FRAMES,
        "keys": len(points["moving_displacement"]) - 1,
        "point_size": 1.4,
        "layers": [
            {"name": "Layer 1", "points": 1, "nearest": 1.0, "farthest": 1.0, "hidden": False},
            {"name": "Layer 2", "points": 1, "nearest": 4.0, "farthest": 4.0, "hidden": False},
        ],
        "depth_source": "file",
        "moving_points": len(points["moving_position"]),
        "still_points": len(points["still_position"]),
        "quality": {"seam": 1.0, "holes": {"side": 0.001}},
        "stages": [],
        "seconds": 1.0,
        "peak_memory_gb": 0.1,
        "warnings": [],
        "files": [],
        **changes,
    }
    with transaction.stage(folder) as staging:
        (staging.path / job_files.REPORT).write_text(json.dumps(report))
        job_folder.write_points(staging.path, points)
    return report


def evaluated_points(item: bpy.types.Object) -> dict[str, np.ndarray]:
    """Evaluated points of an object at the current frame: position, color (linear), radius."""
    geometry = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).evaluated_geometry()
    cloud = geometry.pointcloud
    if cloud is None:
        return {"position": np.zeros((0, 3)), "color": np.zeros((0, 4)), "radius": np.zeros(0)}
    found = {}
    for name, field, width in (("position", "vector", 3), ("Col", "color", 4), ("radius", "value", 1)):
        data = cloud.attributes[name].data
        values = np.empty(len(data) * width, np.float32)
        data.foreach_get(field, values)
        found[name.replace("Col", "color")] = values.reshape(-1, width) if width > 1 else values
    return found


def linear(color: np.ndarray) -> np.ndarray:
    """Convert sRGB to scene-linear."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
