"""Conversion between Grease Pencil strokes and pixels of the photo."""

import bpy
import numpy as np
import pytest
from mathutils import Vector
from sample import FOCAL, HEIGHT, WIDTH

LINE = np.array([(20, 30), (80, 35), (160, 90), (300, 170)], np.float32)
RING = np.array([(100, 100), (200, 100), (200, 160), (100, 160)], np.float32)


def draw(scene, layer, world, cyclic=False):
    """Draw a stroke at world positions, as an artist would."""
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
    """World positions at these pixels and depths of the photo's camera at the origin, which looks along +Y."""
    depth = np.broadcast_to(depth, len(pixels))
    x = (pixels[:, 0] - WIDTH / 2) * depth / FOCAL
    z = -(pixels[:, 1] - HEIGHT / 2) * depth / FOCAL
    return np.stack([x, depth, z], -1)


@pytest.mark.parametrize("depth", [0.3, 1.0, 25.0, np.array([0.5, 3.0, 1.0, 8.0])])
def test_depth_of_a_stroke_does_not_matter(addon, placed, depth):
    draw(placed, "Motion", seen_at(LINE, depth))
    (stroke,) = addon.strokes.read_drawn_strokes(placed)
    assert stroke.kind == "motion" and not stroke.closed and stroke.speed == 1.0
    assert np.abs(stroke.points - LINE).max() < 1e-3


def test_a_moved_hints_object_and_a_moved_root_are_followed(addon, placed):
    draw(placed, "Motion", seen_at(LINE, 2.0))
    placed.cinemagraph.root.location = (3, 4, 5)
    placed.cinemagraph.root.rotation_euler.z = 0.7
    placed.cinemagraph.root.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    assert np.abs(addon.strokes.read_drawn_strokes(placed)[0].points - LINE).max() < 1e-3
    placed.cinemagraph.hints.location.x += 0.1
    bpy.context.view_layer.update()
    shifted = LINE + (0.1 * FOCAL / 2.0, 0)
    assert np.abs(addon.strokes.read_drawn_strokes(placed)[0].points - shifted).max() < 1e-2


def test_the_animated_camera_does_not_move_strokes(addon, placed):
    draw(placed, "Motion", seen_at(LINE, 1.0))
    placed.cinemagraph.camera.location = (0.5, 0.5, 0.5)
    bpy.context.view_layer.update()
    assert np.abs(addon.strokes.read_drawn_strokes(placed)[0].points - LINE).max() < 1e-3


def test_which_strokes_are_closed(addon, placed):
    open_ended = np.array([(10, 10), (100, 10), (200, 60)], np.float32)
    nearly = np.concatenate([RING, [(100, 104)]]).astype(np.float32)
    want = {  # layer -> closed, for a cyclic stroke, one whose ends nearly meet, and an open one
        "Motion": [True, False, False],
        "Region": [True, True, True],
        "Sway": [True, True, True],
        "Still": [True, True, False],
        "Outlet": [False, False, False],
    }
    for layer in want:
        for points, cyclic in ((RING, True), (nearly, False), (open_ended, False)):
            draw(placed, layer, seen_at(points, 1.0), cyclic)
    strokes = addon.strokes.read_drawn_strokes(placed)
    assert len(strokes) == 15
    for layer, closed in want.items():
        assert [stroke.closed for stroke in strokes if stroke.kind == layer.lower()] == closed, layer


def test_a_filled_stroke_on_still_encloses(addon, placed):
    draw(placed, "Still", seen_at(LINE, 1.0))
    assert not addon.strokes.read_drawn_strokes(placed)[0].closed
    stroke = placed.cinemagraph.hints.data.layers["Still"].get_frame_at(1).drawing.strokes[0]
    if hasattr(stroke, "fill_id"):
        stroke.fill_id = 1
    else:
        stroke.material_index = addon.scene.hint_material(placed, "Still")
        placed.cinemagraph.hints.data.materials[stroke.material_index].grease_pencil.show_fill = True
    assert addon.strokes.read_drawn_strokes(placed)[0].closed


def test_layers_that_an_older_file_lacks_come_when_needed(addon, placed):
    layers = placed.cinemagraph.hints.data.layers
    for name in ("Sway", "Outlet", "Region"):
        layers.remove(layers[name])
    addon.strokes.add_hints(placed, [addon.data.Stroke("outlet", LINE), addon.data.Stroke("sway", RING, closed=True)])
    assert sorted(stroke.kind for stroke in addon.strokes.read_drawn_strokes(placed)) == ["outlet", "sway"]
    assert list(layers)[-1].name == "Motion"  # the topmost stays on top
    assert layers["Region"].tint_factor == 1.0


def test_hidden_layers_and_other_frames_do_not_count(addon, placed):
    draw(placed, "Motion", seen_at(LINE, 1.0))
    draw(placed, "Still", seen_at(RING, 1.0))
    layers = placed.cinemagraph.hints.data.layers
    layers["Still"].hide = True
    assert [stroke.kind for stroke in addon.strokes.read_drawn_strokes(placed)] == ["motion"]
    layers["Motion"].frames.new(10)
    placed.frame_set(10)
    assert addon.strokes.read_drawn_strokes(placed) == []
    placed.frame_set(9)
    assert len(addon.strokes.read_drawn_strokes(placed)) == 1


def test_radius_is_speed_if_switched_on(addon, placed):
    radius = (0.002, 0.004, 0.006, 0.004)
    draw(placed, "Motion", seen_at(LINE, 1.0))
    drawing = placed.cinemagraph.hints.data.layers["Motion"].get_frame_at(1).drawing
    for point, value in zip(drawing.strokes[0].points, radius):
        point.radius = value
    assert addon.strokes.read_drawn_strokes(placed)[0].profile is None
    placed.cinemagraph.speed_from_radius = True
    profile = addon.strokes.read_drawn_strokes(placed)[0].profile
    assert profile.dtype == np.float32 and np.allclose(profile, (0.5, 1, 1.5, 1))


