"""The boundary of a part of the region inside the picture, as samples with smooth outward normals.

Input: a mask. Output: `Boundary`. The pixel steps of the contour are smoothed along it, by its length, so a slanting
boundary has the normal with which it was drawn. Where the boundary reaches the picture's frame, it is continued
straight for the smoothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

STEP_SMOOTHING = 1.5  # px along the contour; sigma that smooths its pixel steps before lengths are measured


@dataclass(frozen=True, eq=False)
class Boundary:
    """Samples along boundaries, evenly spaced.

    Attributes:
        pixels: (B, 2) float64, px.
        normal: (B, 2) float64, outward unit normals; zero where the boundary has none (a spike, a single pixel).
        island: (B,) bool, the boundary is that of a hole in the mask.
        spacing: px of boundary that each sample stands for.
    """

    pixels: np.ndarray
    normal: np.ndarray
    island: np.ndarray
    spacing: float


def trace_boundary(mask: np.ndarray, spacing: int, sigma: float) -> Boundary:
    """Trace the boundaries of a mask. The picture's frame is not a boundary.

    Args:
        mask: (H, W) bool.
        spacing: Of the samples, px.
        sigma: Of the smoothing of normals along the boundary, px.

    Returns:
        The boundary.
    """
    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    last = np.array(mask.shape[::-1]) - 1
    pixels, normals, islands = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, bool)]
    for contour, (_, _, _, parent) in zip(contours, tree[0] if len(contours) else ()):
        line = contour[:, 0].astype(np.float64)
        for run, ring in _runs_off_frame(line, ((line == 0) | (line == last)).any(1)):
            run = _evenly_spaced(_smoothed(run, STEP_SMOOTHING, ring), ring)
            tangent = np.gradient(_smoothed(run, sigma, ring), axis=0) if len(run) > 1 else np.zeros((1, 2))
            length = np.linalg.norm(tangent, axis=1, keepdims=True)
            normal = np.where(length > 0.2, np.stack([-tangent[:, 1], tangent[:, 0]], 1) / np.maximum(length, 1e-9), 0)
            pick = slice(min(spacing // 2, len(run) - 1), None, spacing)
            pixels.append((run + 0.5 + 0.5 * normal)[pick])  # OpenCV's contour runs through the outermost centres
            normals.append(normal[pick])
            islands.append(np.full(len(normals[-1]), parent >= 0))
    return Boundary(np.concatenate(pixels), np.concatenate(normals), np.concatenate(islands), float(spacing))


def _runs_off_frame(line: np.ndarray, framed: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """The runs of a closed contour between its pixels on the frame, and whether each run is a ring.

    Args:
        line: (N, 2) px.
        framed: (N,) bool, on the frame.
    """
    if not framed.any():
        return [(line, True)]
    start = int(np.argmax(framed))
    line, framed = np.roll(line, -start, 0), np.roll(framed, -start)
    ends = np.flatnonzero(np.diff(np.concatenate([[True], framed, [True]]).astype(np.int8)))
    return [(line[begin:end], False) for begin, end in zip(ends[::2], ends[1::2])]


def _evenly_spaced(line: np.ndarray, ring: bool) -> np.ndarray:
    """The line sampled 1 px apart. A chain of pixels has more pixels per px of length where it runs level."""
    if len(line) < 3:
        return line
    path = np.concatenate([line, line[:1]]) if ring else line
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    places = np.linspace(0, along[-1], max(2, round(along[-1])), endpoint=not ring)
    return np.stack([np.interp(places, along, path[:, axis]) for axis in (0, 1)], 1)


def _smoothed(line: np.ndarray, sigma: float, ring: bool) -> np.ndarray:
    """Gaussian mean along the line. A ring wraps around; an open line continues straight beyond its ends."""
    reach = int(3 * sigma)
    if ring:
        wide = np.take(line, np.arange(-reach, len(line) + reach), axis=0, mode="wrap")
    else:
        reach = min(reach, len(line) - 1)
        wide = np.concatenate([2 * line[0] - line[reach:0:-1], line, 2 * line[-1] - line[-2 : -reach - 2 : -1]])
    if reach < 1:
        return line
    weight = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    return np.stack([np.convolve(part, weight / weight.sum(), "valid") for part in wide.T], 1)
