"""The commands of the program, for the command line and ``serve`` alike. Each imports heavy modules when it runs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..pipeline.request import Request
from ..shared.atomic_write import writing
from ..shared.errors import CinemaError
from ..shared.options import BuildOptions
from .messages import Messages
from .outcome import Result
from .overwriting import check_file, check_job, inputs_of

if TYPE_CHECKING:
    from ..pipeline.build import Builder
    from ..pipeline.publish import Ready
    from ..shared.data import Depth


def open_photo(source: Path, out: Path, max_side: int, focal: float | None, messages: Messages) -> Result:
    """Write the working photo, JOB/photo.png."""
    import numpy as np

    from ..files import photo
    from ..shared import job_files, transaction

    messages.progress("photo", 0.0)
    check_job(Request(source, out, BuildOptions(max_side=max_side)))
    picture = photo.read_photo(source, max_side, focal)
    for text in picture.warnings:
        messages.warning(text)
    with transaction.stage(out, keep=True) as staging:
        photo.write_png(staging.path / job_files.PHOTO, picture.color)
    path = (out / job_files.PHOTO).absolute()
    single = np.float32(picture.focal)  # Blender keeps single precision, and gives the value back unchanged
    fields = {
        "photo": str(path),
        "width": picture.width,
        "height": picture.height,
        "focal": float(single),
        "exif_focal": picture.exif_focal,
        "file_size": picture.file_size,
    }
    return Result(f"{path}: {picture.width} x {picture.height}, focal length {picture.focal:.0f} px", fields)


def fetch_model(options: BuildOptions, messages: Messages) -> None:
    """Download the depth model, if the options ask for it: before the build, whose keys depend on the model's files.

    Raises:
        CinemaError: It cannot be fetched.
    """
    if not (options.download and options.depth_model):
        return
    from ..depth.model_location import fetch_model as fetch

    fetch(options.depth_model, lambda fraction: messages.progress("download", fraction))


def build(builder: Builder, request: Request, messages: Messages, ready: Ready = lambda report: None) -> Result:
    """Build a job."""
    check_job(request)
    fetch_model(request.options, messages)
    report = builder.build(request, messages.progress, messages.warning, ready)
    return Result(_build_summary(request.out, report), build_fields(request.out, report))


def build_fields(out: Path, report: dict[str, Any]) -> dict[str, Any]:
    return {"job": str(out.absolute()), "report": report}


def flow(builder: Builder, request: Request, messages: Messages) -> Result:
    """Solve for the motion for display."""
    check_job(request)
    file = builder.flow(request, messages.progress, messages.warning).absolute()
    return Result(str(file), {"file": str(file)})


def depth(builder: Builder, request: Request, messages: Messages) -> Result:
    """Make the depth for display.

    JOB/depth_preview.npz holds disparity, (H, W) float16, 1 / scene units: 1 at the nearest content, 0 at infinity. The
    next build removes it.
    """
    import numpy as np

    from ..shared import job_files, transaction

    check_job(request)
    fetch_model(request.options, messages)
    found = builder.depth(request, messages.progress, messages.warning)
    with transaction.stage(request.out, keep=True) as staging:
        np.savez(staging.path / job_files.DEPTH_PREVIEW, disparity=(1 / found.values).astype(np.float16))
    file = str((request.out / job_files.DEPTH_PREVIEW).absolute())
    return Result(file, {"file": file} | _depth_fields(found))


def save_depth(builder: Builder, request: Request, file: Path, messages: Messages) -> Result:
    """Make the depth and write it for other programs; the file's suffix says how.

    A .png has 16 bit and is disparity, near is white. An .exr or .npy holds depth in scene units, the nearest at 1.

    Raises:
        CinemaError: The suffix is unknown, or the file cannot be written.
    """
    if file.suffix.lower() not in (".png", ".exr", ".npy"):
        raise CinemaError(f'Depth cannot be written as "{file.suffix}"', "Use .png, .exr or .npy")
    check_file(file, inputs_of(request))
    from ..files.depth_map import write_depth

    fetch_model(request.options, messages)
    found = builder.depth(request, messages.progress, messages.warning)
    with writing(file) as partial:
        write_depth(partial, found.values)
    text = ", ".join(part for part in (found.detail, found.licence and f"licence {found.licence}") if part)
    return Result(f"{file}: {text}", {"file": str(file.absolute())} | _depth_fields(found))


def _depth_fields(depth: Depth) -> dict[str, Any]:
    return {"detail": depth.detail, "licence": depth.licence, "depth_source": depth.source, "focal": depth.focal}


def suggest(builder: Builder, request: Request) -> Result:
    """Suggest strokes; the result's fields are the content of a stroke file."""
    from ..shared.stroke_files import write_strokes

    photo, strokes = builder.suggest(request)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "strokes.json"
        write_strokes(file, strokes, (photo.width, photo.height))
        content = json.loads(file.read_bytes())
    return Result(f"{len(strokes)} strokes", content)


