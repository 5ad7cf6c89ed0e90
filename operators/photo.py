"""Operators that open a photo, from a dialog, a menu, a drop or the clipboard, and that show again what hid it."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..blender_addon import clipboard, jobs, viewport
from ..blender_addon import scene as scene_objects
from ..blender_addon.engine import EngineRequest
from ..blender_addon.hint_layers import MOTION_LAYER
from ..cinema_core.shared.data import PHOTO_SUFFIXES
from ..cinema_core.shared.errors import CinemaError
from .engine_job import EngineOperator
from .polls import is_own

PHOTO_FILES = ";".join(f"*{suffix}" for suffix in PHOTO_SUFFIXES)
# How the file dialog shows files, with the numbers of Blender's sources (eFileSelectDisplay).
DISPLAYS = [
    ("DEFAULT", "", "", 0),
    ("LIST_VERTICAL", "", "", 1),
    ("LIST_HORIZONTAL", "", "", 2),
    ("THUMBNAIL", "", "", 3),
]
PASTE_KEY = "V"
PLACES = [
    ("REPLACE", "Replace", "Remove the points and the strokes of the photo that is open"),
    ("KEEP_STROKES", "Keep Strokes", "Remove the points only, for another version of the same picture"),
    ("NEW_SCENE", "New Scene", "Open the photo in a scene of its own; the present one stays as it is"),
]


class OpensPhoto(EngineOperator):
    """Mixin: opens the photo of `filepath` in this scene or in a new one."""

    filepath: StringProperty(name="Photo", description="The photo to open", subtype="FILE_PATH", options={"SKIP_SAVE"})
    place: EnumProperty(name="Open Photo", description="The photo that is open", items=PLACES, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return cls.is_idle(context)

    def draw(self, context: bpy.types.Context) -> None:
        if context.scene.cinemagraph.photo is not None:
            self.layout.label(text="Another photo is open:")
            self.layout.column().prop(self, "place", expand=True)

    def ask_place(self, context: bpy.types.Context) -> set[str]:
        """Ask about the photo that is open, if there is one, and open the new one."""
        if context.scene.cinemagraph.photo is None or bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self)

    def start(self, context: bpy.types.Context) -> EngineRequest:
        self._photo = jobs.find_photo(context.scene, self.filepath)
        return jobs.start_open(self._photo)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        if self.place == "NEW_SCENE" and scene.cinemagraph.photo is not None:
            scene = self._new_scene(context, scene)
        jobs.finish_open(scene, self._photo, answer, keep_strokes=self.place == "KEEP_STROKES")
        context.view_layer.update()
        for name in scene_objects.hide_enclosing(scene):
            self.report({"INFO"}, f'"{name}" was hidden: it enclosed the photo\'s camera')
        if viewport.shows(context, scene):
            viewport.start_drawing(context, MOTION_LAYER)
            viewport.show_beside_sidebar(context)

    def _new_scene(self, context: bpy.types.Context, scene: bpy.types.Scene) -> bpy.types.Scene:
        made = bpy.data.scenes.new(self._photo.source.stem)
        made.world, made.render.engine = scene.world, scene.render.engine
        made.cinemagraph.max_side = scene.cinemagraph.max_side
        if context.window is not None:
            context.window.scene = made
        self._scene = made.session_uid
        return made


class CINEMAGRAPH_OT_open_photo(OpensPhoto, bpy.types.Operator):
    """Open a photo and set up camera, render size, backdrop and layers to draw on"""

    bl_idname = "cinemagraph.open_photo"
    bl_label = "Open Photo"
    bl_options = {"UNDO"}

    filter_glob: StringProperty(default=PHOTO_FILES, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    display_type: EnumProperty(items=DISPLAYS, default="THUMBNAIL", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if self.filepath:  # a file was dropped
            return self.ask_place(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class CINEMAGRAPH_OT_paste_photo(OpensPhoto, bpy.types.Operator):
    """Open the picture or the image file on the clipboard as a photo; a picture is saved beside the .blend file"""

    bl_idname = "cinemagraph.paste_photo"
    bl_label = "Paste Photo"
    bl_options = {"UNDO"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == PASTE_KEY and not viewport.is_over_tab(context):
            return {"PASS_THROUGH"}  # the key belongs to another panel
        return self.ask_place(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            self.filepath = str(clipboard.photo_file(context))
        except CinemaError as error:
            return self._failed(error)
        return super().execute(context)


class CINEMAGRAPH_OT_show_hidden(bpy.types.Operator):
    """Show the objects again that were hidden because they enclosed the photo's camera"""

    bl_idname = "cinemagraph.show_hidden"
    bl_label = "Show Hidden Objects"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_own(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene_objects.show_hidden(context.scene)
        return {"FINISHED"}


class CINEMAGRAPH_FH_photo(bpy.types.FileHandler):
    """Open a photo that is dropped into a 3D view"""

    bl_idname = "CINEMAGRAPH_FH_photo"
    bl_label = "3D Cinemagraph"
    bl_import_operator = "cinemagraph.open_photo"
    bl_file_extensions = ";".join(PHOTO_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


def show_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Add Open Photo and Paste Photo to one of Blender's menus."""
    menu.layout.operator("cinemagraph.open_photo", text="Photo as 3D Cinemagraph", icon="IMAGE_DATA")
    menu.layout.operator("cinemagraph.paste_photo", text="Pasted Photo as 3D Cinemagraph", icon="PASTEDOWN")


MENUS = ("TOPBAR_MT_file_import", "VIEW3D_MT_image_add")
CLASSES = (
    CINEMAGRAPH_OT_open_photo,
    CINEMAGRAPH_OT_paste_photo,
    CINEMAGRAPH_OT_show_hidden,
    CINEMAGRAPH_FH_photo,
)


def register() -> None:
    """Add the entries of Blender's menus."""
    for name in MENUS:
        getattr(bpy.types, name).append(show_menu)


def unregister() -> None:
    for name in MENUS:
        getattr(bpy.types, name).remove(show_menu)
