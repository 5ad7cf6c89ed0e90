"""Suggestions: the parts of a photo that appear to flow, as strokes to edit.

Input: the working photo. Output: closed outlines of sky, clouds, fog and water, and motion strokes in them: the sky
drifts sideways, falls run down, and other water runs along its texture. The rules cannot tell in which of the two
directions a river runs; where a stroke points upstream, the artist reverses it.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.masks import refine_mask
from ..shared.data import Photo, Stroke
from .flowing import RULES_SIDE, FlowingPart, find_flowing, shrink_to

OUTLINE_SIDE = 640  # px, of the longer side at which outlines follow the photo's edges
MAX_CORNERS = 60  # of an outline
MAX_REGIONS = 5  # suggested for a photo
MIN_REGION_AREA = 0.01  # share of the photo; smaller parts are not suggested
MIN_ISLAND_AREA = 0.004  # share of the photo; smaller holes get no Still outline
MIN_FALL_AREA = 0.004  # share of the photo; smaller falls get no stroke
SKY_STROKE, WATER_STROKE, FALL_STROKE = 0.03, 0.05, 0.08  # of the longer side; the length over 50 is the speed
FALL_GRADIENT = 6.0  # Sobel response to Lab's L at RULES_SIDE; smoother areas are no falls


def suggest_strokes(photo: Photo, parts: list[FlowingPart] | None = None) -> list[Stroke]:
    """Suggest regions and a motion for each.

    Args:
        photo: The working photo.
        parts: The photo's flowing parts, as from `find_flowing`; None finds them.

    Returns:
        Closed "region" outlines, the largest first, each followed by "still" outlines of the islands in it and by its
        "motion" strokes, in px of the photo; empty where nothing appears to flow.
    """
    small = shrink_to(photo.color, RULES_SIDE)
    fine = shrink_to(photo.color, OUTLINE_SIDE)
    parts = find_flowing(photo) if parts is None else parts
    strokes = []
    for part, in_sky in [part for part in parts if part[0].mean() >= MIN_REGION_AREA][:MAX_REGIONS]:
        outlines = _outlines(refine_mask(part, fine), photo)
        if outlines:
            strokes += [*outlines, *_motion_strokes(small, part, in_sky, photo)]
    return strokes


def _outlines(mask: np.ndarray, photo: Photo) -> list[Stroke]:
    """A "region" outline around the largest component of a mask, and "still" outlines around its larger holes."""
    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    scale = np.array((photo.width / mask.shape[1], photo.height / mask.shape[0]))
    areas = np.array([cv2.contourArea(contour) for contour in contours])
    largest = int(np.argmax(np.where(tree[0, :, 3] < 0, areas, -1)))
    holes = np.flatnonzero((tree[0, :, 3] == largest) & (areas > MIN_ISLAND_AREA * mask.size))
    strokes = []
    for kind, number in [("region", largest), *(("still", int(hole)) for hole in holes)]:
        corners = _simplified(contours[number][:, 0], mask.shape)
        if len(corners) > 2:
            strokes.append(Stroke(kind, (corners * scale).astype(np.float32), closed=True))
    return strokes if strokes and strokes[0].kind == "region" else []


def _simplified(contour: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(N, 2) px, the contour with at most MAX_CORNERS corners. At the photo's border they lie on its very edge."""
    tolerance = max(shape) / 640
    corners = contour
    while len(corners) > MAX_CORNERS or tolerance <= max(shape) / 320:
        corners = cv2.approxPolyDP(contour[:, None], tolerance, True)[:, 0]
        tolerance *= 1.3
    size = np.array(shape[::-1])
    return np.where(corners <= 0, 0, np.where(corners >= size - 1, size, corners + 0.5))


def _motion_strokes(small: np.ndarray, part: np.ndarray, in_sky: bool, photo: Photo) -> list[Stroke]:
    """A stroke for the largest fall in the part and one for the other water; in the sky a single stroke."""
    if in_sky:
        return [_motion_stroke(part, np.array((1.0, 0.0)), SKY_STROKE, photo)]
    tensor = _structure_tensor(small)
    falls = _falls(small, part, tensor)
    strokes = []
    if falls.any():
        main = _largest_component(falls)
        strokes.append(_motion_stroke(main, _texture_direction(tensor, main, down=True), FALL_STROKE, photo))
    rest = part & ~cv2.dilate(falls.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    if rest.sum() > 0.5 * part.sum() or not strokes:
        strokes.append(_motion_stroke(rest, _texture_direction(tensor, rest), WATER_STROKE, photo))
    return strokes


def _structure_tensor(small: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32, the structure tensor of the lightness: xx, xy, yy."""
    light = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)[..., 0]
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    return np.stack([across * across, across * down, down * down], -1)


def _falls(small: np.ndarray, part: np.ndarray, tensor: np.ndarray) -> np.ndarray:
    """(h, w) bool: the areas of a part with strong upright texture, as of waterfalls."""
    inner = cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8))  # leaves out the edges of rocks
    xx, xy, yy = np.moveaxis(cv2.GaussianBlur(tensor * inner[..., None], (0, 0), max(small.shape) / 64), -1, 0)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the steepest gradient
    coherent = np.hypot(xx - yy, 2 * xy) > 0.35 * (xx + yy)
    rough = xx + yy > FALL_GRADIENT**2 * cv2.GaussianBlur(inner.astype(np.float32), (0, 0), max(small.shape) / 64)
    upright = part & coherent & rough & (np.abs(np.sin(angle)) < 0.6)
    opened = cv2.morphologyEx(upright.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(opened)
    large = stats[:, cv2.CC_STAT_AREA] > MIN_FALL_AREA * part.size
    large[0] = False
    return large[numbers]


def _largest_component(mask: np.ndarray) -> np.ndarray:
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return numbers == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _texture_direction(tensor: np.ndarray, mask: np.ndarray, down: bool = False) -> np.ndarray:
    """(2,) unit vector along the main texture of an area: downward where it is steep, otherwise to the right.

    With `down`, a texture that is not steep gives straight down.
    """
    xx, xy, yy = tensor[mask].sum(0) if mask.any() else (0.0, 0.0, 1.0)
    _, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]], np.float64))
    direction = vectors[:, 0]  # the direction in which the texture changes least
    if down and abs(direction[1]) < 0.7:
        direction = np.array((0.0, 1.0))
    forward = direction[1] if abs(direction[1]) > 0.5 else direction[0]
    return direction if forward >= 0 else -direction


def _motion_stroke(mask: np.ndarray, direction: np.ndarray, length: float, photo: Photo) -> Stroke:
    """A motion stroke through the middle of an area, no longer than fits into it.

    Args:
        mask: (h, w) bool, of the photo at any size.
        direction: (2,) unit vector.
        length: Share of the longer side; it sets the speed even where the stroke must be shorter.
        photo: The working photo.
    """
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(distance)), mask.shape)
    half = length * max(mask.shape) / 2
    scale = np.array((photo.width / mask.shape[1], photo.height / mask.shape[0]))
    middle = np.array((column + 0.5, row + 0.5))
    half = max(2.0, min(half, float(distance[row, column])))
    ends = np.stack([middle - half * direction, middle + half * direction])
    return Stroke(
        "motion",
        np.clip(ends * scale, 0, (photo.width, photo.height)).astype(np.float32),
        speed=round(float(length * max(mask.shape) / (2 * half)), 2),
    )
