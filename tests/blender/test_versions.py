"""Nothing that the extension uses is deprecated in the Blender at hand, so that the next one runs it too."""

import warnings

import addon_utils
import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH

RING = np.array([(5, 100), (315, 100), (315, 175), (5, 175)], np.float32)
LINE = np.array([(60, 140), (120, 140), (200, 142)], np.float32)


def draw_hints(addon, scene):
    """Strokes of all kinds, marks, and the overlays of flow and depth."""
    kinds = addon.stroke_kinds.STROKE_KINDS.values()
    strokes = [addon.data.Stroke(kind.name, RING if kind.encloses else LINE, closed=kind.encloses) for kind in kinds]
    addon.strokes.add_hints(scene, strokes)
    scene.cinemagraph.speed_from_radius = True
    assert len(addon.strokes.read_drawn_strokes(scene)) == len(strokes)
    lines = addon.jobs.FlowPreview(np.tile(LINE, (2, 1)), np.array([0, 3, 6], np.int32), np.ones(2, np.float32))
    addon.flow_display.show_flow(scene, lines)
    shades = np.linspace(0, 1, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
    addon.depth_display.show_depth(scene, addon.depth_display.DepthPreview(shades))
    bpy.ops.cinemagraph.hide_flow()
    bpy.ops.cinemagraph.hide_depth()


def bring_points(addon, scene, job):
    """A result, its inputs, its loop and its removal."""
    addon.result.import_result(scene, job)
    addon.result.set_input(scene, "Loop Length", 24)
    for path in ("circle", "side"):
        assert bpy.ops.cinemagraph.add_camera_path(path=path, frames=20) == {"FINISHED"}
    addon.camera_path.set_size(scene, [scene.camera], 0.5)
    bpy.context.view_layer.update()


@pytest.fixture
def deprecated(addon, placed, job, tmp_path) -> list[str]:
    """Deprecation warnings of all that can be done without the engine, the registration among it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        addon_utils.disable(MODULE, default_set=True)
        assert addon_utils.enable(MODULE, default_set=True) is not None
        draw_hints(addon, placed)
        bring_points(addon, placed, job)
        assert bpy.ops.cinemagraph.set_up_render(filepath=str(tmp_path / "loop.mp4")) == {"FINISHED"}
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
        assert bpy.ops.cinemagraph.remove() == {"FINISHED"}
        _ = bpy.data.materials.new("Probe").use_nodes  # deprecated since Blender 5.0
    kinds = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    return [f"{item.filename}:{item.lineno}: {item.message}" for item in caught if issubclass(item.category, kinds)]


def test_the_extension_uses_nothing_deprecated(deprecated):
    assert not [text for text in deprecated if "cinemagraph_3d" in text]


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="this Blender does not warn")
def test_a_deprecated_property_is_noticed(deprecated):
    assert [text for text in deprecated if __file__ in text and "use_nodes" in text]


def test_fills_are_seen_in_every_version(addon, placed):
    """A filled area has the fill's colour: by its stroke where the material's switch is deprecated, else by that."""
    shades = np.ones((HEIGHT, WIDTH), np.float32)
    overlay = addon.depth_display.show_depth(placed, addon.depth_display.DepthPreview(shades))
    drawing = overlay.data.layers[0].frames[0].drawing
    style = overlay.data.materials[drawing.strokes[0].material_index].grease_pencil
    if addon.versions.fills_by_stroke(drawing):
        assert drawing.strokes[0].fill_id > 0
    else:
        assert style.show_fill
