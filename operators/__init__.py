"""Operators: each gathers its inputs, calls one function of `blender_addon`, and reports."""

import bpy

from . import build, camera, coverage, depth, engine_setup, files, flow, hints, housekeeping, keymaps, photo, render

CLASSES = (
    *engine_setup.CLASSES,
    *photo.CLASSES,
    *depth.CLASSES,
    *hints.CLASSES,
    *flow.CLASSES,
    *files.CLASSES,
    *build.CLASSES,
    *camera.CLASSES,
    *coverage.CLASSES,
    *render.CLASSES,
    *housekeeping.CLASSES,
)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    photo.register()
    keymaps.register()


def unregister() -> None:
    keymaps.unregister()
    photo.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
