"""Writers of a preview's frames: complete files or none, their colours and their times."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import imageio.v2 as imageio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from cinema_core.shared.errors import CinemaError
from cinema_core.view import frame_writer
from cinema_core.view.frame_writer import gif_times, target_files, write_frames

NAMES = ("clip.mp4", "clip.gif", "clip.png")


def frames(count: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 255, (count, 64, 96, 3), np.uint8))


def write_clip(target: Path, pictures: list[np.ndarray], fps: int = 25) -> None:
    with write_frames(target, fps) as write:
        for picture in pictures:
            write(picture)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_appears_when_it_is_complete(tmp_path, name):
    target = tmp_path / "new" / name
    with write_frames(target, 25) as write:
        for picture in frames(3):
            write(picture)
            assert not any(file.exists() for file in target_files(target, range(3)))
    assert sorted(target.parent.iterdir()) == target_files(target, range(3))
    shown = [picture for file in target_files(target, range(3)) for picture in imageio.mimread(file)]
    assert [picture.shape[:2] for picture in shown] == [(64, 96)] * 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_leaves_the_last_good_files(tmp_path, name, error):
    write_clip(tmp_path / name, frames(3))
    before = contents(tmp_path)
    with pytest.raises(error), write_frames(tmp_path / name, 25) as write:
        write(frames(1, 1)[0])
        raise error
    assert contents(tmp_path) == before


@pytest.fixture
def broken_encoder(tmp_path_factory, monkeypatch):
    """A function that puts a program in the place of ffmpeg."""

    def put(script: str) -> None:
        program = tmp_path_factory.mktemp("encoder") / "ffmpeg"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))

    return put


@pytest.mark.skipif(os.name == "nt", reason="the encoder's substitute is a shell script")
@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("cat > /dev/null; echo 'av_write_trailer: No space left on device' >&2; exit 228", "is full"),
        ("echo 'out.mp4: No space left on device' >&2; exit 1", "is full"),
        ("cat > /dev/null; echo Conversion failed! >&2; exit 1", "Conversion failed!"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_a_failed_encoder_leaves_the_last_good_file(tmp_path, broken_encoder, script, text):
    write_clip(tmp_path / "clip.mp4", frames(3))
    before = contents(tmp_path)
    broken_encoder(script)
    with pytest.raises(CinemaError) as caught:
        write_clip(tmp_path / "clip.mp4", frames(30))
    assert text in caught.value.text and caught.value.hint and contents(tmp_path) == before


@pytest.fixture(params=["no package", "no program in the package"])
def without_imageio_ffmpeg(request, monkeypatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    if request.param == "no package":
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    else:
        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)


def test_without_the_package_ffmpeg_is_found_on_the_path(tmp_path, monkeypatch, without_imageio_ffmpeg):
    program = tmp_path / "bin" / ("ffmpeg.exe" if os.name == "nt" else "ffmpeg")
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert Path(frame_writer._find_ffmpeg()) == program


def test_without_an_encoder_the_error_names_both_ways_to_get_one(tmp_path, monkeypatch, without_imageio_ffmpeg):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CinemaError, match="There is no ffmpeg") as caught:
        write_clip(tmp_path / "clip.mp4", frames(1))
    assert "Install ffmpeg, or" in caught.value.hint and "pip install imageio-ffmpeg" in caught.value.hint
    assert ".gif" in caught.value.hint and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("width", "height"), [(160, 96), (1280, 720)])
def test_colours_are_tagged_and_come_back(tmp_path, width, height):
    """As a player decodes it that obeys the tags, or takes HD for BT.709 without looking."""
    palette = np.array([(184, 27, 27), (27, 147, 36), (27, 46, 175), (194, 166, 36), (118, 118, 118)], np.uint8)
    picture = np.repeat(palette, width // 5, 0)[None].repeat(height, 0)
    write_clip(tmp_path / "clip.mp4", [np.ascontiguousarray(picture)] * 2)
    program = imageio_ffmpeg.get_ffmpeg_exe()
    said = subprocess.run([program, "-i", tmp_path / "clip.mp4"], capture_output=True, text=True).stderr
    assert "yuv420p(tv, bt709" in said
    filters = "scale=in_color_matrix=bt709:flags=accurate_rnd+full_chroma_int"
    command = [program, "-v", "error", "-i", tmp_path / "clip.mp4", "-vf", filters, "-frames:v", "1"]
    subprocess.run([*command, "-pix_fmt", "rgb24", tmp_path / "frame.png"], check=True)
    middles = [width // 10 * (2 * number + 1) for number in range(5)]
    shown = np.asarray(Image.open(tmp_path / "frame.png")).astype(int)[height // 2, middles]
    assert np.abs(shown - palette).max() <= 3


@pytest.mark.parametrize("fps", [1, 7, 24, 25, 30, 45, 50, 60, 100, 144, 240])
@pytest.mark.parametrize("count", [1, 6, 60])
def test_a_gif_keeps_the_speed(fps, count):
    shown, times = gif_times(fps, count)
    assert shown[0] == 0 and shown == sorted(set(shown)) and len(shown) == len(times) <= count
    assert min(times) >= 20 and all(time % 10 == 0 for time in times)
    assert abs(sum(times) - 1000 * count / fps) <= 20
    assert fps > 50 or shown == list(range(count))


def test_times_in_the_file(tmp_path):
    write_clip(tmp_path / "clip.gif", frames(6), 60)
    with Image.open(tmp_path / "clip.gif") as clip:
        times = []
        for number in range(clip.n_frames):
            clip.seek(number)
            times.append(clip.info["duration"])
    assert times == [20] * 5 and frame_writer.GIF_FPS == 50
