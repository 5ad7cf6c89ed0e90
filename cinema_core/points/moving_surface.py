"""The surface that moves: the region, with what continues it beyond the border and behind nearer things.

Input: the region of the photo and the layers. Output: `Surface` on the layers' canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import extend, nearest_index, pool
from ..layers.discontinuities import MIN_DISCONTINUITY
from ..layers.split import Layers

MOST_ROCKS = 0.4  # of the region; if more of it seems to stand in it, the depth means something else
OTHER_COLOR = 0.15  # sRGB; distance of a rock's colour from the water's beside it
MEAN_SIDE = 1 / 100  # of the longer side; blur of the local mean
BESIDE_ROCK = 1 / 120  # of the longer side; how far from their edge the two are compared


@dataclass(frozen=True, eq=False)
class MovingSurface:
    """What moves, seen through the photo's camera as if nothing stood before it.

    Attributes:
        region: (Hc, Wc) bool.
        visible: (Hc, Wc) bool, the part of the region that nothing hides and that the presets can show.
        hidden: (Hc, Wc) bool, the part of the region that lies behind something nearer.
        color: (Hc, Wc, 3) float32, sRGB, continued beyond the region.
        disparity: (Hc, Wc) float32, continued beyond the region.
    """

    region: np.ndarray
    visible: np.ndarray
    hidden: np.ndarray
    color: np.ndarray
    disparity: np.ndarray


def find_flowing_surface(region: np.ndarray, layers: Layers) -> MovingSurface:
    """Continue what flows over the canvas: outward beyond the photo's border, and into the hidden bands.

    What stands in it and is cut from it, as a rock in the surf, stays still; the band behind it flows.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface; its region is empty where the photo's is.
    """
    visible = _outward(region, layers) & layers.valid
    visible &= ~_standing(visible, layers)
    hidden, color, disparity = np.zeros_like(visible), layers.color.copy(), layers.disparity.copy()
    for band in layers.bands:
        index = band.index
        behind = visible.ravel()[band.source] & ~visible.ravel()[index] & ~hidden.ravel()[index]
        hidden.ravel()[index[behind]] = True
        color.reshape(-1, 3)[index[behind]] = band.color[behind]
        disparity.ravel()[index[behind]] = band.disparity[behind]
    hidden &= ~_under_edge(visible, layers.disparity, disparity)
    whole = visible | hidden
    if not whole.any():
        return MovingSurface(whole, visible, hidden, color, disparity)
    return MovingSurface(whole, visible, hidden, extend(color, whole), extend(disparity, whole))


def _under_edge(visible: np.ndarray, valid: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """(Hc, Wc) bool: where the region's hidden part passes right under the edge of its visible part, which is nearer.

    There the region ends, though it goes on far behind; joined, the visible part would flow out over its edge.
    """
    nearest = cv2.dilate(np.where(visible, valid, np.float32(0)), np.ones((3, 3), np.uint8))
    return nearest > disparity + MIN_DISCONTINUITY


def find_swaying_surface(region: np.ndarray, layers: Layers) -> MovingSurface:
    """Continue what sways beyond the photo's border, to the end of the canvas; what it hides stays as it is.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface.
    """
    whole = _outward(region, layers)
    return MovingSurface(whole, whole & layers.valid, np.zeros_like(whole), layers.color, layers.disparity)


def local_mean(surface: MovingSurface) -> np.ndarray:
    """(Hc, Wc, 3) float32, sRGB: the blurred picture, valid in the region; over cells, which is as smooth and far quicker."""
    height, width = surface.region.shape
    sigma = MEAN_SIDE * max(height, width)
    size = max(1, int(sigma / 3))
    weight = pool(surface.region.astype(np.float32), size)
    total = cv2.GaussianBlur(pool(surface.color * surface.region[..., None], size), (0, 0), sigma / size)
    mean = total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma / size), 1e-6)[..., None]
    mean = extend(mean, weight > 0)
    full = cv2.resize(mean, (weight.shape[1] * size, weight.shape[0] * size), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[:height, :width], np.float32)


def _outward(region: np.ndarray, layers: Layers) -> np.ndarray:
    """(Hc, Wc) bool: the photo's region, continued from the nearest pixels of the border."""
    drawn, inside = np.zeros((2, *layers.valid.shape), bool)
    drawn[layers.photo] = region
    inside[layers.photo] = True
    return drawn.ravel()[nearest_index(inside)]


def _standing(region: np.ndarray, layers: Layers) -> np.ndarray:
    """(Hc, Wc) bool: what stands in the region before the rest of it, as far as the depth tells and the colour agrees.

    On water, what lies in one row is about as near. So from the near side of every cut inside the region its row is
    followed for as long as it is nearer than the water beside the cut. Depth alone is not trusted with making holes:
    the colour has to be another one there, and to stay so.
    """
    found = np.zeros_like(region)
    cut = np.where(region, layers.occluder_disparity, 0)
    if not cut.any():
        return found
    reach = max(2, round(BESIDE_ROCK * max(region.shape)))
    for side in (1, -1):
        near, far, inside, out = (values[:, ::side] for values in (layers.disparity, cut, region, found))
        color = cv2.blur(layers.color, (reach // 2 * 2 + 1,) * 2)[:, ::side]
        for row, column in np.argwhere(
            (far[:, :-1] > 0) & inside[:, 1:] & (near[:, 1:] > near[:, :-1] + MIN_DISCONTINUITY)
        ):
            water, rock = color[row, max(0, column - reach)], color[row, min(column + reach, len(color[row]) - 1)]
            if np.linalg.norm(rock - water) < OTHER_COLOR:
                continue
            run = color[row, column + 1 :]
            alike = np.linalg.norm(run - rock, axis=1) < np.linalg.norm(run - water, axis=1)
            alike[: reach + 1] = True  # where the blurred colour is of both
            stands = (
                inside[row, column + 1 :] & (near[row, column + 1 :] > near[row, column] + MIN_DISCONTINUITY) & alike
            )
            length = len(stands) if stands.all() else int(stands.argmin())
            out[row, column + 1 : column + 1 + length] = True
    # a rock is taller than that; thin stripes are rows whose colours happen to differ
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2 * reach + 1, 1), np.uint8))
    found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(bool) & region
    return found if found.sum() <= MOST_ROCKS * region.sum() else np.zeros_like(found)
