"""The order of the stages: a photo and strokes become a job folder. Only this module and `stages` know it.

    photo -> depth -> painted -> layers -> surface -> motion -> points -> published: ready -> quality -> published: done
             ^- or a file   ^- strokes        hints, or a mask -^  ^- or a flow file

Every stage's value is found again by a key of all that it depends on (`cache`): in memory the latest one, in the job
folder what is dear. An edited stroke repeats only hints, surface, motion and points, in this process or another; one
that corrects the depth repeats the layers too, but not what made the depth.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..device import choose_device
from ..files.photo import read_photo, write_png
from ..motion.streamlines import join_streamlines, trace_streamlines, trace_swings
from ..motion.suggest import suggest_strokes
from ..shared import job_files, job_folder, transaction
from ..shared.camera import Camera
from ..shared.cancellation import shielded
from ..shared.data import BuildOptions, Depth, MovingPoints, Photo, StillPoints, Stroke
from ..shared.errors import CinemaError
from ..shared.stroke_files import write_strokes
from ..view.quality import measure_hints, measure_quality, sample_step
from ..view.splatting import Splatter
from . import cache, outputs
from .cache import DiskCache, MemoryCache
from .outputs import Outputs
from .request import Request
from .stages import Motion, Stages
from .timing import Progress, StageClock

CONTRADICTING = 25.0  # degrees between strokes and motion on average, from which the user is told
Warn = Callable[[str], None]
Ready = Callable[[dict], None]


def _silent(*_: object) -> None:
    pass


def build(
    photo_path: Path,
    out: Path,
    options: BuildOptions = BuildOptions(),
    annotations: Path | None = None,
    depth: Path | None = None,
    progress: Progress = _silent,
    warn: Warn = _silent,
    *,
    region: Path | None = None,
    flow: Path | None = None,
    still: bool = False,
) -> dict:
    """Build a job from a photo, with nothing kept in memory.

    Args:
        photo_path, out, options, annotations, depth, region, flow, still: As in `Request`.
        progress: Told (stage, fraction of the whole build).
        warn: Told, in one sentence each, what the user should know.

    Returns:
        The report, as in report.json, and the timing, as in timing.json.

    Raises:
        CinemaError: Something given cannot be used; the job folder stays as it was.
    """
    request = Request(Path(photo_path), Path(out), options, annotations, depth, region, flow, still)
    return Builder().build(request, progress, warn)


class Builder:
    """Builds one job after another, and repeats only what has changed since the last one.

    Args:
        rest: Seconds between publishing points and measuring them, in which whoever waits for them has the processor.
    """

    def __init__(self, rest: float = 0.0) -> None:
        self.memory, self._rest = MemoryCache(), rest

    def build(
        self, request: Request, progress: Progress = _silent, warn: Warn = _silent, ready: Ready = _silent
    ) -> dict:
        """Build a job in two steps: its points, then how good they are.

        Args:
            request: What to build.
            progress: Told (stage, fraction of the whole build).
            warn: Told, in one sentence each, what the user should know.
            ready: Told the report, without its quality, when the points are published. From then on the job stands,
                whatever becomes of this call.

        Returns:
            The report and the timing, whose "stages" are those that ran.

        Raises:
            CinemaError: Something given cannot be used; the job folder stays as it was.
        """
        clock = StageClock(progress)
        shelf = DiskCache(request.out)
        stages = Stages(self.memory, shelf, request, clock.stage)
        report = _standing(shelf, stages.key())
        if report is None:
            report = _publish(stages, clock, warn, ready)
        else:
            for text in report["warnings"]:
                warn(text)
            ready(report | clock.timing())
        if report["quality"]["measured"]:
            answer = report | clock.timing()
        else:
            _sleep(self._rest)
            answer = _measured(stages, report, clock)
        progress("report", 1.0)
        return answer

    def prepare(self, request: Request) -> None:
        """Make a photo's depth and layers, for the build that will be asked for."""
        Stages(self.memory, DiskCache(request.out), request, StageClock(_silent).stage).layers()

    def flow(self, request: Request, progress: Progress = _silent, warn: Warn = _silent) -> Path:
        """Solve for the motion alone, and write what shows it to the job's flow_preview.npz.

        The file holds lines, offsets and speed of `streamlines.Streamlines`, motion ((H, W, 2) float32, px/frame) and
        region ((H, W) bool). The next build removes it.

        Returns:
            The file.

        Raises:
            CinemaError: Something given cannot be used.
        """
        stages = Stages(self.memory, DiskCache(request.out), request, StageClock(progress).stage)
        drawn, motion = stages.drawn().value, stages.sketch().value
        for text in drawn.warnings:
            warn(text)
        region = drawn.hints.region
        lines = [trace_streamlines(motion.on_photo(motion.flow), region)]
        if motion.swaying is not None:
            frames = request.options.frames / request.options.swings
            lines.append(trace_swings(motion.on_photo(motion.swing), drawn.hints.sway, frames))
        seen = stages.seen(motion, motion.flow * stages.faded(motion)[..., None])
        arrays = vars(join_streamlines(*lines)) | {"motion": seen, "region": region}
        with transaction.stage(request.out, keep=True) as staging:
            np.savez(staging.path / job_files.FLOW, **arrays)
        return request.out / job_files.FLOW

    def depth(self, request: Request, progress: Progress = _silent, warn: Warn = _silent) -> Depth:
        """Make the depth alone, its strokes included. The next build finds it made.

        Raises:
            CinemaError: Something given cannot be used.
        """
        depth = Stages(self.memory, DiskCache(request.out), request, StageClock(progress).stage).depth().value
        for text in depth.warnings:
            warn(text)
        return depth

    def suggest(self, request: Request) -> tuple[Photo, list[Stroke]]:
        """The working photo, and strokes for it from the photo alone."""
        photo = Stages(self.memory, DiskCache(request.out), request, StageClock(_silent).stage).photo().value
        return photo, suggest_strokes(photo)


