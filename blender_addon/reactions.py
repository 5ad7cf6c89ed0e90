"""Reactions to changed properties, and values that properties read from the scene; connected by `callbacks`."""

import bpy

from . import (
    callbacks,
    camera_path,
    camera_recording,
    coverage,
    depth_display,
    depth_models,
    live,
    marks,
    result,
    scene,
    selection,
)

Group = bpy.types.PropertyGroup


def _match_cameras(settings: Group, _context: bpy.types.Context) -> None:
    scene.match_focal(settings)
    result.set_input(settings.id_data, "Focal", settings.focal)  # points keep their pixels


def _get_lens(settings: Group) -> float:
    longest = max(settings.width, settings.height)
    return scene.SENSOR * settings.focal / longest if longest else scene.SENSOR


def _set_lens(settings: Group, lens: float) -> None:
    settings.focal = lens * max(settings.width, settings.height, 1) / scene.SENSOR


def _choose_source(settings: Group, _context: bpy.types.Context) -> None:
    """Naming a depth file selects it as the source; clearing it selects the built-in depth."""
    if bool(settings.depth_file) != (settings.depth_source == "FILE"):
        settings.depth_source = "FILE" if settings.depth_file else "BUILT_IN"


def _look_up_licence(settings: Group, _context: bpy.types.Context) -> None:
    settings.depth_licence = depth_models.find_licence(settings.depth_model)


def _follow_radius(settings: Group, _context: bpy.types.Context) -> None:
    marks.follow_radius(settings.marks, settings.speed_from_radius)


def _show_holes(settings: Group, _context: bpy.types.Context) -> None:
    coverage.show_overlay(settings)


def _limit_path(settings: Group, size: float) -> None:
    camera_path.set_size(settings.id_data, camera_recording.cameras(settings.id_data), size)


def _of_all_parts(name: str) -> tuple[callbacks.Getter, callbacks.Setter]:
    """Read and write an input of the modifiers of all parts."""
    return (
        lambda settings: result.get_input(settings.id_data, name),
        lambda settings, value: result.set_input(settings.id_data, name, value),
    )


UPDATES: dict[str, callbacks.Update] = {
    "focal": _match_cameras,
    "depth_file": _choose_source,
    "depth_model": _look_up_licence,
    "speed_from_radius": _follow_radius,
    "coverage.show": _show_holes,
    "live_preview": lambda _state, context: live.restart(context, live.FLOW),
    "live_depth": lambda _state, context: live.restart(context, live.DEPTH),
}
VALUES: dict[str, tuple[callbacks.Getter, callbacks.Setter]] = {
    "point_size": _of_all_parts("Point Size"),
    "loop_length": _of_all_parts("Loop Length"),
    "start_frame": _of_all_parts("Start Frame"),
    "play_speed": _of_all_parts("Speed"),
    "loop_offset": _of_all_parts("Offset"),
    "stop_after": _of_all_parts("Stop After"),
    "depth_opacity": (
        lambda settings: depth_display.get_opacity(settings.id_data),
        lambda settings, value: depth_display.set_opacity(settings.id_data, value),
    ),
    "stroke_speed": (
        lambda settings: selection.get_speed(settings.id_data),
        lambda settings, value: selection.set_speed(settings.id_data, value),
    ),
    "lens": (_get_lens, _set_lens),
    "coverage.size": (lambda settings: camera_path.get_size(settings.id_data), _limit_path),
}


def register() -> None:
    callbacks.connect(UPDATES, VALUES)


def unregister() -> None:
    callbacks.disconnect()
