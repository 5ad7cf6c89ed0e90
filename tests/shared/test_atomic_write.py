"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cinema_core.shared.atomic_write import atomic_write

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
