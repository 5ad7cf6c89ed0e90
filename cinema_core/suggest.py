"""Suggestions: what in a photo looks as if it flowed, as strokes to edit. The sky is the depth network's, all else
follows plain rules.

Input: the working photo. Output: closed outlines of sky, clouds, fog and water, and motion strokes in them: the sky
drifts sideways, falls fall, other water runs along its texture. No rule knows which way a river runs: an artist turns
such a stroke round.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import cv2
import numpy as np

from .data import Photo, Stroke
from .depth_network import see
from .grid import grab_cut
from .sky import find_horizon, refine_mask

RULES_SIDE = 320  # px; the rules look at shapes, not at texture
OUTLINE_SIDE = 640  # px; outlines follow the photo's edges at this size
MOST_CORNERS = 60
MOST_REGIONS = 5
SMALLEST = 0.01  # share of the photo; smaller parts are not suggested
SPECK = 0.001  # share of the photo; nothing as small counts as a part
SMALLEST_ISLAND = 0.004
SKY_STROKE, WATER_STROKE, FALL_STROKE = 0.03, 0.05, 0.08  # of the longer side; the length over 50 is the speed
SAME_SKY = 7.0  # distance in Lab across the lower end of the sky; a horizon shows more
DARK = 35.0  # of Lab's L; what is darker than the sky by more, and rises above the horizon, is neither fog nor a fall
FALL_DETAIL = 6.0  # of Lab's L per px at RULES_SIDE; smoother areas do not fall


def suggest_strokes(photo: Photo) -> list[Stroke]:
    """Suggest regions and a motion for each.

    Args:
        photo: The working photo.

    Returns:
        Closed "region" outlines, the largest first, each followed by "still" outlines of the islands in it and by its
        "motion" strokes, in px of the photo; empty where nothing looks as if it flowed.
    """
    small = _at_most(photo.color, RULES_SIDE)
    fine = _at_most(photo.color, OUTLINE_SIDE)
    parts = [part for part in find_flowing(photo) if part[0].mean() >= SMALLEST]
    strokes = []
    for part, in_sky in parts[:MOST_REGIONS]:
        outlines = _outlines(refine_mask(part, fine), photo)
        if outlines:
            strokes += [*outlines, *_motions(small, part, in_sky, photo)]
    return strokes


def find_flowing(photo: Photo) -> list[tuple[np.ndarray, bool]]:
    """Connected parts of a photo that look as if they flowed; looked for once for each photo.

    Args:
        photo: The working photo.

    Returns:
        The largest part first: (h, w) bool of the photo at RULES_SIDE, and whether it is sky.
    """
    if photo not in _found:
        small = _at_most(photo.color, RULES_SIDE)
        if min(small.shape[:2]) < 12 or small.std((0, 1)).max() < 0.02:  # nothing to see
            return []
        sky = _small_sky(photo, small.shape[1::-1])
        _found[photo] = _parts(_flowing(small, sky), sky, cv2.cvtColor(small, cv2.COLOR_RGB2Lab))
    return _found[photo]


_found: WeakKeyDictionary[Photo, list[tuple[np.ndarray, bool]]] = WeakKeyDictionary()


def _small_sky(photo: Photo, size: tuple[int, int]) -> np.ndarray:
    """(h, w) bool of `size`, (w, h)."""
    return cv2.resize(see(photo).sky.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5


def _at_most(color: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(color.shape[:2])
    if scale >= 1:
        return color
    size = (max(8, round(color.shape[1] * scale)), max(8, round(color.shape[0] * scale)))
    return cv2.resize(color, size, interpolation=cv2.INTER_AREA)


# What flows


def _flowing(small: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """(h, w) bool: sky, and what looks like water, foam or fog below it.

    A score says how far each pixel is brighter, cooler and smoother than land; GrabCut makes areas of it.
    """
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)
    score = _score(cv2.GaussianBlur(lab, (0, 0), small.shape[1] / 320), _detail(lab[..., 0]), sky)
    labels = np.where(score > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[score > 2.5], labels[score < -2] = cv2.GC_FGD, cv2.GC_BGD
    labels[sky] = cv2.GC_FGD
    flows = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not 0.01 < flows.mean() < 0.99:
        return sky
    chroma = np.clip(lab / (100, 70, 70) + (0, 0.5, 0.5), 0, 1)  # told apart by hue rather than by light
    return grab_cut(chroma.astype(np.float32), labels, 2) | sky


def _score(lab: np.ndarray, detail: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """(h, w) float32: above 0.5 rather water than land. The numbers were set by eye on landscapes."""
    light, red, yellow = (lab[..., channel] for channel in range(3))
    below = ~sky
    cool = -yellow - np.maximum(red, 0) - 0.5 * np.maximum(-red - 8, 0)  # neither brown nor green
    score = (light - np.clip(_otsu(light[below]), 32, 68)) / 12 + cool / 8
    if below.any() and np.percentile(yellow[below], 15) < -10:  # where water is blue, grey is sand, but white is foam
        score -= 2.5 * np.clip((yellow + 8) / 6, 0, 1) * np.clip((80 - light) / 6, 0, 1)
    score += 1.5 * np.clip((4 - detail) / 2, 0, 1) * ((yellow < 4) & (np.abs(red) < 7))
    score += (light > 82) & (detail < 5)
    return _score_horizon(score, lab, detail, sky) if sky.any() else score


def _score_horizon(score: np.ndarray, lab: np.ndarray, detail: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """The score with what a horizon tells: the glow on it is sky, and what a level one borders is the sea, and rough
    or dark things that rise above it stand there, in fog too."""
    light, red, yellow = (lab[..., channel] for channel in range(3))
    height, horizon = len(sky), find_horizon(sky)
    row = np.arange(height)[:, None]
    glow = (light > 75) & (yellow > 4) & (np.abs(row - horizon - 0.025 * height) < 0.125 * height)
    score = np.where(glow, np.maximum(score, np.where(light > 80, 2.6, 1.5)), score)
    above = row < horizon - 0.02 * height
    score = score - 3 * np.clip((detail - 4) / 2, 0, 1) * above
    score -= 6 * np.clip((np.median(light[sky]) - light - DARK) / 10, 0, 1) * above
    bottom = height - np.argmax(sky[::-1], 0)
    level = sky.any(0) & (np.abs(bottom - horizon) < 0.03 * height)
    if level.mean() > 0.35:
        sea = level & (row > bottom) & (row < horizon + 0.07 * height) & (yellow < 6) & (red < 10)
        score = np.where(sea, np.maximum(score + 1.5, 2.6 if level.mean() > 0.8 else -9), score)
    return score


def _detail(light: np.ndarray) -> np.ndarray:
    """(h, w) float32: how rough the picture is around each pixel."""
    return cv2.GaussianBlur(np.abs(cv2.Laplacian(light, cv2.CV_32F)), (0, 0), 3)


def _otsu(light: np.ndarray) -> float:
    """The threshold that parts dark from light best (Otsu 1979), 0..100."""
    share = np.histogram(light, 100, (0, 100))[0] / max(1, light.size)
    weight, mean = np.cumsum(share), np.cumsum(share * np.arange(100))
    return float(np.argmax((mean[-1] * weight - mean) ** 2 / np.maximum(weight * (1 - weight), 1e-9)))


# From areas to strokes


def _parts(flows: np.ndarray, sky: np.ndarray, lab: np.ndarray) -> list[tuple[np.ndarray, bool]]:
    """Connected parts, the largest first, and whether each is sky."""
    upper = sky
    if upper.any():
        upper |= flows & (np.arange(len(sky))[:, None] < find_horizon(sky))
        for part in _split(flows & ~upper):
            if _continues(upper, part, lab):
                upper = cv2.morphologyEx((upper | part).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    found = [(part, True) for part in _split(upper)] + [(part, False) for part in _split(flows & ~upper)]
    return sorted(found, key=lambda part: -part[0].sum())


def _split(mask: np.ndarray) -> list[np.ndarray]:
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    return [numbers == number for number in range(1, count) if stats[number, cv2.CC_STAT_AREA] >= SPECK * mask.size]


def _continues(upper: np.ndarray, part: np.ndarray, lab: np.ndarray) -> bool:
    """Whether a part goes on below the sky without an edge: more sky, or the fog that it is made of."""
    height, width = upper.shape
    bottom = height - 1 - np.argmax(upper[::-1], 0)
    column = np.flatnonzero(upper.any(0) & (bottom > 4) & (bottom < height - 6))
    column = column[part[bottom[column] + 3, column]]
    if len(column) < 0.1 * width:
        return False
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.5)
    step = np.linalg.norm(smooth[bottom[column] - 3, column] - smooth[bottom[column] + 4, column], axis=1)
    enclosed = not part[-1].any()  # land ends it below
    return bool(np.median(step) < (2 if enclosed else 1) * SAME_SKY)


def _outlines(mask: np.ndarray, photo: Photo) -> list[Stroke]:
    """A "region" outline round the largest piece of a mask, and "still" outlines round its larger holes."""
    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    scale = np.array((photo.width / mask.shape[1], photo.height / mask.shape[0]))
    areas = np.array([cv2.contourArea(contour) for contour in contours])
    largest = int(np.argmax(np.where(tree[0, :, 3] < 0, areas, -1)))
    holes = np.flatnonzero((tree[0, :, 3] == largest) & (areas > SMALLEST_ISLAND * mask.size))
    strokes = []
    for kind, number in [("region", largest), *(("still", int(hole)) for hole in holes)]:
        corners = _simplified(contours[number][:, 0], mask.shape)
        if len(corners) > 2:
            strokes.append(Stroke(kind, (corners * scale).astype(np.float32), closed=True))
    return strokes if strokes and strokes[0].kind == "region" else []


def _simplified(contour: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(N, 2) px, N up to MOST_CORNERS. Corners on the photo's border lie outside of it by a hair: the region reaches it."""
    tolerance = max(shape) / 640
    corners = contour
    while len(corners) > MOST_CORNERS or tolerance <= max(shape) / 320:
        corners = cv2.approxPolyDP(contour[:, None], tolerance, True)[:, 0]
        tolerance *= 1.3
    size = np.array(shape[::-1])
    return np.where(corners <= 0, 0, np.where(corners >= size - 1, size, corners + 0.5))


