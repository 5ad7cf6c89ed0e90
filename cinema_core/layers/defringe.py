"""Fringes: what compression and sharpening leave in the sky beside edges.

Input: colour, disparity and cuts of the canvas. Changed: the colour, whose sky is as smooth beside an edge as farther
off then. When the camera moves the thing aside, its fringe stays in the sky as a dotted outline of where it was.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import extend, masked_blur, pool, sample

SKY = 0.02  # disparity; what is farther is sky
WIDE = 1 / 140  # of the longer side; how far from an edge fringes reach
SMOOTH = 0.02  # deviation, sRGB, of a sky so smooth that a fringe can be told from it
FAINT, CLEAR = 0.05, 0.1  # sRGB; what differs by less is a fringe, by more a twig that the depth does not know
WORK_SIDE = 640  # px; a larger canvas is looked at in cells


def remove_fringes(color: np.ndarray, disparity: np.ndarray, cuts: np.ndarray) -> None:
    """Take faint fringes out of a smooth sky.

    Args:
        color: (Hc, Wc, 3) float32, sRGB; changed, since to copy a large picture takes longer than all else.
        disparity: (Hc, Wc) float32.
        cuts: (Hc, Wc) float32, see `cuts.find_cuts`.
    """
    sky = disparity <= SKY
    edge = (cuts > 0) & sky
    if not edge.any():
        return
    side = max(2, round(WIDE * max(sky.shape)))
    beside = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) <= side
    factor = -(-max(sky.shape) // WORK_SIDE)
    clear = pool((sky & ~beside).astype(np.float32), factor) > 0.999
    small = pool(color, factor)
    sigma = 2 * side / factor
    mean = masked_blur(small, clear, sigma)
    spread = np.sqrt(masked_blur(np.square(small - mean), clear, sigma)).max(-1)  # beside what changes slowly
    known = cv2.GaussianBlur(clear.astype(np.float32), (0, 0), sigma)
    if clear.any():  # what is put in goes on from the sky beside it: fog grows darker towards a hill
        mean += extend(masked_blur(small - mean, clear, 1.0), clear)
    index = np.flatnonzero(beside & sky)
    row, column = np.divmod(index, sky.shape[1])
    places = np.stack([(column + 0.5) / factor, (row + 0.5) / factor], 1)
    base, spread, known = (sample(np.ascontiguousarray(values), places) for values in (mean, spread, known))
    own = color.reshape(-1, 3)[index]
    off = np.abs(own - base).max(1)
    kept = np.clip((off - FAINT) / (CLEAR - FAINT), 0, 1)
    kept = np.where((spread < SMOOTH) & (known > 0.02), kept, 1)[:, None]
    color.reshape(-1, 3)[index] += (1 - kept) * (base - own)
