"""Motion fields in files of other programs: .flo (Middlebury), .npy and .exr, both ways.

Units: px/frame, x right, y down, of a photo of the file's own size. An .npy array is (H, W, 2); in an .exr, R is x and
G is y (OpenCV writes a third channel, B, of zeros).
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from ..shared.errors import CinemaError

os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # OpenCV asks at its first picture, so before anyone reads one
SUFFIXES = (".flo", ".npy", ".exr")
MOST_PIXELS = 2**28  # a header that says more is not a flow's
_FLO_MAGIC = np.float32(202021.25)
_UNKNOWN = 1e9  # Middlebury's files mark pixels of unknown motion with larger values
_ASPECT_TOLERANCE = 0.01
_HINT = "Give a .flo, .npy or .exr file of the motion in px per frame"


def read_flow(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """Read a motion field and fit it to the working photo.

    Args:
        path: A .flo, .npy or .exr file; a flow of another size but the photo's aspect is scaled, vectors too.
        size: (W, H) px of the working photo.

    Returns:
        (H, W, 2) float32, px/frame of the working photo. What a .flo marks as unknown is zero.

    Raises:
        CinemaError: Missing, unreadable, cut short, of another aspect, or with values that are not finite.
    """
    path = Path(path)
    readers = {".flo": _read_flo, ".npy": _read_npy, ".exr": _read_exr}
    if path.suffix.lower() not in readers:
        raise CinemaError(f"{path.name} is not a motion field", _HINT)
    if not path.is_file():
        raise CinemaError(f"There is no motion field {path}", "Choose an existing .flo, .npy or .exr file")
    try:
        flow = readers[path.suffix.lower()](path)
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror or error})", _HINT) from error
    height, width = flow.shape[:2]
    if not height or not width:
        raise CinemaError(f"The motion field {path.name} is empty", _HINT)
    if abs(width / height * size[1] / size[0] - 1) > _ASPECT_TOLERANCE:
        raise CinemaError(
            f"The motion field {path.name} is {width} x {height}, which is not the photo's shape ({size[0]} x {size[1]})",
            "Give one of the whole photo; any size of its aspect will do",
        )
    bad = int((~np.isfinite(flow)).any(-1).sum())
    if bad:
        raise CinemaError(
            f"The motion field {path.name} is not finite at {bad} of {width * height} pixels",
            "Write 0 where nothing is known",
        )
    return _fit(flow.astype(np.float32), size)


def write_flow(path: str | Path, flow: np.ndarray) -> None:
    """Write a motion field, whole or not at all; `read_flow` reads the same values.

    Args:
        path: A .flo, .npy or .exr file, replaced if there.
        flow: (H, W, 2), px/frame; written as float32.

    Raises:
        CinemaError: No such form.
        OSError: The file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CinemaError(
            f"A motion field cannot be written as {path.suffix or 'a file without an ending'}", "Use .flo, .npy or .exr"
        )
    flow = np.ascontiguousarray(flow, np.float32)
    assert flow.ndim == 3 and flow.shape[2] == 2, flow.shape
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            if path.suffix.lower() == ".npy":
                np.save(file, flow)
            elif path.suffix.lower() == ".flo":
                file.write(_FLO_MAGIC.astype("<f4").tobytes() + np.array(flow.shape[1::-1], "<i4").tobytes())
                file.write(flow.astype("<f4").tobytes())
            else:
                file.write(_exr(flow))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _exr(flow: np.ndarray) -> bytes:
    blue_green_red = np.dstack([np.zeros_like(flow[..., 0]), flow[..., 1], flow[..., 0]])
    ok, encoded = cv2.imencode(".exr", blue_green_red, [cv2.IMWRITE_EXR_TYPE, cv2.IMWRITE_EXR_TYPE_FLOAT])
    assert ok, flow.shape
    return encoded.tobytes()


def _read_flo(path: Path) -> np.ndarray:
    """Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011 (the form of its files)."""
    with open(path, "rb") as file:
        header = file.read(12)
        if len(header) < 12 or np.frombuffer(header, "<f4", 1)[0] != _FLO_MAGIC:
            raise CinemaError(f"{path.name} is not a .flo file", _HINT)
        width, height = map(int, np.frombuffer(header, "<i4", 2, 4))
        if width < 1 or height < 1 or width * height > MOST_PIXELS:
            raise CinemaError(
                f"{path.name} says it is {width} x {height}, which makes no sense", "Write the file again"
            )
        data = file.read(width * height * 8)
    if len(data) < width * height * 8:
        raise CinemaError(f"{path.name} is cut short", "Get the file again, or write it anew")
    flow = np.frombuffer(data, "<f4").reshape(height, width, 2)
    return np.where(np.abs(flow).max(-1, keepdims=True) > _UNKNOWN, np.where(np.isfinite(flow), 0, flow), flow)


def _read_npy(path: Path) -> np.ndarray:
    try:
        flow = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a wrong array may be huge
    except (ValueError, EOFError) as error:
        raise CinemaError(f"{path.name} is not a readable .npy array", "Save it with numpy.save") from error
    if not isinstance(flow, np.ndarray) or flow.ndim != 3 or flow.shape[2] != 2 or flow.dtype.kind not in "fiu":
        shape = " x ".join(map(str, flow.shape)) if isinstance(flow, np.ndarray) else "an archive"
        raise CinemaError(f"{path.name} is {shape}, not height x width x 2 numbers", "Save the motion as such an array")
    if flow.shape[0] * flow.shape[1] > MOST_PIXELS:
        raise CinemaError(f"{path.name} is too large", "Scale the motion field down, vectors too")
    return np.array(flow, np.float64 if flow.dtype.itemsize > 4 else np.float32)


def _read_exr(path: Path) -> np.ndarray:
    data = np.fromfile(path, np.uint8)
    try:
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if bytes(data[:4]) == b"\x76\x2f\x31\x01" else None
    except cv2.error:
        values = None
    if values is None:
        raise CinemaError(
            f"{path.name} is not a readable OpenEXR picture", "Save it as scanlines, with R = x and G = y"
        )
    if values.ndim != 3 or values.shape[2] < 3:
        raise CinemaError(f"{path.name} has only one channel", "Save it with R = x and G = y")
    return values[..., 2:0:-1]


def _fit(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The flow at the photo's size: pixels and vectors scaled alike."""
    height, width = flow.shape[:2]
    if (width, height) == tuple(size):
        return np.ascontiguousarray(flow)
    shrink = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    scale = np.array((size[0] / width, size[1] / height), np.float32)
    return cv2.resize(np.ascontiguousarray(flow), size, interpolation=shrink) * scale
