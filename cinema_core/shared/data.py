"""Data classes that the rooms exchange. numpy only: Blender's process imports this module.

Motion is in px per frame, depth in scene units. Axes, pixel grid and the other conventions are those of
:mod:`.camera`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Of the photos that open; the reader is `files/photo.py`, and Blender's file dialog shows these.
PHOTO_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".heic", ".heif", ".hif", ".avif", ".webp", ".tif", ".tiff", ".bmp", ".exr",
)  # fmt: skip
FARTHEST = 100.0  # scene units; beyond it there is no visible parallax at any preset's amplitude


def _check(name: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want is None or have == want for have, want in zip(array.shape, shape))
    if not fits:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


@dataclass(frozen=True, eq=False)
class Photo:
    """The working photo.

    Attributes:
        color: (H, W, 3) float32, sRGB-encoded, 0..1; both sides even.
        focal: Focal length, px of the working photo.
        alpha: (H, W) float32 coverage 0..1, or None when the file has none.
        name: File name, for reports.
        exif_focal: True when the focal length was read from the file.
        file_size: (W, H) px of the upright picture in the file; None when the photo is not from a file.
        linear: True when the file held linear light; values brighter than white were clipped.
        warnings: Messages for the user about the file.
    """

    color: np.ndarray
    focal: float
    alpha: np.ndarray | None = None
    name: str = ""
    exif_focal: bool = False
    file_size: tuple[int, int] | None = None
    linear: bool = False
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check("color", self.color, (None, None, 3))

    @property
    def height(self) -> int:
        return self.color.shape[0]

    @property
    def width(self) -> int:
        return self.color.shape[1]


@dataclass(frozen=True, eq=False)
class Depth:
    """The photo's depth and its source.

    Attributes:
        values: (H, W) float32, scene units along z, the nearest content at 1.
        source: "file", "model" or "network".
        detail: How it was read or estimated, for the user.
        licence: The model's licence as its model card states it; "" without a model.
        warnings: Messages for the user.
        focal: The model's estimate of the focal length, px of the working photo; None where there is none.
    """

    values: np.ndarray
    source: str
    detail: str = ""
    licence: str = ""
    warnings: tuple[str, ...] = ()
    focal: float | None = None

    def __post_init__(self) -> None:
        _check("values", self.values, (None, None))


@dataclass(frozen=True, eq=False)
class Stroke:
    """One stroke that the user drew over the photo.

    Attributes:
        kind: Of motion: "motion" (direction and speed), "region" (encloses the flowing region), "sway" (encloses a
            region that swings to and fro), "still" (closed: its area does not move; open: the motion is zero along
            it) or "outlet" (water may leave or enter through the region's border along it). Of depth: "same_depth",
            "nearer", "farther" (the surface under it is as far away as, nearer or farther than the one under its
            first point), "horizon" (of the ground); and three kinds that are always closed: "flat" (a ground or water
            plane), "upright" (an object that stands on its foot) and "depth_sky" (infinitely far).
        points: (N, 2) float32, px of the working photo, in drawing order.
        closed: True when the last point joins the first.
        speed: Factor on the speed that the stroke's length gives; for "nearer" and "farther", on the step of depth.
        profile: (N,) float32 factor on the speed at every point, from pen pressure or radius; None means 1.
    """

    kind: str
    points: np.ndarray
    closed: bool = False
    speed: float = 1.0
    profile: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check("points", self.points, (None, 2))
        if self.profile is not None:
            _check("profile", self.profile, (len(self.points),))


@dataclass(frozen=True, eq=False)
class StillPoints:
    """Points that never move.

    Attributes:
        position: (S, 3) float32, scene units.
        color: (S, 3) float32, sRGB 0..1.
        radius_factor: (S,) float32, radius in units of the point's own pixel footprint (1 = one photo pixel).
        layer: (S,) int16, index into the report's list of layers.
    """

    position: np.ndarray
    color: np.ndarray
    radius_factor: np.ndarray
    layer: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.position)
        _check("position", self.position, (count, 3))
        _check("color", self.color, (count, 3))
        _check("radius_factor", self.radius_factor, (count,))
        _check("layer", self.layer, (count,))


@dataclass(frozen=True, eq=False)
class MovingPoints:
    """Points that follow trajectories of the motion field over one loop.

    Attributes:
        position: (M, 3) float32, scene units; the origin of displacement.
        displacement: (K + 1, M, 3) float32, scene units, at phases j / K.
        birth: (M,) float32, phase from which the point is shown.
        death: (M,) float32, phase from which it is hidden again; 2 = not within the loop.
        colors: (J, 2, M, 4) uint8. In each of up to J cycles a point changes from the first to the second colour,
            sRGB. The fourth channels are the phases of the cycle at which this change begins and ends, in 1/255.
        radius_factor: (M,) float32, radius in pixel footprints.
        cycles: (M,) int16, number of times the point runs through its phases in one loop; in fast water more than 1.
            A point with more cycles than J has the colours of cycle n in n modulo J.
    """

    position: np.ndarray
    displacement: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    colors: np.ndarray
    radius_factor: np.ndarray
    cycles: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.position)
        _check("displacement", self.displacement, (None, count, 3))
        _check("position", self.position, (count, 3))
        _check("colors", self.colors, (None, 2, count, 4))
        for name in ("birth", "death", "radius_factor", "cycles"):
            _check(name, getattr(self, name), (count,))
