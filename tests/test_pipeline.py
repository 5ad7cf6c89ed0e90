"""The whole build: what it leaves in the job folder, what it reports, and what it does with what it is given."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinema_core import storage
from cinema_core.camera import PATHS
from cinema_core.data import BuildOptions
from cinema_core.errors import CinemaError
from cinema_core.pipeline import STAGES, build
from cinema_core.report import FIGURES

WIDTH, HEIGHT = 128, 80  # of the landscape at this side
OPTIONS = BuildOptions(frames=20, max_side=WIDTH, keys=4, device="cpu")
STROKES = {
    "schema": 1, "width": 320, "height": 200,
    "strokes": [
        {"kind": "motion", "points": [[40, 150], [90, 150]]},
        {"kind": "region", "closed": True, "points": [[0, 90], [320, 90], [320, 200], [0, 200]]},
        {"kind": "still", "closed": True, "points": [[155, 80], [240, 80], [240, 168], [155, 168]]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def strokes(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("strokes") / "strokes.json"
    path.write_text(json.dumps(STROKES))
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory, landscape_file, strokes) -> tuple[Path, dict, list, list]:
    """Job, what build returned, progress and warnings. Shared: do not write to it."""
    job, told, warned = tmp_path_factory.mktemp("built") / "job", [], []
    report = build(landscape_file, job, OPTIONS, strokes, progress=lambda *at: told.append(at), warn=warned.append)
    return job, report, told, warned


def files(job: Path) -> dict[str, bytes]:
    return {p.relative_to(job).as_posix(): p.read_bytes() for p in job.rglob("*") if p.is_file() and p.name != ".lock"}


def test_two_builds_are_the_same_to_the_bit(tmp_path, built, landscape_file, strokes):
    build(landscape_file, tmp_path / "again", OPTIONS, strokes)
    first, second = files(built[0]), files(tmp_path / "again")
    assert first.keys() == second.keys() and "points/still_position.npy" in first
    assert {name for name in first if first[name] != second[name]} <= {"timing.json"}


def test_the_report_says_what_was_built(built):
    job, report, told, warned = built
    saved = json.loads((job / "report.json").read_text()) | json.loads((job / "timing.json").read_text())
    for name, value in report.items():
        assert saved[name] == value, name
    assert (report["width"], report["height"], report["focal"], report["frames"], report["keys"]) == (WIDTH, HEIGHT, WIDTH, 20, 4)
    assert report["photo"] == "landscape.png" and report["depth_source"] == "rules" and report["schema"] == storage.SCHEMA
    points = storage.read_points(job)
    assert report["still_points"] == len(points["still_position"]) and report["moving_points"] == len(points["moving_position"]) > 0
    layers = report["layers"]
    counted = np.bincount(points["still_layer"], minlength=len(layers))
    assert [layer["points"] for layer in layers] == counted.tolist()
    assert [layer["name"] for layer in layers if layer["hidden"]] == ["Bed"]
    shown = [layer["nearest"] for layer in layers if not layer["hidden"]]
    assert len(shown) > 1 and shown == sorted(shown)
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
    assert quality["seam"] < 1.3 and 0.5 < quality["contrast"] <= quality["contrast_max"] < 1.2  # so small, most is noise
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
    points = storage.read_points(job)
    assert points["moving_displacement"].shape == (5, len(points["moving_position"]), 3)
    for name in points:
        wanted = np.int16 if name in ("still_layer", "moving_cycles") else np.float32
        assert points[name].dtype == wanted and np.isfinite(points[name]).all(), name
        if "color" in name or "mean" in name:
            assert points[name].min() >= 0 and points[name].max() <= 1, name
    assert points["still_position"][:, 2].min() > 0.5
    picture = cv2.imread(str(job / "layers" / "canvas.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape[2] == 4 and picture.shape[0] > HEIGHT and picture.shape[1] > WIDTH


def test_without_strokes_it_is_a_still_photo_and_says_so(tmp_path, landscape_file):
    told = []
    report = build(landscape_file, tmp_path / "job", OPTIONS, warn=told.append)
    assert told == report["warnings"] and len(told) == 1 and "still 3D photo" in told[0]
    assert report["moving_points"] == 0 and report["quality"]["seam"] is None and report["quality"]["fidelity_db"] > 38
    assert not np.load(tmp_path / "job" / "motion.npy").any()


def test_a_failing_build_leaves_the_job_as_it_was(tmp_path, landscape_file, strokes):
    build(landscape_file, tmp_path / "job", OPTIONS, strokes)
    (tmp_path / "job" / "mine.txt").write_text("mine")
    before = files(tmp_path / "job")
    np.save(tmp_path / "flat.npy", np.ones((HEIGHT, WIDTH)))
    with pytest.raises(CinemaError, match="same everywhere"):
        build(landscape_file, tmp_path / "job", OPTIONS, strokes, tmp_path / "flat.npy")
    assert files(tmp_path / "job") == before


def test_a_given_depth_is_used(tmp_path, landscape_file):
    """One that the rules would never find: near on the left."""
    slope = np.repeat(np.linspace(1, 0.1, WIDTH)[None], HEIGHT, 0)
    np.save(tmp_path / "depth.npy", 1 / slope)
    report = build(landscape_file, tmp_path / "job", OPTIONS, depth=tmp_path / "depth.npy")
    found = np.load(tmp_path / "job" / "depth.npy")
    assert report["depth_source"] == "file"
    assert np.abs(1 / found - slope).max() < 0.03


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
    assert motion[64, 50] == pytest.approx((-50 / 50 * WIDTH / 320, 0), abs=0.03)  # length / 50, at the working size
    saved = json.loads((tmp_path / "job" / "strokes.json").read_text())
    assert [stroke["kind"] for stroke in saved["strokes"]] == ["region", "motion"] and saved["width"] == WIDTH


def test_speed_makes_it_faster(tmp_path, landscape_file, strokes, built):
    build(landscape_file, tmp_path / "job", BuildOptions(**{**vars(OPTIONS), "speed": 0.5}), strokes)
    slow, normal = (np.abs(np.load(job / "motion.npy")).max() for job in (tmp_path / "job", built[0]))
    assert slow == pytest.approx(normal / 2, rel=0.05)
