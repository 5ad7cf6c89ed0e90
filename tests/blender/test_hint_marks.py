"""Arrowheads along Motion strokes, tints of areas, and speed and direction of the chosen strokes."""

from importlib import import_module

import bpy
import numpy as np
import pytest
from extension import MODULE
from layout import Layout
from sample import HEIGHT, WIDTH

LINE = np.array([(20, 90), (100, 90), (200, 90), (300, 90)], np.float32)
SHORT = np.array([(20, 40), (40, 40)], np.float32)
RING = np.array([(100, 100), (200, 100), (200, 160), (100, 160)], np.float32)


def marks(scene, name):
    """(M, N, 2) px of the visible marks with a material: M outlines of N corners."""
    item = scene.cinemagraph.marks
    geometry = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).evaluated_geometry()
    data = geometry.grease_pencil
    found = []
    for layer in data.layers if data is not None else ():
        for stroke in layer.frames[0].drawing.strokes:
            assert stroke.cyclic
            if name in data.materials[stroke.material_index].name:
                found.append([point.position[:] for point in stroke.points])
    points = np.array(found or np.zeros((0, 4, 3)))
    return points[..., [0, 2]] * (WIDTH, -WIDTH) + (WIDTH / 2, HEIGHT / 2)


def arrowheads(scene):
    """(A, 4, 2) px: tip, barb, notch, barb."""
    return marks(scene, "Arrowheads")


def directions(heads):
    """Unit vectors from notch to tip."""
    way = heads[:, 0] - heads[:, 2]
    return way / np.linalg.norm(way, axis=1, keepdims=True)


def sizes(heads):
    return np.linalg.norm(heads[:, 0] - heads[:, 2], axis=1)


@pytest.fixture
def stroke(addon):
    return lambda points, **more: addon.data.Stroke("motion", np.asarray(points, np.float32), **more)


@pytest.fixture
def edit(placed):
    """Enter Edit Mode on the hints, with Motion strokes selected by index."""

    def start(*selected):
        hints = placed.cinemagraph.hints
        bpy.context.view_layer.objects.active = hints
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.grease_pencil.select_all(action="DESELECT")
        drawing = hints.data.layers["Motion"].get_frame_at(1).drawing
        for number in selected:
            drawing.strokes[number].points[0].select = True

    yield start
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def test_arrowheads_point_along_the_stroke(addon, placed, stroke):
    addon.strokes.add_hints(placed, [stroke(LINE), stroke(SHORT[::-1])])
    heads = arrowheads(placed)
    along, back = heads[heads[:, 0, 1] > 60], heads[heads[:, 0, 1] < 60]
    assert len(along) == 11 and len(back) == 1
    assert np.allclose(directions(along), (1, 0), atol=1e-4) and np.allclose(directions(back), (-1, 0), atol=1e-4)
    assert np.abs(heads[:, 0, 1] - heads[:, 2, 1]).max() < 0.01  # on the stroke
    assert along[:, 0, 0].min() > 30  # none at the start of the stroke
    assert abs(along[:, 0, 0].max() - 300) < 6 and abs(back[0, 0, 0] - 20) < 6  # one at the end


def test_arrowheads_follow_every_change(addon, placed, stroke):
    hints = placed.cinemagraph.hints
    addon.strokes.add_hints(placed, [stroke(LINE)])
    assert len(arrowheads(placed))
    drawing = hints.data.layers["Motion"].get_frame_at(1).drawing
    for point, (x, z) in zip(drawing.strokes[0].points, [(0, -0.2), (0, -0.1), (0, 0), (0, 0.1)]):
        point.position = (x, 0, z)
    drawing.tag_positions_changed()
    assert np.allclose(directions(arrowheads(placed)), (0, -1), atol=1e-4)  # upwards
    drawing.remove_strokes()
    hints.data.update_tag()
    assert not len(arrowheads(placed))


def test_only_visible_motion_strokes_have_arrowheads(addon, placed, stroke):
    hints = placed.cinemagraph.hints
    others = [addon.data.Stroke(kind, RING, closed=kind != "outlet") for kind in ("region", "sway", "still", "outlet")]
    addon.strokes.add_hints(placed, others)
    assert not len(arrowheads(placed))
    addon.strokes.add_hints(placed, [stroke(LINE)])
    assert len(arrowheads(placed))
    hints.data.layers["Motion"].hide = True
    bpy.context.view_layer.update()
    assert not len(arrowheads(placed))


