"""Marks of the hints in the viewport: arrowheads along Motion strokes, a tint inside areas, and a dot at the start of
strokes that compare depths with their start.

The marks are a separate Grease Pencil object, which Geometry Nodes make from the hints' strokes. They follow the pen
while it draws, look alike in every shading mode, need no running code, and leave the strokes unchanged. Sizes are in
units of the photo's longer side, because the hints are drawn on a plane where that side is one unit wide.
"""

from math import pi
from typing import Any

import bpy

from .hint_layers import AREA, ARROWHEADS, START, Color, layers_marked
from .nodes import Graph, Socket, set_inputs
from .versions import fill_strokes_of

SPEED = "cinemagraph_speed"  # curve attribute, factor on the stroke's speed; missing or 0 on strokes drawn by hand
HEAD_LENGTH = 0.022  # units of the photo's longer side, default length of an arrowhead
HEAD_SPACING = 0.08  # units of the photo's longer side, default distance of two arrowheads
HEAD_PER_RADIUS = 4.5  # least length of an arrowhead in radii of its stroke, so that the stroke does not hide it
USUAL_LENGTH = 0.15  # units; arrowheads of a stroke of this length have the default size, those of faster ones grow
LONGEST_STROKE = 0.25  # units; a longer stroke is no faster, as in the core
HEAD_SCALES = 0.8, 2.0  # least and greatest factor of the speed on the length of an arrowhead
RADIUS_SPEEDS = 0.1, 10.0  # least and greatest factor of the radius on the speed
NO_DIRECTION = 0.002  # units; no arrowhead so close to the start, nor on a stroke this short
DOT_RADIUS = 0.008  # units, radius of the dot at the start of a stroke
OUTLINE_RADIUS = 0.0015  # units, radius of the outline of arrowheads and dots
AREA_OPACITY = 0.25  # opacity of the tint inside areas; the photo stays readable beneath it
OUTLINE_COLOR = (0.03, 0.01, 0.0, 1.0)  # dark, so that marks stand out on any photo
_HEADS = "Arrowheads"  # name of an input of the modifier and of its marks
_LENGTH, _PLACE, _KIND = "arrow_length", "arrow_place", "mark_kind"  # attributes inside the node group


def create_marks(item: bpy.types.Object, hints: bpy.types.Object) -> None:
    """Let a Grease Pencil object show the marks of the hints.

    Args:
        item: The object; empty, and a child of the hints.
        hints: The object with the strokes.
    """
    item.data.layers.new("Marks")
    modifier = item.modifiers.new("Cinemagraph Marks", "NODES")
    modifier.node_group = create_marks_group()
    materials = {
        layer.name: _material(f"Cinemagraph {layer.name} Area", (*layer.color, AREA_OPACITY))
        for layer in layers_marked(AREA)
    }
    materials |= {
        layer.name: _material(f"Cinemagraph {layer.name} Start", _lighten(layer.color))
        for layer in layers_marked(START)
    }
    (arrows,) = layers_marked(ARROWHEADS)
    materials[_HEADS] = _material("Cinemagraph Arrowheads", _lighten(arrows.color))
    set_inputs(modifier, {"Hints": hints, **materials})


def _lighten(color: Color) -> tuple[float, float, float, float]:
    """A lighter colour that stands out on a stroke of this colour."""
    return (*(0.6 + 0.4 * channel for channel in color), 1.0)


def follow_radius(marks: bpy.types.Object | None, on: bool) -> None:
    """Let the arrowheads show whether a stroke's radius scales its speed."""
    for modifier in marks.modifiers if marks is not None else ():
        if modifier.type == "NODES" and modifier.node_group is not None:
            set_inputs(modifier, {"Speed from Radius": on})


