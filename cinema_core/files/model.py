"""Models in single files, TorchScript (.pt) and ONNX (.onnx), run on arrays; and what model cards say of licences.

ONNX files are run by onnxruntime where it is installed, else by OpenCV.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..shared.errors import CinemaError

SUFFIXES = (".pt", ".onnx")
NOT_STATED = "not stated; look at where the model comes from"
_HINT = "Export the model again as TorchScript (.pt) or ONNX (.onnx)"
_CARD = 20_000  # characters of a model card that are looked at


@dataclass(frozen=True, eq=False)
class PlainModel:
    """A model that takes and gives arrays.

    Attributes:
        run: Takes (1, C, H, W) float32 arrays and gives one float32 array; raises RuntimeError where they do not suit.
        size: (H, W) that it must be given; None where it takes any, or does not say.
    """

    run: Callable[..., np.ndarray]
    size: tuple[int, int] | None = None


def load_plain_model(path: Path, device: str = "cpu") -> PlainModel:
    """Load a model file.

    Args:
        path: .pt or .onnx.
        device: Where torch works.

    Raises:
        CinemaError: Missing or unreadable.
    """
    if not path.is_file():
        raise CinemaError(f"There is no model {path}", "Choose an existing .pt or .onnx file")
    return _load_onnx(path) if path.suffix.lower() == ".onnx" else _load_torchscript(path, device)


def find_licence(folder: Path) -> str:
    """The licence that the model card in a folder states (README.md: `license:` in its head)."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:_CARD]
    except OSError:
        return NOT_STATED
    head = re.match(r"\s*---\s*\n(.*?)\n---", text, re.DOTALL)
    stated = dict(
        re.findall(r"^(license|license_name):[ \t]*[\"']?([^\s\"'#]+)", head.group(1) if head else "", re.MULTILINE)
    )
    name = stated.get("license", "")
    return stated.get("license_name", name) if name == "other" else name or NOT_STATED


def _load_torchscript(path: Path, device: str) -> PlainModel:
    import torch

    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # the form goes on being what users have
    try:
        model = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise CinemaError(
            f"{path.name} is not a TorchScript model", "Save it with torch.jit.save; weights alone do not do"
        ) from error

    def run(*arrays: np.ndarray) -> np.ndarray:
        try:
            with torch.inference_mode():
                found = model(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))
        except torch.jit.Error as error:  # is no RuntimeError; what went wrong stands at its end
            raise RuntimeError(str(error).strip().splitlines()[-1]) from error
        if isinstance(found, dict):
            found = list(found.values())
        while isinstance(found, (list, tuple)):
            found = next(iter(found), None)
        if not isinstance(found, torch.Tensor):
            raise RuntimeError("it gives no tensor")
        return found.float().cpu().numpy()

    return PlainModel(run)


def _load_onnx(path: Path) -> PlainModel:
    try:
        inputs = _read_inputs(path.read_bytes())
    except (IndexError, ValueError, OSError) as error:
        raise CinemaError(f"{path.name} is not an ONNX model", _HINT) from error
    if not inputs:
        raise CinemaError(f"{path.name} is not an ONNX model", _HINT)
    sides = next(iter(inputs.values()))[-2:]
    size = tuple(sides) if len(sides) == 2 and all(sides) else None
    try:
        import onnxruntime
    except ImportError:
        return PlainModel(_run_by_opencv(path, list(inputs)), size)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise CinemaError(f"{path.name} cannot be loaded ({_first_line(error)})", _HINT) from error

    def run(*arrays: np.ndarray) -> np.ndarray:
        try:
            return np.float32(session.run(None, dict(zip(inputs, arrays)))[0])
        except Exception as error:
            raise RuntimeError(_first_line(error)) from error

    return PlainModel(run, size)


def _run_by_opencv(path: Path, names: list[str]) -> Callable[..., np.ndarray]:
    try:
        network = cv2.dnn.readNetFromONNX(np.fromfile(path, np.uint8))
    except cv2.error as error:
        raise CinemaError(
            f"OpenCV cannot run {path.name}", "Install onnxruntime, or export it as TorchScript"
        ) from error

    def run(*arrays: np.ndarray) -> np.ndarray:
        try:
            for name, array in zip(names, arrays):
                network.setInput(np.ascontiguousarray(array, np.float32), name)
            return np.array(network.forward(), np.float32)
        except cv2.error as error:
            raise RuntimeError(_first_line(error)) from error

    return run


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _read_inputs(data: bytes) -> dict[str, list[int]]:
    """Name -> sides of each of a model's inputs, 0 for one that is free. Weights are no inputs.

    Source: onnx.proto of the ONNX project: ModelProto.graph 7, GraphProto.initializer 5 and .input 11, and so on.
    """
    inputs: dict[str, list[int]] = {}
    weights = set()
    for graph in _parts(memoryview(data), 7):
        weights |= {bytes(name).decode() for tensor in _parts(graph, 5) for name in _parts(tensor, 8)}
        for entry in _parts(graph, 11):
            name = next(bytes(text).decode() for text in _parts(entry, 1))
            sides = [next((value for value in _parts(side, 1) if isinstance(value, int)), 0)
                     for kind in _parts(entry, 2) for tensor in _parts(kind, 1)
                     for shape in _parts(tensor, 2) for side in _parts(shape, 1)]  # fmt: skip
            inputs[name] = sides
    return {name: sides for name, sides in inputs.items() if name not in weights}


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview | int]:
    """The fields of a number in a protocol buffer: bytes, or whole numbers."""
    at = 0
    while at < len(message):
        key, at = _read_number(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_number(message, at)
        elif kind == 2:
            length, at = _read_number(message, at)
            if at + length > len(message):
                raise ValueError("cut short")
            value, at = message[at : at + length], at + length
        elif kind in (1, 5):
            value, at = None, at + (8 if kind == 1 else 4)
        else:
            raise ValueError("no protocol buffer")
        if key >> 3 == wanted:
            yield value


def _read_number(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("no protocol buffer")
