"""What the user looks at: the photo's view to draw in, the scene camera's view to watch the result."""

import bpy

from .scene import ensure_hint_layer, hint_material, in_scene, show_layer


def has_window(context: bpy.types.Context) -> bool:
    """Tell whether there is somebody to look."""
    return not bpy.app.background and context.window is not None


def start_drawing(context: bpy.types.Context, layer: str) -> None:
    """Make a layer of the hints the one to draw on, in draw mode, seen through the photo's camera."""
    settings = context.scene.cinemagraph
    _leave_mode(context)
    hints = settings.hints
    for item in _over_photo(context):
        item.hide_viewport = False
        item.hide_set(False)
    drawn_on = hints.data.layers.active = ensure_hint_layer(context.scene, layer)
    show_layer(drawn_on)
    if drawn_on.get_frame_at(context.scene.frame_current) is None:
        drawn_on.frames.new(context.scene.frame_current)
    _activate(context, hints)
    hints.active_material_index = hint_material(context.scene, layer)  # areas fill as they are drawn
    tools = context.scene.tool_settings
    # Flat on the plane of the hints: any other place would do as well, but turned views stay readable.
    tools.gpencil_stroke_placement_view3d = "ORIGIN"
    tools.gpencil_sculpt.lock_axis = "VIEW"
    _look_through(context, settings.photo_camera, local=True)
    bpy.ops.object.mode_set(mode="PAINT_GREASE_PENCIL")


def show_photo(context: bpy.types.Context) -> None:
    """Look through the photo's camera; the mode stays."""
    for item in _over_photo(context):
        item.hide_set(False)
    _look_through(context, context.scene.cinemagraph.photo_camera, local=True)


def show_result(context: bpy.types.Context) -> None:
    """Leave draw mode and look through the scene camera, with the points' own colours."""
    _leave_mode(context)
    settings = context.scene.cinemagraph
    for item in _over_photo(context):
        item.hide_set(True)  # strokes and a second frame would lie over the result; drawing shows them again
    if in_scene(settings.camera, context.scene):
        _look_through(context, settings.camera, local=False)
    for area in _views(context):
        if area.spaces.active.shading.type in {"SOLID", "WIREFRAME"}:
            area.spaces.active.shading.type = "MATERIAL"


def _over_photo(context: bpy.types.Context) -> list[bpy.types.Object]:
    """What is looked at while hints are drawn, as far as it is there."""
    settings = context.scene.cinemagraph
    items = (settings.hints, settings.marks, settings.photo_camera, settings.flow, settings.depth_map)
    return [item for item in items if in_scene(item, context.scene)]


def _leave_mode(context: bpy.types.Context) -> None:
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
    """Look through a camera in every 3D view of the window; `local` keeps it apart from the scene's camera."""
    for area in _views(context):
        space = area.spaces.active
        space.use_local_camera = local
        space.camera = camera
        space.region_3d.view_perspective = "CAMERA"
        area.tag_redraw()
