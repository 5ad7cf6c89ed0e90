"""TIFF files with a layout that Pillow and OpenCV do not know: deep, planar, inverted, with more channels than colours.

Input: a file. Output: its picture as upright colours are stored, of 8 or 16 bit or floats. The files are read with
tifffile and imagecodecs. Source: Adobe, "TIFF Revision 6.0", 1992.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace

import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from ..shared.errors import CinemaError
from .color_profile import cmyk_to_rgb
from .exr import UnsupportedError
from .other_formats import is_raw_name, raw_error
from .photo_header import Header, plausible_focal

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # first bytes of TIFF and BigTIFF files
_RAW = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
_DNG_VERSION, _ORIENTATION, _EXIF_IFD = 50706, 274, 34665  # tags
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_UNSPECIFIED, _PREMULTIPLIED, _ALPHA = 0, 1, 2  # values of ExtraSamples
_COLORS: dict[int, int] = {  # samples of a pixel that are colours
    PHOTOMETRIC.MINISWHITE: 1, PHOTOMETRIC.MINISBLACK: 1, PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3, PHOTOMETRIC.YCBCR: 3, PHOTOMETRIC.SEPARATED: 4,
}  # fmt: skip
_CHECKED = (COMPRESSION.LZW, COMPRESSION.DEFLATE, COMPRESSION.ADOBE_DEFLATE)
_MOST_BYTES = 2**31  # of a picture, uncompressed; a header that states more is damaged, or of no photo
_DARK = 2**24  # integers of 32 bit that all lie below, under 1/256 of white, are not brightness
_BAND_ROWS = 256  # rows that are converted to float at a time

for _library in ("tifffile", "PIL"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)  # their remarks on odd files would reach the user's terminal


@dataclass(frozen=True, eq=False)
class Picture:
    """The picture of a TIFF file that is meant as the photo.

    Attributes:
        page: Its page.
        is_plain: True where Pillow reads it too, if it has 8 bit: the file's first page, without channels beside the
            colours that are stored in planes.
        warnings: Messages for the user.
    """

    page: TiffPage
    is_plain: bool
    warnings: tuple[str, ...]


def find_picture(name: str, data: bytes) -> Picture | None:
    """The picture of a TIFF file: its first page, or the full-size one where the first is a thumbnail.

    Args:
        name: The file's name, for messages.
        data: The file's content.

    Returns:
        The picture; None where tifffile finds no page.

    Raises:
        CinemaError: It is a camera raw file.
    """
    pages = _list_pages(data)
    if data[8:10] == b"CR" or is_raw_name(name) or any(_is_raw(page) for page in pages):
        raise raw_error(name)
    if not pages:
        return None
    full = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)]
    chosen = full[0] if full and pages[0].subfiletype & _REDUCED else pages[0]
    several = f"{name} holds {len(full)} pictures: the first one is used"
    planes = chosen.planarconfig == tifffile.PLANARCONFIG.SEPARATE and bool(chosen.extrasamples)
    return Picture(chosen, chosen is pages[0] and not planes, (several,) if len(full) > 1 else ())


def is_damaged_tiff(data: bytes) -> bool:
    """Whether a TIFF file's first picture is damaged, of a compression that shows it; other readers miss some."""
    if data[:4] not in MAGIC:
        return False
    for page in _list_pages(data)[:1]:
        if page.nbytes > _MOST_BYTES:
            return True
        if page.compression in _CHECKED:
            try:
                page.asarray()
            except MemoryError:
                raise
            except Exception:  # on damaged files the libraries raise errors of every type
                return True
    return False


def decode_picture(name: str, data: bytes, picture: Picture) -> tuple[np.ndarray, Header]:
    """Decode a picture.

    Args:
        name: The file's name, for messages.
        data: The file's content.
        picture: The picture, of `find_picture`.

    Returns:
        (H, W, C) uint8, uint16, or floats, with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA, as stored, and the header.

    Raises:
        CinemaError: Its numbers are not brightness.
        UnsupportedError: It has a colour space that cannot be read.
        ValueError: It is damaged. On damaged files the libraries raise other errors too.
    """
    page = picture.page
    count = 3 if _is_unnamed_rgb(page) else _COLORS.get(page.photometric)
    jpeg = page.compression in (COMPRESSION.JPEG, COMPRESSION.OJPEG)  # imagecodecs turns its chroma into RGB
    if count is None or (page.photometric == PHOTOMETRIC.YCBCR and not jpeg):
        kind = getattr(page.photometric, "name", str(page.photometric))
        raise UnsupportedError(f"it holds {kind} colours")
    colors, extra = _split_channels(_read_pixels(name, data, page), count)
    white = _white(name, page, colors)
    header, warnings = _read_header(page), list(picture.warnings)
    if _is_unnamed_rgb(page):
        warnings.append(
            f"{name} does not name its {page.samplesperpixel} channels: they are read as red, green and blue"
        )
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        colors = (white - colors).astype(colors.dtype)
    elif page.photometric == PHOTOMETRIC.PALETTE:
        colors, white = np.moveaxis(np.asarray(page.colormap, np.uint16), 0, -1)[colors[..., 0]], 65535
    elif page.photometric == PHOTOMETRIC.SEPARATED:
        if colors.dtype.kind == "f":
            raise UnsupportedError("it holds floats of CMYK inks")
        colors, told = cmyk_to_rgb(_fill_range(colors, white), header.icc)
        header, white = replace(header, icc=None), 65535
        warnings += told
    alpha, premultiplied, unused = _find_alpha(page, extra)
    if unused:
        warnings.append(f"Of {name} only the colours are used, not its {unused} other channel{'s'[: unused - 1]}")
    pixels = _fill_range(colors, white)
    if alpha is not None:
        alpha = _fill_range(alpha, _white(name, page, alpha)).astype(pixels.dtype, copy=False)
        pixels = np.concatenate([pixels, alpha], -1)
        if premultiplied:
            _divide_by_alpha(pixels)
    return pixels, replace(header, warnings=tuple(warnings))


