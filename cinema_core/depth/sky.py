"""Find the sky of a photo from the depth network's probability and the photo's colours; find its horizon."""

from __future__ import annotations

import cv2
import numpy as np

SURE_SKY = 0.88  # probability above which a pixel is surely sky; below 1 - SURE_SKY it surely is not
MAX_NETWORK_LOG_ODDS = 4.0  # limit on the log odds that the network's probability contributes
MAX_COLOR_LOG_ODDS = 3.5  # limit on the log odds that a pixel's colour contributes
COLOR_WEIGHT = 0.5  # factor on the log odds of a pixel's colour
WINDOW_RADIUS = 1 / 14  # of the longer side; colours of sky and of other surfaces are gathered within it
GATHERING_SIDE = 400  # px, longer side of the photo at which they are gathered
GATHERING_PROBABILITY = 0.6  # above it, colours count for their side
KNOWN_PROBABILITY = 0.72  # above it, a pixel of the window is known to be of its side
FULL_EVIDENCE = 0.01  # share of the window that must be known of either side for colours to count in full
MIN_COLOR_DEVIATION = 0.02  # sRGB, lower limit on the standard deviation of a surface's colour
OUTLIER_LIKELIHOOD = 0.01  # floor on the likelihood of a colour, so that a colour of neither side has no effect
MAX_ISLAND_LOG_ODDS = 0.5  # mean log odds against sky by colour, up to which an island in the sky joins it
MIN_SKY_COMPONENT = 1 / 2000  # of the photo's pixels; smaller parts are no sky where only their colour suggests it


def segment_sky(chance: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Segment the sky, without specks and with its boundary on the photo's edge.

    The network knows roughly where the sky is. The photo shows the sky's colours there. A component without any sure
    pixel joins its surroundings: a bright cloud, a bank of fog.

    Args:
        chance: (H, W) float32, probability of sky.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) bool.
    """
    limited = np.clip(chance, 1 / (1 + np.exp(MAX_NETWORK_LOG_ODDS)), 1 / (1 + np.exp(-MAX_NETWORK_LOG_ODDS)))
    by_color = _color_log_odds(chance, color)
    odds = np.log(limited / (1 - limited)) + by_color
    solid = _components_with(odds < 0, chance < 1 - SURE_SKY)
    sky = _components_with(~solid, odds > np.log(SURE_SKY / (1 - SURE_SKY)))
    sky &= ~_specks(sky, chance)
    return sky | _sky_colored_islands(sky, by_color)


def _color_log_odds(chance: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(H, W) float32 log odds of sky by colour; 0 where the window lacks known pixels of a side.

    Each side's colours have one normal distribution, of the pixels in the window that are likely of that side.
    """
    height, width = chance.shape
    scale = min(1.0, GATHERING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small, small_chance = (cv2.resize(values, size, interpolation=cv2.INTER_AREA) for values in (color, chance))
    sides = [_likelihood(share, small, color) for share in (small_chance, 1 - small_chance)]
    (sky_known, sky), (solid_known, solid) = sides
    evidence = np.minimum(np.minimum(sky_known, solid_known) / FULL_EVIDENCE, 1)
    odds = np.clip(COLOR_WEIGHT * (sky - solid), -MAX_COLOR_LOG_ODDS, MAX_COLOR_LOG_ODDS)
    return odds * cv2.resize(evidence, (width, height))


def _likelihood(share: np.ndarray, small: np.ndarray, color: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How well colours fit one side, sky or not.

    Args:
        share: (h, w) float32, probability of that side.
        small: (h, w, 3) float32, sRGB.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (h, w) share of the window that is known to be of that side; (H, W) log likelihood of each pixel's colour.
    """
    side = (2 * round(WINDOW_RADIUS * max(share.shape)) + 1,) * 2
    weight = np.clip((share - GATHERING_PROBABILITY) / (1 - GATHERING_PROBABILITY), 0, 1) + np.float32(1e-5)
    total = cv2.blur(weight, side)
    mean = cv2.blur(small * weight[..., None], side) / total[..., None]
    square = cv2.blur(np.square(small).sum(-1) * weight, side) / total
    variance = np.maximum(square - np.square(mean).sum(-1), 0) / 3 + MIN_COLOR_DEVIATION**2
    mean, variance = (cv2.resize(values, color.shape[1::-1]) for values in (mean, variance))
    difference = color - mean
    normal = np.einsum("ijk,ijk->ij", difference, difference) / (-2 * variance) - 1.5 * np.log(2 * np.pi * variance)
    known = cv2.blur((share > KNOWN_PROBABILITY).astype(np.float32), side)
    return known, np.logaddexp(normal, np.float32(np.log(OUTLIER_LIKELIHOOD)))


def _components_with(mask: np.ndarray, core: np.ndarray) -> np.ndarray:
    """(H, W) bool: the connected components of a mask that contain a pixel of `core`, (H, W) bool."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    keep = np.bincount(parts[core & mask], minlength=count) > 0
    return keep[parts]


def _specks(sky: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(H, W) bool: small components of the sky that are sky by colour only; foam may be as bright."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(sky.astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < MIN_SKY_COMPONENT * sky.size
    small[np.unique(parts[chance > 0.5])] = False
    small[0] = False  # the pixels outside the sky
    return small[parts]


def _sky_colored_islands(sky: np.ndarray, by_color: np.ndarray) -> np.ndarray:
    """(H, W) bool: islands in the sky that have its colour; a bird or a balloon has another one."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~sky).astype(np.uint8), connectivity=8)
    height, width = sky.shape
    left, top, wide, high = (stats[:, n] for n in range(4))
    inside = (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    inside[0] = False  # the sky itself
    if not inside.any():
        return np.zeros_like(sky)
    similar = np.bincount(parts.ravel(), by_color.ravel(), count) > -MAX_ISLAND_LOG_ODDS * stats[:, cv2.CC_STAT_AREA]
    return (inside & similar)[parts]


def find_horizon(sky: np.ndarray) -> float:
    """Row of the horizon of a photo with sky, from the sky's lower boundary.

    The row is a high quantile over the columns, so that the lowest few columns do not set it.

    Args:
        sky: (H, W) bool, at least one pixel.

    Returns:
        Row in px, at most 0.9 H.
    """
    height = len(sky)
    bottom = height - np.argmax(sky[::-1], 0)
    return min(float(np.percentile(bottom[sky.any(0)], 85)), 0.9 * height)
