"""The command line program, run as real processes: messages, exit codes and files."""

from __future__ import annotations

import filecmp
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from cinema_core.shared.options import BuildOptions

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
PROGRAM = [sys.executable, "-m", "cinema_core"]
SMALL = ("--max-side", "96")  # px; keeps builds short

STROKES = {
    "schema": 1, "width": 320, "height": 200,
    "strokes": [
        {"kind": "motion", "points": [[60, 150], [110, 150]]},
        {"kind": "region", "closed": True, "points": [[0, 82], [320, 82], [320, 200], [0, 200]]},
    ],
}  # fmt: skip


def run(*arguments: object, program: list[str] = PROGRAM) -> subprocess.CompletedProcess:
    command = [*program, *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, encoding="utf-8", timeout=300)


def messages(done: subprocess.CompletedProcess) -> list[dict]:
    """Messages of a run with --json. Every line of its output must be a message."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def user_error(*arguments: object) -> dict:
    """The last message of a run that must fail because of bad input. It must be an error with a hint."""
    done = run(*arguments, "--json")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = messages(done)[-1]
    assert last["type"] == "error" and last["text"] and last["hint"]
    return last


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def strokes_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("strokes") / "strokes.json"
    path.write_text(json.dumps(STROKES))
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory, landscape_file, strokes_file) -> tuple[Path, subprocess.CompletedProcess]:
    """A finished small job and the run that made it. Tests share it and must not change it."""
    job = tmp_path_factory.mktemp("built") / "job"
    done = run("build", landscape_file, "--annotations", strokes_file, "--out", job, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    return job, done


@pytest.fixture
def job(tmp_path, built) -> Path:
    """A finished job that the test may change."""
    import shutil

    return Path(shutil.copytree(built[0], tmp_path / "job"))


def test_open_writes_the_working_photo_and_nothing_else(tmp_path, landscape_file, landscape_pixels):
    job = tmp_path / "滝 job"
    (progress, last) = messages(run("open", landscape_file, "--out", job, "--json"))
    assert progress["type"] == "progress" and progress["stage"] == "photo"
    assert last == {
        "type": "done", "photo": str(job / "photo.png"), "width": 320, "height": 200, "focal": 320.0,
        "exif_focal": False, "file_size": [320, 200],
    }  # fmt: skip
    np.testing.assert_array_equal(np.asarray(Image.open(job / "photo.png")), landscape_pixels)
    assert [path.name for path in job.iterdir() if not path.name.startswith(".")] == ["photo.png"]


def test_open_does_not_wait_for_torch(tmp_path, landscape_file):
    program = [sys.executable, "-X", "importtime", "-m", "cinema_core"]
    loaded = run("open", landscape_file, "--out", tmp_path / "job", program=program).stderr
    assert "cinema_core.files.photo" in loaded
    assert not any(heavy in loaded for heavy in ("torch", "scipy"))


def test_open_keeps_a_finished_build(job, landscape_file):
    before = snapshot(job)
    assert run("open", landscape_file, "--out", job, "--max-side", "64").returncode == 0
    after = snapshot(job)
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {"photo.png"}


def test_open_options(tmp_path, landscape_file):
    last = messages(run("open", landscape_file, "--out", tmp_path, "--max-side", 64, "--focal", 99.5, "--json"))[-1]
    assert (last["width"], last["height"], last["focal"]) == (64, 40, 99.5)


def test_build_messages(built):
    lines = messages(built[1])
    assert {line["type"] for line in lines[:-1]} <= {"progress", "warning"}
    fractions = [line["fraction"] for line in lines if line["type"] == "progress"]
    assert fractions == sorted(fractions) and 0 <= fractions[0] and fractions[-1] == 1
    assert lines[-1]["type"] == "done" and lines[-1]["job"] == str(built[0])
    assert lines[-1]["report"]["moving_points"] > 0


def test_build_files(built):
    job = built[0]
    report = json.loads((job / "report.json").read_text())
    height, width = report["height"], report["width"]
    assert (height, width) == (60, 96)
    assert np.asarray(Image.open(job / "photo.png")).shape == (height, width, 3)
    depth, motion = (np.load(job / name, allow_pickle=False) for name in ("depth.npy", "motion.npy"))
    assert (depth.shape, depth.dtype) == ((height, width), np.float32)
    assert (motion.shape, motion.dtype) == ((height, width, 2), np.float32)
    region = np.asarray(Image.open(job / "region.png"))
    assert region.shape == (height, width) and set(np.unique(region)) == {0, 255}
    assert any((job / "layers").glob("*.png"))
    found = {
        path.relative_to(job).as_posix() for path in job.rglob("*") if path.is_file() and not path.name.startswith(".")
    }
    assert found == set(report["files"])
    strokes = json.loads((job / "strokes.json").read_text())
    assert (strokes["width"], strokes["height"], len(strokes["strokes"])) == (width, height, 2)


def test_two_builds_are_identical(tmp_path, built, landscape_file, strokes_file):
    again = tmp_path / "again"
    assert run("build", landscape_file, "--annotations", strokes_file, "--out", again, *SMALL).returncode == 0
    names = json.loads((built[0] / "report.json").read_text())["files"]
    names.remove("timing.json")
    assert filecmp.cmpfiles(built[0], again, names, shallow=False) == (names, [], [])


def test_a_still_photo_on_demand(tmp_path, landscape_file):
    done = run("build", landscape_file, "--still", "--out", tmp_path / "job", *SMALL)
    assert done.returncode == 0 and "Warning" not in done.stderr
    assert "0 of them move" in done.stdout


def test_build_without_strokes_moves_the_suggested_regions(tmp_path, landscape_file):
    done = run("build", landscape_file, "--out", tmp_path / "job", "--json", *SMALL)
    lines = messages(done)
    assert done.returncode == 0 and lines[-1]["report"]["moving_points"] > 0
    assert any(line["type"] == "warning" and "suggested" in line["text"] for line in lines)
    assert json.loads((tmp_path / "job" / "strokes.json").read_text())["strokes"]


def test_build_options_reach_the_build(tmp_path, landscape_file, strokes_file):
    options = ["--frames", 30, "--speed", 2, "--feather", 0.05, "--no-perspective", "--swings", 3, "--no-thin"]
    options += ["--reach", 0.5, "--edge-cleanup", 0.25, "--depth-gamma", 1.5]
    done = run(
        "build", landscape_file, "--annotations", strokes_file, "--out", tmp_path / "job", *SMALL, *options, "--json"
    )
    used = messages(done)[-1]["report"]["options"]
    given = {
        "frames": 30, "speed": 2.0, "max_side": 96, "feather": 0.05, "perspective": False, "swings": 3, "thin": False,
        "reach": 0.5, "edge_cleanup": 0.25, "depth_gamma": 1.5,
    }  # fmt: skip
    assert used == asdict(BuildOptions()) | given


def test_a_mask_and_a_motion_field_instead_of_strokes(tmp_path, built, landscape_file):
    """A build accepts the files that another job exports."""
    for name in ("motion.flo", "motion.npy", "motion.exr", "region.png"):
        done = run("export", built[0], "--out", tmp_path / name)
        assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / name)
    wanted = np.load(built[0] / "motion.npy")
    moving = (np.linalg.norm(wanted, axis=-1) > 0.02 * np.abs(wanted).max()).astype(np.uint8)
    # Within 3 px of still pixels the motion is faded, here for the second time.
    inner = cv2.erode(moving, np.ones((7, 7))) > 0
    inner[:, :4] = inner[:, -4:] = False
    assert inner.mean() > 0.3
    for name in ("motion.flo", "motion.npy", "motion.exr"):
        job = tmp_path / Path(name).suffix[1:]
        given = ["--flow", tmp_path / name, "--region", tmp_path / "region.png", "--feather", 0]
        assert run("build", landscape_file, "--out", job, *SMALL, *given).returncode == 0
        found = np.load(job / "motion.npy")
        assert (np.asarray(Image.open(job / "region.png")) == np.asarray(Image.open(built[0] / "region.png"))).all()
        assert np.abs(found - wanted)[inner].max() < 1e-5, name


def test_an_imported_motion_field_makes_its_own_region(tmp_path, landscape_file):
    flow = np.zeros((60, 96, 2), np.float32)
    flow[30:50, 20:70] = (0.5, 0)
    np.save(tmp_path / "flow.npy", flow)
    done = run(
        "build",
        landscape_file,
        "--flow",
        tmp_path / "flow.npy",
        "--speed",
        2,
        "--out",
        tmp_path / "job",
        *SMALL,
        "--json",
    )
    assert messages(done)[-1]["report"]["quality"]["hint_speed"] is None
    region = np.asarray(Image.open(tmp_path / "job" / "region.png")) > 0
    assert (region == (flow[..., 0] > 0)).all()
    assert np.load(tmp_path / "job" / "motion.npy")[40, 45] == pytest.approx((1.0, 0), abs=1e-6)


@pytest.mark.parametrize("name", ["depth.png", "depth.exr", "depth.npy"])
def test_depth_is_written_and_built_with(tmp_path, built, landscape_file, name):
    done = run("depth", landscape_file, "--out", tmp_path / name, *SMALL, "--json")
    last = messages(done)[-1]
    assert last["type"] == "done" and last["file"] == str(tmp_path / name) and last["detail"]
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == [name]
    run("build", landscape_file, "--depth", tmp_path / name, "--out", tmp_path / "job", "--still", *SMALL)
    again, first = (1 / np.load(job / "depth.npy") for job in (tmp_path / "job", built[0]))
    assert np.abs(again - first).mean() < 0.01
    detail = json.loads((tmp_path / "job" / "report.json").read_text())["depth_detail"]
    assert detail.startswith(name) and ("white" if name.endswith("png") else "distances") in detail


def test_options_of_depth_reach_it(tmp_path, landscape_file):
    run("depth", landscape_file, "--out", tmp_path / "a.npy", "--depth-near", 2, "--depth-far", 10, *SMALL)
    assert np.load(tmp_path / "a.npy").max() == pytest.approx(5)
    assert "cannot be written as" in user_error("depth", landscape_file, "--out", tmp_path / "a.jpg")["text"]
    assert (
        "not on this computer"
        in user_error("depth", landscape_file, "--out", tmp_path / "b.npy", "--depth-model", "a/b")["text"]
    )
    assert (
        "not a number from 0.25 to 4"
        in user_error("build", landscape_file, "--out", tmp_path / "job", "--reach", 9)["text"]
    )
    assert (
        "depth-kind"
        in user_error("build", landscape_file, "--out", tmp_path / "job", "--depth-kind", "x")["text"].lower()
    )
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["a.npy"]


def test_labelme_strokes_come_back(tmp_path, built, landscape_file):
    assert run("export", built[0], "--out", tmp_path / "image.json").returncode == 0
    content = json.loads((tmp_path / "image.json").read_text())
    # The size is that of the photo, although the job works at a smaller one.
    assert (content["imageWidth"], content["imageHeight"]) == (320, 200)
    again = run("build", landscape_file, "--annotations", tmp_path / "image.json", "--out", tmp_path / "job", *SMALL)
    assert again.returncode == 0
    np.testing.assert_allclose(np.load(tmp_path / "job" / "motion.npy"), np.load(built[0] / "motion.npy"), atol=1e-3)


def test_suggested_strokes_are_a_file_to_build_with(tmp_path, landscape_file):
    file = tmp_path / "suggested.json"
    done = run("suggest", landscape_file, "--out", file, "--json")
    content = json.loads(file.read_text())
    assert (
        done.returncode == 0
        and messages(done)[-1]["strokes"] == content["strokes"]
        and (content["width"], content["height"]) == (320, 200)
    )
    assert {"region", "motion"} <= {stroke["kind"] for stroke in content["strokes"]}
    assert run("build", landscape_file, "--annotations", file, "--out", tmp_path / "job", *SMALL).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("export", "JOB", "--out", "a.doc"), '".doc"'),
        (("export", "JOB", "--out", "none/a.npy"), "Cannot write"),
        (("export", ".", "--out", "a.npy"), "holds no finished build"),
        (("suggest", "none.png", "--out", "a.json"), "none.png does not exist"),
        (("suggest", "PHOTO", "--out", "none/a.json"), "Cannot write"),
        (("build", "PHOTO", "--out", "j", "--flow", "none.flo"), "none.flo"),
        (("build", "PHOTO", "--out", "j", "--region", "none.png"), "none.png"),
    ],
)
def test_bad_files(tmp_path, built, landscape_file, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    given = {"JOB": built[0], "PHOTO": landscape_file}
    assert text in user_error(*(given.get(argument, argument) for argument in arguments))["text"]
    assert list(tmp_path.iterdir()) == []


def test_build_of_a_reference_folder(tmp_path, landscape_pixels):
    folder = tmp_path / "demo"
    folder.mkdir()
    Image.fromarray(landscape_pixels).save(folder / "image.jpg")
    shapes = [
        {"label": "motion", "shape_type": "polygon", "points": STROKES["strokes"][1]["points"]},
        {"label": "hint0", "shape_type": "line", "points": STROKES["strokes"][0]["points"]},
    ]
    (folder / "image.json").write_text(json.dumps({"imageWidth": 320, "imageHeight": 200, "shapes": shapes}))
    done = run("build", folder, "--out", tmp_path / "job", *SMALL, "--json")
    report = messages(done)[-1]["report"]
    assert report["photo"] == "image.jpg" and report["moving_points"] > 0


def damaged_photo(tmp_path: Path, landscape_file: Path) -> Path:
    path = tmp_path / "cut.png"
    path.write_bytes(landscape_file.read_bytes()[:5000])
    return path


@pytest.mark.parametrize(
    ("photo", "options", "text"),
    [
        ("none.jpg", {}, "does not exist"),
        ("", {}, "holds no image.png"),
        ("cut.png", {}, "damaged"),
        ("good.png", {"--annotations": "none.json"}, "does not exist"),
        ("good.png", {"--annotations": "bad.json"}, "not valid JSON"),
        ("good.png", {"--annotations": "other.json"}, "was made for a photo of"),
        ("good.png", {"--depth": "none.png"}, "none.png"),
        ("good.png", {"--depth": "cut.png"}, "cut.png"),
    ],
)
def test_bad_input_keeps_the_last_build(tmp_path, job, landscape_file, photo, options, text):
    damaged_photo(tmp_path, landscape_file)
    (tmp_path / "good.png").write_bytes(landscape_file.read_bytes())
    (tmp_path / "bad.json").write_text('{"strokes": [')
    (tmp_path / "other.json").write_text(json.dumps(STROKES | {"height": 320}))
    before = snapshot(job)
    arguments = [part for option, value in options.items() for part in (option, tmp_path / value)]
    assert text in user_error("build", tmp_path / photo, "--out", job, *SMALL, *arguments)["text"]
    assert snapshot(job) == before


def test_bad_input_makes_no_folder(tmp_path):
    user_error("open", tmp_path / "none.jpg", "--out", tmp_path / "job")
    user_error("build", tmp_path / "none.jpg", "--out", tmp_path / "job")
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_stopped_build_keeps_the_last_one(job, landscape_file, how, code):
    before = snapshot(job)
    command = [*PROGRAM, "build", str(landscape_file), "--out", str(job), "--json"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as build:
        for line in build.stdout:
            if json.loads(line).get("stage") == "layers":
                break
        build.send_signal(how)
        rest = build.stdout.read().splitlines()
    assert build.returncode == code
    if how != signal.SIGKILL:
        last = json.loads(rest[-1])
        assert last["type"] == "error" and last["text"] == "Cancelled"
        assert snapshot(job) == before
    after = {name: data for name, data in snapshot(job).items() if not name.startswith(".staging-")}
    assert after == before
    assert run("open", landscape_file, "--out", job, *SMALL).returncode == 0
    assert not any(job.glob(".staging-*"))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif"])
def test_preview_video(tmp_path, built, name):
    done = run(
        "preview", built[0], "--camera", "circle", "--frames", 3, "--fps", 10, "--out", tmp_path / name, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert messages(done)[-1]["files"] == [str(tmp_path / name)]
    frames = imageio.mimread(tmp_path / name)
    assert len(frames) == 3 and frames[0].shape[:2] == (60, 96)


def test_preview_of_all_paths_as_the_reference(tmp_path, built):
    done = run("preview", built[0], "--camera", "all", "--frames", 2, "--loop", "--out", tmp_path / "videos")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {
        "up-down.mp4",
        "zoom-in.mp4",
        "side.mp4",
        "circle.mp4",
    }


def test_preview_along_a_camera_file(tmp_path, built):
    moved = np.eye(4)
    moved[0, 3] = 0.4
    (tmp_path / "path.json").write_text(json.dumps([np.eye(4).tolist(), moved.tolist()]))
    done = run("preview", built[0], "--camera", tmp_path / "path.json", "--out", tmp_path / "frame.png", "--json")
    assert done.returncode == 0, done.stderr
    first, second = (np.asarray(Image.open(file)).astype(int) for file in messages(done)[-1]["files"])
    photo = np.asarray(Image.open(built[0] / "photo.png")).astype(int)
    assert 2 * np.abs(first - photo).mean() < np.abs(second - photo).mean()


@pytest.mark.parametrize("content", ["[[[1, 0, 0, 0]", "[[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,NaN]]]"])
def test_malformed_camera_file(tmp_path, built, content):
    (tmp_path / "path.json").write_text(content)
    assert (
        "path.json"
        in user_error("preview", built[0], "--camera", tmp_path / "path.json", "--out", tmp_path / "a.mp4")["text"]
    )
    assert not (tmp_path / "a.mp4").exists()


def test_preview_of_nothing_and_into_nothing(tmp_path, built):
    assert user_error("preview", tmp_path, "--camera", "side", "--out", tmp_path / "a.mp4")["hint"] == "Build it first"
    assert ".doc" in user_error("preview", built[0], "--camera", "side", "--out", tmp_path / "a.doc")["text"]


def test_check():
    fields = messages(run("check", "--json"))[-1]
    assert fields["type"] == "done" and fields["device"] in ("cpu", "cuda", "mps")
    assert fields["torch"].startswith("2.13.0") and fields["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "required"),
        (("dance",), "dance"),
        (("build", "a.png"), "--out"),
        (("build", "a.png", "--out", "b", "--frames", "1"), "a whole number from 2 to 1000"),
        (("build", "a.png", "--out", "b", "--frames", "2.5"), "a whole number"),
        (("build", "a.png", "--out", "b", "--speed", "nan"), "a number from 0 to 100"),
        (("build", "a.png", "--out", "b", "--feather", "0.9"), "a number from 0 to 0.5"),
        (("serve", "--idle", "0"), "a number from 0.01"),
        (("open", "a.png", "--out", "b", "--max-side", "8"), "from 16"),
        (("open", "a.png", "--out", "b", "--focal", "-3"), "from 1"),
        (("preview", "job", "--out", "b"), "--camera"),
    ],
)
def test_arguments(arguments, text):
    assert text in user_error(*arguments)["text"]


def test_error_for_people():
    done = run("open", "none.jpg", "--out", "nowhere")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-2:] == ["Error: none.jpg does not exist.", "Check the name of the photo."]


BROKEN = """
import os, sys
from cinema_core import __main__
from cinema_core.files import photo
real = photo.read_photo
def noisy(*arguments):
    print("printed by a library")
    os.write(1, b"written by a C library\\n")
    os.system("echo said by a child")
    if sys.argv[1] == "bug":
        raise IndexError("list index out of range")
    if sys.argv[1] == "memory":
        raise MemoryError
    return real(*arguments)
