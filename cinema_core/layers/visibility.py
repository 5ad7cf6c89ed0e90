"""Revealed: what of the hidden, and of what lies beyond the border, the camera presets bring to sight at all.

Behind leaves most of what goes on is never seen: another leaf is before it wherever the camera stands. And what lies
beyond the border may be passed by what is nearer there. So all that is shown and all that goes on behind it is looked at
from places along the presets, in cells that keep how near the nearest thing in them is; what is nowhere as near needs no
points. What is doubtful is seen: things hide a little less than they cover, and mixed pixels along edges hide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..shared.camera import PATHS, camera_path
from ..threads import map_threads
from .discontinuities import CUT
from .occluded import BEHIND, Canvas, Occluded
from .outpaint import THIN_SURROUND

MARGIN = 1.02  # of the presets' amplitude
CELLS = 1200  # along the longer side of a large canvas, about; of a smaller one each pixel is one
BEYOND = 1  # cells around the frame that count as in it
LESS = 3  # cells; a place is hidden where all so many around it are
NEAREST = 0.01  # of a depth; what the camera comes closer to is hardly before it
AT_ONCE = 1 << 17  # that are looked at at a time: their room is bounded
# Of the paths the frames that are looked from: the ends, and enough between them for what shows through gaps on the way.
STRAIGHT = [0, 12, 24, 35, 47, 59]
FRAMES = {"up-down": STRAIGHT, "zoom-in": STRAIGHT[2:], "side": STRAIGHT, "circle": list(range(0, 90, 6))}
CENTRES = np.concatenate([camera_path(name)[FRAMES[name], :3, 3] for name in PATHS])


def find_disoccluded(
    canvas: Canvas, tiers: list[list[Occluded]], clear: np.ndarray, window: tuple[slice, slice], reach: float = 1.0
) -> tuple[np.ndarray, list[list[Occluded]]]:
    """Leave out what no preset shows.

    Args:
        canvas: The canvas.
        tiers: What goes on behind its pixels, of `tiers.find_tiers`.
        clear: (C,) int64, flat canvas indices of pixels that hide nothing whole: mixed ones.
        window: Rows and columns of the photo, all of which stays shown.
        reach: Factor on how far the presets move.

    Returns:
        (Hc, Wc) bool, what of the canvas is shown, and what is left of the tiers.
    """
    cells = _CellGrid(canvas, clear)
    valid = np.zeros(canvas.valid.shape, bool)
    valid[window] = True
    border = np.flatnonzero(canvas.valid & ~valid)
    parts = [part for tier in tiers for part in tier]
    places = [(border, canvas.disparity.ravel()[border]), *((part.index, part.disparity) for part in parts)]
    groups = map_threads(lambda place: cells.group(*place), places)
    seen_border, *seen_behind = cells.seen(groups, reach * MARGIN * CENTRES)
    valid.ravel()[border[seen_border]] = True
    # what lies around a nearer thing moves less, and may stay out of sight; but nothing else would tell where the thing ends
    kernel = np.ones((2 * THIN_SURROUND + 1,) * 2, np.uint8)
    nearer = cv2.dilate(np.where(valid, canvas.disparity, np.float32(0)), kernel)
    valid |= canvas.valid & (nearer > canvas.disparity + CUT)
    seen = dict(zip(parts, seen_behind))
    left = [[part.where(seen[part]) for part in tier if seen[part].any()] for tier in tiers]
    left = [tier for tier in left if tier]
    for part in (part for tier in left for part in tier):
        valid.ravel()[part.source] = True  # it tells whether what goes on there moves
    return valid, left


@dataclass(frozen=True, eq=False)
class _Group:
    """Pixels that may be seen: index (P,) flat in the canvas, and one of each cell of them: cell (G,) flat, disparity (G,),
    whole (G,) bool: they fill the cell."""

    index: np.ndarray
    cell: np.ndarray
    disparity: np.ndarray
    whole: np.ndarray


class _CellGrid:
    """The canvas in cells.

    Args:
        canvas: The canvas.
        clear: (C,) int64, pixels that hide nothing.

    Attributes:
        size: px of a cell.
        shape: Rows and columns.
        hiding: (G,) int64 flat, the cells that are shown whole.
        disparity: (G,) float32, of the farthest pixel in each of these.
    """

    def __init__(self, canvas: Canvas, clear: np.ndarray) -> None:
        self.camera, self.across = canvas.camera, canvas.valid.shape[1]
        self.middle = np.float32(canvas.valid.shape) / 2
        self.size = size = max(1, round(max(canvas.valid.shape) / CELLS))
        self.shape = tuple(-(-side // size) for side in canvas.valid.shape)
        self.frame = tuple(-(-side // size) + 2 * BEYOND for side in (self.camera.height, self.camera.width))
        farthest = np.where(canvas.valid, canvas.disparity, np.float32(-1))
        farthest.ravel()[clear] = -1
        if size > 1:
            square = np.ones((size, size), np.uint8)
            farthest = cv2.erode(farthest, square, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=-1)[
                ::size, ::size
            ].copy()
        self.hiding = np.flatnonzero(farthest >= 0)
        self.disparity = farthest.ravel()[self.hiding]

    def group(self, index: np.ndarray, disparity: np.ndarray) -> _Group:
        """What is at (P,) flat canvas indices, in cells."""
        if self.size == 1:
            return _Group(index, index, disparity, np.ones(len(index), bool))
        own = self._cell(index)
        count = np.bincount(own, minlength=self.shape[0] * self.shape[1])
        value = np.empty(len(count), np.float32)
        value[own] = disparity
        cell = np.flatnonzero(count)
        return _Group(index, cell, value[cell], count[cell] == self.size**2)

    def _pixels(self, group: _Group, seen: np.ndarray) -> np.ndarray:
        """(P,) bool: pixels of a group in and beside the cells (G,) bool of it that are seen."""
        if self.size == 1:
            return seen
        mask = np.zeros(self.shape, np.uint8)
        mask.ravel()[group.cell[seen]] = 1
        return cv2.dilate(mask, np.ones((3, 3), np.uint8)).ravel()[self._cell(group.index)] > 0

    def _cell(self, index: np.ndarray) -> np.ndarray:
        row, column = np.divmod(index, self.across)
        return row // self.size * self.shape[1] + column // self.size

    def seen(self, groups: list[_Group], centres: np.ndarray) -> list[np.ndarray]:
        """(P,) bool of each group: what of its pixels is seen from any of (N, 3) camera centres, scene units.

        The first group is of what is shown, the others lie behind that.
        """
        cell, disparity = (np.concatenate([getattr(group, name) for group in groups]) for name in ("cell", "disparity"))
        before, behind = _ViewBuffer(self, self.hiding, self.disparity), _ViewBuffer(self, cell, disparity)
        hiding = np.concatenate([np.where(group.whole, group.disparity, np.float32(-1)) for group in groups])
        hiding[: len(groups[0].cell)] = -1

        def from_centre(centre: np.ndarray) -> np.ndarray:
            nearest = np.zeros(
                before.sides[0] * before.sides[1], np.float32
            )  # with a margin that takes what is outside
            for part in before.parts():
                np.maximum.at(nearest, before.at(before.places(centre, part)), before.disparity[part])
            place = np.empty(len(hiding), np.int32)
            for part in behind.parts():
                places = behind.places(centre, part)
                np.maximum.at(nearest, behind.at(places), hiding[part])
                place[part] = behind.at([along + np.float32(0.5) for along in places])
            hidden = nearest.reshape(before.sides)
            hidden = cv2.dilate(hidden, np.ones((2, 2), np.uint8), anchor=(1, 1))  # each reaches from cell to cell
            hidden = cv2.erode(hidden, np.ones((LESS, LESS), np.uint8))
            hidden[[0, -1]] = hidden[:, [0, -1]] = np.inf
            return disparity >= hidden.ravel()[place] - BEHIND

        seen = np.logical_or.reduce(map_threads(from_centre, centres.astype(np.float32)))
        ends = np.cumsum([len(group.cell) for group in groups])[:-1]
        return map_threads(lambda pair: self._pixels(*pair), zip(groups, np.split(seen, ends)))


class _ViewBuffer:
    """Where a camera sees (G,) cells of some disparity, in cells from a corner beyond the frame, which has `sides` of them."""

    def __init__(self, cells: _CellGrid, cell: np.ndarray, disparity: np.ndarray) -> None:
        row, column = np.divmod(cell, cells.shape[1])
        self.disparity, self.sides = disparity, tuple(along + 2 for along in cells.frame)
        self.down, self.right = (
            np.float32(at + 0.5) - middle / cells.size for at, middle in zip((row, column), cells.middle)
        )
        self.focal = np.float32(cells.camera.focal / cells.size)
        self.offset = [
            np.float32(side / cells.size / 2 + BEYOND + 0.5) for side in (cells.camera.height, cells.camera.width)
        ]

    def parts(self) -> list[slice]:
        return [slice(begin, begin + AT_ONCE) for begin in range(0, len(self.disparity), AT_ONCE)]

    def places(self, centre: np.ndarray, part: slice) -> list[np.ndarray]:
        """(G,) float32 down and right, in cells' middles, of what is seen from (3,) scene units."""
        disparity = self.disparity[part]
        size = 1 / np.maximum(1 - centre[2] * disparity, np.float32(NEAREST)) if centre[2] else np.float32(1)
        places = []
        for along, moved, offset in zip((self.down[part], self.right[part]), (centre[1], centre[0]), self.offset):
            place = disparity * (-self.focal * moved)
            place += along
            place *= size
            place += offset
            places.append(place)
        return places

    def at(self, places: list[np.ndarray]) -> np.ndarray:
        """(G,) int32 flat index of places rounded down; what is outside lies on the margin."""
        row, column = (
            np.minimum(np.maximum(along, 0), side - 1).astype(np.int32) for along, side in zip(places, self.sides)
        )
        row *= np.int32(self.sides[1])
        row += column
        return row
