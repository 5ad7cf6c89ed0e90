"""What is asked for: the inputs of a build, and how they are read from a JSON request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..shared.data import MAP_KINDS, BuildOptions

# What the numbers of `data.BuildOptions` may be.
RANGES = {
    "frames": (2, 1000),
    "speed": (0, 100),
    "max_side": (16, 16384),
    "focal": (1, 1e6),
    "keys": (1, 100),
    "seed": (0, 2**31 - 1),
    "feather": (0, 0.5),
    "swings": (1, 100),
    "depth_near": (1e-6, 1e9),
    "depth_far": (1e-6, 1e9),
    "depth_gamma": (0.1, 10),
    "reach": (0.25, 4),
    "edge_cleanup": (0, 1),
}
CHOICES = {"depth_kind": MAP_KINDS}


@dataclass(frozen=True)
class Request:
    """What a build is made of.

    Attributes:
        photo: An image.
        out: The job folder; see `storage` for what it will hold.
        options: What the user chose.
        annotations: Strokes, ours or labelme's.
        depth: A depth map; None estimates depth.
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
