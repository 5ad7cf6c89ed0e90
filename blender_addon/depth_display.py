"""The depth as colours over the photo: near is warm, far is cool, the sky is dark.

It is a Grease Pencil object behind the hints, so that strokes and marks stay clear, built points do not hide it, and it
looks the same in every shading mode. (An image on an empty or in front of the camera would cover the strokes, and a
background image is covered by the points.) It consists of filled strips of one shade each, cannot be selected and is
never rendered.
"""

from dataclasses import dataclass

import bpy
import numpy as np

from ..cinema_core.shared.data import FARTHEST
from ..cinema_core.shared.srgb import to_linear
from .overlays import Overlay, blend_ramp, clear_overlay, empty_overlay, ensure_overlay, find_overlay, is_shown
from .strokes import write_last
from .versions import fill_strokes_of, fills_by_stroke

OPACITY = 0.75  # of a new overlay
CELLS = (960, 480, 360, 240, 160)  # cells along the longer side; the finest with at most MAX_RUNS runs is used
MAX_RUNS = 20_000  # runs of one shade in all rows; filling so many takes a quarter of a second
# Far to near, sRGB. Brightness rises and falls once, so that depths differ without colour too.
RAMP = np.array([
    (0.19, 0.12, 0.42), (0.22, 0.34, 0.86), (0.13, 0.62, 0.94), (0.14, 0.83, 0.76), (0.42, 0.94, 0.43),
    (0.78, 0.91, 0.23), (0.97, 0.74, 0.2), (0.96, 0.47, 0.12), (0.82, 0.2, 0.05),
])  # fmt: skip
SKY_COLOR = (0.1, 0.1, 0.12)  # sRGB; no shade of the ramp is grey
SHADES = 32  # materials along the ramp; point colours do not show in solid shading
SKY_DISTANCE = 0.97 * FARTHEST  # scene units; farther cells are drawn as sky


@dataclass(frozen=True, eq=False)
class DepthPreview:
    """The depth that the engine made of the photo.

    Attributes:
        disparity: (H, W) float32, 1 / scene units; 1 is the nearest content, 0 infinitely far.
        source: Its origin, as a text for the user.
        licence: Licence of the model that estimated it; "" without a model.
    """

    disparity: np.ndarray
    source: str = ""
    licence: str = ""


def _fill_with(style: bpy.types.MaterialGPencilStyle, color: np.ndarray) -> None:
    fill_strokes_of(style)
    style.fill_color = (*to_linear(color).tolist(), 1.0)


OVERLAY = Overlay("depth_map", "Depth", (*blend_ramp(RAMP, SHADES), np.array(SKY_COLOR)), _fill_with, OPACITY)


def show_depth(scene: bpy.types.Scene, depth: DepthPreview) -> bpy.types.Object:
    """Draw the depth in place of the previous one; only within an undo step.

    Args:
        scene: A scene with a photo.
        depth: Depth of the scene's photo, with any number of pixels.
    """
    ensure_overlay(scene, OVERLAY)
    redraw_depth(scene, depth)
    return find_overlay(scene, OVERLAY)


def redraw_depth(scene: bpy.types.Scene, depth: DepthPreview, mark: str = "") -> None:
    """As `show_depth`, on an overlay that exists; a timer may do it too.

    Args:
        scene: A scene with this overlay.
        depth: Depth of the scene's photo, with any number of pixels.
        mark: Identifies this depth.
    """
    settings, overlay = scene.cinemagraph, find_overlay(scene, OVERLAY)
    name_origin(scene, depth)
    _draw(empty_overlay(overlay, mark), find_strips(_shade(depth.disparity)), settings.width / settings.height)
    overlay.data.update_tag()


def name_origin(scene: bpy.types.Scene, depth: DepthPreview) -> None:
    """Let the settings name the depth's origin and its licence."""
    settings = scene.cinemagraph
    licence = depth.licence or settings.depth_licence
    if (settings.depth_origin, settings.depth_licence) != (depth.source, licence):
        settings.depth_origin, settings.depth_licence = depth.source, licence


