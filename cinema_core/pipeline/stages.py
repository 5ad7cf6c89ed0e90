"""The table of stages: a row names the function of a stage, the options that it depends on and how its value is stored.

The inputs of a stage are the parameters of its function, in their order; `build.plan` connects them. The functions in
this file only adapt those of other rooms to that form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..depth.find import depth_by_model, depth_by_network, depth_from_map, estimate_by_model
from ..depth.network import infer
from ..depth_strokes.apply import apply_depth_strokes
from ..device import choose_device
from ..files.flow import read_flow
from ..files.inpaint_model import load_inpainter
from ..files.mask import read_mask
from ..files.photo import read_photo
from ..layers.split import Layers, split_layers
from ..motion.flowing import FlowingPart, find_flowing
from ..motion.hints import Hints, read_hints
from ..motion.solve import MotionConstraints, feather, solve_motion
from ..motion.suggest import suggest_strokes
from ..motion.sway import solve_sway
from ..points.moving import join_points, moving_points
from ..points.moving_surface import MovingSurface, find_flowing_surface, find_swaying_surface
from ..points.still import still_points
from ..points.sway import sway_points
from ..shared.camera import Camera
from ..shared.data import Depth, MovingPoints, Photo, StillPoints, Stroke
from ..shared.options import BuildOptions
from ..shared.stroke_files import read_strokes
from ..shared.stroke_kinds import DEPTH_KINDS
from . import stored
from .stage import Cached, Stage
from .stored import MotionField, PointFamily

IMPORTED_STILL = 0.05  # px/frame; an imported motion slower than this is still where no region was given


@dataclass(frozen=True, eq=False)
class Drawn:
    """The strokes of a file.

    Attributes:
        strokes: In px of the working photo.
        warnings: Sentences that the user should read.
    """

    strokes: list[Stroke]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class MotionInput:
    """The user's input about the motion: strokes (drawn or suggested) and the hints read from them.

    Attributes:
        strokes: The user's strokes, or the suggested ones.
        hints: Hints that were read from them.
        warnings: Sentences that the user should read.
    """

    strokes: list[Stroke]
    hints: Hints
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class Imported:
    """The motion of a file.

    Attributes:
        flow: (H, W, 2) float32, px/frame of the working photo.
        warnings: Sentences that the user should read.
    """

    flow: np.ndarray
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class Motion:
    """The moving surfaces and their motion, on the canvas of the layers or on the photo alone.

    Attributes:
        surface: The flowing surface.
        swaying: The swaying surface; None without one.
        flow: (Hc, Wc, 2) float32, px/frame, not feathered.
        swing: (Hc, Wc, 2) float32, px to either side; None without a swaying surface.
    """

    surface: MovingSurface
    swaying: MovingSurface | None
    flow: np.ndarray
    swing: np.ndarray | None


@dataclass(frozen=True)
class Plan:
    """The stages of a request, connected. No value is made before it is asked for.

    Attributes:
        key: Key of the whole request.
        sketch: The motion on the photo alone, for display while the layers are not made.
        sketch_feather: Factor on the sketch's flow.
    """

    key: str
    photo: Cached[Photo]
    base_depth: Cached[Depth]
    depth: Cached[Depth]
    layers: Cached[Layers]
    suggested: Cached[list[Stroke]]
    motion_input: Cached[MotionInput]
    motion: Cached[Motion]
    feather: Cached[np.ndarray]
    field: Cached[MotionField]
    still: Cached[PointFamily[StillPoints]]
    moving: Cached[PointFamily[MovingPoints]]
    sketch: Cached[Motion]
    sketch_feather: Cached[np.ndarray]


# Functions of the rows


def _read_photo(path: Path, options: BuildOptions) -> Photo:
    return read_photo(path, options.max_side, options.focal)


def _read_strokes(photo: Photo, annotations: Path | None) -> Drawn:
    warnings: list[str] = []
    size = (photo.width, photo.height)
    return Drawn(read_strokes(annotations, size, photo.file_size, warnings.append) if annotations else [], warnings)


def _depth_strokes(drawn: Drawn) -> list[Stroke]:
    return [stroke for stroke in drawn.strokes if stroke.kind in DEPTH_KINDS]


def _correct_depth(photo: Photo, depth: Depth, strokes: list[Stroke]) -> Depth:
    warnings = list(depth.warnings)
    values = apply_depth_strokes(depth.values, strokes, photo, warnings.append)
    return replace(depth, values=values, warnings=tuple(warnings))


def _split_layers(photo: Photo, depth: Depth, options: BuildOptions) -> Layers:
    model = options.inpaint_model
    fill = load_inpainter(model, choose_device(options.device)) if model else None
    camera = Camera(photo.width, photo.height, photo.focal)
    return split_layers(photo.color, depth.values, camera, options.seed, reach=options.reach, fill=fill)


def _import_flow(photo: Photo, file: Path | None, options: BuildOptions) -> Imported | None:
    if file is None:
        return None
    warnings: list[str] = []
    flow = read_flow(file, (photo.width, photo.height), warnings.append)
    return Imported(flow * np.float32(options.speed), warnings)


def _read_hints(
    photo: Photo,
    drawn: Drawn,
    suggest: Callable[[], list[Stroke]],
    find_parts: Callable[[], list[FlowingPart]],
    mask: Path | None,
    imported: Imported | None,
    still: bool,
    options: BuildOptions,
) -> MotionInput:
    strokes, warnings = drawn.strokes, list(drawn.warnings)
    if photo.alpha is not None and (photo.alpha < 0.5).any():
        warnings.append(_TRANSPARENT)
    warnings += photo.warnings
    asked = any(stroke.kind not in DEPTH_KINDS for stroke in strokes)
    if not (asked or mask or imported is not None or still):
        suggested = suggest()
        strokes = strokes + suggested
        warnings.append(_SUGGESTED if suggested else _NOTHING_FLOWS)
    painted = read_mask(mask, (photo.width, photo.height), warnings.append) if mask else None
    if imported is not None:
        warnings.extend(imported.warnings)
    if imported is not None and painted is None and not any(stroke.kind == "region" for stroke in strokes):
        painted = (np.linalg.norm(imported.flow, axis=-1) > IMPORTED_STILL).astype(np.float32)
    warn = _ignore if imported is not None else warnings.append  # an imported motion need not obey hints
    return MotionInput(strokes, read_hints(strokes, photo, options.speed, warn, painted, find_parts), warnings)


_TRANSPARENT = "The transparent parts of the photo are built as if they were opaque; crop or fill them beforehand"
_SUGGESTED = "No hints were drawn, so the suggested regions move; edit these strokes, or use --still for a still photo"
_NOTHING_FLOWS = "No hints were drawn and nothing seems to flow, so the photo stays still; draw a Motion stroke"


def _ignore(_: str) -> None:
    pass


def _flowing_region(motion_input: MotionInput) -> np.ndarray:
    return motion_input.hints.region


def _sway_region(motion_input: MotionInput) -> np.ndarray | None:
    return motion_input.hints.sway


def _flowing_surface(layers: Layers, region: np.ndarray) -> MovingSurface:
    return find_flowing_surface(region, layers)


def _swaying_surface(layers: Layers, region: np.ndarray | None) -> MovingSurface | None:
    return None if region is None else find_swaying_surface(region, layers)


def _photo_surface(photo: Photo, depth: Depth, region: np.ndarray | None) -> MovingSurface | None:
    """The region of the photo alone, without its continuation on the canvas."""
    if region is None:
        return None
    disparity = (1 / depth.values).astype(np.float32)
    return MovingSurface(region, region, np.zeros_like(region), photo.color, disparity)


def _solve_motion(
    motion_input: MotionInput,
    imported: Imported | None,
    surface: MovingSurface,
    swaying: MovingSurface | None,
    options: BuildOptions,
) -> Motion:
    hints, pad = motion_input.hints, canvas_pad(motion_input.hints.region, surface.region)
    moved = np.array(pad, np.float32)
    if imported is not None:
        flow = pad_to_canvas(imported.flow, pad)
    else:
        outlets = None if hints.outlets is None else pad_to_canvas(hints.outlets, pad)
        constraints = MotionConstraints(hints.pixels + moved, hints.velocities, hints.pins + moved, outlets)
        flow = solve_motion(surface.region, constraints, surface.color, surface.disparity, options.perspective)
    if swaying is None:
        return Motion(surface, None, flow, None)
    swing = solve_sway(
        swaying.region,
        hints.sway_pixels + moved,
        hints.sway_extents,
        swaying.color,
        swaying.disparity,
        hints.pins + moved,
    )
    return Motion(surface, swaying, flow, swing)


def _feather(motion_input: MotionInput, motion: Motion, options: BuildOptions) -> np.ndarray:
    """(Hc, Wc) float32 factor on the flow: it fades at the region's boundary and under a soft mask."""
    soft, region = motion_input.hints.soft, motion.surface.region
    soft = None if soft is None else pad_to_canvas(soft, canvas_pad(motion_input.hints.region, region))
    one = np.ones((*region.shape, 1), np.float32)
    return feather(one, region, options.feather * max(region.shape), soft)[..., 0]


