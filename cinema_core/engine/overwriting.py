"""Checks before the work that no output is written over an input, and that it can be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..pipeline.request import Request
from ..shared import job_files, transaction
from ..shared.atomic_write import check_target, is_same
from ..shared.errors import CinemaError

_ELSEWHERE = "Choose another file for the output"


def check_file(file: Path, inputs: Mapping[str, Path | None]) -> None:
    """Refuse a file as output that is an input, belongs to a finished build, or cannot be written.

    Args:
        file: The file.
        inputs: The command's inputs by their names in a sentence: "the photo". None where there is none.

    Raises:
        CinemaError: The file is refused.
    """
    check_target(file, inputs)
    name = transaction.file_of_job(file)
    if name is not None:
        raise CinemaError(f"{file} is a finished build's {name}, and would be overwritten", _ELSEWHERE)


def inputs_of(request: Request) -> dict[str, Path | None]:
    """The files that a request reads, by their names in a sentence."""
    options = request.options
    models = {"the depth model": options.depth_model, "the inpainting model": options.inpaint_model}
    return {
        "the photo": request.photo,
        "the annotations": request.annotations,
        "the depth map": request.depth,
        "the mask": request.region,
        "the motion field": request.flow,
        **{name: Path(model) if model else None for name, model in models.items()},
    }


def check_job(request: Request) -> None:
    """Refuse inputs in the job folder that the build would replace; each build would read those of the last one.

    The job's own photo may be built again, as Blender does, unless it would be scaled down.

    Raises:
        CinemaError: An input would be replaced.
    """
    for name, file in inputs_of(request).items():
        if file is not None and name != "the photo" and transaction.file_of_job(file, request.out):
            text = f"{file} is {name}, and the build into {request.out} would replace it"
            raise CinemaError(text, "Copy that file to another folder first, or choose another folder for the output")
    if not is_same(request.photo, request.out / job_files.PHOTO):
        return
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(request.photo) as picture:
            shrinks = max(picture.size) > request.options.max_side
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):  # its reader names the error
        return
    if shrinks:
        text = f"{request.photo} is the photo, and would be replaced by one of {request.options.max_side} px"
        raise CinemaError(text, "Give the photo that it was made from, or choose another folder for the output")
