"""The timeline and the colours with which a built loop is seen as it was photographed."""

import bpy

from . import camera_path

PHOTO_COLORS = "Standard"  # view transform that shows the points' colours as they are in the photo
_DEFAULT_RANGE = (1, 250)  # Blender's own


def fit_timeline(scene: bpy.types.Scene, before: int) -> bool:
    """End the frame range with the loop, unless the user has chosen another range.

    Args:
        scene: A scene with a build.
        before: Length of the loop of the previous build, 0 without one.

    Returns:
        Whether the range has changed.
    """
    length = scene.frame_end - scene.frame_start + 1
    if (scene.frame_start, scene.frame_end) != _DEFAULT_RANGE and length != before:
        return False
    end_with_loop(scene)
    return length != camera_path.loop_length(scene)


def end_with_loop(scene: bpy.types.Scene) -> None:
    """End the frame range with the playing loop."""
    scene.frame_end = scene.frame_start + camera_path.loop_length(scene) - 1


def has_photo_colors(scene: bpy.types.Scene) -> bool:
    """Tell whether the scene's view transform keeps the photo's colours."""
    view = scene.view_settings
    return (view.view_transform, view.look, view.exposure, view.gamma) == (PHOTO_COLORS, "None", 0.0, 1.0)


def use_photo_colors(scene: bpy.types.Scene) -> None:
    """Choose the view transform that keeps the photo's colours."""
    view = scene.view_settings
    view.view_transform, view.look, view.exposure, view.gamma = PHOTO_COLORS, "None", 0.0, 1.0