def _sleep(seconds: float) -> None:
    """In short naps: an interrupt comes between two of them."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def _standing(shelf: DiskCache, key: str) -> dict | None:
    """The report of a job that was built of just this, and is all there."""
    report = shelf.load("build", key, _read_report)
    try:
        files = set(report["files"]) - {job_files.REPORT, job_files.TIMING, job_files.STAGES} if report else set()
        measured = report and report["quality"]["measured"]
    except (KeyError, TypeError):
        return None
    return report if isinstance(measured, bool) and shelf.holds("build", key, *files) else None


def _read_report(job: Path) -> dict:
    """A job's report, if its points can be read too."""
    job_folder.read_points(job)
    return job_folder.read_report(job)


def _publish(stages: Stages, clock: StageClock, warn: Warn, ready: Ready) -> dict:
    """Make the points and publish them; the report's quality is not measured yet."""
    with transaction.stage(stages.request.out) as staging:
        drawn = stages.drawn().value
        depth = stages.depth().value
        warnings = [*drawn.warnings, *depth.warnings]
        for text in warnings:
            warn(text)
        motion = stages.motion().value
        faded = stages.faded(motion)
        flow = motion.flow * faded[..., None]
        quality = _measured_hints(stages, motion, flow, faded)
        if (quality["hint_angle_deg"] or 0) > CONTRADICTING:
            warnings.append("Some motion strokes contradict each other; the water stalls between them")
            warn(warnings[-1])
        request = stages.request
        described = {
            "depth_source": depth.source,
            "depth_detail": depth.detail,
            "depth_licence": depth.licence,
            "quality": quality,
            "warnings": warnings,
        }
        with clock.stage("points"):
            families = [_still(stages), _moving(stages, flow)]
        for family in families:
            described |= family.described
        report = outputs.describe(
            stages.photo().value, request.photo.name, request.options, stages.layers().value, described
        )
        _save(staging, stages, families, stages.seen(motion, flow), report, clock, ready)
    return report


@dataclass(frozen=True, eq=False)
class _Family:
    """Still or moving points: their key, what the report says of them, and they themselves where they are new."""

    name: str
    key: str
    described: dict
    points: StillPoints | MovingPoints | None

    def write(self, folder: Path) -> None:
        outputs.write_points(folder, self.name, self.points)


def _still(stages: Stages) -> _Family:
    key, make = stages.still()
    old = _old_report(stages.shelf, "still", key)
    if old:
        return _Family("still", key, {name: old[name] for name in ("layers", "still_points", "still_id")}, None)
    points, names = make()
    described = {
        "layers": outputs.describe_layers(points, names),
        "still_points": len(points.position),
        "still_id": key,
    }
    return _Family("still", key, described, points)


