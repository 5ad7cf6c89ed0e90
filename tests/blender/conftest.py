"""Real Blender: the extension is built, installed from its zip into a temporary user folder, and enabled."""

import importlib.util
import os
import sys
import tempfile
import types
from importlib import import_module
from pathlib import Path

# Set before bpy is imported, because Blender reads the path of its user folder only once.
USER_FOLDER = tempfile.mkdtemp(prefix="cinemagraph-user-")
os.environ["BLENDER_USER_RESOURCES"] = USER_FOLDER
if importlib.util.find_spec("torch"):  # the environment of the core's tests is the engine's too
    os.environ.setdefault("CINEMAGRAPH_PYTHON", sys.executable)

import bpy  # noqa: E402
import pytest  # noqa: E402
from extension import MODULE, ROOT, blender_ext  # noqa: E402
from sample import FOCAL, HEIGHT, WIDTH, make_points, picture, save_png, write_job  # noqa: E402


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    built = blender_ext("build", "--source-dir", str(ROOT), "--output-dir", str(out))
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.zip"))


@pytest.fixture(scope="session")
def installed(extension_zip) -> str:
    """Install and enable the extension once, and give its module name."""
    import addon_utils  # available after bpy is imported

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(extension_zip), repo="user_default", enable_on_install=True, overwrite=True
    )
    assert addon_utils.check(MODULE)[1]
    return MODULE


@pytest.fixture
def addon(installed) -> types.SimpleNamespace:
    """An empty scene, and the modules of the installed extension's `blender_addon` by name."""
    bpy.ops.wm.read_homefile(use_empty=True)
    modules = ("scene", "strokes", "nodes", "meshes", "result", "jobs", "engine", "camera_path", "render", "marks",
               "selection", "flow_display", "live", "depth_display", "depth_models", "coverage",
               "camera_recording", "hint_layers", "overlays", "callbacks", "reactions",
               "versions", "ensure", "job_store", "exchange")  # fmt: skip
    return types.SimpleNamespace(
        **{name: import_module(f"{MODULE}.blender_addon.{name}") for name in modules},
        data=import_module(f"{MODULE}.cinema_core.shared.data"),
        stroke_kinds=import_module(f"{MODULE}.cinema_core.shared.stroke_kinds"),
        camera=import_module(f"{MODULE}.cinema_core.shared.camera"),
        errors=import_module(f"{MODULE}.cinema_core.shared.errors"),
        models=import_module(f"{MODULE}.cinema_core.shared.models"),
        options=import_module(f"{MODULE}.cinema_core.shared.options"),
    )


@pytest.fixture
def scene(addon) -> bpy.types.Scene:
    return bpy.context.scene


@pytest.fixture(scope="session")
def photo_file(tmp_path_factory) -> Path:
    """320 x 180 px: sky over rippled water."""
    path = tmp_path_factory.mktemp("photo") / "lake.png"
    save_png(path, picture(WIDTH, HEIGHT))
    return path


@pytest.fixture
def placed(addon, scene, photo_file, tmp_path) -> bpy.types.Scene:
    """A scene with a photo, set up without the engine."""
    camera = addon.camera.Camera(WIDTH, HEIGHT, FOCAL)
    addon.scene.place_photo(
        scene,
        addon.scene.OpenedPhoto(
            photo_file, photo_file, tmp_path / "job", camera, (2 * camera.width, 2 * camera.height)
        ),
    )
    bpy.context.view_layer.update()
    return scene


@pytest.fixture
def job(tmp_path) -> Path:
    """A finished synthetic job: two still layers and points that move on curved trajectories."""
    write_job(tmp_path / "job", make_points())
    return tmp_path / "job"
