"""Pictures that hold values rather than colours: depth maps and masks. OpenCV decodes them and keeps all their bits."""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
from PIL import Image

from .photo_header import read_header, turn_upright

TURNED = (
    "The orientation tag of {name} is left out of account, since the picture has the photo's shape only without it; "
    "if it stands wrong, save it upright and without the tag"
)


def decode_picture(data: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """Decode a picture and turn it upright, as its own orientation tag says.

    Args:
        data: The content of a PNG, JPEG, WebP, TIFF or BMP file.

    Returns:
        Twice (H, W) or (H, W, C) of the file's type, colours in OpenCV's order: upright, and as stored, which is the
        same array where no tag turns it. None where OpenCV cannot decode it.
    """
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        stored = None
    if stored is None:
        return None
    orientation = _read_orientation(data)
    return (stored if orientation == 1 else np.ascontiguousarray(turn_upright(stored, orientation))), stored


def _read_orientation(data: bytes) -> int:
    """EXIF orientation 1..8, of TIFF files 1, since OpenCV turns them; 1 where Pillow cannot read the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and unusual EXIF
            return read_header(Image.open(io.BytesIO(data))).orientation
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return 1
