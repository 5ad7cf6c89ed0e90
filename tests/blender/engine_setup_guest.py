"""A Blender that sets the engine up: python engine_setup_guest.py USER ZIP LOCKS WHEELS; see `small_engine`."""

import os
import sys
from importlib import import_module
from pathlib import Path

user, extension, locks, wheels = sys.argv[1:]
os.environ["BLENDER_USER_RESOURCES"] = user

import bpy  # noqa: E402

import addon_utils  # noqa: E402  isort: skip  it is there once bpy has been imported

MODULE = "bl_ext.user_default.cinemagraph_3d"

bpy.ops.wm.read_factory_settings(use_empty=True)
if Path(user, "extensions", "user_default", "cinemagraph_3d").exists():
    addon_utils.enable(MODULE, default_set=True)
else:
    bpy.ops.extensions.package_install_files(
        filepath=extension, repo="user_default", enable_on_install=True, overwrite=True
    )
state = import_module(f"{MODULE}.blender_addon.engine_state")
errors = import_module(f"{MODULE}.cinema_core.shared.errors")
state.LOCKS, state.WHEELS = Path(locks), Path(wheels or "nothing")
state.check_online = lambda: None
state.locks.cache_clear()


def show(setup) -> None:
    print("PROGRESS", setup.stage, round(setup.fraction, 3), flush=True)


print("BEGIN", flush=True)
try:
    state.start().wait(show)
    status = state.status()
    print("READY", status.kind, status.verdict.device, status.size, flush=True)
except errors.CinemaError as error:
    print("ERROR", error, flush=True)
