"""Operators that import and export annotations, motion and masks."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..blender_addon import ensure, exchange, jobs, strokes
from ..blender_addon.engine import EngineRequest
from ..cinema_core.shared.errors import CinemaError
from ..cinema_core.shared.stroke_files import read_strokes
from .engine_job import EngineOperator
from .polls import has_photo

FORMS = [
    ("OURS", "3D Cinemagraph", "Complete strokes with speed and radius"),
    ("LABELME", "labelme", "For labelme and for programs that read its files"),
]
MOTION_FILES = [
    (".flo", "Middlebury .flo", "For most programs for optical flow"),
    (".npy", "NumPy .npy", "Array of height x width x 2"),
    (".exr", "OpenEXR .exr", "For compositors; red is right, green is down"),
    (".png", "Mask .png", "The moving region in white"),
]


class CINEMAGRAPH_OT_import_annotations(bpy.types.Operator):
    """Draw the strokes of an annotation file of 3D Cinemagraph or labelme"""

    bl_idname = "cinemagraph.import_annotations"
    bl_label = "Import Annotations"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", description="The annotation file", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    replace: BoolProperty(name="Replace", description="Remove the strokes of the current frame first", default=True)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_photo(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.cinemagraph
        try:
            path, size = Path(bpy.path.abspath(self.filepath)), (settings.width, settings.height)
            left_out: list[str] = []
            found = read_strokes(path, size, tuple(settings.file_size), warn=left_out.append)
        except CinemaError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        ensure.ensure_objects(context.scene)
        strokes.add_hints(context.scene, found, self.replace)
        for sentence in left_out:
            self.report({"WARNING"}, sentence)
        self.report({"INFO"}, f"Imported {len(found)} strokes")
        return {"FINISHED"}


class CINEMAGRAPH_OT_export_annotations(bpy.types.Operator):
    """Write the strokes of the current frame to a file"""

    bl_idname = "cinemagraph.export_annotations"
    bl_label = "Export Annotations"
    bl_options = {"REGISTER"}

    filepath: StringProperty(name="File", description="The file to write", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    form: EnumProperty(name="Format", description="Format of the file", items=FORMS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_photo(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.filepath = exchange.suggest_path(context.scene, ".json")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            count = exchange.export_strokes(
                context.scene, Path(bpy.path.abspath(self.filepath)), self.form == "LABELME"
            )
        except CinemaError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Exported {count} strokes to {Path(self.filepath).name}")
        return {"FINISHED"}


class CINEMAGRAPH_OT_export_motion(EngineOperator, bpy.types.Operator):
    """Solve the motion of the strokes, and write it or the moving region to a file"""

    bl_idname = "cinemagraph.export_motion"
    bl_label = "Export Motion"
    bl_options = {"REGISTER"}

    filepath: StringProperty(name="File", description="The file to write", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.flo;*.npy;*.exr;*.png", options={"HIDDEN"})
    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    form: EnumProperty(
        name="Format",
        description="Format of the file",
        items=MOTION_FILES,
        update=lambda self, _context: setattr(
            self, "filepath", str(Path(self.filepath).with_suffix(self.form)) if self.filepath else ""
        ),
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self.filepath = exchange.suggest_path(context.scene, self.form)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def start(self, context: bpy.types.Context) -> EngineRequest:
        file = Path(bpy.path.abspath(self.filepath))
        self._file = exchange.check_writable(context.scene, file, [form for form, *_ in MOTION_FILES])
        self._export_started = False
        return jobs.start_flow(context.scene)

    def proceed(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> EngineRequest | None:
        if self._export_started:
            return None
        self._export_started = True
        return jobs.start_export(scene, self._file)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        self.report({"INFO"}, f"Exported {self._file.name}")


CLASSES = (CINEMAGRAPH_OT_import_annotations, CINEMAGRAPH_OT_export_annotations, CINEMAGRAPH_OT_export_motion)
