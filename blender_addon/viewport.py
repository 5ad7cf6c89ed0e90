"""The 3D views: the photo's view for drawing, the scene camera's view for the result."""

import bpy

from .scene import ensure_hint_layer, hint_material, in_scene, show_layer


def has_window(context: bpy.types.Context) -> bool:
    """Tell whether there is a window."""
    return not bpy.app.background and context.window is not None


def start_drawing(context: bpy.types.Context, layer: str) -> None:
    """Look through the photo's camera and start Draw Mode on a layer of the hints."""
    settings = context.scene.cinemagraph
    _leave_mode(context)
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
    bpy.ops.object.mode_set(mode="PAINT_GREASE_PENCIL")


def show_photo(context: bpy.types.Context) -> None:
    """Look through the photo's camera without changing the mode."""
    for item in _over_photo(context):
        item.hide_set(False)
    _look_through(context, context.scene.cinemagraph.photo_camera, local=True)


def show_result(context: bpy.types.Context) -> None:
    """Leave Draw Mode and look through the scene camera, in a shading mode that shows the points' colours."""
    _leave_mode(context)
    settings = context.scene.cinemagraph
    for item in _over_photo(context):
        item.hide_set(True)  # they would cover the result; drawing shows them again
    if in_scene(settings.camera, context.scene):
        _look_through(context, settings.camera, local=False)
    for area in _views(context):
        if area.spaces.active.shading.type in {"SOLID", "WIREFRAME"}:
            area.spaces.active.shading.type = "MATERIAL"


def _over_photo(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The existing objects that are visible while hints are drawn."""
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
    """Look through a camera in every 3D view of the window, with `local` without changing the scene's camera."""
    for area in _views(context):
        space = area.spaces.active
        space.use_local_camera = local
        space.camera = camera
        space.region_3d.view_perspective = "CAMERA"
        area.tag_redraw()
