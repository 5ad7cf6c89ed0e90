"""Photos of phones (HEIC, AVIF), files that lack their end, and files of other kinds."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from cinema_core.files.exr import encode_channels
from cinema_core.files.heif import EXIF_TURNED
from cinema_core.files.photo import SUFFIXES, read_photo
from cinema_core.files.photo_decoder import CUT
from cinema_core.shared.errors import CinemaError

UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: np.rot90(image, 2),
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}


@pytest.fixture
def pixels(landscape_pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(landscape_pixels[:120, :160], (0, 0), 2)


def encode(pixels: np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    if kind == "heic":
        pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, quality=95, **options)
    else:
        Image.fromarray(pixels).save(file, kind, quality=95, **options)
    return file.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def error_of(path: Path) -> CinemaError:
    with pytest.raises(CinemaError) as caught:
        read_photo(path)
    return caught.value


@pytest.mark.parametrize("kind", ["heic", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_focal_length(tmp_path, pixels, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0xA405] = 18
    photo = read_photo(write(tmp_path / f"a.{kind}", encode(pixels, kind, exif=exif.tobytes())))
    expected = UPRIGHT[orientation](pixels) / 255
    np.testing.assert_allclose(photo.color, expected, atol=0.06)
    assert photo.focal == 80 and photo.file_size == expected.shape[1::-1] and not photo.warnings


def test_orientation_that_only_exif_states(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(pixels, "heic", exif=exif.tobytes())
    photo = read_photo(write(tmp_path / "a.heic", data.replace(b"irot", b"free")))
    np.testing.assert_allclose(photo.color, UPRIGHT[6](pixels) / 255, atol=0.06)
    assert photo.warnings == (EXIF_TURNED,)


def test_10_bit_heic_keeps_its_steps(tmp_path):
    ramp = np.linspace(10000, 14000, 256).astype(np.uint16)[None, :, None].repeat(64, 0).repeat(3, -1)
    file = pillow_heif.from_bytes("RGB;16", (256, 64), np.ascontiguousarray(ramp).tobytes())
    file.save(tmp_path / "a.heic", quality=-1)
    photo = read_photo(tmp_path / "a.heic")
    np.testing.assert_allclose(photo.color, ramp / 65535, atol=0.002)
    assert len(np.unique(np.round(photo.color[..., 1], 4))) > 40  # 8 bit have 17


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_grey_and_alpha(tmp_path, pixels, kind):
    photo = read_photo(write(tmp_path / f"a.{kind}", encode(pixels[..., 0], kind)))
    np.testing.assert_allclose(photo.color, pixels[..., :1].repeat(3, -1) / 255, atol=0.06)
    alpha = np.full((*pixels.shape[:2], 1), 51, np.uint8)
    photo = read_photo(write(tmp_path / f"b.{kind}", encode(np.concatenate([pixels, alpha], -1), kind)))
    np.testing.assert_allclose(photo.alpha, 0.2, atol=0.02)


@pytest.mark.parametrize("kind", ["heic", "avif", "jpeg", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.95])
def test_cut_off(tmp_path, pixels, kind, share):
    data = encode(pixels, kind)
    assert "damaged or incomplete" in error_of(write(tmp_path / f"a.{kind}", data[: int(len(data) * share)])).text


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_damaged(tmp_path, pixels, kind):
    data, random = encode(pixels, kind), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for place in random.integers(0, 400, 4):
            damaged[place] = random.integers(0, 256)
        try:
            read_photo(write(tmp_path / f"a.{kind}", bytes(damaged)))
        except CinemaError as error:
            assert error.hint


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2])
def test_jpeg_without_its_end_mark(tmp_path, pixels, progressive, missing):
    data = encode(pixels, "jpeg", progressive=progressive)
    whole = read_photo(write(tmp_path / "a.jpg", data))
    photo = read_photo(write(tmp_path / "b.jpg", data[:-missing]))
    np.testing.assert_array_equal(photo.color, whole.color)
    assert photo.warnings == (CUT,) and not whole.warnings


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [6, 40, 400])
def test_jpeg_without_its_last_pixels(tmp_path, landscape_pixels, progressive, missing):
    data = encode(landscape_pixels, "jpeg", progressive=progressive)
    assert "damaged or incomplete" in error_of(write(tmp_path / "b.jpg", data[:-missing])).text


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("missing", [1, 4, 11, 12])
def test_png_without_its_end(tmp_path, pixels, deep, missing):
    stored = pixels.astype(np.uint16) * 257 if deep else pixels
    data = cv2.imencode(".png", stored[..., ::-1])[1].tobytes()
    photo = read_photo(write(tmp_path / "a.png", data[:-missing]))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=1e-7)
    assert photo.warnings == (CUT,)
    assert "damaged" in error_of(write(tmp_path / "b.png", data[: -missing - 40])).text


def test_a_picture_of_no_size(tmp_path, pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF")
    data = file.getvalue().replace((256).to_bytes(2, "little") + b"\4\0\1\0\0\0\xa0\0", b"\0\1\4\0\1\0\0\0\0\0")
    assert data != file.getvalue() and error_of(write(tmp_path / "a.tif", data)).hint


FORMATS = {
    ".jpg": "jpeg", ".jpeg": "jpeg", ".jfif": "jpeg", ".heif": "heic", ".hif": "heic", ".tif": "tiff",
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_that_the_dialog_offers_opens(tmp_path, pixels, suffix):
    light = {name: np.full((32, 32), 0.5, np.float32) for name in "RGB"}
    data = encode_channels(light) if suffix == ".exr" else encode(pixels, FORMATS.get(suffix, suffix[1:]))
    assert read_photo(write(tmp_path / f"A{suffix.upper()}", data)).color.mean() > 0.1


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\x0a\xfa", "a JPEG XL picture"), (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", "a JPEG XL picture"),
        (b"#?RADIANCE\n", "a Radiance HDR picture"), (b"%PDF-1.7", "a PDF document"),
        (b"gimp xcf v011", "a GIMP document"),
        (b"\n<!doctype HTML><html>", "a web page"), (b"\xef\xbb\xbf<svg xmlns=", "an SVG drawing"),
        (b"\0\0\0\x14ftypqt  ", "a video"), (b"\0\0\0\x20ftypisom", "a video"), (b"PK\x03\x04", "an archive"),
    ],
)  # fmt: skip
def test_other_kinds_are_named_with_a_way_out(tmp_path, start, kind):
    error = error_of(write(tmp_path / "a.jpg", start + bytes(300)))
    assert kind in error.text and error.hint
