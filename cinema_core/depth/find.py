"""Find the depth of a photo: read the user's depth map, or estimate depth with a model or the built-in network.

Input: the working photo. Output: (H, W) float32 depth in scene units, the nearest content at 1, edges as steps.
Everything is computed in disparity (1/depth), which can be resized and blended without creating false far points.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ..device import choose_device
from ..files.depth_map import DepthMap, read_map
from ..regions.coherent_depth import make_coherent
from ..regions.painting import above_sky
from ..shared.data import FARTHEST, Depth, Photo
from ..shared.errors import CinemaError
from ..shared.options import BuildOptions
from .conventions import fit_to_photo, to_disparity
from .edges import clean_depth
from .network import Prediction, infer
from .user_models import Estimate, infer_depth

_NETWORK_DETAIL = "the built-in network: approximate, trained on landscapes"
NEAREST_SHARE = 0.005  # share of pixels outside the sky that may be nearer than 1; single ones must not set the scale


def find_depth(
    photo: Photo, file: Path | None, options: BuildOptions, prediction: Callable[[], Prediction] | None = None
) -> Depth:
    """Read or estimate depth as the options say.

    Args:
        photo: The working photo.
        file: The user's depth map, or None.
        options: Only those about depth have an effect.
        prediction: Gives the network's prediction for the photo; None runs the network where it is needed.

    Returns:
        The depth and its source.

    Raises:
        CinemaError: The file or the model cannot be used.
    """
    prediction = prediction or partial(infer, photo)
    if file:
        return depth_from_map(photo, prediction, file, options)
    if options.depth_model:
        return depth_by_model(photo, prediction, estimate_by_model(photo.color, options), options)
    return depth_by_network(photo, prediction(), options)


def depth_from_map(photo: Photo, prediction: Callable[[], Prediction], file: Path, options: BuildOptions) -> Depth:
    """Depth of the user's map; arguments and errors as in `find_depth`."""
    _check_ends(options)
    given, notes = fit_to_photo(read_map(file), photo)
    read = to_disparity(given, photo, options.depth_kind, _ratio(options), prediction)
    warnings = (*notes, *read.warnings)
    return Depth(_finish(read.disparity, photo, options), "file", read.text, warnings=warnings)


def estimate_by_model(color: np.ndarray, options: BuildOptions) -> Estimate:
    """The estimate of the user's model for a photo's (H, W, 3) colours; errors as in `find_depth`."""
    return infer_depth(color, options.depth_model, choose_device(options.device))


def depth_by_model(photo: Photo, prediction: Callable[[], Prediction], found: Estimate, options: BuildOptions) -> Depth:
    """Depth from the estimate of the user's model; other arguments and errors as in `find_depth`."""
    _check_ends(options)
    kind = found.kind if options.depth_kind == "auto" else options.depth_kind
    read = to_disparity(DepthMap(found.values, found.name), photo, kind, _ratio(options), prediction)
    text = f"{read.text}; focal length {found.focal:.0f} px" if found.focal else read.text
    values = _finish(read.disparity, photo, options)
    return Depth(values, "model", text, found.licence, read.warnings, found.focal)


def depth_by_network(photo: Photo, prediction: Prediction, options: BuildOptions) -> Depth:
    """Depth estimated by the built-in network; arguments and errors as in `find_depth`."""
    _check_ends(options)
    return Depth(_finish(_estimate(prediction), photo, options, built_in=True), "network", _NETWORK_DETAIL)


def estimate_depth(photo: Photo) -> np.ndarray:
    """Estimate depth with the built-in network.

    Args:
        photo: The working photo.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.
    """
    return find_depth(photo, None, BuildOptions()).values


def read_depth(path: str | Path, photo: Photo, options: BuildOptions = BuildOptions()) -> np.ndarray:
    """Read the user's depth map, see `conventions`.

    Args:
        path: The depth map.
        photo: The working photo.
        options: Only those about depth have an effect.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.

    Raises:
        CinemaError: The file cannot be used.
    """
    return find_depth(photo, Path(path), options).values


def _estimate(found: Prediction) -> np.ndarray:
    """(H, W) float32 disparity from the network's prediction, the nearest content at 1, the sky at FARTHEST."""
    nearest = float(np.quantile(found.inverse if found.sky.all() else found.inverse[~found.sky], 1 - NEAREST_SHARE))
    land = above_sky(np.exp2(np.minimum(found.inverse - nearest, 0)))
    return np.where(found.sky, np.float32(1 / FARTHEST), land)


def _check_ends(options: BuildOptions) -> None:
    """Raise CinemaError where the user's far end is not beyond the near end."""
    if options.depth_near and options.depth_far and options.depth_far <= options.depth_near:
        raise CinemaError(
            f"The depth's far end ({options.depth_far:g}) is not farther than its near end ({options.depth_near:g})",
            "Choose a larger far end",
        )


def _ratio(options: BuildOptions) -> float | None:
    """Farthest over nearest distance as given by the user, None without either.

    A missing end has its default in scene units: 1 the near end, FARTHEST the far end.
    """
    if not (options.depth_near or options.depth_far):
        return None
    return max(1.0, (options.depth_far or FARTHEST) / (options.depth_near or 1.0))


def _finish(disparity: np.ndarray, photo: Photo, options: BuildOptions, built_in: bool = False) -> np.ndarray:
    """(H, W) float32 depth from disparity: edges cleaned, objects rigid, range shaped, the nearest content at 1."""
    disparity = clean_depth(disparity.clip(1 / FARTHEST).astype(np.float32), photo.color, options.edge_cleanup)
    if options.coherence == "always" or (options.coherence == "auto" and built_in):
        disparity = make_coherent(disparity, photo.color, photo.focal)
    sky = disparity <= 1 / FARTHEST  # it stays at infinity, however near the rest is
    disparity = np.where(sky, 1 / FARTHEST, disparity / disparity.max()).clip(1 / FARTHEST)
    return (1 / _with_range(disparity, options).clip(1 / FARTHEST, 1)).astype(np.float32)


def _with_range(disparity: np.ndarray, options: BuildOptions) -> np.ndarray:
    """Disparity with its far end at the user's ratio, and the exponent applied between the ends."""
    ratio, low = _ratio(options), float(disparity.min())
    if (ratio is None and options.depth_gamma == 1) or low == 1:
        return disparity
    floor = low if ratio is None else 1 / ratio
    return floor + ((disparity - low) / (1 - low)) ** options.depth_gamma * (1 - floor)
