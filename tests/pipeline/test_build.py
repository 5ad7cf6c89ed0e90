"""The whole build: files in the job folder, report, caches, and the use of its inputs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cinema_core.depth.find import estimate_depth
from cinema_core.files.photo import read_photo, write_png
from cinema_core.layers.split import Layers, split_layers
from cinema_core.pipeline import cache, stored
from cinema_core.pipeline.build import Builder
from cinema_core.pipeline.request import Request
from cinema_core.pipeline.timing import STAGES as ALL_STAGES
from cinema_core.shared import job_files, job_folder, transaction
from cinema_core.shared.camera import PATHS, Camera
from cinema_core.shared.data import Depth
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.options import BuildOptions
from cinema_core.view.quality import FIGURES

STAGES = [name for name in ALL_STAGES if name != "depth strokes"]  # of a build without depth strokes
WIDTH, HEIGHT = 128, 80  # px, of the landscape at this max_side
OPTIONS = BuildOptions(frames=20, max_side=WIDTH, keys=4, device="cpu")
STROKES = {
    "schema": 1, "width": 320, "height": 200,
    "strokes": [
        {"kind": "motion", "points": [[40, 150], [90, 150]]},
        {"kind": "region", "closed": True, "points": [[0, 90], [320, 90], [320, 200], [0, 200]]},
        {"kind": "still", "closed": True, "points": [[155, 80], [240, 80], [240, 168], [155, 168]]},
    ],
}  # fmt: skip


def build(photo: Path, job: Path, options: BuildOptions, annotations: Path | None = None, **more) -> dict:
    """Build with nothing kept in memory."""
    told = {name: more.pop(name) for name in ("progress", "warn") if name in more}
    return Builder().build(Request(photo, job, options, annotations, **more), **told)


@pytest.fixture(scope="module")
def strokes(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("strokes") / "strokes.json"
    path.write_text(json.dumps(STROKES))
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory, landscape_file, strokes) -> tuple[Path, dict, list, list]:
    """Job folder, report, progress and warnings of a build. Tests share the job and must not change it."""
    job, told, warned = tmp_path_factory.mktemp("built") / "job", [], []
    report = build(landscape_file, job, OPTIONS, strokes, progress=lambda *at: told.append(at), warn=warned.append)
    return job, report, told, warned


def read_files(job: Path) -> dict[str, bytes]:
    return {p.relative_to(job).as_posix(): p.read_bytes() for p in job.rglob("*") if p.is_file() and p.name != ".lock"}


def test_two_builds_are_the_same_to_the_bit(tmp_path, built, landscape_file, strokes):
    build(landscape_file, tmp_path / "again", OPTIONS, strokes)
    first, second = read_files(built[0]), read_files(tmp_path / "again")
    assert first.keys() == second.keys() and "points/still_position.npy" in first
    assert {name for name in first if first[name] != second[name]} <= {"timing.json"}


def test_swaying_points_are_a_separate_part(tmp_path, landscape_file):
    strokes = {**STROKES, "strokes": [*STROKES["strokes"], {
        "kind": "sway", "closed": True, "points": [[10, 10], [110, 10], [110, 60], [10, 60]],
    }]}  # fmt: skip
    (tmp_path / "strokes.json").write_text(json.dumps(strokes))
    report = build(landscape_file, tmp_path / "job", OPTIONS, tmp_path / "strokes.json")
    flowing, swaying = report["moving_parts"]
    assert (flowing["name"], swaying["name"]) == ("Motion", "Sway") and min(flowing["points"], swaying["points"]) > 100
    points = job_folder.read_points(tmp_path / "job")
    assert len(points["moving_position"]) == flowing["points"] + swaying["points"]
    last = points["moving_displacement"][:, flowing["points"] :]
    # Swaying points return to their start; flowing points do not.
    np.testing.assert_allclose(last[0], last[-1], atol=1e-6)
    assert np.abs(last).max() > 1e-3


def test_the_report_says_what_was_built(built):
    job, report, told, warned = built
    saved = json.loads((job / "report.json").read_text()) | json.loads((job / "timing.json").read_text())
    for name, value in report.items():
        assert saved[name] == value, name
    assert (report["width"], report["height"], report["focal"], report["frames"], report["keys"]) == (
        WIDTH,
        HEIGHT,
        WIDTH,
        20,
        4,
    )
    assert (
        report["photo"] == "landscape.png"
        and report["depth_source"] == "network"
        and report["schema"] == job_files.SCHEMA
    )
    points = job_folder.read_points(job)
    assert (
        report["still_points"] == len(points["still_position"])
        and report["moving_points"] == len(points["moving_position"]) > 0
    )
    layers = report["layers"]
    counted = np.bincount(points["still_layer"], minlength=len(layers))
    assert [layer["points"] for layer in layers] == counted.tolist()
    assert [layer["name"] for layer in layers if layer["hidden"]] == ["Backing"]
    valid = [layer["nearest"] for layer in layers if not layer["hidden"]]
    assert len(valid) > 1 and valid == sorted(valid)
    assert warned == report["warnings"] == []
    assert [stage["name"] for stage in report["stages"]] == list(STAGES)
    assert 0 < report["peak_memory_gb"] < 3 and report["seconds"] > 0
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and {stage for stage, _ in told} == set(STAGES)


def test_the_quality_is_good_and_complete(built):
    quality = built[1]["quality"]
    assert set(quality) == {"measured", *FIGURES} and quality["measured"] is True
    assert set(quality["holes"]) == set(PATHS)
    assert quality["fidelity_db"] > 36 and quality["fidelity_still_db"] > 38
    # The range of contrast is wide, since most fine detail of so small a photo is noise.
    assert quality["seam"] < 1.3 and 0.5 < quality["contrast"] <= quality["contrast_max"] < 1.2
    assert max(quality["holes"].values()) <= 0.002
    assert quality["hint_angle_deg"] < 5 and quality["hint_speed"] < 0.1


def test_the_jobs_arrays_are_as_documented(built):
    job = built[0]
    depth, motion = np.load(job / "depth.npy", allow_pickle=False), np.load(job / "motion.npy", allow_pickle=False)
    region = cv2.imread(str(job / "region.png"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == (HEIGHT, WIDTH) and depth.dtype == np.float32 and depth.min() == 1
    assert motion.shape == (HEIGHT, WIDTH, 2) and motion.dtype == np.float32
    assert region.shape == (HEIGHT, WIDTH) and region.dtype == np.uint8 and set(np.unique(region)) == {0, 255}
    assert not motion[region == 0].any() and np.linalg.norm(motion, axis=-1).max() > 0.2
    assert not region[:30].any() and not region[50, 70:90].any() and region[70].all()
    points = job_folder.read_points(job)
    assert points["moving_displacement"].shape == (5, len(points["moving_position"]), 3)
    for name in points:
        assert points[name].dtype == job_files.POINTS_DTYPES.get(name, "float32") and np.isfinite(points[name]).all(), (
            name
        )
        if name == "still_color":
            assert points[name].min() >= 0 and points[name].max() <= 1, name
    assert points["still_position"][:, 2].min() > 0.5
    picture = cv2.imread(str(job / "layers" / "canvas.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape[2] == 4 and picture.shape[0] > HEIGHT and picture.shape[1] > WIDTH


def test_a_still_photo_on_demand(tmp_path, landscape_file):
    report = build(landscape_file, tmp_path / "job", OPTIONS, still=True)
    assert report["warnings"] == [] and report["moving_points"] == 0
    assert report["quality"]["seam"] is None and report["quality"]["fidelity_db"] > 38
    assert not np.load(tmp_path / "job" / "motion.npy").any()


def test_without_strokes_it_moves_as_suggested_and_says_so(tmp_path, landscape_file):
    told = []
    report = build(landscape_file, tmp_path / "job", OPTIONS, warn=told.append)
    assert told == report["warnings"] and "suggested regions move" in told[0] and report["moving_points"] > 0
    flat = write_png(tmp_path / "flat.png", np.full((HEIGHT, WIDTH, 3), 128, np.uint8)) or tmp_path / "flat.png"
    report = build(flat, tmp_path / "flat", OPTIONS)
    assert "the photo stays still" in report["warnings"][0] and report["moving_points"] == 0


def test_a_failing_build_leaves_the_job_as_it_was(tmp_path, landscape_file, strokes):
    build(landscape_file, tmp_path / "job", OPTIONS, strokes)
    (tmp_path / "job" / "mine.txt").write_text("mine")
    before = read_files(tmp_path / "job")
    np.save(tmp_path / "flat.npy", np.ones((HEIGHT, WIDTH)))
    with pytest.raises(CinemaError, match="same everywhere"):
        build(landscape_file, tmp_path / "job", OPTIONS, strokes, depth=tmp_path / "flat.npy")
    assert read_files(tmp_path / "job") == before


def test_a_given_depth_is_used(tmp_path, landscape_file):
    """The given depth is near on the left, which no estimate of this photo would be."""
    slope = np.repeat(np.linspace(1, 0.1, WIDTH)[None], HEIGHT, 0)
    np.save(tmp_path / "depth.npy", 1 / slope)
    report = build(landscape_file, tmp_path / "job", OPTIONS, depth=tmp_path / "depth.npy")
    found = np.load(tmp_path / "job" / "depth.npy")
    assert report["depth_source"] == "file"
    assert np.abs(1 / found - slope).max() < 0.03


def with_depth_stroke(folder: Path) -> Path:
    """A file with the usual strokes and a depth stroke that turns some water into sky."""
    sky = {"kind": "depth_sky", "closed": True, "points": [[0, 140], [100, 140], [100, 190], [0, 190]]}
    (folder / "depth_strokes.json").write_text(json.dumps({**STROKES, "strokes": [*STROKES["strokes"], sky]}))
    return folder / "depth_strokes.json"


def test_a_stroke_about_depth_repeats_all_but_what_made_the_depth(job_copy, tmp_path, landscape_file, strokes):
    before = np.load(job_copy / "depth.npy")
    report = rebuild(job_copy, landscape_file, with_depth_stroke(tmp_path))
    assert stages_run(report) == {"photo", "hints", "depth strokes", "layers", "motion", "points", "save", "report"}
    painted = np.load(job_copy / "depth.npy")
    assert painted[68, 20] > 10 * before[68, 20] and np.array_equal(np.load(job_copy / "depth_base.npy"), before)
    edited = json.loads((tmp_path / "depth_strokes.json").read_text())
    edited["strokes"][0]["points"][1] = [95, 155]
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    assert stages_run(rebuild(job_copy, landscape_file, tmp_path / "edited.json")) == {
        "photo",
        "hints",
        "motion",
        "points",
        "save",
        "report",
    }
    # Without the depth stroke, the depth is as before.
    assert not {"depth", "depth strokes"} & stages_run(rebuild(job_copy, landscape_file, strokes))
    assert np.array_equal(np.load(job_copy / "depth.npy"), before) and not (job_copy / "depth_base.npy").exists()


def test_strokes_about_depth_alone_suggest_motion_all_the_same(tmp_path, landscape_file):
    content = json.loads(with_depth_stroke(tmp_path).read_text())
    content["strokes"] = content["strokes"][-1:]
    (tmp_path / "alone.json").write_text(json.dumps(content))
    report = build(landscape_file, tmp_path / "job", OPTIONS, tmp_path / "alone.json")
    assert "suggested regions move" in report["warnings"][0] and report["moving_points"] > 0


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_learned_inpainter_fills_occluded_surfaces(tmp_path, landscape_file):
    class Purple(torch.nn.Module):
        def forward(self, image, mask):
            return image * (1 - mask) + torch.tensor([0.6, 0.0, 0.6]).reshape(1, 3, 1, 1) * mask

    torch.jit.save(torch.jit.script(Purple()), str(tmp_path / "purple.pt"))
    options = BuildOptions(**vars(OPTIONS) | {"inpaint_model": str(tmp_path / "purple.pt")})
    depth = np.full((HEIGHT, WIDTH), 20, np.float32)
    depth[20:60, 40:90] = 1
    np.save(tmp_path / "card.npy", depth)
    build(landscape_file, tmp_path / "job", options, depth=tmp_path / "card.npy", still=True)
    behind = [
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / "job" / "layers").glob("behind_*.png")
    ]
    colors = np.concatenate([picture[picture[..., 3] > 0][:, :3] for picture in behind])
    assert len(colors) > 50 and np.abs(np.median(colors, 0) - (153, 0, 153)).max() < 30


def test_labelmes_polygons_and_hints_are_understood(tmp_path, landscape_file):
    shapes = [
        {"label": "motion", "shape_type": "polygon", "points": [[0, 120], [320, 120], [320, 200], [0, 200]]},
        {"label": "hint_0", "shape_type": "line", "points": [[150, 160], [100, 160]]},
    ]
    content = {"imageWidth": 320, "imageHeight": 200, "imageData": None, "imagePath": "image.png", "shapes": shapes}
    (tmp_path / "image.json").write_text(json.dumps(content))
    report = build(landscape_file, tmp_path / "job", OPTIONS, tmp_path / "image.json")
    motion = np.load(tmp_path / "job" / "motion.npy")
    assert report["moving_points"] > 0 and not motion[:46].any()
    # Stroke length over 50 frames, at the working size.
    assert motion[64, 50] == pytest.approx((-50 / 50 * WIDTH / 320, 0), abs=0.03)
    saved = json.loads((tmp_path / "job" / "strokes.json").read_text())
    assert [stroke["kind"] for stroke in saved["strokes"]] == ["region", "motion"] and saved["width"] == WIDTH


def test_speed_makes_it_faster(tmp_path, landscape_file, strokes, built):
    build(landscape_file, tmp_path / "job", BuildOptions(**{**vars(OPTIONS), "speed": 0.5}), strokes)
    slow, normal = (np.abs(np.load(job / "motion.npy")).max() for job in (tmp_path / "job", built[0]))
    assert slow == pytest.approx(normal / 2, rel=0.05)


@pytest.fixture
def job_copy(tmp_path, built) -> Path:
    """A finished job that the test may change."""
    return Path(shutil.copytree(built[0], tmp_path / "own"))


def stages_run(report: dict) -> set[str]:
    return {stage["name"] for stage in report["stages"]}


def rebuild(job: Path, photo: Path, strokes: Path, **changed: object) -> dict:
    return build(photo, job, BuildOptions(**vars(OPTIONS) | changed), strokes)


def test_a_job_that_is_there_is_not_built_again(job_copy, built, landscape_file, strokes):
    before = read_files(job_copy)
    report = rebuild(job_copy, landscape_file, strokes)
    assert stages_run(report) == set() and read_files(job_copy) == before
    assert {name: report[name] for name in report if name not in ("stages", "seconds", "peak_memory_gb", "files")} == {
        name: built[1][name] for name in built[1] if name not in ("stages", "seconds", "peak_memory_gb", "files")
    }


def test_warnings_come_again_with_a_job_that_is_there(tmp_path, landscape_file):
    told = [[], []]
    for heard in told:
        build(landscape_file, tmp_path / "job", OPTIONS, warn=heard.append, still=True)
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("option", "stages"),
    [
        ({"frames": 24}, {"photo", "hints", "motion", "points", "save", "report"}),
        ({"speed": 0.7}, {"photo", "hints", "motion", "points", "save", "report"}),
        ({"seed": 1}, {"photo", "hints", "layers", "motion", "points", "save", "report"}),
        ({"focal": 200.0}, {"photo", "hints", "depth", "layers", "motion", "points", "save", "report"}),
        ({"depth_gamma": 1.2}, {"photo", "hints", "depth", "layers", "motion", "points", "save", "report"}),
        ({"edge_cleanup": 0.0}, {"photo", "hints", "depth", "layers", "motion", "points", "save", "report"}),
        ({"reach": 0.5}, {"photo", "hints", "layers", "motion", "points", "save", "report"}),
        # Without a depth file the kind of depth has no effect, so the points are found in the job folder.
        ({"depth_kind": "metric"}, {"photo", "hints", "motion", "save", "report"}),
        ({"download": True}, set()),
    ],
)
def test_an_option_repeats_what_it_concerns(job_copy, landscape_file, strokes, option, stages):
    assert stages_run(rebuild(job_copy, landscape_file, strokes, **option)) == stages


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    """Flip one bit in the middle of the file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


