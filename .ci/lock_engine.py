"""Writes engine/lock/*.json, the wheels that the engine runs with on each platform, Python and device: `make lock`.

uv resolves the dependencies of pyproject.toml, one platform and Python at a time. A lock then holds all wheels that are
reached from them by the wheels' own METADATA, but for those that pyproject.toml leaves out with a reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import release_tables
from licences import licence_of
from packaging.requirements import Requirement
from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename
from wheels import LOCKS, Facts, engine_lock, fetch, project, read_facts, write_lock

PYTHONS = ("3.11", "3.13")  # of Blender 4.3 to 5.0, and of 5.1 and newer
MACOS = (14, 0)  # the oldest that torch 2.13 runs on
# glibc 2.28 is the oldest that Blender itself runs on.
_LINUX = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
_LINUX += [f"manylinux{year}_x86_64" for year in (2014, 2010, 1)]


@dataclass(frozen=True)
class Platform:
    """A platform that the engine has wheels for.

    Attributes:
        triple: Its name for uv.
        tags: Its names in the wheels' names, the best first.
        markers: Values of the markers in METADATA.
    """

    triple: str
    tags: list[str]
    markers: dict[str, str]


PLATFORMS = {
    "windows-x64": Platform(
        "x86_64-pc-windows-msvc",
        ["win_amd64"],
        {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
    ),
    "macos-arm64": Platform(
        "aarch64-apple-darwin",
        list(mac_platforms(MACOS, "arm64")),
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    ),
    "linux-x64": Platform(
        "x86_64-manylinux_2_28",
        _LINUX,
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    ),
}


@dataclass
class Found:
    """A wheel on its way into a lock.

    Attributes:
        wheel: Its `engine_lock.Wheel`.
        facts: Facts of its contents.
        extras: Extras of it that other wheels ask for.
        requires: Requirements that apply, without markers.
    """

    wheel: Any
    facts: Facts
    extras: set[str] = field(default_factory=set)
    requires: list[Requirement] = field(default_factory=list)


def main() -> None:
    """Write all locks anew."""
    for old in LOCKS.glob("*.json"):
        old.unlink()
    for platform in PLATFORMS:
        for python in PYTHONS:
            resolved = resolve(platform, python)
            devices = ("cpu", "cuda") if platform == "linux-x64" else ("cpu",)
            for device in devices:
                make_lock(platform, python, device, resolved)
    release_tables.main()


def resolve(platform: str, python: str) -> dict[str, list[dict[str, Any]]]:
    """Let uv choose the versions: package -> its wheels there, each with url, size and hashes."""
    with tempfile.TemporaryDirectory() as folder:
        requirements, out = Path(folder, "requirements.in"), Path(folder, "pylock.toml")
        requirements.write_text("\n".join(project()["project"]["dependencies"]), encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", str(requirements), "--quiet", "--no-config"]
        command += ["--only-binary", ":all:", "--python-version", python, "--format", "pylock.toml", "-o", str(out)]
        command += ["--python-platform", PLATFORMS[platform].triple]
        oldest = {"MACOSX_DEPLOYMENT_TARGET": ".".join(map(str, MACOS))}
        if subprocess.run(command, env=os.environ | oldest, check=False).returncode:
            sys.exit(f"uv found no packages for {platform} and Python {python}.")
        packages = tomllib.loads(out.read_text(encoding="utf-8"))["packages"]
    return {canonicalize_name(package["name"]): package["wheels"] for package in packages}


def make_lock(platform: str, python: str, device: str, resolved: dict[str, list[dict[str, Any]]]) -> None:
    """Write one lock: walk from the engine's own dependencies along the requirements of the wheels."""
    found: dict[str, Found] = {}
    waiting = [Requirement(line) for line in project()["project"]["dependencies"]]
    waiting = [requirement for requirement in waiting if applies(requirement, platform, python, set())]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found[name] = find(name, platform, python, device, resolved)
        elif requirement.extras <= found[name].extras:
            continue
        found[name].extras |= requirement.extras
        found[name].requires = needs(name, found[name], platform, python)
        left_out = project()["tool"]["cinemagraph"]["left-out"].get(name, {})
        waiting += [need for need in found[name].requires if canonicalize_name(need.name) not in left_out]
    abi = f"cp{python.replace('.', '')}"
    lock = engine_lock.Lock(platform, abi, device, tuple(item.wheel for item in found.values()))
    file = write_lock(lock, {name: details(item, platform) for name, item in found.items()})
    print(f"{file.name}: {len(found)} wheels, {lock.size / 1e6:.0f} MB, unpacked {lock.unpacked / 1e6:.0f} MB")


