"""The panel Depth, under Photo: source, display, and strokes that correct the depth."""

import bpy

from .. import __package__ as base_package
from ..blender_addon import depth_display, depth_models
from ..blender_addon.hint_layers import DEPTH_HINTS
from ..cinema_core.shared.models import DEFAULT_MODEL, OFFERED
from .parts import SidebarPanel, show_draw_buttons, show_job, show_wrapped


class CINEMAGRAPH_PT_depth(SidebarPanel, bpy.types.Panel):
    bl_label = "Depth"
    bl_parent_id = "CINEMAGRAPH_PT_photo"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.cinemagraph.photo is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        layout.row().prop(settings, "depth_source", expand=True)
        {"BUILT_IN": _draw_built_in, "FILE": _draw_file, "MODEL": _draw_model}[settings.depth_source](context, layout)
        _draw_display(context, layout)
        _draw_strokes(context, layout)


def _draw_built_in(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    layout.label(text="Approximate, made for landscapes", icon="INFO")
    if depth_models.is_downloaded(DEFAULT_MODEL):
        _show_use(context, layout, DEFAULT_MODEL, f"Use {OFFERED[DEFAULT_MODEL].label}")
    else:
        _show_download(layout, DEFAULT_MODEL, f"Better: {OFFERED[DEFAULT_MODEL].summary}")


def _show_use(context: bpy.types.Context, layout: bpy.types.UILayout, name: str, text: str) -> None:
    """Show the button that uses a model, which is on this computer."""
    settings = context.scene.cinemagraph
    used = settings.depth_source == "MODEL" and settings.depth_model == name
    layout.operator("cinemagraph.use_model", text=text, icon="CHECKMARK", depress=used).model = name


def _show_download(layout: bpy.types.UILayout, name: str, text: str) -> None:
    """Show the button that downloads a model and uses it."""
    layout.operator("cinemagraph.download_model", text=text, icon="IMPORT").model = name


def _show_offered(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Show a button for each offered model, and the switch for new photos."""
    column, missing = layout.column(align=True), False
    for name, model in OFFERED.items():
        row = column.row(align=True)
        if depth_models.is_downloaded(name):
            _show_use(context, row, name, f"{model.label}, {model.licence}")
            row.operator("cinemagraph.remove_model", text="", icon="TRASH").model = name
        else:
            _show_download(row, name, model.summary)
            missing = True
    preferences = context.preferences.addons[base_package].preferences
    if depth_models.find_offered(preferences.depth_model):
        layout.prop(preferences, "model_for_new_photos")
    if missing and not bpy.app.online_access and not bpy.app.online_access_override:
        layout.prop(context.preferences.system, "use_online_access", text="Allow Online Access")


def _draw_file(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    settings = context.scene.cinemagraph
    layout.prop(settings, "depth_file", text="")
    if not settings.depth_file:
        layout.label(text="Built-in depth until a file is chosen", icon="INFO")
        return
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(settings, "depth_kind")
    row = column.row(align=True, heading="Range")
    row.prop(settings, "depth_limits", text="")
    ends = row.row(align=True)
    ends.use_property_split, ends.active = False, settings.depth_limits
    ends.prop(settings, "depth_near")
    ends.prop(settings, "depth_far")
    column.prop(settings, "depth_gamma")


def _draw_model(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    settings = context.scene.cinemagraph
    _show_offered(context, layout)
    row = layout.row(align=True)
    row.prop(settings, "depth_model", text="")
    row.operator("cinemagraph.choose_model", text="", icon="FILE_FOLDER")
    if not depth_models.find_offered(settings.depth_model) and not depth_models.is_local(settings.depth_model):
        row.operator("cinemagraph.download_model", text="", icon="IMPORT")
    row = layout.row()
    row.use_property_split, row.use_property_decorate = True, False
    row.prop(settings, "depth_kind")
    show_wrapped(context, layout, f"Licence: {settings.depth_licence}", "INFO")


def _draw_display(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    settings, state = context.scene.cinemagraph, context.window_manager.cinemagraph
    if not show_job(context, layout, "depth"):
        row = layout.row(align=True)
        row.operator("cinemagraph.show_depth", icon="HIDE_OFF")
        row.operator("cinemagraph.live_depth", depress=state.live_depth)
        row.operator("cinemagraph.hide_depth", text="", icon="X")
    show_wrapped(context, layout, state.live_depth_trouble)
    if depth_display.has_depth(context.scene):
        layout.prop(settings, "depth_opacity")
        show_wrapped(context, layout, settings.depth_origin, "INFO")


def _draw_strokes(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    column = layout.column(align=True)
    column.label(text="Corrective Strokes")
    show_draw_buttons(context, column, DEPTH_HINTS)


class CINEMAGRAPH_PT_hidden(SidebarPanel, bpy.types.Panel):
    bl_label = "Edges and Hidden Surfaces"
    bl_parent_id = "CINEMAGRAPH_PT_depth"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in ("coherence", "edge_cleanup", "reach", "inpaint_model"):
            layout.prop(context.scene.cinemagraph, name)


CLASSES = (CINEMAGRAPH_PT_depth, CINEMAGRAPH_PT_hidden)
