"""Who may import whom, what loads in Blender's process, and that the versions agree. Reads sources, needs no bpy."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("cinema_core", "blender_addon", "operators", "panels")

# Rooms of cinema_core, in the order of the data flow: each imports only from itself and from those before it.
CORE_ROOMS = (
    "shared", "image", "files", "regions", "depth", "depth_strokes", "layers", "motion", "points", "view", "pipeline",
    "engine",
)  # fmt: skip
# Modules beside the rooms that every room may import; they import `shared` alone. `__main__` imports any room.
CORE_MODULES = ("", "device", "threads")

# Package -> packages that it may import. "" is the extension's root; of cinema_core only `shared` is meant.
MAY_IMPORT = {
    "": {"blender_addon", "operators", "panels"},
    "panels": {"blender_addon", "cinema_core"},
    "operators": {"blender_addon", "cinema_core"},
    "blender_addon": {"cinema_core"},
    "cinema_core": set(),
}

# Modules that import packages of an optional group, and only when they are used -> the group.
OPTIONAL = {
    "model": "models", "model_location": "models", "model_download": "models", "user_models": "models",
    "frame_writer": "video",
}  # fmt: skip

# Import name -> name of the distribution, where they differ.
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "OpenEXR": "openexr",
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "huggingface_hub": "transformers",
    "certifi": "transformers",
}  # which brings both
BLENDERS_OWN = {
    "bpy",
    "mathutils",
    "bl_ui",
    "bl_operators",
    "bpy_extras",
    "addon_utils",
    "gpu",
    "gpu_extras",
    "blf",
    "numpy",
}


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


def relative(path: Path) -> set[tuple[str, ...]]:
    """Parts of every relative import's module: ("cinema_core", "layers", "split")."""
    return {tuple(name.strip("/").split("/")) for name in imports(path) if name.startswith("/")}


def core_room(parts: tuple[str, ...]) -> str:
    """Room of a module of cinema_core; "" for those beside the rooms."""
    return parts[1] if len(parts) > 1 and parts[1] in CORE_ROOMS else ""


def module_parts(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_is_something_to_walk():
    assert {room for room in ROOMS if sources(room)} == set(ROOMS)
    assert {path.parent.name for path in sources("cinema_core")} == {"cinema_core", *CORE_ROOMS}
    split = ROOT / "cinema_core" / "layers" / "split.py"
    assert ("cinema_core", "shared", "camera") in relative(split)
    assert ("cinema_core", "layers", "bands") in relative(split)
    assert "numpy" in absolute(split)


@pytest.mark.parametrize("path", ALL, ids=label)
def test_packages_import_only_those_below_them(path):
    own = "" if path.parent == ROOT else path.relative_to(ROOT).parts[0]
    found = {parts[0] for parts in relative(path)} - {own, ""}
    assert found <= MAY_IMPORT[own]


@pytest.mark.parametrize("path", [path for path in ALL if "cinema_core" not in path.parts], ids=label)
def test_blenders_process_imports_shared_alone(path):
    assert {core_room(parts) for parts in relative(path) if parts[0] == "cinema_core"} <= {"shared"}


@pytest.mark.parametrize("path", ALL, ids=label)
def test_own_modules_are_imported_relatively(path):
    # Inside Blender the package is called bl_ext.<repository>.cinemagraph_3d.
    assert not absolute(path) & {*ROOMS, "bl_ext"}


@pytest.mark.parametrize("path", sources("cinema_core"), ids=label)
def test_rooms_import_only_rooms_before_them(path):
    if path.stem == "__main__":
        return
    own = core_room(module_parts(path))
    before = CORE_ROOMS[: CORE_ROOMS.index(own) + 1] if own else ("shared",)
    for parts in relative(path):
        room = core_room(parts)
        assert room in before if room else parts[1:2] in ((), *((name,) for name in CORE_MODULES))


def test_no_module_imports_itself_by_way_of_others():
    arrows = {
        module_parts(path): {parts for parts in relative(path) if parts[0] == "cinema_core"}
        for path in sources("cinema_core")
    }
    while leaves := [module for module, found in arrows.items() if not found & arrows.keys()]:
        for module in leaves:
            del arrows[module]
    assert not arrows


@pytest.mark.parametrize("room", CORE_ROOMS[1:])
def test_a_room_names_all_that_others_import_of_it(room):
    """`shared` is there to be imported; every other room says in its docstring which names are."""
    described = ast.get_docstring(ast.parse((ROOT / "cinema_core" / room / "__init__.py").read_text(encoding="utf-8")))
    used = set()
    for path in sources("cinema_core"):
        if core_room(module_parts(path)) != room:
            used |= set(imported_names(path, ("cinema_core", room)))
    assert used == set(re.findall(r"`(\w+)`", described))


def imported_names(path: Path, package: tuple[str, ...]) -> Iterator[str]:
    """Names that a file imports from the modules of a package, and modules of it that it imports whole."""
    own = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*own[: len(own) - node.level + 1], *(node.module or "").split("."))
            if base[: len(package)] == package:
                yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sources("cinema_core"), ids=label)
