"""Draw hints, have them suggested, turn them round."""

import bpy
from bpy.props import BoolProperty, EnumProperty

from ..blender_addon import jobs, scene, selection, viewport
from ..blender_addon.engine import Request
from .engine_job import EngineOperator

LAYERS = [
    ("Motion", "Motion", "Draw along the flow, with all its bends: direction and speed, longer strokes flow faster"),
    ("Region", "Region", "Draw round what flows: water, clouds, smoke"),
    (
        "Sway",
        "Sway",
        "Draw round what swings to and fro: grass, branches, flags. A Motion stroke across it is its swing",
    ),
    ("Still", "Still", "Draw round what must not move, or a line or dot that the motion comes to rest at"),
    ("Outlet", "Outlet", "Draw along a border that the flow may cross: a weir, the mouth of a river"),
    ("Same Depth", "Same Depth", "Start on what stands right, and pull over what stands as far away as that"),
    ("Nearer", "Nearer", "Start on what stands right, and pull over what is nearer than that"),
    ("Farther", "Farther", "Start on what stands right, and pull over what is farther away than that"),
    (
        "Horizon",
        "Horizon",
        "Draw along the horizon, even where something hides it: the ground runs out to there, and "
        "what is far above it is sky",
    ),
    ("Flat", "Flat", "Draw round ground or water that is one plane"),
    ("Upright", "Upright", "Draw round what stands upright on the ground, foot included: a tree, a house, a person"),
    ("Sky", "Sky", "Draw round what is infinitely far away"),
]


def has_photo(cls: type, context: bpy.types.Context) -> bool:
    settings = context.scene.cinemagraph
    if settings.photo is None or not scene.in_scene(settings.hints, context.scene):
        cls.poll_message_set("Open a photo first")
        return False
    return True


class CINEMAGRAPH_OT_draw(bpy.types.Operator):
    """Look through the photo's camera and draw on this layer"""

    bl_idname = "cinemagraph.draw"
    bl_label = "Draw"

    layer: EnumProperty(name="Layer", items=LAYERS)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return next(text for name, _, text in LAYERS if name == properties.layer)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not viewport.has_window(context):
            cls.poll_message_set("Drawing needs a window")
            return False
        return has_photo(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        viewport.start_drawing(context, self.layer)
        return {"FINISHED"}


class CINEMAGRAPH_OT_suggest_regions(EngineOperator, bpy.types.Operator):
    """Look for sky, water, clouds and smoke in the photo, and draw their outlines and a first motion as strokes"""

    bl_idname = "cinemagraph.suggest_regions"
    bl_label = "Suggest Regions"
    bl_options = {"REGISTER", "UNDO"}

    replace: BoolProperty(
        name="Replace", description="Remove the strokes that are there at this frame first", default=False
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return has_photo(cls, context) and cls.is_idle(context)

    def start(self, context: bpy.types.Context) -> Request:
        return jobs.start_suggest(context.scene)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        count = jobs.finish_suggest(scene, answer, self.replace)
        if count:
            self.report({"INFO"}, f"{count} strokes; edit, erase or add to them")
        else:
            self.report({"WARNING"}, "Nothing that usually moves was found; draw a Region or a Motion stroke")


class CINEMAGRAPH_OT_reverse_strokes(bpy.types.Operator):
    """Turn motion strokes round: those selected in edit mode, else the one drawn last"""

    bl_idname = "cinemagraph.reverse_strokes"
    bl_label = "Reverse Strokes"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        chosen = selection.choose(context.scene)
        if chosen is None or not chosen.strokes:
            cls.poll_message_set("Draw a motion stroke first" if chosen is None else "Select a motion stroke")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        selection.reverse(context.scene)
        return {"FINISHED"}


CLASSES = (CINEMAGRAPH_OT_draw, CINEMAGRAPH_OT_suggest_regions, CINEMAGRAPH_OT_reverse_strokes)