def test_faster_strokes_have_larger_arrowheads(addon, placed, stroke):
    mean = {}
    for speed in (0.3, 0.6, 1.0, 100.0):
        addon.strokes.add_hints(placed, [stroke(LINE, speed=speed)], replace=True)
        mean[speed] = sizes(arrowheads(placed)).mean()
    assert mean[0.3] < mean[0.6] < mean[1.0] < mean[100.0] < 3 * mean[0.3]
    addon.strokes.add_hints(placed, [stroke(LINE, profile=np.array([0.6, 0.6, 1.4, 1.4], np.float32))], replace=True)
    swelling = sizes(arrowheads(placed))
    assert swelling[-1] > 1.3 * swelling[0]
    placed.cinemagraph.speed_from_radius = False
    assert np.ptp(sizes(arrowheads(placed))) < 0.01


def test_a_thick_stroke_does_not_hide_its_arrowheads(addon, placed, stroke):
    addon.strokes.add_hints(placed, [stroke(LINE)])
    usual = sizes(arrowheads(placed)).mean()
    drawing = placed.cinemagraph.hints.data.layers["Motion"].get_frame_at(1).drawing
    for point in drawing.strokes[0].points:
        point.radius = 0.015
    drawing.tag_positions_changed()
    heads = arrowheads(placed)
    assert sizes(heads).mean() > 1.5 * usual
    assert np.abs(heads[:, 1] - heads[:, 3]).max() > 2.5 * 0.015 * WIDTH  # its barbs stand out


def test_areas_are_tinted_even_where_their_stroke_is_open(addon, placed):
    others = {kind: addon.data.Stroke(kind, RING) for kind in ("region", "sway", "still", "outlet")}
    addon.strokes.add_hints(placed, list(others.values()))
    for name in ("Region", "Sway"):
        (area,) = marks(placed, f"{name} Area")
        assert np.abs(area - RING).max() < 0.5
    assert not len(arrowheads(placed))


def test_marks_leave_the_strokes_alone(addon, placed, stroke):
    settings = placed.cinemagraph
    addon.strokes.add_hints(placed, [stroke(LINE), stroke(SHORT)])
    assert [len(one.points) for one in addon.strokes.read_drawn_strokes(placed)] == [4, 2]
    assert not len(settings.hints.modifiers)
    assert settings.hints.hide_render and settings.marks.hide_render and settings.marks.hide_select
    before = set(placed.objects)
    addon.scene.ensure_hints(placed)
    assert set(placed.objects) == before
    bpy.data.objects.remove(settings.marks)
    addon.scene.ensure_hints(placed)
    assert len(arrowheads(placed)) > 1


def test_an_empty_stroke_and_a_dot_have_no_arrowhead(addon, placed, stroke):
    addon.strokes.add_hints(placed, [stroke([(50, 50)]), stroke([(60, 60), (60, 60)])])
    heads = arrowheads(placed)
    assert not len(heads)


def test_speed_is_that_of_the_last_stroke(addon, placed, stroke):
    settings = placed.cinemagraph
    assert settings.stroke_speed == 1.0
    settings.stroke_speed = 3.0  # nothing is drawn: nothing happens
    addon.strokes.add_hints(placed, [stroke(LINE, speed=0.5), stroke(SHORT)])
    assert settings.stroke_speed == 1.0
    settings.stroke_speed = 2.5
    assert [one.speed for one in addon.strokes.read_drawn_strokes(placed)] == [0.5, 2.5]
    assert settings.stroke_speed == 2.5


def test_speed_is_that_of_selected_strokes_in_edit_mode(addon, placed, stroke, edit):
    settings = placed.cinemagraph
    addon.strokes.add_hints(placed, [stroke(LINE, speed=0.5), stroke(SHORT), stroke(LINE + 5, speed=1.5)])
    edit(0, 2)
    assert settings.stroke_speed == 1.0  # their mean
    settings.stroke_speed = 4.0
    assert [one.speed for one in addon.strokes.read_drawn_strokes(placed)] == [4.0, 1.0, 4.0]
    bpy.ops.grease_pencil.select_all(action="DESELECT")
    settings.stroke_speed = 9.0
    assert [one.speed for one in addon.strokes.read_drawn_strokes(placed)] == [4.0, 1.0, 4.0]


def speeds(addon, scene):
    return [round(one.speed, 5) for one in addon.strokes.read_drawn_strokes(scene)]


