"""What shows in the view what the hints mean: arrowheads along motion strokes, a tint over areas, a dot where a
stroke starts that compares what it runs over with its start.

They are Grease Pencil of an object of its own, which Geometry Nodes make of the hints' strokes: they follow the pen
while it draws, they look alike in every kind of shading, nothing runs for them, and the strokes stay as they are.
Sizes are in units of the photo's longer side, as the hints are drawn on a plane where that is one unit wide.
"""

from dataclasses import dataclass
from math import pi
from typing import Any

import bpy

from .nodes import Graph, Socket, set_inputs

SPEED = "cinemagraph_speed"  # curve attribute, factor on the stroke's speed; strokes drawn by hand have none, or 0
SIZE = 0.022
SPACING = 0.08
BREADTH = 4.5  # an arrowhead is at least so many times as long as the stroke's radius: it would not be seen on it
USUAL = 0.15  # the length of a stroke whose arrowheads have just that size; those of faster ones are larger
LONGEST = 0.25  # a longer stroke is no faster, as in the core
SMALLEST, LARGEST = 0.8, 2.0  # factors on the size
SLOWEST, FASTEST = 0.1, 10.0  # what the radius may make of the speed
DOT = 0.002  # a shorter stroke has no direction
START = 0.008  # radius of the dot where a stroke starts
RIM = 0.0015  # radius of the outline of arrowheads and dots
AREA_TINT = 0.25  # opacity; the photo stays readable beneath
RIM_COLOR = (0.03, 0.01, 0.0, 1.0)
_HEADS = "Arrowheads"  # name of an input, and of what is made
_LENGTH, _PLACE, _KIND = "arrow_length", "arrow_place", "mark_kind"


@dataclass(frozen=True)
class Marked:
    """Which layers get which marks.

    Attributes:
        motion: Name of the layer that gets arrowheads.
        areas: Names of the layers that are tinted.
        starts: Names of the layers whose strokes get a dot where they start.
    """

    motion: str
    areas: tuple[str, ...]
    starts: tuple[str, ...]


def create_marks(
    item: bpy.types.Object, hints: bpy.types.Object, marked: Marked, tints: dict[str, tuple[float, float, float]]
) -> None:
    """Let a Grease Pencil object show the marks of the hints.

    Args:
        item: The object; empty, and a child of the hints.
        hints: What is drawn on.
        marked: Layers of the hints.
        tints: Colour of each layer, scene-linear.
    """
    item.data.layers.new("Marks")
    modifier = item.modifiers.new("Cinemagraph Marks", "NODES")
    modifier.node_group = create_marks_group(marked)
    materials = {name: _material(f"Cinemagraph {name} Area", (*tints[name], AREA_TINT)) for name in marked.areas}
    materials |= {name: _material(f"Cinemagraph {name} Start", _light(tints[name])) for name in marked.starts}
    materials[_HEADS] = _material("Cinemagraph Arrowheads", _light(tints[marked.motion]))
    set_inputs(modifier, {"Hints": hints, **materials})


