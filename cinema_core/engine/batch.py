"""A folder of photos in one command: one job after another, and a table of what became of each.

Input: a folder. Output: a folder with a job for every photo, previews, and the table as batch.csv and batch.json, which
is written again after every photo. A photo that fails does not end the run; a job that is finished is not built again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.request import Request
from ..shared.errors import cannot_write
from ..shared.job_folder import describe_quality
from ..shared.options import BuildOptions
from . import batch_table, commands
from .batch_inputs import Input, list_inputs
from .batch_table import BUILT, CANCELLED, FAILED, UNCHANGED, Row
from .messages import Messages
from .outcome import Failure, Result, attempt

if TYPE_CHECKING:
    from ..pipeline.build import Builder

SOME_FAILED = 2  # exit code
_BUG = "Please report it with the lines that the terminal shows"


@dataclass(frozen=True)
class Batch:
    """A request for all photos of a folder.

    Attributes:
        folder: Folder of the photos.
        out: Folder for the jobs, the previews and the table.
        options: Options of every build.
        still: As of `Request`.
        previews: Names of camera paths; a video is made along each.
    """

    folder: Path
    out: Path
    options: BuildOptions = BuildOptions()
    still: bool = False
    previews: tuple[str, ...] = ()


def build_all(builder: Builder, batch: Batch, messages: Messages) -> Result:
    """Build all photos of a folder; a cancel leaves finished jobs and the table.

    Raises:
        CinemaError: There is no photo, or the table cannot be written.
        KeyboardInterrupt: The user cancelled; its text says what is left.
    """
    inputs, others = list_inputs(batch.folder, batch.out)
    commands.fetch_model(batch.options, messages)
    try:
        batch.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(batch.out, error) from error
    earlier = batch_table.read_earlier(batch.out)
    rows = [Row(given.name, given.job, [file.name for file in given.files]) for given in inputs]
    for row in rows:
        row.previews = earlier.get(row.photo, {}).get("previews", {})
    save = partial(batch_table.write, batch.out, rows)
    table = save()
    if others:
        messages.warning(f"Files that are no photos are left out: {', '.join(others)}")
    for number, (given, row) in enumerate(zip(inputs, rows)):
        began = time.monotonic()
        run = _Run(builder, batch, given, row, _Relay(messages, row, number, len(rows)))
        try:
            answer = attempt(partial(run.build, save))
        except KeyboardInterrupt:
            row.state, row.seconds = CANCELLED, time.monotonic() - began
            save()
            done = sum(row.state in (BUILT, UNCHANGED) for row in rows)
            raise KeyboardInterrupt(f"{done} of {len(rows)} photos are built, see {table}") from None
        row.seconds = time.monotonic() - began
        if isinstance(answer, Failure):
            row.state, row.error, row.hint = FAILED, answer.text, answer.hint or _BUG
            messages.warning(f"{row.photo} failed: {row.error}")
        save()
    failed = sum(row.state == FAILED for row in rows)
    summary = f"{batch_table.draw(rows)}\n{len(rows) - failed} of {len(rows)} photos are built; the table is {table}"
    fields = {"photos": [row.as_json() for row in rows], "failed": failed, "table": str(table.absolute())}
    return Result(summary, fields, SOME_FAILED if failed else 0)


class _Run:
    """The build of one photo and its previews."""

    def __init__(self, builder: Builder, batch: Batch, given: Input, row: Row, relay: _Relay) -> None:
        self._builder, self._batch, self._given, self._row, self._relay = builder, batch, given, row, relay
        relay.parts = 1 + len(batch.previews)

    def build(self, save: Callable[[], Path]) -> Result:
        """Build the job, then the previews that an earlier run has not made of the same points."""
        batch, row = self._batch, self._row
        photo, annotations = commands.input_files(self._given.source, self._given.annotations)
        region = None if batch.still else self._given.find_mask(annotations)
        request = Request(
            photo, batch.out / row.job, batch.options, annotations, self._given.depth, region, still=batch.still
        )
        result = commands.build(self._builder, request, self._relay)
        report = result.fields["report"]
        row.points, row.moving_points = report["still_points"] + report["moving_points"], report["moving_points"]
        row.quality, row.state = describe_quality(report), BUILT if report["stages"] else UNCHANGED
        points = f"{report['still_id']} {report['moving_id']}"
        for part, path in enumerate(batch.previews, 1):
            self._relay.part = part
            row.previews[path] = self._preview(request.out, path, points)
            save()
        return result

    def _preview(self, job: Path, path: str, points: str) -> dict[str, str]:
        from ..view import preview

        file = self._batch.out / f"{self._row.job}_{path}.mp4"
        described = {"file": file.name, "points": points}
        if self._row.previews.get(path) == described and file.exists():
            return described
        clips = [preview.plan_clip(path, file)]
        preview.check_clips(clips)
        device = self._batch.options.device
        preview.render_preview(job, clips, device=device, progress=self._relay.progress, warn=self._relay.warning)
        self._row.state = BUILT
        return described


class _Relay:
    """Messages of one photo among several, for the messages of the whole run."""

    def __init__(self, messages: Messages, row: Row, number: int, count: int) -> None:
        self._messages, self._row, self._number, self._count = messages, row, number, count
        self.part, self.parts = 0, 1  # the build is a part, and each preview

    def progress(self, stage: str, fraction: float) -> None:
        share = (self.part + min(fraction, 1.0)) / self.parts
        self._messages.progress(f"{self._row.photo}: {stage}", (self._number + share) / self._count)

    def warning(self, text: str) -> None:
        self._row.warnings.append(text)
        self._messages.warning(f"{self._row.photo}: {text}")

    def _ignore(self, *_: object) -> None:
        """The table tells the rest."""

    error = fatal = done = give_up = _ignore
