"""The panels in workflow order: Photo, Hints, Build, Camera, Render. They draw, and do nothing else."""

import textwrap

import bpy

LAYER_ICONS = {
    "Motion": "TRACKING_FORWARDS",
    "Region": "MOD_FLUIDSIM",
    "Sway": "FORCE_WIND",
    "Still": "FREEZE",
    "Outlet": "TRACKING_CLEAR_FORWARDS",
}
LAYER_ROWS = (("Motion",), ("Region", "Sway"), ("Still", "Outlet"))
CHARACTER = 7.0  # px that a letter takes on average, at a scale of 1
CAMERA_PATHS = (("up-down", "Up-Down"), ("zoom-in", "Zoom In"), ("side", "Side"), ("circle", "Circle"))
DEPTH_SOURCES = {"file": "File", "model": "Model", "network": "Built-In Network", "rules": "Built-In Rules"}
# Key in the report's "quality" -> label and format.
FIGURES = {
    "fidelity_db": ("Photo Fidelity", "{:.1f} dB"),
    "seam": ("Loop Seam", "{:.2f}"),
    "contrast": ("Contrast Kept", "{:.0%}"),
    "hint_angle_deg": ("Hint Direction Off", "{:.1f}°"),
    "hint_speed": ("Hint Speed Off", "{:.0%}"),
}


class SidebarPanel:
    """Mixin: where all our panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Cinemagraph"


def show_wrapped(context: bpy.types.Context, layout: bpy.types.UILayout, text: str, icon: str = "ERROR") -> None:
    """Show a warning, or what the icon says, on as many lines as it needs; nothing for no text."""
    if not text:
        return
    scale = context.preferences.system.ui_scale
    width = max(20, int(context.region.width / (CHARACTER * scale)) - 6)
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(text, width)):
        column.label(text=line, icon="BLANK1" if number else icon)


def show_draw_buttons(
    context: bpy.types.Context, column: bpy.types.UILayout, rows: tuple[tuple[str, ...], ...], icons: dict[str, str]
) -> None:
    """Show a button for each layer of the hints, pressed in while it is drawn on."""
    hints = context.scene.cinemagraph.hints
    active = hints.data.layers.active if hints is not None else None
    drawing = context.mode == "PAINT_GREASE_PENCIL" and context.object == hints
    for names in rows:
        row = column.row(align=True)
        for name in names:
            pressed = drawing and active is not None and active.name == name
            row.operator("cinemagraph.draw", text=name, icon=icons[name], depress=pressed).layer = name


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
        show_draw_buttons(context, layout.column(align=True), LAYER_ROWS, LAYER_ICONS)
        layout.operator("cinemagraph.suggest_regions", icon="OUTLINER_DATA_LIGHTPROBE")
        row = layout.row(align=True)
        row.prop(settings, "stroke_speed")
        row.prop(settings, "speed_from_radius", text="", icon="STYLUS_PRESSURE")
        row.operator("cinemagraph.reverse_strokes", text="", icon="ARROW_LEFTRIGHT")
        row = layout.row(align=True)
        row.operator("cinemagraph.show_flow", icon="FORCE_WIND")
        row.prop(context.window_manager.cinemagraph, "live_preview", toggle=True)
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
        lines.append(("Built in", f"{report['seconds']:.1f} s"))
    return lines


class CINEMAGRAPH_PT_camera(SidebarPanel, bpy.types.Panel):
    bl_label = "Camera"

    def draw(self, context: bpy.types.Context) -> None:
        grid = self.layout.grid_flow(columns=2, even_columns=True, align=True)
        for path, label in CAMERA_PATHS:
            grid.operator("cinemagraph.add_camera_path", text=label).path = path


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
