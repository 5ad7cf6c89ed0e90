"""Reads the user's photo: any picture file in, the working `Photo` out.

Pillow reads the header, EXIF, colour profiles and all 8-bit pixels (it tells a truncated JPEG, which OpenCV fills with
grey); OpenCV reads 16-bit pixels, which Pillow rounds to 8 bit, and floats. Floats are linear light, as renderers write
it: they become sRGB, and what is brighter than white is cut off.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ..shared.data import Photo
from ..shared.errors import CinemaError
from . import exr

os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # OpenCV asks at its first picture, so before anyone reads one
MIN_SIDE = 16  # px; below it there is nothing to split or to move
MAX_PIXELS = 2 * Image.MAX_IMAGE_PIXELS  # of the file, 179 million: Pillow opens no larger one
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".exr")
LINEAR = "The photo's file holds linear light: it is shown as sRGB, and what is brighter than white is cut off"
_ORIENTATION, _EXIF_IFD, _FOCAL_35MM, _BITS_PER_SAMPLE = 0x0112, 0x8769, 0xA405, 258  # EXIF and TIFF tags
_FILM_WIDTH = 36.0  # mm, the long side of 35 mm film
_TIFF = (b"II*\0", b"MM\0*")  # how its files start
_SWAPS = 5  # EXIF orientations from this on swap the axes
_PLAUSIBLE_FOCAL = (4.0, 2000.0)  # mm on 35 mm film: a fisheye, a telescope
_HINT = "Choose a PNG, JPEG, WebP, TIFF, BMP or OpenEXR picture"


def read_photo(path: Path, max_side: int = 1920, focal: float | None = None) -> Photo:
    """Read a photo, turn it upright, and scale it down to the working size.

    Args:
        path: PNG, JPEG, WebP, TIFF or BMP of 8 or 16 bit: grey, RGB, with alpha, palette or CMYK; TIFF of floats, OpenEXR.
        max_side: Longest side of the working photo, px; smaller photos keep their size.
        focal: px of the working photo; None takes EXIF's 35 mm equivalent, else the longer side.

    Returns:
        The photo in sRGB. Both sides are even: an odd last row or column is dropped. 8-bit values come back exactly
        (value / 255) where nothing is scaled or converted.

    Raises:
        CinemaError: There is no such file, it is no picture, it is damaged, or its size cannot be used.
    """
    path = Path(path)
    data = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large photos and odd EXIF; neither is wrong here
            pixels, header = _decode(path, data)
    except UnidentifiedImageError as error:
        raise CinemaError(f"{path.name} is not a picture that can be read", _HINT) from error
    except exr.UnsupportedError as error:
        raise CinemaError(
            f"{path.name} cannot be read: {error}", "Save it as scanlines with ZIP compression"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's readers raise on broken data
        raise CinemaError(f"{path.name} is damaged or incomplete", "Get the file again, or save it anew") from error
    del data
    file_size = pixels.shape[1::-1] if header["orientation"] < _SWAPS else pixels.shape[:2]
    color, alpha = _split_alpha(_scale_down(pixels, max_side))
    del pixels
    color = _upright(_to_srgb(color, header["icc"]), header["orientation"])
    alpha = None if alpha is None else _upright(alpha, header["orientation"])
    height, width = (side // 2 * 2 for side in color.shape[:2])
    if min(height, width) < MIN_SIDE:
        raise CinemaError(
            f"{path.name} is only {width} x {height} pixels at the working size",
            f"Use a photo of which both sides have {MIN_SIDE} pixels or more",
        )
    known = header["focal_35mm"] is not None
    if focal is None:
        focal = (header["focal_35mm"] / _FILM_WIDTH if known else 1.0) * max(height, width)
        exif_focal = known
    else:
        exif_focal = False
    return Photo(
        color=np.ascontiguousarray(color[:height, :width]),
        focal=float(focal),
        alpha=None if alpha is None else np.ascontiguousarray(alpha[:height, :width]),
        name=path.name,
        exif_focal=exif_focal,
        file_size=file_size,
        linear=header["linear"],
    )


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a PNG of 8 bit.

    Args:
        path: The file, replaced if there.
        image: (H, W, 3) float32 sRGB 0..1, rounded to 8 bit; or (H, W), (H, W, 3) or (H, W, 4) uint8.
    """
    if image.dtype != np.uint8:
        image = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".png", image)
    assert ok, image.shape
    Path(path).write_bytes(encoded.tobytes())  # cv2.imwrite cannot write every file name on Windows


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


