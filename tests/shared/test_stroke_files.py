"""Stroke files: our own format written and read, labelme's as the reference program uses it, and invalid files."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinema_core.image.polyline import fill_polygon
from cinema_core.shared.data import Stroke
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.labelme import write_labelme
from cinema_core.shared.stroke_entries import read_png_mask
from cinema_core.shared.stroke_files import read_strokes, write_strokes
from cinema_core.shared.stroke_kinds import KINDS

SIZE = (320, 200)


def ours(*strokes: dict, **fields) -> dict:
    return {"schema": 1, "width": 320, "height": 200, "strokes": list(strokes)} | fields


def labelme(*shapes: dict, **fields) -> dict:
    return {
        "version": "5.0.1",
        "imageWidth": 320,
        "imageHeight": 200,
        "imageData": None,
        "shapes": list(shapes),
    } | fields


def shape(label: str, form: str, *points: tuple[float, float]) -> dict:
    return {"label": label, "shape_type": form, "points": [list(point) for point in points], "flags": {}}


@pytest.fixture
def file(tmp_path: Path):
    def write(content: object) -> Path:
        path = tmp_path / "strokes.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


MANY = [
    Stroke("motion", np.array([[1.5, 2.25], [30, 40.125]], np.float32), speed=0.5),
    Stroke("motion", np.array([[1, 2], [3, 4], [5, 7]], np.float32), profile=np.array([0, 1, 0.25], np.float32)),
    Stroke("motion", np.array([[10, 20], [30, 40], [50, 17]], np.float32), closed=True, speed=3.0),
    Stroke("region", np.array([[0, 0], [320, 0], [160, 200]], np.float32), closed=True),
    Stroke("sway", np.array([[5, 5], [50, 5], [50, 50]], np.float32), closed=True),
    Stroke("still", np.array([[-3, 5]], np.float32)),
    Stroke("still", np.array([[9, 5], [90, 50], [91, 60]], np.float32)),
    Stroke("still", np.array([[9, 5], [90, 50], [91, 60]], np.float32), closed=True),
    Stroke("outlet", np.array([[0, 5], [0, 50]], np.float32)),
    Stroke("same_depth", np.array([[0, 5], [0, 50], [9, 9]], np.float32)),
    Stroke("nearer", np.array([[0, 5], [0, 50]], np.float32), speed=2.0),
    Stroke("farther", np.array([[0, 5], [0, 50]], np.float32)),
    Stroke("horizon", np.array([[0, 80], [320, 82]], np.float32)),
    Stroke("flat", np.array([[0, 99], [320, 99], [160, 200]], np.float32), closed=True),
    Stroke("upright", np.array([[5, 5], [50, 5], [50, 50]], np.float32), closed=True),
    Stroke("depth_sky", np.array([[0, 0], [320, 0], [320, 60], [0, 60]], np.float32), closed=True),
]


def assert_same(read: list[Stroke], written: list[Stroke]) -> None:
    for one, other in zip(read, written, strict=True):
        assert (one.kind, one.closed, one.speed) == (other.kind, other.closed, other.speed)
        np.testing.assert_array_equal(one.points, other.points)
        assert one.points.dtype == np.float32
        assert (one.profile is None) == (other.profile is None)
        if one.profile is not None:
            np.testing.assert_allclose(one.profile, other.profile, rtol=1e-3)
            assert one.profile.dtype == np.float32


@pytest.mark.parametrize(
    "write", [write_strokes, lambda path, strokes, size: write_labelme(path, strokes, size, "a.png")]
)
def test_strokes_of_every_kind_come_back(tmp_path, write):
    assert {stroke.kind for stroke in MANY} == set(KINDS)
    write(tmp_path / "strokes.json", MANY, SIZE)
    assert_same(read_strokes(tmp_path / "strokes.json", SIZE), MANY)
    assert [file.name for file in tmp_path.iterdir()] == ["strokes.json"]


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path):
    write_strokes(tmp_path / "strokes.json", MANY, SIZE)
    wrong = Stroke("region", np.zeros((3, 2), np.float32), True, speed="fast")
    for write in (write_strokes, lambda *of: write_labelme(*of, "a.png")):
        with pytest.raises((ValueError, TypeError)):
            write(tmp_path / "strokes.json", [wrong], SIZE)
        assert_same(read_strokes(tmp_path / "strokes.json", SIZE), MANY)


def test_scaled_to_the_working_photo(file):
    path = file(ours({"kind": "motion", "points": [[10, 20], [30, 40]]}))
    (stroke,) = read_strokes(path, (160, 100))
    np.testing.assert_allclose(stroke.points, [[5, 10], [15, 20]])


def test_dropped_odd_row_is_no_other_aspect(file):
    path = file(ours({"kind": "motion", "points": [[0, 0], [320.5, 201]]}, width=320.5, height=201))
    (stroke,) = read_strokes(path, SIZE)
    np.testing.assert_allclose(stroke.points, [[0, 0], SIZE])


def test_no_strokes_at_all(file):
    assert read_strokes(file(ours()), SIZE) == []


def test_labelme_kinds(file):
    strokes = read_strokes(
        file(
            labelme(
                shape("motion", "polygon", (0, 0), (10, 0), (10, 10)),
                shape("hint0", "line", (1, 2), (3, 4)),
                shape("hint_b", "linestrip", (1, 2), (3, 4), (5, 7)),
                shape("still rock", "polygon", (0, 0), (5, 0), (5, 5)),
                shape("still", "linestrip", (0, 0), (5, 0)),
                shape("pond", "rectangle", (10, 20), (30, 50)),
                shape("lake", "circle", (100, 100), (120, 100)),
            )
        ),
        SIZE,
    )
    assert [(stroke.kind, stroke.closed) for stroke in strokes] == [
        ("region", True), ("motion", False), ("motion", False), ("still", True), ("still", False),
        ("region", True), ("region", True),
    ]  # fmt: skip
    np.testing.assert_array_equal(strokes[2].points, [[1, 2], [3, 4], [5, 7]])
    np.testing.assert_array_equal(strokes[5].points, [[10, 20], [30, 20], [30, 50], [10, 50]])
    np.testing.assert_allclose(np.linalg.norm(strokes[6].points - (100, 100), axis=1), 20, rtol=1e-5)


def test_labelme_sway_and_outlet(file):
    strokes = read_strokes(
        file(
            labelme(
                shape("sway tree", "polygon", (0, 0), (10, 0), (10, 10)),
                shape("outlet", "line", (1, 2), (3, 4)),
                shape("hint", "polygon", (0, 0), (10, 0), (10, 10)),
                shape("still", "point", (7, 8)),
            )
        ),
        SIZE,
    )
    assert [(stroke.kind, stroke.closed) for stroke in strokes] == [
        ("sway", True), ("outlet", False), ("motion", True), ("still", False),
    ]  # fmt: skip


def test_labelme_depth(file):
    strokes = read_strokes(
        file(
            labelme(
                shape("depth_same as the rock", "linestrip", (0, 0), (10, 0), (10, 10)),
                shape("depth_flat", "rectangle", (10, 20), (30, 50)),
                shape("depth_sky", "polygon", (0, 0), (10, 0), (10, 10)),
                shape("depth_horizon", "line", (0, 80), (320, 80)),
                shape("depths", "polygon", (0, 0), (10, 0), (10, 10)),
            )
        ),
        SIZE,
    )
    assert [(stroke.kind, stroke.closed) for stroke in strokes] == [
        ("same_depth", False), ("flat", True), ("depth_sky", True), ("horizon", False), ("region", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "form", "text"),
    [
        ("depth_near", "line", "unknown depth label .depth_near.; there are depth_same, depth_nearer"),
        ("depth_flat", "line", "encloses nothing"),
    ],
)
def test_labelme_depth_that_makes_no_sense(file, label, form, text):
    with pytest.raises(CinemaError, match=text):
        read_strokes(file(labelme(shape(label, form, (0, 0), (10, 0)))), SIZE)


def test_labelme_as_its_versions_write_it(file):
    points = [[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]
    four = {
        "label": "river",
        "points": points,
        "line_color": None,
        "fill_color": None,
        "shape_type": "polygon",
        "flags": {},
    }
    three = {"label": "river", "points": points, "line_color": None, "fill_color": None}  # knew polygons only
    five = {"label": "river", "points": points, "group_id": None, "shape_type": "polygon", "flags": {}}
    six = five | {"description": "", "mask": None, "group_id": 3, "flags": {"wet": True}}
    tilted = six | {"shape_type": "oriented_rectangle", "points": [*points, [0.0, 9.0]]}
    for version, written in (("3.21.1", three), ("4.6.0", four), ("5.0.1", five), ("5.5.0", six), ("6.3.0", tilted)):
        content = labelme(written, version=version, flags={}, imagePath="..\\photo.jpg", lineColor=[0, 255, 0, 128])
        (stroke,) = read_strokes(file(content), SIZE)
        assert (stroke.kind, stroke.closed, len(stroke.points)) == ("region", True, len(written["points"]))


def test_what_labelme_opens(tmp_path):
    write_labelme(tmp_path / "a.json", MANY, SIZE, "photo.jpg")
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert set(content) == {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
    assert content["imagePath"] == "photo.jpg" and content["imageData"] is None and content["version"][0] in "456"
    assert (content["imageWidth"], content["imageHeight"]) == SIZE
    for entry in content["shapes"]:  # as labelme 6 checks them when it opens a file
        assert set(entry) == {"label", "points", "group_id", "description", "shape_type", "flags", "mask"}
        assert isinstance(entry["label"], str) and isinstance(entry["description"], str) and entry["points"]
        assert all(isinstance(number, float) for point in entry["points"] for number in point)
    assert [entry["shape_type"] for entry in content["shapes"]] == [
        "line", "linestrip", "polygon", "polygon", "polygon", "point", "linestrip", "polygon", "line",
        "linestrip", "line", "line", "line", "polygon", "polygon", "polygon",
    ]  # fmt: skip
    assert [entry["label"] for entry in content["shapes"]] == [
        "hint0", "hint1", "hint2", "motion", "sway", "still", "still", "still", "outlet",
        "depth_same", "depth_nearer", "depth_farther", "depth_horizon", "depth_flat", "depth_upright", "depth_sky",
    ]  # fmt: skip


def test_labelme_shows_the_photo_at_its_own_size(tmp_path):
    write_labelme(tmp_path / "a.json", MANY, SIZE, "photo.jpg", photo_size=(1280, 800))
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (content["imageWidth"], content["imageHeight"]) == (1280, 800)
    assert content["shapes"][0]["points"] == [[6, 9], [120, 160.5]]
    assert_same(read_strokes(tmp_path / "a.json", SIZE), MANY)


def test_a_file_of_the_reference_program_round_trips(tmp_path, file):
    # as labelme 5.0.1 wrote it for the demonstration of Li et al.: polygons of any label, lines hint0, hint1, ...
    random = np.random.default_rng(0)
    areas = [shape("motion", "polygon", *random.uniform(0, 320, (n, 2)).tolist()) for n in (114, 16, 23)]
    lines = [shape(f"hint{n}", "line", *random.uniform(0, 200, (2, 2)).tolist()) for n in range(5)]
    first = read_strokes(file(labelme(*areas, *lines)), (1280, 800))
    write_labelme(tmp_path / "again.json", first, (1280, 800), "image.png")
    assert_same(read_strokes(tmp_path / "again.json", (1280, 800)), first)
    again = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert [entry["label"] for entry in again["shapes"]] == [entry["label"] for entry in (*areas, *lines)]
    assert [entry["shape_type"] for entry in again["shapes"]] == ["polygon"] * 3 + ["line"] * 5


@pytest.mark.parametrize(
    ("description", "speed", "profile"),
    [
        (None, 1, None),
        ("the river, speed unknown = who knows", 1, None),
        ("speed=2.5", 2.5, None),
        ("fast speed=0 profile=1,0.5", 0, [1, 0.5]),
        ("speed=-1 profile=1,2,3", 1, None),  # a point was deleted since
        ("speed=nan profile=", 1, None),
    ],
)
def test_a_speed_in_labelmes_description(file, description, speed, profile):
    (stroke,) = read_strokes(file(labelme(shape("hint", "line", (1, 2), (3, 4)) | {"description": description})), SIZE)
    assert stroke.speed == speed
    assert (stroke.profile is None) if profile is None else (stroke.profile.tolist() == profile)


@pytest.mark.parametrize("data", [{"imageData": "iVBORw0KGgo" * 1000}, {"imageData": None}, {}])
def test_labelme_image_data_does_not_matter(file, data):
    content = labelme(shape("hint", "line", (1, 2), (3, 4)))
    del content["imageData"]
    assert len(read_strokes(file(content | data), (640, 400))) == 1


def test_labelme_scales_too(file):
    (stroke,) = read_strokes(file(labelme(shape("hint", "line", (10, 20), (30, 40)))), (640, 400))
    np.testing.assert_allclose(stroke.points, [[20, 40], [60, 80]])


def test_a_labelme_file_without_a_size_is_about_the_photos_file(file):
    content = labelme(shape("hint", "line", (10, 20), (30, 40)), imageWidth=None, imageHeight=None)
    (stroke,) = read_strokes(file(content), SIZE, (640, 400))
    np.testing.assert_allclose(stroke.points, [[5, 10], [15, 20]])
    del content["imageWidth"]
    assert len(read_strokes(file(content), SIZE, (640, 400))) == 1
    with pytest.raises(CinemaError, match="does not say the size"):
        read_strokes(file(ours(GOOD, width=None)), SIZE, (640, 400))


@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("gbk", "\u6c34\u9762"), ("cp932", "\u6c34\u8868"), ("cp949", "\ubb3c"), ("latin-1", "for\xeat \xe9"),
        ("utf-8-sig", "\u6c34"), ("utf-16", "\u6c34"), ("utf-16-le", "w"), ("utf-8", "\u6c34"),
    ],
)  # fmt: skip
def test_labelme_files_of_other_encodings(tmp_path, encoding, label):
    area, hint = shape(label, "rectangle", (1, 2), (30, 40)), shape("hint " + label, "line", (1, 2), (3, 4))
    data = json.dumps(labelme(area, hint), ensure_ascii=False).encode(encoding)
    (tmp_path / "a.json").write_bytes(data)
    assert [stroke.kind for stroke in read_strokes(tmp_path / "a.json", SIZE)] == ["region", "motion"]


def mask_shape(label: str, mask: np.ndarray, left: int, top: int, **options) -> dict:
    """A shape as labelme's AI tools make it."""
    picture = io.BytesIO()
    Image.fromarray(mask).save(picture, "PNG", **options)
    corners = (left, top), (left + mask.shape[1] - 1, top + mask.shape[0] - 1)
    return shape(label, "mask", *corners) | {"mask": base64.b64encode(picture.getvalue()).decode()}