def create_marks_group() -> bpy.types.GeometryNodeTree:
    """Make the node group; it ignores its input geometry."""
    areas, starts = ([layer.name for layer in layers_marked(mark)] for mark in (AREA, START))
    (arrows,) = layers_marked(ARROWHEADS)
    graph = Graph("Cinemagraph Marks")
    graph.input("NodeSocketGeometry", "Geometry", "Not used")
    graph.input("NodeSocketObject", "Hints", "The strokes")
    graph.input(
        "NodeSocketFloat",
        "Size",
        "Length of an arrowhead, in units of the photo's longer side",
        default_value=HEAD_LENGTH,
        min_value=0.0,
        max_value=1.0,
    )
    graph.input(
        "NodeSocketFloat",
        "Spacing",
        "Distance between two arrowheads, in units of the photo's longer side",
        default_value=HEAD_SPACING,
        min_value=0.001,
        max_value=10.0,
    )
    graph.input(
        "NodeSocketBool", "Speed from Radius", "Larger arrowheads where the stroke is thicker", hide_in_modifier=True
    )
    for name in (*areas, *starts, _HEADS):
        graph.input("NodeSocketMaterial", name, "Material of these marks")
    inputs = graph.interface()
    strokes = graph.add("GeometryNodeObjectInfo", inputs["Hints"], transform_space="ORIGINAL").outputs["Geometry"]
    marks = {name: _area(graph, _layer(graph, strokes, name)) for name in areas}
    marks |= {name: _starts(graph, _layer(graph, strokes, name), inputs) for name in starts}
    marks[_HEADS] = _arrowheads(graph, _layer(graph, strokes, arrows.name), inputs)  # drawn on top, as the last one
    joined = graph.add("GeometryNodeJoinGeometry")
    for number, mark in reversed(list(enumerate(marks.values()))):  # a multi-input lists its last link first
        graph.tree.links.new(_store(graph, mark, _KIND, number, "INT", "CURVE"), joined.inputs[0])
    graph.add("NodeGroupOutput", _paint(graph, joined.outputs[0], [inputs[name] for name in marks]))
    return graph.tree


def _paint(graph: Graph, curves: Socket, materials: list[Socket]) -> Socket:
    """Convert curves to Grease Pencil, each curve filled by the material of its kind of mark.

    Colours are materials because point colours do not show in solid shading.
    """
    curves = graph.without(curves, "*_color")  # colours of the hints' points and layers would cover the materials
    # Blender 5.1 and later fill strokes by this attribute, unique for each stroke; earlier versions by their material.
    number = graph.math("ADD", graph.add("GeometryNodeInputIndex").outputs[0], 1.0)
    curves = _store(graph, curves, "fill_id", number, "INT", "CURVE")
    curves = _store(graph, curves, "material_index", 0, "INT", "CURVE")  # instead of the slots of the hints' materials
    drawn = graph.add("GeometryNodeCurvesToGreasePencil", curves, None, False).outputs[0]
    for number, material in enumerate(materials):
        chosen = graph.add(
            "FunctionNodeCompare", graph.named("INT", _KIND), number, data_type="INT", operation="EQUAL"
        ).outputs[0]
        drawn = graph.add("GeometryNodeSetMaterial", drawn, chosen, material).outputs[0]
    return drawn


def _store(graph: Graph, geometry: Socket, name: str, value: Any, kind: str, domain: str) -> Socket:
    return graph.add(
        "GeometryNodeStoreNamedAttribute", geometry, None, name, value, data_type=kind, domain=domain
    ).outputs[0]


def _layer(graph: Graph, strokes: Socket, name: str) -> Socket:
    chosen = graph.add("GeometryNodeInputNamedLayerSelection", name).outputs[0]
    curves = graph.add("GeometryNodeGreasePencilToCurves", strokes, chosen).outputs[0]
    return graph.add("GeometryNodeRealizeInstances", curves).outputs[0]


def _area(graph: Graph, curves: Socket) -> Socket:
    """The inside of strokes without their lines; open strokes are closed, as when they are read."""
    closed = graph.add("GeometryNodeSetSplineCyclic", curves, None, True).outputs[0]
    bare = _store(graph, closed, "hide_stroke", True, "BOOLEAN", "CURVE")  # Blender 5.2 and later
    return _store(graph, bare, "opacity", 0.0, "FLOAT", "POINT")  # earlier versions


def _starts(graph: Graph, curves: Socket, inputs: dict[str, Socket]) -> Socket:
    """A dot with a dark outline at the start of each stroke, wider than the stroke."""
    first = graph.add("GeometryNodeCurveEndpointSelection", 1, 0).outputs[0]
    share = graph.math("DIVIDE", inputs["Size"], HEAD_LENGTH)
    visible = graph.math("MULTIPLY", graph.named("FLOAT", "radius"), 1.5)
    radius = graph.math("MAXIMUM", graph.math("MULTIPLY", share, DOT_RADIUS), visible)
    circle = graph.add("GeometryNodeCurvePrimitiveCircle", 16, mode="RADIUS")
    circle.inputs["Radius"].default_value = 1.0
    dots = graph.add(
        "GeometryNodeInstanceOnPoints", curves, first, circle.outputs["Curve"], None, None, (pi / 2, 0.0, 0.0), radius
    ).outputs[0]
    return _outlines(graph, dots)


def _outlines(graph: Graph, marks: Socket) -> Socket:
    """Instances as thin curves, visible even where the strokes below them are hidden."""
    curves = graph.add("GeometryNodeRealizeInstances", marks).outputs[0]
    thin = graph.add("GeometryNodeSetCurveRadius", curves, None, OUTLINE_RADIUS).outputs[0]
    return _store(graph, thin, "hide_stroke", False, "BOOLEAN", "CURVE")


