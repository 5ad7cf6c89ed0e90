"""Pictures of the camera paths, drawn from the paths themselves: the photo's frame, and the way of the camera."""

import bpy
import bpy.utils.previews
import numpy as np

from ..cinema_core.shared.camera import camera_path

SIDE = 64  # px
FRAME, WAY = (0.5, 0.5, 0.5), (1.0, 0.5, 0.1)  # sRGB; both are seen on dark and on light themes
_FRAME = np.array([(-0.095, -0.065), (0.095, -0.065), (0.095, 0.065), (-0.095, 0.065), (-0.095, -0.065)])  # scene units
_AWAY = 0.36  # scene units to the right and up for each one that the camera goes forward, as in a cavalier drawing
_SPAN = 0.21  # scene units that the picture is wide
_HEAD = 7.0  # px, length of the arrowhead
_pictures: "bpy.utils.previews.ImagePreviewCollection | None" = None


def icon(path: str) -> int:
    """Give the icon of a camera path for a layout, drawn when it is first shown; 0, an empty one, without a window."""
    if _pictures is None:
        return 0
    if path not in _pictures:
        picture = _pictures.new(path)
        picture.image_size = (SIDE, SIDE)
        picture.image_pixels_float.foreach_set(draw(path).ravel())
    return _pictures[path].icon_id


def draw(path: str) -> np.ndarray:
    """Draw a camera path: (SIDE, SIDE, 4) float32 sRGB with alpha, the bottom row first."""
    places = camera_path(path, 96)[:, :3, 3]
    way = places[:, :2] * (1, -1) + places[:, 2:] * (_AWAY, _AWAY)
    way -= (way.min(0) + way.max(0)) / 2
    lines = [(_to_pixels(_FRAME), FRAME, 2.0), (_to_pixels(way), WAY, 3.5), (_arrowhead(_to_pixels(way)), WAY, 3.5)]
    picture = np.zeros((SIDE, SIDE, 4), np.float32)
    for line, color, width in lines:
        cover = _cover(line, width)[..., None]
        picture[..., :3] = picture[..., :3] * (1 - cover) + cover * color
        picture[..., 3:] += (1 - picture[..., 3:]) * cover
    return picture


def _to_pixels(line: np.ndarray) -> np.ndarray:
    return (line / _SPAN + 0.5) * SIDE


def _arrowhead(way: np.ndarray) -> np.ndarray:
    """The two barbs at the end of a line, as a line through its end."""
    end = way[-1]
    back = way[-6] - end
    back *= _HEAD / max(float(np.hypot(*back)), 1e-6)
    turned = np.array((-back[1], back[0]))
    return np.array((end + back + turned, end, end + back - turned))


def _cover(line: np.ndarray, width: float) -> np.ndarray:
    """(SIDE, SIDE) share of each pixel that a line of this width, px, covers."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    pixels = np.stack([x, y], -1)
    nearest = np.full((SIDE, SIDE), np.inf)
    for start, end in zip(line[:-1], line[1:]):
        along = end - start
        share = ((pixels - start) @ along / max(float(along @ along), 1e-9)).clip(0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(pixels - start - share[..., None] * along, axis=-1))
    return (width / 2 - nearest + 0.5).clip(0, 1)


def register() -> None:
    global _pictures
    if not bpy.app.background:
        _pictures = bpy.utils.previews.new()


def unregister() -> None:
    global _pictures
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
        _pictures = None
