"""The panel Coverage, under Camera: check of the camera's path for holes. It only draws."""

import bpy

from ..blender_addon.coverage import CoverageResult, last_result, points_id
from ..blender_addon.result import parts
from ..blender_addon.versions import color_square
from .parts import SidebarPanel, show_job

MAX_RANGES = 4  # ranges of bad frames that are written out
GOOD, BAD, WORSE = map(color_square, (4, 2, 1))  # green, orange, red
FAR_ABOVE = 10.0  # factor on the tolerance above which a frame counts as worst


class CINEMAGRAPH_PT_coverage(SidebarPanel, bpy.types.Panel):
    bl_label = "Coverage"
    bl_parent_id = "CINEMAGRAPH_PT_camera"
    bl_options = {"DEFAULT_CLOSED"}  # so that Render is in sight in a window of 1080 px

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(parts(context.scene))

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.cinemagraph.coverage
        if not show_job(context, layout, "coverage"):
            row = layout.row(align=True)
            row.operator("cinemagraph.check_camera", icon="VIEW_CAMERA")
            if settings.found_json:
                row.prop(settings, "show", text="", icon="HIDE_OFF" if settings.show else "HIDE_ON")
                row.operator("cinemagraph.forget_coverage", text="", icon="X")
        result = last_result(context.scene)
        if result is not None:
            _draw_result(layout, result, points_id(context.scene) != result.points_id)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "limit")
        column.prop(settings, "size", slider=True)
        layout.operator("cinemagraph.limit_camera", icon="CON_DISTLIMIT")


def _draw_result(layout: bpy.types.UILayout, result: CoverageResult, outdated: bool) -> None:
    column = layout.column(align=True)
    if outdated:
        column.label(text="Built since the check: check again", icon="ERROR")
    if result.worst[1] <= result.limit:
        column.label(text="Good: no holes along the path", icon="CHECKMARK")
    for label, (frame, share) in (("Holes", result.worst), ("Invented", result.most_invented)):
        if share:
            row = column.row(align=True)
            row.label(text=f"{label}: {share:.2%}")
            _draw_jump(row, f"Frame {frame}", frame, share if label == "Holes" else -1.0)
    ranges = result.bad_frames()
    if ranges:
        column.label(text=f"Frames {result.start} to {result.start + len(result.uncovered) - 1}:")
        row = column.row(align=True)
        for frame, share in result.bars():
            _draw_jump(row, "", frame, share, _icon(share, result.limit))
    if ranges:
        named = [f"{a}" if a == b else f"{a}–{b}" for a, b in ranges[:MAX_RANGES]]
        column.label(text=f"Holes in: {', '.join(named)}{' …' if len(ranges) > MAX_RANGES else ''}")


def _icon(share: float, limit: float) -> str:
    if share <= limit:
        return GOOD
    return WORSE if share > FAR_ABOVE * limit else BAD


def _draw_jump(row: bpy.types.UILayout, text: str, frame: int, share: float, icon: str = "NONE") -> None:
    button = row.operator("cinemagraph.go_to_frame", text=text, icon=icon, emboss=icon == "NONE")
    button.frame, button.share = frame, share


CLASSES = (CINEMAGRAPH_PT_coverage,)
