"""Depth maps of users and their interpretation; the network's estimate."""

import cv2
import numpy as np
import pytest
from pictures import landscape

from cinema_core.depth.find import estimate_depth, find_depth, read_depth
from cinema_core.depth.network import Prediction
from cinema_core.files.depth_map import write_depth
from cinema_core.shared.data import FARTHEST, Photo
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.options import BuildOptions

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def photo() -> Photo:
    return Photo(np.full((HEIGHT, WIDTH, 3), 0.5, np.float32), 96.0)


def ramp(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(H, W) disparity, 0 at the upper border and 1 at the lower."""
    return np.repeat(np.linspace(0, 1, height)[:, None], width, 1)


def hilly(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(H, W) disparity 0.1..1, different in every row and column, near at the bottom."""
    return 0.1 + 0.8 * ramp(height, width) + 0.1 * ramp(width, height).T


@pytest.mark.parametrize(
    ("name", "kind", "white"),
    [("a.png", np.uint8, 255), ("a.png", np.uint16, 65535), ("a.tif", np.uint16, 65535), ("a.tiff", np.float32, 0.7)],
)
def test_an_image_is_disparity_white_is_near(tmp_path, photo, name, kind, white):
    assert cv2.imwrite(str(tmp_path / name), (hilly() * white).astype(kind))
    depth = read_depth(tmp_path / name, photo)
    assert depth.dtype == np.float32 and depth.shape == (HEIGHT, WIDTH)
    assert np.abs(1 / depth - hilly()).max() < 0.03  # no value is near zero, so zero is infinitely far
    assert depth.min() == 1


def test_a_colour_image_is_read_by_its_brightness(tmp_path, photo):
    grey = (hilly() * 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "colour.png"), cv2.merge([grey] * 3 + [np.full_like(grey, 255)]))
    assert np.array_equal(read_depth(tmp_path / "grey.png", photo), read_depth(tmp_path / "colour.png", photo))


def test_our_own_depth_comes_back(tmp_path, landscape_pixels):
    photo = Photo(np.float32(landscape_pixels) / 255, 320.0)
    depth = estimate_depth(photo)
    np.save(tmp_path / "depth.npy", depth)
    again = read_depth(tmp_path / "depth.npy", photo)
    far = np.abs(1 / again - 1 / depth) > 0.01
    assert far.mean() < 0.03  # pixels beside the edges, which are cleaned a second time


@pytest.mark.parametrize("nearest", [1.0, 30.0])
def test_an_array_of_depth_keeps_its_proportions(tmp_path, photo, nearest):
    np.save(tmp_path / "a.npy", nearest / hilly())
    depth = read_depth(tmp_path / "a.npy", photo)
    assert np.abs(1 / depth - hilly()).max() < 0.02


def test_an_array_that_is_larger_at_the_bottom_is_disparity(tmp_path, photo):
    np.save(tmp_path / "a.npy", 500 * hilly()[None, ..., None])
    depth = read_depth(tmp_path / "a.npy", photo)
    assert np.abs(1 / depth - hilly()).max() < 0.02


@pytest.mark.parametrize("factor", [0.5, 3])
def test_a_map_of_another_size_fits(tmp_path, photo, factor):
    size = (int(HEIGHT * factor), int(WIDTH * factor))
    np.save(tmp_path / "a.npy", 1 / hilly(*size))
    assert np.abs(1 / read_depth(tmp_path / "a.npy", photo) - hilly()).max() < 0.03


