"""The solved motion over the photo: streamlines with arrowheads, coloured by speed.

They are Grease Pencil strokes near the plane of the hints, so that they look the same in every shading mode. The object
cannot be selected and is never rendered.
"""

from dataclasses import dataclass

import bpy
import numpy as np

from .overlays import Overlay, blend_ramp, clear_overlay, empty_overlay, ensure_overlay, find_overlay, is_shown
from .strokes import write_last

LINE_RADIUS = 0.0013  # units of the photo's longer side, at the head of a line
TAIL = 0.25  # share of the radius and the opacity at the start of a line
HEAD_LENGTH = 0.009  # units of the photo's longer side
HEAD_SHARE = 0.5  # greatest length of an arrowhead as a share of its line
HEAD_ANGLE = 0.4  # radians between a line and a barb
# Slow to fast, scene-linear; distinct on blue water and on dark rock, and by brightness alone.
RAMP = np.array([(0.05, 0.12, 0.9), (0.0, 0.6, 0.9), (0.15, 0.95, 0.35), (1.0, 0.85, 0.05), (1.0, 0.2, 0.03)])
SHADES = 16  # materials along the ramp; point colours do not show in solid shading
FASTEST_PERCENTILE = 95  # percentile of the speeds with the last colour, so that one fast line does not pale all others


@dataclass(frozen=True, eq=False)
class FlowPreview:
    """Streamlines of the solved motion, to be drawn over the photo.

    Attributes:
        points: (P, 2) float32, px of the photo, line after line, each in the direction of the flow.
        offsets: (L + 1,) int32, index in `points` of the start of each line.
        speed: (L,) float32, px/frame.
    """

    points: np.ndarray
    offsets: np.ndarray
    speed: np.ndarray


def _stroke_with(style: bpy.types.MaterialGPencilStyle, color: np.ndarray) -> None:
    style.color = (*color, 1.0)


OVERLAY = Overlay("flow", "Flow", blend_ramp(RAMP, SHADES), _stroke_with)


def show_flow(scene: bpy.types.Scene, lines: FlowPreview) -> bpy.types.Object:
    """Draw the streamlines in place of the previous ones; only within an undo step.

    Args:
        scene: A scene with a photo.
        lines: Streamlines in px of the scene's photo.
    """
    ensure_overlay(scene, OVERLAY)
    redraw_flow(scene, lines)
    return find_overlay(scene, OVERLAY)


def redraw_flow(scene: bpy.types.Scene, lines: FlowPreview, mark: str = "") -> None:
    """As `show_flow`, on an overlay that exists; a timer may do it too.

    Args:
        scene: A scene with this overlay.
        lines: Streamlines in px of the scene's photo.
        mark: Identifies these streamlines.
    """
    overlay = find_overlay(scene, OVERLAY)
    drawing = empty_overlay(overlay, mark)
    if len(lines.offsets) > 1:
        _draw(drawing, _on_plane(scene.cinemagraph, lines.points), lines)
    overlay.data.update_tag()


def remove_flow(scene: bpy.types.Scene) -> None:
    """Remove the streamlines."""
    clear_overlay(scene, OVERLAY)


def has_flow(scene: bpy.types.Scene) -> bool:
    """Tell whether streamlines are shown."""
    return is_shown(scene, OVERLAY)


def _on_plane(settings: bpy.types.PropertyGroup, pixels: np.ndarray) -> np.ndarray:
    """Convert (N, 2) px to (N, 3) in the object's coordinates, where the photo's longer side is one unit."""
    centre = np.array((settings.width / 2, settings.height / 2))
    right, down = ((pixels - centre) / max(settings.width, settings.height)).T
    return np.column_stack([right, np.zeros(len(pixels)), -down])


def _draw(drawing: bpy.types.GreasePencilDrawing, points: np.ndarray, lines: FlowPreview) -> None:
    counts = np.diff(lines.offsets)
    along = np.arange(len(points)) - np.repeat(lines.offsets[:-1], counts)
    swell = TAIL + (1 - TAIL) * along / np.maximum(np.repeat(counts, counts) - 1, 1)
    heads, of_line = _arrowheads(points, lines.offsets)
    drawing.add_strokes([*counts.tolist(), *[3] * len(of_line)])
    full = np.ones(3 * len(of_line))
    shade = _shades(lines.speed)
    write_last(drawing, "position", "FLOAT_VECTOR", "POINT", "vector", np.concatenate([points, heads]))
    write_last(drawing, "radius", "FLOAT", "POINT", "value", LINE_RADIUS * np.concatenate([swell, full]))
    write_last(drawing, "opacity", "FLOAT", "POINT", "value", np.concatenate([swell, full]))
    write_last(drawing, "material_index", "INT", "CURVE", "value", np.concatenate([shade, shade[of_line]]))
    drawing.tag_positions_changed()


def _arrowheads(points: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arrowheads of two barbs at the end of every line with a direction there.

    Returns:
        (3 * A, 3) float points, three per arrowhead, and (A,) int indices of their lines.
    """
    tips = points[offsets[1:] - 1]
    before = points[np.maximum(offsets[1:] - 3, offsets[:-1])]
    length = np.linalg.norm(tips - before, axis=1)
    of_line = np.flatnonzero(length > 1e-6)
    whole = np.linalg.norm(tips - points[offsets[:-1]], axis=1)
    scale = np.minimum(HEAD_LENGTH, HEAD_SHARE * whole) / np.maximum(length, 1e-9)
    back = (before - tips)[of_line] * scale[of_line, None]
    barbs = []
    for angle in (HEAD_ANGLE, -HEAD_ANGLE):
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.column_stack([cos * back[:, 0] - sin * back[:, 2], back[:, 1], sin * back[:, 0] + cos * back[:, 2]])
        barbs.append(tips[of_line] + turned)
    return np.stack([barbs[0], tips[of_line], barbs[1]], 1).reshape(-1, 3), of_line


def _shades(speed: np.ndarray) -> np.ndarray:
    """(L,) int32 material index of each line."""
    place = np.clip(speed / max(np.percentile(speed, FASTEST_PERCENTILE), 1e-9), 0, 1)
    return np.rint(place * (SHADES - 1)).astype(np.int32)
