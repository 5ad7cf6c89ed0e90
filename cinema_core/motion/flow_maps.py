"""Flow maps: where the water at each pixel was and will be, at even steps of time before and after.

Input: the steady motion field. Output: `FlowMaps`; from them follows the source of a texture that drifted for a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..image.grid import sample
from .trajectories import NODE_SPACING, find_nodes, integrate

SOFT_EXIT = 1.0  # steps within which a texture fades that comes from the end of the known part
MOST_NODES = 1 << 24  # of all maps together, 128 MB; with more the nodes stand farther apart


@dataclass(frozen=True, eq=False)
class FlowMaps:
    """Displacements of a region's pixels over times from -steps to +steps.

    Attributes:
        displacement: (2 * steps + 1, h, w, 2) float32, px, of nodes; index `steps` is now and holds zeros.
        steps: Steps of time in each direction.
        spacing: px between nodes.
        inside: (h, w) bool, nodes in and beside the region; elsewhere the displacement is 0.
        exits: (2, h, w) float32, steps until the water leaves the known part of the region, back in time and onwards;
            more than `steps` if it stays.
    """

    displacement: np.ndarray
    steps: int
    spacing: int
    inside: np.ndarray
    exits: np.ndarray

    def places(self, pixels: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Places of the water of some pixels at another time.

        Args:
            pixels: (P, 2) float32, px, pixel centres at +0.5.
            offset: (P,) float32, steps of time; beyond the range of the maps it is clipped.

        Returns:
            (P, 2) float32, px.
        """
        at = np.clip(offset, -self.steps, self.steps) + self.steps
        before = np.minimum(at.astype(np.int64), 2 * self.steps - 1)
        share = (at - before).astype(np.float32)
        nodes = pixels / np.float32(self.spacing)
        found = np.empty_like(pixels)
        for number in np.flatnonzero(np.bincount(before)):
            rows = np.flatnonzero(before == number)
            part = share[rows, None]
            one, other = (sample(self.displacement[n], nodes[rows]) for n in (number, number + 1))
            found[rows] = pixels[rows] + one * (1 - part) + other * part
        return found

    def remains(self, pixels: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(P,) float32, 0..1: whether the water of (P, 2) pixels stays in the known part for (P,) steps, either way.

        It falls from 1 to 0 over `SOFT_EXIT` steps, so that the limit is no line in the picture.
        """
        nodes = pixels / np.float32(self.spacing)
        exits = np.where(offset > 0, sample(self.exits[1], nodes), sample(self.exits[0], nodes))
        return np.clip((exits - np.abs(offset)) / SOFT_EXIT, 0, 1) if len(offset) else np.zeros(0, np.float32)

    def node_places(self, step: int) -> np.ndarray:
        """(h * w, 2) float32, px: places of the water at each node some steps later."""
        height, width = self.exits.shape[1:]
        row, column = np.mgrid[:height, :width].astype(np.float32)
        nodes = (np.stack([column, row], -1) + np.float32(0.5)) * np.float32(self.spacing)
        return (nodes + self.displacement[self.steps + step]).reshape(-1, 2)

    def travel(self, step: int) -> np.ndarray:
        """(h, w) float32, px: how far the water at each node is within some steps, back or onwards, the farther."""
        lengths = [np.linalg.norm(self.displacement[self.steps + side * step], axis=-1) for side in (-1, 1)]
        return np.maximum(*lengths)

    def stretch(self, step: int) -> np.ndarray:
        """(h, w) float32: by how much the flow stretches or squeezes the texture around each node within some steps.

        The larger singular value of the flow map's gradient, or the inverse of the smaller one if that is larger.
        """
        displacement = self.displacement[self.steps + step]
        down, right = np.gradient(displacement, self.spacing, axis=(0, 1))
        a, b, c, d = right[..., 0] + 1, down[..., 0], right[..., 1], down[..., 1] + 1
        squares, area = a * a + b * b + c * c + d * d, np.abs(a * d - b * c)
        # for singular values s and t: s + t and s - t, since s^2 + t^2 = squares and s t = area
        total, apart = np.sqrt(squares + 2 * area), np.sqrt(np.maximum(squares - 2 * area, 0))
        return np.maximum((total + apart) / 2, 2 / np.maximum(total - apart, 1e-3)).astype(np.float32)


def trace_flow_maps(
    motion: np.ndarray, region: np.ndarray, known: np.ndarray, step: float, steps: int, device: str = "cpu"
) -> FlowMaps:
    """Integrate where the water at each pixel of a region was and will be.

    Args:
        motion: (H, W, 2) float32, px/frame, valid a little beyond the region.
        region: (H, W) bool.
        known: (H, W) bool, the part of it where the texture is the photo's own.
        step: Frames of a step.
        steps: Steps in each direction.
        device: torch device.

    Returns:
        The maps.
    """
    spacing = NODE_SPACING
    while (2 * steps + 1) * (region.size // spacing**2) > MOST_NODES:
        spacing *= 2
    near, nodes = find_nodes(region, spacing)
    distance = _signed_distance(known)
    displacement = np.zeros((2 * steps + 1, *near.shape, 2), np.float32)
    exits = np.zeros((2, *near.shape), np.float32)
    for direction, backward in enumerate((True, False)):
        depth = sample(distance, nodes)
        inside = depth > 0
        left = np.zeros(len(nodes), np.float32)
        for number, places in enumerate(integrate(motion, nodes, step * steps, steps, backward, device)):
            displacement[steps + (-number if backward else number), near] = places - nodes
            before, depth = depth, sample(distance, places)
            if number:  # of the step in which the water leaves, the part until it reaches the boundary
                part = before / np.maximum(before - depth, 1e-6)
                left += np.where(inside, np.where(depth > 0, 1, np.clip(part, 0, 1)), 0)
                inside &= depth > 0
        exits[direction, near] = left + np.where(inside, SOFT_EXIT, 0)
    return FlowMaps(displacement, steps, spacing, near, exits)


def _signed_distance(region: np.ndarray) -> np.ndarray:
    """(H, W) float32, px to the region's boundary or the canvas' end: positive inside, negative outside."""
    framed = np.pad(region, 1).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5) for mask in (framed, 1 - framed))
    return (inside - outside)[1:-1, 1:-1]
