"""The differences between Blender's versions, from 4.3 on. No other module asks for a version or for a feature of it.

Each function tests for the feature itself, so that a version that brings or drops it earlier or later works too.
"""

from typing import Any

import bpy

# Names of the keymap of Grease Pencil's Draw Mode: before Blender 5, and since. One that Blender lacks has no effect.
DRAW_KEYMAPS = ("Grease Pencil Paint Mode", "Grease Pencil Draw Mode")


def grease_pencils() -> bpy.types.bpy_prop_collection:
    """Give the collection of Grease Pencil datablocks; `bpy.data.grease_pencils` held annotations before Blender 5."""
    found = getattr(bpy.data, "grease_pencils_v3", None)
    return bpy.data.grease_pencils if found is None else found  # an empty collection is falsy, so "or" would fail


def fold(group: bpy.types.GreasePencilLayerGroup) -> None:
    """Fold a group of layers; only since Blender 4.4."""
    if hasattr(group, "is_expanded"):
        group.is_expanded = False


def fills_by_stroke(drawing: bpy.types.GreasePencilDrawing) -> bool:
    """Tell whether strokes are filled by their attribute `fill_id`; before Blender 5.1 it is their material's choice.

    Args:
        drawing: A drawing with at least one stroke.
    """
    return hasattr(drawing.strokes[0], "fill_id")


def fill_strokes_of(style: bpy.types.MaterialGPencilStyle) -> None:
    """Let a material fill its strokes; where these are filled by their attribute, the switch is deprecated or gone."""
    if _is_current(style, "show_fill"):
        style.show_fill = True


def fcurves_of(item: bpy.types.Object) -> "bpy.types.bpy_prop_collection | list":
    """Give an object's F-curves; since Blender 4.4 they are in the object's slot of an action that may be shared."""
    data = item.animation_data
    if data is None or data.action is None:
        return []
    if not hasattr(data, "action_slot"):
        return data.action.fcurves
    bags = [strip.channelbag(data.action_slot) for layer in data.action.layers for strip in layer.strips]
    return next((bag.fcurves for bag in bags if bag is not None), [])


def match_wildcards(node: bpy.types.Node) -> None:
    """Let a Remove Named Attribute node take a pattern; the mode is a menu socket since Blender 5."""
    if hasattr(node, "pattern_mode"):
        node.pattern_mode = "WILDCARD"
    else:
        node.inputs["Pattern Mode"].default_value = "Wildcard"


def input_property(modifier: bpy.types.NodesModifier, identifier: str) -> tuple[Any, str]:
    """Give the owner and the path of an input's property, as `UILayout.prop` takes them.

    Inputs are properties since Blender 5.2, and custom properties of the modifier before.
    """
    if hasattr(modifier, "properties"):
        return getattr(modifier.properties.inputs, identifier), "value"
    return modifier, f'["{identifier}"]'


def set_input(modifier: bpy.types.NodesModifier, identifier: str, value: Any) -> None:
    """Set an input of a modifier, see `input_property`."""
    owner, path = input_property(modifier, identifier)
    if path == "value":
        owner.value = value
    else:
        owner[identifier] = value


def ensure_nodes(material: bpy.types.Material) -> bpy.types.NodeTree:
    """Give a material's node tree; Blender 5 makes it with the material, and deprecates `use_nodes`."""
    if material.node_tree is None:
        material.use_nodes = True
    return material.node_tree


def color_square(number: int) -> str:
    """Give the icon that is a square of one of Blender's strip colours; Blender 5 has renamed it.

    Args:
        number: 1 red, 2 orange, 4 green.
    """
    icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items
    name = f"STRIP_COLOR_{number:02}"
    return name if name in icons else f"SEQUENCE_COLOR_{number:02}"


def write_video(image: bpy.types.ImageFormatSettings) -> None:
    """Set a render's output to a video; Blender 5 takes this format only after its kind of media."""
    if hasattr(image, "media_type"):
        image.media_type = "VIDEO"
    image.file_format = "FFMPEG"


def _is_current(owner: bpy.types.bpy_struct, name: str) -> bool:
    """Tell whether a property exists and is not deprecated; properties tell this since Blender 5."""
    found = owner.bl_rna.properties.get(name)
    return found is not None and not getattr(found, "is_deprecated", False)


def set_unprojected_radius(brush: bpy.types.Brush, radius: float) -> None:
    """Set a brush's radius in units of the scene; since 5.0 the property is the diameter."""
    if hasattr(brush, "unprojected_size"):
        brush.unprojected_size = 2.0 * radius
    else:
        brush.unprojected_radius = radius


def draw_lines(brush: bpy.types.Brush) -> None:
    """Let a brush draw lines; since 5.2 a brush chooses lines or fills, and a new one has chosen neither."""
    if hasattr(brush.gpencil_settings, "stroke_type"):
        brush.gpencil_settings.stroke_type = "STROKE"
