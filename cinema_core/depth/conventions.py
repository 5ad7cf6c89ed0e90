"""What a depth map means: whether near is large or small, what its zero and its far end are, and what is unknown.

Input: a `DepthMap` of any estimator or renderer, and the photo. Output: disparity of the working photo.

* "metric": distances along z in any unit. 0, negative values and NaN are unknown; infinite and huge ones (a renderer's
  sky) are infinitely far. Proportions stay as they are.
* "disparity": near is large. Where the smallest value is clearly above zero, zero is infinity and nothing is stretched.
  Else the map was stretched by whoever wrote it, and how far its far end is got lost: infinitely far where the photo
  or the map shows sky there, or where the map is an estimator's raw output; else UNKNOWN_RANGE times the nearest, so
  that the back of a room does not recede to infinity.
* "inverted": near is small, and the map was stretched, as affine-invariant estimators and normalised Z passes are: it
  is linear in distance, from the nearest to SKY_RANGE times that where there is sky, else to UNKNOWN_RANGE times.

Which of them it is, the sky of the photo tells, else that ground is nearer than what is above it, else custom.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..files.depth_map import DepthMap
from ..image.grid import nearest_index
from ..shared.aspect import same_aspect
from ..shared.data import Photo
from ..shared.errors import CinemaError
from .network import infer

UNKNOWN_RANGE = 10.0  # farthest over nearest where nothing tells
SKY_RANGE = 30.0  # the same of a map that is linear in distance, with sky
_HUGE = 1e9  # Blender's Z pass is 1e10 where nothing is
_CLEAR = 0.1  # of the map's range: how far the medians of two places differ if that is to tell something
_ENDS = (0.1, 99.9)  # percentiles; single pixels must not set the scale


@dataclass(frozen=True, eq=False)
class Meaning:
    """What was decided about a map.

    Attributes:
        disparity: (H, W) float32, the nearest content at 1.
        text: How it was read, for people.
        sure: False where the map does not tell whether near is large.
    """

    disparity: np.ndarray
    text: str
    sure: bool


def to_disparity(given: DepthMap, photo: Photo, kind: str = "auto", ratio: float | None = None) -> Meaning:
    """Turn a map into disparity of the working photo.

    Args:
        given: The map of the whole photo, of any size.
        photo: The working photo.
        kind: Of `data.MAP_KINDS`.
        ratio: Farthest over nearest, where the user knows it; for a map that does not say it itself.

    Raises:
        CinemaError: Constant, or without a value that can be used.
    """
    values = given.values
    sky = _sky_of(photo, values.shape)
    sure = True
    if kind == "auto" and given.kind:
        kind = given.kind
    if kind == "auto":
        if values[np.isfinite(values)].size == 0:
            raise _no_value(given)
        near_is_large, sure = _orientation(given, sky)
        kind = "disparity" if near_is_large else ("inverted" if _is_stretched(given) else "metric")
    turn = {"metric": _from_metric, "inverted": _from_inverted, "disparity": _from_disparity}[kind]
    disparity, text = turn(given, sky, ratio)
    disparity = _resize(_without_spikes(_filled(disparity, given)), photo.width, photo.height)
    nearest = float(np.percentile(disparity, _ENDS[1]))
    spread = nearest - float(np.percentile(disparity, _ENDS[0]))
    if not spread > 1e-5 * nearest:
        raise CinemaError(f"The depth map {given.name} is the same everywhere", "Give one that tells near from far")
    part = f" ({given.part})" if given.part else ""
    return Meaning((disparity / nearest).clip(0, 1).astype(np.float32), f"{given.name}{part}: {text}", sure)


def check_aspect(given: DepthMap, photo: Photo) -> None:
    """Raises CinemaError where a map is not of the whole photo, upright."""
    height, width = given.values.shape
    wanted = (photo.width, photo.height)
    if same_aspect((width, height), wanted):
        return
    turned = same_aspect((height, width), wanted)
    raise CinemaError(
        f"The depth map {given.name} is {width} x {height}, which is not the photo's shape ({photo.width} x {photo.height})",
        "Turn it by a quarter, as the photo stands"
        if turned
        else "Give one of the whole photo; any size of its aspect will do",
    )


def _no_value(given: DepthMap) -> CinemaError:
    return CinemaError(f"The depth map {given.name} holds no finite value that is a depth", "Give one with real depths")


def _sky_of(photo: Photo, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) bool of the map's size: the photo's sky."""
    near = 2 * max(1, round(max(photo.width, photo.height) / 320)) + 1  # px; the sky's edge may not be the map's
    sky = cv2.erode(infer(photo).sky.astype(np.uint8), np.ones((near, near), np.uint8))
    return cv2.resize(sky, shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def _orientation(given: DepthMap, sky: np.ndarray) -> tuple[bool, bool]:
    """Whether near is large, and whether the map tells."""
    if (given.values > _HUGE).any() or not (given.values > 0).any():
        return False, True  # only distances are infinite, or negative
    values = np.where(np.isfinite(given.values), given.values, np.nan)
    known = np.where(values == 0, np.nan, values) if _has_unknown_zeros(given) else values
    low, high = np.nanpercentile(known, (5, 95))
    step = _CLEAR * max(high - low, 1e-12)
    third = max(1, len(values) // 3)
    for upper, lower in ((values[sky], known[~sky]), (known[:third], known[-third:])):
        upper, lower = upper[np.isfinite(upper)], lower[np.isfinite(lower)]
        if min(upper.size, lower.size) < 0.01 * values.size:
            continue
        difference = np.median(lower) - np.median(upper)
        if abs(difference) > step:
            return bool(difference > 0), True
    return given.white is not None or given.name.lower().endswith(".pfm"), False


def _has_unknown_zeros(given: DepthMap) -> bool:
    """Whether zeros stand apart from all other values, as they do where a sensor or renderer knew nothing."""
    values = given.values[np.isfinite(given.values)]
    positive = values[values > 0]
    if not positive.size or given.white == 255 or (values == 0).mean() < 0.001:
        return False
    return bool(np.percentile(positive, _ENDS[0]) > 0.02 * np.percentile(positive, _ENDS[1]))


def _is_stretched(given: DepthMap) -> bool:
    """Whether a map whose near is small was stretched between two ends, so that its zero means nothing."""
    if given.white == 255:
        return True  # 256 distances are too few to be measured ones
    values = given.values[np.isfinite(given.values)]
    if _has_unknown_zeros(given):
        return False
    low, high = np.percentile(values, _ENDS)
    white = given.white or 1.0
    return bool(-0.001 < low <= 0.02 * white and 0.9 * white <= high <= 1.001 * white)


def _from_metric(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str]:
    values = given.values
    if np.nanmax(np.where(np.isfinite(values), values, np.nan), initial=-np.inf) <= 0:
        values = -values  # along a camera's own axis, which points backwards in OpenGL
    with np.errstate(divide="ignore"):
        disparity = 1 / np.where(values > 0, values, np.nan)
    disparity[values > _HUGE] = 0
    return disparity, "distances"


def _from_inverted(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str]:
    finite = given.values[np.isfinite(given.values)]
    if not finite.size:
        raise _no_value(given)
    low, high = np.percentile(finite, _ENDS)
    far = (given.values - low) / max(high - low, 1e-12)
    shown = sky.any() and np.nanmedian(far[sky]) > 1 - _CLEAR
    ratio = ratio or (SKY_RANGE if shown else UNKNOWN_RANGE)
    disparity = 1 / (1 + far.clip(0, 1) * (ratio - 1)) if high > low else np.ones_like(far)
    return disparity, f"near is black, the farthest is {ratio:.3g} times as far as the nearest"


def _from_disparity(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str]:
    near = "near is white" if given.white else "near is large"
    finite = given.values[np.isfinite(given.values)]
    if not finite.size:
        raise _no_value(given)
    low, high = np.percentile(finite, _ENDS)
    smallest, largest = float(finite.min()), float(finite.max())
    tolerance = 0.02 if given.white == 255 else 0.002
    if smallest > tolerance * largest:
        return given.values, f"{near}, zero is infinitely far"
    share = ((given.values - low) / max(high - low, 1e-12)).clip(0, 1)
    raw = given.white is None and smallest >= 0 and not 0.999 <= largest <= 1.001
    if raw or _shows_sky(share, sky):
        return share, f"{near}, the farthest is infinitely far"
    ratio = ratio or UNKNOWN_RANGE
    floor = 1 / ratio if high > low else 1
    return floor + share * (1 - floor), f"{near}, the farthest is {ratio:.3g} times as far as the nearest"


def _shows_sky(share: np.ndarray, sky: np.ndarray) -> bool:
    """Whether the map's far end is sky: the photo's, or a level area that reaches the upper border."""
    if sky.any() and np.nanmedian(share[sky]) < _CLEAR:
        return True
    level = share < 0.005
    return bool(level.mean() > 0.05 and level[: max(1, len(level) // 100)].mean() > 0.25)


def _filled(disparity: np.ndarray, given: DepthMap) -> np.ndarray:
    """What is unknown takes the disparity of the nearest pixel that is known."""
    bad = ~np.isfinite(disparity)
    if bad.all():
        raise _no_value(given)
    return (disparity.ravel()[nearest_index(~bad)] if bad.any() else disparity).astype(np.float32)


def _without_spikes(disparity: np.ndarray) -> np.ndarray:
    """No pixel is beyond all eight around it: a single wrong one goes, a thread two pixels long stays."""
    around = np.ones((3, 3), np.uint8)
    around[1, 1] = 0
    return np.clip(disparity, cv2.erode(disparity, around), cv2.dilate(disparity, around))


def _resize(disparity: np.ndarray, width: int, height: int) -> np.ndarray:
    if disparity.shape == (height, width):
        return disparity
    shrink = width < disparity.shape[1]
    return cv2.resize(disparity, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
