"""3D Cinemagraph: turn one photo and a few strokes into a looping 3D scene."""

from . import blender_addon, operators, panels

ROOMS = (blender_addon, operators, panels)


def register() -> None:
    for room in ROOMS:
        room.register()


def unregister() -> None:
    for room in reversed(ROOMS):
        room.unregister()
