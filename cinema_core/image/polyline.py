"""Polylines on the pixel grid: resampling, tangents, filled outlines."""

from __future__ import annotations

import numpy as np

# Samples of a polyline: several times along the side of the largest photo. Only points far outside it need more.
MOST_SAMPLES = 2**16


def fill_polygon(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre is inside an outline, by the rule of non-zero winding.

    The outline may cross itself: a stroke drawn past its start encloses its whole area, and a hole that is drawn the
    other way round and joined by a bridge stays empty.

    Args:
        points: (N, 2) px; the last point joins the first.
        shape: (H, W).

    Returns:
        (H, W) bool.
    """
    height, width = shape
    start = np.clip(points.astype(np.float64), -1e5, 1e5)
    end = np.roll(start, -1, 0)
    first, last = (np.clip(np.ceil(y - 0.5), 0, height).astype(int) for y in (start[:, 1], end[:, 1]))
    count = np.abs(last - first)  # rows whose centres the edge crosses
    edge = np.repeat(np.arange(len(start)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + np.minimum(first, last)[edge]
    slope = (end - start)[edge]
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) / slope[:, 1] * slope[:, 0]
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(int)
    inside = np.zeros(shape, bool)
    if not len(row) or column.min() == width:
        return inside
    top, left = row.min(), column.min()
    window = (row.max() + 1 - top, column.max() + 1 - left)  # the winding number is 0 outside
    turns = np.bincount((row - top) * window[1] + column - left, np.sign(slope[:, 1]), window[0] * window[1])
    turns = np.cumsum(turns.reshape(window).astype(np.int32), 1) != 0
    inside[top : top + window[0], left : left + window[1]] = turns[:, : width - left]
    return inside


def pixel_corners(points: np.ndarray) -> np.ndarray:
    """(N, 2) int32 (column, row) of the pixels that contain points, (N, 2) px."""
    return np.floor(np.clip(points, -1e4, 1e5)).astype(np.int32)


def resample(points: np.ndarray, closed: bool, step: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples of a polyline at equal distances.

    Args:
        points: (P, 2) px.
        closed: Whether the last point joins the first.
        step: px between samples, about; more where there would be more than MOST_SAMPLES.

    Returns:
        (N, 2) px; (N,) fractional indices into `points`, with index P for the closing point; and the length in px.
    """
    points = (np.concatenate([points, points[:1]]) if closed else points).astype(np.float64)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    count = int(min(along[-1] / step, MOST_SAMPLES - 1)) + 1
    places = np.linspace(0, along[-1], max(2, count))
    pixels = np.stack([np.interp(places, along, points[:, axis]) for axis in (0, 1)], 1)
    return pixels, np.interp(places, along, np.arange(len(along))), float(along[-1])


def tangents(line: np.ndarray, closed: bool) -> np.ndarray:
    """(N, 2) unit tangents at samples, (N, 2), of a parabola through the neighbours of each, which evens out tremor."""
    wide = max(1, min(len(line) // 8, 8))  # samples on each side that the parabola is fitted to
    count = len(line)
    if closed:  # the last sample repeats the first
        line = np.concatenate([line[-1 - wide : -1], line, line[1 : 1 + wide]])
    if len(line) < 3:
        slopes = np.repeat(line[-1:] - line[:1], len(line), 0)
    else:
        offset = np.arange(-wide, wide + 1)
        fit = np.linalg.pinv(np.stack([offset**0, offset, offset**2], 1))  # (3, window)
        centre = np.clip(np.arange(len(line)), wide, len(line) - 1 - wide)
        linear, square = (np.einsum("w,nwc->nc", row, line[centre[:, None] + offset]) for row in fit[1:])
        slopes = linear + 2 * square * (np.arange(len(line)) - centre)[:, None]
    slopes = slopes[wide : wide + count] if closed else slopes
    return slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-9)
