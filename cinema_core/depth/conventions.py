"""Interpret the values of a depth map: which end is near, how far the far end is, and which values are unknown.

Input: a `DepthMap` of any estimator or renderer, and the photo. Output: disparity of the working photo.

* "metric": distances along z in any unit. 0, negative values and NaN are unknown. Infinite and huge values (a
  renderer's sky) are infinitely far. Proportions are kept.
* "disparity": near is large. Where the smallest value is clearly above zero, zero is infinitely far and all values are
  kept. Otherwise the map was normalised, and the distance of its far end is lost. The far end is then taken as
  infinitely far where the photo or the map shows sky there, or where the map is an estimator's raw output. Elsewhere
  it is UNKNOWN_RANGE times as far as the nearest, so that the back of a room does not recede to infinity.
* "inverted": near is small and the map was normalised, as by affine-invariant estimators and normalised Z passes. The
  map is linear in distance, up to SKY_RANGE times the nearest where it shows sky, else up to UNKNOWN_RANGE times.

The kind is found from the photo's sky, which is far. Without sky, the lower part of the photo is assumed nearer than
the upper part. Where that shows nothing either, the file format's convention holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..files.depth_map import DepthMap
from ..image.grid import nearest_index
from ..shared.camera import same_aspect
from ..shared.data import Photo
from ..shared.errors import CinemaError
from .network import Prediction, infer

UNKNOWN_RANGE = 10.0  # farthest over nearest distance of a normalised map without sky
SKY_RANGE = 30.0  # farthest over nearest distance of a normalised map that is linear in distance and shows sky
_INFINITE = 1e9  # distance in the map's unit; beyond it is sky. Blender's Z pass is 1e10 where the ray hits nothing
_CLEAR_DIFFERENCE = 0.1  # of the map's range; medians of two regions must differ by more to order them
_END_PERCENTILES = (0.1, 99.9)  # of the map's values; single pixels must not set the scale


@dataclass(frozen=True, eq=False)
class Interpretation:
    """A depth map as disparity.

    Attributes:
        disparity: (H, W) float32, the nearest content at 1.
        text: How the map was interpreted, for the user.
        sure: False where neither the map nor the photo shows whether near is large.
    """

    disparity: np.ndarray
    text: str
    sure: bool


def to_disparity(
    given: DepthMap,
    photo: Photo,
    kind: str = "auto",
    ratio: float | None = None,
    prediction: Callable[[], Prediction] | None = None,
) -> Interpretation:
    """Turn a map into disparity of the working photo.

    Args:
        given: The map of the whole photo, of any size.
        photo: The working photo.
        kind: One of `options.MAP_KINDS`.
        ratio: Farthest over nearest distance as given by the user, for a map that lacks it; None where unknown.
        prediction: Gives the depth network's prediction, whose sky is used; None runs the network.

    Returns:
        The disparity, and how the map was interpreted.

    Raises:
        CinemaError: The map is constant or has no usable value.
    """
    values = given.values
    sky = _sky_of(prediction() if prediction else infer(photo), values.shape)
    sure = True
    if kind == "auto" and given.kind:
        kind = given.kind
    if kind == "auto":
        if values[np.isfinite(values)].size == 0:
            raise _no_value(given)
        near_is_large, sure = _orientation(given, sky)
        kind = "disparity" if near_is_large else ("inverted" if _is_normalised(given) else "metric")
    convert = {"metric": _from_metric, "inverted": _from_inverted, "disparity": _from_disparity}[kind]
    disparity, text = convert(given, sky, ratio)
    disparity = _resize(_without_spikes(_filled(disparity, given)), photo.width, photo.height)
    nearest = float(np.percentile(disparity, _END_PERCENTILES[1]))
    spread = nearest - float(np.percentile(disparity, _END_PERCENTILES[0]))
    if not spread > 1e-5 * nearest:
        raise CinemaError(
            f"The depth map {given.name} is the same everywhere", "Choose a map with different near and far values"
        )
    part = f" ({given.part})" if given.part else ""
    return Interpretation((disparity / nearest).clip(0, 1).astype(np.float32), f"{given.name}{part}: {text}", sure)


def check_aspect(given: DepthMap, photo: Photo) -> None:
    """Check that a map has the photo's aspect.

    Raises:
        CinemaError: The map shows a part of the photo, or the photo turned.
    """
    height, width = given.values.shape
    wanted = (photo.width, photo.height)
    if same_aspect((width, height), wanted):
        return
    turned = same_aspect((height, width), wanted)
    raise CinemaError(
        f"The depth map {given.name} is {width} x {height}, "
        f"which is not the photo's shape ({photo.width} x {photo.height})",
        "Turn the map by 90 degrees, so that it stands like the photo"
        if turned
        else "Choose a map of the whole photo, in any size with the photo's proportions",
    )


def _no_value(given: DepthMap) -> CinemaError:
    return CinemaError(f"The depth map {given.name} holds no finite value that is a depth", "Choose another depth map")


def _sky_of(found: Prediction, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool of the map's size: the photo's sky, without a margin."""
    side = 2 * max(1, round(max(found.sky.shape) / 320)) + 1  # px; the map's edge may lie beside the sky's
    sky = cv2.erode(found.sky.astype(np.uint8), np.ones((side, side), np.uint8))
    return cv2.resize(sky, shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def _orientation(given: DepthMap, sky: np.ndarray) -> tuple[bool, bool]:
    """Whether near is large, and whether the map or the photo shows it."""
    if (given.values > _INFINITE).any() or not (given.values > 0).any():
        return False, True  # only distances are infinite or negative
    values = np.where(np.isfinite(given.values), given.values, np.nan)
    known = np.where(values == 0, np.nan, values) if _has_unknown_zeros(given) else values
    low, high = np.nanpercentile(known, (5, 95))
    clear = _CLEAR_DIFFERENCE * max(high - low, 1e-12)
    third = max(1, len(values) // 3)
    for upper, lower in ((values[sky], known[~sky]), (known[:third], known[-third:])):
        upper, lower = upper[np.isfinite(upper)], lower[np.isfinite(lower)]
        if min(upper.size, lower.size) < 0.01 * values.size:
            continue
        difference = np.median(lower) - np.median(upper)
        if abs(difference) > clear:
            return bool(difference > 0), True
    return given.white is not None or given.name.lower().endswith(".pfm"), False


def _has_unknown_zeros(given: DepthMap) -> bool:
    """Whether zeros stand apart from all other values, so that they mark pixels unknown to a sensor or renderer."""
    values = given.values[np.isfinite(given.values)]
    positive = values[values > 0]
    if not positive.size or given.white == 255 or (values == 0).mean() < 0.001:
        return False
    return bool(np.percentile(positive, _END_PERCENTILES[0]) > 0.02 * np.percentile(positive, _END_PERCENTILES[1]))


def _is_normalised(given: DepthMap) -> bool:
    """Whether a map whose near is small was normalised between two ends, so that its zero has no meaning."""
    if given.white == 255:
        return True  # measured distances have more than 256 values
    values = given.values[np.isfinite(given.values)]
    if _has_unknown_zeros(given):
        return False
    low, high = np.percentile(values, _END_PERCENTILES)
    white = given.white or 1.0
    return bool(-0.001 < low <= 0.02 * white and 0.9 * white <= high <= 1.001 * white)


def _from_metric(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str]:
    """(h, w) disparity of a "metric" map, NaN where unknown, and how it was read."""
    values = given.values
    if np.nanmax(np.where(np.isfinite(values), values, np.nan), initial=-np.inf) <= 0:
        values = -values  # z along the camera's axis, which points backwards in OpenGL
    with np.errstate(divide="ignore"):
        disparity = 1 / np.where(values > 0, values, np.nan)
    disparity[values > _INFINITE] = 0
    return disparity, "distances"


def _from_inverted(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str]:
    """(h, w) disparity of an "inverted" map, NaN where unknown, and how it was read."""
    finite = given.values[np.isfinite(given.values)]
    if not finite.size:
        raise _no_value(given)
    low, high = np.percentile(finite, _END_PERCENTILES)
    far = (given.values - low) / max(high - low, 1e-12)
    shows_sky = sky.any() and np.nanmedian(far[sky]) > 1 - _CLEAR_DIFFERENCE
    ratio = ratio or (SKY_RANGE if shows_sky else UNKNOWN_RANGE)
    disparity = 1 / (1 + far.clip(0, 1) * (ratio - 1)) if high > low else np.ones_like(far)
    return disparity, f"near is black, the farthest is {ratio:.3g} times as far as the nearest"


def _from_disparity(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str]:
    """(h, w) disparity of a "disparity" map, NaN where unknown, and how it was read."""
    near = "near is white" if given.white else "near is large"
    finite = given.values[np.isfinite(given.values)]
    if not finite.size:
        raise _no_value(given)
    low, high = np.percentile(finite, _END_PERCENTILES)
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
    """Whether the map's far end is sky: at the photo's sky, or in a level area that reaches the upper border."""
    if sky.any() and np.nanmedian(share[sky]) < _CLEAR_DIFFERENCE:
        return True
    level = share < 0.005
    return bool(level.mean() > 0.05 and level[: max(1, len(level) // 100)].mean() > 0.25)


def _filled(disparity: np.ndarray, given: DepthMap) -> np.ndarray:
    """(h, w) float32: unknown pixels take the disparity of the nearest known one."""
    unknown = ~np.isfinite(disparity)
    if unknown.all():
        raise _no_value(given)
    return (disparity.ravel()[nearest_index(~unknown)] if unknown.any() else disparity).astype(np.float32)


def _without_spikes(disparity: np.ndarray) -> np.ndarray:
    """Clamp each pixel to the range of its eight neighbours: single outliers go, a thread two pixels long stays."""
    ring = np.ones((3, 3), np.uint8)
    ring[1, 1] = 0
    return np.clip(disparity, cv2.erode(disparity, ring), cv2.dilate(disparity, ring))


def _resize(disparity: np.ndarray, width: int, height: int) -> np.ndarray:
    if disparity.shape == (height, width):
        return disparity
    shrink = width < disparity.shape[1]
    return cv2.resize(disparity, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