def pickled(path: Path) -> None:
    np.save(path, np.array([{}]), allow_pickle=True)


def other_shape(path: Path) -> None:
    np.save(path, np.ones((9, 9), np.float32))


def wrong_layers(path: Path) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"color": arrays["color"] + np.float32(np.nan)})


def no_json(path: Path) -> None:
    path.write_text("[" * 5000)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("layers.npz", Path.unlink), ("layers.npz", cut), ("layers.npz", flip), ("layers.npz", wrong_layers),
        ("depth.npy", cut), ("depth.npy", flip), ("depth.npy", pickled), ("depth.npy", other_shape),
        ("photo.png", flip), ("photo.png", Path.unlink), ("layers/canvas.png", Path.unlink),
        ("points/still_color.npy", cut), ("points/still_layer.npy", pickled), ("points/moving_birth.npy", Path.unlink),
        ("stages.json", Path.unlink), ("stages.json", no_json), ("report.json", cut), ("report.json", Path.unlink),
    ],
)  # fmt: skip
def test_damaged_caches_are_made_anew(job_copy, edits, landscape_file, name, damage):
    """After any damage, a build with an edited stroke gives the same job as a build from scratch."""
    damage(job_copy / name)
    rebuild(job_copy, landscape_file, edits[0])
    assert_same(job_copy, edits[1])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("layers.npz", cut),
        ("points/still_color.npy", cut),
        ("stages.json", no_json),
        ("report.json", cut),
        ("motion.npy", Path.unlink),
    ],
)
def test_a_job_that_lost_something_is_built_again(job_copy, built, landscape_file, strokes, name, damage):
    damage(job_copy / name)
    rebuild(job_copy, landscape_file, strokes)
    assert_same(job_copy, built[0])