def test_selected_strokes_get_a_speed_each_as_undo_steps(addon, placed, stroke, edit):
    addon.strokes.add_hints(placed, [stroke(LINE, speed=0.5), stroke(SHORT), stroke(LINE + 5, speed=1.5)])
    edit(0, 2)
    bpy.ops.ed.undo_push(message="selected")
    bpy.ops.cinemagraph.set_stroke_speed("EXEC_DEFAULT", True, factor=3.0)
    assert speeds(addon, placed) == [3, 1, 3]
    bpy.ops.ed.undo()
    placed = bpy.context.scene
    assert speeds(addon, placed) == [0.5, 1, 1.5]
    bpy.ops.cinemagraph.scale_stroke_speed("EXEC_DEFAULT", True, scale=2.0)
    bpy.ops.cinemagraph.scale_stroke_speed("EXEC_DEFAULT", True, scale=2.0)
    assert speeds(addon, placed) == [2, 1, 6]
    bpy.ops.ed.undo()
    assert speeds(addon, bpy.context.scene) == [1, 1, 3]
    bpy.ops.ed.redo()
    assert speeds(addon, bpy.context.scene) == [2, 1, 6]
    assert bpy.context.object.mode == "EDIT"


def test_speed_stays_within_its_limits(addon, placed, stroke):
    addon.strokes.add_hints(placed, [stroke(LINE), stroke(SHORT)])
    for scale, wanted in ((0.5, [1, 0.5]), (0.01, [1, 0.01]), (100, [1, 1]), (100, [1, 100]), (2, [1, 100])):
        bpy.ops.cinemagraph.scale_stroke_speed(scale=scale)
        assert speeds(addon, placed) == wanted
    placed.cinemagraph.hints.data.layers["Motion"].frames[0].drawing.remove_strokes()
    with pytest.raises(RuntimeError, match="Draw a Motion stroke first"):
        bpy.ops.cinemagraph.set_stroke_speed(factor=2.0)


def test_reverse_turns_the_last_stroke_round(addon, placed, stroke):
    profile = np.array([0.4, 0.8, 1.2, 1.6], np.float32)
    addon.strokes.add_hints(placed, [stroke(SHORT), stroke(LINE, profile=profile)])
    assert bpy.ops.cinemagraph.reverse_strokes() == {"FINISHED"}
    first, last = addon.strokes.read_drawn_strokes(placed)
    assert np.abs(first.points - SHORT).max() < 1e-2 and np.abs(last.points - LINE[::-1]).max() < 1e-2
    assert np.allclose(last.profile, profile[::-1], rtol=1e-4)
    assert np.allclose(directions(arrowheads(placed))[-1], (-1, 0), atol=1e-4)


def test_reverse_turns_selected_strokes_round(addon, placed, stroke, edit):
    addon.strokes.add_hints(placed, [stroke(LINE), stroke(SHORT)])
    edit(0)
    assert bpy.ops.cinemagraph.reverse_strokes() == {"FINISHED"}
    first, last = addon.strokes.read_drawn_strokes(placed)
    assert np.abs(first.points - LINE[::-1]).max() < 1e-2 and np.abs(last.points - SHORT).max() < 1e-2


def test_a_reversed_bezier_stroke_keeps_its_shape(addon, placed, stroke, edit):
    bent = np.array([(20, 30), (90, 120), (160, 20), (300, 120)], np.float32)
    addon.strokes.add_hints(placed, [stroke(bent), stroke(SHORT)])
    edit(0)
    bpy.ops.grease_pencil.select_all(action="SELECT")
    bpy.ops.grease_pencil.set_curve_type(type="CATMULL_ROM")
    bpy.ops.grease_pencil.set_curve_type(type="BEZIER")
    before = addon.strokes.read_drawn_strokes(placed)[0].points
    bpy.ops.cinemagraph.reverse_strokes()
    after = addon.strokes.read_drawn_strokes(placed)[0].points
    assert len(before) > 20 and np.abs(after[::-1] - before).max() < 0.05


def test_reverse_without_strokes_is_refused(addon, placed):
    with pytest.raises(RuntimeError, match="Draw a Motion stroke first"):
        bpy.ops.cinemagraph.reverse_strokes()
    assert bpy.ops.cinemagraph.hide_flow.poll() is False


def test_the_panel_says_whose_speed_it_changes(addon, placed, stroke, edit):
    def button():
        layout = Layout()
        import_module(f"{MODULE}.panels.sidebar")._show_stroke_speed(bpy.context, layout)
        return layout.texts[1]

    assert button() == "Stroke Speed"
    addon.strokes.add_hints(placed, [stroke(LINE, speed=0.5), stroke(SHORT), stroke(LINE + 5, speed=1.5)])
    assert button() == "Last Stroke: Speed 1.50"
    edit(0)
    assert button() == "1 Stroke: Speed 0.50"
    edit(0, 2)
    assert button() == "2 Strokes: Speed 1.00"
