"""What the program can do, for the command line and for ``serve`` alike. Heavy modules are imported when needed."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.request import Request
from ..shared.errors import CinemaError
from .messages import Messages

if TYPE_CHECKING:
    import numpy as np

    from ..pipeline.build import Builder, Ready
    from ..shared.data import Depth
# Modules that the core imports -> the package that brings them.
PACKAGES = {
    "cv2": "opencv-python",
    "imageio": "imageio",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "numpy": "numpy",
    "PIL": "pillow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
}
OPTIONAL = ("transformers", "onnxruntime")  # packages that only models of the user's need


@dataclass(frozen=True)
class Result:
    """A command's results.

    Attributes:
        summary: For people.
        fields: For programs.
    """

    summary: str
    fields: dict


@dataclass(frozen=True)
class Failure:
    """What a command ended with instead.

    Attributes:
        text: What is wrong.
        hint: What to do about it; None where it is a bug.
    """

    text: str
    hint: str | None


def attempt(run: Callable[[], Result]) -> Result | Failure:
    """Run a command and sort what comes out of it; the traceback of a bug goes to standard error."""
    try:
        return run()
    except CinemaError as error:
        return Failure(error.text, error.hint)
    except MemoryError:
        return Failure("The memory is not enough", "Use a smaller --max-side")
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            return _bug(error)
        return Failure(f"{error.name} is not installed in {sys.executable}", install_hint(error.name))
    except BrokenPipeError:  # whoever listened has gone
        raise
    except Exception as error:
        return _bug(error)


def _bug(error: Exception) -> Failure:
    traceback.print_exception(error)
    return Failure(f"{type(error).__name__}: {error}", None)


def install_hint(module: str) -> str:
    return f'Install it: "{sys.executable}" -m pip install {PACKAGES[module]}'


def open_photo(source: Path, out: Path, max_side: int, focal: float | None, messages: Messages) -> Result:
    """Write the working photo, JOB/photo.png."""
    import numpy as np

    from ..files import photo
    from ..shared import job_files, transaction

    messages.progress("photo", 0.0)
    picture = photo.read_photo(source, max_side, focal)
    if picture.linear:
        messages.warning(photo.LINEAR)
    with transaction.stage(out, keep=True) as staging:
        photo.write_png(staging.path / job_files.PHOTO, picture.color)
    path = (out / job_files.PHOTO).absolute()
    single = np.float32(picture.focal)  # as precise as Blender keeps it, so that what it gives back is the same
    fields = {
        "photo": str(path),
        "width": picture.width,
        "height": picture.height,
        "focal": float(single),
        "exif_focal": picture.exif_focal,
        "file_size": picture.file_size,
    }
    return Result(f"{path}: {picture.width} x {picture.height}, focal length {picture.focal:.0f} px", fields)


def build(studio: Builder, request: Request, messages: Messages, ready: Ready = lambda report: None) -> Result:
    """Build a job."""
    report = studio.build(request, messages.progress, messages.warning, ready)
    return Result(_build_summary(request.out, report), build_fields(request.out, report))


def build_fields(out: Path, report: dict) -> dict:
    return {"job": str(out.absolute()), "report": report}


def flow(studio: Builder, request: Request, messages: Messages) -> Result:
    """Solve for the motion, for display."""
    file = studio.flow(request, messages.progress, messages.warning).absolute()
    return Result(str(file), {"file": str(file)})


def depth(studio: Builder, request: Request, messages: Messages) -> Result:
    """Make the depth, for display: JOB/depth_preview.npz holds disparity, (H, W) float16, 1 / scene units, so that the
    nearest is 1 and what is far goes to 0. The next build removes it.
    """
    import numpy as np

    from ..shared import job_files, transaction

    found = studio.depth(request, messages.progress, messages.warning)
    with transaction.stage(request.out, keep=True) as staging:
        np.savez(staging.path / job_files.DEPTH_PREVIEW, disparity=(1 / found.values).astype(np.float16))
    file = str((request.out / job_files.DEPTH_PREVIEW).absolute())
    return Result(file, {"file": file} | _depth_fields(found))


def save_depth(studio: Builder, request: Request, file: Path, messages: Messages) -> Result:
    """Make the depth, and write it for other programs, by the file's ending.

    A .png has 16 bit and is disparity, near is white; an .exr or .npy holds depth in scene units, the nearest at 1.

    Raises:
        CinemaError: There is no such form, or the file cannot be written.
    """
    if file.suffix.lower() not in (".png", ".exr", ".npy"):
        raise CinemaError(f'Depth cannot be written as "{file.suffix}"', "Use .png, .exr or .npy")
    from ..files.depth_map import write_depth

    found = studio.depth(request, messages.progress, messages.warning)
    write_whole(file, lambda partial: write_depth(partial, found.values))
    text = ", ".join(part for part in (found.detail, found.licence and f"licence {found.licence}") if part)
    return Result(f"{file}: {text}", {"file": str(file.absolute())} | _depth_fields(found))


def _depth_fields(depth: Depth) -> dict:
    return {"source": depth.detail, "model": depth.licence, "depth_source": depth.source}


def suggest(studio: Builder, request: Request) -> Result:
    """Suggest strokes; the fields are a stroke file's content."""
    from ..shared.stroke_files import write_strokes

    photo, strokes = studio.suggest(request)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strokes.json"
        write_strokes(file, strokes, (photo.width, photo.height))
        content = json.loads(file.read_bytes())
    return Result(f"{len(strokes)} strokes", content)


