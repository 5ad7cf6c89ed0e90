"""Draw hints, or import them from a file."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..blender_addon import scene, strokes, viewport
from ..cinema_core.errors import CinemaError
from ..cinema_core.strokes import read_strokes

LAYERS = [
    ("Motion", "Motion", "Draw along the flow: direction and speed, longer strokes flow faster"),
    ("Region", "Region", "Draw round what moves"),
    ("Still", "Still", "Draw over what must not move"),
]


def _has_photo(cls: type, context: bpy.types.Context) -> bool:
    settings = context.scene.cinemagraph
    if settings.photo is None or not scene.in_scene(settings.hints, context.scene):
        cls.poll_message_set("Open a photo first")
        return False
    return True


class CINEMAGRAPH_OT_draw(bpy.types.Operator):
    """Look through the photo's camera and draw on this layer"""

    bl_idname = "cinemagraph.draw"
    bl_label = "Draw"

    layer: EnumProperty(name="Layer", items=LAYERS)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return next(text for name, _, text in LAYERS if name == properties.layer)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not viewport.has_window(context):
            cls.poll_message_set("Drawing needs a window")
            return False
        return _has_photo(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        viewport.start_drawing(context, self.layer)
        return {"FINISHED"}


class CINEMAGRAPH_OT_import_annotations(bpy.types.Operator):
    """Draw the strokes of an annotation file: one of 3D Cinemagraph's own, or one of labelme"""

    bl_idname = "cinemagraph.import_annotations"
    bl_label = "Import Annotations"
    bl_options = {"REGISTER", "UNDO"}

    filepath: StringProperty(name="File", description="The annotation file", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    replace: BoolProperty(
        name="Replace", description="Remove the strokes that are there at this frame first", default=True
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_photo(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.cinemagraph
        try:
            found = read_strokes(Path(bpy.path.abspath(self.filepath)), (settings.width, settings.height))
        except CinemaError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        strokes.add_hints(context.scene, found, self.replace)
        self.report({"INFO"}, f"{len(found)} strokes")
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_draw, CINEMAGRAPH_OT_import_annotations)
