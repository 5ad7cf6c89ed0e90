"""Repair of the objects around the photo where a build or a drawing begins, after the user has deleted some by hand.

A setting keeps a deleted object alive outside of the scene. Here it is replaced; objects that are still there, with all
that the user has done to them, stay. Only operators with an undo step may call this, since it makes datablocks.
"""

import bpy

from ..cinema_core.shared.errors import CinemaError
from . import marks
from . import scene as scene_objects
from .scene import in_scene
from .strokes import find_hints, is_drawing


def ensure_objects(scene: bpy.types.Scene) -> bool:
    """Make those of our objects that are missing: collection, root, cameras, hints and marks.

    Args:
        scene: A scene with a photo.

    Returns:
        Whether anything was missing.

    Raises:
        CinemaError: The scene has no photo.
    """
    settings = scene.cinemagraph
    if settings.photo is None:
        raise CinemaError("The scene has no photo", "Open a photo first")
    before = _ours(settings)
    old_root = settings.root
    scene_objects.ensure_root(scene)
    if settings.root != old_root:
        _take_over(scene, old_root)
    for field, name in (("photo_camera", "Cinemagraph Photo View"), ("camera", "Cinemagraph Camera")):
        if not in_scene(getattr(settings, field), scene):
            setattr(settings, field, scene_objects.ensure_camera(scene, None, name))
    settings.photo_camera.hide_select = True
    ensure_hints(scene)
    if not in_scene(scene.camera, scene):
        scene.camera = settings.camera
    changed = _include_collection(scene) | (_ours(settings) != before)
    if changed:
        scene_objects.match_focal(settings)
        layers = settings.report.get("layers", ())
        scene_objects.extend_clipping(scene, max([1.0, *(layer["farthest"] for layer in layers)]))
        for layer in scene.view_layers:
            layer.update()  # the matrices of new objects are those of the origin until then
    return changed


def _ours(settings: bpy.types.PropertyGroup) -> list[bpy.types.ID | None]:
    names = ("collection", "root", "photo_camera", "camera", "hints", "marks")
    return [getattr(settings, name) for name in names]


def _take_over(scene: bpy.types.Scene, old: bpy.types.Object | None) -> None:
    """Give a new root the place of the old one, and the children that this has lost."""
    settings = scene.cinemagraph
    if old is not None:
        settings.root.matrix_basis = old.matrix_world
    in_blenders_axes = [getattr(settings, name) for name in ("photo_camera", "camera", "hints", "flow", "depth_map")]
    for item in in_blenders_axes:
        if in_scene(item, scene) and item.parent in (None, old):
            scene_objects.adopt(scene, item)
    for part in settings.parts:
        if in_scene(part.object, scene) and part.object.parent in (None, old):
            part.object.parent = settings.root


def ensure_hints(scene: bpy.types.Scene) -> None:
    """Replace missing hints with their marks; layers that the user has removed or renamed stay so."""
    settings = scene.cinemagraph
    hints = find_hints(scene)
    if hints is not None and is_drawing(settings.marks) and in_scene(settings.marks, scene):
        marks.follow_radius(settings.marks, settings.speed_from_radius)
        return
    if settings.marks is not None:
        bpy.data.objects.remove(settings.marks)  # marks of other strokes, or made into something else
    if hints is None:
        settings.hints = None
        settings.hints = scene_objects.ensure_hints(scene)
    else:
        scene_objects.ensure_marks(scene)


def _include_collection(scene: bpy.types.Scene) -> bool:
    """Include the collection in the view layer again; objects of an excluded one can be neither drawn on nor seen."""
    collection = scene.cinemagraph.collection
    layer = bpy.context.view_layer if bpy.context.scene == scene else scene.view_layers[0]
    found = [one for one in _all_layers(layer.layer_collection) if one.collection == collection and one.exclude]
    for one in found:
        one.exclude = False
    hidden = collection.hide_viewport
    if hidden:
        collection.hide_viewport = False
    return bool(found) or hidden


def _all_layers(layer: bpy.types.LayerCollection) -> list[bpy.types.LayerCollection]:
    return [layer, *(found for child in layer.children for found in _all_layers(child))]
