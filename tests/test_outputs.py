"""Outputs of the command line on disks that are full or read-only, over inputs, and under unusual names."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image
from test_command_line import ENVIRONMENT, PROGRAM, SMALL, messages, snapshot

from cinema_core.__main__ import main

SERVE = [*PROGRAM, "serve"]


def run(*arguments: object) -> SimpleNamespace:
    """Run a command in this process, which is quicker than a process for each."""
    out, err, handler = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([os.fsdecode(str(part) if not isinstance(part, bytes) else part) for part in arguments])
    finally:
        signal.signal(signal.SIGTERM, handler)
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def user_error(*arguments: object) -> str:
    """The error of a command that must fail because of the user, with its hint."""
    done = run(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    _, _, text = done.stderr.partition("Error: ")
    assert len(text.splitlines()) == 2, done.stderr
    return text


needs_posix = pytest.mark.skipif(os.name == "nt", reason="names and pipes of POSIX")


@pytest.fixture(scope="module")
def built(tmp_path_factory, landscape_file) -> Path:
    """A finished small job. Tests share it and must not change it."""
    job = tmp_path_factory.mktemp("built") / "job"
    assert run("build", landscape_file, "--out", job, "--still", *SMALL).returncode == 0
    return job


@pytest.fixture
def mount() -> Iterator:
    """A function that mounts a small file system and gives its folder."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    mounted: list[Path] = []

    def make(options: str) -> Path:
        folder = Path(tempfile.mkdtemp())
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        if done.returncode:
            folder.rmdir()
            pytest.skip("this system mounts no tmpfs")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        gc.collect()  # files that a failed command left open
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def preview(job: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("preview", job, "--camera", "circle", "--out", out, *more)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif", "clip.png"])
def test_a_preview_on_a_full_disk_leaves_the_last_one(built, mount, name):
    full = mount("size=1m")
    assert run(*preview(built, full / name, "--frames", 2)).returncode == 0
    before = snapshot(full)
    assert sum(len(imageio.mimread(file)) for file in full.iterdir()) == 2
    with pytest.raises(OSError), open(full / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    assert "is full" in user_error(*preview(built, full / name, "--frames", 3))
    (full / "filler").unlink()
    assert snapshot(full) == before


@pytest.mark.parametrize("size", ["64k", "400k"])
def test_a_build_on_a_full_disk(landscape_file, mount, size):
    full = mount(f"size={size}")
    assert "is full" in user_error("build", landscape_file, "--still", "--out", full / "job", *SMALL)
    assert not (full / "job").exists()


def test_files_on_a_full_disk(built, landscape_file, mount):
    full = mount("size=4k")
    (full / "old.npy").write_text("old")
    for command in (("export", built), ("depth", landscape_file, *SMALL)):
        assert "is full" in user_error(*command, "--out", full / "old.npy")
        assert snapshot(full) == {"old.npy": b"old"}


def test_results_on_a_full_disk(tmp_path, landscape_file):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    for more in ((), ("--json",)):
        with open("/dev/full", "w") as full:
            command = [*PROGRAM, "open", landscape_file, "--out", tmp_path, *more]
            done = subprocess.run(command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and "standard output is full" in done.stderr and "Traceback" not in done.stderr


def test_a_read_only_disk(built, mount, landscape_file):
    folder = mount("size=1m")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    commands = [preview(built, folder / name, "--frames", 2) for name in ("a.mp4", "a.gif", "a.png", "new/a.mp4")]
    commands += [("export", built, "--out", folder / "a.flo"), ("open", landscape_file, "--out", folder / "job")]
    commands += [("coverage", built, "--camera", "still", "--frames", 1, "--masks", folder / "masks")]
    for command in commands:
        assert "Cannot write" in user_error(*command), command


def test_a_folder_of_somebody_else(built, tmp_path):
    """Root may write anywhere, unless it gives up its capabilities."""
    program = [*PROGRAM]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root needs setpriv to be refused anything")
        program = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *PROGRAM]
        os.chown(tmp_path, 65534, 65534)
    tmp_path.chmod(0o555)
    try:
        for name in ("a.mp4", "a.gif", "a.png"):
            command = [*program, *preview(built, tmp_path / name, "--frames", 2)]
            done = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True)
            assert done.returncode == 2 and "Permission denied" in done.stderr, name
    finally:
        tmp_path.chmod(0o755)


@needs_posix
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_no_command_overwrites_its_input(tmp_path, built, landscape_file, link):
    photo = shutil.copy(landscape_file, tmp_path / "photo.png")
    for name in ("linked.png", "linked.json", "linked.npy"):
        link(photo, tmp_path / name)
    camera = tmp_path / "camera.gif"
    camera.write_text(json.dumps([np.eye(4).tolist()]))
    before = snapshot(tmp_path)
    for command, out in (
        (("suggest", photo), "photo.png"),
        (("suggest", photo), "linked.json"),
        (("depth", photo), "photo.png"),
        (("depth", photo), "linked.npy"),
        (("depth", landscape_file, "--depth", photo), "linked.png"),
        (("preview", built, "--camera", camera), "camera.gif"),
    ):
        error = user_error(*command, "--out", tmp_path / out)
        assert "would be overwritten" in error or "Use .json" in error
        assert snapshot(tmp_path) == before


def test_no_command_overwrites_a_job_s_files(tmp_path, built, landscape_file):
    job = Path(shutil.copytree(built, tmp_path / "job"))
    before = snapshot(job)
    for command, out in (
        (("export", job), "depth.npy"),
        (("export", job), "report.json"),
        (("export", job), "points/still_color.npy"),
        (("depth", landscape_file), "photo.png"),
        (("suggest", landscape_file), "strokes.json"),
    ):
        assert "would be overwritten" in user_error(*command, "--out", job / out)
    for given in (("--depth", "depth.npy"), ("--annotations", "strokes.json"), ("--region", "region.png")):
        command = ("build", landscape_file, given[0], job / given[1], "--out", job, *SMALL)
        assert "would replace it" in user_error(*command)
    for command in ("open", "build"):
        assert "is the photo" in user_error(command, job / "photo.png", "--out", job, "--max-side", 64)
    assert snapshot(job) == before
    assert run("build", job / "photo.png", "--out", job, "--still", *SMALL).returncode == 0  # as Blender does


@needs_posix
def test_a_device_stays_a_device(tmp_path, landscape_file):
    os.mkfifo(tmp_path / "pipe.json")
    assert "not a regular file" in user_error("suggest", landscape_file, "--out", tmp_path / "pipe.json")
    assert (tmp_path / "pipe.json").is_fifo()


@needs_posix
@pytest.mark.parametrize("option", ["photo", "--annotations"])
def test_an_input_from_a_pipe(tmp_path, built, landscape_file, option):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = landscape_file if option == "photo" else built / "strokes.json"
    inputs = (pipe,) if option == "photo" else (landscape_file, option, pipe)
    with subprocess.Popen(["sh", "-c", 'exec cat "$0" > "$1"', source, pipe]) as writer:
        try:
            done = run("build", *inputs, "--out", tmp_path / "job", "--still", *SMALL)
        finally:
            writer.kill()
    assert done.returncode == 0, done.stderr
    points = "points/still_color.npy"
    assert (tmp_path / "job" / points).read_bytes() == (built / points).read_bytes()


@needs_posix
def test_names_that_are_not_utf_8(tmp_path, landscape_file):
    """Photos from archives of Windows; some file systems refuse such names."""
    photo = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    try:
        shutil.copy(landscape_file, photo)
    except OSError:
        pytest.skip("this file system takes no such names")
    job = os.path.join(os.fsencode(tmp_path), b"job\xe9")
    for command in (("build", photo, "--still", *SMALL), ("export", job), ("preview", job, "--camera", "still")):
        more = {"build": job, "export": photo + b".json", "preview": photo + b".mp4"}[command[0]]
        done = run(*command, "--out", more)
        assert done.returncode == 0, done.stderr
    content = json.loads(Path(os.fsdecode(photo + b".json")).read_text(encoding="utf-8"))
    assert os.fsencode(content["imagePath"]) == b"caf\xe9.png"


def test_long_names(tmp_path, built):
    for name, suffix in (("x" * 251, ".flo"), ("y" * 251, ".gif"), ("z" * 246, ".png")):
        command = "export" if suffix == ".flo" else "preview"
        more = ("--camera", "still", "--frames", 1) if command == "preview" else ()
        assert run(command, built, "--out", tmp_path / (name + suffix), *more).returncode == 0
    assert sorted(len(path.name) for path in tmp_path.iterdir()) == [255, 255, 255]
    for command in (("export", built), ("preview", built, "--camera", "still", "--frames", 1)):
        assert "too long" in user_error(*command, "--out", tmp_path / ("x" * 252 + ".gif")) or command[0] == "export"
    assert "too long" in user_error("build", built / "photo.png", "--out", tmp_path / ("x" * 256))


@needs_posix
@pytest.mark.parametrize("more", ["", "--json"])
def test_closed_streams(tmp_path, landscape_file, more):
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        command = f'"$0" -m cinema_core open "$1" --out "$2" {more} {closed}'
        arguments = ["sh", "-c", command, sys.executable, landscape_file, tmp_path / "job"]
        done = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 0 and "Traceback" not in done.stderr, closed
        assert (tmp_path / "job" / ".lock").read_bytes() == b""  # and no message went there


def test_requests_from_a_file(tmp_path, landscape_file):
    options = {"max_side": 96}
    build = {"command": "build", "photo": str(landscape_file), "still": True, "options": options}
    requests = [build | {"id": number, "out": str(tmp_path / f"job{number}")} for number in (1, 2)]
    lines = [*requests, {"id": 3, "command": "export", "out": str(tmp_path / "none"), "file": "a.flo"}, {"quit": True}]
    (tmp_path / "requests").write_text("\n".join(map(json.dumps, lines)))
    with open(tmp_path / "requests") as source:
        done = subprocess.run(SERVE, env=ENVIRONMENT, stdin=source, capture_output=True, text=True, timeout=300)
    last = {message["id"]: message for message in messages(done)}
    assert done.returncode == 0 and [last[number]["type"] for number in (1, 2, 3)] == ["done", "done", "error"]
    assert all(last[number]["report"]["quality"]["measured"] for number in (1, 2))


def test_requests_that_the_end_of_a_pipe_leaves_undone(tmp_path, landscape_file):
    request = {"id": 1, "command": "build", "photo": str(landscape_file), "out": str(tmp_path / "job")}
    done = subprocess.run(
        SERVE, env=ENVIRONMENT, input=json.dumps(request) + "\n", capture_output=True, text=True, timeout=300
    )
    last = messages(done)[-1]
    assert (last["id"], last["type"]) == (1, "error") and "serve < FILE" in last["hint"]
    assert not (tmp_path / "job").exists()


def test_names_in_requests_that_no_file_may_have(tmp_path):
    lines = [json.dumps({"id": 1, "command": "open", "photo": name, "out": "j"}) for name in ("a\0b", "a\ud800b")]
    (tmp_path / "requests").write_text("\n".join(lines))
    with open(tmp_path / "requests") as source:
        done = subprocess.run(SERVE, env=ENVIRONMENT, stdin=source, capture_output=True, text=True, timeout=300)
    assert [message["type"] for message in messages(done)] == ["error", "error"]


def test_a_camera_that_looks_away_is_told(tmp_path, built):
    (tmp_path / "camera.json").write_text(json.dumps([np.diag((1.0, -1.0, -1.0, 1.0)).tolist()]))
    for command in (preview(built, tmp_path / "v.png"), ("coverage", built)):
        command = tuple(part for part in command if part not in ("--camera", "circle"))
        done = run(*command, "--camera", tmp_path / "camera.json")
        assert done.returncode == 0 and "Warning" in done.stderr and "y up" in done.stderr


def test_a_gif_of_many_frames_per_second_is_told(tmp_path, built):
    done = run(*preview(built, tmp_path / "v.gif", "--frames", 6, "--fps", 60))
    assert "at most 50 frames" in done.stderr
    with Image.open(tmp_path / "v.gif") as clip:
        assert clip.info["duration"] >= 20
