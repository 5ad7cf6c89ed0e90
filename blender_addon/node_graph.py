"""A node tree under construction: one call adds a node and connects its inputs.

The expressions that all groups of points share are here too: a point's radius, and its place for the current lens.
"""

from typing import Any

import bpy

from . import versions

RADIUS_FACTOR = "spread"  # radius in pixels of the photo; named so in the node groups of earlier files

Socket = bpy.types.NodeSocket


class Graph:
    """A node tree under construction: each call adds one node and connects its inputs."""

    def __init__(self, name: str):
        self.tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
        self.tree.is_modifier = True

    def add(self, kind: str, *inputs: Any, **properties: Any) -> bpy.types.Node:
        """Add a node; `inputs` go to its enabled sockets in order, and None leaves a socket unchanged."""
        node = self.tree.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        # Nodes are laid out in the order of creation, so that the group is readable in the editor.
        count = len(self.tree.nodes) - 1
        node.location = (200 * (count // 5), -190 * (count % 5))
        sockets = [socket for socket in node.inputs if socket.enabled]
        for socket, value in zip(sockets, inputs):
            self._feed(socket, value)
        return node

    def _feed(self, socket: Socket, value: Any) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif value is not None:
            socket.default_value = value

    def math(self, operation: str, *inputs: Any) -> Socket:
        return self.add("ShaderNodeMath", *inputs, operation=operation).outputs[0]

    def vector(self, operation: str, *inputs: Any) -> Socket:
        node = self.add("ShaderNodeVectorMath", *inputs, operation=operation)
        return next(socket for socket in node.outputs if socket.enabled)

    def named(self, kind: str, name: Any) -> Socket:
        """Read a named attribute, FLOAT, FLOAT_VECTOR or FLOAT_COLOR."""
        node = self.add("GeometryNodeInputNamedAttribute", name, data_type=kind)
        return next(socket for socket in node.outputs if socket.enabled)

    def input(self, kind: str, name: str, description: str, **settings: Any) -> None:
        socket = self.tree.interface.new_socket(name, in_out="INPUT", socket_type=kind)
        socket.description = description
        for setting, value in settings.items():
            setattr(socket, setting, value)

    def interface(self) -> dict[str, Socket]:
        """Give the group's input sockets by name; call it after all inputs are declared."""
        self.tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
        outputs = self.add("NodeGroupInput").outputs
        return {socket.name: socket for socket in outputs if socket.name}

    def radius(self, inputs: dict[str, Socket], depth: Socket) -> Socket:
        """Point size * radius factor * z / (2 * focal): the size of a photo pixel seen from its camera."""
        pixels = self.math("MULTIPLY", inputs["Point Size"], self.named("FLOAT", RADIUS_FACTOR))
        per_depth = self.math("DIVIDE", pixels, self.math("MULTIPLY", inputs["Focal"], 2.0))
        return self.math("MULTIPLY", per_depth, depth)

    def matched(self, inputs: dict[str, Socket], position: Socket) -> Socket:
        """Positions for the current focal length: x and y * built / current, so that points keep their pixels."""
        factor = self.math("DIVIDE", inputs["Built Focal"], inputs["Focal"])  # exactly 1 while both are equal
        sideways = self.add("ShaderNodeCombineXYZ", factor, factor, 1.0).outputs[0]
        return self.vector("MULTIPLY", position, sideways)

    def depth(self) -> Socket:
        position = self.add("GeometryNodeInputPosition").outputs[0]
        return self.add("ShaderNodeSeparateXYZ", position).outputs["Z"]

    def without(self, geometry: Socket, pattern: str) -> Socket:
        """Remove the attributes whose names match a wildcard pattern."""
        node = self.add("GeometryNodeRemoveAttribute")
        versions.match_wildcards(node)
        self._feed(node.inputs["Geometry"], geometry)
        self._feed(node.inputs["Name"], pattern)
        return node.outputs[0]

    def finish(self, geometry: Socket, material: Socket) -> bpy.types.GeometryNodeTree:
        painted = self.add("GeometryNodeSetMaterial", geometry, None, material).outputs[0]
        self.add("NodeGroupOutput", painted)
        return self.tree