photo.read_photo = noisy
sys.exit(__main__.main(sys.argv[2:]))
"""


def test_prints_do_not_get_between_the_messages(tmp_path, landscape_file):
    program = [sys.executable, "-c", BROKEN, "noise"]
    done = run("open", landscape_file, "--out", tmp_path, "--json", program=program)
    assert [line["type"] for line in messages(done)] == ["progress", "done"]
    for text in ("printed by a library", "written by a C library", "said by a child"):
        assert text in done.stderr


def test_a_bug_is_fatal(tmp_path, landscape_file):
    done = run("open", landscape_file, "--out", tmp_path, "--json", program=[sys.executable, "-c", BROKEN, "bug"])
    assert done.returncode == 1
    assert messages(done)[-1] == {"type": "fatal", "text": "IndexError: list index out of range"}
    assert "Traceback" in done.stderr


def test_too_little_memory(tmp_path, landscape_file):
    done = run("open", landscape_file, "--out", tmp_path, "--json", program=[sys.executable, "-c", BROKEN, "memory"])
    assert done.returncode == 2 and "memory" in messages(done)[-1]["text"]


def test_missing_package(tmp_path, landscape_file):
    block = "import sys; sys.modules['cv2'] = None; from cinema_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    done = run("open", landscape_file, "--out", tmp_path, "--json", program=[sys.executable, "-c", block])
    assert done.returncode == 2
    last = messages(done)[-1]
    assert "cv2 is not installed" in last["text"] and "opencv-python-headless" in last["hint"]


def test_listener_that_has_gone(landscape_file, tmp_path):
    command = [*PROGRAM, "open", str(landscape_file), "--out", str(tmp_path), "--json"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        program.stdout.close()
        errors = program.stderr.read()
    assert program.returncode == 1 and "Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_bar_on_a_terminal(tmp_path, landscape_file):
    import pty

    leader, follower = pty.openpty()
    command = [*PROGRAM, "open", str(landscape_file), "--out", str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=follower, timeout=60)
    os.close(follower)
    text = os.read(leader, 10_000).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "\rphoto" in text.replace("\x1b[K", "") and b"[....." in text.encode()
    assert "\n" not in text


def test_plain_progress_without_a_terminal(tmp_path, landscape_file):
    assert run("open", landscape_file, "--out", tmp_path).stderr == "photo ...\n"
