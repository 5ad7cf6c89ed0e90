"""The motion field: velocities everywhere in the region, from hints along strokes.

Input: hints and the region on the layers' canvas. Output: (Hc, Wc, 2) float32 px/frame.

Every connected part of the region is a sparse least-squares solve of its own, over nodes of a bilinear grid. The flow M
is sought together with a *drift* B on a coarser grid: B is as even as can be and carries what turns; M holds the
hints, neither piles up nor runs into banks, and differs from B only by what has no curl, and little of that. So a
rock in the water costs nothing but the water's way round it: it does not brake what flows far from it.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import extend
from .equations import along_texture, boundary_rows, fluid_rows, hint_rows, smoothness_rows, solve_rows
from .open_boundaries import DEFAULT_SPEED, closed_boundary
from .solver_grid import Part, build_grid, cell_centres, fit_receding_plane, plane_at, to_pixels

MOST_NODES = 5000  # of all parts; the answer within a second sets it, the flow's detail hardly grows beyond
FEW_NODES = 500  # a small part beside a large one gets so many, if it has as many pixels
TINY = 30  # px; a part no larger moves as one


def solve_motion(
    region: np.ndarray,
    pixels: np.ndarray,
    velocities: np.ndarray,
    color: np.ndarray,
    disparity: np.ndarray,
    pins: np.ndarray | None = None,
    outlets: np.ndarray | None = None,
    perspective: bool = False,
    incompressible: bool = True,
) -> np.ndarray:
    """Solve for the motion field of a region.

    Args:
        region: (H, W) bool.
        pixels: (N, 2) float32, px, where velocities are known.
        velocities: (N, 2) float32, px/frame.
        color: (H, W, 3) float32, sRGB, as seen in the region.
        disparity: (H, W) float32, of the region's surface.
        pins: (P, 2) float32, px, where the motion is zero.
        outlets: (H, W) bool; near it water may come and go through the region's border.
        perspective: Let nearer water of a receding plane move faster.
        incompressible: Water: it neither piles up nor runs into banks. Else only smooth.

    Returns:
        (H, W, 2) float32, px/frame, continued beyond the region so that it can be sampled at its border.

    Source: Li et al., CVPR 2023, for sparse hints on an Eulerian field; the solve is ours.
    """
    motion = np.zeros((*region.shape, 2), np.float32)
    if not region.any():
        return motion
    pixels, velocities = _finite(pixels, velocities)
    pins = _finite(np.zeros((0, 2)) if pins is None else pins)[0]
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=4)
    areas = boxes[1:, cv2.CC_STAT_AREA]
    widest = int(np.ceil(np.sqrt(areas.sum() / MOST_NODES)))
    hinted, pinned = _label_at(labels, pixels), _label_at(labels, pins)
    for label in range(1, len(boxes)):
        window, corner = _window(boxes[label], 2 * widest, region.shape)
        mask, own, held = labels[window] == label, hinted == label, pinned == label
        part = Part(
            mask, color[window], disparity[window], pixels[own] - corner, velocities[own], pins[held] - corner,
            None if outlets is None else outlets[window], DEFAULT_SPEED * max(region.shape),
        )  # fmt: skip
        size = min(widest, max(1, int(np.sqrt(areas[label - 1] / FEW_NODES))))
        field = _as_one(part) if areas[label - 1] <= TINY else _solve_part(part, size, perspective, incompressible)
        motion[window][mask] = field[mask]
    return extend(motion, region)


def _finite(*arrays: np.ndarray) -> list[np.ndarray]:
    arrays = [np.asarray(array, np.float32).reshape(-1, 2) for array in arrays]
    good = np.logical_and.reduce([np.isfinite(array).all(1) for array in arrays])
    return [array[good] for array in arrays]


def _label_at(labels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(N,) the part that each place lies in, 0 for none."""
    height, width = labels.shape
    column, row = np.floor(np.clip(pixels, -1, 1e6)).astype(np.int64).T
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return np.where(within, labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)], 0)


def _window(box: np.ndarray, margin: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], np.ndarray]:
    left, top, width, height = box[:4]
    rows = slice(max(0, top - margin), min(shape[0], top + height + margin))
    columns = slice(max(0, left - margin), min(shape[1], left + width + margin))
    return (rows, columns), np.array([columns.start, rows.start], np.float32)


def _as_one(part: Part) -> np.ndarray:
    known = np.concatenate([part.velocities, np.zeros_like(part.pins)])
    velocity = known.mean(0) if len(known) else along_texture(part)
    return np.broadcast_to(velocity.astype(np.float32), (*part.mask.shape, 2))


def _solve_part(part: Part, size: int, perspective: bool, incompressible: bool) -> np.ndarray:
    """(h, w, 2) float32 px/frame over the part's window."""
    plane = fit_receding_plane(part, size) if perspective else None
    grid = build_grid(part, size, plane)
    if incompressible:
        flow = solve_rows(
            grid,
            [
                *fluid_rows(grid, part.mask),
                *hint_rows(grid, part),
                boundary_rows(grid, *closed_boundary(part, size, plane)),
            ],
        )
    else:
        flow = solve_rows(grid, [smoothness_rows(grid, 1.0), *hint_rows(grid, part)])
    field = to_pixels(grid, flow, part.mask.shape)
    return field if plane is None else field * plane_at(plane, *cell_centres(part.mask.shape, 1))[..., None]


def feather(motion: np.ndarray, region: np.ndarray, width: float, soft: np.ndarray | None = None) -> np.ndarray:
    """Let motion fade to none at the region's border.

    With a field that is zero at the border nothing enters or leaves: the flow map carries the region onto itself, so
    that no front of new texture runs through the picture and no edge is seen to shear. Where water springs, its
    texture is stretched over the strip. Only beyond the photo and behind nearer things, where the region goes on
    unseen, does it flow out freely.

    Args:
        motion: (H, W, 2) float32, px/frame.
        region: (H, W) bool.
        width: Of the strip, px.
        soft: (H, W) float32 factor 0..1 on the motion besides, from a soft mask.

    Returns:
        (H, W, 2) float32, px/frame.
    """
    if not region.all():
        distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        near = np.clip((distance - 1) / max(2.0, width), 0, 1)
        motion = motion * (near * near * (3 - 2 * near))[..., None]
    return motion if soft is None else motion * soft[..., None]
