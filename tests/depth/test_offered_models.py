"""The depth models that are offered: their table, and the estimates of small ones in the published form."""

from __future__ import annotations

import re
from pathlib import Path

import model_hub
import numpy as np
import pytest
import torch
from model_hub import FOCAL, SHIFT, WIDE

from cinema_core.depth.camera_models import patches, recover_camera, view_plane, view_size
from cinema_core.depth.find import find_depth
from cinema_core.depth.model_input import IMAGENET, resize
from cinema_core.depth.user_models import infer_depth
from cinema_core.shared.data import FARTHEST, Photo
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.models import DEFAULT_MODEL, OFFERED
from cinema_core.shared.options import BuildOptions

WIDTH, HEIGHT = 360, 240


@pytest.fixture(scope="module")
def photo() -> Photo:
    """Soft colours; the upper third is blue, which the MoGe-2 in small takes for sky."""
    random = np.random.default_rng(1).random((9, 12, 3)).astype(np.float32) * 0.7
    color = resize(random, (WIDTH, HEIGHT))
    color[: HEIGHT // 3] = (0.3, 0.5, 1.0)
    return Photo(np.ascontiguousarray(color), 400.0)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """All offered models in small, as they lie after their download."""
    monkeypatch.setenv("CINEMAGRAPH_MODELS", str(tmp_path))
    for name in OFFERED:
        (tmp_path / name).mkdir()
        for file, content in model_hub.export(name).items():
            (tmp_path / name / file).write_bytes(content)
    return tmp_path


def test_only_free_licences_are_offered_and_every_small_size_is_known():
    assert set(OFFERED) == {
        "moge-2-small", "moge-2-base", "depth-anything-3-small", "depth-anything-3-base", "depth-anything-v2-small",
    }  # fmt: skip
    for model in OFFERED.values():
        assert model.licence in ("MIT", "Apache-2.0") and model.merit and model.files[0].name.endswith(".onnx")
        assert all(re.fullmatch("[0-9a-f]{64}|", file.sha256) for file in model.files)
        assert "v2-base" not in model.repository and "large" not in model.repository
        pinned = re.fullmatch("[0-9a-f]{40}", model.revision) is not None
        assert pinned or model.revision == "main"
    assert OFFERED[DEFAULT_MODEL].summary == "MoGe-2 Small, 141 MB, MIT"
    without = [name for name, model in OFFERED.items() if not all(file.sha256 for file in model.files)]
    assert without == ["depth-anything-3-base"]  # whose digests no public source states


@pytest.mark.parametrize("name", OFFERED)
def test_every_offered_model_makes_the_depth_of_a_photo(folder, photo, name):
    found = find_depth(photo, None, BuildOptions(depth_model=name))
    assert found.values.shape == (HEIGHT, WIDTH) and found.values.min() == 1 and np.isfinite(found.values).all()
    assert found.values.std() > 0.05 and (found.source, found.licence) == ("model", OFFERED[name].licence)
    assert found.detail.startswith(OFFERED[name].label)
    assert (found.focal is None) == (name == "depth-anything-v2-small") and ("focal length" in found.detail) == bool(
        found.focal
    )


def test_moge_gives_distances_the_sky_and_the_focal_length(folder, photo):
    estimate = infer_depth(photo.color, "moge-2-small")
    columns, rows = patches((HEIGHT, WIDTH), 2500)
    assert (columns, rows) == (61, 41) and estimate.values.shape == (rows * 14, columns * 14)
    assert estimate.focal == pytest.approx(FOCAL / 2 * np.hypot(WIDTH, HEIGHT), rel=0.01) and estimate.kind == "metric"
    seen = torch.from_numpy(resize(photo.color, (columns * 14, rows * 14)).transpose(2, 0, 1)[None].copy())
    with torch.no_grad():
        truth = model_hub.make("moge-2-small").depth(seen)[0].numpy() * columns * rows / 1000
    surface = np.isfinite(estimate.values)
    assert surface[rows * 5 :].all() and not surface[: rows * 4].any()  # the upper third is sky
    assert np.abs(estimate.values[surface] / truth[surface] - 1).max() < 0.01  # SHIFT is found too
    depth = find_depth(photo, None, BuildOptions(depth_model="moge-2-small", edge_cleanup=0))
    assert (depth.values[: HEIGHT // 4] == FARTHEST).all() and depth.values[HEIGHT // 2 :].max() < 5


def test_depth_anything_3_gives_distances_and_the_focal_length_of_the_photo(folder, photo):
    estimate = infer_depth(photo.color, "depth-anything-3-small")
    assert estimate.values.shape == (336, 504) and estimate.kind == "metric"
    assert estimate.focal == pytest.approx(WIDE * WIDTH, rel=0.001)
    seen = (resize(photo.color, (504, 336)) - np.float32(IMAGENET[0])) / np.float32(IMAGENET[1])
    with torch.no_grad():
        truth = model_hub.make("depth-anything-3-small")(torch.from_numpy(seen.transpose(2, 0, 1)[None, None].copy()))[
            0
        ]
    assert np.abs(estimate.values - truth[0, 0].numpy()).max() < 1e-3


def test_depth_anything_v2_gives_disparity_at_its_own_size(folder, photo):
    estimate = infer_depth(photo.color, "depth-anything-v2-small")
    assert estimate.values.shape == (518, 784) and (estimate.kind, estimate.focal) == ("disparity", None)  # 777 rounded


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 640), (504, 378)), ((3000, 2000), (336, 504)), ((100, 2000), (504, 28)), ((7, 9), (504, 392))],
)
def test_depth_anything_3_sees_the_longer_side_at_504_px(shape, size):
    assert view_size(shape) == size


