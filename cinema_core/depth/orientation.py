"""Find which end of a depth map is near, and which of its values are marks for unknown pixels.

The photo's sky decides, which is far; without sky, the lower part of the photo, which is mostly nearer than the upper
part. The depth network's estimate for the photo is a check: it is approximate, but it is seldom inside out.

A program that measures distances writes a mark where it knows none: zero, a negative number, or the largest integer.
Zero in the sky may therefore be a disparity, infinitely far, or a mark among distances. There the other pixels decide.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.stats import rankdata

from ..files.depth_map import DepthMap
from .network import Prediction

INFINITE = 1e9  # distance in the map's unit; beyond it is sky. Blender's Z pass is 1e10 where the ray hits nothing
CLEAR_DIFFERENCE = 0.1  # of the map's range; medians of two regions must differ by more to order them
END_PERCENTILES = (0.1, 99.9)  # of the map's values; single pixels must not set the scale
_CLEAR_CORRELATION = 0.5  # rank correlation with the network's estimate, from which the two agree or contradict
_MARKED_SHARE = 0.001  # of the pixels; fewer at one value are no mark
_WHITE_SHARE = 0.01  # of the pixels that are white, from which white is a mark or the end of a measuring range
_LEAST_METRIC = 0.001  # of white; a normalised map reaches zero, measured distances do not
_WHITE_GAP = 0.98  # of white; where all other values are below, white stands apart from them and is a mark

GUESS = "{}; this is a guess. If near and far are swapped, set Values (--depth-kind)"
CONTRADICTION = "{}; the photo seems to say the opposite. If near and far are swapped, set Values (--depth-kind)"
MARKS = "{}; its zeros are taken as unknown or sky, not as far. If near and far are swapped, set Values (--depth-kind)"
WHITE_MARKS = "{}; white is taken as unknown or sky. If the map has no unit, set Values (--depth-kind)"


@dataclass(frozen=True)
class Orientation:
    """Which end of a map is near.

    Attributes:
        near_is_large: The largest values are near.
        marks: The map holds distances and marks for unknown pixels; the orientation was found without these.
        doubt: A sentence for the user with one gap for the interpretation; "" where the map and the photo agree.
    """

    near_is_large: bool
    marks: bool = False
    doubt: str = ""


def find_orientation(given: DepthMap, sky: np.ndarray, prediction: Prediction) -> Orientation:
    """Find which end of a map is near.

    Args:
        given: The map, with at least one finite value.
        sky: (h, w) bool of the map's size: the photo's sky, without a margin.
        prediction: The network's estimate for the photo.

    Returns:
        The orientation.
    """
    near_is_large, sure = _by_regions(given, sky)
    if not contradicts(given, prediction, near_is_large):
        return Orientation(near_is_large, False, "" if sure else GUESS)
    if near_is_large and _has_low_marks(given):
        return Orientation(False, True, MARKS)
    if near_is_large and has_white_marks(given):
        return Orientation(False, True, WHITE_MARKS)
    return Orientation(near_is_large, False, CONTRADICTION)


def contradicts(given: DepthMap, prediction: Prediction, near_is_large: bool) -> bool:
    """Whether a map, read with this end as the near one, is inside out by the network's estimate for the photo.

    The ranks of the pixels outside the sky are compared, those at a mark left out.
    """
    values, size = given.values, given.values.shape[::-1]
    sky = cv2.resize(prediction.sky.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    known = np.isfinite(values) & (np.abs(values) <= INFINITE) & ~sky
    if _has_low_marks(given):
        known &= values != _smallest(values)
    if has_white_marks(given):
        known &= values != given.white
    if known.mean() < 0.01:
        return False
    estimate = cv2.resize(prediction.inverse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    if not (values > 0).any():
        values = -values  # distances along an axis that points backwards
    every = max(1, known.sum() // 20000)  # pixels are plenty
    ranks = [rankdata(of[known][::every]) for of in (values, estimate)]
    if min(np.ptp(of) for of in ranks) == 0:
        return False
    agreement = float(np.corrcoef(*ranks)[0, 1])
    return (agreement if near_is_large else -agreement) < -_CLEAR_CORRELATION


def _smallest(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].min())


def _has_low_marks(given: DepthMap) -> bool:
    """Whether many pixels share a smallest value of zero or below, so that it may mark unknown pixels."""
    lowest = _smallest(given.values)
    return bool(lowest <= 0 and (given.values == lowest).mean() >= _MARKED_SHARE and (given.values > 0).any())


def has_white_marks(given: DepthMap) -> bool:
    """Whether white is a mark or the end of a measuring range in a map of distances; 8 bit cannot hold distances."""
    if given.white is None or given.white == 255:
        return False
    positive = given.values[given.values > 0]
    return bool((given.values == given.white).mean() >= _WHITE_SHARE and positive.min() > _LEAST_METRIC * given.white)


def white_stands_apart(given: DepthMap) -> bool:
    """Whether no other value is near white, so that white pixels have no distance of their own."""
    others = given.values[given.values < (given.white or np.inf)]
    return bool(others.size and others.max() <= _WHITE_GAP * (given.white or np.inf))


def _by_regions(given: DepthMap, sky: np.ndarray) -> tuple[bool, bool]:
    """Whether near is large, and whether the map or the photo shows it."""
    if (given.values > INFINITE).any() or not (given.values > 0).any():
        return False, True  # only distances are infinite or negative
    values = np.where(np.isfinite(given.values), given.values, np.nan)
    known = np.where(values == 0, np.nan, values) if has_unknown_zeros(given) else values
    low, high = np.nanpercentile(known, (5, 95))
    clear = CLEAR_DIFFERENCE * max(high - low, 1e-12)
    third = max(1, len(values) // 3)
    for upper, lower in ((values[sky], known[~sky]), (known[:third], known[-third:])):
        upper, lower = upper[np.isfinite(upper)], lower[np.isfinite(lower)]
        if min(upper.size, lower.size) < 0.01 * values.size:
            continue
        difference = np.median(lower) - np.median(upper)
        if abs(difference) > clear:
            return bool(difference > 0), True
    return given.white is not None or given.name.lower().endswith(".pfm"), False


def has_unknown_zeros(given: DepthMap) -> bool:
    """Whether zeros stand apart from all other values, so that they mark pixels unknown to a sensor or renderer."""
    values = given.values[np.isfinite(given.values)]
    positive = values[values > 0]
    if not positive.size or given.white == 255 or (values == 0).mean() < 0.001:
        return False
    return bool(np.percentile(positive, END_PERCENTILES[0]) > 0.02 * np.percentile(positive, END_PERCENTILES[1]))


def is_normalised(given: DepthMap) -> bool:
    """Whether a map whose near is small was normalised between two ends, so that its zero has no meaning."""
    if given.white == 255:
        return True  # measured distances have more than 256 values
    values = given.values[np.isfinite(given.values)]
    if has_unknown_zeros(given):
        return False
    low, high = np.percentile(values, END_PERCENTILES)
    white = given.white or 1.0
    return bool(-0.001 < low <= 0.02 * white and 0.9 * white <= high <= 1.001 * white)
