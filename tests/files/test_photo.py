"""Picture files of every supported kind, written by the tests and read back."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from cinema_core.files.exr import encode_channels
from cinema_core.files.photo import read_photo, write_png
from cinema_core.shared.errors import CinemaError

EXACT = 1e-7


@pytest.fixture
def pixels(landscape_pixels: np.ndarray) -> np.ndarray:
    return landscape_pixels[:120, :160]


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def error_of(path: Path, **options) -> str:
    with pytest.raises(CinemaError) as caught:
        read_photo(path, **options)
    assert caught.value.hint
    return caught.value.text


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_lossless_8_bit_colours_are_exact(tmp_path, pixels, suffix):
    photo = read_photo(save(tmp_path / f"photo.{suffix}", pixels))
    assert photo.color.dtype == np.float32
    np.testing.assert_array_equal(photo.color, pixels.astype(np.float32) / np.float32(255))
    assert photo.alpha is None and photo.name == f"photo.{suffix}"


def test_lossless_webp_is_exact(tmp_path, pixels):
    photo = read_photo(save(tmp_path / "photo.webp", pixels, lossless=True))
    np.testing.assert_array_equal(np.round(photo.color * 255), pixels)


def test_jpeg_is_near(tmp_path, pixels):
    smooth = cv2.GaussianBlur(pixels, (0, 0), 3)
    photo = read_photo(save(tmp_path / "photo.JPG", smooth, quality=97))
    assert np.abs(photo.color * 255 - smooth).mean() < 2


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_keeps_its_steps(tmp_path, suffix, channels):
    ramp = np.linspace(0, 65535, 64 * 64 * channels).astype(np.uint16).reshape(64, 64, channels)
    path = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(path), ramp if channels == 1 else ramp[..., [2, 1, 0, 3][:channels]])
    photo = read_photo(path)
    expected = ramp[..., :3] if channels > 1 else np.repeat(ramp, 3, -1)
    np.testing.assert_allclose(photo.color, expected / 65535, atol=EXACT)
    if channels == 4:
        np.testing.assert_allclose(photo.alpha, ramp[..., 3] / 65535, atol=EXACT)


def test_grey(tmp_path, pixels):
    photo = read_photo(save(tmp_path / "grey.png", pixels[..., 0]))
    np.testing.assert_allclose(photo.color, np.repeat(pixels[..., :1], 3, -1) / 255, atol=EXACT)


def test_black_and_white(tmp_path, pixels):
    photo = read_photo(save(tmp_path / "bilevel.png", pixels[..., 0] > 128))
    np.testing.assert_array_equal(photo.color[..., 1], pixels[..., 0] > 128)


@pytest.mark.parametrize("grey", [True, False])
def test_alpha_is_returned_and_colour_kept(tmp_path, pixels, grey):
    alpha = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8)[None].repeat(len(pixels), 0)
    color = pixels[..., :1] if grey else pixels
    photo = read_photo(save(tmp_path / "alpha.png", np.dstack([color, alpha])))
    np.testing.assert_allclose(photo.alpha, alpha / 255, atol=EXACT)
    np.testing.assert_allclose(photo.color, np.broadcast_to(color, pixels.shape) / 255, atol=EXACT)


def test_hidden_colours_do_not_bleed_when_scaled_down(tmp_path):
    image = np.zeros((64, 64, 4), np.uint8)
    image[:, 33:] = (200, 100, 50, 255)
    photo = read_photo(save(tmp_path / "cut.png", image), max_side=32)
    np.testing.assert_allclose(photo.color[:, 16], np.tile(np.array((200, 100, 50)) / 255, (32, 1)), atol=1e-4)
    np.testing.assert_allclose(photo.alpha[:, 16], 0.5, atol=1e-4)


def test_palette(tmp_path, pixels):
    palette = Image.fromarray(pixels).quantize(64)
    palette.save(tmp_path / "palette.png")
    photo = read_photo(tmp_path / "palette.png")
    np.testing.assert_array_equal(np.round(photo.color * 255), np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "transparent.png", transparency=0)
    assert set(np.unique(read_photo(tmp_path / "transparent.png").alpha)) == {0.0, 1.0}


def test_one_colour_is_transparent(tmp_path):
    image = np.full((32, 32, 3), 200, np.uint8)
    image[:, :16] = (255, 0, 255)
    photo = read_photo(save(tmp_path / "key.png", image, transparency=(255, 0, 255)))
    np.testing.assert_array_equal(photo.alpha[5], [0.0] * 16 + [1.0] * 16)


def test_cmyk_jpeg(tmp_path):
    cmyk = np.zeros((64, 64, 4), np.uint8)
    cmyk[:, :32] = (0, 255, 255, 0)  # red
    cmyk[:, 32:] = (0, 0, 0, 255)  # black
    Image.fromarray(cmyk, "CMYK").save(tmp_path / "print.jpg", quality=95)
    photo = read_photo(tmp_path / "print.jpg")
    assert photo.color[32, 8, 0] > 0.85 and photo.color[32, 8, 1:].max() < 0.25
    assert photo.color[32, 56].max() < 0.2


def test_display_p3_becomes_srgb(tmp_path, pixels):
    # In this profile red and blue are swapped, so that the result shows whether it was applied.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for old, new in ((b"rXYZ", b"tmp1"), (b"bXYZ", b"rXYZ"), (b"tmp1", b"bXYZ")):
        profile[:] = bytes(profile).replace(old, new, 1)
    profile[:] = bytes(profile).replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
    photo = read_photo(save(tmp_path / "wide.png", pixels, icc_profile=bytes(profile)))
    assert np.abs(photo.color[..., ::-1] - pixels / 255).mean() < 0.02
    exact = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read_photo(save(tmp_path / "srgb.png", pixels, icc_profile=exact))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)


UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: np.rot90(image, 2),
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),  # the camera was held on its left side: turn clockwise
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, pixels, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    blurred = cv2.GaussianBlur(pixels, (0, 0), 2)
    path = save(tmp_path / f"turned.{suffix}", blurred, exif=exif, quality=97)
    expected = UPRIGHT[orientation](blurred) / 255
    photo = read_photo(path)
    np.testing.assert_allclose(photo.color, expected, atol=0.03)
    assert photo.file_size == expected.shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bit_tiff(tmp_path, pixels, orientation):
    deep = pixels[..., 0].astype(np.uint16) * 257
    path = save(tmp_path / "turned.tiff", deep, tiffinfo={0x0112: orientation})
    expected = UPRIGHT[orientation](pixels[..., 0]) / 255
    np.testing.assert_allclose(read_photo(path).color[..., 0], expected, atol=EXACT)


@pytest.mark.parametrize(("value", "known", "factor"), [(28, True, 28 / 36), (0, False, 1), (60000, False, 1)])
def test_focal_length_from_exif(tmp_path, pixels, value, known, factor):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = value
    for image in (pixels, pixels.swapaxes(0, 1)):
        photo = read_photo(save(tmp_path / "lens.jpg", image, exif=exif), max_side=80)
        assert photo.exif_focal is known
        assert photo.focal == pytest.approx(80 * factor)


def test_focal_length_without_exif_and_given(tmp_path, pixels):
    path = save(tmp_path / "photo.png", pixels)
    assert read_photo(path).focal == 160 and not read_photo(path).exif_focal
    assert read_photo(path, focal=123.5).focal == 123.5


def test_scaled_down_by_area(tmp_path, pixels):
    photo = read_photo(save(tmp_path / "photo.png", pixels), max_side=40)
    expected = pixels.reshape(30, 4, 40, 4, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(photo.color, expected, atol=1e-5)


def test_sides_are_even_and_odd_rows_are_dropped(tmp_path, pixels):
    photo = read_photo(save(tmp_path / "odd.png", pixels[:101, :63]))
    np.testing.assert_allclose(photo.color, pixels[:100, :62] / 255, atol=EXACT)


def test_small_photo_is_not_enlarged(tmp_path, pixels):
    assert read_photo(save(tmp_path / "small.png", pixels[:16, :16])).color.shape == (16, 16, 3)


_READ_AND_MEASURE = """
import sys
from pathlib import Path
from cinema_core.pipeline.timing import peak_memory
from cinema_core.files.photo import read_photo
photo = read_photo(Path(sys.argv[1]))
print(photo.width, photo.height, photo.color.mean(), peak_memory() * 1e9)
"""


def test_100_megapixels_stay_within_memory(tmp_path):
    path = tmp_path / "huge.jpg"
    Image.new("RGB", (11600, 8700), (51, 102, 153)).save(path)
    done = subprocess.run([sys.executable, "-c", _READ_AND_MEASURE, path], check=True, capture_output=True, text=True)
    width, height, mean, peak = map(float, done.stdout.split())
    assert (width, height) == (1920, 1440)
    assert mean == pytest.approx(0.4, abs=0.01)
    assert peak < 1.5e9


def test_missing_file(tmp_path):
    assert "does not exist" in error_of(tmp_path / "none.jpg")


def test_folder(tmp_path):
    assert "is a folder" in error_of(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "empty.png").touch()
    assert "is empty" in error_of(tmp_path / "empty.png")


def test_text_with_a_picture_name(tmp_path):
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam")
    assert "not a picture" in error_of(tmp_path / "letter.jpg")


@pytest.mark.parametrize(
    ("suffix", "deep"),
    [("jpg", False), ("png", False), ("webp", False), ("bmp", False), ("tiff", False), ("png", True), ("tiff", True)],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_file(tmp_path, pixels, suffix, deep, share):
    image = pixels.astype(np.uint16) * 257 if deep else pixels
    data = cv2.imencode(f".{suffix}", image)[1].tobytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    text = error_of(path)
    assert "damaged or incomplete" in text or "not a picture" in text


@pytest.mark.parametrize("deep", [False, True])
def test_flipped_bit_in_a_png(tmp_path, pixels, deep):
    image = pixels.astype(np.uint16) * 257 if deep else pixels
    data = bytearray(cv2.imencode(".png", image)[1].tobytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "flipped.png").write_bytes(data)
    assert "damaged" in error_of(tmp_path / "flipped.png")


def linear(pixels: np.ndarray) -> np.ndarray:
    """Linear light of 8-bit sRGB."""
    values = pixels.astype(np.float32) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


@pytest.mark.parametrize("suffix", [".tiff", ".exr"])
@pytest.mark.parametrize("grey", [False, True])
def test_floats_are_linear_light(tmp_path, pixels, suffix, grey):
    pixels = pixels[..., :1].repeat(3, -1) if grey else pixels
    light = linear(pixels)
    light[0, 0], light[0, 1], light[0, 2] = 9, np.nan, -1
    stored = light[..., 0] if grey else light[..., ::-1]
    options = (
        [cv2.IMWRITE_TIFF_COMPRESSION, 1] if suffix == ".tiff" else []
    )  # otherwise OpenCV rounds colours to LogLuv
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), stored, options)
    photo = read_photo(tmp_path / f"a{suffix}")
    assert photo.linear and np.abs(photo.color - pixels / 255)[1:].max() < 1e-4
    assert photo.color[0, 0].tolist() == [1, 1, 1] and not photo.color[0, 1:3].any()
    assert not read_photo(save(tmp_path / "a.png", pixels)).linear


def test_an_exr_of_distances_is_no_photo(tmp_path):
    (tmp_path / "z.exr").write_bytes(encode_channels({"Z": np.ones((32, 32), np.float32)}))
    assert "only Z" in error_of(tmp_path / "z.exr")


def test_the_combined_picture_of_a_layered_exr(tmp_path, pixels):
    light = linear(pixels)
    alpha = np.full(pixels.shape[:2], 0.5, np.float32)
    layers = {f"Scene.Combined.{name}": light[..., number] * 0.5 for number, name in enumerate("RGB")}
    (tmp_path / "a.exr").write_bytes(encode_channels(layers | {"Scene.Combined.A": alpha, "Scene.Normal.X": alpha}))
    photo = read_photo(tmp_path / "a.exr")
    assert np.abs(photo.color - pixels / 255).max() < 1e-4 and np.abs(photo.alpha - 0.5).max() < 1e-4


@pytest.mark.parametrize("length", [4, 60, 300, -500])
def test_a_damaged_exr(tmp_path, pixels, length):
    data = encode_channels({name: linear(pixels)[..., 0] for name in "RGB"})
    (tmp_path / "a.exr").write_bytes(data[:length])
    assert "damaged" in error_of(tmp_path / "a.exr")


def test_too_many_pixels(tmp_path):
    Image.new("1", (20000, 10000)).save(tmp_path / "poster.png")
    assert "more than 179 megapixels" in error_of(tmp_path / "poster.png")


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (4000, 20)])
def test_too_small(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "dot.png")
    assert "pixels at the working size" in error_of(tmp_path / "dot.png")


def test_any_file_name(tmp_path, pixels):
    path = save(tmp_path / "Fjällräven 滝 🌊 100%.png", pixels)
    assert read_photo(path).name == path.name


def test_written_png_comes_back(tmp_path, pixels):
    path = tmp_path / "滝.png"
    write_png(path, pixels.astype(np.float32) / 255)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels)
    write_png(path, pixels[..., 0])
    np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels[..., 0])
    rgba = np.dstack([pixels, pixels[..., 0]])
    write_png(path, rgba)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(path.read_bytes()))), rgba)
