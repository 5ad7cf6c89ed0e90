"""Flowing regions of a photo: sky, water and falls, found by colour and texture.

Input: the working photo. Output: connected parts, as masks of the photo at RULES_SIDE. The depth network segments the
sky; all other regions are found by rules.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ..depth.network import Prediction, infer
from ..depth.sky import find_horizon
from ..image.masks import grab_cut
from ..shared.data import Photo

RULES_SIDE = 320  # px, the photo's longer side for the rules, which judge shapes and not fine texture
MIN_PART_AREA = 0.001  # share of the photo; smaller connected components are dropped
SKY_CONTINUITY = 7.0  # Lab distance across the lower end of the sky; a horizon has a larger one
SKY_DARKENING = 35.0  # of Lab's L; an area darker than the sky by more, above the horizon, is neither fog nor a fall

FlowingPart = tuple[np.ndarray, bool]  # (h, w) bool of the photo at RULES_SIDE, and whether it is sky


def find_flowing(photo: Photo, predict: Callable[[], Prediction] | None = None) -> list[FlowingPart]:
    """Find the connected parts of a photo that appear to flow.

    Args:
        photo: The working photo.
        predict: Gives the depth network's prediction, whose sky is used; None runs the network.

    Returns:
        The parts, the largest first; none where the photo is too small or too uniform for the rules.
    """
    small = shrink_to(photo.color, RULES_SIDE)
    if min(small.shape[:2]) < 12 or small.std((0, 1)).max() < 0.02:
        return []
    predicted = (predict() if predict else infer(photo)).sky.astype(np.float32)
    sky = cv2.resize(predicted, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA) > 0.5
    return _parts(_flowing_mask(small, sky), sky, cv2.cvtColor(small, cv2.COLOR_RGB2Lab))


def shrink_to(color: np.ndarray, side: int) -> np.ndarray:
    """(h, w, 3), a picture with its longer side shrunk to `side` px; smaller pictures stay as they are."""
    scale = side / max(color.shape[:2])
    if scale >= 1:
        return color
    size = (max(8, round(color.shape[1] * scale)), max(8, round(color.shape[0] * scale)))
    return cv2.resize(color, size, interpolation=cv2.INTER_AREA)


def _flowing_mask(small: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """(h, w) bool: sky, and pixels below it that resemble water, foam or fog.

    A score says by how much each pixel is brighter, cooler and smoother than land. GrabCut turns scores into areas.
    """
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)
    score = _water_score(cv2.GaussianBlur(lab, (0, 0), small.shape[1] / 320), _roughness(lab[..., 0]), sky)
    labels = np.where(score > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[score > 2.5], labels[score < -2] = cv2.GC_FGD, cv2.GC_BGD
    labels[sky] = cv2.GC_FGD
    flowing = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not 0.01 < flowing.mean() < 0.99:
        return sky
    chroma = np.clip(lab / (100, 70, 70) + (0, 0.5, 0.5), 0, 1)  # GrabCut separates by hue rather than by lightness
    return grab_cut(chroma.astype(np.float32), labels, 2) | sky


def _water_score(lab: np.ndarray, roughness: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """(h, w) float32: above 0.5 rather water than land. The numbers were set by eye on landscapes."""
    light, red, yellow = (lab[..., channel] for channel in range(3))
    below = ~sky
    cool = -yellow - np.maximum(red, 0) - 0.5 * np.maximum(-red - 8, 0)  # neither brown nor green
    score = (light - min(max(_otsu_threshold(light[below]), 32), 68)) / 12 + cool / 8
    if below.any() and np.percentile(yellow[below], 15) < -10:  # beside blue water grey is sand, but white is foam
        score -= 2.5 * np.clip((yellow + 8) / 6, 0, 1) * np.clip((80 - light) / 6, 0, 1)
    score += 1.5 * np.clip((4 - roughness) / 2, 0, 1) * ((yellow < 4) & (np.abs(red) < 7))
    score += (light > 82) & (roughness < 5)
    return _adjust_at_horizon(score, lab, roughness, sky) if sky.any() else score


def _adjust_at_horizon(score: np.ndarray, lab: np.ndarray, roughness: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """The score with the evidence of the horizon.

    A glow on the horizon is sky. Rough or dark objects that rise above it are solid, in fog too. The area just below
    a level horizon is sea.
    """
    light, red, yellow = (lab[..., channel] for channel in range(3))
    height, horizon = len(sky), find_horizon(sky)
    row = np.arange(height)[:, None]
    glow = (light > 75) & (yellow > 4) & (np.abs(row - horizon - 0.025 * height) < 0.125 * height)
    score = np.where(glow, np.maximum(score, np.where(light > 80, 2.6, 1.5)), score)
    above = row < horizon - 0.02 * height
    score = score - 3 * np.clip((roughness - 4) / 2, 0, 1) * above
    score -= 6 * np.clip((np.median(light[sky]) - light - SKY_DARKENING) / 10, 0, 1) * above
    bottom = height - np.argmax(sky[::-1], 0)
    level = sky.any(0) & (np.abs(bottom - horizon) < 0.03 * height)
    if level.mean() > 0.35:
        sea = level & (row > bottom) & (row < horizon + 0.07 * height) & (yellow < 6) & (red < 10)
        score = np.where(sea, np.maximum(score + 1.5, 2.6 if level.mean() > 0.8 else -9), score)
    return score


def _roughness(light: np.ndarray) -> np.ndarray:
    """(h, w) float32: mean absolute Laplacian of the lightness around each pixel."""
    return cv2.GaussianBlur(np.abs(cv2.Laplacian(light, cv2.CV_32F)), (0, 0), 3)


def _otsu_threshold(light: np.ndarray) -> float:
    """The lightness 0..100 that best separates dark from light pixels (Otsu 1979)."""
    share = np.histogram(light, 100, (0, 100))[0] / max(1, light.size)
    weight, mean = np.cumsum(share), np.cumsum(share * np.arange(100))
    return float(np.argmax((mean[-1] * weight - mean) ** 2 / np.maximum(weight * (1 - weight), 1e-9)))


def _parts(flowing: np.ndarray, sky: np.ndarray, lab: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """Connected parts, the largest first, and whether each is sky. May add pixels to `sky` in place."""
    upper = sky
    if upper.any():
        upper |= flowing & (np.arange(len(sky))[:, None] < find_horizon(sky))
        for part in _split(flowing & ~upper):
            if _continues_sky(upper, part, lab):
                joined = (upper | part).astype(np.uint8)
                upper = cv2.morphologyEx(joined, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    found = [(part, True) for part in _split(upper)] + [(part, False) for part in _split(flowing & ~upper)]
    return sorted(found, key=lambda part: -part[0].sum())


def _split(mask: np.ndarray) -> list[np.ndarray]:
    """The connected components of an opened mask, each (h, w) bool, without the smallest."""
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    smallest = MIN_PART_AREA * mask.size
    return [numbers == number for number in range(1, count) if stats[number, cv2.CC_STAT_AREA] >= smallest]


def _continues_sky(upper: np.ndarray, part: np.ndarray, lab: np.ndarray) -> bool:
    """Whether a part continues below the sky without an edge, as more sky or as fog."""
    height, width = upper.shape
    bottom = height - 1 - np.argmax(upper[::-1], 0)
    column = np.flatnonzero(upper.any(0) & (bottom > 4) & (bottom < height - 6))
    column = column[part[bottom[column] + 3, column]]
    if len(column) < 0.1 * width:
        return False
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.5)
    step = np.linalg.norm(smooth[bottom[column] - 3, column] - smooth[bottom[column] + 4, column], axis=1)
    enclosed = not part[-1].any()  # land borders it below
    return bool(np.median(step) < (2 if enclosed else 1) * SKY_CONTINUITY)
