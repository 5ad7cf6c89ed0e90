"""A folder of photos in one command: real files, one of them broken; resumed, cancelled, not over others' files."""

from __future__ import annotations

import ast
import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image
from test_command_line import ENVIRONMENT, PROGRAM, STROKES, messages, snapshot
from test_command_line import run as run_process
from test_outputs import run, user_error

from cinema_core.engine.batch_inputs import list_inputs
from cinema_core.shared.job_folder import FEW_HOLES, GOOD, OF_ESTIMATES, describe_quality

TINY = ("--max-side", 64)


@pytest.fixture
def folder(tmp_path, landscape_pixels) -> Path:
    """Two photos, one of them with strokes, and a broken one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(landscape_pixels).save(folder / "a.jpg")
    (folder / "a.json").write_text(json.dumps(STROKES))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    Image.fromarray(landscape_pixels[:, ::-1].copy()).save(folder / "c.png")
    (folder / "notes.txt").write_text("mine")
    return folder


def table(out: Path) -> dict[str, dict]:
    """Rows of the table by photo; both files must say the same."""
    rows = json.loads((out / "batch.json").read_text())["photos"]
    with open(out / "batch.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(row["photo"], row["state"], row["error"]) for row in rows] == [
        (line["photo"], line["state"], line["error"]) for line in lines
    ]
    return {row["photo"]: row for row in rows}


def test_a_broken_photo_ends_nothing_and_a_finished_one_is_not_built_again(folder, tmp_path):
    out = tmp_path / "out"
    done = run("batch", folder, "--out", out, *TINY)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    rows = table(out)
    assert [row["state"] for row in rows.values()] == ["built", "failed", "built"]
    good, broken = rows["a.jpg"], rows["broken.png"]
    assert good["inputs"] == ["a.json"] and good["job"] == "a" and good["seconds"] > 0
    report = json.loads((out / "a" / "report.json").read_text())
    assert good["points"] == report["still_points"] + report["moving_points"]
    assert good["moving_points"] == report["moving_points"] > 0
    assert good["quality"] == describe_quality(report) and good["quality"].split(":")[0] in ("Good", "Fair", "Poor")
    assert broken["error"] == "broken.png is damaged or incomplete" and broken["hint"] and broken["points"] is None
    assert not (out / "broken").exists()
    assert any("suggested" in text for text in rows["c.png"]["warnings"]) and not good["warnings"]
    assert "notes.txt" in done.stderr and "a.json" not in done.stderr.split("notes.txt")[0]
    lines = done.stdout.splitlines()
    assert "built" in lines[0] and "broken.png is damaged or incomplete. Get the file again" in lines[1]
    assert lines[-1].startswith("2 of 3 photos are built")

    before = {name: snapshot(out / name) for name in ("a", "c")}
    Image.fromarray(np.full((100, 160, 3), 90, np.uint8)).save(folder / "broken.png")
    again = run_process("batch", folder, "--out", out, *TINY, "--json")
    assert again.returncode == 0
    last = messages(again)[-1]
    assert last["type"] == "done" and last["failed"] == 0 and last["table"] == str(out / "batch.csv")
    assert [row["state"] for row in table(out).values()] == ["unchanged", "built", "unchanged"]
    assert all(row["seconds"] < 2 for row in table(out).values() if row["state"] == "unchanged")  # 0.02 s
    assert {name: snapshot(out / name) for name in before} == before
    assert table(out)["a.jpg"]["points"] == good["points"]


def test_previews_are_made_once_and_again_for_other_points(folder, tmp_path):
    out = tmp_path / "out"
    (folder / "broken.png").unlink()
    (folder / "c.png").unlink()
    words = ("batch", folder, "--out", out, *TINY, "--preview", "side")
    assert run(*words).returncode == 0
    clips = {name: (out / f"a_{name}.mp4").read_bytes() for name in ("side",)}
    assert len(imageio.mimread(out / "a_side.mp4", memtest=False)) > 10
    began = time.monotonic()
    assert run(*words).returncode == 0 and table(out)["a.jpg"]["state"] == "unchanged"
    assert time.monotonic() - began < 5
    (out / "a_side.mp4").unlink()
    assert run(*words).returncode == 0 and (out / "a_side.mp4").read_bytes() == clips["side"]
    (out / "a_side.mp4").write_bytes(b"another film")
    (out / "batch.json").unlink()
    assert run(*words).returncode == 2
    assert "was not written by an earlier run" in table(out)["a.jpg"]["error"]
    assert (out / "a_side.mp4").read_bytes() == b"another film"


def test_photos_of_one_name_get_two_jobs(tmp_path, landscape_pixels):
    folder = tmp_path / "photos"
    (folder / "set").mkdir(parents=True)
    image = Image.fromarray(landscape_pixels)
    for name in ("a.jpg", "a.png", "A.webp", "b.png", "b_mask.png", "b_depth.png", "c_mask.png", "batch.csv.png",
                 "set/image.png"):  # fmt: skip
        image.save(folder / name)
    (folder / "b_json").mkdir()
    (folder / "old.nef").write_bytes(b"raw")
    (folder / ".hidden.png").write_bytes(b"")
    found, others = list_inputs(folder, tmp_path / "out")
    assert {given.name: given.job for given in found} == {
        "A.webp": "A_webp", "a.jpg": "a_jpg", "a.png": "a_png", "b.png": "b", "batch.csv.png": "batch.csv_png",
        "c_mask.png": "c_mask", "old.nef": "old", "set": "set",
    }  # fmt: skip
    (given,) = [given for given in found if given.name == "b.png"]
    assert (given.mask.name, given.depth.name, given.annotations) == ("b_mask.png", "b_depth.png", None)
    assert others == []


def test_folders_that_cannot_be_used(folder, tmp_path):
    assert "There is no folder" in user_error("batch", tmp_path / "none", "--out", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "holds no photos" in user_error("batch", tmp_path / "empty", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    for name in ("batch.csv", "batch.json"):
        (tmp_path / "mine" / name).write_text("my own table")
        assert "is not from an earlier batch" in user_error("batch", folder, "--out", tmp_path / "mine")
        assert (tmp_path / "mine" / name).read_text() == "my own table"
        (tmp_path / "mine" / name).unlink()
    assert "invalid choice" in user_error("batch", folder, "--out", tmp_path / "out", "--preview", "round")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_cancel_leaves_finished_jobs_and_the_table(folder, tmp_path):
    out = tmp_path / "out"
    command = [*PROGRAM, "batch", str(folder), "--out", str(out), "--max-side", "64", "--json"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        for line in process.stdout:
            if json.loads(line).get("stage") == "c.png: layers":
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
    last = json.loads(rest[-1])
    assert process.returncode == 130 and last["text"] == "Cancelled" and "1 of 3 photos are built" in last["hint"]
    assert [row["state"] for row in table(out).values()] == ["built", "failed", "cancelled"]
    assert (out / "a" / "report.json").exists() and not (out / "c" / "report.json").exists()
    assert run("batch", folder, "--out", out, *TINY).returncode == 2
    assert [row["state"] for row in table(out).values()] == ["unchanged", "failed", "built"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "Good: no holes, the loop closes"),
        ({"measured": False}, "Not measured"),
        ({"seam": 2.1}, "Fair: the loop jumps where it restarts, times the usual change (2.1)"),
        ({"holes": {"side": 0.004, "circle": 0.0}}, "Fair: 0.4% holes on the path side"),
        ({"holes": {"side": 0.03, "circle": 0.0}, "fidelity_db": 22.0},
         "Poor: 3.0% holes on the path side, frame 1 differs from the photo, dB (22)"),
        ({"hint_angle_deg": None, "seam": None}, "Good: no holes, a still photo"),
        ({"bent": 0.12}, "Fair: a camera move bends straight lines, share of their length (0.12)"),
        ({"shreds": 44}, "Fair: a camera move tears off pieces, number (44)"),
    ],
)  # fmt: skip
def test_the_quality_in_words(change, text):
    quality = {"measured": True, "fidelity_db": 41.0, "seam": 1.0, "contrast": 0.95, "holes": {"side": 0.0},
               "hint_angle_deg": 0.1}  # fmt: skip
    assert describe_quality({"quality": quality | change}) == text


def test_the_panel_judges_by_the_same_limits():
    source = (Path(__file__).parents[1] / "blender_addon" / "quality_words.py").read_text(encoding="utf-8")
    assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    panel = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    limits = {
        name: ast.literal_eval(panel[name]) for name in ("HOLES", "SEAM", "CONTRAST", "FIDELITY", "ANGLE", "PACE")
    }
    good = {name: reach for name, reach, _ in GOOD}
    at_ends = next(ast.literal_eval(node.value) for node in assigned if isinstance(node.targets[0], ast.Tuple))
    assert at_ends == tuple(good[name][1] for name in OF_ESTIMATES)
    assert limits == {
        "HOLES": FEW_HOLES, "SEAM": good["seam"][1], "CONTRAST": (good["contrast"][0], good["contrast_max"][1]),
        "FIDELITY": good["fidelity_db"][0], "ANGLE": good["hint_angle_deg"][1], "PACE": good["hint_speed"][1],
    }  # fmt: skip