def _motion_field(photo: Photo, motion_input: MotionInput, motion: Motion, faded: np.ndarray) -> MotionField:
    flow = crop_to_photo(motion.flow * faded[..., None], motion_input.hints.region)
    visible = np.where(motion_input.hints.region[..., None], flow, np.float32(0))
    return MotionField(visible, motion_input.hints.region, motion_input.strokes, (photo.width, photo.height))


def _still_points(layers: Layers, surface: MovingSurface, swaying: MovingSurface | None) -> PointFamily[StillPoints]:
    points, names = still_points(layers, *(surface for surface in (surface, swaying) if surface is not None))
    described = {"layers": stored.describe_layers(points, names), "still_points": len(points.position)}
    return PointFamily(described, points)


def _moving_points(
    layers: Layers, motion: Motion, faded: np.ndarray, options: BuildOptions
) -> PointFamily[MovingPoints]:
    flow, device = motion.flow * faded[..., None], choose_device(options.device)
    groups = [moving_points(layers, motion.surface, flow, options.frames, options.keys, device, options.thin)]
    if motion.swaying is not None and motion.swing is not None:
        groups.append(sway_points(layers, motion.swaying, motion.swing, options.keys, options.swings))
    parts = [{"name": name, "points": len(group.position)} for name, group in zip(("Motion", "Sway"), groups)]
    points = join_points(groups)
    return PointFamily({"moving_parts": parts, "moving_points": len(points.position)}, points)


