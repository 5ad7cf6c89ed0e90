"""The panels in workflow order: Photo, Hints, Build, Camera, Render. They only draw."""

from pathlib import Path

import bpy

from ..blender_addon import camera_path, quality_words, render, result, selection, strokes
from ..blender_addon.hint_layers import LAYERS, MOTION_HINTS
from .parts import (
    PRIMARY,
    SidebarPanel,
    show_animate,
    show_colors,
    show_draw_buttons,
    show_job,
    show_paths,
    show_render,
    show_step,
    show_wrapped,
)
from .presets import CINEMAGRAPH_PT_camera_presets, CINEMAGRAPH_PT_motion_presets, CINEMAGRAPH_PT_render_presets

MANUAL = Path(__file__).parents[1] / "docs" / "manual" / "index.html"
ROUNDED_AWAY = 2  # px; the working photo drops an odd last row or column
# Depth sources in reports; those of earlier versions may contain "rules".
DEPTH_SOURCES = {"file": "File", "model": "Model", "network": "Built-In Network", "rules": "Built-In Rules"}
# Key in the report's "quality" -> label and format
FIGURES = {
    "fidelity_db": ("Photo Fidelity", "{:.1f} dB"),
    "seam": ("Loop Seam", "{:.2f}"),
    "contrast": ("Contrast Kept", "{:.0%}"),
    "bent": ("Straight Lines Bent", "{:.1%}"),
    "torn": ("Surfaces Torn", "{:.1f} sides"),
    "shreds": ("Pieces Torn Off", "{}"),
    "hint_angle_deg": ("Stroke Direction Error", "{:.1f}°"),
    "hint_speed": ("Stroke Speed Error", "{:.0%}"),
}


class CINEMAGRAPH_PT_photo(SidebarPanel, bpy.types.Panel):
    bl_label = "Photo"

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        if MANUAL.is_file():
            self.layout.operator("wm.path_open", text="", icon="HELP", emboss=False).filepath = str(MANUAL)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        if settings.photo is None:
            show_wrapped(context, layout, context.window_manager.cinemagraph.notice)
            show_step(context, layout, "photo")
        height = PRIMARY if settings.photo is None else 1.0
        if not show_job(context, layout, "photo", height):
            row = layout.row(align=True)
            row.scale_y = height
            row.operator("cinemagraph.open_photo", icon="IMAGE_DATA")
            row.operator("cinemagraph.paste_photo", text="", icon="PASTEDOWN")
        _show_hidden(context, layout)
        if settings.photo is not None:
            size = f"{settings.width} × {settings.height} px"
            show_wrapped(context, layout, f"{settings.photo.name}, {size}", "IMAGE_DATA")
            if _is_of_another_size(settings):
                show_wrapped(context, layout, "Open the photo again for this Max Side", "INFO")


class CINEMAGRAPH_PT_size(SidebarPanel, bpy.types.Panel):
    bl_label = "Size and Lens"
    bl_parent_id = "CINEMAGRAPH_PT_photo"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        layout.use_property_split, layout.use_property_decorate = True, False
        layout.prop(settings, "max_side")
        if settings.photo is not None:
            layout.prop(settings, "lens")


