"""Operator that opens a photo."""

import bpy
from bpy.props import StringProperty

from ..blender_addon import jobs, viewport
from ..blender_addon.engine import EngineRequest
from ..blender_addon.hint_layers import MOTION_LAYER
from ..blender_addon.scene import in_the_way
from ..cinema_core.shared.data import PHOTO_SUFFIXES
from .engine_job import EngineOperator

PHOTO_FILES = ";".join(f"*{suffix}" for suffix in PHOTO_SUFFIXES)


class CINEMAGRAPH_OT_open_photo(EngineOperator, bpy.types.Operator):
    """Open a photo and set up camera, render size, backdrop and layers to draw on"""

    bl_idname = "cinemagraph.open_photo"
    bl_label = "Open Photo"
    bl_options = {"UNDO"}

    filepath: StringProperty(name="Photo", description="The photo to open", subtype="FILE_PATH")
    filter_glob: StringProperty(default=PHOTO_FILES, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return cls.is_idle(context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def start(self, context: bpy.types.Context) -> EngineRequest:
        self._photo = jobs.find_photo(context.scene, self.filepath)
        return jobs.start_open(self._photo)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        jobs.finish_open(scene, self._photo, answer)
        context.view_layer.update()
        for name in in_the_way(scene):
            self.report({"WARNING"}, f'"{name}" encloses the camera and hides the photo: move or delete it')
        if viewport.has_window(context):
            viewport.start_drawing(context, MOTION_LAYER)


CLASSES = (CINEMAGRAPH_OT_open_photo,)