def remove_depth(scene: bpy.types.Scene) -> None:
    """Remove the colours of the depth."""
    clear_overlay(scene, OVERLAY)


def has_depth(scene: bpy.types.Scene) -> bool:
    """Tell whether the depth is shown."""
    return is_shown(scene, OVERLAY)


def get_opacity(scene: bpy.types.Scene) -> float:
    """Give how opaque the colours are, 0..1."""
    overlay = find_overlay(scene, OVERLAY)
    return OPACITY if overlay is None else overlay.data.layers[0].opacity


def set_opacity(scene: bpy.types.Scene, opacity: float) -> None:
    """Set how opaque the colours are, 0..1."""
    overlay = find_overlay(scene, OVERLAY)
    if overlay is not None:
        overlay.data.layers[0].opacity = opacity


def _shade(disparity: np.ndarray) -> np.ndarray:
    """(h, w) int32: the shade of each cell, with the finest cells that can be drawn quickly."""
    for longest in CELLS:
        shades = _shades(_cells(disparity, longest))
        if len(shades) + np.count_nonzero(np.diff(shades)) <= MAX_RUNS:
            break
    return shades


def _cells(disparity: np.ndarray, longest: int) -> np.ndarray:
    """(h, w) float32, the middle pixel of each of `longest` cells along the longer side; edges stay sharp."""
    step = max(1.0, max(disparity.shape) / longest)
    rows, columns = (
        np.minimum(((np.arange(count) + 0.5) * size / count).astype(int), size - 1)
        for size, count in ((size, max(1, round(size / step))) for size in disparity.shape)
    )
    return disparity[np.ix_(rows, columns)]


def _shades(disparity: np.ndarray) -> np.ndarray:
    """(h, w) int32 material indices; by the square root of disparity, because most of a landscape is far away."""
    near = np.sqrt(np.clip(disparity, 0, 1))
    return np.where(disparity * SKY_DISTANCE < 1, SHADES, np.rint(near * (SHADES - 1))).astype(np.int32)


def find_strips(shades: np.ndarray) -> np.ndarray:
    """Cover a picture with rectangles of one shade each: runs of a row, extended down over identical runs below.

    Args:
        shades: (h, w) int32.

    Returns:
        (S, 5) int: left, right, top, bottom (in cells; right and bottom are exclusive) and shade.
    """
    found, above = [], {}
    for row, values in enumerate(shades):
        starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
        ends = np.append(starts[1:], len(values))
        here = {}
        for key in zip(starts.tolist(), ends.tolist(), values[starts].tolist()):
            here[key] = above.get(key) or [key[0], key[1], row, row, key[2]]
            if key not in above:
                found.append(here[key])
            here[key][3] = row + 1
        above = here
    return np.array(found).reshape(-1, 5)


def _draw(drawing: bpy.types.GreasePencilDrawing, strips: np.ndarray, aspect: float) -> None:
    """Fill the strips on the object's plane, where the photo's longer side is one unit."""
    wide, high = strips[:, 1].max(), strips[:, 3].max()
    size = np.array((1.0, 1 / aspect) if aspect > 1 else (aspect, 1.0))
    x = strips[:, [0, 1, 1, 0]] / wide * size[0] - size[0] / 2
    z = size[1] / 2 - strips[:, [2, 2, 3, 3]] / high * size[1]
    points = np.stack([x, np.zeros_like(x), z], -1).reshape(-1, 3)
    drawing.add_strokes([4] * len(strips))
    write_last(drawing, "position", "FLOAT_VECTOR", "POINT", "vector", points)
    write_last(drawing, "opacity", "FLOAT", "POINT", "value", np.zeros(len(points)))  # hides the outlines
    write_last(drawing, "material_index", "INT", "CURVE", "value", strips[:, 4])
    if fills_by_stroke(drawing):
        write_last(drawing, "fill_id", "INT", "CURVE", "value", np.arange(1, len(strips) + 1))
        write_last(drawing, "hide_stroke", "BOOLEAN", "CURVE", "value", np.ones(len(strips)))
    drawing.tag_positions_changed()
