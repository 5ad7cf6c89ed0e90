"""What the extension remembers: per scene, per user, and while a job runs."""

import json

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from .. import __package__ as base_package
from . import coverage, depth_display, depth_models, live, marks, result, scene, selection

DEPTH_SOURCES = [
    ("BUILT_IN", "Built In", "Estimated from the photo alone: approximate, and made for landscapes"),
    ("FILE", "File", "A picture or array of depth that another program made of this photo"),
    ("MODEL", "Model", "Estimated by a depth model of yours, which runs on this computer"),
]
DEPTH_KINDS = [
    ("AUTO", "Auto", "Told by their form and the photo"),
    ("DISPARITY", "Near is White", "Large values are near, as in most depth maps"),
    ("INVERTED", "Near is Black", "Large values are far, not to scale"),
    ("METRIC", "Metric", "Values are distances in any unit, to scale"),
]


def _match_cameras(settings: "CinemagraphSettings", _context: bpy.types.Context) -> None:
    scene.match_focal(settings)
    result.set_input(settings.id_data, "Focal", settings.focal)  # points keep their pixels


def _choose_source(settings: "CinemagraphSettings", _context: bpy.types.Context) -> None:
    """Whoever names a file wants it to count."""
    if bool(settings.depth_file) != (settings.depth_source == "FILE"):
        settings.depth_source = "FILE" if settings.depth_file else "BUILT_IN"


def _look_up_licence(settings: "CinemagraphSettings", _context: bpy.types.Context) -> None:
    settings.depth_licence = depth_models.find_licence(settings.depth_model)


def _suggest_models(_settings: "CinemagraphSettings", _context: bpy.types.Context, _text: str) -> list[tuple[str, str]]:
    return list(depth_models.KNOWN.items())


def _follow_radius(settings: "CinemagraphSettings", _context: bpy.types.Context) -> None:
    marks.follow_radius(settings.marks, settings.speed_from_radius)


def _of_all_parts(name: str) -> dict:
    """Getter and setter of a property that lives on the modifiers of all parts."""
    return {
        "get": lambda settings: result.get_input(settings.id_data, name),
        "set": lambda settings, value: result.set_input(settings.id_data, name, value),
    }


class CinemagraphPart(bpy.types.PropertyGroup):
    """An object that a build made: the moving points, or the points of one still layer."""

    object: PointerProperty(type=bpy.types.Object)


