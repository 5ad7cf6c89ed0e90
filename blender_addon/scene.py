"""The stage: root, cameras, photo backdrop, hints object. The one place that turns axes.

The root empty's rotation takes the core's axes (x right, y down, z into the scene) to Blender's
(x, z, -y); what hangs under it keeps core coordinates. Cameras and hints are parented with an inverse,
so that their own numbers read as Blender's.
"""

from dataclasses import dataclass
from math import pi
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..cinema_core.shared.camera import Camera
from . import marks

SENSOR = 36.0  # mm
MARKS_NEARER = 0.001  # than the strokes, in units of the photo's longer side: over them, and not visibly apart
FLOW_NEARER = 0.995  # of the distance of the hints' plane: over strokes and marks, where it looks as large
DEPTH_FARTHER = 1.002  # of the same distance: beneath the strokes
HINT_LAYERS = {  # what each layer of the hints says of the motion, and its tint
    "Motion": (1.0, 0.33, 0.03),
    "Region": (0.2, 0.9, 0.35),
    "Sway": (0.85, 0.3, 1.0),
    "Still": (0.25, 0.6, 1.0),
    "Outlet": (1.0, 0.85, 0.05),
}
DEPTH_LAYERS = {  # the same of the depth; these lie in a group
    "Same Depth": (1.0, 1.0, 1.0),
    "Nearer": (1.0, 0.06, 0.12),
    "Farther": (0.12, 0.1, 1.0),
    "Horizon": (0.0, 1.0, 0.9),
    "Flat": (0.7, 0.4, 0.12),
    "Upright": (1.0, 0.3, 0.65),
    "Sky": (0.45, 0.75, 1.0),
}
DEPTH_GROUP = "Depth"
LAYERS = HINT_LAYERS | DEPTH_LAYERS
AREAS = ("Region", "Sway", "Flat", "Upright", "Sky")  # their strokes enclose something, open as a hand may leave them
RELATIONS = ("Same Depth", "Nearer", "Farther")  # their strokes compare what they run over with where they start
# Camera axes of the core (y down, looking along +z) -> those of Blender (y up, looking along -z).
_FLIP = Matrix.Diagonal((1.0, -1.0, -1.0, 1.0))
_TURN = Matrix.Rotation(-pi / 2, 4, "X")


@dataclass(frozen=True)
class OpenedPhoto:
    """The working photo as the engine left it.

    Attributes:
        source: The file the user chose.
        working: The 8-bit PNG made of it.
        job: The job folder.
        camera: Its size and focal length, px.
        file_size: (W, H) px of the file the user chose, upright.
    """

    source: Path
    working: Path
    job: Path
    camera: Camera
    file_size: tuple[int, int]


def to_blender(pose: np.ndarray) -> Matrix:
    """Turn a camera-to-world pose of the core into a camera's matrix in Blender.

    Args:
        pose: (4, 4) float, camera-to-world, core axes.
    """
    return _TURN @ Matrix(pose.tolist()) @ _FLIP


def to_core(camera: Matrix, root: Matrix) -> Matrix:
    """Turn a camera's matrix in Blender into a camera-to-world pose of the core, without scale.

    Args:
        camera: Its world matrix.
        root: The root's world matrix, wherever the user has moved it.
    """
    place = root.inverted_safe() @ camera
    return Matrix.LocRotScale(place.translation, place.normalized().to_quaternion(), None) @ _FLIP


def photo_camera(settings: bpy.types.PropertyGroup) -> Camera:
    """Give the photo's camera as the core describes it."""
    return Camera(settings.width, settings.height, settings.focal)


def in_scene(item: bpy.types.Object | None, scene: bpy.types.Scene) -> bool:
    """Tell whether an object that a setting points to is still there: a deleted one lingers unseen."""
    return item is not None and scene.objects.get(item.name) == item


def place_photo(scene: bpy.types.Scene, opened: OpenedPhoto) -> None:
    """Set the stage for a photo; cameras, strokes and points that are there already stay."""
    settings = scene.cinemagraph
    image = bpy.data.images.load(str(opened.working))  # first: it is all that can fail
    image.name = opened.source.name
    image.pack()
    _replace_photo(settings, image)
    if settings.depth_map is not None:
        remove_drawing(settings.depth_map)  # of another photo
        settings.depth_map = None
    settings.photo_path, settings.job_folder = str(opened.source), str(opened.job)
    settings.width, settings.height = opened.camera.width, opened.camera.height
    settings.file_size = opened.file_size
    ensure_root(scene)
    settings.photo_camera = _ensure_camera(scene, settings.photo_camera, "Cinemagraph Photo View")
    settings.photo_camera.hide_select = True  # what the strokes are projected through must not be moved
    settings.camera = _ensure_camera(scene, settings.camera, "Cinemagraph Camera")
    settings.hints = _ensure_hints(scene)
    settings.focal = opened.camera.focal  # its update matches the cameras and the plane of the hints
    match_focal(settings)
    scene.camera = settings.camera
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = settings.width, settings.height, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def in_the_way(scene: bpy.types.Scene) -> list[str]:
    """Name objects of the user's that stand round the photo's camera, as Blender's default cube does."""
    settings = scene.cinemagraph
    eye = settings.photo_camera.matrix_world.translation
    names = []
    for item in scene.objects:
        if item.type in {"MESH", "CURVE", "SURFACE", "META", "FONT", "VOLUME"} and item.parent != settings.root:
            near = item.matrix_world.inverted_safe() @ eye
            low, high = Vector(map(min, *item.bound_box)), Vector(map(max, *item.bound_box))
            if not item.hide_render and all(a <= x <= b for a, x, b in zip(low, near, high)):
                names.append(item.name)
    return names


