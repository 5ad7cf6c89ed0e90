"""TIFF files of every layout show the picture that their header means; camera raw files are named."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cinema_core.files.other_formats import RAW_SUFFIXES
from cinema_core.files.photo import LINEAR, read_photo
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.srgb import to_linear

EXACT = 1e-7


@pytest.fixture
def pixels(landscape_pixels: np.ndarray) -> np.ndarray:
    return landscape_pixels[:120, :160]


def save(folder: Path, values: np.ndarray, **options) -> Path:
    path = folder / "a.tif"
    if options.get("planarconfig") == "separate":
        values = np.ascontiguousarray(np.moveaxis(values, -1, 0))
    tifffile.imwrite(path, values, **options)
    return path


def as_depth(pixels: np.ndarray, dtype: str) -> np.ndarray:
    """8-bit values as integers of another depth, or as linear light."""
    if np.dtype(dtype).kind == "f":
        return to_linear(pixels / 255).astype(dtype)
    return pixels.astype(dtype) * (np.iinfo(dtype).max // 255)


def tiff(tags: dict[int, int | None], data: bytes) -> bytes:
    """A file of one strip, uncompressed; the tag without a value is the strip's place."""
    start = 8 + 2 + 12 * len(tags) + 4
    entries = [
        struct.pack("<HHII", tag, 4, 1, start if value is None else value) for tag, value in sorted(tags.items())
    ]
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4) + data


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float16", "float32", "float64"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_planes_and_compression(tmp_path, pixels, dtype, planar, compression):
    values = as_depth(pixels, dtype)
    options = {"compression": compression, "predictor": compression == "zlib" or None}
    photo = read_photo(save(tmp_path, values, photometric="rgb", planarconfig=planar, **options))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=2e-4 if dtype == "float16" else EXACT)
    assert photo.alpha is None and photo.warnings == ((LINEAR,) if photo.linear else ())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32"])
def test_white_is_zero(tmp_path, pixels, dtype):
    values = as_depth(pixels[..., 0], dtype)
    white = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    photo = read_photo(save(tmp_path, white - values, photometric="miniswhite"))
    np.testing.assert_allclose(photo.color[..., 1], pixels[..., 0] / 255, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    ("kinds", "has_alpha"),
    [
        (["unspecified"], False), (["unassalpha"], True), (["unspecified", "unassalpha"], True),
        (["unassalpha", "unspecified"], True), (["unspecified"] * 4, False),
    ],
)  # fmt: skip
def test_channels_beside_the_colours(tmp_path, pixels, dtype, planar, grey, kinds, has_alpha):
    """A saved selection is no alpha."""
    color = pixels[..., :1] if grey else pixels
    extra = [np.full((*pixels.shape[:2], 1), 51 if kind == "unassalpha" else 9, np.uint8) for kind in kinds]
    values = np.concatenate([as_depth(color, dtype), *(_share(channel, dtype) for channel in extra)], -1)
    options = {"photometric": "minisblack" if grey else "rgb", "planarconfig": planar, "extrasamples": kinds}
    photo = read_photo(save(tmp_path, values, **options))
    np.testing.assert_allclose(photo.color, np.broadcast_to(color, pixels.shape) / 255, atol=EXACT)
    assert (photo.alpha is not None) == has_alpha
    if has_alpha:
        np.testing.assert_allclose(photo.alpha, 0.2, atol=1e-6)


def _share(channel: np.ndarray, dtype: str) -> np.ndarray:
    """Alpha as a share of white: it is no light."""
    return (channel / 255).astype(dtype) if np.dtype(dtype).kind == "f" else as_depth(channel, dtype)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_colours_multiplied_by_alpha(tmp_path, pixels, dtype):
    share = np.float32(0.6)
    values = as_depth(pixels, dtype) * share
    white = 1 if dtype == "float32" else 65535
    alpha = np.full((*pixels.shape[:2], 1), white * share)
    photo = read_photo(
        save(
            tmp_path, np.concatenate([values, alpha], -1).astype(dtype), photometric="rgb", extrasamples=["assocalpha"]
        )
    )
    np.testing.assert_allclose(photo.color, pixels / 255, atol=1e-4)
    np.testing.assert_allclose(photo.alpha, 0.6, atol=1e-4)


