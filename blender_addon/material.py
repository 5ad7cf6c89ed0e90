"""The material of the points: emission of their stored colour."""

import bpy

from .versions import ensure_nodes


def create_material(attribute: str) -> bpy.types.Material:
    """Make an emission material that shows a colour attribute unchanged.

    Args:
        attribute: Name of the points' colour attribute (scene-linear when read).
    """
    material = bpy.data.materials.new("Cinemagraph Points")
    tree = ensure_nodes(material)
    nodes, links = tree.nodes, tree.links
    nodes.clear()
    color = nodes.new("ShaderNodeAttribute")
    color.attribute_type = "GEOMETRY"
    color.attribute_name = attribute
    shine = nodes.new("ShaderNodeEmission")
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(color.outputs["Color"], shine.inputs["Color"])
    links.new(shine.outputs["Emission"], output.inputs["Surface"])
    for place, node in enumerate((color, shine, output)):
        node.location = (220 * place - 440, 0)
    return material