def test_disparity_is_resized_not_depth(tmp_path, photo):
    """A resized pixel between near and far is half-way in disparity: 1/1 and 1/100 give about 1/2, not 1/50."""
    stripes = np.where(np.arange(4 * WIDTH)[None] // 4 % 2, 1.0, 100.0) * np.ones((4 * HEIGHT, 1))
    stripes = cv2.blur(1 / stripes, (16, 1))  # evenly grey, without an edge for the cleaning
    np.save(tmp_path / "a.npy", (1 / (stripes * (1 + 0.3 * ramp(*stripes.shape)))))
    depth = read_depth(tmp_path / "a.npy", photo)
    assert np.median(depth) < 1.5


def test_values_that_are_not_finite_take_their_neighbours_depth(tmp_path, photo):
    depth = 1 / hilly()
    depth[20:30, 40:50], depth[40, 5], depth[50, 5] = np.nan, np.inf, -np.inf
    np.save(tmp_path / "a.npy", depth)
    found = read_depth(tmp_path / "a.npy", photo)
    assert np.abs(1 / found - hilly()).max() < 0.12  # ten rows of the ramp, at most half of them filled


def test_zero_depth_means_no_depth(tmp_path, photo):
    """Scanners and renderers write 0 at unknown pixels, which must not become the nearest of all."""
    depth = 1 / hilly()
    depth[20:30, 40:50] = 0
    np.save(tmp_path / "a.npy", depth)
    assert np.abs(1 / read_depth(tmp_path / "a.npy", photo) - hilly()).max() < 0.12


def test_single_wrong_pixels_are_left_out(tmp_path, photo):
    disparity = (hilly() * 200).astype(np.uint8)
    disparity[np.arange(5, 60, 6), np.arange(5, 60, 6)] = 255
    disparity[np.arange(5, 60, 6), np.arange(60, 5, -6)] = 0
    cv2.imwrite(str(tmp_path / "a.png"), disparity)
    found = 1 / read_depth(tmp_path / "a.png", photo)
    assert np.abs(np.diff(found, axis=0)).max() < 0.05


def save(path, values) -> None:
    """Write values in the format of the file's suffix."""
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, focallength_px=np.float32(90), depth=values)
    elif path.suffix == ".pfm":
        height, width = values.shape
        path.write_bytes(b"Pf\n%d %d\n-1.0\n" % (width, height) + values[::-1].astype("<f4").tobytes())
    else:
        assert cv2.imwrite(str(path), values)


STRETCHED = (hilly() - 0.1) / 0.9  # as most estimators write disparity
SINKING = (1 / hilly() - 1) / 9  # the same scene, linear in distance: black is near
FORMS = [
    ("midas.pfm", np.float32(20 * hilly()), "near is large, zero"),
    ("anything_16.png", np.uint16(65535 * STRETCHED), "near is white, the farthest is 10 times"),
    ("anything_8.png", np.uint8(255 * STRETCHED), "near is white, the farthest is 10 times"),
    ("anything.npy", np.float32(STRETCHED), "near is large, the farthest is 10 times"),
    ("marigold.npy", np.float32(SINKING), "near is black, the farthest is 10 times"),
    ("marigold.png", np.uint16(65535 * SINKING), "near is black"),
    ("mist.png", np.uint8(255 * SINKING), "near is black"),
    ("depth_pro.npz", np.float32(2.5 / hilly()), "distances"),
    ("sensor.png", np.uint16(800 / hilly()), "distances"),
    ("pass.exr", np.float32(3 / hilly()), "distances"),
    ("pass.tiff", np.float32(3 / hilly()), "distances"),
    ("opengl.npy", np.float32(-3 / hilly()), "distances"),
]


@pytest.mark.parametrize(("name", "values", "words"), FORMS, ids=[form[0] for form in FORMS])
def test_estimators_and_renderers_are_told_apart(tmp_path, photo, name, values, words):
    """All files hold the same scene; the report names their interpretation."""
    save(tmp_path / name, values)
    found = find_depth(photo, tmp_path / name, BuildOptions())
    assert np.abs(1 / found.values - hilly()).max() < (0.04 if name == "mist.png" else 0.03)  # distance in 8 bits
    assert found.source == "file" and found.detail.startswith(name) and words in found.detail and not found.warnings


@pytest.mark.parametrize(
    ("name", "values"), [("a.png", np.uint16(65535 * STRETCHED)), ("a.npy", np.float32(STRETCHED))]
)
def test_where_the_far_end_is_sky_it_is_infinitely_far(tmp_path, landscape_pixels, name, values):
    sky = np.linspace(0, 1, 200)[:, None] < 0.34
    stretched = cv2.resize(values, (320, 200)) * ~sky
    save(tmp_path / name, stretched.astype(values.dtype))
    found = find_depth(Photo(np.float32(landscape_pixels) / 255, 320.0), tmp_path / name, BuildOptions())
    assert "infinitely far" in found.detail and np.median(found.values[:50]) == FARTHEST


def test_raw_output_of_an_estimator_has_infinity_at_zero(tmp_path, photo):
    np.save(tmp_path / "a.npy", np.float32(7 * STRETCHED))
    assert read_depth(tmp_path / "a.npy", photo).max() == FARTHEST


