"""Areas from outlines: the pixels of the Region, Sway and Still strokes, of painted masks and of outlets.

Input: strokes in px of the working photo. Output: (H, W) masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..image.polyline import fill_polygon, pixel_corners, resample
from ..shared.data import Photo, Stroke

OUTLET_STROKE_RADIUS = 0.01  # share of the longer side; half the width of an outlet stroke in its mask
FRAME_GAP = 0.01  # of the longer side; an area that ends within it of the photo's edge is extended to the edge
NESTED_SHARE = 0.95  # of an outline's length; an outline with more of it inside another is nested in that one
PAINT_EMPTY, PAINT_FULL = 0.05, 0.95  # of a painted mask, 0..1; values between them are soft
AREA_KINDS = ("region", "sway", "still")  # kinds that enclose an area; the later one wins where outlines cross


def area_masks(strokes: Sequence[Stroke], photo: Photo) -> dict[str, np.ndarray]:
    """(H, W) bool for each of `AREA_KINDS`; they do not overlap.

    The innermost outline around a pixel decides its kind.
    """
    shape = (photo.height, photo.width)
    outlines = [s for s in strokes if s.kind in ("region", "sway") or (s.kind == "still" and encloses_area(s))]
    areas = {kind: np.zeros(shape, bool) for kind in AREA_KINDS}
    inner = _nested_outlines([stroke.points for stroke in outlines], shape)
    nested = set().union(*inner)
    for number, (stroke, within) in enumerate(zip(outlines, inner)):
        area = _outline_mask(stroke.points, shape)
        for other in within if stroke.kind != "still" or number in nested else ():
            if outlines[other].kind != stroke.kind:
                area &= ~_outline_mask(outlines[other].points, shape)
        areas[stroke.kind] |= area
    areas["sway"] &= ~areas["still"]
    areas["region"] &= ~areas["still"] & ~areas["sway"]
    return areas


def _outline_mask(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the pixels inside an outline, extended to the photo's edge."""
    return _extend_to_frame(fill_polygon(points, shape))


def _extend_to_frame(area: np.ndarray) -> np.ndarray:
    """Extend an area, (H, W) bool, to the photo's edge where it ends just before it. Changes the area in place.

    Nobody draws along the very edge, and labelling tools end a pixel before it. Without the extension the remaining
    strip would be a boundary that the water slides along, and nothing would move beyond the photo's border.
    """
    reach = max(1, round(FRAME_GAP * max(area.shape)))
    for inward in (area, area[::-1], area.T, area.T[::-1]):
        strip = inward[: reach + 1]
        strip[:] = np.logical_or.accumulate(strip[::-1], 0)[::-1]
    return area


def encloses_area(stroke: Stroke) -> bool:
    """Whether a stroke is closed and at least a pixel wide and high."""
    return stroke.closed and len(stroke.points) > 2 and float(np.ptp(stroke.points, axis=0).min()) >= 1.0


def _nested_outlines(outlines: Sequence[np.ndarray], shape: tuple[int, int]) -> list[list[int]]:
    """For every outline the numbers of the outlines nested in it."""
    if not outlines:
        return []
    lines = [np.clip(resample(points, True, 2.0)[0], 0, np.array(shape[::-1]) - 1e-3) for points in outlines]
    sizes = np.array([abs(cv2.contourArea(line.astype(np.float32))) for line in lines])
    counts = np.array([len(line) for line in lines])
    every = np.concatenate(lines)
    inner = []
    for points, size in zip(outlines, sizes):
        inside = np.add.reduceat(mask_at(fill_polygon(points, shape), every).astype(int), np.cumsum(counts) - counts)
        inner.append(np.flatnonzero((inside > NESTED_SHARE * counts) & (sizes < size)).tolist())
    return inner


def with_painted(region: np.ndarray, painted: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Add a painted mask to a region.

    Args:
        region: (H, W) bool.
        painted: (H, W) float32 0..1, or None.

    Returns:
        (H, W) bool, the region with the painted area, and (H, W) float32, the factor on the motion, or None where the
        mask has no soft area.
    """
    if painted is None:
        return region, None
    soft = ((painted > PAINT_EMPTY) & (painted < PAINT_FULL)).astype(np.uint8)
    if not cv2.erode(soft, np.ones((3, 3), np.uint8)).any():  # only the smooth outline of a hard mask
        return _extend_to_frame(region | (painted > 0.5)), None
    return region | (painted > PAINT_EMPTY), np.where(region, 1, painted).astype(np.float32)


def outlet_mask(strokes: Sequence[Stroke], photo: Photo) -> np.ndarray | None:
    """(H, W) bool: a band around the outlet strokes; None without one."""
    outlets = [stroke for stroke in strokes if stroke.kind == "outlet"]
    if not outlets:
        return None
    mask = np.zeros(photo.color.shape[:2], np.uint8)
    width = max(3, round(2 * OUTLET_STROKE_RADIUS * max(mask.shape)))
    for stroke in outlets:
        cv2.polylines(mask, [pixel_corners(stroke.points)], stroke.closed, (1,), width)
    return mask.astype(bool)


def mask_at(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) the mask's value at (N, 2) px; positions beyond its border take the border's value."""
    column, row = (np.clip(pixels[:, axis].astype(int), 0, mask.shape[1 - axis] - 1) for axis in (0, 1))
    return mask[row, column]
