"""Layers: where the scene is split in depth, and how far each surface goes on unseen.

Input: the photo's depth. Output: `Layers` on a canvas a little larger than the photo: disparity continued beyond
the border, a layer per pixel, and for each layer the band that it needs behind nearer things.

A boundary between two layers is a cut only where disparity jumps; a slope that crosses from one layer into the next
is one surface, nothing is hidden behind it and nothing is invented there.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.cluster import AgglomerativeClustering

from .camera import CIRCLE, SIDE, UP_DOWN, ZOOM_IN, Camera
from .grid import nearest_index, smooth_fill
from .inpaint import inpaint

SAMPLES = 1000  # quantiles of disparity that are clustered: the same at any resolution, in bounded memory
WARD_THRESHOLD = 1.65  # Li et al. use 5 on 9216 samples of 1280x720; Ward's distance grows with sqrt(samples)
MOST_LAYERS = 8
CUT = 0.02  # disparity; opens by 2 px at 1280 px at the presets' amplitude, what is less the points' size covers
MARGIN = 1.1  # reach beyond what the presets reveal


@dataclass(frozen=True, eq=False)
class Layers:
    """The photo split in depth, on a canvas that goes on beyond its border.

    Attributes:
        camera: The photo's camera.
        pad: (x, y), px that the canvas adds on each side.
        color: (Hc, Wc, 3) float32, sRGB; the photo and its continuation.
        disparity: (Hc, Wc) float32.
        shown: (Hc, Wc) bool, the photo and as much of its continuation as the presets can reveal.
        label: (Hc, Wc) int16, layer of the pixel, 0 nearest.
        bands: What lies hidden behind the cuts, one per layer that has any.
    """

    camera: Camera
    pad: tuple[int, int]
    color: np.ndarray
    disparity: np.ndarray
    shown: np.ndarray
    label: np.ndarray
    bands: list[Band]

    @property
    def photo(self) -> tuple[slice, slice]:
        """Rows and columns of the photo on the canvas."""
        return photo_window(self.camera, self.pad)


@dataclass(frozen=True, eq=False)
class Band:
    """A farther surface continued behind a nearer one.

    Attributes:
        layer: The layer that is continued.
        mask: (Hc, Wc) bool.
        source: (Hc, Wc) int64, flat canvas index of the visible pixel that each band pixel continues.
        color: (Hc, Wc, 3) float32, sRGB, valid inside the mask.
        disparity: (Hc, Wc) float32, valid inside the mask; farther than what hides it.
    """

    layer: int
    mask: np.ndarray
    source: np.ndarray
    color: np.ndarray
    disparity: np.ndarray


def split_layers(color: np.ndarray, depth: np.ndarray, camera: Camera, seed: int = 0) -> Layers:
    """Split the photo in depth and continue every surface as far as the presets can reveal.

    Args:
        color: (H, W, 3) float32, sRGB.
        depth: (H, W) float32, scene units, edges as steps.
        camera: The photo's camera.
        seed: Seed of the inpainting.

    Returns:
        The layers.
    """
    disparity = (1 / depth).astype(np.float32)
    pad = _border_reach(disparity, camera)
    disparity = continue_outward(disparity, pad)
    window = photo_window(camera, pad)
    shown = _shown(disparity, window, camera)
    canvas = cv2.copyMakeBorder(color, pad[1], pad[1], pad[0], pad[0], cv2.BORDER_REFLECT_101)
    inside = np.zeros_like(shown)
    inside[window] = True
    guide = np.clip(disparity, *np.quantile(disparity[window], (0.1, 0.88)))  # nothing is as near as what is beyond the nearest
    canvas = inpaint(canvas, shown & ~inside, inside, guide, seed)
    label = _label(disparity, disparity[window])
    bands = _bands(canvas, disparity, shown, label, camera, seed)
    return Layers(camera, pad, canvas, disparity, shown, label, bands)


def photo_window(camera: Camera, pad: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the photo on a canvas with this pad."""
    return slice(pad[1], pad[1] + camera.height), slice(pad[0], pad[0] + camera.width)


