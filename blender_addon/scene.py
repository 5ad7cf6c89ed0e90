"""The objects around the photo: root, cameras, backdrop and hints. Axes are converted here and nowhere else.

The root empty's rotation takes the core's axes (x right, y down, z into the scene) to Blender's (x, z, -y); its
children keep core coordinates. Cameras and hints are parented with an inverse, so that their own transforms are in
Blender's axes.
"""

from dataclasses import dataclass
from math import pi
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..cinema_core.shared.camera import Camera
from . import marks, versions
from .hint_layers import DEPTH_GROUP, LAYERS, MOTION_LAYER

SENSOR = 36.0  # mm, width of the cameras' sensor
MARKS_OFFSET = 0.001  # units of the photo's longer side; marks lie this far in front of the strokes
FLOW_DISTANCE = 0.995  # share of the distance of the hints' plane; the flow lies in front of strokes and marks
DEPTH_DISTANCE = 1.002  # share of the same distance; the depth lies behind the strokes
SHOWN = "cinemagraph_shown"  # custom property of an overlay's data: the mark of the result that it shows
# Camera axes of the core (y down, looking along +z) -> those of Blender (y up, looking along -z).
_FLIP = Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))
TURN = Matrix.Rotation(-pi / 2, 4, "X")


@dataclass(frozen=True)
class OpenedPhoto:
    """The working photo as the engine has written it.

    Attributes:
        source: The file that the user chose.
        working: The 8-bit PNG made from it.
        job: The job folder.
        camera: Size and focal length of the working photo, px.
        file_size: (W, H) px of the chosen file, upright.
    """

    source: Path
    working: Path
    job: Path
    camera: Camera
    file_size: tuple[int, int]


def to_blender(pose: np.ndarray) -> Matrix:
    """Convert a camera-to-world pose of the core to a camera's matrix in Blender.

    Args:
        pose: (4, 4) float, camera-to-world, core axes.
    """
    return TURN @ Matrix(pose.tolist()) @ _FLIP


def to_core(camera: Matrix, root: Matrix) -> Matrix:
    """Convert a camera's matrix in Blender to a camera-to-world pose of the core, without scale.

    Args:
        camera: Its world matrix.
        root: The root's world matrix, wherever the user has moved it.
    """
    place = root.inverted_safe() @ camera
    return Matrix.LocRotScale(place.translation, place.normalized().to_quaternion(), None) @ _FLIP


def photo_camera(settings: bpy.types.PropertyGroup) -> Camera:
    """Give the photo's camera in the core's form."""
    return Camera(settings.width, settings.height, settings.focal)


def in_scene(item: bpy.types.Object | None, scene: bpy.types.Scene) -> bool:
    """Tell whether an object is in the scene; a setting keeps a deleted one alive outside of it."""
    return item is not None and scene.objects.get(item.name) == item


def place_photo(scene: bpy.types.Scene, opened: OpenedPhoto) -> None:
    """Set the scene up for a photo; existing cameras, strokes and points stay."""
    settings = scene.cinemagraph
    image = bpy.data.images.load(str(opened.working))  # first, because only this can fail
    image.name = opened.source.name
    image.pack()
    _replace_photo(settings, image)
    if in_scene(settings.depth_map, scene):
        clear_drawing(settings.depth_map)  # the depth of another photo
    settings.photo_path, settings.job_folder = str(opened.source), str(opened.job)
    settings.width, settings.height = opened.camera.width, opened.camera.height
    settings.file_size = opened.file_size
    ensure_root(scene)
    settings.photo_camera = ensure_camera(scene, settings.photo_camera, "Cinemagraph Photo View")
    settings.photo_camera.hide_select = True  # moving it would move the projected strokes
    settings.camera = ensure_camera(scene, settings.camera, "Cinemagraph Camera")
    settings.hints = ensure_hints(scene)
    settings.focal = opened.camera.focal  # its update callback runs match_focal
    match_focal(settings)
    scene.camera = settings.camera
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = settings.width, settings.height, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def hide_enclosing(scene: bpy.types.Scene) -> list[str]:
    """Hide the user's objects whose bounding box encloses the photo's camera, as Blender's default cube does.

    Returns:
        Their names. `show_hidden` shows them again.
    """
    settings = scene.cinemagraph
    eye = settings.photo_camera.matrix_world.translation
    names = []
    for item in scene.objects:
        if item.type in {"MESH", "CURVE", "SURFACE", "META", "FONT", "VOLUME"} and item.parent != settings.root:
            near = item.matrix_world.inverted_safe() @ eye
            low, high = Vector(map(min, *item.bound_box)), Vector(map(max, *item.bound_box))
            if not item.hide_render and all(a <= x <= b for a, x, b in zip(low, near, high)):
                item.hide_render = item.hide_viewport = True
                settings.hidden.add().object = item
                names.append(item.name)
    return names


