"""Operations on pixel grids that several stages share: nearest known pixel, means, interpolation."""

from __future__ import annotations

import cv2
import numpy as np

REMAP_WIDTH = 16384  # px; OpenCV's remap takes pictures of up to 32767 px per side


def with_margin(values: np.ndarray, right: int, down: int, kind: int, value: float = 0) -> np.ndarray:
    """Add a border to an array.

    Args:
        values: (H, W) or (H, W, C).
        right: px added at the left and at the right.
        down: px added at the top and at the bottom.
        kind: One of OpenCV's BORDER_ constants.
        value: Of a BORDER_CONSTANT.

    Returns:
        (H + 2 * down, W + 2 * right) or with C.
    """
    height, width = values.shape[:2]
    # For large arrays numpy's memory is quicker than OpenCV's, since numpy asks for large pages.
    target = np.empty((height + 2 * down, width + 2 * right, *values.shape[2:]), values.dtype)
    return cv2.copyMakeBorder(values, down, down, right, right, kind, target, value)  # type: ignore[call-overload]


def nearest_labels(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance to the nearest True pixel, and the index of that pixel.

    Args:
        mask: (H, W) bool with L True pixels, at least one.

    Returns:
        (H, W) float32 px, exact to a few hundredths; (H, W) int32 label of the nearest True pixel; and (L + 1,)
        int64, the flat index of each label's pixel.
    """
    distance, labels = np.empty(mask.shape, np.float32), np.empty(mask.shape, np.int32)
    cv2.distanceTransformWithLabels(
        (~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, distance, labels, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.flatnonzero(mask)
    table = np.zeros(len(index) + 1, np.int64)
    table[labels.ravel()[index]] = index
    return distance, labels, table


def nearest_index(mask: np.ndarray) -> np.ndarray:
    """(H, W) int64: flat index of the nearest True pixel of a mask, (H, W) bool with at least one True."""
    _, labels, index = nearest_labels(mask)
    return index[labels]


def cell_representatives(
    index: np.ndarray,
    shape: tuple[int, int],
    cell: int,
    values: tuple[np.ndarray, ...],
    similar_difference: float,
    always_own: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose representatives: in each cell of the grid, one pixel represents all that are similar to it.

    Args:
        index: (P,) int64, flat indices of pixels, ascending.
        shape: (H, W) of the grid.
        cell: px, side of a cell. With 1 every pixel represents itself.
        values: Several (P,), which are compared.
        similar_difference: Pixels are similar where each of the values differs by less than this.
        always_own: (P,) bool: pixels that always represent themselves and are preferred as representatives of others;
            None for no such pixels.

    Returns:
        (S,) int64, rows of the representatives, ascending; and (P,) int64, which of the S represents each pixel.
    """
    own, columns = np.arange(len(index)), -(-shape[1] // cell)
    place = index // shape[1] // cell * columns + index % shape[1] // cell
    first = np.empty(-(-shape[0] // cell) * columns, np.int64)
    always_own = np.zeros(len(index), bool) if always_own is None else always_own
    for group in (~always_own, always_own):  # later assignments replace earlier ones
        rows = np.flatnonzero(group)[::-1]
        first[place[rows]] = rows
    first = first[place]
    same = np.logical_and.reduce([np.abs(value - value[first]) < similar_difference for value in values])
    first = np.where(same & ~always_own, first, own)
    chosen = first == own
    return np.flatnonzero(chosen), (np.cumsum(chosen) - 1)[first]


def extend(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give every pixel outside the mask the value of the nearest one inside.

    Args:
        values: (H, W) or (H, W, C).
        mask: (H, W) bool with at least one True.

    Returns:
        As `values`.
    """
    return values.reshape(-1, *values.shape[2:])[nearest_index(mask)]


def masked_blur(values: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean over the pixels of a mask.

    Args:
        values: (H, W) or (H, W, C) float32.
        mask: (H, W) bool.
        sigma: px.

    Returns:
        As `values`; zero where no pixel of the mask is within the Gaussian's reach.
    """
    weight = mask.astype(np.float32)
    total = cv2.GaussianBlur(values * (weight if values.ndim == 2 else weight[..., None]), (0, 0), sigma)
    share = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6)
    return total / (share if values.ndim == 2 else share[..., None])


def sample(values: np.ndarray, places: np.ndarray, sharp: bool = False) -> np.ndarray:
    """Interpolate values between pixels; beyond the border they are the border's.

    Args:
        values: (H, W) or (H, W, C) float32, C up to 4.
        places: (M, 2) px, pixel centres at +0.5.
        sharp: Lanczos interpolation instead of bilinear; it keeps fine texture and may overshoot.

    Returns:
        (M,) or (M, C) float32.
    """
    rows = max(1, -(-len(places) // REMAP_WIDTH))
    grid = np.zeros((rows * REMAP_WIDTH, 2), np.float32)
    grid[: len(places)] = places.astype(np.float32) - 0.5
    grid = grid.reshape(rows, REMAP_WIDTH, 2)
    method = cv2.INTER_LANCZOS4 if sharp else cv2.INTER_LINEAR
    pieces = [
        cv2.remap(values, grid[start : start + REMAP_WIDTH], None, method, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        for start in range(0, rows, REMAP_WIDTH)
    ]
    return np.concatenate(pieces).reshape(-1, *values.shape[2:])[: len(places)]


def pool(values: np.ndarray, size: int) -> np.ndarray:
    """Mean over cells of size x size; pixels missing at the lower and right end count as zero.

    Args:
        values: (H, W) or (H, W, C).
        size: px.

    Returns:
        (ceil(H / size), ceil(W / size)) or with C.
    """
    height, width = (n // size for n in values.shape[:2])
    whole = _pool(values[: height * size, : width * size], size)
    right, below = values.shape[1] - width * size, values.shape[0] - height * size
    if not (right or below):
        return whole
    more = ((0, 0),) * (values.ndim - 2)
    if right:
        strip = np.pad(values[: height * size, width * size :], ((0, 0), (0, size - right), *more))
        whole = np.concatenate([whole, _pool(strip, size)], 1)
    if below:
        strip = np.pad(values[height * size :], ((0, size - below), (0, -values.shape[1] % size), *more))
        whole = np.concatenate([whole, _pool(strip, size)], 0)
    return whole


def _pool(values: np.ndarray, size: int) -> np.ndarray:
    """`pool` of an array whose sides are multiples of `size`."""
    height, width = (n // size for n in values.shape[:2])
    floats = values.dtype in (np.float32, np.float64)
    if floats and values.ndim < 4 and values.size and values[0, 0].size <= 4:  # OpenCV is quicker
        pooled = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
        return pooled.reshape(height, width, *values.shape[2:])
    return values.reshape(height, size, width, size, *values.shape[2:]).mean((1, 3))


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale an image, (H, W) or (H, W, C), to (w, h) px: by area where it shrinks, else linearly."""
    if image.shape[1::-1] == size:
        return image
    shrink = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