def blobs() -> np.ndarray:
    """(H, W) bool: several parts, with holes, parts in holes, and pixels that touch at a corner."""
    random = np.random.default_rng(3)
    return cv2.resize(random.random((9, 12)).astype(np.float32), (120, 90), interpolation=cv2.INTER_CUBIC) > 0.45


@pytest.mark.parametrize("kind", [bool, np.uint8, np.uint16])
@pytest.mark.parametrize("value", [1, 255])
def test_labelme_masks_are_regions_exactly(file, kind, value):
    mask = blobs()
    picture = mask if kind is bool else mask.astype(kind) * kind(value)
    strokes = read_strokes(file(labelme(mask_shape("motion", picture, 40, 30), GOOD_HINT)), SIZE)
    areas, (hint,) = strokes[:-1], strokes[-1:]
    assert len(areas) == cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] - 1 > 1
    assert {(area.kind, area.closed) for area in areas} == {("region", True)} and hint.kind == "motion"
    filled = sum(fill_polygon(area.points, (200, 320)).astype(int) for area in areas)
    np.testing.assert_array_equal(filled, np.pad(mask, ((30, 80), (40, 160))))


def test_labelme_masks_take_the_kind_of_their_label(file):
    solid = np.full((5, 8), 255, np.uint8)
    content = labelme(mask_shape("still", solid, 1, 2), mask_shape("depth_sky", solid, 1, 2))
    still, sky = read_strokes(file(content), (640, 400))
    assert still.kind == "still" and sky.kind == "depth_sky"
    assert (still.points.min(0) == (2, 4)).all() and (still.points.max(0) == (18, 14)).all()


