"""Moving surfaces: a region of the photo, continued beyond the border and behind occluders.

Input: the region of the photo and the layers. Output: `MovingSurface` on the layers' canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import extend, nearest_index, pool
from ..layers.discontinuities import MIN_DISCONTINUITY
from ..layers.split import Layers

MAX_STANDING_SHARE = 0.4  # of the region; if more seems to stand in it, the depth is not trusted and nothing stands
ROCK_CONTRAST = 0.15  # sRGB distance; least difference between the colour of a rock and of the water beside it
ROCK_WINDOW = 1 / 120  # of the longer side; distance from their edge at which the two colours are compared
MEAN_SIGMA = 1 / 100  # of the longer side; standard deviation of the blur of the local mean


@dataclass(frozen=True, eq=False)
class MovingSurface:
    """A moving surface, as the photo's camera would see it without occluders.

    Attributes:
        region: (Hc, Wc) bool, the whole region.
        visible: (Hc, Wc) bool, the part of the region without occluders that the presets can show.
        occluded: (Hc, Wc) bool, the part of the region behind occluders.
        color: (Hc, Wc, 3) float32, sRGB, continued beyond the region.
        disparity: (Hc, Wc) float32, continued beyond the region.
    """

    region: np.ndarray
    visible: np.ndarray
    occluded: np.ndarray
    color: np.ndarray
    disparity: np.ndarray


def find_flowing_surface(region: np.ndarray, layers: Layers) -> MovingSurface:
    """Continue the flowing region over the canvas: beyond the photo's border, and into the occluded bands.

    An object in it that a depth discontinuity sets off, such as a rock in the surf, stays still. The occluded band
    behind the object flows.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface; its region is empty where the photo's is.
    """
    visible = _extend_outward(region, layers) & layers.valid
    visible &= ~_standing_objects(visible, layers)
    occluded, color, disparity = np.zeros_like(visible), layers.color.copy(), layers.disparity.copy()
    for band in layers.bands:
        index = band.index
        behind = visible.ravel()[band.source] & ~visible.ravel()[index] & ~occluded.ravel()[index]
        occluded.ravel()[index[behind]] = True
        color.reshape(-1, 3)[index[behind]] = band.color[behind]
        disparity.ravel()[index[behind]] = band.disparity[behind]
    occluded &= ~_passes_under_edge(visible, layers.disparity, disparity)
    whole = visible | occluded
    if not whole.any():
        return MovingSurface(whole, visible, occluded, color, disparity)
    return MovingSurface(whole, visible, occluded, extend(color, whole), extend(disparity, whole))


def _passes_under_edge(visible: np.ndarray, front: np.ndarray, disparity: np.ndarray) -> np.ndarray:
    """(Hc, Wc) bool: pixels where the region's occluded part passes far behind the edge of its visible part.

    The visible region ends at that edge. Joined to the occluded part, it would flow out over the edge.

    Args:
        visible: (Hc, Wc) bool.
        front: (Hc, Wc) float32, disparity of the visible pixels.
        disparity: (Hc, Wc) float32, of the region with its occluded part.
    """
    nearest = cv2.dilate(np.where(visible, front, np.float32(0)), np.ones((3, 3), np.uint8))
    return nearest > disparity + MIN_DISCONTINUITY


def find_swaying_surface(region: np.ndarray, layers: Layers) -> MovingSurface:
    """Continue the swaying region beyond the photo's border, to the end of the canvas. Surfaces behind it stay still.

    Args:
        region: (H, W) bool, of the photo.
        layers: The layers.

    Returns:
        The surface.
    """
    whole = _extend_outward(region, layers)
    return MovingSurface(whole, whole & layers.valid, np.zeros_like(whole), layers.color, layers.disparity)


def local_mean(surface: MovingSurface, sigma: float = MEAN_SIGMA) -> np.ndarray:
    """The blurred colours of the region.

    The blur runs over cells: as smooth as over pixels, and far quicker.

    Args:
        surface: The surface.
        sigma: Standard deviation of the blur, of the longer side.

    Returns:
        (Hc, Wc, 3) float32, sRGB, valid in the region.
    """
    height, width = surface.region.shape
    sigma = sigma * max(height, width)
    size = max(1, int(sigma / 3))
    weight = pool(surface.region.astype(np.float32), size)
    total = cv2.GaussianBlur(pool(surface.color * surface.region[..., None], size), (0, 0), sigma / size)
    mean = total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma / size), 1e-6)[..., None]
    mean = extend(mean, weight > 0)
    full = cv2.resize(mean, (weight.shape[1] * size, weight.shape[0] * size), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[:height, :width], np.float32)


def _extend_outward(region: np.ndarray, layers: Layers) -> np.ndarray:
    """(Hc, Wc) bool: the photo's region, continued from the nearest pixels of the border."""
    drawn, inside = np.zeros((2, *layers.valid.shape), bool)
    drawn[layers.photo] = region
    inside[layers.photo] = True
    return drawn.ravel()[nearest_index(inside)]


def _standing_objects(region: np.ndarray, layers: Layers) -> np.ndarray:
    """(Hc, Wc) bool: objects that stand in front of the rest of the region, judged by depth and confirmed by colour.

    Pixels of a water surface in one row are about equally near. So from the near side of every depth discontinuity
    inside the region, its row is followed while it is nearer than the water beside the discontinuity. Depth alone is
    not trusted with making holes: the colour has to differ from the water's too, all along the row.
    """
    found = np.zeros_like(region)
    far_side = np.where(region, layers.occluder_disparity, 0)
    if not far_side.any():
        return found
    reach = max(2, round(ROCK_WINDOW * max(region.shape)))
    for direction in (1, -1):
        near, far, inside, out = (values[:, ::direction] for values in (layers.disparity, far_side, region, found))
        color = cv2.blur(layers.color, (reach // 2 * 2 + 1,) * 2)[:, ::direction]
        for row, column in np.argwhere(
            (far[:, :-1] > 0) & inside[:, 1:] & (near[:, 1:] > near[:, :-1] + MIN_DISCONTINUITY)
        ):
            water, rock = color[row, max(0, column - reach)], color[row, min(column + reach, len(color[row]) - 1)]
            if np.linalg.norm(rock - water) < ROCK_CONTRAST:
                continue
            run = color[row, column + 1 :]
            alike = np.linalg.norm(run - rock, axis=1) < np.linalg.norm(run - water, axis=1)
            alike[: reach + 1] = True  # here the blur mixes both colours
            stands = (
                inside[row, column + 1 :] & (near[row, column + 1 :] > near[row, column] + MIN_DISCONTINUITY) & alike
            )
            length = len(stands) if stands.all() else int(stands.argmin())
            out[row, column + 1 : column + 1 + length] = True
    # thin stripes are rows whose colours differ by chance; a rock is taller
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2 * reach + 1, 1), np.uint8))
    found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(bool) & region
    return found if found.sum() <= MAX_STANDING_SHARE * region.sum() else np.zeros_like(found)
