"""The download of an offered model from a hub on this computer: resumed, checked, cancelled, and used from then on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import model_hub
import numpy as np
import pytest
from model_hub import Hub
from PIL import Image

from cinema_core.depth import model_download
from cinema_core.depth.model_download import download_model
from cinema_core.depth.model_location import fetch_model, find_model, model_key
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.models import OFFERED, downloaded_model, models_folder

ROOT = Path(__file__).parents[2]
SMALL = "moge-2-small"
TRUE = dict(OFFERED)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    """A hub with every offered model in small, and an empty folder of models."""
    with model_hub.running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("CINEMAGRAPH_MODELS", str(tmp_path / "models"))
        monkeypatch.setattr(model_download, "PAUSE", 0.01)
        for name in OFFERED:
            monkeypatch.setitem(OFFERED, name, hub.serve(name))
        yield hub


def content_of(hub: Hub, name: str) -> list[bytes]:
    model = OFFERED[name]
    return [hub.contents[f"/{model.repository}/resolve/{model.revision}/{file.path}"] for file in model.files]


def on_disk(name: str) -> list[bytes]:
    return [(models_folder() / name / file.name).read_bytes() for file in OFFERED[name].files]


@pytest.mark.parametrize("name", OFFERED)
def test_every_offered_model_is_downloaded_once(hub, name):
    told: list[float] = []
    assert downloaded_model(name) is None
    place = download_model(name, told.append)
    assert on_disk(name) == content_of(hub, name) and place == find_model(name) == downloaded_model(name)
    assert told[-1] == 1.0 and told == sorted(told)
    assert not list(place.parent.glob("*.part"))
    count = len(hub.asked)
    fetch_model(name)
    assert len(hub.asked) == count == len(OFFERED[name].files)


def test_a_broken_connection_is_taken_up_where_it_broke(hub):
    hub.cut = [700, 900]
    download_model(SMALL)
    assert [wanted for _, wanted in hub.asked] == ["", "bytes=700-", "bytes=1600-"]
    assert on_disk(SMALL) == content_of(hub, SMALL)


def test_a_server_that_is_gone_keeps_the_part_and_the_next_download_goes_on(hub):
    hub.cut = [1000] + [0] * 20
    with pytest.raises(
        CinemaError, match=r"^127.0.0.1:\d+ cannot be reached .the connection ended early.*MB are kept"
    ) as error:
        download_model(SMALL)
    assert "goes on where it stopped" in error.value.hint and "from another computer" in error.value.hint
    assert downloaded_model(SMALL) is None and len(hub.asked) == model_download.ATTEMPTS
    with pytest.raises(CinemaError, match="MoGe-2 Small is not on this computer"):
        find_model(SMALL)
    hub.cut.clear()
    download_model(SMALL)
    assert hub.asked[-1][1] == "bytes=1000-" and on_disk(SMALL) == content_of(hub, SMALL)


def test_a_server_without_ranges_sends_the_file_anew(hub):
    hub.cut, hub.ranged = [1000], False
    download_model(SMALL)
    assert on_disk(SMALL) == content_of(hub, SMALL)


@pytest.mark.parametrize("name", ["moge-2-small", "depth-anything-3-base"])
def test_a_wrong_file_is_not_kept(hub, name):
    """The digest of the table, or the one that the hub states with its first answer."""
    model = OFFERED[name]
    address = f"/{model.repository}/resolve/{model.revision}/{model.files[0].path}"
    good = hub.contents[address]
    serve = hub._send

    def flip(request, content: bytes) -> None:
        serve(request, content[:-1] + bytes([content[-1] ^ 1]))

    hub._send = flip
    with pytest.raises(CinemaError, match="sent another file than model.onnx of .* .its digest is wrong.") as error:
        download_model(name)
    assert "another network" in error.value.hint
    assert not list((models_folder() / name).glob("model.onnx*"))
    hub._send = serve
    download_model(name)
    assert on_disk(name)[0] == good


def test_a_part_that_is_too_long_or_of_another_file_is_not_kept(hub):
    folder = models_folder() / SMALL
    folder.mkdir(parents=True)
    (folder / "model.onnx.part").write_bytes(b"?" * 10**6)
    with pytest.raises(CinemaError, match="its digest is wrong"):
        download_model(SMALL)
    download_model(SMALL)
    assert on_disk(SMALL) == content_of(hub, SMALL)


def test_a_model_that_the_hub_has_no_more_is_told(hub):
    hub.gone = True
    with pytest.raises(CinemaError, match="does not offer MoGe-2 Small any more .404.") as error:
        download_model(SMALL)
    assert "another model" in error.value.hint


def test_without_a_network_it_says_so(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CinemaError, match="^127.0.0.1:9 cannot be reached .*refused") as error:
        download_model(SMALL)
    assert error.value.hint.startswith("Check the connection")
    monkeypatch.setenv("HF_ENDPOINT", "http://nowhere.invalid")
    with pytest.raises(CinemaError, match="^nowhere.invalid cannot be reached"):
        download_model(SMALL)


def test_a_full_disk_is_told_before_the_download(hub, monkeypatch):
    monkeypatch.setattr(model_download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(CinemaError, match="MoGe-2 Small needs .* MB on the disk"):
        download_model(SMALL)
    assert not hub.asked


def test_a_folder_that_cannot_be_made_is_told(hub, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CINEMAGRAPH_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(CinemaError, match="Cannot write|a part of the name is a file"):
        download_model(SMALL)


def test_two_programs_do_not_write_one_file(hub):
    hub.pause = 0.01
    first = threading.Thread(target=download_model, args=(SMALL,))
    first.start()
    wait_for(lambda: hub.asked)
    with pytest.raises(CinemaError, match="Another program downloads MoGe-2 Small"):
        download_model(SMALL)
    first.join()
    assert on_disk(SMALL) == content_of(hub, SMALL)


def test_a_cancel_ends_the_download_and_keeps_the_part(hub):
    hub.pause = 0.05

    class Cancel(BaseException):
        pass

    def cancel(fraction: float) -> None:
        if fraction > 0.1:
            raise Cancel

    began = time.monotonic()
    with pytest.raises(Cancel):
        download_model(SMALL, cancel)
    assert time.monotonic() - began < 2
    part = models_folder() / SMALL / "model.onnx.part"
    kept = part.stat().st_size
    assert 0 < kept < OFFERED[SMALL].size
    time.sleep(0.3)
    assert part.stat().st_size == kept  # nothing writes any more
    hub.pause = 0.0
    download_model(SMALL)
    assert hub.asked[-1][1] == f"bytes={kept}-"


def test_the_key_of_a_model_changes_with_the_weights_beside_it(hub):
    name = "depth-anything-3-small"
    assert model_key(name) == [name]
    download_model(name)
    first = model_key(name)
    weights = models_folder() / name / "model.onnx_data"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert model_key(name) != first


@pytest.fixture
def program(hub, tmp_path, landscape) -> Callable[..., subprocess.Popen]:
    """Starts the command line in a process of its own, whose table is that of the small models."""
    core = tmp_path / "program" / "cinema_core"
    core.parent.mkdir()
    subprocess.run(["cp", "-r", ROOT / "cinema_core", core], check=True)
    model_hub.rewrite_table(core / "shared" / "models.py", TRUE, OFFERED)

    def start(*arguments: object, **options: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "cinema_core", *map(str, arguments)]
        return subprocess.Popen(command, cwd=core.parent, env=dict(os.environ), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)  # fmt: skip

    return start


@pytest.fixture
def landscape(tmp_path) -> Path:
    """A photo of sky over ground."""
    file = tmp_path / "photo.png"
    rows = np.linspace(0, 1, 72)[:, None, None]
    noise = np.random.default_rng(0).random((72, 108, 3)) * 0.2
    color = np.where(rows < 0.4, (0.5, 0.6, 0.98), (0.35, 0.3, 0.2)) * (1 - noise)
    Image.fromarray((color * 255).astype(np.uint8)).save(file)
    return file


def test_the_command_line_downloads_builds_and_builds_again_without_the_hub(hub, program, landscape, tmp_path):
    job = tmp_path / "job"
    without = program("build", landscape, "--out", job, "--still", "--depth-model", SMALL)
    assert without.wait() == 2 and "is not on this computer" in without.stderr.read() and not hub.asked
    built = program("build", landscape, "--out", job, "--still", "--depth-model", SMALL, "--download", "--json")
    said, errors = built.communicate(timeout=300)
    assert built.returncode == 0, said + errors
    messages = [json.loads(line) for line in said.splitlines()]
    assert any(message.get("stage") == "download" for message in messages)
    report = messages[-1]["report"]
    assert report["depth_source"] == "model" and report["depth_licence"] == "MIT"
    assert report["depth_focal"] == pytest.approx(model_hub.FOCAL / 2 * np.hypot(108, 72), rel=0.02)
    hub.gone = True
    again = program("depth", landscape, "--out", tmp_path / "depth.npy", "--depth-model", SMALL, "--json")
    said, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert json.loads(said.splitlines()[-1])["focal"] == report["depth_focal"]


def test_ctrl_c_and_a_cancelled_request_end_a_download(hub, program, landscape, tmp_path):
    hub.pause = 0.1
    arguments = ("depth", landscape, "--out", tmp_path / "depth.npy", "--depth-model", SMALL, "--download")
    running = program(*arguments)
    wait_for(lambda: hub.asked, 60)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=10) != 0
    engine = program("serve", stdin=subprocess.PIPE)
    options = {"depth_model": SMALL, "download": True}
    request = {"id": 1, "command": "depth", "photo": str(landscape), "out": str(tmp_path / "job"), "options": options}
    engine.stdin.write(json.dumps(request) + "\n")
    engine.stdin.flush()
    wait_for(lambda: len(hub.asked) == 2, 60)
    assert hub.asked[-1][1].startswith("bytes=")  # it goes on where Ctrl-C stopped the other
    began = time.monotonic()
    engine.stdin.write(json.dumps({"cancel": 1}) + "\n")
    engine.stdin.flush()
    answer = next(message for message in map(json.loads, engine.stdout) if message["type"] == "error")
    assert answer["cancelled"] and time.monotonic() - began < 3
    engine.communicate('{"quit": true}\n', timeout=10)


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