def show_hidden(scene: bpy.types.Scene) -> None:
    """Show the objects again that `hide_enclosing` has hidden."""
    settings = scene.cinemagraph
    for entry in settings.hidden:
        if entry.object is not None:
            entry.object.hide_render = entry.object.hide_viewport = False
    settings.hidden.clear()


def clear_hints(scene: bpy.types.Scene) -> None:
    """Remove all strokes of the hints; the layers stay."""
    hints = scene.cinemagraph.hints
    if in_scene(hints, scene):
        for layer in hints.data.layers:
            for frame in layer.frames:
                frame.drawing.remove_strokes()
        hints.data.update_tag()


def match_focal(settings: bpy.types.PropertyGroup) -> None:
    """Give both cameras the photo's lens and place the plane of the hints where the photo fills their view."""
    longest = max(settings.width, settings.height)
    if not longest:
        return
    for camera in (settings.photo_camera, settings.camera):
        if camera is not None:
            camera.data.lens = SENSOR * settings.focal / longest
    # At this distance the photo's longer side is one unit wide for any focal length, so that strokes keep their pixels.
    plane = settings.focal / longest
    if settings.hints is not None:
        settings.hints.location = (0.0, plane, 0.0)
    for overlay, share in ((settings.flow, FLOW_DISTANCE), (settings.depth_map, DEPTH_DISTANCE)):
        if overlay is not None:
            overlay.location, overlay.scale = (0.0, share * plane, 0.0), (share,) * 3


def extend_clipping(scene: bpy.types.Scene, farthest: float) -> None:
    """Raise the cameras' clip end so that they see the farthest point."""
    settings = scene.cinemagraph
    for camera in (settings.photo_camera, settings.camera):
        if in_scene(camera, scene):
            camera.data.clip_end = max(camera.data.clip_end, 2.0 * farthest)


def _replace_photo(settings: bpy.types.PropertyGroup, image: bpy.types.Image) -> None:
    old, settings.photo = settings.photo, image
    for camera in (settings.photo_camera, settings.camera):
        if camera is not None:
            for backdrop in camera.data.background_images:
                if backdrop.image == old:
                    backdrop.image = image
    if old is not None and old.users == 0:
        bpy.data.images.remove(old)


def ensure_root(scene: bpy.types.Scene) -> None:
    """Make the collection and the root empty if they are missing."""
    settings = scene.cinemagraph
    if settings.collection is None or settings.collection not in scene.collection.children_recursive:
        settings.collection = bpy.data.collections.new("Cinemagraph")
        scene.collection.children.link(settings.collection)
    if not in_scene(settings.root, scene):
        settings.root = bpy.data.objects.new("Cinemagraph", None)
        settings.root.empty_display_size = 0.1
        settings.root.rotation_euler = (-pi / 2, 0.0, 0.0)
        settings.collection.objects.link(settings.root)


def adopt(scene: bpy.types.Scene, item: bpy.types.Object) -> None:
    """Parent an object to the root without moving it; its transform stays in Blender's axes."""
    item.parent = scene.cinemagraph.root
    item.matrix_parent_inverse = TURN.inverted()


def ensure_camera(scene: bpy.types.Scene, camera: bpy.types.Object | None, name: str) -> bpy.types.Object:
    settings = scene.cinemagraph
    if not in_scene(camera, scene):
        camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        camera.rotation_euler = (pi / 2, 0.0, 0.0)
        camera.data.clip_start, camera.data.clip_end = 0.01, 10000.0
        settings.collection.objects.link(camera)
        adopt(scene, camera)
    data = camera.data
    data.sensor_width, data.sensor_fit = SENSOR, "AUTO"
    data.show_background_images = True
    if not any(backdrop.image == settings.photo for backdrop in data.background_images):
        backdrop = data.background_images.new()
        backdrop.image = settings.photo
        backdrop.alpha, backdrop.display_depth, backdrop.frame_method = 1.0, "BACK", "FIT"
    return camera


