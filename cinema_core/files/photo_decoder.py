"""Decodes picture files into pixels of 8 or 16 bit.

Pillow reads the header, EXIF, colour profiles and all 8-bit pixels; it detects truncated JPEG files, which OpenCV fills
with grey. OpenCV reads 16-bit pixels, which Pillow rounds to 8 bit, and TIFF files of floats. Floats are linear light,
as renderers write it: they are converted to sRGB, and values brighter than white are clipped.
"""

from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ..shared.errors import CinemaError
from ..shared.srgb import to_srgb
from . import exr
from .color_profile import convert_to_rgb
from .photo_header import Header, read_header, sample_bits

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 2**26)  # of the file, 179 million: Pillow opens no larger one
_TIFF_MAGIC = (b"II*\0", b"MM\0*")  # first bytes of TIFF files


def decode(name: str, data: bytes) -> tuple[np.ndarray, Header]:
    """Decode a picture.

    Args:
        name: The file's name, for messages.
        data: The file's content.

    Returns:
        (H, W, C) uint8 or uint16 with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA, as stored, and the header.

    Raises:
        CinemaError: The picture is too large, or of a kind that cannot be used.
        UnidentifiedImageError: It is not a picture.
        UnsupportedError: It is an OpenEXR file that cannot be read.
        OSError, SyntaxError, ValueError, EOFError: It is damaged.
    """
    if data[:4] == exr.MAGIC:
        return _linear_to_srgb(_decode_exr(name, data)), Header(linear=True)
    try:
        image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError:
        pixels = _decode_by_opencv(name, data) if data[:4] in _TIFF_MAGIC else np.zeros(0, np.uint8)
        if pixels.dtype.kind != "f":  # of all files that Pillow refuses, only RGB floats are accepted
            raise
        return _linear_to_srgb(pixels), Header(linear=True)
    header = read_header(image)
    if sample_bits(image, data) <= 8:
        return _decode_by_pillow(image, header)
    pixels = _decode_by_opencv(name, data)
    if pixels.dtype.kind != "f":
        return pixels, header
    return _linear_to_srgb(pixels), Header(header.orientation, header.focal_35mm, linear=True)


def _decode_by_pillow(image: Image.Image, header: Header) -> tuple[np.ndarray, Header]:
    """(H, W, C) uint8, and the header without the profile where it was applied."""
    image.load()
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image, header = convert_to_rgb(image), Header(header.orientation, header.focal_35mm)
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.has_transparency_data and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")  # one colour is marked as transparent
    pixels = np.asarray(image)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), header


def _decode_by_opencv(name: str, data: bytes) -> np.ndarray:
    """(H, W, C) uint8, uint16 or floats, see `decode`."""
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise CinemaError(f"{name} holds {pixels.dtype} pixels", "Save it with 8 or 16 bit per channel, or as floats")
    if pixels.ndim == 2:
        return pixels[..., None]
    if pixels.shape[2] >= 3:  # BGR to RGB in place: a copy of 100 megapixels would be 800 MB
        blue = pixels[..., 0].copy()
        pixels[..., 0] = pixels[..., 2]
        pixels[..., 2] = blue
    return pixels


def _decode_exr(name: str, data: bytes) -> np.ndarray:
    """(H, W, C) float32, C as in `decode`; of a file with several layers the combined picture."""
    channels = exr.list_channels(data)
    layers = {channel.rpartition(".")[0] for channel in channels}
    colored = [layer for layer in sorted(layers) if all(_channel(layer, part) in channels for part in "RGB")]
    layer = next((layer for layer in colored if not layer or "combined" in layer.lower()), next(iter(colored), None))
    if layer is not None:
        names = [_channel(layer, part) for part in "RGBA"]
    elif {"RY", "BY"} & channels.keys():
        raise exr.UnsupportedError("it stores luminance and chroma")
    else:
        names = ["Y", "A"]
    chosen = [channels[channel] for channel in names if channel in channels]
    if not chosen or [channel.name for channel in chosen] == ["A"]:
        raise CinemaError(f"{name} holds no picture, only {', '.join(sorted(channels))}", "Choose the rendered picture")
    if chosen[0].display[0] * chosen[0].display[1] > MAX_PIXELS:
        raise _too_large(name)
    stored = exr.read_channels(data, chosen)
    if not (chosen[0].is_whole or chosen[-1].name.endswith("A")):  # outside its data window a picture is transparent
        chosen.append(replace(chosen[0], name="A"))
        stored.append(np.ones_like(stored[0]))
    pixels = np.stack([exr.place_in_display(of, channel, 0) for of, channel in zip(stored, chosen)], -1)
    if chosen[-1].name.endswith("A"):
        pixels[..., :-1] /= np.maximum(pixels[..., -1:], 1e-6)  # OpenEXR stores colours multiplied by alpha
    return pixels


def _channel(layer: str, part: str) -> str:
    return f"{layer}.{part}" if layer else part


def _linear_to_srgb(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) uint16 sRGB from linear light; alpha keeps its values."""
    pixels = np.nan_to_num(pixels.astype(np.float32, copy=False), nan=0, posinf=1, neginf=0).clip(0, 1)
    colors = pixels[..., :-1] if pixels.shape[-1] in (2, 4) else pixels
    colors[...] = to_srgb(colors)
    return np.rint(pixels * 65535).astype(np.uint16)


def _too_large(name: str) -> CinemaError:
    text = f"{name} has more than {MAX_PIXELS / 1e6:.0f} megapixels"
    return CinemaError(text, "Scale it down and use the smaller copy")
