"""Job folders: a build appears completely or not at all, also when its writer is killed; the user's files stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cinema_core.shared import job_files, job_folder, transaction
from cinema_core.shared.errors import CinemaError

# Writes a build whose files all hold argv[2]; stops at the moment that argv[3] names, in order to be killed there.
WRITER = """
import os, sys, time
from pathlib import Path
from cinema_core.shared import job_files, transaction

job, text, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def stop():
    print("stopped", flush=True)
    time.sleep(60)

real = os.replace
moves = []
def replace(source, target):
    name = Path(target).name
    if moment == "before journal" and name == ".commit.json":
        stop()
    real(source, target)
    moves.append(name)
    if (moment == "after journal" and name == ".commit.json") or (moment == "between moves" and len(moves) == 3):
        stop()
    if moment == "before removal" and name == ".cinemagraph.json":
        stop()
os.replace = replace

with transaction.stage(job) as staging:
    (staging.path / "layers").mkdir()
    for name in ("photo.png", "strokes.json", "layers/1.png", f"layers/{text}.png"):
        (staging.path / name).write_text(text)
    (staging.path / "report.json").write_text('{"schema": %d, "text": "%s"}' % (job_files.SCHEMA, text))
    if moment == "staging":
        stop()
"""


def write(job: Path, text: str) -> None:
    with transaction.stage(job) as staging:
        (staging.path / "layers").mkdir()
        for name in ("photo.png", "strokes.json", "layers/1.png", f"layers/{text}.png"):
            (staging.path / name).write_text(text)
        (staging.path / "report.json").write_text(json.dumps({"schema": job_files.SCHEMA, "text": text}))


def assert_is(job: Path, text: str) -> None:
    """Every published file is of the build `text`, and there are no other files."""
    assert job_folder.read_report(job)["text"] == text
    names = {path.relative_to(job).as_posix() for path in job.rglob("*") if path.is_file()}
    expected = {"photo.png", "strokes.json", "layers/1.png", f"layers/{text}.png"}
    assert names - {".lock", ".cinemagraph.json"} == expected | {"report.json"}
    assert {(job / name).read_text() for name in expected} == {text}


def start_writer(job: Path, text: str, moment: str) -> subprocess.Popen:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, job, text, moment], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "stopped\n"
    return writer


def points(still: int = 4, moving: int = 3, keys: int = 2) -> dict[str, np.ndarray]:
    sizes = {"S": still, "M": moving, "K": keys + 1, "J": 2}
    return {
        name: np.zeros(
            [size if isinstance(size, int) else sizes[size] for size in shape],
            job_files.POINTS_DTYPES.get(name, "float32"),
        )
        for name, shape in job_files.POINTS.items()
    }


def write_arrays(job: Path, arrays: dict[str, np.ndarray]) -> None:
    """Points as another program might write them."""
    (job / "points").mkdir()
    for name, array in arrays.items():
        np.save(job / "points" / f"{name}.npy", array)


def test_published_together(tmp_path):
    job = tmp_path / "new" / "job"
    write(job, "one")
    assert_is(job, "one")
    assert sorted(job_folder.read_report(job)["files"]) == [
        "layers/1.png", "layers/one.png", "photo.png", "report.json", "strokes.json",
    ]  # fmt: skip


def test_next_build_replaces_and_removes(tmp_path):
    write(tmp_path, "one")
    write(tmp_path, "two")
    assert_is(tmp_path, "two")


def test_folders_left_empty_are_removed(tmp_path):
    write(tmp_path, "one")
    with transaction.stage(tmp_path) as staging:
        (staging.path / "photo.png").write_text("two")
    assert not (tmp_path / "layers").exists()


def test_keep_leaves_the_other_files(tmp_path):
    write(tmp_path, "one")
    with transaction.stage(tmp_path, keep=True) as staging:
        (staging.path / "photo.png").write_text("two")
    assert (tmp_path / "photo.png").read_text() == "two"
    assert (tmp_path / "strokes.json").read_text() == "one"
    write(tmp_path, "three")
    assert_is(tmp_path, "three")


def test_kept_files_stay_and_belong_to_the_new_state(tmp_path):
    write(tmp_path, "one")
    with transaction.stage(tmp_path) as staging:
        staging.keep("layers/one.png")
        (staging.path / "photo.png").write_text("two")
        (staging.path / "report.json").write_text(json.dumps({"schema": job_files.SCHEMA}))
    assert sorted(job_folder.read_report(tmp_path)["files"]) == ["layers/one.png", "photo.png", "report.json"]
    assert (tmp_path / "layers" / "one.png").read_text() == "one" and not (tmp_path / "layers" / "1.png").exists()
    write(tmp_path, "three")
    assert_is(tmp_path, "three")


def test_published_before_the_end(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with transaction.stage(tmp_path / "job") as staging:
            (staging.path / "photo.png").write_text("one")
            staging.publish()
            assert (tmp_path / "job" / "photo.png").read_text() == "one"
            with transaction.stage(tmp_path / "job", keep=True) as another:  # the lock is free again
                (another.path / "strokes.json").write_text("two")
            raise ZeroDivisionError
    assert {path.name for path in (tmp_path / "job").iterdir()} == {
        ".lock",
        ".cinemagraph.json",
        "photo.png",
        "strokes.json",
    }


def test_build_after_open(tmp_path):
    with transaction.stage(tmp_path, keep=True) as staging:
        (staging.path / "photo.png").write_text("opened")
    write(tmp_path, "one")
    assert_is(tmp_path, "one")


def test_error_leaves_the_last_build(tmp_path):
    write(tmp_path, "one")
    with pytest.raises(ZeroDivisionError):
        with transaction.stage(tmp_path) as staging:
            (staging.path / "photo.png").write_text("two")
            raise ZeroDivisionError
    assert_is(tmp_path, "one")


def test_error_in_the_first_build_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with transaction.stage(tmp_path / "job"):
            raise ZeroDivisionError
    assert not (tmp_path / "job").exists()


def test_full_disk(tmp_path):
    write(tmp_path, "one")
    with pytest.raises(CinemaError, match="is full"):
        with transaction.stage(tmp_path):
            raise OSError(28, "No space left on device")
    assert_is(tmp_path, "one")


@pytest.mark.parametrize("moment", ["staging", "before journal"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_before_the_journal(tmp_path, moment, how):
    write(tmp_path, "one")
    writer = start_writer(tmp_path, "two", moment)
    assert job_folder.read_report(tmp_path)["text"] == "one"  # a reader beside a running writer
    writer.send_signal(how)
    writer.wait()
    assert job_folder.read_report(tmp_path)["text"] == "one"
    assert (tmp_path / "layers" / "one.png").exists() and not (tmp_path / "layers" / "two.png").exists()
    write(tmp_path, "three")
    assert_is(tmp_path, "three")


@pytest.mark.parametrize("moment", ["after journal", "between moves", "before removal"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_while_publishing(tmp_path, moment, how):
    write(tmp_path, "one")
    writer = start_writer(tmp_path, "two", moment)
    writer.send_signal(how)
    writer.wait()
    assert (tmp_path / ".commit.json").exists()
    assert_is(tmp_path, "two")


def test_killed_while_publishing_then_written(tmp_path):
    write(tmp_path, "one")
    writer = start_writer(tmp_path, "two", "between moves")
    writer.kill()
    writer.wait()
    write(tmp_path, "three")
    assert_is(tmp_path, "three")


def test_reader_waits_for_a_living_publisher(tmp_path, monkeypatch):
    write(tmp_path, "one")
    writer = start_writer(tmp_path, "two", "between moves")
    monkeypatch.setattr(transaction, "PUBLISHING_TIMEOUT", 0.2)
    began = time.monotonic()
    with pytest.raises(CinemaError, match="Another build is writing"):
        job_folder.read_report(tmp_path)
    assert time.monotonic() - began >= 0.2
    writer.kill()
    writer.wait()
    assert_is(tmp_path, "two")


def test_second_writer_is_refused(tmp_path):
    write(tmp_path, "one")
    writer = start_writer(tmp_path, "two", "staging")
    with pytest.raises(CinemaError, match="Another build is writing"):
        write(tmp_path, "three")
    assert any(tmp_path.glob(".staging-*")), "the running writer's folder was removed"
    writer.kill()
    writer.wait()
    write(tmp_path, "three")
    assert_is(tmp_path, "three")


def test_other_files_stay(tmp_path):
    (tmp_path / "preview.mp4").write_text("mine")
    write(tmp_path, "one")
    (tmp_path / "layers" / "notes.txt").write_text("mine")
    write(tmp_path, "two")
    assert (tmp_path / "preview.mp4").read_text() == (tmp_path / "layers" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["photo.png", "points/still_color.npy", "points", "report.json", "layers/1.png", "layers"]
)
def test_files_of_the_user_are_not_overwritten(tmp_path, name):
    job = tmp_path / "job"
    (job / name).parent.mkdir(parents=True)
    (job / name).write_text("mine")
    with pytest.raises(CinemaError, match="would be overwritten"):
        write(job, "one")
    assert [path.read_text() for path in job.rglob("*") if path.is_file() and path.name != ".lock"] == ["mine"]


def test_refused_before_the_work(tmp_path):
    (tmp_path / "stages.json").write_text("mine")
    with pytest.raises(CinemaError, match="would be overwritten"):
        with transaction.stage(tmp_path):
            pytest.fail("the build has begun")


def test_copied_job_without_its_hidden_files(tmp_path):
    write(tmp_path, "one")
    (tmp_path / ".cinemagraph.json").unlink()
    write(tmp_path, "two")
    assert_is(tmp_path, "two")


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/etc/outside.txt", "layers/../../outside.txt", "..\\outside.txt", 5]
)
def test_journal_of_a_stranger_leads_nowhere(tmp_path, name):
    job = tmp_path / "job"
    write(job, "one")
    (tmp_path / "outside.txt").write_text("mine")
    journal = {"schema": 1, "staging": ".staging-1", "files": [], "remove": [name]}
    (job / ".commit.json").write_text(json.dumps(journal))
    with pytest.raises(CinemaError, match="damaged"):
        job_folder.read_report(job)
    assert (tmp_path / "outside.txt").exists()


def test_job_is_a_file(tmp_path):
    (tmp_path / "job").write_text("mine")
    with pytest.raises(CinemaError, match="is a file"):
        write(tmp_path / "job", "one")
    with pytest.raises(CinemaError, match="Cannot write"):
        write(tmp_path / "job" / "inside", "one")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that not even root may write to")
def test_job_cannot_be_written():
    with pytest.raises(CinemaError, match="Cannot write"):
        write(Path("/proc/1/job"), "one")
    with pytest.raises(CinemaError, match="Cannot write"):
        write(Path("/proc"), "one")


def test_reading_a_missing_job(tmp_path):
    for job in (tmp_path, tmp_path / "none"):
        for read in (job_folder.read_report, job_folder.read_points):
            with pytest.raises(CinemaError, match="no finished build. Build it first"):
                read(job)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "text"), [("{", "damaged"), ("[]", "this version"), ('{"schema": 99}', "this version")]
)
def test_damaged_report(tmp_path, content, text):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(CinemaError, match=text):
        job_folder.read_report(tmp_path)


def test_points_come_back(tmp_path):
    written = points()
    job_folder.write_points(tmp_path, written)
    read = job_folder.read_points(tmp_path)
    assert read.keys() == written.keys()
    assert all(np.array_equal(read[name], written[name]) and read[name].dtype == written[name].dtype for name in read)


def test_no_moving_points(tmp_path):
    job_folder.write_points(tmp_path, points(moving=0))
    assert job_folder.read_points(tmp_path)["moving_displacement"].shape == (3, 0, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"still_color": np.zeros((5, 3), np.float32)},
        {"moving_birth": np.zeros(3, np.float64)},
        {"moving_death": np.zeros((3, 1), np.float32)},
        {"still_position": np.array([{}] * 4)},  # a pickle
    ],
)
def test_damaged_points(tmp_path, change):
    write_arrays(tmp_path, points() | change)
    with pytest.raises(CinemaError, match="damaged"):
        job_folder.read_points(tmp_path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"still_color": np.zeros((4, 3))}, "still_color is float64"),
        ({"moving_cycles": np.zeros(3, np.int32)}, "moving_cycles is int32"),
        ({"still_radius_factor": np.zeros(5, np.float32)}, "still_radius_factor has shape"),
    ],
)
def test_points_that_no_reader_takes_are_not_written(tmp_path, change, text):
    with pytest.raises(ValueError, match=text):
        job_folder.write_points(tmp_path, points() | change)
    assert not list(tmp_path.iterdir())


class Trap:
    """An object that a file from another person may hold: unpickling it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_not_even_opened(tmp_path):
    write_arrays(tmp_path, points() | {"still_position": np.array([Trap(tmp_path / "sprung")])})
    with pytest.raises(CinemaError, match="damaged"):
        job_folder.read_points(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_truncated_and_missing_points(tmp_path):
    job_folder.write_points(tmp_path, points())
    file = tmp_path / "points" / "moving_colors.npy"
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(CinemaError, match="damaged"):
        job_folder.read_points(tmp_path)
    file.write_bytes(b"")
    with pytest.raises(CinemaError, match="damaged"):
        job_folder.read_points(tmp_path)
    file.unlink()
    with pytest.raises(CinemaError, match="no finished build"):
        job_folder.read_points(tmp_path)


def test_points_read_are_nobody_elses(tmp_path):
    """Changes to arrays that were read are not written, and a later build does not change these arrays."""
    job_folder.write_points(tmp_path, points())
    read = job_folder.read_points(tmp_path)
    read["moving_birth"][:] = 7
    assert not job_folder.read_points(tmp_path)["moving_birth"].any()
    with transaction.stage(tmp_path / "job") as staging:
        job_folder.write_points(staging.path, points())
    read = job_folder.read_points(tmp_path / "job")
    with transaction.stage(tmp_path / "job") as staging:
        job_folder.write_points(staging.path, {name: array + 1 for name, array in points(still=9).items()})
    assert len(read["still_color"]) == 4 and not read["still_color"].any()


def test_lock_does_not_outlive_the_process(tmp_path):
    writer = start_writer(tmp_path, "one", "staging")
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    write(tmp_path, "two")
    assert_is(tmp_path, "two")
