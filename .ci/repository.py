"""Makes the repository that Blender updates from: ``python repository.py [ZIP ...]``, as `make repository` does.

dist/repository then holds the zips with wheels, index.json and index.html, whose links an artist drags into Blender;
dist/repository/small the same for the small zip. Both folders can lie on any host of static files.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from package import ANY, DIST, blender_ext
from wheels import project

OUT = DIST / "repository"


def main(zips: list[Path]) -> None:
    """Make the repository of the given zips, or of all zips of this version in dist."""
    version = project()["project"]["version"]
    zips = zips or sorted(DIST.glob(f"cinemagraph_3d-{version}-*.zip"))
    if not zips:
        sys.exit(f"There is no zip of version {version} in dist: make package-all")
    for folder in make_repository(zips, OUT):
        print(f"{folder}: {', '.join(sorted(file.name for file in folder.iterdir() if file.is_file()))}")


def make_repository(zips: list[Path], out: Path) -> list[Path]:
    """Make a repository anew, and give its folders. Two zips for the same Blender and platform are an error."""
    shutil.rmtree(out, ignore_errors=True)
    folders = {}
    for file in zips:
        folder = out / "small" if file.stem.endswith(f"-{ANY}") else out
        folder.mkdir(parents=True, exist_ok=True)
        folders[folder] = True
        try:
            os.link(file, folder / file.name)
        except OSError:  # another disk, or one without links
            shutil.copy2(file, folder)
    for folder in folders:
        blender_ext("server-generate", "--repo-dir", str(folder), "--html")
    return list(folders)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
