"""The warm engine as a real process, as Blender uses it: its answers, and the stages that it repeats or skips."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cinema_core.shared import cancellation, job_files, transaction
from cinema_core.shared.cancellation import Cancelled, Interrupts, shielded

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
SERVE = [sys.executable, "-m", "cinema_core", "serve"]
ANSWER_TIMEOUT = 120.0  # seconds; long, because the machine may be busy
SIDE = 96  # px, width of the working photo
EDIT_STAGES = {"hints", "motion", "points", "save", "report"}  # the stages that an edited stroke may repeat


class Client:
    """An engine process and the messages from it."""

    def __init__(self, *arguments: str, program: list[str] = SERVE) -> None:
        self.process = subprocess.Popen(
            [*program, *arguments],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def write(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def send(self, **fields: object) -> None:
        self.write(json.dumps(fields, default=str))

    def next(self) -> dict:
        line = self._lines.get(timeout=ANSWER_TIMEOUT)
        assert line is not None, "".join(self.errors)
        return json.loads(line)

    def until(self, number: object, *kinds: str, stage: str | None = None) -> dict:
        """The request's next message of these kinds. No other message may end the request before it."""
        while True:
            message = self.next()
            if message["id"] != number:
                continue
            if message["type"] in kinds and stage in (None, message.get("stage")):
                return message
            assert message["type"] in ("progress", "warning", "ready"), message

    def ask(self, **fields: object) -> dict:
        self.send(**fields)
        return self.until(fields["id"], "done")

    def is_silent(self, seconds: float = 0.3) -> bool:
        try:
            self._lines.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def client() -> Iterator[Client]:
    engine = Client()
    yield engine
    engine.end()


def stroke_file(path: Path, bend: float = 0, **more: object) -> Path:
    """A file with a motion stroke in a drawn region; `bend` moves the end of the stroke (px)."""
    motion = {"kind": "motion", "points": [[60, 150], [110 + bend, 150]]} | more
    region = {"kind": "region", "closed": True, "points": [[0, 82], [320, 82], [320, 200], [0, 200]]}
    path.write_text(json.dumps({"schema": 1, "width": 320, "height": 200, "strokes": [motion, region]}))
    return path


@pytest.fixture
def wanted(tmp_path, landscape_file) -> dict:
    """Fields of a build request."""
    strokes = stroke_file(tmp_path / "strokes.json")
    return {
        "command": "build",
        "photo": landscape_file,
        "out": tmp_path / "job",
        "annotations": strokes,
        "options": {"max_side": SIDE},
    }


def stages(answer: dict) -> set[str]:
    return {stage["name"] for stage in answer["report"]["stages"]}


