"""Layers: where the scene is split in depth, and how far each surface goes on unseen.

Input: the photo's depth. Output: `Layers` on a canvas a little larger than the photo: disparity continued beyond
the border, a layer per pixel, and for each layer the band that it needs behind nearer things.

A boundary between two layers is a cut only where disparity jumps; a slope that crosses from one layer into the next
is one surface, nothing is hidden behind it and nothing is invented there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from sklearn.cluster import AgglomerativeClustering

from ..image.grid import with_margin
from ..shared.camera import Camera
from ..threads import map_threads
from .bands import Fill, OccludedBand, fill_bands
from .defringe import remove_fringes
from .depth_order import order_occluded
from .discontinuities import find_discontinuities, remove_specks
from .inpaint import inpaint_hole
from .matting import MixedPixels, no_mixed_pixels, unmix
from .occluded import Canvas, Occluded
from .outpaint import continue_outward, extend_thin, find_visible, outpaint_margin, photo_window
from .visibility import find_disoccluded

SAMPLES = 1000  # quantiles of disparity that are clustered: the same at any resolution, in bounded memory
LOOKED_AT = 1 << 20  # px, about, that the quantiles are taken of
WARD_THRESHOLD = 1.65  # Li et al. use 5 on 9216 samples of 1280x720; Ward's distance grows with sqrt(samples)
MOST_LAYERS = 8
# What lies beyond the border is copied from what is as near. Between these quantiles of disparity all counts, of what is
# nearer a share: little is as near as what the lower border leads to, and all would be copied from that.
TOLD_APART, NEAR_SHARE = (0.1, 0.6), 0.14


@dataclass(frozen=True, eq=False)
class Layers:
    """The photo split in depth, on a canvas that goes on beyond its border.

    Attributes:
        camera: The photo's camera.
        pad: (x, y), px that the canvas adds on each side.
        color: (Hc, Wc, 3) float32, sRGB; the photo and its continuation. On edges the farther surface without what it
            shares with the nearer one.
        disparity: (Hc, Wc) float32.
        valid: (Hc, Wc) bool, the photo and as much of its continuation as the presets can reveal.
        label: (Hc, Wc) int16, layer of the pixel, 0 nearest.
        bands: What lies hidden behind the cuts, one per layer that has any.
        rim: The mixed pixels along the cuts.
    """

    camera: Camera
    pad: tuple[int, int]
    color: np.ndarray
    disparity: np.ndarray
    valid: np.ndarray
    label: np.ndarray
    bands: list[OccludedBand]
    rim: MixedPixels = field(default_factory=no_mixed_pixels)

    @cached_property
    def cuts(self) -> np.ndarray:
        """(Hc, Wc) float32, see `cuts.find_cuts`: every edit of a stroke asks for them."""
        return find_discontinuities(self.disparity, self.valid)

    @property
    def photo(self) -> tuple[slice, slice]:
        """Rows and columns of the photo on the canvas."""
        return photo_window(self.camera, self.pad)


def split_layers(
    color: np.ndarray, depth: np.ndarray, camera: Camera, seed: int = 0, *, reach: float = 1.0, fill: Fill | None = None
) -> Layers:
    """Split the photo in depth and continue every surface as far as the presets can reveal.

    Args:
        color: (H, W, 3) float32, sRGB.
        depth: (H, W) float32, scene units, edges as steps.
        camera: The photo's camera.
        seed: Seed of the inpainting.
        reach: Factor on how far hidden surfaces and the border are continued.
        fill: (image (H, W, 3) float32, mask (H, W) bool) -> image; takes the place of the exemplar-based inpainting.

    Returns:
        The layers.
    """
    disparity = remove_specks((1 / depth).astype(np.float32, copy=False))
    pad = outpaint_margin(disparity, camera, reach)
    thin, disparity = map_threads(lambda step: step(disparity, pad), (extend_thin, continue_outward))
    disparity.ravel()[thin[0]] = disparity.ravel()[thin[1]]
    window = photo_window(camera, pad)
    valid = find_visible(disparity, camera, pad, reach, thin[0])

    def beyond() -> np.ndarray:
        return _continue_color(color, disparity, valid, window, thin, seed, fill)

    def behind() -> tuple[Canvas, list[list[Occluded]]]:
        canvas = Canvas(
            camera, disparity, valid, _label(disparity, disparity[window]), find_discontinuities(disparity, valid)
        )
        return canvas, order_occluded(canvas, reach)

    colors, (canvas, tiers) = map_threads(lambda step: step(), (beyond, behind))
    rim = unmix(colors, disparity, canvas.cuts)
    hiding = np.concatenate([np.zeros(0, np.int64), *(part.index for tier in tiers for part in tier)])

    def far_alone() -> None:
        rim.remove_foreground(colors)
        remove_fringes(colors, disparity, canvas.cuts)

    def revealed() -> tuple[np.ndarray, list[list[Occluded]]]:
        return find_disoccluded(canvas, tiers, rim.index[rim.front], window, reach)

    _, (valid, tiers) = map_threads(lambda step: step(), (far_alone, revealed))
    bands = fill_bands(canvas, colors, tiers, hiding, seed, fill)

    def finished(band: OccludedBand) -> OccludedBand:
        return replace(band, color=rim.show_background(band.index, band.disparity, band.color))

    bands = map_threads(finished, bands)
    rim = rim.chosen(valid.ravel()[rim.index])
    rim = rim.with_background_under(np.concatenate([np.zeros(0, np.int64), *(band.index for band in bands)]))
    return Layers(camera, pad, colors, disparity, valid, canvas.label, bands, rim)


def _continue_color(
    color: np.ndarray,
    disparity: np.ndarray,
    valid: np.ndarray,
    window: tuple[slice, slice],
    thin: tuple[np.ndarray, np.ndarray],
    seed: int,
    fill: Fill | None,
) -> np.ndarray:
    """(Hc, Wc, 3) float32, sRGB: the photo, and what may lie beyond its border; thin things as they are inside it."""
    beyond = valid.copy()
    beyond[window] = False
    canvas = with_margin(np.asarray(color, np.float32), window[1].start, window[0].start, cv2.BORDER_REPLICATE)
    if fill is not None:
        outside = np.ones_like(valid)
        outside[window] = False
        return fill(canvas, outside).astype(np.float32)
    inside = np.zeros_like(valid)
    inside[window] = True
    beyond.ravel()[thin[0]] = False
    where = np.flatnonzero(beyond)
    far, near = np.quantile(disparity[window][::4, ::4], TOLD_APART)
    guide = np.clip(disparity, far, near)
    guide += np.float32(NEAR_SHARE) * np.maximum(disparity - np.float32(near), 0)
    canvas.reshape(-1, 3)[where] = inpaint_hole(canvas, beyond, inside, guide, seed, where=where)
    canvas.reshape(-1, 3)[thin[0]] = canvas.reshape(-1, 3)[thin[1]]
    return canvas


def _label(disparity: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(Hc, Wc) int16 layer per pixel by Ward clustering of the photo's disparities, 0 nearest.

    Source: Li et al., CVPR 2023 (agglomerative clustering of disparity); ours clusters a fixed number of quantiles,
    and puts the boundary half-way between two clusters, so that a flat card is never split.
    """
    step = max(1, round((visible.size / LOOKED_AT) ** 0.5))
    sample = np.quantile(visible[::step, ::step], (np.arange(SAMPLES) + 0.5) / SAMPLES).astype(np.float64)
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
    label = np.zeros(disparity.shape, np.int16)
    for edge in edges.astype(np.float32):
        label += disparity <= edge
    return label
