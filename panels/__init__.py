"""The panels in the tab "Cinemagraph" of the 3D Viewport's sidebar, and the preferences."""

import bpy

from . import coverage, depth, engine, next_step, preferences, presets, sidebar, strokes_menu, thumbnails

CLASSES = (
    *presets.CLASSES,
    *preferences.CLASSES,
    *engine.CLASSES,
    *next_step.CLASSES,
    *sidebar.CLASSES,
    *depth.CLASSES,
    *coverage.CLASSES,
    *strokes_menu.CLASSES,
)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    presets.register()
    thumbnails.register()


def unregister() -> None:
    thumbnails.unregister()
    presets.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
