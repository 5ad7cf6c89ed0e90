"""Licences of the wheels: those of their METADATA, and those of the libraries inside, which METADATA rarely names.

Compiled by eye from the wheels' licence files and the names of the libraries in them. A new version of a package needs
a new look; docs/release.md says where.
"""

from __future__ import annotations

import re
from email.message import Message

# METADATA without an SPDX expression.
_OWN = {
    "imagecodecs": "BSD-3-Clause",
    "numpy": "BSD-3-Clause",  # 1.26; 2.x has an expression
    "onnxruntime": "MIT",
    "opencv-python-headless": "Apache-2.0 AND MIT",
    "openexr": "BSD-3-Clause",
    "pillow-heif": "BSD-3-Clause",
    "safetensors": "Apache-2.0",
    "scipy": "BSD-3-Clause",
    "tifffile": "BSD-3-Clause",
    "triton": "MIT",
}
_GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"  # libgcc, libgfortran, libgomp, libstdc++
_FORTRAN = f"{_GCC} AND LGPL-2.1-or-later"  # libgfortran with libquadmath
_INTEL = "LicenseRef-Intel-Simplified-Software-License"  # MKL within torch_cpu; on Windows libiomp5md.dll too
_MICROSOFT = "LicenseRef-Microsoft-Visual-Cpp-Runtime"  # msvcp140.dll
_NVIDIA = "LicenseRef-NVIDIA-Proprietary"
_EVERYWHERE = ""
PIP = (
    "Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND ISC AND MIT AND MPL-2.0 AND PSF-2.0"  # with its vendored packages
)

# Package -> platform -> licences of the libraries in its wheel.
_INSIDE = {
    "imagecodecs": {
        _EVERYWHERE: "Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND IJG AND MIT AND PostgreSQL AND Zlib AND "
        "libpng-2.0 AND libtiff AND 0BSD AND Unlicense",
        "linux-x64": _GCC,
    },
    "numpy": {"linux-x64": _FORTRAN, "macos-arm64": _FORTRAN, "windows-x64": f"{_MICROSOFT} AND {_GCC}"},
    "onnxruntime": {  # ONNX, protobuf, flatbuffers, abseil, Eigen, Boost, XNNPACK, re2, cpuinfo
        _EVERYWHERE: "Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND BSL-1.0 AND MPL-2.0"
    },
    "opencv-python-headless": {
        # FFmpeg without its GPL parts, libvpx; OpenSSL 1.1 for FFmpeg's protocols.
        "linux-x64": f"LGPL-2.1-or-later AND BSD-3-Clause AND OpenSSL AND {_FORTRAN}",
        "macos-arm64": "GPL-3.0-or-later AND LGPL-3.0-or-later AND MPL-2.0",  # FFmpeg with x264, x265, opencore-amr
        "windows-x64": "LGPL-2.1-or-later",
    },
    "openexr": {"windows-x64": _MICROSOFT},
    "pillow": {
        _EVERYWHERE: "BSD-2-Clause AND BSD-3-Clause AND IJG AND MIT AND Zlib AND libpng-2.0 AND libtiff AND 0BSD "
        "AND FTL"
    },
    "pillow-heif": {
        _EVERYWHERE: "LGPL-3.0-or-later AND GPL-2.0-or-later",  # libheif, libde265; x265
        "windows-x64": f"{_GCC} AND MIT",
    },
    "scipy": {"linux-x64": _FORTRAN, "macos-arm64": _FORTRAN, "windows-x64": _GCC},
    "torch": {
        "linux-x64": f"{_INTEL} AND {_GCC}",
        "macos-arm64": "Apache-2.0 WITH LLVM-exception",
        "windows-x64": _INTEL,
    },
}


def licence_of(package: str, platform: str, metadata: Message) -> str:
    """The SPDX expression of all that is in a wheel.

    Args:
        package: Its name.
        platform: Platform that the wheel is for.
        metadata: Its METADATA.

    Raises:
        SystemExit: METADATA has no expression, and the tables above have no entry.
    """
    own = metadata.get("License-Expression") or _OWN.get(package)
    if own is None and package.startswith("nvidia-"):
        own = _NVIDIA
    if own is None and package == "cuda-toolkit":  # a list of requirements, without any file
        own = _NVIDIA
    if own is None:
        raise SystemExit(f"{package} does not tell its licence: add it to .ci/licences.py.")
    inside = _INSIDE.get(package, {})
    return join_licences([own, inside.get(_EVERYWHERE, ""), inside.get(platform, "")])


def join_licences(expressions: list[str]) -> str:
    """Join expressions with AND, each licence once."""
    return " AND ".join(split_licences(expressions))


def split_licences(expressions: list[str]) -> list[str]:
    """The licences of expressions that hold all together, sorted, each once."""
    parts = {part.strip() for expression in expressions for part in re.split(r" AND ", expression)}
    return sorted(parts - {""})