def coverage(job: Path, fields: dict, masks: Path | None, messages: Messages) -> Result:
    """Look along a camera's path for what the photo does not tell, and scale the path where that is asked for.

    Args:
        job: A finished job.
        fields: The request of `coverage.read_question`.
        masks: Folder for pictures of what was found, one a view.
        messages: Told the progress.

    Raises:
        CinemaError: There is no such job, the request is none, or the path cannot be scaled so.
    """
    from ..shared import job_folder

    job_folder.read_report(job)  # "Build it first" comes before torch takes its seconds
    messages.progress("coverage", 0.0)
    from ..view import coverage_io

    found = coverage_io.measure_coverage(
        job, coverage_io.read_request(fields), lambda part: messages.progress("coverage", part)
    )
    files = None if masks is None else coverage_io.write_masks(masks, found)
    worst = int(found.uncovered.argmax())
    text = (
        f"{found.uncovered[worst]:.3%} of the frame are holes at view {worst + 1}, the worst of {len(found.uncovered)}"
    )
    return Result(text, {
        "uncovered": found.uncovered.tolist(), "invented": found.invented.tolist(), "looked": found.looked,
        "factor": found.factor, "mask_files": files,
    })  # fmt: skip


def export(job: Path, file: Path) -> Result:
    """Write a job's motion, region or strokes in a form that other programs read, by the file's ending.

    Raises:
        CinemaError: There is no such job, no such form, or the file cannot be written.
    """
    writers = {
        ".flo": _export_motion,
        ".npy": _export_motion,
        ".exr": _export_motion,
        ".png": _export_region,
        ".json": _export_strokes,
    }
    suffix = file.suffix.lower()
    if suffix not in writers:
        wanted = ".flo, .npy or .exr for the motion, .png for the region's mask, .json for labelme's strokes"
        raise CinemaError(f'A job cannot be exported as "{file.suffix}"', f"Use {wanted}")
    write_whole(file, lambda partial: writers[suffix](job, partial))
    return Result(str(file), {"file": str(file.absolute())})


def write_whole(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` write to a name beside the file's, and put it in place when it is whole.

    Raises:
        CinemaError: The file cannot be written.
    """
    partial = file.with_name(f".{file.stem}.partial{file.suffix}")
    try:
        write(partial)
        os.replace(partial, file)
    except OSError as error:
        raise CinemaError(f"Cannot write {file} ({error.strerror or error})", "Choose another file") from error
    finally:
        partial.unlink(missing_ok=True)


def _export_motion(job: Path, file: Path) -> None:
    from ..files.flow import write_flow

    write_flow(file, _moving(job)[0])


def _export_region(job: Path, file: Path) -> None:
    import numpy as np

    from ..files.photo import write_png

    write_png(file, np.where(_moving(job)[1], 255, 0).astype(np.uint8))


def _export_strokes(job: Path, file: Path) -> None:
    from ..shared import job_files, job_folder
    from ..shared.labelme import write_labelme
    from ..shared.stroke_files import read_strokes

    report = job_folder.read_report(job)
    size = (report["width"], report["height"])
    write_labelme(file, read_strokes(job / job_files.STROKES, size), size, report["photo"], tuple(report["file_size"]))


def _moving(job: Path) -> tuple[np.ndarray, np.ndarray]:
    """Motion and region: those solved for last, if that was after the build, else the build's."""
    import numpy as np

    from ..files import photo
    from ..shared import job_files, transaction

    transaction.recover(job)
    try:
        if (job / job_files.FLOW).exists():
            with np.load(job / job_files.FLOW, allow_pickle=False) as file:
                return file["motion"], file["region"]
        motion = np.load(job / job_files.MOTION, allow_pickle=False)
        return motion, photo.read_photo(job / job_files.REGION, 16384).color[..., 0] > 0.5
    except FileNotFoundError as error:
        raise CinemaError(f"{job} holds no finished build", "Build it first") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CinemaError(f"The motion in {job} is damaged", "Build it again") from error


def _build_summary(out: Path, report: dict) -> str:
    points = report["still_points"] + report["moving_points"]
    lines = [f"{out}: {points:,} points, {report['moving_points']:,} of them move; {report['seconds']:.1f} s"]
    for name, value in report["quality"].items():
        if name == "measured":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key} {part:.3g}" for key, part in value.items())
        elif isinstance(value, float):
            value = f"{value:.3g}"
        lines.append(f"  {name:<18} {'-' if value is None else value}")
    return "\n".join(lines)


def input_files(source: Path, annotations: Path | None) -> tuple[Path, Path | None]:
    """The photo and its annotations; a folder is laid out as the reference program's: image.png and image.json.

    Raises:
        CinemaError: There is no photo.
    """
    if not source.exists():
        raise CinemaError(f"{source} does not exist", "Check the name of the photo")  # before torch takes its seconds
    if not source.is_dir():
        return source, annotations
    from ..files.photo import SUFFIXES

    photo = next((source / f"image{suffix}" for suffix in SUFFIXES if (source / f"image{suffix}").exists()), None)
    if photo is None:
        raise CinemaError(f"{source} holds no image.png or image.jpg", "Give a photo, or a folder that has one")
    beside = source / "image.json"
    return photo, annotations or (beside if beside.exists() else None)


def find_mask(source: Path, annotations: Path | None) -> Path | None:
    """The painted mask in a folder of the reference program, for when there are no annotations to say what moves."""
    if annotations is not None or not source.is_dir():
        return None
    return next((mask for mask in (source / "mask.png", source / "image_json" / "mask.png") if mask.is_file()), None)
