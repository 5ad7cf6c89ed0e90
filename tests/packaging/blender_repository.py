"""Runs in a Blender of its own, as `python blender_repository.py ADDRESS`: a user's way with a repository.

Adds the repository, installs the extension, waits for a line on standard input, which the test writes when it offers
the next version, updates to it, and uninstalls it. Prints one JSON object after each of the three steps.
"""

import json
import sys
import tomllib
import urllib.parse
from pathlib import Path

import bpy

ADDRESS = sys.argv[1]
PACKAGE = "cinemagraph_3d"


def installed(folder: Path) -> dict[str, object]:
    """Version, first Blender and platforms of the installed extension; empty without one."""
    manifest = folder / PACKAGE / "blender_manifest.toml"
    fields = tomllib.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    return {name: fields[name] for name in ("version", "blender_version_min", "platforms") if name in fields}


def tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.system.use_online_access = True
    repositories = bpy.context.preferences.extensions.repos
    for repository in list(repositories):
        repositories.remove(repository)
    repository = repositories.new(name="Test", module="test", remote_url=urllib.parse.urljoin(ADDRESS, "index.json"))
    folder = Path(repository.directory)
    user_folder = folder.parent / ".user/test" / PACKAGE
    bpy.ops.extensions.repo_sync(repo_index=0)
    bpy.ops.extensions.package_install(repo_index=0, pkg_id=PACKAGE, enable_on_install=True)
    wheels = sorted(path.name for path in (folder / PACKAGE / "engine/wheels").glob("*"))
    key = Path(bpy.utils.extension_path_user(f"bl_ext.test.{PACKAGE}", path="engine", create=True)) / "key"
    key.mkdir()
    (key / "complete").write_text("unpacked")
    assert key.is_relative_to(user_folder), key
    tell(installed=installed(folder), wheels=wheels)
    sys.stdin.readline()
    bpy.ops.extensions.repo_sync(repo_index=0)
    bpy.ops.extensions.package_upgrade_all()
    tell(installed=installed(folder), engine=(key / "complete").exists())
    bpy.ops.extensions.package_uninstall(repo_index=0, pkg_id=PACKAGE)
    tell(installed=installed(folder), engine=(key / "complete").exists(), left=user_folder.exists())


main()
