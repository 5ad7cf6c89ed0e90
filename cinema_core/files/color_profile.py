"""Conversion of pixels from the ICC profile of their file to sRGB, by Little CMS.

A profile is judged by its contents, not by its name. Pillow's Little CMS works on 8 bit, that of imagecodecs on 16 bit
and floats.
"""

from __future__ import annotations

import io
from functools import cache

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

BROKEN = (
    "The colour profile of the photo is damaged or of another kind than its pixels: it is ignored, as if it were sRGB"
)
INKS = "The CMYK photo has no usable colour profile: its colours are approximate"
_SAME = 2.5 / 255  # largest deviation from sRGB of profiles that mean sRGB: theirs round curves and primaries
_COARSE = 3 / 255  # sRGB value of 1/255 above which 8 bit do not suffice in the shadows, as with linear light
_CHANNELS = {"GRAY": 1, "RGB ": 3, "CMYK": 4}
_SPACES = {"GRAY": "gray", "RGB ": "rgb", "CMYK": "cmyk"}  # ICC's names -> those of imagecodecs
_STEPS = 9  # per axis of the grid of colours on which a profile is compared with sRGB


def to_srgb(
    color: np.ndarray, icc: bytes | None, grey: bool = False, deep: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Convert from a photo's own colour space, such as the Display P3 of phones.

    Args:
        color: (H, W, 3) float32, 0..1.
        icc: The profile; None for sRGB.
        grey: The file holds grey values, so that the profile may be one of grey.
        deep: The file has more than 8 bit, and the result shall have them too.

    Returns:
        (H, W, 3) float32 sRGB, the same values where the profile is sRGB or cannot be used; and warnings for the user.
    """
    if not icc:
        return color, []
    space = _space_of(icc)
    fits = space == "RGB " or (grey and space == "GRAY")
    probe = _convert(_grid(space), icc, space, colorimetric=True) if fits else None
    if probe is None:
        return color, [BROKEN]
    if np.abs(probe - _grid(space)).max() <= _SAME:
        return color, []
    dark = _convert(np.full((1, 1, _CHANNELS[space]), 1 / 255, np.float32), icc, space)
    if space == "RGB " and not deep and dark is not None and dark.max() <= _COARSE:
        converted = _convert_8_bit(color, icc)
    else:
        converted = _convert(color[..., : _CHANNELS[space]], icc, space)
    return (color, [BROKEN]) if converted is None else (converted, [])


def convert_to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """RGB from CMYK, YCbCr or Lab of 8 bit, by the file's profile where it has one; and warnings for the user."""
    icc = image.info.get("icc_profile")
    try:
        if icc:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, _srgb(), outputMode="RGB")
            if converted is not None:
                return converted, []
    except (OSError, ValueError, ImageCms.PyCMSError):  # it is broken, or of another kind than the pixels
        pass
    return image.convert("RGB"), [INKS] if image.mode == "CMYK" else [BROKEN] if icc else []


def cmyk_to_rgb(inks: np.ndarray, icc: bytes | None) -> tuple[np.ndarray, list[str]]:
    """(H, W, 3) uint16 RGB from (H, W, 4) of inks, uint8 or uint16, by the profile; and warnings for the user."""
    inks = inks.astype(np.uint16) * 257 if inks.dtype == np.uint8 else np.ascontiguousarray(inks)
    converted = _convert(inks, icc, "CMYK") if icc and _space_of(icc) == "CMYK" else None
    if converted is not None:
        return converted, []
    paper = 65535 - inks[..., :3].astype(np.uint32)
    return (paper * (65535 - inks[..., 3:].astype(np.uint32)) // 65535).astype(np.uint16), [INKS]


def _convert(color: np.ndarray, icc: bytes, space: str, colorimetric: bool = False) -> np.ndarray | None:
    """(H, W, 3) sRGB of the dtype of `color`, float32 or uint16; None where the profile cannot be used."""
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC if colorimetric else ImageCms.Intent.PERCEPTUAL
    values = np.ascontiguousarray(color[..., 0] if space == "GRAY" else color)
    try:
        converted = imagecodecs.cms_transform(
            values, icc, _srgb_bytes(),
            colorspace=_SPACES[space], outcolorspace="rgb", outdtype=values.dtype, intent=int(intent),
        )  # fmt: skip
    except (imagecodecs.CmsError, ValueError):
        return None
    return np.nan_to_num(converted).clip(0, 1) if converted.dtype.kind == "f" else converted


def _convert_8_bit(color: np.ndarray, icc: bytes) -> np.ndarray | None:
    image = Image.fromarray(np.round(color * 255.0).astype(np.uint8))
    try:
        converted = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(icc)), _srgb())
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None
    return np.asarray(converted).astype(np.float32) / np.float32(255.0)


def _space_of(icc: bytes) -> str:
    """The colour space of a profile's pixels: "RGB ", "GRAY", "CMYK" or another; "" where it cannot be opened."""
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space
    except (OSError, ValueError, ImageCms.PyCMSError):
        return ""


@cache
def _grid(space: str) -> np.ndarray:
    """(n, m, 3) float32: colours of the whole cube, or greys."""
    if space == "GRAY":
        return np.linspace(0, 1, 256, dtype=np.float32)[None, :, None].repeat(3, -1)
    axis = np.linspace(0, 1, _STEPS, dtype=np.float32)
    cube = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(1, -1, 3)
    return np.concatenate([cube, _grid("GRAY")], 1)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@cache
def _srgb_bytes() -> bytes:
    return _srgb().tobytes()
