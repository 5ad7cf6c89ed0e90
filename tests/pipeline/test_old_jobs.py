"""Job folders of version 0.1.0, whose points had other names: recognised, never read wrongly, and built again."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cinema_core.pipeline.build import Builder
from cinema_core.pipeline.request import Request
from cinema_core.points.gaps import LARGEST_CLOSING
from cinema_core.points.merge import MERGED_RADIUS
from cinema_core.shared import job_folder
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.options import BuildOptions

OLD_JOB = Path(__file__).with_name("version_0_1") / "job.zip"


@pytest.fixture
def old_job(tmp_path) -> Path:
    with zipfile.ZipFile(OLD_JOB) as archive:
        archive.extractall(tmp_path / "job")
    return tmp_path / "job"


def build(job: Path, photo: Path, annotations: Path) -> dict:
    options = BuildOptions(frames=12, reach=0.5, focal=64.0, max_side=64, device="cpu", coherence="never")
    return Builder().build(Request(photo, job, options, annotations))


def test_an_old_job_asks_to_be_built_again(old_job):
    assert json.loads((old_job / "report.json").read_text())["version"] == "0.1.0"
    for read in (job_folder.read_report, job_folder.read_points):
        with pytest.raises(CinemaError) as caught:
            read(old_job)
        assert caught.value.hint in ("Build it again", "Build it first")


def test_an_old_job_is_built_again_as_if_it_were_new(old_job, tmp_path):
    """Its photo and strokes are kept aside: a build may read neither its layers nor its points."""
    photo, strokes = (shutil.copy(old_job / name, tmp_path) for name in ("photo.png", "strokes.json"))
    (old_job / "mine.txt").write_text("mine")
    again = build(old_job, Path(photo), Path(strokes))
    fresh = build(tmp_path / "fresh", Path(photo), Path(strokes))
    assert (
        {stage["name"] for stage in again["stages"]}
        == {stage["name"] for stage in fresh["stages"]}
        >= {"layers", "points"}
    )
    ours, theirs = (job_folder.read_points(job) for job in (old_job, tmp_path / "fresh"))
    for name in theirs:
        np.testing.assert_array_equal(ours[name], theirs[name])
    left = {path.relative_to(old_job).as_posix() for path in old_job.rglob("*") if path.is_file()}
    new = {
        path.relative_to(tmp_path / "fresh").as_posix() for path in (tmp_path / "fresh").rglob("*") if path.is_file()
    }
    assert left == new | {"mine.txt"}  # no file of the old version stays, and none of the user's goes


def test_the_new_still_points_are_those_of_the_old_version(old_job, tmp_path, monkeypatch):
    """The same photo and strokes gave these very points before the files were moved and renamed.

    Points of mixed pixels and backing points have changed since, and radius factors up to those that close gaps. Moving
    points are others altogether. The farthest land was as far as the sky.
    """
    monkeypatch.setattr("cinema_core.depth.find.above_sky", lambda disparity: disparity)
    old = {path.stem.replace("spread", "radius_factor"): np.load(path) for path in old_job.glob("points/still_*.npy")}
    build(tmp_path / "job", old_job / "photo.png", old_job / "strokes.json")
    new = job_folder.read_points(tmp_path / "job")
    new = {name: values for name, values in new.items() if name.startswith("still_")}
    assert old.keys() == new.keys()
    for points in (old, new):
        factor = points["still_radius_factor"]
        whole = (factor >= 1) & (factor <= MERGED_RADIUS)
        points |= {name: values[whole] for name, values in points.items()}
        points["still_radius_factor"] = np.where(factor[whole] <= LARGEST_CLOSING, 1, factor[whole])
    assert len(old["still_position"]) > 2000
    for name, values in old.items():
        assert values.shape == new[name].shape
        np.testing.assert_allclose(values, new[name], atol=2e-3)  # threads and processors differ in the last digits
