"""The properties of the extension: per scene and per window manager.

This module declares them only. Functions that act on them are connected by `reactions`, so that every module of the
extension may rely on the properties.
"""

import json

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    FloatProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)

from . import callbacks
from .depth_settings import DepthSettings
from .option_properties import BuildSettings


class CoverageSettings(bpy.types.PropertyGroup):
    """Check of the camera's path; at `Scene.cinemagraph.coverage`."""

    limit: FloatProperty(
        name="Tolerated Holes",
        description="Largest share of a frame that may be holes, where the camera sees no points at all",
        subtype="PERCENTAGE",
        default=0.1,
        min=0.0,
        max=100.0,
        soft_max=5.0,
        precision=2,
    )
    show: BoolProperty(
        name="Show Holes",
        description="Show holes (red) and invented surfaces (blue) in the camera's view, but not in renders",
        default=True,
        update=callbacks.on_update("coverage.show"),
    )
    size: FloatProperty(
        name="Path Size",
        description="Share of its path that the camera moves away from the photo's view; its keyframes stay unchanged",
        subtype="FACTOR",
        min=0.0,
        max=1.0,
        **callbacks.computed("coverage.size", 1.0),
    )
    image: PointerProperty(type=bpy.types.Image)
    found_json: StringProperty(description="Result of the last check, as JSON")


class CinemagraphPart(bpy.types.PropertyGroup):
    """An object in a list: one that a build has made, or one that hid the photo."""

    object: PointerProperty(type=bpy.types.Object)


class PlaybackSettings:
    """Mixin of `CinemagraphSettings`: values stored on the modifiers of all parts."""

    point_size: FloatProperty(
        name="Point Size",
        description="Size of all points in pixels of the photo; larger points close gaps that a moving camera opens, "
        "smaller points keep the photo sharper",
        min=0.0,
        max=100.0,
        soft_max=4.0,
        **callbacks.computed("point_size"),
    )
    loop_length: IntProperty(
        name="Playback Length",
        description="Frames in which the built loop plays, stored as Loop Length on the modifiers; "
        "longer than the built loop plays it slower",
        subtype="TIME",
        min=1,
        max=100000,
        **callbacks.computed("loop_length"),
    )
    start_frame: FloatProperty(
        name="Start Frame",
        description="Frame that shows the photo itself",
        **callbacks.computed("start_frame"),
    )
    play_speed: FloatProperty(
        name="Repeats",
        description="Number of times the loop plays within Playback Length; whole numbers keep it closed, "
        "negative numbers play it backwards",
        min=-100.0,
        max=100.0,
        soft_min=-4.0,
        soft_max=4.0,
        **callbacks.computed("play_speed"),
    )
    loop_offset: FloatProperty(
        name="Offset",
        description="Number of loops that the motion is ahead; with keyframes on this input of the modifiers, and "
        "Repeats at 0, the motion eases, waits or turns back",
        min=-1000.0,
        max=1000.0,
        soft_min=0.0,
        soft_max=1.0,
        **callbacks.computed("loop_offset"),
    )
    stop_after: IntProperty(
        name="Stop After",
        description="Number of loops that play from Start Frame on, before and after which the photo stands still; "
        "0 plays forever",
        min=0,
        max=100000,
        soft_max=10,
        **callbacks.computed("stop_after"),
    )


class PathSettings:
    """Mixin of `CinemagraphSettings`: the last camera path, and how the next one is made."""

    path_name: StringProperty(name="Path", description="Name of the last camera path, empty before the first one")
    path_amplitude: FloatProperty(
        name="Amplitude",
        description="Factor on the size of the next camera path; large moves open gaps behind near objects",
        default=1.0,
        min=0.0,
        max=10.0,
        soft_max=2.0,
    )
    path_suggested: FloatProperty(
        name="Suggested Amplitude",
        description="Amplitude of the last camera path if it was suggested, else 0; the next build may suggest another",
    )
    path_loop: BoolProperty(
        name="Closed Loop",
        description="Let the next camera path return to its start, so that the video loops seamlessly",
        default=True,
    )