def match_focal(settings: bpy.types.PropertyGroup) -> None:
    """Give both cameras the photo's lens and put the plane of the hints where it fills their view."""
    longest = max(settings.width, settings.height)
    if not longest:
        return
    for camera in (settings.photo_camera, settings.camera):
        if camera is not None:
            camera.data.lens = SENSOR * settings.focal / longest
    # There the photo's longer side is one unit wide at any focal length, so that strokes keep their pixels.
    plane = settings.focal / longest
    if settings.hints is not None:
        settings.hints.location = (0.0, plane, 0.0)
    for shown, share in ((settings.flow, FLOW_NEARER), (settings.depth_map, DEPTH_FARTHER)):
        if shown is not None:
            shown.location, shown.scale = (0.0, share * plane, 0.0), (share,) * 3


def reach(scene: bpy.types.Scene, farthest: float) -> None:
    """Let the cameras see as far as the farthest point."""
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
    """Make the collection and the root empty if they are not there."""
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
    """Hang an object under the root without moving it: its numbers stay those of Blender's axes."""
    item.parent = scene.cinemagraph.root
    item.matrix_parent_inverse = _TURN.inverted()


def _ensure_camera(scene: bpy.types.Scene, camera: bpy.types.Object | None, name: str) -> bpy.types.Object:
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


def _ensure_hints(scene: bpy.types.Scene) -> bpy.types.Object:
    settings = scene.cinemagraph
    if not in_scene(settings.hints, scene):
        settings.hints = new_drawing(scene, "Cinemagraph Hints")
    for name in LAYERS:
        ensure_hint_layer(scene, name)
    _ensure_marks(scene)
    if settings.hints.data.layers.active is None:
        settings.hints.data.layers.active = settings.hints.data.layers["Motion"]
    return settings.hints


def _ensure_marks(scene: bpy.types.Scene) -> None:
    settings = scene.cinemagraph
    if not in_scene(settings.marks, scene):
        settings.marks = new_drawing(scene, "Cinemagraph Hint Marks")
        settings.marks.hide_select = True
        settings.marks.parent, settings.marks.matrix_parent_inverse = settings.hints, Matrix()
        settings.marks.location = (0.0, -MARKS_NEARER, 0.0)
        marks.create_marks(settings.marks, settings.hints, marks.Marked("Motion", AREAS, RELATIONS), LAYERS)
    marks.follow_radius(settings.marks, settings.speed_from_radius)


def new_drawing(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    """Make an empty Grease Pencil object that lies over the photo and is never rendered."""
    settings = scene.cinemagraph
    # An empty collection is falsy, so "or" would not do. Before Blender 5 the name meant annotations.
    drawings = getattr(bpy.data, "grease_pencils_v3", None)
    data = (bpy.data.grease_pencils if drawings is None else drawings).new(name)
    item = bpy.data.objects.new(name, data)
    item.hide_render = item.show_in_front = True
    settings.collection.objects.link(item)
    adopt(scene, item)
    return item


def ensure_hint_layer(scene: bpy.types.Scene, name: str) -> bpy.types.GreasePencilLayer:
    """Give a layer of the hints, made if it is missing, as in a file of an earlier version, or was deleted."""
    data = scene.cinemagraph.hints.data
    layer = data.layers.get(name)
    if layer is None:
        group = _ensure_group(data) if name in DEPTH_LAYERS else None
        layer = data.layers.new(name, set_active=False, layer_group=group)
        layer.tint_color, layer.tint_factor = LAYERS[name], 1.0
        data.layers.move_bottom(layer)  # the first one made, Motion, is the topmost
        layer.frames.new(scene.frame_start)
    return layer


def _ensure_group(data: bpy.types.GreasePencil) -> bpy.types.GreasePencilLayerGroup:
    """Give the group of the layers about depth."""
    group = data.layer_groups.get(DEPTH_GROUP)
    if group is None:
        group = data.layer_groups.new(DEPTH_GROUP)
        data.layer_groups.move_bottom(group)
        if hasattr(group, "is_expanded"):  # since Blender 4.4
            group.is_expanded = False
    return group


def is_shown(layer: bpy.types.GreasePencilLayer) -> bool:
    """Tell whether neither the layer nor a group that it lies in is hidden."""
    part = layer
    while part is not None and not part.hide:
        part = part.parent_group
    return part is None


def show_layer(layer: bpy.types.GreasePencilLayer) -> None:
    """Let the layer be seen and drawn on, in whatever group it lies."""
    part = layer
    while part is not None:
        part.hide = part.lock = False
        part = part.parent_group


def remove_drawing(item: bpy.types.Object) -> None:
    """Delete a Grease Pencil object with what only it used."""
    data = item.data
    materials = [material for material in data.materials if material is not None]
    bpy.data.objects.remove(item)
    if data.users == 0:
        bpy.data.batch_remove([data])
    bpy.data.batch_remove([material for material in materials if material.users == 0])


def hint_material(scene: bpy.types.Scene, name: str) -> int:
    """Give the slot of the material that strokes of a layer are drawn with; it is made if it is missing."""
    hints = scene.cinemagraph.hints
    for index, slot in enumerate(hints.material_slots):
        if slot.material is not None and slot.material.get("cinemagraph_layer") == name:
            return index
    material = bpy.data.materials.new(f"Cinemagraph {name}")
    material["cinemagraph_layer"] = name
    bpy.data.materials.create_gpencil_data(material)
    material.grease_pencil.color = (*LAYERS[name], 1.0)  # as the layer's tint, which edit mode does not show
    hints.data.materials.append(material)
    return len(hints.material_slots) - 1