def test_the_photos_sky_tells_which_way_round_a_map_is(tmp_path, photo):
    """The sky decides even where the upper rows are near: a wall reaches the upper border beside the sky."""
    disparity = 0.5 - 0.2 * ramp()
    disparity[:21, :40], disparity[:40, 40:] = 0, 1
    cv2.imwrite(str(tmp_path / "a.png"), np.uint16(65535 * disparity))
    assert "distances" in find_depth(photo, tmp_path / "a.png", BuildOptions()).detail
    sky = np.fromfunction(lambda y, x: (y < 21) & (x < 40), (HEIGHT, WIDTH))
    found = find_depth(photo, tmp_path / "a.png", BuildOptions(), lambda: Prediction(sky, sky))
    assert "near is white, the farthest is infinitely far" in found.detail and not found.warnings


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [("inverted", STRETCHED, None), ("disparity", SINKING, 0.1 + 0.9 * SINKING), ("metric", hilly(), 0.1 / hilly())],
)
def test_the_user_may_say_what_a_map_means(tmp_path, photo, kind, values, wanted):
    np.save(tmp_path / "a.npy", np.float32(values))
    depth = read_depth(tmp_path / "a.npy", photo, BuildOptions(depth_kind=kind))
    if wanted is None:
        assert depth[0, 0] == 1 and depth[-1, -1] > 9
    else:
        assert np.abs(1 / depth - wanted).max() < 0.07  # the steepest part: single pixels do not set the scale


def test_a_map_that_does_not_tell_says_so(tmp_path, photo):
    sideways = np.repeat(np.linspace(0.1, 1, WIDTH)[None], HEIGHT, 0)
    cv2.imwrite(str(tmp_path / "a.png"), np.uint16(65535 * sideways))
    unsure = find_depth(photo, tmp_path / "a.png", BuildOptions())
    assert unsure.values[0, 0] > unsure.values[0, -1] and "set Values" in unsure.warnings[0]
    assert not find_depth(photo, tmp_path / "a.png", BuildOptions(depth_kind="disparity")).warnings


def test_the_ends_and_the_middle_are_the_users(tmp_path, photo):
    np.save(tmp_path / "a.npy", np.float32(1 / hilly()))
    assert read_depth(tmp_path / "a.npy", photo, BuildOptions(depth_near=2, depth_far=8)).max() == pytest.approx(4)
    assert read_depth(tmp_path / "a.npy", photo, BuildOptions(depth_far=20)).max() == pytest.approx(20)
    assert read_depth(tmp_path / "a.npy", photo, BuildOptions(depth_near=2)).max() == pytest.approx(FARTHEST / 2)
    plain, receding = (read_depth(tmp_path / "a.npy", photo, BuildOptions(depth_gamma=gamma)) for gamma in (1, 2))
    assert receding.max() == pytest.approx(plain.max()) and receding.min() == plain.min() == 1
    assert (receding >= plain - 1e-5).all() and receding[32, 48] > 1.3 * plain[32, 48]
    with pytest.raises(CinemaError, match="not farther than"):
        read_depth(tmp_path / "a.npy", photo, BuildOptions(depth_near=2, depth_far=2))


def test_the_estimate_takes_the_users_ends_too(photo):
    assert find_depth(photo, None, BuildOptions(depth_far=5)).values.max() == pytest.approx(5)


def test_blenders_sky_is_infinitely_far(tmp_path, photo):
    distances = np.float32(4 / hilly())
    distances[:20] = 1e10
    cv2.imwrite(str(tmp_path / "a.exr"), distances)
    found = read_depth(tmp_path / "a.exr", photo)
    assert (found[:18] == FARTHEST).all() and np.abs(1 / found - hilly())[22:].max() < 0.03


def test_one_wrong_pixel_does_not_grow_with_the_map(tmp_path, photo):
    disparity = np.uint8(200 * hilly(16, 24))
    disparity[8, 12] = 255
    cv2.imwrite(str(tmp_path / "a.png"), disparity)
    found = 1 / read_depth(tmp_path / "a.png", photo, BuildOptions(edge_cleanup=0))
    assert np.abs(found - hilly()).max() < 0.06


def test_edges_may_stay_as_they_are(tmp_path, photo):
    soft = cv2.blur(np.where(np.arange(WIDTH)[None] < 48, 0.9, 0.3) * np.ones((HEIGHT, 1)), (7, 1)) * (
        0.9 + 0.1 * ramp()
    )
    np.save(tmp_path / "a.npy", np.float32(1 / soft))
    kept = 1 / read_depth(tmp_path / "a.npy", photo, BuildOptions(edge_cleanup=0))
    assert np.abs(kept / kept.max() - soft / soft.max()).max() < 0.01


