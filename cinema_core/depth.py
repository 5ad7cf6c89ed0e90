"""Depth of a photo: read from a file the user has, or estimated: approximate, made for landscapes.

The estimate is the depth network's where its weights are beside it, and follows plain rules where they are not.

Input: the working photo. Output: (H, W) float32 depth in scene units, nearest content at 1, edges as steps.
Everything is computed in disparity (1/depth), which resizes and blends without inventing far points.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .data import Photo
from .errors import CinemaError
from .grid import grab_cut, nearest_index

FARTHEST = 100.0  # scene units; what lies beyond shows no parallax at any preset's amplitude
GROUND_AT_TOP = 0.3  # disparity at the upper border of a photo without a horizon, where the bottom is at 1
RULES_SIDE = 320  # px; the rules look at shapes, not at texture
WEIGHTS = Path(__file__).with_name("depth_network.safetensors")
NEAREST_SHARE = 0.005  # of the solid pixels may be nearer than 1: single ones must not set the scale of all


def estimate_depth(photo: Photo) -> np.ndarray:
    """Estimate depth by the network, or without its weights by rules.

    Args:
        photo: The working photo.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.
    """
    return _finish(_by_network(photo) if estimator() == "network" else _by_rules(photo), photo.color)


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


def _by_rules(photo: Photo) -> np.ndarray:
    """(H, W) disparity: sky far, ground a plane towards the horizon, upright things at their foot."""
    scale = min(1.0, RULES_SIDE / max(photo.color.shape[:2]))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    small = cv2.resize(photo.color, size, interpolation=cv2.INTER_AREA)
    sky = find_sky(small)
    rows = (np.arange(photo.height, dtype=np.float32)[:, None] + 0.5) / photo.height
    if not sky.any():
        ramp = GROUND_AT_TOP + (1 - GROUND_AT_TOP) * rows
        return np.repeat(ramp, photo.width, 1)
    horizon = find_horizon(sky) / len(sky)
    disparity = np.repeat(_ground(rows, horizon), photo.width, 1)
    foot, upright = _uprights(small, sky, horizon * len(sky))
    if upright.any():
        foot = cv2.resize(foot[None] / len(sky), (photo.width, 1), interpolation=cv2.INTER_NEAREST)
        standing = refine_mask(upright, photo.color) & (rows < foot)
        disparity = np.where(standing, np.maximum(_ground(foot, horizon), disparity), disparity)
    disparity[refine_mask(sky, photo.color)] = 1 / FARTHEST
    return disparity


def read_depth(path: str | Path, photo: Photo) -> np.ndarray:
    """Read a depth map the user has.

    An image (8 or 16 bit, or floats) is relative disparity: white is near. An array (.npy) holds depth along z, or
    disparity where its lower third is larger than its upper third, as the ground is nearer than the sky.

    Args:
        path: An image or .npy file, of any size with the photo's aspect.
        photo: The working photo.

    Returns:
        (H, W) float32, scene units, 1..FARTHEST.

    Raises:
        CinemaError: Missing, unreadable, of another aspect, constant, or without a finite value.
    """
    path = Path(path)
    values, is_depth = _read_values(path)
    height, width = values.shape
    if abs(width / height - photo.width / photo.height) > 0.02 * photo.width / photo.height:
        raise CinemaError(
            f"The depth map {path.name} is {width} x {height}, which is not the photo's shape",
            f"Give a depth map of the whole photo ({photo.width} x {photo.height} or a multiple)",
        )
    if is_depth:  # 0 is what scanners and renderers write where they know nothing
        values = 1 / np.where(values > 0, values, np.nan)
    disparity = _fill_not_finite(values, path)
    disparity = _resize_disparity(disparity, photo.width, photo.height)
    low, high = np.percentile(disparity, (0.1, 99.9))
    if high - low <= 1e-6 * max(abs(high), 1e-6):
        raise CinemaError(f"The depth map {path.name} is the same everywhere", "Give one that tells near from far")
    if not is_depth:  # relative: as the reference, the farthest pixel is declared to be at infinity
        disparity, high = disparity - low, high - low
    return _finish((disparity / high).astype(np.float32), photo.color)


def _read_values(path: Path) -> tuple[np.ndarray, bool]:
    """(H, W) float32 and whether it is depth (else disparity)."""
    if not path.is_file():
        raise CinemaError(f"There is no depth map {path}", "Choose an existing image or .npy file")
    if path.suffix.lower() == ".npy":
        try:
            values = np.squeeze(np.load(path, allow_pickle=False)).astype(np.float32)
        except (ValueError, OSError, EOFError) as error:
            raise CinemaError(f"{path.name} is not a readable .npy array", "Save it with numpy.save") from error
        if values.ndim != 2:
            raise CinemaError(f"{path.name} has {values.ndim} dimensions", "Give an array of height x width")
        if not values.size:
            raise CinemaError(f"{path.name} is empty", "Give an array of height x width")
        return values, not _lower_is_larger(values)
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if values is None:
        raise CinemaError(f"{path.name} is not a readable image", "Give a PNG, TIFF or .npy depth map")
    if values.ndim == 3:
        values = values[..., :3].mean(-1)
    return values.astype(np.float32), False


def _lower_is_larger(values: np.ndarray) -> bool:
    third = max(1, len(values) // 3)
    upper, lower = values[:third], values[-third:]
    upper, lower = upper[np.isfinite(upper)], lower[np.isfinite(lower)]
    return bool(upper.size and lower.size and np.median(lower) > np.median(upper))


def _fill_not_finite(disparity: np.ndarray, path: Path) -> np.ndarray:
    """Give NaN and infinite values the disparity of the nearest good one."""
    bad = ~np.isfinite(disparity)
    if bad.all():
        raise CinemaError(f"The depth map {path.name} holds no finite value", "Give one with real depths")
    if bad.any():
        nearest = nearest_index(~bad)
        disparity = disparity.ravel()[nearest]
    return disparity.astype(np.float32)


def _resize_disparity(disparity: np.ndarray, width: int, height: int) -> np.ndarray:
    if disparity.shape == (height, width):
        return disparity
    shrink = width < disparity.shape[1]
    return cv2.resize(disparity, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)


def _finish(disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Clean, snap edges, and turn disparity into depth with the nearest content at 1."""
    disparity = snap_edges(cv2.medianBlur(disparity.astype(np.float32), 3), color)
    return (1 / np.clip(disparity / disparity.max(), 1 / FARTHEST, 1.0)).astype(np.float32)


