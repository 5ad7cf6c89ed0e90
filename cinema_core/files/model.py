"""Models in files, TorchScript (.pt) and ONNX (.onnx), run on arrays.

The weights of an ONNX file may lie beside it, in a file that it names. ONNX files are run by onnxruntime on the CPU.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.errors import CinemaError, first_line

SUFFIXES = (".pt", ".onnx")
_EXPORT_AGAIN = "Export the model again as TorchScript (.pt) or ONNX (.onnx)"
_ONNX_ERRORS_ONLY = 3  # onnxruntime's log level


@dataclass(frozen=True, eq=False)
class PlainModel:
    """A model that maps arrays to an array.

    Attributes:
        run: Takes (1, C, H, W) float32 arrays and returns a float32 array; raises RuntimeError for arrays of a shape
            that the model does not take.
        size: (H, W) of the only input size; None where the model takes any size, or does not state it.
        inputs: Name -> number of axes, in their order; of ONNX files alone.
        outputs: Names, in their order; of ONNX files alone.
        evaluate: Takes an array for each input, by name, and gives each output, by name; of ONNX files alone.
    """

    run: Callable[..., np.ndarray]
    size: tuple[int, int] | None = None
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    evaluate: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None


def load_plain_model(path: Path, device: str = "cpu") -> PlainModel:
    """Load a model file.

    Args:
        path: .pt or .onnx.
        device: The torch device of TorchScript models; onnxruntime uses the CPU.

    Raises:
        CinemaError: The file is missing or unreadable, or onnxruntime is not installed.
    """
    if not path.is_file():
        raise CinemaError(f"There is no model {path}", "Choose an existing .pt or .onnx file")
    return _load_onnx(path) if path.suffix.lower() == ".onnx" else _load_torchscript(path, device)


def not_installed(package: str, error: ImportError) -> CinemaError:
    """The error that tells the user to install an optional package whose import failed."""
    reason = "is not installed in" if isinstance(error, ModuleNotFoundError) else f"does not start ({error}) in"
    return CinemaError(
        f"{package} {reason} {sys.executable}", f'Install it: "{sys.executable}" -m pip install {package}'
    )


def _load_torchscript(path: Path, device: str) -> PlainModel:
    import torch

    # torch deprecates TorchScript, but users have models in this form.
    warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
    try:
        model = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise CinemaError(
            f"{path.name} is not a TorchScript model", "Save it with torch.jit.save; a file of weights is not enough"
        ) from error

    def run(*arrays: np.ndarray) -> np.ndarray:
        try:
            with torch.inference_mode():
                found = model(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))
        except torch.jit.Error as error:  # not a RuntimeError; the reason is in the last line
            raise RuntimeError(str(error).strip().splitlines()[-1]) from error
        if isinstance(found, dict):
            found = list(found.values())
        while isinstance(found, (list, tuple)):
            found = next(iter(found), None)
        if not isinstance(found, torch.Tensor):
            raise RuntimeError("it returns no tensor")
        return found.float().cpu().numpy()

    return PlainModel(run)


def _load_onnx(path: Path) -> PlainModel:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:  # other failures of the import are explained as those of the engine's packages
        raise not_installed("onnxruntime", error) from error
    onnxruntime.disable_telemetry_events()  # of its builds for Windows
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONNX_ERRORS_ONLY
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # idle threads would take other work's time
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise CinemaError(
            f"{path.name} is not an ONNX model that onnxruntime can load ({first_line(error)})", _EXPORT_AGAIN
        ) from error
    return _wrap_session(session)


def _wrap_session(session: Any) -> PlainModel:
    inputs = session.get_inputs()
    outputs = tuple(entry.name for entry in session.get_outputs())
    types = {entry.name: np.int64 if entry.type == "tensor(int64)" else np.float32 for entry in inputs}
    sides = inputs[0].shape[-2:] if inputs else []  # a free side has a name, or None
    size = (sides[0], sides[1]) if len(sides) == 2 and all(isinstance(side, int) for side in sides) else None

    def evaluate(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: np.asarray(array, types[name], order="C") for name, array in arrays.items()}
        try:
            return dict(zip(outputs, session.run(None, given)))
        except Exception as error:
            raise RuntimeError(first_line(error)) from error

    def run(*arrays: np.ndarray) -> np.ndarray:
        found = evaluate({entry.name: array for entry, array in zip(inputs, arrays)})
        return np.asarray(next(iter(found.values())), np.float32)

    return PlainModel(run, size, {entry.name: len(entry.shape) for entry in inputs}, outputs, evaluate)