def test_the_core_imports_what_it_declares_and_never_bpy(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"][OPTIONAL[path.stem]] if path.stem in OPTIONAL else []
    assert distributions(path) <= {pin.split("==")[0] for pin in (*project["dependencies"], *optional)}


def test_every_dependency_is_imported():
    """The dependencies are the content of the extension's zip, which holds nothing that the engine does not need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    imported = set().union(*map(distributions, sources("cinema_core")))
    assert {pin.split("==")[0] for pin in project["dependencies"]} <= imported


def distributions(path: Path) -> set[str]:
    """Names of the distributions that a file imports."""
    return {DISTRIBUTIONS.get(name, name) for name in absolute(path) - set(sys.stdlib_module_names)}


@pytest.mark.parametrize("path", [path for path in ALL if "cinema_core" not in path.parts], ids=label)
def test_blenders_process_imports_nothing_heavy(path):
    assert absolute(path) - set(sys.stdlib_module_names) <= BLENDERS_OWN


def test_one_module_knows_the_differences_of_blenders_versions():
    asking = [label(path) for room in ROOMS[1:] for path in sources(room) if asks_for_a_feature(path)]
    assert asking == ["blender_addon/versions.py"]


def asks_for_a_feature(path: Path) -> bool:
    return re.search(r"\bhasattr\(|\bapp\.version\b", path.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("module", sorted(path.stem for path in sources("cinema_core/shared")))
def test_shared_modules_load_with_numpy_alone(module):
    name = f"cinema_core.shared.{module}".removesuffix(".__init__")
    probe = f"import sys, {name}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True)
    numpy_alone = "import sys, numpy; print(*{name.split('.')[0] for name in sys.modules})"
    without = subprocess.run([sys.executable, "-c", numpy_alone], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split()) - set(without.stdout.split()) - set(sys.stdlib_module_names)
    assert loaded <= {"cinema_core"}


@pytest.mark.parametrize("path", ALL, ids=label)
def test_no_module_shadows_the_standard_library(path):
    assert path.parent.parent != ROOT or path.stem not in set(sys.stdlib_module_names) - {"__init__", "__main__"}


def test_versions_agree():
    import cinema_core

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == manifest["version"] == cinema_core.__version__


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    lists = [project["project"]["dependencies"], *extras.values(), *groups.values()]
    pins = [pin for pins in lists for pin in pins if isinstance(pin, str)]  # the others are names of groups
    assert len(pins) > 20 and all(re.match(r"[\w-]+==[\w.]+(; |$)", pin) for pin in pins)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_a_package_has_one_pin_for_each_python(python):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [Requirement(pin) for pin in project["dependencies"]]
    names = [pin.name for pin in pins if pin.marker is None or pin.marker.evaluate({"python_version": python})]
    assert sorted(names) == sorted({pin.name for pin in pins})
