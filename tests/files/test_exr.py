"""OpenEXR files of every compression, in tiles and in parts; and damaged ones, which must not end the process."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest

from cinema_core.files import exr
from cinema_core.files.depth_map import read_map, write_depth
from cinema_core.files.flow import read_flow
from cinema_core.files.photo import read_photo
from cinema_core.shared.errors import CinemaError

HEIGHT, WIDTH = 53, 77
LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ")
LOSSY = ("PXR24", "B44", "B44A", "DWAA", "DWAB")


def ramp() -> np.ndarray:
    """(H, W) float32: smooth, so that lossy compression changes it little."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return 0.2 + 0.005 * x + 0.003 * y


def encode(channels: dict[str, np.ndarray], compression: str = "ZIP", tiled: bool = False, **header: object) -> bytes:
    attributes = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage} | header
    if tiled:
        tile = OpenEXR.TileDescription()
        tile.xSize = tile.ySize = 16
        attributes |= {"type": OpenEXR.tiledimage, "tiles": tile}
    file = io.BytesIO()
    OpenEXR.File(attributes, dict(channels)).write(file)
    return file.getvalue()


def encode_parts(*parts: tuple[str, dict[str, np.ndarray]]) -> bytes:
    file = io.BytesIO()
    OpenEXR.File([OpenEXR.Part({}, dict(channels), name) for name, channels in parts]).write(file)
    return file.getvalue()


def decode(data: bytes) -> dict[str, np.ndarray]:
    channels = exr.list_channels(data)
    return dict(zip(channels, exr.read_channels(data, list(channels.values())), strict=True))


def mixed() -> dict[str, np.ndarray]:
    return {
        "R": ramp(),
        "Layer.Z": ramp() * 7,
        "half": ramp().astype(np.float16),
        "id": (ramp() * 1000).astype(np.uint32),
    }


@pytest.mark.parametrize("compression", LOSSLESS)
@pytest.mark.parametrize("tiled", [False, True])
def test_floats_halves_and_integers_are_read_exactly(compression, tiled):
    found = decode(encode(mixed(), compression, tiled))
    assert found.keys() == mixed().keys()
    for name, values in mixed().items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("compression", LOSSY)
def test_lossy_compressions_are_read(compression):
    values = {name: ramp().astype(np.float16) for name in "RGB"}
    for name, found in decode(encode(values, compression)).items():
        np.testing.assert_allclose(found, values[name], atol=0.01)


@pytest.mark.parametrize("compression", [*LOSSLESS, *LOSSY])
def test_photos_and_depth_maps_of_every_compression(tmp_path, compression):
    path = tmp_path / "a.exr"
    path.write_bytes(encode({name: ramp() for name in "RGB"} | {"View.Depth.Z": ramp() * 9}, compression))
    depth = read_map(path)
    assert depth.kind == "metric" and depth.part == "View.Depth.Z"
    np.testing.assert_allclose(depth.values, ramp() * 9, rtol=0.02)
    photo = read_photo(path)
    assert photo.linear and photo.color.shape == (HEIGHT - 1, WIDTH - 1, 3)


def test_a_data_window_away_from_the_origin():
    window = (np.array([-5, -7], np.int32), np.array([WIDTH - 6, HEIGHT - 8], np.int32))
    np.testing.assert_array_equal(decode(encode({"Z": ramp()}, dataWindow=window))["Z"], ramp())


