"""Operators that draw, suggest and reverse strokes of the hints."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty

from ..blender_addon import ensure, jobs, selection, strokes, viewport
from ..blender_addon.engine import EngineRequest
from ..blender_addon.hint_layers import LAYERS
from .engine_job import EngineOperator
from .polls import has_photo, is_own

LEAVE_KEY = "ESC"
LAYER_ITEMS = [(layer.name, layer.name, layer.tooltip) for layer in LAYERS.values()]


class CINEMAGRAPH_OT_draw(bpy.types.Operator):
    """Look through the photo's camera and draw on this layer; again: stop drawing"""

    bl_idname = "cinemagraph.draw"
    bl_label = "Draw"
    bl_options = {"UNDO"}  # it may add a layer, a frame and a material

    layer: EnumProperty(name="Layer", items=LAYER_ITEMS)

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return LAYERS[properties.layer].tooltip

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not viewport.has_window(context):
            cls.poll_message_set("Blender runs without a window; draw in a session with one")
            return False
        return has_photo(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        if viewport.drawn_layer(context) == self.layer:
            viewport.leave_mode(context)
            return {"FINISHED"}
        ensure.ensure_objects(context.scene)
        for layer in strokes.find_hints(context.scene).data.layers:
            strokes.reach_back(layer, context.scene.frame_current)
        viewport.start_drawing(context, self.layer)
        return {"FINISHED"}


class CINEMAGRAPH_OT_leave_drawing(bpy.types.Operator):
    """Leave Draw Mode; the strokes stay, and a drawing button starts it again"""

    bl_idname = "cinemagraph.leave_drawing"
    bl_label = "Stop Drawing"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not viewport.drawn_layer(context):
            cls.poll_message_set("No stroke is being drawn")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == LEAVE_KEY and context.screen.is_animation_playing:
            return {"PASS_THROUGH"}  # the key stops the animation first
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        viewport.leave_mode(context)
        return {"FINISHED"}


class CINEMAGRAPH_OT_suggest_regions(EngineOperator, bpy.types.Operator):
    """Find sky, water, clouds and smoke in the photo, and draw their outlines and a first motion as strokes"""

    bl_idname = "cinemagraph.suggest_regions"
    bl_label = "Suggest Regions"
    bl_options = {"REGISTER", "UNDO"}

    replace: BoolProperty(name="Replace", description="Remove the strokes of the current frame first", default=False)

    def start(self, context: bpy.types.Context) -> EngineRequest:
        return jobs.start_suggest(context.scene)

    def finish(self, context: bpy.types.Context, scene: bpy.types.Scene, answer: dict) -> None:
        count = jobs.finish_suggest(scene, answer, self.replace)
        if count:
            self.report({"INFO"}, f"Drew {count} strokes to edit, erase or add to")
        else:
            self.report({"WARNING"}, "No sky, water, clouds or smoke was found; draw a Region or a Motion stroke")


class _ChangesStrokes:
    """Mixin: changes the chosen Motion strokes."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not is_own(cls, context):
            return False
        chosen = selection.choose(context.scene)
        if chosen is None or not chosen.strokes:
            text = "Draw a Motion stroke first" if chosen is None else "Select a Motion stroke in Edit Mode"
            cls.poll_message_set(text)
            return False
        return True


class CINEMAGRAPH_OT_set_stroke_speed(_ChangesStrokes, bpy.types.Operator):
    """Choose the speed of the Motion strokes selected in Edit Mode, otherwise of the last drawn one"""

    bl_idname = "cinemagraph.set_stroke_speed"
    bl_label = "Stroke Speed"
    bl_options = {"REGISTER", "UNDO"}  # in Edit Mode Blender keeps no undo step of a changed property

    factor: FloatProperty(
        name="Speed",
        description="Factor on the speed that the stroke's length gives",
        default=1.0,
        min=selection.SPEEDS[0],
        max=selection.SPEEDS[1],
        soft_max=5.0,
        step=10,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.factor = selection.get_speed(context.scene)
        return context.window_manager.invoke_props_popup(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        selection.set_speed(context.scene, self.factor)
        return {"FINISHED"}


class CINEMAGRAPH_OT_scale_stroke_speed(_ChangesStrokes, bpy.types.Operator):
    """Halve or double the speed of each of the Motion strokes selected in Edit Mode, otherwise of the last drawn one"""

    bl_idname = "cinemagraph.scale_stroke_speed"
    bl_label = "Scale Stroke Speed"
    bl_options = {"REGISTER", "UNDO"}

    scale: FloatProperty(
        name="Scale", description="Factor on the speed of each stroke", default=2.0, min=0.01, max=100.0
    )

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        action = "Halve" if properties.scale < 1 else "Double"
        return f"{action} the speed of each Motion stroke selected in Edit Mode, otherwise of the last drawn one"

    def execute(self, context: bpy.types.Context) -> set[str]:
        selection.scale_speed(context.scene, self.scale)
        return {"FINISHED"}


class CINEMAGRAPH_OT_reverse_strokes(_ChangesStrokes, bpy.types.Operator):
    """Reverse the direction of the Motion strokes selected in Edit Mode, otherwise of the last drawn one"""

    bl_idname = "cinemagraph.reverse_strokes"
    bl_label = "Reverse Strokes"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        selection.reverse(context.scene)
        return {"FINISHED"}


CLASSES = (
    CINEMAGRAPH_OT_draw,
    CINEMAGRAPH_OT_leave_drawing,
    CINEMAGRAPH_OT_suggest_regions,
    CINEMAGRAPH_OT_set_stroke_speed,
    CINEMAGRAPH_OT_scale_stroke_speed,
    CINEMAGRAPH_OT_reverse_strokes,
)
