"""The header of a photo's file: orientation, focal length, colour profile and bits per sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from .encoding import Encoding

_ORIENTATION, _EXIF_IFD, _FOCAL_35MM, _BITS_PER_SAMPLE = 0x0112, 0x8769, 0xA405, 258  # EXIF and TIFF tags
_PLAUSIBLE_FOCAL = (4.0, 2000.0)  # mm on 35 mm film: from a fisheye to a telescope
_FIRST_SIDEWAYS = 5  # EXIF orientations from here to 8 swap the axes


@dataclass(frozen=True)
class Header:
    """The properties of a photo that its file states.

    Attributes:
        orientation: EXIF orientation, 1..8; 1 is upright.
        focal_35mm: Focal length in mm on 35 mm film, or None.
        icc: The ICC profile of the pixels, or None for sRGB.
        linear: True when the file held linear light.
        encoding: The colour space that the file states in place of a profile, or None for sRGB.
        warnings: Messages for the user.
    """

    orientation: int = 1
    focal_35mm: float | None = None
    icc: bytes | None = None
    linear: bool = False
    encoding: Encoding | None = None
    warnings: tuple[str, ...] = ()


def read_header(image: Image.Image) -> Header:
    """The header of a file that Pillow has opened."""
    header = read_exif(image.getexif())
    # Pillow turns TIFF files itself.
    return Header(1 if image.format == "TIFF" else header.orientation, header.focal_35mm, image.info.get("icc_profile"))


def read_exif(exif: Image.Exif) -> Header:
    """Orientation and focal length."""
    orientation = exif.get(_ORIENTATION, 1)
    focal = plausible_focal(exif.get_ifd(_EXIF_IFD).get(_FOCAL_35MM))
    return Header(orientation if orientation in range(1, 9) else 1, focal)


def plausible_focal(value: object) -> float | None:
    """An EXIF focal length as mm on 35 mm film; None where no lens has it."""
    try:
        focal = float(value or 0)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return focal if _PLAUSIBLE_FOCAL[0] <= focal <= _PLAUSIBLE_FOCAL[1] else None


def sample_bits(image: Image.Image, data: bytes) -> int:
    """Bits per sample in the file; Pillow's mode is the same for RGB of 16 and of 8 bit."""
    if image.format == "PNG":
        return data[24]
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))
    return 16 if image.mode.startswith(("I", "F")) else 8


def is_sideways(orientation: int) -> bool:
    """Whether an EXIF orientation swaps width and height."""
    return orientation >= _FIRST_SIDEWAYS


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the EXIF orientation of (H, W) or (H, W, C): 2..4 flip and rotate, 5..8 also swap the axes."""
    if is_sideways(orientation):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image
