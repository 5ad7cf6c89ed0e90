"""Prints the figures of the loop; run by `make bench-loop`.

* Photos, each PHOTO or PHOTO:ANNOTATIONS (without them the suggested strokes): different frames of 60 at several speeds
  and of 300, the beat, double exposure, the look of the moving surface relative to the photo, seam, fidelity at phase
  0, still pixels that change. See `loop_photos.py`.
* Clips, each a video or a folder of frames: the loop of the first frame, with the clip's own motion, beside the clip
  and the reference's alpha blend. See `loop_clips.py`.
* Scenes: sheets of texture that flow by a known steady field; the loop against the true pictures. See
  `loop_scenes.py`.

All by the preview's renderer through the photo's camera. Photos and clips are measured at a reduced size, which
`--side` sets; the scenes are 1280x720. The figures of a loop of photos are in `loop_measures.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # renders are many short operations: a second thread would only wait
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from loop_clips import clip_figures
from loop_photos import photo_figures
from loop_scenes import SCENES, scene_figures

PARTS = ("photos", "clips", "scenes")
# Columns of the table: name, goal.
COLUMNS = {
    "of 60": "60", "of 300": "300", "beat": "", "double": "<= 15", "pulse": "<= 1.2", "contrast": "90-110",
    "skewness": "90-110", "dark": "90-110", "bright": "90-110", "octave 1": "90-110", "octave 2": "90-110",
    "octave 3": "90-110", "octave 4": "90-110", "look": "0", "seam": "<= 1.2", "fidelity": ">= 40", "still": "0",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=480, help="px, longest side of photos")
    parser.add_argument("--clip-side", type=int, default=960, help="px, longest side of clips")
    parser.add_argument("--clips", nargs="*", type=Path, default=[], help="videos, or folders of frames")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--pictures", type=Path, help="folder for strips of the clips and pictures of the scenes")
    parser.add_argument("case", nargs="*", metavar="PHOTO[:ANNOTATIONS]")
    arguments = parser.parse_args()
    parts = (arguments.only,) if arguments.only else PARTS
    began = time.perf_counter()
    if "photos" in parts and arguments.case:
        table = {}
        for case in arguments.case:
            photo, _, annotations = case.partition(":")
            figures = photo_figures(Path(photo), Path(annotations) if annotations else None, arguments.side)
            table[_name(Path(photo))] = _print(case, figures)
        _print_table(table)
    for clip in arguments.clips if "clips" in parts else ():
        _print(str(clip), clip_figures(clip, arguments.clip_side, arguments.pictures))
    if "scenes" in parts:
        gains = [_print(f"scene {scene.name}", scene_figures(scene, arguments.pictures)) for scene in SCENES]
        means = {name: sum(each[name] for each in gains) / len(gains) for name in gains[0]}
        print("scenes, mean of the gain over the still photo, dB (goal >= 4):", _text(means))
    print(f"{time.perf_counter() - began:.0f} s")


def _name(photo: Path) -> str:
    return photo.parent.name if photo.stem == "image" else photo.stem


def _print(title: str, figures) -> dict[str, float]:
    """Print figures as they come; returns their values by name."""
    print(f"== {title}", flush=True)
    values: dict[str, float] = {}
    for name, text, found in figures:
        print(f"{name:<36}{text}", flush=True)
        values |= found
    return values


def _text(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def _print_table(table: dict[str, dict[str, float]]) -> None:
    """One row a figure, one column a photo. Of the look the value farthest from 100 % over the phases is shown."""
    print(f"\n{'':<10}{'goal':>8}" + "".join(f"{name:>9}" for name in table))
    for name, goal in COLUMNS.items():
        cells = (f"{values[name]:9.4g}" if name in values else f"{'-':>9}" for values in table.values())
        print(f"{name:<10}{goal:>8}" + "".join(cells))
    print(flush=True)


if __name__ == "__main__":
    main()
