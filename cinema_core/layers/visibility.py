"""Visibility: the occluded surfaces and the outpainted pixels that some camera preset shows.

Most occluded surfaces behind foliage stay occluded: another leaf is in front of them at every position of the camera.
Pixels beyond the photo's border may stay occluded by nearer ones there. So all surfaces are projected into cameras
along the presets, into depth buffers of cells. A surface that is nowhere as near as the buffer needs no points. In
doubt it counts as visible: occluders are shrunk a little, and mixed pixels along edges occlude nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..shared.camera import PATHS, camera_path
from ..threads import map_threads
from .discontinuities import MIN_DISCONTINUITY
from .occluded import MIN_SEPARATION, Canvas, Occluded
from .outpaint import THIN_SURROUND

AMPLITUDE_MARGIN = 1.02  # of the presets' amplitude
SIDE_CELLS = 1200  # cells along the longer side of a large canvas, about; a smaller canvas has cells of 1 px
FRAME_MARGIN = 1  # cells around the frame that count as inside it
SHRINK_CELLS = 3  # side of the square of cells that must all be nearer than a surface to occlude it
MIN_DEPTH_SHARE = 0.01  # of a depth; limits the magnification of surfaces that the camera comes close to
CHUNK_CELLS = 1 << 17  # cells projected at a time: bounds the memory
# Frames of each path that are tested: its ends, and enough between them for views through gaps that pass by.
STRAIGHT_FRAMES = [0, 12, 24, 35, 47, 59]
VIEW_FRAMES = {
    "up-down": STRAIGHT_FRAMES,
    "zoom-in": STRAIGHT_FRAMES[2:],
    "side": STRAIGHT_FRAMES,
    "circle": list(range(0, 90, 6)),
}
VIEW_CENTRES = np.concatenate([camera_path(name)[VIEW_FRAMES[name], :3, 3] for name in PATHS])  # scene units


def find_disoccluded(
    canvas: Canvas, ranks: list[list[Occluded]], mixed: np.ndarray, window: tuple[slice, slice], reach: float = 1.0
) -> tuple[np.ndarray, list[list[Occluded]]]:
    """Drop the surfaces that no preset shows.

    Args:
        canvas: The canvas.
        ranks: Occluded surfaces by rank, from `depth_order.order_occluded`.
        mixed: (M,) int64, flat canvas indices of mixed pixels, which occlude nothing.
        window: Rows and columns of the photo, all of which counts as visible.
        reach: Factor on how far the presets move the camera.

    Returns:
        (Hc, Wc) bool, visible pixels of the canvas; and the disoccluded surfaces by rank.
    """
    cells = _CellGrid(canvas, mixed)
    valid = np.zeros(canvas.valid.shape, bool)
    valid[window] = True
    border = np.flatnonzero(canvas.valid & ~valid)
    parts = [part for rank in ranks for part in rank]
    surfaces = [(border, canvas.disparity.ravel()[border]), *((part.index, part.disparity) for part in parts)]
    groups = map_threads(lambda surface: cells.group(*surface), surfaces)
    visible_border, *visible_parts = cells.find_visible(groups, reach * AMPLITUDE_MARGIN * VIEW_CENTRES)
    valid.ravel()[border[visible_border]] = True
    # Pixels around a nearer object move less and may stay out of view, but without them it would have no boundary
    # there.
    nearer = cv2.dilate(
        np.where(valid, canvas.disparity, np.float32(0)), np.ones((2 * THIN_SURROUND + 1,) * 2, np.uint8)
    )
    valid |= canvas.valid & (nearer > canvas.disparity + MIN_DISCONTINUITY)
    visible = dict(zip(parts, visible_parts))
    left = [[part.where(visible[part]) for part in rank if visible[part].any()] for rank in ranks]
    left = [rank for rank in left if rank]
    for part in (part for rank in left for part in rank):
        valid.ravel()[part.source] = True  # needed to tell whether the occluded surface moves
    return valid, left


@dataclass(frozen=True, eq=False)
class _Group:
    """A surface that may be visible, in cells.

    Attributes:
        index: (P,) int64, flat canvas indices of its pixels.
        cell: (G,) int64, flat indices of its cells.
        disparity: (G,) float32, of one pixel of each cell.
        whole: (G,) bool, the surface fills the cell.
    """

    index: np.ndarray
    cell: np.ndarray
    disparity: np.ndarray
    whole: np.ndarray


class _CellGrid:
    """The canvas in cells.

    Args:
        canvas: The canvas.
        mixed: (M,) int64, flat indices of pixels that occlude nothing.

    Attributes:
        size: px of a cell's side.
        shape: Rows and columns of cells.
        centre: (2,) float32, px from the canvas's upper left corner down and right to its centre.
        frame: Rows and columns of cells of the camera's frame with its margin.
        occluder: (G,) int64, flat indices of the cells that are filled by valid pixels.
        disparity: (G,) float32, of the farthest pixel in each of these.
    """

    def __init__(self, canvas: Canvas, mixed: np.ndarray) -> None:
        self.camera, self._width = canvas.camera, canvas.valid.shape[1]
        self.centre = np.array(canvas.valid.shape, np.float32) / 2
        self.size = size = max(1, round(max(canvas.valid.shape) / SIDE_CELLS))
        self.shape = tuple(-(-side // size) for side in canvas.valid.shape)
        self.frame = tuple(-(-side // size) + 2 * FRAME_MARGIN for side in (self.camera.height, self.camera.width))
        farthest: np.ndarray = np.where(canvas.valid, canvas.disparity, np.float32(-1))
        farthest.ravel()[mixed] = -1
        if size > 1:
            square = np.ones((size, size), np.uint8)
            farthest = cv2.erode(farthest, square, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=(-1,))
            farthest = farthest[::size, ::size].copy()
        self.occluder = np.flatnonzero(farthest >= 0)
        self.disparity = farthest.ravel()[self.occluder]

    def group(self, index: np.ndarray, disparity: np.ndarray) -> _Group:
        """A surface in cells: (P,) flat canvas indices, and the disparity there."""
        if self.size == 1:
            return _Group(index, index, disparity, np.ones(len(index), bool))
        own = self._cell_of(index)
        count = np.bincount(own, minlength=self.shape[0] * self.shape[1])
        value = np.empty(len(count), np.float32)
        value[own] = disparity
        cell = np.flatnonzero(count)
        return _Group(index, cell, value[cell], count[cell] == self.size**2)

    def _to_pixels(self, group: _Group, visible: np.ndarray) -> np.ndarray:
        """(P,) bool: pixels of a group inside or next to those of its cells that are visible, (G,) bool."""
        if self.size == 1:
            return visible
        mask = np.zeros(self.shape, np.uint8)
        mask.ravel()[group.cell[visible]] = 1
        return cv2.dilate(mask, np.ones((3, 3), np.uint8)).ravel()[self._cell_of(group.index)] > 0

    def _cell_of(self, index: np.ndarray) -> np.ndarray:
        row, column = np.divmod(index, self._width)
        return row // self.size * self.shape[1] + column // self.size

    def find_visible(self, groups: list[_Group], centres: np.ndarray) -> list[np.ndarray]:
        """Find the pixels that are visible from any of some camera centres.

        Args:
            groups: First the outpainted pixels, then the occluded surfaces.
            centres: (N, 3), scene units.

        Returns:
            (P,) bool for each group.
        """
        cell, disparity = (np.concatenate([getattr(group, name) for group in groups]) for name in ("cell", "disparity"))
        front, behind = _Projection(self, self.occluder, self.disparity), _Projection(self, cell, disparity)
        occluder = np.concatenate([np.where(group.whole, group.disparity, np.float32(-1)) for group in groups])
        occluder[: len(groups[0].cell)] = -1

        def from_centre(centre: np.ndarray) -> np.ndarray:
            nearest = np.zeros(front.sides[0] * front.sides[1], np.float32)  # the depth buffer
            for part in front.chunks():
                np.maximum.at(nearest, front.index_at(front.project(centre, part)), front.disparity[part])
            place = np.empty(len(occluder), np.int32)
            for part in behind.chunks():
                projected = behind.project(centre, part)
                np.maximum.at(nearest, behind.index_at(projected), occluder[part])
                place[part] = behind.index_at([along + np.float32(0.5) for along in projected])
            buffer: np.ndarray = nearest.reshape(front.sides)
            buffer = cv2.dilate(buffer, np.ones((2, 2), np.uint8), anchor=(1, 1))  # a projected cell overlaps 2 x 2
            buffer = cv2.erode(buffer, np.ones((SHRINK_CELLS, SHRINK_CELLS), np.uint8))
            buffer[[0, -1]] = buffer[:, [0, -1]] = np.inf
            return disparity >= buffer.ravel()[place] - MIN_SEPARATION

        visible = np.logical_or.reduce(map_threads(from_centre, centres.astype(np.float32)))
        ends = np.cumsum([len(group.cell) for group in groups])[:-1]
        return map_threads(lambda pair: self._to_pixels(*pair), zip(groups, np.split(visible, ends)))


class _Projection:
    """Projects cells of the canvas into the frame of a moved camera.

    Args:
        cells: The grid.
        cell: (G,) int64, flat indices of cells.
        disparity: (G,) float32, of the cells.

    Attributes:
        disparity: As given.
        sides: Rows and columns of the frame in cells, with one more on each side that takes all cells outside the
            frame.
    """

    def __init__(self, cells: _CellGrid, cell: np.ndarray, disparity: np.ndarray) -> None:
        row, column = np.divmod(cell, cells.shape[1])
        self.disparity, self.sides = disparity, tuple(along + 2 for along in cells.frame)
        self._down, self._right = (
            np.float32(at + 0.5) - centre / cells.size for at, centre in zip((row, column), cells.centre)
        )
        self._focal = np.float32(cells.camera.focal / cells.size)
        self._offset = [
            np.float32(side / cells.size / 2 + FRAME_MARGIN + 0.5) for side in (cells.camera.height, cells.camera.width)
        ]

    def chunks(self) -> list[slice]:
        return [slice(begin, begin + CHUNK_CELLS) for begin in range(0, len(self.disparity), CHUNK_CELLS)]

    def project(self, centre: np.ndarray, part: slice) -> list[np.ndarray]:
        """(G,) float32 rows and columns in the frame of a camera at `centre`, (3,) scene units; in cells."""
        disparity = self.disparity[part]
        size = 1 / np.maximum(1 - centre[2] * disparity, np.float32(MIN_DEPTH_SHARE)) if centre[2] else np.float32(1)
        projected = []
        for along, moved, offset in zip((self._down[part], self._right[part]), (centre[1], centre[0]), self._offset):
            place = disparity * (-self._focal * moved)
            place += along
            place *= size
            place += offset
            projected.append(place)
        return projected

    def index_at(self, projected: list[np.ndarray]) -> np.ndarray:
        """(G,) int32 flat indices in the frame, rounded down; cells outside the frame fall on its outermost ones."""
        row, column = (
            np.minimum(np.maximum(along, 0), side - 1).astype(np.int32) for along, side in zip(projected, self.sides)
        )
        row *= np.int32(self.sides[1])
        row += column
        return row
