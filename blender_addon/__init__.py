"""The scene bridge: the only room that turns core data into datablocks, and runs the engine."""

from . import engine, settings


def register() -> None:
    settings.register()
    engine.register()


def unregister() -> None:
    engine.unregister()
    settings.unregister()
