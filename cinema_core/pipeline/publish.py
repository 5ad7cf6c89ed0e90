"""Publishing a build: files of the stages that changed, the report, and the quality that is measured afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from ..device import choose_device
from ..files.photo import read_photo
from ..shared import job_files, job_folder, transaction
from ..shared.camera import Camera
from ..shared.cancellation import shielded
from ..shared.errors import CinemaError
from ..view.distortion import measure_distortion
from ..view.quality import measure_hints, measure_quality, sample_step
from ..view.splatting import Splatter
from . import outputs
from .cache import DiskCache
from .outputs import Outputs
from .request import Request
from .stage import Cached, Stage
from .stages import DEPTH, FIELD, LAYERS, MOVING, NETWORK_DEPTH, PHOTO, STILL, Plan, crop_to_photo
from .stored import read_whole_report
from .timing import StageClock

CONTRADICTING = 25.0  # degrees; mean angle between strokes and motion above which the user is warned
_CONTRADICTION = (
    "Some motion strokes contradict each other; the water stalls between them: erase or reverse one of them"
)
Warn = Callable[[str], None]
Ready = Callable[[dict[str, Any]], None]


def find_finished(disk: DiskCache, key: str) -> dict[str, Any] | None:
    """The report of a job that was built from the same request and is complete; else None."""
    report = disk.load("build", key, read_whole_report)
    try:
        written_last = {job_files.REPORT, job_files.TIMING, job_files.STAGES}
        files = set(report["files"]) - written_last if report else set()
        measured = report and report["quality"]["measured"]
    except (KeyError, TypeError):
        return None
    return report if isinstance(measured, bool) and disk.holds("build", key, *files) else None


def publish(
    request: Request, stages: Plan, disk: DiskCache, clock: StageClock, warn: Warn, ready: Ready
) -> dict[str, Any]:
    """Make the points and publish them; the quality in the report is not measured yet.

    Returns:
        The report.
    """
    with transaction.stage(request.out) as staging:
        motion_input, depth = stages.motion_input.value, stages.depth.value
        warnings = [*motion_input.warnings, *depth.warnings]
        for text in warnings:
            warn(text)
        quality = _measure_hints(request, stages)
        if (quality["hint_angle_deg"] or 0) > CONTRADICTING:
            warnings.append(_CONTRADICTION)
            warn(warnings[-1])
        described = {
            "depth_source": depth.source,
            "depth_detail": depth.detail,
            "depth_licence": depth.licence,
            "depth_focal": depth.focal,
            "quality": quality,
            "warnings": warnings,
        }
        still, moving = stages.still.value, stages.moving.value
        described |= still.described | moving.described | {"still_id": stages.still.key, "moving_id": stages.moving.key}
        report = outputs.describe(stages.photo.value, request, stages.layers.value, described)
        values = [
            (PHOTO, stages.photo, stages.photo.value),
            (DEPTH, stages.depth, depth),
            (LAYERS, stages.layers, stages.layers.value),
            (STILL, stages.still, still),
            (MOVING, stages.moving, moving),
            (FIELD, stages.field, stages.field.value),
        ]
        if stages.base_depth.key != stages.depth.key:
            values.append((NETWORK_DEPTH, stages.base_depth, stages.base_depth.value))
        _save(Outputs(staging, disk), stages.key, values, report, clock, ready)
    return report


@shielded
def _save(
    made: Outputs,
    key: str,
    values: list[tuple[Stage[Any], Cached[Any], Any]],
    report: dict[str, Any],
    clock: StageClock,
    ready: Ready,
) -> None:
    """Stage the files, publish them and say so: all of it, or nothing."""
    with clock.stage("save"):
        for stage, cached, value in values:
            made.add(stage.stored, cached.key, value)
        made.close(key, report, clock.timing())
        made.staging.publish()
    ready(report | clock.timing())


def _measure_hints(request: Request, stages: Plan) -> dict[str, Any]:
    """The report's quality before the points are measured; an imported motion need not obey hints."""
    hints, none = stages.motion_input.value.hints, np.zeros((0, 2), np.float32)
    pixels, velocities = (none, none) if request.flow else (hints.pixels, hints.velocities)
    motion, feather = stages.motion.value, stages.feather.value
    flow = crop_to_photo(motion.flow * feather[..., None], hints.region)
    return measure_hints(pixels, velocities, flow, crop_to_photo(feather, hints.region))


def measure(request: Request, key: str, report: dict[str, Any], clock: StageClock) -> dict[str, Any]:
    """Measure the quality of a published job and publish its report again.

    Returns:
        Report and timing.
    """
    try:
        quality = _measure(request, report, clock)
    except CinemaError:  # the job was removed since, or another one was built there
        return report | clock.timing()
    report, timing = report | {"quality": quality}, clock.timing()
    _publish_quality(request, key, report, timing)
    return report | timing


def _measure(request: Request, report: dict[str, Any], clock: StageClock) -> dict[str, Any]:
    job = request.out
    with clock.stage("report"):
        photo = read_photo(job / job_files.PHOTO, max(report["width"], report["height"]), report["focal"])
        region = cv2.imdecode(np.fromfile(job / job_files.REGION, np.uint8), cv2.IMREAD_GRAYSCALE) > 127
        camera = Camera(report["width"], report["height"], report["focal"])
        splatter = Splatter(
            job_folder.read_points(job), camera, report["point_size"], choose_device(request.options.device),
            sample_step(camera.width, camera.height),
        )  # fmt: skip
        disparity = 1 / np.load(job / job_files.DEPTH).astype(np.float32)
        distortion = measure_distortion(disparity, photo.color, report["focal"])
        quality = measure_quality(photo.color, region, splatter, report["frames"])
        return report["quality"] | quality | asdict(distortion)


@shielded
def _publish_quality(request: Request, key: str, report: dict[str, Any], timing: dict[str, Any]) -> None:
    try:
        with transaction.stage(request.out, keep=True) as staging:
            if DiskCache(request.out).keys.get("build") == key:  # no other build has been published since
                outputs.write_report(staging.path, report, timing)
    except CinemaError:  # another build is at work, and will have figures of its own
        pass
