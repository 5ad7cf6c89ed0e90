"""Models in single files, TorchScript (.pt) and ONNX (.onnx), run on arrays.

ONNX files are run by onnxruntime, an optional dependency.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
    """

    run: Callable[..., np.ndarray]
    size: tuple[int, int] | None = None


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
    except ImportError as error:
        raise not_installed("onnxruntime", error) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONNX_ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise CinemaError(
            f"{path.name} is not an ONNX model that onnxruntime can load ({first_line(error)})", _EXPORT_AGAIN
        ) from error
    inputs = session.get_inputs()
    sides = inputs[0].shape[-2:] if inputs else []  # a free side has a name, or None
    size = (sides[0], sides[1]) if len(sides) == 2 and all(isinstance(side, int) for side in sides) else None

    def run(*arrays: np.ndarray) -> np.ndarray:
        given = {entry.name: np.ascontiguousarray(array, np.float32) for entry, array in zip(inputs, arrays)}
        try:
            return np.asarray(session.run(None, given)[0], np.float32)
        except Exception as error:
            raise RuntimeError(first_line(error)) from error

    return PlainModel(run, size)
