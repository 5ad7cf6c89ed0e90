"""Prints figures of the points of photos' loops, measured with the preview's renderer at the photo's camera.

Each case is PHOTO:ANNOTATIONS. The figures of a case; those of the picture are in `loop_photos.py`:

* number of moving points with and without thinning, and share of pixels that no point of its own size covers, without
  the backing points, at the worst of several phases;
* sharpness of the frames around the wrap-around, relative to the frame at phase 0, to reveal a sudden change;
* seconds for trajectories and points.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
from loop_measures import luma

from cinema_core.pipeline.build import plan
from cinema_core.pipeline.cache import DiskCache, MemoryCache
from cinema_core.pipeline.request import Request
from cinema_core.pipeline.stage import Runner
from cinema_core.points.moving import join_points, moving_points
from cinema_core.points.still import still_points
from cinema_core.points.sway import sway_points
from cinema_core.shared.data import MovingPoints, StillPoints
from cinema_core.shared.options import BuildOptions
from cinema_core.view.splatting import Splatter

POINT_SIZE = 1.4  # diameter of a point in its own pixel footprints
PHOTO_POSE = np.eye(4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("case", nargs="+", metavar="PHOTO:ANNOTATIONS")
    arguments = parser.parse_args()
    options = BuildOptions(speed=arguments.speed, frames=arguments.frames)
    for case in arguments.case:
        photo, _, annotations = case.partition(":")
        print(f"== {case}", flush=True)
        loop = Loop(Path(photo), Path(annotations), options)
        for name, value in loop.figures():
            print(f"{name:<34}{value}", flush=True)


class Loop:
    """The points of one photo, with and without thinning."""

    def __init__(self, photo: Path, annotations: Path, options: BuildOptions) -> None:
        self.options = options
        with tempfile.TemporaryDirectory() as folder:
            run = Runner(MemoryCache(), DiskCache(Path(folder)), options, lambda _: nullcontext())
            stages = plan(Request(photo, Path(folder), options, annotations), run)
            self.photo, self.layers = stages.photo.value.color, stages.layers.value
            self.motion = stages.motion.value
            self.flow = self.motion.flow * stages.feather.value[..., None]
            hints = stages.motion_input.value.hints
        self.region = hints.region if hints.sway is None else hints.region | hints.sway
        self.still, names = still_points(
            self.layers, *(part for part in (self.motion.surface, self.motion.swaying) if part is not None)
        )
        self.backing = self.still.layer == names.index("Backing")
        self.seconds, self.moving = self._timed(True)
        _, self.all = self._timed(False)
        self.splatter = self._splatter(self.still, self.moving)

    def _timed(self, thin: bool) -> tuple[float, MovingPoints]:
        began = time.perf_counter()
        keys = self.options.keys
        points = moving_points(self.layers, self.motion.surface, self.flow, self.options.frames, keys, "cpu", thin)
        if self.motion.swaying is not None:
            points = join_points(
                [points, sway_points(self.layers, self.motion.swaying, self.motion.swing, keys, self.options.swings)]
            )
        return time.perf_counter() - began, points

    def _splatter(self, still: StillPoints, moving: MovingPoints) -> Splatter:
        points = {f"still_{n}": getattr(still, n) for n in still.__dataclass_fields__}
        points |= {f"moving_{n}": getattr(moving, n) for n in moving.__dataclass_fields__}
        return Splatter(points, self.layers.camera, POINT_SIZE)

    def figures(self):
        """Yields (name, value as text) of every figure."""
        step = 1 / self.options.frames
        length = np.linalg.norm(self.flow[self.layers.photo][self.region], axis=-1)
        yield (
            "speed, px/frame (median, most)",
            f"{np.median(length):.2f}, {length.max():.2f}; cycles {np.unique(self.moving.cycles)}",
        )
        yield (
            "moving points, all -> thinned",
            f"{len(self.all.position)} -> {len(self.moving.position)} ({self._drawn()} drawn at once)",
        )
        yield "trajectories and points, s", f"{self.seconds:.2f}"
        frames = [self.splatter.render(n * step % 1, PHOTO_POSE)[0] for n in range(-4, 4)]
        detail = _sharpness(frames[4], self.region)
        shares = [f"{100 * _sharpness(frame, self.region) / detail:.1f}" for frame in frames]
        yield "sharpness at frames -4..3, %", " ".join(shares)
        yield (
            "uncovered without backing, %",
            f"all {self._uncovered(self.all):.4f}, thinned {self._uncovered(self.moving):.4f}",
        )

    def _drawn(self) -> int:
        own = 0.5
        return int(((self.moving.birth <= own) & (self.moving.death > own)).sum())

    def _uncovered(self, moving: MovingPoints) -> float:
        """Uncovered share of the region's pixels without backing points, in %, at the worst of several phases."""
        keep = ~self.backing
        still = StillPoints(*(getattr(self.still, n)[keep] for n in self.still.__dataclass_fields__))
        splatter = self._splatter(still, moving)
        return (
            100
            * max(splatter.uncovered(p, PHOTO_POSE) for p in (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 0.98))
            * self.region.size
            / self.region.sum()
        )


def _sharpness(picture: np.ndarray, region: np.ndarray) -> float:
    inner = cv2.erode(region.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float(cv2.Laplacian(luma(picture), cv2.CV_32F)[inner].std())


if __name__ == "__main__":
    main()
