"""The photos of a folder, and the files that belong to each of them by their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..files.other_formats import RAW_SUFFIXES
from ..files.photo import SUFFIXES
from ..shared.errors import CinemaError
from . import batch_table, commands

_MASK_SUFFIXES = (*SUFFIXES, ".npy")
_DEPTH_SUFFIXES = (*SUFFIXES, ".npy", ".npz", ".pfm")
_SHOWN = 5  # files that are named in a message


@dataclass(frozen=True)
class Input:
    """A photo and its files.

    Attributes:
        source: The photo, or an input folder of the CVPR 2023 program.
        job: Name of its job folder, unique in the run on every system.
        annotations, mask, depth: Files beside the photo; None where there is none.
    """

    source: Path
    job: str
    annotations: Path | None = None
    mask: Path | None = None
    depth: Path | None = None

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def files(self) -> list[Path]:
        """The files beside the photo that are used."""
        mask = None if self.annotations else self.mask  # as in a single build
        return [file for file in (self.annotations, mask, self.depth) if file]

    def find_mask(self, annotations: Path | None) -> Path | None:
        """The mask, which counts where there are no annotations."""
        return commands.find_mask(self.source, annotations) or (None if annotations else self.mask)


def list_inputs(folder: Path, out: Path) -> tuple[list[Input], list[str]]:
    """The photos of a folder, sorted by name: pictures, camera raw files, and folders that hold an image.png or .jpg.

    Beside NAME.jpg, NAME.json holds its annotations, NAME_mask.png or NAME_json/mask.png a mask, NAME_depth.png its
    depth. Hidden files are passed over.

    Args:
        folder: The folder.
        out: Folder of the jobs, which may lie in it.

    Returns:
        The photos; and names of other files, the first few of them.

    Raises:
        CinemaError: There is no folder, or it holds no photo.
    """
    if not folder.is_dir():
        raise CinemaError(f"There is no folder {folder}", "Give a folder of photos")
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    files = {entry.name: entry for entry in entries if entry.is_file()}
    photos = [file for file in files.values() if file.suffix.lower() in (*SUFFIXES, *RAW_SUFFIXES)]
    stems = {photo.stem for photo in photos}
    photos = [photo for photo in photos if not _is_companion(photo, stems)]
    folders = [entry for entry in entries if _is_input_folder(entry) and entry.resolve() != out.resolve()]
    found = _with_jobs([*photos, *folders], folder, files)
    if not found:
        raise CinemaError(f"{folder} holds no photos", f"Give a folder of {', '.join(SUFFIXES)} files")
    used = {path.name for given in found for path in (given.source, given.annotations, given.mask, given.depth) if path}
    others = [name for name in files if name not in used | set(batch_table.NAMES)]
    return found, [*others[:_SHOWN], *([f"{len(others) - _SHOWN} more"] if len(others) > _SHOWN else [])]


def _is_companion(file: Path, stems: set[str]) -> bool:
    """Whether a picture is the mask or depth of another photo by its name."""
    owners = [file.stem.removesuffix(end) for end in ("_mask", "_depth") if file.stem.endswith(end)]
    return any(owner in stems for owner in owners) or (file.stem == "mask" and "image" in stems)


def _is_input_folder(entry: Path) -> bool:
    return entry.is_dir() and any((entry / f"image{suffix}").is_file() for suffix in SUFFIXES)


def _with_jobs(sources: list[Path], folder: Path, files: dict[str, Path]) -> list[Input]:
    """Give every photo a job folder: its name, with its ending where two share the name."""
    plain = [source.name if source.is_dir() else source.stem for source in sources]
    shared = [name.casefold() for name in plain]
    taken = {name.casefold() for name in batch_table.NAMES}
    found = []
    for source, name in zip(sources, plain):
        if (shared.count(name.casefold()) > 1 or name.casefold() in taken) and source.suffix:
            name = f"{source.stem}_{source.suffix[1:]}"
        job, number = name, 2
        while job.casefold() in taken:  # some systems take a.jpg and A.jpg for one name
            job, number = f"{name}_{number}", number + 1
        taken.add(job.casefold())
        found.append(Input(source, job) if source.is_dir() else _with_files(source, job, folder, files))
    return found


def _with_files(photo: Path, job: str, folder: Path, files: dict[str, Path]) -> Input:
    def beside(end: str, suffixes: tuple[str, ...]) -> Path | None:
        return next((files[name] for suffix in suffixes if (name := photo.stem + end + suffix) in files), None)

    of_labelme = folder / f"{photo.stem}_json" / "mask.png"
    mask = beside("_mask", _MASK_SUFFIXES) or (of_labelme if of_labelme.is_file() else None)
    if photo.stem == "image":
        mask = mask or files.get("mask.png")
    return Input(photo, job, beside("", (".json",)), mask, beside("_depth", _DEPTH_SUFFIXES))
