"""Depth models that estimate the camera too: MoGe-2 and Depth Anything 3, as ONNX files.

Such a file is known by the names and axes of its inputs and outputs, so that one from elsewhere runs as well. Input:
the photo. Output: distances along z, and the focal length.

* MoGe-2 (microsoft/MoGe: docs/onnx.md, moge/model/v2.py). Input `image` (1, 3, h, w), RGB in 0..1, which the graph
  itself normalises and scales to `num_tokens` patches of 14 px; here the photo is scaled to these patches by area,
  since the graph scales without antialiasing. Outputs: `points` (1, h, w, 3), an affine point map: x, y and z of the
  camera, but for a shift of z; `mask` (1, h, w), above 0.5 where there is a surface and not the sky; `scale` or
  `metric_scale` (1,), metres a unit.
* Depth Anything 3 (ByteDance-Seed/Depth-Anything-3: utils/io/input_processor.py; files of onnx-community). Input
  `pixel_values` (1, 1, 3, h, w), one view, normalised as for ImageNet, the longer side 504 px, both multiples of 14.
  Outputs: `predicted_depth` (1, 1, h, w), distances in an unknown unit; `intrinsics` (1, 1, 3, 3), px of the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..files.model import PlainModel
from ..image.grid import resize
from ..shared.errors import CinemaError
from .model_input import IMAGENET, normalise

PATCH = 14  # px
TOKENS = 2500  # patches that MoGe-2 sees; its authors suggest 1200 to 2500, more find finer detail
VIEW_SIDE = 504  # px, the longer side that Depth Anything 3 sees
SUPPORT = 64  # points along either side that focal length and shift are fitted to, as in the authors' code
SURFACE = 0.5  # of MoGe-2's mask
NEAREST = (-4.0, 4.0)  # exponents of 10: distance of the nearest point, as a factor on the depth of the scene behind it
STEPS = 65  # distances that are tried between them, before the best is refined


@dataclass(frozen=True, eq=False)
class CameraEstimate:
    """Distances and the camera.

    Attributes:
        depth: (h, w) float32 distances along z, positive; infinite in the sky.
        focal: Focal length, px of the photo; None where the model's answer is no camera.
    """

    depth: np.ndarray
    focal: float | None


def estimate_with_camera(model: PlainModel, name: str, color: np.ndarray) -> CameraEstimate | None:
    """Run a model that estimates the camera.

    Args:
        model: The model.
        name: Its name, for errors.
        color: (H, W, 3) float32 sRGB.

    Returns:
        None for a model of another kind.

    Raises:
        CinemaError: The model cannot be run, or finds no surface.
    """
    if [*model.inputs] == ["image", "num_tokens"] and {"points", "mask"} <= {*model.outputs}:
        run = _run_moge
    elif list(model.inputs.values()) == [5] and {"predicted_depth", "intrinsics"} <= {*model.outputs}:
        run = _run_depth_anything
    else:
        return None
    try:
        found = run(model, color)
    except (RuntimeError, ValueError, IndexError) as error:
        raise CinemaError(f"{name} cannot be run on a photo ({error})", "Use another model") from error
    if not np.isfinite(found.depth).any():
        raise CinemaError(f"{name} finds no surface in the photo", "Use another model")
    return found


def patches(shape: tuple[int, int], tokens: int) -> tuple[int, int]:
    """(columns, rows) of about `tokens` patches with a photo's aspect, as `forward` of MoGe-2 rounds them."""
    aspect = shape[1] / shape[0]
    return max(1, round((tokens * aspect) ** 0.5)), max(1, round((tokens / aspect) ** 0.5))