def test_objects_become_rigid_only_where_the_user_wants_it_in_a_map(tmp_path, landscape_pixels):
    photo = Photo(np.float32(landscape_pixels) / 255, 320.0)
    disparity = 1 / find_depth(photo, None, BuildOptions(coherence="never")).values
    np.save(tmp_path / "a.npy", 1 / disparity)
    kept, never, always = (
        1 / read_depth(tmp_path / "a.npy", photo, BuildOptions(edge_cleanup=0, coherence=kind))
        for kind in ("auto", "never", "always")
    )
    np.testing.assert_array_equal(kept, never)
    assert np.abs(kept - disparity).max() < 0.02 and np.abs(always - kept).max() > 0.05
    by_default = 1 / find_depth(photo, None, BuildOptions()).values
    assert np.abs(by_default - disparity).max() > 0.05


@pytest.mark.parametrize("suffix", [".png", ".exr", ".npy"])
def test_written_depth_comes_back(tmp_path, photo, suffix):
    depth = np.clip(1 / STRETCHED.clip(0.01), 1, FARTHEST).astype(np.float32)
    write_depth(tmp_path / f"a{suffix}", depth)
    again = read_depth(tmp_path / f"a{suffix}", photo, BuildOptions(edge_cleanup=0))
    assert np.abs(1 / again - 1 / depth).max() < 0.01


def write(path, content) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".npy":
        np.save(path, content, allow_pickle=True)
    else:
        cv2.imwrite(str(path), content)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.npy", hilly(64, 64), "64 x 64, which is not the photo's shape"),
        ("a.png", np.full((WIDTH, HEIGHT), 9, np.uint8), "64 x 96, which is not the photo's shape"),
        (
            "a.png",
            np.dstack([np.uint8(255 * hilly()), np.uint8(255 - 255 * hilly()), np.uint8(99 * hilly())]),
            "coloured",
        ),
        ("a.pfm", b"Pf\n96 64\n-1.0\nshort", "not a readable PFM"),
        ("a.pfm", b"P5 1 1", "not a readable PFM"),
        ("a.npz", b"PK\x03\x04 garbage", "not a readable .npz"),
        ("a.npy", np.full((HEIGHT, WIDTH), np.inf), "a.npy"),
        ("a.exr", b"\x76\x2f\x31\x01\x02\0\0\0channels", "not a readable"),
        ("a.npy", np.full((HEIGHT, WIDTH), np.nan), "no finite value"),
        ("a.npy", np.full((HEIGHT, WIDTH), 3.0), "same everywhere"),
        ("a.npy", np.zeros((HEIGHT, WIDTH)), "no finite value"),
        ("a.png", np.full((HEIGHT, WIDTH), 128, np.uint8), "same everywhere"),
        ("a.npy", np.ones((2, HEIGHT, WIDTH)), "3 dimensions"),
        ("a.npy", np.zeros((0, 0)), "is empty"),
        ("a.npy", np.array([{}] * 4), "not a readable"),
        ("a.npy", np.array([["near", "far"]]), "a.npy"),
        ("a.npy", b"", "not a readable"),
        ("a.npy", b"\x93NUMPY\x01\x00", "not a readable"),
        ("a.png", b"", "not a readable"),
        ("a.png", b"\x89PNG garbage", "not a readable"),
        ("a.exr", b"garbage", "not a readable"),
    ],
)
def test_maps_that_cannot_be_used_say_why(tmp_path, photo, name, content, text):
    write(tmp_path / name, content)
    with pytest.raises(CinemaError, match=text) as error:
        read_depth(tmp_path / name, photo)
    assert error.value.hint


def test_a_missing_map_says_so(tmp_path, photo):
    with pytest.raises(CinemaError, match="There is no depth map"):
        read_depth(tmp_path / "none.png", photo)


@pytest.mark.parametrize("size", [(320, 200), (200, 320)])
def test_without_a_map_the_sky_is_far_and_the_ground_comes_nearer(size):
    width, height = size
    color = cv2.GaussianBlur(landscape(width, height).astype(np.float32) / 255, (0, 0), 1)
    depth = estimate_depth(Photo(color, float(max(size))))
    assert depth.dtype == np.float32 and depth.shape == (height, width) and depth.min() == 1
    assert (depth[: int(0.25 * height)] > 0.95 * FARTHEST).mean() > 0.9
    ground = np.median(depth[int(0.5 * height) :: height // 8], 1)
    assert np.all(np.diff(ground) < 0)


@pytest.mark.parametrize("color", [0.0, 0.5, 1.0])
def test_the_network_takes_a_photo_of_one_colour(color):
    depth = estimate_depth(Photo(np.full((48, 64, 3), color, np.float32), 64.0))
    assert np.isfinite(depth).all() and depth.min() == 1