class CinemagraphSettings(bpy.types.PropertyGroup):
    """Everything about one scene's cinemagraph; sits at `Scene.cinemagraph`."""

    photo_path: StringProperty(name="Photo", description="The photo as it was opened", subtype="FILE_PATH")
    job_folder: StringProperty(
        name="Job Folder",
        description="Where the engine keeps its results; may be deleted at any time, as the scene holds all it needs",
        subtype="DIR_PATH",
    )
    width: IntProperty(name="Width", description="Width of the working photo", subtype="PIXEL", min=0)
    height: IntProperty(name="Height", description="Height of the working photo", subtype="PIXEL", min=0)
    file_size: IntVectorProperty(name="File Size", description="Size of the photo's file", size=2, min=0)
    focal: FloatProperty(
        name="Focal Length",
        description="Focal length in pixels of the working photo. As long as its longer "
        "side is a 36 mm lens; shorter means a wider view and more depth. What was built follows at once",
        subtype="PIXEL",
        default=1000.0,
        min=1.0,
        max=1e6,
        soft_min=100.0,
        soft_max=10000.0,
        update=_match_cameras,
    )
    max_side: IntProperty(
        name="Max Side",
        description="A larger photo is scaled down to this longest side when it is opened",
        subtype="PIXEL",
        default=1920,
        min=64,
        max=16384,
        soft_max=4096,
    )
    frames: IntProperty(
        name="Loop Length",
        description="Frames after which the motion repeats",
        subtype="TIME",
        default=60,
        min=2,
        max=10000,
        soft_max=500,
    )
    speed: FloatProperty(
        name="Flow Speed",
        description="Factor on the speed that the strokes ask for; larger flows faster",
        default=1.0,
        min=0.0,
        max=100.0,
        soft_max=5.0,
    )
    depth_source: EnumProperty(name="Source", description="Where the photo's depth comes from", items=DEPTH_SOURCES)
    depth_file: StringProperty(
        name="Depth File",
        description="Picture or array of the photo's depth: PNG, TIFF, OpenEXR, NPY or PFM. Another "
        "size of the same aspect will do; left empty, depth is estimated",
        subtype="FILE_PATH",
        update=_choose_source,
    )
    depth_kind: EnumProperty(
        name="Values", description="How the values of the file or the model are meant", items=DEPTH_KINDS
    )
    depth_limits: BoolProperty(
        name="Range", description="Say how far the nearest and the farthest content are; otherwise as the file says"
    )
    depth_near: FloatProperty(
        name="Near",
        description="Distance of the nearest content, in any unit",
        default=1.0,
        min=1e-3,
        max=1e6,
        soft_max=100.0,
    )
    depth_far: FloatProperty(
        name="Far",
        description="Distance of the farthest content, in the same unit; the larger it is beside Near, the "
        "deeper the scene",
        default=20.0,
        min=1e-3,
        max=1e6,
        soft_max=1000.0,
    )
    depth_gamma: FloatProperty(
        name="Gamma",
        description="Moves the middle distance, its ends stay: larger sets it farther back",
        default=1.0,
        min=0.1,
        max=10.0,
        soft_min=0.3,
        soft_max=3.0,
    )
    depth_model: StringProperty(
        name="Model",
        description="A model of the transformers library by its name or folder, or a .pt or .onnx file",
        default=depth_models.DEFAULT,
        update=_look_up_licence,
        search=_suggest_models,
        search_options={"SUGGESTION"},
    )
    depth_licence: StringProperty(name="Licence", default=depth_models.KNOWN[depth_models.DEFAULT])
    depth_origin: StringProperty(name="Depth Shown", description="Where the depth that is shown comes from")
    depth_opacity: FloatProperty(
        name="Opacity",
        description="How much the colours of the depth hide the photo",
        subtype="FACTOR",
        min=0.0,
        max=1.0,
        options={"SKIP_SAVE"},
        get=lambda settings: depth_display.get_opacity(settings.id_data),
        set=lambda settings, value: depth_display.set_opacity(settings.id_data, value),
    )
    edge_cleanup: FloatProperty(
        name="Edge Cleanup",
        description="How much the photo's edges put those of the depth right, and noise is "
        "taken out; 0 leaves the depth as it is",
        subtype="FACTOR",
        default=1.0,
        min=0.0,
        max=1.0,
    )
    reach: FloatProperty(
        name="Reach",
        description="How far surfaces go on behind nearer ones, and beyond the photo's border. Larger "
        "camera moves need more; more makes more points",
        subtype="FACTOR",
        default=1.0,
        min=0.25,
        max=4.0,
    )
    inpaint_model: StringProperty(
        name="Fill Model",
        description="Inpainting model of yours, a .pt or .onnx file, that paints what is hidden; "
        "left empty, it is made of the photo's own texture",
        subtype="FILE_PATH",
    )
    region_file: StringProperty(
        name="Region Mask",
        description="Painted picture of what moves: white moves, black stands, grey moves slower. "
        "Adds to the Region strokes",
        subtype="FILE_PATH",
    )
    flow_file: StringProperty(
        name="Motion",
        description="Motion made elsewhere, as .flo, .npy or OpenEXR in pixels per frame; it moves the "
        "region in place of the Motion strokes",
        subtype="FILE_PATH",
    )
    feather: FloatProperty(
        name="Feather",
        description="How softly motion starts inside the region's border, in percent of the photo's longer side",
        subtype="PERCENTAGE",
        default=1.0,
        min=0.0,
        max=20.0,
        soft_max=5.0,
        precision=1,
    )
    perspective: BoolProperty(
        name="Perspective Speed",
        description="On a plane that runs into the distance, nearer water moves faster in pixels",
        default=True,
    )
    swings: IntProperty(
        name="Swings",
        description="How often what sways swings to and fro within one loop",
        default=1,
        min=1,
        max=8,
    )
    thin: BoolProperty(
        name="Thin Out",
        description="Leave out moving points that the picture does without: smaller files, faster "
        "playback, the same look",
        default=True,
    )
    speed_from_radius: BoolProperty(
        name="Speed from Radius",
        description="Motion strokes flow faster where they are thicker, as pen pressure or "
        "the radius of their points makes them",
        update=_follow_radius,
    )
    stroke_speed: FloatProperty(
        name="Stroke Speed",
        description="Factor on the speed of the motion strokes that are selected in edit mode, "
        "else of the one drawn last; larger flows faster",
        min=0.01,
        max=100.0,
        soft_max=5.0,
        step=10,
        precision=2,
        options={"SKIP_SAVE"},
        get=lambda settings: selection.get_speed(settings.id_data),
        set=lambda settings, value: selection.set_speed(settings.id_data, value),
    )
    point_size: FloatProperty(
        name="Point Size",
        description="Size of all points in pixels of the photo; stored on their modifiers. "
        "Larger ones close gaps that a moving camera opens, smaller ones keep the photo sharper",
        min=0.0,
        max=100.0,
        soft_max=4.0,
        **_of_all_parts("Point Size"),
    )
    loop_length: IntProperty(
        name="Loop Length",
        description="Frames after which the motion is back at its start",
        subtype="TIME",
        min=1,
        max=100000,
        **_of_all_parts("Loop Length"),
    )
    start_frame: FloatProperty(
        name="Start Frame",
        description="Frame that shows the photo itself",
        **_of_all_parts("Start Frame"),
    )
    play_speed: FloatProperty(
        name="Speed",
        description="How many times the loop is played within its length. Whole numbers keep it "
        "closed, negative ones play it backwards",
        min=-100.0,
        max=100.0,
        soft_min=-4.0,
        soft_max=4.0,
        **_of_all_parts("Speed"),
    )
    photo: PointerProperty(name="Photo", type=bpy.types.Image)
    collection: PointerProperty(type=bpy.types.Collection)
    root: PointerProperty(type=bpy.types.Object)
    photo_camera: PointerProperty(type=bpy.types.Object)
    camera: PointerProperty(type=bpy.types.Object)
    hints: PointerProperty(type=bpy.types.Object)
    marks: PointerProperty(type=bpy.types.Object)
    flow: PointerProperty(type=bpy.types.Object)
    depth_map: PointerProperty(type=bpy.types.Object)
    parts: CollectionProperty(type=CinemagraphPart)
    still_nodes: PointerProperty(type=bpy.types.NodeTree)
    moving_nodes: PointerProperty(type=bpy.types.NodeTree)
    material: PointerProperty(type=bpy.types.Material)
    coverage: PointerProperty(type=coverage.CoverageSettings)
    report_json: StringProperty(name="Report", description="The last build's quality report, as JSON")

    @property
    def report(self) -> dict:
        """The last build's report, {} before the first build."""
        return json.loads(self.report_json) if self.report_json else {}