def snapshot(job: Path) -> dict[str, bytes]:
    """Contents of the job's files, without the lock of a writer."""
    return {
        str(path.relative_to(job)): path.read_bytes()
        for path in job.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def file_identity(path: Path) -> tuple[int, int]:
    """Identity of a file, which changes when the file is written again."""
    return path.stat().st_ino, path.stat().st_mtime_ns


@pytest.mark.parametrize("command", [["build"], {"a": 1}])
def test_a_command_of_another_type_ends_nothing(client, landscape_file, tmp_path, command):
    client.send(id=1, command=command)
    answer = client.until(1, "error")
    assert "There is no command" in answer["text"] and answer["hint"]
    client.send(id=2, command="build", photo=landscape_file, out=tmp_path / "job", options={"depth_model": "a\0b"})
    assert "depth_model" in client.until(2, "error")["text"]


def test_an_edited_stroke_repeats_only_what_depends_on_it(client, wanted, tmp_path):
    job = tmp_path / "job"
    opened = client.ask(id="o", command="open", photo=wanted["photo"], out=job, max_side=SIDE)
    assert (opened["width"], opened["height"]) == (SIDE, 60) and Path(opened["photo"]) == job / "photo.png"
    client.send(id=1, **wanted)
    ready = client.until(1, "ready")
    assert ready["report"]["quality"]["measured"] is False and ready["report"]["quality"]["seam"] is None
    published = json.loads((job / "report.json").read_text())
    assert published["moving_points"] == ready["report"]["moving_points"] > 0
    first = client.until(1, "done")
    assert first["report"]["quality"]["measured"] is True and first["report"]["quality"]["seam"] > 0
    assert json.loads((job / "report.json").read_text())["quality"] == first["report"]["quality"]
    assert stages(first) == {"photo", "depth", "layers"} | EDIT_STAGES

    kept = (
        "points/still_position.npy",
        "points/still_color.npy",
        "layers.npz",
        "layers/canvas.png",
        "depth.npy",
        "photo.png",
    )
    before = {name: file_identity(job / name) for name in kept}
    flowed = np.load(job / "motion.npy")
    second = client.ask(id=2, **wanted | {"annotations": stroke_file(tmp_path / "edited.json", 30)})
    assert stages(second) == EDIT_STAGES
    assert {name: file_identity(job / name) for name in kept} == before
    assert np.abs(np.load(job / "motion.npy")).max() > 1.3 * np.abs(flowed).max()
    assert second["report"]["still_id"] == first["report"]["still_id"]
    assert second["report"]["moving_id"] != first["report"]["moving_id"]

    began = time.monotonic()
    third = client.ask(id=3, **wanted | {"annotations": tmp_path / "edited.json"})
    assert time.monotonic() - began < 5  # 0.03 s on an idle machine
    assert stages(third) == set() and third["report"]["quality"] == second["report"]["quality"]

    longer = client.ask(
        id=4, **wanted | {"annotations": tmp_path / "edited.json", "options": {"max_side": SIDE, "frames": 30}}
    )
    assert stages(longer) == {"points", "save", "report"}


def test_an_edit_is_built_as_if_by_a_fresh_process(client, wanted, tmp_path):
    """No stage is skipped whose result the edit changes: an edit of options, strokes, depth or the photo's size."""
    client.ask(id=0, **wanted)
    depth = np.repeat(np.linspace(1, 5, 60)[::-1, None], SIDE, 1)
    np.save(tmp_path / "depth.npy", depth)
    swaying = {"kind": "sway", "closed": True, "points": [[140, 70], [250, 70], [250, 170], [140, 170]]}
    content = json.loads(wanted["annotations"].read_text())
    content["strokes"].append(swaying)
    (tmp_path / "sway.json").write_text(json.dumps(content))
    edits = [
        {"options": {"max_side": SIDE, "feather": 0.1, "speed": 0.5}},
        {"annotations": tmp_path / "sway.json"},
        {"depth": tmp_path / "depth.npy"},
        {"options": {"max_side": 64}},
    ]
    for number, edit in enumerate(edits, 1):
        client.send(id=number, **wanted | edit)
        client.until(number, "ready")
        client.until(number, "done")
        given = json.dumps(wanted | edit | {"out": tmp_path / f"fresh{number}"}, default=str)
        fresh = subprocess.run([sys.executable, "-c", FRESH, given], env=ENVIRONMENT, capture_output=True, text=True)
        assert fresh.returncode == 0, fresh.stderr
        warm, cold = snapshot(tmp_path / "job"), snapshot(tmp_path / f"fresh{number}")
        assert warm.keys() == cold.keys()
        assert {name for name in warm if warm[name] != cold[name]} <= {"timing.json"}, edit


FRESH = """
import json, sys
from pathlib import Path
from cinema_core.pipeline.build import Builder
from cinema_core.pipeline.request import Request
from cinema_core.shared.options import BuildOptions
given = json.loads(sys.argv[1])
depth = given.get("depth") and Path(given["depth"])
options, strokes = BuildOptions(**given["options"]), Path(given["annotations"])
Builder().build(Request(Path(given["photo"]), Path(given["out"]), options, strokes, depth))
"""


def test_a_fresh_process_repeats_nothing_heavy(wanted, tmp_path):
    for number in (1, 2):
        engine = Client()
        answer = engine.ask(id=1, **wanted)
        if number == 2:
            assert stages(answer) == set()
            edited = engine.ask(id=2, **wanted | {"annotations": stroke_file(tmp_path / "edited.json", 30)})
            assert stages(edited) == {"photo"} | EDIT_STAGES
        engine.end()


def test_the_open_photo_is_prepared_while_there_is_nothing_else_to_do(client, wanted, tmp_path):
    opened = client.ask(id=1, command="open", photo=wanted["photo"], out=tmp_path / "job", max_side=320)
    time.sleep(0.5)
    build = wanted | {"photo": opened["photo"], "options": {"max_side": 320, "focal": opened["focal"]}}
    first = client.ask(id=2, **build | {"command": "flow"})  # flow does not wait for the layers
    assert Path(first["file"]).exists()
    time.sleep(0.5)
    # The hints were already made for the flow.
    assert stages(client.ask(id=3, **build)) == {"points", "motion", "save", "report"}


def test_flow_needs_no_layers_and_uses_them_when_they_are_there(client, wanted, tmp_path):
    first = client.ask(id=1, **wanted | {"command": "flow"})
    assert (
        Path(first["file"]) == tmp_path / "job" / "flow_preview.npz" and not (tmp_path / "job" / "report.json").exists()
    )
    with np.load(first["file"], allow_pickle=False) as file:
        arrays = dict(file)
    lines, offsets, speed = arrays["lines"], arrays["offsets"], arrays["speed"]
    assert (lines.dtype, offsets.dtype, speed.dtype) == (np.float32, np.int32, np.float32)
    assert offsets[0] == 0 and offsets[-1] == len(lines) and len(speed) == len(offsets) - 1 > 5
    assert lines.min() >= 0 and lines[:, 0].max() <= SIDE and lines[:, 1].min() > 24  # only inside the region
    assert (lines[offsets[1:] - 1, 0] > lines[offsets[:-1], 0]).all()  # downstream is to the right
    assert arrays["motion"].shape == (60, SIDE, 2) and arrays["region"].shape == (60, SIDE)
    built = client.ask(id=2, **wanted)
    assert "layers" in stages(built) and not Path(first["file"]).exists()
    client.ask(id=3, **wanted | {"command": "flow"})
    with np.load(first["file"], allow_pickle=False) as file:
        np.testing.assert_array_equal(file["motion"], np.load(tmp_path / "job" / "motion.npy"))
    client.ask(id=4, command="export", out=tmp_path / "job", file=tmp_path / "region.png")
    assert (tmp_path / "region.png").read_bytes() == (tmp_path / "job" / "region.png").read_bytes()


def test_depth_is_shown_without_a_build_and_found_by_it(client, wanted, tmp_path):
    """Depth strokes are applied, and the preview shows the depth of the build."""
    job = tmp_path / "job"
    sky = {"kind": "depth_sky", "closed": True, "points": [[0, 140], [100, 140], [100, 190], [0, 190]]}
    content = json.loads(wanted["annotations"].read_text())
    (tmp_path / "painted.json").write_text(json.dumps(content | {"strokes": [*content["strokes"], sky]}))
    painted = wanted | {"annotations": tmp_path / "painted.json"}
    plain = client.ask(id=1, **wanted | {"command": "depth"})
    assert plain["file"] == str(job / "depth_preview.npz") and plain["detail"] and plain["licence"] == ""
    before = np.load(plain["file"])["disparity"]
    assert before.dtype == np.float16 and before.shape == (60, SIDE) and before.max() == 1 and before.min() > 0
    client.send(id=2, **painted | {"command": "depth"})
    told = []
    while (message := client.next())["type"] != "done":
        told.append(message.get("stage"))
    assert "depth strokes" in told and "depth" not in told  # the depth without strokes is not estimated again
    after = np.load(message["file"])["disparity"]
    assert after[50, 15] < 0.02 < before[50, 15]
    answer = client.ask(id=3, **painted)
    assert not {"depth", "depth strokes"} & stages(answer)
    assert np.abs(1 / np.load(job / "depth.npy") - after).max() < 1e-3 and not (job / "depth_preview.npz").exists()


def test_a_depth_that_cannot_be_made_leaves_the_job_as_it_was(client, wanted, tmp_path):
    client.ask(id=1, **wanted)
    before = snapshot(tmp_path / "job")
    client.send(id=2, **wanted | {"command": "depth", "options": {"max_side": SIDE, "depth_model": "someone/model"}})
    assert "not on this computer" in client.until(2, "error")["text"]
    assert snapshot(tmp_path / "job") == before


def test_suggesting(client, wanted, tmp_path):
    answer = client.ask(id=1, command="suggest", photo=wanted["photo"], out=tmp_path / "job", max_side=160)
    assert (answer["width"], answer["height"]) == (160, 100)
    assert {"region", "motion"} <= {stroke["kind"] for stroke in answer["strokes"]}
    points = np.concatenate([stroke["points"] for stroke in answer["strokes"]])
    assert points.min() >= 0 and points[:, 0].max() <= 160 and points[:, 1].max() <= 100


def test_cancelled_in_the_middle_and_built_again(client, wanted, tmp_path):
    client.ask(id=1, **wanted)
    before = snapshot(tmp_path / "job")
    wider = wanted | {"options": {"max_side": 160}}
    client.send(id=2, **wider)
    client.until(2, "progress", stage="layers")
    client.send(cancel=1)  # already finished
    client.send(cancel="2")  # never requested
    client.send(cancel=2)
    assert client.until(2, "error") == {
        "id": 2,
        "type": "error",
        "text": "Cancelled",
        "hint": "The output is as it was before",
        "cancelled": True,
    }
    assert snapshot(tmp_path / "job") == before
    assert client.ask(id=3, **wider)["report"]["width"] == 160


def test_cancelled_at_any_moment(client, wanted, tmp_path):
    """At every stage the process survives, and the job is either the complete old one or the complete new one."""
    client.ask(id=0, **wanted)
    outcomes = set()
    for number in range(1, 25):
        side = (SIDE, 80)[number % 2]
        client.send(
            id=number,
            **wanted | {"options": {"max_side": side}, "annotations": stroke_file(tmp_path / "e.json", number)},
        )
        time.sleep(0.05 * number % 0.6)
        client.send(cancel=number)
        last = client.until(number, "error", "done")
        outcomes.add(last["type"])
        report = json.loads((tmp_path / "job" / "report.json").read_text())
        assert {name for name in report["files"] if not (tmp_path / "job" / name).is_file()} == set()
        assert not (tmp_path / "job" / ".commit.json").exists() and not list((tmp_path / "job").glob(".staging-*"))
        points = np.load(tmp_path / "job" / "points" / "moving_birth.npy")
        assert len(points) == report["moving_points"]
        if last["type"] == "done":
            assert report["options"]["max_side"] == side
    assert "error" in outcomes
    assert client.ask(id=99, **wanted)["report"]["quality"]["measured"] is True


def test_a_waiting_request_is_cancelled_at_once(client, wanted):
    client.send(id=1, **wanted)
    client.until(1, "progress")
    client.send(id=2, **wanted)
    client.send(cancel=2)
    client.send(id=3, command="nonsense")
    assert client.until(2, "error")["cancelled"] is True
    client.until(1, "ready")
    assert client.until(1, "done")["report"]["quality"]["measured"] is True
    assert client.is_silent()


def test_measuring_gives_way_to_the_next_request(client, wanted, tmp_path):
    client.send(id=1, **wanted)
    client.until(1, "ready")
    client.send(id=2, command="open", photo=wanted["photo"], out=tmp_path / "other")
    first = client.until(1, "done")
    assert first["report"]["quality"]["measured"] is False and first["report"]["quality"]["fidelity_db"] is None
    client.until(2, "done")
    again = client.ask(id=3, **wanted)
    assert stages(again) == {"report"} and again["report"]["quality"]["measured"] is True


def test_nothing_is_cancelled_when_nothing_runs(client, wanted):
    client.send(cancel=1)
    assert client.ask(id=1, **wanted)["report"]["moving_points"] > 0
    client.send(cancel=1)
    assert stages(client.ask(id=1, **wanted)) == set()


@pytest.mark.parametrize("how", ["end of input", "quit"])
def test_it_ends_at_once_in_the_middle_of_work(client, wanted, tmp_path, how):
    client.send(id=1, **wanted | {"options": {"max_side": 320}})
    client.until(1, "progress", stage="layers")
    began = time.monotonic()
    if how == "quit":
        client.send(quit=True)
    else:
        client.process.stdin.close()
    assert client.process.wait(ANSWER_TIMEOUT) == 0 and time.monotonic() - began < 5  # 0.02 s on an idle machine
    other = Client()
    assert other.ask(id=1, **wanted)["report"]["moving_points"] > 0
    assert not list((tmp_path / "job").glob(".staging-*"))
    other.end()


def test_it_ends_when_idle_and_only_then(wanted):
    engine = Client("--idle", "0.5")
    began = time.monotonic()
    engine.ask(id=1, **wanted)  # takes longer than the idle time
    assert engine.process.wait(ANSWER_TIMEOUT) == 0
    assert time.monotonic() - began > 0.5


def test_it_ends_when_nobody_listens(wanted):
    reader = subprocess.Popen(
        SERVE, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    reader.stdin.write(json.dumps({"id": 1} | wanted, default=str) + "\n")
    reader.stdin.flush()
    reader.stdout.readline()
    reader.stdout.close()
    assert reader.wait(ANSWER_TIMEOUT) == 1
    assert "Traceback" not in reader.stderr.read()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "not valid JSON"),
        ("\\xff", "not valid JSON"),
        ("[1]", "not an object"),
        ('{"id": 5}', "no command null"),
        ('{"id": 5, "command": "dance"}', 'no command "dance"'),
        ('{"command": "open"}', "no id"),
        ('{"id": 5, "command": "open"}', '"photo" is null'),
        ('{"id": 5, "command": "open", "photo": 3, "out": "j"}', '"photo" is 3'),
        ('{"id": 5, "command": "open", "photo": "none.png", "out": "j"}', "none.png does not exist"),
        ('{"id": 5, "command": "open", "photo": "none.png", "out": "j", "max_side": 1}', '"max_side" is 1'),
        ('{"id": 5, "command": "build", "photo": "PHOTO", "out": "j", "options": {"sped": 1}}', 'no option "sped"'),
        ('{"id": 5, "command": "build", "photo": "PHOTO", "out": "j", "options": {"speed": NaN}}', '"speed" is NaN'),
        (
            '{"id": 5, "command": "build", "photo": "PHOTO", "out": "j", "options": {"depth_kind": "x"}}',
            '"depth_kind" is "x"',
        ),
        ('{"id": 5, "command": "depth", "photo": "PHOTO", "out": "j", "options": {"reach": 9}}', '"reach" is 9'),
        (
            '{"id": 5, "command": "build", "photo": "PHOTO", "out": "j", "options": {"frames": true}}',
            '"frames" is true',
        ),
        ('{"id": 5, "command": "build", "photo": "PHOTO", "out": "j", "still": 1}', '"still" is 1'),
        ('{"id": 5, "command": "export", "out": "j", "file": "a.doc"}', '".doc"'),
        ('{"id": 5, "command": "export", "out": "j", "file": "a.png"}', "no finished build"),
    ],
)
def test_malformed_requests(shared, landscape_file, line, text):
    shared.write(line.replace("PHOTO", landscape_file.as_posix()))
    answer = shared.next()
    while answer["type"] == "progress":
        answer = shared.next()
    assert answer["type"] == "error" and text in answer["text"] and answer["hint"]
    assert answer["id"] == (5 if '"id": 5' in line else None)


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    engine = Client()
    yield engine
    engine.end()


