"""HEIC and HEIF photos, as phones store them, decoded by libheif."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
from PIL import Image

from .encoding import Encoding
from .photo_header import Header, read_exif

EXIF_TURNED = "The photo is turned by its EXIF data alone, which some programs ignore in HEIC files"
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}  # of HEVC; AVIF has others


def is_heif(data: bytes) -> bool:
    """Whether a file is HEIF with HEVC pixels, by the brands of its first box."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return bool(_BRANDS & {data[place : place + 4] for place in (8, *range(16, end, 4))})


def open_heif(data: bytes) -> pillow_heif.HeifFile:
    """The header of a file; on damaged ones libheif raises errors of every type."""
    return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)


def decode_heif(file: pillow_heif.HeifFile, data: bytes) -> tuple[np.ndarray, Header]:
    """(H, W, C) uint8 or uint16 with C as for other photos, and the header.

    libheif turns pixels by properties of the file. Where it has none, EXIF's orientation counts; where it has one, EXIF
    only repeats it.
    """
    pixels = np.asarray(file)
    exif = Image.Exif()
    if file.info.get("exif"):
        exif.load(file.info["exif"])
    described = read_exif(exif)
    orientation = 1 if _has_turn(data) else described.orientation
    nclx = file.info.get("nclx_profile") or {}
    encoding = Encoding(int(nclx.get("color_primaries", 1)), int(nclx.get("transfer_characteristics", 13)))
    return pixels[..., None] if pixels.ndim == 2 else pixels, Header(
        orientation,
        described.focal_35mm,
        icc=file.info.get("icc_profile"),
        encoding=None if encoding.is_srgb else encoding,
        warnings=() if orientation == 1 else (EXIF_TURNED,),
    )


def _has_turn(data: bytes) -> bool:
    """Whether the box of properties has one that rotates or mirrors."""
    place = 0
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"meta":
            properties = data[place : place + length]
            return b"irot" in properties or b"imir" in properties
        if length == 1:  # the length follows, of 64 bit
            length = int.from_bytes(data[place + 8 : place + 16], "big")
        if length < 8:
            break
        place += length
    return False
