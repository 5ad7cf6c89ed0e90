"""Assign the photo's pixels to atoms, so that outlines of regions lie on the photo's edges.

Input: atoms of the small photo and their regions; the full photo. Output: a pixel of the small photo for each of the
full one. Near an outline a pixel goes to the atom whose colour and disparity it has; elsewhere to the one at its place.
"""

from __future__ import annotations

import cv2
import numpy as np

from .atoms import Atoms
from .superpixels import SKY_DISPARITY, to_lab

EDGE_COLOR = 8.0  # distance in Lab, of a pixel and an atom, that counts as much as EDGE_SHIFT
MAX_COLOR_COST = 3.0
EDGE_SHIFT = 2.0  # px of parallax
MAX_SHIFT_COST = 4.0
POROUS_COST = 0.5  # of a porous thing and of the sky, whose colours vary
STEP_COST = 0.15  # per px of the small photo between a pixel and its atom
FORBIDDEN = 1e3  # cost of sky for a pixel of land, and of solid land for one of sky
SPECK_ROUNDS = 2
MIN_VOTES = 5  # of a pixel and its 8 neighbours, from which it follows them
AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
MIDDLE = 4  # index of (0, 0) in AROUND


def assign_pixels(atoms: Atoms, region: np.ndarray, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Find the pixel of the small photo that each pixel belongs to.

    Args:
        atoms: Of the photo.
        region: (n,) int, the region of each atom.
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) int32, flat index into the small photo.
    """
    (height, width), (h, w) = disparity.shape, atoms.label.shape
    rows = np.minimum(((np.arange(height) + 0.5) * h / height).astype(np.int32), h - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * w / width).astype(np.int32), w - 1)
    of = np.where(atoms.label >= 0, region[atoms.label], -1)
    window = np.ones((3, 3), np.uint8)
    border = cv2.dilate(of.astype(np.float32), window) != cv2.erode(of.astype(np.float32), window)
    source = rows[:, None] * np.int32(w) + columns
    y, x = np.nonzero(border[rows][:, columns])
    if len(y):
        source[y, x] = _closest(atoms, (rows[y], columns[x]), disparity[y, x], to_lab(color[y, x]) * 100)
        _remove_specks(source, y, x, of.ravel())
    return source


def _closest(atoms: Atoms, place: tuple[np.ndarray, np.ndarray], disparity: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """(N,) flat index of the pixel around each place, (N,) row and column, whose atom suits it best.

    The pixels have a disparity, (N,), and a colour, (N, 3) Lab.
    """
    h, w = atoms.label.shape
    shift = np.append(atoms.samples.mixed[:, 0] / atoms.samples.area, 0)
    colors = np.append(atoms.lab, np.zeros((1, 3)), 0)
    porous = np.append(atoms.samples.upright, False)
    is_sky = disparity < SKY_DISPARITY
    lowest, found = np.full(len(disparity), np.inf), np.zeros(len(disparity), np.int32)
    for down, right in AROUND:
        row, column = np.clip(place[0] + down, 0, h - 1), np.clip(place[1] + right, 0, w - 1)
        atom = atoms.label[row, column]
        cost = np.minimum(np.linalg.norm(lab - colors[atom], axis=1) / EDGE_COLOR, MAX_COLOR_COST)
        cost += np.minimum(np.abs(disparity * atoms.unit - shift[atom]) / EDGE_SHIFT, MAX_SHIFT_COST)
        cost[(atom < 0) | porous[atom]] = POROUS_COST
        cost += FORBIDDEN * np.where(is_sky, (atom >= 0) & ~porous[atom], atom < 0)
        cost += STEP_COST * (abs(down) + abs(right))
        better = cost < lowest
        lowest, found = np.where(better, cost, lowest), np.where(better, row * w + column, found)
    return found


def _remove_specks(source: np.ndarray, y: np.ndarray, x: np.ndarray, of: np.ndarray) -> None:
    """Give pixels (y, x) near outlines the region of most of their neighbours; sky and land do not change sides.

    Args:
        source: (H, W) int32, flat index into the small photo; changed in place.
        y: (N,) rows.
        x: (N,) columns.
        of: (h * w,) region of each small pixel, -1 in the sky.
    """
    height, width = source.shape
    for _ in range(SPECK_ROUNDS):
        near = np.stack([source[np.clip(y + d, 0, height - 1), np.clip(x + r, 0, width - 1)] for d, r in AROUND])
        region = of[near]
        votes = np.stack([(region == one).sum(0) for one in region])
        votes[(region < 0) != (region[MIDDLE] < 0)] = 0
        most = votes.argmax(0)
        follows = votes[most, np.arange(len(y))] > np.maximum(votes[MIDDLE], MIN_VOTES - 1)
        source[y, x] = np.where(follows, near[most, np.arange(len(y))], source[y, x])
