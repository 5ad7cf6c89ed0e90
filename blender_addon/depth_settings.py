"""The properties about depth: source, meaning of the values, clean-up and hidden surfaces."""

from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from . import callbacks
from .known_models import DEFAULT_MODEL, KNOWN_MODELS

DEPTH_SOURCES = [
    ("BUILT_IN", "Built In", "Estimate the depth from the photo alone; approximate, and made for landscapes"),
    ("FILE", "File", "Read the depth from a picture or array that another program made of this photo"),
    ("MODEL", "Model", "Estimate the depth with a model of your choice, which runs on this computer"),
]
VALUE_KINDS = [
    ("AUTO", "Auto", "Determine the meaning of the values from the values and the photo"),
    ("DISPARITY", "Near is White", "Large values are near, as in most depth maps"),
    ("INVERTED", "Near is Black", "Large values are far, without a known scale"),
    ("METRIC", "Metric", "The values are distances in any unit"),
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
    depth_kind: EnumProperty(
        name="Values", description="Meaning of the values of the depth file or model", items=VALUE_KINDS
    )
    depth_limits: BoolProperty(
        name="Range", description="Set the distances of the nearest and the farthest content by hand"
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
        description="Distance of the farthest content, in the unit of Near; a larger ratio to Near makes "
        "the scene deeper",
        default=20.0,
        min=1e-3,
        max=1e6,
        soft_max=1000.0,
    )
    depth_gamma: FloatProperty(
        name="Gamma",
        description="Exponent on the middle distances; larger moves them away while the nearest and the farthest stay",
        default=1.0,
        min=0.1,
        max=10.0,
        soft_min=0.3,
        soft_max=3.0,
    )
    depth_model: StringProperty(
        name="Model",
        description="Name or folder of a depth model for the transformers library, or a .pt or .onnx file",
        default=DEFAULT_MODEL,
        update=callbacks.on_update("depth_model"),
        search=lambda _settings, _context, _text: list(KNOWN_MODELS.items()),
        search_options={"SUGGESTION"},
    )
    depth_licence: StringProperty(
        name="Licence", description="Licence of the depth model", default=KNOWN_MODELS[DEFAULT_MODEL]
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
    edge_cleanup: FloatProperty(
        name="Edge Cleanup",
        description="Strength with which depth edges are aligned with the photo's edges and noise is removed; "
        "0 leaves the depth unchanged",
        subtype="FACTOR",
        default=1.0,
        min=0.0,
        max=1.0,
    )
    reach: FloatProperty(
        name="Reach",
        description="Distance by which surfaces extend behind nearer ones and beyond the photo's border; "
        "larger camera moves need more of it, which adds points",
        subtype="FACTOR",
        default=1.0,
        min=0.25,
        max=4.0,
    )
    inpaint_model: StringProperty(
        name="Fill Model",
        description="Inpainting model, a .pt or .onnx file, that paints hidden surfaces; "
        "if empty, they are filled with the photo's own texture",
        subtype="FILE_PATH",
    )