BROKEN = """
import sys
from cinema_core import __main__
from cinema_core.pipeline import stages
real, calls = stages.solve_motion, []
def broken(*arguments, **more):
    calls.append(1)
    print("printed by a library", flush=True)
    if len(calls) == 1:
        raise IndexError("list index out of range")
    if len(calls) == 2:
        raise MemoryError
    return real(*arguments, **more)
stages.solve_motion = broken
sys.exit(__main__.main(["serve"]))
"""


def test_it_survives_a_bug(wanted, tmp_path):
    engine = Client(program=[sys.executable, "-c", BROKEN])
    engine.send(id=1, **wanted)
    assert engine.until(1, "fatal")["text"] == "IndexError: list index out of range"
    engine.send(id=2, **wanted)
    assert "memory" in engine.until(2, "error")["text"]
    assert not (tmp_path / "job").exists()
    assert engine.ask(id=3, **wanted)["report"]["moving_points"] > 0
    engine.end()
    assert any("Traceback" in line for line in engine.errors)


def test_two_engines_on_one_job(client, wanted, tmp_path):
    with transaction.stage(tmp_path / "job"):  # as another engine does during a build
        client.send(id=1, **wanted)
        error = client.until(1, "error")
    assert "Another build is writing" in error["text"] and error["hint"]
    assert client.ask(id=2, **wanted)["report"]["moving_points"] > 0


