"""Operators that show and hide the photo's depth, and choose and download a depth model."""

import bpy
from bpy.props import StringProperty

from ..blender_addon import depth_display, depth_models, ensure, jobs, live, viewport
from ..blender_addon.engine import EngineRequest
from ..cinema_core.shared.errors import CinemaError
from .engine_job import EngineOperator
from .polls import has_photo, is_engine_free


class _ShowsDepth(EngineOperator):
    """Mixin: asks the engine for the depth and shows it."""

    def start(self, context: bpy.types.Context) -> EngineRequest:
        return jobs.start_depth(context.scene)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        ensure.ensure_objects(scene)
        if told := depth_models.use_focal(scene.cinemagraph, answer.get("focal")):
            self.report({"INFO"}, told)
        depth_display.show_depth(scene, jobs.finish_depth(answer))
        context.window_manager.cinemagraph.live_depth_trouble = ""
        if viewport.shows(context, scene):
            viewport.show_photo(context)


class CINEMAGRAPH_OT_show_depth(_ShowsDepth, bpy.types.Operator):
    """Show the depth as colours over the photo: red is near, blue is far, grey is sky"""

    bl_idname = "cinemagraph.show_depth"
    bl_label = "Show Depth"
    bl_options = {"UNDO"}


class CINEMAGRAPH_OT_live_depth(bpy.types.Operator):
    """Update the depth whenever a stroke or a setting about it changes"""

    bl_idname = "cinemagraph.live_depth"
    bl_label = "Live"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.window_manager.cinemagraph.live_depth or has_photo(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        live.switch(context, live.DEPTH)
        return {"FINISHED"}


class CINEMAGRAPH_OT_hide_depth(bpy.types.Operator):
    """Remove the depth colours and switch off Live"""

    bl_idname = "cinemagraph.hide_depth"
    bl_label = "Hide Depth"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not (depth_display.has_depth(context.scene) or context.window_manager.cinemagraph.live_depth):
            cls.poll_message_set("No depth is shown")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.cinemagraph.live_depth = False
        depth_display.remove_depth(context.scene)
        return {"FINISHED"}


class CINEMAGRAPH_OT_choose_model(bpy.types.Operator):
    """Choose a depth model on this computer: a .pt or .onnx file, or any file in the folder of a transformers model"""

    bl_idname = "cinemagraph.choose_model"
    bl_label = "Choose Model"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="Model", description="The model's file or folder", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.pt;*.onnx;*.json;*.safetensors", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.cinemagraph
        settings.depth_model, settings.depth_source = depth_models.choose(self.filepath), "MODEL"
        return {"FINISHED"}


class _UsesModel(_ShowsDepth):
    """Mixin: lets the scene use a model once the engine has estimated depth with it, and shows the depth."""

    model: StringProperty(name="Model", description="The model; by default the one of the scene", options={"SKIP_SAVE"})
    download = False

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        offered = depth_models.find_offered(properties.model)
        return f"{cls.__doc__}. {offered.label}: {offered.merit}. Licence {offered.licence}" if offered else cls.__doc__

    def start(self, context: bpy.types.Context) -> EngineRequest:
        self._chosen = self.model or context.scene.cinemagraph.depth_model
        if self.download and depth_models.is_local(self._chosen):
            raise CinemaError("A file or folder needs no download", "Enter the name of a model as owner/model")
        return jobs.start_depth(context.scene, self.download, self._chosen)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        depth_models.use(scene.cinemagraph, self._chosen)
        super().finish(context, scene, answer)


class CINEMAGRAPH_OT_download_model(_UsesModel, bpy.types.Operator):
    """Download the model from huggingface.co unless it is already on this computer, use it, and show its depth"""

    bl_idname = "cinemagraph.download_model"
    bl_label = "Download"
    bl_options = {"UNDO"}
    download = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not bpy.app.online_access:
            cls.poll_message_set("Blender is offline; enable Allow Online Access in Preferences > System > Network")
            return False
        return super().poll(context)


class CINEMAGRAPH_OT_use_model(_UsesModel, bpy.types.Operator):
    """Use the model, which is on this computer, and show its depth"""

    bl_idname = "cinemagraph.use_model"
    bl_label = "Use Model"
    bl_options = {"UNDO"}


class CINEMAGRAPH_OT_remove_model(bpy.types.Operator):
    """Remove the model from this computer; it can be downloaded again"""

    bl_idname = "cinemagraph.remove_model"
    bl_label = "Remove Model"

    model: StringProperty(options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_engine_free(cls, context)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if depth_models.find_offered(self.model):
            depth_models.remove(self.model)
        return {"FINISHED"}


CLASSES = (
    CINEMAGRAPH_OT_show_depth,
    CINEMAGRAPH_OT_live_depth,
    CINEMAGRAPH_OT_hide_depth,
    CINEMAGRAPH_OT_choose_model,
    CINEMAGRAPH_OT_download_model,
    CINEMAGRAPH_OT_use_model,
    CINEMAGRAPH_OT_remove_model,
)
