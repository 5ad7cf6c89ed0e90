"""HEIC and HEIF photos, as phones store them, decoded by libheif."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
from PIL import Image

from .encoding import Encoding
from .photo_header import Header, read_exif

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


def decode_heif(file: pillow_heif.HeifFile) -> tuple[np.ndarray, Header]:
    """(H, W, C) uint8 or uint16 with C as for other photos, upright, and the header."""
    pixels = np.asarray(file)
    exif = Image.Exif()
    if file.info.get("exif"):
        exif.load(file.info["exif"])
    nclx = file.info.get("nclx_profile") or {}
    encoding = Encoding(int(nclx.get("color_primaries", 1)), int(nclx.get("transfer_characteristics", 13)))
    return pixels[..., None] if pixels.ndim == 2 else pixels, Header(
        orientation=1,  # libheif turns pixels by the file's own property, and EXIF's is to be ignored
        focal_35mm=read_exif(exif).focal_35mm,
        icc=file.info.get("icc_profile"),
        encoding=None if encoding.is_srgb else encoding,
    )