def encode_png(values: np.ndarray) -> bytes:
    """A PNG of (H, W, C) uint8, C of 1 or 3, whose rows take the five filters of the format in turn."""
    height, width, channels = values.shape
    up = np.pad(values, ((1, 0), (0, 0), (0, 0)))[:-1].astype(int)
    left = np.pad(values, ((0, 0), (1, 0), (0, 0)))[:, :-1].astype(int)
    corner = np.pad(values, ((1, 0), (1, 0), (0, 0)))[:-1, :-1].astype(int)
    far = np.abs(np.stack([left, up, corner]) - (left + up - corner))
    paeth = np.choose(far.argmin(0), (left, up, corner))
    kinds = np.stack([values - guess for guess in (0 * up, left, up, (left + up) // 2, paeth)]).astype(np.uint8)
    rows = b"".join(bytes([y % 5]) + kinds[y % 5, y].tobytes() for y in range(height))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 3])
def test_every_filter_of_a_png_mask_is_undone(channels):
    values = np.random.default_rng(0).integers(0, 256, (40, 37, channels), np.uint8)
    values[values[..., 0] > 128] = 0
    data = encode_png(values)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(values.shape), values)
    np.testing.assert_array_equal(read_png_mask(data), values.any(-1))


@pytest.mark.parametrize("picture", ["aGk=", "****", "iVBORw0KGgo" * 9, None, 3])
def test_masks_that_cannot_be_read_say_so(file, picture):
    content = labelme(mask_shape("motion", np.ones((5, 8), np.uint8), 1, 2) | {"mask": picture})
    with pytest.raises(CinemaError, match="stroke 1 .*mask") as caught:
        read_strokes(file(content), SIZE)
    assert caught.value.hint


