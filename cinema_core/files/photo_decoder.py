"""Decodes picture files into pixels of 8 or 16 bit.

Pillow reads the header, EXIF, colour profiles and all 8-bit pixels; it detects truncated JPEG files, which OpenCV fills
with grey. OpenCV reads 16-bit PNG, which Pillow rounds to 8 bit; `tiff` reads TIFF files that are more than 8-bit
pictures, `heif` the photos of phones. Floats are linear light, as renderers write it: they are converted to sRGB, and
values brighter than white are clipped.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..shared.errors import CinemaError, first_line
from ..shared.srgb import to_srgb
from . import exr, heif, tiff
from .color_profile import convert_to_rgb
from .encoding import PNG_START, png_chunks, read_box_encoding, read_png_encoding
from .photo_header import Header, read_header, sample_bits
from .picture import collect_damage, decode_by_opencv, is_damaged_jpeg

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 2**26)  # of the file, 179 million: Pillow opens no larger one
CUT = "The end of the photo's file is missing; its picture is complete"
DAMAGED = "The photo's file is damaged, and parts of its picture are wrong: get the file again, or crop them away"
CLIPPED = "The photo's file holds values brighter than white, which are clipped"
_FILLERS = (b"\0" * 64, b"\x55" * 64)  # in place of a JPEG's end: bytes that decode to different pixels
_JPEG_END, _PNG_END = b"\xff\xd9", b"\0\0\0\0IEND\xae\x42\x60\x82"


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
        UnsupportedError: It is an OpenEXR or TIFF file that cannot be read.
        OSError, SyntaxError, ValueError, EOFError: It is damaged.
    """
    if not data.startswith(PNG_START) or b"IEND" in (kind for kind, _, _ in png_chunks(data)):
        return _decode(name, data)
    pixels, header = _decode(name, _end_png(data))
    return pixels, replace(header, warnings=(*header.warnings, CUT))


def _decode(name: str, data: bytes) -> tuple[np.ndarray, Header]:
    """`decode` of a file whose end, in PNG, is not missing."""
    if data[:4] == exr.MAGIC:
        return _linear_to_srgb(_decode_exr(name, data)), Header(linear=True)
    if heif.is_heif(data):
        return _decode_heif(name, data)
    picture = tiff.find_picture(name, data) if data[:4] in tiff.MAGIC else None
    try:
        with _library_errors():
            image = Image.open(io.BytesIO(data))
            header, bits = read_header(image), sample_bits(image, data)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError:
        if picture is None:
            raise
        return _decode_tiff(name, data, picture)
    if picture is not None and (bits > 8 or not picture.is_plain):
        return _decode_tiff(name, data, picture)
    if image.format in ("PNG", "AVIF") and header.icc is None:
        read_encoding = read_png_encoding if image.format == "PNG" else read_box_encoding
        header = replace(header, encoding=read_encoding(data))
    if bits > 8:
        return _decode_by_opencv(name, data), header
    try:
        return _decode_by_pillow(image, replace(header, warnings=picture.warnings if picture else ()), data)
    except ValueError:
        if picture is None:
            raise
        return _decode_tiff(name, data, picture)  # of a compression that Pillow lacks


@contextmanager
def _library_errors() -> Iterator[None]:
    """Turn the errors of a library into ValueError: on damaged files they raise errors of every type."""
    try:
        yield
    except (CinemaError, exr.UnsupportedError, UnidentifiedImageError, Image.DecompressionBombError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(first_line(error)) from error


def _decode_heif(name: str, data: bytes) -> tuple[np.ndarray, Header]:
    with _library_errors():
        file = heif.open_heif(data)
        if file.size[0] * file.size[1] > MAX_PIXELS:
            raise _too_large(name)
        return heif.decode_heif(file, data)


def _decode_tiff(name: str, data: bytes, picture: tiff.Picture) -> tuple[np.ndarray, Header]:
    if picture.page.imagewidth * picture.page.imagelength > MAX_PIXELS:
        raise _too_large(name)
    with _library_errors():
        pixels, header = tiff.decode_picture(name, data, picture)
    if pixels.dtype.kind != "f":
        return pixels, header
    if header.icc is None:
        return _linear_to_srgb(pixels), replace(header, linear=True)
    clipped = (CLIPPED,) if np.nanmax(pixels[..., :3], initial=0) > 1 else ()
    return _round_to_16_bit(pixels), replace(header, warnings=header.warnings + clipped)


def _decode_by_pillow(image: Image.Image, header: Header, data: bytes) -> tuple[np.ndarray, Header]:
    """(H, W, C) uint8, and the header without the profile where it was applied."""
    told: list[str] = []
    is_jpeg = image.format in ("JPEG", "MPO")
    try:
        with _library_errors(), collect_damage() as damage:
            image.load()
    except ValueError:
        if not is_jpeg:
            raise
        image, told = _load_without_end(data), [CUT]
        data += _JPEG_END
    if damage or (is_jpeg and is_damaged_jpeg(data)) or tiff.is_damaged_tiff(data):
        told.append(DAMAGED)
    if image.mode in ("CMYK", "YCbCr", "LAB"):
        image, unsure = convert_to_rgb(image)
        header, told = replace(header, icc=None), told + unsure
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.has_transparency_data and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")  # one colour is marked as transparent
    pixels = np.asarray(image)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), replace(header, warnings=(*header.warnings, *told))


def _load_without_end(data: bytes) -> Image.Image:
    """The picture of a JPEG file without its end mark; raises ValueError where pixels are missing too.

    No pixel is missing where none depends on the bytes that follow the file's last one.
    """
    with _library_errors():
        images = [Image.open(io.BytesIO(data.rstrip(b"\xff") + filler + _JPEG_END)) for filler in _FILLERS]
        for image in images:
            image.load()
    if images[0].tobytes() != images[1].tobytes():
        raise ValueError("pixels are missing")
    return images[0]


def _end_png(data: bytes) -> bytes:
    """A PNG file with the end that it lacks, where all its pixels are there; else the same."""
    inflate, end = zlib.decompressobj(), 0
    try:
        for kind, place, end in png_chunks(data):
            if kind == b"IDAT":
                inflate.decompress(data[place + 8 : end - 4])
    except zlib.error:
        return data
    return data[:end] + _PNG_END if inflate.eof else data


def _decode_by_opencv(name: str, data: bytes) -> np.ndarray:
    """(H, W, C) uint16, see `decode`."""
    pixels, is_damaged = decode_by_opencv(data)
    if pixels is None or is_damaged:
        raise ValueError("OpenCV cannot decode it")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise CinemaError(f"{name} holds {pixels.dtype} pixels", "Save it as PNG or TIFF of 8 or 16 bit per channel")
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
    return _round_to_16_bit(pixels)


def _round_to_16_bit(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) uint16 of floats in 0..1; others are clipped."""
    return np.rint(np.nan_to_num(pixels, nan=0, posinf=1, neginf=0).clip(0, 1) * 65535).astype(np.uint16)


def _too_large(name: str) -> CinemaError:
    text = f"{name} has more than {MAX_PIXELS / 1e6:.0f} megapixels"
    return CinemaError(text, "Scale it down and use the smaller copy")
