"""Photos whose data are damaged in the middle: told, or refused in one sentence, never silent; and quickly."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
import tifffile
from pictures import landscape
from PIL import Image

from cinema_core.files.photo import read_photo
from cinema_core.files.photo_decoder import DAMAGED
from cinema_core.shared.errors import CinemaError

CHANGED = 0.1  # difference of sRGB that is seen


@pytest.fixture
def pixels() -> np.ndarray:
    return landscape(320, 200)


def encoded(pixels: np.ndarray, form: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def damaged(data: bytes, how: str, seed: int) -> bytes:
    """The file without a twentieth of it, somewhere in the middle half."""
    rng = random.Random(seed)
    length = len(data) // 20
    place = rng.randrange(len(data) // 4, 3 * len(data) // 4 - length)
    part = {"zeros": bytes(length), "noise": rng.randbytes(length), "missing": b""}[how]
    return data[:place] + part + data[place + length :]


@pytest.mark.parametrize("how", ["zeros", "noise", "missing"])
@pytest.mark.parametrize("options", [{"quality": 90}, {"restart_marker_rows": 1}, {"optimize": True, "quality": 60}])
def test_a_jpeg_without_its_middle(tmp_path, pixels, how, options, capfd):
    data = encoded(pixels, "JPEG", **options)
    file = tmp_path / "a.jpg"
    file.write_bytes(data)
    intact = read_photo(file)
    assert not intact.warnings
    told = silent = 0
    for seed in range(12):
        file.write_bytes(damaged(data, how, seed))
        try:
            photo = read_photo(file)
        except CinemaError as error:
            assert "damaged or incomplete" in error.text
            continue
        wrong = (np.abs(photo.color - intact.color).max(-1) > CHANGED).mean()
        told += photo.warnings == (DAMAGED,)
        silent += not photo.warnings and wrong > 0.002
    assert told or how == "noise"
    assert silent <= (how == "noise")  # noise may decode to just as many blocks (3 of 900), which no decoder notices
    assert capfd.readouterr() == ("", "")  # the decoder's own remarks do not reach the terminal


def test_zeros_in_the_data_of_a_plain_picture_are_no_damage(tmp_path):
    """In a file of its own Huffman tables, as of a scan, a white page may be nothing but zeros."""
    page = np.full((800, 800, 3), 255, np.uint8)
    page[:8, :400:2] = 0
    for options in ({}, {"optimize": True}, {"progressive": True}, {"quality": 30, "optimize": True}):
        (tmp_path / "a.jpg").write_bytes(encoded(page, "JPEG", **options))
        assert not read_photo(tmp_path / "a.jpg").warnings


@pytest.mark.parametrize("how", ["zeros", "noise", "missing"])
@pytest.mark.parametrize("compression", ["deflate", "lzw"])
def test_a_tiff_without_its_middle(tmp_path, pixels, how, compression):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", compression=compression)
    for seed in range(12):
        (tmp_path / "a.tif").write_bytes(damaged(file.getvalue(), how, seed))
        try:
            assert read_photo(tmp_path / "a.tif").warnings == (DAMAGED,)
        except CinemaError as error:
            assert "damaged or incomplete" in error.text


@pytest.mark.parametrize("compression", ["webp", "zstd", "jpeg"])
def test_compressions_of_tiff(tmp_path, pixels, compression):
    options = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression=compression, **options)
    photo = read_photo(tmp_path / "a.tif")
    assert not photo.warnings and np.abs(photo.color - pixels / 255).mean() < (0.02 if compression == "jpeg" else 1e-6)


@pytest.mark.parametrize("value", [(320, 200), 2**31 - 1])
def test_a_tiff_that_states_an_impossible_width(tmp_path, pixels, value):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="deflate")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(value, dtype="I")
    with pytest.raises(CinemaError, match="damaged|more than 179 megapixels|too large|not a picture"):
        read_photo(tmp_path / "a.tif")


def test_a_profile_of_an_unknown_space(tmp_path, pixels):
    from PIL import ImageCms

    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    icc[16:20] = b"R\xffB\xff"
    (tmp_path / "a.jpg").write_bytes(encoded(pixels, "JPEG", icc_profile=bytes(icc)))
    photo = read_photo(tmp_path / "a.jpg")
    assert len(photo.warnings) == 1 and "profile" in photo.warnings[0]
