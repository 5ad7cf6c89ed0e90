"""Geometry Nodes groups that turn vertices into coloured, moving points.

They contain the whole playback, without drivers, handlers or scripts. Values for the artist are inputs of the modifier;
`set_inputs` and `get_inputs` access them by name. The groups work in the mesh's own coordinates, which are the core's
(z into the scene).
"""

from typing import Any

import bpy

from . import versions
from .node_graph import Graph, Socket

COLOR = "Col"  # attribute that the material reads; Cycles shows points black if it is called "color"
BIRTH, DEATH = "birth", "death"  # phases 0..1 between which a moving point is shown
# "start0", "end0", "start1", ...: colours of a moving point at the start and the end of each cycle, sRGB bytes. Their
# alpha is the phase of the cycle at which the change from the one to the other begins and ends.
CYCLE_COLORS = ("start", "end")
STEP = "step"  # "step1".."stepK": position at phase j/K minus position at phase 0


def create_still_group() -> bpy.types.GeometryNodeTree:
    """Make the group for still points."""
    graph = Graph("Cinemagraph Still Points")
    graph.input("NodeSocketGeometry", "Geometry", "Vertices of one layer of the photo")
    _declare_look(graph)
    inputs = graph.interface()
    place = graph.matched(inputs, graph.add("GeometryNodeInputPosition").outputs[0])
    radius = graph.radius(inputs, graph.depth())
    points = graph.add("GeometryNodeMeshToPoints", inputs["Geometry"], None, place, radius).outputs[0]
    return graph.finish(points, inputs["Material"])


def create_moving_group() -> bpy.types.GeometryNodeTree:
    """Make the group for points that move along trajectories and change colour on the way."""
    graph = Graph("Cinemagraph Moving Points")
    graph.input("NodeSocketGeometry", "Geometry", "Vertices with a trajectory each")
    _declare_time(graph)
    _declare_look(graph)
    _declare_play(graph)  # last, so that the inputs above keep the identifiers that they have in earlier files
    inputs = graph.interface()
    turns = _turns(graph, inputs)
    phase = graph.math("FRACT", turns)
    cycle = graph.math("FLOORED_MODULO", graph.math("FLOOR", turns), inputs["Pictures"])
    here = graph.add("GeometryNodeInputPosition").outputs[0]
    place = graph.matched(inputs, graph.vector("ADD", here, _displacement(graph, phase, inputs["Keys"])))
    moved = graph.add("GeometryNodeSetPosition", inputs["Geometry"], None, place).outputs[0]
    colored = graph.add(
        "GeometryNodeStoreNamedAttribute",
        moved,
        None,
        COLOR,
        _color(graph, phase, cycle),
        data_type="FLOAT_COLOR",
        domain="POINT",
    ).outputs[0]
    # Used attributes are removed first: copying them to the points would take longer than everything else.
    light = colored
    for name in (STEP, *CYCLE_COLORS):
        light = graph.without(light, name + "*")
    radius = graph.radius(inputs, graph.depth())
    points = graph.add("GeometryNodeMeshToPoints", light, _alive(graph, phase), None, radius).outputs[0]
    return graph.finish(points, inputs["Material"])


def _declare_time(graph: Graph) -> None:
    graph.input(
        "NodeSocketInt",
        "Loop Length",
        "Frames after which the motion repeats",
        default_value=60,
        min_value=1,
        max_value=100000,
    )
    graph.input("NodeSocketFloat", "Start Frame", "Frame that shows the photo itself", default_value=1.0)
    graph.input(
        "NodeSocketFloat",
        "Speed",
        "Number of times the loop plays within Loop Length; whole numbers keep it closed, "
        "negative numbers play it backwards",
        default_value=1.0,
        min_value=-100.0,
        max_value=100.0,
    )
    graph.input(
        "NodeSocketInt",
        "Keys",
        "Segments in which each trajectory is stored",
        default_value=12,
        min_value=1,
        hide_in_modifier=True,
    )
    graph.input(
        "NodeSocketInt",
        "Cycles",
        "Number of runs of these points through their trajectories in one loop",
        default_value=1,
        min_value=1,
        hide_in_modifier=True,
    )


def _declare_look(graph: Graph) -> None:
    graph.input(
        "NodeSocketFloat",
        "Point Size",
        "Size of the points in pixels of the photo; larger points close gaps "
        "that a moving camera opens, smaller points keep the photo sharper",
        default_value=1.4,
        min_value=0.0,
        max_value=100.0,
    )
    for name, time in (("Focal", "now"), ("Built Focal", "at the build")):
        graph.input(
            "NodeSocketFloat",
            name,
            f"Focal length of the photo in pixels, {time}",
            default_value=1000.0,
            min_value=1.0,
            hide_in_modifier=True,
        )
    graph.input("NodeSocketMaterial", "Material", "Material of the points")


def _declare_play(graph: Graph) -> None:
    graph.input(
        "NodeSocketFloat",
        "Offset",
        "Number of loops that the motion is ahead; with keyframes on it and Speed 0 the motion eases, waits or turns",
        default_value=0.0,
        min_value=-1000.0,
        max_value=1000.0,
    )
    graph.input(
        "NodeSocketInt",
        "Stop After",
        "Number of loops that are played from Start Frame on, before and after which the photo stands still; "
        "0 plays forever",
        default_value=0,
        min_value=0,
        max_value=100000,
    )
    graph.input(
        "NodeSocketInt",
        "Pictures",
        "Number of cycles that have colours of their own",
        default_value=1,
        min_value=1,
        hide_in_modifier=True,
    )


