"""Writers of a preview's frames: an .mp4 or .gif file, or numbered .png files; all complete, or none there at all.

Input: frames, (H, W, 3) uint8 sRGB, one after another. Output: files. They replace earlier ones when all frames are
written: a full disk, an encoder that fails and a process that is killed leave the last good files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..files.photo import write_png
from ..shared.atomic_write import partial_name, writing
from ..shared.errors import CinemaError, cannot_write, find_system_error
from .marks import MARK, mark_png

GIF_FPS = 50  # frames per second; viewers take times of 1/100 s and less for a mistake, and show them as 1/10 s
_CRF = 10  # libx264's constant rate factor, 0..51: no loss that the eye sees
# The matrix of BT.709, which players assume for HD, and tags that tell it to all others. With chroma in full precision
# colours come back within 2 of 255.
_FILTERS = (
    "scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,"
    "format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
_TAGS = ("-color_range", "tv", "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
_OTHER_FORMATS = "Use a .gif file, or .png for numbered frames"
Write = Callable[[np.ndarray], None]


@contextmanager
def write_frames(target: Path, fps: int, first: int = 0) -> Iterator[Write]:
    """Write a clip; its files appear when the ``with`` block ends without an error.

    Args:
        target: A .mp4 or .gif file, or a .png name for numbered frames. Its folder is made where it is missing.
        fps: Frames per second of a video.
        first: Number of the first numbered file.

    Yields:
        A function that appends a frame, (H, W, 3) uint8.

    Raises:
        CinemaError: The target has another suffix, or cannot be written.
    """
    writers = {".mp4": _write_mp4, ".gif": _write_gif, ".png": _write_numbered}
    writer = writers.get(target.suffix.lower())
    if writer is None:
        raise CinemaError(f'A preview cannot be written as "{target.suffix}"', "Use .mp4, .gif, .png or a folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(target.parent, error) from error
    with writer(target, fps, first) as write:
        yield write


def target_files(target: Path, numbers: range) -> list[Path]:
    """The files that the frames of these numbers become."""
    if target.suffix.lower() != ".png":
        return [target]
    return [target.with_name(f"{target.stem}_{number:04d}.png") for number in numbers]


def gif_times(fps: int, count: int) -> tuple[list[int], list[int]]:
    """The frames of a clip that a gif shows, and the time of each; the clip keeps its speed.

    Args:
        fps: Frames per second of the clip.
        count: Number of its frames.

    Returns:
        Numbers of the frames, and their durations in ms: multiples of 10, at least 20.
    """
    shown_fps = min(fps, GIF_FPS)
    places = [number * shown_fps // fps for number in range(count)]
    shown = [number for number in range(count) if number == 0 or places[number] > places[number - 1]]
    ends = [(200 * number + shown_fps) // (2 * shown_fps) for number in range(len(shown) + 1)]  # 1/100 s, gif's unit
    return shown, [10 * (end - begin) for begin, end in zip(ends, ends[1:])]


@contextmanager
def _write_numbered(target: Path, fps: int, first: int) -> Iterator[Write]:
    """Stage all pictures in a hidden folder, then move them into place."""
    folder = partial_name(target.with_suffix(""))
    staged: list[Path] = []

    def write(picture: np.ndarray) -> None:
        staged.append(folder / f"{len(staged)}.png")
        write_png(staged[-1], picture)
        staged[-1].write_bytes(mark_png(staged[-1].read_bytes()))

    try:
        folder.mkdir()
        yield write
        for picture, file in zip(staged, target_files(target, range(first, first + len(staged)))):
            os.replace(picture, file)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _write_gif(target: Path, fps: int, first_number: int) -> Iterator[Write]:
    """Collect the frames: Pillow writes an animation whose frames are all there."""
    frames: list[Image.Image] = []
    with writing(target) as partial:
        partial.touch()  # a place that cannot be written is found before anything is rendered
        yield lambda picture: frames.append(Image.fromarray(picture))
        numbers, times = gif_times(fps, len(frames))
        first, *others = [frames[number] for number in numbers]
        first.save(partial, "GIF", save_all=True, append_images=others, duration=times, loop=0)


@contextmanager
def _write_mp4(target: Path, fps: int, first_number: int) -> Iterator[Write]:
    """Write H.264 by ffmpeg; the writers of imageio and imageio-ffmpeg do not say that ffmpeg has failed."""
    encoder: subprocess.Popen[bytes] | None = None

    def write(picture: np.ndarray) -> None:
        nonlocal encoder
        if encoder is None:
            encoder = _start_ffmpeg(partial, picture.shape[1::-1], fps, said)
        assert encoder.stdin is not None
        try:
            encoder.stdin.write(np.ascontiguousarray(picture).data)
        except OSError:  # it has ended, and the pipe is broken
            _finish(encoder, target, said)
            raise

    with writing(target) as partial, tempfile.TemporaryFile() as said:
        partial.touch()
        try:
            yield write
            if encoder is not None:
                _finish(encoder, target, said)
        finally:
            if encoder is not None and encoder.poll() is None:
                encoder.kill()
                encoder.wait()


def _start_ffmpeg(file: Path, size: tuple[int, ...], fps: int, said: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the encoder, which reads frames from its standard input; errors go to `said`."""
    program = _find_ffmpeg()
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-"]
    wanted = ["-an", "-vf", _FILTERS, "-c:v", "libx264", "-crf", str(_CRF), *_TAGS]
    wanted += ["-metadata", f"comment={MARK}", "-f", "mp4"]
    return subprocess.Popen(
        [program, "-y", "-v", "error", *given, *wanted, f"file:{file}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=said,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _find_ffmpeg() -> str:
    """Path of ffmpeg: that of the package imageio-ffmpeg, which is optional, else the one on the PATH.

    Raises:
        CinemaError: There is neither.
    """
    with suppress(ImportError, RuntimeError):
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    program = shutil.which("ffmpeg")
    if program is None:
        hint = f'Install ffmpeg, or run "{sys.executable}" -m pip install imageio-ffmpeg. {_OTHER_FORMATS}'
        raise CinemaError("There is no ffmpeg, which writes videos", hint)
    return program


def _finish(encoder: subprocess.Popen[bytes], target: Path, said: BinaryIO) -> None:
    """Let the encoder write the rest, and raise its error.

    Raises:
        CinemaError: It has failed.
    """
    encoder.communicate()  # closes its standard input and waits; a broken pipe is no error here
    if encoder.returncode == 0:
        return
    said.seek(0)
    text = said.read().decode(errors="replace")
    number = find_system_error(text)
    if number is not None:
        raise cannot_write(target, OSError(number, os.strerror(number)))
    reason = text.strip().splitlines()[-1:] or [f"exit code {encoder.returncode}"]
    raise CinemaError(f"ffmpeg cannot write {target} ({reason[0][:200]})", _OTHER_FORMATS)
