"""Layers: splits the photo in depth and continues every surface behind its occluders and beyond the border.

Input: the photo and its depth. Output: `Layers` on a canvas a little larger than the photo: disparity and colour
continued beyond the border, a layer per pixel, and for each layer the bands that it needs behind its occluders.

Two layers separate only at a depth discontinuity. A slope that crosses from one layer into the next is one surface: it
occludes nothing, and nothing is inpainted behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from scipy.cluster.hierarchy import fcluster, ward

from ..image.grid import with_margin
from ..shared.camera import Camera
from ..threads import map_threads
from .bands import Inpainter, OccludedBand, fill_bands
from .defringe import remove_fringes
from .depth_order import order_occluded
from .discontinuities import find_discontinuities, remove_specks
from .inpaint import inpaint_hole
from .matting import MixedPixels, no_mixed_pixels, unmix
from .occluded import Canvas, Occluded
from .outpaint import continue_outward, extend_thin, find_visible, outpaint_margin, photo_window
from .visibility import find_disoccluded

QUANTILES = 1000  # quantiles of disparity that are clustered: the same number at any resolution bounds the memory
QUANTILE_PIXELS = 1 << 20  # px, about, that the quantiles are computed from
WARD_THRESHOLD = 1.65  # Li et al. use 5 on 9216 samples of 1280x720; Ward's distance grows with sqrt(samples)
MAX_LAYERS = 8
# Outpainted pixels are copied from pixels of similar disparity. Differences between these quantiles of disparity count
# in full. Disparity above the upper quantile counts by NEAR_GUIDE_SHARE: pixels below the photo's lower border are
# nearer than almost all of the photo, and at full weight they would all be copied from the same few pixels.
GUIDE_QUANTILES, NEAR_GUIDE_SHARE = (0.1, 0.6), 0.14
First = TypeVar("First")
Second = TypeVar("Second")


@dataclass(frozen=True, eq=False)
class Layers:
    """The photo split in depth, on a canvas that extends beyond its border.

    Attributes:
        camera: The photo's camera.
        pad: (x, y), px that the canvas adds on each side.
        color: (Hc, Wc, 3) float32, sRGB; the photo, outpainted. Mixed pixels at the background side of discontinuities
            have the background's colour alone.
        disparity: (Hc, Wc) float32.
        valid: (Hc, Wc) bool, the photo and the outpainted pixels that the presets can show.
        label: (Hc, Wc) int16, layer of the pixel, 0 nearest.
        bands: The occluded surfaces, near to far.
        mixed_pixels: The mixed pixels along the discontinuities.
    """

    camera: Camera
    pad: tuple[int, int]
    color: np.ndarray
    disparity: np.ndarray
    valid: np.ndarray
    label: np.ndarray
    bands: list[OccludedBand]
    mixed_pixels: MixedPixels = field(default_factory=no_mixed_pixels)

    @cached_property
    def occluder_disparity(self) -> np.ndarray:
        """(Hc, Wc) float32, see `discontinuities.find_discontinuities`. Cached: every edit of a stroke needs it."""
        return find_discontinuities(self.disparity, self.valid)

    @property
    def photo(self) -> tuple[slice, slice]:
        """Rows and columns of the photo on the canvas."""
        return photo_window(self.camera, self.pad)


def split_layers(
    color: np.ndarray,
    depth: np.ndarray,
    camera: Camera,
    seed: int = 0,
    *,
    reach: float = 1.0,
    fill: Inpainter | None = None,
) -> Layers:
    """Split the photo in depth and continue every surface as far as the presets can show.

    Args:
        color: (H, W, 3) float32, sRGB.
        depth: (H, W) float32, scene units, edges as steps.
        camera: The photo's camera.
        seed: Seed of the inpainting.
        reach: Factor on how far the presets move the camera, and so on how far surfaces continue behind occluders and
            beyond the border.
        fill: (image (H, W, 3) float32, mask (H, W) bool) -> image; replaces the exemplar-based inpainting.

    Returns:
        The layers.
    """
    outpainted = _outpaint_depth(remove_specks((1 / depth).astype(np.float32, copy=False)), camera, reach)
    colors, (canvas, ranks) = _run_both(
        lambda: _outpaint_color(color, outpainted, seed, fill), lambda: _find_occluded(outpainted, camera, reach)
    )
    mixed = unmix(colors, canvas.disparity, canvas.occluder_disparity)
    occluding = np.concatenate([np.zeros(0, np.int64), *(part.index for rank in ranks for part in rank)])

    def clean_background() -> None:
        mixed.remove_foreground(colors)
        remove_fringes(colors, canvas.disparity, canvas.occluder_disparity)

    def find_visible_parts() -> tuple[np.ndarray, list[list[Occluded]]]:
        return find_disoccluded(canvas, ranks, mixed.index[mixed.front], outpainted.window, reach)

    _, (valid, ranks) = _run_both(clean_background, find_visible_parts)
    bands = _show_background(fill_bands(canvas, colors, ranks, occluding, seed, fill), mixed)
    mixed = mixed.chosen(valid.ravel()[mixed.index])
    mixed = mixed.with_background_under(np.concatenate([np.zeros(0, np.int64), *(band.index for band in bands)]))
    return Layers(camera, outpainted.pad, colors, canvas.disparity, valid, canvas.label, bands, mixed)


def _run_both(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Results of two independent steps that run in parallel."""
    steps: list[Callable[[], Any]] = [first, second]
    results = map_threads(lambda step: step(), steps)
    return cast(First, results[0]), cast(Second, results[1])


