"""A mouse and a keyboard for scripts in a Blender with a window, by xdotool. Buttons are found by hovering over them.

Each step is a generator of pauses in seconds, between which Blender handles the events.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import bpy

HOVER = 0.1  # seconds until a button under the pointer is active
SETTLE = 0.4  # seconds after which a button is still active; a late Blender names one that the pointer has left
TRIES = 3  # on a busy machine Blender may be late
ROW = 10  # px, less than half of a button's height
# Shares of a region's width: long buttons, and a small one at the right. The last button of a dialog is farther right.
COLUMNS = {"UI": (0.35, 0.83), "EXECUTE": (0.95,)}

Point = tuple[int, int]


def press(*arguments: object) -> subprocess.Popen:
    """Let xdotool act, without waiting for it: it may wait for Blender."""
    return subprocess.Popen(["xdotool", *map(str, arguments)])


def find_region(area_type: str, region_type: str) -> tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == area_type)
    return window, area, next(region for region in area.regions if region.type == region_type)


def move(window: bpy.types.Window, x: float, y: float) -> None:
    press("mousemove", round(x), round(window.height - y))


def find(words: str, area_type: str = "VIEW_3D", region_type: str = "UI") -> Iterator[float]:
    """Hover over a region from its top until a button's command or property has these words; leaves the pointer there.

    Raises:
        LookupError: There is no such button.
    """
    seen = set()
    for _ in range(TRIES):
        window, _, region = find_region(area_type, region_type)
        for y in range(region.y + region.height - ROW // 2, region.y, -ROW):
            for share in COLUMNS[region_type]:
                move(window, region.x + region.width * share, y)
                yield HOVER
                text = describe_button(area_type, region_type)
                if words in text:
                    yield SETTLE
                    if words in describe_button(area_type, region_type):
                        return
                seen.add(text)
    raise LookupError(f"There is no button with {words!r} among {sorted(seen)}")


def describe_button(area_type: str, region_type: str) -> str:
    """Give the Python command or the data path of the button under the pointer, "" without one."""
    window, area, region = find_region(area_type, region_type)
    manager = bpy.context.window_manager
    with bpy.context.temp_override(window=window, area=area, region=region):
        for copy, options in ((bpy.ops.ui.copy_python_command_button, {}),
                              (bpy.ops.ui.copy_data_path_button, {"full_path": True})):  # fmt: skip
            manager.clipboard = ""
            if copy.poll():
                copy(**options)
                return manager.clipboard
    return ""


def click(words: str, area_type: str = "VIEW_3D", region_type: str = "UI") -> Iterator[float]:
    """Find a button and click on it."""
    yield from find(words, area_type, region_type)
    press("click", 1)
    yield 0.5


def enter_text(words: str, text: str, area_type: str, region_type: str) -> Iterator[float]:
    """Find a text field, and type into it."""
    yield from find(words, area_type, region_type)
    press("click", "--repeat", 2, "--delay", 60, 1)
    yield 0.5
    typing = press("key", "ctrl+a", "type", "--delay", 10, "--args", 1, text, "sleep", 1, "key", "Return")
    while typing.poll() is None:
        yield HOVER
    yield 1.5
