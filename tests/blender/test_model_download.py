"""One click in Blender: an offered depth model is downloaded from a hub on this computer, and used from then on."""

import shutil
import threading
import time
from importlib import import_module
from pathlib import Path

import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH

pytest.importorskip("torch")  # the models in small are made with it
import model_hub

SMALL = "moge-2-small"
FOCAL = model_hub.FOCAL / 2 * np.hypot(WIDTH, HEIGHT)  # px; that of the models in small


@pytest.fixture(scope="module")
def hub():
    with model_hub.running_hub() as hub:
        hub.models = {name: hub.serve(name) for name in model_hub.OFFERED}
        yield hub


@pytest.fixture
def online(addon, hub, tmp_path, monkeypatch):
    """Blender with online access; the installed extension states the small models, its engine starts anew."""
    table = Path(import_module(f"{MODULE}.cinema_core.shared.models").__file__)
    kept = table.read_text()
    model_hub.rewrite_table(table, model_hub.OFFERED, hub.models)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CINEMAGRAPH_MODELS", str(tmp_path / "models"))
    hub.asked.clear()
    hub.cut, hub.pause, hub.gone = [], 0.0, False
    addon.engine.stop()
    bpy.context.preferences.system.use_online_access = True
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.depth_model = ""
    try:
        yield hub
    finally:
        addon.engine.stop()
        table.write_text(kept)
        preferences.depth_model = ""
        bpy.context.preferences.system.use_online_access = False


@pytest.mark.parametrize("name", ["moge-2-small", "depth-anything-3-small", "depth-anything-v2-small"])
def test_one_click_downloads_a_model_and_it_is_used_from_then_on(addon, scene, online, photo_file, name):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    settings = scene.cinemagraph
    assert settings.depth_source == "BUILT_IN" and settings.focal == WIDTH  # which the photo does not tell
    assert not addon.depth_models.is_downloaded(name)
    assert bpy.ops.cinemagraph.download_model(model=name) == {"FINISHED"}
    assert addon.depth_models.is_downloaded(name) and len(online.asked) == len(model_hub.OFFERED[name].files)
    assert (settings.depth_source, settings.depth_model) == ("MODEL", name)
    assert settings.depth_licence == model_hub.OFFERED[name].licence
    assert settings.depth_origin.startswith(model_hub.OFFERED[name].label) and addon.depth_display.has_depth(scene)
    estimated = {"moge-2-small": FOCAL, "depth-anything-3-small": model_hub.WIDE * WIDTH}.get(name, WIDTH)
    assert settings.focal == pytest.approx(estimated, rel=0.01)
    online.gone = True  # nothing is asked of the hub any more
    settings.still = True
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    assert settings.report["depth_source"] == "model" and settings.report["depth_licence"] == settings.depth_licence
    bpy.context.preferences.system.use_online_access = False
    other = bpy.data.scenes.new("Other")
    bpy.context.window.scene = other
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    assert (other.cinemagraph.depth_source, other.cinemagraph.depth_model) == ("MODEL", name)
    assert bpy.ops.cinemagraph.use_model(model=name) == {"FINISHED"}
    bpy.ops.cinemagraph.remove_model(model=name)
    assert not addon.depth_models.is_downloaded(name)
    with pytest.raises(RuntimeError, match="is not on this computer"):
        bpy.ops.cinemagraph.use_model(model=name)


def test_the_switch_keeps_new_photos_with_the_built_in_depth(addon, scene, online, photo_file):
    preferences = bpy.context.preferences.addons[MODULE].preferences
    shutil.copytree(write(online), addon.depth_models.folder() / SMALL)
    preferences.depth_model, preferences.model_for_new_photos = SMALL, False
    try:
        bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
        assert scene.cinemagraph.depth_source == "BUILT_IN"
    finally:
        preferences.model_for_new_photos = True


def write(hub) -> Path:
    """A folder with the files of SMALL."""
    folder = Path(bpy.app.tempdir) / "brought"
    folder.mkdir(exist_ok=True)
    for name, content in model_hub.export(SMALL).items():
        (folder / name).write_bytes(content)
    return folder


def test_a_cancelled_download_changes_nothing_and_goes_on_with_the_next_click(addon, scene, online, photo_file):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    online.pause = 0.1
    request = addon.jobs.start_depth(scene, True, SMALL)
    seen = []
    threading.Timer(20.0, request.cancel).start()  # at the latest
    with pytest.raises(addon.errors.CinemaError, match="Cancelled"):
        while not request.poll(0.05):
            seen.append((request.stage, request.fraction))
            if request.stage == "download" and request.fraction > 0.2:
                request.cancel()
    assert any(stage == "download" and 0 < fraction < 1 for stage, fraction in seen)
    assert scene.cinemagraph.depth_source == "BUILT_IN" and not addon.depth_models.is_downloaded(SMALL)
    online.pause = 0.0
    bpy.ops.cinemagraph.download_model(model=SMALL)
    assert online.asked[-1][1].startswith("bytes=") and scene.cinemagraph.depth_source == "MODEL"


def test_a_wrong_file_and_a_hub_that_is_gone_are_told_and_change_nothing(addon, scene, online, photo_file, monkeypatch):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    model = model_hub.OFFERED[SMALL]
    address = f"/{model.repository}/resolve/{model.revision}/model.onnx"
    monkeypatch.setitem(online.contents, address, b"\0" * len(online.contents[address]))
    with pytest.raises(RuntimeError, match="its digest is wrong"):
        bpy.ops.cinemagraph.download_model(model=SMALL)
    online.gone = True
    with pytest.raises(RuntimeError, match="does not offer MoGe-2 Small any more"):
        bpy.ops.cinemagraph.download_model(model=SMALL)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    addon.engine.stop()
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="127.0.0.1:9 cannot be reached"):
        bpy.ops.cinemagraph.download_model(model=SMALL)
    assert time.monotonic() - began < 30
    assert scene.cinemagraph.depth_source == "BUILT_IN" and not addon.depth_display.has_depth(scene)
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Blender is offline"):
        bpy.ops.cinemagraph.download_model(model=SMALL)


def test_a_focal_length_that_is_known_stays(addon, placed):
    settings = placed.cinemagraph
    settings.focal = 400.0
    assert addon.depth_models.use_focal(settings, 250.0) == "" and settings.focal == 400.0
    settings.focal = WIDTH
    assert addon.depth_models.use_focal(settings, None) == "" and settings.focal == WIDTH
    assert "28 mm" in addon.depth_models.use_focal(settings, 250.0) and settings.focal == 250.0
