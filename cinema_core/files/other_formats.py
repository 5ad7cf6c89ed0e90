"""Names files that are no photos for this program, and the way to a photo from each."""

from __future__ import annotations

from pathlib import PurePath

from ..shared.errors import CinemaError

# Of cameras: they hold the sensor's values, which only a raw converter turns into a picture.
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef",
    ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_SAVE = "Save it as PNG, TIFF or JPEG in a picture editor"
# First bytes -> the kind of file, and the remedy.
_STARTS = (
    (b"\xff\x0a", "a JPEG XL picture", _SAVE),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture", _SAVE),
    (b"#?", "a Radiance HDR picture", "Save it as OpenEXR in a picture editor"),
    (b"8BPS", "a Photoshop document of a kind that cannot be read", "Save it as a flat TIFF or PNG"),
    (b"gimp xcf", "a GIMP document", "Export it as PNG or TIFF"),
    (b"%PDF", "a PDF document", "Export its page as PNG or TIFF"),
    (b"BLENDER", "a .blend file", "Render its picture to PNG, TIFF or OpenEXR"),
    (b"PK\x03\x04", "an archive or a layered document", "Extract the picture, or export it as PNG or TIFF"),
    (b"<svg", "an SVG drawing", "Export it as PNG"),
    (b"<!DOCTYPE html", "a web page", "Save the picture itself from the browser"),
    (b"<html", "a web page", "Save the picture itself from the browser"),
    (b"\x1a\x45\xdf\xa3", "a video", "Export one of its frames as PNG"),
)
# First bytes of the formats that open: a file that begins so is one of them, and damaged.
_OWN_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM")
_OWN_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
_VIDEO_BRANDS = (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"3gp4", b"3gp5")


def is_raw_start(data: bytes) -> bool:
    """Whether a file begins like a camera raw file that is no TIFF; those that are, `tiff` tells by their pages."""
    return data.startswith(_RAW_STARTS) or data[4:12] == b"ftypcrx " or data[6:14] == b"HEAPCCDR"


def is_raw_name(name: str) -> bool:
    return PurePath(name).suffix.lower() in RAW_SUFFIXES


def raw_error(name: str) -> CinemaError:
    return CinemaError(
        f"{name} is a camera raw file, which has to be developed first",
        "Develop it to TIFF or PNG in a raw converter, such as darktable or RawTherapee, and open that",
    )


def damaged_error(name: str) -> CinemaError:
    return CinemaError(f"{name} is damaged or incomplete", "Get the file again, or save it again")


def unknown_error(name: str, data: bytes, supported: str) -> CinemaError:
    """The error for a file that no decoder knows; `supported` is the hint where its kind is unknown too."""
    if is_raw_start(data) or is_raw_name(name):
        return raw_error(name)
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    if data.startswith(_OWN_STARTS) or brand in _OWN_BRANDS or webp:
        return damaged_error(name)
    start = data[:64].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if brand in _VIDEO_BRANDS:
        return CinemaError(f"{name} is a video", "Export one of its frames as PNG")
    for first, kind, remedy in _STARTS:
        if data.startswith(first) or start.startswith(first.lower()):
            return CinemaError(f"{name} is {kind}", remedy)
    return CinemaError(f"{name} is not a picture that can be read", supported)