def _moving(stages: Stages, flow: np.ndarray) -> _Family:
    key, make = stages.moving(flow)
    old = _old_report(stages.shelf, "moving", key)
    if old:
        return _Family(
            "moving", key, {name: old[name] for name in ("moving_parts", "moving_points", "moving_id")}, None
        )
    points, parts = make()
    described = {"moving_parts": parts, "moving_points": len(points.position), "moving_id": key}
    return _Family("moving", key, described, points)


def _old_report(shelf: DiskCache, family: str, key: str) -> dict | None:
    """The job's report where the job holds these very points."""
    report = shelf.load(family, key, _read_report, *outputs.point_files(family))
    return report if report and report.get(f"{family}_id") == key else None


def _measured_hints(stages: Stages, motion: Motion, flow: np.ndarray, faded: np.ndarray) -> dict:
    """The report's quality before the points are looked at; an imported flow does not have to obey hints."""
    hints, none = stages.drawn().value.hints, np.zeros((0, 2), np.float32)
    pixels, velocities = (none, none) if stages.request.flow else (hints.pixels, hints.velocities)
    return measure_hints(pixels, velocities, motion.on_photo(flow), motion.on_photo(faded))


@shielded
def _save(
    staging: transaction.Staging,
    stages: Stages,
    families: list[_Family],
    seen: np.ndarray,
    report: dict,
    clock: StageClock,
    ready: Ready,
) -> None:
    """Stage the files, publish them and say so: all of it, or nothing."""
    photo, base, depth, layers = stages.photo(), stages.base_depth(), stages.depth(), stages.layers()
    drawn = stages.drawn().value

    def write_motion(folder: Path) -> None:
        np.save(folder / job_files.MOTION, seen)
        write_png(folder / job_files.REGION, np.where(drawn.hints.region, 255, 0).astype(np.uint8))
        write_strokes(folder / job_files.STROKES, drawn.strokes, (photo.value.width, photo.value.height))

    with clock.stage("save"):
        made = Outputs(staging, stages.shelf)
        made.add(
            "photo", photo.key, [job_files.PHOTO], lambda folder: write_png(folder / job_files.PHOTO, photo.value.color)
        )
        made.add("depth", depth.key, cache.DEPTH_FILES, lambda folder: cache.write_depth(folder, depth.value))
        if base.key != depth.key:
            files = cache.DEPTH_BASE_FILES
            made.add("base", base.key, files, lambda folder: cache.write_depth(folder, base.value, files))
        made.add(
            "layers",
            layers.key,
            outputs.layer_files(layers.value),
            lambda folder: outputs.write_layers(folder, layers.value),
        )
        for family in families:
            made.add(family.name, family.key, outputs.point_files(family.name), family.write)
        made.add("motion", stages.key(), [job_files.MOTION, job_files.REGION, job_files.STROKES], write_motion)
        made.close(stages.key(), report, clock.timing())
        staging.publish()
    ready(report | clock.timing())


def _measured(stages: Stages, report: dict, clock: StageClock) -> dict:
    """Measure what a published job looks like, and publish its report again; gives report and timing."""
    try:
        quality = _measure(stages, report, clock)
    except CinemaError:  # somebody has taken the job away since, or built another one there
        return report | clock.timing()
    report, timing = report | {"quality": quality}, clock.timing()
    _publish_quality(stages.request.out, stages.key(), report, timing)
    return report | timing


def _measure(stages: Stages, report: dict, clock: StageClock) -> dict:
    job = stages.request.out
    with clock.stage("report"):
        photo = read_photo(job / job_files.PHOTO, max(report["width"], report["height"]), report["focal"])
        region = cv2.imdecode(np.fromfile(job / job_files.REGION, np.uint8), cv2.IMREAD_GRAYSCALE) > 127
        camera = Camera(report["width"], report["height"], report["focal"])
        splatter = Splatter(
            job_folder.read_points(job), camera, report["point_size"], choose_device(stages.options.device),
            sample_step(camera.width, camera.height),
        )  # fmt: skip
        return report["quality"] | measure_quality(photo.color, region, splatter, report["frames"])


@shielded
def _publish_quality(job: Path, key: str, report: dict, timing: dict) -> None:
    try:
        with transaction.stage(job, keep=True) as staging:
            if DiskCache(job).keys.get("build") == key:  # nobody has built something else here since
                outputs.write_report(staging.path, report, timing)
    except CinemaError:  # another build is at work; the figures were told, and that one will have its own
        pass