def test_a_profile_comes_back_as_radius_and_speed(addon, placed):
    profile = np.array([0.5, 1, 2, 4.5], np.float32)
    addon.strokes.add_hints(placed, [addon.data.Stroke("motion", LINE, speed=2.0, profile=profile)])
    assert placed.cinemagraph.speed_from_radius
    (stroke,) = addon.strokes.read_drawn_strokes(placed)
    assert np.allclose(stroke.speed * stroke.profile, 2.0 * profile, rtol=1e-5)


def polyline_distance(points, line):
    """Largest distance of points from a polyline, px."""
    start, step = line[:-1], np.diff(line, axis=0)
    share = np.einsum("psd,sd->ps", points[:, None] - start, step) / np.maximum((step**2).sum(1), 1e-12)
    nearest = start + share.clip(0, 1)[..., None] * step
    return np.linalg.norm(points[:, None] - nearest, axis=-1).min(1).max()


def blenders_curve(hints):
    """(N, 3) points of Blender's own evaluation of the Motion strokes."""
    tree = bpy.data.node_groups.new("curve", "GeometryNodeTree")
    tree.is_modifier = True
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    names = ("NodeGroupInput", "GeometryNodeGreasePencilToCurves", "GeometryNodeRealizeInstances",
             "GeometryNodeCurveToMesh", "NodeGroupOutput")  # fmt: skip
    nodes = [tree.nodes.new(name) for name in names]
    for before, after in zip(nodes, nodes[1:]):
        tree.links.new(before.outputs[0], after.inputs[0])
    for modifier in hints.modifiers:
        modifier.show_viewport = False
    hints.modifiers.new("curve", "NODES").node_group = tree
    geometry = hints.evaluated_get(bpy.context.evaluated_depsgraph_get()).evaluated_geometry()
    points = np.empty(len(geometry.mesh.vertices) * 3, np.float32)
    geometry.mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


@pytest.mark.parametrize("cyclic", [False, True], ids=["open", "cyclic"])
@pytest.mark.parametrize("kind", ["CATMULL_ROM", "POLY", "BEZIER", "NURBS"])
def test_curves_are_read_as_blender_draws_them(addon, placed, kind, cyclic):
    corners = np.array([(20, 30), (90, 20), (160, 90), (300, 120), (250, 170)])
    draw(placed, "Motion", seen_at(corners, FOCAL / WIDTH), cyclic)
    hints = placed.cinemagraph.hints
    bpy.context.view_layer.objects.active = hints
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.grease_pencil.select_all(action="SELECT")
    bpy.ops.grease_pencil.set_curve_type(type=kind)
    if kind == "BEZIER":
        bpy.ops.grease_pencil.set_handle_type(type="FREE" if bpy.app.version < (5, 0, 0) else "FREE_ALIGN")
    bpy.ops.object.mode_set(mode="OBJECT")
    if kind == "BEZIER":  # bend it by a handle
        drawing = hints.data.layers["Motion"].get_frame_at(1).drawing
        values = np.empty(15, np.float32)
        drawing.attributes["handle_right"].data.foreach_get("vector", values)
        values[3:6] += (0.1, 0, 0.1)
        drawing.attributes["handle_right"].data.foreach_set("vector", values)
        drawing.tag_positions_changed()
    (stroke,) = addon.strokes.read_drawn_strokes(placed)
    seen = blenders_curve(hints)
    pixels = seen[:, [0, 2]] * (WIDTH, -WIDTH) + (WIDTH / 2, HEIGHT / 2)
    whole = np.concatenate([stroke.points, stroke.points[:1]]) if cyclic else stroke.points
    assert len(stroke.points) > (4 if kind == "POLY" else 20)
    assert polyline_distance(pixels, whole) < 0.5
    assert polyline_distance(stroke.points, np.concatenate([pixels, pixels[:1]]) if cyclic else pixels) < 0.5
    assert np.abs(stroke.points[0] - pixels[0]).max() < 0.1  # in drawing order


def test_a_stroke_behind_the_camera_is_refused(addon, placed):
    draw(placed, "Motion", -seen_at(LINE, 1.0))
    with pytest.raises(addon.errors.CinemaError, match="behind"):
        addon.strokes.read_drawn_strokes(placed)


@pytest.mark.parametrize("focal", [FOCAL, 900.0])
def test_strokes_come_back_as_they_were_added(addon, placed, focal):
    stroke = addon.data.Stroke
    strokes = [
        stroke("motion", LINE, speed=2.5),
        stroke("motion", LINE[::-1].copy()),
        stroke("still", LINE + 5),
        stroke("region", RING, closed=True),
    ]
    addon.strokes.add_hints(placed, strokes)
    addon.strokes.add_hints(placed, strokes[:1])
    placed.cinemagraph.focal = focal  # strokes keep their pixels
    bpy.context.view_layer.update()
    back = addon.strokes.read_drawn_strokes(placed)
    want = {"motion": [strokes[0], strokes[1], strokes[0]], "still": [strokes[2]], "region": [strokes[3]]}
    for kind, originals in want.items():
        found = [stroke for stroke in back if stroke.kind == kind]
        assert len(found) == len(originals)
        for a, b in zip(found, originals):
            assert np.abs(a.points - b.points).max() < 1e-2
            assert (a.closed, a.speed) == (b.closed, b.speed)
    addon.strokes.add_hints(placed, strokes[:1], replace=True)
    assert len(addon.strokes.read_drawn_strokes(placed)) == 1
