"""Presets of motion, camera and render, in the headers of their panels, by Blender's own system of presets.

The shipped ones are files in `presets` beside this room; those of the user are in Blender's own folder for presets.
"""

from pathlib import Path

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from ..blender_addon import render
from ..cinema_core.shared.camera import PATHS

SHIPPED = str(Path(__file__).parents[1])  # Blender looks for a folder "presets" in it


class CINEMAGRAPH_PT_motion_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Motion Presets"
    preset_subdir = "cinemagraph/motion"
    preset_operator = "script.execute_preset"
    preset_add_operator = "cinemagraph.motion_preset_add"


class CINEMAGRAPH_OT_motion_preset_add(AddPresetBase, bpy.types.Operator):
    """Add or remove a preset of the motion's settings"""

    bl_idname = "cinemagraph.motion_preset_add"
    bl_label = "Add Motion Preset"
    preset_menu = "CINEMAGRAPH_PT_motion_presets"
    preset_subdir = CINEMAGRAPH_PT_motion_presets.preset_subdir
    preset_defines = ["settings = bpy.context.scene.cinemagraph"]
    preset_values = [
        f"settings.{name}" for name in ("frames", "speed", "feather", "perspective", "swings", "thin", "still")
    ]


class CINEMAGRAPH_PT_camera_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Camera Presets"
    preset_subdir = "cinemagraph/camera"
    preset_operator = "script.execute_preset"
    preset_add_operator = "cinemagraph.camera_preset_add"

    @classmethod
    def post_cb(cls, context: bpy.types.Context, _filepath: str) -> None:
        """Called by Blender after a preset; the camera takes its path, as an undo step of its own."""
        settings = context.scene.cinemagraph
        if settings.photo is not None and settings.path_name in PATHS:
            choice = {"path": settings.path_name, "loop": settings.path_loop, "amplitude": settings.path_amplitude}
            bpy.ops.cinemagraph.add_camera_path("EXEC_DEFAULT", True, **choice)


class CINEMAGRAPH_OT_camera_preset_add(AddPresetBase, bpy.types.Operator):
    """Add or remove a preset of the camera's path"""

    bl_idname = "cinemagraph.camera_preset_add"
    bl_label = "Add Camera Preset"
    preset_menu = "CINEMAGRAPH_PT_camera_presets"
    preset_subdir = CINEMAGRAPH_PT_camera_presets.preset_subdir
    preset_defines = ["settings = bpy.context.scene.cinemagraph"]
    preset_values = [f"settings.{name}" for name in ("path_name", "path_amplitude", "path_loop")]


class CINEMAGRAPH_PT_render_presets(PresetPanel, bpy.types.Panel):
    bl_label = "Render Presets"
    preset_subdir = "cinemagraph/render"
    preset_operator = "script.execute_preset"
    preset_add_operator = "cinemagraph.render_preset_add"

    @classmethod
    def reset_cb(cls, context: bpy.types.Context, _filepath: str) -> None:
        """Called by Blender before a preset; Render Loop would set the scene up after it, with its own numbers."""
        if not render.is_set_up(context.scene):
            render.set_up(context.scene, render.RenderChoice(path=context.scene.render.filepath))


class CINEMAGRAPH_OT_render_preset_add(AddPresetBase, bpy.types.Operator):
    """Add or remove a preset of the render's settings"""

    bl_idname = "cinemagraph.render_preset_add"
    bl_label = "Add Render Preset"
    preset_menu = "CINEMAGRAPH_PT_render_presets"
    preset_subdir = CINEMAGRAPH_PT_render_presets.preset_subdir
    preset_defines = ["scene = bpy.context.scene"]
    preset_values = [
        "scene.cycles.samples",
        "scene.cycles.filter_width",
        "scene.render.fps",
        "scene.render.resolution_percentage",
    ]


CLASSES = (
    CINEMAGRAPH_PT_motion_presets,
    CINEMAGRAPH_OT_motion_preset_add,
    CINEMAGRAPH_PT_camera_presets,
    CINEMAGRAPH_OT_camera_preset_add,
    CINEMAGRAPH_PT_render_presets,
    CINEMAGRAPH_OT_render_preset_add,
)


def register() -> None:
    bpy.utils.register_preset_path(SHIPPED)


def unregister() -> None:
    bpy.utils.unregister_preset_path(SHIPPED)
