"""The Blender side of the program: the only room that turns core data into datablocks and runs the engine."""

from . import engine, engine_state, live, reactions, reports, settings

PARTS = (settings, reactions, reports, live, engine_state, engine)


def register() -> None:
    for part in PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(PARTS):
        part.unregister()
