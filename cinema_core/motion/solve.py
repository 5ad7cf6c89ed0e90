"""The motion field: velocities everywhere in the region, solved from hints along strokes.

Input: hints and the region on the layers' canvas. Output: (Hc, Wc, 2) float32 px/frame.

Each connected part of the region is a sparse linear least-squares problem of its own, over the nodes of a bilinear
grid. The unknowns are the flow M and, on a coarser grid, a base flow B. B is as smooth as possible and may rotate. M
follows the hints, has no divergence, does not cross the closed boundary, and differs from B only by a small curl-free
field. So a rock deflects the water near it, as in potential flow, and does not slow the water far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import extend
from .equations import boundary_rows, fluid_rows, hint_rows, smoothness_rows, solve_rows, texture_velocity
from .open_boundaries import weighted_boundary
from .solver_grid import DEFAULT_SPEED, Part, build_grid, cell_centres, fit_receding_plane, plane_at, to_pixels

MAX_NODES = 5000  # grid nodes of all parts together; keeps the solve within a second, more adds hardly any detail
SMALL_PART_NODES = 500  # grid nodes of a small part beside a large one, if it has that many pixels
RIGID_PIXELS = 30  # px; a part with no more pixels moves with one velocity


@dataclass(frozen=True, eq=False)
class MotionConstraints:
    """Known velocities, and openings of the region's border.

    Attributes:
        pixels: (N, 2) float32, px, where velocities are known.
        velocities: (N, 2) float32, px/frame.
        pins: (P, 2) float32, px, where the motion is zero; None for no pins.
        outlets: (H, W) bool; near it water may enter and leave through the region's border. None for no outlets.
    """

    pixels: np.ndarray
    velocities: np.ndarray
    pins: np.ndarray | None = None
    outlets: np.ndarray | None = None


def solve_motion(
    region: np.ndarray,
    known: MotionConstraints,
    color: np.ndarray,
    disparity: np.ndarray,
    perspective: bool = False,
    incompressible: bool = True,
) -> np.ndarray:
    """Solve for the motion field of a region.

    Args:
        region: (H, W) bool.
        known: The constraints on the field.
        color: (H, W, 3) float32, sRGB, as seen in the region.
        disparity: (H, W) float32, of the region's surface.
        perspective: Let the nearer water of a receding plane move faster.
        incompressible: Solve for water, without divergence and along the boundary. Otherwise the field is only smooth.

    Returns:
        (H, W, 2) float32, px/frame, extended beyond the region so that it can be sampled at the region's border.

    Source: Li et al., CVPR 2023, for sparse hints on an Eulerian field; the solve is ours.
    """
    motion = np.zeros((*region.shape, 2), np.float32)
    if not region.any():
        return motion
    pixels, velocities = _finite(known.pixels, known.velocities)
    pins = _finite(np.zeros((0, 2)) if known.pins is None else known.pins)[0]
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    areas = boxes[1:, cv2.CC_STAT_AREA]
    largest_cell = int(np.ceil(np.sqrt(areas.sum() / MAX_NODES)))
    hinted, pinned = _label_at(labels, pixels), _label_at(labels, pins)
    for label in range(1, len(boxes)):
        window, corner = _window(boxes[label], 2 * largest_cell, region.shape)
        mask, own, held = labels[window] == label, hinted == label, pinned == label
        part = Part(
            mask, color[window], disparity[window], pixels[own] - corner, velocities[own], pins[held] - corner,
            None if known.outlets is None else known.outlets[window], DEFAULT_SPEED * max(region.shape),
        )  # fmt: skip
        size = min(largest_cell, max(1, int(np.sqrt(areas[label - 1] / SMALL_PART_NODES))))
        rigid = areas[label - 1] <= RIGID_PIXELS
        field = _rigid_motion(part) if rigid else _solve_part(part, size, perspective, incompressible)
        motion[window][mask] = field[mask]
    return extend(motion, region)


def _finite(*arrays: np.ndarray) -> list[np.ndarray]:
    """Arrays of pairs, float32, without the rows in which any of them is not finite."""
    pairs = [np.asarray(array, np.float32).reshape(-1, 2) for array in arrays]
    finite = np.logical_and.reduce([np.isfinite(array).all(1) for array in pairs])
    return [array[finite] for array in pairs]


def _label_at(labels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) label of the part in which each position lies, 0 outside all parts."""
    height, width = labels.shape
    column, row = np.floor(np.clip(pixels, -1, 1e6)).astype(np.int64).T
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(within, labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], 0)


def _window(box: np.ndarray, margin: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], np.ndarray]:
    """Slices of a part's bounding box with a margin, within the canvas, and the (2,) px of its upper left corner."""
    left, top, width, height = box[:4]
    rows = slice(max(0, top - margin), min(shape[0], top + height + margin))
    columns = slice(max(0, left - margin), min(shape[1], left + width + margin))
    return (rows, columns), np.array([columns.start, rows.start], np.float32)


def _rigid_motion(part: Part) -> np.ndarray:
    """(h, w, 2) float32 px/frame, the same everywhere: the mean of hints and pins, otherwise along the texture."""
    known = np.concatenate([part.velocities, np.zeros_like(part.pins)])
    velocity = known.mean(0) if len(known) else texture_velocity(part)
    return np.broadcast_to(velocity.astype(np.float32), (*part.mask.shape, 2))


def _solve_part(part: Part, size: int, perspective: bool, incompressible: bool) -> np.ndarray:
    """(h, w, 2) float32 px/frame over the part's window, from grid cells of `size` px."""
    plane = fit_receding_plane(part, size) if perspective else None
    grid = build_grid(part, size, plane)
    if incompressible:
        flow = solve_rows(
            grid,
            [
                *fluid_rows(grid, part.mask),
                *hint_rows(grid, part),
                boundary_rows(grid, *weighted_boundary(part, size, plane)),
            ],
        )
    else:
        flow = solve_rows(grid, [smoothness_rows(grid, 1.0), *hint_rows(grid, part)])
    field = to_pixels(grid, flow, part.mask.shape)
    return field if plane is None else field * plane_at(plane, *cell_centres(part.mask.shape, 1))[..., None]


def feather(motion: np.ndarray, region: np.ndarray, width: float, soft: np.ndarray | None = None) -> np.ndarray:
    """Fade the motion to zero at the region's border.

    With a field that is zero at the border no texture enters or leaves: the flow map carries the region onto itself.
    So no front of new texture runs through the picture and no edge appears to shear. Where water springs up, its
    texture is stretched over the strip. Water flows out freely only beyond the photo and behind occluders, where the
    region continues unseen.

    Args:
        motion: (H, W, 2) float32, px/frame.
        region: (H, W) bool.
        width: Width of the strip in which the motion fades, px.
        soft: (H, W) float32, a further factor 0..1 on the motion, from a soft mask.

    Returns:
        (H, W, 2) float32, px/frame.
    """
    if not region.all():
        distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        near = np.clip((distance - 1) / max(2.0, width), 0, 1)
        motion = motion * (near * near * (3 - 2 * near))[..., None]
    return motion if soft is None else motion * soft[..., None]
