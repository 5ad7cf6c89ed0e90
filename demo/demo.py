"""Renders a loop from a photo and strokes, without a window.

The script does the same steps as a user in Blender: it installs the extension and uses only its operators. Run it with
`make demo`, or with a Python that has bpy and a full zip of the extension.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--zip", type=Path, required=True, help="the extension's zip file")
parser.add_argument("--photo", type=Path, required=True)
parser.add_argument("--annotations", type=Path, help="strokes, as JSON of 3D Cinemagraph or of labelme")
parser.add_argument("--depth", type=Path, help="depth map of the photo; without one the depth is estimated")
parser.add_argument("--out", type=Path, required=True, help="folder for loop.mp4, scene.blend and report.json")
parser.add_argument("--frames", type=int, default=60, help="length of the loop in frames")
parser.add_argument("--samples", type=int, default=16, help="Cycles samples per pixel")


def install(extension: Path) -> None:
    """Install the extension from its zip and enable it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(extension.resolve()), repo="user_default", enable_on_install=True, overwrite=True
    )
    bpy.context.preferences.filepaths.save_version = 0


def make_scene(wanted: argparse.Namespace, out: Path) -> None:
    """Build the photo and set up a scene that is ready to render."""
    bpy.ops.cinemagraph.open_photo(filepath=str(wanted.photo.resolve()))
    settings = bpy.context.scene.cinemagraph
    settings.frames = wanted.frames
    if wanted.annotations:
        bpy.ops.cinemagraph.import_annotations(filepath=str(wanted.annotations.resolve()))
    if wanted.depth:
        settings.depth_file = str(wanted.depth.resolve())
    bpy.ops.cinemagraph.build()
    bpy.ops.cinemagraph.add_camera_path(path="circle", loop=True)
    bpy.ops.cinemagraph.set_up_render(samples=wanted.samples, filepath=str(out / "loop.mp4"))
    (out / "report.json").write_text(settings.report_json, encoding="utf-8")
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "scene.blend"))


def render(scene: "bpy.types.Scene") -> None:
    """Render the loop with Blender's own output settings and show a progress bar on the terminal."""
    start, count = time.monotonic(), scene.frame_end - scene.frame_start + 1

    def show(done_scene: "bpy.types.Scene", *_: object) -> None:
        done = done_scene.frame_current - done_scene.frame_start + 1
        left = (time.monotonic() - start) / done * (count - done)
        bar = "#" * (30 * done // count)
        say(f"[{bar:<30}] frame {done} of {count}, {left:.0f} s left", end="\r" if sys.stderr.isatty() else "\n")

    bpy.app.handlers.render_write.append(show)
    with quiet():
        bpy.ops.render.render(animation=True)


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


class quiet:
    """Hides Blender's own output, dozens of lines per frame, which it writes to file descriptor 1."""

    def __enter__(self) -> None:
        sys.stdout.flush()
        self._kept = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, 1)
        os.close(self._kept)


def main(wanted: argparse.Namespace) -> int:
    start, out = time.monotonic(), wanted.out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
        install(wanted.zip)
        make_scene(wanted, out)
    except RuntimeError as error:  # an operator failed; the error carries its message
        say(str(error).strip())
        return 2
    say(f"Scene: {out / 'scene.blend'}")
    render(bpy.context.scene)
    say(f"\nLoop: {out / 'loop.mp4'}, {time.monotonic() - start:.0f} s in all")
    return 0


if __name__ == "__main__":
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cinemagraph-demo-") as user_folder:
        # Blender reads the path of its user folder once, when bpy is imported. The user's own folder stays unchanged.
        os.environ["BLENDER_USER_RESOURCES"] = user_folder
        import bpy

        code = main(arguments)
    # All files are written. A normal exit of Python frees Blender while the extension's classes are still registered,
    # and bpy 4.5 then prints endless reports of memory leaks.
    sys.stdout.flush()
    os._exit(code)
