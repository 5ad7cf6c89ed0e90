"""Grease Pencil strokes <-> pixels of the photo."""

import bpy
import numpy as np
import pytest
from mathutils import Vector
from sample import FOCAL, HEIGHT, WIDTH

LINE = np.array([(20, 30), (80, 35), (160, 90), (300, 170)], np.float32)
RING = np.array([(100, 100), (200, 100), (200, 160), (100, 160)], np.float32)


def draw(scene, layer, world, cyclic=False):
    """Draw a stroke at world positions, as an artist's pen would leave it."""
    hints = scene.cinemagraph.hints
    drawing = hints.data.layers[layer].get_frame_at(scene.frame_current).drawing
    drawing.add_strokes([len(world)])
    bpy.context.view_layer.update()
    back = hints.matrix_world.inverted()
    for point, place in zip(drawing.strokes[-1].points, world):
        point.position = back @ Vector(place)
    drawing.strokes[-1].cyclic = cyclic
    drawing.tag_positions_changed()


def seen_at(pixels, depth):
    """Blender world positions that the photo's camera at the origin, looking along +Y, sees at these pixels."""
    depth = np.broadcast_to(depth, len(pixels))
    x = (pixels[:, 0] - WIDTH / 2) * depth / FOCAL
    z = -(pixels[:, 1] - HEIGHT / 2) * depth / FOCAL
    return np.stack([x, depth, z], -1)


@pytest.mark.parametrize("depth", [0.3, 1.0, 25.0, np.array([0.5, 3.0, 1.0, 8.0])])
def test_depth_of_a_stroke_does_not_matter(addon, placed, depth):
    draw(placed, "Motion", seen_at(LINE, depth))
    (stroke,) = addon.strokes.read_hints(placed)
    assert stroke.kind == "motion" and not stroke.closed and stroke.speed == 1.0
    assert np.abs(stroke.points - LINE).max() < 1e-3


def test_a_moved_hints_object_and_a_moved_root_are_followed(addon, placed):
    draw(placed, "Motion", seen_at(LINE, 2.0))
    placed.cinemagraph.root.location = (3, 4, 5)
    placed.cinemagraph.root.rotation_euler.z = 0.7
    placed.cinemagraph.root.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    assert np.abs(addon.strokes.read_hints(placed)[0].points - LINE).max() < 1e-3
    placed.cinemagraph.hints.location.x += 0.1
    bpy.context.view_layer.update()
    shifted = LINE + (0.1 * FOCAL / 2.0, 0)
    assert np.abs(addon.strokes.read_hints(placed)[0].points - shifted).max() < 1e-2


def test_the_animated_camera_does_not_move_strokes(addon, placed):
    draw(placed, "Motion", seen_at(LINE, 1.0))
    placed.cinemagraph.camera.location = (0.5, 0.5, 0.5)
    bpy.context.view_layer.update()
    assert np.abs(addon.strokes.read_hints(placed)[0].points - LINE).max() < 1e-3


def test_closed_strokes_on_region(addon, placed):
    open_ended = np.array([(10, 10), (100, 10), (200, 60)], np.float32)
    nearly = np.concatenate([RING, [(100, 104)]]).astype(np.float32)
    for points, cyclic in ((RING, True), (nearly, False), (open_ended, False)):
        draw(placed, "Region", seen_at(points, 1.0), cyclic)
    strokes = addon.strokes.read_hints(placed)
    assert [stroke.closed for stroke in strokes] == [True, True, False]
    assert {stroke.kind for stroke in strokes} == {"region"}


def test_a_filled_stroke_on_region_encloses(addon, placed):
    draw(placed, "Region", seen_at(LINE, 1.0))
    assert not addon.strokes.read_hints(placed)[0].closed
    stroke = placed.cinemagraph.hints.data.layers["Region"].get_frame_at(1).drawing.strokes[0]
    if hasattr(stroke, "fill_id"):
        stroke.fill_id = 1
    else:
        placed.cinemagraph.hints.data.materials[0].grease_pencil.show_fill = True
    assert addon.strokes.read_hints(placed)[0].closed


def test_hidden_layers_and_other_frames_do_not_count(addon, placed):
    draw(placed, "Motion", seen_at(LINE, 1.0))
    draw(placed, "Still", seen_at(RING, 1.0))
    layers = placed.cinemagraph.hints.data.layers
    layers["Still"].hide = True
    assert [stroke.kind for stroke in addon.strokes.read_hints(placed)] == ["motion"]
    layers["Motion"].frames.new(10)
    placed.frame_set(10)
    assert addon.strokes.read_hints(placed) == []
    placed.frame_set(9)
    assert len(addon.strokes.read_hints(placed)) == 1


def test_a_stroke_behind_the_camera_is_refused(addon, placed):
    draw(placed, "Motion", -seen_at(LINE, 1.0))
    with pytest.raises(addon.errors.CinemaError, match="behind"):
        addon.strokes.read_hints(placed)


@pytest.mark.parametrize("focal", [FOCAL, 900.0])
def test_strokes_come_back_as_they_were_added(addon, placed, focal):
    stroke = addon.data.Stroke
    strokes = [
        stroke("motion", LINE, speed=2.5), stroke("motion", LINE[::-1].copy()), stroke("still", LINE + 5),
        stroke("region", RING, closed=True),
    ]
    addon.strokes.add_hints(placed, strokes)
    addon.strokes.add_hints(placed, strokes[:1])
    placed.cinemagraph.focal = focal  # strokes keep their pixels
    bpy.context.view_layer.update()
    back = addon.strokes.read_hints(placed)
    want = {"motion": [strokes[0], strokes[1], strokes[0]], "still": [strokes[2]], "region": [strokes[3]]}
    for kind, originals in want.items():
        found = [stroke for stroke in back if stroke.kind == kind]
        assert len(found) == len(originals)
        for a, b in zip(found, originals):
            assert np.abs(a.points - b.points).max() < 1e-2
            assert (a.closed, a.speed) == (b.closed, b.speed)
    addon.strokes.add_hints(placed, strokes[:1], replace=True)
    assert len(addon.strokes.read_hints(placed)) == 1
