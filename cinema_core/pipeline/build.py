"""The build: photo and strokes become a job folder. `plan` is the order of the stages; `Builder` runs it.

An edited stroke repeats hints, motion and moving points alone, in this process or another; a stroke that corrects the
depth repeats the layers too, but not the depth that it corrects.
"""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ..motion.streamlines import join_streamlines, trace_streamlines, trace_swings
from ..shared import job_files, transaction
from ..shared.data import Depth, Photo, Stroke
from . import cache, publish
from . import stages as table
from .cache import DiskCache, MemoryCache, digest
from .publish import Ready, Warn
from .request import Request
from .stage import Cached, Runner, either, given, given_file, key_of_option
from .stages import Plan, crop_to_photo
from .timing import Progress, StageClock


def _silent(*_: object) -> None:
    pass


def plan(request: Request, run: Runner) -> Plan:
    """Connect the stages: from the photo to the points, each with its inputs.

    Args:
        request: The files and options of a build.
        run: Gives a stage's value for its inputs.
    """
    file = {name: given_file(getattr(request, name)) for name in ("photo", "annotations", "depth", "region", "flow")}

    photo = run(table.PHOTO, file["photo"])
    strokes = run(table.STROKES, photo, file["annotations"])
    depth_strokes = run(table.DEPTH_STROKES, strokes)
    prediction = run(table.PREDICTION, photo)

    read_depth = run(table.MAP_DEPTH, photo, prediction.deferred, file["depth"])
    estimate = run(table.ESTIMATE, run(table.COLOR, photo))
    model_depth = run(table.MODEL_DEPTH, photo, prediction.deferred, estimate)
    network_depth = run(table.NETWORK_DEPTH, photo, prediction)
    model = given(request.options.depth_model, request.options.depth_model)
    base_depth = either(file["depth"], read_depth, either(model, model_depth, network_depth))
    depth = either(depth_strokes, run(table.DEPTH, photo, base_depth, depth_strokes), base_depth)
    layers = run(table.LAYERS, photo, depth)

    flowing = run(table.FLOWING, photo, prediction.deferred)
    suggested = run(table.SUGGESTED, photo, flowing)
    imported = run(table.IMPORTED, photo, file["flow"])
    still_photo = given(request.still, request.still)
    motion_input = run(
        table.MOTION_INPUT, photo, strokes, suggested.deferred, flowing.deferred, file["region"], imported, still_photo,
    )  # fmt: skip
    region, sway_region = run(table.REGION, motion_input), run(table.SWAY_REGION, motion_input)

    surface, swaying = run(table.SURFACE, layers, region), run(table.SWAYING, layers, sway_region)
    motion = run(table.MOTION, motion_input, imported, surface, swaying)
    feather = run(table.FEATHER, motion_input, motion)
    still = run(table.STILL, layers, surface, swaying)
    moving = run(table.MOVING, layers, motion, feather)
    field = run(table.FIELD, photo, motion_input, motion, feather)

    on_photo = [run(table.PHOTO_SURFACE, photo, depth, area) for area in (region, sway_region)]
    sketch = run(table.MOTION, motion_input, imported, *on_photo)
    sketch_feather = run(table.FEATHER, motion_input, sketch)

    key = build_key(request, file)
    return Plan(
        key, photo, base_depth, depth, layers, suggested, motion_input, motion, feather, field, still, moving,
        sketch, sketch_feather,
    )  # fmt: skip


def build_key(request: Request, file: dict[str, Cached[Any]]) -> str:
    """Key of all inputs and options; computing it runs no stage."""
    options = {
        option.name: key_of_option(option.name, getattr(request.options, option.name))
        for option in fields(request.options)
        if option.name != "download"  # it does not matter how a model came here
    }
    contents = [item.key for item in file.values()]
    return digest("build", cache.CODE, contents, request.photo.name, options, request.still)