def assert_same(job: Path, other: Path) -> None:
    found, wanted = read_files(job), read_files(other)
    assert found.keys() == wanted.keys()
    assert {name for name in wanted if wanted[name] != found[name]} <= {"timing.json"}


@pytest.fixture(scope="module")
def edits(tmp_path_factory, landscape_file) -> tuple[Path, Path]:
    """A file of edited strokes, and the job that a build from scratch makes with them."""
    folder = tmp_path_factory.mktemp("edits")
    content = json.loads(json.dumps(STROKES))
    content["strokes"][0]["points"][1] = [95, 155]
    (folder / "strokes.json").write_text(json.dumps(content))
    build(landscape_file, folder / "job", OPTIONS, folder / "strokes.json")
    return folder / "strokes.json", folder / "job"


def test_caches_of_another_version_are_not_used(job_copy, landscape_file, strokes, monkeypatch):
    monkeypatch.setattr(cache, "CODE", "another")
    assert stages_run(rebuild(job_copy, landscape_file, strokes)) == set(STAGES)


@pytest.fixture(scope="module")
def layers(landscape_file) -> Layers:
    """Layers of the landscape, with a near card in it."""
    photo = read_photo(landscape_file, 160)
    depth = estimate_depth(photo) * 4
    depth[40:70, 60:100] = 1
    layers = split_layers(photo.color, depth, Camera(photo.width, photo.height, photo.focal))
    assert layers.bands and len(layers.mixed_pixels)
    return layers