def _arrowheads(graph: Graph, curves: Socket, inputs: dict[str, Socket]) -> Socket:
    """Arrowheads along the strokes, lighter than these, with a dark outline that sets them off from any photo."""
    along = graph.add("GeometryNodeSplineParameter").outputs["Length"]
    for name, value in ((_LENGTH, _length(graph, inputs)), (_PLACE, along)):
        curves = _store(graph, curves, name, value, "FLOAT", "POINT")
    points, tangent = _points(graph, curves, inputs["Spacing"])
    # None at the start of a stroke, and none on a dot.
    shown = graph.add("FunctionNodeCompare", graph.named("FLOAT", _PLACE), NO_DIRECTION, data_type="FLOAT").outputs[0]
    flat = graph.add(
        "FunctionNodeAxesToRotation", (0.0, -1.0, 0.0), tangent, primary_axis="Z", secondary_axis="X"
    ).outputs[0]
    heads = graph.add(
        "GeometryNodeInstanceOnPoints",
        points,
        shown,
        _arrowhead(graph),
        None,
        None,
        flat,
        graph.named("FLOAT", _LENGTH),
    ).outputs[0]
    return _outlines(graph, heads)


def _length(graph: Graph, inputs: dict[str, Socket]) -> Socket:
    """Length of an arrowhead: proportional to the square root of the speed, so that slow ones stay visible."""
    factor = graph.named("FLOAT", SPEED)
    unset = graph.math("LESS_THAN", factor, 1e-5)
    length = graph.math("MINIMUM", graph.add("GeometryNodeSplineLength").outputs["Length"], LONGEST_STROKE)
    pace = graph.math("MULTIPLY", length, graph.math("ADD", factor, unset))
    thick = graph.add("GeometryNodeSwitch", inputs["Speed from Radius"], 1.0, _thickness(graph), input_type="FLOAT")
    pace = graph.math("MULTIPLY", pace, thick.outputs[0])
    scale = graph.add("ShaderNodeClamp", graph.math("SQRT", graph.math("DIVIDE", pace, USUAL_LENGTH)), *HEAD_SCALES)
    visible = graph.math("MULTIPLY", graph.named("FLOAT", "radius"), HEAD_PER_RADIUS)
    return graph.math("MAXIMUM", graph.math("MULTIPLY", inputs["Size"], scale.outputs[0]), visible)


def _thickness(graph: Graph) -> Socket:
    """Each point's radius divided by the mean radius of its stroke."""
    curve = graph.add("GeometryNodeCurveOfPoint").outputs["Curve Index"]
    radius = graph.named("FLOAT", "radius")
    total, count = (
        graph.add("GeometryNodeAccumulateField", value, curve, data_type="FLOAT", domain="POINT").outputs["Total"]
        for value in (radius, 1.0)
    )
    ratio = graph.math("DIVIDE", graph.math("MULTIPLY", radius, count), total)
    return graph.add("ShaderNodeClamp", ratio, *RADIUS_SPEEDS).outputs[0]


def _points(graph: Graph, curves: Socket, spacing: Socket) -> tuple[Socket, Socket]:
    """Evenly spaced points along the strokes, from end to end, and the strokes' directions there."""
    length = graph.add("GeometryNodeSplineLength").outputs["Length"]
    between = graph.math("MAXIMUM", graph.math("ROUND", graph.math("DIVIDE", length, spacing)), 1.0)
    count = graph.math("ADD", graph.math("MINIMUM", between, 1000.0), 1.0)
    spread = graph.add("GeometryNodeCurveToPoints", curves, count, mode="COUNT")
    return spread.outputs["Points"], spread.outputs["Tangent"]


def _arrowhead(graph: Graph) -> Socket:
    """The outline of a barbed head of length 1 towards +x: tip, barb, notch, barb."""
    corners = [(0.45, 0.0, 0.0), (-0.55, 0.42, 0.0), (-0.3, 0.0, 0.0), (-0.55, -0.42, 0.0)]
    outline = graph.add("GeometryNodeCurvePrimitiveQuadrilateral", mode="POINTS")
    for number, corner in enumerate(corners, 1):
        outline.inputs[f"Point {number}"].default_value = corner
    return outline.outputs[0]


def _material(name: str, fill: tuple[float, float, float, float]) -> bpy.types.Material:
    """A fill with a dark outline that sets it off from any photo; areas have no outline."""
    material = bpy.data.materials.new(name)
    bpy.data.materials.create_gpencil_data(material)
    fill_strokes_of(material.grease_pencil)
    material.grease_pencil.fill_color, material.grease_pencil.color = fill, OUTLINE_COLOR
    return material
