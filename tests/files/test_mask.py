"""Masks of annotation tools and of networks: labels, orientation tags, rounded sides."""

from __future__ import annotations

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