class CinemagraphProgress(bpy.types.PropertyGroup):
    """What goes on now; sits at `WindowManager.cinemagraph`, never saved."""

    running: BoolProperty(options={"SKIP_SAVE"})
    cancel: BoolProperty(options={"SKIP_SAVE"})
    stage: StringProperty(options={"SKIP_SAVE"})
    fraction: FloatProperty(subtype="FACTOR", min=0.0, max=1.0, options={"SKIP_SAVE"})
    live_preview: BoolProperty(  # here, so that undo does not switch it, and no file that is opened starts it
        name="Live",
        description="Show the flow again whenever a stroke has been drawn or changed",
        options={"SKIP_SAVE"},
        update=lambda _state, context: live.restart(context, live.FLOW),
    )
    live_trouble: StringProperty(options={"SKIP_SAVE"})  # why the live flow is not shown, "" while all is well
    live_depth: BoolProperty(
        name="Live",
        description="Show the depth again whenever a stroke about it has been drawn or changed, or a setting of it",
        options={"SKIP_SAVE"},
        update=lambda _state, context: live.restart(context, live.DEPTH),
    )
    live_depth_trouble: StringProperty(options={"SKIP_SAVE"})


class CinemagraphPreferences(bpy.types.AddonPreferences):
    """The user's own: which Python runs the engine."""

    bl_idname = base_package

    python_path: StringProperty(
        name="Engine Python",
        description="Python that has torch, numpy, OpenCV and scikit-learn. "
        "Left empty, the variable CINEMAGRAPH_PYTHON is used, else Blender's own Python",
        subtype="FILE_PATH",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        self.layout.prop(self, "python_path")


CLASSES = (coverage.CoverageSettings, CinemagraphPart, CinemagraphSettings, CinemagraphProgress, CinemagraphPreferences)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.cinemagraph = PointerProperty(type=CinemagraphSettings)
    bpy.types.WindowManager.cinemagraph = PointerProperty(type=CinemagraphProgress)
    live.register()


def unregister() -> None:
    live.unregister()
    del bpy.types.WindowManager.cinemagraph
    del bpy.types.Scene.cinemagraph
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