@dataclass(frozen=True, eq=False)
class _OutpaintedDepth:
    """The photo's disparity, continued beyond its border.

    Attributes:
        pad: (x, y), px that the canvas adds on each side.
        window: Rows and columns of the photo on the canvas.
        disparity: (Hc, Wc) float32.
        valid: (Hc, Wc) bool, pixels that the presets can show.
        thin: (T,) int64 each: flat canvas indices of thin objects beyond the border, and of the pixels of
            the photo that they mirror.
    """

    pad: tuple[int, int]
    window: tuple[slice, slice]
    disparity: np.ndarray
    valid: np.ndarray
    thin: tuple[np.ndarray, np.ndarray]


def _outpaint_depth(disparity: np.ndarray, camera: Camera, reach: float) -> _OutpaintedDepth:
    """Continue (H, W) disparity beyond the border."""
    pad = outpaint_margin(disparity, camera, reach)
    thin, canvas = _run_both(lambda: extend_thin(disparity, pad), lambda: continue_outward(disparity, pad))
    canvas.ravel()[thin[0]] = canvas.ravel()[thin[1]]
    valid = find_visible(canvas, camera, pad, reach, thin[0])
    return _OutpaintedDepth(pad, photo_window(camera, pad), canvas, valid, thin)


def _find_occluded(outpainted: _OutpaintedDepth, camera: Camera, reach: float) -> tuple[Canvas, list[list[Occluded]]]:
    """The canvas with its layers and discontinuities, and its occluded surfaces by rank."""
    disparity, valid = outpainted.disparity, outpainted.valid
    label = _cluster_layers(disparity, disparity[outpainted.window])
    canvas = Canvas(camera, disparity, valid, label, find_discontinuities(disparity, valid))
    return canvas, order_occluded(canvas, reach)


def _show_background(bands: list[OccludedBand], mixed: MixedPixels) -> list[OccludedBand]:
    """Give the bands under mixed pixels the background colours that are seen there."""

    def with_background(band: OccludedBand) -> OccludedBand:
        return replace(band, color=mixed.show_background(band.index, band.disparity, band.color))

    return map_threads(with_background, bands)


def _outpaint_color(color: np.ndarray, outpainted: _OutpaintedDepth, seed: int, fill: Inpainter | None) -> np.ndarray:
    """(Hc, Wc, 3) float32, sRGB: the photo, outpainted. Thin objects mirror their part inside the photo."""
    window, disparity, thin = outpainted.window, outpainted.disparity, outpainted.thin
    beyond = outpainted.valid.copy()
    beyond[window] = False
    canvas = with_margin(np.asarray(color, np.float32), window[1].start, window[0].start, cv2.BORDER_REPLICATE)
    if fill is not None:
        outside = np.ones_like(beyond)
        outside[window] = False
        return fill(canvas, outside).astype(np.float32)
    inside = np.zeros_like(beyond)
    inside[window] = True
    beyond.ravel()[thin[0]] = False
    where = np.flatnonzero(beyond)
    far, near = np.quantile(disparity[window][::4, ::4], GUIDE_QUANTILES)
    guide = np.clip(disparity, far, near)
    guide += np.float32(NEAR_GUIDE_SHARE) * np.maximum(disparity - np.float32(near), 0)
    canvas.reshape(-1, 3)[where] = inpaint_hole(canvas, beyond, inside, guide, seed, where=where)
    canvas.reshape(-1, 3)[thin[0]] = canvas.reshape(-1, 3)[thin[1]]
    return canvas


def _cluster_layers(disparity: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Assign each pixel a layer by Ward clustering of the photo's disparities.

    Source: Li et al., CVPR 2023 (agglomerative clustering of disparity). Ours clusters a fixed number of quantiles, and
    puts the boundary half-way between two clusters, so that a flat card is never split.

    Args:
        disparity: (Hc, Wc) float32.
        photo: (H, W) float32, the part of it that the photo shows.

    Returns:
        (Hc, Wc) int16, 0 nearest.
    """
    step = max(1, round((photo.size / QUANTILE_PIXELS) ** 0.5))
    sample = np.quantile(photo[::step, ::step], (np.arange(QUANTILES) + 0.5) / QUANTILES).astype(np.float64)
    spread = sample[-1] - sample[0]
    if spread < 1e-6:
        return np.zeros(disparity.shape, np.int16)
    ends = np.flatnonzero(np.diff(_cluster((sample - sample[0]) / spread)))
    boundaries = (sample[ends] + sample[ends + 1]) / 2
    if len(boundaries) >= MAX_LAYERS:
        widest = np.argsort(sample[ends] - sample[ends + 1], kind="stable")[: MAX_LAYERS - 1]
        boundaries = np.sort(boundaries[widest])
    label = np.zeros(disparity.shape, np.int16)
    for boundary in boundaries.astype(np.float32):
        label += disparity <= boundary
    return label


def _cluster(values: np.ndarray) -> np.ndarray:
    """(N,) int32: the Ward cluster of each of (N,) float64 numbers; those closer than `WARD_THRESHOLD` are merged."""
    return fcluster(ward(values[:, None]), np.nextafter(WARD_THRESHOLD, 0), "distance")
