"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cinema_core.shared.atomic_write import atomic_write, check_target, save_array, writing
from cinema_core.shared.errors import CinemaError

WRITER = """
import sys, time
from cinema_core.shared.atomic_write import atomic_write
with atomic_write(sys.argv[1]) as partial:
    partial.write_text("new")
    print("written", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.b.txt"
    for text in ("one", "two"):
        with atomic_write(path) as partial:
            assert partial.parent == tmp_path and partial.suffix == ".txt"
            partial.write_text(text)
        assert path.read_text() == text
    assert names(tmp_path) == ["a.b.txt"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "a.txt").read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "a.txt"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "written\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert (tmp_path / "a.txt").read_text() == "old"


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("x" * 251 + ".flo")
    with atomic_write(path) as partial:
        assert partial.suffix == ".flo"
        partial.write_text("new")
    assert path.read_text() == "new" and names(tmp_path) == [path.name]


def test_a_name_that_is_too_long_is_an_error_of_the_user(tmp_path):
    with pytest.raises(CinemaError, match="too long"), writing(tmp_path / ("x" * 300)) as partial:
        partial.write_text("new")
    with pytest.raises(CinemaError, match="too long"):
        check_target(tmp_path / ("x" * 300), {})
    assert names(tmp_path) == []


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_an_input_is_no_target(tmp_path, link):
    photo, out = tmp_path / "photo.jpg", tmp_path / "out.jpg"
    photo.write_text("photo")
    if link is not None:
        link(photo, out)
    else:
        out = tmp_path / "." / "photo.jpg"
    with pytest.raises(CinemaError, match="is the photo, and would be overwritten"):
        check_target(out, {"the mask": None, "the photo": photo})
    check_target(tmp_path / "new.jpg", {"the photo": photo})


def test_targets_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "none" / "a.png", tmp_path / "file" / "a.png"):
        with pytest.raises(CinemaError, match="Cannot write") as caught:
            check_target(path, {})
        assert caught.value.hint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(CinemaError, match="not a regular file"):
            check_target(path, {})


@pytest.mark.parametrize(
    "array", [np.arange(12, dtype=np.int16).reshape(3, 4), np.ones((4, 3)).T, np.zeros((0, 2), np.float32), np.array(3)]
)
def test_an_array_is_written_as_numpy_does(tmp_path, array):
    save_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_an_array_on_a_full_disk_says_so():
    with pytest.raises(OSError) as caught:
        save_array(Path("/dev/full"), np.zeros(100_000))
    assert caught.value.errno == errno.ENOSPC