def _turns(graph: Graph, inputs: dict[str, Socket]) -> Socket:
    """Cycles played until now: ((frame - start) * speed / loop length + offset) * cycles, no more than Stop After."""
    frame = graph.add("GeometryNodeInputSceneTime").outputs["Frame"]
    forever = graph.math("MULTIPLY", graph.math("LESS_THAN", inputs["Stop After"], 0.5), 1e6)
    elapsed = graph.math("SUBTRACT", frame, inputs["Start Frame"])
    played = graph.math(
        "MULTIPLY", graph.math("MAXIMUM", elapsed, graph.math("MULTIPLY", forever, -1.0)), inputs["Speed"]
    )
    # Dividing last keeps whole numbers of loops exact, so that their phase is exactly 0.
    turns = graph.math("DIVIDE", graph.math("MULTIPLY", played, inputs["Cycles"]), inputs["Loop Length"])
    most = graph.math("ADD", graph.math("MULTIPLY", inputs["Stop After"], inputs["Cycles"]), forever)
    turns = graph.math("MAXIMUM", graph.math("MINIMUM", turns, most), graph.math("MULTIPLY", most, -1.0))
    return graph.math("ADD", turns, graph.math("MULTIPLY", inputs["Offset"], inputs["Cycles"]))


def _displacement(graph: Graph, phase: Socket, keys: Socket) -> Socket:
    """Interpolate between the two stored displacements around the phase; "step0" is not stored and reads as 0."""
    place = graph.math("MULTIPLY", phase, keys)
    last = graph.math("SUBTRACT", keys, 1.0)
    before = graph.math("MINIMUM", graph.math("FLOOR", place), last)
    here, there = _keyed(graph, before), _keyed(graph, graph.math("ADD", before, 1.0))
    mix = graph.add(
        "ShaderNodeMix", graph.math("SUBTRACT", place, before), here, there, data_type="VECTOR", clamp_factor=False
    )
    return next(socket for socket in mix.outputs if socket.enabled)


def _keyed(graph: Graph, number: Socket, kind: str = "FLOAT_VECTOR", prefix: str = STEP) -> Socket:
    """Read the attribute that is named by a prefix and this whole number."""
    integer = graph.add("FunctionNodeFloatToInt", number, rounding_mode="ROUND").outputs[0]
    digits = graph.add("FunctionNodeValueToString", integer, data_type="INT").outputs[0]
    join = graph.add("GeometryNodeStringJoin")
    strings = next(socket for socket in join.inputs if socket.is_multi_input)
    # A multi-input lists its last link first, so the digits are linked before the word.
    graph.tree.links.new(digits, strings)
    word = graph.add("FunctionNodeInputString", string=prefix).outputs[0]
    graph.tree.links.new(word, strings)
    return graph.named(kind, join.outputs[0])


def _color(graph: Graph, phase: Socket, cycle: Socket) -> Socket:
    """Change a point's colour from the cycle's first to its second in the point's own window, in linear light."""
    start, end = (_keyed(graph, cycle, "FLOAT_COLOR", name) for name in CYCLE_COLORS)
    first, last = (graph.add("FunctionNodeSeparateColor", color, mode="RGB").outputs["Alpha"] for color in (start, end))
    width = graph.math("MAXIMUM", graph.math("SUBTRACT", last, first), 1 / 255)
    share = graph.math("DIVIDE", graph.math("SUBTRACT", phase, first), width)
    # as vectors, without the alpha that holds the window: the stored colour is opaque
    mix = graph.add("ShaderNodeMix", share, start, end, data_type="VECTOR", clamp_factor=True)
    return next(socket for socket in mix.outputs if socket.enabled)


def _alive(graph: Graph, phase: Socket) -> Socket:
    """birth <= phase < death."""
    born = graph.add(
        "FunctionNodeCompare", phase, graph.named("FLOAT", BIRTH), data_type="FLOAT", operation="GREATER_EQUAL"
    ).outputs[0]
    lives = graph.add(
        "FunctionNodeCompare", phase, graph.named("FLOAT", DEATH), data_type="FLOAT", operation="LESS_THAN"
    ).outputs[0]
    return graph.add("FunctionNodeBooleanMath", born, lives, operation="AND").outputs[0]


def plays_pictures(group: bpy.types.GeometryNodeTree) -> bool:
    """Tell whether a group for moving points reads the colours of cycles, as those of earlier versions did not."""
    return any(item.name == "Pictures" for item in group.interface.items_tree)


def input_property(modifier: bpy.types.NodesModifier, name: str) -> tuple[Any, str]:
    """Give the owner and the path of an input's property, as `UILayout.prop` takes them."""
    identifier = next(item.identifier for item in _sockets(modifier) if item.name == name)
    return versions.input_property(modifier, identifier)


def get_inputs(modifier: bpy.types.NodesModifier) -> dict[str, Any]:
    """Read a modifier's inputs by name, without the geometry."""
    slots = {item.name: versions.input_property(modifier, item.identifier) for item in _sockets(modifier)}
    return {name: owner.path_resolve(path) for name, (owner, path) in slots.items()}


def set_inputs(modifier: bpy.types.NodesModifier, values: dict[str, Any]) -> None:
    """Set inputs of a modifier by name; names that its group lacks are ignored."""
    for item in _sockets(modifier):
        if item.name in values:
            versions.set_input(modifier, item.identifier, values[item.name])
    modifier.id_data.update_tag()


def _sockets(modifier: bpy.types.NodesModifier) -> list[bpy.types.NodeTreeInterfaceSocket]:
    return [
        item
        for item in modifier.node_group.interface.items_tree
        if item.item_type == "SOCKET" and item.in_out == "INPUT" and item.socket_type != "NodeSocketGeometry"
    ]