def _show_hidden(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Name the objects that were hidden because they covered the photo."""
    hidden = [item.object.name for item in getattr(context.scene.cinemagraph, "hidden", ()) if item.object is not None]
    if hidden:
        one = len(hidden) == 1
        named = f'"{hidden[0]}" hid the photo, and is' if one else f"{len(hidden)} objects hid the photo, and are"
        column = layout.column(align=True)
        show_wrapped(context, column, f"{named} hidden now", "HIDE_ON")
        column.operator("cinemagraph.show_hidden")


def _is_of_another_size(settings: bpy.types.PropertyGroup) -> bool:
    """Tell whether the photo, opened again, would have another size than it has."""
    longest = max(settings.file_size)  # 0 in files of earlier versions
    wanted = min(settings.max_side, longest)
    return longest > 0 and abs(wanted - max(settings.width, settings.height)) > ROUNDED_AWAY


class CINEMAGRAPH_PT_hints(SidebarPanel, bpy.types.Panel):
    bl_label = "Hints"

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        CINEMAGRAPH_PT_motion_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        state = context.window_manager.cinemagraph
        layout.enabled = settings.photo is not None
        show_draw_buttons(context, layout.column(align=True), MOTION_HINTS)
        if not show_job(context, layout, "suggest"):
            layout.operator("cinemagraph.suggest_regions", icon="OUTLINER_DATA_LIGHTPROBE")
        _show_stroke_speed(context, layout)
        if not show_job(context, layout, "flow"):
            row = layout.row(align=True)
            row.operator("cinemagraph.show_flow", icon="FORCE_WIND")
            row.operator("cinemagraph.live_flow", depress=state.live_preview)
            row.operator("cinemagraph.hide_flow", text="", icon="X")
        show_wrapped(context, layout, state.live_trouble)
        for name in strokes.unread_layers(context.scene):
            reason = "is hidden" if name in LAYERS else "has no name of a kind of stroke"
            show_wrapped(context, layout, f'Not used: the layer "{name}" {reason}', "INFO")


def _show_stroke_speed(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Show the speed of the chosen Motion strokes, and the buttons that change them."""
    chosen = selection.choose(context.scene)
    count = len(chosen.strokes) if chosen is not None else 0
    which = "Last Stroke" if context.mode != "EDIT_GREASE_PENCIL" else "1 Stroke" if count == 1 else f"{count} Strokes"
    row = layout.row(align=True)
    row.operator("cinemagraph.scale_stroke_speed", text="", icon="REMOVE").scale = 0.5
    text = f"{which}: Speed {selection.mean_speed(chosen):.2f}" if count else "Stroke Speed"
    row.operator("cinemagraph.set_stroke_speed", text=text)
    row.operator("cinemagraph.scale_stroke_speed", text="", icon="ADD").scale = 2.0
    row.prop(context.scene.cinemagraph, "speed_from_radius", text="", icon="STYLUS_PRESSURE")
    row.operator("cinemagraph.reverse_strokes", text="", icon="ARROW_LEFTRIGHT")


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
        column = layout.column()
        column.enabled = settings.photo is not None
        for name in ("frames", "speed", "still"):
            column.prop(settings, name)
        show_animate(context, layout)
        if settings.photo is not None:
            show_colors(context, layout)


class CINEMAGRAPH_PT_playback(SidebarPanel, bpy.types.Panel):
    bl_label = "Playback"
    bl_parent_id = "CINEMAGRAPH_PT_build"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(result.parts(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("loop_length", "start_frame", "play_speed", "loop_offset", "stop_after", "point_size"):
            layout.prop(context.scene.cinemagraph, name)


class CINEMAGRAPH_PT_report(SidebarPanel, bpy.types.Panel):
    bl_label = "Quality Report"
    bl_parent_id = "CINEMAGRAPH_PT_build"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(context.scene.cinemagraph.report_json)

    def draw(self, context: bpy.types.Context) -> None:
        report = context.scene.cinemagraph.report
        for finding in quality_words.judge(report):
            show_wrapped(context, self.layout, str(finding), "CHECKMARK" if finding.is_good else "ERROR")
        if not quality_words.is_measured(report):
            self.layout.label(text="The build is being measured", icon="TIME")
        for warning in report.get("warnings", ()):
            show_wrapped(context, self.layout, quality_words.in_blender(warning), "INFO")


class CINEMAGRAPH_PT_figures(SidebarPanel, bpy.types.Panel):
    bl_label = "Figures"
    bl_parent_id = "CINEMAGRAPH_PT_report"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(context.scene.cinemagraph.report_json)

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        for label, text in _report_lines(context.scene.cinemagraph.report):
            split = column.split(factor=0.62)
            split.label(text=label)
            split.label(text=text)


def _report_lines(report: dict) -> list[tuple[str, str]]:
    quality = report.get("quality") or {}
    lines = [
        (label, pattern.format(quality[key]))
        for key, (label, pattern) in FIGURES.items()
        if quality.get(key) is not None
    ]
    lines += [(f"Holes, {name.title()}", f"{share:.2%}") for name, share in (quality.get("holes") or {}).items()]
    lines.append(("Still Points", f"{report['still_points']:,}"))
    lines.append(("Moving Points", f"{report['moving_points']:,}"))
    lines.append(("Layers", str(len(report["layers"]))))
    if report.get("depth_source") in DEPTH_SOURCES:
        lines.append(("Depth", DEPTH_SOURCES[report["depth_source"]]))
    if "seconds" in report:
        lines.append(("Build Time", f"{report['seconds']:.1f} s"))
    return lines


class CINEMAGRAPH_PT_camera(SidebarPanel, bpy.types.Panel):
    bl_label = "Camera"

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        CINEMAGRAPH_PT_camera_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph
        show_paths(context, layout)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "path_amplitude")
        amplitude = camera_path.next_amplitude(settings)
        if amplitude < 1 and not camera_path.has_own_amplitude(settings):
            text = f"The next path has an Amplitude of {amplitude:.2g}: a larger one would bend or tear this photo"
            show_wrapped(context, column, text, "INFO")
        column.prop(settings, "path_loop")


class CINEMAGRAPH_PT_render(SidebarPanel, bpy.types.Panel):
    bl_label = "Render"

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        CINEMAGRAPH_PT_render_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, context.scene
        show_render(context, layout)
        if result.parts(scene):
            layout.label(text=render.describe(scene), icon="TIME")
            layout.prop(scene.render, "filepath", text="")
            show_colors(context, layout)


CLASSES = (
    CINEMAGRAPH_PT_photo,
    CINEMAGRAPH_PT_size,
    CINEMAGRAPH_PT_hints,
    CINEMAGRAPH_PT_motion,
    CINEMAGRAPH_PT_files,
    CINEMAGRAPH_PT_build,
    CINEMAGRAPH_PT_playback,
    CINEMAGRAPH_PT_report,
    CINEMAGRAPH_PT_figures,
    CINEMAGRAPH_PT_camera,
    CINEMAGRAPH_PT_render,
)
