"""Values of the stages in the job folder: the formats in which one build writes them and the next one reads them.

Every array is checked when it is read, and nothing is unpickled. A reader raises where a file is missing, damaged or of
another form, and the value is made anew. A writer checks dtypes and shapes in the same way: a value that no reader
takes would be made anew by each build, and nobody would notice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from ..files.photo import write_png
from ..layers.bands import OccludedBand
from ..layers.matting import MixedPixels
from ..layers.split import Layers
from ..points.backing import BACKING_LAYER
from ..shared import job_files, job_folder
from ..shared.atomic_write import save_array
from ..shared.camera import Camera
from ..shared.data import Depth, MovingPoints, Photo, StillPoints, Stroke
from ..shared.stroke_files import write_strokes
from .stage import Stored

P = TypeVar("P", StillPoints, MovingPoints)

BAND_ARRAYS = {  # arrays of an occluded band: dtype, and shape of an entry
    "index": (np.int64, ()),
    "source": (np.int64, ()),
    "color": (np.float32, (3,)),
    "disparity": (np.float32, ()),
}
MIXED_ARRAYS = {  # arrays of the mixed pixels: dtype, and shape of an entry
    "index": (np.int64, ()),
    "front": (np.bool_, ()),
    "color": (np.float32, (3,)),
    "far_color": (np.float32, (3,)),
    "far_disparity": (np.float32, ()),
    "alpha": (np.float32, ()),
    "owner": (np.int64, ()),
    "inward": (np.float32, (2,)),
}
DEPTH_FILES = (job_files.DEPTH, job_files.DEPTH_NOTE)
DEPTH_BASE_FILES = (job_files.DEPTH_BASE, job_files.DEPTH_BASE_NOTE)


@dataclass(frozen=True, eq=False)
class PointFamily(Generic[P]):
    """Still or moving points.

    Attributes:
        described: The report's entries about them.
        points: The points; None where the job folder holds them already.
    """

    described: dict[str, Any]
    points: P | None


@dataclass(frozen=True, eq=False)
class MotionField:
    """The motion of the photo's pixels, for display and export.

    Attributes:
        motion: (H, W, 2) float32, px/frame, feathered; zero outside the region.
        region: (H, W) bool, the flowing region.
        strokes: The strokes that it was solved for from.
        size: (W, H) px of the photo.
    """

    motion: np.ndarray
    region: np.ndarray
    strokes: list[Stroke]
    size: tuple[int, int]


# Photo and depth


def _write_photo(folder: Path, photo: Photo) -> None:
    write_png(folder / job_files.PHOTO, photo.color)


def write_depth(folder: Path, depth: Depth, files: tuple[str, ...] = DEPTH_FILES) -> None:
    """Write depth and, beside it, its source.

    Args:
        folder: Folder to write into.
        depth: The depth.
        files: Names of the two files.

    Raises:
        ValueError: The depth is not float32.
    """
    _check("depth", depth.values, np.float32, depth.values.shape)
    save_array(folder / files[0], depth.values)
    note = {name: value for name, value in vars(depth).items() if name != "values"}
    (folder / files[1]).write_text(json.dumps(note, indent=1), encoding="utf-8")


def read_depth(job: Path, shape: tuple[int, int], files: tuple[str, ...] = DEPTH_FILES) -> Depth:
    """Read depth that `write_depth` wrote.

    Raises:
        ValueError, KeyError, TypeError, OSError: The files hold anything else.
    """
    values = np.load(job / files[0], allow_pickle=False)
    _check("depth", values, np.float32, shape)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("depth is not finite and positive")
    note = json.loads((job / files[1]).read_text(encoding="utf-8"))
    return Depth(values, note["source"], note["detail"], note["licence"], tuple(note["warnings"]), note["focal"])


def _read_depth(job: Path, files: tuple[str, ...], key: str, first: Photo) -> Depth:
    return read_depth(job, (first.height, first.width), files)


# Layers


def write_layers(folder: Path, layers: Layers) -> None:
    """Write layers.npz.

    Raises:
        ValueError: `read_layers` would not take an array, because of its dtype or its shape.
    """
    arrays = {"pad": np.array(layers.pad), "color": layers.color, "disparity": layers.disparity}
    arrays |= {
        "valid": np.packbits(layers.valid),
        "label": layers.label,
        "bands": np.array([b.layer for b in layers.bands], int),
    }
    for number, band in enumerate(layers.bands):
        arrays |= {f"{name}_{number}": getattr(band, name) for name in BAND_ARRAYS}
    arrays |= {f"mixed_{name}": getattr(layers.mixed_pixels, name) for name in MIXED_ARRAYS}
    _check_arrays(arrays, layers.valid.shape)
    np.savez(folder / job_files.LAYERS, **arrays)


def read_layers(job: Path, camera: Camera) -> Layers:
    """Read layers that `write_layers` wrote.

    Raises:
        ValueError, KeyError, OSError, BadZipFile: The file holds anything else, or layers of another camera.
    """
    with np.load(job / job_files.LAYERS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    across, down = (int(side) for side in arrays["pad"])
    pad = (across, down)
    shape = (camera.height + 2 * pad[1], camera.width + 2 * pad[0])
    _check_arrays(arrays, shape)
    if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype == np.float32):
        raise ValueError("layers are not finite")
    bands = [_read_band(arrays, number, int(layer), shape) for number, layer in enumerate(arrays["bands"])]
    return Layers(
        camera,
        pad,
        arrays["color"],
        arrays["disparity"],
        _unpack(arrays["valid"], shape),
        arrays["label"],
        bands,
        _read_mixed_pixels(arrays, shape),
    )


def _check_arrays(arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> None:
    """Check dtype and shape of the arrays in layers.npz; `shape` is that of the canvas."""
    forms: dict[str, tuple[type, tuple[int, ...]]] = {
        "color": (np.float32, (*shape, 3)),
        "disparity": (np.float32, shape),
        "label": (np.int16, shape),
    }
    for number in range(len(arrays["bands"])):
        count = len(arrays[f"index_{number}"])
        forms |= {f"{name}_{number}": (kind, (count, *inner)) for name, (kind, inner) in BAND_ARRAYS.items()}
    count = len(arrays["mixed_index"])
    forms |= {f"mixed_{name}": (kind, (count, *inner)) for name, (kind, inner) in MIXED_ARRAYS.items()}
    for name, (kind, wanted) in forms.items():
        _check(name, arrays[name], kind, wanted)


def _read_mixed_pixels(arrays: dict[str, np.ndarray], shape: tuple[int, int]) -> MixedPixels:
    parts = {name: arrays[f"mixed_{name}"] for name in MIXED_ARRAYS}
    places = np.concatenate([parts["index"], parts["owner"]])
    if len(places) and not (0 <= places.min() and places.max() < shape[0] * shape[1]):
        raise ValueError("mixed pixels beyond the canvas")
    return MixedPixels(**parts)


def _read_band(arrays: dict[str, np.ndarray], number: int, layer: int, shape: tuple[int, int]) -> OccludedBand:
    parts = {name: arrays[f"{name}_{number}"] for name in BAND_ARRAYS}
    for places in (parts["index"], parts["source"]):
        if len(places) and not (0 <= places.min() and places.max() < shape[0] * shape[1]):
            raise ValueError("a band continues a pixel that is not there")
    return OccludedBand(layer, **parts)


def _unpack(bits: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).astype(bool)


def _check(name: str, array: np.ndarray, kind: type, shape: tuple[int, ...]) -> None:
    if array.dtype != kind or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {kind.__name__} {shape}")


def _read_layers(job: Path, files: tuple[str, ...], key: str, first: Photo) -> Layers:
    return read_layers(job, Camera(first.width, first.height, first.focal))


def layer_files(layers: Layers) -> list[str]:
    """Names of all files of the layers: the arrays, and pictures of the continued canvas and the occluded bands."""
    bands = (f"layers/behind_{number}_{band.layer + 1}.png" for number, band in enumerate(layers.bands, 1))
    return [job_files.LAYERS, "layers/canvas.png", *bands]


def _write_layers(folder: Path, layers: Layers) -> None:
    """Write the arrays for later builds, and pictures of the invented pixels for people."""
    write_layers(folder, layers)
    (folder / "layers").mkdir()
    canvas, *behind = layer_files(layers)[1:]
    write_png(folder / canvas, _with_alpha(layers.color, layers.valid))
    for name, band in zip(behind, layers.bands):
        mask, color = np.zeros(layers.valid.shape, bool), np.zeros_like(layers.color)
        mask.ravel()[band.index], color.reshape(-1, 3)[band.index] = True, band.color
        write_png(folder / name, _with_alpha(color, mask))


def _with_alpha(color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    color = np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)
    return np.concatenate([color, np.where(mask, 255, 0).astype(np.uint8)[..., None]], -1)


# Points and motion


def point_files(family: str) -> tuple[str, ...]:
    """Names of the files of "still" or "moving" points."""
    return tuple(file for name, file in job_files.POINTS_FILES.items() if name.startswith(family))


def describe_layers(still: StillPoints, names: list[str]) -> list[dict]:
    """The report's list of layers."""
    described = []
    for number, name in enumerate(names):
        depth = still.position[still.layer == number, 2]
        described.append(
            {
                "name": name,
                "points": len(depth),
                "nearest": round(float(depth.min()), 4),
                "farthest": round(float(depth.max()), 4),
                "hidden": name == BACKING_LAYER,
            }
        )
    return described


