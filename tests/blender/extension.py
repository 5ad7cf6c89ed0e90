"""The extension under test: its sources, its name after the installation, and Blender's extension tool."""

import subprocess
import sys
from pathlib import Path

import bpy

ROOT = Path(__file__).parents[2]
MODULE = "bl_ext.user_default.cinemagraph_3d"


def blender_ext(*arguments: str) -> subprocess.CompletedProcess:
    """Run Blender's extension tool."""
    tool = Path(bpy.utils.resource_path("LOCAL"), "scripts/addons_core/bl_pkg/cli/blender_ext.py")
    return subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True, timeout=120)
