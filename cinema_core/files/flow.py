"""Motion fields in files of other programs: .flo (Middlebury), .npy and .exr, both ways.

Units: px/frame, x right, y down, of a photo of the file's own size. An .npy array is (H, W, 2). In an .exr, R is x and
G is y; a third channel, B, of zeros is written for programs that read RGB alone. Blender's vector pass is read too: its
X and Y are the way from a pixel back to its place one frame earlier, y up.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..shared.atomic_write import atomic_write, save_array
from ..shared.camera import is_rounded, same_aspect, stretched_note
from ..shared.errors import UNREADABLE_ARRAY, CinemaError, quoted
from . import exr

SUFFIXES = (".flo", ".npy", ".exr")
MOST_PIXELS = 2**28  # of a motion field; a header that states more is damaged
_FLO_MAGIC = np.float32(202021.25)
_UNKNOWN_FLOW = 1e9  # px/frame; Middlebury's files mark pixels of unknown motion with larger values
_HINT = "Give a .flo, .npy or .exr file of the motion in px per frame"


_VECTOR_PASS = (
    "{name} is read as Blender's vector pass ({pass_name}), the motion of the rendered frame; "
    "if the water runs the wrong way, save the motion with R = x and G = y"
)


def _ignore(_: str) -> None:
    pass


def read_flow(path: str | Path, size: tuple[int, int], warn: Callable[[str], None] = _ignore) -> np.ndarray:
    """Read a motion field and fit it to the working photo.

    Args:
        path: A .flo, .npy or .exr file with the photo's aspect. A flow of another size is scaled, its vectors too.
        size: (W, H) px of the working photo.
        warn: Receives sentences for the user about guesses.

    Returns:
        (H, W, 2) float32, px/frame of the working photo; zero where a .flo marks motion as unknown, and outside the
        data window of an .exr.

    Raises:
        CinemaError: The file is missing, unreadable, truncated, of another aspect, or has values that are not finite.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], np.ndarray]] = {
        ".flo": _read_flo,
        ".npy": _read_npy,
        ".exr": lambda found: _read_exr(found, size, warn),
    }
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
    if is_rounded((width, height), size) and not same_aspect((width, height), size):
        warn(stretched_note(f"The motion field {path.name}", (width, height), size))
    _check_shape(path, (width, height), size)
    bad = int((~(np.abs(flow) <= _UNKNOWN_FLOW)).any(-1).sum())
    if bad:
        raise CinemaError(
            f"The motion field {path.name} is not finite, or beyond all measure, at {bad} of {width * height} pixels",
            "Write 0 where the motion is unknown",
        )
    return _scale_to_photo(flow.astype(np.float32), size)


def _check_shape(path: Path, own: tuple[int, int], size: tuple[int, int]) -> None:
    """Refuse a field of (W, H) `own` that has not the photo's shape."""
    if not (same_aspect(own, size) or is_rounded(own, size)):
        raise CinemaError(
            f"The motion field {path.name} is {own[0]} x {own[1]}, "
            f"which is not the photo's shape ({size[0]} x {size[1]})",
            "Give the motion of the whole photo, of any size with its aspect",
        )


