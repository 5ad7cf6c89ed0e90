"""Operator that moves the scene camera along a preset path."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ..blender_addon import camera_path, coverage, ensure
from ..cinema_core.shared.camera import PRESETS
from .polls import is_own

MAX_ROUNDING = 1e-6  # of an amplitude as a property
PATHS = [(name, preset.label, preset.help) for name, preset in PRESETS.items()]


class CINEMAGRAPH_OT_add_camera_path(bpy.types.Operator):
    """Replace the location keyframes of the scene camera with a path, and match frame range and loop to it"""

    bl_idname = "cinemagraph.add_camera_path"
    bl_label = "Add Camera Path"
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    path: EnumProperty(name="Path", items=PATHS, default="circle")
    loop: BoolProperty(
        name="Closed Loop",
        description="Return to the start, so that the video loops seamlessly",
        default=True,
    )
    amplitude: FloatProperty(
        name="Amplitude",
        description="Factor on the size of the path; large moves open gaps behind near objects",
        default=1.0,
        min=0.0,
        max=10.0,
        soft_max=2.0,
    )
    frames: IntProperty(
        name="Frames",
        description="Length of the path in frames; 0 is replaced by the Loop Length",
        subtype="TIME",
        default=0,
        min=0,
        max=10000,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return f"Move the camera: {PRESETS[properties.path].help[0].lower()}{PRESETS[properties.path].help[1:]}"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not is_own(cls, context):
            return False
        if context.scene.cinemagraph.photo is None:
            cls.poll_message_set("Open a photo first, which adds the camera")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        self.frames = self.frames or camera_path.loop_length(context.scene)  # the panel of the last step shows it
        ensure.ensure_objects(context.scene)
        coverage.forget(context.scene)
        camera_path.add_path(context.scene, camera_path.PathChoice(self.path, self.frames, self.loop, self.amplitude))
        settings = context.scene.cinemagraph
        was_suggested = not camera_path.has_own_amplitude(settings)
        if was_suggested and abs(self.amplitude - camera_path.next_amplitude(settings)) < MAX_ROUNDING:
            settings.path_suggested = self.amplitude
        # A preset of the panel stores the path as it was adjusted.
        settings.path_name, settings.path_loop, settings.path_amplitude = self.path, self.loop, self.amplitude
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_add_camera_path,)