def _decode(path: Path, data: bytes) -> tuple[np.ndarray, dict]:
    """(H, W, C) uint8 or uint16 with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA; and what the header says."""
    plain = {"orientation": 1, "focal_35mm": None, "icc": None, "linear": True}
    if data[:4] == exr.MAGIC:
        return _from_linear(_decode_exr(path, data)), plain
    try:
        image = _open(path, data)
    except UnidentifiedImageError:
        pixels = _decode_deep(path, data) if data[:4] in _TIFF else np.zeros(0, np.uint8)
        if pixels.dtype.kind != "f":  # coloured floats are all that only OpenCV knows
            raise
        return _from_linear(pixels), plain
    header = _read_header(image)
    if _bits(image, data) > 8:
        pixels = _decode_deep(path, data)
        header["linear"] = pixels.dtype.kind == "f"
        return (_from_linear(pixels), header | {"icc": None}) if header["linear"] else (pixels, header)
    image.load()
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image, header["icc"] = _convert_to_rgb(image), None
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.has_transparency_data and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")  # one colour is marked as transparent
    pixels = np.asarray(image)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), header


def _open(path: Path, data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error


def _too_large(path: Path) -> CinemaError:
    text = f"{path.name} has more than {MAX_PIXELS / 1e6:.0f} megapixels"
    return CinemaError(text, "Scale it down and use the smaller copy")


def _read_header(image: Image.Image) -> dict:
    """EXIF orientation 1..8, focal length in mm on 35 mm film or None, and the ICC profile's bytes or None."""
    exif = image.getexif()
    orientation = 1 if image.format == "TIFF" else exif.get(_ORIENTATION, 1)  # both libraries turn a TIFF themselves
    focal = exif.get_ifd(_EXIF_IFD).get(_FOCAL_35MM)
    try:
        focal = float(focal)
    except (TypeError, ValueError, ZeroDivisionError):
        focal = 0.0
    plausible = _PLAUSIBLE_FOCAL[0] <= focal <= _PLAUSIBLE_FOCAL[1]
    return {
        "orientation": orientation if orientation in range(1, 9) else 1,
        "focal_35mm": focal if plausible else None,
        "icc": image.info.get("icc_profile"),
        "linear": False,
    }


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits per sample in the file; Pillow's mode does not tell 16-bit RGB from 8-bit."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))
    return 16 if image.mode.startswith(("I", "F")) else 8


def _decode_deep(path: Path, data: bytes) -> np.ndarray:
    """(H, W, C) uint8, uint16 or floats, see `_decode`."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise CinemaError(
            f"{path.name} holds {pixels.dtype} pixels", "Save it with 8 or 16 bit per channel, or as floats"
        )
    if pixels.ndim == 2:
        return pixels[..., None]
    if pixels.shape[2] >= 3:  # BGR to RGB in place: a copy of 100 megapixels would be 800 MB
        blue = pixels[..., 0].copy()
        pixels[..., 0] = pixels[..., 2]
        pixels[..., 2] = blue
    return pixels


def _decode_exr(path: Path, data: bytes) -> np.ndarray:
    """(H, W, C) float32, C as of `_decode`: of several layers the combined picture."""
    channels = exr.read_channels(data)
    layers = {name.rpartition(".")[0] for name in channels}
    colored = [layer for layer in sorted(layers) if all(_channel(layer, part) in channels for part in "RGB")]
    layer = next((layer for layer in colored if not layer or "combined" in layer.lower()), (colored or [None])[0])
    names = [_channel(layer, part) for part in "RGBA"] if layer is not None else ["Y", "A"]
    names = [name for name in names if name in channels]
    if not names or names == ["A"]:
        raise CinemaError(
            f"{path.name} holds no picture, only {', '.join(sorted(channels))}", "Choose the rendered picture"
        )
    if channels[names[0]].size[0] * channels[names[0]].size[1] > MAX_PIXELS:
        raise _too_large(path)
    pixels = np.stack([exr.read_channel(data, channels[name], name) for name in names], -1)
    if names[-1].endswith("A"):
        pixels[..., :-1] /= np.maximum(pixels[..., -1:], 1e-6)  # colours stand there times alpha
    return pixels


def _channel(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _from_linear(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) uint16 sRGB, of linear light; alpha stays what it is. Source: IEC 61966-2-1."""
    pixels = np.nan_to_num(pixels.astype(np.float32, copy=False), nan=0, posinf=1, neginf=0).clip(0, 1)
    colors = pixels[..., :-1] if pixels.shape[-1] in (2, 4) else pixels
    colors[...] = np.where(colors <= 0.0031308, 12.92 * colors, 1.055 * colors ** (1 / 2.4) - 0.055)
    return np.rint(pixels * 65535).astype(np.uint16)


def _scale_down(pixels: np.ndarray, max_side: int) -> np.ndarray:
    """(h, w, C) float32 0..1, area-filtered; colours are averaged as far as their alpha covers."""
    height, width, channels = pixels.shape
    scale = max_side / max(height, width)
    if scale >= 1.0:
        return _as_float(pixels)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if channels in (1, 3):
        return _area_filter(pixels, size, _as_float)
    covered = _area_filter(pixels, size, _times_alpha)
    color, alpha = covered[..., :-1], covered[..., -1:]
    hidden = _area_filter(pixels[..., :-1], size, _as_float)
    color = np.where(alpha > 1e-6, color / np.maximum(alpha, 1e-6), hidden)
    return np.concatenate([color, alpha], -1).clip(0.0, 1.0)


def _area_filter(pixels: np.ndarray, size: tuple[int, int], convert: Callable) -> np.ndarray:
    """Scale `convert(pixels)` to `size`, (w, h), in two passes: the whole of 100 megapixels as float is too large."""
    band = 256  # rows
    narrow = []
    for top in range(0, len(pixels), band):
        rows = convert(pixels[top : top + band])
        narrow.append(_with_channels(cv2.resize(rows, (size[0], len(rows)), interpolation=cv2.INTER_AREA)))
    return _with_channels(cv2.resize(np.concatenate(narrow), size, interpolation=cv2.INTER_AREA))


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image[..., None] if image.ndim == 2 else image  # OpenCV drops a single channel


def _as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def _times_alpha(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) float32: colour times alpha, and alpha."""
    values = _as_float(pixels)
    values[..., :-1] *= values[..., -1:]
    return values


def _split_alpha(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 3) and (H, W) or None, from (H, W, C)."""
    channels = pixels.shape[2]
    color = pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, -1)
    return color, (pixels[..., -1] if channels in (2, 4) else None)


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation: 2..4 mirror, 5..8 also swap the axes."""
    if orientation >= _SWAPS:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _to_srgb(color: np.ndarray, icc: bytes | None) -> np.ndarray:
    """Convert from the photo's own colour space, as of phones that save Display P3; sRGB stays bit for bit."""
    profile = _profile(icc)
    if profile is None or "sRGB" in ImageCms.getProfileDescription(profile):
        return color
    image = Image.fromarray(np.round(color * 255.0).astype(np.uint8))
    try:
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    except ImageCms.PyCMSError:  # a grey profile, or a broken one
        return color
    return np.asarray(converted).astype(np.float32) / np.float32(255.0)


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    """RGB from CMYK, YCbCr or Lab, through the file's profile where it has one."""
    profile = _profile(image.info.get("icc_profile"))
    if profile is not None:
        try:
            return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB")


def _profile(icc: bytes | None) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc)) if icc else None
    except (OSError, ImageCms.PyCMSError):
        return None
