"""Reads the user's photo: any picture file in, the working `Photo` out. Also writes PNG files."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import UnidentifiedImageError

from ..image.downscale import scale_down
from ..shared.data import PHOTO_SUFFIXES, Photo
from ..shared.errors import CinemaError
from .color_profile import to_srgb
from .encoding import HDR, encoding_to_srgb
from .exr import UnsupportedError
from .other_formats import damaged_error, unknown_error
from .photo_decoder import decode
from .photo_header import Header, is_sideways, turn_upright

MIN_SIDE = 16  # px of the working photo; a smaller picture has no room for layers or motion
SUFFIXES = PHOTO_SUFFIXES
LINEAR = "The photo's file holds linear light: it is converted to sRGB, and values brighter than white are clipped"
_HINT = "Choose a PNG, JPEG, HEIC, AVIF, WebP, TIFF, BMP or OpenEXR picture"
_FILM_WIDTH = 36.0  # mm, the long side of 35 mm film


def read_photo(path: Path, max_side: int = 1920, focal: float | None = None) -> Photo:
    """Read a photo, turn it upright, and scale it down to the working size.

    Args:
        path: PNG, JPEG, HEIC, AVIF, WebP, TIFF or BMP of 8 or 16 bit: grey, RGB, with alpha, palette or CMYK; or a TIFF
            of floats, or OpenEXR.
        max_side: Longest side of the working photo, px; smaller photos keep their size.
        focal: px of the working photo; None takes EXIF's 35 mm equivalent, else the longer side.

    Returns:
        The photo in sRGB. Both sides are even: an odd last row or column is dropped. 8-bit values come back exactly
        (value / 255) where nothing is scaled or converted.

    Raises:
        CinemaError: The file does not exist, is not a picture, is damaged, or has a size that cannot be used.
    """
    path = Path(path)
    pixels, header = _decode_file(path)
    file_size = _size(pixels)[::-1] if is_sideways(header.orientation) else _size(pixels)
    grey, deep = pixels.shape[2] < 3, pixels.dtype != np.uint8
    color, alpha = _split_alpha(scale_down(pixels, max_side))
    del pixels  # of 100 megapixels, 300 MB or more
    color, told = _convert_color(color, header, grey, deep)
    color = turn_upright(color, header.orientation)
    alpha = None if alpha is None else turn_upright(alpha, header.orientation)
    height, width = (side // 2 * 2 for side in color.shape[:2])
    if min(height, width) < MIN_SIDE:
        raise CinemaError(
            f"{path.name} is only {width} x {height} pixels at the working size",
            f"Use a photo that has {MIN_SIDE} pixels or more on both sides",
        )
    exif_focal = focal is None and header.focal_35mm is not None
    if focal is None:
        focal = (1.0 if header.focal_35mm is None else header.focal_35mm / _FILM_WIDTH) * max(height, width)
    return Photo(
        color=np.ascontiguousarray(color[:height, :width]),
        focal=float(focal),
        alpha=None if alpha is None else np.ascontiguousarray(alpha[:height, :width]),
        name=path.name,
        exif_focal=exif_focal,
        file_size=file_size,
        linear=header.linear,
        warnings=(*([LINEAR] if header.linear else []), *header.warnings, *told),
    )


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a PNG of 8 bit.

    Args:
        path: The file, replaced if it exists.
        image: (H, W, 3) float32 sRGB 0..1, rounded to 8 bit; or (H, W), (H, W, 3) or (H, W, 4) uint8.
    """
    if image.dtype != np.uint8:
        image = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".png", image)
    assert ok, image.shape
    Path(path).write_bytes(encoded.tobytes())  # cv2.imwrite cannot write every file name on Windows


def _decode_file(path: Path) -> tuple[np.ndarray, Header]:
    """Pixels and header, see `decode`; every error as CinemaError."""
    data = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large photos and unusual EXIF, which are accepted here
            pixels, header = decode(path.name, data)
    except UnidentifiedImageError as error:
        raise unknown_error(path.name, data, _HINT) from error
    except UnsupportedError as error:
        raise CinemaError(f"{path.name} cannot be read: {error}", "Save it as a flat RGB picture") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises any of these on broken data
        raise damaged_error(path.name) from error
    if not pixels.size:
        raise damaged_error(path.name)
    return pixels, header


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise CinemaError(f"{path} is a folder", "Choose a picture file")
    try:
        data = path.read_bytes()  # not cv2.imread: it cannot open every file name on Windows
    except FileNotFoundError as error:
        raise CinemaError(f"{path} does not exist", "Check the name of the photo") from error
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror or error})", _HINT) from error
    if not data:
        raise CinemaError(f"{path.name} is empty", _HINT)
    return data


def _convert_color(color: np.ndarray, header: Header, grey: bool, deep: bool) -> tuple[np.ndarray, list[str]]:
    """(H, W, 3) float32 sRGB, and warnings."""
    if header.icc or header.encoding is None:
        return to_srgb(color, header.icc, grey, deep)
    return encoding_to_srgb(color, header.encoding), [HDR] if header.encoding.is_hdr else []


def _size(pixels: np.ndarray) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]


def _split_alpha(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 3) and (H, W) or None, from (H, W, C)."""
    channels = pixels.shape[2]
    color = pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, -1)
    return color, (pixels[..., -1] if channels in (2, 4) else None)
