"""The extension's zips, with small wheels in place of the engine's packages."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import tomllib
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import package
import pytest
import wheels
from package import BLENDERS, Target, adapt, build, place_wheels, stage
from repository import make_repository
from wheels import ROOT, engine_lock, project, read_facts, write_lock

needs_blender = pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="builds with Blender's own tool")
LINUX_311 = Target("linux-x64", "3.11")
WEIGHTS = "cinema_core/depth/network.safetensors"  # 6 MB that these tests need not compress


def make_wheel(folder: Path, package: str, requires: str = "") -> Path:
    """A wheel of a kilobyte."""
    file = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{package}/__init__.py", "answer = 42\n")
        archive.writestr(f"{package}/tests/test_it.py", "")
        archive.writestr(f"{package}-1.0.data/platlib/{package}_native.dll", "x" * 10)
        metadata = f"Metadata-Version: 2.4\nName: {package}\nVersion: 1.0\n{requires}\nText\n"
        archive.writestr(f"{package}-1.0.dist-info/METADATA", metadata)
    return file


@pytest.fixture
def small(tmp_path) -> tuple[Path, list[Path]]:
    """A folder of locks like the committed ones, for two small wheels, and the wheels."""
    folder, locks = tmp_path / "wheels", tmp_path / "lock"
    folder.mkdir()
    files = [make_wheel(folder, "alpha"), make_wheel(folder, "beta", "Requires-Dist: alpha\n")]
    locked = tuple(
        engine_lock.Wheel(file.name.split("-")[0], "1.0", file.name, wheels.digest(file), file.stat().st_size, 12)
        for file in files
    )
    details = {"alpha": {"licence": "MIT AND Zlib"}, "beta": {"licence": "GPL-3.0-or-later AND MIT"}}
    for platform, abi, device in (("linux-x64", "cp311", "cpu"), ("linux-x64", "cp311", "cuda"),
                                  ("linux-x64", "cp313", "cpu"), ("macos-arm64", "cp311", "cpu")):  # fmt: skip
        write_lock(engine_lock.Lock(platform, abi, device, locked), details, locks)
    return locks, files


def make_zip(small: tuple[Path, list[Path]], folder: Path, target: Target, version: str = "") -> Path:
    """Build a zip as `make package` does, without the network's weights, of this version or another."""
    locks, files = small
    source = folder / "source" / target.zip_name(version or "now")
    lock = stage(source, target, locks)
    (source / WEIGHTS).unlink()
    if version:
        manifest = source / "blender_manifest.toml"
        current = project()["project"]["version"]
        manifest.write_text(manifest.read_text().replace(f'version = "{current}"', f'version = "{version}"', 1))
    place_wheels(files if lock else [], source)
    return build(source, folder / target.zip_name(version or "now"))


def test_facts_of_a_wheel_leave_out_its_tests(tmp_path):
    facts = read_facts(make_wheel(tmp_path, "alpha", "Requires-Dist: beta>=2\n"))
    assert facts.metadata.get_all("Requires-Dist") == ["beta>=2"]
    assert facts.longest_loaded == facts.longest == len("alpha-1.0.data/platlib/alpha_native.dll")
    assert facts.moved == ("alpha-1.0.data/platlib",)
    assert facts.unpacked == len("answer = 42\n") + 10 + len(str(facts.metadata))


def test_facts_of_a_wheel_on_a_server_are_those_of_the_file(tmp_path, monkeypatch):
    file = make_wheel(tmp_path, "alpha")
    content, asked = file.read_bytes(), []

    class Answer:
        status = 206

        def __init__(self, request: Any, timeout: float) -> None:
            first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
            asked.append((first, last))
            self.read = lambda: content[first : last + 1]

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(wheels, "_BLOCK", 128)
    monkeypatch.setattr(wheels.urllib.request, "urlopen", Answer)
    here, there = read_facts(file), read_facts("https://example.org/alpha.whl", len(content))
    assert (there.unpacked, there.longest, there.moved) == (here.unpacked, here.longest, here.moved)
    assert str(there.metadata) == str(here.metadata)
    assert len(asked) == len(set(asked)) > 2 and max(last for _, last in asked) == len(content) - 1


@pytest.mark.parametrize("python", list(BLENDERS))
def test_the_two_pythons_share_all_versions_of_blender(python):
    first, end = BLENDERS[python]
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert (BLENDERS["3.11"][0], BLENDERS["3.11"][1]) == (manifest["blender_version_min"], BLENDERS["3.13"][0])
    assert not end or tuple(map(int, first.split("."))) < tuple(map(int, end.split(".")))


def test_the_manifest_of_a_zip():
    given = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    before, after = tomllib.loads(given), tomllib.loads(adapt(given, LINUX_311, ["MIT AND Zlib", "OpenSSL"]))
    assert after["platforms"] == ["linux-x64"]
    assert (after["blender_version_min"], after["blender_version_max"]) == ("4.3.0", "5.1.0")
    assert after["license"][0] == "SPDX:GPL-3.0-or-later"
    assert {"SPDX:MIT", "SPDX:Zlib", "SPDX:OpenSSL", "SPDX:MPL-2.0"} <= set(after["license"])
    assert len(set(after["license"])) == len(after["license"])
    assert "/engine/wheels/" in before["build"]["paths_exclude_pattern"]
    assert "/engine/wheels/" not in after["build"]["paths_exclude_pattern"]
    assert after["permissions"] == before["permissions"] and "packages" in after["permissions"]["network"]
    newer = tomllib.loads(adapt(given, Target("windows-x64", "3.13"), []))
    assert newer["blender_version_min"] == "5.1.0" and "blender_version_max" not in newer
    assert "wheels" not in after  # Blender would unpack them itself, for all extensions