def test_another_build_while_the_quality_is_measured(client, wanted, tmp_path):
    """If another build has replaced the job in the meantime, the job keeps the report of that build."""
    client.send(id=1, **wanted | {"options": {"max_side": 320}})
    client.until(1, "ready")
    with transaction.stage(tmp_path / "job", keep=True) as staging:
        (staging.path / "report.json").write_text(json.dumps({"schema": job_files.SCHEMA}))
        (staging.path / "stages.json").write_text("{}")
    assert client.until(1, "done")["report"]["quality"]["measured"] is True
    assert "quality" not in json.loads((tmp_path / "job" / "report.json").read_text())


def test_warnings_belong_to_their_request(client, wanted, tmp_path):
    far = stroke_file(tmp_path / "far.json")
    content = json.loads(far.read_text())
    content["strokes"].append({"kind": "motion", "points": [[-90, -90], [-50, -50]]})
    far.write_text(json.dumps(content))
    for number, strokes, count in ((1, far, 1), (2, wanted["annotations"], 0), (3, far, 1), (4, far, 1)):
        client.send(id=number, **wanted | {"annotations": strokes})
        told = []
        while (message := client.next())["type"] != "done":
            assert message["id"] == number
            told += [message["text"]] if message["type"] == "warning" else []
        assert told == message["report"]["warnings"] and len(told) == count


