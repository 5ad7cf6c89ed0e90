"""The sky of a photo, from what the depth network makes of it, and the horizon."""

from __future__ import annotations

import cv2
import numpy as np

FIRM = 0.88  # probability above which something is surely sky, and below 1 - FIRM surely none
AROUND = 1 / 14  # of the longer side; how far around colours of sky and of what is not sky are gathered
WORD = 4.0  # log odds that the network's word counts at most
COLOR_SHARE, COLOR_WORD = 0.5, 3.5  # of the log odds that a pixel's colour speaks for; and at most
DEVIATION = 0.02  # sRGB; that a surface's colour has at least
ALIKE = 0.5  # log odds, on average, up to which an island in the sky looks like it
NEITHER = 0.01  # likelihood of a colour that is neither side's: it tells nothing
SPECK = 1 / 2000  # of the photo; of a sky that colour alone makes
LIKELY = 0.6  # probability above which colours count
KNOWN = 0.72  # probability above which something must be around, for colours to count at all
GATHERED = 400  # px; colours are gathered in a small photo
FEWEST = 0.01  # share of the surroundings that must be KNOWN for colours to count in full


def segment_sky(chance: np.ndarray, color: np.ndarray) -> np.ndarray:
    """The sky by the network's word and by the colours around, without flecks, its edge on the photo's.

    The network knows where sky is, roughly; what the sky looks like there, the photo tells. A part that is nowhere sure
    belongs to what surrounds it: a bright cloud, a bank of fog.

    Args:
        chance: (H, W) float32, probability of sky.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) bool.
    """
    firm = np.clip(chance, 1 / (1 + np.exp(WORD)), 1 / (1 + np.exp(-WORD)))
    by_color = _log_odds(chance, color)
    odds = np.log(firm / (1 - firm)) + by_color
    solid = _parts_with(odds < 0, chance < 1 - FIRM)
    sky = _parts_with(~solid, odds > np.log(FIRM / (1 - FIRM)))
    sky &= ~_specks(sky, chance)
    return sky | _afloat(sky, by_color)


def _log_odds(chance: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(H, W) float32: how much likelier a colour is where there is sky around than where there is none; 0 where unknown.

    One normal distribution for either side, of what the network is sure of in a window around each pixel.
    """
    height, width = chance.shape
    scale = min(1.0, GATHERED / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small, small_chance = (cv2.resize(values, size, interpolation=cv2.INTER_AREA) for values in (color, chance))
    sides = [_likelihood(share, small, color) for share in (small_chance, 1 - small_chance)]
    (sky_seen, sky), (solid_seen, solid) = sides
    known = np.minimum(np.minimum(sky_seen, solid_seen) / FEWEST, 1)
    return np.clip(COLOR_SHARE * (sky - solid), -COLOR_WORD, COLOR_WORD) * cv2.resize(known, (width, height))


def _likelihood(share: np.ndarray, small: np.ndarray, color: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What share of the surroundings is known to be of one side, (h, w); how likely each colour is there (log), (H, W)."""
    side = (2 * round(AROUND * max(share.shape)) + 1,) * 2
    weight = np.clip((share - LIKELY) / (1 - LIKELY), 0, 1) + np.float32(1e-5)
    total = cv2.blur(weight, side)
    mean = cv2.blur(small * weight[..., None], side) / total[..., None]
    square = cv2.blur(np.square(small).sum(-1) * weight, side) / total
    variance = np.maximum(square - np.square(mean).sum(-1), 0) / 3 + DEVIATION**2
    mean, variance = (cv2.resize(values, color.shape[1::-1]) for values in (mean, variance))
    away = color - mean
    normal = np.einsum("ijk,ijk->ij", away, away) / (-2 * variance) - 1.5 * np.log(2 * np.pi * variance)
    return cv2.blur((share > KNOWN).astype(np.float32), side), np.logaddexp(normal, np.float32(np.log(NEITHER)))


def _parts_with(mask: np.ndarray, core: np.ndarray) -> np.ndarray:
    """The connected parts of a mask that hold some of `core`."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    keep = np.bincount(parts[core & mask], minlength=count) > 0
    return keep[parts]


def _specks(sky: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(H, W) bool: small parts of the sky that only their colour made it: foam may be as bright."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(sky.astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < SPECK * sky.size
    small[np.unique(parts[chance > 0.5])] = False
    small[0] = False  # what is no sky
    return small[parts]


def _afloat(sky: np.ndarray, by_color: np.ndarray) -> np.ndarray:
    """(H, W) bool: islands in the sky that look like it; a bird or a balloon looks otherwise."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~sky).astype(np.uint8), connectivity=8)
    height, width = sky.shape
    left, top, wide, high = (stats[:, n] for n in range(4))
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    inside[0] = False  # the sky itself
    if not inside.any():
        return np.zeros_like(sky)
    alike = np.bincount(parts.ravel(), by_color.ravel(), count) > -ALIKE * stats[:, cv2.CC_STAT_AREA]
    return (inside & alike)[parts]


def find_horizon(sky: np.ndarray) -> float:
    """Row of the horizon of a photo with sky: where the sky reaches lowest, but for the lowest few columns."""
    height = len(sky)
    bottom = height - np.argmax(sky[::-1], 0)
    return min(float(np.percentile(bottom[sky.any(0)], 85)), 0.9 * height)
