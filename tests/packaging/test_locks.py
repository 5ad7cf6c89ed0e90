"""The committed locks: complete, those of pyproject.toml's pins, and short enough for Windows' paths."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
import release_tables
from licences import PIP, split_licences
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from wheels import LOCKS, engine_lock, lock_name, project

FILES = sorted(LOCKS.glob("*.json"))
MAX_PATH = 260  # characters of a path on Windows, with the zero at its end
USER = "u" * 20
EXTENSION = r"AppData\Roaming\Blender Foundation\Blender\5.3\extensions\.user\user_default\cinemagraph_3d\engine"


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def lock(request: pytest.FixtureRequest) -> Any:
    return engine_lock.read_lock(request.param)


def wheels_of(lock: Any) -> dict[str, dict[str, Any]]:
    """Package -> all that the lock's file says of its wheel."""
    file = LOCKS / lock_name(lock.platform, lock.abi, lock.device)
    return {wheel["package"]: wheel for wheel in json.loads(file.read_text(encoding="utf-8"))["wheels"]}


def python_of(lock: Any) -> str:
    return f"3.{lock.abi.removeprefix('cp3')}"


def own_requirements(python: str) -> Iterable[Requirement]:
    """The engine's own dependencies on a Python."""
    for line in project()["project"]["dependencies"]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            yield requirement


def test_there_is_a_lock_for_each_platform_and_python():
    cpu = [
        f"{platform}-{abi}" for platform in ("linux-x64", "macos-arm64", "windows-x64") for abi in ("cp311", "cp313")
    ]
    assert {file.stem for file in FILES} == {*cpu, "linux-x64-cp311-cuda", "linux-x64-cp313-cuda"}


def test_all_requirements_are_locked_or_left_out_with_a_reason(lock):
    """Catches a dependency that a new version of a package has and the lock forgets."""
    wheels, left_out = wheels_of(lock), project()["tool"]["cinemagraph"]["left-out"]
    for package, wheel in wheels.items():
        for line in wheel["requires"]:
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            if name not in left_out.get(package, {}):
                assert name in wheels, f"{package} needs {line}"
                assert requirement.specifier.contains(wheels[name]["version"], prereleases=True), f"{package}: {line}"


def test_nothing_else_is_locked(lock):
    wheels, left_out = wheels_of(lock), project()["tool"]["cinemagraph"]["left-out"]
    reached: set[str] = set()
    waiting = [canonicalize_name(requirement.name) for requirement in own_requirements(python_of(lock))]
    while waiting:
        package = waiting.pop()
        if package not in reached:
            reached.add(package)
            needed = {canonicalize_name(Requirement(line).name) for line in wheels[package]["requires"]}
            waiting += needed - left_out.get(package, {}).keys()
    assert reached == wheels.keys()


def test_what_is_left_out_is_required_by_some_wheel():
    """Left-out packages that nothing requires any longer must leave the list."""
    required = {}
    for file in FILES:
        for wheel in json.loads(file.read_text(encoding="utf-8"))["wheels"]:
            required.setdefault(wheel["package"], set()).update(
                canonicalize_name(Requirement(line).name) for line in wheel["requires"]
            )
    for package, names in project()["tool"]["cinemagraph"]["left-out"].items():
        assert names.keys() <= required[package]
        assert all(reason for reason in names.values())


def test_the_pins_are_locked(lock):
    """A pin that is changed without `make lock` fails here."""
    wheels, cpu_torch = wheels_of(lock), project()["tool"]["cinemagraph"]["torch"]
    for requirement in own_requirements(python_of(lock)):
        locked = wheels[canonicalize_name(requirement.name)]["version"]
        assert requirement.specifier.contains(locked), f"{requirement}, but {locked} is locked: make lock"
    if (lock.platform, lock.device) == ("linux-x64", "cpu"):
        pinned = cpu_torch[lock.abi] | {"version": cpu_torch["version"], "index": cpu_torch["index"]}
        assert {name: wheels["torch"][name] for name in pinned} == pinned
        assert "+cpu" in pinned["version"]
    else:
        assert "+" not in wheels["torch"]["version"]


def test_only_torch_for_linux_comes_from_another_index(lock):
    other = {wheel.package for wheel in lock.wheels if wheel.index}
    assert other == ({"torch"} if (lock.platform, lock.device) == ("linux-x64", "cpu") else set())


