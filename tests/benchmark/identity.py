"""Prints hashes of builds, to show that a code change does not change any result; run by `make identity`.

Each case is PHOTO, PHOTO:ANNOTATIONS or a folder with a photo and its annotations. A case is built and previewed by the
command line of one checkout. Two checkouts give the same results if they print the same lines:

    python tests/benchmark/identity.py demo/sea3.jpg:demo/sea3_strokes.json > after
    python tests/benchmark/identity.py --checkout ../before demo/sea3.jpg:demo/sea3_strokes.json > before

Arrays of points, layers, depth and motion are hashed by their contents, not by the names of their files. The report is
hashed without its version and its options.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 4  # frames of each preview
CAMERAS = ("circle", "side")
# Fields of the report that are hashed.
FIGURES = (
    "width", "height", "focal", "frames", "keys", "point_size", "hidden_points", "border_points", "still_points",
    "moving_points", "quality", "depth_source",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the checkout that builds; the default is this one")
    parser.add_argument("case", nargs="+", help="PHOTO[:ANNOTATIONS] or FOLDER")
    arguments = parser.parse_args()
    for case in arguments.case:
        with tempfile.TemporaryDirectory() as folder:
            for name, value in hash_case(arguments.checkout, case, Path(folder)):
                print(f"{Path(case.partition(':')[0]).name:<12} {name:<24} {value}", flush=True)


def hash_case(checkout: Path, case: str, folder: Path):
    """Yields (name, hash) of every result of a case."""
    photo, _, annotations = case.partition(":")
    job = folder / "job"
    given = ["--annotations", str(Path(annotations).resolve())] if annotations else []
    run(checkout, "build", str(Path(photo).resolve()), "--out", str(job), *given)
    for path in sorted(job.glob("points/*.npy")):
        yield f"points {present_name(path.stem)}", hash_array(np.load(path))
    for name in ("depth", "motion"):
        yield name, hash_array(np.load(job / f"{name}.npy"))
    with np.load(job / "layers.npz") as file:
        content = sorted(hash_array(file[name]) for name in file.files)
    yield "layers", hashlib.sha256("".join(content).encode()).hexdigest()[:16]
    report = json.loads((job / "report.json").read_text(encoding="utf-8"))
    yield "report", hash_text(json.dumps({name: report[name] for name in FIGURES}, sort_keys=True))
    for camera in CAMERAS:
        frames = folder / f"{camera}.png"
        run(checkout, "preview", str(job), "--camera", camera, "--frames", str(FRAMES), "--out", str(frames))
        for path in sorted(folder.glob(f"{camera}_*.png")):
            yield f"preview {path.stem}", hash_array(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def run(checkout: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "cinema_core", *arguments], cwd=checkout, check=True, stdout=subprocess.DEVNULL
    )


def present_name(stem: str) -> str:
    """The present name of an array that had another name in an earlier version."""
    return stem.replace("_spread", "_radius_factor")


def hash_array(array: np.ndarray) -> str:
    head = f"{array.dtype} {array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