class CinemagraphSettings(BuildSettings, DepthSettings, PlaybackSettings, PathSettings, bpy.types.PropertyGroup):
    """All properties of one scene's cinemagraph; at `Scene.cinemagraph`."""

    photo_path: StringProperty(name="Photo", description="Path of the photo as it was opened", subtype="FILE_PATH")
    job_folder: StringProperty(
        name="Job Folder",
        description="Folder of the engine's results; it can be deleted at any time, because the .blend file "
        "holds everything it needs",
        subtype="DIR_PATH",
    )
    width: IntProperty(name="Width", description="Width of the working photo", subtype="PIXEL", min=0)
    height: IntProperty(name="Height", description="Height of the working photo", subtype="PIXEL", min=0)
    file_size: IntVectorProperty(name="File Size", description="Size of the photo's file", size=2, min=0)
    lens: FloatProperty(
        name="Focal Length",
        description="Focal length of the photo's camera as on a 36 mm wide sensor (35 mm equivalent); a shorter one "
        "gives a wider view and more depth, and built points follow at once",
        subtype="DISTANCE_CAMERA",
        min=1.0,
        max=10000.0,
        soft_min=8.0,
        soft_max=300.0,
        **callbacks.computed("lens", 36.0),
    )
    still: BoolProperty(
        name="Still Photo",
        description="Without strokes, build a still photo with depth instead of moving the regions that seem to flow",
    )
    render_set_up: BoolProperty()  # whether Set Up Render was used; later changes of its settings are the user's
    region_file: StringProperty(
        name="Region Mask",
        description="Painted picture of the moving region, in addition to the Region strokes: white moves, "
        "grey moves slower, black stands still",
        subtype="FILE_PATH",
    )
    flow_file: StringProperty(
        name="Motion",
        description="Motion from another program, as .flo, .npy or OpenEXR in pixels per frame, "
        "in place of the Motion strokes",
        subtype="FILE_PATH",
    )
    speed_from_radius: BoolProperty(
        name="Speed from Radius",
        description="Let Motion strokes flow faster where they are thicker, by pen pressure or the radius of "
        "their points",
        update=callbacks.on_update("speed_from_radius"),
    )
    stroke_speed: FloatProperty(
        name="Stroke Speed",
        description="Factor on the speed of the Motion strokes selected in Edit Mode, otherwise of the last drawn one",
        min=0.01,
        max=100.0,
        soft_max=5.0,
        step=10,
        precision=2,
        options={"SKIP_SAVE"},
        **callbacks.computed("stroke_speed", 1.0),
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
    hidden: CollectionProperty(type=CinemagraphPart, description="Objects of the user that hid the photo")
    still_nodes: PointerProperty(type=bpy.types.NodeTree)
    moving_nodes: PointerProperty(type=bpy.types.NodeTree)
    material: PointerProperty(type=bpy.types.Material)
    coverage: PointerProperty(type=CoverageSettings)
    report_json: StringProperty(name="Report", description="Quality report of the last build, as JSON")

    @property
    def report(self) -> dict:
        """The last build's report, {} before the first build."""
        return json.loads(self.report_json) if self.report_json else {}


class CinemagraphProgress(bpy.types.PropertyGroup):
    """State of the running job and of the live previews; at `WindowManager.cinemagraph`, never saved.

    The live switches are here so that an undo does not change them and an opened file does not start them.
    """

    running: BoolProperty(options={"SKIP_SAVE"})
    cancel: BoolProperty(options={"SKIP_SAVE"})
    stage: StringProperty(options={"SKIP_SAVE"})
    notice: StringProperty(options={"SKIP_SAVE"})  # why the last job ended without its operator, "" without a reason
    fraction: FloatProperty(subtype="FACTOR", min=0.0, max=1.0, options={"SKIP_SAVE"})
    rendered: StringProperty(options={"SKIP_SAVE"})  # the video of the last render in this session, "" without one
    live_preview: BoolProperty(
        name="Live",
        description="Update the flow whenever a stroke is drawn or changed",
        options={"SKIP_SAVE"},
        update=callbacks.on_update("live_preview"),
    )
    live_trouble: StringProperty(options={"SKIP_SAVE"})  # why the live flow is not shown, "" without a problem
    live_depth: BoolProperty(
        name="Live",
        description="Update the depth whenever a stroke or a setting about it changes",
        options={"SKIP_SAVE"},
        update=callbacks.on_update("live_depth"),
    )
    live_depth_trouble: StringProperty(options={"SKIP_SAVE"})


CLASSES = (CoverageSettings, CinemagraphPart, CinemagraphSettings, CinemagraphProgress)


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.cinemagraph = PointerProperty(type=CinemagraphSettings)
    bpy.types.WindowManager.cinemagraph = PointerProperty(type=CinemagraphProgress)


def unregister() -> None:
    del bpy.types.WindowManager.cinemagraph
    del bpy.types.Scene.cinemagraph
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
