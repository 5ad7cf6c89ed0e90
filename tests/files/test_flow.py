"""Motion fields in files: written and read back, scaled, and files that cannot be used."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinema_core.files.exr import encode_channels
from cinema_core.files.flow import read_flow, write_flow
from cinema_core.shared.errors import CinemaError

SIZE = (32, 20)
FORMS = (".flo", ".npy", ".exr")


@pytest.fixture
def flow() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, (20, 32, 2)).astype(np.float32)


@pytest.mark.parametrize("form", FORMS)
def test_a_written_flow_is_read_back_exactly(tmp_path, flow, form):
    write_flow(tmp_path / f"motion{form}", flow)
    read = read_flow(tmp_path / f"motion{form}", SIZE)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, flow)
    assert [file.name for file in tmp_path.iterdir()] == [f"motion{form}"]


@pytest.mark.parametrize("form", FORMS)
def test_odd_sizes(tmp_path, form):
    flow = np.random.default_rng(0).normal(size=(7, 13, 2)).astype(np.float32)
    write_flow(tmp_path / f"motion{form}", flow)
    np.testing.assert_array_equal(read_flow(tmp_path / f"motion{form}", (13, 7)), flow)


def test_flo_is_laid_out_as_middleburys(tmp_path, flow):
    write_flow(tmp_path / "motion.flo", flow)
    data = (tmp_path / "motion.flo").read_bytes()
    assert data[:4] == b"PIEH" and struct.unpack("<ii", data[4:12]) == SIZE and len(data) == 12 + 20 * 32 * 8
    assert struct.unpack("<ff", data[12 + 8 * (3 * 32 + 5) :][:8]) == tuple(flow[3, 5])


def test_in_an_exr_red_is_x_and_green_is_y(tmp_path, flow):
    write_flow(tmp_path / "motion.exr", flow)
    blue, green, red = np.moveaxis(cv2.imread(str(tmp_path / "motion.exr"), cv2.IMREAD_UNCHANGED), -1, 0)
    np.testing.assert_array_equal(red, flow[..., 0])
    np.testing.assert_array_equal(green, flow[..., 1])
    assert not blue.any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("factor", [0.5, 2])
def test_another_size_of_the_same_aspect_is_scaled_and_its_vectors_too(tmp_path, form, factor):
    row, column = np.mgrid[:20, :32].astype(np.float32)
    write_flow(tmp_path / f"motion{form}", np.stack([column / 16, -row / 10], -1))
    width, height = (round(side * factor) for side in SIZE)
    read = read_flow(tmp_path / f"motion{form}", (width, height))
    assert read.shape == (height, width, 2)
    x = (np.arange(width) + 0.5) / factor - 0.5
    y = (np.arange(height) + 0.5) / factor - 0.5
    np.testing.assert_allclose(read[height // 2, 2:-2, 0], (x / 16 * factor)[2:-2], atol=1e-4)
    np.testing.assert_allclose(read[2:-2, width // 2, 1], (-y / 10 * factor)[2:-2], atol=1e-4)


def test_unknown_in_a_flo_is_still(tmp_path, flow):
    flow[3, 4] = 1.7e9
    write_flow(tmp_path / "motion.flo", flow)
    read = read_flow(tmp_path / "motion.flo", SIZE)
    assert not read[3, 4].any() and read[3, 5].all()


def test_doubles_and_whole_numbers_are_read_too(tmp_path):
    for kind in (np.float64, np.int16, np.float16):
        np.save(tmp_path / "motion.npy", np.full((20, 32, 2), 3, kind))
        read = read_flow(tmp_path / "motion.npy", SIZE)
        assert read.dtype == np.float32 and (read == 3).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(tmp_path, flow, form, value):
    flow[0, 1, 1] = value
    write_flow(tmp_path / f"motion{form}", flow)
    with pytest.raises(CinemaError, match="beyond all measure, at 1 of 640 pixels"):
        read_flow(tmp_path / f"motion{form}", SIZE)


@pytest.mark.parametrize("form", FORMS)
def test_another_aspect(tmp_path, flow, form):
    write_flow(tmp_path / f"motion{form}", flow)
    with pytest.raises(CinemaError, match=r"is 32 x 20, which is not the photo's shape \(20 x 32\)"):
        read_flow(tmp_path / f"motion{form}", (20, 32))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", [0, 3, 11, 100, 0.5, 0.9])
def test_a_truncated_file(tmp_path, flow, form, kept):
    path = tmp_path / f"motion{form}"
    write_flow(path, flow)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else kept])
    with pytest.raises(CinemaError) as caught:
        read_flow(path, SIZE)
    assert path.name in caught.value.text and caught.value.hint


def bad_files(folder: Path) -> dict[str, bytes]:
    np.save(folder / "good.npy", np.zeros((20, 32, 2), np.float32))
    np.save(folder / "objects.npy", np.array([{}], object))
    np.save(folder / "grey.npy", np.zeros((20, 32), np.float32))
    np.save(folder / "complex.npy", np.zeros((20, 32, 2), complex))
    np.save(folder / "empty.npy", np.zeros((0, 32, 2)))
    grey = cv2.imencode(".exr", np.zeros((20, 32), np.float32))[1].tobytes()
    return {
        "magic.flo": b"PIEX" + struct.pack("<ii", 2, 2) + bytes(32),
        "huge.flo": b"PIEH" + struct.pack("<ii", 2**30, 2**30),
        "negative.flo": b"PIEH" + struct.pack("<ii", -2, -2) + bytes(32),
        "words.npy": b"these are words",
        "words.exr": b"these are words",
        "words.exr.txt": b"",
        "one.exr": grey,
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("magic.flo", "not a .flo file"),
        ("huge.flo", "not possible"),
        ("negative.flo", "not possible"),
        ("words.npy", "not a readable .npy"),
        ("objects.npy", "not a readable .npy"),
        ("grey.npy", "20 x 32, not height x width x 2"),
        ("complex.npy", "not height x width x 2"),
        ("empty.npy", "is empty"),
        ("words.exr", "not a readable OpenEXR"),
        ("one.exr", "lacks the channels R and G of a motion field and .*; it has .Y."),
        ("words.exr.txt", "not a motion field"),
        ("none.flo", "There is no motion field"),
    ],
)
def test_files_that_make_no_sense(tmp_path, name, text):
    for other, data in bad_files(tmp_path).items():
        (tmp_path / other).write_bytes(data)
    with pytest.raises(CinemaError, match=text) as caught:
        read_flow(tmp_path / name, SIZE)
    assert caught.value.hint


def test_no_other_form_is_written(tmp_path, flow):
    with pytest.raises(CinemaError, match="cannot be written as .png"):
        write_flow(tmp_path / "motion.png", flow)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("still_before", [False, True])
def test_blenders_vector_pass(tmp_path, still_before):
    """A plane that moved 3 px right and 1 up since the last frame, and goes on 5 right and 2 up, as of Blender."""
    back = (0, 0) if still_before else (-3, -1)
    values = dict(zip("XYZW", (*back, -5, -2)))
    channels = {f"ViewLayer.Vector.{name}": np.full((20, 32), value, np.float32) for name, value in values.items()}
    channels |= {f"ViewLayer.Combined.{name}": np.ones((20, 32), np.float32) for name in "RGBA"}
    (tmp_path / "a.exr").write_bytes(encode_channels(channels))
    warnings = []
    flow = read_flow(tmp_path / "a.exr", SIZE, warnings.append)
    assert (flow == ((5, -2) if still_before else (3, -1))).all()
    assert len(warnings) == 1 and "ViewLayer.Vector" in warnings[0]


def test_sides_that_a_network_rounded(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((364, 504, 2), np.float32))
    warnings = []
    flow = read_flow(tmp_path / "a.npy", (640, 480), warnings.append)
    np.testing.assert_allclose(flow[9, 9], (640 / 504, 480 / 364), rtol=1e-5)
    assert len(warnings) == 1 and "504 x 364" in warnings[0]


def test_an_array_with_a_damaged_header(tmp_path, flow):
    np.save(tmp_path / "a.npy", flow)
    data = (tmp_path / "a.npy").read_bytes()
    for header in (data.replace(b"}", b"("), data.replace(b"{", b"\\"), data.replace(b"'descr'", b"'des\xffr'")):
        (tmp_path / "a.npy").write_bytes(header)
        with pytest.raises(CinemaError, match="not a readable .npy array"):
            read_flow(tmp_path / "a.npy", SIZE)


@pytest.mark.parametrize("value", [1e300, 3e38, np.inf])
def test_motion_beyond_all_measure(tmp_path, flow, value):
    flow = flow.astype(np.float64)
    flow[2, 3] = value
    np.save(tmp_path / "a.npy", flow)
    for size in (SIZE, (64, 40)):
        with pytest.raises(CinemaError, match="beyond all measure, at 1 of 640 pixels"):
            read_flow(tmp_path / "a.npy", size)


def test_names_of_channels_are_quoted_on_one_line(tmp_path):
    name = "Layer\x1b[31m\nVector.Q" + 40 * "x"
    (tmp_path / "a.exr").write_bytes(encode_channels({name: np.zeros((20, 32), np.float32)}))
    with pytest.raises(CinemaError) as caught:
        read_flow(tmp_path / "a.exr", SIZE)
    assert caught.value.text.isprintable() and len(caught.value.text) < 200


def test_a_display_window_of_another_shape_is_not_filled(tmp_path, flow):
    write_flow(tmp_path / "a.exr", flow)
    data = (tmp_path / "a.exr").read_bytes()
    place = data.index(b"displayWindow") + len(b"displayWindow\0box2i\0") + 4
    window = struct.pack("<4i", 0, 0, 10**7, 19)
    (tmp_path / "a.exr").write_bytes(data[:place] + window + data[place + 16 :])
    tracemalloc.start()
    with pytest.raises(CinemaError, match="is 10000001 x 20, which is not the photo's shape"):
        read_flow(tmp_path / "a.exr", SIZE)
    assert tracemalloc.get_traced_memory()[1] < 50e6  # filled, it has 1.6 GB
    tracemalloc.stop()