def find(name: str, platform: str, python: str, device: str, resolved: dict[str, list[dict[str, Any]]]) -> Found:
    """Choose a package's wheel as pip would, and read its facts."""
    if name == "torch" and (platform, device) == ("linux-x64", "cpu"):
        return find_cpu_torch(python)
    ranks = rank_tags(platform, python)

    def rank(wheel: dict[str, Any]) -> int:
        return min(ranks.get(tag, len(ranks)) for tag in parse_wheel_filename(file_name(wheel))[3])

    best = min(resolved[name], key=rank)
    if rank(best) == len(ranks):
        sys.exit(f"{name} has no wheel for {platform} and Python {python}.")
    facts = read_facts(best["url"], best["size"])
    file, version = file_name(best), str(parse_wheel_filename(file_name(best))[1])
    return Found(engine_lock.Wheel(name, version, file, best["hashes"]["sha256"], best["size"], facts.unpacked), facts)


def find_cpu_torch(python: str) -> Found:
    """torch for Linux without CUDA, by the digests in pyproject.toml.

    The facts of all its wheels are those of the first Python's: they differ by some kilobytes, and only that one is
    downloaded here, so that a lock does not depend on the index being in reach.
    """
    pinned = project()["tool"]["cinemagraph"]["torch"]

    def wheel(python: str, unpacked: int = 0) -> Any:
        there = pinned[f"cp{python.replace('.', '')}"]
        return engine_lock.Wheel(
            "torch", pinned["version"], there["file"], there["sha256"], there["size"], unpacked, pinned["index"]
        )

    facts = read_facts(fetch([wheel(PYTHONS[0])], PYTHONS[0])[0])
    return Found(wheel(python, facts.unpacked), facts)


def file_name(wheel: dict[str, Any]) -> str:
    """File name of a wheel of uv's."""
    return wheel["url"].rsplit("/", 1)[-1].replace("%2B", "+")


def rank_tags(platform: str, python: str) -> dict[Any, int]:
    """Tags that fit a platform and Python -> their rank, the best first."""
    version, tags = tuple(map(int, python.split("."))), PLATFORMS[platform].tags
    fitting = [*cpython_tags(version, platforms=tags), *compatible_tags(version, f"cp{version[0]}{version[1]}", tags)]
    return dict(zip(reversed(fitting), count(len(fitting) - 1, -1)))


def needs(name: str, item: Found, platform: str, python: str) -> list[Requirement]:
    """Requirements of a wheel that apply, without their markers."""
    declared = [Requirement(line) for line in item.facts.metadata.get_all("Requires-Dist", [])]
    applying = [requirement for requirement in declared if applies(requirement, platform, python, item.extras)]
    for requirement in applying:
        requirement.marker = None
    return applying


def applies(requirement: Requirement, platform: str, python: str, extras: set[str]) -> bool:
    """Tell whether a requirement's marker holds."""
    if requirement.marker is None:
        return True
    markers = PLATFORMS[platform].markers | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return any(requirement.marker.evaluate(markers | {"extra": extra}) for extra in {"", *extras})


def details(item: Found, platform: str) -> dict[str, Any]:
    """Fields of a lock that only the tests and the documentation read."""
    return {
        "licence": licence_of(item.wheel.package, platform, item.facts.metadata),
        "requires": sorted({str(requirement) for requirement in item.requires}),
        "longest": item.facts.longest,
        "longest_loaded": item.facts.longest_loaded,
        **({"moved": item.facts.moved} if item.facts.moved else {}),
    }


if __name__ == "__main__":
    main()
