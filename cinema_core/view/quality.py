"""The quality report: how good a build is, in numbers that an artist can act on.

Input: the photo, the points, the hints and the motion field. Output: a dict for report.json.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..image.grid import sample
from ..shared.camera import PATHS, camera_path
from .splatting import Splatter

LOOKS = {"up-down": (0, -1), "zoom-in": (-1,), "side": (0, -1), "circle": (0, 45)}  # where paths reach farthest
SEAM_PHASES = (
    0.27,
    0.5,
    0.64,
)  # whether a loop runs through 1 cycle or 5: some near the middle, some near the quarters
LOOKED_AT = 1 << 21  # px, about, of a photo of more than twice as many; they are rendered as in the whole picture
WHOLE = 0.95  # of the motion; where it is feathered to less, its speed is not the hints'
FIGURES = (
    "fidelity_db",
    "fidelity_still_db",
    "seam",
    "contrast",
    "contrast_max",
    "holes",
    "hint_angle_deg",
    "hint_speed",
)


def measure_hints(pixels: np.ndarray, velocities: np.ndarray, motion: np.ndarray, faded: np.ndarray) -> dict:
    """Measure how well the motion obeys; quick.

    Only hints count where the motion is wanted whole: not those in the strip along the region's border, nor under the
    grey of a soft mask, where it is feathered away on purpose.

    Args:
        pixels: (N, 2) float32, px, where the motion was asked for.
        velocities: (N, 2) float32, px/frame.
        motion: (H, W, 2) float32, px/frame.
        faded: (H, W) float32, factor on the motion by which it was feathered.

    Returns:
        All figures of `measure` and hint_angle_deg and hint_speed, mean angular and relative speed error at the hints;
        None where there is nothing to measure, or it has not been yet. "measured" is False.
    """
    quality = {"measured": False} | dict.fromkeys(FIGURES)
    whole = sample(faded, pixels) > WHOLE if len(pixels) else np.zeros(0, bool)
    if whole.any():
        quality["hint_angle_deg"], quality["hint_speed"] = _hint_error(pixels[whole], velocities[whole], motion)
    return {name: _rounded(value) for name, value in quality.items()}


def sample_step(width: int, height: int) -> int:
    """Every how manieth pixel of a photo across and down is looked at: of millions of them a part tells as much."""
    share = width * height / LOOKED_AT
    return int(np.ceil(share**0.5)) if share > 2 else 1


def measure_quality(photo: np.ndarray, region: np.ndarray, splatter: Splatter, frames: int) -> dict:
    """Measure what a build looks like; seconds. Figures are of the pixels that the splatter renders.

    Args:
        photo: (H, W, 3) float32, sRGB.
        region: (H, W) bool, what moves.
        splatter: Renders the points, or every few pixels of them.
        frames: Length of the loop.

    Returns:
        fidelity_db and fidelity_still_db (PSNR of phase 0 through the photo's camera, over all and over still
        pixels), seam (wrap-around frame difference over the median of others), contrast and contrast_max (the least
        and the most over the loop in the moving region, share of the photo's: far apart, the loop breathes), holes
        (share of uncovered pixels of each camera path's worst looked-at pose). None where there is nothing to measure.
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


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 5) if isinstance(value, float) else value


def _psnr(picture: np.ndarray, photo: np.ndarray) -> float:
    """dB of 8-bit pictures; identical ones count as 99."""
    error = np.square(np.rint(picture * 255) - np.rint(photo * 255)).mean()
    return min(99.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


def _holes(splatter: Splatter) -> dict[str, float]:
    holes = {}
    for name in PATHS:
        poses = camera_path(name)
        holes[name] = max(splatter.uncovered(0.5, poses[look]) for look in LOOKS[name])
    return holes


def _seam(splatter: Splatter, region: np.ndarray, frames: int) -> tuple[float, list[np.ndarray]]:
    """Wrap-around difference over the median of the others, and pictures of phases spread over the loop."""
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
