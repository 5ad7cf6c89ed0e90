"""Find porous things against the sky: foliage, twigs, lattices, masts, whose gaps show the sky.

Input: the small photo and its sky. Output: a mask of porous things, their gaps included.
"""

from __future__ import annotations

import cv2
import numpy as np

THIN = 1 / 180  # of the longer side; radius of the opening that takes thin things away
DARK_THIN = 1 / 110  # of the longer side; radius within which something dark in the sky is thin
MIN_DARKNESS = 9.0  # L; thin things in the sky are at least this much darker
SKY_REACH = 0.04  # of the longer side; radius of the surroundings that tell how dark and how even the sky is
GAP = 1 / 120  # of the longer side; radius of the closing that fills gaps of sky
WINDOW = 1 / 45  # of the longer side; window in which changes of sky are counted
MIN_CHANGES = 0.10  # share of neighbouring pixels that change between sky and not sky
MIN_EXTENT = 1 / 24  # of the longer side; smaller porous things are left alone
JOIN = 1 / 60  # of the longer side; radius of the closing that joins leaves to one thing
MARGIN = 1 / 240  # of the longer side, by which a porous thing is widened
MAX_HOLE = 1 / 2000  # of the squared longer side; smaller pieces of sky beside a porous thing are gaps of it
SOLID = 1 / 50  # of the longer side; radius of the opening that is left of solid bodies
MIN_SOLID = 1 / 250  # of the squared longer side; smaller bodies are parts of the porous thing


def find_porous(lab: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """(h, w) int32: number of the porous thing at each pixel from 1 on, 0 for none.

    Args:
        lab: (h, w, 3) float32, L 0..100.
        sky: (h, w) bool.
    """
    side = max(sky.shape)
    none = np.zeros(sky.shape, np.int32)
    if not sky.any():
        return none
    solid = (~sky).astype(np.uint8)
    light = np.ascontiguousarray(lab[..., 0])
    dark = (sky & _is_dark(light, sky)).astype(np.uint8)
    matter = solid | dark
    thin = matter & ~cv2.morphologyEx(matter, cv2.MORPH_OPEN, _disc(THIN * side)) & 1
    closed = cv2.morphologyEx(matter, cv2.MORPH_CLOSE, _disc(GAP * side))
    gaps = closed & ~matter & 1
    changes = np.zeros(sky.shape, np.float32)
    changes[:, 1:] += matter[:, 1:] != matter[:, :-1]
    changes[1:] += matter[1:] != matter[:-1]
    dense = cv2.blur(changes / 2, (2 * round(WINDOW * side / 2) + 1,) * 2) > MIN_CHANGES
    found = _large((thin | dark | gaps).astype(bool) & dense, MIN_EXTENT * side)
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, _disc(JOIN * side))
    found = cv2.dilate(found, _disc(MARGIN * side))
    body = cv2.morphologyEx(solid & ~(gaps | dark), cv2.MORPH_OPEN, _disc(SOLID * side))
    count, part, stats, _ = cv2.connectedComponentsWithStats(body, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] > MIN_SOLID * side**2
    large[0] = False
    found[large[part]] = 0
    kept = _large(found.astype(bool), MIN_EXTENT * side)
    _, part, stats, _ = cv2.connectedComponentsWithStats((~kept & sky).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < MAX_HOLE * side**2
    small[0] = False
    kept |= small[part] & (cv2.dilate(kept.astype(np.uint8), _disc(MARGIN * side)) > 0)
    return cv2.connectedComponents(kept.astype(np.uint8), connectivity=8)[1]


def _is_dark(light: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """(h, w) bool: pixels that are thin and darker than the sky around them, by more than the sky itself varies."""
    side = max(light.shape)
    reach = (2 * round(SKY_REACH * side) + 1,) * 2
    share = cv2.blur(sky.astype(np.float32), reach) + 1e-6
    mean = cv2.blur(np.where(sky, light, 0), reach) / share
    square = cv2.blur(np.where(sky, np.square(light), 0), reach) / share
    spread = np.sqrt(np.maximum(square - np.square(mean), 0))
    black = cv2.morphologyEx(light, cv2.MORPH_BLACKHAT, _disc(DARK_THIN * side))
    return (black > MIN_DARKNESS) & (mean - light > MIN_DARKNESS + spread)


def _disc(radius: float) -> np.ndarray:
    reach = max(1, round(radius))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)


def _large(mask: np.ndarray, extent: float) -> np.ndarray:
    """(h, w) bool: the components of a mask that are at least so many px wide or high."""
    _, part, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) >= extent
    keep[0] = False
    return keep[part]