def test_wheels_fit_the_platform_and_python(lock):
    starts = {"linux-x64": ("manylinux",), "macos-arm64": ("macosx",), "windows-x64": ("win",)}[lock.platform]
    for wheel in lock.wheels:
        name, version, _, tags = parse_wheel_filename(wheel.file)
        assert (name, str(version)) == (wheel.package, wheel.version)
        assert re.fullmatch("[0-9a-f]{64}", wheel.sha256) and 0 < wheel.size and 0 < wheel.unpacked
        assert any(tag.platform == "any" or tag.platform.startswith(starts) for tag in tags), wheel.file
        assert any(tag.abi in (lock.abi, "abi3", "none") for tag in tags), wheel.file


def test_no_wheel_for_cuda_is_in_a_lock_that_is_bundled(lock):
    """NVIDIA's packages are proprietary: a user downloads them, no zip has them."""
    proprietary = {package for package, wheel in wheels_of(lock).items() if "NVIDIA" in wheel["licence"]}
    assert bool(proprietary) == (lock.device == "cuda")
    assert all(package.startswith(("nvidia-", "cuda-")) for package in proprietary)


def test_unpacked_packages_are_below_1000_mb(lock):
    if lock.device == "cpu":
        assert lock.unpacked / 2**20 <= 1000  # 69 of them for onnxruntime, which runs the depth models


@pytest.mark.parametrize("abi", ["cp311", "cp313"])
def test_windows_opens_all_that_the_engine_loads(abi):
    """Longer members are licence files: the unpacker writes them with the prefix for long paths."""
    lock = engine_lock.read_lock(LOCKS / lock_name("windows-x64", abi))
    folder = PureWindowsPath("C:\\Users", USER, EXTENSION, lock.key)
    for package, wheel in wheels_of(lock).items():
        assert len(str(folder)) + 1 + wheel["longest_loaded"] < MAX_PATH, package
        assert wheel["longest_loaded"] <= wheel["longest"]


@pytest.mark.parametrize("abi", ["cp311", "cp313"])
def test_wheels_whose_members_move_are_known(abi):
    """Two Windows wheels keep libraries in NAME.data/platlib, which belong beside the packages."""
    wheels = wheels_of(engine_lock.read_lock(LOCKS / lock_name("windows-x64", abi)))
    moved = {package: wheel["moved"] for package, wheel in wheels.items() if "moved" in wheel}
    assert moved.keys() <= {"openexr", "pillow-heif"}
    assert {folder.split("/")[1] for folders in moved.values() for folder in folders} <= {"platlib"}
    assert "pillow-heif" in moved


def test_requirements_are_those_of_the_installed_packages(lock):
    """The lock of this Python on Linux against METADATA as installed here: an independent reading."""
    if (lock.platform, lock.device, lock.abi) != ("linux-x64", "cpu", engine_lock.this_abi()):
        pytest.skip("not this machine's lock")
    compared = 0
    for wheel in wheels_of(lock).values():
        try:
            installed = importlib.metadata.distribution(wheel["package"])
        except importlib.metadata.PackageNotFoundError:
            continue
        if installed.version != wheel["version"]:
            continue
        lines = [Requirement(line) for line in installed.requires or []]
        applying = [line for line in lines if line.marker is None or line.marker.evaluate({"extra": ""})]
        assert {canonicalize_name(line.name) for line in applying} == {
            canonicalize_name(Requirement(line).name) for line in wheel["requires"]
        }
        compared += 1
    assert compared >= 5


def test_the_key_changes_with_the_wheels_and_not_with_their_order():
    lock = engine_lock.read_lock(LOCKS / lock_name("linux-x64", "cp311"))
    turned = engine_lock.Lock(lock.platform, lock.abi, lock.device, lock.wheels[::-1])
    fewer = engine_lock.Lock(lock.platform, lock.abi, lock.device, lock.wheels[1:])
    assert lock.key == turned.key != fewer.key
    assert re.fullmatch("linux-x64-cp311-cpu-[0-9a-f]{12}", lock.key)


def test_the_tables_of_the_release_page_are_those_of_the_locks():
    text = release_tables.PAGE.read_text(encoding="utf-8")
    assert release_tables.with_tables(text) == text, "run: python .ci/release_tables.py"


def test_the_release_page_names_every_licence():
    text = release_tables.PAGE.read_text(encoding="utf-8")
    expressions = [wheel["licence"] for lock in release_tables.read_locks() for wheel in lock["wheels"]]
    missing = [licence for licence in split_licences([*expressions, PIP]) if licence not in text]
    assert not missing


def test_wheels_are_described_without_a_path_of_the_machine():
    for file in FILES:
        addresses = set(re.findall(r"\w+://[^\s\"]+", file.read_text(encoding="utf-8")))
        assert addresses <= {project()["tool"]["cinemagraph"]["torch"]["index"]}
        assert str(Path.home()) not in file.read_text(encoding="utf-8")
