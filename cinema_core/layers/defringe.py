"""Fringes: traces of compression and sharpening in the sky beside depth discontinuities.

Input: colour, disparity and discontinuities of the canvas. Changed: the colour, so that the sky beside a discontinuity
is as smooth as farther away. When the camera moves, the foreground shifts, but its fringe would stay in the sky as a
dotted outline of its old place.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import extend, masked_blur, pool, sample

SKY_DISPARITY = 0.02  # pixels with at most this disparity are sky
FRINGE_REACH = 1 / 140  # of the longer side; how far from a discontinuity fringes reach
SMOOTH_DEVIATION = 0.02  # sRGB; in a sky whose standard deviation is larger, fringes cannot be told from texture
# sRGB; a difference from the sky below the first is a fringe, above the second a twig that the depth map misses.
FRINGE_CONTRAST, TWIG_CONTRAST = 0.05, 0.1
MIN_CLEAR_SHARE = 0.02  # share of clear sky in the surroundings; with less the sky's colour is not known
SKY_SIDE = 640  # px, longer side; the sky of a larger canvas is measured in cells


def remove_fringes(color: np.ndarray, disparity: np.ndarray, occluder_disparity: np.ndarray) -> None:
    """Take faint fringes out of a smooth sky.

    Args:
        color: (Hc, Wc, 3) float32, sRGB; changed in place, since a copy would take longer than the rest of this
            function.
        disparity: (Hc, Wc) float32.
        occluder_disparity: (Hc, Wc) float32, discontinuities, see `discontinuities.find_discontinuities`.
    """
    sky = disparity <= SKY_DISPARITY
    edge = (occluder_disparity > 0) & sky
    if not edge.any():
        return
    reach = max(2, round(FRINGE_REACH * max(sky.shape)))
    beside = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) <= reach
    factor = -(-max(sky.shape) // SKY_SIDE)
    clear = pool((sky & ~beside).astype(np.float32), factor) > 0.999
    small = pool(color, factor)
    sigma = 2 * reach / factor
    mean = masked_blur(small, clear, sigma)
    # around the local mean, so that slow changes such as clouds count as smooth
    deviation = np.sqrt(masked_blur(np.square(small - mean), clear, sigma)).max(-1)
    known = cv2.GaussianBlur(clear.astype(np.float32), (0, 0), sigma)
    if clear.any():  # add the nearest clear sky's difference from the mean: fog grows darker towards a hill
        mean += extend(masked_blur(small - mean, clear, 1.0), clear)
    index = np.flatnonzero(beside & sky)
    row, column = np.divmod(index, sky.shape[1])
    places = np.stack([(column + 0.5) / factor, (row + 0.5) / factor], 1)
    base, deviation, known = (sample(np.ascontiguousarray(values), places) for values in (mean, deviation, known))
    own = color.reshape(-1, 3)[index]
    off = np.abs(own - base).max(1)
    kept = np.clip((off - FRINGE_CONTRAST) / (TWIG_CONTRAST - FRINGE_CONTRAST), 0, 1)
    kept = np.where((deviation < SMOOTH_DEVIATION) & (known > MIN_CLEAR_SHARE), kept, 1)[:, None]
    color.reshape(-1, 3)[index] += (1 - kept) * (base - own)
