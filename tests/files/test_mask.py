"""Masks of annotation tools and of networks: labels, orientation tags, rounded sides."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from cinema_core.files.mask import read_mask
from cinema_core.shared.errors import CinemaError

SIZE = (48, 32)
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 192, 128, 128]  # of PASCAL VOC, as labelme writes it


@pytest.fixture
def labels() -> np.ndarray:
    values = np.zeros((32, 48), np.uint8)
    values[10:20, 5:30], values[20:30, 8:40], values[1:4, 1:4] = 1, 2, 3
    return values


def read(path) -> tuple[np.ndarray, list[str]]:
    warnings: list[str] = []
    return read_mask(path, SIZE, warnings.append), warnings


def test_a_label_picture_moves_where_it_is_not_black(tmp_path, labels):
    image = Image.fromarray(labels).convert("P")
    image.putpalette(PALETTE)
    image.save(tmp_path / "a.png")
    image.convert("RGB").save(tmp_path / "b.png")
    Image.fromarray(labels).save(tmp_path / "c.png")  # numbers
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "d.png")
    for name in "abcd":
        mask, warnings = read(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(mask, labels > 0)
        assert len(warnings) == 1 and "labels" in warnings[0]


def test_masks_of_one_bit_and_grey_palettes_are_painted_masks(tmp_path, labels):
    Image.fromarray(labels > 0).save(tmp_path / "a.png")
    grey = Image.fromarray(labels).convert("P")
    grey.putpalette([0, 0, 0, 255, 255, 255, 102, 102, 102, 51, 51, 51])
    grey.save(tmp_path / "b.png")
    mask, warnings = read(tmp_path / "a.png")
    assert not warnings and np.array_equal(mask, labels > 0)
    mask, warnings = read(tmp_path / "b.png")
    assert not warnings and np.allclose(mask, np.choose(labels, (0, 1, 0.4, 0.2)))


def test_a_mask_is_turned_by_its_own_tag(tmp_path, labels):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.where(labels[::-1, ::-1], 255, 0).astype(np.uint8)).save(tmp_path / "a.png", exif=exif)
    mask, warnings = read(tmp_path / "a.png")
    assert not warnings and np.array_equal(mask, labels > 0)


def test_a_tag_that_contradicts_the_shape_is_left_out(tmp_path, labels):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.where(labels, 255, 0).astype(np.uint8)).save(tmp_path / "a.png", exif=exif)
    mask, warnings = read(tmp_path / "a.png")
    assert len(warnings) == 1 and "orientation tag" in warnings[0] and np.array_equal(mask, labels > 0)


def test_sides_that_a_network_rounded(tmp_path):
    Image.fromarray(np.full((364, 504), 255, np.uint8)).save(tmp_path / "a.png")
    warnings: list[str] = []
    assert read_mask(tmp_path / "a.png", (640, 480), warnings.append).shape == (480, 640)
    assert len(warnings) == 1 and "rounded" in warnings[0]
    with pytest.raises(CinemaError, match="not the photo's shape"):
        read_mask(tmp_path / "a.png", (640, 360))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("white", [1, 255])
def test_masks_as_arrays(tmp_path, labels, kind, white):
    if kind is bool and white > 1:
        return
    np.save(tmp_path / "a.npy", ((labels > 0) * white).astype(kind))
    mask, warnings = read(tmp_path / "a.npy")
    assert mask.dtype == np.float32 and np.array_equal(mask, labels > 0) and not warnings


def test_soft_masks_as_arrays(tmp_path, labels):
    soft = np.linspace(0, 1, labels.size).reshape(labels.shape)
    for name, values in (
        ("a", soft),
        ("b", soft[None, ..., None] * 255),
        ("c", np.rint(soft * 65535).astype(np.int32)),
    ):
        np.save(tmp_path / f"{name}.npy", values)
        mask, _ = read(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(mask, soft, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.ones((3, 32, 48)), "3 x 32 x 48, not height x width"),
        (np.ones(48), "is 48, not height x width"),
        (np.ones((48, 32)), "is 32 x 48, which is not the photo's shape"),
        (np.full((32, 48), -3.5), "holds values from -3.5 to -3.5"),
        (np.full((32, 48), np.nan), "holds values from nan to nan"),
        (np.zeros((32, 48)), "is black"),
        (np.full((32, 48), "a"), "not height x width"),
    ],
)
def test_arrays_that_are_no_masks(tmp_path, values, text):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(CinemaError) as caught:
        read(tmp_path / "a.npy")
    assert text in caught.value.text and caught.value.hint


@pytest.mark.parametrize("form", ["jpg", "tif", "png"])
def test_a_damaged_mask_is_told(tmp_path, labels, form, capfd):
    """OpenCV fills the missing parts of a JPEG with grey, and reads TIFF on after an error."""
    large = np.kron(np.where(labels, 255, 0), np.ones((8, 8))).astype(np.uint8)
    large[::3] //= 2
    Image.fromarray(large).save(tmp_path / f"a.{form}", **({"compression": "tiff_lzw"} if form == "tif" else {}))
    data = bytearray((tmp_path / f"a.{form}").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    (tmp_path / f"a.{form}").write_bytes(data)
    with pytest.raises(CinemaError, match="damaged or incomplete|not a readable image"):
        read(tmp_path / f"a.{form}")
    assert capfd.readouterr() == ("", "")


def test_a_chunk_that_a_png_states_but_does_not_have(tmp_path, labels):
    Image.fromarray(np.where(labels, 255, 0).astype(np.uint8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    place = data.index(b"IDAT") - 4
    data[place : place + 4] = (2**31 - 1).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    began = time.monotonic()
    with pytest.raises(CinemaError, match="damaged or incomplete"):
        read(tmp_path / "a.png")
    assert time.monotonic() - began < 1  # OpenCV alone clears 2 GB first
