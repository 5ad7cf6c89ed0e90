"""Turn the soft edges of a depth map into steps on the photo's edges.

Input: disparity and the photo. Output: disparity without noise, whose discontinuities lie on the photo's edges and are
one pixel wide.

A soft edge is a ramp of a few pixels between two surfaces. Unprojected, its points float between the surfaces. Every
ramp is followed along its slope to the flat on either side. This gives the two disparities that its pixels can have.
Colour decides between them: the pixel's colour is compared with the colours around it on the near and on the far side.

Sources: the vote is a joint bilateral one (Petschnigg et al. 2004), refined among neighbours of similar colour as in
mean-field inference (Kraehenbuehl and Koltun 2011) and brought to large photos by joint bilateral upsampling (Kopf et
al. 2007). Nothing is averaged across an edge, so there are no halos and no texture is copied into the depth.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from ..image.grid import nearest_index, sample
from .edge_profiles import EdgeProfiles, Ramps

EDGE_WORK_SIDE = 1280  # px, longer side at which edges are classified; larger photos are then refined pixel by pixel
RAMP_REACH = 1 / 90  # of the longer side; a ramp that goes on for longer to one side is a slope, not an edge
MIN_RAMP_REACH = 5  # px, lower limit of the ramp's reach; a network's pixels may be larger than those of a small photo
STEP_SHARE = 0.8  # share of an edge's height within one pixel, above which the edge already is a step
EXACT_MAP_SHARE = 0.8  # share of steps among a map's edges, above which it was rendered or measured, not estimated
SKY_FACTOR = 1.5  # times the map's smallest disparity; an edge whose far side is below borders on the sky
MIN_LAND_SHARE = 0.1  # share of edges not on the sky, above which these alone tell whether the map is exact
MIN_NOISE = 0.002  # standard deviation, relative to disparity; smaller variation is kept as detail
COLOR_SCALE = 0.09  # distance in sRGB at which the similarity of two colours falls to a quarter
VOTING_PIXELS = 40  # sampled around each pixel for the vote on its side
DEPTH_LOG_ODDS = 1.2  # the most that a pixel's own soft depth adds to the votes of the colours
MEAN_FIELD_ROUNDS = 2  # of exchange between neighbours
MIN_RAMP_COMPONENT = 0.5  # of the squared reach; smaller components with no support beside them change sides
NEIGHBOURS = (  # (down, right) in px, of the exchange; the order of the sum
    (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 2), (2, 0), (0, -2), (-2, 0),
)  # fmt: skip


def clean_depth(disparity: np.ndarray, color: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Remove noise from a depth map and turn its soft edges into steps on the photo's edges.

    Steps that are exact already keep their place to the pixel. Slopes stay as they are.

    Args:
        disparity: (H, W) float32, > 0, the nearest about 1.
        color: (H, W, 3) float32, sRGB.
        strength: Factor on the width up to which a ramp counts as an edge. 1 suits a network's depth, 0 changes
            nothing.

    Returns:
        (H, W) float32.
    """
    disparity = np.ascontiguousarray(disparity, np.float32)
    if strength <= 0 or min(disparity.shape) < 8:
        return disparity
    disparity = _without_noise(disparity)
    height, width = disparity.shape
    scale = min(1.0, EDGE_WORK_SIDE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = disparity if scale == 1 else cv2.resize(disparity, size, interpolation=cv2.INTER_AREA)
    small_color = color if scale == 1 else cv2.resize(color, size, interpolation=cv2.INTER_AREA)
    reach = max(3, round(strength * max(MIN_RAMP_REACH, RAMP_REACH * max(size))))
    band = _find_ramps(small, small_color, _largest_step(disparity, size), reach)
    if not len(band.index):
        return disparity
    vote = _exchange_votes(_color_vote(band, small, small_color, reach), band, small, small_color)
    vote = _without_specks(vote, band, small, reach)
    if scale == 1:
        cleaned = disparity.copy()
        cleaned.ravel()[band.index] = np.where(vote > 0, band.high, band.low)
        return cleaned
    return _upsample_decisions(disparity, color, vote, band, small_color)


def _without_noise(disparity: np.ndarray) -> np.ndarray:
    """Replace single outliers by the median of their neighbours, and smooth by as much as the noise measured."""
    median = cv2.medianBlur(disparity, 3)
    suspect = np.abs(disparity - median) > 0.04 * median + 0.004
    if suspect.any():
        row, column = np.nonzero(suspect)
        padded = np.pad(disparity, 1, mode="reflect")
        own = disparity[row, column]
        similar = np.zeros(len(row), np.int8)
        for down in range(3):
            for right in range(3):
                similar += np.abs(padded[row + down, column + right] - own) < 0.02 * own + 0.002
        alone = similar <= 1  # only itself: even the end of a thin line has a similar neighbour
        disparity = disparity.copy()
        disparity[row[alone], column[alone]] = median[row[alone], column[alone]]
    level = np.log(np.maximum(disparity, 1e-3))
    residual = level[1:-1, 1:-1] - (level[:-2, 1:-1] + level[2:, 1:-1] + level[1:-1, :-2] + level[1:-1, 2:]) / 4
    # Standard deviation, from the median residual of a pixel against the mean of its four neighbours.
    noise = 1.3 * float(np.median(np.abs(residual[::2, ::2])))
    if noise < MIN_NOISE:
        return disparity
    return np.exp(cv2.bilateralFilter(level, 5, 3 * noise, 2.0))


def _largest_step(disparity: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) float32, of size (w, h): the largest difference of adjacent full-size pixels in and beside each pixel."""
    jump = np.zeros_like(disparity)
    across, down = np.abs(np.diff(disparity, axis=1)), np.abs(np.diff(disparity, axis=0))
    jump[:, :-1], jump[:, 1:] = across, np.maximum(jump[:, 1:], across)
    jump[:-1], jump[1:] = np.maximum(jump[:-1], down), np.maximum(jump[1:], down)
    if size != disparity.shape[::-1]:
        side = int(np.ceil(disparity.shape[1] / size[0]))
        jump = cv2.resize(cv2.dilate(jump, np.ones((side, side), np.uint8)), size, interpolation=cv2.INTER_NEAREST)
    return cv2.dilate(jump, np.ones((3, 3), np.uint8))


def _find_ramps(disparity: np.ndarray, color: np.ndarray, step: np.ndarray, reach: int) -> Ramps:
    """Pixels of all ramps, each followed uphill and downhill to its end.

    Exact steps are left out, unless they lie beside the photo's edges as a whole and have to move there.
    """
    lines = EdgeProfiles(disparity, reach)
    up, down, ramp = lines.bridge_gaps(*lines.find_ramps())
    high, low = lines.sides(up, down)
    exact = step[lines.row, lines.column] > STEP_SHARE * (high - low)
    if exact[ramp].any() and _beside_photo_edges(color, lines.places[ramp & exact], lines.along[ramp & exact]):
        wide = max(2, round(reach / 3))
        up, down = np.where(exact, wide, up), np.where(exact, wide, down)
    else:  # in a map whose edges are nearly all steps, its few ramps were measured and stay
        land = ramp & (low > SKY_FACTOR * disparity.min())  # even an estimated map has steps at the sky
        sampled = exact[land if land.sum() > MIN_LAND_SHARE * ramp.sum() else ramp]
        ramp &= ~exact & (sampled.mean() < EXACT_MAP_SHARE if len(sampled) else False)
    return lines.band(ramp, up, down, high, low)


def _beside_photo_edges(color: np.ndarray, places: np.ndarray, along: np.ndarray) -> bool:
    """Whether steps lie beside the photo's edges on average: colours change more about two px away than at them."""
    few = slice(None, None, max(1, len(places) // 20000))
    places, along = places[few], along[few]
    colors = [sample(color, places + t * along) for t in range(-5, 6)]
    change = np.array([np.linalg.norm(b - a, axis=1).mean() for a, b in pairwise(colors)])
    return bool(np.delete(change, (4, 5, 6)).max() > 1.25 * change[4:7].max()) if len(change) > 6 else False


def _color_vote(band: Ramps, disparity: np.ndarray, color: np.ndarray, reach: int) -> np.ndarray:
    """(B,) float32: log odds that a pixel is on the near side, from its similarity to the colours of both sides."""
    shape = disparity.shape
    row, column = np.divmod(band.index, shape[1])
    disparity, color = disparity.ravel(), color.reshape(-1, 3)
    own, scale = color[band.index], 1 / np.maximum(band.high - band.low, 1e-6)
    votes = np.full((2, len(band.index)), 1e-2, np.float32)
    counts = np.full((2, len(band.index)), 1.0, np.float32)
    for number in range(VOTING_PIXELS):
        radius = 1 + 1.6 * reach * (number / VOTING_PIXELS) ** 0.75
        angle = number * 2.39996  # multiples of the golden angle
        other = _flat_index(row + round(radius * np.sin(angle)), column + round(radius * np.cos(angle)), shape)
        share = (np.take(disparity, other) - band.low) * scale
        similarity = _color_similarity(np.take(color, other, 0), own, COLOR_SCALE)
        for side, belongs in enumerate((np.abs(share - 1) < 0.2, np.abs(share) < 0.2)):
            votes[side] += similarity * belongs
            counts[side] += belongs
    share = np.clip((disparity[band.index] - band.low) * scale, 0, 1)
    return np.log(votes[0] / counts[0]) - np.log(votes[1] / counts[1]) + DEPTH_LOG_ODDS * (2 * share - 1)


def _color_similarity(color: np.ndarray, other: np.ndarray, scale: float) -> np.ndarray:
    """(B,) similarity of colours (B, 3): 1 where equal, a quarter at distance `scale`, falling slowly beyond."""
    difference = np.subtract(color, other)
    return 1 / np.square(1 + np.einsum("ij,ij->i", difference, difference) * np.float32(1 / scale**2))


def _exchange_votes(vote: np.ndarray, band: Ramps, disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(B,) float32: votes averaged with those of neighbours of similar colour."""
    shape = disparity.shape
    slot = np.full(disparity.size, -1, np.int64)
    slot[band.index] = np.arange(len(band.index))
    row, column = np.divmod(band.index, shape[1])
    own, flat, pairs = color.reshape(-1, 3)[band.index], color.reshape(-1, 3), []
    middle, scale = (band.high + band.low) / 2, 1 / np.maximum(band.high - band.low, 1e-6)
    disparity = disparity.ravel()
    for down, right in NEIGHBOURS:
        other = _flat_index(row + down, column + right, shape)
        similarity = _color_similarity(np.take(flat, other, 0), own, COLOR_SCALE / 2)
        weight = similarity * np.float32(1 / np.hypot(down, right))
        by_depth = np.clip(6 * (np.take(disparity, other) - middle) * scale, -3, 3)  # vote of pixels outside the band
        pairs.append((np.take(slot, other), weight, by_depth))
    total = 1 + sum(weight for _, weight, _ in pairs)
    for _ in range(MEAN_FIELD_ROUNDS):
        neighbours = sum(w * np.where(s >= 0, np.clip(vote[s], -3, 3), by_depth) for s, w, by_depth in pairs)
        vote = (vote + neighbours) / total
    return vote


def _without_specks(vote: np.ndarray, band: Ramps, disparity: np.ndarray, reach: int) -> np.ndarray:
    """(B,) float32: votes, negated in small components that no surface of their side adjoins outside the band."""
    shape, near, middle = disparity.shape, vote > 0, (band.high + band.low) / 2
    row, column = np.divmod(band.index, shape[1])
    outside = np.ones(disparity.size, bool)
    outside[band.index] = False
    supported, alone = (np.zeros(len(vote), bool) for _ in range(2))
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        other = _flat_index(row + down, column + right, shape)
        supported |= outside[other] & ((np.take(disparity, other) > middle) == near)
    for own in (near, ~near):
        side = np.zeros(shape, np.uint8)
        side.ravel()[band.index[own]] = 1
        _, part, stats, _ = cv2.connectedComponentsWithStats(side, connectivity=8)
        part, kept = part.ravel()[band.index], stats[:, cv2.CC_STAT_AREA] > MIN_RAMP_COMPONENT * reach**2
        kept[part[own & supported]] = True
        alone |= own & ~kept[part]
    return np.where(alone, -vote, vote)


def _flat_index(row: np.ndarray, column: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(B,) flat indices of pixels, clamped to the border of a map of this shape (H, W)."""
    return np.clip(row, 0, shape[0] - 1) * shape[1] + np.clip(column, 0, shape[1] - 1)


def _upsample_decisions(
    disparity: np.ndarray, color: np.ndarray, vote: np.ndarray, band: Ramps, small_color: np.ndarray
) -> np.ndarray:
    """(H, W) float32: the small photo's decisions at full size, refined by each pixel's colour near a change of side.

    Args:
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.
        vote: (B,) float32, log odds of the near side for the band's pixels.
        band: Pixels of the small photo.
        small_color: (h, w, 3) float32, sRGB.
    """
    small, (height, width) = small_color.shape[:2], disparity.shape
    votes = np.full(small, np.nan, np.float32)
    votes.ravel()[band.index] = vote
    inside = np.isfinite(votes)
    closest = nearest_index(inside)
    rows = np.minimum(((np.arange(height) + 0.5) * small[0] / height).astype(np.int64), small[0] - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * small[1] / width).astype(np.int64), small[1] - 1)
    row, column = np.nonzero(inside[rows][:, columns])
    y, x = rows[row], columns[column]
    own, total, weight = color[row, column], np.zeros(len(row), np.float32), np.full(len(row), 1e-6, np.float32)
    votes = votes.ravel()[closest]  # pixels outside the band take the vote of the closest one inside
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            b, a = np.clip(y + down, 0, small[0] - 1), np.clip(x + right, 0, small[1] - 1)
            distance = np.square((row + 0.5) * small[0] / height - b - 0.5) + np.square(
                (column + 0.5) * small[1] / width - a - 0.5
            )  # squared, px of the small photo
            similarity = _color_similarity(small_color[b, a], own, COLOR_SCALE / 2)
            similarity = similarity * np.exp(-distance).astype(np.float32)
            total += similarity * np.clip(votes[b, a], -3, 3)
            weight += similarity
    slot = np.zeros(small[0] * small[1], np.int64)
    slot[band.index] = np.arange(len(band.index))
    slot = slot[y * small[1] + x]
    cleaned = disparity.copy()
    cleaned[row, column] = np.where(total / weight > 0, band.high[slot], band.low[slot])
    return cleaned
