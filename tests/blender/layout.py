"""A stand-in for the layout of a panel or menu, with which they draw without a window."""

from types import SimpleNamespace

import bpy

ICONS = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items


class Layout:
    """A layout that checks its arguments and collects the shown texts."""

    def __init__(self):
        self.texts = []
        self.operators = []

    def _show(self, text="", icon="NONE", **_options):
        assert icon in ICONS
        self.texts.append(text)

    def prop(self, owner, name, **options):
        assert name in owner.bl_rna.properties
        self._show(**options)

    def operator(self, name, **options):
        category, function = name.split(".")
        assert function in dir(getattr(bpy.ops, category))
        self._show(**options)
        self.operators.append(name)
        return SimpleNamespace()

    def label(self, **options):
        self._show(**options)

    def progress(self, **options):
        self._show(**options)

    def template_icon(self, icon_value, **_options):
        assert icon_value == 0  # without a window there are no pictures

    def popover(self, panel, **options):
        assert getattr(bpy.types, panel, None) is not None
        self._show(**options)

    def panel(self, _name, **_options):
        return self, self

    def part(self, **_options):
        return self

    row = column = split = grid_flow = menu_pie = box = part
