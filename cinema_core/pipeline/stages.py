"""The stages of one build, each found again by a key of all that it depends on, else made: see `cache`.

Input: a `Request`. Output: photo, depth, layers, hints, surface, motion and points, each with its key.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace

import numpy as np

from ..depth.find import depth_key, find_depth
from ..depth.user_models import load_inpainter, model_key
from ..depth_strokes.apply import apply_depth_strokes
from ..device import choose_device
from ..files.flow import read_flow
from ..files.mask import read_mask
from ..files.photo import LINEAR, read_photo
from ..layers.split import Layers, split_layers
from ..motion.hints import Hints, read_hints
from ..motion.solve import feather, solve_motion
from ..motion.suggest import suggest_strokes
from ..motion.sway import solve_sway
from ..points.moving import join_points, moving_points
from ..points.moving_surface import MovingSurface, find_flowing_surface, find_swaying_surface
from ..points.still import still_points
from ..points.sway import sway_points
from ..shared import job_files
from ..shared.camera import Camera
from ..shared.data import Depth, MovingPoints, StillPoints, Stroke
from ..shared.stroke_files import read_strokes
from ..shared.stroke_kinds import DEPTH_KINDS
from . import cache
from .allocator import keep_freed_memory
from .cache import Cached, DiskCache, MemoryCache, digest, digest_file
from .request import Request

IMPORTED_STILL = 0.05  # px/frame; where an imported flow is slower and no region was given, nothing moves
Timer = Callable[[str], AbstractContextManager]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the user asked to move.

    Attributes:
        strokes: As drawn, or as suggested.
        hints: What they mean.
        warnings: What the user should know of them.
    """

    strokes: list[Stroke]
    hints: Hints
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class Motion:
    """What moves how, on the layers' canvas or on the photo alone.

    Attributes:
        pad: (x, y), px that the canvas adds to the photo on each side.
        surface: What flows.
        swaying: What swings to and fro; None without any.
        flow: (Hc, Wc, 2) float32, px/frame, not feathered yet.
        swing: (Hc, Wc, 2) float32, px to either side; None without any.
    """

    pad: tuple[int, int]
    surface: MovingSurface
    swaying: MovingSurface | None
    flow: np.ndarray
    swing: np.ndarray | None

    @property
    def surfaces(self) -> list[MovingSurface]:
        return [self.surface] if self.swaying is None else [self.surface, self.swaying]

    def on_photo(self, values: np.ndarray) -> np.ndarray:
        """The photo's part of what is on the canvas."""
        height, width = (side - 2 * pad for side, pad in zip(values.shape, self.pad[::-1]))
        return values[self.pad[1] :][:height, self.pad[0] :][:, :width]


def _nothing(*_: object) -> None:
    pass


