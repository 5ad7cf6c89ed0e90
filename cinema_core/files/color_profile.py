"""Conversion of pixels from the ICC profile of their file to sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms


def to_srgb(color: np.ndarray, icc: bytes | None) -> np.ndarray:
    """Convert from a photo's own colour space, such as the Display P3 of phones.

    Args:
        color: (H, W, 3) float32, 0..1.
        icc: The profile; None for sRGB.

    Returns:
        (H, W, 3) float32 sRGB, of 8 bit precision; the same values where the profile is sRGB or cannot be used.
    """
    profile = _open_profile(icc)
    if profile is None or "sRGB" in ImageCms.getProfileDescription(profile):
        return color
    image = Image.fromarray(np.round(color * 255.0).astype(np.uint8))
    try:
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    except ImageCms.PyCMSError:  # a grey profile, or a broken one
        return color
    return np.asarray(converted).astype(np.float32) / np.float32(255.0)


def convert_to_rgb(image: Image.Image) -> Image.Image:
    """RGB from CMYK, YCbCr or Lab, by the file's profile where it has one."""
    profile = _open_profile(image.info.get("icc_profile"))
    if profile is not None:
        try:
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except ImageCms.PyCMSError:
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _open_profile(icc: bytes | None) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc)) if icc else None
    except (OSError, ImageCms.PyCMSError):
        return None
