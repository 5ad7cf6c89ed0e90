"""The panel Coverage, under Camera: where the camera sees what the photo does not tell. It draws, and no more."""

import bpy

from ..blender_addon.coverage import Found, points_mark

MOST_RANGES = 4  # of bad frames that are written out
GOOD, BAD, WORSE = "COLORSET_03_VEC", "COLORSET_02_VEC", "COLORSET_01_VEC"  # green, orange, red
FAR = 10.0  # times the tolerance, from which on it is far too much


class CINEMAGRAPH_PT_coverage(bpy.types.Panel):
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Cinemagraph"
    bl_label = "Coverage"
    bl_parent_id = "CINEMAGRAPH_PT_camera"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings, state = self.layout, context.scene.cinemagraph.coverage, context.window_manager.cinemagraph
        if state.running and state.stage == "coverage":
            row = layout.row(align=True)
            row.progress(factor=state.fraction, text=f"{state.fraction:.0%}")
            row.operator("cinemagraph.cancel", text="", icon="X")
        else:
            row = layout.row(align=True)
            row.operator("cinemagraph.check_camera", icon="VIEW_CAMERA")
            if settings.found_json:
                row.prop(settings, "show", text="", icon="HIDE_OFF" if settings.show else "HIDE_ON")
                row.operator("cinemagraph.forget_coverage", text="", icon="X")
        found = settings.found
        if found is not None:
            _draw_found(layout, found, points_mark(context.scene) != found.points)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "limit")
        column.prop(settings, "size", slider=True)
        layout.operator("cinemagraph.limit_camera", icon="CON_DISTLIMIT")


def _draw_found(layout: bpy.types.UILayout, found: Found, outdated: bool) -> None:
    column = layout.column(align=True)
    if outdated:
        column.label(text="Built anew since: check again", icon="ERROR")
    for label, (frame, share) in (("Holes", found.worst), ("Invented", found.most_invented)):
        row = column.row(align=True)
        row.label(text=f"{label}: {share:.2%}")
        if share:
            _jump(row, f"Frame {frame}", frame, share if label == "Holes" else -1.0)
    row = column.row(align=True)
    for frame, share in found.bars():
        _jump(row, "", frame, share, _icon(share, found.limit))
    ranges = found.bad_frames()
    if ranges:
        named = [f"{a}" if a == b else f"{a}–{b}" for a, b in ranges[:MOST_RANGES]]
        column.label(text=f"Open: {', '.join(named)}{' …' if len(ranges) > MOST_RANGES else ''}")


def _icon(share: float, limit: float) -> str:
    if share <= limit:
        return GOOD
    return WORSE if share > FAR * limit else BAD


def _jump(row: bpy.types.UILayout, text: str, frame: int, share: float, icon: str = "NONE") -> None:
    button = row.operator("cinemagraph.go_to_frame", text=text, icon=icon, emboss=icon == "NONE")
    button.frame, button.share = frame, share


CLASSES = (CINEMAGRAPH_PT_coverage,)