def _list_pages(data: bytes) -> list[TiffPage]:
    """Pages in the file's order, each followed by its sub-pages; up to the first that is damaged."""
    found: list[TiffPage] = []
    try:
        for page in TiffFile(io.BytesIO(data)).pages:
            found.append(page if isinstance(page, TiffPage) else page.aspage())
            if found[-1].pages is not None:
                found += [sub if isinstance(sub, TiffPage) else sub.aspage() for sub in found[-1].pages]
    except MemoryError:
        raise
    except Exception:  # on damaged files tifffile raises errors of every type
        pass
    return [page for page in found if _states_a_size(page)]


def _states_a_size(page: TiffPage) -> bool:
    """Whether width and height are numbers; in a damaged file they may be several, or text."""
    return all(isinstance(side, int) and side > 0 for side in (page.imagewidth, page.imagelength, page.imagedepth))


def _is_raw(page: TiffPage) -> bool:
    return page.photometric in _RAW or _DNG_VERSION in page.tags


def _is_unnamed_rgb(page: TiffPage) -> bool:
    """Whether a page of grey values with two or three more channels is RGB of a program that does not say so."""
    unnamed = not any(page.extrasamples)
    return page.photometric == PHOTOMETRIC.MINISBLACK and page.samplesperpixel in (3, 4) and unnamed


def _read_pixels(name: str, data: bytes, page: TiffPage) -> np.ndarray:
    """(H, W, samples) of a page, as stored."""
    if page.nbytes > _MOST_BYTES:
        raise CinemaError(f"{name} is too large", "Scale it down and use the smaller copy")
    ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts))
    if any(end > len(data) for end in ends):  # tifffile leaves a missing part black
        raise ValueError("a part of the picture is missing")
    pixels = page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1:
        pixels = np.moveaxis(pixels, 0, -1)
    return pixels.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)


def _read_header(page: TiffPage) -> Header:
    exif = page.tags.valueof(_EXIF_IFD)
    focal = exif.get("FocalLengthIn35mmFilm") if isinstance(exif, dict) else None
    orientation = page.tags.valueof(_ORIENTATION, 1)
    return Header(orientation if orientation in range(1, 9) else 1, plausible_focal(focal), page.iccprofile)


def _split_channels(pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours and the other channels."""
    if pixels.shape[-1] < count:
        raise ValueError("it has fewer channels than colours")
    return pixels[..., :count], pixels[..., count:]


def _white(name: str, page: TiffPage, values: np.ndarray) -> float:
    """The number that means full brightness."""
    kind, bits = values.dtype.kind, page.bitspersample
    if kind in "fb":
        return 1
    if kind != "u" or not isinstance(bits, int) or (bits > 16 and values.max(initial=0) < _DARK):
        dtype = f"{bits}-bit integers" if kind == "u" else f"{values.dtype} pixels"
        raise CinemaError(
            f"{name} holds {dtype}, whose white is unknown",
            "Save it with 8 or 16 bit per channel, without sign, or as floats",
        )
    return 2**bits - 1


def _fill_range(values: np.ndarray, white: float) -> np.ndarray:
    """Integers of 8 or 16 bit that reach the largest one, from integers that reach `white`; floats as they are."""
    if values.dtype.kind == "f" or white in (255, 65535):
        return values
    top, dtype = (255, np.uint8) if white < 255 else (65535, np.uint16)
    return np.rint(values.astype(np.float32) * np.float32(top / white)).astype(dtype)


def _find_alpha(page: TiffPage, extra: np.ndarray) -> tuple[np.ndarray | None, bool, int]:
    """(H, W, 1) alpha or None, whether colours are multiplied by it, and the number of other channels."""
    stated = [] if _is_unnamed_rgb(page) else [int(kind) for kind in page.extrasamples]
    kinds = stated or ([_ALPHA] if extra.shape[-1] == 1 else [])
    place = next((place for place, kind in enumerate(kinds) if kind != _UNSPECIFIED), None)
    if place is None or place >= extra.shape[-1]:
        return None, False, extra.shape[-1]
    return extra[..., place : place + 1], kinds[place] == _PREMULTIPLIED, extra.shape[-1] - 1


def _divide_by_alpha(pixels: np.ndarray) -> None:
    """Undo the multiplication of colours by alpha, in place."""
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    for top in range(0, len(pixels), _BAND_ROWS):
        band = pixels[top : top + _BAND_ROWS]
        scale = np.float32(white) / np.maximum(band[..., -1:].astype(np.float32), np.float32(white * 1e-6))
        colors = band[..., :-1] * scale
        band[..., :-1] = colors if band.dtype.kind == "f" else np.rint(colors.clip(0, white)).astype(band.dtype)
