"""Edges of a depth map, as steps where the photo has its own.

Input: disparity and the photo. Output: disparity without noise, whose jumps lie on the photo's edges and take one pixel.

A soft edge is a ramp of a few pixels between two surfaces; unprojected, its points fly between them. Every ramp is
followed along its slope to the flat on either side, which gives the two disparities that its pixels can have; which
of the two it is, colour decides: that of the pixel against those seen around it on the near and on the far side.

Sources: the vote is a joint bilateral one (Petschnigg et al. 2004), refined among neighbours of like colour as in
mean-field inference (Kraehenbuehl and Koltun 2011) and brought to large photos by joint bilateral upsampling (Kopf et
al. 2007). Nothing is averaged across an edge, so no rim rings and no texture is copied.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from ..image.grid import nearest_index, sample
from .edge_profiles import EdgeProfiles, Ramps

WORK_SIDE = 1280  # px; larger photos are classified at this size, and refined pixel by pixel
REACH = 1 / 90  # of the longer side; the widest ramp that is an edge, and not a slope
LEAST_REACH = 5  # px; a network's pixels may be larger than a small photo's
STEP = 0.8  # share of a jump within one pixel that makes it a step already
MEASURED = 0.8  # share of steps among a map's edges that makes it exact: rendered or measured, not estimated
SKY, LAND = 1.5, 0.1  # of the least disparity, what is less is sky; share of edges that tell what those of the land are
NOISE = 0.002  # relative; what is less is no noise but detail
LIKE = 0.09  # sRGB; colours this far apart count as a quarter alike
SAMPLES = 40  # pixels around that vote
TRUST = 1.2  # in the soft depth itself, against the colours
ROUNDS = 2  # of agreeing with neighbours
SPECK = 0.5  # squares of the reach; fewer pixels that nothing of their side is beside are not believed


def clean_depth(disparity: np.ndarray, color: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Take noise out of a depth map and turn its soft edges into steps on the photo's edges.

    Steps that are exact already stay where they are, to the pixel; slopes stay as they are.

    Args:
        disparity: (H, W) float32, > 0, the nearest about 1.
        color: (H, W, 3) float32, sRGB.
        strength: How wide a ramp still counts as an edge, 1 as made for a network's depth; 0 changes nothing.

    Returns:
        (H, W) float32.
    """
    disparity = np.ascontiguousarray(disparity, np.float32)
    if strength <= 0 or min(disparity.shape) < 8:
        return disparity
    disparity = _without_noise(disparity)
    height, width = disparity.shape
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = disparity if scale == 1 else cv2.resize(disparity, size, interpolation=cv2.INTER_AREA)
    seen = color if scale == 1 else cv2.resize(color, size, interpolation=cv2.INTER_AREA)
    reach = max(3, round(strength * max(LEAST_REACH, REACH * max(size))))
    band = _find_ramps(small, seen, _largest_step(disparity, size), reach)
    if not len(band.index):
        return disparity
    vote = _agree(_vote(band, small, seen, reach), band, small, seen)
    vote = _without_specks(vote, band, small, reach)
    if scale == 1:
        cleaned = disparity.copy()
        cleaned.ravel()[band.index] = np.where(vote > 0, band.high, band.low)
        return cleaned
    return _enlarged(disparity, color, vote, band, seen)


def _without_noise(disparity: np.ndarray) -> np.ndarray:
    """Single wrong pixels replaced by their neighbours' median, and noise smoothed as far as it goes."""
    middle = cv2.medianBlur(disparity, 3)
    odd = np.abs(disparity - middle) > 0.04 * middle + 0.004
    if odd.any():
        row, column = np.nonzero(odd)
        padded = np.pad(disparity, 1, mode="reflect")
        own = disparity[row, column]
        alike = np.zeros(len(row), np.int8)
        for down in range(3):
            for right in range(3):
                alike += np.abs(padded[row + down, column + right] - own) < 0.02 * own + 0.002
        alone = alike <= 1  # itself: even the end of a thin line has a neighbour
        disparity = disparity.copy()
        disparity[row[alone], column[alone]] = middle[row[alone], column[alone]]
    level = np.log(np.maximum(disparity, 1e-3))
    rest = level[1:-1, 1:-1] - (level[:-2, 1:-1] + level[2:, 1:-1] + level[1:-1, :-2] + level[1:-1, 2:]) / 4
    noise = 1.3 * float(np.median(np.abs(rest[::2, ::2])))  # deviation, from the median of a pixel against its four
    if noise < NOISE:
        return disparity
    return np.exp(cv2.bilateralFilter(level, 5, 3 * noise, 2.0))


