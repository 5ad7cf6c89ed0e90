"""The warm engine: one real process for the session with requests, cancels, kills and restarts."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from extension import MODULE
from sample import HEIGHT, WIDTH

LINE = np.array([(60, 140), (120, 140), (180, 142)], np.float32)
RING = np.array([(5, 100), (315, 100), (315, 175), (5, 175)], np.float32)

# A separate Blender that starts an engine and ends after a line on its stdin.
GUEST = """
import os, sys
import bpy, addon_utils
addon_utils.enable(sys.argv[1])
bpy.ops.cinemagraph.open_photo(filepath=sys.argv[2])
from importlib import import_module
print("PID", import_module(sys.argv[1] + ".blender_addon.engine").running_pid(), flush=True)
sys.stdin.readline()
os._exit(0)
"""


def state(place):
    """State of a process or thread on Linux: Z for ended and not waited for, T for stopped."""
    try:
        return (Path("/proc") / place / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def lives(pid):
    return state(str(pid)) != "Z"


def hold(pid):
    """Stop a process with all its threads."""
    os.kill(pid, signal.SIGSTOP)
    while any(state(f"{pid}/task/{thread}") != "T" for thread in os.listdir(f"/proc/{pid}/task")):
        time.sleep(0.01)


def ends(pid, within=10.0):
    give_up = time.monotonic() + within
    while lives(pid) and time.monotonic() < give_up:
        time.sleep(0.05)
    return not lives(pid)


pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc of Linux")


@pytest.fixture
def drawn(addon, scene, photo_file):
    """A scene with a photo and strokes, and a short loop."""
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    scene.cinemagraph.frames = 12
    stroke = addon.data.Stroke
    addon.strokes.add_hints(scene, [stroke("region", RING, closed=True), stroke("motion", LINE)])
    return scene


def build(addon, scene):
    """A build as in a window: first the points, later the figures of the report."""
    request = addon.jobs.start_build(scene)
    addon.jobs.finish_build(scene, request.wait())
    return request


def test_the_figures_follow_the_points(addon, drawn):
    request = addon.jobs.start_build(drawn)
    assert request.wait()["type"] == "ready"
    addon.jobs.finish_build(drawn, request.answer)
    before = drawn.cinemagraph.report_json
    assert drawn.cinemagraph.report["quality"]["fidelity_db"] is None and addon.result.parts(drawn, moving_only=True)
    assert request.wait(done=True)["type"] == "done"
    addon.jobs.finish_report(drawn, before, request.answer)
    assert drawn.cinemagraph.report["quality"]["fidelity_db"] > 20
    addon.jobs.finish_report(drawn, before, {"report": {}})  # the scene has another report by then, which stays
    assert drawn.cinemagraph.report["quality"]["fidelity_db"] > 20


def test_the_figures_stay_after_undo_and_redo(addon, drawn):
    bpy.ops.ed.undo_push(message="strokes")
    request = build(addon, drawn)
    before = drawn.cinemagraph.report_json
    bpy.ops.ed.undo_push(message="build")
    addon.jobs.finish_report(drawn, before, request.wait(done=True))
    bpy.ops.ed.undo()
    assert not bpy.context.scene.cinemagraph.report
    bpy.ops.ed.redo()
    assert bpy.context.scene.cinemagraph.report["quality"]["fidelity_db"] > 20


def test_an_edited_stroke_repeats_no_heavy_stage(addon, drawn):
    build(addon, drawn).wait(done=True)
    pid = addon.engine.running_pid()
    addon.strokes.add_hints(drawn, [addon.data.Stroke("motion", LINE + (0, 15))])
    request = build(addon, drawn)
    assert addon.engine.running_pid() == pid
    stages = {stage["name"]: stage["seconds"] for stage in request.answer["report"]["stages"]}
    assert not stages.get("depth") and not stages.get("layers") and stages["motion"] > 0
    request.wait(done=True)


def test_still_points_that_stay_the_same_are_left_alone(addon, drawn):
    build(addon, drawn).wait(done=True)
    still = {
        item: item.data.session_uid
        for item, modifier in addon.result.parts(drawn)
        if "step1" not in item.data.attributes
    }
    moving = [item.data.session_uid for item, _ in addon.result.parts(drawn, moving_only=True)]
    addon.strokes.add_hints(drawn, [addon.data.Stroke("motion", LINE[::-1] + (0, 15))])
    build(addon, drawn).wait(done=True)
    assert still and still == {item: item.data.session_uid for item in still}
    assert set(moving).isdisjoint(item.data.session_uid for item, _ in addon.result.parts(drawn, moving_only=True))
    addon.strokes.add_hints(drawn, [addon.data.Stroke("region", RING - (0, 60), closed=True)])
    build(addon, drawn).wait(done=True)  # the moving region is larger now
    assert still != {item: item.data.session_uid for item in still if addon.scene.in_scene(item, drawn)}


def test_a_new_build_does_not_wait_for_the_figures_of_the_last(addon, drawn):
    first = build(addon, drawn)
    addon.strokes.add_hints(drawn, [addon.data.Stroke("motion", LINE + (0, 15))])
    second = build(addon, drawn)
    assert first.wait(done=True)["report"]["quality"]["measured"] is False
    assert second.wait(done=True)["report"]["quality"]["fidelity_db"] > 20


def test_cancel_keeps_the_last_build_and_the_process(addon, drawn):
    build(addon, drawn).wait(done=True)
    pid, job = addon.engine.running_pid(), addon.jobs.job_path(drawn)
    files = {path: path.read_bytes() for path in job.rglob("*") if path.is_file()}
    drawn.cinemagraph.focal = 500  # invalidates the layers and everything after them
    request = addon.jobs.start_build(drawn)
    while request.stage == "start":
        assert not request.poll(timeout=0.05)
    assert 0 <= request.fraction < 1
    request.cancel()
    with pytest.raises(addon.errors.CinemaError, match="Cancelled"):
        request.wait()
    assert {path: path.read_bytes() for path in files} == files and not list(job.glob(".staging-*"))
    assert addon.engine.running_pid() == pid
    build(addon, drawn).wait(done=True)
    assert addon.engine.running_pid() == pid


def test_an_engine_that_does_not_answer_a_cancel_is_killed(addon, drawn, monkeypatch):
    monkeypatch.setattr(addon.engine, "CANCEL_TIMEOUT", 0.3)
    request = addon.jobs.start_build(drawn)
    pid = addon.engine.running_pid()
    hold(pid)
    request.cancel()
    with pytest.raises(addon.errors.CinemaError, match="without a result"):
        request.wait()
    assert ends(pid)
    build(addon, drawn).wait(done=True)


def test_an_engine_that_is_killed_is_reported_and_started_anew(addon, drawn):
    build(addon, drawn).wait(done=True)
    before, points = drawn.cinemagraph.report_json, len(addon.result.parts(drawn))
    pid = addon.engine.running_pid()
    hold(pid)  # otherwise it may answer before it is killed, because nothing has changed
    request = addon.jobs.start_build(drawn)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(addon.errors.CinemaError, match="without a result") as caught:
        request.wait()
    assert "Show Log" in str(caught.value)
    assert drawn.cinemagraph.report_json == before and len(addon.result.parts(drawn)) == points
    assert addon.engine.running_pid() is None
    assert bpy.ops.cinemagraph.build() == {"FINISHED"}
    assert addon.engine.running_pid() not in (None, pid)


def test_an_engine_that_died_unnoticed_is_no_error(addon, drawn):
    os.kill(addon.engine.running_pid(), signal.SIGKILL)
    while addon.engine.running_pid() is not None:
        time.sleep(0.05)
    build(addon, drawn).wait(done=True)


def test_an_engine_that_dies_as_it_is_asked_is_no_error(addon, drawn, monkeypatch):
    ensure, dying = addon.engine._ensure_engine, addon.engine._engine
    os.kill(dying.pid, signal.SIGKILL)
    while dying.alive:
        time.sleep(0.05)
    found = iter([dying])  # the engine that ends between the check and the request
    monkeypatch.setattr(addon.engine, "_ensure_engine", lambda: next(found, None) or ensure())
    build(addon, drawn).wait(done=True)


def test_another_python_restarts_it(addon, drawn, tmp_path):
    pid = addon.engine.running_pid()
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{addon.engine.engine_python.chosen()}" "$@"\n')
    other.chmod(0o755)
    preferences = bpy.context.preferences.addons[MODULE].preferences
    try:
        preferences.python_path = str(other)
        build(addon, drawn).wait(done=True)
        assert ends(pid) and addon.engine.running_pid() not in (None, pid)
    finally:
        preferences.python_path = ""


def test_switched_off_nothing_runs(addon, drawn):
    pid = addon.engine.running_pid()
    request = addon.jobs.start_build(drawn)
    assert lives(pid)
    addon_utils.disable(MODULE, default_set=True)
    try:
        assert not lives(pid)
        with pytest.raises(addon.errors.CinemaError, match="without a result"):
            request.wait()
    finally:
        addon_utils.enable(MODULE, default_set=True)


@pytest.mark.parametrize("way", ["exit", "kill"])
def test_it_ends_with_blender(installed, photo_file, tmp_path, way):
    script = tmp_path / "guest.py"
    script.write_text(GUEST)
    command = [sys.executable, str(script), installed, str(photo_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guest:
        pid = int(next(line for line in guest.stdout if line.startswith("PID")).split()[1])
        assert lives(pid)
        if way == "kill":
            guest.kill()
        else:
            guest.stdin.write("\n")
            guest.stdin.flush()
        guest.wait(30)
    assert ends(pid)


def test_a_photo_opens_without_waiting_for_torch(addon, scene, photo_file):
    addon.engine.stop()
    addon.jobs.start_open(addon.jobs.find_photo(scene, str(photo_file))).wait()
    assert "libtorch_cpu" not in Path(f"/proc/{addon.engine.running_pid()}/maps").read_text()


def test_the_motion_is_shown_without_a_build(addon, drawn):
    request = addon.jobs.start_flow(drawn)
    lines = addon.jobs.finish_flow(request.wait())
    assert len(lines.points) == lines.offsets[-1] and len(lines.speed) == len(lines.offsets) - 1 > 10
    assert lines.points.min() >= 0 and (lines.points <= (WIDTH, HEIGHT)).all()
    assert not addon.result.parts(drawn)


def test_suggested_strokes_can_be_edited(addon, scene, photo_file):
    bpy.ops.cinemagraph.open_photo(filepath=str(photo_file))
    request = addon.jobs.start_suggest(scene)
    number = addon.jobs.finish_suggest(scene, request.wait())
    assert number == len(addon.strokes.read_drawn_strokes(scene)) > 0


def test_the_suffix_chooses_the_export(addon, drawn, tmp_path):
    build(addon, drawn).wait(done=True)
    for name in ("motion.npy", "strokes.json"):
        addon.jobs.start_export(drawn, tmp_path / name).wait()
    assert np.load(tmp_path / "motion.npy").shape == (HEIGHT, WIDTH, 2)
    assert len(json.loads((tmp_path / "strokes.json").read_text())["shapes"]) == 2
