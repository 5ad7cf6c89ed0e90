"""Files of depth maps: PNG, TIFF and other pictures, OpenEXR, PFM, .npy and .npz.

Input: a file. Output: the depth map's values as stored; `depth.conventions` interprets them.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..shared.atomic_write import save_array
from ..shared.errors import UNREADABLE_ARRAY, CinemaError
from . import exr
from .other_formats import damaged_error
from .picture import TURNED, DamagedError, decode_picture

MOST_PIXELS = 2**28  # of a depth map; a header that states more is damaged
MOST_COLOR = 0.06  # mean difference of the channels, as a share of white; above it a picture is a coloured rendering
_HINT = "Give a grey PNG or TIFF, an OpenEXR, PFM, .npy or .npz file"
_STORED_WINDOW = (
    "Only the data window of this OpenEXR file has the photo's shape, so it is taken as the whole photo, "
    "and the display window is left out of account"
)
_UNREADABLE_ARCHIVE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, AttributeError)
# Names of channels and arrays, in order of preference.
_DISTANCES = ("z", "depth", "zdepth")
_DISPARITIES = ("disparity", "disp", "inverse_depth")
_OTHER_NAMES = ("y", "r", "v", "predicted_depth", "prediction", "arr_0")


@dataclass(frozen=True, eq=False)
class DepthMap:
    """The depth map of a file.

    Attributes:
        values: (h, w) float32, as stored.
        name: The file's name, for messages.
        white: The largest possible value of a picture of integers; None for floats.
        part: The name of the channel or array that was read; "" where the file names none.
        kind: "disparity" or "metric" where the part's name says so, else "".
        stored: (h, w) float32, the values as the file stores them, where a tag or a window of the file says that they
            stand otherwise in `values`; else None.
        stored_note: A sentence for the user, for the case that only `stored` has the photo's shape.
    """

    values: np.ndarray
    name: str
    white: float | None = None
    part: str = ""
    kind: str = ""
    stored: np.ndarray | None = None
    stored_note: str = ""


def read_map(path: str | Path) -> DepthMap:
    """Read a depth map.

    Args:
        path: The file. Of several channels or arrays, the one whose name says depth or disparity is read.

    Raises:
        CinemaError: The file is missing, unreadable, empty, or a coloured picture.
    """
    path = Path(path)
    if not path.is_file():
        raise CinemaError(f"There is no depth map {path}", "Choose an existing file")
    readers: dict[str, Callable[[Path], DepthMap]] = {
        ".npy": _read_npy,
        ".npz": _read_npz,
        ".exr": _read_exr,
        ".pfm": _read_pfm,
    }
    try:
        found = readers.get(path.suffix.lower(), _read_picture)(path)
    except OSError as error:
        raise CinemaError(f"{path} cannot be read ({error.strerror or error})", _HINT) from error
    except MemoryError as error:
        raise CinemaError(f"{path.name} is too large", "Scale the depth map down") from error
    if not found.values.size:
        raise CinemaError(f"{path.name} is empty", "Give an array of height x width")
    return found


def write_depth(path: Path, depth: np.ndarray) -> None:
    """Write depth in a form that `read_map` and `depth.conventions` recognise.

    Args:
        path: .png for 16 bit of disparity, the nearest is white; .exr or .npy for distances as float32.
        depth: (H, W), scene units, the nearest at 1.
    """
    depth = np.ascontiguousarray(depth, np.float32)
    if path.suffix.lower() == ".npy":
        save_array(path, depth)
        return
    if path.suffix.lower() == ".exr":
        path.write_bytes(exr.encode_channels({"Y": depth}))
        return
    white = np.float32(65535)
    ok, encoded = cv2.imencode(path.suffix.lower(), np.rint(white / np.maximum(depth, 1)).astype(np.uint16))
    assert ok, depth.shape
    path.write_bytes(encoded.tobytes())


def _read_npy(path: Path) -> DepthMap:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # memory-mapped: an array of another kind may be huge
    except UNREADABLE_ARRAY as error:
        raise CinemaError(f"{path.name} is not a readable .npy array", "Save it with numpy.save") from error
    if not isinstance(values, np.ndarray):
        raise CinemaError(f"{path.name} is an archive of arrays", "Name it .npz, or save one array with numpy.save")
    return DepthMap(_as_map(values, path, ""), path.name)


def _read_npz(path: Path) -> DepthMap:
    try:
        with np.load(path, allow_pickle=False) as file:
            part = _best_name(list(file.files))
            if part is None:
                raise CinemaError(f"{path.name} holds no array", "Save the depth with numpy.savez")
            return DepthMap(_as_map(file[part], path, part), path.name, None, part, _kind_of(part))
    except (*UNREADABLE_ARRAY, *_UNREADABLE_ARCHIVE) as error:
        raise CinemaError(f"{path.name} is not a readable .npz file", "Save it with numpy.savez") from error


def _as_map(values: np.ndarray, path: Path, part: str) -> np.ndarray:
    """(h, w) float32 from an array that has one channel and one picture."""
    where = f"{path.name}: {part}" if part else path.name
    shape = tuple(side for side in values.shape if side != 1) if values.ndim > 2 else values.shape
    if len(shape) != 2:
        raise CinemaError(f"{where} has {len(shape)} dimensions", "Give an array of height x width")
    if values.dtype.kind not in "fiub":
        raise CinemaError(f"{where} holds no numbers", "Give an array of height x width")
    if shape[0] * shape[1] > MOST_PIXELS:
        raise CinemaError(f"{where} is too large", "Scale the depth map down")
    with np.errstate(over="ignore"):  # float64 beyond the range of float32 becomes infinite
        return np.array(values, np.float32).reshape(shape)


def _best_name(names: list[str]) -> str | None:
    """The name that comes first in the order of preference, else the first one; None without names."""

    def rank(name: str) -> int:
        words = name.lower().split(".")
        wanted = (*_DISTANCES, *_DISPARITIES, *_OTHER_NAMES)
        return min((wanted.index(word) for word in words if word in wanted), default=len(wanted))

    return min(names, key=rank, default=None)


def _kind_of(name: str) -> str:
    words = set(name.lower().split("."))
    return "disparity" if words & set(_DISPARITIES) else ""


def _read_exr(path: Path) -> DepthMap:
    data = path.read_bytes()
    try:
        channels = exr.list_channels(data)
        part = _best_name(list(channels))
        if part is None:
            raise CinemaError(f"{path.name} has no channels", _HINT)
        (stored,) = exr.read_channels(data, [channels[part]])
        values = exr.place_in_display(stored, channels[part], np.nan)
    except exr.UnsupportedError as error:
        raise CinemaError(
            f"{path.name} cannot be read: {error}", "Save the depth alone, in one flat channel"
        ) from error
    except ValueError as error:
        raise CinemaError(f"{path.name} is not a readable OpenEXR file: {error}", "Save it again") from error
    metric = bool(set(part.lower().split(".")) & set(_DISTANCES))
    kind = "metric" if metric else _kind_of(part)  # renderers name distances Z; estimators write Y or R
    return DepthMap(values, path.name, None, part, kind, None if values is stored else stored, _STORED_WINDOW)


def _read_pfm(path: Path) -> DepthMap:
    """Source: Debevec, "PFM Portable FloatMap Image Format": three lines of text, then rows from the bottom up."""
    unreadable = CinemaError(f"{path.name} is not a readable PFM file", "Write it again, with one channel (Pf)")
    data = path.read_bytes()
    head = data[:128].split(b"\n", 3)
    if len(head) < 4 or head[0].strip() not in (b"Pf", b"PF"):
        raise unreadable
    try:
        (width, height), scale = map(int, head[1].split()), float(head[2])
    except ValueError as error:
        raise unreadable from error
    channels = 3 if head[0].strip() == b"PF" else 1
    start, count = sum(len(line) + 1 for line in head[:3]), width * height * channels
    if width < 1 or height < 1 or width * height > MOST_PIXELS or len(data) < start + 4 * count:
        raise unreadable
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", count, start).reshape(height, width, channels)
    return DepthMap(np.ascontiguousarray(values[::-1, :, 0], np.float32), path.name)


def _read_picture(path: Path) -> DepthMap:
    try:
        decoded = decode_picture(path.read_bytes())
    except DamagedError as error:
        raise damaged_error(path.name) from error
    if decoded is None:
        raise CinemaError(f"{path.name} is not a readable picture", _HINT)
    values, stored = decoded
    white = None if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    grey = _read_grey(values, path, white)
    if stored is values:
        return DepthMap(grey, path.name, white)
    return DepthMap(
        grey,
        path.name,
        white,
        stored=_read_grey(stored, path, white),
        stored_note=TURNED.format(name=path.name),
    )


def _read_grey(values: np.ndarray, path: Path, white: float | None) -> np.ndarray:
    """(h, w) float32 from a picture, whose channels must be much the same."""
    if values.ndim == 3:
        values = values[..., :3].astype(np.float32)
        spread = np.abs(values - values.mean(-1, keepdims=True)).mean() / (
            white or max(float(np.abs(values).max()), 1e-9)
        )
        if spread > MOST_COLOR:
            raise CinemaError(
                f"{path.name} is a coloured picture, from which depth cannot be read",
                "Let the program that made it write grey values, of 16 bit if it can",
            )
        values = values.mean(-1)
    return values.astype(np.float32)