def test_unnamed_channels_are_colours_with_a_warning(tmp_path, pixels):
    photo = read_photo(save(tmp_path, as_depth(pixels, "uint16"), photometric="minisblack", planarconfig="contig"))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)
    assert "red, green and blue" in photo.warnings[0]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_cmyk_without_a_profile(tmp_path, pixels, dtype, planar):
    inks = np.concatenate([255 - pixels, np.zeros_like(pixels[..., :1])], -1)
    photo = read_photo(save(tmp_path, as_depth(inks, dtype), photometric="separated", planarconfig=planar))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)
    assert "no usable colour profile" in photo.warnings[0]


def test_12_bit_reach_white(tmp_path):
    values = np.linspace(0, 4095, 64 * 64).astype(np.uint16)
    high, low = values.reshape(-1, 2).T
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], -1).astype(np.uint8).tobytes()
    tags = {256: 64, 257: 64, 258: 12, 259: 1, 262: 1, 273: None, 277: 1, 278: 64, 279: len(packed)}
    (tmp_path / "a.tif").write_bytes(tiff(tags, packed))
    photo = read_photo(tmp_path / "a.tif")
    np.testing.assert_allclose(photo.color[..., 0], values.reshape(64, 64) / 4095, atol=1e-5)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"tile": (64, 64)}])
def test_other_containers(tmp_path, pixels, options):
    photo = read_photo(save(tmp_path, as_depth(pixels, "uint16"), photometric="rgb", **options))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.full((32, 32), -5, np.int16), "int16"), (np.full((32, 32), 900, np.uint32), "32-bit integers"),
        (np.ones((32, 32), np.complex64), "complex64"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_brightness(tmp_path, values, text):
    with pytest.raises(CinemaError, match=text) as caught:
        read_photo(save(tmp_path, values, photometric="minisblack"))
    assert "8 or 16 bit" in caught.value.hint


def test_colour_spaces_that_cannot_be_read_are_named(tmp_path, pixels):
    with pytest.raises(CinemaError, match="CIELAB"):
        read_photo(save(tmp_path, as_depth(pixels, "uint16"), photometric="cielab"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("beneath", [False, True])
def test_the_full_picture_behind_a_thumbnail(tmp_path, pixels, dtype, beneath):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels[::4, ::4], photometric="rgb", subfiletype=1, subifds=int(beneath))
        file.write(as_depth(pixels, dtype), photometric="rgb", subfiletype=0)
    np.testing.assert_allclose(read_photo(tmp_path / "a.tif").color, pixels / 255, atol=EXACT)


def test_several_pages_are_told(tmp_path, pixels):
    photo = read_photo(save(tmp_path, np.stack([pixels, 255 - pixels]), photometric="rgb"))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)
    assert "holds 2 pictures" in photo.warnings[0]


def error_of(path: Path) -> CinemaError:
    with pytest.raises(CinemaError) as caught:
        read_photo(path)
    return caught.value


@pytest.mark.parametrize("kind", ["cfa", "linear_raw"])
@pytest.mark.parametrize("suffix", ["dng", "tif", "nef"])
def test_a_raw_behind_a_thumbnail(tmp_path, pixels, kind, suffix):
    sensor = as_depth(pixels[..., 0] if kind == "cfa" else pixels, "uint16")
    with tifffile.TiffWriter(tmp_path / f"a.{suffix}") as file:
        file.write(pixels[::4, ::4], photometric="rgb", subfiletype=1, subifds=1)
        file.write(sensor, photometric=kind, subfiletype=0)
    error = error_of(tmp_path / f"a.{suffix}")
    assert "camera raw file" in error.text and "TIFF or PNG" in error.hint


def test_a_dng_that_shows_only_its_preview(tmp_path, pixels):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    assert "camera raw file" in error_of(path).text


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.cr2", b"II*\0\x10\0\0\0CR\x02\0"), ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201FF383501"), ("a.orf", b"IIRO\x08\0\0\0"), ("a.rw2", b"IIU\0\x18\0\0\0"),
        ("a.x3f", b"FOVb"), ("a.mrw", b"\0MRM"), ("a.crw", b"II\x1a\0\0\0HEAPCCDR"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_raw_files_by_their_first_bytes(tmp_path, name, start, named):
    path = tmp_path / (name if named else "a.jpg")
    path.write_bytes(start + bytes(300))
    assert "camera raw file" in error_of(path).text


@pytest.mark.parametrize("suffix", RAW_SUFFIXES)
def test_raw_files_by_their_names(tmp_path, suffix):
    path = tmp_path / f"A{suffix.upper()}"
    path.write_bytes(b"of a camera yet to be built" * 20)
    assert "camera raw file" in error_of(path).text
    Image.new("RGB", (64, 64)).save(path, "TIFF")
    assert "camera raw file" in error_of(path).text
