"""The preferences of the extension: the engine, and the Python that runs it."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from .. import __package__ as base_package
from ..blender_addon import engine_state, job_store
from .engine import show_engine

DEVICES = [
    ("cpu", "CPU", "The engine for every computer; on Apple silicon it uses the GPU too"),
    ("cuda", "CUDA", "The engine for NVIDIA GPUs, a download of some gigabytes"),
]


class CinemagraphPreferences(bpy.types.AddonPreferences):
    """Preferences of the user."""

    bl_idname = base_package

    device: EnumProperty(name="Device", description="The kind of engine to set up", items=DEVICES)
    show_steps: BoolProperty(
        name="Show Next Step",
        description="Name the next step of the work in the sidebar, until the first loop is rendered",
        default=True,
    )
    depth_model: StringProperty(name="Depth Model", description="The offered depth model that was chosen last")
    model_for_new_photos: BoolProperty(
        name="For New Photos",
        description="Use the depth model that was chosen last for every photo that is opened in a scene without one",
        default=True,
    )
    python_path: StringProperty(
        name="Engine Python",
        description="A Python of your own with the engine's packages, in place of those that the extension sets up",
        subtype="FILE_PATH",
    )

    def draw(self, context: bpy.types.Context) -> None:
        show_engine(context, self.layout)
        self.layout.prop(self, "show_steps")
        row = self.layout.row()
        row.label(text=f"Results of the engine: {job_store.size() / 1e6:,.0f} MB on disk")
        row.operator("cinemagraph.clear_jobs", icon="TRASH")
        header, body = self.layout.panel("cinemagraph_advanced", default_closed=bool(engine_state.locks()))
        header.label(text="Advanced")
        if body is not None:
            body.prop(self, "python_path")


CLASSES = (CinemagraphPreferences,)
