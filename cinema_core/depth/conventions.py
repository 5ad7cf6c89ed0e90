"""Interpret the values of a depth map: which end is near, how far the far end is, and which values are unknown.

Input: a `DepthMap` of any estimator or renderer, and the photo. Output: disparity of the working photo.

* "metric": distances along z in any unit. 0, negative values and NaN are unknown, and so is white of 16 bit where
  it stands apart; in the photo's sky they are infinitely far. Infinite and huge values (a renderer's sky) are
  infinitely far. Proportions are kept.
* "disparity": near is large. Where the smallest value is clearly above zero, zero is infinitely far and all values are
  kept. Otherwise the map was normalised, and the distance of its far end is lost. The far end is then taken as
  infinitely far where the photo shows sky there, or where the map is an estimator's raw output. Elsewhere
  it is UNKNOWN_RANGE times as far as the nearest, so that the back of a room does not recede to infinity.
* "inverted": near is small and the map was normalised, as by affine-invariant estimators and normalised Z passes. The
  map is linear in distance, up to SKY_RANGE times the nearest where it shows sky, else up to UNKNOWN_RANGE times.

The kind is found from the photo, see `orientation`. Where that shows nothing, the file format's convention holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..files.depth_map import DepthMap
from ..image.grid import nearest_index
from ..shared.camera import is_rounded, same_aspect, stretched_note
from ..shared.data import Photo
from ..shared.errors import CinemaError
from .network import Prediction, infer
from .orientation import (
    CLEAR_DIFFERENCE,
    CONTRADICTION,
    END_PERCENTILES,
    INFINITE,
    WHITE_MARKS,
    contradicts,
    find_orientation,
    has_white_marks,
    is_normalised,
    white_stands_apart,
)

UNKNOWN_RANGE = 10.0  # farthest over nearest distance of a normalised map without sky
SKY_RANGE = 30.0  # farthest over nearest distance of a normalised map that is linear in distance and shows sky
_LEVEL = 0.005  # of a map's range; smaller values are at its level far end
_LEVEL_IN_SKY = 0.2  # of a map's level far end; where less of it is in the photo's sky, it is a wall
_PARTIAL = "{} covers only a part of the photo; the rest takes the depth of the nearest pixels that it covers"
_WALL = "{}; its level far end is taken as a wall, since the photo shows no sky there. Set the far end if it is sky"


@dataclass(frozen=True, eq=False)
class Interpretation:
    """A depth map as disparity.

    Attributes:
        disparity: (H, W) float32, the nearest content at 1.
        text: How the map was interpreted, for the user.
        warnings: Sentences about guesses, and about contradictions of the map and the photo, for the user.
    """

    disparity: np.ndarray
    text: str
    warnings: tuple[str, ...] = ()


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
    found = prediction() if prediction else infer(photo)
    sky = _sky_of(found, given.values.shape)
    kind, doubt = _kind_of(given, sky, found) if kind == "auto" else (kind, "")
    convert = {"metric": _from_metric, "inverted": _from_inverted, "disparity": _from_disparity}[kind]
    disparity, text, doubt_of_range = convert(given, sky, ratio)
    disparity = _resize(_without_spikes(_filled(disparity, given)), photo.width, photo.height)
    nearest = float(np.percentile(disparity, END_PERCENTILES[1]))
    spread = nearest - float(np.percentile(disparity, END_PERCENTILES[0]))
    if not spread > 1e-5 * nearest:
        raise CinemaError(
            f"The depth map {given.name} is the same everywhere", "Choose a map with different near and far values"
        )
    part = f" ({given.part})" if given.part else ""
    text = f"{given.name}{part}: {text}"
    warnings = tuple(sentence.format(text) for sentence in (doubt, doubt_of_range) if sentence)
    return Interpretation((disparity / nearest).clip(0, 1).astype(np.float32), text, warnings)


def fit_to_photo(given: DepthMap, photo: Photo) -> tuple[DepthMap, tuple[str, ...]]:
    """Check that a map has the photo's aspect.

    Args:
        given: The map.
        photo: The working photo.

    Returns:
        The map whose `values` show the whole photo, which are those that the file stores where only they have the
        photo's aspect; and sentences for the user about its shape.

    Raises:
        CinemaError: The map shows a part of the photo, or the photo turned.
    """
    height, width = given.values.shape
    wanted = (photo.width, photo.height)
    if same_aspect((width, height), wanted):
        partial = given.stored is not None and given.stored.size < given.values.size
        return given, (_PARTIAL.format(given.name),) if partial else ()
    if given.stored is not None and same_aspect((given.stored.shape[1], given.stored.shape[0]), wanted):
        return replace(given, values=given.stored, stored=None), (given.stored_note,)
    if is_rounded((width, height), wanted):
        return given, (stretched_note(f"The depth map {given.name}", (width, height), wanted),)
    turned = same_aspect((height, width), wanted)
    raise CinemaError(
        f"The depth map {given.name} is {width} x {height}, "
        f"which is not the photo's shape ({photo.width} x {photo.height})",
        "Turn the map by 90 degrees, so that it stands like the photo"
        if turned
        else "Choose a map of the whole photo, in any size with the photo's proportions",
    )


def _kind_of(given: DepthMap, sky: np.ndarray, prediction: Prediction) -> tuple[str, str]:
    """The kind of a map as it and the photo show, and a sentence with one gap where that is a guess, else ""."""
    if not np.isfinite(given.values).any():
        raise _no_value(given)
    if given.kind:
        return given.kind, CONTRADICTION if contradicts(given, prediction, given.kind == "disparity") else ""
    found = find_orientation(given, sky, prediction)
    if found.near_is_large:
        return "disparity", found.doubt
    if found.marks or not is_normalised(given):
        return "metric", found.doubt
    return ("metric", found.doubt or WHITE_MARKS) if has_white_marks(given) else ("inverted", found.doubt)


def _no_value(given: DepthMap) -> CinemaError:
    return CinemaError(f"The depth map {given.name} holds no finite value that is a depth", "Choose another depth map")


def _sky_of(found: Prediction, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) bool of the map's size: the photo's sky, without a margin."""
    side = 2 * max(1, round(max(found.sky.shape) / 320)) + 1  # px; the map's edge may lie beside the sky's
    sky = cv2.erode(found.sky.astype(np.uint8), np.ones((side, side), np.uint8))
    return cv2.resize(sky, shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def _from_metric(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str, str]:
    """(h, w) disparity of a "metric" map, NaN where unknown, how it was read, and a doubt or ""."""
    values = _without_white_marks(given, sky) if has_white_marks(given) else given.values
    if np.nanmax(np.where(np.isfinite(values), values, np.nan), initial=-np.inf) <= 0:
        values = -values  # z along the camera's axis, which points backwards in OpenGL
    with np.errstate(divide="ignore"):
        disparity = 1 / np.where(values > 0, values, np.nan)
    disparity[values > INFINITE] = 0
    unknown = np.isnan(disparity)
    if sky.any() and unknown[sky].mean() > 0.5:  # the sky has no distance, so the map has none there
        disparity[unknown & sky] = 0
    return disparity, "distances", ""


def _without_white_marks(given: DepthMap, sky: np.ndarray) -> np.ndarray:
    """(h, w) distances: white is infinite in an area of the sky or of the upper border, elsewhere NaN or a distance."""
    white = given.values == given.white
    _, parts = cv2.connectedComponents(white.astype(np.uint8))
    far = white & np.isin(parts, np.union1d(parts[0], parts[sky]))
    values = np.where(far, np.float32(np.inf), given.values)
    if white_stands_apart(given):
        values[white & ~far] = np.nan
    return values


def _from_inverted(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str, str]:
    """(h, w) disparity of an "inverted" map, NaN where unknown, how it was read, and a doubt or ""."""
    finite = given.values[np.isfinite(given.values)]
    if not finite.size:
        raise _no_value(given)
    low, high = np.percentile(finite, END_PERCENTILES).tolist()
    far = (given.values - low) / max(high - low, 1e-12)
    shows_sky = sky.any() and np.nanmedian(far[sky]) > 1 - CLEAR_DIFFERENCE
    ratio = ratio or (SKY_RANGE if shows_sky else UNKNOWN_RANGE)
    disparity = 1 / (1 + far.clip(0, 1) * (ratio - 1)) if high > low else np.ones_like(far)
    return disparity, f"near is black, the farthest is {ratio:.3g} times as far as the nearest", ""


def _from_disparity(given: DepthMap, sky: np.ndarray, ratio: float | None) -> tuple[np.ndarray, str, str]:
    """(h, w) disparity of a "disparity" map, NaN where unknown, how it was read, and a doubt or ""."""
    near = "near is white" if given.white else "near is large"
    finite = given.values[np.isfinite(given.values)]
    if not finite.size:
        raise _no_value(given)
    low, high = np.percentile(finite, END_PERCENTILES).tolist()
    smallest, largest = float(finite.min()), float(finite.max())
    tolerance = 0.02 if given.white == 255 else 0.002
    if smallest > tolerance * largest:
        return given.values, f"{near}, zero is infinitely far", ""
    share = ((given.values - low) / max(high - low, 1e-12)).clip(0, 1)
    raw = given.white is None and smallest >= 0 and not 0.999 <= largest <= 1.001
    if raw or _shows_sky(share, sky):
        return share, f"{near}, the farthest is infinitely far", ""
    doubt = _WALL if ratio is None and _has_level_end(share) else ""
    ratio = ratio or UNKNOWN_RANGE
    floor = 1 / ratio if high > low else 1
    return floor + share * (1 - floor), f"{near}, the farthest is {ratio:.3g} times as far as the nearest", doubt


def _shows_sky(share: np.ndarray, sky: np.ndarray) -> bool:
    """Whether the map's far end is sky: at the photo's sky, or in a level area of which the photo's sky is a part."""
    if not sky.any():
        return False
    if np.nanmedian(share[sky]) < CLEAR_DIFFERENCE:
        return True
    level = share < _LEVEL
    return bool(_has_level_end(share) and (level & sky).sum() > _LEVEL_IN_SKY * level.sum())


def _has_level_end(share: np.ndarray) -> bool:
    """Whether the map's far end is level and reaches the upper border, as of sky or of a back wall."""
    level = share < _LEVEL
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
