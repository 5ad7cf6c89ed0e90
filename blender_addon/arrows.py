"""Arrowheads along the motion strokes: a Geometry Nodes modifier on the hints, so that they follow the pen.

The strokes pass through it as they are; it adds a mesh. Sizes are in units of the photo's longer side, as the hints
are drawn on a plane where that is one unit wide.
"""

import bpy

from .nodes import Graph, Socket, set_inputs

LAYER = "Motion"
SPEED = "cinemagraph_speed"  # curve attribute, factor on the stroke's speed; strokes drawn by hand have none, or 0
SIZE = 0.02
SPACING = 0.07
USUAL = 0.15  # the length of a stroke whose arrowheads have just that size; those of faster ones are larger
LONGEST = 0.25  # a longer stroke is no faster, as in the core
SMALLEST, LARGEST = 0.75, 2.0  # factors on the size
SLOWEST, FASTEST = 0.1, 10.0  # what the radius may make of the speed
DOT = 0.002  # a shorter stroke has no direction
_SCALE, _PLACE = "arrow_scale", "arrow_place"
_RIM = 1.45  # the dark rim's arrowhead in units of the bright one's


def ensure_arrows(settings: bpy.types.PropertyGroup, color: tuple[float, float, float]) -> None:
    """Put the modifier on the hints, where it is missing.

    Args:
        settings: Of a scene with hints.
        color: Of the arrowheads, scene-linear.
    """
    if settings.arrow_nodes is None:
        settings.arrow_nodes = create_arrow_group()
    modifiers = settings.hints.modifiers
    if not any(item.type == "NODES" and item.node_group == settings.arrow_nodes for item in modifiers):
        modifier = modifiers.new("Cinemagraph Arrows", "NODES")
        modifier.node_group = settings.arrow_nodes
        modifier.show_expanded = False
        rim = tuple(0.04 * channel for channel in color)
        set_inputs(modifier, {"Material": _material("Arrows", color), "Rim": _material("Arrow Rims", rim)})
    follow_radius(settings)


def follow_radius(settings: bpy.types.PropertyGroup) -> None:
    """Let the arrowheads say whether a stroke's radius scales its speed."""
    if settings.hints is not None:
        for item in settings.hints.modifiers:
            if item.type == "NODES" and item.node_group == settings.arrow_nodes and item.node_group is not None:
                set_inputs(item, {"Speed from Radius": settings.speed_from_radius})


def create_arrow_group() -> bpy.types.GeometryNodeTree:
    """Make the group that adds arrowheads to the strokes of the layer "Motion"."""
    graph = Graph("Cinemagraph Arrows")
    graph.input("NodeSocketGeometry", "Geometry", "The strokes")
    graph.input(
        "NodeSocketFloat", "Size", "Length of an arrowhead, in units of the photo's longer side",
        default_value=SIZE, min_value=0.0, max_value=1.0,
    )
    graph.input(
        "NodeSocketFloat", "Spacing", "Distance between two arrowheads, in units of the photo's longer side",
        default_value=SPACING, min_value=0.001, max_value=10.0,
    )
    graph.input(
        "NodeSocketBool", "Speed from Radius", "Larger arrowheads where the stroke is thicker", hide_in_modifier=True
    )
    graph.input("NodeSocketMaterial", "Material", "Material of the arrowheads")
    graph.input("NodeSocketMaterial", "Rim", "Material of their rims")
    inputs = graph.interface()
    points, tangent = _points(graph, _strokes(graph, inputs), inputs["Spacing"])
    # Where a stroke starts there is none, and on a dot.
    shown = graph.add("FunctionNodeCompare", graph.named("FLOAT", _PLACE), DOT, data_type="FLOAT").outputs[0]
    flat = graph.add(
        "FunctionNodeAxesToRotation", (0.0, -1.0, 0.0), tangent, primary_axis="Z", secondary_axis="X"
    ).outputs[0]
    size = graph.math("MULTIPLY", inputs["Size"], graph.named("FLOAT", _SCALE))
    heads = graph.add(
        "GeometryNodeInstanceOnPoints", points, shown, _arrowhead(graph, inputs), None, None, flat, size
    ).outputs[0]
    mesh = graph.add("GeometryNodeRealizeInstances", heads).outputs[0]
    joined = graph.add("GeometryNodeJoinGeometry", mesh)
    graph.tree.links.new(inputs["Geometry"], joined.inputs[0])
    graph.add("NodeGroupOutput", joined.outputs[0])
    return graph.tree


