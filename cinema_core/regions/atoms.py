"""Divide the photo into atoms: superpixels and porous things, each of which has one depth.

Input: disparity, the photo, its focal length. Output: `Atoms`, with the moments of disparity over each of them and the
links between adjacent ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..shared.camera import SIDE
from .horizon import find_horizon_row
from .merging import Links
from .porous import find_porous
from .straight_lines import are_vertical, find_lines
from .superpixels import SKY_DISPARITY, Superpixels, find_superpixels, subsample
from .surfaces import MODEL_SIDE, PLACE_UNIT, Samples

COLOR_SCALE = 8.0  # distance in Lab at which the similarity along a boundary falls to 1/e
MIN_SIMILARITY = 0.004
TEXTURE_REACH = 0.045  # of the longer side; colours are compared over surroundings of this radius too
TEXTURE_SHARE = 0.35  # of a boundary's contrast that counts where the surroundings are alike
TEXTURE_FACTOR = 1.6  # on the contrast of the surroundings
UPRIGHT_PRIOR = 3.0  # factor on the similarity across a level boundary, and its inverse on an upright one
MIN_VERTICAL = 1 / 72  # of the longer side; shorter vertical lines tell nothing
LINE_WIDTH = 9  # px; what is closer to a vertical line than half of it stands
FAR_WEIGHT = (0.3, 0.5, 0.15)  # weight of a residual: first + second / (disparity + third)


@dataclass(frozen=True, eq=False)
class Atoms:
    """The smallest parts of the photo, n superpixels and porous things, without the sky.

    Attributes:
        label: (h, w) int64, the atom of each pixel of the small photo, -1 in the sky.
        lab: (n, 3) mean colours.
        samples, links: Of the atoms.
        horizon: Row, px of the small photo.
        unit: px of parallax per disparity.
    """

    label: np.ndarray
    lab: np.ndarray
    samples: Samples
    links: Links
    horizon: float
    unit: float


def divide_photo(disparity: np.ndarray, color: np.ndarray, focal: float) -> Atoms | None:
    """Divide a photo into atoms.

    Args:
        disparity: (H, W) float32, the nearest about 1, the sky at 1 / FARTHEST.
        color: (H, W, 3) float32, sRGB.
        focal: Focal length, px.

    Returns:
        The atoms; None if the photo shows nothing but sky.
    """
    cells = find_superpixels(disparity, color, np.zeros(disparity.shape, np.int32))
    sky = cells.disparity < SKY_DISPARITY
    porous = find_porous(cells.lab * 100, sky)
    number = np.where(porous > 0, cells.labels.max() + porous, cells.labels)
    solid = ~sky  # the gaps of porous things tell nothing about their depth
    kept = np.unique(number[solid])
    if not len(kept):
        return None
    position = np.minimum(np.searchsorted(kept, number), len(kept) - 1)
    label = np.where((kept[position] == number) & (solid | (porous > 0)), position, -1)
    horizon = find_horizon_row(np.where(sky, 0, cells.disparity), sky)
    unit = SIDE * focal * MODEL_SIDE / max(disparity.shape)
    upright, standing = kept > cells.labels.max(), _find_standing(color, label, len(kept))
    samples, lab = _sample(label, solid, cells, horizon, unit, upright, standing)
    return Atoms(label, lab, samples, _link(label, lab, horizon), horizon, unit)


def _sample(
    label: np.ndarray,
    solid: np.ndarray,
    cells: Superpixels,
    horizon: float,
    unit: float,
    upright: np.ndarray,
    standing: np.ndarray,
) -> tuple[Samples, np.ndarray]:
    """Moments and (n, 3) mean Lab colours of the atoms, from their solid pixels; the gaps count as area."""
    y, x = np.nonzero(solid)
    at, count, scale = label[y, x], len(upright), MODEL_SIDE / max(label.shape)
    seen = np.bincount(at, minlength=count)
    area = np.bincount(label[label >= 0], minlength=count) * scale**2

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, values, count) * (area / seen)

    px = scale / PLACE_UNIT
    u, v = (x + 0.5 - label.shape[1] / 2) * px, (y + 0.5 - horizon) * px
    shift = cells.disparity[y, x].astype(np.float64) * unit
    one = np.ones(len(at))
    near = np.bincount(at, cells.disparity[y, x], count) / seen
    samples = Samples(
        area,
        np.stack([total(product) for product in (one, u, v, u * u, u * v, v * v)], 1),
        np.stack([total(shift * product) for product in (one, u, v)], 1),
        total(shift * shift),
        FAR_WEIGHT[0] + FAR_WEIGHT[1] / (near + FAR_WEIGHT[2]),
        np.bincount(at, v > 0, count) / seen,
        upright,
        standing,
    )
    lab = np.stack([np.bincount(at, cells.lab[y, x, channel] * 100.0, count) / seen for channel in range(3)], 1)
    return samples, lab


def _find_standing(color: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    """(n,) share of each atom that lies beside a vertical line of the photo: such lines are of things that stand."""
    scale = MODEL_SIDE / max(color.shape[:2])
    size = tuple(max(16, round(n * scale)) for n in color.shape[1::-1])
    lines = find_lines(cv2.resize(color, size, interpolation=cv2.INTER_AREA), MIN_VERTICAL)
    beside = np.zeros(size[::-1], np.uint8)
    ends = np.ascontiguousarray(np.rint(lines.place[are_vertical(lines)][:, (0, -1)]), np.int32)
    cv2.polylines(beside, list(ends), False, (1,), LINE_WIDTH)
    small = subsample(beside, label.shape)
    inside = label >= 0
    area = np.bincount(label[inside], minlength=count)
    return np.bincount(label[inside], small[inside], count) / np.maximum(area, 1)


def _link(label: np.ndarray, lab: np.ndarray, horizon: float) -> Links:
    """Links between adjacent atoms, (h, w) labels with (n, 3) mean Lab colours."""
    count, scale = len(lab), MODEL_SIDE / max(label.shape)
    keys, places, level = [], [], []
    for axis in (0, 1):
        one, other = np.delete(label, -1, axis), np.delete(label, 0, axis)
        y, x = np.nonzero((one != other) & (one >= 0) & (other >= 0))
        keys.append(np.minimum(one[y, x], other[y, x]) * count + np.maximum(one[y, x], other[y, x]))
        places.append(np.stack([x + 0.5 + 0.5 * axis, y + 0.5 + 0.5 * (1 - axis)], 1))
        level.append(np.full(len(y), axis == 0))
    pairs, which, length = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    pair, place = np.stack([pairs // count, pairs % count], 1), np.concatenate(places)
    x, y = (np.bincount(which, place[:, i], len(pairs)) / length for i in (0, 1))
    contrast, wide = (
        np.linalg.norm(color[pair[:, 0]] - color[pair[:, 1]], axis=1) for color in (lab, _surroundings(label, lab))
    )
    texture = np.minimum(contrast, np.maximum(TEXTURE_SHARE * contrast, TEXTURE_FACTOR * wide))
    upright = UPRIGHT_PRIOR ** (2 * np.bincount(which, np.concatenate(level), len(pairs)) / length - 1)
    px = scale / PLACE_UNIT
    return Links(
        pair,
        length * scale,
        np.maximum(MIN_SIMILARITY, _similarity(texture)) * upright,
        _similarity(contrast),
        np.stack([np.ones(len(pair)), (x - label.shape[1] / 2) * px, (y - horizon) * px], 1),
    )


def _similarity(contrast: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(contrast / COLOR_SCALE))


def _surroundings(label: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """(n, 3) mean colours of the solid surroundings of every atom."""
    solid = (label >= 0).astype(np.float32)
    window = (2 * round(TEXTURE_REACH * max(label.shape)) + 1,) * 2
    color = np.where(label[..., None] >= 0, lab[label], 0).astype(np.float32)
    wide = cv2.blur(color, window) / np.maximum(cv2.blur(solid, window), 1e-6)[..., None]
    inside = label >= 0
    seen = np.bincount(label[inside], minlength=len(lab))
    return np.stack([np.bincount(label[inside], wide[..., i][inside], len(lab)) / seen for i in range(3)], 1)
