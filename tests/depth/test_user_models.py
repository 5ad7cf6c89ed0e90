"""Depth models that users have: tiny ones with random weights, in every supported form."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

from cinema_core.depth.find import find_depth
from cinema_core.depth.model_input import IMAGENET, LARGEST_AREA, fit_size
from cinema_core.depth.model_location import fetch_model, find_model, model_key
from cinema_core.depth.user_models import infer_depth
from cinema_core.shared.data import Photo
from cinema_core.shared.errors import CinemaError
from cinema_core.shared.models import NOT_STATED
from cinema_core.shared.options import BuildOptions

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
WIDTH, HEIGHT = 120, 80
IN_CACHE = "depth-anything/Depth-Anything-V2-Small-hf"


@pytest.fixture
def photo() -> Photo:
    return Photo(np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32), 120.0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path) -> None:
    """No module may use the network; the Hugging Face cache is an empty folder."""
    from huggingface_hub import constants

    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def anything(tmp_path_factory) -> Path:
    """A folder of Depth Anything's form, with untrained weights."""
    transformers = pytest.importorskip("transformers")
    backbone = transformers.Dinov2Config(
        hidden_size=24, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=70, patch_size=14,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=24, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("anything")
    torch.manual_seed(3)
    model = transformers.DepthAnythingForDepthEstimation(config)
    for parameter in model.parameters():  # with its initial weights it returns one depth everywhere
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.constant_(model.head.conv3.bias, 5.0)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\ntags:\n- depth\n---\n# license: other\n")
    preparation = {"size": {"height": 70, "width": 70}, "keep_aspect_ratio": True, "ensure_multiple_of": 14}
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    return folder


def rows() -> torch.nn.Module:
    """Disparity that grows downwards."""

    class Rows(torch.nn.Module):
        def forward(self, x):
            down = torch.linspace(1.0, 5.0, x.shape[2]).reshape(1, 1, -1, 1)
            return (x.mean(1, keepdim=True) * 0.01 + down,)

    return Rows()


def script(path: Path, module: torch.nn.Module) -> Path:
    torch.jit.save(torch.jit.script(module), str(path))
    return path


def test_a_folder_of_transformers_estimates_depth(anything, photo):
    found = find_depth(photo, None, BuildOptions(depth_model=str(anything)))
    assert found.values.shape == (HEIGHT, WIDTH) and found.values.min() == 1 and np.isfinite(found.values).all()
    assert found.source == "model" and found.licence == "cc-by-4.0" and anything.name in found.detail


def test_the_model_sees_the_photo_as_it_was_trained_to(anything, photo, monkeypatch):
    """Its own size, the photo's aspect, ImageNet's normalisation: the library's own preparation, up to rounding."""
    import transformers

    seen = []
    forward = transformers.DepthAnythingForDepthEstimation.forward

    def watched(self, pixel_values):
        seen.append(pixel_values)
        return forward(self, pixel_values=pixel_values)

    monkeypatch.setattr(transformers.DepthAnythingForDepthEstimation, "forward", watched)
    estimate = infer_depth(photo.color, str(anything))
    assert seen[0].shape == (1, 3, 70, 112) and estimate.kind == "disparity"  # 105 px are 7.5 patches
    mean = (photo.color.mean((0, 1)) - IMAGENET[0]) / IMAGENET[1]
    assert seen[0].mean((0, 2, 3)).numpy() == pytest.approx(mean, abs=0.01)


def test_a_metric_model_gives_distances(anything, tmp_path, photo):
    config = json.loads((anything / "config.json").read_text()) | {"depth_estimation_type": "metric", "max_depth": 20}
    folder = copy(anything, tmp_path / "metric")
    (folder / "config.json").write_text(json.dumps(config))
    assert "distances" in find_depth(photo, None, BuildOptions(depth_model=str(folder))).detail


def copy(folder: Path, to: Path) -> Path:
    to.mkdir(parents=True)
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_a_model_in_the_hub_cache_is_found_by_its_name(anything, tmp_path, photo):
    with pytest.raises(CinemaError, match="not on this computer") as error:
        find_depth(photo, None, BuildOptions(depth_model=IN_CACHE))
    assert "Download" in error.value.hint
    home = tmp_path / "hub" / "models--depth-anything--Depth-Anything-V2-Small-hf"
    folder = copy(anything, home / "snapshots" / "abc")
    (folder / "README.md").unlink()
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    assert find_model(IN_CACHE) == folder
    found = find_depth(photo, None, BuildOptions(depth_model=IN_CACHE))
    assert found.licence == "apache-2.0" and found.detail.startswith(IN_CACHE)


def test_a_model_without_weights_in_the_hub_cache_is_not_found(anything, tmp_path):
    home = tmp_path / "hub" / "models--someone--model"
    folder = copy(anything, home / "snapshots" / "abc")
    (folder / "model.safetensors").unlink()
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    with pytest.raises(CinemaError, match="not on this computer"):
        find_model("someone/model")


@pytest.mark.parametrize("name", ["some one/model", "someone/a:b", "someone/..", "-/-"])
def test_impossible_names_are_not_on_this_computer(name):
    with pytest.raises(CinemaError, match="not on this computer"):
        find_model(name)


def test_only_a_download_asks_the_hub(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub import constants

    asked = []
    snapshot_download = huggingface_hub.snapshot_download

    def fetch(name, **given):
        if given.get("local_files_only"):
            return snapshot_download(name, **given)
        asked.append((name, constants.HF_HUB_OFFLINE))
        raise OSError("no route to the hub\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(CinemaError, match="not on this computer"):
        find_model("someone/model")
    assert not asked
    with pytest.raises(CinemaError, match="could not be fetched .no route to the hub."):
        fetch_model("someone/model")
    assert asked == [("someone/model", False)] and constants.HF_HUB_OFFLINE


class Hub(BaseHTTPRequestHandler):
    """A hub with one model, someone/model, whose files are in `folder`; keeps the requests in `asked`."""

    folder: Path
    asked: list[str]
    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.asked.append(path)
        if path == "/api/models/someone/model" or path.startswith("/api/models/someone/model/revision/"):
            names = [{"rfilename": file.name} for file in sorted(self.folder.iterdir())]
            self.send({"id": "someone/model", "modelId": "someone/model", "sha": self.COMMIT, "siblings": names,
                       "private": False, "tags": [], "downloads": 0, "likes": 0})  # fmt: skip
        elif path.startswith("/api/models/someone/model/tree/"):
            self.send([{"type": "file", "path": file.name, "size": file.stat().st_size, "oid": f"{number:040x}"}
                       for number, file in enumerate(sorted(self.folder.iterdir()))])  # fmt: skip
        elif path.startswith(f"/someone/model/resolve/{self.COMMIT}/"):
            content = (self.folder / path.rpartition("/")[2]).read_bytes()
            self.send(content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": self.COMMIT})
        else:
            self.send({"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}, 404)

    do_HEAD = do_GET

    def send(self, content: object, headers: dict[str, str] = {}, status: int = 200) -> None:  # noqa: B006
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(anything) -> Iterator[ThreadingHTTPServer]:
    """A server on this computer that answers as the hub does."""
    Hub.folder, Hub.asked = anything, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def find_in_new_process(cache: Path, hub_url: str, model: str, download: bool) -> str:
    """The place that `find_model` returns, or its error, with a hub and an empty cache of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"HF_ENDPOINT": hub_url, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run([sys.executable, "-c", FIND, model, str(int(download))], env=environment, capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


FIND = """
import sys
from cinema_core.depth.model_location import fetch_model, find_model
from cinema_core.shared.errors import CinemaError
try:
    if sys.argv[2] == "1":
        fetch_model(sys.argv[1])
    print(find_model(sys.argv[1]))
except CinemaError as error:
    print(error)
"""


def test_a_model_is_downloaded_once_and_then_found_without_the_hub(anything, hub, tmp_path):
    url = f"http://127.0.0.1:{hub.server_address[1]}"
    assert "not on this computer" in find_in_new_process(tmp_path, url, "someone/model", False)
    assert not Hub.asked
    folder = Path(find_in_new_process(tmp_path, url, "someone/model", True))
    for name in ("config.json", "model.safetensors", "preprocessor_config.json", "README.md"):
        assert (folder / name).read_bytes() == (anything / name).read_bytes()
    count = len(Hub.asked)
    for download in (False, True):
        assert find_in_new_process(tmp_path, url, "someone/model", download) == str(folder)
    assert len(Hub.asked) == count


def test_a_download_that_fails_says_why(hub, tmp_path):
    url = f"http://127.0.0.1:{hub.server_address[1]}"
    for name, address in (("someone/other", url), ("someone/model", "http://127.0.0.1:9")):  # unknown; no hub
        text = find_in_new_process(tmp_path, address, name, True)
        assert text.startswith(f"The model {name} could not be fetched (") and text.endswith("give a model's folder.")


def test_without_transformers_it_says_how_to_get_it(anything, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CinemaError, match="transformers is not installed in|does not start") as error:
        infer_depth(photo.color, str(anything))
    assert "pip install transformers" in error.value.hint


def test_folders_that_are_no_depth_models_say_so(anything, tmp_path, photo):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CinemaError, match="holds no transformers model"):
        infer_depth(photo.color, str(tmp_path / "empty"))
    config = json.loads((anything / "config.json").read_text())
    for name, change in (("bert", {"model_type": "bert"}), ("new", {"model_type": "of_next_year"})):
        folder = copy(anything, tmp_path / name)
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(CinemaError, match="cannot be loaded as a depth model"):
            infer_depth(photo.color, str(folder))
    folder = copy(anything, tmp_path / "cut")
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(CinemaError, match="cannot be loaded"):
        infer_depth(photo.color, str(folder))
    folder = copy(anything, tmp_path / "pickle")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CinemaError, match="cannot be loaded"):
        infer_depth(photo.color, str(folder))


def test_weights_that_are_missing_are_not_made_up(anything, tmp_path, photo):
    from safetensors.torch import load_file, save_file

    folder = copy(anything, tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in weights.items() if "head.conv" not in name},
              folder / "model.safetensors", {"format": "pt"})  # fmt: skip
    with pytest.raises(CinemaError, match="lacks weights"):
        infer_depth(photo.color, str(folder))


@pytest.mark.parametrize("shape", [(3000, 4000), (4000, 3000), (500, 4000), (80, 120), (20, 4000)])
def test_large_photos_are_seen_at_the_models_size(shape):
    width, height = fit_size(shape, 518, 14)
    assert width % 14 == height % 14 == 0 and width * height < 1.1 * LARGEST_AREA * 518**2
    if max(shape) / min(shape) < 2.4:
        assert min(width, height) == pytest.approx(518, abs=7) and width / height == pytest.approx(
            shape[1] / shape[0], rel=0.03
        )


def test_a_torchscript_file_estimates_depth(tmp_path, photo):
    found = find_depth(photo, None, BuildOptions(depth_model=str(script(tmp_path / "rows.pt", rows()))))
    assert found.values[0, 60] == pytest.approx(5, rel=0.1) and found.values[-1].max() < 1.1
    assert found.source == "model" and found.detail.startswith("rows.pt") and found.licence == NOT_STATED
    turned = find_depth(photo, None, BuildOptions(depth_model=str(tmp_path / "rows.pt"), depth_kind="metric"))
    assert turned.values[0, 60] < 1.1 and turned.values[-1, 60] == pytest.approx(5, rel=0.1)


def test_a_traced_file_of_one_size_is_given_that_size(tmp_path, photo):
    class One(torch.nn.Module):
        def forward(self, x):
            assert x.shape[2] == 256 and x.shape[3] == 256
            return x.mean(1) + torch.linspace(5, 9, 256)[:, None]

    assert infer_depth(photo.color, str(script(tmp_path / "one.pt", One()))).values.shape == (256, 256)


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protocol buffer."""

    def varint(value: int) -> bytes:
        head = b""
        while value > 127:
            head, value = head + bytes([value & 127 | 128]), value >> 7
        return head + bytes([value])

    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor_type(name: str, sides: tuple[int, ...]) -> bytes:
    shape = b"".join(field(1, field(1, side)) for side in sides)
    return field(1, name.encode()) + field(2, field(1, field(1, 1) + field(2, shape)))


def onnx(path: Path, size: tuple[int, int]) -> Path:
    """A graph of one 1 x 1 convolution: the mean of red, green and blue."""
    weights = b"".join(field(1, side) for side in (1, 3, 1, 1)) + field(2, 1) + field(8, b"w")
    weights += field(9, struct.pack("<3f", 1 / 3, 1 / 3, 1 / 3))
    kernel = field(1, b"kernel_shape") + field(8, 1) + field(8, 1) + field(20, 7)
    node = (
        field(1, b"image")
        + field(1, b"w")
        + field(2, b"depth")
        + field(3, b"mean")
        + field(4, b"Conv")
        + field(5, kernel)
    )
    graph = field(1, node) + field(2, b"g") + field(5, weights)
    graph += field(11, tensor_type("image", (1, 3, *size))) + field(12, tensor_type("depth", (1, 1, *size)))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return path


def test_an_onnx_file_estimates_depth_at_its_own_size(tmp_path, photo):
    estimate = infer_depth(photo.color, str(onnx(tmp_path / "mean.onnx", (48, 64))))
    mean = ((photo.color.mean((0, 1)) - IMAGENET[0]) / IMAGENET[1]).mean()
    assert estimate.values.shape == (48, 64) and estimate.values.mean() == pytest.approx(mean, abs=0.02)


def test_an_onnxruntime_that_does_not_load_is_explained_as_a_package_of_the_engine(tmp_path, photo, monkeypatch):
    from cinema_core.engine.outcome import attempt

    package = tmp_path / "broken" / "onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "raise ImportError('DLL load failed while importing onnxruntime_pybind11_state')"
    )
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(package.parent)
    found = attempt(lambda: infer_depth(photo.color, str(onnx(tmp_path / "mean.onnx", (48, 64)))))
    assert "Windows lacks the Visual C++ runtime" in found.text and "Redistributable" in found.hint
    sys.modules.pop("onnxruntime", None)


def test_without_onnxruntime_it_says_how_to_get_it(tmp_path, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CinemaError, match="onnxruntime is not installed in|does not start") as error:
        infer_depth(photo.color, str(onnx(tmp_path / "mean.onnx", (48, 64))))
    assert "pip install onnxruntime" in error.value.hint


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.pt", b"garbage", "not a TorchScript model"), ("a.pt", b"", "not a TorchScript model"),
        ("a.onnx", b"garbage", "not an ONNX model"), ("a.onnx", b"", "not an ONNX model"),
        ("a.txt", b"x", "not a model"),
    ],
)  # fmt: skip
def test_files_that_are_no_models_say_so(tmp_path, photo, name, content, text):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CinemaError, match=text) as error:
        infer_depth(photo.color, str(tmp_path / name))
    assert error.value.hint


@pytest.mark.parametrize("name", ["none.pt", "none.onnx", "/no/folder", "no folder", "./a/b"])
def test_models_that_are_not_there_say_so(photo, name):
    with pytest.raises(CinemaError, match="There is no model"):
        infer_depth(photo.color, name)


def test_a_model_that_gives_something_else_says_so(tmp_path, photo):
    class Wrong(torch.nn.Module):
        def __init__(self, output: str):
            super().__init__()
            self.output = output

        def forward(self, x):
            if self.output == "vector":
                return x.mean((2, 3))
            if self.output == "nan":
                return x.mean(1) / 0 * 0
            raise RuntimeError("it takes text")

    for output, text in (("vector", "not one depth per pixel"), ("nan", "no finite depth"), ("text", "cannot be run")):
        with pytest.raises(CinemaError, match=text):
            infer_depth(photo.color, str(script(tmp_path / f"{output}.pt", Wrong(output))))


def test_the_key_of_a_model_changes_with_its_file(tmp_path):
    path = script(tmp_path / "a.pt", rows())
    first = model_key(str(path))
    assert model_key(str(path)) == first
    path.write_bytes(path.read_bytes() + b" ")
    assert model_key(str(path)) != first and model_key("none/here") == model_key("none/here")