GOOD_HINT = shape("hint", "line", (1, 2), (3, 4))
GOOD = {"kind": "motion", "points": [[1, 2], [3, 4]]}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "not valid JSON"),
        ("\ud7ff[" * 100_000, "not valid JSON"),
        ("[]", "holds no strokes"),
        ("{}", "holds no strokes"),
        ({"strokes": 3}, "holds no strokes"),
        (ours(schema=2), "newer version"),
        (ours(GOOD, width=None), "does not say the size"),
        (ours(GOOD, width=0), "does not say the size"),
        (ours(GOOD, width="320"), "does not say the size"),
        (ours(GOOD, height=300), "was made for a photo of 320 x 300, this one is 320 x 200"),
        (labelme(imageWidth=200, imageHeight=320), "was made for a photo of 200 x 320"),
        (labelme(imageHeight=None), "does not say the size"),
        (ours(GOOD, 5), "stroke 2"),
        (ours({"kind": "motion"}), "stroke 1 has no 'points'"),
        (ours({"points": [[1, 2]]}), "stroke 1 has no 'kind'"),
        (ours(GOOD | {"kind": "wave"}), 'unknown kind "wave"'),
        (ours(GOOD | {"points": []}), "has no points"),
        (ours(GOOD | {"points": [[1, 2], [3]]}), "not a pair of numbers"),
        (ours(GOOD | {"points": [[1, 2], ["3", 4]]}), "not a pair of numbers"),
        (ours(GOOD | {"points": [[1, 2], [float("nan"), 4]]}), "not a pair of numbers"),
        (ours(GOOD | {"points": [[1, 2], [10**400, 4]]}), "not a pair of numbers"),
        (ours(GOOD | {"speed": -1}), "speed"),
        (ours(GOOD | {"speed": "fast"}), "speed"),
        (ours(GOOD | {"closed": "no"}), "closed"),
        (ours(GOOD | {"profile": [1]}), "profile"),
        (ours(GOOD | {"profile": [1, -2]}), "profile"),
        (ours(GOOD | {"profile": [1, float("nan")]}), "profile"),
        (ours(GOOD | {"profile": "1,2"}), "profile"),
        (labelme(shape("sway", "linestrip", (0, 0), (5, 5), (9, 9))), "encloses nothing"),
        (labelme(shape("river", "mask", (0, 0), (5, 5))), "mask without its picture"),
        (labelme({"label": "motion"}), "stroke 1 has no 'points'"),
        (labelme(shape("river", "line", (0, 0), (5, 5))), "encloses nothing"),
        (labelme(shape("pond", "rectangle", (0, 0))), "rectangle without two corners"),
    ],
)
def test_files_that_make_no_sense(file, content, text):
    with pytest.raises(CinemaError) as caught:
        read_strokes(file(content), SIZE)
    assert text in caught.value.text and caught.value.hint