@pytest.mark.parametrize("shape", [(240, 360), (360, 240), (200, 1000), (1000, 1000)])
def test_the_patches_of_moge_are_those_that_its_graph_counts(shape):
    """The graph rounds sqrt(tokens * aspect) of the picture that it is given, as `patches` does."""
    columns, rows = patches(shape, 2500)
    assert columns * rows == pytest.approx(2500, rel=0.03) and patches((rows * 14, columns * 14), columns * rows) == (
        columns, rows,
    )  # fmt: skip


@pytest.mark.parametrize(("focal", "shift"), [(0.6, 0.0), (1.7, 3.0), (4.0, -0.2), (1.0, -40.0)])
def test_focal_length_and_shift_of_a_point_map_are_recovered(focal, shift):
    rng = np.random.default_rng(2)
    z = resize(rng.random((6, 9)).astype(np.float32), (300, 200)) * 4 + 1
    plane = view_plane((200, 300))
    points = np.concatenate([plane * z[..., None] / focal, (z - shift)[..., None]], -1).astype(np.float32)
    found = recover_camera(points, rng.random((200, 300)) > 0.3)
    assert found == pytest.approx((focal, shift), rel=0.01, abs=0.01)


def test_another_focal_length_or_kind_does_not_run_the_model_again(folder, photo, tmp_path, monkeypatch):
    """The estimated focal length is taken right after the model has run."""
    from cinema_core.depth import find
    from cinema_core.files.photo import write_png
    from cinema_core.pipeline.build import Builder
    from cinema_core.pipeline.request import Request

    runs = []
    monkeypatch.setattr(find, "infer_depth", lambda *given: runs.append(given) or infer_depth(*given))
    write_png(tmp_path / "photo.png", photo.color)
    builder, job = Builder(), tmp_path / "job"
    for options in ({}, {"focal": 300.0}, {"depth_kind": "metric"}, {"depth_model": "depth-anything-v2-small"}):
        given = BuildOptions(**{"depth_model": "moge-2-small", **options})
        builder.depth(Request(tmp_path / "photo.png", job, given))
    assert [model for _, model, _ in runs] == ["moge-2-small", "depth-anything-v2-small"]


def test_a_photo_of_sky_alone_is_told(folder):
    blue = np.zeros((60, 90, 3), np.float32)
    blue[..., 2] = 1.0
    with pytest.raises(CinemaError, match="finds no surface|cannot be run on a photo"):
        infer_depth(blue, "moge-2-small")


def test_a_file_from_elsewhere_is_known_by_its_inputs(folder, tmp_path, photo):
    """For computers without a network: the user brings the file, and chooses it."""
    place = tmp_path / "brought" / "any name.onnx"
    place.parent.mkdir()
    place.write_bytes((folder / "moge-2-small" / "model.onnx").read_bytes())
    assert infer_depth(photo.color, str(place)).focal == pytest.approx(FOCAL / 2 * np.hypot(WIDTH, HEIGHT), rel=0.01)


def test_weights_that_are_missing_beside_the_model_are_told(folder, photo):
    (folder / "depth-anything-3-small" / "model.onnx_data").unlink()
    with pytest.raises(CinemaError, match="Depth Anything 3 Small is not on this computer"):
        infer_depth(photo.color, "depth-anything-3-small")
    with pytest.raises(CinemaError, match="not an ONNX model that onnxruntime can load"):
        infer_depth(photo.color, str(folder / "depth-anything-3-small" / "model.onnx"))


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path, monkeypatch, photo):
    monkeypatch.setenv("CINEMAGRAPH_MODELS", str(tmp_path))
    with pytest.raises(CinemaError, match="MoGe-2 Base is not on this computer") as error:
        infer_depth(photo.color, "moge-2-base")
    assert "--download" in error.value.hint and "419 MB, MIT" in error.value.hint


assert SHIFT > 0  # otherwise the tests above would not see that it is found