def _lateral(camera: Camera) -> float:
    """px that a point at disparity 1 moves by at the presets' widest sideways move."""
    return max(SIDE, UP_DOWN) * camera.focal


def _border_reach(disparity: np.ndarray, camera: Camera) -> tuple[int, int]:
    """px that the presets reveal beyond the photo's border, (x, y)."""
    across = max(disparity[:, 0].max(), disparity[:, -1].max())
    down = max(disparity[0].max(), disparity[-1].max())

    def reach(near: float, half: float) -> int:
        return int(np.ceil(_border_shift(near, half, camera))) + 4

    return reach(across, camera.width / 2), reach(down, camera.height / 2)


def _border_shift(disparity: np.ndarray, from_middle: np.ndarray, camera: Camera) -> np.ndarray:
    """px by which the presets move content inward: sideways, or back along the circle."""
    back = CIRCLE[2] * disparity / (1 + CIRCLE[2] * disparity) * from_middle + CIRCLE[0] * camera.focal * disparity
    return MARGIN * np.maximum(_lateral(camera) * disparity, back)


def _from_middle(shape: tuple[int, int]) -> np.ndarray:
    """(H, W) px, the larger of a pixel's distances from the middle across and down."""
    rows, columns = (np.abs(np.arange(n) + 0.5 - n / 2) for n in shape)
    return np.maximum(rows[:, None], columns[None])


