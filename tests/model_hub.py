"""The offered depth models in small: ONNX files in the published layouts, and a hub that serves them.

Names, axes and types of inputs and outputs, and names of files, are those of the published files. The weights are
random, and so is the depth; the camera is known, so that the answers can be compared with the truth.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from cinema_core.shared.models import OFFERED, ModelFile, OfferedModel

FOCAL = 1.7  # of the MoGe-2 in small, in half diagonals
SHIFT = 0.4  # that its points lack
WIDE = 0.8  # focal length of the Depth Anything 3 in small, in widths
EXTERNAL = 14  # field of an ONNX tensor: where its data are


class Moge(torch.nn.Module):
    """Points of a camera of FOCAL, but for SHIFT; the surface is where the picture is not blue; thousands of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 8, 3, padding=1, padding_mode="replicate")
        self.head = torch.nn.Conv2d(8, 1, 1)

    def depth(self, image: torch.Tensor) -> torch.Tensor:
        return 1.5 + 3 * self.head(self.mix(image).relu())[:, 0].sigmoid()

    def forward(self, image: torch.Tensor, num_tokens: torch.Tensor):
        z = self.depth(image)
        height, width = image.shape[2], image.shape[3]
        x = 2 * torch.arange(width) + 1 - width + 0 * z
        y = (2 * torch.arange(height) + 1 - height)[:, None] + 0 * z
        half = (width * width + height * height + 0 * z) ** 0.5
        points = torch.stack([x / half / FOCAL * z, y / half / FOCAL * z, z - SHIFT], -1)
        mask = (40 * (0.9 - image[:, 2])).sigmoid()
        return points, points, mask, num_tokens.float().reshape(1) / 1000


class Views(torch.nn.Module):
    """Depth Anything 3: distances of each view, and a camera of WIDE widths."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, pixel_values: torch.Tensor):
        batch, views, _, height, width = pixel_values.shape
        depth = 0.5 + self.mix(pixel_values.flatten(0, 1)).exp()
        depth = depth.reshape(batch, views, height, width)
        side = depth[:, :, 0, 0, None] * 0 + WIDE * width
        flat, one = side * 0, side * 0 + 1
        rows = [torch.cat(row, -1) for row in ([side, flat, flat + width / 2], [flat, side, flat + height / 2],
                                               [flat, flat, one])]  # fmt: skip
        return depth, depth, torch.stack(rows, -2)[..., :3, :], torch.stack(rows, -2)


class Disparity(torch.nn.Module):
    """Depth Anything V2: disparity without a unit."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, pixel_values: torch.Tensor):
        return (6 + self.mix(pixel_values)[:, 0]).relu()


def make(name: str) -> torch.nn.Module:
    """The module behind an offered model in small; the same weights each time."""
    torch.manual_seed(len(name))
    kind = Moge if name.startswith("moge") else Views if "-3-" in name else Disparity
    return kind().eval()


def export(name: str) -> dict[str, bytes]:
    """File name -> content, in the layout of the published files."""
    module = make(name)
    if isinstance(module, Moge):
        axes, outputs = {"image": {0: "b", 2: "height", 3: "width"}}, ["points", "normal", "mask", "scale"]
        inputs = (torch.rand(1, 3, 28, 42), torch.tensor(1800))
        content = to_onnx(module, inputs, ["image", "num_tokens"], outputs, axes)
        return {"model.onnx": content}
    if isinstance(module, Views):
        axes = {"pixel_values": {0: "batch_size", 1: "num_images", 3: "height", 4: "width"}}
        outputs = ["predicted_depth", "confidence", "extrinsics", "intrinsics"]
        content = to_onnx(module, (torch.rand(1, 1, 3, 28, 42),), ["pixel_values"], outputs, axes)
        graph, weights = put_weights_beside(content, "model.onnx_data")
        return {"model.onnx": graph, "model.onnx_data": weights}
    axes = {"pixel_values": {0: "batch_size", 2: "height", 3: "width"}}
    return {"model.onnx": to_onnx(module, (torch.rand(1, 3, 28, 42),), ["pixel_values"], ["predicted_depth"], axes)}


