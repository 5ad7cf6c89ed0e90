"""The panels in workflow order: Photo, Hints, Build, Camera, Render. They only draw."""

import textwrap

import bpy

from ..blender_addon.hint_layers import MOTION_HINTS, button_rows
from ..cinema_core.shared.camera import PRESETS

CHARACTER_WIDTH = 7.0  # px, mean width of a letter at a UI scale of 1
# Depth sources in reports; those of earlier versions may contain "rules".
DEPTH_SOURCES = {"file": "File", "model": "Model", "network": "Built-In Network", "rules": "Built-In Rules"}
# Key in the report's "quality" -> label and format
FIGURES = {
    "fidelity_db": ("Photo Fidelity", "{:.1f} dB"),
    "seam": ("Loop Seam", "{:.2f}"),
    "contrast": ("Contrast Kept", "{:.0%}"),
    "hint_angle_deg": ("Stroke Direction Error", "{:.1f}°"),
    "hint_speed": ("Stroke Speed Error", "{:.0%}"),
}


class SidebarPanel:
    """Mixin: the place of all panels of the extension."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Cinemagraph"


def show_wrapped(context: bpy.types.Context, layout: bpy.types.UILayout, text: str, icon: str = "ERROR") -> None:
    """Show a text on as many lines as it needs, by default as a warning; nothing for an empty text."""
    if not text:
        return
    scale = context.preferences.system.ui_scale
    width = max(20, int(context.region.width / (CHARACTER_WIDTH * scale)) - 6)
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(text, width)):
        column.label(text=line, icon="BLANK1" if number else icon)


def show_draw_buttons(context: bpy.types.Context, column: bpy.types.UILayout, names: tuple[str, ...]) -> None:
    """Show a button for each of these layers of the hints; it is pressed while the user draws on its layer."""
    hints = context.scene.cinemagraph.hints
    active = hints.data.layers.active if hints is not None else None
    drawing = context.mode == "PAINT_GREASE_PENCIL" and context.object == hints
    for layers in button_rows(names):
        row = column.row(align=True)
        for layer in layers:
            pressed = drawing and active is not None and active.name == layer.name
            row.operator("cinemagraph.draw", text=layer.name, icon=layer.icon, depress=pressed).layer = layer.name


class CINEMAGRAPH_PT_photo(SidebarPanel, bpy.types.Panel):
    bl_label = "Photo"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.operator("cinemagraph.open_photo", icon="IMAGE_DATA")
        layout.prop(settings, "max_side")
        if settings.photo is not None:
            layout.label(text=f"{settings.photo.name}, {settings.width} × {settings.height}")
            layout.prop(settings, "focal")


class CINEMAGRAPH_PT_hints(SidebarPanel, bpy.types.Panel):
    bl_label = "Hints"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        show_draw_buttons(context, layout.column(align=True), MOTION_HINTS)
        layout.operator("cinemagraph.suggest_regions", icon="OUTLINER_DATA_LIGHTPROBE")
        row = layout.row(align=True)
        row.prop(settings, "stroke_speed")
        row.prop(settings, "speed_from_radius", text="", icon="STYLUS_PRESSURE")
        row.operator("cinemagraph.reverse_strokes", text="", icon="ARROW_LEFTRIGHT")
        row = layout.row(align=True)
        row.operator("cinemagraph.show_flow", icon="FORCE_WIND")
        row.operator("cinemagraph.live_flow", depress=context.window_manager.cinemagraph.live_preview)
        row.operator("cinemagraph.hide_flow", text="", icon="X")
        show_wrapped(context, layout, context.window_manager.cinemagraph.live_trouble)


class CINEMAGRAPH_PT_motion(SidebarPanel, bpy.types.Panel):
    bl_label = "Motion"
    bl_parent_id = "CINEMAGRAPH_PT_hints"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in ("feather", "perspective", "swings", "thin", "region_file", "flow_file"):
            layout.prop(settings, name)


class CINEMAGRAPH_PT_files(SidebarPanel, bpy.types.Panel):
    bl_label = "Import and Export"
    bl_parent_id = "CINEMAGRAPH_PT_hints"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.operator("cinemagraph.import_annotations", icon="IMPORT")
        column.operator("cinemagraph.export_annotations", icon="EXPORT")
        column.operator("cinemagraph.export_motion", icon="EXPORT")


class CINEMAGRAPH_PT_build(SidebarPanel, bpy.types.Panel):
    bl_label = "Build"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "frames")
        layout.prop(settings, "speed")
        state = context.window_manager.cinemagraph
        if state.running:
            row = layout.row(align=True)
            row.progress(factor=state.fraction, text=f"{state.stage.capitalize()}  {state.fraction:.0%}")
            row.operator("cinemagraph.cancel", text="", icon="X")
        else:
            row = layout.row(align=True)
            row.scale_y = 1.4
            row.operator("cinemagraph.build", icon="MOD_FLUIDSIM")
            row.operator("cinemagraph.remove", text="", icon="TRASH")


class CINEMAGRAPH_PT_playback(SidebarPanel, bpy.types.Panel):
    bl_label = "Playback"
    bl_parent_id = "CINEMAGRAPH_PT_build"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(len(context.scene.cinemagraph.parts))

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("loop_length", "start_frame", "play_speed", "point_size"):
            layout.prop(context.scene.cinemagraph, name)


class CINEMAGRAPH_PT_report(SidebarPanel, bpy.types.Panel):
    bl_label = "Quality Report"
    bl_parent_id = "CINEMAGRAPH_PT_build"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(context.scene.cinemagraph.report_json)

    def draw(self, context: bpy.types.Context) -> None:
        report = context.scene.cinemagraph.report
        column = self.layout.column(align=True)
        for label, text in _report_lines(report):
            split = column.split(factor=0.55)
            split.label(text=label)
            split.label(text=text)
        for warning in report.get("warnings", ()):
            show_wrapped(context, column, warning)


def _report_lines(report: dict) -> list[tuple[str, str]]:
    quality = report.get("quality") or {}
    lines = [
        (label, pattern.format(quality[key]))
        for key, (label, pattern) in FIGURES.items()
        if quality.get(key) is not None
    ]
    lines += [(f"Holes, {name.title()}", f"{share:.2%}") for name, share in (quality.get("holes") or {}).items()]
    lines.append(("Points", f"{report['still_points']:,} + {report['moving_points']:,} moving"))
    lines.append(("Layers", str(len(report["layers"]))))
    if report.get("depth_source") in DEPTH_SOURCES:
        lines.append(("Depth", DEPTH_SOURCES[report["depth_source"]]))
    if "seconds" in report:
        lines.append(("Build Time", f"{report['seconds']:.1f} s"))
    return lines


class CINEMAGRAPH_PT_camera(SidebarPanel, bpy.types.Panel):
    bl_label = "Camera"

    def draw(self, context: bpy.types.Context) -> None:
        grid = self.layout.grid_flow(columns=2, even_columns=True, align=True)
        for path, preset in PRESETS.items():
            grid.operator("cinemagraph.add_camera_path", text=preset.label).path = path


class CINEMAGRAPH_PT_render(SidebarPanel, bpy.types.Panel):
    bl_label = "Render"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("cinemagraph.set_up_render", icon="PREFERENCES")
        layout.prop(context.scene.render, "filepath", text="")
        layout.operator("render.render", text="Render Animation", icon="RENDER_ANIMATION").animation = True


CLASSES = (
    CINEMAGRAPH_PT_photo,
    CINEMAGRAPH_PT_hints,
    CINEMAGRAPH_PT_motion,
    CINEMAGRAPH_PT_files,
    CINEMAGRAPH_PT_build,
    CINEMAGRAPH_PT_playback,
    CINEMAGRAPH_PT_report,
    CINEMAGRAPH_PT_camera,
    CINEMAGRAPH_PT_render,
)
