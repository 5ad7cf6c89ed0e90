"""The properties about depth that are not options of a build: its source, its licence, its display."""

from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..cinema_core.shared.models import DEFAULT_MODEL, OFFERED
from . import callbacks

DEPTH_SOURCES = [
    ("BUILT_IN", "Built In", "Estimate the depth from the photo alone; approximate, and made for landscapes"),
    ("FILE", "File", "Read the depth from a picture or array that another program made of this photo"),
    ("MODEL", "Model", "Estimate the depth with a model of your choice, which runs on this computer"),
]


class DepthSettings:
    """Mixin of `CinemagraphSettings`."""

    depth_source: EnumProperty(name="Source", description="Origin of the photo's depth", items=DEPTH_SOURCES)
    depth_file: StringProperty(
        name="Depth File",
        description="Depth of the photo as PNG, TIFF, OpenEXR, NPY or PFM, of any size with the photo's aspect; "
        "if empty, the depth is estimated",
        subtype="FILE_PATH",
        update=callbacks.on_update("depth_file"),
    )
    depth_limits: BoolProperty(
        name="Range", description="Set the distances of the nearest and the farthest content by hand"
    )
    depth_licence: StringProperty(
        name="Licence", description="Licence of the depth model", default=OFFERED[DEFAULT_MODEL].licence
    )
    depth_origin: StringProperty(name="Depth Shown", description="Origin of the depth that is shown")
    depth_opacity: FloatProperty(
        name="Opacity",
        description="Opacity of the depth colours over the photo",
        subtype="FACTOR",
        min=0.0,
        max=1.0,
        options={"SKIP_SAVE"},
        **callbacks.computed("depth_opacity"),
    )
