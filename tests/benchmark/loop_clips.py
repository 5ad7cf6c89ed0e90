"""Loops beside real clips: the first frame and the clip's own motion become a loop, beside the clip itself.

The motion is the median over time of a dense optical flow between successive frames (OpenCV's DIS, preset MEDIUM). The
region is where that is the same forward and backward, and not still. The depth is a plane: only the loop is judged.
The reference's alpha blend is beside it: Li et al. 2023 warp the photo forward and backward by Euler steps along the
same motion and mix both with weights that are linear in time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from loop_measures import autocorrelation, difference_spectrum, look, luma, rms
from loop_photos import Row, look_rows
from loop_points import Builder, Loop

FRAMES = 60  # of the loop
LAGS = 20  # frames
CONSISTENT = 1.0  # px; flow forward and backward differ by less where the flow is reliable
LEAST_SPEED = 0.3  # px/frame; slower pixels of a clip do not count as moving
LEAST_PART = 0.05  # of the picture; smaller moving parts are plants in the wind and noise
WINDOWS = 6  # of the loop, each as long as the clip; they begin at even distances
SHOWN, CROP = 6, (160, 240)  # frames in a strip; rows and columns of a crop, px


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip and its steady motion.

    Attributes:
        frames: (T, H, W, 3) float32 sRGB.
        flow: (H, W, 2) float32, px/frame, 0 outside the region.
        region: (H, W) bool, where the motion is reliable and something moves.
    """

    frames: np.ndarray
    flow: np.ndarray
    region: np.ndarray


def clip_figures(source: Path, side: int, pictures: Path | None) -> Iterator[Row]:
    """Yields (name, text, values) of the figures of a clip.

    Args:
        source: A video, or a folder of frames.
        side: px, longest side; larger frames are scaled down.
        pictures: Folder for the strip.
    """
    clip = read_clip(source, side)
    count = len(clip.frames)
    speed = np.linalg.norm(clip.flow[clip.region], axis=-1)
    size = f"{clip.region.shape[1]}x{clip.region.shape[0]}, {count} frames"
    moving = f"moving {100 * clip.region.mean():.0f} %, {np.median(speed):.2f} px/frame (most {speed.max():.1f})"
    yield "clip", f"{size}; {moving}", {}
    loop = loop_frames(clip)
    blend = alpha_blend(clip.frames[0], clip.flow, FRAMES)
    stacks = {"clip": [clip.frames], "loop": windows(loop, count), "alpha blend": windows(blend, count)}
    lumas = {name: [np.stack([luma(f) for f in part]) for part in parts] for name, parts in stacks.items()}
    lags = min(LAGS, count - 1)
    curves = {name: autocorrelation([p[:, clip.region] for p in parts], lags) for name, parts in lumas.items()}
    for name, curve in curves.items():
        chosen = " ".join(f"{value:.2f}" for value in curve)
        yield f"autocorrelation, {name}", f"{_distance(curve, curves['clip'])}lags 1 to {lags}: {chosen}", {}
    spectra = {name: np.mean([difference_spectrum(p, clip.region) for p in parts], 0) for name, parts in lumas.items()}
    for name, powers in spectra.items():
        text = " ".join(f"{value:.1f}" for value in powers)
        yield f"frame differences, dB, {name}", f"{_distance(powers, spectra['clip'])}octaves 1 to 4: {text}", {}
    for name, frames in (("loop", loop), ("alpha blend", blend)):
        yield f"  look of the {name}:", "", {}
        yield from look_rows([look(frame, clip.frames[0], clip.region) for frame in frames[::7]])
    if pictures:
        yield "strip", str(write_strip(pictures / f"strip_{source.stem}.png", clip, loop, blend)), {}


def _distance(values: np.ndarray, truth: np.ndarray) -> str:
    return "" if values is truth else f"distance {rms(values - truth):.3f}; "


def windows(frames: np.ndarray, count: int) -> list[np.ndarray]:
    """Windows of `count` frames of a loop (N, ...), some of them across its end."""
    starts = np.arange(WINDOWS) * len(frames) // WINDOWS
    return [np.take(frames, range(start, start + count), 0, mode="wrap") for start in starts]


def read_clip(source: Path, side: int) -> Clip:
    """Read a clip and find its steady motion."""
    frames = [_scaled(frame, side) for frame in _read_frames(source)]
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pairs = list(zip(grey, grey[1:]))
    forward = np.median([dis.calc(before, after, None) for before, after in pairs], 0).astype(np.float32)
    backward = np.median([dis.calc(after, before, None) for before, after in pairs], 0).astype(np.float32)
    error = np.linalg.norm(forward + _at(backward, _pixels(grey[0].shape) + forward), axis=-1)
    moving = (error < CONSISTENT) & (np.linalg.norm(forward, axis=-1) > LEAST_SPEED)
    region = _large_parts(cv2.morphologyEx(moving.astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)))
    color = np.stack(frames)[..., ::-1].astype(np.float32) / 255
    return Clip(color, np.where(region[..., None], forward, np.float32(0)), region)


