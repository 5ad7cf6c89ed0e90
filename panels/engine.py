"""The state of the engine: a panel while it is not ready, and a part of the preferences."""

import bpy

from .. import __package__ as base_package
from ..blender_addon import engine_state
from .parts import SidebarPanel, show_wrapped


class CINEMAGRAPH_PT_engine(SidebarPanel, bpy.types.Panel):
    bl_label = "Engine"
    bl_order = -1  # above the steps of the work

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        kind = engine_state.status().kind
        return kind in ("PREPARING", "FAILED") or (kind == "MISSING" and not engine_state.bundled())

    def draw(self, context: bpy.types.Context) -> None:
        show_engine(context, self.layout)
        if not engine_state.locks():  # a Python of the user's choice is the only way
            operator = self.layout.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES")
            operator.module = base_package


def show_engine(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Show the state of the engine, and the buttons that go with it."""
    status = engine_state.status()
    {
        "READY": _show_ready,
        "PREPARING": _show_preparing,
        "MISSING": _show_missing,
        "FAILED": _show_failed,
        "CHOSEN": _show_chosen,
    }[status.kind](context, layout, status)


def _show_ready(context: bpy.types.Context, layout: bpy.types.UILayout, status: engine_state.Status) -> None:
    layout.label(text=f"Ready, {status.size / 1e6:,.0f} MB on disk", icon="CHECKMARK")
    _show_verdict(context, layout, status)
    _show_remains(layout)


def _show_preparing(_context: bpy.types.Context, layout: bpy.types.UILayout, status: engine_state.Status) -> None:
    row = layout.row(align=True)
    row.progress(factor=status.fraction, text=f"{status.stage}  {status.fraction:.0%}")
    row.operator("cinemagraph.cancel_engine_setup", text="", icon="X")


def _show_missing(context: bpy.types.Context, layout: bpy.types.UILayout, status: engine_state.Status) -> None:
    locks = engine_state.locks()
    if not locks:
        show_wrapped(context, layout, str(engine_state.no_wheels()))
        return
    preferences = engine_state.preferences(context)
    lock = locks.get(preferences.device, locks["cpu"])
    unpacked, bundled = engine_state.unpacked(lock), engine_state.bundled() and lock.device == "cpu"
    if unpacked:
        text = "The engine is unpacked, only its check is missing"
    elif bundled:
        text = f"The engine is unpacked when the first photo is opened: {lock.unpacked / 1e6:,.0f} MB on disk"
    else:
        text = f"The engine is downloaded once: {lock.size / 1e6:,.0f} MB, then {lock.unpacked / 1e6:,.0f} MB on disk"
    show_wrapped(context, layout, "" if status.error else text, icon="INFO")
    if len(locks) > 1:
        layout.row().prop(preferences, "device", expand=True)
    allowed = bpy.app.online_access or unpacked or bundled
    if not allowed and not bpy.app.online_access_override:  # the preference has no effect then
        layout.prop(context.preferences.system, "use_online_access", text="Allow Online Access")
    column = layout.column()
    column.scale_y, column.enabled = 1.4, allowed
    column.operator("cinemagraph.set_up_engine", icon="IMPORT").device = lock.device
    layout.operator("cinemagraph.set_up_engine_from_folder", icon="FILE_FOLDER").device = lock.device
    if status.error or engine_state.occupies_disk():
        _show_remains(layout)


def _show_failed(context: bpy.types.Context, layout: bpy.types.UILayout, status: engine_state.Status) -> None:
    show_wrapped(context, layout, status.error)
    _show_missing(context, layout, status)


def _show_remains(layout: bpy.types.UILayout) -> None:
    row = layout.row(align=True)
    row.operator("cinemagraph.show_engine_log", icon="TEXT")
    if engine_state.occupies_disk():
        row.operator("cinemagraph.remove_engine", icon="TRASH")


def _show_chosen(context: bpy.types.Context, layout: bpy.types.UILayout, status: engine_state.Status) -> None:
    layout.label(text="Run by the Python named under Advanced", icon="INFO")
    show_wrapped(context, layout, status.error)
    _show_verdict(context, layout, status)
    row = layout.row(align=True)
    row.operator("cinemagraph.check_engine", icon="FILE_REFRESH")
    row.operator("cinemagraph.show_engine_log", icon="TEXT")


def _show_verdict(context: bpy.types.Context, layout: bpy.types.UILayout, status: engine_state.Status) -> None:
    verdict = status.verdict
    if verdict is None:
        return
    torch = verdict.packages.get("torch", "")
    column = layout.column(align=True)
    column.label(text=f"torch {torch} on {verdict.device.upper()}, Python {verdict.python}", icon="BLANK1")
    show_wrapped(context, column, verdict.program, icon="BLANK1")
    if "+cu" in torch and verdict.device == "cpu":
        show_wrapped(context, layout, "No NVIDIA GPU was found, so the engine computes on the CPU")


CLASSES = (CINEMAGRAPH_PT_engine,)
