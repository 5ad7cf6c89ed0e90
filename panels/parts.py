"""Parts that several panels draw: their place, wrapped texts, the running job, the next step, buttons of the steps."""

import textwrap
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..blender_addon import camera_path, playback, result, viewport
from ..blender_addon.hint_layers import button_rows
from ..cinema_core.shared.camera import PRESETS
from . import thumbnails

CHARACTER_WIDTH = 7.0  # px, mean width of a letter at a UI scale of 1
BUTTON = 5  # letters, width of a button that is an icon
PRIMARY = 1.4  # height of a panel's main button, and of the bar that takes its place while the engine works
# Operator of the running job -> the panel that shows its progress. Build shows that of all others.
PLACES = {
    "CINEMAGRAPH_OT_open_photo": "photo",
    "CINEMAGRAPH_OT_paste_photo": "photo",
    "CINEMAGRAPH_OT_suggest_regions": "suggest",
    "CINEMAGRAPH_OT_show_flow": "flow",
    "CINEMAGRAPH_OT_show_depth": "depth",
    "CINEMAGRAPH_OT_download_model": "depth",
    "CINEMAGRAPH_OT_use_model": "depth",
    "CINEMAGRAPH_OT_check_camera": "coverage",
    "CINEMAGRAPH_OT_limit_camera": "coverage",
}
PICTURE = 2.4  # rows, height of a path's picture
STEPS = {  # the next step of the work -> the sentence about it
    "photo": "First: open a photo",
    "draw": "Draw the flow (V: other strokes), then press Animate",
    "animate": "Next: press Animate, or draw along the water first",
    "build": "The engine works; Esc cancels it",
    "camera": "Next: choose a camera path",
    "render": "Next: render the loop to a video",
}


class SidebarPanel:
    """Mixin: the place of all panels of the extension."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = viewport.TAB


def show_wrapped(
    context: bpy.types.Context, layout: bpy.types.UILayout, text: str, icon: str = "ERROR", beside: int = 0
) -> None:
    """Show a text on as many lines as it needs, by default as a warning; nothing for an empty text.

    Args:
        context: The context of the panel.
        layout: The place of the text.
        text: The text.
        icon: Icon before the first line.
        beside: Width of buttons beside the text, in letters.
    """
    if not text:
        return
    scale = context.preferences.system.ui_scale
    width = max(16, int(context.region.width / (CHARACTER_WIDTH * scale)) - 6 - beside)
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(text, width)):
        column.label(text=line, icon="BLANK1" if number else icon)


def running_place(context: bpy.types.Context) -> str:
    """Give the panel that shows the running job: "" without one, "build" for a job that has no panel of its own."""
    manager = context.window_manager
    if not manager.cinemagraph.running:
        return ""
    jobs = [operator.bl_idname for window in manager.windows for operator in window.modal_operators]
    return next((PLACES[name] for name in jobs if name in PLACES), "build")


def show_job(context: bpy.types.Context, layout: bpy.types.UILayout, place: str, height: float = 1.0) -> bool:
    """Show the running job in place of its button, at the same height so that nothing below moves.

    Args:
        context: The context of the panel.
        layout: The place of the button.
        place: The panel, or the part of it; see `PLACES`.
        height: Height of the button.

    Returns:
        Whether this is the place of the running job.
    """
    if running_place(context) != place:
        return False
    state = context.window_manager.cinemagraph
    row = layout.row(align=True)
    row.scale_y = height
    row.progress(factor=state.fraction, text=f"{state.stage.capitalize()}  {state.fraction:.0%}")
    row.operator("cinemagraph.cancel", text="", icon="X")
    return True


def next_step(context: bpy.types.Context) -> str:
    """Give the next step of the work on a photo, a key of `STEPS`."""
    scene = context.scene
    if not result.parts(scene):
        return "animate"
    return "camera" if scene.camera is None or scene.camera.animation_data is None else "render"


def show_step(context: bpy.types.Context, layout: bpy.types.UILayout, step: str) -> None:
    """Name a step; until the user has rendered a loop once, or closes the line."""
    if context.preferences.addons[base_package].preferences.show_steps:
        row = layout.row()
        show_wrapped(context, row, STEPS[step], "INFO", beside=BUTTON)
        row.operator("cinemagraph.hide_steps", text="", icon="X", emboss=False)


def show_animate(context: bpy.types.Context, layout: bpy.types.UILayout, height: float = PRIMARY) -> None:
    """Show the buttons that build; the progress of a build is in the panel of the next step."""
    row = layout.row(align=True)
    row.scale_y = height
    row.operator("cinemagraph.animate", icon="PLAY")
    small = row.row(align=True)
    small.ui_units_x = 3
    small.operator("cinemagraph.build")
    if result.parts(context.scene):
        row.operator("cinemagraph.remove", text="", icon="TRASH")


def show_paths(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Show a button with a picture for each camera path."""
    settings = context.scene.cinemagraph
    amplitude = camera_path.next_amplitude(settings)
    grid = layout.grid_flow(columns=2, row_major=True, even_columns=True, align=True)
    for path, preset in PRESETS.items():
        row = grid.row(align=True)
        row.template_icon(thumbnails.icon(path), scale=PICTURE)
        button = row.row(align=True)
        button.scale_y = PICTURE
        chosen = button.operator("cinemagraph.add_camera_path", text=preset.label)
        chosen.path, chosen.loop, chosen.amplitude = path, settings.path_loop, amplitude


def show_render(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Show the button that renders, and the last video."""
    row = layout.row(align=True)
    row.scale_y = PRIMARY
    row.operator("cinemagraph.render_loop", icon="RENDER_ANIMATION")
    row.operator("cinemagraph.set_up_render", text="", icon="PREFERENCES")
    rendered = context.window_manager.cinemagraph.rendered
    if rendered:
        row = layout.row(align=True)
        row.label(text=Path(rendered).name, icon="CHECKMARK")
        row.operator("wm.path_open", text="Open Folder", icon="FILE_FOLDER").filepath = str(Path(rendered).parent)


def show_colors(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Offer the photo's colors where the scene's view transform changes them."""
    view = context.scene.view_settings.view_transform
    if view != playback.PHOTO_COLORS:
        column = layout.column(align=True)
        column.label(text=f"{view} changes the photo's colors", icon="ERROR")
        column.operator("cinemagraph.use_photo_colors", icon="COLOR")


def show_draw_buttons(context: bpy.types.Context, column: bpy.types.UILayout, names: tuple[str, ...]) -> None:
    """Show a button for each of these layers of the hints; it is pressed while the user draws on its layer."""
    active = viewport.drawn_layer(context)
    for layers in button_rows(names):
        row = column.row(align=True)
        for layer in layers:
            pressed = layer.name == active
            row.operator("cinemagraph.draw", text=layer.name, icon=layer.icon, depress=pressed).layer = layer.name
