"""The panels in the tab "Cinemagraph" of the 3D Viewport's sidebar, and the preferences."""

import bpy

from . import coverage, depth, engine, preferences, presets, sidebar

CLASSES = (*presets.CLASSES, *preferences.CLASSES, *engine.CLASSES, *sidebar.CLASSES, *depth.CLASSES, *coverage.CLASSES)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    presets.register()


def unregister() -> None:
    presets.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