def ensure_hints(scene: bpy.types.Scene) -> bpy.types.Object:
    settings = scene.cinemagraph
    if not in_scene(settings.hints, scene):
        settings.hints = new_drawing(scene, "Cinemagraph Hints")
    for name in LAYERS:
        ensure_hint_layer(scene, name)
    ensure_marks(scene)
    if settings.hints.data.layers.active is None:
        settings.hints.data.layers.active = settings.hints.data.layers[MOTION_LAYER]
    return settings.hints


def ensure_marks(scene: bpy.types.Scene) -> None:
    settings = scene.cinemagraph
    if not in_scene(settings.marks, scene):
        settings.marks = new_drawing(scene, "Cinemagraph Hint Marks")
        settings.marks.hide_select = True
        settings.marks.parent, settings.marks.matrix_parent_inverse = settings.hints, Matrix()
        settings.marks.location = (0.0, -MARKS_OFFSET, 0.0)
        marks.create_marks(settings.marks, settings.hints)
    marks.follow_radius(settings.marks, settings.speed_from_radius)


def new_drawing(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    """Make an empty Grease Pencil object over the photo that is never rendered."""
    settings = scene.cinemagraph
    item = bpy.data.objects.new(name, versions.grease_pencils().new(name))
    item.hide_render = item.show_in_front = True
    settings.collection.objects.link(item)
    adopt(scene, item)
    return item


def ensure_hint_layer(scene: bpy.types.Scene, name: str) -> bpy.types.GreasePencilLayer:
    """Give a layer of the hints; it is made if it was deleted or the file is of an earlier version."""
    data = scene.cinemagraph.hints.data
    layer = data.layers.get(name)
    if layer is None:
        group = _ensure_group(data) if LAYERS[name].kind_row.of_depth else None
        layer = data.layers.new(name, set_active=False, layer_group=group)
        layer.tint_color, layer.tint_factor = LAYERS[name].color, 1.0
        data.layers.move_bottom(layer)  # so that Motion, made first, is the topmost
        layer.frames.new(scene.frame_start)
    return layer


def _ensure_group(data: bpy.types.GreasePencil) -> bpy.types.GreasePencilLayerGroup:
    """Give the group of the layers about depth."""
    group = data.layer_groups.get(DEPTH_GROUP)
    if group is None:
        group = data.layer_groups.new(DEPTH_GROUP)
        data.layer_groups.move_bottom(group)
        versions.fold(group)
    return group


def is_shown(layer: bpy.types.GreasePencilLayer) -> bool:
    """Tell whether neither the layer nor any group around it is hidden."""
    part = layer
    while part is not None and not part.hide:
        part = part.parent_group
    return part is None


def show_layer(layer: bpy.types.GreasePencilLayer) -> None:
    """Make the layer and all groups around it visible and editable."""
    part = layer
    while part is not None:
        part.hide = part.lock = False
        part = part.parent_group


def clear_drawing(item: bpy.types.Object) -> None:
    """Remove the strokes and the mark of an overlay; the object stays, so that a timer can draw on it."""
    for layer in item.data.layers:
        for frame in layer.frames:
            frame.drawing.remove_strokes()
    if SHOWN in item.data:
        del item.data[SHOWN]
    item.data.update_tag()


def hint_material(scene: bpy.types.Scene, name: str) -> int:
    """Give the slot of the material for strokes of a layer; it is made if it is missing."""
    hints = scene.cinemagraph.hints
    for index, slot in enumerate(hints.material_slots):
        if slot.material is not None and slot.material.get("cinemagraph_layer") == name:
            return index
    material = bpy.data.materials.new(f"Cinemagraph {name}")
    material["cinemagraph_layer"] = name
    bpy.data.materials.create_gpencil_data(material)
    material.grease_pencil.color = (*LAYERS[name].color, 1.0)  # Edit Mode does not show the layer's tint
    hints.data.materials.append(material)
    return len(hints.material_slots) - 1
