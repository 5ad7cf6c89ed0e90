"""Colour profiles, and colour spaces stated by numbers, are judged by their contents."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from cinema_core.files.color_profile import BROKEN, INKS
from cinema_core.files.encoding import HDR
from cinema_core.files.photo import read_photo
from cinema_core.shared.srgb import to_linear, to_srgb

EXACT, LEVEL = 1e-7, 1.01 / 255
SRGB = ((0.4360747, 0.2225045, 0.0139322), (0.3850649, 0.7168786, 0.0971045), (0.1430804, 0.0606169, 0.7141733))
P3 = ((0.515102, 0.241182, -0.001049), (0.291965, 0.692236, 0.041882), (0.157153, 0.066582, 0.784378))
WHITE = (0.9642, 1.0, 0.8249)  # D50


@pytest.fixture
def pixels(landscape_pixels: np.ndarray) -> np.ndarray:
    return landscape_pixels[:120, :160]


def fixed(values: tuple[float, ...]) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def profile(name: str, space: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """An ICC profile of version 2."""
    text = name.encode() + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79),
        b"wtpt": b"XYZ " + bytes(4) + fixed(WHITE),
        **tags,
    }
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        content += bytes(-len(content) % 4)
        table += tag + struct.pack(">II", place + len(body), len(content))
        body += content
    head = bytes(8) + b"\x02\x40\0\0" + kind + space + pcs + bytes(12) + b"acsp" + bytes(28) + fixed(WHITE)
    full = head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(full)) + full[4:]


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def table(values: np.ndarray) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *np.rint(values * 65535).astype(int))


def rgb_profile(name: str, primaries: tuple[tuple[float, ...], ...], shape: bytes) -> bytes:
    columns = {tag: b"XYZ " + bytes(4) + fixed(column) for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries)}
    return profile(name, b"RGB ", columns | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), shape))


SRGB_CURVE = table(to_linear(np.linspace(0, 1, 1024)))


def save(path: Path, pixels: np.ndarray, icc: bytes) -> Path:
    if path.suffix == ".tif":
        kind = "minisblack" if pixels.ndim == 2 else "rgb"
        tifffile.imwrite(path, pixels, photometric=kind, iccprofile=icc)
    else:
        Image.fromarray(pixels).save(path, icc_profile=icc)
    return path


@pytest.mark.parametrize("name", ["sRGB", "sRGB linear", "Linear Rec709", "x"])
@pytest.mark.parametrize("deep", [False, True])
def test_linear_light_by_any_name(tmp_path, pixels, name, deep):
    icc = rgb_profile(name, SRGB, curve(1))
    if deep:
        stored, expected = np.rint(to_linear(pixels / 255) * 65535).astype(np.uint16), pixels / 255
    else:
        stored, expected = pixels, to_srgb(pixels / 255)
    photo = read_photo(save(tmp_path / ("a.tif" if deep else "a.png"), stored, icc))
    np.testing.assert_allclose(photo.color, expected, atol=0.003)


@pytest.mark.parametrize("name", ["sRGB IEC61966-2.1", "c2", "Unnamed"])
def test_srgb_by_any_name_changes_nothing(tmp_path, pixels, name):
    photo = read_photo(save(tmp_path / "a.png", pixels, rgb_profile(name, SRGB, SRGB_CURVE)))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)


@pytest.mark.parametrize("name", ["Display P3", "sRGB"])
@pytest.mark.parametrize("deep", [False, True])
def test_wide_gamut_by_any_name(tmp_path, pixels, name, deep):
    light = to_linear(pixels / 255) @ np.array(P3) @ np.linalg.inv(np.array(SRGB))
    stored = pixels.astype(np.uint16) * 257 if deep else pixels
    photo = read_photo(save(tmp_path / ("a.tif" if deep else "a.png"), stored, rgb_profile(name, P3, SRGB_CURVE)))
    np.testing.assert_allclose(photo.color, to_srgb(light.clip(0, 1)), atol=LEVEL * (1 if deep else 2))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_grey_profiles(tmp_path, pixels, suffix, gamma):
    grey = pixels[..., 0] if suffix == ".png" else pixels[..., 0].astype(np.uint16) * 257
    photo = read_photo(save(tmp_path / f"a{suffix}", grey, profile("sRGB", b"GRAY", {b"kTRC": curve(gamma)})))
    expected = to_srgb((pixels[..., :1] / 255) ** gamma).repeat(3, -1)
    np.testing.assert_allclose(photo.color, expected, atol=LEVEL)
    assert not photo.warnings


def test_floats_follow_their_profile(tmp_path, pixels):
    values = (pixels / 255).astype(np.float32)
    encoded = read_photo(save(tmp_path / "a.tif", values, rgb_profile("sRGB", SRGB, SRGB_CURVE)))
    np.testing.assert_allclose(encoded.color, pixels / 255, atol=1e-5)
    assert not encoded.linear and not encoded.warnings
    light = read_photo(save(tmp_path / "b.tif", 2 * to_linear(values), rgb_profile("x", SRGB, curve(1))))
    np.testing.assert_allclose(light.color, to_srgb((2 * to_linear(values)).clip(0, 1)), atol=0.003)
    assert "brighter than white" in light.warnings[0]


LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
GREY = profile("g", b"GRAY", {b"kTRC": curve(1.0)})


@pytest.mark.parametrize("icc", [b"no profile" * 30, rgb_profile("x", SRGB, curve(1))[:150], LAB, GREY])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_profile_that_does_not_fit_is_ignored_with_a_warning(tmp_path, pixels, suffix, icc):
    stored = pixels if suffix == ".png" else pixels.astype(np.uint16) * 257
    photo = read_photo(save(tmp_path / f"a{suffix}", stored, icc))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=EXACT)
    assert photo.warnings == (BROKEN,)


def cmyk_profile() -> bytes:
    """Paper is white at no ink and black where black ink is full; the other inks are as grey as a third of it."""
    inks = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), -1).reshape(-1, 4)
    lightness = (1 - inks @ (0.3, 0.3, 0.3, 1)).clip(0, 1)
    lab = np.stack([np.rint(lightness * 0xFF00), *[np.full(16, 0x8000)] * 2], -1).astype(">u2").tobytes()
    straight = struct.pack(">HH", 0, 65535)
    lut = b"mft2" + bytes(4) + bytes((4, 3, 2, 0)) + fixed((1, 0, 0, 0, 1, 0, 0, 0, 1)) + struct.pack(">HH", 2, 2)
    return profile("inks", b"CMYK", {b"A2B0": lut + straight * 4 + lab + straight * 3}, b"Lab ", b"prtr")


@pytest.mark.parametrize("deep", [False, True])
def test_cmyk_follows_its_profile(tmp_path, deep):
    inks = np.zeros((32, 32, 4), np.uint8)
    inks[:, 16:, 0] = 255  # cyan of this printer is a grey of L* 70
    path = tmp_path / "a.tif"
    stored = inks.astype(np.uint16) * 257 if deep else inks
    tifffile.imwrite(path, stored, photometric="separated", iccprofile=cmyk_profile())
    photo = read_photo(path)
    np.testing.assert_allclose(photo.color[:, :16], 1, atol=0.01)
    np.testing.assert_allclose(photo.color[:, 16:], 0.6715, atol=0.01)
    assert not photo.warnings


def test_cmyk_with_a_broken_profile(tmp_path):
    Image.new("CMYK", (32, 32)).save(tmp_path / "a.jpg", icc_profile=b"none")
    assert read_photo(tmp_path / "a.jpg").warnings == (INKS,)


def png(path: Path, pixels: np.ndarray, kind: bytes, content: bytes) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add(kind, content)
    Image.fromarray(pixels).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize(("value", "gamma"), [(100000, 1.0), (45455, None), (55556, 1.8)])
def test_the_gamma_of_a_png(tmp_path, pixels, value, gamma):
    photo = read_photo(png(tmp_path / "a.png", pixels, b"gAMA", struct.pack(">I", value)))
    expected = pixels / 255 if gamma is None else to_srgb((pixels / 255) ** gamma)
    np.testing.assert_allclose(photo.color, expected, atol=1e-4)


def pq(nits: np.ndarray) -> np.ndarray:
    """BT.2100."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def test_hdr_in_a_png(tmp_path, pixels):
    stored = np.rint(pq(203 * to_linear(pixels / 255)) * 255).astype(np.uint8)
    photo = read_photo(png(tmp_path / "a.png", stored, b"cICP", bytes((1, 16, 0, 1))))
    np.testing.assert_allclose(photo.color, pixels / 255, atol=0.03)  # of 8 bit
    assert photo.warnings == (HDR,)


