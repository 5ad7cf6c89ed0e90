"""A request for a build: its files and options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..shared.options import BuildOptions


@dataclass(frozen=True)
class Request:
    """The files and options of a build.

    Attributes:
        photo: The photo.
        out: The job folder; see `job_folder` for the files that it will hold.
        options: The options.
        annotations: Strokes in our own form or labelme's.
        depth: A depth map; None estimates depth.
        region: A painted mask of the flowing region.
        flow: A motion field to use in place of the solved one.
        still: Suggest no strokes for a photo without any: a still 3D photo is wanted.
    """

    photo: Path
    out: Path
    options: BuildOptions = BuildOptions()
    annotations: Path | None = None
    depth: Path | None = None
    region: Path | None = None
    flow: Path | None = None
    still: bool = False
