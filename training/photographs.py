"""Photographs as training samples. Distances of points were judged by eye; training uses their order.

Renders teach distances, photographs teach real appearance. The points are in distances.txt; none of its photographs is
used to evaluate the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from .sources import WORKPLACES, photo_file, training_photos
from .views import pixels_of

DISTANCES = Path(__file__).with_name("distances.txt")
IGNORED, POINT, SKY_POINT = 2, 3, 4  # labels of a sample's pixels; renders use 0 to 2
MIN_POINTS = 6  # with a finite distance; a window with fewer is not used as a sample


@dataclass(frozen=True, eq=False)
class Judged:
    """A photograph and its points with judged distances.

    Attributes:
        image: (H, W, 3) uint8 sRGB.
        place: (N, 2) float64, x and y as shares of the width and height.
        distance: (N,) float64, estimated metres, infinite for sky.
    """

    image: np.ndarray
    place: np.ndarray
    distance: np.ndarray


@cache
def judged_photographs() -> tuple[Judged, ...]:
    """All photographs of distances.txt, decoded."""
    allowed = {path.stem for path in training_photos()} | set(WORKPLACES)
    photographs = []
    for name, entries in read_distances().items():
        assert name in allowed, f"{name} may not be used in training"
        values = np.array(entries)
        image = cv2.imread(str(photo_file(name)))[..., ::-1]
        photographs.append(Judged(image, values[:, :2] / 100, values[:, 2]))
    return tuple(photographs)


def read_distances(path: Path = DISTANCES) -> dict[str, list[tuple[float, float, float]]]:
    """Points by name of the photograph: x and y in percent, and metres (infinite for sky)."""
    photographs = {}
    for line in path.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, entries = line.split(":")
        words = [entry.split() for entry in entries.split(",")]
        photographs[name] = [(float(x), float(y), np.inf if d == "s" else float(d)) for x, y, d in words]
    return photographs


def cut_photograph(
    photograph: Judged, size: tuple[int, int], window: tuple[float, float, float, float]
) -> tuple | None:
    """Cut a window (left, top, width, height as shares) from a photograph and resize it to `size` (width, height).

    Returns:
        (H, W, 3) float32 sRGB, (H, W) float32 log2 of inverse distance at the points, and (H, W) uint8 labels: POINT,
        SKY_POINT, elsewhere IGNORED. None if too few points lie in the window.
    """
    height, width = photograph.image.shape[:2]
    rows, columns = part = pixels_of(window, (height, width))
    corner, opposite = np.array([columns.start, rows.start]), np.array([columns.stop, rows.stop])
    share = (photograph.place * (width, height) - corner) / (opposite - corner)
    inside = ((share >= 0) & (share < 1)).all(1)
    if (inside & np.isfinite(photograph.distance)).sum() < MIN_POINTS:
        return None
    column, row = (share[inside] * size).astype(int).T
    image = cv2.resize(photograph.image[part].astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA)
    target = np.zeros(image.shape[:2], np.float32)
    label = np.full(image.shape[:2], IGNORED, np.uint8)
    distance = photograph.distance[inside]
    target[row, column] = np.where(np.isfinite(distance), -np.log2(distance), 0)
    label[row, column] = np.where(np.isfinite(distance), POINT, SKY_POINT)
    return image, target, label
