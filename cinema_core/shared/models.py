"""Depth models that are offered for download, their folder, and the licence that a model card states.

Only models whose weights are under Apache-2.0 or MIT are offered. Depth Anything V2 Base and Large, and Depth Anything
3 Large and Giant, are not: their weights are under CC-BY-NC-4.0. Sizes and digests are those of the files at the named
revisions; where no public source states a digest, it is the one that the hub's server states with the download.
Standard library only: Blender's process imports this module.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

NOT_STATED = "not stated; look at where the model comes from"
FOLDER_VARIABLE = "CINEMAGRAPH_MODELS"  # names the folder of downloaded models
_CARD_CHARACTERS = 20_000  # read at most; the licence stands in the card's first lines
_APPLICATION = "cinemagraph-3d"


@dataclass(frozen=True)
class ModelFile:
    """A file of a model.

    Attributes:
        path: Its path in the model's repository.
        size: Bytes; about where `sha256` is "".
        sha256: Its digest; "" where only the server states it.
    """

    path: str
    size: int
    sha256: str = ""

    @property
    def name(self) -> str:
        """Its name on this computer; ONNX files name the file of their weights, so that it stays."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class OfferedModel:
    """A model that is offered for download.

    Attributes:
        label: Its name for people.
        licence: The licence of its weights.
        merit: What it is good at, and its price: a sentence without a full stop.
        repository: Owner and name on the hub, of the ONNX files.
        revision: Commit of the repository, or a branch.
        files: Its files; the first is the model, others belong beside it.
    """

    label: str
    licence: str
    merit: str
    repository: str
    revision: str
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def summary(self) -> str:
        """Label, size and licence."""
        return f"{self.label}, {self.size / 1e6:.0f} MB, {self.licence}"


# Name for options -> model. Licences by the authors' model cards: microsoft/MoGe (MIT, its DINOv2 encoder Apache-2.0),
# depth-anything/Depth-Anything-V2-Small, depth-anything/DA3-SMALL and DA3-BASE (Apache-2.0). The ONNX files of MoGe-2
# are the authors' own (docs/onnx.md of microsoft/MoGe), the others those of the hub's ONNX community.
OFFERED = {
    "moge-2-small": OfferedModel(
        "MoGe-2 Small", "MIT",
        "Finds distances, the sky and the focal length; a good choice for most photos",
        "Ruicheng/moge-2-vits-normal-onnx", "e50ffda41565591092adea54c6ac83d6212e1e23",
        (ModelFile("model.onnx", 140852051, "24eacb5dc7a2c54c7bc98f7de085ffbed79ad006ea5b664c2c2cdc02ff3a52f0"),),
    ),
    "moge-2-base": OfferedModel(
        "MoGe-2 Base", "MIT",
        "As MoGe-2 Small with finer detail; three times the size, and slower",
        "Ruicheng/moge-2-vitb-normal-onnx", "2d247a122ada42ce700fe59273cd62e076da1f32",
        (ModelFile("model.onnx", 419411850, "bbf14e07a30f11e69d36ab861590123f5598ababcbc8946a063eb4a966f35a21"),),
    ),
    "depth-anything-3-small": OfferedModel(
        "Depth Anything 3 Small", "Apache-2.0",
        "Finds distances and the focal length; quick, but it does not mark the sky",
        "onnx-community/depth-anything-v3-small", "0b6a7f3bf5595f9950b91389e0da3a0de130324c",
        (
            ModelFile("onnx/model.onnx", 640691, "396008798244a074297fd88e450433b1357fc687f534939375c804ded86e7b2a"),
            ModelFile(
                "onnx/model.onnx_data", 104702464, "802bb24741e67f5bb2b369fc64d40afe11439cc895d676d658d65cfb75c9860f"
            ),
        ),
    ),
    "depth-anything-3-base": OfferedModel(
        "Depth Anything 3 Base", "Apache-2.0",
        "As Depth Anything 3 Small with finer detail; four times the size, and slower",
        "onnx-community/depth-anything-v3-base", "main",
        (ModelFile("onnx/model.onnx", 1_000_000), ModelFile("onnx/model.onnx_data", 412_000_000)),
    ),
    "depth-anything-v2-small": OfferedModel(
        "Depth Anything V2 Small", "Apache-2.0",
        "Sharp outlines of thin things; the order of depths rather than distances, so that the far end is a guess",
        "onnx-community/depth-anything-v2-small", "4472b7362082ad9968fee890ca0f1e5aca36b93d",
        (ModelFile("onnx/model.onnx", 99060839, "afb6a5c28f3b6bf1618c6e43f02073ef9dfdc70e937502d51603e57b0a1df10c"),),
    ),
}  # fmt: skip
DEFAULT_MODEL = "moge-2-small"


def models_folder(default: Path | None = None) -> Path:
    """The folder of downloaded models: that of the variable, else the default, else one in the user's cache.

    It need not exist.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    if default is not None:
        return default
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / _APPLICATION / "models"


def downloaded_model(name: str, folder: Path | None = None) -> Path | None:
    """The file of an offered model, if all its files are on this computer. Files have their names once they are whole.

    Args:
        name: A key of `OFFERED`.
        folder: The folder of downloaded models; None for `models_folder`.
    """
    place = (folder or models_folder()) / name
    files = OFFERED[name].files
    return place / files[0].name if all((place / file.name).is_file() for file in files) else None


def read_licence(folder: Path) -> str:
    """The licence in the model card of a folder: `license:` in the YAML header of README.md.

    Args:
        folder: The model's folder.

    Returns:
        The licence's identifier; `license_name` where `license` is "other"; NOT_STATED without a card or an entry.
    """
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:_CARD_CHARACTERS]
    except OSError:
        return NOT_STATED
    header = re.match(r"\s*---\s*\n(.*?)\n---", text, re.DOTALL)
    if header is None:
        return NOT_STATED
    entries = re.findall(r"^(license|license_name):[ \t]*[\"']?([^\s\"'#]+)", header.group(1), re.MULTILINE)
    stated: dict[str, str] = dict(entries)
    licence = stated.get("license", "")
    if licence == "other":
        return stated.get("license_name", licence)
    return licence or NOT_STATED
