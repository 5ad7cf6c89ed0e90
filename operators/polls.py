"""Conditions of several operators, for their `poll`: each says in a sentence why a button is grey."""

import bpy


def is_own(cls: type, context: bpy.types.Context) -> bool:
    """Tell `poll` whether the scene is of this file; a linked one cannot be changed."""
    if context.scene.library is not None:
        cls.poll_message_set("The scene is linked from another file; open that file to change it")
        return False
    return True


def is_engine_free(cls: type, context: bpy.types.Context) -> bool:
    """Tell `poll` whether the engine does nothing, so that files of its may be removed."""
    if context.window_manager.cinemagraph.running:
        cls.poll_message_set("The engine is busy; wait until it is done")
        return False
    return True


def has_photo(cls: type, context: bpy.types.Context) -> bool:
    """Tell `poll` whether the scene has a photo and can be changed; hints that were deleted are made again."""
    if not is_own(cls, context):
        return False
    if context.scene.cinemagraph.photo is None:
        cls.poll_message_set("Open a photo first")
        return False
    return True
