"""Cycles keeps the photo's detail, still and at the ends of the paths, and shows neither holes nor pinholes."""

import importlib.util
import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from sample import HEIGHT, WIDTH, save_png

pytestmark = pytest.mark.skipif(
    not os.environ.get("CINEMAGRAPH_PYTHON") and not importlib.util.find_spec("torch"),
    reason="the build needs an engine",
)
FOG = np.float32((0.93, 0.94, 0.95))
ENDS = {"zoom-in": (0, 0.24, 0), "side": (0.09, 0, 0), "up-down": (0, 0, -0.08)}  # moves of the camera, Blender's axes


def rock() -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) sRGB and (H, W) disparity: a dark, rough rock in fog, on a receding ground."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    grain = rng.normal(0, 1, (HEIGHT, WIDTH))
    texture = grain + np.roll(grain, 1, 0) + np.roll(grain, 1, 1)
    ground = np.clip((y - 100) / 90, 0.02, 1)
    color = np.where((y > 102)[..., None], 0.45 + 0.05 * texture[..., None] * np.ones(3), FOG)
    away = np.hypot((x - 160) / 90, (y - 95) / 70)
    inside = away < 1
    rounded = 0.55 + 0.15 * np.sqrt(np.clip(1 - away**2, 0, 1)) + 0.008 * np.sin(x / 2) * np.sin(y / 3)
    color[inside] = 0.09 + 0.015 * texture[inside][:, None]
    return color.clip(0, 1).astype(np.float32), np.where(inside, rounded, ground).astype(np.float32)


@pytest.fixture
def built(addon, scene, tmp_path) -> bpy.types.Scene:
    """The rock, built without motion from its true depth, and set up for Cycles."""
    color, disparity = rock()
    save_png(tmp_path / "rock.png", color)
    np.save(tmp_path / "depth.npy", 1 / disparity)
    bpy.ops.cinemagraph.open_photo(filepath=str(tmp_path / "rock.png"))
    scene.cinemagraph.depth_source = "FILE"
    scene.cinemagraph.depth_file = str(tmp_path / "depth.npy")
    scene.cinemagraph.still = True
    bpy.ops.cinemagraph.build()
    bpy.ops.cinemagraph.set_up_render()
    scene.render.film_transparent = True
    return scene


def render(scene: bpy.types.Scene, folder: Path) -> np.ndarray:
    """(H, W, 4) float, stored values of the present view."""
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode = "PNG", "RGBA"
    scene.render.filepath = str(folder / "view.png")
    bpy.ops.render.render(write_still=True)
    found = bpy.data.images.load(scene.render.filepath, check_existing=False)
    found.colorspace_settings.name = "Non-Color"
    return np.array(found.pixels[:]).reshape(HEIGHT, WIDTH, 4)[::-1]


def detail(picture: np.ndarray) -> float:
    """Mean absolute Laplacian of the grey values."""
    grey = picture[..., :3].mean(-1)
    return float(
        np.abs(4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]).mean()
    )


def test_the_first_frame_is_as_sharp_as_the_photo(built, tmp_path):
    photo, picture = rock()[0], render(built, tmp_path)
    assert 0.95 < detail(picture) / detail(photo) < 1.05
    assert -10 * np.log10(np.square(picture[..., :3] - photo).mean()) > 40


@pytest.mark.parametrize("path", ENDS)
def test_the_ends_of_the_paths_have_no_holes_and_no_pinholes(built, tmp_path, path):
    built.camera.location = np.add(built.camera.location, ENDS[path])
    picture = render(built, tmp_path)
    assert (picture[..., 3] == 1).all()
    grey = picture[..., :3].mean(-1)
    around = np.stack([np.roll(grey, (down, right), (0, 1)) for down in range(-2, 3) for right in range(-2, 3)])
    inside = np.percentile(around, 75, axis=0) < 0.2  # of the rock, and not its outline
    assert inside.sum() > 5000 and grey[inside].max() < 0.25  # the rock is at most 0.17, the fog 0.94