def _largest_step(disparity: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) float32: the largest jump between neighbouring pixels at and beside each pixel of the small size."""
    jump = np.zeros_like(disparity)
    across, down = np.abs(np.diff(disparity, axis=1)), np.abs(np.diff(disparity, axis=0))
    jump[:, :-1], jump[:, 1:] = across, np.maximum(jump[:, 1:], across)
    jump[:-1], jump[1:] = np.maximum(jump[:-1], down), np.maximum(jump[1:], down)
    if size != disparity.shape[::-1]:
        side = int(np.ceil(disparity.shape[1] / size[0]))
        jump = cv2.resize(cv2.dilate(jump, np.ones((side, side), np.uint8)), size, interpolation=cv2.INTER_NEAREST)
    return cv2.dilate(jump, np.ones((3, 3), np.uint8))


def _find_ramps(disparity: np.ndarray, color: np.ndarray, step: np.ndarray, reach: int) -> Ramps:
    """The ramps, each followed uphill and downhill to where it ends."""
    lines = EdgeProfiles(disparity, reach)
    up, down, ramp = lines.bridged(*lines.ramps())
    high, low = lines.sides(up, down)
    exact = step[lines.row, lines.column] > STEP * (high - low)
    if exact[ramp].any() and _off_the_photo(color, lines.places[ramp & exact], lines.along[ramp & exact]):
        wide = max(2, round(reach / 3))
        up, down = np.where(exact, wide, up), np.where(exact, wide, down)
    else:  # and where nearly all edges are steps, what few ramps there are were measured
        land = ramp & (low > SKY * disparity.min())  # against the sky an estimate has steps as well
        told = exact[land if land.sum() > LAND * ramp.sum() else ramp]
        ramp &= ~exact & (told.mean() < MEASURED if len(told) else False)
    return lines.band(ramp, up, down, high, low)


def _off_the_photo(color: np.ndarray, places: np.ndarray, along: np.ndarray) -> bool:
    """Whether steps lie, on the whole, beside the photo's edges: where colours change more two px or so away."""
    few = slice(None, None, max(1, len(places) // 20000))
    places, along = places[few], along[few]
    colors = [sample(color, places + t * along) for t in np.arange(-5, 5.5)]
    change = np.array([np.linalg.norm(b - a, axis=1).mean() for a, b in pairwise(colors)])
    return bool(np.delete(change, (4, 5, 6)).max() > 1.25 * change[4:7].max()) if len(change) > 6 else False


def _vote(band: Ramps, disparity: np.ndarray, color: np.ndarray, reach: int) -> np.ndarray:
    """(B,) float32: log odds that a pixel is of the near side: how alike in colour the two sides around it are."""
    shape = disparity.shape
    row, column = np.divmod(band.index, shape[1])
    disparity, color = disparity.ravel(), color.reshape(-1, 3)
    own, scale = color[band.index], 1 / np.maximum(band.high - band.low, 1e-6)
    votes = np.full((2, len(band.index)), 1e-2, np.float32)
    counts = np.full((2, len(band.index)), 1.0, np.float32)
    for number in range(SAMPLES):
        far = 1 + 1.6 * reach * (number / SAMPLES) ** 0.75
        turn = number * 2.39996  # golden angle
        there = _flat(row + round(far * np.sin(turn)), column + round(far * np.cos(turn)), shape)
        share = (np.take(disparity, there) - band.low) * scale
        alike = _likeness(np.take(color, there, 0), own, LIKE)
        for side, belongs in enumerate((np.abs(share - 1) < 0.2, np.abs(share) < 0.2)):
            votes[side] += alike * belongs
            counts[side] += belongs
    share = np.clip((disparity[band.index] - band.low) * scale, 0, 1)
    return np.log(votes[0] / counts[0]) - np.log(votes[1] / counts[1]) + TRUST * (2 * share - 1)


def _likeness(color: np.ndarray, other: np.ndarray, scale: float) -> np.ndarray:
    """(B,) 1 where colours (B, 3) are the same, a quarter where they are `scale` apart, and falling slowly."""
    away = np.subtract(color, other)
    return 1 / np.square(1 + np.einsum("ij,ij->i", away, away) * np.float32(1 / scale**2))


def _agree(vote: np.ndarray, band: Ramps, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(B,) float32: the votes after hearing neighbours of like colour."""
    shape = disparity.shape
    slot = np.full(disparity.size, -1, np.int64)
    slot[band.index] = np.arange(len(band.index))
    row, column = np.divmod(band.index, shape[1])
    own, flat, pairs = color.reshape(-1, 3)[band.index], color.reshape(-1, 3), []
    middle, scale = (band.high + band.low) / 2, 1 / np.maximum(band.high - band.low, 1e-6)
    disparity = disparity.ravel()
    for down, right in (
        (0, 1),
        (1, 0),
        (0, -1),
        (-1, 0),
        (1, 1),
        (1, -1),
        (-1, 1),
        (-1, -1),
        (0, 2),
        (2, 0),
        (0, -2),
        (-2, 0),
    ):
        there = _flat(row + down, column + right, shape)
        weight = _likeness(np.take(flat, there, 0), own, LIKE / 2) * np.float32(1 / np.hypot(down, right))
        clear = np.clip(6 * (np.take(disparity, there) - middle) * scale, -3, 3)
        pairs.append((np.take(slot, there), weight, clear))
    total = 1 + sum(weight for _, weight, _ in pairs)
    for _ in range(ROUNDS):
        heard = sum(w * np.where(s >= 0, np.clip(vote[s], -3, 3), clear) for s, w, clear in pairs)
        vote = (vote + heard) / total
    return vote


def _without_specks(vote: np.ndarray, band: Ramps, disparity: np.ndarray, reach: int) -> np.ndarray:
    """(B,) float32: the votes, turned round where a few pixels stand alone: no part of their side is beside them."""
    shape, near, middle = disparity.shape, vote > 0, (band.high + band.low) / 2
    row, column = np.divmod(band.index, shape[1])
    outside = np.ones(disparity.size, bool)
    outside[band.index] = False
    held, alone = (np.zeros(len(vote), bool) for _ in range(2))
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        there = _flat(row + down, column + right, shape)
        held |= outside[there] & ((np.take(disparity, there) > middle) == near)
    for own in (near, ~near):
        side = np.zeros(shape, np.uint8)
        side.ravel()[band.index[own]] = 1
        _, part, stats, _ = cv2.connectedComponentsWithStats(side, connectivity=8)
        part, joined = part.ravel()[band.index], stats[:, cv2.CC_STAT_AREA] > SPECK * reach**2
        joined[part[own & held]] = True
        alone |= own & ~joined[part]
    return np.where(alone, -vote, vote)


def _flat(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(B,) flat indices of pixels; what lies outside is moved to the border."""
    return np.clip(row, 0, shape[0] - 1) * shape[1] + np.clip(column, 0, shape[1] - 1)


def _enlarged(disparity: np.ndarray, color: np.ndarray, vote: np.ndarray, band: Ramps, seen: np.ndarray) -> np.ndarray:
    """(H, W) float32: the small photo's decisions at full size; beside a change of side each pixel's colour decides."""
    small, (height, width) = seen.shape[:2], disparity.shape
    votes = np.full(small, np.nan, np.float32)
    votes.ravel()[band.index] = vote
    inside = np.isfinite(votes)
    closest = nearest_index(inside)
    rows = np.minimum(((np.arange(height) + 0.5) * small[0] / height).astype(np.int64), small[0] - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * small[1] / width).astype(np.int64), small[1] - 1)
    row, column = np.nonzero(inside[rows][:, columns])
    y, x = rows[row], columns[column]
    own, total, weight = color[row, column], np.zeros(len(row), np.float32), np.full(len(row), 1e-6, np.float32)
    votes = votes.ravel()[closest]  # beyond the band as at its end
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            b, a = np.clip(y + down, 0, small[0] - 1), np.clip(x + right, 0, small[1] - 1)
            away = np.square((row + 0.5) * small[0] / height - b - 0.5) + np.square(
                (column + 0.5) * small[1] / width - a - 0.5
            )
            alike = _likeness(seen[b, a], own, LIKE / 2) * np.exp(-away).astype(np.float32)
            total += alike * np.clip(votes[b, a], -3, 3)
            weight += alike
    slot = np.zeros(small[0] * small[1], np.int64)
    slot[band.index] = np.arange(len(band.index))
    slot = slot[y * small[1] + x]
    cleaned = disparity.copy()
    cleaned[row, column] = np.where(total / weight > 0, band.high[slot], band.low[slot])
    return cleaned
