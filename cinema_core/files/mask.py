"""Mask files: painted pictures of the moving region, label pictures of annotation tools, and arrays of networks.

A painted mask is grey. A label picture has few colours, or few small numbers, one for each label: black or 0 is the
background, and everything else moves.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..shared.camera import is_rounded, same_aspect, stretched_note
from ..shared.errors import UNREADABLE_ARRAY, CinemaError
from .other_formats import damaged_error
from .picture import TURNED, DamagedError, decode_picture

_MOST_LABELS = 256  # colours of a label picture; a soft painted mask has more, or is grey
_COLORED = 0.1  # of white; the channels of a colour differ by more
_MOST_PIXELS = 2**28  # of an array; a header that states more is damaged
_LARGEST = 65535  # value of an array, of 16 bit
_SHOWN_SIDES = 5  # of an array's shape, in a message
_LABELS = "The mask {name} is read as a picture of labels: everything but {background} moves"


def _ignore(_: str) -> None:
    pass


def read_mask(path: str | Path, size: tuple[int, int], warn: Callable[[str], None] = _ignore) -> np.ndarray:
    """Read a painted mask: white moves, black stands still, grey moves more slowly. Of labels, all but black moves.

    Args:
        path: An image of 8 or 16 bit, grey or colour, turned by its orientation tag; transparent pixels count as black.
            Or an .npy array of height x width: true and false, 0 to 1, or integers as of a grey image.
        size: (W, H) px of the working photo, to which the mask is scaled; its aspect must be the same.
        warn: Receives sentences for the user about guesses.

    Returns:
        (H, W) float32, 0..1.

    Raises:
        CinemaError: The file is missing, not an image, of another aspect, or has no white pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise CinemaError(f"There is no mask {path}", "Choose an existing image, white in the moving region")
    pixels = _fit_to_photo(*_read_pixels(path), path, size, warn)
    height, width = pixels.shape[:2]
    values = _mask_values(pixels)
    labels = _labelled(pixels, values)
    if labels is not None:
        values = labels.astype(np.float32)
        warn(_LABELS.format(name=path.name, background="black" if pixels.ndim == 3 else "0"))
    shrink = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    values = cv2.resize(values, size, interpolation=shrink) if (width, height) != size else values
    if not (values > 0.5).any():
        raise CinemaError(f"The mask {path.name} is black", "Paint the moving region white")
    return values


def _read_pixels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The pixels upright and as stored, see `decode_picture`."""
    try:
        if path.suffix.lower() == ".npy":
            values = _read_array(path)
            return values, values
        decoded = decode_picture(path.read_bytes())  # not cv2.imread: it cannot open every file name on Windows
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror or error})", "Choose a readable image") from error
    except DamagedError as error:
        raise damaged_error(f"The mask {path.name}") from error
    if decoded is None:
        raise CinemaError(f"The mask {path.name} is not a readable image", "Save it as PNG")
    return decoded


def _read_array(path: Path) -> np.ndarray:
    """(H, W) of an .npy file: float32 0..1, or uint8 or uint16 as of a grey picture."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # memory-mapped: an array of another kind may be huge
    except UNREADABLE_ARRAY as error:
        raise CinemaError(f"The mask {path.name} is not a readable .npy array", "Save it with numpy.save") from error
    if not isinstance(values, np.ndarray):
        raise CinemaError(f"The mask {path.name} is an archive of arrays", "Save one array with numpy.save")
    shape = tuple(side for side in values.shape if side != 1) if values.ndim > 2 else values.shape
    if len(shape) != 2 or not values.size or values.dtype.kind not in "buif":
        found = " x ".join(map(str, values.shape[:_SHOWN_SIDES])) or "a single value"
        raise CinemaError(f"The mask {path.name} is {found}, not height x width", "Save one mask as such an array")
    if values.size > _MOST_PIXELS:
        raise CinemaError(f"The mask {path.name} is too large", "Scale it down")
    values = np.array(values).reshape(shape)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= _LARGEST):
        raise CinemaError(
            f"The mask {path.name} holds values from {low:.4g} to {high:.4g}",
            "Save true and false, 0 to 1, or 0 to 255; of a network's output save where it is above its threshold",
        )
    if high <= 1:
        return values.astype(np.float32)
    if values.dtype.kind == "f":
        return (values / (255 if high <= 255 else _LARGEST)).astype(np.float32)
    return values.astype(np.uint8 if high <= 255 else np.uint16)


def _fit_to_photo(
    upright: np.ndarray, stored: np.ndarray, path: Path, size: tuple[int, int], warn: Callable[[str], None]
) -> np.ndarray:
    """The pixels that have the photo's shape: upright ones, else those as stored."""
    height, width = upright.shape[:2]
    if same_aspect((width, height), size):
        return upright
    if same_aspect((stored.shape[1], stored.shape[0]), size):
        warn(TURNED.format(name=path.name))
        return stored
    if is_rounded((width, height), size):
        warn(stretched_note(f"The mask {path.name}", (width, height), size))
        return upright
    raise CinemaError(
        f"The mask {path.name} is {width} x {height}, which is not the photo's shape ({size[0]} x {size[1]})",
        f"Paint it over the whole photo ({size[0]} x {size[1]} or a multiple)",
    )


def _mask_values(values: np.ndarray) -> np.ndarray:
    """(H, W) float32 0..1 from an image that OpenCV decoded."""
    full = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    values = np.nan_to_num(values.astype(np.float32) / full).clip(0, 1)
    if values.ndim == 2:
        return values
    covered = values[..., 3] if values.shape[2] == 4 else np.float32(1)
    return np.ascontiguousarray(values[..., :3].mean(-1) * covered)


def _labelled(pixels: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """(H, W) bool: the pixels with a label, of a picture of labels; None for a painted mask.

    Labels are colours, as annotation tools write them, or numbers in a grey picture too dark for a painted mask.
    """
    covered = values > 0
    if not covered.any() or pixels.dtype.kind not in "ui":
        return None
    colored = False
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        colors = pixels[..., :3][covered]
        spread = colors.max(-1).astype(np.float32) - colors.min(-1)
        colored = bool((spread > _COLORED * np.iinfo(pixels.dtype).max).mean() > 0.01)
    else:
        colors = pixels.reshape(*values.shape, -1)[..., :1][covered]
    if not colored and (values > 0.5).any():
        return None
    packed = colors.astype(np.uint64) @ (np.uint64(2) ** np.arange(0, 16 * colors.shape[1], 16, np.uint64))
    return covered if len(np.unique(packed)) <= _MOST_LABELS else None