@shielded
def shielded_wait(seconds: float, done: list) -> None:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        pass
    done.append("careful")


def wait_for_interrupt() -> None:
    for _ in range(300):
        time.sleep(0.01)


@pytest.fixture
def interrupted() -> Iterator[list]:
    """A list that is filled after 0.1 s; as long as it has an element, interrupts are sent to the test."""
    wanted: list = []
    interrupts = Interrupts(lambda: bool(wanted))
    thread = threading.Thread(target=lambda: (time.sleep(0.1), wanted.append(1), interrupts.interrupt_repeatedly()))
    thread.start()
    yield wanted
    wanted.clear()
    thread.join()


def test_an_interrupt_waits_for_a_shielded_function(interrupted):
    done: list = []
    with pytest.raises(Cancelled):
        try:
            shielded_wait(0.4, done)
            wait_for_interrupt()
        finally:
            interrupted.clear()
    assert done == ["careful"]


def test_an_interrupt_waits_for_imports(interrupted, tmp_path, monkeypatch):
    (tmp_path / "slow_module.py").write_text(
        "import time\nbegan = time.monotonic()\nwhile time.monotonic() - began < 0.4: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Cancelled):
        try:
            import slow_module  # noqa: F401

            wait_for_interrupt()
        finally:
            interrupted.clear()
    assert "slow_module" in sys.modules


class SlowDestructor:
    """An object whose destructor runs for 0.4 s. Python prints exceptions in destructors and then ignores them."""

    def __del__(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < 0.4:
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_is_swallowed_comes_again(interrupted):
    with pytest.raises(Cancelled):
        try:
            thing = SlowDestructor()
            del thing
            wait_for_interrupt()
        finally:
            interrupted.clear()
    assert cancellation.PAUSE < 0.2