def write_flow(path: str | Path, flow: np.ndarray) -> None:
    """Write a motion field, atomically; `read_flow` reads the same values.

    Args:
        path: A .flo, .npy or .exr file, replaced if it exists.
        flow: (H, W, 2), px/frame; written as float32.

    Raises:
        CinemaError: The path has another suffix.
        OSError: The file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CinemaError(
            f"A motion field cannot be written as {path.suffix or 'a file without an ending'}", "Use .flo, .npy or .exr"
        )
    flow = np.ascontiguousarray(flow, np.float32)
    assert flow.ndim == 3 and flow.shape[2] == 2, flow.shape
    with atomic_write(path) as partial:
        if path.suffix.lower() == ".npy":
            save_array(partial, flow)
        elif path.suffix.lower() == ".flo":
            header = _FLO_MAGIC.astype("<f4").tobytes() + np.array(flow.shape[1::-1], "<i4").tobytes()
            partial.write_bytes(header + flow.astype("<f4").tobytes())
        else:
            channels = {"R": flow[..., 0], "G": flow[..., 1], "B": np.zeros_like(flow[..., 0])}
            partial.write_bytes(exr.encode_channels(channels))


def _read_flo(path: Path) -> np.ndarray:
    """Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011 (file format)."""
    with open(path, "rb") as file:
        header = file.read(12)
        if len(header) < 12 or np.frombuffer(header, "<f4", 1)[0] != _FLO_MAGIC:
            raise CinemaError(f"{path.name} is not a .flo file", _HINT)
        width, height = map(int, np.frombuffer(header, "<i4", 2, 4))
        if width < 1 or height < 1 or width * height > MOST_PIXELS:
            raise CinemaError(
                f"The header of {path.name} states a size of {width} x {height}, which is not possible",
                "Write the file again",
            )
        data = file.read(width * height * 8)
    if len(data) < width * height * 8:
        raise CinemaError(f"{path.name} is truncated", "Get the file again, or write it again")
    flow = np.frombuffer(data, "<f4").reshape(height, width, 2)
    return np.where(np.abs(flow).max(-1, keepdims=True) > _UNKNOWN_FLOW, np.where(np.isfinite(flow), 0, flow), flow)


def _read_npy(path: Path) -> np.ndarray:
    try:
        flow = np.load(path, mmap_mode="r", allow_pickle=False)  # memory-mapped: an array of another kind may be huge
    except UNREADABLE_ARRAY as error:
        raise CinemaError(f"{path.name} is not a readable .npy array", "Save it with numpy.save") from error
    if not isinstance(flow, np.ndarray) or flow.ndim != 3 or flow.shape[2] != 2 or flow.dtype.kind not in "fiu":
        shape = " x ".join(map(str, flow.shape)) if isinstance(flow, np.ndarray) else "an archive"
        raise CinemaError(f"{path.name} is {shape}, not height x width x 2 numbers", "Save the motion as such an array")
    if flow.shape[0] * flow.shape[1] > MOST_PIXELS:
        raise CinemaError(f"{path.name} is too large", "Scale the motion field down, vectors too")
    return np.array(flow, np.float64 if flow.dtype.itemsize > 4 else np.float32)


def _read_exr(path: Path, size: tuple[int, int], warn: Callable[[str], None]) -> np.ndarray:
    data = path.read_bytes()
    hint = "Save it with R = x and G = y"
    try:
        channels = exr.list_channels(data)
        vector = next((name[:-1] for name in sorted(channels) if name.lower().endswith("vector.x")), None)
        if vector is not None and vector + "Y" in channels:
            warn(_VECTOR_PASS.format(name=path.name, pass_name=vector[:-1]))
            _check_shape(path, channels[vector + "X"].display, size)  # before a large display window is filled
            return _from_vector_pass(data, channels, vector)
        if not {"R", "G"} <= channels.keys():
            names = quoted(", ".join(sorted(channels)) or "none")
            raise CinemaError(
                f"{path.name} lacks the channels R and G of a motion field and Blender's vector pass; it has {names}",
                hint,
            )
        _check_shape(path, channels["R"].display, size)
        return _read_pair(data, channels["R"], channels["G"])
    except exr.UnsupportedError as error:
        raise CinemaError(f"{path.name} cannot be read: {error}", hint) from error
    except ValueError as error:
        raise CinemaError(f"{path.name} is not a readable OpenEXR file: {error}", hint) from error


def _from_vector_pass(data: bytes, channels: dict[str, exr.Channel], start: str) -> np.ndarray:
    """(H, W, 2) px/frame, y down, from the channels "<start>X" and so on of Blender's vector pass.

    X and Y are the previous position minus the current one, Z and W the current minus the next one (measured with
    Blender 4.5 and 5.2 on a plane in motion). So either pair is the motion, negated. Blender writes both; X and Y are
    read first, since other programs write Z and W in the other direction.
    """
    flow = -_read_pair(data, channels[start + "X"], channels[start + "Y"])
    if not flow.any() and {start + "Z", start + "W"} <= channels.keys():  # nothing moved up to this frame
        flow = -_read_pair(data, channels[start + "Z"], channels[start + "W"])
    return flow * np.array((1, -1), np.float32)


def _read_pair(data: bytes, across: exr.Channel, down: exr.Channel) -> np.ndarray:
    """(H, W, 2) float32 of the whole picture; zero outside the data window."""
    pair = (across, down)
    if across.display != down.display:
        raise exr.UnsupportedError("its channels differ in size")
    placed = [exr.place_in_display(of, channel, 0) for of, channel in zip(exr.read_channels(data, [*pair]), pair)]
    return np.stack(placed, -1)


def _scale_to_photo(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The flow at the photo's size, its vectors scaled with it."""
    height, width = flow.shape[:2]
    if (width, height) == tuple(size):
        return np.ascontiguousarray(flow)
    shrink = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    scale = np.array((size[0] / width, size[1] / height), np.float32)
    return cv2.resize(np.ascontiguousarray(flow), size, interpolation=shrink) * scale