def to_onnx(module: torch.nn.Module, inputs: tuple, names: list[str], outputs: list[str], axes: dict) -> bytes:
    """Export by torch's tracer, which needs the package onnx only for functions of onnxscript."""
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    add, stream = onnx_proto_utils._add_onnxscript_fn, io.BytesIO()
    onnx_proto_utils._add_onnxscript_fn = lambda content, _: content
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, inputs, stream, input_names=names, output_names=outputs, dynamic_axes=axes,
                              opset_version=14, dynamo=False)  # fmt: skip
    finally:
        onnx_proto_utils._add_onnxscript_fn = add
    return stream.getvalue()


def fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Fields of a protocol buffer."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(content):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(key & 7) or varint()
        at += length
        yield key >> 3, content[at - length : at]


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


def put_weights_beside(model: bytes, name: str) -> tuple[bytes, bytes]:
    """Move the tensors' data of an ONNX model into a file of this name, as large models have it; gives both."""
    weights, parts = b"", b""
    for number, content in fields(model):
        if number == 7:
            graph = b""
            for inner, value in fields(content):
                if inner == 5:
                    kept = b"".join(field(key, item) for key, item in fields(value) if key != 9)
                    raw = next(item for key, item in fields(value) if key == 9)
                    told = {"location": name, "offset": str(len(weights)), "length": str(len(raw))}
                    for key, text in told.items():
                        kept += field(13, field(1, key.encode()) + field(2, text.encode()))
                    value, weights = kept + field(EXTERNAL, 1), weights + raw
                graph += field(inner, value)
            content = graph
        parts += field(number, content)
    assert weights
    return parts, weights


def shrunk(name: str, files: dict[str, bytes]) -> OfferedModel:
    """The offered model with the sizes of these files, and with their digests where it states digests."""
    model = OFFERED[name]
    digests = {key: hashlib.sha256(content).hexdigest() for key, content in files.items()}
    entries = [ModelFile(file.path, len(files[file.name]), digests[file.name] if file.sha256 else "")
               for file in model.files]  # fmt: skip
    return replace(model, files=tuple(entries))


class Hub:
    """A server on this computer that answers as the hub does: redirected to a server of files, with ranges.

    Attributes:
        url: Its address.
        contents: Path in the address -> content.
        asked: (path, header Range) of each request for a file's content.
        cut: Bytes after which the connection breaks, one of the list for each answer.
        pause: Seconds between two pieces of an answer.
        gone: Whether it has no files any more.
        ranged: Whether it knows ranges.
    """

    PIECE = 512  # bytes

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.cut: list[int] = []
        self.pause, self.gone, self.ranged = 0.0, False, True
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(BrokenPipeError, ConnectionError):
                    hub._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def serve(self, name: str) -> OfferedModel:
        """Serve an offered model in small; gives its entry of the table."""
        files, model = export(name), OFFERED[name]
        for file in model.files:
            self.contents[f"/{model.repository}/resolve/{model.revision}/{file.path}"] = files[file.name]
        return shrunk(name, files)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        address = request.path.removeprefix("/files")
        content = self.contents.get(address)
        if content is None or self.gone:
            request.send_error(404)
        elif address == request.path:
            request.send_response(302)
            request.send_header("Location", f"/files{address}")
            request.send_header("X-Linked-Size", str(len(content)))
            request.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            self._send(request, content)

    def _send(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append((request.path.removeprefix("/files"), wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if self.ranged else 0
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end = min(len(content), start + self.cut.pop(0)) if self.cut else len(content)
        for at in range(start, end, self.PIECE):
            request.wfile.write(content[at : min(at + self.PIECE, end)])
            request.wfile.flush()
            time.sleep(self.pause)
        request.close_connection = True


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    try:
        yield hub
    finally:
        hub.close()


def rewrite_table(file: Path, before: dict[str, OfferedModel], after: dict[str, OfferedModel]) -> None:
    """Let a copy of `cinema_core/shared/models.py` state the sizes and digests of other models of these names."""
    text = file.read_text(encoding="utf-8")
    for name, model in after.items():
        for old, new in zip(before[name].files, model.files):
            if old.sha256:
                assert str(old.size) in text and old.sha256 in text
                text = text.replace(str(old.size), str(new.size)).replace(old.sha256, new.sha256)
    file.write_text(text, encoding="utf-8")
