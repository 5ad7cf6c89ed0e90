"""The Blender side of the program: the only room that turns core data into datablocks and runs the engine."""

from . import engine, live, reactions, settings

PARTS = (settings, reactions, live, engine)


def register() -> None:
    for part in PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(PARTS):
        part.unregister()