@pytest.mark.parametrize("name", ["color", "disparity", "label"])
def test_layers_that_no_reader_takes_are_not_written(tmp_path, layers, name):
    """Or each build would make them anew, and only take longer."""
    wider = replace(layers, **{name: getattr(layers, name) * np.ones(1)})
    with pytest.raises(ValueError, match=f"{name} is float64"):
        stored.write_layers(tmp_path, wider)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["inward", "alpha", "far_color"])
def test_mixed_pixels_that_no_reader_takes_are_not_written(tmp_path, layers, name):
    mixed = layers.mixed_pixels
    wider = replace(layers, mixed_pixels=replace(mixed, **{name: getattr(mixed, name).astype(np.float64)}))
    with pytest.raises(ValueError, match=f"mixed_{name} is float64"):
        stored.write_layers(tmp_path, wider)


def test_depth_that_no_reader_takes_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="depth is float64"):
        stored.write_depth(tmp_path, Depth(np.ones((4, 6)), "file"))
    assert not list(tmp_path.iterdir())


def test_layers_come_back_from_disk_as_they_were(tmp_path, layers):
    """Every array of the layers is equal to the bit; damaged arrays are rejected."""
    camera = layers.camera
    stored.write_layers(tmp_path, layers)
    again = stored.read_layers(tmp_path, camera)
    for name in ("pad", "color", "disparity", "valid", "label"):
        np.testing.assert_array_equal(getattr(again, name), getattr(layers, name))
    for new, old in zip(again.bands, layers.bands, strict=True):
        assert new.layer == old.layer
        for name in ("index", "color", "disparity", "source"):
            np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
    with np.load(tmp_path / job_files.LAYERS) as file:
        arrays = dict(file)
    np.savez(tmp_path / job_files.LAYERS, **arrays | {"source_0": arrays["source_0"] + 10**9})
    with pytest.raises(ValueError, match="not there"):
        stored.read_layers(tmp_path, camera)