def test_shapes_without_a_meaning_are_left_out_and_told(file):
    dots = shape("cat", "points", (1, 2), (3, 4), (5, 6))
    content = labelme(GOOD_HINT, dots, shape("river", "line", (0, 0), (5, 5)), shape("x", "cuboid", (0, 0), (5, 5)))
    warnings: list[str] = []
    (stroke,) = read_strokes(file(content), SIZE, warn=warnings.append)
    assert stroke.kind == "motion"
    assert len(warnings) == 3 and all(text.endswith("so it is left out") for text in warnings)
    assert 'shape 2 ("cat") has labelme\'s type "points"' in warnings[0]
    assert "shape 3" in warnings[1] and "encloses nothing" in warnings[1]
    assert 'type "cuboid"' in warnings[2]
    for text, number, left in (("points", 1, [dots]), ("points", 2, [GOOD_HINT, dots])):
        with pytest.raises(CinemaError, match=f"shape {number} .*{text}"):  # nothing else is there, or nobody listens
            read_strokes(file(labelme(*left)), SIZE, warn=None if number == 2 else warnings.append)


def test_labelmes_points_pin_still_water(file):
    strokes = read_strokes(file(labelme(shape("still", "points", (10, 20), (30, 40)))), SIZE)
    assert [(stroke.kind, stroke.points.tolist(), stroke.closed) for stroke in strokes] == [
        ("still", [[10, 20]], False),
        ("still", [[30, 40]], False),
    ]


def test_values_are_quoted_on_one_line(file):
    for entry in (GOOD | {"kind": {"a": ["\x1b[31m\n"] * 1000}}, GOOD | {"kind": "x" * 10**5}, GOOD | {"kind": [1]}):
        with pytest.raises(CinemaError) as caught:
            read_strokes(file(ours(entry)), SIZE)
        assert caught.value.text.isprintable() and len(caught.value.text) < 300


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CinemaError, match="does not exist"):
        read_strokes(tmp_path / "none.json", SIZE)
    with pytest.raises(CinemaError, match="cannot be read"):
        read_strokes(tmp_path, SIZE)


def test_not_text(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(CinemaError, match="not valid JSON"):
        read_strokes(tmp_path / "photo.png", SIZE)
