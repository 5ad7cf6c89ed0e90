"""Who may import whom, what loads in Blender's process, and that the versions agree. Reads sources, needs no bpy."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("cinema_core", "blender_addon", "operators", "panels")

# Modules of cinema_core that Blender's process imports: standard library and numpy only.
COLD = ("", "errors", "data", "camera", "interrupts", "srgb", "storage", "strokes")

# Room -> rooms it may import. "" is the extension's root, of cinema_core only the cold modules are meant.
MAY_IMPORT = {
    "": {"blender_addon", "operators", "panels"},
    "panels": {"blender_addon", "cinema_core"},
    "operators": {"blender_addon", "cinema_core"},
    "blender_addon": {"cinema_core"},
    "cinema_core": set(),
}

# Inside cinema_core: what every module may import, and the few that may import more. Only `pipeline` and `stages`, which
# know the order of the stages, and `commands` and `__main__`, which know what the program can do, are free.
SHARED = {"", "errors", "interrupts", "data", "request", "clock", "camera", "grid", "device", "parallel", "srgb"}
STAGE_MAY_IMPORT = {
    "depth": {"depth_files", "depth_kinds", "depth_network", "edges", "learned"},
    "edges": {"ramps"},
    "learned": {"model_files"},
    "depth_files": {"exr_files"},
    "depth_kinds": {"depth_files", "depth_network"},
    "depth_network": {"sky", "tensors"},
    "layers": {"behind", "borders", "cuts", "fringes", "hidden", "inpaint", "matting", "revealed", "tiers"},  # cuts and fills what they hide
    "hidden": {"behind", "cuts", "inpaint", "softening"},
    "matting": {"cuts"},  # along which pixels are mixed
    "tiers": {"behind", "cells", "cuts", "ways"},
    "cells": {"behind", "cuts"},
    "revealed": {"behind", "borders", "cuts"},
    "ways": {"behind", "borders", "cuts"},
    "behind": {"borders", "cuts"},
    "suggest": {"depth_network", "sky"},
    "growing": {"sky", "suggest"},
    "hints": {"growing", "strokes"},
    "depth_strokes": {"depth_areas", "depth_relations", "strokes"},  # what the user says about depth
    "depth_areas": {"hints"},
    "depth_relations": {"depth_demands", "depth_segments", "depth_spread"},
    "depth_demands": {"depth_segments", "hints"},
    "depth_spread": {"depth_segments"},
    "surface": {"cuts", "layers"},
    "motion": {"banks"},  # where it may not flow
    "still": {"bed", "layers", "lifting", "matting", "merging", "surface"},
    "merging": {"layers"},
    "bed": {"layers"},
    "moving": {"layers", "lifting", "surface", "trajectories"},
    "sway": {"layers", "surface", "lifting", "motion"},  # a field of amplitudes is solved for as one of velocities
    "preview": {"storage", "splatting"},
    "coverage": {"storage", "splatting"},
    "splatting": {"matting"},  # what a small point stands for
    "report": {"splatting"},  # measures what is seen
    "photo": {"exr_files"},
    # Around the stages: what is kept of them, what is written of them, and who asks for them.
    "cache": {"storage", "layers", "matting"},
    "product": {"cache", "storage", "layers", "merging", "photo"},
    "serve": {"commands", "messages", "pipeline"},
}
FREE = {"pipeline", "stages", "commands", "__main__"}

OPTIONAL = {"learned", "model_files"}  # modules that import what is not needed to build, where it is asked for

# Import name -> name of the distribution, where they differ.
DISTRIBUTIONS = {"cv2": "opencv-python", "PIL": "pillow", "sklearn": "scikit-learn", "imageio_ffmpeg": "imageio-ffmpeg",
                 "huggingface_hub": "transformers"}  # which brings it
BLENDERS_OWN = {"bpy", "mathutils", "bl_ui", "bpy_extras", "addon_utils", "gpu", "gpu_extras", "blf", "numpy"}


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py")) if room else [ROOT / "__init__.py"]


ALL = [path for room in ("", *ROOMS) for path in sources(room)]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports: "numpy.linalg" for absolute, "/room/module" for relative imports."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            base = "/" + "/".join(part for part in base if part)
            for alias in node.names:
                name = f"{base.rstrip('/')}/{alias.name}"
                yield name if is_module(name) else base


def is_module(name: str) -> bool:
    path = ROOT / name.lstrip("/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def absolute(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path) if not name.startswith("/")}


def relative(path: Path) -> set[tuple[str, str]]:
    """(room, module) of every relative import."""
    parts = [(name.strip("/").split("/") + ["", ""])[:2] for name in imports(path) if name.startswith("/")]
    return {(room, module) for room, module in parts}


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_walk():
    assert {room for room in ROOMS if sources(room)} == set(ROOMS)
    assert ("cinema_core", "errors") in relative(ROOT / "cinema_core" / "storage.py")
    assert "numpy" in absolute(ROOT / "cinema_core" / "storage.py")


@pytest.mark.parametrize("path", ALL, ids=label)
def test_rooms(path):
    own = "" if path.parent == ROOT else path.relative_to(ROOT).parts[0]
    rooms = {room for room, _ in relative(path)} - {own, ""}
    assert rooms <= MAY_IMPORT[own]
    if own != "cinema_core":
        assert {module for room, module in relative(path) if room == "cinema_core"} <= set(COLD)


@pytest.mark.parametrize("path", ALL, ids=label)
def test_own_modules_are_imported_relatively(path):
    # Inside Blender the package is called bl_ext.<repository>.cinemagraph_3d.
    assert not absolute(path) & {*ROOMS, "bl_ext"}


@pytest.mark.parametrize("path", sources("cinema_core"), ids=label)
def test_stages_do_not_import_each_other(path):
    if path.stem in FREE:
        return
    assert {module for _, module in relative(path)} <= SHARED | STAGE_MAY_IMPORT.get(path.stem, set())


@pytest.mark.parametrize("path", sources("cinema_core"), ids=label)
def test_the_core_imports_what_it_declares_and_never_bpy(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [*project["dependencies"], *(project["optional-dependencies"]["models"] if path.stem in OPTIONAL else ())]
    declared = {dependency.split("==")[0] for dependency in pins}
    foreign = absolute(path) - set(sys.stdlib_module_names)
    assert {DISTRIBUTIONS.get(name, name) for name in foreign} <= declared


@pytest.mark.parametrize("path", [path for path in ALL if "cinema_core" not in path.parts], ids=label)
def test_blenders_process_imports_nothing_heavy(path):
    assert absolute(path) - set(sys.stdlib_module_names) <= BLENDERS_OWN


@pytest.mark.parametrize("module", COLD)
def test_cold_modules_load_with_numpy_alone(module):
    name = f"cinema_core.{module}".rstrip(".")
    probe = f"import sys, {name}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True)
    without = subprocess.run([sys.executable, "-c", "import sys, numpy; print(*{name.split('.')[0] for name in sys.modules})"],
                             check=True, capture_output=True, text=True)  # fmt: skip
    loaded = set(done.stdout.split()) - set(without.stdout.split()) - set(sys.stdlib_module_names)
    assert loaded <= {"cinema_core"}


@pytest.mark.parametrize("path", ALL, ids=label)
def test_no_module_shadows_the_standard_library(path):
    assert path.stem not in set(sys.stdlib_module_names) - {"__init__", "__main__"}


def test_versions_agree():
    import cinema_core

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == manifest["version"] == cinema_core.__version__


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"].values()
    assert all("==" in pin for pins in (project["project"]["dependencies"], *groups) for pin in pins)