def window(left: int, top: int, right: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


def part_of(left: int, top: int, right: int, bottom: int) -> dict:
    """Arguments of `encode` for a part of a picture, corners included, that keeps its place in it."""
    return {"dataWindow": window(left, top, right, bottom), "displayWindow": window(0, 0, WIDTH - 1, HEIGHT - 1)}


def test_a_part_of_a_picture_keeps_its_place(tmp_path):
    inner = np.s_[4:40, 9:70]
    header, part = part_of(9, 4, 69, 39), np.ascontiguousarray(ramp()[inner])  # the library writes the whole buffer
    (tmp_path / "a.exr").write_bytes(encode({"Z": part}, **header))
    found = read_map(tmp_path / "a.exr")
    np.testing.assert_array_equal(found.values[inner], ramp()[inner])
    assert found.values.shape == (HEIGHT, WIDTH) and np.isfinite(found.values).sum() == ramp()[inner].size
    (tmp_path / "b.exr").write_bytes(encode(dict.fromkeys("RG", part), **header))
    flow = read_flow(tmp_path / "b.exr", (WIDTH, HEIGHT))
    np.testing.assert_array_equal(flow[inner][..., 0], ramp()[inner])
    assert np.count_nonzero(flow) == 2 * ramp()[inner].size
    (tmp_path / "c.exr").write_bytes(encode(dict.fromkeys("RGB", part), **header))
    photo = read_photo(tmp_path / "c.exr")
    assert photo.color.shape == (HEIGHT - 1, WIDTH - 1, 3) and photo.alpha[20, 30] == 1 and not photo.alpha[1].any()
    assert photo.color[20, 30, 0] > 0.4 and not photo.color[1].any()


def test_pixels_beyond_the_picture_are_left_out(tmp_path):
    beyond = np.pad(ramp(), 3, constant_values=99)
    (tmp_path / "a.exr").write_bytes(encode({"Z": beyond}, **part_of(-3, -3, WIDTH + 2, HEIGHT + 2)))
    np.testing.assert_array_equal(read_map(tmp_path / "a.exr").values, ramp())


def test_pixels_that_miss_the_picture_are_an_error(tmp_path):
    (tmp_path / "a.exr").write_bytes(encode({"Z": ramp()}, **part_of(500, 0, 499 + WIDTH, HEIGHT - 1)))
    with pytest.raises(CinemaError, match="lie outside"):
        read_map(tmp_path / "a.exr")


def test_lines_from_the_bottom_up():
    np.testing.assert_array_equal(decode(encode({"Z": ramp()}, lineOrder=OpenEXR.DECREASING_Y))["Z"], ramp())


def test_parts_are_searched_and_the_first_of_a_name_is_read():
    data = encode_parts(("a", {"Z": ramp()}), ("b", {"Z": ramp() * 2, "V": ramp() * 3}))
    found = decode(data)
    np.testing.assert_array_equal(found["Z"], ramp())
    np.testing.assert_array_equal(found["V"], ramp() * 3)


def test_a_damaged_part_does_not_affect_the_others():
    data = bytearray(encode_parts(*((name, {name: ramp()}) for name in "abc")))
    middle = len(data) // 2
    data[middle - 3000 : middle + 3000] = bytes(6000)
    channels = exr.list_channels(bytes(data))
    np.testing.assert_array_equal(exr.read_channels(bytes(data), [channels["a"], channels["c"]])[1], ramp())
    with pytest.raises(ValueError, match="damaged"):
        exr.read_channels(bytes(data), [channels["b"]])


def write_chroma(path: Path) -> None:
    """Luminance, and one sample of chroma for four pixels, without compression, as of the format's description."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    width = height = 32
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iIii", 2, 0, step, step)
        for name, step in (("BY", 2), ("RY", 2), ("Y", 1))
    )
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = exr.MAGIC + struct.pack("<i", 2) + attribute("channels", "chlist", listed + b"\0")
    header += attribute("compression", "compression", b"\0") + attribute("dataWindow", "box2i", window)
    header += attribute("displayWindow", "box2i", window) + attribute("lineOrder", "lineOrder", b"\0")
    header += attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    header += attribute("screenWindowCenter", "v2f", bytes(8))
    header += attribute("screenWindowWidth", "float", struct.pack("<f", 1)) + b"\0"
    rows = [bytes(0 if y % 2 else 8 * width // 2) + np.full(width, 0.5, "<f4").tobytes() for y in range(height)]
    chunks = [struct.pack("<ii", y, len(row)) + row for y, row in enumerate(rows)]
    starts = len(header) + 8 * height + np.cumsum([0, *map(len, chunks[:-1])])
    path.write_bytes(header + starts.astype("<u8").tobytes() + b"".join(chunks))


def test_subsampled_chroma(tmp_path):
    write_chroma(tmp_path / "a.exr")
    np.testing.assert_array_equal(read_map(tmp_path / "a.exr").values, np.full((32, 32), 0.5))
    with pytest.raises(CinemaError, match="luminance and chroma"):
        read_photo(tmp_path / "a.exr")
    channels = exr.list_channels((tmp_path / "a.exr").read_bytes())
    with pytest.raises(exr.UnsupportedError, match="several sizes"):
        exr.read_channels((tmp_path / "a.exr").read_bytes(), [channels["BY"]])


def test_opencv_reads_written_depth(tmp_path):
    write_depth(tmp_path / "a.exr", ramp())
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.exr"), cv2.IMREAD_UNCHANGED), ramp())


def test_a_header_of_an_impossible_size_is_refused_before_pixels_are_read(monkeypatch):
    monkeypatch.setattr(exr, "MOST_PIXELS", HEIGHT * WIDTH - 1)
    with pytest.raises(ValueError, match="77 x 53"):
        exr.list_channels(encode({"Z": ramp()}))
    monkeypatch.undo()
    monkeypatch.setattr(exr, "MOST_SAMPLES", HEIGHT * WIDTH * 4 - 1)
    with pytest.raises(exr.UnsupportedError, match="too large"):
        exr.list_channels(encode(mixed()))


_READ_DAMAGED = """
import sys
from pathlib import Path
from cinema_core.files.depth_map import read_map
from cinema_core.shared.errors import CinemaError
read = 0
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_map(path)
        read += 1
    except CinemaError as error:
        assert path.name in error.text and error.hint, error
print(read, "read without an error")
"""


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIP", "PIZ", "PXR24", "B44", "DWAA", "DWAB", "TILED"])
def test_damage_is_an_error_and_never_ends_the_process(tmp_path, compression):
    random = np.random.default_rng(0)
    data = encode({"R": ramp(), "Z": ramp()}, *(("ZIP", True) if compression == "TILED" else (compression,)))
    for number in range(40):
        damaged = bytearray(data)
        if number % 3 == 0:
            damaged = damaged[: int(random.integers(len(data)))]
        else:  # in the header and chunk table, or anywhere
            places = random.integers(len(data) if number % 3 == 1 else min(len(data), 700), size=5)
            damaged[int(places[0]) : int(places[0]) + 32] = random.bytes(32)
            for place in places[1:]:
                damaged[int(place)] ^= int(random.integers(1, 256))
        (tmp_path / f"{number:02}.exr").write_bytes(damaged)
    done = subprocess.run([sys.executable, "-c", _READ_DAMAGED, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("compression", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.99])
def test_truncated_files(tmp_path, compression, share):
    data = encode({"Z": ramp()}, compression)
    (tmp_path / "a.exr").write_bytes(data[: int(share * len(data))])
    with pytest.raises(CinemaError, match="a.exr is not a readable OpenEXR file"):
        read_map(tmp_path / "a.exr")


def test_deep_pixels_are_refused():
    with pytest.raises(exr.UnsupportedError, match="deep"):
        deep = np.empty((2, 2), dtype=object)
        for place in np.ndindex(2, 2):
            deep[place] = np.array([1.0, 2.0], np.float32)
        file = io.BytesIO()
        OpenEXR.File({"type": OpenEXR.deepscanline, "compression": OpenEXR.ZIPS_COMPRESSION}, {"Z": deep}).write(file)
        exr.list_channels(file.getvalue())


def test_a_display_window_that_is_nearly_all_empty(tmp_path):
    """It is damaged; filled, it would take gigabytes."""
    pixels = np.full((20, 32), 0.5, np.float32)
    for name, channels in (("a", "RGB"), ("b", "Z")):
        data = exr.encode_channels(dict.fromkeys(channels, pixels))
        place = data.index(b"displayWindow\0") + len(b"displayWindow\0box2i\0") + 4
        (tmp_path / f"{name}.exr").write_bytes(data[:place] + struct.pack("<4i", 0, 0, 9999, 9999) + data[place + 16 :])
    with pytest.raises(CinemaError, match="damaged"):
        read_photo(tmp_path / "a.exr")
    with pytest.raises(CinemaError, match="nearly all of its picture is missing"):
        read_map(tmp_path / "b.exr")
