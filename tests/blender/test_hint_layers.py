"""The two tables of strokes, and the links between properties and functions."""

import bpy
import pytest


def test_the_tables_of_kinds_and_of_layers_agree(addon):
    layers, kinds = addon.hint_layers, addon.stroke_kinds
    assert [layer.kind for layer in layers.LAYERS.values()] == list(kinds.KINDS)
    assert all(layer.name == name for name, layer in layers.LAYERS.items())
    for layer in layers.LAYERS.values():
        assert (layer.mark == layers.AREA) == layer.kind_row.encloses
        assert not (layer.closed_if and layer.kind_row.encloses)
    assert (*layers.MOTION_HINTS, *layers.DEPTH_HINTS) == tuple(layers.LAYERS)
    assert {layers.LAYERS[name].kind for name in layers.DEPTH_HINTS} == set(kinds.DEPTH_KINDS)


def test_layers_keep_the_names_and_the_order_of_older_files(addon, placed):
    names = ["Motion", "Region", "Sway", "Still", "Outlet", "Same Depth", "Nearer", "Farther", "Horizon", "Flat",
             "Upright", "Sky"]  # fmt: skip
    assert [layer.name for layer in placed.cinemagraph.hints.data.layers][::-1] == names
    inputs = [item.name for item in placed.cinemagraph.marks.modifiers[0].node_group.interface.items_tree]
    materials = ["Region", "Sway", "Flat", "Upright", "Sky", "Same Depth", "Nearer", "Farther", "Arrowheads"]
    assert [name for name in inputs if name in materials] == materials


def test_every_layer_has_a_button_and_a_tooltip(addon):
    layers = addon.hint_layers
    rows = [[layer.name for layer in row] for row in layers.button_rows(layers.MOTION_HINTS)]
    assert rows == [["Motion"], ["Region", "Sway"], ["Still", "Outlet"]]
    rows = [[layer.name for layer in row] for row in layers.button_rows(layers.DEPTH_HINTS)]
    assert rows == [["Nearer", "Farther"], ["Same Depth", "Horizon"], ["Flat", "Upright", "Sky"]]
    icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items
    for layer in layers.LAYERS.values():
        assert layer.icon in icons and layer.tooltip and not layer.tooltip.endswith(".")


def test_every_property_finds_its_function(addon, placed):
    callbacks, reactions = addon.callbacks, addon.reactions
    with pytest.raises(ValueError, match="focal"):
        callbacks.connect({}, {})
    settings = placed.cinemagraph
    reactions.unregister()
    try:
        settings.depth_file = "depth.png"
        assert settings.depth_source == "BUILT_IN" and settings.stroke_speed == 1.0
        settings.depth_file = ""
    finally:
        reactions.register()
    settings.depth_file = "depth.png"
    assert settings.depth_source == "FILE"
