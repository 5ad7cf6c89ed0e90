"""A .blend file of version 0.1.0: it opens, plays as it did, and builds again with its own settings and strokes.

The file was saved by that version: a photo of 64 x 48 px, a motion stroke of speed 1.5, a region, a stroke about depth,
a loop of 12 frames, the circle path.
"""

import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest
from sample import evaluated_points

OLD_FILE = Path(__file__).with_name("version_0_1") / "lake.blend"
STILL, MOVING = 3142, 1177  # points of a build today; it was saved with 3068 still ones, fewer behind gaps


@pytest.fixture
def old_scene(installed, tmp_path) -> bpy.types.Scene:
    file = shutil.copy(OLD_FILE, tmp_path / "lake.blend")
    bpy.ops.wm.open_mainfile(filepath=str(file))
    return bpy.context.scene


def moving_parts(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    tree = scene.cinemagraph.moving_nodes
    return [
        part.object
        for part in scene.cinemagraph.parts
        if any(modifier.type == "NODES" and modifier.node_group == tree for modifier in part.object.modifiers)
    ]


def test_its_settings_are_read(old_scene):
    settings = old_scene.cinemagraph
    assert (settings.width, settings.height, settings.frames) == (64, 48, 12)
    assert settings.reach == pytest.approx(0.5) and settings.report["version"] == "0.1.0"
    assert settings.loop_length == 12 and settings.point_size == pytest.approx(1.4)
    assert {layer.name for layer in settings.hints.data.layers} >= {"Motion", "Region", "Nearer"}


def test_it_plays(old_scene):
    (moving,) = moving_parts(old_scene)
    positions = []
    for frame in (1, 4, 13):
        old_scene.frame_set(frame)
        positions.append(evaluated_points(moving)["position"])
    assert len(positions[0]) > 0.5 * MOVING
    np.testing.assert_allclose(positions[0], positions[2], atol=1e-6)  # the loop closes
    assert len(positions[1]) != len(positions[0]) or np.abs(positions[1] - positions[0]).max() > 0.001


def test_it_builds_again_with_its_own_strokes_and_settings(old_scene):
    cameras = {item.name for item in old_scene.objects if item.type == "CAMERA"}
    old_scene.frame_set(1)
    before = evaluated_points(moving_parts(old_scene)[0])
    settings = old_scene.cinemagraph
    settings.coherence = "NEVER"  # that version's depth knew no objects
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    assert settings.report["version"] and settings.report["schema"] == 3
    assert settings.report["still_points"] == STILL and abs(settings.report["moving_points"] / MOVING - 1) < 0.1
    assert {item.name for item in moving_parts(old_scene)[0].data.attributes} >= {"start0", "end0", "step1"}
    assert settings.report["options"]["reach"] == pytest.approx(0.5) and settings.report["frames"] == 12
    (moving,) = moving_parts(old_scene)
    old_scene.frame_set(1)
    after = evaluated_points(moving)
    # the new build may have a few points more or less where two show the same pixel
    away = np.linalg.norm(after["position"][None] - before["position"][:, None], axis=-1)
    assert away.min(1).max() < 4e-3 and away.min(0).max() < 4e-3  # land is a little nearer, so that it is no sky
    nearest = away.argmin(1)
    np.testing.assert_allclose(after["color"][nearest], before["color"], atol=3e-3)
    # the paths of a cycle are shorter than those of the loop were, so that strain enlarges fewer points
    assert (after["radius"][nearest] / before["radius"]).min() > 0.75 and after["radius"].max() < 1.01 * before[
        "radius"
    ].max()
    assert after["radius"].min() > 0
    assert {item.name for item in old_scene.objects if item.type == "CAMERA"} == cameras