@needs_blender
def test_a_full_zip_has_its_wheels_and_its_locks_alone(small, tmp_path):
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout
    file = make_zip(small, tmp_path, LINUX_311)
    with zipfile.ZipFile(file) as archive:
        engine = {name for name in archive.namelist() if name.startswith("engine/") and not name.endswith("/")}
        names = set(archive.namelist())
        wheel = archive.read("engine/wheels/alpha-1.0-py3-none-any.whl")
    assert engine == {
        "engine/lock/linux-x64-cp311.json",
        "engine/lock/linux-x64-cp311-cuda.json",
        "engine/lock/linux-x64-cp313.json",
        "engine/wheels/alpha-1.0-py3-none-any.whl",
        "engine/wheels/beta-1.0-py3-none-any.whl",
        f"engine/{project()['tool']['cinemagraph']['pip']['file']}",
    }
    assert {"__init__.py", "LICENSE", "README.md", "blender_addon/engine_lock.py"} <= names
    assert not [name for name in names if name.startswith((".", "tests", "docs", "dist", "demo"))]
    assert wheel == small[1][0].read_bytes()
    after = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout
    assert after == before


@needs_blender
def test_the_small_zip_has_all_locks_and_no_wheel_but_pips(small, tmp_path):
    with zipfile.ZipFile(make_zip(small, tmp_path, Target(package.ANY))) as archive:
        names = [name for name in archive.namelist() if name.startswith("engine/") and not name.endswith("/")]
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert sorted(name for name in names if name.endswith(".whl")) == [
        f"engine/{project()['tool']['cinemagraph']['pip']['file']}"
    ]
    assert len([name for name in names if name.endswith(".json")]) == 4
    assert "platforms" not in manifest and "blender_version_max" not in manifest


def test_pip_is_the_pinned_one():
    pinned = project()["tool"]["cinemagraph"]["pip"]
    file = package.place_pip(ROOT / "engine")
    assert (file.name, file.stat().st_size) == (pinned["file"], pinned["size"])
    assert wheels.digest(file) == pinned["sha256"] and [file] == list((ROOT / "engine").glob("*.whl"))


def test_a_damaged_wheel_is_not_taken(tmp_path, monkeypatch):
    file = make_wheel(tmp_path, "alpha")
    locked = engine_lock.Wheel("alpha", "1.0", file.name, wheels.digest(file), file.stat().st_size, 12)
    assert wheels.fetch([locked], "3.11", tmp_path) == [file]
    monkeypatch.setattr(wheels, "_download", lambda *_: file.write_bytes(b"another"))
    file.write_bytes(b"x" * locked.size)
    with pytest.raises(SystemExit, match="not the locked one"):
        wheels.fetch([locked], "3.11", tmp_path)


def test_an_unknown_platform_is_refused_with_the_known_ones():
    with pytest.raises(SystemExit, match=r"no lock for macos-x64 and Python 3.11.*linux-x64-cp311"):
        package.main("macos-x64", "3.11")


@needs_blender
def test_two_zips_for_the_same_blender_are_refused(small, tmp_path):
    file = make_zip(small, tmp_path, LINUX_311)
    twin = file.with_name("cinemagraph_3d-now-linux-x64-twin.zip")
    twin.write_bytes(file.read_bytes())
    with pytest.raises(SystemExit, match="duplicate"):
        make_repository([file, twin], tmp_path / "repository")


@needs_blender
def test_blender_installs_updates_and_removes_from_the_repository(small, tmp_path):
    """The zip for this Blender is chosen of three; unpacked packages survive an update, and go with the extension."""
    targets = [LINUX_311, Target("linux-x64", "3.13"), Target("macos-arm64", "3.11"), Target(package.ANY)]
    zips = {
        version: [make_zip(small, tmp_path, target, version) for target in targets] for version in ("0.1.0", "0.1.1")
    }
    out = tmp_path / "repository"
    make_repository(zips["0.1.0"], out)
    listing = json.loads((out / "index.json").read_text())["data"]
    assert sorted(item["platforms"] for item in listing) == [["linux-x64"], ["linux-x64"], ["macos-arm64"]]
    assert len(json.loads((out / "small/index.json").read_text())["data"]) == 1
    page = (out / "index.html").read_text()
    assert page.count("repository=.%2Findex.json") == 3 and "platforms=linux-x64" in page
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(out))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = drive_blender(
            f"http://127.0.0.1:{server.server_port}/", tmp_path, lambda: make_repository(zips["0.1.1"], out)
        )
        server.shutdown()
    first = BLENDERS[f"3.{sys.version_info.minor}"][0]
    chosen = {"blender_version_min": first, "platforms": ["linux-x64"]}
    assert told == [
        {"installed": {"version": "0.1.0", **chosen}, "wheels": [file.name for file in small[1]]},
        {"installed": {"version": "0.1.1", **chosen}, "engine": True},
        {"installed": {}, "engine": False, "left": False},
    ]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def drive_blender(address: str, folder: Path, offer_next: Any) -> list[dict[str, Any]]:
    """Run `blender_repository.py` with an empty user folder, and give the objects that it prints."""
    (folder / "user").mkdir()
    environment = {**package.os.environ, "BLENDER_USER_RESOURCES": str(folder / "user"), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, str(Path(__file__).with_name("blender_repository.py")), address]
    told: list[dict[str, Any]] = []
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as blender:
        output = []
        for line in blender.stdout:
            output.append(line)
            if line.startswith("{"):
                told.append(json.loads(line))
                if len(told) == 1:
                    offer_next()
                    blender.stdin.write("\n")
                    blender.stdin.flush()
    assert blender.returncode == 0, "".join(output[-20:])
    return told