def continue_outward(disparity: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """Continue disparity beyond the border along its slope there, by at most a quarter.

    Args:
        disparity: (H, W) float32.
        pad: (x, y) px.

    Returns:
        (H + 2 y, W + 2 x) float32.
    """

    def extend(values: np.ndarray, amount: int) -> np.ndarray:
        """One side: beyond the last row."""
        depth = max(2, len(values) // 20)
        edge = values[-1]
        slope = (values[-1] - values[-depth]) / max(1, depth - 1)
        slope = cv2.blur(np.clip(slope, -0.005, 0.005)[None], (2 * depth + 1, 1))[0]
        steps = np.arange(1, amount + 1, dtype=np.float32)[:, None]
        return np.clip(edge + slope * steps, 0.75 * edge, 1.25 * edge)

    for axis, amount in ((0, pad[1]), (1, pad[0])):
        turned = np.ascontiguousarray(np.moveaxis(disparity, axis, 0))
        before, after = extend(turned[::-1], amount)[::-1], extend(turned, amount)
        disparity = np.moveaxis(np.concatenate([before, turned, after]), 0, axis)
    return np.ascontiguousarray(disparity, np.float32)


def _shown(disparity: np.ndarray, window: tuple[slice, slice], camera: Camera) -> np.ndarray:
    """(Hc, Wc) bool: within reach of the photo, given the disparity there."""
    outside = np.ones(disparity.shape, np.uint8)
    outside[window] = 0
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5)
    return distance <= _border_shift(disparity, _from_middle(disparity.shape), camera) + 3


def _label(disparity: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(Hc, Wc) int16 layer per pixel by Ward clustering of the photo's disparities, 0 nearest.

    Source: Li et al., CVPR 2023 (agglomerative clustering of disparity); ours clusters a fixed number of quantiles,
    and puts the boundary half-way between two clusters, so that a flat card is never split.
    """
    sample = np.quantile(visible, (np.arange(SAMPLES) + 0.5) / SAMPLES).astype(np.float64)
    spread = sample[-1] - sample[0]
    if spread < 1e-6:
        return np.zeros(disparity.shape, np.int16)
    clusters = AgglomerativeClustering(None, distance_threshold=WARD_THRESHOLD).fit_predict(
        ((sample - sample[0]) / spread)[:, None]
    )
    ends = np.flatnonzero(np.diff(clusters))
    edges = (sample[ends] + sample[ends + 1]) / 2
    if len(edges) >= MOST_LAYERS:
        widest = np.argsort(sample[ends] - sample[ends + 1], kind="stable")[: MOST_LAYERS - 1]
        edges = np.sort(edges[widest])
    return (len(edges) - np.searchsorted(edges, disparity)).astype(np.int16)


def find_cuts(disparity: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Where disparity jumps.

    Args:
        disparity: (Hc, Wc) float32.
        shown: (Hc, Wc) bool.

    Returns:
        (Hc, Wc) float32: at the far side of a cut the disparity of the near side, else 0.
    """
    near = np.zeros_like(disparity)
    for axis in (0, 1):
        values, seen = np.moveaxis(disparity, axis, 0), np.moveaxis(shown, axis, 0)
        view = np.moveaxis(near, axis, 0)
        jump = np.diff(values, axis=0)
        size = np.abs(jump)
        slope = np.zeros_like(size)
        slope[1:] += size[:-1] / 2
        slope[:-1] += size[1:] / 2
        cut = (size > CUT) & (size > 1.5 * slope) & seen[1:] & seen[:-1]
        view[:-1] = np.maximum(view[:-1], np.where(cut & (jump > 0), values[1:], 0))
        view[1:] = np.maximum(view[1:], np.where(cut & (jump < 0), values[:-1], 0))
    return near


def _reach(near: np.ndarray, far: np.ndarray, from_middle: np.ndarray, camera: Camera) -> np.ndarray:
    """px of the far surface that the presets can reveal behind an edge."""
    zoom = from_middle * (1 / (1 - ZOOM_IN * near) - 1 / (1 - ZOOM_IN * far))
    return MARGIN * np.maximum(_lateral(camera) * (near - far), zoom) + 2


def _bands(
    color: np.ndarray, disparity: np.ndarray, shown: np.ndarray, label: np.ndarray, camera: Camera, seed: int
) -> list[Band]:
    near = find_cuts(disparity, shown)
    from_middle = _from_middle(disparity.shape)
    bands = []
    for layer in range(label.max() + 1):
        edge = (near > 0) & (label == layer)
        if not edge.any():
            continue
        source = nearest_index(edge)
        far = disparity.ravel()[source]
        reach = _reach(near.ravel()[source], far, from_middle.ravel()[source], camera)
        distance = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
        mask = shown & (disparity > far + CUT / 2) & (distance <= reach)
        if mask.any():
            bands.append(_fill_band(layer, mask, source, float(reach[mask].max()), color, disparity, shown, label, seed))
    return bands


def _fill_band(
    layer: int,
    mask: np.ndarray,
    source: np.ndarray,
    reach: float,
    color: np.ndarray,
    disparity: np.ndarray,
    shown: np.ndarray,
    label: np.ndarray,
    seed: int,
) -> Band:
    """Continue one layer behind its occluders, from itself and what is farther only."""
    hidden = disparity.copy()
    hidden[mask] = disparity.ravel()[source[mask]]
    context = shown & (label >= layer) & ~mask
    context &= ~cv2.dilate((disparity > hidden + CUT / 2).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    like = context & (disparity > 0.8 * np.quantile(hidden[mask], 0.05))  # not the sky for the sea behind a rock
    if like.sum() > 0.5 * mask.sum():
        context = like
    elif not context.any():
        context = shown & (label >= layer) & ~mask
    rows, columns = np.nonzero(mask)
    grow = int(2 * reach) + 61  # texture to copy is looked for around the band only
    window = (
        slice(max(0, rows.min() - grow), rows.max() + grow + 1),
        slice(max(0, columns.min() - grow), columns.max() + grow + 1),
    )
    smooth = smooth_fill(hidden[window], context[window], mask[window], reach) if context[window].any() else hidden[window]
    hidden[window] = np.where(mask[window], np.minimum(smooth, disparity[window] - CUT / 4), hidden[window])
    hidden = np.maximum(hidden, disparity.min())
    filled = color.copy()
    filled[window] = inpaint(color[window], mask[window], context[window], hidden[window], seed)
    return Band(layer, mask, source, filled, hidden)
