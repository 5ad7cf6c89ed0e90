"""The check of the engine's packages: each failure of an import is a sentence of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cinema_core.engine import requirements

ROOT = Path(__file__).parents[2]


def run(*arguments: str, first: Path | None = None, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    path = f"{first}:{ROOT}" if first else str(ROOT)
    return subprocess.run(
        [sys.executable, *options, "-m", "cinema_core.engine.requirements", *arguments],
        capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": path}, check=False,
    )  # fmt: skip


def test_the_check_names_versions_and_device():
    found = json.loads(run().stdout)
    assert found["type"] == "done" and found["executable"] == sys.executable
    assert found["packages"]["numpy"].count(".") == 2 and found["device"] in ("cpu", "cuda", "mps")
    assert set(requirements.PACKAGES.values()) <= set(found["packages"])


def test_a_python_without_packages_lists_them_all():
    found = run("missing", options=("-S",))
    assert json.loads(found.stdout)["missing"] == [*requirements.PACKAGES.values()]
    found = run(options=("-S",))
    assert found.returncode == 2 and json.loads(found.stdout)["text"] == f"cv2 is not installed in {sys.executable}"


@pytest.mark.parametrize(
    ("raised", "text", "hint"),
    [
        ("DLL load failed while importing _C: The specified module could not be found.",
         "Windows lacks the Visual C++ runtime that scipy needs", "Visual C++ Redistributable"),
        ("[WinError 126] The specified module could not be found. Error loading c10.dll",
         "Windows lacks the Visual C++ runtime that scipy needs", "Visual C++ Redistributable"),
        ("[WinError 193] %1 is not a valid Win32 application", "scipy was made for another kind of computer", "Remove"),
        ("x.so: mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')",
         "scipy was made for another kind of computer", "Remove"),
        ("x.so: code signature in <A> not valid for use in process: library load disallowed by system policy",
         "macOS does not let ", "Privacy & Security"),
        ("[WinError 225] Operation did not complete successfully because the file contains a virus",
         "Security software blocks scipy", "Allow"),
        ("/lib/libc.so.6: version `GLIBC_2.38' not found", "This Linux is older than scipy needs", "glibc"),
        ("libgomp.so.1: cannot open shared object file: No such file or directory",
         "The system's library libgomp.so.1 is missing, which scipy needs", "Install the package"),
        ("[WinError 1455] The paging file is too small for this operation", "There is not enough memory", "Close"),
        ("undefined symbol: _PyGen_Send", "scipy was made for another Python", "Remove"),
        ("something nobody has seen", "scipy does not start in ", "Remove the engine"),
    ],
)  # fmt: skip
def test_each_failure_has_its_sentence(raised, text, hint):
    error = requirements.explain_import(ImportError(raised), "scipy")
    assert error.text.startswith(text) and hint in error.hint


def test_a_package_that_fails_is_named_by_the_check(tmp_path):
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text("raise ImportError('libquadmath.so.0: cannot open shared object')")
    found = run(first=tmp_path)
    answer = json.loads(found.stdout)
    assert found.returncode == 2 and answer["type"] == "error"
    assert answer["text"] == "The system's library libquadmath.so.0 is missing, which scipy needs"


def test_a_gap_in_the_extensions_own_packages_is_no_matter_for_pip(tmp_path):
    (tmp_path / requirements.PRIVATE_MARK).write_text("{}")
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text("import no_such_package")
    answer = json.loads(run(first=tmp_path).stdout)
    assert answer["text"] == "The engine lacks its package no_such_package" and "set it up again" in answer["hint"]


def test_the_mark_of_the_private_packages_is_the_unpackers():
    source = (ROOT / "blender_addon" / "engine_unpack.py").read_text(encoding="utf-8")
    assert f'COMPLETE = "{requirements.PRIVATE_MARK}"' in source


def test_bytecode_of_the_packages_is_kept_and_that_of_the_engine_is_not(tmp_path):
    (tmp_path / "tifffile").mkdir()
    (tmp_path / "tifffile" / "__init__.py").write_text("__version__ = '0'")
    before = {*(ROOT / "cinema_core").rglob("*.pyc")}
    found = run(first=tmp_path, options=("-B",))
    assert json.loads(found.stdout)["text"].startswith("tifffile does not start")  # the build needs more of it
    assert [*tmp_path.rglob("*.pyc")] and {*(ROOT / "cinema_core").rglob("*.pyc")} == before
