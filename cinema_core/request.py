"""What is asked for: the inputs of a build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .data import BuildOptions


@dataclass(frozen=True)
class Request:
    """What a build is made of.

    Attributes:
        photo: An image.
        out: The job folder; see `storage` for what it will hold.
        options: What the user chose.
        annotations: Strokes, ours or labelme's.
        depth: A depth map; None estimates depth by rules.
        region: A painted mask of what flows.
        flow: A motion field, which takes the place of the one that would be solved for.
        still: A still 3D photo is wanted: else a photo alone gets suggested strokes.
    """

    photo: Path
    out: Path
    options: BuildOptions = BuildOptions()
    annotations: Path | None = None
    depth: Path | None = None
    region: Path | None = None
    flow: Path | None = None
    still: bool = False
