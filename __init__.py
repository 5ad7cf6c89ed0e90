"""3D Cinemagraph: one photo and a few strokes become a looping 3D cinemagraph."""

from . import blender_addon, operators, panels

ROOMS = (blender_addon, operators, panels)


def register() -> None:
    for room in ROOMS:
        room.register()


def unregister() -> None:
    for room in reversed(ROOMS):
        room.unregister()
