"""Operators that set the engine's packages up, check and remove them."""

from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.props import StringProperty

from ..blender_addon import engine, engine_log, engine_state
from ..blender_addon.engine_setup import SetUp
from ..cinema_core.shared.errors import CinemaError


class SetUpOperator:
    """Mixin: starts a set-up. In a window it goes on in the background; scripts wait for it."""

    def run(self, start: Callable[[], SetUp]) -> set[str]:
        try:
            setup = start()
            if not self.options.is_invoke or bpy.app.background:
                setup.wait(StagePrinter())
        except CinemaError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class CINEMAGRAPH_OT_set_up_engine(SetUpOperator, bpy.types.Operator):
    """Download the packages of the engine into the extension's user folder, unpack and check them"""

    bl_idname = "cinemagraph.set_up_engine"
    bl_label = "Set Up Engine"

    device: StringProperty(default="cpu", options={"HIDDEN"})

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.run(lambda: engine_state.start(self.device))


class CINEMAGRAPH_OT_set_up_engine_from_folder(SetUpOperator, bpy.types.Operator):
    """Take the packages of the engine from a folder of wheels, without a network"""

    bl_idname = "cinemagraph.set_up_engine_from_folder"
    bl_label = "From Folder"

    device: StringProperty(default="cpu", options={"HIDDEN"})
    directory: StringProperty(name="Folder", description="The folder with the wheels", subtype="DIR_PATH")
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.run(lambda: engine_state.start(self.device, Path(bpy.path.abspath(self.directory))))


class CINEMAGRAPH_OT_cancel_engine_setup(bpy.types.Operator):
    """Stop the set-up of the engine; files that were downloaded completely are kept"""

    bl_idname = "cinemagraph.cancel_engine_setup"
    bl_label = "Cancel Set-Up"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        engine_state.cancel()
        return {"FINISHED"}


class CINEMAGRAPH_OT_check_engine(SetUpOperator, bpy.types.Operator):
    """Let the chosen Python import the engine's packages and compute"""

    bl_idname = "cinemagraph.check_engine"
    bl_label = "Check"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.run(engine_state.start_check)


class CINEMAGRAPH_OT_remove_engine(bpy.types.Operator):
    """Remove the packages of the engine from the extension's user folder"""

    bl_idname = "cinemagraph.remove_engine"
    bl_label = "Remove"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        message = "Photos, scenes and settings stay. It can be set up again."
        return context.window_manager.invoke_confirm(
            self, event, title="Remove the Engine?", message=message, confirm_text="Remove"
        )

    def execute(self, _context: bpy.types.Context) -> set[str]:
        engine.stop()
        try:
            engine_state.remove(wait=not self.options.is_invoke)
        except CinemaError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        engine_state.redraw()
        return {"FINISHED"}


class CINEMAGRAPH_OT_show_engine_log(bpy.types.Operator):
    """Open the engine's log"""

    bl_idname = "cinemagraph.show_engine_log"
    bl_label = "Show Log"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        file = engine_log.path()
        if not file.exists():
            self.report({"INFO"}, "The log is empty")
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=str(file))


class StagePrinter:
    """Prints the stages of a set-up to the terminal."""

    def __init__(self) -> None:
        self._shown = ""

    def __call__(self, setup: SetUp) -> None:
        shown = f"3D Cinemagraph: {setup.label}, {int(setup.fraction * 10) * 10} %"
        if shown != self._shown:
            self._shown = shown
            print(shown, flush=True)


CLASSES = (
    CINEMAGRAPH_OT_set_up_engine,
    CINEMAGRAPH_OT_set_up_engine_from_folder,
    CINEMAGRAPH_OT_cancel_engine_setup,
    CINEMAGRAPH_OT_check_engine,
    CINEMAGRAPH_OT_remove_engine,
    CINEMAGRAPH_OT_show_engine_log,
)