@pytest.mark.parametrize(("numbers", "hdr"), [((12, 13), False), ((9, 18), True), ((9, 16), True)])
def test_the_colour_space_of_an_avif(tmp_path, numbers, hdr):
    """White and grey are the same in all gamuts; a saturated red of a wide gamut is redder than sRGB's."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 60, 60)).save(file, "AVIF", quality=100, subsampling="4:4:4")
    data = file.getvalue()
    place = data.index(b"colrnclx") + 8
    (tmp_path / "a.avif").write_bytes(data[:place] + struct.pack(">HH", *numbers) + data[place + 4 :])
    photo = read_photo(tmp_path / "a.avif")
    assert photo.warnings == ((HDR,) if hdr else ())
    if not hdr:
        light = to_linear(np.array((200, 60, 60)) / 255) @ np.array(P3) @ np.linalg.inv(np.array(SRGB))
        np.testing.assert_allclose(photo.color[32, 32], to_srgb(light.clip(0, 1)), atol=0.02)


def test_hlg_white():
    from cinema_core.files.encoding import Encoding, encoding_to_srgb

    white = encoding_to_srgb(np.full((1, 1, 3), 0.75, np.float32), Encoding(9, 18))
    np.testing.assert_allclose(white, 1, atol=0.01)  # BT.2408: reference white is 75 % of HLG
