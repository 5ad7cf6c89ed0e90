"""Pictures that hold values rather than colours: depth maps and masks. OpenCV decodes them and keeps all their bits.

OpenCV tells of damage only on standard error, and gives a JPEG's missing parts as grey. Therefore its complaints are
read from there.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import cv2
import numpy as np
from PIL import Image

from .encoding import PNG_START, png_chunks
from .photo_header import read_header, turn_upright
from .tiff import is_damaged_tiff

TURNED = (
    "The orientation tag of {name} is left out of account, since the picture has the photo's shape only without it; "
    "if it stands wrong, save it upright and without the tag"
)
# Complaints of libjpeg, libpng and libtiff about pixels, not about remarks in the header.
_DAMAGE = re.compile(
    rb"Corrupt JPEG data|Premature end of JPEG|libpng error|incorrect data check|^JPEGLib: |Decode: |Read error on"
    rb"|code not yet in table|Unexpected end of input"
)
_LONGEST = 2**20  # bytes of complaints that are looked at
_JPEG_START = b"\xff\xd8"
_SEQUENTIAL, _HUFFMAN_TABLES, _SCAN = (0xC0, 0xC1), 0xC4, 0xDA  # second bytes of JPEG's markers
_TABLE_HEAD = 17  # bytes: class and number, then the count of codes of each length
_BLANK = 64  # bytes
_listening = threading.Lock()


class DamagedError(ValueError):
    """A part of the picture is missing or wrong."""


def decode_picture(data: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """Decode a picture and turn it upright, as its own orientation tag says.

    Args:
        data: The content of a PNG, JPEG, WebP, TIFF or BMP file.

    Returns:
        Twice (H, W) or (H, W, C) of the file's type, colours in OpenCV's order: upright, and as stored, which is the
        same array where no tag turns it. None where OpenCV cannot decode it.

    Raises:
        DamagedError: A part of it is missing or wrong.
    """
    stored, is_damaged = decode_by_opencv(data)
    if is_damaged or _has_blank_part(data) or is_damaged_tiff(data):
        raise DamagedError
    if stored is None:
        return None
    orientation = _read_orientation(data)
    return (stored if orientation == 1 else np.ascontiguousarray(turn_upright(stored, orientation))), stored


def decode_by_opencv(data: bytes, flags: int = cv2.IMREAD_UNCHANGED) -> tuple[np.ndarray | None, bool]:
    """Decode a picture by OpenCV.

    Returns:
        The pixels, or None where it cannot; and whether it complained of damage.
    """
    if data.startswith(PNG_START) and not any(kind == b"IEND" for kind, _, _ in png_chunks(data)):
        return None, True  # for a chunk that the file states, but does not have, OpenCV would clear gigabytes
    pixels = None
    with collect_damage() as damage, suppress(cv2.error):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    return pixels, bool(damage)


def is_damaged_jpeg(data: bytes) -> bool:
    """Whether the compressed data of a JPEG file are damaged, as far as decoders notice; Pillow does not tell."""
    return _has_blank_part(data) or decode_by_opencv(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)[1]


def _has_blank_part(data: bytes) -> bool:
    """Whether zeros, as of a bad sector, stand in a JPEG file's compressed data, where no picture gives them.

    Source: ITU-T T.81, B and C. Zero bits repeat the first code of each Huffman table. Where one of them is not the end
    of a block, _BLANK zero bytes are blocks of which all coefficients are the same. Not of progressive files, where
    zeros may stand for many empty blocks.
    """
    if not data.startswith(_JPEG_START):
        return False
    place, first_codes, is_sequential = len(_JPEG_START), [], False
    while place + 4 <= len(data) and data[place] == 0xFF:
        kind, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        segment = data[place + 4 : place + 2 + length]
        if kind == _HUFFMAN_TABLES:
            while len(segment) > _TABLE_HEAD:
                count = sum(segment[1:_TABLE_HEAD])
                first_codes += [segment[_TABLE_HEAD]] if segment[0] >> 4 else []  # of AC coefficients
                segment = segment[_TABLE_HEAD + count :]
        is_sequential |= kind in _SEQUENTIAL
        place += 2 + length
        if kind == _SCAN:
            break
    end = data.find(b"\xff\xd9", place)
    return is_sequential and any(first_codes) and data.find(bytes(_BLANK), place, end) >= 0


@contextmanager
def collect_damage() -> Iterator[list[bytes]]:
    """Collect the complaints of damage that C libraries of this process write to standard error; the list is filled
    when the ``with`` block ends. Their other remarks are dropped. Nothing is collected where that cannot be done.
    """
    damage: list[bytes] = []
    with _listening:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        try:
            kept, file = os.dup(2), tempfile.TemporaryFile()
        except OSError:  # no standard error, or a full disk
            yield damage
            return
        with file:
            os.dup2(file.fileno(), 2)
            try:
                yield damage
            finally:
                os.dup2(kept, 2)
                os.close(kept)
                file.seek(0)
                damage += [line for line in file.read(_LONGEST).splitlines() if _DAMAGE.search(line)]


def _read_orientation(data: bytes) -> int:
    """EXIF orientation 1..8, of TIFF files 1, since OpenCV turns them; 1 where Pillow cannot read the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and unusual EXIF
            return read_header(Image.open(io.BytesIO(data))).orientation
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return 1
