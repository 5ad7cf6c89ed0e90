"""Stroke files: ours there and back, labelme's as the reference program means them, and files that make no sense."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cinema_core.data import Stroke
from cinema_core.errors import CinemaError
from cinema_core.strokes import read_strokes, write_strokes

SIZE = (320, 200)


def ours(*strokes: dict, **fields) -> dict:
    return {"schema": 1, "width": 320, "height": 200, "strokes": list(strokes)} | fields


def labelme(*shapes: dict, **fields) -> dict:
    return {"version": "5.0.1", "imageWidth": 320, "imageHeight": 200, "imageData": None, "shapes": list(shapes)} | fields


def shape(label: str, form: str, *points: tuple[float, float]) -> dict:
    return {"label": label, "shape_type": form, "points": [list(point) for point in points], "flags": {}}


@pytest.fixture
def file(tmp_path: Path):
    def write(content: object) -> Path:
        path = tmp_path / "strokes.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def test_ours_come_back(tmp_path):
    strokes = [
        Stroke("motion", np.array([[1.5, 2.25], [30, 40.125]], np.float32), speed=0.5),
        Stroke("region", np.array([[0, 0], [320, 0], [160, 200]], np.float32), closed=True),
        Stroke("still", np.array([[-3, 5]], np.float32)),
    ]
    write_strokes(tmp_path / "strokes.json", strokes, SIZE)
    for read, written in zip(read_strokes(tmp_path / "strokes.json", SIZE), strokes, strict=True):
        assert (read.kind, read.closed, read.speed) == (written.kind, written.closed, written.speed)
        np.testing.assert_array_equal(read.points, written.points)
        assert read.points.dtype == np.float32


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
        ("region", True), ("motion", False), ("motion", False), ("still", True), ("still", False), ("region", True), ("region", True),
    ]  # fmt: skip
    np.testing.assert_array_equal(strokes[2].points, [[1, 2], [3, 4], [5, 7]])
    np.testing.assert_array_equal(strokes[5].points, [[10, 20], [30, 20], [30, 50], [10, 50]])
    np.testing.assert_allclose(np.linalg.norm(strokes[6].points - (100, 100), axis=1), 20, rtol=1e-5)


@pytest.mark.parametrize("data", [{"imageData": "iVBORw0KGgo" * 1000}, {"imageData": None}, {}])
def test_labelme_image_data_does_not_matter(file, data):
    content = labelme(shape("hint", "line", (1, 2), (3, 4)))
    del content["imageData"]
    assert len(read_strokes(file(content | data), (640, 400))) == 1


def test_labelme_scales_too(file):
    (stroke,) = read_strokes(file(labelme(shape("hint", "line", (10, 20), (30, 40)))), (640, 400))
    np.testing.assert_allclose(stroke.points, [[20, 40], [60, 80]])


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
        (ours(GOOD | {"kind": "wave"}), "unknown kind 'wave'"),
        (ours(GOOD | {"points": []}), "has no points"),
        (ours(GOOD | {"points": [[1, 2], [3]]}), "not a pair of numbers"),
        (ours(GOOD | {"points": [[1, 2], ["3", 4]]}), "not a pair of numbers"),
        (ours(GOOD | {"points": [[1, 2], [float("nan"), 4]]}), "not a pair of numbers"),
        (ours(GOOD | {"points": [[1, 2], [10**400, 4]]}), "not a pair of numbers"),
        (ours(GOOD | {"speed": -1}), "speed"),
        (ours(GOOD | {"speed": "fast"}), "speed"),
        (ours(GOOD | {"closed": "no"}), "closed"),
        (labelme({"label": "motion"}), "stroke 1 has no 'points'"),
        (labelme(shape("river", "line", (0, 0), (5, 5))), "encloses nothing"),
        (labelme(shape("pond", "rectangle", (0, 0))), "rectangle without two corners"),
    ],
)
def test_files_that_make_no_sense(file, content, text):
    with pytest.raises(CinemaError) as caught:
        read_strokes(file(content), SIZE)
    assert text in caught.value.text and caught.value.hint


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CinemaError, match="does not exist"):
        read_strokes(tmp_path / "none.json", SIZE)
    with pytest.raises(CinemaError, match="cannot be read"):
        read_strokes(tmp_path, SIZE)


def test_not_text(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(CinemaError, match="not valid JSON"):
        read_strokes(tmp_path / "photo.png", SIZE)
