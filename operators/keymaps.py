"""Shortcuts: keys in keymaps of Blender, which users can change in the preferences."""

from typing import Any, NamedTuple

import bpy

from ..blender_addon.versions import DRAW_KEYMAPS
from .hints import LEAVE_KEY
from .photo import PASTE_KEY


class Shortcut(NamedTuple):
    """A key of an operator.

    Attributes:
        keymap: Name of Blender's keymap. It is active where Blender uses it, whatever its space and region are.
        operator: Name of the operator.
        key: Type of the event.
        modifiers: Names of the modifier keys.
        properties: Values of the operator's properties.
    """

    keymap: str
    operator: str
    key: str
    modifiers: tuple[str, ...] = ()
    properties: tuple[tuple[str, Any], ...] = ()


STROKES_MENU = "CINEMAGRAPH_MT_strokes"
SHORTCUTS = (
    Shortcut("View2D Buttons List", "cinemagraph.paste_photo", PASTE_KEY, ("ctrl",)),
    *(Shortcut(name, "cinemagraph.leave_drawing", LEAVE_KEY) for name in DRAW_KEYMAPS),
    *(Shortcut(name, "wm.call_menu_pie", "V", (), (("name", STROKES_MENU),)) for name in DRAW_KEYMAPS),
)
_added: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def register() -> None:
    """Add the shortcuts; Blender without a window has no keymaps for extensions."""
    keys = bpy.context.window_manager.keyconfigs.addon
    for shortcut in SHORTCUTS if keys is not None else ():
        keymap = keys.keymaps.new(shortcut.keymap)
        item = keymap.keymap_items.new(
            shortcut.operator, shortcut.key, "PRESS", **dict.fromkeys(shortcut.modifiers, True)
        )
        for name, value in shortcut.properties:
            setattr(item.properties, name, value)
        _added.append((keymap, item))


def unregister() -> None:
    for keymap, item in _added:
        keymap.keymap_items.remove(item)
    _added.clear()
