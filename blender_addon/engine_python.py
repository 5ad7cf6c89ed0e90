"""The Python that runs the engine: one of the user's choice, or Blender's own with packages in a private folder.

Blender's own is `sys.executable`. Where that is no Python, or the system does not let it load the packages, Blender
itself runs the engine in background, as a Python (`engine_host.py`).
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import __package__ as base_package
from ..cinema_core.shared.models import FOLDER_VARIABLE
from . import depth_models

PYTHON_VARIABLE = "CINEMAGRAPH_PYTHON"
FOLDER = Path(__file__).parents[1]  # the extension's folder, which contains cinema_core
_HOST = Path(__file__).with_name("engine_host.py")
_PATHS = "CINEMAGRAPH_PATHS"  # variable that tells the host its module paths: Blender's Python ignores PYTHONPATH


@dataclass(frozen=True)
class Runner:
    """A program that runs Python modules.

    Attributes:
        program: Path of a Python, or of Blender.
        is_blender: Whether it is Blender.
    """

    program: str
    is_blender: bool = False

    def command(self, module: str, *arguments: str) -> list[str]:
        """Make the command line that runs a module."""
        if not self.is_blender:
            return [self.program, "-s", "-m", module, *arguments]
        options = ["--background", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python", str(_HOST)]
        return [self.program, *options, "--", module, *arguments]


def chosen() -> str:
    """Give the Python of the user's choice: by the preference, else the environment variable; "" without one."""
    addon = bpy.context.preferences.addons.get(base_package)
    path = addon.preferences.python_path if addon else ""
    return os.path.expanduser(bpy.path.abspath(path)) if path else os.environ.get(PYTHON_VARIABLE, "")


def runners() -> list[Runner]:
    """List the runners that Blender brings, the best first."""
    found = []
    if Path(sys.executable).is_file() and Path(sys.executable).stem.lower().startswith("python"):
        found.append(Runner(sys.executable))
    if bpy.app.binary_path:
        found.append(Runner(bpy.app.binary_path, is_blender=True))
    return found


def environment(packages: Path | None) -> dict[str, str]:
    """Make the environment of the engine's process: Blender's, without the settings of its Python.

    No bytecode is written into the extension's folder.

    Args:
        packages: Folder or wheel of modules beside the extension's own; None where the program has its own.
    """
    dropped = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    joined = os.pathsep.join(str(path) for path in (packages, FOLDER) if path is not None)
    kept[FOLDER_VARIABLE] = str(depth_models.folder())
    return {**kept, "PYTHONPATH": joined, _PATHS: joined, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def process_options() -> dict:
    """No console window on Windows; elsewhere a session of its own, so that Ctrl-C reaches Blender alone."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {"start_new_session": True}


def start(command: Sequence[str], variables: dict[str, str], **options: object) -> subprocess.Popen:
    """Start a process of the engine in the extension's folder.

    Raises:
        OSError: It does not start.
    """
    return subprocess.Popen(command, cwd=FOLDER, env=variables, **process_options(), **options)