# The canvas


def canvas_pad(photo: np.ndarray, canvas: np.ndarray) -> tuple[int, int]:
    """(x, y) px that the canvas adds to the photo on each side, by an array of either."""
    down, across = ((outer - inner) // 2 for outer, inner in zip(canvas.shape[:2], photo.shape[:2]))
    return across, down


def pad_to_canvas(values: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """Continue (H, W) or (H, W, C) of the photo over the canvas, from the nearest pixel of its border."""
    across, down = pad
    return np.pad(values, ((down, down), (across, across)) + ((0, 0),) * (values.ndim - 2), mode="edge")


def crop_to_photo(values: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """The photo's part of an array of the canvas, by an array of the photo."""
    across, down = canvas_pad(photo, values)
    return values[down:][: photo.shape[0], across:][:, : photo.shape[1]]


# The table

_DEPTH_FINISHING = ("depth_near", "depth_far", "depth_gamma", "edge_cleanup", "coherence")

PHOTO = Stage("photo", _read_photo, ("max_side", "focal"), stored=stored.PHOTO, timed="photo")
STROKES = Stage("strokes", _read_strokes)
DEPTH_STROKES = Stage("depth strokes", _depth_strokes, by_content=True)
MAP_DEPTH = Stage(
    "depth from map", depth_from_map, ("depth_kind", *_DEPTH_FINISHING), stored=stored.BASE_DEPTH, timed="depth"
)
# A model takes seconds; it runs again for other colours alone, not for another focal length.
COLOR = Stage("photo's colours", lambda photo: photo.color, by_content=True)
ESTIMATE = Stage("model's estimate", estimate_by_model, ("depth_model", "device"), timed="depth")
MODEL_DEPTH = Stage(
    "depth by model", depth_by_model, ("depth_kind", *_DEPTH_FINISHING), stored=stored.BASE_DEPTH, timed="depth"
)
NETWORK_DEPTH = Stage("depth by network", depth_by_network, _DEPTH_FINISHING, stored=stored.BASE_DEPTH, timed="depth")
DEPTH = Stage("depth", _correct_depth, stored=stored.DEPTH, timed="depth strokes")
LAYERS = Stage(
    "layers", _split_layers, ("seed", "reach", "inpaint_model", "device"), stored=stored.LAYERS, timed="layers"
)
PREDICTION = Stage("prediction", infer)
FLOWING = Stage("flowing parts", find_flowing)
SUGGESTED = Stage("suggested strokes", suggest_strokes)
IMPORTED = Stage("imported motion", _import_flow, ("speed",))
MOTION_INPUT = Stage("hints", _read_hints, ("speed",), timed="hints")
REGION = Stage("region", _flowing_region, by_content=True)
SWAY_REGION = Stage("sway region", _sway_region, by_content=True)
SURFACE = Stage("flowing surface", _flowing_surface, timed="motion")
SWAYING = Stage("swaying surface", _swaying_surface, timed="motion")
PHOTO_SURFACE = Stage("photo surface", _photo_surface, kept=False)
MOTION = Stage("motion", _solve_motion, ("perspective",), timed="motion")
FEATHER = Stage("feather", _feather, ("feather",))
FIELD = Stage("motion field", _motion_field, stored=stored.MOTION)
STILL = Stage("still points", _still_points, stored=stored.STILL, timed="points", kept=False)
MOVING = Stage(
    "moving", _moving_points, ("frames", "keys", "swings", "thin", "device"),
    stored=stored.MOVING, timed="points", kept=False,
)  # fmt: skip
