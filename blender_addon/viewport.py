"""The 3D views: the photo's view for drawing, the scene camera's view for the result."""

from contextlib import suppress

import bpy

from . import hint_brush
from .scene import ensure_hint_layer, hint_material, in_scene, show_layer

TAB = "Cinemagraph"  # of the sidebar
DRAW_MODE = "PAINT_GREASE_PENCIL"
_FILLED = 0.96  # share of the free part of a view that the photo takes
_LOOK, _LOOKS = 0.1, 40  # seconds between the looks at regions that slide in, and the number of looks


def has_window(context: bpy.types.Context) -> bool:
    """Tell whether there is a window."""
    return not bpy.app.background and context.window is not None


def is_over_tab(context: bpy.types.Context) -> bool:
    """Tell whether the pointer is over the sidebar while it shows our tab."""
    region = context.region
    return region is not None and region.type == "UI" and region.active_panel_category == TAB


def shows(context: bpy.types.Context, scene: bpy.types.Scene) -> bool:
    """Tell whether there is a window with this scene; the user may have chosen another one while the engine worked."""
    return has_window(context) and context.scene == scene


def drawn_layer(context: bpy.types.Context) -> str:
    """Give the name of the layer on which the user draws in Draw Mode; "" outside of it."""
    hints = context.scene.cinemagraph.hints
    if hints is None or context.mode != DRAW_MODE or context.object != hints or hints.data.layers.active is None:
        return ""
    return hints.data.layers.active.name


def start_drawing(context: bpy.types.Context, layer: str) -> None:
    """Look through the photo's camera and start Draw Mode on a layer of the hints."""
    settings = context.scene.cinemagraph
    leave_mode(context)
    hints = settings.hints
    for item in _over_photo(context):
        item.hide_viewport = False
        item.hide_set(False)
    target = hints.data.layers.active = ensure_hint_layer(context.scene, layer)
    show_layer(target)
    if target.get_frame_at(context.scene.frame_current) is None:
        target.frames.new(context.scene.frame_current)
    _activate(context, hints)
    hints.active_material_index = hint_material(context.scene, layer)  # its colour is that of the layer
    tools = context.scene.tool_settings
    # Strokes on the plane of the hints stay readable in turned views; their depth does not matter otherwise.
    tools.gpencil_stroke_placement_view3d = "ORIGIN"
    tools.gpencil_sculpt.lock_axis = "VIEW"
    _look_through(context, settings.photo_camera, local=True)
    bpy.ops.object.mode_set(mode=DRAW_MODE)
    hint_brush.choose(context)


def show_photo(context: bpy.types.Context) -> None:
    """Look through the photo's camera without changing the mode."""
    for item in _over_photo(context):
        item.hide_set(False)
    _look_through(context, context.scene.cinemagraph.photo_camera, local=True)


def show_result(context: bpy.types.Context) -> None:
    """Leave Draw Mode and look through the scene camera, in a shading mode that shows the points' colours."""
    leave_mode(context)
    settings = context.scene.cinemagraph
    for item in _over_photo(context):
        item.hide_set(True)  # they would cover the result; drawing shows them again
    if in_scene(settings.camera, context.scene):
        _look_through(context, settings.camera, local=False)
    for area in _views(context):
        if area.spaces.active.shading.type in {"SOLID", "WIREFRAME"}:
            area.spaces.active.shading.type = "MATERIAL"


def show_beside_sidebar(context: bpy.types.Context) -> None:
    """Open the sidebar of the largest 3D view on our tab, and fit the photo into the free part of every 3D view.

    Regions that have just been opened have their tabs and their sizes once they have been drawn, so a timer does it.
    """
    window, aspect = context.window, photo_aspect(context.scene)
    areas = sorted(_views(context), key=lambda area: area.width * area.height)
    if not areas:
        return
    area, seen = areas[-1], []
    area.spaces.active.show_region_ui = True

    def settle() -> float | None:
        with suppress(ReferenceError):  # the window was closed
            sidebar = next((region for region in area.regions if region.type == "UI"), None)
            try:
                sidebar.active_panel_category = TAB
            except (AttributeError, TypeError):  # it has no tabs yet
                area.tag_redraw()
            seen.append(_free_part(area))
            if len(seen) < 2 or seen[-1] != seen[-2]:
                fit_photo(window, aspect)
            return _LOOK if len(seen) < _LOOKS else None
        return None

    bpy.app.timers.register(settle, first_interval=_LOOK)


