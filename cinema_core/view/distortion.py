"""Measure how a camera move distorts the photo, from depth and the photo's own edges.

Input: disparity, the photo, its focal length. Output: `Distortion`. True depth has almost none: a straight line in
space is linear in disparity along its image, and a surface tears only where the photo shows an edge. The camera is at
the end of the presets "side" and "up-down", and lengths are in px of a photo of MEASURED_SIDE.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..regions.straight_lines import MAX_BEND, Lines, are_vertical, bend_lines, find_lines, lean_lines
from ..regions.superpixels import to_lab
from ..shared.camera import SIDE

MEASURED_SIDE = 720  # px, longer side of the photo that is measured
MAX_LEAN = 5.0  # degrees
MAX_STRETCH = 1.5  # px between adjacent pixels; a larger one is a cut
MIN_STEP_RATIO = 1.5  # a cut is at least so many times the steps two and three px beside it
TORN_CONTRAST = 8.0  # distance in Lab, of pixels and of windows at a cut; below it the photo shows no edge
WINDOW = 3  # px, width of the windows on either side of a cut
MIN_TEXTURE = 1.5  # standard deviation of L; in plainer surroundings a cut is not seen
MAX_PIECE = 0.001  # share of the photo; smaller connected pieces are shreds
RUBBER_REACH = 1 / 120  # of the longer side; distance of the second difference that tells rubber
MAX_RUBBER = 1.0  # px, of the second difference
# Limits of what an artist accepts, found on photographs beside their pictures.
MAX_BENT, MAX_TORN, MAX_SHREDS = 0.06, 2.0, 20
AMPLITUDES = (1.0, 0.75, 0.5, 0.35, 0.25)  # factors on a path, tried in this order


@dataclass(frozen=True)
class Distortion:
    """Distortion of a photo at the ends of the lateral camera paths.

    Attributes:
        bent: Share of the length of the photo's straight lines that no longer are straight.
        lean: Share of the length of vertical lines that lean by more than MAX_LEAN at the end of the preset "side".
            Lines on the ground lean rightly, so it is no fault in itself.
        cuts: Length of all cuts, in longer sides of the photo.
        torn: Length of the cuts where the photo shows no edge, in longer sides.
        shreds: Number of connected pieces smaller than MAX_PIECE.
        rubber: Share of pixels beside which the surface is bent, away from cuts.
        amplitude: Factor on the size of the camera paths up to which lines stay straight and surfaces whole.
    """

    bent: float
    lean: float
    cuts: float
    torn: float
    shreds: int
    rubber: float
    amplitude: float


def measure_distortion(disparity: np.ndarray, color: np.ndarray, focal: float) -> Distortion:
    """Measure the distortion at the ends of the lateral camera paths.

    Args:
        disparity: (H, W) float32, the nearest content at 1.
        color: (H, W, 3) float32, sRGB.
        focal: Focal length in px of the photo.
    """
    side = max(disparity.shape)
    scale = MEASURED_SIDE / side
    size = tuple(max(16, round(n * scale)) for n in disparity.shape[::-1])
    shift = cv2.resize(disparity, size, interpolation=cv2.INTER_NEAREST) * np.float32(SIDE * focal * scale)
    small = cv2.resize(color, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    lab = cv2.GaussianBlur(to_lab(np.ascontiguousarray(small)) * 100, (0, 0), 0.5)
    lines = find_lines(small)
    bend = bend_lines(lines, shift)
    vertical = are_vertical(lines)
    leaning = vertical & (lean_lines(lines, shift) > MAX_LEAN)
    lean = float(lines.length[leaning].sum() / max(lines.length[vertical].sum(), 1.0))
    full = replace(_measure(shift, lab, lines, bend), lean=lean)
    safe = (
        factor
        for factor in AMPLITUDES
        if _is_acceptable(full if factor == 1 else _measure(shift * np.float32(factor), lab, lines, bend * factor))
    )
    return replace(full, amplitude=next(safe, AMPLITUDES[-1]))


def _measure(shift: np.ndarray, lab: np.ndarray, lines: Lines, bend: np.ndarray) -> Distortion:
    """Distortion by a shift, (H, W) px, of a photo, (H, W, 3) Lab, whose lines bend by (k,) px."""
    cut = [_cuts(shift), _cuts(np.ascontiguousarray(shift.T)).T]
    longer = max(shift.shape)
    return Distortion(
        float(lines.length[bend > MAX_BEND].sum() / max(lines.length.sum(), 1.0)),
        0.0,
        float(sum(c.sum() for c in cut)) / longer,
        float(sum(_torn(c, lab, axis).sum() for c, axis in zip(cut, (1, 0), strict=True))) / longer,
        _count_shreds(cut, shift.shape),
        _share_of_rubber(shift, cut),
        1.0,
    )


def _is_acceptable(found: Distortion) -> bool:
    return found.bent <= MAX_BENT and found.torn <= MAX_TORN and found.shreds <= MAX_SHREDS


def _cuts(shift: np.ndarray) -> np.ndarray:
    """(H, W - 1) bool: steps between pixels adjacent along a row; a slope is no step, however steep."""
    step = np.abs(np.diff(shift, axis=1))
    beside = np.pad(step, ((0, 0), (3, 3)), mode="edge")
    around = np.sort(np.stack([beside[:, i : i + step.shape[1]] for i in (0, 1, 5, 6)]), 0)[1:3].mean(0)
    return (step > MAX_STRETCH) & (step > MIN_STEP_RATIO * around)


def _torn(cut: np.ndarray, lab: np.ndarray, axis: int) -> np.ndarray:
    """Cuts between pixels adjacent along an axis at which the photo, (H, W, 3) Lab, has texture but no contrast."""
    if axis == 0:
        return _torn(cut.T, np.ascontiguousarray(lab.transpose(1, 0, 2)), 1).T
    mean = cv2.blur(lab, (WINDOW, 1))
    reach = WINDOW // 2
    left = np.roll(mean, reach, 1)[:, :-1]  # window that ends at the pixel left of the cut
    right = np.roll(mean, -reach, 1)[:, 1:]
    flat = np.linalg.norm(left - right, axis=2) < TORN_CONTRAST
    flat &= np.linalg.norm(np.diff(lab, axis=1), axis=2) < TORN_CONTRAST
    light = np.ascontiguousarray(lab[..., 0])
    window = (2 * WINDOW + 1,) * 2
    spread = np.sqrt(np.maximum(cv2.blur(np.square(light), window) - np.square(cv2.blur(light, window)), 0))
    return cut & flat & (spread[:, :-1] > MIN_TEXTURE)


def _count_shreds(cut: list[np.ndarray], shape: tuple[int, ...]) -> int:
    """Number of small pieces into which cuts, across and down, divide a picture."""
    number = np.arange(shape[0] * shape[1]).reshape(shape)
    one = np.concatenate([number[:, :-1][~cut[0]], number[:-1][~cut[1]]])
    other = np.concatenate([number[:, 1:][~cut[0]], number[1:][~cut[1]]])
    graph = coo_matrix((np.ones(len(one), np.int8), (one, other)), (number.size, number.size))
    _, piece = connected_components(graph, directed=False)
    return int((np.bincount(piece) < MAX_PIECE * number.size).sum())


def _share_of_rubber(shift: np.ndarray, cut: list[np.ndarray]) -> float:
    """Share of pixels with a large second difference of the shift, away from cuts."""
    reach = max(2, round(RUBBER_REACH * max(shift.shape)))
    near = np.zeros(shift.shape, np.uint8)
    near[:, :-1] |= cut[0]
    near[:-1] |= cut[1]
    away = cv2.dilate(near, np.ones((2 * reach + 1,) * 2, np.uint8)) == 0
    bent = np.zeros(shift.shape, bool)
    across = shift[:, 2 * reach :] - 2 * shift[:, reach:-reach] + shift[:, : -2 * reach]
    down = shift[2 * reach :] - 2 * shift[reach:-reach] + shift[: -2 * reach]
    bent[:, reach:-reach] |= np.abs(across) > MAX_RUBBER
    bent[reach:-reach] |= np.abs(down) > MAX_RUBBER
    return float((bent & away).mean())