def _strokes(graph: Graph, inputs: dict[str, Socket]) -> Socket:
    """The layer's strokes as curves, with the arrowheads' scale and the way from the stroke's start at every point."""
    chosen = graph.add("GeometryNodeInputNamedLayerSelection", LAYER).outputs[0]
    curves = graph.add("GeometryNodeGreasePencilToCurves", inputs["Geometry"], chosen).outputs[0]
    curves = graph.add("GeometryNodeRealizeInstances", curves).outputs[0]
    place = graph.add("GeometryNodeSplineParameter").outputs["Length"]
    for name, value in ((_SCALE, _scale(graph, inputs)), (_PLACE, place)):
        curves = graph.add(
            "GeometryNodeStoreNamedAttribute", curves, None, name, value, data_type="FLOAT", domain="POINT"
        ).outputs[0]
    return curves


def _scale(graph: Graph, inputs: dict[str, Socket]) -> Socket:
    """How large an arrowhead is: with the root of the speed, so that slow ones stay visible."""
    factor = graph.named("FLOAT", SPEED)
    unset = graph.math("LESS_THAN", factor, 1e-5)
    length = graph.math("MINIMUM", graph.add("GeometryNodeSplineLength").outputs["Length"], LONGEST)
    pace = graph.math("MULTIPLY", length, graph.math("ADD", factor, unset))
    thick = graph.add("GeometryNodeSwitch", inputs["Speed from Radius"], 1.0, _thickness(graph), input_type="FLOAT")
    pace = graph.math("MULTIPLY", pace, thick.outputs[0])
    return graph.add(
        "ShaderNodeClamp", graph.math("SQRT", graph.math("DIVIDE", pace, USUAL)), SMALLEST, LARGEST
    ).outputs[0]


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


def _arrowhead(graph: Graph, inputs: dict[str, Socket]) -> Socket:
    """A barbed head of length 1 towards +x, over a darker, larger one that parts it from any photo."""
    quad = graph.add("GeometryNodeMeshGrid", 1.0, 1.0, 2, 2).outputs[0]
    x, y, _ = graph.add("ShaderNodeSeparateXYZ", graph.add("GeometryNodeInputPosition").outputs[0]).outputs
    # The quad's corners lie at u = -1 (notch), 0 (both barbs, v = -1 and 1) and 1 (tip).
    u, v = graph.math("ADD", x, y), graph.math("SUBTRACT", x, y)
    along = graph.math("ADD", graph.math("MULTIPLY", graph.math("ABSOLUTE", u), 0.6), graph.math("MULTIPLY", u, 0.4))
    corner = graph.add("ShaderNodeCombineXYZ", graph.math("SUBTRACT", along, 0.6), graph.math("MULTIPLY", v, 0.45), 0.0)
    larger = graph.vector("MULTIPLY_ADD", corner.outputs[0], (_RIM, _RIM, 1.0), (-0.03, 0.0, -0.05))
    bright, dark = (
        graph.add(
            "GeometryNodeSetMaterial", graph.add("GeometryNodeSetPosition", quad, None, place).outputs[0], None, inputs[name]
        ).outputs[0]
        for place, name in ((corner.outputs[0], "Material"), (larger, "Rim"))
    )
    both = graph.add("GeometryNodeJoinGeometry", bright)
    graph.tree.links.new(dark, both.inputs[0])
    return both.outputs[0]


def _material(name: str, color: tuple[float, float, float]) -> bpy.types.Material:
    """Shown as this colour in solid shading, and by its own light where materials are shown."""
    material = bpy.data.materials.new(f"Cinemagraph {name}")
    material.diffuse_color = (*color, 1.0)
    if material.node_tree is None:  # Blender 5 makes the tree by itself and deprecates the switch
        material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    glow, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    glow.inputs["Color"].default_value = (*color, 1.0)
    material.node_tree.links.new(glow.outputs[0], output.inputs["Surface"])
    return material
