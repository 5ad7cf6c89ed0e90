"""What stages have made before: in memory the latest value of each, on disk in the job folder, found by content.

A stage's key is the digest of all that its value depends on: contents of files, options, keys of the stages before it,
and the program itself. Whatever is found on disk is checked; what is missing, damaged or made by another version is
made anew without a word. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..layers.bands import OccludedBand
from ..layers.matting import MixedPixels
from ..layers.split import Layers
from ..shared import job_files
from ..shared.camera import Camera
from ..shared.data import Depth
from ..shared.errors import CinemaError

RIM = {  # arrays of a rim: kind, and shape of an entry
    "index": (np.int64, ()),
    "front": (np.bool_, ()),
    "color": (np.float32, (3,)),
    "far_color": (np.float32, (3,)),
    "far_disparity": (np.float32, ()),
    "alpha": (np.float32, ()),
    "owner": (np.int64, ()),
    "inward": (np.float32, (2,)),
}
DEPTH_FILES = [job_files.DEPTH, job_files.DEPTH_NOTE]
DEPTH_BASE_FILES = [job_files.DEPTH_BASE, job_files.DEPTH_BASE_NOTE]
_READ_AS_IT_IS = (job_files.PHOTO, *DEPTH_FILES, *DEPTH_BASE_FILES)  # a .npz has checksums of its own


def digest(*parts: object) -> str:
    """A key of all parts: arrays, bytes, and whatever JSON can say. 0 and False differ, 1 and 1.0 do too."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype} {part.shape}:".encode())
            state.update(np.ascontiguousarray(part).data)
        elif isinstance(part, bytes):
            state.update(b"%d:" % len(part) + part)
        else:
            state.update(json.dumps(part, sort_keys=True).encode() + b";")
    return state.hexdigest()


def digest_file(path: Path | None) -> str | None:
    """A key of a file's contents; None without a file. One that cannot be read is not none: its reader will say so."""
    try:
        return None if path is None else digest(Path(path).read_bytes())
    except OSError:
        return "unreadable"


def _digest_code() -> str:
    """A key of this program: another version may make other values of the same input."""
    package = Path(__file__).parents[1]
    files = [*package.rglob("*.py"), *package.rglob("*.safetensors")]
    return digest(*(path.read_bytes() for path in sorted(files)))


CODE = _digest_code()


@dataclass(frozen=True)
class Cached:
    """A stage's value and its key."""

    key: str
    value: object


class MemoryCache:
    """The latest value of every stage."""

    def __init__(self) -> None:
        self._made: dict[str, Cached] = {}

    def find(self, stage: str, key: str) -> Cached | None:
        made = self._made.get(stage)
        return made if made is not None and made.key == key else None

    def keep(self, stage: str, made: Cached) -> Cached:
        self._made[stage] = made
        return made

    def forget(self, stage: str) -> None:
        """Free a value before its successor is made: two of them may not fit."""
        self._made.pop(stage, None)

    def clear(self) -> None:
        self._made.clear()


class DiskCache:
    """The stages whose files a job folder holds.

    Args:
        job: The job folder; it may not be there.

    Attributes:
        keys: Stage -> key, as far as this program wrote them.
    """

    def __init__(self, job: Path) -> None:
        self.job = job
        self.keys: dict[str, str] = {}
        self._marks: dict[str, list] = {}
        try:
            content = json.loads((job / job_files.STAGES).read_text(encoding="utf-8"))
            if content["code"] == CODE:
                self.keys, self._marks = dict(content["keys"]), dict(content["files"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass

    def holds(self, stage: str, key: str, *files: str) -> bool:
        """Whether these files of the job are this stage's, as far as can be told without reading long ones."""
        return self.keys.get(stage) == key and all(self.mark(name) == mark_file(self.job, name) for name in files)

    def mark(self, name: str) -> list | None:
        """What was noted of a file when it was written."""
        return self._marks.get(name)

    def load(self, stage: str, key: str, read: Callable[[Path], object], *files: str) -> object | None:
        """A stage's value from its files; None where they are not there or not whole, and then they are not held."""
        if not self.holds(stage, key, *files):
            return None
        try:
            return read(self.job)
        except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, zipfile.BadZipFile, CinemaError):
            self.keys.pop(stage)
            return None


def mark_file(folder: Path, name: str) -> list | None:
    """Size and, where damage would not be noticed by who reads the file, digest; None without a file."""
    try:
        size = (folder / name).stat().st_size
    except OSError:
        return None
    return [size, digest_file(folder / name) if name in _READ_AS_IT_IS else None]


def write_stages(folder: Path, keys: dict[str, str], marks: dict[str, list]) -> None:
    """Write stages.json.

    Args:
        folder: Where to.
        keys: Stage -> key.
        marks: File -> what `mark_file` says of it.
    """
    content = {"code": CODE, "keys": keys, "files": marks}
    (folder / job_files.STAGES).write_text(json.dumps(content, indent=1), encoding="utf-8")


def write_depth(folder: Path, depth: Depth, files: list[str] = DEPTH_FILES) -> None:
    """Write depth, and beside it where it comes from.

    Args:
        folder: Where to.
        depth: What.
        files: Names of the two.
    """
    np.save(folder / files[0], depth.values)
    note = {"source": depth.source, "detail": depth.detail, "licence": depth.licence, "warnings": depth.warnings}
    (folder / files[1]).write_text(json.dumps(note, indent=1), encoding="utf-8")


def read_depth(job: Path, shape: tuple[int, int], files: list[str] = DEPTH_FILES) -> Depth:
    """Read back what `write_depth` wrote.

    Raises:
        ValueError, KeyError, TypeError, OSError: It is anything else.
    """
    values = np.load(job / files[0], allow_pickle=False)
    if values.shape != shape or values.dtype != np.float32 or not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"depth is {values.dtype} {values.shape}")
    note = json.loads((job / files[1]).read_text(encoding="utf-8"))
    return Depth(values, note["source"], note["detail"], note["licence"], tuple(note["warnings"]))