def _read_frames(source: Path) -> list[np.ndarray]:
    """(H, W, 3) uint8 BGR pictures."""
    if source.is_dir():
        return [cv2.imread(str(path)) for path in sorted(source.glob("*.jpg")) + sorted(source.glob("*.png"))]
    video, frames = cv2.VideoCapture(str(source)), []
    while (read := video.read())[0]:
        frames.append(read[1])
    return frames


def _scaled(frame: np.ndarray, side: int) -> np.ndarray:
    """Scaled down, to even sides."""
    factor = min(1.0, side / max(frame.shape))
    height, width = (2 * round(length * factor / 2) for length in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


def _large_parts(mask: np.ndarray) -> np.ndarray:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] > LEAST_PART * mask.size
    large[0] = False
    closed = cv2.morphologyEx(large[parts].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    return closed.astype(bool)


def loop_frames(clip: Clip) -> np.ndarray:
    """(N, H, W, 3) all frames of the loop that is built from the clip's first frame and its motion."""
    with tempfile.TemporaryDirectory() as folder:
        plane = np.linspace(0.6, 1.0, len(clip.region))
        loop = build_given(Path(folder), clip.frames[0], clip.flow, clip.region, plane)
        return np.stack([loop.frame(n / FRAMES) for n in range(FRAMES)])


def build_given(folder: Path, photo: np.ndarray, flow: np.ndarray, region: np.ndarray, rows: np.ndarray) -> Loop:
    """The loop of a photo whose motion, region and depth are given.

    Args:
        folder: For the files.
        photo: (H, W, 3) float32 sRGB.
        flow: (H, W, 2) float32, px/frame.
        region: (H, W) bool.
        rows: (H,) disparity of the rows, 1 / scene units; not all the same, as a constant depth map is refused.
    """
    files = {name: folder / file for name, file in (("flow", "f.npy"), ("region", "r.png"), ("depth", "d.npy"))}
    photo_file = folder / "photo.png"
    cv2.imwrite(str(photo_file), np.rint(photo * 255).astype(np.uint8)[..., ::-1])
    cv2.imwrite(str(files["region"]), 255 * region.astype(np.uint8))
    np.save(files["flow"], flow.astype(np.float32))
    np.save(files["depth"], np.repeat(1 / rows[:, None], region.shape[1], 1).astype(np.float32))
    builder = Builder(folder / "job", photo_file, **files)
    return builder.build(frames=FRAMES, depth_kind="metric", edge_cleanup=0.0)


def alpha_blend(photo: np.ndarray, flow: np.ndarray, frames: int) -> np.ndarray:
    """(N, H, W, 3) the reference's loop: the photo warped forward and backward, mixed linearly.

    Args:
        photo: (H, W, 3) float32 sRGB.
        flow: (H, W, 2) float32, px/frame; 0 where the photo stays.
        frames: Length of the loop.
    """
    start = _pixels(photo.shape)
    sources, ends = [start], [start]
    for _ in range(frames):
        sources.append(sources[-1] - _at(flow, sources[-1]))
        ends.append(ends[-1] + _at(flow, ends[-1]))
    still = ~flow.any(-1)
    loop = []
    for n in range(frames):
        share = np.float32(n / frames)
        mixed = (1 - share) * _at(photo, sources[n]) + share * _at(photo, ends[frames - n])
        mixed[still] = photo[still]
        loop.append(mixed)
    return np.stack(loop)


def _pixels(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W, 2) float32 indices of columns and rows."""
    return np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), -1).astype(np.float32)


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return cv2.remap(values, index, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def write_strip(file: Path, clip: Clip, loop: np.ndarray, blend: np.ndarray) -> Path:
    """Write rows of crops: the clip, the loop, the alpha blend. At the right is a line along the flow over time."""
    share = cv2.boxFilter(clip.region.astype(np.float32), -1, CROP[::-1], borderType=cv2.BORDER_CONSTANT)
    row, column = (int(at) for at in np.unravel_index(int(share.argmax()), share.shape))
    row, column = (max(0, min(at - s // 2, n - s)) for at, s, n in zip((row, column), CROP, share.shape))
    crop = slice(row, row + CROP[0]), slice(column, column + CROP[1])
    count, rows = len(clip.frames), []
    is_upright = bool(np.abs(clip.flow[crop]).mean((0, 1)).argmax())
    for frames in (clip.frames, loop, blend):
        shown = [frames[n][crop] for n in np.linspace(0, count - 1, SHOWN).round().astype(int)]
        parts = np.stack([frame[crop] for frame in frames[:count]])
        over_time = parts[:, :, CROP[1] // 2].transpose(1, 0, 2) if is_upright else parts[:, CROP[0] // 2]
        shown.append(cv2.resize(over_time, CROP[::-1], interpolation=cv2.INTER_NEAREST))
        rows.append(np.concatenate([np.pad(part, ((2, 2), (2, 2), (0, 0))) for part in shown], 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.rint(np.concatenate(rows).clip(0, 1) * 255).astype(np.uint8)[..., ::-1])
    return file