def photo_aspect(scene: bpy.types.Scene) -> float:
    """Give the photo's width divided by its height; 1 without a photo."""
    settings = scene.cinemagraph
    return settings.width / settings.height if settings.height else 1.0


def fit_photo(window: bpy.types.Window, aspect: float) -> None:
    """Show the whole photo in every 3D view that looks through a camera, in the part beside sidebar and toolbar.

    Args:
        window: The window of the views.
        aspect: W / H of the photo.
    """
    for area in window.screen.areas:
        if area.type == "VIEW_3D" and area.spaces.active.region_3d.view_perspective == "CAMERA":
            view = area.spaces.active.region_3d
            view.view_camera_zoom, view.view_camera_offset = _fit(*_free_part(area), aspect)
            area.tag_redraw()


def play(context: bpy.types.Context) -> None:
    """Play the animation in the window, if it does not play yet."""
    if not context.screen.is_animation_playing:
        bpy.ops.screen.animation_play()


def _free_part(area: bpy.types.Area) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The size of a 3D view's region, and the (left, bottom, right, top) px of it that other regions cover."""
    regions = {region.type: region for region in area.regions if region.width > 1 and region.height > 1}
    view = regions["WINDOW"]
    covered = dict.fromkeys(("TOOLS", "UI", "HEADER", "TOOL_HEADER", "ASSET_SHELF", "ASSET_SHELF_HEADER"), 0)
    for name in covered:
        region = regions.get(name)
        if (
            region is not None
            and view.x <= region.x < view.x + view.width
            and view.y <= region.y < view.y + view.height
        ):
            covered[name] = region.width if name in ("TOOLS", "UI") else region.height
    bottom = covered["ASSET_SHELF"] + covered["ASSET_SHELF_HEADER"]
    sides = (covered["TOOLS"], bottom, covered["UI"], covered["HEADER"] + covered["TOOL_HEADER"])
    return (view.width, view.height), sides


def _fit(size: tuple[int, int], covered: tuple[int, int, int, int], aspect: float) -> tuple[float, tuple[float, float]]:
    """Give the zoom and the offset of a camera view that show a photo in the free part of a region.

    At the zoom z the longer side of the sensor is as wide as f = ((z / 50 + sqrt 2) / 2)^2 of the region's longer side;
    an offset d moves the picture by 2 d f of the region's size (BKE_screen_view3d_zoom_to_fac and
    BKE_camera_params_from_view3d in Blender's sources).

    Args:
        size: (W, H) px of the region.
        covered: (left, bottom, right, top) px that other regions cover.
        aspect: W / H of the photo.
    """
    left, bottom, right, top = covered
    width, height = max(size[0] - left - right, 1), max(size[1] - bottom - top, 1)
    longest = min(width / min(aspect, 1.0), height / min(1.0 / aspect, 1.0)) * _FILLED
    factor = longest / max(size)
    zoom = 50.0 * (2.0 * factor**0.5 - 2.0**0.5)
    offset = ((right - left) / (4.0 * factor * size[0]), (top - bottom) / (4.0 * factor * size[1]))
    return max(-30.0, min(600.0, zoom)), offset


def _over_photo(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The existing objects that are visible while hints are drawn."""
    settings = context.scene.cinemagraph
    items = (settings.hints, settings.marks, settings.photo_camera, settings.flow, settings.depth_map)
    return [item for item in items if in_scene(item, context.scene)]


def leave_mode(context: bpy.types.Context) -> None:
    """Leave Draw Mode, or any other; the view stays."""
    if context.mode != "OBJECT" and bpy.ops.object.mode_set.poll():
        bpy.ops.object.mode_set(mode="OBJECT")


def _activate(context: bpy.types.Context, item: bpy.types.Object) -> None:
    for other in context.selected_objects:
        other.select_set(False)
    item.select_set(True)
    context.view_layer.objects.active = item


def _views(context: bpy.types.Context) -> list[bpy.types.Area]:
    return [area for area in context.window.screen.areas if area.type == "VIEW_3D"]


def _look_through(context: bpy.types.Context, camera: bpy.types.Object, local: bool) -> None:
    """Look through a camera in every 3D view of the window, with `local` without changing the scene's camera."""
    for area in _views(context):
        space = area.spaces.active
        space.use_local_camera = local
        space.camera = camera
        space.region_3d.view_perspective = "CAMERA"
        area.tag_redraw()
