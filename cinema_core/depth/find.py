"""Depth of a photo: read from a file the user has, or estimated: approximate, made for landscapes.

The estimate is that of a model the user has, else that of our own network, see `depth_network`.

Input: the working photo. Output: (H, W) float32 depth in scene units, nearest content at 1, edges as steps.
Everything is computed in disparity (1/depth), which resizes and blends without inventing far points.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..device import choose_device
from ..files.depth_map import DepthMap, read_map
from ..shared.data import FARTHEST, BuildOptions, Depth, Photo
from ..shared.errors import CinemaError
from .conventions import check_aspect, to_disparity
from .edges import clean_depth
from .model_location import model_key
from .network import infer
from .user_models import infer_depth

_DETAIL = "the network that comes with the program: approximate, made for landscapes"
_UNSURE = "{}; it does not tell by itself, so choose its kind if far and near are the wrong way round"
NEAREST_SHARE = 0.005  # of the solid pixels may be nearer than 1: single ones must not set the scale of all


def find_depth(photo: Photo, file: Path | None, options: BuildOptions) -> Depth:
    """Depth as the options ask for it.

    Args:
        photo: The working photo.
        file: A depth map, if the user has one.
        options: Of which those of depth count.

    Returns:
        The depth, and where it comes from.

    Raises:
        CinemaError: The file or the model cannot be used.
    """
    _check_ends(options)
    if file:
        given = read_map(file)
        check_aspect(given, photo)
        read = to_disparity(given, photo, options.depth_kind, _ratio(options))
        warnings = () if read.sure else (_UNSURE.format(read.text),)
        return Depth(_finish(read.disparity, photo.color, options), "file", read.text, warnings=warnings)
    if options.depth_model:
        return _by_model(photo, options)
    return Depth(_finish(_estimate(photo), photo.color, options), "network", _DETAIL)


def depth_key(digest_of_file: str | None, options: BuildOptions) -> list:
    """All that `find_depth` depends on besides the photo and the program."""
    asked = [options.depth_near, options.depth_far, options.depth_gamma, options.edge_cleanup]
    if digest_of_file:
        return [*asked, options.depth_kind, digest_of_file]
    if options.depth_model:
        return [*asked, options.depth_kind, model_key(options.depth_model)]
    return [*asked, "network"]


def estimate_depth(photo: Photo) -> np.ndarray:
    """Estimate depth by the network.

    Args:
        photo: The working photo.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.
    """
    return find_depth(photo, None, BuildOptions()).values


def read_depth(path: str | Path, photo: Photo, options: BuildOptions = BuildOptions()) -> np.ndarray:
    """Read a depth map the user has, see `depth_kinds`.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.
    """
    return find_depth(photo, Path(path), options).values


def _by_model(photo: Photo, options: BuildOptions) -> Depth:
    device = choose_device(options.device)
    found = infer_depth(photo.color, options.depth_model, options.download, device)
    kind = found.kind if options.depth_kind == "auto" else options.depth_kind
    read = to_disparity(DepthMap(found.values, found.name), photo, kind, _ratio(options))
    return Depth(_finish(read.disparity, photo.color, options), "model", read.text, found.licence)


def _estimate(photo: Photo) -> np.ndarray:
    """(H, W) disparity as the network sees it, the nearest content at 1, the sky at the far end."""
    seen = infer(photo)
    nearest = np.quantile(seen.inverse if seen.sky.all() else seen.inverse[~seen.sky], 1 - NEAREST_SHARE)
    return np.where(seen.sky, 1 / FARTHEST, np.exp2(np.minimum(seen.inverse - nearest, 0))).astype(np.float32)


def _check_ends(options: BuildOptions) -> None:
    if options.depth_near and options.depth_far and options.depth_far <= options.depth_near:
        raise CinemaError(
            f"The depth's far end ({options.depth_far:g}) is not farther than its near end ({options.depth_near:g})",
            "Give a larger far end",
        )


def _ratio(options: BuildOptions) -> float | None:
    """Farthest over nearest as the user says, in scene units where one end is left out; None where both are."""
    if not (options.depth_near or options.depth_far):
        return None
    return max(1.0, (options.depth_far or FARTHEST) / (options.depth_near or 1.0))


def _finish(disparity: np.ndarray, color: np.ndarray, options: BuildOptions) -> np.ndarray:
    """Put the edges right, shape the range, and turn disparity into depth with the nearest content at 1."""
    disparity = clean_depth(disparity.clip(1 / FARTHEST).astype(np.float32), color, options.edge_cleanup)
    disparity = (disparity / disparity.max()).clip(1 / FARTHEST)
    return (1 / _shaped(disparity, options).clip(1 / FARTHEST, 1)).astype(np.float32)


def _shaped(disparity: np.ndarray, options: BuildOptions) -> np.ndarray:
    """Move the farthest to where the user wants it, and what is between the ends by the exponent."""
    ratio, low = _ratio(options), float(disparity.min())
    if (ratio is None and options.depth_gamma == 1) or low == 1:
        return disparity
    floor = low if ratio is None else 1 / ratio
    return floor + ((disparity - low) / (1 - low)) ** options.depth_gamma * (1 - floor)
