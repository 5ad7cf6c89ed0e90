"""The packages that the engine imports, and the check that they work in this Python.

`python -m cinema_core.engine.requirements` prints the check's result as one JSON line; with the argument "missing", the
names of the packages that are not installed. Standard library only, so that it runs where packages are missing.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import py_compile
import re
import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path

from ..shared.errors import CinemaError, first_line

# Modules that the core imports -> names of their packages.
PACKAGES = {
    "cv2": "opencv-python-headless",
    "imagecodecs": "imagecodecs",
    "numpy": "numpy",
    "OpenEXR": "openexr",
    "PIL": "pillow",
    "pillow_heif": "pillow-heif",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "tifffile": "tifffile",
    "torch": "torch",
}
# Packages for depth models and videos. A failure of onnxruntime, which the extension sets up, must not stop all else.
OPTIONAL = ("transformers", "onnxruntime", "imageio-ffmpeg")
PRIVATE_MARK = "complete.json"  # file in a folder of packages that the extension has unpacked for this engine alone
_REPAIR = "Remove the engine in the extension's preferences, and set it up again"
# Patterns in the text of an error of an import -> the error and the remedy, the more special first.
_FAILURES = (
    (r"DLL load failed|WinError 126|WinError 127", ("Windows lacks the Visual C++ runtime that {module} needs",
     "Install Microsoft's Visual C++ Redistributable for this kind of processor, then try again")),
    (r"WinError 193|wrong ELF class|invalid ELF header|incompatible architecture|mach-o file, but is",
     ("{module} was made for another kind of computer or is damaged", _REPAIR)),
    (r"code signature|not valid for use in process|library load disallowed|library load denied",
     ("macOS does not let {program} load {module}",
     "Allow it in System Settings > Privacy & Security, then try again")),
    (r"WinError 5\b|WinError 225|WinError 1260|Access is denied|blocked by|virus",
     ("Security software blocks {module}", "Allow Blender's user folder in it, then try again")),
    (r"GLIBC_|GLIBCXX_|CXXABI_", ("This Linux is older than {module} needs", "Use a newer one: glibc 2.28 or later")),
    (r"(?P<library>lib[^\s:/]+\.so[^\s:]*): cannot open shared object",
     ("The system's library {library} is missing, which {module} needs", "Install the package that has it")),
    (r"Cannot allocate memory|cannot allocate memory|WinError 1455|paging file is too small",
     ("There is not enough memory to load {module}", "Close other programs, then try again")),
    (r"_multiarray_umath|compiled using NumPy|numpy\.core\.multiarray|built for (?:CPython|Python)|"
     r"undefined symbol: _?Py|Module use of python|version mismatch|numpy\.dtype size changed",
     ("{module} was made for another Python than {program} ({version}) or another numpy", _REPAIR)),
)  # fmt: skip


def missing() -> list[str]:
    """List the packages that are not installed."""
    return [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]


def check() -> dict:
    """Import all packages and the build, and compute a tensor.

    Returns:
        "python" and "executable" of this process, "packages": package -> version, and "device": where torch computes.

    Raises:
        CinemaError: A package is missing or does not work.
    """
    versions = {package: _import(module) for module, package in PACKAGES.items()}
    for package in OPTIONAL:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    device = _compute()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "packages": versions,
        "device": device,
    }


def explain_import(error: ImportError | OSError, module: str) -> CinemaError:
    """Turn the failure of an import into an error that names the remedy.

    Args:
        error: The failure.
        module: The module that was imported.
    """
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("numpy."):
        if any(Path(folder, PRIVATE_MARK).exists() for folder in sys.path):
            return CinemaError(f"The engine lacks its package {error.name}", _REPAIR)
        package = PACKAGES.get(error.name, error.name)
        remedy = f'Install it: "{sys.executable}" -m pip install {package}'
        return CinemaError(f"{error.name} is not installed in {sys.executable}", remedy)
    for pattern, (text, hint) in _FAILURES:
        if found := re.search(pattern, str(error)):
            library = found.groupdict().get("library", "")
            names = {"module": module, "program": sys.executable, "version": platform.python_version()}
            return CinemaError(text.format(library=library, **names), hint)
    return CinemaError(f"{module} does not start in {sys.executable} ({first_line(error)})", _REPAIR)


def main(arguments: list[str]) -> int:
    """Print one JSON line; returns the exit code."""
    if arguments == ["missing"]:
        print(json.dumps({"type": "done", "missing": missing()}))
        return 0
    try:
        print(json.dumps({"type": "done", **check()}))
    except CinemaError as error:
        print(json.dumps({"type": "error", "text": error.text, "hint": error.hint}))
        return 2
    return 0


def _import(module: str) -> str:
    """Import a module and give its version. Its bytecode is kept, so that later starts are quicker."""
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return str(getattr(importlib.import_module(module), "__version__", ""))
    except (ImportError, OSError) as error:
        raise explain_import(error, module) from error
    finally:
        sys.dont_write_bytecode = written


def _compute() -> str:
    """Import the build, compute with torch on the fastest device, and give its name."""
    try:
        import torch

        from ..device import choose_device
        from ..pipeline.build import Builder  # noqa: F401  the modules of the packages that a build needs

        device = choose_device()
        total = float((torch.arange(4.0, device=device) ** 2).sum())
    except (ImportError, OSError) as error:
        module = (getattr(error, "name", None) or "torch").split(".")[0]
        raise explain_import(error, module) from error
    except RuntimeError as error:  # a driver that does not fit to the packages
        raise CinemaError(f"torch cannot compute here ({first_line(error)})", _REPAIR) from error
    if total != 14.0:
        raise CinemaError(f"torch computes wrong results here ({total} for 14)", _REPAIR)
    _compile_rest()
    return device


def _compile_rest() -> None:
    """Keep the bytecode of the packages' modules that the build has imported; a folder that is read-only gets none."""
    own = str(Path(__file__).parents[1])
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        if not isinstance(spec, ModuleSpec) or not spec.has_location or not spec.cached:
            continue
        if not str(spec.origin).startswith(own) and not Path(spec.cached).exists():
            with suppress(OSError, py_compile.PyCompileError):
                py_compile.compile(str(spec.origin), spec.cached, doraise=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