def _points(family: str, described: tuple[str, ...]) -> Stored[Any]:
    """Points of a family; a later build leaves them in the job folder and reads the report's entries alone."""
    files = point_files(family)

    def write(folder: Path, value: PointFamily[Any]) -> None:
        job_folder.write_points(folder, {f"{family}_{name}": array for name, array in vars(value.points).items()})

    def read(job: Path, files: tuple[str, ...], key: str, first: Any) -> PointFamily[Any]:
        report = read_whole_report(job)
        if report[f"{family}_id"] != key:
            raise ValueError(f"the job holds other {family} points")
        return PointFamily({name: report[name] for name in described}, None)

    return Stored(((family, files),), lambda _: list(files), write, read)


def read_whole_report(job: Path) -> dict[str, Any]:
    """A job's report, if its points can be read too."""
    job_folder.read_points(job)
    return job_folder.read_report(job)


def _write_motion(folder: Path, field: MotionField) -> None:
    save_array(folder / job_files.MOTION, field.motion)
    write_png(folder / job_files.REGION, np.where(field.region, 255, 0).astype(np.uint8))
    write_strokes(folder / job_files.STROKES, field.strokes, field.size)


PHOTO = Stored((("photo", (job_files.PHOTO,)),), lambda _: [job_files.PHOTO], _write_photo)
DEPTH = Stored((("depth", DEPTH_FILES),), lambda _: list(DEPTH_FILES), write_depth, _read_depth)
BASE_DEPTH = Stored(  # the job's depth where no stroke has corrected that
    (("base", DEPTH_BASE_FILES), ("depth", DEPTH_FILES)),
    lambda _: list(DEPTH_BASE_FILES),
    lambda folder, depth: write_depth(folder, depth, DEPTH_BASE_FILES),
    _read_depth,
)
LAYERS = Stored((("layers", (job_files.LAYERS,)),), layer_files, _write_layers, _read_layers)
STILL = _points("still", ("layers", "still_points"))
MOVING = _points("moving", ("moving_parts", "moving_points"))
MOTION_FILES = (job_files.MOTION, job_files.REGION, job_files.STROKES)
MOTION: Stored[MotionField] = Stored((("motion", MOTION_FILES),), lambda _: list(MOTION_FILES), _write_motion)