class Stages:
    """The stages of a request. Each method gives its value and key, and makes what it needs before.

    Args:
        memory: Values of the builds before.
        shelf: The job folder's.
        request: What to build.
        timer: Gives a context in which a stage's making is timed; entered for those stages alone that are made.
    """

    def __init__(self, memory: MemoryCache, shelf: DiskCache, request: Request, timer: Timer) -> None:
        self.memory, self.shelf, self.request, self.options, self.timer = memory, shelf, request, request.options, timer
        given = (request.photo, request.annotations, request.depth, request.region, request.flow)
        self._digests = {path: digest_file(path) for path in given}

    def key(self) -> str:
        """A key of all that is given, by contents."""
        return digest(
            "build",
            cache.CODE,
            *self._digests.values(),
            self.request.photo.name,
            asdict(self.options) | {"download": False},  # no matter how the model came here
            self.request.still,
        )

    def _made(
        self,
        stage: str,
        key: str,
        make: Callable[..., object],
        load: Callable = _nothing,
        needs: Callable = tuple,
        timed: str | None = None,
    ) -> Cached:
        """A value by its key: from memory, else from disk, else made of what it needs; timed as `timed` or `stage`."""
        found = self._found(stage, key, load)
        if found is not None:
            return found
        inputs = needs()
        with self.timer(timed or stage), keep_freed_memory():
            return self.memory.keep(stage, Cached(key, make(*inputs)))

    def _found(self, stage: str, key: str, load: Callable[[], object]) -> Cached | None:
        found = self.memory.find(stage, key)
        if found is None:
            self.memory.forget(stage)
            value = load()
            found = None if value is None else self.memory.keep(stage, Cached(key, value))
        return found

    def photo(self) -> Cached:
        """`Photo`."""
        path, options = self.request.photo, self.options
        key = digest("photo", self._digests[path], options.max_side, options.focal)
        return self._made("photo", key, lambda: read_photo(path, options.max_side, options.focal))

    def strokes(self) -> list[Stroke]:
        """What the user drew; not kept, as it takes no time."""
        photo, file = self.photo().value, self.request.annotations
        return read_strokes(file, (photo.width, photo.height)) if file else []

    def _base_key(self) -> str:
        return digest(
            "depth", cache.CODE, self.photo().key, *depth_key(self._digests[self.request.depth], self.options)
        )

    def base_depth(self) -> Cached:
        """`Depth` before strokes correct it."""
        key, photo = self._base_key(), self.photo().value

        def load() -> Depth | None:
            """From wherever it lies: as the job's depth where no stroke has touched that."""
            shape = photo.color.shape[:2]
            for name, files in (("base", cache.DEPTH_BASE_FILES), ("depth", cache.DEPTH_FILES)):
                found = self.shelf.load(name, key, lambda job, files=files: cache.read_depth(job, shape, files), *files)
                if found is not None:
                    return found
            return None

        return self._made("base", key, lambda: find_depth(photo, self.request.depth, self.options), load, timed="depth")

    def _depth_strokes(self) -> list[Stroke]:
        return [stroke for stroke in self.strokes() if stroke.kind in DEPTH_KINDS]

    def _depth_key(self) -> str:
        strokes = self._depth_strokes()
        drawn = [part for s in strokes for part in (s.kind, s.points, s.closed, s.speed)]
        return digest("painted", self._base_key(), *drawn) if strokes else self._base_key()

    def depth(self) -> Cached:
        """`Depth`."""
        key, photo, strokes = self._depth_key(), self.photo().value, self._depth_strokes()
        shape = photo.color.shape[:2]
        if not strokes:
            return self.base_depth()

        def load() -> Depth | None:
            files = cache.DEPTH_FILES
            return self.shelf.load("depth", key, lambda job: cache.read_depth(job, shape, files), *files)

        def make(base: Depth) -> Depth:
            warnings = list(base.warnings)
            values = apply_depth_strokes(base.values, strokes, photo, warnings.append)
            return replace(base, values=values, warnings=tuple(warnings))

        return self._made("depth", key, make, load, lambda: (self.base_depth().value,), timed="paint")

    def layers(self, only_if_made: bool = False) -> Cached | None:
        """`Layers`; with `only_if_made`, None where they would have to be made."""
        options, photo = self.options, self.photo().value
        inpainter = model_key(options.inpaint_model) if options.inpaint_model else None
        key = digest("layers", self._depth_key(), options.seed, options.reach, inpainter)
        camera = Camera(photo.width, photo.height, photo.focal)

        def load() -> Layers | None:
            return self.shelf.load("layers", key, lambda job: cache.read_layers(job, camera), job_files.LAYERS)

        if only_if_made:
            return self._found("layers", key, load)

        def make(depth: Depth) -> Layers:
            fill = load_inpainter(options.inpaint_model, choose_device(options.device)) if inpainter else None
            return split_layers(photo.color, depth.values, camera, options.seed, reach=options.reach, fill=fill)

        return self._made("layers", key, make, load, lambda: (self.depth().value,))

    def drawn(self) -> Cached:
        """`Drawn`."""
        request = self.request
        files = [self._digests[path] for path in (request.annotations, request.region, request.flow)]
        key = digest("hints", cache.CODE, self.photo().key, *files, request.still, self.options.speed)
        return self._made("hints", key, self._draw)

    def _draw(self) -> Drawn:
        photo, request, warnings = self.photo().value, self.request, []
        size = (photo.width, photo.height)
        if photo.alpha is not None and (photo.alpha < 0.5).any():
            warnings.append("The transparent parts of the photo are built as if they were opaque")
        if photo.linear:
            warnings.append(LINEAR)
        strokes = self.strokes()
        asked = any(stroke.kind not in DEPTH_KINDS for stroke in strokes)
        if not (asked or request.region or request.flow or request.still):
            suggested = suggest_strokes(photo)
            strokes = strokes + suggested
            warnings.append("There are no strokes, so " + (_SUGGESTED if suggested else "this is a still 3D photo"))
        painted = read_mask(request.region, size) if request.region else None
        if request.flow and painted is None and not any(stroke.kind == "region" for stroke in strokes):
            painted = (np.linalg.norm(self.imported(), axis=-1) > IMPORTED_STILL).astype(np.float32)
        # of an imported flow the hints are not asked
        hints = read_hints(strokes, photo, self.options.speed, _nothing if request.flow else warnings.append, painted)
        return Drawn(strokes, hints, warnings)

    def imported(self) -> np.ndarray:
        """(H, W, 2) float32, px/frame, of the request's flow file."""
        photo = self.photo().value
        return read_flow(self.request.flow, (photo.width, photo.height)) * np.float32(self.options.speed)

    def motion(self) -> Cached:
        """`Motion`, on the layers' canvas."""
        layers, drawn = self.layers(), self.drawn()
        hints, pad = drawn.value.hints, layers.value.pad
        key = digest("motion", cache.CODE, layers.key, drawn.key, self.options.perspective)

        def make() -> Motion:
            surface = self._surface("surface", hints.region, layers, find_flowing_surface)
            swaying = None if hints.sway is None else self._surface("swaying", hints.sway, layers, find_swaying_surface)
            return self._move(hints, pad, surface, swaying)

        return self._made("motion", key, make)

    def sketch(self) -> Cached:
        """`Motion`, on the layers' canvas where the layers are made, else on the photo alone: without the long wait."""
        if self.layers(only_if_made=True) is not None:
            return self.motion()
        drawn, photo, depth = self.drawn(), self.photo().value, self.depth()
        hints = drawn.value.hints
        key = digest("sketch", cache.CODE, depth.key, drawn.key, self.options.perspective)

        def flat(region: np.ndarray) -> MovingSurface:
            disparity = (1 / depth.value.values).astype(np.float32)
            return MovingSurface(region, region, np.zeros_like(region), photo.color, disparity)

        def make() -> Motion:
            return self._move(hints, (0, 0), flat(hints.region), None if hints.sway is None else flat(hints.sway))

        return self._made("motion", key, make)

    def _surface(self, name: str, region: np.ndarray, layers: Cached, find: Callable) -> MovingSurface:
        """Not a stage of its own: it is part of the motion, but a drawn region stays when a stroke is edited."""
        key = digest(name, cache.CODE, layers.key, region)
        found = self.memory.find(name, key)
        return (found or self.memory.keep(name, Cached(key, find(region, layers.value)))).value

    def _move(
        self, hints: Hints, pad: tuple[int, int], surface: MovingSurface, swaying: MovingSurface | None
    ) -> Motion:
        flow = self._solve(hints, pad, surface)
        if swaying is None:
            return Motion(pad, surface, None, flow, None)
        moved = np.float32(pad)
        swing = solve_sway(
            swaying.region,
            hints.sway_pixels + moved,
            hints.sway_extents,
            swaying.color,
            swaying.disparity,
            hints.pins + moved,
        )
        return Motion(pad, surface, swaying, flow, swing)

    def _solve(self, hints: Hints, pad: tuple[int, int], surface: MovingSurface) -> np.ndarray:
        """(Hc, Wc, 2) float32, px/frame, not feathered."""
        if self.request.flow:
            return on_canvas(self.imported(), pad)
        moved = np.float32(pad)
        return solve_motion(
            surface.region,
            hints.pixels + moved,
            hints.velocities,
            surface.color,
            surface.disparity,
            pins=hints.pins + moved,
            outlets=None if hints.outlets is None else on_canvas(hints.outlets, pad),
            perspective=self.options.perspective,
        )

    def faded(self, motion: Motion) -> np.ndarray:
        """(Hc, Wc) float32, the factor on the flow by which it fades at the region's border and under a soft mask."""
        soft, region = self.drawn().value.hints.soft, motion.surface.region
        soft = None if soft is None else on_canvas(soft, motion.pad)
        return feather(np.ones((*region.shape, 1), np.float32), region, self.options.feather * max(region.shape), soft)[
            ..., 0
        ]

    def seen(self, motion: Motion, flow: np.ndarray) -> np.ndarray:
        """(H, W, 2) float32, px/frame: how the photo's pixels move, zero where they do not; of the feathered flow."""
        return np.where(self.drawn().value.hints.region[..., None], motion.on_photo(flow), np.float32(0))

    def still(self) -> tuple[str, Callable[[], tuple[StillPoints, list[str]]]]:
        """Key, and what makes the still points and the names of their layers: the job folder may have them."""
        layers, motion = self.layers(), self.motion().value
        hints = self.drawn().value.hints
        key = digest("still", layers.key, hints.region, hints.sway)
        return key, lambda: still_points(layers.value, *motion.surfaces)

    def moving(self, flow: np.ndarray) -> tuple[str, Callable[[], tuple[MovingPoints, list[dict]]]]:
        """Key, and what makes the moving points of the feathered flow, and says what parts they are."""
        options = self.options
        device = choose_device(options.device)
        key = digest(
            "moving",
            self.motion().key,
            options.feather,
            options.frames,
            options.keys,
            options.swings,
            options.thin,
            device,
        )
        return key, lambda: self._moving(flow, device)

    def _moving(self, flow: np.ndarray, device: str) -> tuple[MovingPoints, list[dict]]:
        layers, motion, options = self.layers().value, self.motion().value, self.options
        groups = [moving_points(layers, motion.surface, flow, options.frames, options.keys, device, options.thin)]
        if motion.swaying is not None:
            groups.append(sway_points(layers, motion.swaying, motion.swing, options.keys, options.swings))
        parts = [{"name": name, "points": len(group.position)} for name, group in zip(("Motion", "Sway"), groups)]
        return join_points(groups), parts


def on_canvas(values: np.ndarray, pad: tuple[int, int]) -> np.ndarray:
    """Continue (H, W) or (H, W, C) of the photo over the canvas, from the nearest pixel of its border."""
    across, down = pad
    return np.pad(values, ((down, down), (across, across)) + ((0, 0),) * (values.ndim - 2), mode="edge")


_SUGGESTED = "what looks as if it flowed moves as suggested; draw strokes, or ask for a still photo"