def snap_edges(disparity: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Turn soft depth edges into steps, and give the mixed pixels of an edge to the nearer side.

    A soft edge is a ramp of a few pixels between two surfaces; unprojected, its points fly between them. Where the
    local range is large, every pixel takes the value of the side whose colour (mean over the side within the window)
    is closer to its own. A rim of the farther side then joins the nearer one: its pixels mix both colours, and a
    rim that moves with the foreground is what a photo shows.

    Args:
        disparity: (H, W) float32.
        color: (H, W, 3) float32, sRGB.

    Returns:
        (H, W) float32.
    """
    longest = max(disparity.shape)
    for radius, only_soft in ((round(longest / 90), True), (round(longest / 90), True), (round(longest / 240), False)):
        disparity = _snap(disparity, color, max(2, radius), only_soft)
    high, _, span = _span(disparity, 1)
    step = (span > 0.06 * high) & (span > 0.02) & (span > 0.6 * _span(disparity, 3)[2])
    window = np.ones((2 * max(1, round(longest / 500)) + 1,) * 2, np.uint8)
    beside = cv2.dilate(step.astype(np.uint8), window).astype(bool)
    return np.where(beside, cv2.dilate(disparity, window), disparity).astype(np.float32)


def _span(disparity: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Highest and lowest disparity within a square window, and their difference, (H, W) each."""
    window = np.ones((2 * radius + 1,) * 2, np.uint8)
    high, low = cv2.dilate(disparity, window), cv2.erode(disparity, window)
    return high, low, high - low


def _snap(disparity: np.ndarray, color: np.ndarray, radius: int, only_soft: bool) -> np.ndarray:
    """One pass of `snap_edges` with a window of this radius; `only_soft` leaves edges that are steps already.

    An edge is where disparity changes by much within the window and by little beyond it; a slope goes on.
    """
    high, low, span = _span(disparity, radius)
    edge = (span > 0.06 * high) & (span > 0.02) & (span > 0.6 * _span(disparity, 3 * radius)[2])
    if only_soft:
        edge &= cv2.dilate(_span(disparity, 1)[2], np.ones((2 * radius + 1,) * 2, np.uint8)) < 0.6 * span
    if not edge.any():
        return disparity
    middle = (high + low) / 2
    near, far = (disparity > middle) & edge, (disparity <= middle) & edge
    return np.where(edge, np.where(_closer_to_near(color, near, far, 2 * radius + 1), high, low), disparity)


def _closer_to_near(color: np.ndarray, near: np.ndarray, far: np.ndarray, side: int) -> np.ndarray:
    """(H, W) bool: the pixel's colour is closer to the local mean of the near side than to the far side's."""

    def distance(mask: np.ndarray) -> np.ndarray:
        weight = cv2.blur(mask.astype(np.float32), (side, side))
        mean = cv2.blur(color * mask[..., None], (side, side)) / np.maximum(weight, 1e-6)[..., None]
        return np.where(weight > 1e-6, np.square(color - mean).sum(-1), 3.0)  # 3: the largest distance of two colours

    to_near, to_far = distance(near), distance(far)
    clear = np.abs(to_near - to_far) > 0.01  # colours that do not tell leave the pixel on its own side
    return np.where(clear, to_near < to_far, near)


def find_sky(small: np.ndarray) -> np.ndarray:
    """(h, w) bool sky of a small photo; all False where nothing at the top looks like sky."""
    height, width = small.shape[:2]
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    labels[: height // 6] = cv2.GC_PR_FGD
    labels[-height // 3 :] = cv2.GC_BGD
    sky = grab_cut(small, labels, 4).astype(np.uint8)
    sky = cv2.morphologyEx(sky, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, parts = cv2.connectedComponents(sky)
    sky = np.isin(parts, np.setdiff1d(np.unique(parts[:2]), (0,)))
    sky = ~_small_parts(~sky, 0.002 * sky.size) if sky.any() else sky
    return _with_clouds(small, sky) if _looks_like_sky(small, sky) else np.zeros_like(sky)


def find_horizon(sky: np.ndarray) -> float:
    """Row of the horizon of a photo with sky: where the sky reaches lowest, but for the lowest few columns."""
    height = len(sky)
    bottom = height - np.argmax(sky[::-1], 0)
    return min(float(np.percentile(bottom[sky.any(0)], 85)), 0.9 * height)


def _with_clouds(small: np.ndarray, sky: np.ndarray) -> np.ndarray:
    """`sky` and the bright parts above the horizon: clouds, where what stands on the ground is darker than the sky."""
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    above = ~sky & (np.arange(len(sky))[:, None] < find_horizon(sky))
    _, parts = cv2.connectedComponents(above.astype(np.uint8))
    bright = [p for p in range(1, parts.max() + 1) if np.median(luma[parts == p]) > 0.7 * np.median(luma[sky])]
    return sky | np.isin(parts, bright)


def _small_parts(mask: np.ndarray, area: float) -> np.ndarray:
    """`mask` without its connected parts below `area` px."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    keep = stats[:, cv2.CC_STAT_AREA] >= area
    keep[0] = False
    return keep[parts]


def _looks_like_sky(small: np.ndarray, sky: np.ndarray) -> bool:
    """Sky covers a fair part of the top, and is brighter and smoother than the rest."""
    if sky.mean() < 0.03 or sky[:2].mean() < 0.25 or sky.mean() > 0.97:
        return False
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(luma, cv2.CV_32F))
    return bool(np.median(luma[sky]) > np.median(luma[~sky]) and np.median(detail[sky]) < np.median(detail[~sky]))


def _ground(rows: np.ndarray, horizon: float) -> np.ndarray:
    """Disparity of a plane that reaches the horizon; rows and horizon as shares of the photo's height."""
    return np.clip((rows - horizon) / (1 - horizon), 1.5 / FARTHEST, 1).astype(np.float32)


def _uprights(small: np.ndarray, sky: np.ndarray, horizon: float) -> tuple[np.ndarray, np.ndarray]:
    """What rises above the horizon.

    Returns:
        (w,) float32 row at which it stands in each column (the horizon where nothing does), and (h, w) bool its mask.
    """
    height, width = sky.shape
    foot = np.full(width, horizon, np.float32)
    above = _small_parts(~sky & (np.arange(height)[:, None] < horizon - 0.02 * height), 0.002 * sky.size)
    if not above.any():
        return foot, above
    labels = np.where(above, cv2.GC_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[sky | (np.arange(height)[:, None] > 0.9 * height)] = cv2.GC_BGD
    upright = grab_cut(small, labels, 4) & ~sky
    upright = cv2.morphologyEx((upright | above).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, parts = cv2.connectedComponents(upright)
    upright = np.isin(parts, np.setdiff1d(np.unique(parts[above]), (0,))) & ~sky
    standing = upright.any(0)  # wherever it has flanks below the horizon too
    for column in np.flatnonzero(standing):
        start = int(np.argmax(upright[:, column]))
        run = upright[start:, column]
        foot[column] = max(horizon, start + (len(run) if run.all() else int(np.argmin(run))))
    foot = _smooth_feet(foot, standing, width / 20)
    return foot, upright & (np.arange(height)[:, None] < foot)


def _smooth_feet(foot: np.ndarray, standing: np.ndarray, sigma: float) -> np.ndarray:
    """Feet smoothed along each run of columns in which something stands: one thing stands on one line."""
    smooth = foot.copy()
    for run in np.split(np.flatnonzero(standing), np.flatnonzero(np.diff(np.flatnonzero(standing)) > 1) + 1):
        line = cv2.medianBlur(foot[run][None].repeat(3, 0), 5)[1:2] if len(run) > 2 else foot[run][None]
        smooth[run] = cv2.GaussianBlur(line, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0]
    return smooth


def refine_mask(mask: np.ndarray, color: np.ndarray) -> np.ndarray:
    """(H, W) bool: a small mask at the photo's size, its edge on the photo's (guided filter, He et al. 2010)."""
    height, width = color.shape[:2]
    soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    side = 2 * round(max(height, width) / 80) + 1
    guide = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side))

    guide_mean, soft_mean = mean(guide), mean(soft)
    slope = (mean(guide * soft) - guide_mean * soft_mean) / (mean(guide * guide) - guide_mean**2 + 1e-3)
    offset = soft_mean - slope * guide_mean
    return mean(slope) * guide + mean(offset) > 0.5
