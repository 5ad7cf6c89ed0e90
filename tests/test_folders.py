"""Commands that write several files into a folder of the user: they replace and remove their own alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_command_line import SMALL, snapshot
from test_outputs import run, user_error

from cinema_core.shared import transaction
from cinema_core.view.marks import is_own


@pytest.fixture(scope="module")
def built(tmp_path_factory, landscape_file) -> Path:
    """A finished small job. Tests share it and must not change it."""
    job = tmp_path_factory.mktemp("built") / "job"
    assert run("build", landscape_file, "--out", job, *SMALL).returncode == 0
    return job


def coverage(job: Path, masks: Path, frames: int):
    return ("coverage", job, "--camera", "side", "--frames", frames, "--masks", masks)


def picture(path: Path, value: int) -> bytes:
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(path)
    return path.read_bytes()


def test_masks_remove_only_pictures_of_an_earlier_check(built, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    mine = {name: picture(masks / name, 7) for name in ("0009.png", "2024.png", "5.png")}
    assert run(*coverage(built, masks, 5)).returncode == 0
    assert run(*coverage(built, masks, 3)).returncode == 0
    assert sorted(path.name for path in masks.iterdir()) == sorted([*mine, "0001.png", "0002.png", "0003.png"])
    assert {name: (masks / name).read_bytes() for name in mine} == mine
    assert Image.open(masks / "0001.png").mode == "RGBA" and is_own(masks / "0001.png")


def test_masks_over_pictures_of_somebody_else(built, tmp_path):
    data = picture(tmp_path / "0002.png", 7)
    assert "was not written by an earlier run" in user_error(*coverage(built, tmp_path, 3))
    assert snapshot(tmp_path) == {"0002.png": data}
    assert run(*coverage(built, tmp_path, 1)).returncode == 0  # nothing is in its way


def test_masks_that_blender_kept_before_they_were_marked(built, tmp_path):
    job = tmp_path / "job"
    folder = job / "coverage" / "1"
    folder.mkdir(parents=True)
    (job / transaction.OWNED).write_text("{}")
    for number in range(1, 5):
        picture(folder / f"{number:04d}.png", 7)
    assert run(*coverage(built, folder, 2)).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["0001.png", "0002.png"]


@pytest.mark.parametrize("name", ["frame.png", ""])
def test_previews_over_files_of_somebody_else(built, tmp_path, name):
    words = ("preview", built, "--camera", "side", "--frames", 2, "--out", tmp_path / name)
    file = tmp_path / ("frame_0001.png" if name else "side.mp4")
    file.write_bytes(b"my render")
    assert "was not written by an earlier run" in user_error(*words)
    assert snapshot(tmp_path) == {file.name: b"my render"}
    file.unlink()
    assert run(*words).returncode == 0 and is_own(file)
    assert run(*words).returncode == 0  # its own are replaced
    if not name:  # a file that the user names is replaced like any other
        (tmp_path / "named.mp4").write_bytes(b"old")
        assert run(*words[:-1], tmp_path / "named.mp4").returncode == 0 and is_own(tmp_path / "named.mp4")


def test_a_build_leaves_hidden_folders_of_other_programs(built, tmp_path, landscape_file):
    others = tmp_path / "job" / ".staging-area"
    others.mkdir(parents=True)
    (others / "draft").write_text("mine")
    stale = tmp_path / "job" / ".staging-999999"
    stale.mkdir()
    assert run("open", landscape_file, "--out", tmp_path / "job").returncode == 0
    assert (others / "draft").read_text() == "mine" and not stale.exists()


def test_parts_of_a_path_are_the_same_pictures(built, tmp_path):
    """Several processes may share the frames of a path, as on a render farm."""
    words = ("preview", built, "--camera", "circle", "--frames", 6)
    assert run(*words, "--out", tmp_path / "whole" / "a.png").returncode == 0
    for part in ("4-5", "0-2", "3-3"):
        assert run(*words, "--range", part, "--out", tmp_path / "parts" / "a.png").returncode == 0
    whole, parts = snapshot(tmp_path / "whole"), snapshot(tmp_path / "parts")
    assert sorted(whole) == [f"a_{number:04d}.png" for number in range(6)] and parts == whole
    assert len(set(whole.values())) == 6


@pytest.mark.parametrize(
    ("part", "text"),
    [("3-6", "whose frames are 0 to 5"), ("4-2", "not a part of"), ("7", "not a first and a last"), ("-1-2", "")],
)
def test_parts_that_are_not_of_the_path(built, tmp_path, part, text):
    words = ("preview", built, "--camera", "side", "--frames", 6, "--range", part, "--out", tmp_path / "a.png")
    assert text in user_error(*words) and not list(tmp_path.iterdir())
