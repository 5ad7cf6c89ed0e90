"""Measure how a camera move distorts the photo, from depth and the photo's own edges.

Input: disparity, the photo, its focal length. Output: `Distortion`. True depth has almost none: a straight line in
space is linear in disparity along its image, and a surface tears only where the photo shows an edge. The camera is at
the end of the presets "side" and "up-down", and lengths are in px of a photo of MEASURED_SIDE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..image.grid import resize
from ..regions.straight_lines import MAX_BEND, Lines, are_vertical, bend_lines, find_lines, lean_lines
from ..regions.superpixels import subsample, to_lab
from ..shared.camera import SIDE
from ..shared.job_folder import GOOD

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
AMPLITUDES = (1.0, 0.75, 0.5, 0.35, 0.25)  # factors on a path, tried in this order
Cuts = tuple[np.ndarray, np.ndarray]  # (H, W - 1) across and (H - 1, W) down: bool, between adjacent pixels


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
    scale = MEASURED_SIDE / max(disparity.shape)
    height, width = (max(16, round(side * scale)) for side in disparity.shape)
    shift = subsample(disparity, (height, width)) * np.float32(SIDE * focal * scale)
    small = resize(color, (width, height))
    lab = cv2.GaussianBlur(to_lab(small) * 100, (0, 0), 0.5)
    lines, cuts = find_lines(small), _find_cuts(shift)
    bend, leaning = bend_lines(lines, shift), lean_lines(lines, shift) > MAX_LEAN
    vertical = lines.length * are_vertical(lines)
    faults = _find_faults(cuts, lab, lines, bend)
    safe = (
        factor
        for factor in AMPLITUDES
        if _is_acceptable(
            faults if factor == 1 else _find_faults(_find_cuts(shift * np.float32(factor)), lab, lines, bend * factor)
        )
    )
    return Distortion(
        **faults,
        lean=float(vertical[leaning].sum() / max(vertical.sum(), 1.0)),
        cuts=float(sum(cut.sum() for cut in cuts)) / max(height, width),
        rubber=_share_of_rubber(shift, cuts),
        amplitude=next(safe, AMPLITUDES[-1]),
    )


def _find_faults(cuts: Cuts, lab: np.ndarray, lines: Lines, bend: np.ndarray) -> dict[str, Any]:
    """The figures that limit a camera move, by name.

    Args:
        cuts: Between the pixels of the photo.
        lab: (H, W, 3) Lab, the photo.
        lines: Of the photo.
        bend: (k,) px by which they bend.
    """
    return {
        "bent": float(lines.length[bend > MAX_BEND].sum() / max(lines.length.sum(), 1.0)),
        "torn": float(sum(_torn(cut, lab, axis).sum() for cut, axis in zip(cuts, (1, 0), strict=True)))
        / max(lab.shape[:2]),
        "shreds": _count_shreds(cuts, lab.shape[:2]),
    }


def _is_acceptable(faults: dict[str, Any]) -> bool:
    return all(faults[name] <= high for name, (_, high), _ in GOOD if name in faults)


def _find_cuts(shift: np.ndarray) -> Cuts:
    return _cuts(shift), _cuts(np.ascontiguousarray(shift.T)).T


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


def _count_shreds(cut: Cuts, shape: tuple[int, ...]) -> int:
    """Number of small pieces into which cuts, across and down, divide a picture."""
    number = np.arange(shape[0] * shape[1]).reshape(shape)
    one = np.concatenate([number[:, :-1][~cut[0]], number[:-1][~cut[1]]])
    other = np.concatenate([number[:, 1:][~cut[0]], number[1:][~cut[1]]])
    graph = coo_matrix((np.ones(len(one), np.int8), (one, other)), (number.size, number.size))
    _, piece = connected_components(graph, directed=False)
    return int((np.bincount(piece) < MAX_PIECE * number.size).sum())


def _share_of_rubber(shift: np.ndarray, cut: Cuts) -> float:
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
