"""Depth of a photo: read from a file the user has, or estimated: approximate, made for landscapes.

The estimate is the depth network's where its weights are beside it, and follows plain rules where they are not.

Input: the working photo. Output: (H, W) float32 depth in scene units, nearest content at 1, edges as steps.
Everything is computed in disparity (1/depth), which resizes and blends without inventing far points.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .data import FARTHEST, BuildOptions, Depth, Photo
from .depth_files import read_disparity
from .depth_rules import rule_disparity
from .edges import snap_edges

_DETAILS = {"network": "the network that comes with the program", "rules": "rules made for landscapes"}
WEIGHTS = Path(__file__).with_name("depth_network.safetensors")
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
    if file:
        return Depth(read_depth(file, photo), "file", Path(file).name)
    return Depth(estimate_depth(photo), estimator(), _DETAILS[estimator()])


def depth_key(digest_of_file: str | None, options: BuildOptions) -> list:
    """All that `find_depth` depends on besides the photo and the program."""
    asked = (options.depth_kind if digest_of_file else "", options.depth_near, options.depth_far, options.depth_gamma)
    return [*asked, options.edge_cleanup, digest_of_file or estimator()]


def estimate_depth(photo: Photo) -> np.ndarray:
    """Estimate depth by the network, or without its weights by rules.

    Args:
        photo: The working photo.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.
    """
    return _finish(_by_network(photo) if estimator() == "network" else rule_disparity(photo), photo.color)


def read_depth(path: str | Path, photo: Photo) -> np.ndarray:
    """Read a depth map the user has, see `depth_files.read_disparity`.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.
    """
    return _finish(read_disparity(path, photo), photo.color)


def estimator() -> str:
    """What estimates depth here: "network" or "rules"."""
    return "network" if WEIGHTS.is_file() else "rules"


def _by_network(photo: Photo) -> np.ndarray:
    """(H, W) disparity as the network sees it, the nearest content at 1, the sky at the far end."""
    from .depth_network import load_network, predict  # brings torch, which suggestions from the photo do without

    inverse, chance = predict(photo.color, load_network(WEIGHTS))
    sky = chance > 0.5
    nearest = np.quantile(inverse if sky.all() else inverse[~sky], 1 - NEAREST_SHARE)
    return np.where(sky, 1 / FARTHEST, np.exp2(np.minimum(inverse - nearest, 0))).astype(np.float32)


def _finish(disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Clean, snap edges, and turn disparity into depth with the nearest content at 1."""
    disparity = snap_edges(cv2.medianBlur(disparity.astype(np.float32), 3), color)
    return (1 / np.clip(disparity / disparity.max(), 1 / FARTHEST, 1.0)).astype(np.float32)
