"""The pinhole camera of the photo, and camera paths. numpy only: Blender's process imports this module.

Conventions of every module:

* Core frame is OpenCV's: x right, y down, z into the scene, the photo's camera at the origin.
* Pixel centres are at +0.5; a photo of W x H pixels spans [0, W] x [0, H]
  (as ``grid_sample(align_corners=False)``). The principal point is the middle, (W/2, H/2).
* Depth is along +z, > 0, in scene units; the nearest visible content is at 1.
  Disparity is 1/depth and nothing else. Depth is never resized, disparity is.
* Motion is px/frame of the working photo at nominal speed, displacement px, phase 0..1 of the loop.
* Poses are 4x4 camera-to-world matrices in this frame. Blender's axes are (x, z, -y): the extension converts once,
  on the root object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import CinemaError


@dataclass(frozen=True)
class PathPreset:
    """A camera path; `_centres` has its curve.

    Attributes:
        label: Name on a button, in title case.
        help: Tooltip.
        frames: Frames of the path in the program of Li et al., "3D Cinemagraphy from a Single Image", CVPR 2023.
    """

    label: str
    help: str
    frames: int


PRESETS = {
    "up-down": PathPreset("Up-Down", "From above to below the photo's view", 60),
    "zoom-in": PathPreset("Zoom In", "Forward into the photo", 60),
    "side": PathPreset("Side", "From left to right of the photo's view", 60),
    "circle": PathPreset("Circle", "In a circle around the photo's view; always closed", 90),
}
PATHS = tuple(PRESETS)
UP_DOWN, ZOOM_IN, SIDE = 0.08, 0.24, 0.09  # amplitudes in scene units (the nearest content is at 1)
CIRCLE = (0.04, 0.04, 0.09)  # amplitudes along x, y and z, scene units
# The pixel filter of renders: a Gaussian, for which the footprints of points are made. A wide one mixes every pixel
# with its neighbours: at 1 px it keeps 91 % of its weight. A narrow one leaves steps along edges, and shows every gap.
FILTER_WIDTH = 0.65  # px, Cycles' width; 99.6 % of a pixel's weight falls on its own point
FILTER_SIGMA = FILTER_WIDTH / 4  # px, the Gaussian's standard deviation, by Cycles' definition of the width
# Largest relative difference of two aspect ratios that count as the same. Depth estimators round sizes to multiples
# of 14 or 32 px, and the working photo drops an odd last row or column.
ASPECT_TOLERANCE = 0.02
ROUNDINGS = (7, 8, 14, 16, 32)  # px; networks take sides that are multiples of 14, 16 or 32; 7 and 8 are of halved ones
ROUNDED_TOLERANCE = 0.08  # largest relative difference of two aspect ratios by such rounding; a crop may have more


@dataclass(frozen=True)
class Camera:
    """The photo's camera.

    Attributes:
        width: px of the working photo.
        height: px of the working photo.
        focal: px, the same for both axes.
    """

    width: int
    height: int
    focal: float

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Lift pixels into the scene.

        Args:
            pixels: (..., 2) px, (x, y).
            depth: (...) scene units along +z.

        Returns:
            (..., 3) float32, scene units.
        """
        centre = np.array((self.width / 2, self.height / 2))
        sideways = (np.asarray(pixels, np.float64) - centre) * (np.asarray(depth, np.float64)[..., None] / self.focal)
        return np.concatenate([sideways, np.asarray(depth, np.float64)[..., None]], -1).astype(np.float32)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points of the core frame.

        Args:
            points: (..., 3) scene units, z > 0.

        Returns:
            (..., 2) float64, px.
        """
        points = np.asarray(points, np.float64)
        return points[..., :2] / points[..., 2:] * self.focal + (self.width / 2, self.height / 2)


def camera_path(name: str, frames: int | None = None, loop: bool = False) -> np.ndarray:
    """Camera poses of a preset.

    Args:
        name: "still" or one of `PATHS`.
        frames: Number of poses; None takes the number of the preset.
        loop: False gives the reference's path, of which only "circle" is closed. True gives a closed path of the
            same amplitude: pose N would equal pose 0, and "side", "up-down" and "zoom-in" start at the photo's camera.

    Returns:
        (N, 4, 4) float64 camera-to-world, core axes.

    Raises:
        CinemaError: The name is unknown, or frames < 1.

    Source: amplitudes and parametrisation as in the program of Li et al. (CVPR 2023).
    """
    if name != "still" and name not in PATHS:
        raise CinemaError(f'There is no camera path called "{name}"', f"Choose one of still, {', '.join(PATHS)}")
    count = (PRESETS[name].frames if name in PRESETS else 60) if frames is None else int(frames)
    if count < 1:
        raise CinemaError("A camera path needs at least one frame", "Give a number of frames of 1 or more")
    poses = np.tile(np.eye(4), (count, 1, 1))
    if name != "still":
        poses[:, :3, 3] = _centres(name, count, loop)
    return poses


def are_rigid(poses: np.ndarray) -> bool:
    """Whether (N, 4, 4) matrices are rotations with translations, without scale, shear or projection."""
    if not np.isfinite(poses).all():
        return False
    rotation = poses[:, :3, :3]
    orthonormal = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < 1e-3
    return bool(orthonormal and (np.linalg.det(rotation) > 0).all() and np.abs(poses[:, 3] - (0, 0, 0, 1)).max() < 1e-6)


def _centres(name: str, count: int, loop: bool) -> np.ndarray:
    """(N, 3) camera centres of a preset, scene units."""
    phase = np.arange(count) / count
    if name == "circle":  # two turns in x and y during one period in z: closed without changes
        tau = 4 * phase - 2
        across, down, along = CIRCLE
        return np.stack([across * np.cos(np.pi * tau), down * np.sin(np.pi * tau), along * np.cos(np.pi * tau / 2)], 1)
    if loop:
        amount = (1 - np.cos(2 * np.pi * phase)) / 2 if name == "zoom-in" else np.sin(2 * np.pi * phase)
    else:
        ramp = np.linspace(0, 1, count)
        amount = ramp if name == "zoom-in" else 2 * ramp - 1
    direction = {"up-down": (0, UP_DOWN, 0), "side": (SIDE, 0, 0), "zoom-in": (0, 0, ZOOM_IN)}[name]
    return amount[:, None] * np.array(direction)


def same_aspect(size: tuple[float, float], wanted: tuple[float, float]) -> bool:
    """Whether two (W, H) have the same ratio of width to height, up to ASPECT_TOLERANCE; all sides must be > 0."""
    return abs(size[0] / size[1] / (wanted[0] / wanted[1]) - 1) <= ASPECT_TOLERANCE


def is_rounded(size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether a network's output of (W, H) px shows the whole of a picture of `wanted` px, its sides rounded.

    Networks scale a picture and round each side by itself, up or down, to a multiple of one of ROUNDINGS: 640 x 480
    becomes 504 x 364. The output covers the whole picture, stretched a little.
    """
    if abs(size[0] / size[1] / (wanted[0] / wanted[1]) - 1) > ROUNDED_TOLERANCE:
        return False
    return any(_rounds_to(size, wanted, step) for step in ROUNDINGS)


def _rounds_to(size: tuple[int, int], wanted: tuple[int, int], step: int) -> bool:
    """Whether one scale brings both sides of `wanted` to less than a step from those of `size`, multiples of it."""
    if any(side % step for side in size):
        return False
    lowest = max((side - step) / of for side, of in zip(size, wanted))
    return lowest < min((side + step) / of for side, of in zip(size, wanted))


def stretched_note(name: str, size: tuple[int, int], wanted: tuple[int, int]) -> str:
    """The sentence that tells the user of a file that is used because `is_rounded`."""
    return (
        f"{name} is {size[0]} x {size[1]}, which is not quite the photo's shape ({wanted[0]} x {wanted[1]}); "
        "it is taken as the whole photo with rounded sides, as networks write it"
    )
