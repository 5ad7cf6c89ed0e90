"""Prints figures of photos' loops, measured with the preview's renderer at the photo's camera.

Each case is PHOTO:ANNOTATIONS. The figures of a case:

* seam: the frame difference at the wrap-around, relative to the median of other frame differences;
* least and greatest contrast of fine detail in the moving region over the loop, in % of the photo's contrast, and for
  comparison the same with staggered phases of the trajectories;
* sharpness of the frames around the wrap-around, relative to the frame at phase 0, to reveal a sudden change;
* fidelity at phase 0 in the moving region and in the rest, and number of still pixels that ever change;
* number of moving points with and without thinning, and share of pixels that no point of its own size covers, without
  the backing points, at the worst of several phases;
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
import torch

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

# Phases of the loop that are measured; the photo is at phase 0.
PHASES = (0.08, 0.17, 0.25, 0.33, 0.42, 0.5, 0.58, 0.67, 0.75, 0.83, 0.92)
POINT_SIZE = 1.4  # diameter of a point in its own pixel footprints
PHOTO_POSE = np.eye(4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--pictures", type=Path, help="folder to which frames are written as PNG")
    parser.add_argument("case", nargs="+", metavar="PHOTO:ANNOTATIONS")
    arguments = parser.parse_args()
    options = BuildOptions(speed=arguments.speed, frames=arguments.frames)
    for case in arguments.case:
        photo, _, annotations = case.partition(":")
        print(f"== {case}", flush=True)
        loop = Loop(Path(photo), Path(annotations), options)
        for name, value in loop.figures():
            print(f"{name:<34}{value}", flush=True)
        if arguments.pictures:
            loop.write(arguments.pictures, f"{Path(annotations).stem}_{arguments.speed:g}")


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

    def _splatter(self, still: StillPoints, moving: MovingPoints, kind: type = Splatter) -> Splatter:
        points = {f"still_{n}": getattr(still, n) for n in still.__dataclass_fields__}
        points |= {f"moving_{n}": getattr(moving, n) for n in moving.__dataclass_fields__}
        return kind(points, self.layers.camera, POINT_SIZE)

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
        frames = {phase: self.splatter.render(phase, PHOTO_POSE)[0] for phase in (0.0, *PHASES)}
        wrap = [self.splatter.render(1 + n * step, PHOTO_POSE)[0] for n in range(-4, 0)]
        after = [frames[0.0], *(self.splatter.render(n * step, PHOTO_POSE)[0] for n in range(1, 4))]
        inner = [
            self._difference(frames[p], self.splatter.render(p + step, PHOTO_POSE)[0])
            for p in (0.08, 0.33, 0.5, 0.67, 0.83)
        ]
        yield "seam", f"{self._difference(wrap[-1], frames[0.0]) / np.median(inner):.3f}"
        yield "contrast, % of the photo's", self._contrast([frames[p] for p in PHASES])
        staggered = self._splatter(self.still, self.moving, Staggered)
        yield "  staggered phases", self._contrast([staggered.render(p, PHOTO_POSE)[0] for p in PHASES[::3]])
        detail = _sharpness(frames[0.0], self.region)
        yield (
            "sharpness at frames -4..3, %",
            " ".join(f"{100 * _sharpness(f, self.region) / detail:.1f}" for f in wrap + after),
        )
        yield (
            "fidelity at phase 0, dB",
            f"moving {_psnr(frames[0.0], self.photo, self.region):.2f}, "
            f"still {_psnr(frames[0.0], self.photo, ~self.region):.2f}",
        )
        changed = np.max([np.abs(_bytes(f) - _bytes(frames[0.0])).max(-1) for f in frames.values()], 0)
        away = cv2.dilate(self.region.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
        yield (
            "still pixels that ever change",
            f"{(changed[~self.region] > 0).sum()}, {(changed[away] > 0).sum()} of them over 2 px away",
        )
        yield (
            "uncovered without backing, %",
            f"all {self._uncovered(self.all):.4f}, thinned {self._uncovered(self.moving):.4f}",
        )

    def _drawn(self) -> int:
        own = 0.5
        return int(((self.moving.birth <= own) & (self.moving.death > own)).sum())

    def _difference(self, a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a - b)[self.region].mean())

    def _contrast(self, frames: list[np.ndarray]) -> str:
        """Least and greatest contrast of fine detail in the frames, in % of the photo's, as text."""
        own = _contrast(self.photo, self.region)
        shares = [100 * _contrast(frame, self.region) / own for frame in frames]
        return f"{min(shares):.1f} to {max(shares):.1f}"

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

    def write(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for phase in (0.0, 0.25, 0.5, 0.75, 0.98):
            picture = np.rint(self.splatter.render(phase, PHOTO_POSE)[0] * 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{name}_{round(100 * phase):02d}.png"), picture[..., ::-1])


class Staggered(Splatter):
    """Renders every trajectory at one of four phases, chosen by its starting position."""

    def alive(self, phase: float) -> list[tuple[float, torch.Tensor]]:
        place = self.points["moving_position"]
        pixel = (place[:, :2] / place[:, 2:] * self.camera.focal).floor().long()
        group = (pixel[:, 0] * 7 + pixel[:, 1] * 13) % 4
        found = []
        for own, rows in ((n, r) for g in range(4) for n, r in ((g, torch.nonzero(group == g).flatten()),)):
            at = (phase + own / 4) % 1.0
            alive = (self.points["moving_birth"][rows] <= at) & (self.points["moving_death"][rows] > at)
            found.append((at, rows[alive]))
        return found


def _contrast(picture: np.ndarray, region: np.ndarray) -> float:
    luma = cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY)
    return float((luma - cv2.GaussianBlur(luma, (0, 0), max(luma.shape) / 160))[region].std())


def _sharpness(picture: np.ndarray, region: np.ndarray) -> float:
    luma = cv2.cvtColor(np.ascontiguousarray(picture, np.float32), cv2.COLOR_RGB2GRAY)
    inner = cv2.erode(region.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float(cv2.Laplacian(luma, cv2.CV_32F)[inner].std())


def _bytes(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * 255).astype(int)


def _psnr(picture: np.ndarray, photo: np.ndarray, where: np.ndarray) -> float:
    error = np.square(_bytes(picture) - _bytes(photo))[where].mean()
    return min(99.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


if __name__ == "__main__":
    main()