def write_layers(folder: Path, layers: Layers) -> None:
    """Write layers.npz."""
    arrays = {"pad": np.array(layers.pad), "color": layers.color, "disparity": layers.disparity}
    arrays |= {
        "valid": np.packbits(layers.valid),
        "label": layers.label,
        "bands": np.array([b.layer for b in layers.bands], int),
    }
    for number, band in enumerate(layers.bands):
        for name in ("index", "source", "color", "disparity"):
            arrays[f"{name}_{number}"] = getattr(band, name)
    arrays |= {f"rim_{name}": getattr(layers.mixed_pixels, name) for name in RIM}
    np.savez(folder / job_files.LAYERS, **arrays)


def read_layers(job: Path, camera: Camera) -> Layers:
    """Read layers.npz back.

    Raises:
        ValueError, KeyError, OSError, BadZipFile: It is not what `write_layers` wrote for this camera.
    """
    with np.load(job / job_files.LAYERS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    pad = tuple(int(side) for side in arrays["pad"])
    shape = (camera.height + 2 * pad[1], camera.width + 2 * pad[0])
    _check(arrays["color"], np.float32, (*shape, 3))
    _check(arrays["disparity"], np.float32, shape)
    _check(arrays["label"], np.int16, shape)
    bands = [_read_band(arrays, number, int(layer), shape) for number, layer in enumerate(arrays["bands"])]
    return Layers(
        camera,
        pad,
        arrays["color"],
        arrays["disparity"],
        _unpack(arrays["valid"], shape),
        arrays["label"],
        bands,
        _read_rim(arrays, shape),
    )


def _read_rim(arrays: dict[str, np.ndarray], shape: tuple[int, int]) -> MixedPixels:
    parts = {name: arrays[f"rim_{name}"] for name in RIM}
    for name, (kind, inner) in RIM.items():
        _check(parts[name], kind, (len(parts["index"]), *inner))
    places = np.concatenate([parts["index"], parts["owner"]])
    if len(places) and not (0 <= places.min() and places.max() < shape[0] * shape[1]):
        raise ValueError("a rim beyond the canvas")
    return MixedPixels(**parts)


def _read_band(arrays: dict[str, np.ndarray], number: int, layer: int, shape: tuple[int, int]) -> OccludedBand:
    parts = {name: arrays[f"{name}_{number}"] for name in ("index", "source", "color", "disparity")}
    for name, kind, inner in (
        ("index", np.int64, ()),
        ("source", np.int64, ()),
        ("color", np.float32, (3,)),
        ("disparity", np.float32, ()),
    ):
        _check(parts[name], kind, (len(parts["index"]), *inner))
    for places in (parts["index"], parts["source"]):
        if len(places) and not (0 <= places.min() and places.max() < shape[0] * shape[1]):
            raise ValueError("a band continues what is not there")
    return OccludedBand(layer, **parts)


def _unpack(bits: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)


def _check(array: np.ndarray, kind: type, shape: tuple[int, ...]) -> None:
    if array.dtype != kind or array.shape != shape or (kind == np.float32 and not np.isfinite(array).all()):
        raise ValueError(f"{array.dtype} {array.shape}, expected {kind.__name__} {shape}")
