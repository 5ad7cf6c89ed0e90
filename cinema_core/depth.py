"""Depth of a photo: read from a file the user has, or estimated: approximate, made for landscapes.

The estimate is the depth network's where its weights are beside it, and follows plain rules where they are not.

Input: the working photo. Output: (H, W) float32 depth in scene units, nearest content at 1, edges as steps.
Everything is computed in disparity (1/depth), which resizes and blends without inventing far points.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .data import FARTHEST, Photo
from .depth_files import read_disparity
from .depth_rules import rule_disparity
from .edges import snap_edges

WEIGHTS = Path(__file__).with_name("depth_network.safetensors")
NEAREST_SHARE = 0.005  # of the solid pixels may be nearer than 1: single ones must not set the scale of all


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