class Builder:
    """Builds one job after another, and repeats only the stages whose inputs have changed since the last one.

    Args:
        rest: Seconds between publishing points and measuring them. Blender brings the points into the scene meanwhile.
    """

    def __init__(self, rest: float = 0.0) -> None:
        self._memory, self._rest = MemoryCache(), rest

    def build(
        self, request: Request, progress: Progress = _silent, warn: Warn = _silent, ready: Ready = _silent
    ) -> dict[str, Any]:
        """Build a job in two steps: its points, then their quality.

        Args:
            request: The files and options of the build.
            progress: Called with (stage, fraction of the whole build).
            warn: Called with each sentence that the user should read.
            ready: Called with the report, without its quality, when the points are published. From then on the job is
                complete, even if this call is interrupted.

        Returns:
            The report as in report.json and the timing as in timing.json; its "stages" are those that ran.

        Raises:
            CinemaError: An input cannot be used; the job folder stays as it was.
        """
        clock = StageClock(progress)
        disk = DiskCache(request.out)
        stages = plan(request, Runner(self._memory, disk, request.options, clock.stage))
        report = publish.find_finished(disk, stages.key)
        if report is None:
            report = publish.publish(request, stages, disk, clock, warn, ready)
        else:
            for text in report["warnings"]:
                warn(text)
            ready(report | clock.timing())
        if report["quality"]["measured"]:
            answer = report | clock.timing()
        else:
            _sleep(self._rest)
            answer = publish.measure(request, stages.key, report, clock)
        progress("report", 1.0)
        return answer

    def prepare(self, request: Request) -> None:
        """Make a photo's depth and layers, for the build that will be asked for."""
        _ = self._plan(request, _silent).layers.value

    def flow(self, request: Request, progress: Progress = _silent, warn: Warn = _silent) -> Path:
        """Solve for the motion alone, and write it for display to the job's flow_preview.npz.

        The file holds lines, offsets and speed of `streamlines.Streamlines`, motion ((H, W, 2) float32, px/frame) and
        region ((H, W) bool). The next build removes it.

        Returns:
            The file.

        Raises:
            CinemaError: An input cannot be used.
        """
        stages = self._plan(request, progress)
        motion_input = stages.motion_input.value
        for text in motion_input.warnings:
            warn(text)
        laid_out = stages.layers.find() is not None  # layers are not waited for
        motion, feather = (stages.motion, stages.feather) if laid_out else (stages.sketch, stages.sketch_feather)
        solved, region = motion.value, motion_input.hints.region
        lines = [trace_streamlines(crop_to_photo(solved.flow, region), region)]
        if solved.swing is not None and motion_input.hints.sway is not None:
            frames = request.options.frames / request.options.swings
            lines.append(trace_swings(crop_to_photo(solved.swing, region), motion_input.hints.sway, frames))
        visible = np.where(region[..., None], crop_to_photo(solved.flow * feather.value[..., None], region), 0)
        arrays = vars(join_streamlines(*lines)) | {"motion": visible.astype(np.float32), "region": region}
        with transaction.stage(request.out, keep=True) as staging:
            np.savez(staging.path / job_files.FLOW, **arrays)
        return request.out / job_files.FLOW

    def depth(self, request: Request, progress: Progress = _silent, warn: Warn = _silent) -> Depth:
        """Make the depth alone, its strokes included. The next build finds it made.

        Raises:
            CinemaError: An input cannot be used.
        """
        depth = self._plan(request, progress).depth.value
        for text in depth.warnings:
            warn(text)
        return depth

    def suggest(self, request: Request) -> tuple[Photo, list[Stroke]]:
        """The working photo, and strokes that are suggested from the photo alone."""
        stages = self._plan(request, _silent)
        return stages.photo.value, stages.suggested.value

    def _plan(self, request: Request, progress: Progress) -> Plan:
        clock = StageClock(progress)
        return plan(request, Runner(self._memory, DiskCache(request.out), request.options, clock.stage))


def _sleep(seconds: float) -> None:
    """Sleep in short naps: an interrupt comes between two of them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
