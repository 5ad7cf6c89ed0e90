"""The quality report: figures about a build that an artist can act on.

Input: the photo, the points, the hints and the motion field. Output: a dict for report.json.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..image.grid import sample
from ..shared.camera import PATHS, camera_path
from .splatting import Splatter

EXTREME_POSES = {"up-down": (0, -1), "zoom-in": (-1,), "side": (0, -1), "circle": (0, 45)}  # where paths reach farthest
# Phases at which the seam's frame difference is compared. Whether a loop runs through 1 cycle or 5, some of them are
# near the middle of a cycle, some near its quarters.
SEAM_PHASES = (0.27, 0.5, 0.64)
MEASURED_PIXELS = 1 << 21  # px; of photos with more than twice as many, about this many pixels are measured
# Feather factor; hints where it is lower are not measured, since the motion is slower there on purpose.
FULL_MOTION = 0.95
FIGURES = (
    "fidelity_db",
    "fidelity_still_db",
    "seam",
    "contrast",
    "contrast_max",
    "holes",
    "bent",
    "lean",
    "cuts",
    "torn",
    "shreds",
    "rubber",
    "amplitude",
    "hint_angle_deg",
    "hint_speed",
)


def measure_hints(pixels: np.ndarray, velocities: np.ndarray, motion: np.ndarray, faded: np.ndarray) -> dict:
    """Measure how well the motion follows the hints; quick.

    Hints count only where the motion is not feathered. In the strip along the region's border and under the grey of a
    soft mask it is slower on purpose.

    Args:
        pixels: (N, 2) float32, px, places of the hints.
        velocities: (N, 2) float32, px/frame.
        motion: (H, W, 2) float32, px/frame.
        faded: (H, W) float32, factor by which the motion was feathered.

    Returns:
        All `FIGURES`. Only hint_angle_deg and hint_speed, the mean angular and the mean relative speed error at the
        hints, are measured; they are None where no hint counts, and the others are always None. "measured" is False.
    """
    quality = {"measured": False} | dict.fromkeys(FIGURES)
    whole = sample(faded, pixels) > FULL_MOTION if len(pixels) else np.zeros(0, bool)
    if whole.any():
        quality["hint_angle_deg"], quality["hint_speed"] = _hint_error(pixels[whole], velocities[whole], motion)
    return {name: _rounded(value) for name, value in quality.items()}


def sample_step(width: int, height: int) -> int:
    """Step between measured pixels of a photo, across and down: of millions of pixels a part suffices as a sample."""
    share = width * height / MEASURED_PIXELS
    return int(np.ceil(share**0.5)) if share > 2 else 1


def measure_quality(photo: np.ndarray, region: np.ndarray, splatter: Splatter, frames: int) -> dict:
    """Measure the look of a build, over the pixels that the splatter renders; takes seconds.

    Args:
        photo: (H, W, 3) float32, sRGB.
        region: (H, W) bool, moving pixels.
        splatter: Renders the points, all pixels or every few.
        frames: Length of the loop.

    Returns:
        Those figures that apply:

        * fidelity_db, fidelity_still_db: PSNR of phase 0 through the photo's camera, over all and over still pixels;
          the second is None where all pixels move.
        * seam: frame difference at the wrap-around over the median of other frame differences.
        * contrast, contrast_max: least and greatest contrast of the moving region over the loop, as a share of the
          contrast at phase 0. Where they are far apart, the loop pulsates.
        * holes: for each camera path, the share of uncovered pixels at its worst extreme pose.
    """
    flowing, photo, region = region, splatter.rendered(photo), splatter.rendered(region)
    first, _ = splatter.render(0.0, np.eye(4))
    quality = {
        "fidelity_db": _psnr(first, photo),
        "fidelity_still_db": _psnr(first[~region], photo[~region]) if not region.all() else None,
        "holes": _holes(splatter),
    }
    if region.any():
        quality["seam"], pictures = _seam(splatter.around(flowing), region, frames)
        detail = _contrast(first, region)
        if detail > 1 / 255:
            contrasts = [_contrast(picture, region) / detail for picture in pictures]
            quality["contrast"], quality["contrast_max"] = min(contrasts), max(contrasts)
    return {name: _rounded(value) for name, value in quality.items()} | {"measured": True}


def _rounded(value: Any) -> Any:
    """A figure, or each figure in a dict, rounded to 5 digits after the point."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def _psnr(picture: np.ndarray, photo: np.ndarray) -> float:
    """Peak signal-to-noise ratio of 8-bit pictures, dB; identical ones have 99."""
    error = np.square(np.rint(picture * 255) - np.rint(photo * 255)).mean()
    return min(99.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


def _holes(splatter: Splatter) -> dict[str, float]:
    """Share of uncovered pixels at the worst extreme pose of each camera path, at mid-loop."""
    holes = {}
    for name in PATHS:
        poses = camera_path(name)
        holes[name] = max(splatter.uncovered(0.5, poses[index]) for index in EXTREME_POSES[name])
    return holes


def _seam(splatter: Splatter, region: np.ndarray, frames: int) -> tuple[float, list[np.ndarray]]:
    """Frame difference at the wrap-around over the median of those at `SEAM_PHASES`, and the pictures there."""
    still = np.eye(4)

    def difference(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b)[region].mean())

    pictures = {phase: splatter.render(phase, still)[0] for phase in (0.0, *SEAM_PHASES)}
    inner = [difference(pictures[p], splatter.render(p + 1 / frames, still)[0]) for p in SEAM_PHASES]
    wrap = difference(splatter.render(1 - 1 / frames, still)[0], pictures[0.0])
    return wrap / max(float(np.median(inner)), 1e-9), [pictures[phase] for phase in SEAM_PHASES]


def _contrast(picture: np.ndarray, region: np.ndarray) -> float:
    """Standard deviation of the fine detail inside the region."""
    luma = cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY)
    return float((luma - cv2.GaussianBlur(luma, (0, 0), max(luma.shape) / 160))[region].std())


def _hint_error(pixels: np.ndarray, wanted: np.ndarray, motion: np.ndarray) -> tuple[float, float]:
    """Mean angle in degrees and mean relative speed error at the hints."""
    found, size = sample(motion, pixels), np.linalg.norm(wanted, axis=1)
    length = np.linalg.norm(found, axis=1)
    cosine = (found * wanted).sum(1) / np.maximum(size * length, 1e-9)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return float(angle.mean()), float((np.abs(length - size) / np.maximum(size, 1e-9)).mean())
