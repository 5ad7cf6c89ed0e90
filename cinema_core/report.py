"""The quality report: how good a build is, in numbers that an artist can act on.

Input: the photo, the points, the hints and the motion field. Output: a dict for report.json.
"""

from __future__ import annotations

import cv2
import numpy as np

from .camera import PATHS, camera_path
from .grid import sample
from .hints import Hints
from .splatting import Splatter

LOOKS = {"up-down": (0, -1), "zoom-in": (-1,), "side": (0, -1), "circle": (0, 45)}  # where paths reach farthest
SEAM_PHASES = (0.12, 0.5, 0.77)  # at no multiple of one another: fast water repeats within the loop


def measure(photo: np.ndarray, region: np.ndarray, hints: Hints, motion: np.ndarray, splatter: Splatter, frames: int) -> dict:
    """Measure a build.

    Args:
        photo: (H, W, 3) float32, sRGB.
        region: (H, W) bool, what moves.
        hints: The hints.
        motion: (H, W, 2) float32, px/frame.
        splatter: Renders the points.
        frames: Length of the loop.

    Returns:
        fidelity_db and fidelity_still_db (PSNR of phase 0 through the photo's camera, over all and over still
        pixels), seam (wrap-around frame difference over the median of others), contrast (of the moving region at
        mid-loop, share of the photo's), holes (share of uncovered pixels of each camera path's worst looked-at pose),
        hint_angle_deg and hint_speed (mean angular and relative speed error at the hints). None where there is
        nothing to measure.
    """
    first, _ = splatter.render(0.0, np.eye(4))
    quality = {
        "fidelity_db": _psnr(first, photo),
        "fidelity_still_db": _psnr(first[~region], photo[~region]) if not region.all() else None,
        "holes": _holes(splatter),
        "seam": None,
        "contrast": None,
        "hint_angle_deg": None,
        "hint_speed": None,
    }
    if region.any():
        quality["seam"], middle = _seam(splatter.around(region), region, frames)
        detail = _contrast(first, region)
        quality["contrast"] = _contrast(middle, region) / detail if detail > 1 / 255 else None
    if len(hints.pixels):
        quality["hint_angle_deg"], quality["hint_speed"] = _hint_error(hints, motion)
    return {name: _rounded(value) for name, value in quality.items()}


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return None if value is None else round(float(value), 5)


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


def _seam(splatter: Splatter, region: np.ndarray, frames: int) -> tuple[float, np.ndarray]:
    """Wrap-around difference over the median of the others, and the region at mid-loop."""
    still = np.eye(4)

    def difference(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b)[region].mean())

    pictures = {phase: splatter.render(phase, still)[0] for phase in (0.0, *SEAM_PHASES)}
    inner = [difference(pictures[p], splatter.render(p + 1 / frames, still)[0]) for p in SEAM_PHASES]
    wrap = difference(splatter.render(1 - 1 / frames, still)[0], pictures[0.0])
    return wrap / max(float(np.median(inner)), 1e-9), pictures[0.5]


def _contrast(picture: np.ndarray, region: np.ndarray) -> float:
    """Standard deviation of the fine detail inside the region."""
    luma = cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY)
    return float((luma - cv2.GaussianBlur(luma, (0, 0), max(luma.shape) / 160))[region].std())


def _hint_error(hints: Hints, motion: np.ndarray) -> tuple[float, float]:
    """Mean angle in degrees and mean relative speed error at the hints."""
    found = sample(motion, hints.pixels)
    wanted, size = hints.velocities, np.linalg.norm(hints.velocities, axis=1)
    length = np.linalg.norm(found, axis=1)
    cosine = (found * wanted).sum(1) / np.maximum(size * length, 1e-9)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return float(angle.mean()), float((np.abs(length - size) / np.maximum(size, 1e-9)).mean())