def view_size(shape: tuple[int, int]) -> tuple[int, int]:
    """(w, h) px at which Depth Anything 3 sees a photo: upper_bound_resize of its input processor."""
    scale = VIEW_SIDE / max(shape)
    sides = [max(1, round(side * scale)) for side in (shape[1], shape[0])]
    width, height = (max(PATCH, (side + PATCH // 2) // PATCH * PATCH) for side in sides)  # a half is rounded up
    return width, height


def recover_camera(points: np.ndarray, surface: np.ndarray) -> tuple[float, float]:
    """Focal length and shift of an affine point map: those that project its points nearest to their pixels.

    They minimise the sum of |f xy / (z + s) - uv|^2 over f and s, as `solve_optimal_focal_shift` of
    moge/utils/geometry_numpy.py does; f has a closed form for each s. That code starts at s = 0 and may leave points
    behind the camera; here all s are tried that keep them in front of it.

    Args:
        points: (h, w, 3) float32.
        surface: (h, w) bool, points that count.

    Returns:
        The focal length in units of half the picture's diagonal, and the shift that is to be added to z.

    Raises:
        ValueError: There are too few points.
    """
    from scipy.optimize import minimize_scalar

    rows, columns = (np.linspace(0, side - 1, min(side, SUPPORT)).round().astype(int) for side in surface.shape)
    chosen = np.ix_(rows, columns)
    counts = surface[chosen]
    if counts.sum() < 2:
        raise ValueError("it finds no surface")
    height, width = surface.shape
    xyz = points[chosen][counts].astype(np.float64)
    uv = view_plane((height, width))[chosen][counts]
    least = float(xyz[:, 2].min())
    unit = max(float(np.median(xyz[:, 2])) - least, 1e-6 * float(np.abs(xyz).max()), 1e-12)

    def fit(exponent: float) -> tuple[float, float]:
        """Focal length, and the sum, where the nearest point is 10^exponent units before the camera."""
        flat = xyz[:, :2] / (xyz[:, 2:] - least + unit * 10**exponent)
        focal = float((flat * uv).sum() / max(float((flat * flat).sum()), 1e-300))
        return focal, float(((focal * flat - uv) ** 2).sum())

    best = min(np.linspace(*NEAREST, STEPS), key=lambda exponent: fit(exponent)[1])
    step = (NEAREST[1] - NEAREST[0]) / (STEPS - 1)
    found = minimize_scalar(lambda exponent: fit(exponent)[1], bounds=(best - step, best + step), method="bounded")
    return fit(found.x)[0], unit * 10**found.x - least


def view_plane(shape: tuple[int, int]) -> np.ndarray:
    """(h, w, 2) float64 directions of pixels, in units of half the picture's diagonal: `normalized_view_plane_uv`."""
    height, width = shape
    diagonal = float(np.hypot(width, height))
    x = (2 * np.arange(width) + 1 - width) / diagonal
    y = (2 * np.arange(height) + 1 - height) / diagonal
    return np.stack(np.meshgrid(x, y), -1)


def _run_moge(model: PlainModel, color: np.ndarray) -> CameraEstimate:
    height, width = color.shape[:2]
    columns, rows = patches((height, width), TOKENS)
    small = resize(color, (columns * PATCH, rows * PATCH))
    image = small.transpose(2, 0, 1)[None]
    assert model.evaluate is not None
    found = model.evaluate({"image": image, "num_tokens": np.asarray(columns * rows)})
    points = found["points"].reshape(small.shape).astype(np.float32)
    surface = (found["mask"].reshape(small.shape[:2]) > SURFACE) & np.isfinite(points).all(-1)
    focal, shift = recover_camera(points, surface)
    depth = points[..., 2] + shift
    scale = float(np.ravel(found.get("scale", found.get("metric_scale", 1.0)))[0])
    depth = np.where(surface & (depth > 0), depth * scale, np.inf).astype(np.float32)
    pixels = focal / 2 * float(np.hypot(height, width))  # half diagonals to px of the photo
    return CameraEstimate(depth, pixels if np.isfinite(pixels) and pixels > 0 else None)


def _run_depth_anything(model: PlainModel, color: np.ndarray) -> CameraEstimate:
    height, width = color.shape[:2]
    size = view_size((height, width))
    assert model.evaluate is not None
    found = model.evaluate({next(iter(model.inputs)): normalise(color, size, *IMAGENET)[None]})
    depth = found["predicted_depth"].astype(np.float32)
    depth = depth.reshape(depth.shape[-2:])
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.inf).astype(np.float32)
    camera = found["intrinsics"].reshape(-1, 3, 3)[0]
    across, down = camera[0, 0] * width / size[0], camera[1, 1] * height / size[1]
    focal = float(np.sqrt(across * down)) if across > 0 and down > 0 else None
    return CameraEstimate(depth, focal)