def test_a_photo_that_was_replaced_in_the_job_folder(job_copy, landscape_file, strokes, edits):
    """`open` may write the photo.png of another photo; the next build replaces it with its own."""
    with transaction.stage(job_copy, keep=True) as staging:
        (staging.path / "photo.png").write_bytes((job_copy / "region.png").read_bytes())
    rebuild(job_copy, landscape_file, edits[0])
    assert (job_copy / "photo.png").read_bytes() == (edits[1] / "photo.png").read_bytes()


def test_a_painted_mask_is_the_region(tmp_path, landscape_file):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[50:, :64] = 255
    write_png(tmp_path / "mask.png", mask)
    report = build(landscape_file, tmp_path / "job", OPTIONS, region=tmp_path / "mask.png")
    region = cv2.imread(str(tmp_path / "job" / "region.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(region, mask)
    assert report["moving_points"] > 0


def test_hints_are_measured_where_the_motion_is_whole(built, tmp_path, landscape_file, strokes):
    """Hints in a wide strip of faded motion do not count as errors."""
    wide = build(landscape_file, tmp_path / "job", BuildOptions(**vars(OPTIONS) | {"feather": 0.1}), strokes)
    assert wide["quality"]["hint_speed"] == pytest.approx(built[1]["quality"]["hint_speed"], abs=0.03)
