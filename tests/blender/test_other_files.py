"""A result in another file: appended or linked, as a collection or as a scene; and jobs whose window is closed."""

from importlib import import_module
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import FRAMES, evaluated_points

LINKED = "The scene is linked from another file; open that file to change it"


@pytest.fixture
def finished(addon, placed, job, tmp_path):
    """A saved file with a result, and its points in two frames by the name of their object."""
    addon.result.import_result(placed, job)
    bpy.ops.cinemagraph.add_camera_path(path="side")
    seen = points(placed.cinemagraph.collection)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "finished.blend"))
    return tmp_path / "finished.blend", seen


def points(collection):
    found = {}
    for frame in (1, FRAMES // 3):
        bpy.context.scene.frame_set(frame)
        found |= {(item.name, frame): evaluated_points(item) for item in collection.all_objects if item.type == "MESH"}
    return found


def bring(file, kind, name, link):
    """Append or link a datablock of a file into a new file."""
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(file), link=link) as (_, wanted):
        setattr(wanted, kind, [name])
    return getattr(wanted, kind)[0]


@pytest.mark.parametrize("link", [False, True])
def test_a_result_plays_in_another_file(finished, link):
    file, before = finished
    collection = bring(file, "collections", "Cinemagraph", link)
    bpy.context.scene.collection.children.link(collection)
    after = points(collection)
    assert set(after) == set(before) and len(before) >= 6
    for key, values in before.items():
        for name, array in values.items():
            assert np.allclose(after[key][name], array, atol=1e-5), (key, name)
    moved = [key for key in after if key[1] > 1 and "Motion" in key[0]]
    assert moved and all(after[key]["position"].tolist() != after[key[0], 1]["position"].tolist() for key in moved)
    assert bpy.context.scene.cinemagraph.photo is None and not bpy.ops.cinemagraph.build.poll()
    assert bpy.ops.cinemagraph.open_photo.poll()


def test_a_photo_beside_an_appended_result(addon, finished, photo_file):
    file, _ = finished
    scene = bpy.context.scene
    collection = bring(file, "collections", "Cinemagraph", False)
    scene = bpy.context.scene
    scene.collection.children.link(collection)
    mine = set(collection.all_objects)
    assert bpy.ops.cinemagraph.open_photo(filepath=str(photo_file)) == {"FINISHED"}
    settings = scene.cinemagraph
    assert settings.collection != collection and set(collection.all_objects) == mine
    assert not {settings.root, settings.camera, settings.hints} & mine


def test_an_appended_scene_is_built_again(addon, finished, job):
    file, _ = finished
    scene = bring(file, "scenes", "Scene", False)
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        assert bpy.ops.cinemagraph.build.poll() and bpy.ops.cinemagraph.add_camera_path.poll()
        before = [item.name for item, _ in addon.result.parts(scene)]
        addon.result.import_result(scene, job)
        assert [item.name for item, _ in addon.result.parts(scene)] == before


def test_a_linked_scene_is_not_changed_and_says_why(addon, finished):
    file, _ = finished
    scene = bring(file, "scenes", "Scene", True)
    names = (
        "build", "animate", "open_photo", "paste_photo", "show_flow", "show_depth",
        "suggest_regions", "check_camera", "limit_camera", "import_annotations", "export_motion", "live_flow",
        "live_depth", "add_camera_path", "remove", "render_loop", "set_up_render", "show_hidden",
        "use_photo_colors", "set_stroke_speed", "scale_stroke_speed", "reverse_strokes",
    )  # fmt: skip
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        for name in names:
            operator = getattr(bpy.ops.cinemagraph, name)
            assert not operator.poll(), name
            with pytest.raises(RuntimeError, match=LINKED):
                operator()


def test_a_closed_window_says_that_the_job_has_ended(addon, scene):
    """Blender calls `cancel` of an operator whose window it closes; its reports are not seen any more."""
    operators = import_module(f"{MODULE}.operators.engine_job")
    ended = []
    job = SimpleNamespace(
        bl_label="Build",
        _request=SimpleNamespace(cancel=lambda: ended.append(True)),
        _setup=None,
        _timer=None,
        _workspace=bpy.data.workspaces[0].name,
    )
    for name in ("_stop", "_leave"):
        setattr(job, name, getattr(operators.EngineOperator, name).__get__(job))
    state = bpy.context.window_manager.cinemagraph
    state.running = True
    operators.EngineOperator.cancel(job, SimpleNamespace(window_manager=bpy.context.window_manager, workspace=None))
    assert ended and not state.running
    assert state.notice == "Build was cancelled, because its window or file was closed"
    state.notice = ""