def _motions(small: np.ndarray, part: np.ndarray, in_sky: bool, photo: Photo) -> list[Stroke]:
    """A stroke for what falls in the part and one for the rest."""
    if in_sky:
        return [_stroke(part, np.array((1.0, 0.0)), SKY_STROKE, photo)]
    tensor = _tensor(small)
    falls = _falling(small, part, tensor)
    strokes = []
    if falls.any():
        main = _largest(falls)
        strokes.append(_stroke(main, _along(tensor, main, down=True), FALL_STROKE, photo))
    rest = part & ~cv2.dilate(falls.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    if rest.sum() > 0.5 * part.sum() or not strokes:
        strokes.append(_stroke(rest, _along(tensor, rest), WATER_STROKE, photo))
    return strokes


def _tensor(small: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32, the structure tensor of the light: xx, xy, yy."""
    light = cv2.cvtColor(small, cv2.COLOR_RGB2Lab)[..., 0]
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    return np.stack([across * across, across * down, down * down], -1)


def _falling(small: np.ndarray, part: np.ndarray, tensor: np.ndarray) -> np.ndarray:
    """(h, w) bool: light water whose texture stands upright, as of falls."""
    inner = cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8))  # a rock's edge is no fall
    xx, xy, yy = np.moveaxis(cv2.GaussianBlur(tensor * inner[..., None], (0, 0), max(small.shape) / 64), -1, 0)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the steepest change
    coherent = np.hypot(xx - yy, 2 * xy) > 0.35 * (xx + yy)
    rough = xx + yy > FALL_DETAIL**2 * cv2.GaussianBlur(inner.astype(np.float32), (0, 0), max(small.shape) / 64)
    upright = part & coherent & rough & (np.abs(np.sin(angle)) < 0.6)
    upright = cv2.morphologyEx(upright.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(upright)
    large = stats[:, cv2.CC_STAT_AREA] > 0.004 * part.size
    large[0] = False
    return large[numbers]


def _largest(mask: np.ndarray) -> np.ndarray:
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return numbers == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _along(tensor: np.ndarray, mask: np.ndarray, down: bool = False) -> np.ndarray:
    """(2,) unit vector along the texture of an area: down where it is steep, else to the right."""
    xx, xy, yy = tensor[mask].sum(0) if mask.any() else (0.0, 0.0, 1.0)
    _, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]], np.float64))
    direction = vectors[:, 0]  # along which it changes least
    if down and abs(direction[1]) < 0.7:
        direction = np.array((0.0, 1.0))
    forward = direction[1] if abs(direction[1]) > 0.5 else direction[0]
    return direction if forward >= 0 else -direction


def _stroke(mask: np.ndarray, direction: np.ndarray, length: float, photo: Photo) -> Stroke:
    """A motion stroke through the middle of an area, as far as it stays inside."""
    room = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(room, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(distance)), mask.shape)
    half = length * max(mask.shape) / 2
    scale = np.array((photo.width / mask.shape[1], photo.height / mask.shape[0]))
    middle = np.array((column + 0.5, row + 0.5))
    half = max(2.0, min(half, float(distance[row, column])))
    ends = np.stack([middle - half * direction, middle + half * direction])
    return Stroke("motion", np.clip(ends * scale, 0, (photo.width, photo.height)).astype(np.float32), speed=_speed(length, half, mask))


def _speed(length: float, half: float, mask: np.ndarray) -> float:
    """The factor that makes up for a stroke that had to be shorter than its speed asks for."""
    return round(float(length * max(mask.shape) / (2 * half)), 2)