def _light(tint: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """A stroke's colour as it is told apart on the stroke."""
    return (*(0.6 + 0.4 * channel for channel in tint), 1.0)


def follow_radius(marks: bpy.types.Object | None, on: bool) -> None:
    """Let the arrowheads say whether a stroke's radius scales its speed."""
    if marks is not None and len(marks.modifiers):
        set_inputs(marks.modifiers[0], {"Speed from Radius": on})


def create_marks_group(marked: Marked) -> bpy.types.GeometryNodeTree:
    """Make the group; the geometry that it is given is dropped."""
    graph = Graph("Cinemagraph Marks")
    graph.input("NodeSocketGeometry", "Geometry", "Not used")
    graph.input("NodeSocketObject", "Hints", "The strokes")
    graph.input(
        "NodeSocketFloat",
        "Size",
        "Length of an arrowhead, in units of the photo's longer side",
        default_value=SIZE,
        min_value=0.0,
        max_value=1.0,
    )
    graph.input(
        "NodeSocketFloat",
        "Spacing",
        "Distance between two arrowheads, in units of the photo's longer side",
        default_value=SPACING,
        min_value=0.001,
        max_value=10.0,
    )
    graph.input(
        "NodeSocketBool", "Speed from Radius", "Larger arrowheads where the stroke is thicker", hide_in_modifier=True
    )
    for name in (*marked.areas, *marked.starts, _HEADS):
        graph.input("NodeSocketMaterial", name, "Material of these marks")
    inputs = graph.interface()
    strokes = graph.add("GeometryNodeObjectInfo", inputs["Hints"], transform_space="ORIGINAL").outputs["Geometry"]
    marks = {name: _area(graph, _layer(graph, strokes, name)) for name in marked.areas}
    marks |= {name: _starts(graph, _layer(graph, strokes, name), inputs) for name in marked.starts}
    marks[_HEADS] = _arrowheads(graph, _layer(graph, strokes, marked.motion), inputs)  # the last one is drawn on top
    joined = graph.add("GeometryNodeJoinGeometry")
    for number, mark in reversed(list(enumerate(marks.values()))):  # a multi-input lists its links last first
        graph.tree.links.new(_store(graph, mark, _KIND, number, "INT", "CURVE"), joined.inputs[0])
    graph.add("NodeGroupOutput", _paint(graph, joined.outputs[0], [inputs[name] for name in marks]))
    return graph.tree


def _paint(graph: Graph, curves: Socket, materials: list[Socket]) -> Socket:
    """Make Grease Pencil of curves, every one filled by the material of its kind.

    Materials, not colours of points: these do not show in solid shading.
    """
    curves = graph.without(curves, "*_color")  # of the hints' points and layers: they would show over the materials
    # Blender 5.2 on fills strokes by this attribute, each with a number of its own; before, by their material.
    number = graph.math("ADD", graph.add("GeometryNodeInputIndex").outputs[0], 1.0)
    curves = _store(graph, curves, "fill_id", number, "INT", "CURVE")
    curves = _store(graph, curves, "material_index", 0, "INT", "CURVE")  # those of the hints are not needed
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
    """What a stroke encloses, without its line; an open one is closed, as it is when it is read."""
    closed = graph.add("GeometryNodeSetSplineCyclic", curves, None, True).outputs[0]
    bare = _store(graph, closed, "hide_stroke", True, "BOOLEAN", "CURVE")  # Blender 5.2 on
    return _store(graph, bare, "opacity", 0.0, "FLOAT", "POINT")  # before


def _starts(graph: Graph, curves: Socket, inputs: dict[str, Socket]) -> Socket:
    """A dot where each stroke starts, in a dark rim; larger than the stroke is thick."""
    first = graph.add("GeometryNodeCurveEndpointSelection", 1, 0).outputs[0]
    share = graph.math("DIVIDE", inputs["Size"], SIZE)
    seen = graph.math("MULTIPLY", graph.named("FLOAT", "radius"), 1.5)
    radius = graph.math("MAXIMUM", graph.math("MULTIPLY", share, START), seen)
    circle = graph.add("GeometryNodeCurvePrimitiveCircle", 16, mode="RADIUS")
    circle.inputs["Radius"].default_value = 1.0
    dots = graph.add(
        "GeometryNodeInstanceOnPoints", curves, first, circle.outputs["Curve"], None, None, (pi / 2, 0.0, 0.0), radius
    ).outputs[0]
    return _outlines(graph, dots)


def _outlines(graph: Graph, marks: Socket) -> Socket:
    """Curves of instances, thin and seen even where what they were made of is not."""
    curves = graph.add("GeometryNodeRealizeInstances", marks).outputs[0]
    thin = graph.add("GeometryNodeSetCurveRadius", curves, None, RIM).outputs[0]
    return _store(graph, thin, "hide_stroke", False, "BOOLEAN", "CURVE")


def _arrowheads(graph: Graph, curves: Socket, inputs: dict[str, Socket]) -> Socket:
    """Heads along the strokes, lighter than these, in a dark rim that parts them from any photo."""
    way = graph.add("GeometryNodeSplineParameter").outputs["Length"]
    for name, value in ((_LENGTH, _length(graph, inputs)), (_PLACE, way)):
        curves = _store(graph, curves, name, value, "FLOAT", "POINT")
    points, tangent = _points(graph, curves, inputs["Spacing"])
    # Where a stroke starts there is none, and on a dot.
    shown = graph.add("FunctionNodeCompare", graph.named("FLOAT", _PLACE), DOT, data_type="FLOAT").outputs[0]
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
    """How long an arrowhead is: with the root of the speed, so that slow ones stay visible."""
    factor = graph.named("FLOAT", SPEED)
    unset = graph.math("LESS_THAN", factor, 1e-5)
    length = graph.math("MINIMUM", graph.add("GeometryNodeSplineLength").outputs["Length"], LONGEST)
    pace = graph.math("MULTIPLY", length, graph.math("ADD", factor, unset))
    thick = graph.add("GeometryNodeSwitch", inputs["Speed from Radius"], 1.0, _thickness(graph), input_type="FLOAT")
    pace = graph.math("MULTIPLY", pace, thick.outputs[0])
    scale = graph.add("ShaderNodeClamp", graph.math("SQRT", graph.math("DIVIDE", pace, USUAL)), SMALLEST, LARGEST)
    seen = graph.math("MULTIPLY", graph.named("FLOAT", "radius"), BREADTH)
    return graph.math("MAXIMUM", graph.math("MULTIPLY", inputs["Size"], scale.outputs[0]), seen)


def _thickness(graph: Graph) -> Socket:
    """Each point's radius over the mean of its stroke."""
    curve = graph.add("GeometryNodeCurveOfPoint").outputs["Curve Index"]
    radius = graph.named("FLOAT", "radius")
    total, count = (
        graph.add("GeometryNodeAccumulateField", value, curve, data_type="FLOAT", domain="POINT").outputs["Total"]
        for value in (radius, 1.0)
    )
    ratio = graph.math("DIVIDE", graph.math("MULTIPLY", radius, count), total)
    return graph.add("ShaderNodeClamp", ratio, SLOWEST, FASTEST).outputs[0]


def _points(graph: Graph, curves: Socket, spacing: Socket) -> tuple[Socket, Socket]:
    """Points along the strokes, evenly from end to end, and the strokes' direction there."""
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
    """A fill in a dark rim, which parts it from any photo; areas have no rim."""
    material = bpy.data.materials.new(name)
    bpy.data.materials.create_gpencil_data(material)
    material.grease_pencil.show_fill = True
    material.grease_pencil.fill_color, material.grease_pencil.color = fill, RIM_COLOR
    return material