def save_strokes(builder: Builder, request: Request, file: Path) -> Result:
    """Suggest strokes and write them as a stroke file, for the user to edit.

    Raises:
        CinemaError: The suffix is not .json, or the file cannot be written.
    """
    if file.suffix.lower() != ".json":
        raise CinemaError(f'Strokes cannot be written as "{file.suffix}"', "Use .json")
    check_file(file, inputs_of(request))
    content = suggest(builder, request).fields
    with writing(file) as partial:
        partial.write_text(json.dumps(content), encoding="utf-8")
    count = len(content["strokes"])
    found = "" if count else "; nothing seems to move; draw strokes yourself"
    return Result(f"{file}: {count} strokes{found}", content)


def coverage(job: Path, fields: dict[str, Any], masks: Path | None, messages: Messages) -> Result:
    """Measure holes and invented surfaces along a camera's path, and scale the path if the request has a limit.

    Args:
        job: A finished job.
        fields: The request, see `coverage_io.read_request`.
        masks: Folder for mask pictures, one a view; None writes none.
        messages: Receives the progress.

    Raises:
        CinemaError: There is no such job, the request is malformed, or no scale of the path keeps the limit.
    """
    from ..shared import job_folder

    job_folder.read_report(job)  # so that "Build it first" does not wait for the import of torch
    messages.progress("coverage", 0.0)
    from ..view import coverage_io

    if masks is not None and isinstance(poses := fields.get("poses"), list):
        coverage_io.check_masks(masks, len(poses))

    found = coverage_io.measure_coverage(
        job, coverage_io.read_request(fields), lambda part: messages.progress("coverage", part)
    )
    files = None if masks is None else coverage_io.write_masks(masks, found)
    worst = int(found.uncovered.argmax())
    text = (
        f"{found.uncovered[worst]:.3%} of the frame are holes at view {worst + 1}, the worst of {len(found.uncovered)}"
    )
    return Result(text, {
        "uncovered": found.uncovered.tolist(), "invented": found.invented.tolist(), "inspected": found.inspected,
        "factor": found.factor, "mask_files": files,
    })  # fmt: skip


def export(job: Path, file: Path) -> Result:
    """Write a job's motion, region or strokes for other programs; the file's suffix says which.

    Raises:
        CinemaError: There is no such job, the suffix is unknown, or the file cannot be written.
    """
    from .export import WRITERS

    suffix = file.suffix.lower()
    if suffix not in WRITERS:
        wanted = ".flo, .npy or .exr for the motion, .png for the mask of the region, .json for strokes of labelme"
        raise CinemaError(f'A job cannot be exported as "{file.suffix}"', f"Use {wanted}")
    check_file(file, {})
    with writing(file) as partial:
        WRITERS[suffix](job, partial)
    return Result(str(file), {"file": str(file.absolute())})


def _build_summary(out: Path, report: dict[str, Any]) -> str:
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
    """The photo and its annotations; an input folder of the CVPR 2023 program has image.png and image.json.

    Raises:
        CinemaError: There is no photo.
    """
    if not source.exists():
        raise CinemaError(f"{source} does not exist", "Check the name of the photo")  # before torch is imported
    if not source.is_dir():
        return source, annotations
    from ..files.photo import SUFFIXES

    photo = next((source / f"image{suffix}" for suffix in SUFFIXES if (source / f"image{suffix}").exists()), None)
    if photo is None:
        raise CinemaError(f"{source} holds no image.png or image.jpg", "Give a photo, or a folder that has one")
    beside = source / "image.json"
    return photo, annotations or (beside if beside.exists() else None)


def find_mask(source: Path, annotations: Path | None) -> Path | None:
    """The painted mask in an input folder of the CVPR 2023 program, which counts where there are no annotations."""
    if annotations is not None or not source.is_dir():
        return None
    return next((mask for mask in (source / "mask.png", source / "image_json" / "mask.png") if mask.is_file()), None)
